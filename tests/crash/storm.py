"""A storm: a feed's reader, its standby and its primary are killed at random under load, and its output is proven.

Each round kills in a shuffled order

    reader          it starts again at the last cursor of its file
    standby         the node with the feed's slot, at first: reading goes on elsewhere until it is back
    primary         it recovers from the crash and goes on
    takeover        the primary is lost and the standby promoted; the old one joins again as a standby, and its spare
                    slot is made anew
    both            the standby is lost, then the primary, when the reader has what no standby ever had; the standby is
                    promoted all the same, so the timeline forks behind the reader

and now and then the reader together with the node. When a node is lost is told in statements of the writers, so it
comes inside a transaction as often as between two.
"""

from __future__ import annotations

import collections
import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psycopg.conninfo

from replicator import handover, migrate
from replicator.errors import NodeLost
from replicator.feed.reader import start
from replicator.postgres import slot as slots
from replicator.postgres import slot_state, spare, topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import NODES, NodeName
from replicator.postgres.snapshot import nudge
from tests.crash import storm_history, storm_load, storm_reader
from tests.crash.storm_history import History, Operation, Row, Snapshot, Transaction
from tests.fixtures.command import environment
from tests.fixtures.pair import Pair

# Large transactions are streamed before they commit; and a power cut nothing here need outlive.
SETTINGS = "max_prepared_transactions = 20\nlogical_decoding_work_mem = 64kB\nfsync = off\n"
_WRITERS = 4
_FEED = "storm"
_CONFIRMED = "select 1 from pg_stat_replication where reply_time > backend_start + interval '2 s'"
_ALONE_S = 4
_OTHER: dict[NodeName, NodeName] = {"a": "b", "b": "a"}


class Storm:
    """The load, the reader, and the hand that kills. Calls: `begin` once, then the others.

    Attributes:
        killed: what was, how many times.
        done: the kills, in order, for whoever must repeat them.

    Args:
        pair: started with `SETTINGS`; `a` is its primary.
        folder: for the output.
        seed: what the load and the kills are drawn from.
    """

    def __init__(self, pair: Pair, folder: Path, seed: int) -> None:
        self._pair = pair
        self._nodes = {name: PostgresDatabase(pair.embedded.url(name)) for name in NODES}
        self._primary: NodeName = "a"
        self._path = folder / "output"
        self._log = folder / "reader.log"
        self._draw = random.Random(seed)
        self._traffic = storm_load.Traffic()
        self._writers = [
            storm_load.Writer(number, _everywhere(pair), seed, self._traffic) for number in range(1, _WRITERS + 1)
        ]
        self._reader: subprocess.Popen[bytes] | None = None
        self._slot = slots.slot_name(_FEED)
        self.killed: collections.Counter[str] = collections.Counter()
        self.done: list[str] = []

    @property
    def _standby(self) -> NodeName:
        return _OTHER[self._primary]

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """Let writers and reader begin: the feed is created while the writers write."""
        migrate.install(self._pair.embedded.url("a"))
        with self._nodes["a"].autocommit() as connection:
            connection.exec_driver_sql(storm_load.SCHEMA)
        for writer in self._writers:
            writer.start()
        self._traffic.wait(200)
        a, b = self._nodes["a"], self._nodes["b"]
        handover.create_feed(_FEED, "storm", source=b, primary=a, spares=[a])
        self._start_reader()
        self._await(lambda: storm_reader.last_cursor(self._path) > start(), "the reader to begin")
        self._lose_reader()  # most often in the snapshot

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is not None:
            self._tell()
        self._traffic.stop()
        for writer in self._writers:
            if writer.is_alive():
                writer.join(storm_load.TIMEOUT_S)
        if self._reader is not None:
            self._reader.kill()
            self._reader.wait()
        for node in self._nodes.values():
            node.close()

    def _tell(self) -> None:
        """Show what led to a failure; pytest prints it."""
        print(f"killed {dict(self.killed)}, in this order: {', '.join(self.done)}")  # noqa: T201 - captured
        for log in (self._log, *(self._pair.embedded.directory / f"{name}.log" for name in NODES)):
            if log.exists():
                print(f"{log}:", *log.read_text().splitlines()[-20:], sep="\n")  # noqa: T201 - captured

    def round(self) -> Iterator[str]:
        """Kill each way once, in some order, and yield its name behind it."""
        ways = {
            "reader": self._lose_reader,
            "standby": self._lose_standby,
            "primary": self._restart_primary,
            "takeover": self._take_over,
            "both": self._lose_both,
        }
        for name in self._draw.sample(list(ways), len(ways)):
            self._traffic.wait(self._draw.randint(10, 300))
            self.done.append(name)
            ways[name]()
            self._check_reader()
            yield name

    def differences(self) -> list[str]:
        """Wait until the reader has everything, and say how its output departs from what was committed."""
        primary = self._nodes[self._primary]
        with self._traffic.pause():
            end = topology.committed(primary)
            nudge(primary)  # the log goes on behind the end, so it can be reached
            self._await(lambda: storm_reader.last_cursor(self._path).lsn >= end, f"the reader to reach {end}")
            output = [Row(*row) for row in storm_reader.rows_of(self._path)]
            return storm_history.differences(output, self._history())

    @property
    def forks(self) -> int:
        """How many times the reader was told that the timeline had forked behind it."""
        return self._log.read_text().count(f"{storm_reader.FORKED} at ")

    @property
    def kills(self) -> int:
        """How many processes or nodes were killed."""
        return self.killed.total()

    def _history(self) -> History:
        operations: dict[int, list[Operation]] = collections.defaultdict(list)
        with self._nodes[self._primary].connect() as connection:
            for xid, *operation in connection.exec_driver_sql(storm_load.OPERATIONS):
                operations[xid].append(Operation(*operation))
            seen = {xid: Snapshot.parse(text) for xid, text in connection.exec_driver_sql(storm_load.SEEN)}
        return {xid: Transaction(seen[xid], tuple(done)) for xid, done in operations.items()}

    def _start_reader(self) -> None:
        urls = [self._pair.embedded.url(name) for name in NODES]
        with self._log.open("ab") as log:
            self._reader = subprocess.Popen(
                [sys.executable, "-m", storm_reader.__name__, _FEED, str(self._path), *urls],
                env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _check_reader(self) -> None:
        assert self._reader is not None
        assert self._reader.poll() is None, f"the reader died:\n{self._log.read_text()[-3000:]}"

    def _lose_reader(self) -> None:
        self._check_reader()
        assert self._reader is not None
        self._reader.send_signal(signal.SIGKILL)
        self._reader.wait()
        self.killed["reader"] += 1
        self._traffic.wait(self._draw.randint(1, 100))
        self._start_reader()

    def _kill(self, name: NodeName) -> None:
        self.killed["primary" if name == self._primary else "standby"] += 1
        self._pair.embedded.kill(name)
        self._nodes[name].close()

    @contextlib.contextmanager
    def _perhaps_without_reader(self) -> Iterator[None]:
        """Kill the reader as well, one time in three: it starts again behind the block."""
        assert self._reader is not None
        both = self._draw.randrange(3) == 0
        if both:
            self.done.append("with the reader")
            self._check_reader()
            self.killed["reader"] += 1
            self._reader.send_signal(signal.SIGKILL)
            self._reader.wait()
        yield
        if both:
            self._start_reader()

    def _lose_standby(self) -> None:
        with self._perhaps_without_reader():
            self._kill(self._standby)
            self._traffic.wait(self._draw.randint(1, 300))
        self._pair.embedded.start([self._standby])

    def _restart_primary(self) -> None:
        with self._perhaps_without_reader():
            self._kill(self._primary)
        self._pair.embedded.start([self._primary])

    def _take_over(self) -> None:
        self._await_spare()
        with self._perhaps_without_reader():
            self._kill(self._primary)
            self._promote()

    def _lose_both(self) -> None:
        self._await_spare()
        forks = self.forks
        self._kill(self._standby)
        self._traffic.wait(self._draw.randint(50, 300))
        end = topology.committed(self._nodes[self._primary])
        nudge(self._nodes[self._primary])
        self._await(lambda: storm_reader.last_cursor(self._path).lsn >= end, f"the reader to go past the fork, {end}")
        with self._perhaps_without_reader():
            self._kill(self._primary)
            self._pair.embedded.start([self._standby])
            self._leave_alone()
            self._promote()
        self._await(lambda: self.forks > forks, "the reader to notice the fork")

    def _promote(self) -> None:
        self._pair.embedded.promote(self._standby)
        self._primary = self._standby
        self._traffic.wait(self._draw.randint(1, 100))
        self._pair.embedded.rejoin(self._standby)
        spare.add(self._nodes[self._standby], self._slot, self._nodes[self._primary])

    def _await_spare(self) -> None:
        """Wait until a takeover loses nothing: the standby keeps every row behind a cursor that it has replayed."""
        standby = self._nodes[self._standby]

        def ready() -> bool:
            cursor = storm_reader.last_cursor(self._path)
            return topology.replayed(standby) >= cursor.lsn and slot_state.look(standby, self._slot).keeps(cursor.lsn)

        self._await(ready, "the standby's slot to be of use")

    def _leave_alone(self) -> None:
        """Leave the reader alone with the standby for a while, or until it confirms there what that never had."""
        standby = self._nodes[self._standby]

        def confirmed() -> bool:
            with standby.connect() as connection:
                return bool(connection.exec_driver_sql(_CONFIRMED).all())

        if self._reader is not None and self._reader.poll() is None:
            with contextlib.suppress(NodeLost):
                topology.wait_until(confirmed, "the reader to come to the standby", timeout_s=_ALONE_S)

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        def holds() -> bool:
            self._check_reader()
            return condition()

        try:
            topology.wait_until(holds, what, timeout_s=storm_load.TIMEOUT_S)
        except NodeLost as late:
            raise AssertionError(f"{late}; it is at {storm_reader.last_cursor(self._path)}") from late


def _everywhere(pair: Pair) -> str:
    """Return the address of whichever node takes writes."""
    queries = [pair.embedded.server(name).url.query for name in NODES]
    host, port = (",".join(str(query[part]) for query in queries) for part in ("host", "port"))
    return psycopg.conninfo.make_conninfo(
        "", host=host, port=port, user="postgres", dbname="postgres", target_session_attrs="read-write",
        connect_timeout=5,
    )  # fmt: skip
