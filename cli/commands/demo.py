"""`hadrian demo`: the whole promise on this machine, in minutes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import progress, render
from cli.options import Output, examples, format_option

if TYPE_CHECKING:
    from replicator.rule import Finding
    from trainer.drill.scenario import Summary

_SEED_VARIABLE = "HADRIAN_CHAOS_SEED"


@click.command(
    epilog=examples(
        "hadrian demo",
        "hadrian demo --keep --steps 80",
        "hadrian demo --model HuggingFaceTB/SmolLM2-360M --tp 5",
        f"{_SEED_VARIABLE}=7 hadrian demo --chaos 10",
    )
)
@click.option("--model", metavar="PATH_OR_HUB_ID", help="Another model than the SmolLM2-135M that comes along.")
@click.option("--tp", default=3, show_default=True, type=click.IntRange(min=1), help="Tensor-parallel ranks.")
@click.option("--steps", type=click.IntRange(min=8), help="Optimizer steps; 32, or 20 with --chaos.")
@click.option("--keep", is_flag=True, help="Keep the directory with everything in it, servers stopped.")
@click.option("--chaos", metavar="N", type=click.IntRange(min=1), help="N drills, each killed at a random moment.")
@format_option
def command(model: str | None, tp: int, steps: int | None, keep: bool, chaos: int | None, output: Output) -> int:
    """Fine-tune a model on a live pair, kill the primary, go on, and prove that nothing was lost.

    Starts a PostgreSQL primary and standby of its own, loads real text, trains on rows streamed from the standby
    with checkpoints in the primary, kills the primary with SIGKILL, promotes the standby, resumes there, and
    compares with an undisturbed run bit by bit. Exit code 1 if anything differs.
    """
    from trainer import model as models
    from trainer.drill.plot import save
    from trainer.drill.scenario import Drill, Kill, Settings
    from trainer.drill.storm import storm

    steps = steps or (20 if chaos else 32)
    settings = Settings(model or models.bundled(), steps=steps, tensor_parallel=tp)
    with _directory(keep) as directory, _Watcher(quiet=output == "json") as audience:
        if chaos is None:
            summaries = [Drill(directory / "drill", settings, Kill(), audience).run(keep=keep)]
            save(summaries[0], Path("loss.png"))
        else:
            seed = int(os.environ.get(_SEED_VARIABLE, time.time_ns() % 1_000_000))
            audience.say(f"{_SEED_VARIABLE}={seed} repeats these kills")
            summaries = list(storm(directory, settings, chaos, seed, audience, keep=keep))
    _report(summaries, output)
    return 0 if all(summary.verdict.holds for summary in summaries) else 1


@contextlib.contextmanager
def _directory(keep: bool) -> Iterator[Path]:
    import shutil
    import tempfile

    directory = Path(tempfile.mkdtemp(prefix="hadrian-demo-"))
    directory.chmod(0o711)  # the servers' OS user passes through it
    try:
        yield directory
    finally:
        if keep:
            render.line(f"kept: {directory}; play with it: hadrian pair start {directory}/drill/pair")
        else:
            shutil.rmtree(directory, ignore_errors=True)


class _Watcher(contextlib.ExitStack):
    """Tells a person: a line a step on standard output, bars on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__()
        self._quiet = quiet
        self._began = time.monotonic()
        self._phase = ""
        self._done = 0

    def say(self, line: str) -> None:
        self._end_phase()
        if not self._quiet:
            render.line(f"{time.monotonic() - self._began:6.1f} s  {line}")

    def progress(self, phase: str, done: int, total: int) -> None:
        if self._phase != phase:
            self._end_phase()
            self._advance = self.enter_context(progress.progress(f"{phase} run", total))
            self._phase, self._done = phase, 0
        self._advance(done - self._done, note=f"step {done} of {total}")
        self._done = done

    def _end_phase(self) -> None:
        if self._phase:
            self._phase = ""
            self.close()

    def findings(self, found: list[Finding]) -> None:
        for finding in found:
            self.say(f"audit: {finding.rule.id} {finding.object}: after a takeover {finding.rule.after_takeover}")


def _report(summaries: list[Summary], output: Output) -> None:
    from trainer.drill.report import facts

    if output == "json":
        render.as_json({"drills": [facts(summary) for summary in summaries]})
        return
    for summary in summaries:
        render.table("What the drill came to", ["", ""], facts(summary).items())
        for difference in summary.verdict.differences:
            render.line(f"DIFFERS: {difference}")
        render.line("")
    held = sum(summary.verdict.holds for summary in summaries)
    render.line(f"{held} of {len(summaries)} drills: the same bits, every row exactly once, nothing past the fork")
