"""How a stream ends on a real pair: text that is none, a node or a session that goes, a slot that is invalidated."""

from __future__ import annotations

import pytest

from replicator.errors import FeedBroken, HadrianError, NodeLost, TableUnfit
from replicator.postgres import topology
from replicator.postgres.connection import Server
from replicator.postgres.embedded import NodeName
from replicator.postgres.stream import Stream
from tests.fixtures.pair import Pair, fresh_pair
from tests.fixtures.tap import Row, Tap, behind, rest, rows_of


class _Database(Pair):
    """Another database of a pair's servers."""

    def __init__(self, pair: Pair, name: str) -> None:
        super().__init__(pair.embedded)
        self._name = name

    def server(self, name: NodeName) -> Server:
        """Return the handle on its node."""
        if name not in self._servers:
            self._servers[name] = Server(self.embedded.server(name).url.set(database=self._name))
        return self._servers[name]


def _read_to_the_end(stream: Stream, timeout_s: float = 30) -> tuple[list[Row], HadrianError]:
    """Return what a stream gives before its error, and the error."""
    rows: list[Row] = []
    try:
        while (batch := stream.read(timeout_s)) is not None:
            rows += batch.to_pylist()
    except HadrianError as error:
        return rows, error
    pytest.fail("the stream goes on")


def test_text_that_is_not_utf8_is_refused_where_it_stands(shared_pair: Pair) -> None:
    """Table, column and place are named, all before it was read; an old row that supplies nothing does not matter."""
    shared_pair.run("create database unknown encoding 'SQL_ASCII' template template0 locale 'C'")
    topology.wait_replayed(shared_pair.standby, topology.committed(shared_pair.primary))
    database = _Database(shared_pair, "unknown")
    database.run("create table old (id bigint primary key, v text)")
    database.run(r"insert into old values (1, convert_from('\x61ff', 'SQL_ASCII'))")
    database.run("alter table old replica identity full")
    database.run("create publication old for table old")
    replaced = Tap(database, "old", None)
    database.run("update old set v = 'é'")
    assert [row["v"] for row in replaced.rows()] == ["é"]
    tap = Tap(database, "told")
    database.run("insert into told values (1, 'a'), (2, 'b')")
    database.run(r"insert into told values (3, 'c'), (4, convert_from('\x61ff', 'SQL_ASCII')), (5, 'e')")
    with tap.stream() as stream:
        rows, error = _read_to_the_end(stream)
        assert [row["id"] for row in rows] == [1, 2, 3]
        assert isinstance(error, TableUnfit)
        assert "public.told: column v holds text that is not UTF-8" in str(error)
        assert str(error).endswith(f"what lies before {behind(rows[-1])} was read")
        with pytest.raises(TableUnfit):
            stream.read(0)
    database.close()


def test_a_session_that_is_ended_may_be_opened_again(shared_pair: Pair) -> None:
    """What had come is read first; the next stream goes on at the cursor."""
    tap = Tap(shared_pair, "ended")
    shared_pair.run("insert into ended select generate_series(1, 3)")
    with tap.stream() as stream:
        rows = rows_of(list(rest(stream, shared_pair.primary)))
        shared_pair.run(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'ended'", "b"
        )
        last, error = _read_to_the_end(stream)
    assert type(error) is NodeLost
    shared_pair.run("insert into ended values (4)")
    assert [row["id"] for row in [*rows, *last, *tap.rows(behind([*rows, *last][-1]))]] == [1, 2, 3, 4]


def test_a_node_that_restarts_goes_on(pair: Pair) -> None:
    """The stream tells that it is gone; once it is there again nothing is missed."""
    tap = Tap(pair, "restarted")
    pair.run("insert into restarted select generate_series(1, 3)")
    with tap.stream() as stream:
        rows = rows_of(list(rest(stream, pair.primary)))
        pair.embedded.kill("b")
        assert type(_read_to_the_end(stream)[1]) is NodeLost
        with pytest.raises(NodeLost):
            stream.history()
    pair.embedded.start()
    pair.run("insert into restarted values (4)")
    assert [row["id"] for row in [*rows, *tap.rows(behind(rows[-1]))]] == [1, 2, 3, 4]


def test_a_node_promoted_under_a_stream_tells_its_timeline(pair: Pair) -> None:
    """The stream goes on, and whoever asks after a row hears of the fork before it."""
    tap = Tap(pair, "forked")
    pair.run("insert into forked values (1)")
    with tap.stream() as stream:
        (first,) = rows_of(list(rest(stream, pair.primary)))
        assert stream.history().timeline == 1
        pair.fail_over()
        pair.run("insert into forked values (2)", "b")
        second = stream.read(30)
        assert second is not None
        history = stream.history()
        assert history.timeline == 2
        assert [history.at(cursor.lsn, cursor.seq) for cursor in map(behind, [first, *rows_of([second])])] == [1, 2]


def _check_invalidated(tap: Tap, stream: Stream, node: NodeName, reason: str) -> None:
    """Read until the slot is gone; then it is told that nothing of what was read is lost, and how to go on."""
    _, error = _read_to_the_end(stream)
    stream.close()
    assert isinstance(error, (NodeLost, FeedBroken))  # it may be told before the slot shows it
    invalid = f"select invalidation_reason from pg_replication_slots where slot_name = '{tap.name}'"
    topology.wait_until(lambda: tap.pair.run(invalid, node) == [(reason,)], "the slot's end", timeout_s=30)
    with pytest.raises(FeedBroken, match=rf"slot {tap.name} is invalidated: {reason}; .*nothing is lost") as raised:
        tap.stream()
    assert "another node" in raised.value.hint


def test_a_slot_whose_catalog_rows_are_removed_is_told() -> None:
    """A standby without feedback: the primary's vacuum takes what decoding needs."""
    with fresh_pair("hot_standby_feedback = off\n") as pair:
        tap = Tap(pair, "vacuumed")
        pair.run("insert into vacuumed values (1)")
        stream = tap.stream()
        assert len(rows_of(list(rest(stream, pair.primary)))) == 1
        pair.run("create table passing ()")
        pair.run("drop table passing")
        pair.run("vacuum full pg_class")
        _check_invalidated(tap, stream, "b", "rows_removed")


def test_a_slot_whose_log_is_removed_is_told() -> None:
    """More log than the node may keep: what was read is not lost."""
    with fresh_pair("max_slot_wal_keep_size = 16MB\nmin_wal_size = 32MB\n") as pair:
        tap = Tap(pair, "removed", node="a")
        pair.run("insert into removed values (1)")
        stream = tap.stream()
        assert len(rows_of(list(rest(stream, pair.primary)))) == 1
        for _ in range(4):
            pair.run("select pg_logical_emit_message(false, 'much', repeat('x', 20000000))")
        pair.run("select pg_switch_wal()")
        pair.run("checkpoint")
        _check_invalidated(tap, stream, "a", "wal_removed")


@pytest.mark.soak
def test_a_value_that_the_server_cannot_send_is_refused(shared_pair: Pair) -> None:
    """In text form it has more than 1 GB: the error says what to leave out, and what came before is read."""
    tap = Tap(shared_pair, "huge", "id numeric primary key, v bytea")
    shared_pair.run("alter table huge alter v set storage external")
    shared_pair.run("insert into huge values (1)")
    shared_pair.run("insert into huge select 2, convert_to(repeat('x', 600000000), 'UTF8')")
    with tap.stream() as stream:
        rows, error = _read_to_the_end(stream, timeout_s=200)
    assert [str(row["id"]) for row in rows] == ["1"]
    assert type(error) is TableUnfit
    assert "column list" in error.hint
