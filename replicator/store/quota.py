"""How much a run's checkpoints may take, and the whole store: bytes as they are stored, compressed and sealed.

    the whole store   all chunks, also those that nothing holds any more: what the disk has to have
    a run             the chunks that its checkpoints hold, and those that these are differences from

A quota is held where an artifact is made to exist, in the same transaction, and one such transaction waits for the
other: two writers cannot both take what is left. So that nothing is sent in vain, a writer also asks beforehand what is
left, and stops where it would send more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.database import Database
from replicator.errors import QuotaExceeded

_STORE = ""  # the row of the whole store


@dataclass(frozen=True, slots=True)
class Quota:
    """What one may take, and takes.

    Attributes:
        run: whose checkpoints; None for the whole store.
        allowed: bytes; None for as many as there is room for.
        used: bytes.
    """

    run: str | None
    allowed: int | None
    used: int

    @property
    def exceeded(self) -> bool:
        """Whether more is taken than allowed."""
        return self.allowed is not None and self.used > self.allowed

    def check(self, where: str, more: int = 0) -> None:
        """Check that there is room for so many bytes more. Raises: QuotaExceeded."""
        if self.allowed is not None and self.used + more > self.allowed:
            run, used = self.run, self.used + more
            what, scope = ("the store", "") if run is None else (f"run {run}", f" --run {run}")
            prune = f"hadrian checkpoint prune {run or 'RUN'} --keep-last 3"
            collect = ", then hadrian store collect --grace 1" if run is None else ""
            raise QuotaExceeded(
                f"{where}: {what} may take {self.allowed:,} bytes, and this would make it {used:,}",
                hint=f"prune ({prune}{collect}), or have an admin allow more (hadrian store quota set SIZE{scope})",
            )


def every(database: Database) -> list[Quota]:
    """Return the whole store, and each run that has a quota or a checkpoint."""
    with database.connect() as connection:
        allowed = _allowed(database, connection)
        used = _used_by_runs(database, connection, None)
        store = Quota(None, allowed.pop(_STORE, None), _used_by_all(database, connection))
    return [store, *(Quota(run, allowed.get(run), used.get(run, 0)) for run in sorted({*used, *allowed}))]


def put(primary: Database, run: str | None, allowed: int) -> None:
    """Set a quota, of the whole store if `run` is None; it may be less than is taken already."""
    with primary.begin() as transaction:
        values = {"run": run or _STORE, "allowed_bytes": allowed}
        transaction.execute(primary.statement("store/delete_quota"), {"run": values["run"]})
        transaction.execute(primary.statement("store/insert_quota"), values)


def drop(primary: Database, run: str | None) -> bool:
    """Take a quota away, and return whether there was one."""
    with primary.begin() as transaction:
        done = transaction.execute(primary.statement("store/delete_quota"), {"run": run or _STORE})
    return done.rowcount > 0


def left(database: Database, run: str | None) -> list[Quota]:
    """Return the quotas that a writer is held to: the store's, and its run's if it writes for one."""
    with database.connect() as connection:
        return _in_force(database, connection, [None] if run is None else [None, run])


def check(database: Database, transaction: Connection, run: str | None = None) -> None:
    """Hold a transaction that makes an artifact exist against the quota of the store, or of a run, until it commits.

    Raises:
        QuotaExceeded: with this artifact there would be more than is allowed.
    """
    # Looked up first: where there is no quota, nobody waits for anybody.
    if (run or _STORE) in _allowed(database, transaction):
        transaction.execute(database.statement("store/lock_quota"))
        for quota in _in_force(database, transaction, [run]):
            quota.check(database.where)


def _in_force(database: Database, connection: Connection, scopes: Sequence[str | None]) -> list[Quota]:
    allowed = _allowed(database, connection)
    return [
        Quota(run, allowed[run or _STORE], _used(database, connection, run))
        for run in scopes
        if (run or _STORE) in allowed
    ]


def _allowed(database: Database, connection: Connection) -> dict[str, int]:
    rows = connection.execute(database.statement("store/quotas"))
    return {row.run: row.allowed_bytes for row in rows}


def _used(database: Database, connection: Connection, run: str | None) -> int:
    if run is None:
        return _used_by_all(database, connection)
    return _used_by_runs(database, connection, run).get(run, 0)


def _used_by_all(database: Database, connection: Connection) -> int:
    return int(connection.execute(database.statement("store/stored_bytes")).scalar_one())


def _used_by_runs(database: Database, connection: Connection, run: str | None) -> dict[str, int]:
    rows = connection.execute(database.statement("store/run_bytes"), {"run": run})
    return {row.run: row.stored_bytes for row in rows}
