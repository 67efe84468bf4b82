"""What an engine must offer, one protocol a purpose: nothing above names an engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from replicator.rule import Finding
from replicator.statement import Reading
from replicator.topology import Node


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

    1. `nodes`, to learn that each URL names the role it was given for;
    2. `is_copy`, with a standby only, to learn that the two belong together;
    3. `findings`, once;
    4. `close`, always.

    Each reads and none writes, so each may be repeated.
    """

    def nodes(self) -> tuple[Node, Node | None]:
        """Look at the primary and at the standby, None where no standby was given.

        Raises:
            NodeUnreachable: one of them does not answer.
        """
        ...

    def is_copy(self) -> bool:
        """Return whether the standby began as a copy of the primary."""
        ...

    def findings(self) -> Iterable[Finding]:
        """Return what the mode's rules find, in any order; without a standby, what the primary alone shows.

        Raises:
            NodeLost: a node went away in between.
            NotPermitted: the role may not read what a rule asks for.
        """
        ...

    def close(self) -> None:
        """Close every session."""
