"""Many drills, each with a kill of its own at a moment drawn from a seed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

from trainer import model
from trainer.drill.scenario import Audience, Drill, Kill, Settings, Summary


def storm(
    directory: Path, settings: Settings, drills: int, seed: int, audience: Audience, *, keep: bool = False
) -> Iterator[Summary]:
    """Play `drills` drills one after the other and yield what each came to.

    Args:
        directory: gets a folder for each.
        settings: the same for all, but for the writer's seed.
        drills: how many.
        seed: decides every kill; the same seed draws the same kills.
        audience: who is told.
        keep: leave each drill's files.
    """
    rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    path = model.prepare(settings.model, directory / "model")
    for number in range(drills):
        kill = Kill.draw(rng, number)
        one = dataclasses.replace(settings, model=path, seed=settings.seed + number)
        audience.say(f"drill {number + 1} of {drills}: kill {kill}")
        yield Drill(directory / f"drill-{number + 1}", one, kill, audience).run(keep=keep)
