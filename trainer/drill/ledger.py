"""The proof that a trainer was given every committed row exactly once: pure, and without trust in the feed.

The application records each of its operations in a ledger, in the operation's own transaction, and writes the
operation's number into the row as its revision. So a row version names the operation that made it, and a
trainer's changes can be compared with what the database that survived says happened:

    ledger   1 2 3 4 5 6 7 8 9        of these, in scope: 1 2 4 5 7 8
             └─ snapshot ─┘ └stream┘  snapshot = the table after 1 2 4 5, stream = 7 8

The snapshot must be the table's state in scope after some operation p, and the stream the operations in
scope that follow p, in order. A delete leaves no revision behind, so p is not the newest revision in the
snapshot: it is what precedes the first streamed operation.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from replicator.change import Change, Op

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the ledger.

    Attributes:
        op: its number, from 1 without a gap.
        kind: insert, update or delete.
        module, qualname: the row's key.
        content_sha256: over signature and text of the row version it made; None for a delete, or if unknown.
    """

    op: int
    kind: Op
    module: str
    qualname: str
    content_sha256: bytes | None = None

    @property
    def key(self) -> Key:
        """The row's key."""
        return self.module, self.qualname


@dataclass(frozen=True, slots=True)
class Proof:
    """What the comparison found.

    Attributes:
        rows: changes with a row to train on.
        distinct: row versions among them; fewer than `rows` if one came twice.
        snapshot_ops: number of the last operation in scope that the snapshot holds, 0 if none.
        last_op: number of the last operation in scope that the trainer was given.
        differences: one line each, in the order found; none if every row came exactly once.
    """

    rows: int
    distinct: int
    snapshot_ops: int
    last_op: int
    differences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every row came exactly once."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class _Version:
    """A row version and what was done to it: it was made, or (a delete) it was ended."""

    kind: Op
    key: Key
    revision: int

    def __str__(self) -> str:
        return f"{self.kind} of {_name(self.key)} at revision {self.revision}"


@dataclass(frozen=True, slots=True)
class _Step:
    """An operation in scope and the change that a feed must make of it."""

    op: int
    version: _Version


def prove(ledger: Sequence[Operation], in_scope: Callable[[str], bool], changes: Sequence[Change]) -> Proof:
    """Compare what a trainer was given with what the surviving database says happened.

    Args:
        ledger: every operation, in order.
        in_scope: whether a module's rows are published.
        changes: all of the trainer's changes in order, deletes (with their old row) included.
    """
    steps, differences = _replay(ledger, in_scope)
    found = [_version(change) for change in changes]
    first = next((number for number, change in enumerate(changes) if change.op is not Op.SNAPSHOT), len(changes))
    snapshot = [version for version in found[:first] if version is not None]
    positions = {step.version: position for position, step in enumerate(steps)}
    stream = [None if version is None else positions.get(version) for version in found[first:]]
    known = [position for position in stream if position is not None]
    start = min(known) if known else _snapshot_position(steps, snapshot)
    differences += _unreadable(changes, found)
    differences += _snapshot_differences(steps[:start], snapshot, {step.version for step in steps})
    differences += _stream_differences(steps, found[first:], stream, start)
    differences += _content_differences(ledger, changes, found)
    trained = [(version.key, version.revision) for version in found if version and version.kind is not Op.DELETE]
    end = max(known) + 1 if known else start
    return Proof(
        rows=sum(change.has_row for change in changes),
        distinct=len(set(trained)),
        snapshot_ops=steps[start - 1].op if start else 0,
        last_op=steps[end - 1].op if end else 0,
        differences=tuple(differences),
    )


def _replay(ledger: Sequence[Operation], in_scope: Callable[[str], bool]) -> tuple[list[_Step], list[str]]:
    """Run the ledger, and say where it could not have happened."""
    steps, differences = [], []
    alive: dict[Key, int] = {}
    wanted = 1
    for operation in ledger:
        if operation.op != wanted:
            differences.append(f"ledger: op {operation.op} stands where op {wanted} belongs")
        wanted = operation.op + 1
        before = alive.pop(operation.key, None)
        if (before is None) != (operation.kind is Op.INSERT):
            state = "is not there" if before is None else "is there already"
            differences.append(
                f"ledger: op {operation.op} is {operation.kind} of {_name(operation.key)}, which {state}"
            )
        revision = operation.op
        if operation.kind is Op.DELETE:
            revision = before or 0
        else:
            alive[operation.key] = operation.op
        if in_scope(operation.module):
            steps.append(_Step(operation.op, _Version(operation.kind, operation.key, revision)))
    return steps, differences


def _version(change: Change) -> _Version | None:
    module, qualname, revision = (change.values.get(name) for name in ("module", "qualname", "revision"))
    if module is None or qualname is None or revision is None:
        return None
    return _Version(change.op, (module, qualname), revision)


def _states(steps: Sequence[_Step]) -> Iterator[tuple[Key, int | None]]:
    """Yield what each operation does to the table: the key, and its revision from then on."""
    for step in steps:
        version = step.version
        yield version.key, None if version.kind is Op.DELETE else version.revision


def _snapshot_position(steps: Sequence[_Step], snapshot: Sequence[_Version]) -> int:
    """Return after how many operations the table was first as in the snapshot.

    Operations that cancel out (an insert, its delete) make the same table twice, and nothing streamed tells
    which it was; any of them is right. If the table never was like that, the newest revision is a good guess.
    """
    wanted = {version.key: version.revision for version in snapshot}
    unlike = len(wanted)
    table: dict[Key, int] = {}
    if not unlike:
        return 0
    for position, (key, revision) in enumerate(_states(steps), 1):
        unlike += (wanted.get(key) == table.get(key)) - (wanted.get(key) == revision)
        _apply(table, key, revision)
        if not unlike:
            return position
    newest = max(wanted.values())
    return sum(step.op <= newest for step in steps)


def _apply(table: dict[Key, int], key: Key, revision: int | None) -> None:
    if revision is None:
        table.pop(key, None)
    else:
        table[key] = revision


def _snapshot_differences(
    steps: Sequence[_Step], snapshot: Sequence[_Version], versions: set[_Version]
) -> Iterator[str]:
    table: dict[Key, int] = {}
    for key, revision in _states(steps):
        _apply(table, key, revision)
    when = f"after op {steps[-1].op}" if steps else "before op 1"
    for key, count in Counter(version.key for version in snapshot).items():
        if count > 1:
            yield f"snapshot: {_name(key)} came {count} times"
    for version in snapshot:
        expected = table.get(version.key)
        if expected == version.revision:
            continue
        name = f"{_name(version.key)} at revision {version.revision}"
        made = {_Version(kind, version.key, version.revision) for kind in (Op.INSERT, Op.UPDATE)}
        if made.isdisjoint(versions):
            yield f"snapshot: {name} is not in the ledger"
        elif expected is None:
            yield f"snapshot: {name} was not in the table {when}"
        else:
            yield f"snapshot: {name} was at revision {expected} {when}"
    for key in sorted(table.keys() - {version.key for version in snapshot}):
        yield f"snapshot: {_name(key)} at revision {table[key]} did not come, it was in the table {when}"


def _stream_differences(
    steps: Sequence[_Step], found: Sequence[_Version | None], positions: Sequence[int | None], start: int
) -> Iterator[str]:
    seen: set[int] = set()
    newest = -1
    for version, position in zip(found, positions, strict=True):
        if version is None:
            continue  # told by _unreadable
        if position is None:
            yield f"stream: {version} is not in the ledger"
            continue
        if position in seen:
            yield f"stream: op {steps[position].op}, {version}, came twice"
        elif position < newest:
            yield f"stream: op {steps[position].op}, {version}, came after op {steps[newest].op}"
        seen.add(position)
        newest = max(newest, position)
    for position in range(start, newest):
        if position not in seen:
            yield f"stream: op {steps[position].op}, {steps[position].version}, did not come"


def _unreadable(changes: Sequence[Change], found: Sequence[_Version | None]) -> Iterator[str]:
    for number, (change, version) in enumerate(zip(changes, found, strict=True), 1):
        if version is None:
            yield f"change {number}: {change.op} without module, qualname or revision"


def _content_differences(
    ledger: Sequence[Operation], changes: Sequence[Change], found: Sequence[_Version | None]
) -> Iterator[str]:
    """Compare texts too, where both sides have them.

    After a takeover an operation may be done again under its old number with another text: only this tells
    them apart. It also finds an unchanged TOASTed value that was put together wrongly.
    """
    digests = {(operation.key, operation.op): operation.content_sha256 for operation in ledger}
    for change, version in zip(changes, found, strict=True):
        signature, doc = change.values.get("signature"), change.values.get("doc")
        expected = version and digests.get((version.key, version.revision))
        if version is None or expected is None or signature is None or doc is None:
            continue
        if hashlib.sha256(f"{signature}\n{doc}".encode()).digest() != expected:
            yield f"content: {version} does not have the text that op {version.revision} wrote"


def _name(key: Key) -> str:
    return ".".join(key)
