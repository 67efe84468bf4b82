"""Which of two nodes is primary right now, whether each answers, and how far the standby is behind.

Looked at every few seconds in a thread of its own, so that a comparison that takes an hour, or waits for a node that is
gone, hides nothing of it. After a takeover the two may have exchanged roles: both orders are tried.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from replicator import engines
from replicator.database import Database
from replicator.engine import Comparable
from replicator.errors import BadInput, HadrianError, NodeLost, NodeUnreachable
from replicator.rule import Mode
from replicator.watch.lag import Lag, LagMeter

_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Placed:
    """Who is who.

    Attributes:
        primary: the node that takes writes, or publishes.
        standby: the other.
        urls: theirs, in this order: never print them.
    """

    primary: Database
    standby: Database
    urls: tuple[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the two nodes stand.

    Attributes:
        up: whether each answers, by its address.
        placed: who is who; None where the two are no pair right now.
        lag: how far the standby is behind; None where they are none.
        problem: why they are none.
        at: when, by a clock that never goes back.
    """

    up: dict[str, bool] = field(default_factory=dict)
    placed: Placed | None = None
    lag: Lag | None = None
    problem: str = "nobody has looked yet"
    at: float = field(default_factory=time.monotonic)


class Observer:
    """Looks at two nodes again and again.

    Args:
        urls: both, in whichever order.
        mode: how the two replicate; None asks them each time.
        timeout_s: how long one query may take.
    """

    def __init__(self, urls: tuple[str, str], mode: Mode | None, timeout_s: float) -> None:
        here, there = (engines.database(url) for url in urls)
        self._orders = [Placed(here, there, urls), Placed(there, here, (urls[1], urls[0]))]
        self._mode = mode
        self._timeout_s = timeout_s
        self._meter = LagMeter()
        self._pair: Comparable | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._standing = Standing()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)

    @property
    def standing(self) -> Standing:
        """How they stood when last looked at."""
        with self._changed:
            return self._standing

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; whoever waits is let go."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> Standing:
        """Wait until they were looked at once more, or the time is over; return how they stand."""
        with self._changed:
            self._changed.wait(timeout_s)
            return self._standing

    def _run(self) -> None:
        while not self._ended:
            standing = self._look()
            with self._changed:
                self._standing = standing
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._ended, _EVERY_S)
        self._forget()
        for node in (self._orders[0].primary, self._orders[0].standby):
            node.close()

    def _look(self) -> Standing:
        up = {node.where: _answers(node) for node in (self._orders[0].primary, self._orders[0].standby)}
        if not all(up.values()):
            self._forget()
            away = ", ".join(where for where, answers in up.items() if not answers)
            return Standing(up, problem=f"{away} does not answer")
        try:
            lag = self._meter.measure(*self._placed().positions(), time.monotonic())
        except HadrianError as error:
            self._forget()
            return Standing(up, problem=str(error))
        return Standing(up, self._orders[0], lag, "")

    def _placed(self) -> Comparable:
        """Return the pair in the order that its roles allow; raise what is wrong with the order it had."""
        wrong: BadInput | None = None
        for _ in self._orders:
            self._pair = self._pair or engines.comparable(*self._orders[0].urls, self._mode, self._timeout_s)
            try:
                self._pair.check()
            except BadInput as error:
                wrong = wrong or error
                self._forget()
                self._orders.reverse()
            else:
                return self._pair
        assert wrong is not None  # noqa: S101 - there are two orders, and each was refused
        raise wrong

    def _forget(self) -> None:
        if self._pair is not None:
            self._pair.close()
            self._pair = None


def _answers(node: Database) -> bool:
    try:
        node.replayed()
    except (NodeUnreachable, NodeLost):
        node.close()
        return False
    except HadrianError:  # it does not tell what it was asked, and it is there
        return True
    return True
