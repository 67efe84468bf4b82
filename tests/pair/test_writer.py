"""The drill's application on a real pair: what it writes, its ledger, and how it lives through a takeover."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.change import Change, Op
from replicator.position import Cursor, Lsn
from replicator.postgres import topology
from replicator.postgres.connection import Server
from replicator.postgres.snapshot import read_published
from replicator.postgres.topology import wait_until
from tests.fixtures.pair import Pair, fresh_pair
from trainer.drill import corpus, ledger, writer
from trainer.drill.corpus import Split

_RATE = 400.0
_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def split() -> Split:
    """Return the documents as the drill splits them."""
    return corpus.plan_split(corpus.stdlib_docs())


@pytest.fixture(scope="module")
def quiet_pair(split: Split) -> Iterator[Pair]:
    """Make a loaded pair that no writer has touched."""
    with fresh_pair() as made:
        writer.load(made.embedded.url("a"), split)
        topology.wait_replayed(made.standby, topology.committed(made.primary))
        yield made


@pytest.fixture
def loaded_pair(pair: Pair, split: Split) -> Pair:
    """Load a pair of the test's own."""
    writer.load(pair.embedded.url("a"), split)
    topology.wait_replayed(pair.standby, topology.committed(pair.primary))
    return pair


@contextlib.contextmanager
def _writing(pair: Pair, rate: float = _RATE) -> Iterator[subprocess.Popen[bytes]]:
    # The standby first: that it answers must not make it the one to write to.
    process = writer.start_writer(writer.writer_dsn([pair.standby, pair.primary]), seed=7, rate=rate)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _last_op(server: Server) -> int:
    with server.connect() as connection:
        return int(connection.execute(server.statement("drill/last_op")).scalar_one())


def _wait_op(server: Server, op: int, process: subprocess.Popen[bytes]) -> None:
    def reached() -> bool:
        assert process.poll() is None, "the writer ended"
        return _last_op(server) >= op

    wait_until(reached, f"op {op}", timeout_s=_TIMEOUT_S)


def _stop(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    process.send_signal(number)
    return process.wait(timeout=_TIMEOUT_S)


def _published(server: Server, publication: str = "hadrian_drill") -> list[Change]:
    """Return what a snapshot of the publication holds now."""
    rows = read_published(server, publication, 10**6)
    return [Change(Op.SNAPSHOT, row, Cursor(Lsn(0), number)) for number, row in enumerate(rows, 1)]


def _prove_table(node: Server) -> None:
    """Check that ledger and whole table agree on a node, texts included, and the publication with them."""
    operations = writer.read_ledger(node)
    assert [operation.op for operation in operations] == list(range(1, len(operations) + 1))
    expected: dict[ledger.Key, int] = {}
    for operation in operations:
        assert (operation.key in expected) == (operation.kind is not Op.INSERT)
        expected[operation.key] = operation.op
        if operation.kind is Op.DELETE:
            del expected[operation.key]
    with node.connect() as connection:
        rows = connection.exec_driver_sql("select * from drill.docs").all()
    assert {(row.module, row.qualname): row.revision for row in rows} == expected
    digests = {operation.op: operation.content_sha256 for operation in operations}
    for row in rows:
        assert hashlib.sha256(f"{row.signature}\n{row.doc}".encode()).digest() == digests[row.revision]
    assert ledger.prove(operations, corpus.in_scope, _published(node)).differences == ()


def test_the_load_is_one_operation_for_each_document(quiet_pair: Pair, split: Split) -> None:
    """The table holds what is to be there at first, and the ledger says in which order it came."""
    operations = writer.read_ledger(quiet_pair.primary)
    wanted = sorted([*split.initial, *split.held_out])
    assert [operation.key for operation in operations] == [doc.key for doc in wanted]
    assert {operation.kind for operation in operations} == {Op.INSERT}
    digests = [hashlib.sha256(f"{doc.signature}\n{doc.doc}".encode()).digest() for doc in wanted]
    assert [operation.content_sha256 for operation in operations] == digests
    with quiet_pair.primary.connect() as connection:
        documents = connection.execute(quiet_pair.primary.statement("drill/documents")).all()
    writable = sorted([*split.initial, *split.held_back])
    assert [(row.module, row.qualname) for row in documents] == [doc.key for doc in writable]
    _prove_table(quiet_pair.primary)
    _prove_table(quiet_pair.standby)


def test_the_publication_lets_through_exactly_what_is_in_scope(quiet_pair: Pair, split: Split) -> None:
    """The row filter in SQL and the predicate in Python mean the same."""
    assert _keys(_published(quiet_pair.standby)) == [doc.key for doc in split.initial if corpus.in_scope(doc.module)]


def test_what_is_held_out_has_a_publication_of_its_own(quiet_pair: Pair, split: Split) -> None:
    """The loss before and after is measured on it."""
    published = _published(quiet_pair.standby, "hadrian_drill_held_out")
    assert _keys(published) == [doc.key for doc in split.held_out]


def _keys(changes: list[Change]) -> list[tuple[str | None, str | None]]:
    return [(change.values["module"], change.values["qualname"]) for change in changes]


def test_long_texts_lie_out_of_line(quiet_pair: Pair) -> None:
    """Storage external keeps them so, and the writer knows which they are."""
    out_of_line = "select module, qualname from drill.docs where pg_column_toast_chunk_id(doc) is not null"
    moved = set(quiet_pair.run(out_of_line))
    with quiet_pair.primary.connect() as connection:
        rows = connection.execute(quiet_pair.primary.statement("drill/documents")).all()
    expected = {(row.module, row.qualname) for row in rows if row.out_of_line and row.published}
    assert sum(corpus.in_scope(str(module)) for module, _ in moved) > 5
    assert expected <= moved


def test_page_views_are_the_table_that_will_be_lost(quiet_pair: Pair) -> None:
    """One table of the drill is unlogged, and only that one."""
    unlogged = "select relname from pg_class where relpersistence = 'u' and relkind = 'r'"
    assert quiet_pair.run(unlogged) == [("page_view",)]


def test_the_ledger_agrees_with_the_table_on_both_nodes(loaded_pair: Pair, split: Split) -> None:
    """After a thousand operations each row is as the ledger says, and what is held out is untouched."""
    loaded = _last_op(loaded_pair.primary)
    with _writing(loaded_pair) as process:
        _wait_op(loaded_pair.primary, loaded + 1000, process)
        assert _stop(process, signal.SIGTERM) == 0
    topology.wait_replayed(loaded_pair.standby, topology.committed(loaded_pair.primary))
    _prove_table(loaded_pair.primary)
    _prove_table(loaded_pair.standby)
    written = writer.read_ledger(loaded_pair.standby)[loaded:]
    assert {operation.kind for operation in written} == {Op.INSERT, Op.UPDATE, Op.DELETE}
    assert 0.8 < sum(corpus.in_scope(operation.module) for operation in written) / len(written) < 1
    assert {operation.key for operation in written}.isdisjoint(doc.key for doc in split.held_out)
    assert loaded_pair.run("select count(*) > 0 from drill.page_view") == [(True,)]


def test_the_log_holds_every_kind_of_change(loaded_pair: Pair) -> None:
    """Among a thousand operations some leave an out-of-line text alone, and transactions have one to four."""
    loaded_pair.run("select pg_create_logical_replication_slot('seen', 'test_decoding')")
    loaded = _last_op(loaded_pair.primary)
    with _writing(loaded_pair) as process:
        _wait_op(loaded_pair.primary, loaded + 1000, process)
        assert _stop(process, signal.SIGINT) == 0
    log = [str(row[0]) for row in loaded_pair.run("select data from pg_logical_slot_get_changes('seen', null, null)")]
    docs = [line for line in log if line.startswith("table drill.docs:")]
    assert sum("unchanged-toast-datum" in line.partition("new-tuple:")[2] for line in docs) > 5
    sizes = {part.count("table drill.ledger:") for part in "\n".join(log).split("BEGIN")[1:]}
    assert sizes == {1, 2, 3, 4}


def test_the_writer_goes_on_at_the_new_primary(loaded_pair: Pair) -> None:
    """SIGKILL and promotion under load: it finds the new primary, and numbers on without gap or repeat."""
    with _writing(loaded_pair) as process:
        _wait_op(loaded_pair.standby, _last_op(loaded_pair.primary) + 200, process)
        loaded_pair.fail_over()
        survived = _last_op(loaded_pair.standby)
        _wait_op(loaded_pair.standby, survived + 200, process)
        assert _stop(process, signal.SIGTERM) == 0
    assert topology.look(loaded_pair.standby).timeline == 2
    _prove_table(loaded_pair.standby)


def test_a_writer_without_a_primary_waits_and_still_obeys(loaded_pair: Pair) -> None:
    """While nobody takes writes it neither gives up nor ignores SIGTERM."""
    with _writing(loaded_pair) as process:
        _wait_op(loaded_pair.primary, _last_op(loaded_pair.primary) + 10, process)
        loaded_pair.embedded.kill("a")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        assert _stop(process, signal.SIGTERM) == 0


def test_a_restarted_primary_is_written_to_again(loaded_pair: Pair) -> None:
    """A crash without a takeover: commits in doubt are settled by what the ledger holds after recovery."""
    with _writing(loaded_pair) as process:
        _wait_op(loaded_pair.primary, _last_op(loaded_pair.primary) + 100, process)
        loaded_pair.embedded.kill("a")
        loaded_pair.primary.close()
        postmaster = loaded_pair.embedded.postmaster
        wait_until(lambda: postmaster("a") is None, "the killed primary to be reaped", timeout_s=_TIMEOUT_S)
        loaded_pair.embedded.start()
        _wait_op(loaded_pair.primary, _last_op(loaded_pair.primary) + 100, process)
        assert _stop(process, signal.SIGTERM) == 0
    _prove_table(loaded_pair.primary)


def test_a_second_writer_waits_for_the_first(loaded_pair: Pair) -> None:
    """Two at once would number the same operations: one writes, and the other takes over from it."""
    with _writing(loaded_pair) as first, _writing(loaded_pair) as second:
        _wait_op(loaded_pair.primary, _last_op(loaded_pair.primary) + 100, first)
        assert second.poll() is None
        holder = "select count(*) from pg_locks where locktype = 'advisory' and granted"
        assert loaded_pair.run(holder) == [(1,)]
        first.kill()
        first.wait()
        _wait_op(loaded_pair.primary, _last_op(loaded_pair.primary) + 100, second)
        assert _stop(second, signal.SIGTERM) == 0
    _prove_table(loaded_pair.primary)


def test_the_writer_ends_when_its_parent_has_died(loaded_pair: Pair) -> None:
    """A drill that was killed leaves no writer behind."""
    script = (
        "import os, sys\n"
        "from trainer.drill.writer import start_writer\n"
        "print(start_writer(os.environ['DSN'], 7, 100.0).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    dsn = writer.writer_dsn([loaded_pair.primary])
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "DSN": dsn}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        busy = "select count(*) from pg_locks where locktype = 'advisory' and granted"
        wait_until(lambda: loaded_pair.run(busy) == [(1,)], "the writer's lock", timeout_s=_TIMEOUT_S)
        parent.kill()
    wait_until(lambda: not _runs(pid), "the writer to end", timeout_s=_TIMEOUT_S)
    wait_until(lambda: loaded_pair.run(busy) == [(0,)], "its lock to go", timeout_s=_TIMEOUT_S)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_database_without_the_drill_is_refused(pair: Pair) -> None:
    """Waiting would not mend it, so the writer says what is wrong and ends in error."""
    dsn = writer.writer_dsn([pair.primary])
    done = subprocess.run(
        [sys.executable, "-m", "trainer.drill.writer", "--conninfo-env", "DSN"],
        env={**os.environ, "DSN": dsn}, text=True, capture_output=True, timeout=_TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith('writer: the primary: relation "drill.ledger" does not exist')


def test_the_writer_never_loads_torch() -> None:
    """It stands for somebody else's application, and starts at once."""
    script = "import sys, trainer.drill.writer; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True)
    assert done.stdout == "False\n"
