"""Comparison after comparison, through whatever happens to the pair.

Between two of them the watch waits, unless a takeover has made a standby that nobody has compared yet. One that could
not begin, or was cut off, is begun again as soon as the two are a pair.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

from replicator.comparison import Request
from replicator.errors import HadrianError
from replicator.rule import Mode
from replicator.verify import Report, verify
from replicator.watch import history
from replicator.watch.board import Board, Passed
from replicator.watch.history import Verified
from replicator.watch.observer import Observer, Placed

_RETRY_S = 5.0
_TIMEOUT_S = 10.0


class Watch:
    """Compares two nodes again and again.

    Args:
        urls: both, in whichever order.
        request: what is compared.
        mode: how the two replicate; None asks them.
        every_s: from the beginning of one comparison to that of the next.
    """

    def __init__(self, urls: tuple[str, str], request: Request, *, mode: Mode | None, every_s: float) -> None:
        self.board = Board()
        self.observer = Observer(urls, mode, _TIMEOUT_S)
        self._request = request
        self._mode = mode
        self._every_s = every_s
        self._number = 0

    def run(self, tell: Callable[[Passed], None]) -> None:
        """Compare until interrupted, and tell each comparison; `tell` may end it by raising.

        Raises:
            BadInput: the two URLs are of no engine of ours.
        """
        self.observer.start()
        compared: Placed | None = None
        try:
            while True:
                placed = self._placed()
                began = time.monotonic()
                if compared is None or placed.standby.where != compared.standby.where:
                    self.board.recall(_recalled(placed))
                compared = placed
                passed = self._compare(placed)
                tell(passed)
                whole = passed.report is not None and passed.report.cut is None
                self._rest(placed, began + (self._every_s if whole else min(self._every_s, _RETRY_S)))
        finally:
            self.observer.stop()

    def _placed(self) -> Placed:
        """Wait until the two are a pair."""
        standing = self.observer.standing
        while standing.placed is None:
            standing = self.observer.wait(_RETRY_S)
        return standing.placed

    def _rest(self, placed: Placed, until: float) -> None:
        """Wait for the time to come, or for the two to have exchanged their roles."""
        while (left := until - time.monotonic()) > 0:
            standing = self.observer.wait(left)
            if standing.placed is not None and standing.placed.standby.where != placed.standby.where:
                return

    def _compare(self, placed: Placed) -> Passed:
        began = time.monotonic()
        report: Report | None = None
        problem = ""
        try:
            report = verify(*placed.urls, self._request, mode=self._mode, timeout_s=_TIMEOUT_S)
            problem = str(report.cut or "")
        except HadrianError as error:
            problem = str(error)
        took = time.monotonic() - began
        now = datetime.now(UTC)
        verified = history.same(report, now) if report is not None else []
        unrecorded = _record(placed, report, took, verified)
        self._number += 1
        passed = Passed(
            self._number, placed.primary.where, placed.standby.where, report, problem, took, now, unrecorded
        )
        self.board.take(passed, verified)
        return passed


def _recalled(placed: Placed) -> list[Verified]:
    with contextlib.suppress(HadrianError):
        return history.read(placed.primary, placed.standby.where)
    return []


def _record(placed: Placed, report: Report | None, took_s: float, verified: list[Verified]) -> str:
    """Write the history, and return why it could not be."""
    if report is None:
        return "there was nothing to record"
    try:
        history.write(placed.primary, placed.standby.where, report, took_s, verified)
    except HadrianError as error:
        return f"{error}; {error.hint}"
    return ""
