"""Batches are a pure function of the feed's order, and rows become tokens the same way each time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.batch import rows_digest
from replicator.change import Change, Op
from replicator.errors import BadInput
from replicator.position import Cursor, Lsn
from trainer.dataset import IGNORED_LABEL, Batch, Encoder, take
from trainer.recipe import DataSection

_START = Cursor(Lsn(0), 0)
_END_TOKEN = 0  # of the tiny tokenizer


def _changes(ops: Sequence[Op]) -> list[Change]:
    """Return a feed's changes, numbered: one transaction of three changes after another."""
    return [
        Change(op, {} if op is Op.TRUNCATE else {"id": str(n)}, Cursor(Lsn(1 + n // 3), n % 3))
        for n, op in enumerate(ops, 1)
    ]


def _take_all(changes: list[Change], before: Cursor, rows_per_step: int) -> list[Batch]:
    """Take batches until what is left holds too few rows for another."""
    read = iter(changes)
    left = sum(change.has_row for change in changes)
    batches = []
    while left >= rows_per_step:
        batches.append(take(lambda: next(read), before, rows_per_step))
        before = batches[-1].after
        left -= rows_per_step
    return batches


def _read_in(pieces: list[list[Change]]) -> Callable[[], Change]:
    """Return a reader that is handed the changes piece by piece, as a connection would hand them."""

    def read() -> Iterator[Change]:
        for piece in pieces:
            yield from piece

    stream = read()
    return lambda: next(stream)


_FEEDS = st.lists(st.sampled_from(list(Op)), max_size=40).map(_changes)


@settings(deadline=None)
@given(_FEEDS, st.integers(1, 5), st.lists(st.integers(0, 40), max_size=5))
def test_batches_depend_on_the_order_and_not_on_how_it_was_read(
    changes: list[Change], rows_per_step: int, cuts: list[int]
) -> None:
    """However the feed was cut into reads, the batches are the same."""
    edges = [0, *sorted(cuts), len(changes)]
    pieces = [changes[start:stop] for start, stop in itertools.pairwise(edges)]
    read = _read_in([piece for piece in pieces if piece])
    before = _START
    for expected in _take_all(changes, _START, rows_per_step):
        assert take(read, before, rows_per_step) == expected
        before = expected.after


@settings(deadline=None)
@given(_FEEDS, st.integers(1, 5), st.data())
def test_going_on_behind_any_batch_gives_the_same_batches(
    changes: list[Change], rows_per_step: int, data: st.DataObject
) -> None:
    """A restart at a batch's cursor neither loses nor repeats a change."""
    batches = _take_all(changes, _START, rows_per_step)
    done = data.draw(st.integers(0, len(batches)))
    cursor = batches[done - 1].after if done else _START
    rest = [change for change in changes if change.after > cursor]
    assert _take_all(rest, cursor, rows_per_step) == batches[done:]


@settings(deadline=None)
@given(_FEEDS, st.integers(1, 5))
def test_every_change_is_in_one_digest_and_every_row_in_one_batch(changes: list[Change], rows_per_step: int) -> None:
    """A batch ends right behind its last row, has as many rows as asked for, and digests all that it read."""
    read = 0
    for batch in _take_all(changes, _START, rows_per_step):
        consumed = [change for change in changes if batch.before < change.after <= batch.after]
        assert list(batch.rows) == [change for change in consumed if change.has_row]
        assert len(batch.rows) == rows_per_step
        assert consumed[-1].has_row
        assert batch.changes_sha256 == rows_digest(consumed)
        read += len(consumed)
    assert sum(change.has_row for change in changes[read:]) < rows_per_step


def test_a_delete_is_digested_and_not_trained_on() -> None:
    """It says nothing to learn, but a replay that missed it would be another history."""
    insert, delete, update = _changes([Op.INSERT, Op.DELETE, Op.UPDATE])
    batch = take(iter([insert, delete, update]).__next__, _START, 2)
    assert batch.rows == (insert, update)
    assert batch.after == update.after
    without = take(iter([insert, update]).__next__, _START, 2)
    assert batch.changes_sha256 == rows_digest([insert, delete, update]) != without.changes_sha256


def test_a_feed_that_fails_fails_the_batch() -> None:
    """An error of the feed comes through as it is."""
    with pytest.raises(StopIteration):
        take(iter(_changes([Op.INSERT, Op.DELETE])).__next__, _START, 2)


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    """One token a byte, and an end-of-text token."""
    from trainer.model import load_tokenizer

    return load_tokenizer(str(tiny_model))


def _encoder(tokenizer: Any, template: str, max_tokens: int = 64) -> Encoder:
    return Encoder(tokenizer, DataSection(template=template, max_tokens=max_tokens))


def test_the_template_is_filled_with_the_rows_values(tokenizer: Any) -> None:
    """Columns stand in their places, braces can be written, and a value is never read as a template."""
    encoder = _encoder(tokenizer, "{a}-{b}{{{a}}}")
    assert encoder.text({"a": "1", "b": "{a}", "c": "unused"}) == "1-{a}{1}"


def test_null_is_the_empty_string(tokenizer: Any) -> None:
    """SQL's NULL leaves nothing behind, not the word None."""
    assert _encoder(tokenizer, "<{a}|{b}>").text({"a": None, "b": ""}) == "<|>"


@pytest.mark.parametrize("template", ["{a} {missing}", "{missing}", "{a}{missing.x}", "{a}{0}"])
def test_a_column_that_the_feed_lacks_is_named(tokenizer: Any, template: str) -> None:
    """The message names the column, and the hint lists those there are."""
    with pytest.raises(BadInput, match=r"data\.template names (missing|missing\.x|0), which") as caught:
        _encoder(tokenizer, template).text({"a": "1", "b": "2"})
    assert caught.value.hint == "published columns: a, b"


def test_a_row_ends_with_the_end_token_unless_it_was_cut(tokenizer: Any) -> None:
    """A row of just too many tokens loses its end, so that the model does not learn to stop there."""
    encoder = _encoder(tokenizer, "{a}", max_tokens=4)
    short, exact, long = (encoder.encode([{"a": text}])[0].tolist() for text in ("abc", "abcd", "abcdefgh"))
    assert len(short) == len(exact) == len(long) == 4
    assert short[-1] == _END_TOKEN
    assert _END_TOKEN not in exact
    assert exact == long
    assert short[:3] == exact[:3]
    assert tokenizer.decode(exact) == "abcd"


def test_short_rows_are_padded_with_the_ignored_label(tokenizer: Any) -> None:
    """The batch is as wide as its longest row, and what stands behind a row's end is never learnt."""
    import torch

    tokens = _encoder(tokenizer, "{a}").encode([{"a": "ab"}, {"a": "abcd"}, {"a": None}])
    assert tokens.dtype == torch.int64
    assert tokens.shape == (3, 5)
    assert (tokens == IGNORED_LABEL).sum(dim=1).tolist() == [2, 0, 4]
    assert tokens[0, 3:].tolist() == [IGNORED_LABEL] * 2
    assert tokens[2].tolist() == [_END_TOKEN] + [IGNORED_LABEL] * 4


def test_a_row_is_encoded_the_same_in_any_company(tokenizer: Any) -> None:
    """Nothing but padding depends on the other rows of the batch."""
    encoder = _encoder(tokenizer, "{a}")
    rows = [{"a": "x"}, {"a": "longer"}, {"a": "mid"}]
    together = encoder.encode(rows)
    for row, encoded in zip(rows, together, strict=True):
        alone = encoder.encode([row])[0].tolist()
        assert encoded.tolist()[: len(alone)] == alone
        assert set(encoded.tolist()[len(alone) :]) <= {IGNORED_LABEL}
