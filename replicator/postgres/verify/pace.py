"""How fast a comparison may read."""

from __future__ import annotations

import threading
import time


class Pace:
    """A bound on bytes a second, kept by all who read together.

    Args:
        rate: bytes a second; None for no bound.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def wait(self, size: int, stopped: threading.Event) -> None:
        """Wait until so many bytes may be read, or until it is over."""
        if self._rate is None:
            return
        with self._lock:
            begin = max(self._free_at, time.monotonic())
            self._free_at = begin + size / self._rate
        stopped.wait(begin - time.monotonic())
