"""The drill itself, on a small model: each moment of death, and the seed that repeats a storm."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from replicator.rule import Finding
from trainer.drill.scenario import Drill, Kill, Settings, Summary
from trainer.drill.storm import storm

_SEED = int(os.environ.get("HADRIAN_CHAOS_SEED", "20261124"))


class Silent:
    """Watches without a word, and keeps what the audit found."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def say(self, line: str) -> None:
        """Take a line; pytest shows it when the test fails."""
        print(line)  # noqa: T201 - captured

    def progress(self, phase: str, done: int, total: int) -> None:
        """Take a step."""

    def findings(self, found: list[Finding]) -> None:
        """Keep the findings."""
        self.found = found


def _settings(model: Path, ranks: int = 1) -> Settings:
    return Settings(str(model), steps=28, tensor_parallel=ranks)


def _check(summary: Summary) -> None:
    assert summary.verdict.differences == (), f"HADRIAN_CHAOS_SEED={_SEED}, kill {summary.kill}"
    assert summary.verdict.rows == 28 * 8
    # What is killed when the last step is done has nothing to go on with.
    assert summary.resumed_s > 0 or summary.hit in {"after step 28", "the checkpoint at step 28"}


@pytest.mark.parametrize("moment", ["between", "checkpoint", "snapshot", "any"])
def test_whenever_the_primary_dies_every_row_is_trained_once_to_the_same_bits(
    moment: str, folder: Path, tiny_model: Path
) -> None:
    """The proof holds for each moment of death, at a place in it drawn from the seed."""
    fraction = random.Random(f"{_SEED} {moment}").random()
    _check(Drill(folder / "drill", _settings(tiny_model), Kill(moment, fraction), Silent()).run())  # type: ignore[arg-type]


def test_a_drill_with_three_ranks_holds_and_leaves_nothing(folder: Path, tiny_model: Path) -> None:
    """Tensor-parallel too; the audit named the unlogged table beforehand, and the pair is gone afterwards."""
    audience = Silent()
    _check(Drill(folder / "drill", _settings(tiny_model, ranks=3), Kill(), audience).run())
    assert [(one.rule.id, str(one.object)) for one in audience.found] == [("PGP-001", "drill.page_view")]
    assert not (folder / "drill" / "pair").exists()


def test_a_seed_draws_the_same_kills_again() -> None:
    """What HADRIAN_CHAOS_SEED promises."""
    first, second = random.Random(_SEED), random.Random(_SEED)
    assert [Kill.draw(first, n) for n in range(9)] == [Kill.draw(second, n) for n in range(9)]


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)  # as long as a hundred drills may take on a busy machine
def test_a_long_storm_of_kills_holds(folder: Path, tiny_model: Path) -> None:
    """A hundred drills (HADRIAN_SOAK_DRILLS of them), each killed at its own moment."""
    drills = int(os.environ.get("HADRIAN_SOAK_DRILLS", "100"))
    for number, summary in enumerate(storm(folder, _settings(tiny_model), drills, _SEED, Silent()), 1):
        print(f"{number}: {summary.kill}, hit {summary.hit}, {summary.verdict.rows} rows")  # noqa: T201 - progress of a soak
        _check(summary)
