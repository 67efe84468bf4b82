"""From messages to changes, each with the cursor right behind it: pure, no connection.

A change is held back until the next message shows whether it was its transaction's last, because the cursor
behind a last change is the end of the transaction, and the same point must have one name only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from replicator.change import Change, Op
from replicator.errors import FeedBroken, TableUnfit
from replicator.position import Cursor, Lsn, TimelineHistory
from replicator.postgres.pgoutput import (
    Begin,
    Commit,
    Delete,
    Ignored,
    Insert,
    Message,
    Relation,
    Truncate,
    Tuple,
    Unchanged,
    Update,
)


class Transactions:
    """Turns a stream's messages into the changes that follow a cursor.

    Args:
        after: where the reader left off; of the transaction that commits at `after.lsn` the first `after.seq`
            changes are passed over.
        history: of the log that is read. A node may be promoted meanwhile: set it again before the next message
            is taken, since each transaction's cursors name the timeline that it was committed on.
    """

    def __init__(self, after: Cursor, history: TimelineHistory) -> None:
        self.history = history
        self._after = after
        self._skip = after.seq
        self._commit_lsn = after.lsn
        self._timeline = history.timeline
        self._relations: dict[int, Relation] = {}
        self._seq = 0
        self._held: tuple[Op, Mapping[str, str | None]] | None = None

    def take(self, message: Message) -> Iterator[Change]:
        """Yield the changes that this message completes: none or one.

        Raises:
            FeedBroken: the message does not fit what came before, or the cursor.
            TableUnfit: the update left out a TOASTed value, and no old row supplies it.
        """
        match message:
            case Relation():
                self._relations[message.oid] = message
            case Begin():
                self._begin(message.commit_lsn)
            case Commit():
                if 0 < self._skip >= self._seq:
                    raise FeedBroken(f"cursor {self._after} stands behind the last row of its transaction")
                yield from self._release(Cursor(message.end_lsn, 0, self._timeline))
                self._skip = 0
            case Ignored():
                pass
            case _:
                yield from self._release(Cursor(self._commit_lsn, self._seq, self._timeline))
                self._held = self._change(message)
                self._seq += 1

    def _begin(self, commit_lsn: Lsn) -> None:
        if self._skip and commit_lsn != self._after.lsn:
            raise FeedBroken(f"the log has no transaction that commits at {self._after.lsn}, where the cursor stands")
        self._seq = 0
        self._commit_lsn = commit_lsn
        self._timeline = _timeline_at(self.history, commit_lsn)

    def _release(self, after: Cursor) -> Iterator[Change]:
        held, self._held = self._held, None
        if held is not None and self._seq > self._skip:
            yield Change(*held, after)

    def _change(self, message: Insert | Update | Delete | Truncate) -> tuple[Op, Mapping[str, str | None]]:
        match message:
            case Insert():
                return Op.INSERT, self._row(message.oid, message.new, None)
            case Update():
                return Op.UPDATE, self._row(message.oid, message.new, message.old)
            case Delete():
                return Op.DELETE, self._row(message.oid, message.old, None)
            case Truncate():
                return Op.TRUNCATE, {}

    def _row(self, oid: int, new: Tuple, old: Tuple | None) -> dict[str, str | None]:
        relation = self._relations.get(oid)
        fits = relation is not None and {len(new), len(old or new)} == {len(relation.columns)}
        if relation is None or not fits:
            raise FeedBroken(f"a row of relation {oid} came without a description that fits it")
        row: dict[str, str | None] = {}
        for index, (column, value) in enumerate(zip(relation.columns, new, strict=True)):
            known = old[index] if value is Unchanged.TOAST and old is not None else value
            if known is Unchanged.TOAST:
                raise TableUnfit(
                    f"{relation.schema}.{relation.name}: an update left {column} alone and the log does not hold it",
                    hint=f"run: alter table {relation.schema}.{relation.name} replica identity full",
                )
            row[column] = known
        return row


def _timeline_at(history: TimelineHistory, lsn: Lsn) -> int:
    return next((parent for parent, fork in history.forks if lsn < fork), history.timeline)
