"""Who has seen a row, on a real pair: keys as people write them, runs with and without digests, names that change."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator import lineage, migrate, step_journal
from replicator.batch import python_values
from replicator.change import Change, Op
from replicator.errors import BadInput, HadrianError, TableUnfit
from replicator.feed import definition as definitions
from replicator.lineage import DIGEST_BYTES, RowKeys, digest, of_row
from replicator.position import Cursor, Lsn
from replicator.postgres import row_key
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.arrow_types import codec
from replicator.postgres.connection import driver
from replicator.postgres.topology import wait_replayed
from replicator.postgres.type_catalog import TypeCatalog
from replicator.schema import TableName
from replicator.step_journal import Step
from replicator.store import checkpoints
from replicator.store.writer import publish
from tests.fixtures.pair import Pair

_NUMBERS = itertools.count(1)


class Journal:
    """A pair with Hadrian's schema, feeds of tables, and runs whose steps are written as training writes them."""

    def __init__(self, pair: Pair) -> None:
        self.run = pair.run
        self.node = PostgresDatabase(pair.embedded.url("a"))
        self.standby = PostgresDatabase(pair.embedded.url("b"))
        migrate.install(pair.embedded.url("a"))

    def table(self, name: str, columns: str = "id integer primary key, body text") -> None:
        """Make a table, its publication and the record of its feed, all of that name."""
        self.run(f"create table {name} ({columns})")
        self.run(f"alter table {name} replica identity full")
        self.run(f"create publication {name} for table {name}")
        with publish(self.node, "snapshot", name, []) as (transaction, artifact_id):
            definition = definitions.Definition(name, name, "slot", Lsn(1), 1, artifact_id)
            definitions.record(self.node, transaction, definition)

    def train(self, run: str, feed: str, steps: Sequence[Sequence[Any] | None], *, key: str = "id") -> None:
        """Write a run's steps: the keys of each one's rows, or None for a step that does not tell; begun once."""
        step_journal.open_run(self.node, run, feed, "{}")
        row_keys = RowKeys(self.node, feed)
        for number, keys in enumerate(steps, 1):
            rows = [Change(Op.INSERT, {key: one, "body": "x"}, Cursor(Lsn(number), 0)) for one in keys or (1, 2)]
            step = Step(number, Cursor(Lsn(number), 0), Cursor(Lsn(number + 1), 0), len(rows), bytes(32), 0.5, 0.5)
            step_journal.append(self.node, run, step, row_keys.digests(rows) if keys is not None else None)

    def keep(self, run: str, *steps: int) -> None:
        """Record checkpoints behind these steps."""
        for step in steps:
            with publish(self.node, "checkpoint", f"{run}/{step}", []) as (transaction, artifact_id):
                checkpoints.record(self.node, transaction, run, step, artifact_id, Cursor(Lsn(step + 1), 0))

    def close(self) -> None:
        """Close every session."""
        self.node.close()
        self.standby.close()


@pytest.fixture(scope="module")
def journal(shared_pair: Pair) -> Iterator[Journal]:
    """Make one for the module; each test has tables and runs of its own."""
    with contextlib.closing(Journal(shared_pair)) as made:
        yield made


def _only(found: lineage.Lineage) -> lineage.RunLineage:
    (run,) = found.runs
    return run


def test_checkpoints_at_and_behind_the_first_step_have_seen_a_row_and_none_before(journal: Journal) -> None:
    """First step, how often, every checkpoint that has it, and the newest that has not, to go back to."""
    journal.table("seen")
    journal.train("early", "seen", [(1, 2), (3, 4), (42, 5), (42, 42), (6, 7), (8, 9)])
    journal.keep("early", 2, 3, 5)
    found = of_row(journal.node, "public.seen/42")
    assert found.row == "public.seen/42"
    assert _only(found) == lineage.RunLineage("early", 3, 3, (3, 5), (), 2, 0, None, None)
    assert not found.clear
    assert _only(of_row(journal.node, "public.seen/8")).seen_by == ()
    assert _only(of_row(journal.node, "public.seen/8")).first_step == 6
    assert of_row(journal.node, "public.seen/8").clear, "no checkpoint is behind step 6"
    never = of_row(journal.node, "public.seen/77")
    assert _only(never) == lineage.RunLineage("early", None, 0, (), (), 5, 0, None, None)
    assert never.clear


def test_steps_that_do_not_tell_make_the_checkpoints_behind_them_unsure(journal: Journal) -> None:
    """A run that an older version began: no false "none has", and nothing behind such a step to go back to."""
    journal.table("untold")
    journal.train("old", "untold", [(1, 2), None, None, (42, 3), (4, 5)])
    journal.keep("old", 1, 3, 5)
    found = of_row(journal.node, "public.untold/42")
    assert _only(found) == lineage.RunLineage("old", 4, 1, (5,), (3,), 1, 2, 2, 3)
    other = of_row(journal.node, "public.untold/77")
    assert _only(other) == lineage.RunLineage("old", None, 0, (), (3, 5), 1, 2, 2, 3)
    assert not other.clear


def test_checkpoints_that_were_saved_from_files_may_have_seen_any_row(journal: Journal) -> None:
    """What they were trained on, nobody knows."""
    journal.table("anything")
    step_journal.open_run(journal.node, "from_files", None, "{}")
    journal.keep("from_files", 4)
    found = of_row(journal.node, "public.anything/1", "from_files")
    assert (_only(found).unsure, _only(found).go_back_to, found.clear) == ((4,), None, False)
    journal.run("delete from hadrian.checkpoint where run = 'from_files'")
    journal.run("delete from hadrian.run where name = 'from_files'")


def test_runs_of_other_tables_are_not_asked_and_are_named(journal: Journal) -> None:
    """Key 5 of one table is not key 5 of another; the run's name narrows the question further."""
    journal.table("mine")
    journal.table("theirs")
    journal.train("a", "mine", [(5, 6)])
    journal.train("b", "mine", [(7, 8)])
    journal.train("c", "theirs", [(5, 6)])
    found = of_row(journal.node, "public.mine/5")
    assert [(run.run, run.first_step) for run in found.runs] == [("a", 1), ("b", None)]
    assert found.other_runs["c"] == "public.theirs"
    assert [run.run for run in of_row(journal.node, "public.mine/5", "b").runs] == ["b"]
    with pytest.raises(BadInput, match="has no run absent"):
        of_row(journal.node, "public.mine/5", "absent")


def test_a_row_is_found_under_its_tables_new_name_and_after_the_publication_is_gone(journal: Journal) -> None:
    """A publication follows its table; without it nothing says what the run has read, so it is asked all the same."""
    journal.table("former")
    journal.train("moved", "former", [(1, 42)])
    journal.run("alter table former rename to latter")
    assert _only(of_row(journal.node, "public.latter/42", "moved")).first_step == 1
    with pytest.raises(BadInput, match=r"has no table public\.former"):
        of_row(journal.node, "public.former/42")
    journal.run("drop publication former")
    assert _only(of_row(journal.node, "public.latter/42", "moved")).first_step == 1
    journal.run("create publication former for table latter")


def test_a_journals_rows_are_found_by_its_tables_key(journal: Journal) -> None:
    """A feed that reads no log has no publication; renamed, its table is asked for under any name."""
    journal.table("written")
    journal.run("update hadrian.feed set source = 'journal', publication = 'public.written' where name = 'written'")
    journal.run("insert into hadrian.journal values ('written', 'public', 'written', 0)")
    journal.table("unwritten")
    journal.train("by_trigger", "written", [(1, 42)])
    assert _only(of_row(journal.node, "public.written/42", "by_trigger")).first_step == 1
    assert of_row(journal.node, "public.unwritten/42").other_runs["by_trigger"] == "public.written"
    journal.run("alter table written rename to put_down")
    assert _only(of_row(journal.node, "public.put_down/42", "by_trigger")).first_step == 1
    journal.run("alter table put_down rename to written")


def test_a_key_column_that_is_renamed_is_asked_for_again(journal: Journal) -> None:
    """Rows under the new name are told; those that still have the old one, read again from the log, are not."""
    journal.table("renamed")
    row_keys = RowKeys(journal.node, "renamed")
    before = [Change(Op.INSERT, {"id": 42, "body": "x"}, Cursor(Lsn(1), 0))]
    after = [Change(Op.INSERT, {"ticket": 42, "body": "x"}, Cursor(Lsn(1), 0))]
    digests = row_keys.digests(before)
    assert digests is not None
    assert len(digests) == DIGEST_BYTES
    journal.run("alter table renamed rename id to ticket")
    assert row_keys.digests(after) == digests
    assert RowKeys(journal.node, "renamed").digests(before) is None


def test_a_table_without_a_key_or_feed_stops_no_run(journal: Journal) -> None:
    """Its rows are not told: the question then says so."""
    journal.table("keyless")
    journal.run("alter table keyless drop constraint keyless_pkey")
    row = Change(Op.INSERT, {"id": 1, "body": "x"}, Cursor(Lsn(1), 0))
    assert RowKeys(journal.node, "keyless").digests([row]) is None
    with pytest.raises(TableUnfit, match=r"public\.keyless has no primary key"):
        of_row(journal.node, "public.keyless/1")
    journal.run("drop publication keyless")
    assert RowKeys(journal.node, "keyless").digests([row]) is None


def test_bytes_across_two_digests_are_no_match(journal: Journal) -> None:
    """The journal's digests lie side by side; only one that begins at its own eighth byte is a row's."""
    journal.table("aligned")
    columns = row_key.find(journal.node, TableName("public", "aligned"))
    key = digest(columns, {"id": 42})
    step_journal.open_run(journal.node, "shifted", "aligned", "{}")
    step = Step(1, Cursor(Lsn(1), 0), Cursor(Lsn(2), 0), 2, bytes(32), 0.5, 0.5)
    step_journal.append(journal.node, "shifted", step, b"abc" + key + b"defgh")
    assert _only(of_row(journal.node, "public.aligned/42")).first_step is None
    step = dataclasses.replace(step, number=2)
    step_journal.append(journal.node, "shifted", step, b"abcdefgh" + key)
    assert _only(of_row(journal.node, "public.aligned/42")).first_step == 2


def test_digests_that_do_not_fit_the_rows_are_refused(journal: Journal) -> None:
    """Eight bytes a row, or none at all: the table itself holds to it."""
    journal.table("fitting")
    step_journal.open_run(journal.node, "unfit", "fitting", "{}")
    step = Step(1, Cursor(Lsn(1), 0), Cursor(Lsn(2), 0), 2, bytes(32), 0.5, 0.5)
    with pytest.raises(HadrianError, match="key_digests_fit"):
        step_journal.append(journal.node, "unfit", step, bytes(15))


def test_the_standby_tells_the_same(journal: Journal) -> None:
    """What would be known after a takeover."""
    journal.table("paired")
    journal.train("twice", "paired", [(1, 42)])
    journal.keep("twice", 1)
    wait_replayed(journal.standby, journal.node.committed())
    assert of_row(journal.standby, "public.paired/42") == of_row(journal.node, "public.paired/42")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("42", "not a row"),
        ("tickets/42", "not a row"),
        ("public.absent/42", r"has no table public\.absent"),
        ("public.odd/1", r"the key of public\.odd is \(a, b\), 1 values were given"),
        ("public.odd/1,2,3", "3 values were given"),
        ("public.odd/one,2", "a is of type integer: invalid input syntax"),
        ("public.odd/99999999999,2", "a is of type integer: value .* is out of range"),
        ('public.odd/1,"2', "not a key"),
        ("public.odd/1,2\n3,4", "not a key"),
        ("public.odd/1,\udcff", "b '.*' cannot be written in utf-8"),
    ],
)
def test_what_is_no_row_is_refused_with_a_word(journal: Journal, row: str, message: str) -> None:
    """Each is bad input, with a hint."""
    journal.run("create table if not exists odd (a integer, b text, primary key (a, b))")
    with pytest.raises(BadInput, match=message):
        of_row(journal.node, row)


def test_names_and_keys_are_written_as_in_sql_and_csv(journal: Journal) -> None:
    """Unquoted names fold to lower case, quoted ones do not; a key may hold commas, quotes, slashes, or nothing."""
    journal.run('create schema "Odd / one"')
    journal.run('create table "Odd / one"."T.""x""" (a integer, b text, primary key (b, a))')
    for text, printed in (
        ('"Odd / one"."T.""x"""/"a,""b"" / c",007', '"a,""b"" / c",7'),
        ('"Odd / one"."T.""x"""/,7', ",7"),
    ):
        assert of_row(journal.node, text).row == f'Odd / one.T."x"/{printed}'
    journal.run("create table folded (id text primary key)")
    assert of_row(journal.node, "PUBLIC.Folded/").row == 'public.folded/""'
    assert of_row(journal.node, "public.folded/042").row == "public.folded/042"


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_MOMENTS = st.datetimes(timezones=st.just(dt.UTC))
_NUMBERS_OF_ANY_SCALE = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)

# Key type: values, and other texts that the server takes for the same value.
_TYPES: dict[str, tuple[st.SearchStrategy[Any], Any]] = {
    "integer": (st.integers(-(2**31), 2**31 - 1), lambda v: [f" 0{v}" if v >= 0 else f"{v} "]),
    "bigint": (st.integers(-(2**63), 2**63 - 1), lambda v: [f"+{v}" if v >= 0 else f" {v}"]),
    "boolean": (st.booleans(), lambda v: ["yes" if v else "off"]),
    "text": (_TEXT, lambda _v: []),
    "char(20)": (_TEXT.map(lambda v: v.rstrip(" ")), lambda v: [v + "  "] if len(v) < 18 else []),
    "uuid": (st.uuids(), lambda v: [str(v).upper(), f"{{{v.hex}}}"]),
    "date": (st.dates(), lambda v: [f"{v:%Y%m%d}".zfill(8)]),
    "timestamptz": (_MOMENTS, lambda v: [v.replace(tzinfo=None).isoformat(), v.isoformat().replace("+00:00", "Z")]),
    "numeric": (_NUMBERS_OF_ANY_SCALE, lambda v: [_with_zeros(v)]),
    "numeric(30, 8)": (st.decimals(-(10**18), 10**18, allow_nan=False, places=8), lambda v: [_with_zeros(v)]),
    "double precision": (st.floats(allow_nan=False), lambda v: [f"{v!r} "] if v else ["0", "-0"]),
    "bytea": (st.binary(max_size=20), lambda v: ["\\x" + v.hex().upper()]),
}


def _with_zeros(value: Decimal) -> str:
    text = format(value, "f")
    return f"{text}00" if "." in text else f"{text}.00"


@pytest.mark.parametrize("kind", _TYPES)
def test_a_key_from_text_has_the_digest_of_the_row_in_the_feed(journal: Journal, kind: str) -> None:
    """Whatever is written that the server takes for the value, as the log gave it and as a batch holds it."""
    values, others = _TYPES[kind]
    name = f"typed_{next(_NUMBERS)}"
    journal.run(f"create table {name} (k {kind} primary key)")
    columns = row_key.find(journal.node, TableName("public", name))
    reads = codec(columns[0].type_oid, columns[0].modifier, TypeCatalog(journal.node))

    with journal.node.autocommit() as connection:
        raw = driver(connection)

        @settings(deadline=None, max_examples=40)
        @given(values)
        def check(value: Any) -> None:
            raw.execute(f"insert into {name} values (%s)", [value])
            # With format, text is what the type's output function gives, as in the log.
            cast, logged = raw.execute(f"select k::text, format('%s', k) from {name}").fetchone() or ()
            raw.execute(f"delete from {name}")
            (fed,) = python_values(reads.from_text(pa.array([logged])))
            expected = digest(columns, {"k": fed})
            for text in (cast, logged, *others(value)):
                assert digest(columns, row_key.read(journal.node, columns, [text])[1]) == expected, text

        check()
