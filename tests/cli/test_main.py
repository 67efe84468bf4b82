"""What every command does alike: help, errors of one line, exit codes, start-up."""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.main import COMMANDS
from tests.fixtures.command import COMMAND, complaint, environment, hadrian

HEAVY = ("torch", "transformers", "sqlalchemy", "psycopg", "pydantic", "rich", "yaml", "zstandard")

# Adds one command, from the module `extra` in the working directory, and runs it.
WITH_EXTRA = (
    "import sys, cli.main as m; sys.path.insert(0, '.');"
    "m.COMMANDS['extra'] = ('extra:command', ''); sys.exit(m.main(['extra']))"
)


def run_extra(folder: Path, body: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose body is `body`."""
    text = f"import click\n\n@click.command()\ndef command():\n    {body}\n"
    (folder / "extra.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-c", WITH_EXTRA],
        cwd=folder,
        env=environment(**settings),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def paths_below(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the path of a command and of each command below it."""
    yield path
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from paths_below(below, (*path, name))


def every_path() -> list[tuple[str, ...]]:
    """Return the path of every command whose module exists."""
    found: list[tuple[str, ...]] = []
    for name, (target, _) in COMMANDS.items():
        module, _, attribute = target.partition(":")
        if importlib.util.find_spec(module) is not None:
            found += paths_below(getattr(importlib.import_module(module), attribute), (name,))
    return found


@pytest.fixture
def unused_tcp_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_help_names_every_command() -> None:
    """The help lists each command with its line."""
    done = hadrian("--help")
    assert done.returncode == 0
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert summary in done.stdout


def test_no_argument_means_help() -> None:
    """A bare `hadrian` explains itself."""
    assert hadrian().stdout == hadrian("--help").stdout


def test_version_is_the_distributions() -> None:
    """`--version` prints name and version."""
    assert hadrian("--version").stdout.split()[0] == "hadrian"


def test_help_imports_nothing_heavy() -> None:
    """Neither torch nor a database driver nor rich is imported to print the help."""
    script = "import sys; from cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        text=True,
        capture_output=True,
        check=True,
    )
    assert set(HEAVY) & set(done.stderr.split()) == set()


def test_lint_imports_no_driver_and_no_arrays(tmp_path: Path) -> None:
    """A linter loads its grammar, and nothing that speaks to a database or holds rows."""
    file = tmp_path / "one.sql"
    file.write_text("select 1;")
    script = (
        f"import sys; from cli.main import main; main(['lint', {str(file)!r}]); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), text=True, capture_output=True, check=True)
    assert {"pyarrow", "numpy", *HEAVY} & set(done.stderr.split()) == set()


def test_help_answers_at_once() -> None:
    """The best of five starts takes less than 0.3 s."""
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        hadrian("--help")
        took.append(time.perf_counter() - begin)
    assert min(took) < 0.3


@pytest.mark.parametrize("path", every_path(), ids=" ".join)
def test_every_command_shows_an_example(path: tuple[str, ...]) -> None:
    """The help of each command shows how to call that very command."""
    done = hadrian(*path, "--help")
    assert done.returncode == 0, done.stderr
    _, heading, shown = done.stdout.partition("Example")
    assert heading
    assert f"hadrian {' '.join(path)}" in shown


@pytest.mark.parametrize("path", every_path(), ids=" ".join)
def test_every_command_refuses_an_unknown_option(path: tuple[str, ...]) -> None:
    """A mistyped option is one line that points to the help."""
    assert "--help" in complaint(hadrian(*path, "--no-such-option"))


@pytest.mark.parametrize("arguments", [["nope"], ["--nope"], ["pair"], ["pair", "nope"], ["pair", "start"]])
def test_misuse_is_one_line(arguments: list[str]) -> None:
    """A wrong or missing word is one line that points to the help."""
    assert "--help" in complaint(hadrian(*arguments))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cret@127.0.0.1:1/d",
        "postgresql://u:s3cret@no-such-host.invalid/d",
        "postgresql://u:s3cret@127.0.0.1:1/d?nonsense=1",
        "postgresql://u@127.0.0.1:1/d?password=s3cret",
        "postgresql://u:s3cret@127.0.0.1:port/d",
        "postgresql://u:x@s3cret@127.0.0.1:1/d",
        "postgres://u:s3cret@127.0.0.1:1/d",
        "mysql://u:s3cret@h/d?password=s3cret",
        "host=h user=u password=s3cret",
        "u:s3cret@h",
    ],
)
def test_a_bad_url_is_one_line_without_its_password(url: str) -> None:
    """Whatever is wrong with a URL, its password is not shown."""
    assert "s3cret" not in complaint(hadrian("schema", "install", "--primary", url))
    assert "s3cret" not in complaint(hadrian("schema", "install", HADRIAN_PRIMARY=url))


def test_a_url_in_the_wrong_place_is_shown_without_its_password() -> None:
    """A URL that click repeats in its own words loses its password too."""
    said = complaint(hadrian("pair", "stop", "/nowhere", "postgresql://u:s3cret@h/d"))
    assert "s3cret" not in said
    assert "u:***@h" in said


def test_an_unreachable_node_is_named(unused_tcp_port: int) -> None:
    """The error names the node and says what to check."""
    said = complaint(hadrian("schema", "install", "--primary", f"postgresql://u@127.0.0.1:{unused_tcp_port}/d"))
    assert f"127.0.0.1:{unused_tcp_port}/d" in said
    assert "pg_isready" in said


def test_an_unexpected_error_is_one_line(tmp_path: Path) -> None:
    """A defect shows its type, and how to see more."""
    said = complaint(run_extra(tmp_path, "1 / 0"))
    assert "ZeroDivisionError" in said
    assert "HADRIAN_DEBUG=1" in said


def test_debug_shows_where_an_unexpected_error_came_from(tmp_path: Path) -> None:
    """With HADRIAN_DEBUG=1 there is a traceback, without passwords."""
    done = run_extra(tmp_path, "raise ValueError('postgresql://u:s3cret@h/d')", HADRIAN_DEBUG="1")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "extra.py" in done.stderr
    assert "s3cret" not in done.stderr


def test_our_own_error_never_shows_a_traceback(tmp_path: Path) -> None:
    """An error raised on purpose is one line, HADRIAN_DEBUG or not."""
    body = "from replicator.errors import DiskFull; raise DiskFull('node a:\\n no room')"
    for settings in ({}, {"HADRIAN_DEBUG": "1"}):
        said = complaint(run_extra(tmp_path, body, **settings))
        assert said.startswith("hadrian: error: node a: no room; free or add disk space")


def test_an_interruption_is_one_line(tmp_path: Path) -> None:
    """Ctrl-C says that it was understood."""
    assert complaint(run_extra(tmp_path, "raise KeyboardInterrupt")) == "hadrian: error: interrupted\n"


def test_a_termination_unwinds_as_ctrl_c_does(tmp_path: Path) -> None:
    """SIGTERM runs what cleans up."""
    waits = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); signal.pause()"
    body = f"try:\n        {waits}\n    finally:\n        open('clean', 'w').close()"
    assert complaint(run_extra(tmp_path, body)) == "hadrian: error: interrupted\n"
    assert (tmp_path / "clean").exists()


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    """A package that an extra brings is asked for by that extra."""
    done = run_extra(tmp_path, "raise ModuleNotFoundError('x', name='torch.nn')")
    assert "pip install 'hadrian-wal[train]'" in complaint(done)


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_what_the_command_returns(tmp_path: Path, code: int) -> None:
    """A command returns 1 where it found something."""
    assert run_extra(tmp_path, f"return {code}").returncode == code


@pytest.mark.parametrize("arguments", [["--version"], ["schema", "show", "--engine", "postgres"]])
def test_a_reader_who_leaves_ends_the_command_quietly(arguments: list[str]) -> None:
    """`hadrian ... | head` prints no complaint, however much was still to be written."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_output_that_cannot_be_written_is_one_line() -> None:
    """A full disk behind `> file` is an error, said once."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "schema", "show"],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


_LOST = """
import os, signal, threading
from cli import main
class Slow:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        [None for _ in range(1000)]  # time for the handler to run in here
main._prepare()
try:
    Slow()
    threading.Event().wait(10)
except KeyboardInterrupt:
    print("unwound")
"""


def test_an_interrupt_that_falls_into_a_destructor_is_not_lost() -> None:
    """Python drops what a destructor raises; the interrupt comes again behind it."""
    done = subprocess.run(
        [sys.executable, "-c", _LOST], env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("unwound\n", "")
