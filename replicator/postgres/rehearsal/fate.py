"""The fate of each change that a script made: kept by the node that took over, lost, refused, or taken back before.

A change is laid at the door of the statement after which it was first seen. Where several statements changed the
same thing, the last one is judged by what is there at the end; an earlier one shares that fate as long as what it
wrote is still part of it: the relation has not been rewritten, and is not empty again. Whatever is as it was before
the script tells nothing, on whichever node, and counts as undone.
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.effect import Effect, Outcome, Trial
from replicator.postgres.rehearsal.observation import Key, Observation, Refused, Stored, Value

# What a pair on one machine cannot show, and why.
_SHARED = {
    "library": "both nodes have this machine's",
    "files of extension": "both nodes have this machine's",
    "directory of tablespace": "made inside the data directory, on both nodes",
}
# A transaction keeps these to itself until it commits.
_AT_COMMIT = frozenset({"queue of", "listening on"})
# A logged sequence writes this many values ahead, and a takeover skips them. Source: PostgreSQL's sequence.c.
_AHEAD = 32 + 1
_EMPTY = "0"  # what a table without rows holds


@dataclass(slots=True)
class _Change:
    trial: Trial
    before: Value | None
    after: Value | None


class History:
    """What the statements of one session changed.

    Args:
        start: the session's first observation.
    """

    def __init__(self, start: Observation) -> None:
        self._start = start
        self._now = start
        self._changes: dict[Key, list[_Change]] = {}

    def record(
        self, trial: Trial, seen: Observation, *, reverts: bool = False, announced: tuple[Trial, ...] = ()
    ) -> None:
        """Note what is different after a statement.

        Args:
            trial: the statement.
            seen: the observation after it.
            reverts: it took back what statements before it had done.
            announced: statements whose effects only showed now.
        """
        keys = self._now.keys() | seen.keys()
        for key in sorted(key for key in keys if self._now.get(key) != seen.get(key)):
            before, after = self._now.get(key), seen.get(key)
            chain = self._changes.setdefault(key, [])
            if reverts and any(change.before == after for change in chain):
                _take_back(key, chain, after)
            elif announced and key.kind in _AT_COMMIT:
                chain.extend(_Change(each, before, after) for each in announced)
            else:
                chain.append(_Change(trial, before, after))
        self._now = seen

    def judge(self, final: Observation, standby: Observation, promoted: Observation) -> None:
        """Tell each trial its effects.

        Args:
            final: the primary at the end, in the same session.
            standby: the standby before the takeover, once it had replayed everything.
            promoted: the same node after it.
        """
        after = (standby, promoted)
        for key, chain in self._changes.items():
            end = final.get(key)
            effect = _fate(key, end, standby.get(key), promoted.get(key))
            for change in chain:
                shares = (change is chain[-1] and change.after == end) or _is_part_of(change.after, end)
                what = _what(key, change.after or change.before)
                if not shares or end == self._start.get(key):
                    change.trial.effects.append(Effect(what, Outcome.UNDONE))
                elif key.kind == "sequence" and all(_same(key, change.after, node.get(key)) for node in after):
                    # It goes on behind this value, and only later ones are handed out again.
                    change.trial.effects.append(Effect(what, Outcome.KEPT))
                else:
                    change.trial.effects.append(effect)


def _take_back(key: Key, chain: list[_Change], value: Value | None) -> None:
    """Drop the newest changes, up to the one that had replaced `value`."""
    while chain:
        change = chain.pop()
        change.trial.effects.append(Effect(_what(key, change.after or change.before), Outcome.UNDONE))
        if change.before == value:
            return


def _is_part_of(written: Value | None, end: Value | None) -> bool:
    if isinstance(written, Stored) and isinstance(end, Stored):
        return written.file == end.file and end.content != _EMPTY
    return written is not None and end is not None


def _fate(key: Key, end: Value | None, standby: Value | None, promoted: Value | None) -> Effect:
    what = _what(key, end or promoted)
    if isinstance(promoted, Refused):
        return Effect(what, Outcome.REFUSED, promoted.words)
    if not _same(key, end, promoted):
        return Effect(what, Outcome.LOST, _difference(end, promoted))
    if isinstance(end, Stored):
        # An empty relation looks the same after takeover, logged or not; before it, only a logged one has its storage.
        if isinstance(standby, Refused):
            return Effect(what, Outcome.REFUSED, f"on the standby: {standby.words}")
        if not _same(key, end, standby):
            return Effect(what, Outcome.LOST, "the standby had nothing of it before the takeover")
    if key.kind in _SHARED and end is not None:
        return Effect(what, Outcome.NOT_REHEARSED, _SHARED[key.kind])
    return Effect(what, Outcome.KEPT)


def _same(key: Key, end: Value | None, other: Value | None) -> bool:
    if key.kind == "sequence" and isinstance(end, Stored) and isinstance(other, Stored):
        return other.file == end.file and _is_ahead(end.content.split(), other.content.split())
    return end == other


def _is_ahead(end: list[str], other: list[str]) -> bool:
    """Return whether a sequence stands where it stood, or so far ahead as a takeover may put it."""
    if end == other:
        return True
    if len(end) != 3 or len(other) != 3:
        return False
    step = int(end[2])
    return other[1] == "t" and 0 <= (int(other[0]) - int(end[0])) // step <= _AHEAD


def _difference(end: Value | None, promoted: Value | None) -> str:
    if end is None:
        return "still there after takeover"
    if promoted is None:
        return "not there after takeover"
    if isinstance(end, Stored) and isinstance(promoted, Stored):
        if end.file != promoted.file:
            return "of another age after takeover"
        if _count(end) != _count(promoted):
            return f"{_count(end)} before takeover, {_count(promoted)} after"
    return "another content after takeover"


def _count(stored: Stored) -> str:
    return stored.content.partition(" ")[0]


def _what(key: Key, value: Value | None) -> str:
    name = value.name if isinstance(value, Stored | Refused) else key.identity
    match key.kind:
        case "rows":
            return f"rows of {name}"
        case kind if kind.startswith("pg_"):
            return f"row {name} of {kind}"
        case kind:
            return f"{kind} {name}"
