"""The processes of a storm: each run's ranks and the pruner, told what to do by lines, and what they answered."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash import store_storm_pruner, store_storm_writer
from tests.fixtures.command import environment

_ANSWER_S = 90.0  # more than a save may wait for a standby, on a busy machine


class Process:
    """A module as a process of its own group, which ends with this one."""

    def __init__(self, module: str, arguments: Sequence[object], log: Path, **settings: str) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1,
                env=environment(OMP_NUM_THREADS="1", **settings), start_new_session=True,
            )  # fmt: skip
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())
        self._lines.put(None)

    def tell(self, line: object) -> None:
        """Write it a line; one that has died does not hear it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")

    def answer(self, timeout_s: float = _ANSWER_S) -> str | None:
        """Return its next line, None behind the last. Raises: queue.Empty: there was none in time."""
        return self._lines.get(timeout=timeout_s)

    @property
    def said(self) -> list[str]:
        """First words of the lines that nobody has asked for yet; the end of the process is `died`."""
        return [_words(line)[0] for line in list(self._lines.queue)]

    def kill(self) -> None:
        """SIGKILL the process and all that it started, and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        self._process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()


def _words(line: str | None) -> list[str]:
    return (line or "died").split(" ", 2)


@dataclass
class Outcome:
    """What a run said of a save.

    Attributes:
        committed: that it exists.
        durable: that the standby has it.
        error: why no more came; None if it went well.
    """

    committed: bool = False
    durable: bool = False
    error: str | None = None


@dataclass
class Run:
    """A run's ranks.

    Attributes:
        name: the run's.
        ranks: how many.
        seed: of its states.
        primary, standby: addresses.
        folder: for its log and where its ranks meet.
    """

    name: str
    ranks: int
    seed: int
    primary: str
    standby: str
    folder: Path
    _processes: list[Process] = field(default_factory=list, init=False)
    _starting: list[Process] = field(default_factory=list, init=False)
    _starts: int = field(default=0, init=False)

    @property
    def log(self) -> Path:
        """What its processes wrote on standard error."""
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start every rank anew."""
        self.close()
        self._starts += 1
        meeting = self.folder / f"{self.name}-{self._starts}"
        self._processes = [
            Process(
                store_storm_writer.__name__, (self.name, self.seed, rank, self.ranks, meeting), self.log,
                HADRIAN_PRIMARY=self.primary, HADRIAN_STANDBY=self.standby,
            )
            for rank in range(self.ranks)
        ]  # fmt: skip
        self._starting = list(self._processes)

    def save(self, step: int) -> None:
        """Tell every rank to save a step, once it can be told."""
        for process in self._starting:
            assert process.answer() == "ready", self.log.read_text()
        self._starting = []
        for process in self._processes:
            process.tell(step)

    @property
    def is_waiting(self) -> bool:
        """Whether what it saves is committed, and its position known."""
        return "waiting" in self._processes[0].said

    @property
    def has_ended(self) -> bool:
        """Whether no more will come of the save."""
        return not {"durable", "failed", "died"}.isdisjoint(self._processes[0].said)

    def outcome(self, *, killed: bool = False) -> Outcome:
        """Wait for what becomes of the save."""
        found = Outcome()
        leading = self._processes[0]
        while not found.durable and found.error is None:
            match _words(leading.answer()):
                case ["committed", _]:
                    found.committed = True
                case ["waiting", _]:
                    pass
                case ["durable", _]:
                    found.durable = True
                case ["failed", _, why]:
                    found.error = why
                case ["died"]:
                    assert killed, f"run {self.name} died:\n{self.log.read_text()[-3000:]}"
                    found.error = "died"
                case other:
                    raise AssertionError(other)
        return found

    def kill(self, rank: int | None) -> None:
        """SIGKILL a rank, or all of them."""
        for process in self._processes if rank is None else [self._processes[rank]]:
            process.kill()

    def close(self) -> None:
        """End what runs."""
        self.kill(None)
        self._processes = []


class Pruner:
    """The process that prunes and collects. Calls: `begin` and `rest` in turns."""

    def __init__(self, primary: str, grace_s: float, runs: Sequence[str], log: Path) -> None:
        self._log = log
        self._process = Process(store_storm_pruner.__name__, (grace_s, *runs), log, HADRIAN_PRIMARY=primary)

    def begin(self) -> None:
        """Let it begin."""
        self._process.tell("begin")

    def rest(self) -> None:
        """Let it come to an end with what it does, and wait for that."""
        self._process.tell("rest")
        assert self._process.answer() == "resting", self._log.read_text()

    def close(self) -> None:
        """End it."""
        self._process.kill()
