"""The sealer and the reader against a model of a database in which a reader sees what is not committed."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from replicator import journal
from replicator.feed.journal import JournalSource, seal
from replicator.journal import START, Seal
from replicator.position import Cursor, Lsn, TimelineHistory

KEYS = 3


class Killed(BaseException):
    """The sealer's process ends here."""


@dataclass
class Entry:
    """One change: of a key's version, by a transaction that saw so many versions of each key."""

    xid: int
    key: int
    version: int
    saw: Counter[int]
    batch: int | None = None
    seq: int = 0


@dataclass
class World:
    """What the tables hold at this moment, of open transactions too.

    Attributes:
        by_transaction: whether the engine names transactions.
        blurred: whether the reader misses a row for now.
        step: called between the sealer's statements; others do something then, or the sealer's process ends.
    """

    by_transaction: bool = True
    entries: dict[int, Entry] = field(default_factory=dict)
    seals: dict[int, int] = field(default_factory=lambda: {int(START): 0})
    committed: set[int] = field(default_factory=set)
    confirmed: int = int(START)
    blurred: bool = False
    step: Callable[[], None] = lambda: None


class ModelSealing:
    """As `journal.Sealing`; each statement is seen at once, and undone if the transaction fails."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.undo: list[Callable[[], None]] = []

    def newest(self) -> int:
        """Return the newest seal's number."""
        return max(self.world.seals)

    def filled(self, number: int) -> int:
        """Count a batch's entries."""
        return sum(entry.batch == number for entry in self.world.entries.values())

    def fill(self, number: int) -> None:
        """Place what is committed, entry by entry: a reader sees each."""
        world = self.world
        free = {n: e for n, e in world.entries.items() if e.batch is None and e.xid in world.committed}
        last: dict[int, int] = {}
        for n, entry in free.items():
            last[entry.xid] = max(n, last.get(entry.xid, 0))
        order = sorted(free, key=lambda n: (last[free[n].xid] if world.by_transaction else 0, n))
        for place, n in enumerate(order, start=1):
            entry = free[n]
            entry.batch, entry.seq = number, place
            self.undo.append(lambda entry=entry: setattr(entry, "batch", None))
            world.step()

    def seal(self, number: int, rows: int) -> None:
        """Insert a seal."""
        self.world.seals[number] = rows
        self.undo.append(lambda: self.world.seals.__delitem__(number))
        self.world.step()

    def prune(self) -> None:
        """Delete what is confirmed."""
        world = self.world
        confirmed = {n: e for n, e in world.entries.items() if e.batch is not None and e.batch <= world.confirmed}
        for n, entry in confirmed.items():
            del world.entries[n]
            self.undo.append(lambda n=n, entry=entry: world.entries.__setitem__(n, entry))
            world.step()
        for number in [number for number in world.seals if number <= world.confirmed and number < max(world.seals)]:
            rows = world.seals.pop(number)
            self.undo.append(lambda number=number, rows=rows: world.seals.__setitem__(number, rows))
            world.step()


class ModelJournal:
    """As `journal.Journal`."""

    where = "model"

    def __init__(self, world: World) -> None:
        self.world = world

    @contextlib.contextmanager
    def sealing(self) -> Iterator[ModelSealing]:
        """Undo what was done if the block ends in an error."""
        transaction = ModelSealing(self.world)
        try:
            yield transaction
            self.world.step()
        except BaseException:
            for back in reversed(transaction.undo):
                back()
            raise
        self.world.step()

    def newest(self) -> int:
        """Return the number of the newest batch, sealed or not."""
        return max([*self.world.seals, *(e.batch for e in self.world.entries.values() if e.batch is not None)])

    def seal(self, number: int) -> Seal | None:
        """Look for a seal."""
        rows = self.world.seals.get(number)
        return Seal(number, rows) if rows is not None else None

    def rows(self, found: Seal, after: int) -> pa.RecordBatch:
        """Return two rows at most."""
        placed = sorted((e for e in self.world.entries.values() if e.batch == found.number), key=lambda e: e.seq)
        seen = [entry for entry in placed if entry.seq > after][self.world.blurred :][:2]
        rows = pa.RecordBatch.from_pydict(
            {"key": [e.key for e in seen], "version": [e.version for e in seen], "xid": [e.xid for e in seen]}
        )
        ops = pa.array(["update"] * len(seen), pa.string())
        nothing = pa.nulls(len(seen))
        return journal.as_changes(rows, ops, pa.array([e.seq for e in seen], pa.uint64()), nothing, nothing, found)

    def history(self) -> TimelineHistory:
        """There is one timeline."""
        return TimelineHistory(1)

    def writes_on(self) -> None:
        """Be a standby: a cursor that is ahead waits."""

    def confirmed(self) -> int:
        """Return what was confirmed."""
        return self.world.confirmed

    def confirm(self, number: int) -> None:
        """Confirm."""
        self.world.confirmed = max(self.world.confirmed, number)

    def close(self) -> None:
        """Nothing is open."""


class Feeding(RuleBasedStateMachine):
    """Writers, a sealer that is killed, a reader that starts again; what is delivered is what committed."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.sealer = ModelJournal(self.world)
        self.open: dict[int, list[Entry]] = {}
        self.xids = itertools.count(1)
        self.numbers = itertools.count(1)
        self.versions: Counter[int] = Counter()
        self.delivered: list[tuple[int, int, int]] = []
        self.saw: dict[tuple[int, int], Counter[int]] = {}
        self.cursor = Cursor(START, 0)
        self.restart()

    @initialize(by_transaction=st.booleans())
    def engine(self, *, by_transaction: bool) -> None:
        """Be an engine that names transactions, or one that does not."""
        self.world.by_transaction = by_transaction

    @rule(
        keys=st.lists(st.integers(0, KEYS - 1), min_size=1, max_size=4),
        fate=st.sampled_from(["commit", "commit", "commit", "stay open", "roll back"]),
    )
    def transact(self, keys: list[int], fate: str) -> None:
        """Begin a transaction with some writes, and perhaps end it."""
        xid = next(self.xids)
        self.open[xid] = []
        for key in keys:
            self.write_next(xid, key)
        if fate != "stay open":
            self.end(xid, commits=fate == "commit")

    @rule(which=st.integers(0, 9), key=st.integers(0, KEYS - 1))
    def write(self, which: int, key: int) -> None:
        """Go on with a transaction."""
        if self.open:
            self.write_next(sorted(self.open)[which % len(self.open)], key)

    def write_next(self, xid: int, key: int) -> None:
        """Write the next version of a key, if no other transaction holds it."""
        if any(entry.key == key for other, own in self.open.items() if other != xid for entry in own):
            return
        version = 1 + max([self.versions[key], *(entry.version for entry in self.open[xid] if entry.key == key)])
        entry = Entry(xid, key, version, self.versions.copy())
        self.saw[key, version] = entry.saw
        self.open[xid].append(entry)
        self.world.entries[next(self.numbers)] = entry

    @rule(which=st.integers(0, 9), commits=st.booleans())
    def end_one(self, which: int, *, commits: bool) -> None:
        """Commit or roll back one that is open."""
        if self.open:
            self.end(sorted(self.open)[which % len(self.open)], commits=commits)

    def end(self, xid: int, *, commits: bool) -> None:
        """Commit a transaction, or let its entries never have been."""
        own = self.open.pop(xid)
        if commits:
            self.versions.update({entry.key: entry.version - self.versions[entry.key] for entry in own})
            self.world.committed.add(xid)
        else:
            self.world.entries = {n: entry for n, entry in self.world.entries.items() if entry.xid != xid}

    @rule(kill_at=st.integers(0, 19), commit_at=st.integers(0, 9), reads=st.booleans())
    def sealer_runs(self, kill_at: int, commit_at: int, *, reads: bool) -> None:
        """Seal, while others go on between any two statements; the process may end at any."""
        places = itertools.count(1)

        def step() -> None:
            place = next(places)
            if place == commit_at:
                self.end_one(0, commits=True)
            if reads:
                self.read()
            if place == kill_at:
                raise Killed

        self.world.step = step
        with contextlib.suppress(Killed):
            seal(self.sealer)
        self.world.step = lambda: None

    @rule()
    def read(self) -> None:
        """Read what is there."""
        while (batch := self.source.read(0)) is not None:
            self.take(batch)

    @rule()
    def read_some(self) -> None:
        """Read a part of it."""
        batch = self.source.read(0)
        if batch is not None:
            self.take(batch)

    def take(self, batch: pa.RecordBatch) -> None:
        """Check each row, and move on behind it."""
        for row in batch.to_pylist():
            self.deliver(row["xid"], row["key"], row["version"])
            self.cursor = Cursor(Lsn(row["_lsn"]), row["_seq"])

    def deliver(self, xid: int, key: int, version: int) -> None:
        """Check a row against all that came before it."""
        assert xid in self.world.committed
        before = Counter(other for _, other, _ in self.delivered)
        assert version == before[key] + 1, "every version once, in order"
        assert all(before[other] >= seen for other, seen in self.saw[key, version].items()), "behind what it depends on"
        xids = [other for other, _, _ in self.delivered]
        if self.world.by_transaction and xid in xids:
            assert xids[-1] == xid, "a transaction's rows stand together"
        self.delivered.append((xid, key, version))

    @rule()
    def restart(self) -> None:
        """Let another reader go on at the cursor."""
        self.source = JournalSource(ModelJournal(self.world), self.cursor, lambda: ModelJournal(self.world))

    @rule()
    def confirm(self) -> None:
        """Have what was read kept for good."""
        self.source.confirm(self.cursor)

    @rule()
    def blur(self) -> None:
        """Let the reader miss a row for a moment."""
        self.world.blurred = True
        self.read()
        self.world.blurred = False

    def teardown(self) -> None:
        """Once all is committed, sealed and read, all was delivered."""
        while self.open:
            self.end_one(0, commits=True)
        while seal(self.sealer):
            pass
        self.read()
        assert Counter(key for _, key, _ in self.delivered) == +self.versions


Feeding.TestCase.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)


class TestFeeding(Feeding.TestCase):
    """Each committed row once, whatever the reader sees and whenever the sealer ends."""
