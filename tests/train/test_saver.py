"""Checkpoints are saved beside the steps: whatever holds the store up holds no step up, and no later bit gets in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from replicator.postgres.adapter import PostgresDatabase
from replicator.store import checkpoints, verification
from tests.fixtures.training import REFERENCE_SLOT, Event, Ground, at_rest, named


@contextlib.contextmanager
def _held_up(ground: Ground) -> Iterator[Any]:
    """Let no chunk be written until the connection that this yields is closed."""
    with contextlib.closing(ground.pair.primary.engine.raw_connection()) as holder:
        holder.cursor().execute("lock table hadrian.chunk in share mode")
        yield holder


def test_steps_go_on_while_a_checkpoint_is_saved_and_leave_no_trace_in_it(ground: Ground) -> None:
    """Two steps are done before the checkpoint of step 3 is; what resumes from it ends in an undisturbed run's bits."""
    ground.write(9, 20)
    with _held_up(ground) as holder:
        fail_over = at_rest(5, 3, lambda _launched: ground.fail_over())

        def act(event: Event, launched: Any) -> None:
            if (event["event"], event.get("step")) == ("step", 5) and not event["replayed"]:
                holder.close()
            fail_over(event, launched)

        events = ground.train(ground.recipe(), act)
    told = [(event["event"], event["step"]) for event in events if event["event"] in {"step", "checkpoint"}]
    assert told.index(("step", 5)) < told.index(("checkpoint", 3))
    assert [event["step"] for event in named(events, "resumed")] == [0, 3]
    reference = ground.train(ground.reference())
    assert named(events, "finished")[0]["digest"] == named(reference, "finished")[0]["digest"]
    differences = "select count(*) from hadrian.chunk as c join hadrian.artifact_chunk as h on h.sha256 = c.base"
    held_by = " join hadrian.artifact as a on a.id = h.artifact_id where a.name = 'one/3'"
    ((count,),) = ground.pair.run(differences + held_by, "b")
    assert count > 0, "the first checkpoint of a session is stored as differences from the one that it began with"


def test_a_checkpoint_that_is_due_meanwhile_waits_or_is_passed_over(ground: Ground) -> None:
    """By default step 7 comes after the checkpoint of step 3; a recipe may pass over that of step 6, never the last."""
    ground.write(9, 60)
    for policy, slot in (("wait", ground.slot), ("skip", REFERENCE_SLOT)):
        recipe = ground.recipe(run=policy, when_saving=policy, feed={"name": "f", "slot": slot})
        with _held_up(ground) as holder:
            events = ground.train(recipe, _release(holder, policy))
        told = [(event["event"], event["step"]) for event in events if event["event"] in {"step", "checkpoint"}]
        saved = [event["step"] for event in named(events, "checkpoint")]
        skipped = [event["step"] for event in named(events, "checkpoint-skipped")]
        assert (saved, skipped) == (([3, 6, 8], []) if policy == "wait" else ([3, 8], [6]))
        assert (told.index(("checkpoint", 3)) < told.index(("step", 7))) == (policy == "wait")
    with contextlib.closing(PostgresDatabase(ground.urls[0])) as node:
        assert verification.verify(node, checkpoints.found(node)).hits == (), "each is a difference from the one before"


def _release(holder: Any, policy: str) -> Any:
    awaited = ("step", 6) if policy == "wait" else ("step", 8)

    def act(event: Event, _launched: Any) -> None:
        if (event["event"], event.get("step")) == awaited:
            holder.close()

    return act
