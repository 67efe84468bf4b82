"""Whether things that have names are the same on a standby: definitions, grants, sequences, whatever a log brings.

Both nodes are read once. What does not look the same may have been on its way, so it is read again in rounds: the
primary, then a position of its log behind that and, once the standby has replayed that, the standby. Each thing is
judged as `replicator.settling` has it, until it is explained or proven, or the time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from replicator.comparison import Compared, Request, Suspect, What, Word
from replicator.errors import HadrianError, RecoveryConflict
from replicator.position import Lsn
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.postgres.verify.refusals import told
from replicator.postgres.verify.tuple_version import Snapshot
from replicator.rule import Grade, Unseen
from replicator.settling import Doubt, Sight

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0
_TRIES = 5
_LOOKS = 3

Sights = Mapping[str, Sight]


class Judge(Protocol):
    """Who hears what both nodes show of one thing, in turns, and says what is known of it so far."""

    def see_primary(self, seen: Sight | None, *, clear: bool) -> Word:
        """Begin a round; `clear` where every commit that the standby showed in the one before is seen by now."""
        ...

    def see_follower(self, seen: Sight | None) -> Word:
        """End a round."""
        ...

    def said(self) -> str:
        """Return what differs, as a sentence goes on behind its name."""
        ...

    def values(self) -> tuple[Mapping[str, str | None] | None, Mapping[str, str | None] | None]:
        """Return what the primary and the standby showed last."""
        ...


class Versioned:
    """Judges what has another version after each change: one more look at the primary is proof."""

    def __init__(self) -> None:
        self._doubt = Doubt()

    def see_primary(self, seen: Sight | None, *, clear: bool) -> Word:
        """As `Doubt.see_primary`."""
        return self._doubt.see_primary(seen, clear=clear)

    def see_follower(self, seen: Sight | None) -> Word:
        """As `Doubt.see_follower`."""
        return self._doubt.see_follower(seen)

    def said(self) -> str:
        """Return what differs."""
        if self._doubt.follower is None:
            return "is not on the standby"
        return "is on the standby only" if self._doubt.primary is None else "is not the same on the standby"

    def values(self) -> tuple[Mapping[str, str | None] | None, Mapping[str, str | None] | None]:
        """Return both definitions."""
        here, there = (
            None if seen is None else {"definition": str(seen.content)}
            for seen in (self._doubt.primary, self._doubt.follower)
        )
        return here, there


class Thrice(Versioned):
    """Judges what can become another and the same again without a version that tells: in three rounds on end."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: object = None
        self._times = 0

    def see_primary(self, seen: Sight | None, *, clear: bool) -> Word:
        """As `Doubt.see_primary`, for the third time on end."""
        return self._counted(super().see_primary(seen, clear=clear), judged=seen is not None)

    def see_follower(self, seen: Sight | None) -> Word:
        """As `Doubt.see_follower`, for the third time on end."""
        return self._counted(super().see_follower(seen), judged=self._doubt.primary is None)

    def _counted(self, word: Word, *, judged: bool) -> Word:
        """Count a round where it is judged: what the primary has by its next look, what it has not by the standby's."""
        if word is Word.SETTLED or not judged:
            return word
        shown = self.values()
        again = word is Word.DIFFERENT and shown == self._shown
        self._times = self._times + 1 if again else int(word is Word.DIFFERENT)
        self._shown = shown
        return Word.DIFFERENT if self._times >= _LOOKS else Word.UNSETTLED


@dataclass(frozen=True, slots=True)
class Things:
    """What is compared, how it is read, and who judges it.

    Attributes:
        what: of which kind.
        label: what they are called together, in the plural.
        read: reads a node's, by name; only these where it is given some.
        judge: makes a judge of one.
        grade: how much a difference asks for.
        left_out: what of them is not compared.
    """

    what: What
    label: str
    read: Callable[[Reader, Collection[str] | None], Sights]
    judge: Callable[[], Judge]
    grade: Grade = Grade.MUST
    left_out: str = ""


def compare(
    couple: Couple, request: Request, things: Things, names: Collection[str] | None = None
) -> Iterator[Compared | Suspect | Unseen]:
    """Compare all things of a kind, or those of some names.

    Raises:
        NodeUnreachable, NodeLost: a node went away.
    """
    yield from told(couple, things.what, things.label, _Rounds(couple, request, things).seen(names))


class _Rounds:
    def __init__(self, couple: Couple, request: Request, things: Things) -> None:
        self._things = things
        self._primary = Reader(couple.primary, couple.timeout_s)
        self._standby = Reader(couple.standby, couple.timeout_s)
        self._began = time.monotonic()
        self._deadline = self._began + request.settle_s
        self._show_values = request.show_values
        self._pause_s = _FIRST_PAUSE_S
        self._settled = 0

    def seen(self, names: Collection[str] | None) -> Iterator[Compared | Suspect]:
        # A read may itself write what an idle primary flushes only seconds later: which hints it has set. So nobody
        # waits for more than what is flushed until something looks different.
        before = Lsn(self._primary.ask("topology/flush_lsn")[0].lsn)
        here = self._read(self._primary, names)
        there = self._replayed(before, names)
        if there is None:
            yield self._suspect(self._things.label, Word.UNSETTLED, f"the standby has not replayed {before} in time")
            return
        unlike = [name for name in {**here, **there} if self._is_unlike(here.get(name), there.get(name))]
        yield from self._settle({name: self._things.judge() for name in unlike})
        took = time.monotonic() - self._began
        things = self._things
        yield Compared(things.what, things.label, len(here), 0, before, took, things.left_out)

    def _is_unlike(self, here: Sight | None, there: Sight | None) -> bool:
        judge = self._things.judge()
        judge.see_primary(here, clear=False)
        return judge.see_follower(there) is not Word.SETTLED

    def _settle(self, doubts: dict[str, Judge]) -> Iterator[Suspect]:
        """Look at things in rounds until each is explained or proven, or the time is over."""
        while doubts and time.monotonic() < self._deadline:
            time.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            clear = self._is_clear()
            here = self._read(self._primary, list(doubts))
            position = self._primary.log_position()
            words = {name: one.see_primary(here.get(name), clear=clear) for name, one in doubts.items()}
            yield from self._judged(doubts, words)
            there = self._replayed(position, list(doubts)) if doubts else {}
            if there is None:
                break
            yield from self._judged(doubts, {name: one.see_follower(there.get(name)) for name, one in doubts.items()})
        if self._settled:
            said = f"{self._settled} looked different at first: they were being changed, and are the same"
            yield self._suspect(self._things.label, Word.SETTLED, said)
        for name in doubts:
            yield self._suspect(name, Word.UNSETTLED, "is changed all the time, or the standby does not replay")

    def _judged(self, doubts: dict[str, Judge], words: Mapping[str, Word]) -> Iterator[Suspect]:
        """Take out of doubt what needs no other round, and yield what differs."""
        for name, word in words.items():
            if word is Word.UNSETTLED:
                continue
            judge = doubts.pop(name)
            if word is Word.SETTLED:
                self._settled += 1
            else:
                here, there = judge.values() if self._show_values else (None, None)
                yield self._suspect(name, word, judge.said(), here, there)

    def _replayed(self, position: Lsn, names: Collection[str] | None) -> Sights | None:
        """Return what the standby shows once it has replayed a position, None if it has not in time."""
        while Lsn(self._standby.ask("topology/replay_lsn")[0].lsn) < position:
            if time.monotonic() >= self._deadline:
                return None
            time.sleep(_FIRST_PAUSE_S)
        return self._read(self._standby, names)

    def _read(self, node: Reader, names: Collection[str] | None) -> Sights:
        for _ in range(_TRIES - 1):
            try:
                return self._things.read(node, names)
            except HadrianError as error:
                # What replay cancels, or what was dropped between two looks at the catalog, is asked for once more.
                if not isinstance(error, RecoveryConflict) and type(error) is not HadrianError:
                    raise
                time.sleep(_FIRST_PAUSE_S)
        return self._things.read(node, names)

    def _is_clear(self) -> bool:
        """Return whether what the standby shows as committed is no longer open on the primary.

        A commit is in the log before it is seen there, for as long as a synchronous standby lets it wait.
        """
        there, here = (
            Snapshot.parse(node.ask("verify/snapshot")[0].snapshot) for node in (self._standby, self._primary)
        )
        open_here = [xid for xid in here.running if xid < there.xmax]
        open_there = self._standby.ask("verify/running_transactions", xids=open_here) if open_here else ()
        return there.xmax <= here.xmax and len(open_there) == len(open_here)

    def _suspect(
        self,
        name: str,
        word: Word,
        message: str,
        here: Mapping[str, str | None] | None = None,
        there: Mapping[str, str | None] | None = None,
    ) -> Suspect:
        things = self._things
        return Suspect(things.what, name, word, message, primary=here, standby=there, grade=things.grade)
