"""Ranks as processes, through torch's elastic agent: started, listened to, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from replicator import errors
from replicator.errors import HadrianError, ProcessFailed
from trainer import events, parentage
from trainer.recipe import Recipe

_STOP_TIMEOUT_S = 15.0


class Launch:
    """A training run in processes of its own, or a replay of one.

    Args:
        recipe: what to train; its tensor-parallel degree is the number of ranks.
        nodes: DSNs; they go through the environment, which other users cannot read.
        folder: gets the recipe and the ranks' log.
        replay: what the ranks do instead of training: a word, and what it is to be done with (see `__main__`).
        max_restarts: how often a crashed rank makes the agent start all of them again.
    """

    def __init__(
        self,
        recipe: Recipe,
        nodes: Sequence[str],
        folder: Path,
        *,
        replay: Sequence[str] = (),
        max_restarts: int = 3,
    ) -> None:
        name = "-".join([recipe.run, *replay[:1]])
        self._log = folder / f"{name}.log"
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
        argv = [
            # The shell becomes the agent, so the process id that it writes down is the agent's.
            "/bin/sh", "-c", f'{parentage.AGENT}=$$ exec "$@"', "sh",
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nnodes=1",
            f"--nproc-per-node={recipe.tensor_parallel}", f"--max-restarts={max_restarts}", "-m", "trainer", str(path),
            *replay,
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True,
                env=_environment(recipe, nodes),
                # Ctrl-C reaches us alone: we stop the agent, and it stops its ranks.
                start_new_session=True, preexec_fn=_end_with_us,  # noqa: PLW1509 - no threads have started yet
            )  # fmt: skip

    @property
    def agent(self) -> int:
        """Process id of the elastic agent."""
        return self._process.pid

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield events until the run has finished.

        Raises:
            HadrianError: the run ended in this error.
            ProcessFailed: a rank crashed more often than the agent may restart it.
        """
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        for line in self._process.stdout:
            event = events.parse(line)
            if event is None:
                continue
            if event["event"] == "error":
                kind = getattr(errors, event["kind"], HadrianError)
                raise kind(event["message"], hint=event["hint"])
            yield event
            if event["event"] == "finished":
                return  # everything is durable by then: how the ranks end is of no interest any more
        raise ProcessFailed(f"the ranks ended early: {_last_line(self._log)}", hint=f"read {self._log}")

    def close(self) -> None:
        """Stop the agent and every rank, and wait for them."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _environment(recipe: Recipe, nodes: Sequence[str]) -> dict[str, str]:
    environment = dict(os.environ)
    environment["HADRIAN_NODES"] = " ".join(nodes)
    environment["OMP_NUM_THREADS"] = "1"  # the ranks set their own; this keeps the agent's warning away
    environment["TOKENIZERS_PARALLELISM"] = "false"
    # Shared with the agent, the ranks' store keeps the addresses of those that died, and a restart hangs on them.
    environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    if Path(recipe.model.path).exists():
        environment["HF_HUB_OFFLINE"] = "1"  # nothing to ask for
    return environment


def _end_with_us() -> None:
    parentage.end_with_parent(signal.SIGTERM)


def _last_line(log: Path) -> str:
    """Return the last exception a rank died of: the agent's own report says only that one did."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("[rank")]
    errors_seen = [line for line in lines if "Error: " in line]
    return errors_seen[-1].split("]: ", 1)[1].strip() if errors_seen else "a rank was killed"
