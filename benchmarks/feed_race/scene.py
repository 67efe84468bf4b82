"""Where the race is run: an embedded pair, a feed whose slot lives on the standby, and a backlog of rows behind it.

Each contestant reads its own copy of the feed's slot, so each turn starts at the same place. Drivers that cannot use a
Unix socket (Debezium's, pgoutput-decoder's) come in through a loopback address of the pair's own, with a password.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from replicator import migrate
from replicator.handover import create_feed
from replicator.postgres import slot, topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import NODES, EmbeddedPair

A_TRANSACTION = 1000
_ROLE = "racer"
EVENTS = """
create table event (id bigint primary key, at timestamptz not null, body text not null);
alter table event replica identity full;
create publication event for table event;
create procedure fill(total int, chunk int) language plpgsql as $$
begin
  for start in 1..total by chunk loop
    insert into event
      select n, timestamptz '2026-01-01' + n * interval '1.000001 s', 'event ' || n
      from generate_series(start, start + chunk - 1) as n;
    commit;
  end loop;
end $$;
"""
_TICKS = """
create table tick (id bigint primary key, at timestamptz not null, body text not null);
alter table tick replica identity full;
create publication tick for table tick;
"""


class Scene:
    """A pair and its table.

    Attributes:
        pair: the servers.
    """

    def __init__(self, pair: EmbeddedPair, host: str, password: str) -> None:
        self.pair = pair
        self._door = {"host": host, "port": 5433, "user": _ROLE, "password": password, "database": "postgres"}
        self.primary, self.standby = (PostgresDatabase(pair.url(node)) for node in NODES)

    def job(self, **more: object) -> dict[str, object]:
        """Return what a reader's process is told: the standby, as each driver wants it, and `more`."""
        socket = str(self.pair.socket)
        conninfo = f"host={socket} port={self._door['port']} user=postgres dbname=postgres"
        return {**self._door, "url": self.pair.url("b"), "socket": socket, "conninfo": conninfo, **more}

    def run(self, text: str) -> None:
        """Run SQL on the primary, each statement its own transaction."""
        with self.primary.autocommit() as connection:
            connection.exec_driver_sql(text)

    def catch_up(self) -> None:
        """Wait until the standby has replayed what the primary has."""
        topology.wait_replayed(self.standby, topology.committed(self.primary), timeout_s=600)

    def create_feed(self, name: str) -> None:
        """Create a feed of the publication of that name, its slot on the standby."""
        create_feed(name, name, source=self.standby, primary=self.primary)
        self.catch_up()

    @contextlib.contextmanager
    def copied_slot(self, feed: str) -> Iterator[str]:
        """Copy a feed's slot for one turn."""
        name = f"copy_{secrets.token_hex(4)}"
        slot.copy(self.standby, slot.slot_name(feed), name)
        try:
            yield name
        finally:
            topology.wait_until(lambda: self._is_free(name), f"slot {name} to be left", timeout_s=60)
            slot.drop(self.standby, name)

    def _is_free(self, name: str) -> bool:
        query = "select active from pg_replication_slots where slot_name = %s"
        with self.standby.connect() as connection:
            return not connection.exec_driver_sql(query, (name,)).scalar_one()

    @contextlib.contextmanager
    def exported_snapshot(self) -> Iterator[str]:
        """Export a snapshot of the standby that lasts as long as the block."""
        with self.standby.connect() as connection:
            held = connection.execution_options(isolation_level="REPEATABLE READ")
            yield held.exec_driver_sql("select pg_export_snapshot()").scalar_one()


@contextlib.contextmanager
def build(folder: Path, rows: int) -> Iterator[Scene]:
    """Start a pair, create the feeds and write the backlog."""
    host = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250)}.{secrets.randbelow(250) + 2}"
    password = secrets.token_hex(16)
    pair = EmbeddedPair.create(folder / "pair", f"listen_addresses = '{host}'\n")
    with contextlib.ExitStack() as undo:
        undo.callback(pair.remove)
        scene = Scene(pair, host, password)
        undo.callback(scene.primary.close)
        undo.callback(scene.standby.close)
        with (pair.directory / "b" / "pg_hba.conf").open("a") as file:
            file.write(f"host all {_ROLE} {host}/32 scram-sha-256\n")
        with scene.standby.autocommit() as connection:
            connection.exec_driver_sql("select pg_reload_conf()")
        migrate.install(pair.url("a"))
        scene.run(EVENTS + _TICKS)
        scene.run(f"create role {_ROLE} replication login password '{password}'")
        scene.run(f"grant select on event to {_ROLE}")
        scene.catch_up()
        scene.create_feed("event")
        scene.run(f"call fill({rows}, {A_TRANSACTION})")
        scene.run("vacuum analyze event")
        scene.catch_up()
        scene.create_feed("tick")
        yield scene
