"""A HADR pair as `verify` sees it: rows are compared, and of the rest an audit tells more."""

from __future__ import annotations

from collections.abc import Generator

from replicator.comparison import Compared, Progress, Request, Suspect, What
from replicator.db2.adapter import Db2Database
from replicator.db2.audit.hadr import HadrPair
from replicator.db2.verify import rows
from replicator.errors import BadInput
from replicator.position import Lsn
from replicator.rule import Mode, Unseen


class ComparedHadrPair:
    """Db2's answer to `replicator.engine.Comparable`."""

    mode = Mode.DB2_HADR

    def __init__(self, primary_url: str, standby_url: str, timeout_s: float) -> None:
        self._audited = HadrPair(primary_url, standby_url, timeout_s)
        self._primary, self._standby = (Db2Database(url, timeout_s) for url in (primary_url, standby_url))

    def check(self) -> None:
        """Look at the roles, and whether the two belong together. Raises: BadInput, NodeUnreachable, NotPermitted."""
        self._audited.check()

    def compare(self, request: Request) -> Generator[Compared | Suspect | Unseen | Progress]:
        """Compare the rows.

        Raises:
            BadInput: a repair is asked for, and nobody may write to a standby.
            NodeUnreachable, NodeLost: a node went away and did not come back in time.
        """
        if request.repair is not None:
            raise BadInput("nobody may write to a standby", hint="leave out --repair, and set the standby up again")
        for what in sorted(request.what - {What.ROWS}):
            yield Unseen(what.value, self._standby.where, "not compared on Db2", "see what hadrian audit tells of it")
        if What.ROWS in request.what:
            yield from rows.compare(self._primary, self._standby, request)

    def positions(self) -> tuple[Lsn, Lsn]:
        """Return how far the primary has written, and how far the standby has replayed.

        Raises:
            NodeUnreachable, NodeLost: a node went away.
            NotConfigured: HADR is not started.
        """
        return self._primary.committed(), self._standby.replayed()

    def close(self) -> None:
        """Close every session."""
        self._audited.close()
        for node in (self._primary, self._standby):
            node.close()
