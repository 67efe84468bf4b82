"""A store under a storm: whatever is lost at whichever place of a save, the old or the new checkpoint is whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.postgres.embedded import EmbeddedPair
from tests.crash.store_storm import KINDS, SETTINGS, StoreStorm
from tests.fixtures.pair import Pair
from tests.fixtures.small_disk import SmallDisk, mounted

_SEED = int(os.environ.get("HADRIAN_CHAOS_SEED", "20261124"))
_DISK_BYTES = 2 << 30  # memory, as far as it is used


@contextlib.contextmanager
def _storm(folder: Path) -> Iterator[StoreStorm]:
    with contextlib.ExitStack() as stack:
        disk = None
        place = folder
        with contextlib.suppress(pytest.skip.Exception):  # then its disk is never full
            place = stack.enter_context(mounted(_DISK_BYTES))
            disk = SmallDisk(place, _DISK_BYTES)
        embedded = EmbeddedPair.create(place / "pair", SETTINGS)
        stack.callback(embedded.remove)
        pair = Pair(embedded)
        stack.callback(pair.close)
        storm = stack.enter_context(StoreStorm(pair, disk, folder, _SEED))
        storm.begin()
        yield storm


def test_the_old_or_the_new_checkpoint_is_whole_whatever_is_lost(folder: Path) -> None:
    """Each thing is taken away once while two runs save and a third process prunes; nothing is lost or left over."""
    with _storm(folder) as storm:
        for moment in storm.moments():
            print(moment)  # noqa: T201 - captured
        storm.check_room()
        assert len(storm.done) >= len(KINDS) - 1  # the disk may be one that cannot be filled
        assert storm.hit["behind it"] < len(storm.done) // 2  # the others fell into a save


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)  # as long as two hundred moments may take on a busy machine
def test_the_old_or_the_new_checkpoint_is_whole_after_two_hundred_moments(folder: Path) -> None:
    """Two hundred moments (HADRIAN_SOAK_MOMENTS of them), and what is left over is looked at behind each round."""
    moments = int(os.environ.get("HADRIAN_SOAK_MOMENTS", "200"))
    with _storm(folder) as storm:
        while len(storm.done) < moments:
            for moment in storm.moments():
                print(f"{len(storm.done)}: {moment}", flush=True)  # noqa: T201 - progress of a soak
            print(f"{storm.check_room()} chunks are held, hit {dict(storm.hit)}")  # noqa: T201 - progress of a soak
