"""What becomes of a question that a node does not answer: a lack of privilege is named, a lack of time stays open."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.comparison import Compared, Suspect, What, Word
from replicator.errors import HadrianError, NotPermitted, QueryTimedOut
from replicator.postgres.verify.couple import Couple
from replicator.rule import Unseen

Seen = Compared | Suspect | Unseen


def told(couple: Couple, what: What, label: str, seen: Iterator[Seen]) -> Iterator[Seen]:
    """Yield what is seen, and at its end what was not, if that is why it ended. Raises: NodeUnreachable, NodeLost."""
    try:
        yield from seen
    except NotPermitted as error:
        yield Unseen(label, _where(couple, error), "permission denied", "connect as a role that may read the catalog")
    except QueryTimedOut as error:
        why = f"could not be read on {_where(couple, error)}: a lock was in the way, or it took too long"
        yield Suspect(what, label, Word.UNSETTLED, why)


def _where(couple: Couple, error: HadrianError) -> str:
    """Return which node an error speaks of: each names its own first."""
    return next((node.where for node in (couple.primary, couple.standby) if str(error).startswith(node.where)), "")
