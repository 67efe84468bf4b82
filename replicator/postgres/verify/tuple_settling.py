"""Suspect row versions read again, in rounds, until each is proven to differ or explained.

A round reads the primary, takes a position of its log behind that, waits until the standby has replayed it, and reads
the standby. So in each round the standby has everything that the primary had shown, and may have more. A version is
proven to differ when two rounds in a row show the same and no transaction is left that might explain it:

- The primary showed it in both, with the same xmax or none: whatever that was had ended before the second read, or it
  would be asked for, so the version lived until then. The first read of the standby lies between the two and did not
  show it, though it had replayed what the primary had shown.
- The primary showed it in neither, and the transaction that inserted it had ended before the second read: it was dead
  there. The second read of the standby had replayed that, and still shows it.
- Both showed it with other content. Nothing changes a version in place but the server a row of its catalogs now and
  then, which two rounds outlast.

A transaction counts as running until the primary has let go of it: one that waits for a standby's confirmation is in
the log, and perhaps on the standby, while the primary does not show it yet. xmax may name a group of transactions, and
nothing says which it is, so both readings must have ended.
Source: PostgreSQL, src/backend/access/transam/xact.c, RecordTransactionCommit and CommitTransaction;
src/backend/utils/adt/xid8funcs.c, pg_xact_status.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

from replicator import sql
from replicator.comparison import Word
from replicator.errors import HadrianError, NodeLost, NotConfigured, QueryTimedOut, SchemaMissing
from replicator.position import Lsn
from replicator.postgres.verify.span_comparison import Sessions, Suspects, versions_at
from replicator.postgres.verify.stored_relation import Relation
from replicator.postgres.verify.tuple_session import NoBinaryForm, TupleSession
from replicator.postgres.verify.tuple_version import Snapshot, Version, whole

_ASKED = 5_000  # places that are read in one statement
_POLL_S = 0.02
_AHEAD = 1 << 30  # how many transactions may run that were assigned behind the newest that has ended
_NAMELESS = 3  # transactions below it belong to initdb and to freezing

Sight = tuple[Version | None, Version | None]


class Settled(NamedTuple):
    """What became of a suspect.

    Attributes:
        place: where it is.
        word: what became of it.
        message: what explained it, or is the matter with it.
        primary: what the primary showed last.
        standby: what the standby showed last.
    """

    place: str
    word: Word
    message: str
    primary: Version | None
    standby: Version | None


def settle(sessions: Sessions, relation: Relation, suspects: Suspects, settle_s: float) -> Iterator[Settled]:
    """Yield what becomes of each suspect, within so many seconds.

    Raises:
        NotPermitted: the role may not read it any more.
        NodeUnreachable, NodeLost: a node went away.
    """
    deadline = time.monotonic() + settle_s
    left = dict(suspects)
    before: dict[str, Sight] = {}
    running: frozenset[int] = frozenset()
    reason = f"still open after {settle_s:g} s"
    while left:
        try:
            now = _round(sessions, relation, list(left), deadline)
            verdicts = {place: judged(before.get(place), sight, running) for place, sight in now.items()}
            standby_position(sessions.standby)
            before = {place: now[place] for place, verdict in verdicts.items() if verdict is None}
            running = _running(sessions.primary, before.values())
        except NoBinaryForm:
            relation.as_text = True
            continue
        except RoleChanged:
            raise
        except (NodeLost, QueryTimedOut) as error:
            before, reason, verdicts = {}, str(error), {}
        except _NotReplayed as error:
            reason = str(error)
            break
        for place, verdict in verdicts.items():
            if verdict is not None:
                del left[place]
                yield Settled(place, *verdict, *now[place])
        if time.monotonic() > deadline:
            break
        if running:
            time.sleep(_POLL_S)
    yield from (Settled(place, Word.UNSETTLED, reason, *sight) for place, sight in left.items())


def judged(before: Sight | None, now: Sight, running: Collection[int]) -> tuple[Word, str] | None:
    """Return what a round says of a suspect, or None if another one is needed.

    Args:
        before: what the round before showed.
        now: what this one shows.
        running: transactions, by the lower 32 bits, that had not ended between the two.
    """
    primary, standby = now
    if primary is None and standby is None:
        return Word.SETTLED, "deleted while it was compared"
    if primary is not None and primary.is_as(standby):
        return Word.SETTLED, "replayed since"
    if before is None or before[0] != primary or _without_xmax(before[1]) != _without_xmax(standby):
        return None
    if any(xid in running for xid in concerned(now)):
        return None
    return _difference(primary, standby)


def _without_xmax(version: Version | None) -> Version | None:
    return None if version is None else version._replace(xmax=0)


def concerned(sight: Sight) -> Iterator[int]:
    """Yield the transactions that might explain what a round shows, by number or by group."""
    primary, standby = sight
    if primary is not None and standby is not None and primary.xmin == standby.xmin:
        return
    if primary is not None:
        yield primary.xmax
    if standby is not None:
        yield standby.xmin


def _difference(primary: Version | None, standby: Version | None) -> tuple[Word, str]:
    match primary, standby:
        case _, None:
            return Word.DIFFERENT, "missing on the standby"
        case None, _:
            return Word.DIFFERENT, "only on the standby"
        case Version(digest=None) as ours, Version(digest=None) as theirs:
            return Word.UNSETTLED, f"can be read on neither node: {ours.damage}; {theirs.damage}"
        case _, Version(digest=None) as theirs:
            return Word.DIFFERENT, f"cannot be read on the standby: {theirs.damage}"
        case Version(digest=None) as ours, _:
            return Word.DIFFERENT, f"cannot be read on the primary: {ours.damage}"
        case _:
            return Word.DIFFERENT, "other on the standby"


class RoleChanged(NodeLost):
    """A node is no longer what it was compared as."""


class _NotReplayed(HadrianError):
    """The standby did not come so far in time."""


def _round(sessions: Sessions, relation: Relation, places: list[str], deadline: float) -> dict[str, Sight]:
    try:
        here = _read(sessions.primary, relation, places)
    except SchemaMissing:
        here = {}  # dropped: the standby is to show none of it either
    position = primary_position(sessions.primary)
    while (replayed := standby_position(sessions.standby)) < position:
        if time.monotonic() > deadline:
            where = sessions.standby.where
            raise _NotReplayed(f"{where} has replayed up to {replayed}, and not {position} as it was to")
        time.sleep(_POLL_S)
    try:
        there = _read(sessions.standby, relation, places)
    except SchemaMissing:
        there = {}
    return {place: (here.get(place), there.get(place)) for place in places}


def _read(session: TupleSession, relation: Relation, places: list[str]) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for first in range(0, len(places), _ASKED):
        found |= versions_at(session, relation, places[first : first + _ASKED])
    return found


def primary_position(primary: TupleSession) -> Lsn:
    """Return a position behind everything that the primary has shown.

    Raises:
        RoleChanged: it is no primary any more.
    """
    try:
        return Lsn(primary.ask(sql.load("postgres/verify/log_position"))[0].lsn)
    except NotConfigured as error:
        raise RoleChanged(f"{primary.where} is no primary any more") from error


def standby_position(standby: TupleSession) -> Lsn:
    """Return how far the standby has replayed.

    Raises:
        RoleChanged: it was promoted, so that it goes its own way.
    """
    row = standby.ask(sql.load("postgres/verify/standby_position"))[0]
    if not row.in_recovery:
        raise RoleChanged(f"{standby.where} is no standby any more")
    return Lsn(row.lsn)


def _running(primary: TupleSession, sights: Collection[Sight]) -> frozenset[int]:
    """Return which transactions that concern some suspects run, and which groups have a member that does."""
    named = {xid for sight in sights for xid in concerned(sight) if xid >= _NAMELESS}
    if not named:
        return frozenset()
    groups: dict[int, set[int]] = {}
    for xmax in {sight[0].xmax for sight in sights if sight[0] is not None} & named:
        try:
            rows = primary.ask(sql.load("postgres/verify/group_members"), multixact=xmax)
            groups[xmax] = {row.xid for row in rows}
        except HadrianError as error:
            if isinstance(error, NodeLost):
                raise
    following = Snapshot.parse(primary.ask(sql.load("postgres/verify/snapshot"))[0].snapshot).xmax
    asked = [whole(one, following + _AHEAD) for one in named.union(*groups.values())]
    xids = [xid for xid in asked if _NAMELESS <= xid < following]
    rows = primary.ask(sql.load("postgres/verify/running_transactions"), xids=xids)
    running = {xid % (1 << 32) for xid in (*(row.xid for row in rows), *(xid for xid in asked if xid >= following))}
    return frozenset(running | {group for group, members in groups.items() if members & running})
