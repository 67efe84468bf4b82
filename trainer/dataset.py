"""From a feed's changes to batches of tokens: a pure function of the feed's order.

Shapes: B rows in a batch, T tokens of the longest row in it.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from replicator.batch import as_json, rows_digest
from replicator.change import Change
from replicator.errors import BadInput
from replicator.position import Cursor
from replicator.step_journal import Step
from trainer.recipe import DataSection

IGNORED_LABEL = -100  # torch.nn.functional.cross_entropy's ignore_index


@dataclass(frozen=True, slots=True)
class Batch:
    """What one optimizer step consumes.

    Attributes:
        before, after: the cursors around its changes.
        rows: the rows to train on, in order.
        changes_sha256: over every change between the cursors, deletes included.
    """

    before: Cursor
    after: Cursor
    rows: tuple[Change, ...]
    changes_sha256: bytes

    def step(self, number: int, loss: float, norm: float) -> Step:
        """Return the step that was done with it, as the journal has it."""
        return Step(number, self.before, self.after, len(self.rows), self.changes_sha256, loss, norm)


def take(read: Callable[[], Change], before: Cursor, rows_per_step: int) -> Batch:
    """Take changes until there are `rows_per_step` rows among them.

    A batch ends right behind its last row, so it depends on nothing but the order.
    """
    changes: list[Change] = []
    rows: list[Change] = []
    while len(rows) < rows_per_step:
        change = read()
        changes.append(change)
        if change.has_row:
            rows.append(change)
    return Batch(before, changes[-1].after, tuple(rows), rows_digest(changes))


class Encoder:
    """Rows to tokens.

    Args:
        tokenizer: the model's.
        data: template and limits.
    """

    def __init__(self, tokenizer: Any, data: DataSection) -> None:
        self._tokenizer = tokenizer
        self._template = data.template
        self._max_tokens = data.max_tokens
        self._columns = [name for _, name, _, _ in string.Formatter().parse(data.template) if name]

    def text(self, values: Any) -> str:
        """Fill the template; NULL is the empty string, and what is no text stands as in JSON.

        Raises:
            BadInput: the template names a column that the feed does not have.
        """
        unknown = [name for name in self._columns if name not in values]
        if unknown:
            raise BadInput(
                f"data.template names {unknown[0]}, which the feed does not publish",
                hint=f"published columns: {', '.join(values)}",
            )
        return self._template.format_map({name: _shown(values[name]) for name in self._columns})

    def encode(self, rows: Iterable[Any]) -> torch.Tensor:
        """Return token ids, B x T, int64; `IGNORED_LABEL` behind each row's end.

        Each row ends with the end-of-text token unless it was cut.
        """
        encoded = [self._one(values) for values in rows]
        width = max(len(ids) for ids in encoded)
        return torch.tensor([ids + [IGNORED_LABEL] * (width - len(ids)) for ids in encoded])

    def _one(self, values: Any) -> list[int]:
        ids: list[int] = self._tokenizer(self.text(values), add_special_tokens=False)["input_ids"]
        return [*ids, self._tokenizer.eos_token_id][: self._max_tokens]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    plain = as_json(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
