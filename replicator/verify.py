"""Whether the standby holds what the primary holds, while both go on: what an engine found, gathered.

What was settled is counted and not kept: on a busy table every range has rows that were only on their way. The answer
has three sides. *The same* needs everything that was asked for compared to its end; one proven difference makes it
*different*; and what time, a node or a privilege did not allow makes it *open*, which is no clean bill.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from replicator import engines
from replicator.comparison import Compared, Progress, Request, Suspect, Word
from replicator.errors import HadrianError, NodeLost, NodeUnreachable
from replicator.rule import Grade, Mode, Unseen

TIMEOUT_S = 30.0


@dataclass(slots=True)
class Report:
    """What a comparison saw.

    Attributes:
        mode: how the two replicate.
        compared: what was compared to its end.
        different: what is proven to differ, and must not or should not.
        remarks: what is proven to differ, and may.
        unsettled: what was still open when the time ran out.
        settled: how often something looked different and was explained, by object and explanation.
        unseen: what could not be looked at, and what would show it.
        cut: what ended the comparison before its end.
    """

    mode: Mode
    compared: list[Compared] = field(default_factory=list)
    different: list[Suspect] = field(default_factory=list)
    remarks: list[Suspect] = field(default_factory=list)
    unsettled: list[Suspect] = field(default_factory=list)
    settled: Counter[tuple[str, str]] = field(default_factory=Counter)
    unseen: list[Unseen] = field(default_factory=list)
    cut: HadrianError | None = None

    @property
    def is_open(self) -> bool:
        """Whether something that was to be compared was not."""
        return bool(self.unsettled or self.cut)

    def take(self, seen: Compared | Suspect | Unseen) -> None:
        """Add what an engine saw."""
        match seen:
            case Compared():
                self.compared.append(seen)
            case Unseen():
                self.unseen.append(seen)
            case Suspect(word=Word.DIFFERENT, grade=Grade.MAY):
                self.remarks.append(seen)
            case Suspect(word=Word.DIFFERENT):
                self.different.append(seen)
            case Suspect(word=Word.UNSETTLED):
                self.unsettled.append(seen)
            case Suspect():
                self.settled[seen.object, seen.message] += 1


def verify(
    primary_url: str,
    standby_url: str,
    request: Request,
    *,
    mode: Mode | None = None,
    timeout_s: float = TIMEOUT_S,
    watch: Callable[[Progress], None] | None = None,
) -> Report:
    """Compare two nodes, and return what was seen; only reads, and waits for no lock.

    A node that goes away ends the comparison; what was seen before stands in the report, beside the error.

    Args:
        primary_url: the node that takes writes, or the publisher.
        standby_url: its standby or its subscriber.
        request: what to compare.
        mode: how the two replicate; None looks for itself.
        timeout_s: how long one question about anything but rows may take.
        watch: is told how far it has come.

    Raises:
        BadInput: a URL cannot be used, or its node does not have the role it was given for.
        NodeUnreachable: a node does not answer.
        NotConfigured: the engine cannot be compared.
    """
    with contextlib.closing(engines.comparable(primary_url, standby_url, mode, timeout_s)) as pair:
        pair.check()
        report = Report(pair.mode)
        try:
            with contextlib.closing(pair.compare(request)) as seen:
                for one in seen:
                    if not isinstance(one, Progress):
                        report.take(one)
                    elif watch is not None:
                        watch(one)
        except (NodeLost, NodeUnreachable) as error:
            report.cut = error
        return report
