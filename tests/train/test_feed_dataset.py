"""A feed as torch's data set and as one of Hugging Face `datasets`: its rows in order, and on from any of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from replicator.batch import CHANGE_FIELDS
from replicator.errors import BadInput, TableUnfit
from replicator.follow import Feed
from replicator.position import Cursor
from tests.fixtures.site import Site
from trainer.feed_dataset import FeedDataset, as_datasets, cut

_ENDS = "select confirmed_flush_lsn from pg_replication_slots where slot_name = 'hadrian_{}'"


@pytest.fixture(autouse=True)
def _no_cache_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)


def _feed(site: Site, name: str, columns: str = "id bigint primary key, v text") -> None:
    """Make a feed: rows 1 to 3 in its snapshot, then 4 and 5 at once, an update of 2, a delete of 1, and 6."""
    site.table(name, columns, rows=3)
    site.create(name)
    site.insert(name, [4, 5])
    site.run(f"update {name} set v = 'again' where id = 2")
    site.run(f"delete from {name} where id = 1")
    site.insert(name, [6])
    site.catch_up()


def _urls(site: Site) -> list[str]:
    return [node.url.render_as_string(hide_password=False) for node in site.nodes.values()]


def _rows(site: Site, name: str, state: dict[str, Any] | None = None) -> FeedDataset:
    made = FeedDataset(name, _urls(site))
    if state is not None:
        made.load_state_dict(state)
    return made


_IDS = [1, 2, 3, 4, 5, 2, 6]


def test_rows_come_in_the_feeds_order_and_go_on_behind_any_of_them(site: Site) -> None:
    """Also from inside the snapshot, a transaction and a batch: the state is the cursor behind the last row given."""
    _feed(site, "ordered")
    rows = _rows(site, "ordered")
    states, seen = [rows.state_dict()], []
    for row in rows:
        seen.append(row)
        states.append(rows.state_dict())
    assert [row["id"] for row in seen] == _IDS
    assert seen[5] == {"id": 2, "v": "again"}
    for count, state in enumerate(states):
        assert list(_rows(site, "ordered", state)) == seen[count:]


def test_a_loader_that_is_left_in_the_middle_is_gone_on_from(site: Site) -> None:
    """The data loader takes no row more than it gives: after each of its batches the state is exact."""
    _feed(site, "loaded")

    def batches(rows: FeedDataset) -> Iterator[list[int]]:
        return iter(DataLoader(rows, batch_size=2, collate_fn=lambda batch: [row["id"] for row in batch]))

    for count in range(4):
        rows = _rows(site, "loaded")
        loading = batches(rows)
        given = list(itertools.chain.from_iterable(itertools.islice(loading, count)))
        state = rows.state_dict()
        del loading
        assert given + list(itertools.chain.from_iterable(batches(_rows(site, "loaded", state)))) == _IDS


def test_one_worker_may_read_and_two_are_refused(site: Site) -> None:
    """A slot has one reader; the word comes out of the worker."""
    _feed(site, "worked")

    def ids(workers: int) -> list[int]:
        loader = DataLoader(_rows(site, "worked"), batch_size=None, num_workers=workers)
        return [row["id"] for row in loader]

    with pytest.raises(BadInput, match="feed worked: one slot has one reader"):
        ids(2)
    assert ids(1) == _IDS


def test_iterating_again_gives_what_was_committed_since(site: Site) -> None:
    """A stream has no second epoch: no row twice, none missed."""
    _feed(site, "again")
    rows = _rows(site, "again")
    assert [row["id"] for row in rows] == _IDS
    assert list(rows) == []
    site.insert("again", [7, 8])
    site.catch_up()
    assert [row["id"] for row in rows] == [7, 8]


def test_rows_that_come_later_are_waited_for(site: Site) -> None:
    """With `follow` the loop does not end where the log does."""
    _feed(site, "waited")
    rows = iter(FeedDataset("waited", _urls(site), follow=True))
    assert [next(rows)["id"] for _ in _IDS] == _IDS
    site.insert("waited", [7])
    assert next(rows)["id"] == 7
    del rows


@pytest.mark.parametrize("while_reading", [True, False])
def test_the_slot_forgets_what_is_confirmed_and_no_more(site: Site, while_reading: bool) -> None:
    """While the feed is read and after it: rows behind the state that was kept are still there."""
    name = f"confirmed_{while_reading}".lower()
    _feed(site, name)
    rows = _rows(site, name)
    reading = iter(rows)
    for _ in range(5):
        next(reading)
    state = rows.state_dict()
    before = site.run(_ENDS.format(name), "b")
    if while_reading:
        next(reading)
        rows.confirm(state)
    del reading
    if not while_reading:
        rows.confirm(state)
    assert site.run(_ENDS.format(name), "b") > before
    assert [row["id"] for row in _rows(site, name, state)] == _IDS[5:]


@pytest.mark.parametrize("state", [{}, {"cursor": "junk"}])
def test_a_state_that_is_none_is_refused(state: dict[str, Any]) -> None:
    """With one word, before anything connects."""
    with pytest.raises(BadInput, match="not a cursor"):
        FeedDataset("absent", []).load_state_dict(state)


def test_datasets_have_the_feeds_batches_and_types(site: Site) -> None:
    """Each change with its own columns; a UUID is text, since datasets has no type for it."""
    columns = "id bigint primary key, v text, u uuid default '00000000-0000-0000-0000-00000000002a', us uuid[]"
    _feed(site, "typed", columns)
    rows = as_datasets("typed", _urls(site))
    assert {name: str(feature) for name, feature in rows.features.items()} == {
        "id": "Value('int64')", "v": "Value('string')", "u": "Value('string')", "us": "List(Value('string'))",
        "_op": "Value('string')", "_lsn": "Value('uint64')", "_seq": "Value('uint64')", "_xid": "Value('uint32')",
        "_commit_time": "Value('timestamp[us, tz=UTC]')",
    }  # fmt: skip
    found = list(rows)
    with Feed("typed", _urls(site)) as feed:
        expected = [row for batch in feed.batches() for row in batch.to_pylist()]
    assert [row["_op"] for row in found] == ["snapshot"] * 3 + ["insert"] * 2 + ["update", "delete", "insert"]
    for row in expected:
        row["u"] = str(row["u"])
    assert found == expected


@pytest.mark.parametrize("form", [None, "arrow"])
def test_datasets_go_on_behind_any_row(site: Site, form: str | None) -> None:
    """From datasets' own state, as rows and as Arrow, and from a row's cursor without reading again."""
    name = f"resumed_{form}".lower()
    _feed(site, name)

    def rows(after: Cursor | None = None) -> Any:
        return as_datasets(name, _urls(site), after=after).with_format(form)

    def place(row: Any) -> tuple[int, int]:
        row = row.to_pylist()[0] if form else row
        return row["_lsn"], row["_seq"]

    first, second = rows(), rows()
    places = [place(row) for row in first]
    assert len(places) == len(set(places)) == 8
    for count in range(1, len(places)):
        given = [place(row) for row in itertools.islice(first, count)]
        second.load_state_dict(first.state_dict())
        assert given + [place(row) for row in second] == places
    with Feed(name, _urls(site)) as feed:
        cursors = [change.after for batch in feed.batches() for change in feed.changes(batch)]
    for count in (2, 4, 8):  # in the snapshot, in a transaction, at the end
        assert [place(row) for row in rows(cursors[count - 1])] == places[count:]


def test_columns_that_change_end_a_data_set_at_a_cursor_to_go_on_from(site: Site) -> None:
    """Features are fixed when it begins, so the word says behind which cursor another has to."""
    _feed(site, "altered")
    site.run("alter table altered add column w integer")
    site.insert("altered", [7])
    site.catch_up()
    reading = iter(as_datasets("altered", _urls(site)))
    found = [next(reading)["id"] for _ in range(8)]
    with pytest.raises(TableUnfit, match=r"altered: its table has other columns behind ([0-9A-F/]+\+0)$") as refused:
        next(reading)
    assert found[-1] == 6
    after = Cursor.parse(str(refused.value).rpartition(" ")[2])
    (row,) = as_datasets("altered", _urls(site), after=after)
    assert (row["id"], row["w"]) == (7, None)


def test_a_feed_without_rows_is_an_empty_data_set(site: Site) -> None:
    """Nothing is known of its columns, and nothing comes."""
    site.table("hollow")
    site.create("hollow")
    assert list(as_datasets("hollow", _urls(site))) == []
    assert list(_rows(site, "hollow")) == []


def test_a_feed_that_is_not_there_is_refused(site: Site) -> None:
    """At once, and not when the first row is asked for."""
    with pytest.raises(BadInput, match="has no feed absent"):
        as_datasets("absent", _urls(site))
    with pytest.raises(BadInput, match="has no feed absent"):
        next(iter(FeedDataset("absent", _urls(site))))


def _changes(sizes: list[int]) -> pa.RecordBatch:
    """Return transactions of so many rows each, with the cursors that a feed gives."""
    rows = [
        {"_op": "insert", "_lsn": number * 10, "_seq": seq % size}
        for number, size in enumerate(sizes, 1)
        for seq in range(1, size + 1)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=pa.schema(CHANGE_FIELDS))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([1, 2, 3, 999, 1000, 1001, 2500]), min_size=1, max_size=8),
    st.lists(st.floats(0, 1), max_size=8),
    st.integers(1, 8),
)
def test_tables_depend_on_the_order_alone(sizes: list[int], cuts: list[float], whole: int) -> None:
    """However the rows came over the wire, and however far the log had come: the same rows in the same tables."""
    batch = _changes(sizes)
    edges = [0, *sorted(int(at * batch.num_rows) for at in cuts), batch.num_rows]
    pieces = [batch.slice(start, stop - start) for start, stop in itertools.pairwise(edges) if start < stop]
    tables = [table.to_pylist() for table in cut(pieces)]
    assert [row for table in tables for row in table] == batch.to_pylist()
    assert max(map(len, tables)) <= 1000
    first = [table.to_pylist() for table in cut([_changes(sizes[:whole])])]
    assert first == tables[: len(first)]
