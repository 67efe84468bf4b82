"""Whether a subscriber has its publisher's rows, while both are written to.

Each table is read on both nodes at once, range by range of its key, and hashed there. The rows of a range that does
not look the same are hashed again by a hash of their key, and of the buckets that differ the rows' hashes are compared
one by one: two more reads of that range, however large it is. A table without a key that both nodes have in one order
is one range.

What is left are rows that differ, or that were being written to. They are read again in rounds, each of which waits
until every subscription that the table comes by has applied what the publisher had committed: see
`replicator.settling`. Nothing is held meanwhile, so no vacuum waits.

Rows that the publications do not send are not looked for: a difference that they explain is settled.

Source: PostgreSQL 18 documentation, chapter 29 "Logical Replication", 53.19 "pg_replication_slots", 27.2.4
"pg_stat_replication".
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase

from replicator.comparison import Compared, Progress, Request, Suspect, What, Word
from replicator.errors import (
    BadInput,
    HadrianError,
    NodeLost,
    NodeUnreachable,
    NotPermitted,
    PageCorrupt,
    QueryTimedOut,
    SchemaMissing,
)
from replicator.known_ranges import Known, KnownRanges, TableRanges
from replicator.position import Lsn
from replicator.postgres.verify import repair as repairs
from replicator.postgres.verify import subscribed
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.postgres.verify.repair import Repair
from replicator.postgres.verify.row_image import Digest, Key, Range, Rows
from replicator.postgres.verify.subscribed import Absent, Subscribed
from replicator.postgres.verify.subscription_nodes import SubscriptionNodes
from replicator.rule import Unseen
from replicator.settling import Doubt, Sight, judged

_SINCE = 150_000  # as servers count versions
_RANGE_BYTES = 8 << 20
_LEAST_ROWS, _MOST_ROWS = 500, 20_000  # of a range
_FEW = 512  # rows that are as soon listed as hashed by buckets
_BUCKET_ROWS = 64
_MOST_BUCKETS = 1 << 16
_LISTED = 50_000  # rows of a node whose hashes are held at once
_ASKED = 1_000  # rows that are settled at once
_DIFFERENCES = 1_000  # of one table that are told
_TOLD = 100  # rows whose values are read at once
_POLL_S = 0.02


def compare(couple: Couple, request: Request) -> Iterator[Compared | Suspect | Unseen | Progress]:
    """Compare every table that the subscriber has from the publisher.

    Raises:
        BadInput: a pattern names no table, the repair's file is there already, or the progress is another pair's.
        NodeUnreachable, NodeLost: a node went away.
    """
    publisher, subscriber = (Reader(node, couple.timeout_s) for node in (couple.primary, couple.standby))
    if publisher.ask("catalog/asking_role")[0].version < _SINCE:
        yield Suspect(What.ROWS, "all tables", Word.UNSETTLED, "what is published is told from PostgreSQL 15 on")
        return
    if publisher.ask("verify/hash_of_bytes") != subscriber.ask("verify/hash_of_bytes"):
        yield Suspect(What.ROWS, "all tables", Word.UNSETTLED, "the two servers hash the same bytes differently")
        return
    (activity,) = publisher.ask("verify/sees_activity")
    if not activity.sees:
        why = "the role does not see which transactions are about to commit"
        yield Suspect(What.ROWS, "all tables", Word.UNSETTLED, why)
        yield Unseen("sessions of others", publisher.where, "permission denied", f"grant pg_monitor to {activity.role}")
        return
    chosen = [table for table in subscribed.tables(publisher, subscriber) if _is_chosen(table.object, request.tables)]
    if request.tables and not chosen:
        raise BadInput(
            f"{subscriber.where} subscribes to no table {', '.join(request.tables)}", hint="write it as schema.table"
        )
    total = sum(table.size for table in chosen if isinstance(table, Subscribed))
    done = 0
    with contextlib.ExitStack() as stack:
        repair = None
        known = KnownRanges(request.state, f"{publisher.where} {subscriber.where}")
        stack.enter_context(known.kept())
        if request.repair is not None:
            repair = stack.enter_context(repairs.written(request.repair, publisher.where, subscriber.where))
        for table in chosen:
            if isinstance(table, Absent):
                yield Suspect(What.ROWS, table.object, Word.DIFFERENT, table.why)
                continue
            ranges = known.of(table.object, (table.columns, table.key, table.ordered, table.row_filter))
            comparison = _Comparison(couple, request, table, ranges, repair, Progress(table.object, done, total))
            yield from comparison.seen()
            done += table.size


def _is_chosen(name: str, patterns: Sequence[str]) -> bool:
    plain = name.replace('"', "")
    return not patterns or any(fnmatchcase(name, one) or fnmatchcase(plain, one) for one in patterns)


class _Comparison:
    """One table's."""

    def __init__(
        self,
        couple: Couple,
        request: Request,
        table: Subscribed,
        ranges: TableRanges,
        repair: Repair | None,
        progress: Progress,
    ) -> None:
        self._request = request
        self._table = table
        self._ranges = ranges
        self._repair = repair
        self._progress = progress
        self._publisher = Reader(couple.primary, request.max_snapshot_s)
        self._subscriber = Reader(couple.standby, request.max_snapshot_s)
        self._here = Rows(self._publisher, table, publisher=True)
        self._there = Rows(self._subscriber, table, publisher=False)
        self._behind: Counter[str] = Counter()
        self._began = time.monotonic()
        self._read = 0
        self._rows = 0
        self._since = Lsn(0)
        self._proven = 0
        self._moving = 0

    def seen(self) -> Iterator[Compared | Suspect | Unseen | Progress]:
        """Compare the table; what a node does not let it see is told."""
        table = self._table
        try:
            if not self._is_ready():
                names = ", ".join(table.subscriptions)
                yield self._suspect(Word.UNSETTLED, f"its first copy by subscription {names} is not done")
                return
            yield from self._compared()
        except NotPermitted as error:
            where = self._where(error)
            yield self._suspect(Word.UNSETTLED, f"may not be read on {where}")
            role = self._publisher.ask("catalog/asking_role")[0].name
            secured = "row-level security" in str(error)
            remedy = f"alter role {role} bypassrls" if secured else f"grant select on {table.object} to {role}"
            yield Unseen(f"rows of {table.object}", where, "permission denied", remedy)
        except QueryTimedOut as error:
            where = self._where(error)
            why = f"could not be read on {where}: it took longer than --max-snapshot lets it, or was locked"
            yield self._suspect(Word.UNSETTLED, why)
        except SchemaMissing:
            yield self._suspect(Word.UNSETTLED, "was dropped while it was compared")
        except (NodeLost, NodeUnreachable, BadInput):
            raise
        except HadrianError as error:
            yield self._suspect(Word.UNSETTLED, f"could not be compared: {error}")

    def _where(self, error: Exception) -> str:
        """Return which node an error speaks of: each names its own first."""
        nodes = (self._publisher.where, self._subscriber.where)
        return next((where for where in nodes if str(error).startswith(where)), nodes[0])

    def _is_ready(self) -> bool:
        deadline = self._deadline()
        while not self._table.ready:
            known = self._subscriber.ask("verify/subscribed_relations")
            if all(row.ready for row in known if row.object == self._table.object):
                break
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _compared(self) -> Iterator[Compared | Suspect | Progress]:
        self._since = began = self._publisher.log_position()
        suspects: list[Key] = []
        with contextlib.closing(self._doubtful(began)) as doubtful:
            for one in doubtful:
                if not isinstance(one, list):
                    yield one
                    continue
                suspects += one
                while len(suspects) >= _ASKED and not self._has_enough:
                    yield from self._settle(suspects[:_ASKED])
                    del suspects[:_ASKED]
                if self._has_enough:
                    suspects.clear()
                    break
        yield from self._settle(suspects)
        for reason, count in self._behind.items():
            yield self._suspect(Word.UNSETTLED, f"{_counted(count)} not the same yet: {reason}")
        if not (self._behind or self._moving):
            took = time.monotonic() - self._began
            yield Compared(What.ROWS, self._table.object, self._rows, self._read, self._since, took, self._left_out())

    @property
    def _has_enough(self) -> bool:
        """Whether there is no sense in more differences: who wants all of them writes a repair."""
        return self._proven >= _DIFFERENCES and self._repair is None

    def _left_out(self) -> str:
        left_out = list(self._table.left_out)
        if self._has_enough:
            left_out.append(f"what comes behind the first {_DIFFERENCES} differences")
        elif self._proven > _DIFFERENCES:
            left_out.append(f"{self._proven - _DIFFERENCES} differences more, which are in the repair alone")
        return ", ".join(left_out)

    # Where it differs

    def _doubtful(self, began: Lsn) -> Generator[list[Key] | Suspect | Progress]:
        """Yield the keys of rows that are not the same, ranges that a node cannot read, and how far it has come."""
        with contextlib.closing(self._digests()) as digests:
            for within, here, there in digests:
                if isinstance(here, PageCorrupt) or isinstance(there, PageCorrupt):
                    yield self._unreadable(within, here, there)
                else:
                    same = here == there
                    self._ranges.keep(within.above, Known(within.upto, here.copies if same else None, began))
                    if not same:
                        yield from self._narrowed(within, max(here.copies, there.copies))
                done, total = self._progress.done + self._read, self._progress.total
                yield Progress(self._table.object, min(done, total), total)

    def _digests(self) -> Generator[tuple[Range, Digest | PageCorrupt, Digest | PageCorrupt]]:
        """Yield both nodes' digests, range by range, several at a time."""
        jobs = self._request.jobs
        waiting: deque[tuple[Range, Future[tuple[Digest, int]], Future[tuple[Digest, int]]]] = deque()
        with ThreadPoolExecutor(2 * jobs) as pool:
            for within in self._cut():
                here, there = pool.submit(self._here.digest, within), pool.submit(self._there.digest, within)
                waiting.append((within, here, there))
                if len(waiting) > jobs:  # the next is read while this one is looked at
                    yield self._answered(*waiting.popleft())
            while waiting:
                yield self._answered(*waiting.popleft())

    def _answered(
        self, within: Range, here: Future[tuple[Digest, int]], there: Future[tuple[Digest, int]]
    ) -> tuple[Range, Digest | PageCorrupt, Digest | PageCorrupt]:
        answers: list[Digest | PageCorrupt] = []
        for future in (here, there):
            try:
                digest, size = future.result()
            except PageCorrupt as error:
                answers.append(error)
            else:
                answers.append(digest)
                if future is here:
                    self._rows += digest.copies
                    self._keep_pace(size)
        return within, answers[0], answers[1]

    def _unreadable(self, within: Range, here: Digest | PageCorrupt, there: Digest | PageCorrupt) -> Suspect:
        said = [str(one) for one in (here, there) if isinstance(one, PageCorrupt)]
        word = Word.DIFFERENT if len(said) == 1 else Word.UNSETTLED  # what neither can read may be the same
        self._proven += word is Word.DIFFERENT
        self._moving += word is Word.UNSETTLED
        found = self._suspect(word, f"cannot be read: {', '.join(said)}")
        ends = [
            f"{text} {', '.join(key)}"
            for text, key in (("above", within.above), ("up to", within.upto))
            if key is not None
        ]
        return replace(found, place=f"keys {' '.join(ends)}" if ends else "")

    def _keep_pace(self, size: int) -> None:
        self._read += size
        if self._request.rate:
            time.sleep(max(0.0, self._began + self._read / self._request.rate - time.monotonic()))

    def _cut(self) -> Iterator[Range]:
        """Yield ranges that have every key there can be, and about as many rows each; not those that are known."""
        table = self._table
        fit = _RANGE_BYTES * table.rows // max(table.size, 1) if table.rows else _MOST_ROWS  # nobody has counted yet
        rows = max(_LEAST_ROWS, min(_MOST_ROWS, fit))  # of a table that is mostly air, too few would fit
        above: Key | None = None
        while True:
            known = self._ranges.behind(above)
            if known is None:
                known = Known(self._here.bound(above, rows) if table.ordered else None, None, self._since)
            upto = known.upto
            if known.rows is None:
                yield Range(above, upto)
            else:
                self._rows += known.rows
                self._since = min(self._since, known.lsn)
            if upto is None:
                return
            above = upto

    def _narrowed(self, within: Range, copies: int) -> Iterator[list[Key]]:
        """Yield the keys of a range whose rows are not the same on both nodes."""
        if copies <= _FEW:
            yield self._unlike(within, 0, [0])
            return
        mask = (1 << min(copies // _BUCKET_ROWS, _MOST_BUCKETS - 1).bit_length()) - 1
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self._there.buckets, within, mask)
            here, size = self._here.buckets(within, mask)
            there, _ = asked.result()
        self._keep_pace(size)
        nothing = Digest(0, "")
        sizes = {
            bucket: max(here.get(bucket, nothing).copies, there.get(bucket, nothing).copies)
            for bucket in here.keys() | there.keys()
            if here.get(bucket) != there.get(bucket)
        }
        for buckets in _batches(sizes):
            yield self._unlike(within, mask, buckets)

    def _unlike(self, within: Range, mask: int, buckets: Sequence[int]) -> list[Key]:
        here = self._here.hashes(within, mask, buckets)
        there = self._there.hashes(within, mask, buckets)
        return [key for key in here.keys() | there.keys() if here.get(key) != there.get(key)]

    # What becomes of it

    def _settle(self, keys: Sequence[Key]) -> Iterator[Suspect]:
        """Look at rows in rounds until each is explained or proven, or the time is over."""
        proven: list[tuple[Key, Doubt]] = []
        nodes = SubscriptionNodes(self._publisher, self._here, self._there, self._table, patient=not self._behind)
        for key, word, doubt in judged(keys, nodes, self._deadline()):
            if word is Word.DIFFERENT and (unsent := self._unsent(doubt)):
                yield self._suspect(Word.SETTLED, f"the publications send no {unsent}")
            elif word is Word.DIFFERENT:
                proven.append((key, doubt))
            elif word is Word.SETTLED:
                yield self._suspect(word, "was being written to")
            elif nodes.waits_for:
                self._behind[nodes.waits_for] += 1
            else:
                self._moving += 1
                yield self._suspect(word, "is written to all the time, or by a commit that waits", key)
        yield from self._different(proven)

    def _unsent(self, doubt: Doubt) -> str:
        """Return what is not sent and would explain the difference, or nothing."""
        if doubt.follower is None:
            return "" if self._table.inserts else "inserts"
        if doubt.primary is None:
            return "" if self._table.deletes else "deletes"
        return "" if self._table.updates else "updates"

    def _deadline(self) -> float:
        return time.monotonic() + self._request.settle_s

    # How it is told

    def _different(self, proven: Sequence[tuple[Key, Doubt]]) -> Iterator[Suspect]:
        wanted = self._request.show_values or self._repair is not None
        for start in range(0, len(proven), _TOLD):
            some = proven[start : start + _TOLD]
            keys = [key for key, _ in some]
            here, there = (rows.values(keys) if wanted else {} for rows in (self._here, self._there))
            for key, doubt in some:
                values = here.get(key, []), there.get(key, [])
                if self._repair is not None:
                    self._repair.add(self._table, *values)
                self._proven += 1
                if self._proven > _DIFFERENCES:
                    continue
                columns = self._unlike_columns(doubt)
                shown = [self._named(rows) if self._request.show_values else None for rows in values]
                found = self._suspect(Word.DIFFERENT, _said(doubt, columns), key)
                yield replace(found, columns=columns, primary=shown[0], standby=shown[1])

    def _unlike_columns(self, doubt: Doubt) -> tuple[str, ...]:
        here, there = (_rows(one) for one in (doubt.primary, doubt.follower))
        if len(here) != 1 or len(there) != 1:
            return ()
        return tuple(
            column.name for column, mine, its in zip(self._table.columns, here[0], there[0], strict=True) if mine != its
        )

    def _named(self, rows: Sequence[repairs.Texts]) -> dict[str, str | None] | None:
        return dict(zip((column.name for column in self._table.columns), rows[0], strict=True)) if rows else None

    def _suspect(self, word: Word, message: str, key: Key = ()) -> Suspect:
        names = self._table.key
        place = f"rows of hash {key[0]}" if key and not names else ""
        named = dict(zip((column.name for column in names), key, strict=True)) if key and names else {}
        return Suspect(What.ROWS, self._table.object, word, message, place, named)


def _rows(sight: Sight | None) -> tuple[tuple[int, ...], ...]:
    return () if sight is None else sight.content  # type: ignore[return-value]


def _said(doubt: Doubt, columns: Sequence[str]) -> str:
    here, there = (len(_rows(one)) for one in (doubt.primary, doubt.follower))
    if here == there == 1:
        return f"differs in {', '.join(columns)}"
    if not there and here == 1:
        return "is not on the subscriber"
    if not here and there == 1:
        return "is on the subscriber only"
    return f"is {_times(here)} on the publisher and {_times(there)} on the subscriber"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _counted(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _batches(sizes: dict[int, int]) -> Iterable[list[int]]:
    """Yield buckets, as many at a time as have no more rows than may be listed."""
    batch: list[int] = []
    rows = 0
    for bucket, size in sizes.items():
        if batch and rows + size > _LISTED:
            yield batch
            batch, rows = [], 0
        batch.append(bucket)
        rows += size
    if batch:
        yield batch
