"""Shared options: URLs from the command line and the environment, checked before anything connects."""

from __future__ import annotations

import click
import pytest

from cli.options import Duration, examples, format_option, nodes_option, primary_option, standby_option
from replicator.errors import BadInput

ONE = "postgresql://u@h1/d"
TWO = "postgresql+psycopg://u:p%40@/d?host=/run/a,/run/b&port=1,2"


@click.command(epilog=examples("probe --primary URL"))
@primary_option
@standby_option
@nodes_option
@format_option
def probe(**given: object) -> dict[str, object]:
    """Return what the options gave."""
    return given


def run(*arguments: str) -> dict[str, object]:
    """Run the probe."""
    found = probe.main(list(arguments), standalone_mode=False)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("between", [",", " ", "\n", ", "])
def test_the_environment_serves_for_all(monkeypatch: pytest.MonkeyPatch, between: str) -> None:
    """Each option has its variable; a list may be separated by commas or blanks, and a URL may hold commas."""
    monkeypatch.setenv("HADRIAN_PRIMARY", ONE)
    monkeypatch.setenv("HADRIAN_STANDBY", TWO)
    monkeypatch.setenv("HADRIAN_NODES", f" {ONE}{between}{TWO}{between}")
    assert run() == {"primary": ONE, "standby": TWO, "nodes": (ONE, TWO), "output": "table"}


def test_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed counts more than what is set."""
    for name in ("HADRIAN_PRIMARY", "HADRIAN_STANDBY", "HADRIAN_NODES"):
        monkeypatch.setenv(name, "postgresql://other/d")
    typed = run("--primary", ONE, "--standby", TWO, "--node", TWO, "--node", ONE, "--format", "json")
    assert typed == {"primary": ONE, "standby": TWO, "nodes": (TWO, ONE), "output": "json"}


@pytest.mark.parametrize("url", ["s3cret", "postgresql://u:s3cret@h:port/d", "postgresql://u:x@s3cret@h/d", "://"])
def test_a_bad_url_names_the_option_alone(url: str) -> None:
    """The message says which option, and nothing of the text."""
    with pytest.raises(BadInput, match=r"^--primary ") as refused:
        run("--primary", url)
    assert "s3cret" not in f"{refused.value}{refused.value.hint}"


def test_a_missing_url_names_option_and_variable() -> None:
    """Both ways to give it are shown."""
    with pytest.raises(click.UsageError) as refused:
        run()
    assert "'--primary' (env var: 'HADRIAN_PRIMARY')" in refused.value.format_message()


def test_examples_keep_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The help shows an example as it must be typed."""
    with pytest.raises(click.exceptions.Exit):
        probe.make_context("probe", ["--help"])
    assert "\n  Example:\n    probe --primary URL\n" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("1.5min", 90), ("2 h", 7200), ("1d", 86_400)])
def test_a_duration_has_units(text: str, seconds: float) -> None:
    """Seconds, unless another unit stands behind the number."""
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1h", "1m", "h", "1e3", "1h30min"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Nothing is guessed: a minute is not a month, and no time at all is no pause."""
    with pytest.raises(BadInput):
        Duration().convert(text, None, None)
