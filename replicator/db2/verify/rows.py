"""Whether a HADR standby has its primary's rows, while the primary is written to.

Each table is read by ranges of its primary key, on both nodes with isolation UR, which is all that a standby serves. A
row that is not the same is read again in rounds, each of which waits until the standby has replayed the log up to what
the primary had written: see `replicator.settling`. UR shows what is not committed on either node, and the primary
shows it before it is in the log that a standby gets. So the primary is asked twice: only a row whose latest state is
the committed one counts as one that stands still, and a lock that is in the way as a sign that it does not.

A row's version is its row change token, which every change on the row's page renews: that may ask for another round,
and never lets a change go by.

While the standby replays DDL it takes no reads; it is asked again for as long as a suspect may take.

Source: IBM Db2 11.5 documentation, "Replay-only window on the active standby database", "MON_GET_HADR table function".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import TypeVar

from replicator.comparison import Compared, Progress, Request, Suspect, What, Word
from replicator.db2.adapter import Db2Database
from replicator.db2.verify import keyed_table
from replicator.db2.verify.keyed_table import Key, Rows, Table, Values
from replicator.errors import (
    BadInput,
    NodeLost,
    NodeUnreachable,
    NotConfigured,
    NotPermitted,
    QueryTimedOut,
    SchemaMissing,
)
from replicator.known_ranges import Known, KnownRanges, TableRanges
from replicator.position import Lsn
from replicator.rule import Unseen
from replicator.settling import Doubt, Sight, judged

_RANGE_ROWS = 1000
_ASKED = 100  # rows that are settled at once
_DIFFERENCES = 1000  # of one table, after which the rest of it is not looked at
_POLL_S = 0.05
_INACCESSIBLE = "SQL1477N"
_Answer = TypeVar("_Answer")


def compare(
    primary: Db2Database, standby: Db2Database, request: Request
) -> Iterator[Compared | Suspect | Unseen | Progress]:
    """Compare every table that has a primary key and that a standby shows.

    Raises:
        NodeUnreachable, NodeLost: a node went away and did not come back in time.
        NotConfigured: HADR is not started.
        BadInput: a pattern names no table, or the file to go on from cannot be used.
    """
    done = 0
    known = KnownRanges(request.state, f"{primary.where} {standby.where}")
    chosen = [table for table in keyed_table.tables(primary) if _is_chosen(table.object, request.tables)]
    if request.tables and not chosen:
        raise BadInput(f"{primary.where} has no table {', '.join(request.tables)}", hint="write it as schema.table")
    total = sum(table.size for table in chosen)
    with known.kept():
        for table in chosen:
            ranges = known.of(table.object, (table.columns, table.key))
            before = ranges.behind(None)
            if not table.shown:
                why = "a standby shows no column-organized table"
                yield Suspect(What.ROWS, table.object, Word.UNSETTLED, why)
            elif not table.key:
                why = "has no primary key, so its rows cannot be told apart"
                yield Suspect(What.ROWS, table.object, Word.UNSETTLED, why)
            elif before is not None and before.rows is not None:
                left_out = ", ".join(table.left_out)
                yield Compared(What.ROWS, table.object, before.rows, 0, before.lsn, 0.0, left_out)
            else:
                progress = Progress(table.object, done, total)
                yield from _kept(ranges, _Comparison(primary, standby, request, table, progress).seen())
            done += table.size


def _kept(
    ranges: TableRanges, seen: Iterator[Compared | Suspect | Unseen | Progress]
) -> Iterator[Compared | Suspect | Unseen | Progress]:
    """Yield what is seen of a table, and keep that it was the same if it was."""
    same = True
    for one in seen:
        same = same and not (isinstance(one, Suspect) and one.word is not Word.SETTLED)
        if same and isinstance(one, Compared):
            ranges.keep(None, Known(None, one.items, one.lsn or Lsn(0)))
        yield one


def _is_chosen(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern takes a table; names that nobody quoted are in upper case."""
    return not patterns or any(fnmatchcase(name, one) or fnmatchcase(name, one.upper()) for one in patterns)


class _Comparison:
    """One table's."""

    def __init__(
        self, primary: Db2Database, standby: Db2Database, request: Request, table: Table, progress: Progress
    ) -> None:
        self._primary = primary
        self._standby = standby
        self._request = request
        self._table = table
        self._progress = progress
        self._here = Rows(primary, table)
        self._there = Rows(standby, table)
        self._behind = False
        self._unsettled = 0
        self._proven = 0
        self._rows = 0
        self._read = 0

    def seen(self) -> Iterator[Compared | Suspect | Unseen | Progress]:
        """Compare the table; what a node does not let it see is told."""
        try:
            yield from self._compared()
        except (NotPermitted, NotConfigured, QueryTimedOut, SchemaMissing) as error:
            where, _, why = str(error).partition(": ")
            if _INACCESSIBLE in why:  # which replaying an operation that was not logged leaves behind
                said = f"cannot be accessed on {where}: it was changed without logging"
                yield Suspect(What.ROWS, self._table.object, Word.DIFFERENT, said)
                return
            yield Suspect(What.ROWS, self._table.object, Word.UNSETTLED, f"could not be read on {where}: {why}")
            if isinstance(error, NotPermitted):
                grant = f"grant select on {self._table.object} to user {(self._primary.url.username or '').upper()}"
                yield Unseen(f"rows of {self._table.object}", where, "permission denied", grant)

    def _compared(self) -> Iterator[Compared | Suspect | Progress]:
        began, position = time.monotonic(), self._primary.committed()
        suspects: list[Key] = []
        for keys in self._unlike():
            suspects += keys
            done, total = self._progress.done + self._read, self._progress.total
            yield Progress(self._table.object, min(done, total), total)
            while len(suspects) >= _ASKED and self._proven < _DIFFERENCES:
                yield from self._settle(suspects[:_ASKED])
                del suspects[:_ASKED]
            if self._proven >= _DIFFERENCES:
                break
        else:
            yield from self._settle(suspects)
        if self._unsettled:
            return
        enough = [f"what comes behind {self._proven} differences"] if self._proven >= _DIFFERENCES else []
        left_out = ", ".join([*self._table.left_out, *enough])
        took = time.monotonic() - began
        yield Compared(What.ROWS, self._table.object, self._rows, self._read, position, took, left_out)

    def _unlike(self) -> Iterator[list[Key]]:
        """Yield, range by range, the keys whose rows are not the same on both nodes."""
        above: Key | None = None
        began = time.monotonic()
        while True:
            here = self._here.within(above, None, _RANGE_ROWS)
            upto = list(here)[-1] if len(here) == _RANGE_ROWS else None
            there = self._ask_standby(partial(self._there.within, above, upto, _RANGE_ROWS))
            if len(there) == _RANGE_ROWS and list(there)[-1] != upto:  # the standby has more: what follows comes next
                upto = list(there)[-1]
                here = self._here.within(above, upto, _RANGE_ROWS)
            self._rows += len(here)
            self._read += sum(_size(values) for values in here.values())
            yield [key for key in here.keys() | there.keys() if here.get(key) != there.get(key)]
            if upto is None:
                return
            above = upto
            if self._request.rate:
                time.sleep(max(0.0, began + self._read / self._request.rate - time.monotonic()))

    def _ask_standby(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask the standby again while it takes no reads. Raises: NodeUnreachable, NodeLost."""
        deadline = time.monotonic() + self._request.settle_s
        while True:
            try:
                return ask()
            except (NodeUnreachable, NodeLost):
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL_S)

    def _settle(self, keys: Sequence[Key]) -> Iterator[Suspect]:
        nodes = _Nodes(self._primary, self._standby, self._here, self._there, self._ask_standby)
        patience = 0 if self._behind else self._request.settle_s  # one wait is enough for all
        for key, word, doubt in judged(keys, nodes, time.monotonic() + patience):
            match word:
                case Word.SETTLED:
                    yield self._suspect(word, "was being written to")
                case Word.UNSETTLED if nodes.waits_for:
                    self._behind = True
                    self._unsettled += 1
                    yield self._suspect(word, nodes.waits_for, key)
                case Word.UNSETTLED:
                    self._unsettled += 1
                    yield self._suspect(word, "is written to all the time, or locked", key)
                case _:
                    self._proven += 1
                    yield self._different(key, doubt)

    def _different(self, key: Key, doubt: Doubt) -> Suspect:
        here, there = ((None if one is None else one.content) for one in (doubt.primary, doubt.follower))
        columns: tuple[str, ...] = ()
        if isinstance(here, tuple) and isinstance(there, tuple):
            both = zip(self._table.columns, here, there, strict=True)
            columns = tuple(name for name, mine, its in both if mine != its)
        said = (
            f"differs in {', '.join(columns)}"
            if columns
            else f"is on the {'standby' if here is None else 'primary'} only"
        )
        shown = [
            self._here.named(values) if self._request.show_values and isinstance(values, tuple) else None
            for values in (here, there)
        ]
        return Suspect(
            *(What.ROWS, self._table.object, Word.DIFFERENT, said),
            key=dict(zip(self._table.key, map(str, key), strict=True)),
            columns=columns,
            primary=shown[0],
            standby=shown[1],
        )

    def _suspect(self, word: Word, message: str, key: Key = ()) -> Suspect:
        named = dict(zip(self._table.key, map(str, key), strict=True)) if key else {}
        return Suspect(What.ROWS, self._table.object, word, message, key=named)


class _Nodes:
    """The two, as rounds look at rows of a table.

    Attributes:
        waits_for: what the standby lacked when the time was over.
    """

    def __init__(
        self,
        primary: Db2Database,
        standby: Db2Database,
        here: Rows,
        there: Rows,
        ask_standby: Callable[[Callable[[], dict[Key, Sight]]], dict[Key, Sight]],
    ) -> None:
        self._primary = primary
        self._standby = standby
        self._here = here
        self._there = there
        self._ask_standby = ask_standby
        self._position = Lsn(0)
        self.waits_for = ""

    def primary(self, keys: Collection[Key]) -> tuple[dict[Key, Sight], bool]:
        """As `settling.Nodes.primary`; a row whose latest state is not its committed one has no lasting version."""
        latest = self._here.latest(keys)
        committed: dict[Key, Values] | None
        try:
            committed = self._here.committed(keys)
        except QueryTimedOut:
            committed = None
        for key in keys:
            sight = latest.get(key)
            content = None if sight is None else sight.content
            if committed is None or committed.get(key) != content:
                latest[key] = Sight(object(), content)
        self._position = self._primary.committed()
        return latest, True

    def has_caught_up(self, deadline: float) -> bool:
        """As `settling.Nodes.has_caught_up`; a standby that takes no reads has not."""
        while True:
            try:
                if self._standby.replayed() >= self._position:
                    return True
            except (NodeUnreachable, NodeLost):
                pass
            if time.monotonic() >= deadline:
                self.waits_for = f"the standby has not replayed the log up to {int(self._position)} in time"
                return False
            time.sleep(_POLL_S)

    def follower(self, keys: Collection[Key]) -> dict[Key, Sight]:
        """As `settling.Nodes.follower`."""
        return self._ask_standby(lambda: self._there.latest(keys))


def _size(values: Values) -> int:
    return sum(len(value) if isinstance(value, str | bytes) else 8 for value in values)
