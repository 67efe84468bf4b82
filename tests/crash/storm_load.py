"""The load of a storm: writers that never give up, and the audit that their transactions keep of themselves.

Each writer's transactions are numbered and drawn from the seed by their number. What became of the last one when a node
was lost (committed or not, or committed and then lost in a takeover) is told by the audit: the writer goes on
behind the last of its numbers there.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator

import psycopg

TIMEOUT_S = 60
KEYS = 3000
_BULK_ROWS = 800
_RATE = 20  # transactions a second and writer: every process here has two cores to share

# The trigger sees each row as it was stored. A big body goes out of line as it is, so an update that leaves it alone
# leaves it out of the log.
SCHEMA = """
create schema storm;
create table storm.item (
  id integer primary key, version integer not null, amount numeric(12, 2) not null, body text);
alter table storm.item alter column body set storage external, replica identity full;
create table storm.audit (
  number bigserial primary key, xid xid8 not null default pg_current_xact_id(), op text not null, key integer not null,
  digest text);
create table storm.transaction (
  xid xid8 primary key default pg_current_xact_id(), writer integer not null, number integer not null,
  seen pg_snapshot not null default pg_current_snapshot());
create index on storm.transaction (writer, number);
create function storm.note() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    insert into storm.audit (op, key) values ('delete', old.id);
  else
    insert into storm.audit (op, key, digest) values (lower(tg_op), new.id,
      md5(concat_ws('|', new.id, new.version, new.amount, coalesce(new.body, '~'))));
  end if;
  return null;
end $$;
create trigger note after insert or update or delete on storm.item for each row execute function storm.note();
create publication storm for table storm.item;
insert into storm.item select id, 1, id / 7.0, null from generate_series(1, 6000) as id;
insert into storm.transaction (writer, number) values (0, 1);
"""
OPERATIONS = "select xid::text::bigint, number, op, key, digest from storm.audit order by number"
SEEN = "select xid::text::bigint, seen::text from storm.transaction"

_INSERT = "insert into storm.item values (%s, 1, %s, %s) on conflict do nothing"
_UPDATE = "update storm.item set version = version + 1, amount = %s where id = %s"
_REWRITE = "update storm.item set version = version + 1, body = %s where id = %s"
_DELETE = "delete from storm.item where id = %s"
_BULK = """
insert into storm.item select id, 1, id / 7.0, null from generate_series(%s::integer, %s::integer) as id
on conflict (id) do update set version = item.version + 1
"""
_NOTE = "insert into storm.transaction (writer, number) values (%s, %s)"
_LAST = "select coalesce(max(number), 0) from storm.transaction where writer = %s"
_LEFT = "select gid from pg_prepared_xacts where gid like %s"

_ENDS = {"commit": 80, "rollback": 6, "savepoint": 7, "prepare": 5, "bulk": 1}


class Traffic:
    """What writers and the storm know of each other."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = 0
        self._paused = False
        self._statements = 0
        self._failure: BaseException | None = None
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the writers are to end."""
        return self._stopped.is_set()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Do something inside the block; not while there is a pause."""
        with self._changed:
            self._changed.wait_for(lambda: not self._paused or self.stopped)
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def rest(self, seconds: float) -> None:
        """Wait, unless the writers are to end."""
        self._stopped.wait(seconds)

    def beat(self) -> None:
        """Count a statement."""
        with self._changed:
            self._statements += 1
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """Tell the storm what a writer died of."""
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    def wait(self, statements: int) -> None:
        """Wait until so many more statements were executed."""
        with self._changed:
            goal = self._statements + statements
            self._await(lambda: self._statements >= goal, f"statement {goal}, at {self._statements}")

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Hold every writer between two transactions."""
        with self._changed:
            self._paused = True
            self._await(lambda: self._busy == 0, "the writers to rest")
        try:
            yield
        finally:
            with self._changed:
                self._paused = False
                self._changed.notify_all()

    def stop(self) -> None:
        """Let the writers end."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        if not self._changed.wait_for(lambda: condition() or self._failure is not None, TIMEOUT_S):
            raise AssertionError(f"waited {TIMEOUT_S} s for {what}")
        if self._failure is not None:
            raise AssertionError("a writer died") from self._failure


class Writer(threading.Thread):
    """Executes one transaction after another, on whichever node takes them.

    Args:
        number: the writer's.
        conninfo: names every node and asks for the one that can be written to.
        seed: what the transactions are drawn from.
        traffic: when to rest and when to stop.
    """

    def __init__(self, number: int, conninfo: str, seed: int, traffic: Traffic) -> None:
        super().__init__(name=f"writer {number}", daemon=True)
        self._writer = number
        self._conninfo = conninfo
        self._seed = seed
        self._traffic = traffic
        self._connection: psycopg.Connection | None = None
        self._number = 0
        self._pace = random.Random(f"{seed} {number}")

    def run(self) -> None:
        """Write until stopped."""
        try:
            while not self._traffic.stopped:
                try:
                    with self._traffic.turn():
                        self._transact(self._connected())
                    self._traffic.rest(self._pace.expovariate(_RATE))
                except psycopg.OperationalError:
                    self._leave()
                    self._traffic.rest(0.1)
        except BaseException as failure:  # noqa: BLE001 - whatever it is, the storm raises it
            self._traffic.fail(failure)
        finally:
            self._leave()

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._conninfo, autocommit=True)
            self._settle(self._connection)
        return self._connection

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _settle(self, connection: psycopg.Connection) -> None:
        """End what is left prepared, and find the last of the transactions that happened."""
        draw = random.Random(f"{self._seed} {self._writer} {self._number} again")
        for (gid,) in connection.execute(_LEFT, [f"{self._writer}-%"]).fetchall():
            connection.execute(f"{draw.choice(('commit', 'rollback'))} prepared '{gid}'")
        (self._number,) = connection.execute(_LAST, [self._writer]).fetchone() or (0,)

    def _transact(self, connection: psycopg.Connection) -> None:
        number = self._number + 1
        draw = random.Random(f"{self._seed} {self._writer} {number}")
        (end,) = draw.choices(list(_ENDS), list(_ENDS.values()))
        self._do(connection, "begin")
        self._change(connection, draw)
        if end == "savepoint":
            self._do(connection, "savepoint s")
            self._change(connection, draw)
            self._do(connection, "rollback to s")
            self._change(connection, draw, first=KEYS // 2)
        if end == "bulk":  # on keys of the writer's own, and behind the others: nobody waits for it in a circle
            first = 10_000 * self._writer + draw.randrange(2000)
            self._do(connection, _BULK, first, first + _BULK_ROWS)
        self._do(connection, _NOTE, self._writer, number)
        if end == "prepare":
            gid = f"{self._writer}-{number}"
            self._do(connection, f"prepare transaction '{gid}'")
            self._do(connection, f"{draw.choice(('commit', 'commit', 'rollback'))} prepared '{gid}'")
        else:
            self._do(connection, "rollback" if end == "rollback" else "commit")
        self._number = number

    def _change(self, connection: psycopg.Connection, draw: random.Random, first: int = 1) -> None:
        # In the keys' order, or two writers could wait for each other.
        for key in sorted(draw.sample(range(first, first + KEYS // 2), draw.randint(1, 6))):
            amount = f"{draw.randrange(10**7)}.{draw.randrange(100):02}"
            match draw.randrange(10):
                case 0 | 1 | 2:
                    self._do(connection, _INSERT, key, amount, _body(draw))
                case 3 | 4 | 5 | 6:
                    self._do(connection, _UPDATE, amount, key)
                case 7 | 8:
                    self._do(connection, _REWRITE, _body(draw), key)
                case _:
                    self._do(connection, _DELETE, key)

    def _do(self, connection: psycopg.Connection, statement: str, *parameters: object) -> None:
        connection.execute(statement.encode(), parameters or None)
        self._traffic.beat()


def _body(draw: random.Random) -> str | None:
    """Return nothing, a short text, or one that is stored out of line."""
    kind = draw.randrange(8)
    if kind == 0:
        return None
    return draw.choice(("", "~", 'it\'s \\ "ünïcödé"\t\n', "x" * 40)) if kind < 6 else draw.randbytes(2000).hex()
