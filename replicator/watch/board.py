"""What a watch knows at the moment: written by the thread that compares, read by the one that answers Prometheus."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from replicator.comparison import Word
from replicator.verify import Report
from replicator.watch.history import Verified


@dataclass(frozen=True, slots=True)
class Passed:
    """One comparison, from beginning to end.

    Attributes:
        number: of this watch, from 1.
        primary: the primary's address.
        standby: the standby's.
        report: what was seen; None where it could not begin.
        problem: what kept it from beginning, or ended it early.
        took_s: seconds.
        ended_at: when.
        history: why it was not recorded in the database; empty where it was.
    """

    number: int
    primary: str
    standby: str
    report: Report | None
    problem: str
    took_s: float
    ended_at: datetime
    history: str = ""

    @property
    def result(self) -> str:
        """`same`, `different`, `open` or `failed`."""
        if self.report is None:
            return "failed"
        if self.report.different:
            return "different"
        return "open" if self.report.is_open else "same"


class Board:
    """The last of everything.

    Attributes:
        last: the last comparison; None before the first has ended.
        findings: how many the last one that could begin found, by kind and word.
        unseen: how many questions that one got no answer to.
        results: how many comparisons had which result.
        read_bytes: read on the primary by all of them.
        verified: when each object was last found the same on the standby that is one now.
    """

    def __init__(self) -> None:
        self.last: Passed | None = None
        self.findings: dict[tuple[str, str], int] = {}
        self.unseen = 0
        self.results: Counter[str] = Counter()
        self.read_bytes = 0
        self.verified: dict[tuple[str, str], Verified] = {}
        self.lock = threading.Lock()

    def recall(self, verified: Iterable[Verified]) -> None:
        """Put up what was found the same of a standby, in place of what was of another."""
        with self.lock:
            self.verified = {(one.what, one.object): one for one in verified}

    def take(self, passed: Passed, verified: Iterable[Verified]) -> None:
        """Put up a comparison, and what it found the same."""
        with self.lock:
            self.last = passed
            self.results[passed.result] += 1
            self.verified |= {(one.what, one.object): one for one in verified}
            report = passed.report
            if report is not None:
                self.unseen = len(report.unseen)
                self.read_bytes += sum(one.size for one in report.compared)
                found = Counter((one.what.value, one.word.value) for one in (*report.different, *report.unsettled))
                kinds = {one.what.value for one in report.compared} | {what for what, _ in found}
                # A zero is told too: an alert is to see it come back.
                self.findings = {
                    (what, word.value): found[what, word.value]
                    for what in sorted(kinds)
                    for word in (Word.DIFFERENT, Word.UNSETTLED)
                }
