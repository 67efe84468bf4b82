"""A real run's journal tells which of its checkpoints have seen a row, also where the primary was lost."""

from __future__ import annotations

import contextlib
from typing import Any

from replicator.lineage import of_row
from replicator.postgres.adapter import PostgresDatabase
from tests.fixtures.training import Event, Ground


def test_training_leaves_what_tells_who_has_seen_a_row(ground: Ground) -> None:
    """Rows of snapshot and stream, inserted and updated, before and behind a takeover; a delete is not seen."""
    ground.write(9, 15)
    ground.pair.run("update note set body = 'once more' where id = 2")
    ground.pair.run("delete from note where id = 3")
    ground.write(16, 40)
    lost = []

    def fail_over(event: Event, _launched: Any) -> None:
        if (event["event"], event.get("step")) == ("step", 5) and not lost:
            lost.append(event)
            ground.pair.fail_over()

    ground.train(ground.recipe(), fail_over)
    with contextlib.closing(PostgresDatabase(ground.urls[1])) as node:
        told = {key: of_row(node, f"public.note/{key}").runs[0] for key in (1, 2, 3, 12, 13, 15, 30, 31, 40)}
    # Four rows a step: 1-4, 5-8, 9-12, 13-15 and 2 again, 16-19 ... 28-31; checkpoints behind 3, 6 and 8.
    assert {key: (one.first_step, one.times) for key, one in told.items()} == {
        1: (1, 1), 2: (1, 2), 3: (1, 1), 12: (3, 1), 13: (4, 1), 15: (4, 1), 30: (8, 1), 31: (8, 1), 40: (None, 0),
    }  # fmt: skip
    assert {key: (one.seen_by, one.go_back_to) for key, one in told.items()} == {
        1: ((3, 6, 8), None), 2: ((3, 6, 8), None), 3: ((3, 6, 8), None), 12: ((3, 6, 8), None), 13: ((6, 8), 3),
        15: ((6, 8), 3), 30: ((8,), 6), 31: ((8,), 6), 40: ((), 8),
    }  # fmt: skip
    assert {one.untold for one in told.values()} == {0}
