"""What an engine must offer, one protocol a purpose: nothing above names an engine."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Protocol

from replicator.comparison import Compared, Progress, Request, Suspect
from replicator.effect import Trial
from replicator.position import Lsn
from replicator.rule import Finding, Mode, Unseen
from replicator.statement import Reading


class ScriptReader(Protocol):
    """A reader of one engine's scripts.

    `lint` calls `read` once a script, in the order in which the scripts would run: what one of them creates is
    known in those after it.
    """

    def read(self, script: str) -> Iterable[Reading]:
        """Yield every statement of a script, a client's own commands included, in order; none is dropped."""
        ...


class Auditable(Protocol):
    """A primary, with or without its standby, as `audit` sees it.

    `audit` calls, in this order:

    1. `check`, to learn that each URL names the role it was given for and that the two belong together;
    2. `findings`, once;
    3. `close`, always.

    Each reads and none writes or waits for a lock, so each may be repeated.
    """

    mode: Mode

    def check(self) -> None:
        """Look at the primary and at the standby, where one was given.

        Raises:
            BadInput: one has not the role it was given for, or the two do not belong together.
            NodeUnreachable: one of them does not answer.
        """
        ...

    def findings(self) -> Iterable[Finding | Unseen]:
        """Return what the mode's rules find, in any order; without a standby, what the primary alone shows.

        A question that the role may not ask, or that took too long, is an `Unseen`.

        Raises:
            NodeLost: a node went away in between.
        """
        ...

    def close(self) -> None:
        """Close every session."""


class Comparable(Protocol):
    """A primary and its standby, or a publisher and its subscriber, as `verify` sees them.

    `verify` calls `check` first, `compare` once, and `close` always; `watch` calls `check` and `positions` in turns.
    Nothing is written on either node and no lock is waited for.
    """

    @property
    def mode(self) -> Mode:
        """How the two replicate. Raises: NodeUnreachable."""
        ...

    def check(self) -> None:
        """Look at both nodes.

        Raises:
            BadInput: one has not the role it was given for, or the two do not belong together.
            NodeUnreachable: one of them does not answer.
        """
        ...

    def compare(self, request: Request) -> Generator[Compared | Suspect | Unseen | Progress]:
        """Yield what was compared, what did not look the same, and what could not be looked at, as it is found.

        What was to be compared and could not be is a `Suspect` that is unsettled; an `Unseen` is what more a grant or
        an extension would show. A caller that has enough closes the generator.

        Raises:
            NodeUnreachable, NodeLost: a node went away and did not come back in time.
        """
        ...

    def positions(self) -> tuple[Lsn, Lsn]:
        """Return a position behind all that the primary has committed, and how much of its log the standby has.

        Raises:
            NodeUnreachable, NodeLost: a node went away.
        """
        ...

    def close(self) -> None:
        """Close every session."""


class Stage(Protocol):
    """A throwaway pair, as `rehearse` uses it.

    `rehearse` calls `structure_of`, `load` and `play` as often as it likes, then `fail_over` once, and `close` always.
    """

    def structure_of(self, url: str) -> str:
        """Return a script that makes the structure of a live database, without its rows.

        Raises:
            NotConfigured: the server is of another major version than the pair.
            NodeUnreachable: it does not answer.
        """
        ...

    def load(self, script: str) -> list[Trial]:
        """Run a script that makes a structure; return the statements that the primary refused."""
        ...

    def play(self, script: str) -> Iterator[Trial]:
        """Run a script in a session of its own; yield each statement when it has run.

        Raises:
            NodeLost: a statement ended the session.
        """
        ...

    def fail_over(self) -> None:
        """Kill the primary once the standby has everything, promote, and tell every trial its effects."""
        ...

    def close(self) -> None:
        """Remove the pair."""
        ...
