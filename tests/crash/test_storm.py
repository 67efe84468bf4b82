"""A feed under a storm of kills: what its reader keeps is the committed history, each row once, in commit order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.storm import SETTINGS, Storm
from tests.fixtures.pair import fresh_pair

_SEED = int(os.environ.get("HADRIAN_CHAOS_SEED", "20261124"))


def _storm(folder: Path, kills: int, *, every: int) -> Storm:
    """Go on with rounds until there were so many kills, and check the output behind every so many ways."""
    with fresh_pair(SETTINGS) as pair, Storm(pair, folder, _SEED) as storm:
        storm.begin()
        while storm.kills < kills:
            for number, way in enumerate(storm.round(), 1):
                if number % every == 0:
                    found = storm.differences()
                    print(f"{storm.kills}: {way}, {storm.forks} forks")  # noqa: T201 - progress of a soak
                    assert not found, "\n".join([f"HADRIAN_CHAOS_SEED={_SEED}, {storm.killed}, {storm.done}", *found])
        return storm


def test_a_feeds_output_is_the_committed_history_whichever_node_is_killed(folder: Path) -> None:
    """Reader, standby and primary are killed under load, each way once, and the output is checked behind each."""
    storm = _storm(folder, kills=6, every=1)
    assert storm.forks >= 1
    assert {"reader", "standby", "primary"} == set(storm.killed)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)  # as long as a hundred kills may take on a busy machine
def test_a_feeds_output_is_the_committed_history_after_a_hundred_kills(folder: Path) -> None:
    """A hundred kills (HADRIAN_SOAK_KILLS of them), the reader among them, and a check behind every round."""
    _storm(folder, int(os.environ.get("HADRIAN_SOAK_KILLS", "100")), every=5)
