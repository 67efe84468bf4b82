"""What rank 0 does alone: read the feed, keep the step journal, follow checkpoints until they are durable.

Every rank has a `Coordinator`, but its methods run on rank 0 only, inside `chorus.agree`, so that what they return
or raise reaches every rank.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from replicator import reading, step_journal
from replicator.change import Change
from replicator.errors import NodeLost
from replicator.feed.reader import Reader
from replicator.lineage import RowKeys
from replicator.position import Cursor
from replicator.postgres import run_lock
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.snapshot import read_published
from replicator.step_journal import Step
from replicator.store import checkpoints
from replicator.store.durability import Durability, Durable
from replicator.store.standbys import Wanted
from trainer import dataset
from trainer.events import emit
from trainer.place import Place, feed_of, one_timeline
from trainer.recipe import Recipe
from trainer.saver import Saver
from trainer.spares import Spares

_DURABLE_TIMEOUT_S = 120.0
_READ_TIMEOUT_S = 1.0
_PASSED_BYTES = 16 << 20  # a file of the log: less gives no room


class Coordinator:
    """Rank 0's part of a session.

    Calls, in this order: 1) `open` 2) for each step `next_tokens`, `stepped` 3) for a checkpoint
    `begin_checkpoint`, and then the saver's `begin` 4) `wait_durable` 5) `close`, on any rank, always.

    Args:
        recipe: what is trained.
        nodes: every node.
        place: where the session works.
        encoder: rows to tokens.
        saver: what saves this rank's part of a checkpoint.
    """

    def __init__(
        self,
        recipe: Recipe,
        nodes: Sequence[PostgresDatabase],
        place: Place,
        encoder: dataset.Encoder,
        saver: Saver,
    ) -> None:
        self._recipe = recipe
        self._place = place
        self._primary = nodes[place.primary]
        self._source = nodes[place.source]
        self._others = [node for number, node in enumerate(nodes) if number != place.source]
        self._encoder = encoder
        self._saver = saver
        self._session = contextlib.ExitStack()  # what lasts as long as this
        self._durability = Durability([nodes[number] for number in place.standbys], Wanted.parse(recipe.durable))
        self._cursor = place.cursor  # behind the last step
        self._read_to = place.cursor  # behind the last change that was read
        self._kept: tuple[int, Cursor] | None = (place.step, place.cursor) if place.step else None
        self._passed = place.read_from.lsn
        self._changes: Iterator[Change] = iter(())
        self._recorded: dict[int, Step] = {}
        self._feed: Reader | None = None
        self._row_keys: RowKeys | None = None
        self._spares: Spares | None = None
        self._timeline = place.cursor.timeline
        self._batch: dataset.Batch | None = None

    def open(self) -> None:
        """Open the feed behind the checkpoint's cursor, and read what the journal has behind its step."""
        self._session.enter_context(run_lock.training(self._primary, self._recipe.run))
        kept = checkpoints.newest(self._primary, self._recipe.run)
        if (None if kept is None else kept.artifact_id) != self._place.artifact_id:
            raise NodeLost(f"{self._primary.where}: run {self._recipe.run} has another newest checkpoint now")
        definition = feed_of(self._primary, self._recipe)
        self._recorded = step_journal.steps(self._primary, self._recipe.run, after=self._place.step)
        slot = self._recipe.feed.slot
        self._feed = reading.open_reader(
            definition, self._source, self._place.read_from, nodes=[self._primary], slot=slot
        )
        self._row_keys = RowKeys(self._primary, definition.name)
        self._spares = Spares([] if definition.is_journal else self._others, slot or definition.slot)
        if not self._place.standbys:
            emit("no-standby", message=f"checkpoints are on {self._primary.where} alone, and lost with it")

    def close(self) -> None:
        """Close the feed, if it was opened here, and leave its spare slots alone."""
        with self._session:
            if self._feed is not None:
                self._feed.close()
            if self._spares is not None:
                self._spares.close()

    def next_tokens(self) -> list[list[int]]:
        """Wait for the next batch and return its tokens."""
        self._batch = dataset.take(self._read, self._cursor, self._recipe.data.rows_per_step)
        return self._tokens(row.values for row in self._batch.rows)

    def _tokens(self, rows: Any) -> list[list[int]]:
        tokens: list[list[int]] = self._encoder.encode(rows).tolist()
        return tokens

    def _read(self) -> Change:
        assert self._feed is not None  # noqa: S101 - open() comes first
        while (change := next(self._changes, None)) is None:
            batch = self._feed.read(_READ_TIMEOUT_S)
            if batch is not None:
                self._changes = self._feed.changes(batch)
            else:
                self._look_after()
                self._pass_over()
        self._read_to = change.after
        return change

    def _pass_over(self) -> None:
        """Let the slot move on where the log has long held nothing for the feed: its newest checkpoint says so."""
        assert self._feed is not None  # noqa: S101 - open() comes first
        reached = self._feed.cursor()
        if self._kept is None or self._read_to != self._kept[1] or reached.lsn < self._passed + _PASSED_BYTES:
            return
        self._timeline = one_timeline(self._primary, self._source)
        step, _ = self._kept
        checkpoints.pass_over(self._primary, self._recipe.run, step, reached)
        self._durability.follow(step, reached, self._primary.committed())
        self._passed = reached.lsn

    def stepped(self, number: int, loss: float, norm: float) -> None:
        """Write the step to the journal, or compare it with what the journal has. Raises: ReplayDiverged."""
        batch = self._batch
        assert batch is not None  # noqa: S101 - a step follows its batch
        done = batch.step(number, loss, norm)
        recorded = self._recorded.get(number)
        if recorded is None:
            assert self._row_keys is not None  # noqa: S101 - open() comes first
            step_journal.append(self._primary, self._recipe.run, done, self._row_keys.digests(batch.rows))
        else:
            done.check(recorded)
        self._cursor = batch.after
        emit(
            "step", step=number, loss=loss, grad_norm=norm, rows=len(batch.rows), cursor=str(batch.after),
            replayed=recorded is not None,
        )  # fmt: skip
        self._look_after()

    def begin_checkpoint(self, number: int) -> list[Any] | None:
        """Return the cursor for the checkpoint, having checked that rows and writes are of one timeline.

        One that is still being saved is waited for, or, where the recipe says so, the new one is passed over: None.
        """
        if self._saver.is_busy and self._recipe.when_saving == "skip" and number != self._recipe.steps:
            emit("checkpoint-skipped", step=number)
            return None
        self._look_after(wait=True)
        emit("checkpoint-begin", step=number)
        self._timeline = one_timeline(self._primary, self._source)
        return [str(self._cursor.lsn), self._cursor.seq, self._timeline]

    def _look_after(self, *, wait: bool = False) -> None:
        """Follow a checkpoint that has been saved meanwhile, or wait for it; tell what has become durable."""
        saved = self._saver.finished(wait=wait)
        if saved is not None:
            step, cursor = saved.target.step, saved.target.cursor
            self._kept = (step, cursor)
            self._durability.follow(step, cursor, checkpoints.note_commit(self._primary, self._recipe.run, step))
            emit(
                "checkpoint", step=step, chunks=saved.written.chunks, new_chunks=saved.written.new_chunks,
                plain_bytes=saved.written.plain_bytes, stored_bytes=saved.written.stored_bytes,
                held_s=self._saver.held_s, took_s=saved.took_s,
            )  # fmt: skip
        self._report(self._durability.poll())

    def wait_durable(self) -> None:
        """Wait until every checkpoint is saved and durable. Raises: NodeLost."""
        self._look_after(wait=True)
        self._report(self._durability.wait(_DURABLE_TIMEOUT_S))
        assert self._spares is not None  # noqa: S101 - open() comes first
        self._spares.settle()
        self._report([])

    def _report(self, done: list[Durable]) -> None:
        assert self._feed is not None  # noqa: S101 - open() comes first
        assert self._spares is not None  # noqa: S101 - as above
        for durable in done:
            self._feed.confirm(durable.cursor)
            self._spares.follow(durable.cursor, Cursor(durable.commit_lsn, 0, self._timeline))
            emit("durable", step=durable.step, lsn=str(durable.commit_lsn), waited_s=durable.waited_s)
        for behind in self._spares.told():
            emit("spare-behind", where=behind.where, message=behind.message)

    def held_out(self) -> list[list[list[int]]]:
        """Return the held-out rows as batches of tokens."""
        section, size = self._recipe.held_out, self._recipe.data.rows_per_step
        assert section is not None  # noqa: S101 - asked for only then
        rows = read_published(self._primary, section.publication, section.rows)
        return [self._tokens(rows[at : at + size]) for at in range(0, len(rows), size)]
