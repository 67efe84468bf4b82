"""Which checkpoints have seen a row: the answer to a request that what was learnt from it be deleted.

The log is gone when the question comes, so the step journal answers it. Beside its bits each step leaves eight bytes
for every row it was trained on, in order: the first eight of SHA-256 over the row's primary key, as JSON. A delete
trains on nothing and leaves none. The state behind a step holds all that the steps before it saw, so every
checkpoint at or behind the first step that saw the row has seen it, and none before.

- *A false match* is another row with the same 64 bits: of n rows that a run was trained on, one matches by chance with
  a probability of n / 2^64, which is 5 in 10^11 for a thousand million rows. There is no false "none has".
- *The key is the row's name.* A row is found under the primary key that its table had when the run asked for it: when
  it began or went on, or met a row without the key's columns. A key of a type that takes several texts for equal
  (`citext`, a nondeterministic collation) is found under the text that was read.
- *The table is the feed's.* A run reads one feed and a feed one table, so the digest does without the table's name: the
  table may be renamed. A run is asked if its feed reads that table now, or nothing tells any more what it reads.
- *What cannot be told is said.* A step without digests, older than they are or with rows whose key was not known, may
  have seen any row.
- No value is in the journal, but who knows a key can tell whether a run has seen it.
"""

from __future__ import annotations

import contextlib
import csv
import decimal
import hashlib
import io
import itertools
import json
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from replicator.batch import as_json
from replicator.change import Change
from replicator.errors import BadInput, TableUnfit
from replicator.postgres import row_key
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.row_key import KeyColumn
from replicator.schema import TableName
from replicator.store import checkpoints

DIGEST_BYTES = 8

_IDENTIFIER = r'"(?:[^"]|"")+"|[^\W\d][\w$]*'
_ROW = re.compile(rf"({_IDENTIFIER})\.({_IDENTIFIER})/(.*)", re.DOTALL)
_FORM = "write it as public.tickets/42, several key columns with commas between them and quoted as in CSV"


@dataclass(frozen=True, slots=True)
class RunLineage:
    """What a run's journal says of a row.

    Attributes:
        run: its name.
        first_step: the first that saw the row, None if none is known to have.
        times: how often the row was trained on.
        seen_by: steps of the checkpoints at or behind it, oldest first: they have seen the row.
        unsure: steps of the checkpoints that may have: they are behind a step whose rows are not told.
        go_back_to: step of the newest checkpoint that has not seen the row; None if there is none.
        untold: how many steps do not tell their rows.
        first_untold, last_untold: the first and the last of these.
    """

    run: str
    first_step: int | None
    times: int
    seen_by: tuple[int, ...]
    unsure: tuple[int, ...]
    go_back_to: int | None
    untold: int
    first_untold: int | None
    last_untold: int | None


@dataclass(frozen=True, slots=True)
class Lineage:
    """Who has seen a row.

    Attributes:
        row: table and key, as the server prints it.
        runs: that may have read it.
        other_runs: that read other tables, and which.
    """

    row: str
    runs: tuple[RunLineage, ...]
    other_runs: Mapping[str, str]

    @property
    def clear(self) -> bool:
        """Whether no checkpoint has seen the row, for sure."""
        return not any(run.seen_by or run.unsure for run in self.runs)


class RowKeys:
    """The digests of the rows that a feed's steps are trained on.

    Args:
        primary: is asked for the table's key.
        feed: its name.
    """

    def __init__(self, primary: PostgresDatabase, feed: str) -> None:
        self._primary = primary
        self._feed = feed
        self._columns: Sequence[KeyColumn] = ()

    def digests(self, rows: Sequence[Change]) -> bytes | None:
        """Return `DIGEST_BYTES` a row, in order, or None if the rows do not have the key that their table has now."""
        if not self._fits(rows):  # first of all, or a column has another name now
            self._ask()
        if not self._fits(rows):
            return None
        return b"".join(digest(self._columns, row.values) for row in rows)

    def _fits(self, rows: Sequence[Change]) -> bool:
        return bool(self._columns) and all(column.name in row.values for row in rows for column in self._columns)

    def _ask(self) -> None:
        self._columns = ()
        tables = _tables(self._primary, self._feed).get(self._feed, [])
        if len(tables) == 1:
            with contextlib.suppress(BadInput, TableUnfit):  # no reason to stop a run: its rows come all the same
                self._columns = row_key.find(self._primary, tables[0])


def _tables(node: PostgresDatabase, feed: str | None = None) -> dict[str, list[TableName]]:
    """Return what every feed reads now, or one."""
    with node.connect() as connection:
        rows = connection.execute(node.statement("run/feed_tables"), {"feed": feed}).all()
    return {
        name: [TableName(row.schema, row.name) for row in found]
        for name, found in itertools.groupby(rows, key=operator.attrgetter("feed"))
    }


def digest(columns: Sequence[KeyColumn], values: Mapping[str, Any]) -> bytes:
    """Return the digest of a row's key.

    Args:
        columns: of the key, in its order.
        values: by column, as a feed gives them.
    """
    key = [_canonical(column, values[column.name]) for column in columns]
    return hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).digest()[:DIGEST_BYTES]


def _canonical(column: KeyColumn, value: Any) -> Any:
    """Return text that is the same for what the column's type takes for equal, whichever type that became in Arrow."""
    if isinstance(value, list):
        return [_canonical(column, item) for item in value]
    if isinstance(value, str) and column.base == "numeric":  # without a precision it comes as text
        return _number(decimal.Decimal(value))
    if isinstance(value, decimal.Decimal):
        return _number(value)
    if isinstance(value, str) and column.base == "bpchar":
        return value.rstrip(" ")
    return str(as_json(value + 0.0 if isinstance(value, float) else value))  # -0.0 equals 0.0


def _number(value: decimal.Decimal) -> str:
    if not value.is_finite():
        return str(value)
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_row(text: str) -> tuple[TableName, list[str]]:
    """Return table and key texts of SCHEMA.TABLE/KEY. Raises: BadInput."""
    match = _ROW.fullmatch(text)
    if match is None:
        raise BadInput(f"not a row: {text!r}", hint=_FORM)
    try:
        records = list(csv.reader(io.StringIO(match[3], newline=""), strict=True)) or [[""]]
    except csv.Error as error:
        raise BadInput(f"not a key: {match[3]!r}: {error}", hint=_FORM) from error
    if len(records) != 1:
        raise BadInput(f"not a key: {match[3]!r} has several lines", hint=_FORM)
    return TableName(_folded(match[1]), _folded(match[2])), records[0]


def _folded(identifier: str) -> str:
    """Return an identifier as the catalog has it."""
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier.lower()


def of_row(node: PostgresDatabase, row: str, run: str | None = None) -> Lineage:
    """Return who has seen a row.

    Args:
        node: any node: a standby tells what would be known after a takeover.
        row: SCHEMA.TABLE/KEY.
        run: ask this run only.

    Raises:
        BadInput: no such row can be, or no such run.
        TableUnfit: the table has no primary key.
    """
    table, texts = parse_row(row)
    columns = row_key.find(node, table)
    if len(texts) != len(columns):
        names = ", ".join(column.name for column in columns)
        raise BadInput(f"the key of {table} is ({names}), {len(texts)} values were given", hint=_FORM)
    printed, values = row_key.read(node, columns, texts)
    with node.connect() as connection:
        found = connection.execute(node.statement("run/runs"), {"run": run}).all()
    if run is not None and not found:
        raise BadInput(f"{node.where} has no run {run}", hint="list them: hadrian checkpoint list")
    tables = _tables(node)
    asked = [one for one in found if table in tables.get(one.feed, [table])]
    key = digest(columns, values)
    return Lineage(
        f"{table}/{_csv(printed)}",
        tuple(_of_run(node, one, key) for one in asked),
        {one.run: ", ".join(map(str, tables[one.feed])) for one in found if one not in asked},
    )


def _csv(values: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(values)
    return written.getvalue()


def _of_run(node: PostgresDatabase, told: Any, key: bytes) -> RunLineage:
    with node.connect() as connection:
        parameters = {"run": told.run, "digest": key}
        steps = connection.execute(node.statement("run/steps_with_key"), parameters).all()
    times = {step.step: _count(bytes(step.key_digests), key) for step in steps}
    saw = [step for step, count in times.items() if count]
    first = min(saw, default=None)
    kept = sorted(checkpoint.step for checkpoint in checkpoints.found(node, told.run))
    seen_by = tuple(step for step in kept if first is not None and step >= first)
    behind = [step for step in kept if step not in seen_by]
    # What a run without a feed was trained on, nobody here knows.
    unsure = tuple(step for step in behind if told.feed is None or (told.untold and step >= told.first_untold))
    clean = [step for step in behind if step not in unsure]
    return RunLineage(
        told.run, first, sum(times.values()), seen_by, unsure, max(clean, default=None), told.untold,
        told.first_untold, told.last_untold,
    )  # fmt: skip


def _count(digests: bytes, key: bytes) -> int:
    return sum(digests[at : at + DIGEST_BYTES] == key for at in range(0, len(digests), DIGEST_BYTES))
