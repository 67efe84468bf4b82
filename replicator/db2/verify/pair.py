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
        self._timeout_s = timeout_s
        self._urls = primary_url, standby_url
        self._opened: list[Db2Database] = []
        self._asked = Db2Database(primary_url, timeout_s), Db2Database(standby_url, timeout_s)

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
        limit = max(self._timeout_s, request.max_snapshot_s)
        primary, standby = self._opened = [Db2Database(url, limit) for url in self._urls]
        for what in sorted(request.what - {What.ROWS}):
            yield Unseen(what.value, standby.where, "not compared on Db2", "see what hadrian audit tells of it")
        if What.ROWS in request.what:
            yield from rows.compare(primary, standby, request)

    def positions(self) -> tuple[Lsn, Lsn]:
        """Return how far the primary has written its log, and the standby replayed it.

        Raises:
            NotConfigured: HADR does not tell.
            NodeUnreachable, NodeLost: a node went away.
        """
        primary, standby = self._asked
        return primary.committed(), standby.replayed()

    def close(self) -> None:
        """Close every session."""
        self._audited.close()
        for node in (*self._opened, *self._asked):
            node.close()
