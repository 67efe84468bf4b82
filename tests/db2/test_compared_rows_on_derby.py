"""Rows of a Db2 pair compared, the statements through ibm_db against Derby: two databases, of which none is replayed.

Derby has the isolation levels that the statements name, and locks where Db2 shows what was committed last; it has no
version of a row, so that a row's values stand for it. The catalog, the configuration and the log positions of both are
written by the test, and so is what a standby would have replayed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from replicator import engines
from replicator.comparison import Compared, Request, Suspect, What, Word
from replicator.db2.connection import Db2Server
from replicator.db2.verify import rows
from replicator.errors import BadInput, NodeLost
from replicator.postgres.topology import wait_until
from replicator.rule import Unseen
from tests.fixtures.db2_catalog import TABLES, NodeName, clean
from tests.fixtures.derby import READER, READERS_PASSWORD, Derby, Peer
from tests.fixtures.drda_rewriting import Refusal

REQUEST = Request(frozenset({What.ROWS}), settle_s=5)
POSITION = 1000
NODES: tuple[NodeName, NodeName] = ("a", "b")
HADR = "xsysproc.mon_get_hadr"
CATALOG = {
    **{name: columns for name, columns in TABLES.items() if name.startswith("xsysibmadm.db")},
    HADR: f"{TABLES[HADR]}, primary_log_pos bigint, standby_replay_log_pos bigint",
    "xsyscat.tables": f"{TABLES['xsyscat.tables']}, avgrowsize smallint not null",
    "xsyscat.columns": f"{TABLES['xsyscat.columns']}, keyseq smallint, colno smallint not null, scale smallint",
}
MADE = {
    "ORDERS": "region char(3) not null, id integer not null, price decimal(9,2), ratio double, name varchar(40), "
    "raw varchar(20) for bit data, born timestamp, body clob(100), primary key (region, id)",
    "PICTURE": "id bigint not null primary key, image blob(9000), title varchar(20)",
    "NOTES": "said varchar(20)",
}
KINDS = {"char": "CHARACTER", "clob": "CLOB", "blob": "BLOB", "timestamp": "TIMESTAMP"}


def described(name: str) -> Iterator[tuple[Any, ...]]:
    """Yield a table's columns as the catalog has them."""
    key = {"ORDERS": ["region", "id"], "PICTURE": ["id"], "NOTES": []}[name]
    inline = {"body": (100, 104), "image": (9000, 500)}
    for number, column in enumerate(MADE[name].split(", primary key")[0].split(", ")):
        title, kind = column.split()[:2]
        length, in_row = inline.get(title, (0, 0))
        place = key.index(title) + 1 if title in key else None
        kind = KINDS.get(kind.partition("(")[0], kind.partition("(")[0].upper())
        yield ("APP", name, title.upper(), kind, length, "Y", in_row, place, number, 12 if title == "born" else 0)


class ComparedPair:
    """Two nodes with the same rows."""

    def __init__(self, port: int) -> None:
        self.peers = {node: Peer(port, f"COMPARED{node.upper()}") for node in NODES}
        self.servers = {node: Db2Server(peer.url(), 30) for node, peer in self.peers.items()}
        for node in NODES:
            for schema in ("xsyscat", "xsysibmadm", "xsysproc"):
                self.run(f"create schema {schema}", node)
            for name, columns in CATALOG.items():
                self.run(f"create table {name} ({columns})", node)
                for row in {**clean(node), "xsyscat.tables": [], "xsyscat.columns": []}[name]:
                    self.insert(name, (*row, POSITION, POSITION) if name == HADR else row, node)
            for name, columns in MADE.items():
                self.run(f"create table app.{name} ({columns})", node)
                self.insert("xsyscat.tables", ("APP", name, "T", 100, "R", 50), node)
                for row in described(name):
                    self.insert("xsyscat.columns", row, node)
            self.insert("xsyscat.tables", ("APP", "CUBE", "T", 100, "C", 50), node)

    def run(self, statement: str, *nodes: NodeName) -> None:
        """Run one statement on nodes and commit it."""
        for node in nodes:
            with self.servers[node].connect() as connection:
                connection.exec_driver_sql(statement)
                connection.commit()

    def insert(self, table: str, row: Sequence[Any], *nodes: NodeName) -> None:
        """Insert one row on nodes."""
        for node in nodes:
            with self.servers[node].connect() as connection:
                connection.exec_driver_sql(f"insert into {table} values ({', '.join('?' * len(row))})", tuple(row))
                connection.commit()

    def reset(self) -> None:
        """Put the same rows into both."""
        for node in NODES:
            self.peers[node].script.clear()
            self.run(f"update {HADR} set primary_log_pos = {POSITION}, standby_replay_log_pos = {POSITION}", node)
            for name in MADE:
                self.run(f"delete from app.{name}", node)
            for region in ("eu ", "us "):
                for number in range(1, 8):
                    values = (Decimal(number), number / 7, f"name {number}", b"\0\xff", None, "words")
                    self.insert("app.orders", (region, number, *values), node)
            self.insert("app.picture", (1, b"x" * 9000, "old"), node)

    def compared(self, **more: Any) -> list[Compared | Suspect | Unseen]:
        """Compare both, through the engine that the URLs name."""
        pair = engines.comparable(self.peers["a"].url(), self.peers["b"].url(), None, 30)
        with contextlib.closing(pair):
            pair.check()
            found = pair.compare(dataclasses.replace(REQUEST, **more))
            return [one for one in found if isinstance(one, Compared | Suspect | Unseen)]

    def suspects(self, **more: Any) -> list[Suspect]:
        """Return what did not look the same and was not explained, of the tables that can be compared."""
        found = [one for one in self.compared(tables=("app.o*", "app.p*"), **more) if isinstance(one, Suspect)]
        return [one for one in found if one.word is not Word.SETTLED]

    def close(self) -> None:
        """Close every session and both proxies."""
        for server in self.servers.values():
            server.close()
        for peer in self.peers.values():
            peer.close()


@pytest.fixture(scope="module")
def made(derby: Derby) -> Iterator[ComparedPair]:
    """Make the two once."""
    with contextlib.closing(ComparedPair(derby.port)) as pair:
        yield pair


@pytest.fixture
def pair(made: ComparedPair, monkeypatch: pytest.MonkeyPatch) -> ComparedPair:
    """Put both in good order for one test, and cut their tables into many ranges."""
    made.reset()
    monkeypatch.setattr(rows, "_RANGE_ROWS", 4)
    return made


def test_what_is_the_same_is_found_to_be(pair: ComparedPair) -> None:
    """Every row of a table with a key is compared, and what a standby does not return is told."""
    found = pair.compared()
    open_ = {one.object: one.word for one in found if isinstance(one, Suspect)}
    assert open_ == {"APP.CUBE": Word.UNSETTLED, "APP.NOTES": Word.UNSETTLED}  # by columns; without a key
    compared = {one.object: one for one in found if isinstance(one, Compared)}
    assert {name: one.items for name, one in compared.items()} == {"APP.ORDERS": 14, "APP.PICTURE": 1}
    assert compared["APP.PICTURE"].left_out == "IMAGE (BLOB)"
    assert compared["APP.ORDERS"].left_out == "BORN (below microseconds)"
    assert compared["APP.ORDERS"].lsn == POSITION


DAMAGE = {
    "update app.orders set price = price + 0.01 where region = 'eu' and id = 3": ("eu ", "3", ("PRICE",)),
    "update app.orders set name = null, ratio = 0.5 where region = 'us' and id = 1": ("us ", "1", ("RATIO", "NAME")),
    "update app.orders set raw = x'00fe' where region = 'us' and id = 2": ("us ", "2", ("RAW",)),
    "update app.orders set body = 'Words' where region = 'us' and id = 3": ("us ", "3", ("BODY",)),
    "update app.orders set born = timestamp('2026-01-01 00:00:00.000001') where region = 'us' and id = 4": (
        *("us ", "4", ("BORN",)),
    ),
    "delete from app.orders where region = 'eu' and id = 1": ("eu ", "1", "is on the primary only"),
    "delete from app.orders where region = 'us' and id = 7": ("us ", "7", "is on the primary only"),
    **{
        f"insert into app.orders (region, id) values ('{region}', {number})": (
            *(region.ljust(3), str(number), "is on the standby only"),
        )
        for region, number in (("aa", 1), ("eu", 100), ("eu", 101), ("eu", 102), ("eu", 103), ("zz", 0))
    },
}


def test_each_damage_is_found_and_located(pair: ComparedPair) -> None:
    """A row that is not the primary's is told by key and columns, wherever in the order it stands."""
    for statement in DAMAGE:
        pair.run(statement, "b")
    expected = [(Word.DIFFERENT, {"REGION": one, "ID": two}, what) for one, two, what in DAMAGE.values()]
    found = pair.suspects(show_values=True)
    told = [(one.word, dict(one.key), one.columns or one.message) for one in found]
    assert sorted(told, key=repr) == sorted(expected, key=repr)
    (raw,) = [one for one in found if one.columns == ("RAW",)]
    assert (raw.primary or {})["RAW"] == "00ff"
    assert (raw.standby or {})["RAW"] == "00fe"


def test_what_the_standby_has_not_replayed_is_unsettled_and_then_settled(pair: ComparedPair) -> None:
    """A row that is ahead on the primary is not called different, and is the same once it is replayed."""
    change = "update app.orders set name = 'new' where region = 'eu' and id = 5"
    pair.run(change, "a")
    pair.run(f"update {HADR} set primary_log_pos = {POSITION + 7}", "a")
    (late,) = pair.suspects(settle_s=0.2)
    assert (late.word, late.key) == (Word.UNSETTLED, {"REGION": "eu ", "ID": "5"})
    assert str(POSITION + 7) in late.message

    def replay() -> None:
        wait_until(lambda: any("LATEST" in one.upper() for one in pair.peers["a"].script.seen), "doubt", timeout_s=30)
        pair.run(change, "b")
        pair.run(f"update {HADR} set standby_replay_log_pos = {POSITION + 7}", "b")

    pair.peers["a"].script.seen.clear()
    replaying = threading.Thread(target=replay)
    replaying.start()
    words = [one.word for one in pair.compared(tables=("app.orders",)) if isinstance(one, Suspect)]
    replaying.join()
    assert words == [Word.SETTLED]


def test_a_change_that_is_not_committed_is_not_called_different(pair: ComparedPair) -> None:
    """The primary shows it, the standby does not have it, and nobody waits for its lock."""
    with pair.servers["a"].connect() as connection:
        connection.exec_driver_sql("update app.orders set name = 'open' where region = 'eu' and id = 5")
        # Derby lets a reader wait for a second: long enough for two rounds, which would prove it.
        assert [one.word for one in pair.suspects(settle_s=1.5)] == [Word.UNSETTLED]
        connection.rollback()
    assert pair.suspects() == []


def test_a_replay_only_window_is_waited_out(pair: ComparedPair) -> None:
    """While the standby ends every request, it is asked again; its rows are compared once it serves reads."""
    script = pair.peers["b"].script
    script.refused['FROM "APP"."ORDERS"'] = Refusal(-1224, "55032")

    def reopen() -> None:
        wait_until(lambda: sum('FROM "APP"."ORDERS"' in one.upper() for one in script.seen) > 1, "a look", timeout_s=30)
        script.refused.clear()

    reopening = threading.Thread(target=reopen)
    reopening.start()
    found = pair.compared(tables=("app.o*",))
    reopening.join()
    assert [(one.object, one.items) for one in found if isinstance(one, Compared)] == [("APP.ORDERS", 14)]


def test_a_table_that_replay_left_inaccessible_is_different(pair: ComparedPair) -> None:
    """What was changed without logging cannot be read on the standby, and says so."""
    pair.peers["b"].script.refused['FROM "APP"."ORDERS"'] = Refusal(-1477, "55019", ("APP.ORDERS",))
    (lost,) = pair.suspects()
    assert (lost.word, lost.object) == (Word.DIFFERENT, "APP.ORDERS")
    assert "without logging" in lost.message


def test_a_comparison_that_was_cut_off_goes_on_at_the_next_table(pair: ComparedPair, tmp_path: Path) -> None:
    """A table that was the same is not read again, one that was not is."""
    state = tmp_path / "state"
    pair.run("delete from app.orders where id = 1", "b")
    pair.peers["b"].script.refused['FROM "APP"."PICTURE"'] = Refusal(-1224, "55032")
    with pytest.raises(NodeLost):
        pair.compared(tables=("app.[op]*",), state=state, settle_s=0)
    pair.reset()
    pair.peers["b"].script.refused['FROM "APP"."PICTURE"'] = Refusal(-1224, "55032")
    with pytest.raises(NodeLost):
        pair.compared(tables=("app.[op]*",), state=state, settle_s=0)
    pair.peers["b"].script.refused = {'FROM "APP"."ORDERS"': Refusal(-1224, "55032")}
    found = pair.compared(tables=("app.[op]*",), state=state)
    assert [(one.items, one.size > 0) for one in found if isinstance(one, Compared)] == [(14, False), (1, True)]
    assert not state.exists()


def test_a_table_that_may_not_be_read_is_told(pair: ComparedPair) -> None:
    """The user gets the grant that is missing, and the other tables are compared."""
    for node in NODES:
        for name in (*CATALOG, "app.picture"):
            pair.run(f"grant select on {name} to {READER}", node)
    urls = [pair.peers[node].url(READER, READERS_PASSWORD) for node in NODES]
    with contextlib.closing(engines.comparable(urls[0], urls[1], None, 30)) as seen:
        found = list(seen.compare(REQUEST))
    assert [one.object for one in found if isinstance(one, Compared)] == ["APP.PICTURE"]
    remedies = {one.what: one.remedy for one in found if isinstance(one, Unseen)}
    assert remedies["rows of APP.ORDERS"] == f"grant select on APP.ORDERS to user {READER.upper()}"


def test_a_standby_is_not_repaired_and_other_kinds_are_not_compared(
    pair: ComparedPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What Db2's comparison has not is refused or named; the command ends as it does for every engine."""
    with pytest.raises(BadInput, match="write to a standby"):
        pair.compared(repair=tmp_path / "repair.sql")
    assert {one.what for one in pair.compared(what=frozenset({What.SCHEMA})) if isinstance(one, Unseen)} == {"schema"}
    pair.run("delete from app.picture", "b")
    nodes = ["--primary", pair.peers["a"].url(), "--standby", pair.peers["b"].url()]
    assert main(["verify", *nodes, "--what", "rows", "--format", "json"]) == 1
    assert "is on the primary only" in capsys.readouterr().out
