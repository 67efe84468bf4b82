"""Rows of a primary and of its standby, compared in place while the one writes and the other replays.

Replay makes row versions the same down to their place and their inserting transaction. So ranges of blocks are read on
both nodes at once and hashed inside the servers; where the digests differ, blocks and then row versions are; what is
left is read again in rounds until it is proven to differ or explained. No snapshot outlasts a statement, and no
statement `--max-snapshot`.

Where the role may read pages, they come first: equal pages are equal rows, for less. Values that stand in a TOAST table
are then compared there, and a difference there has its table's rows read whole, to say which row it is.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from replicator import sql
from replicator.comparison import Compared, Progress, Request, Suspect, What, Word
from replicator.errors import BadInput, NotPermitted
from replicator.position import Lsn
from replicator.postgres.verify import span_comparison, stored_relation
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.pace import Pace
from replicator.postgres.verify.resumption import Resumption
from replicator.postgres.verify.span_comparison import Sessions, SpanSeen, Suspects
from replicator.postgres.verify.stored_relation import Relation, Span
from replicator.postgres.verify.tuple_location import located
from replicator.postgres.verify.tuple_session import TupleSession
from replicator.postgres.verify.tuple_settling import Settled, settle, standby_position
from replicator.rule import Unseen

_SINCE = 140_000  # as servers count versions
_POLL_S = 0.1
_LISTEN_S = 0.5
_SMOOTH_S = 0.25  # of what may be read, the most that is read at once
_SUSPECTS = 20_000  # that are kept of one table before they are settled
_DIFFERENCES = 1_000  # of one table, after which the rest of it is not looked at
_REWRITES = 3  # of one table, after which it is given up

Seen = Compared | Suspect | Unseen | Progress


def compare(couple: Couple, request: Request) -> Iterator[Seen]:
    """Compare every table's rows.

    Raises:
        BadInput: a pattern names no table, or the file to resume from cannot be used.
        NodeUnreachable, NodeLost: a node went away.
    """
    with contextlib.ExitStack() as stack:
        helper = stack.enter_context(ThreadPoolExecutor(request.jobs + 1))
        limit_s = request.max_snapshot_s
        sets = [
            Sessions(TupleSession(couple.primary, limit_s), TupleSession(couple.standby, limit_s), helper)
            for _ in range(request.jobs + 1)
        ]
        for sessions in sets:
            stack.callback(sessions.close)
        if sets[0].primary.ask(sql.load("postgres/catalog/asking_role"))[0].version < _SINCE:
            yield Suspect(What.ROWS, "all tables", Word.UNSETTLED, "ranges of blocks can be read from PostgreSQL 14 on")
            return
        pageinspect = None if request.pages is False else _pageinspect(sets[0])
        if pageinspect is None and request.pages is not False:
            yield _pages_unseen(sets[0], request)
        whose = sets[0].primary.ask(sql.load("postgres/catalog/system_identifier"))[0].system_identifier
        resumption = Resumption(request.state, f"{whose}/{couple.primary.url.database}")
        stack.enter_context(resumption.kept())
        yield from _Comparison(request, sets, pageinspect, resumption).seen()


def _pageinspect(sessions: Sessions) -> str | None:
    """Return where the extension is, if both nodes let the role use it."""
    allowed = sql.load("postgres/verify/pages_allowed")
    nodes = [session.ask(allowed)[0] for session in (sessions.primary, sessions.standby)]
    return nodes[0].pageinspect if all(node.superuser for node in nodes) else None


def _pages_unseen(sessions: Sessions, request: Request) -> Unseen:
    where, why = sessions.primary.where, "only a superuser may read them, through pageinspect"
    remedy = "create extension pageinspect, and connect as a superuser; or give --no-pages"
    if request.pages:
        raise NotPermitted(f"{where}: no pages can be read: {why}", hint=remedy)
    return Unseen("pages, which are faster to compare than rows", where, why, remedy)


@dataclass(slots=True)
class _Tally:
    """One relation's comparison.

    Attributes:
        relation: which.
        lsn: what the standby had replayed when it began; of a range that was compared before, what it had then.
        began: when, on this machine's clock.
        tuples: row versions that were compared.
        size: bytes that were read.
        suspects: that are to be settled.
        different: what is proven to differ.
        unsettled: what was given up, and why.
        settled: how often what explanation held.
        unclean: spans that are clean once all suspects are settled.
        rewritten: whether it has another file by now.
        refused: why the role may not read it.
    """

    relation: Relation
    lsn: Lsn
    began: float = field(default_factory=time.monotonic)
    tuples: int = 0
    size: int = 0
    suspects: Suspects = field(default_factory=dict)
    different: list[Settled] = field(default_factory=list)
    unsettled: list[Settled] = field(default_factory=list)
    settled: Counter[str] = field(default_factory=Counter)
    unclean: list[tuple[Span, int]] = field(default_factory=list)
    rewritten: bool = False
    refused: str = ""

    @property
    def is_given_up(self) -> bool:
        """Whether nothing more of it needs to be read."""
        return self.rewritten or bool(self.refused) or len(self.different) >= _DIFFERENCES

    def add(self, span: Span, seen: SpanSeen) -> None:
        """Add what was seen of a span."""
        self.tuples += seen.tuples
        self.size += self.relation.bytes_of(span)
        self.suspects |= seen.suspects
        self.settled += seen.settled
        self.rewritten |= seen.rewritten
        if not seen.left:
            self.unclean.append((span, seen.tuples))
        for block, (word, why) in seen.damaged.items():
            told = self.different if word is Word.DIFFERENT else self.unsettled
            told.append(Settled(f"block {block}", word, why, None, None))
        for part, why in seen.open:
            self.unsettled.append(Settled(f"blocks from {part.first} on", Word.UNSETTLED, why, None, None))


_Flying = tuple[
    _Tally, Span | None, Future[SpanSeen] | None
]  # a span that is being read; without one, a relation's end


class _Comparison:
    """One comparison of all there is."""

    def __init__(
        self, request: Request, sets: Sequence[Sessions], pageinspect: str | None, resumption: Resumption
    ) -> None:
        self._request = request
        self._sets = sets
        self._own, *others = sets
        self._idle: queue.SimpleQueue[Sessions] = queue.SimpleQueue()
        for sessions in others:
            self._idle.put(sessions)
        self._resumption = resumption
        self._pace = Pace(request.rate)
        self._stopped = threading.Event()
        self._stored = stored_relation.stored(
            self._own.primary, request.tables, catalogs=request.catalogs, pageinspect=pageinspect
        )
        self._waiting = deque(part for relation in self._stored.relations for part in relation.parts)
        self._total = sum(relation.size for relation in self._waiting)
        self._done = 0
        self._reading: set[Future[SpanSeen]] = set()
        self._flying: deque[_Flying] = deque()
        self._rewrites: Counter[int] = Counter()
        self._toast: dict[str, _Tally] = {}  # by the table whose values it has

    def seen(self) -> Iterator[Seen]:
        """Compare, and yield what is seen."""
        yield from self._not_compared()
        flying = self._flying
        threading.Thread(target=self._listen, daemon=True).start()
        with ThreadPoolExecutor(self._request.jobs) as pool:
            try:
                spans = self._spans(pool)
                while True:
                    flying.extend(itertools.islice(spans, 2 * self._request.jobs - len(flying)))
                    if flying:
                        yield from self._landed(pool, *flying.popleft())
                    elif self._waiting:
                        spans = self._spans(pool)
                    else:
                        break
            finally:
                self._stop(pool)

    def _listen(self) -> None:
        """Give up nodes that say nothing, for as long as the comparison runs."""
        while not self._stopped.wait(_LISTEN_S):
            for sessions in self._sets:
                sessions.give_up()

    def _stop(self, pool: ThreadPoolExecutor) -> None:
        """End what still runs, in the servers too."""
        self._stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for sessions in self._sets:
            sessions.stop()
        while self._reading:
            for sessions in self._sets:
                sessions.cancel()
            wait(list(self._reading), timeout=_POLL_S)

    def _not_compared(self) -> Iterator[Seen]:
        stored, where = self._stored, self._own.primary.where
        if self._request.tables and not (stored.relations or stored.left_out or stored.refused):
            patterns = ", ".join(self._request.tables)
            raise BadInput(f"{where} has no table {patterns}", hint="write it as schema.table; --catalogs for its own")
        for name, why in stored.left_out:
            yield Compared(What.ROWS, name, 0, 0, None, 0.0, why)
        for name in stored.refused:
            yield from self._refused(name, f"{where}: permission denied for table {name}")
        if stored.refused_catalogs:
            what = f"rows of {', '.join(stored.refused_catalogs)}"
            yield Unseen(what, where, "permission denied", "connect as a superuser")

    def _refused(self, name: str, why: str) -> Iterator[Seen]:
        yield Suspect(What.ROWS, name, Word.UNSETTLED, why)
        role = self._own.primary.ask(sql.load("postgres/catalog/asking_role"))[0].name
        remedy = f"grant select on {name} to {role}"
        if "row-level security" in why:
            remedy = f"alter role {role} bypassrls"
        yield Unseen(f"rows of {name}", self._own.primary.where, "permission denied", remedy)

    def _spans(self, pool: ThreadPoolExecutor) -> Iterator[_Flying]:
        """Begin to read, relation by relation; what is given up meanwhile is read no further."""
        while self._waiting:
            relation = self._waiting.popleft()
            lsn, known = standby_position(self._own.standby), self._resumption.known(relation)
            tally = _Tally(relation, lsn if known.lsn is None else min(lsn, known.lsn), tuples=known.tuples)
            spans = relation.spans(known.gaps, None if self._request.rate is None else self._request.rate * _SMOOTH_S)
            self._done += relation.size - sum(map(relation.bytes_of, spans))
            for span in spans:
                if tally.is_given_up:
                    break
                yield tally, span, self._begun(pool, relation, span)
            yield tally, None, None

    def _begun(self, pool: ThreadPoolExecutor, relation: Relation, span: Span) -> Future[SpanSeen]:
        future = pool.submit(self._compare, relation, span)
        self._reading.add(future)
        future.add_done_callback(self._reading.discard)
        return future

    def _compare(self, relation: Relation, span: Span) -> SpanSeen:
        self._pace.wait(relation.bytes_of(span), self._stopped)
        sessions = self._idle.get()
        try:
            return span_comparison.compared(sessions, relation, span, self._request.settle_s)
        finally:
            self._idle.put(sessions)

    def _landed(
        self, pool: ThreadPoolExecutor, tally: _Tally, span: Span | None, future: Future[SpanSeen] | None
    ) -> Iterator[Seen]:
        if span is None or future is None:
            yield from self._finished(tally)
            return
        try:
            seen = future.result()
        except NotPermitted as error:
            tally.refused = str(error)
            return
        self._done += tally.relation.bytes_of(span)
        if tally.is_given_up:
            return
        if seen.is_clean:
            tally.tuples += seen.tuples
            tally.size += tally.relation.bytes_of(span)
            tally.settled += seen.settled
            self._resumption.same(tally.relation, span, seen.tuples, tally.lsn)
        else:
            tally.add(span, seen)
        if len(tally.suspects) > _SUSPECTS or seen.left:
            self._settle(tally)
        for rest in seen.left:
            if not tally.is_given_up:
                self._flying.appendleft((tally, rest, self._begun(pool, tally.relation, rest)))
        yield Progress(tally.relation.owner or tally.relation.name, self._done, self._total)

    def _settle(self, tally: _Tally) -> None:
        """Settle what is suspect so far."""
        suspects, tally.suspects = tally.suspects, {}
        try:
            for one in settle(self._own, tally.relation, suspects, self._request.settle_s):
                match one.word:
                    case Word.DIFFERENT:
                        tally.different.append(one)
                    case Word.UNSETTLED:
                        tally.unsettled.append(one)
                    case _:
                        tally.settled[one.message] += 1
        except NotPermitted as error:
            tally.refused = str(error)

    def _finished(self, tally: _Tally) -> Iterator[Seen]:
        """Settle what is left of a relation, and say what was seen of it."""
        relation = tally.relation
        if not tally.is_given_up:
            self._settle(tally)
        if not (tally.different or tally.unsettled or tally.is_given_up):
            for span, tuples in tally.unclean:
                self._resumption.same(relation, span, tuples, tally.lsn)
        if relation.owner is not None:
            self._toast[relation.owner] = tally
            return
        toast = self._toast.get(relation.name)
        if tally.refused:
            yield from self._refused(relation.name, tally.refused)
        elif tally.rewritten or (toast is not None and toast.rewritten):
            yield from self._begun_again(relation)
        elif toast is not None and toast.different and relation.pageinspect is not None:
            self._waiting.appendleft(relation.by_rows())  # which rows' values these are, only rows tell
        else:
            yield from self._told(tally, toast)

    def _begun_again(self, relation: Relation) -> Iterator[Suspect]:
        self._rewrites[relation.oid] += 1
        if self._rewrites[relation.oid] >= _REWRITES:
            why = f"rewritten {_REWRITES} times while it was compared"
            yield Suspect(What.ROWS, relation.name, Word.UNSETTLED, why)
            return
        now = stored_relation.again(self._own.primary, relation)
        if now is not None:
            self._waiting.extendleft(reversed(now.parts))

    def _told(self, tally: _Tally, toast: _Tally | None) -> Iterator[Seen]:
        relation = tally.relation
        told = [*tally.different[:_DIFFERENCES], *tally.unsettled[:_DIFFERENCES]]
        yield from located(self._own, relation, told, values=self._request.show_values)
        size, lsn, settled, unsettled = tally.size, tally.lsn, tally.settled, bool(tally.unsettled)
        if toast is not None:
            size, lsn, settled = size + toast.size, min(lsn, toast.lsn), settled + toast.settled
            unsettled |= bool(toast.unsettled)
            for one in [*(() if tally.different else toast.different), *toast.unsettled][:_DIFFERENCES]:
                place = f"{toast.relation.name} {one.place}"
                yield Suspect(What.ROWS, relation.name, one.word, f"{one.message}, in its TOAST table", place)
        for why, count in settled.items():
            yield from itertools.repeat(Suspect(What.ROWS, relation.name, Word.SETTLED, why), count)
        left_out = ""
        if len(tally.different) >= _DIFFERENCES:
            left_out = f"what comes behind the first {_DIFFERENCES} differences"
        if not unsettled:
            took = time.monotonic() - tally.began
            yield Compared(What.ROWS, relation.name, tally.tuples, size, lsn, took, left_out)
