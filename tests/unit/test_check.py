"""Checks that cannot look: each says why and what would help, and those after it still look."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from replicator.postgres.audit.catalog import Unanswered
from replicator.postgres.audit.check import Check, Couple, command, run
from replicator.rule import Finding, Unseen


def couple(version: int = 180_000) -> Couple:
    """Return a primary alone, of which only the version and the role are asked."""
    node: Any = SimpleNamespace(version=version, where="n:1/d", user='"odd role"')
    return Couple(node, node, {})


def refuse(*, permitted: bool, grant: str = "") -> Any:
    """Return a look that a node does not answer."""

    def look(_: Couple) -> Iterator[Finding]:
        raise Unanswered("n:1/d", "denied", permitted=permitted, grant=grant)
        yield

    return look


def test_an_older_server_is_not_asked_what_it_cannot_answer() -> None:
    """It is said to be too old, and the question is never sent."""
    check = Check("collations", refuse(permitted=True), since=150_000)
    assert [one.why for one in run(couple(140_009), [check]) if isinstance(one, Unseen)] == ["needs PostgreSQL 15"]


@pytest.mark.parametrize(
    ("check", "remedy"),
    [
        (Check("x", refuse(permitted=False), grant="grant a to {role};"), 'grant a to "odd role";'),
        (Check("x", refuse(permitted=False, grant="grant b to {role};"), grant="grant a;"), 'grant b to "odd role";'),
        (Check("x", refuse(permitted=False)), 'connect as a role that may, not as "odd role"'),
        (Check("x", refuse(permitted=True)), "ask again later, or give it more time with --timeout"),
    ],
)
def test_what_was_not_seen_comes_with_what_would_show_it(check: Check, remedy: str) -> None:
    """The grant is for the very role that asked; the checks after it look all the same."""
    looked: list[Couple] = []
    after = Check("y", lambda pair: looked.append(pair) or [])  # type: ignore[func-returns-value]
    assert list(run(couple(), [check, after])) == [Unseen("x", "n:1/d", "denied", remedy)]
    assert len(looked) == 1


def test_a_command_quotes_its_values() -> None:
    """A literal stays a literal and an identifier an identifier, whatever they hold."""
    assert command("select f({name}) from {TABLE};", name="o'clock", TABLE='a"b') == (
        "select f('o''clock') from \"a\"\"b\";"
    )
