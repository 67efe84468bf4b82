"""A feed as the data set of somebody else's training loop: torch's, and that of Hugging Face `datasets`.

Both read the feed as `replicator.Feed` does, from whichever node has it. A slot has one reader, so a feed has one
shard: shuffle and spread over ranks what was read.

`FeedDataset` gives rows, and its state is the cursor behind the last row that was given, inside a batch too.

`as_datasets` gives Arrow tables. `datasets` goes on from a state of its own by reading from the beginning and leaving
out as many rows, in Arrow form as many whole tables, so the tables have to be the same ones each time. They are, since
each holds one transaction, or a part of fixed size of a large one, however the rows came over the wire. To go on
without reading again, begin behind a row's cursor, which each row has in `_lsn` and `_seq`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch.utils.data

from replicator.batch import as_json, last_position, python_values
from replicator.errors import BadInput, TableUnfit
from replicator.feed.reader import start
from replicator.follow import Feed
from replicator.position import Cursor

_TABLE_ROWS = 1000


class FeedDataset(torch.utils.data.IterableDataset[dict[str, Any]]):
    """The rows of a feed, in its order: as they were inserted, or as an update left them. A delete gives none.

        rows = FeedDataset("docs", ["postgresql://a/app", "postgresql://b/app"])
        for batch in DataLoader(rows, batch_size=8, collate_fn=encode):
            train(batch)
            keep(model, rows.state_dict())

    To iterate again is to go on behind the last row, so an epoch is what was committed since.

    Args:
        name: the feed's.
        nodes: URL of every node that may have its slot.
        after: where to go on; None for the beginning.
        follow: wait for rows to come, instead of ending with those committed when iterating began.
    """

    def __init__(self, name: str, nodes: Sequence[str], *, after: Cursor | None = None, follow: bool = False) -> None:
        super().__init__()
        self._name = name
        self._nodes = tuple(nodes)
        self._cursor = after or start()
        self._follow = follow
        self._feed: Feed | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows behind the cursor, each by column, as Python values.

        Raises:
            BadInput: a data loader has more than one worker, or as `Feed.read`.
            FeedBroken, TimelineForked, TakeoverTimedOut, SlotInUse: as `Feed.read`.
        """
        worker = torch.utils.data.get_worker_info()
        if worker is not None and worker.num_workers > 1:
            raise BadInput(f"feed {self._name}: one slot has one reader", hint="load it with num_workers=0")
        with Feed(self._name, self._nodes, after=self._cursor) as feed:
            self._feed = feed
            try:
                for batch in feed.batches(follow=self._follow):
                    for change in feed.changes(batch):
                        self._cursor = change.after
                        if change.has_row:
                            yield dict(change.values)
            finally:
                self._feed = None

    def state_dict(self) -> dict[str, Any]:
        """Return the point behind the last row that was given.

        With a worker process it is that process's own: `torchdata.stateful_dataloader` brings it over, torch does not.
        """
        return {"cursor": str(self._cursor)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on behind the row that was the last; call it before iterating. Raises: BadInput."""
        self._cursor = Cursor.parse(str(state.get("cursor")))

    def confirm(self, state: Mapping[str, Any]) -> None:
        """Allow the rows before a state to be forgotten: call it once the state and the model are kept for good."""
        cursor = Cursor.parse(str(state.get("cursor")))
        if self._feed is not None:
            self._feed.confirm(cursor)
        else:
            with Feed(self._name, self._nodes, after=cursor) as feed:
                feed.confirm(cursor)


def as_datasets(
    name: str, nodes: Sequence[str], *, after: Cursor | None = None, follow: bool = False
) -> datasets.IterableDataset:
    """Return the changes of a feed as a data set of Hugging Face `datasets`.

    Its features are the Arrow types of the table's columns (a UUID becomes text, which `datasets` has no type for), and
    the columns of every change: `_op`, `_lsn`, `_seq`, `_xid`, `_commit_time`. A delete has its key only:

        rows = as_datasets("docs", ["postgresql://b/app"]).filter(lambda row: row["_op"] != "delete")

    Args:
        name: the feed's.
        nodes: URL of every node that may have its slot.
        after: where to go on; None for the beginning.
        follow: wait for rows to come, instead of ending with those committed when iterating began.

    Raises:
        BadInput, FeedBroken, TimelineForked, TakeoverTimedOut, SlotInUse: as `Feed.read`; iterating may too.
    """
    return _Builder(name, nodes, after or start(), follow=follow).as_streaming_dataset(split="train")


class _Builder(datasets.ArrowBasedBuilder):
    """How `datasets` wants to be handed tables."""

    def __init__(self, name: str, nodes: Sequence[str], after: Cursor, *, follow: bool) -> None:
        self._feed_name = name
        self._nodes = tuple(nodes)
        self._after = after
        self._follow = follow
        with Feed(name, nodes, after=after) as feed:
            first = next(feed.batches(), None)
        self._schema = None if first is None else _plain(first).schema
        super().__init__()

    def _info(self) -> datasets.DatasetInfo:
        known = None if self._schema is None else datasets.Features.from_arrow_schema(self._schema)
        return datasets.DatasetInfo(features=known)

    def _split_generators(self, _downloads: Any) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name=datasets.Split.TRAIN, gen_kwargs={})]

    def _generate_tables(self) -> Iterator[tuple[int, pa.Table]]:
        with Feed(self._feed_name, self._nodes, after=self._after) as feed:
            yield from enumerate(cut(self._unchanged(feed.batches(follow=self._follow))))

    def _unchanged(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        schema, position = self._schema, self._after.position
        for batch in map(_plain, batches):
            schema = schema or batch.schema
            if not batch.schema.equals(schema):
                where = Cursor(*position)
                raise TableUnfit(
                    f"feed {self._feed_name}: its table has other columns behind {where}",
                    hint="begin another data set there: as_datasets(..., after=Cursor.parse(...))",
                )
            yield batch
            position = last_position(batch)


def cut(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows in tables that depend on nothing but their order: a transaction each, a large one in parts."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        seq = batch.column("_seq").to_numpy()
        # The last row of a transaction has number 0.
        edges = [0, *(np.flatnonzero(seq % _TABLE_ROWS == 0) + 1).tolist()]
        for begin, end in itertools.pairwise(edges):
            yield pa.Table.from_batches([*held, batch.slice(begin, end - begin)])
            held = []
        if edges[-1] < batch.num_rows:
            held.append(batch.slice(edges[-1]))


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Write UUIDs as text."""
    schema = pa.schema([field.with_type(_plain_type(field.type)) for field in batch.schema])
    columns = [
        column if column.type == field.type else pa.array(map(as_json, python_values(column)), field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if kind == pa.uuid():
        return pa.string()
    return pa.list_(_plain_type(kind.value_type)) if pa.types.is_list(kind) else kind
