"""Names that serving pulls by, moved on a real pair beside prune, and taken along by a takeover."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.main import main
from replicator.errors import ArtifactMissing, BadInput
from replicator.postgres.topology import wait_until
from replicator.store import checkpoints, promotion, reference, retention
from replicator.store.reference import Reference
from replicator.store.retention import Keep
from tests.fixtures.pair import Pair
from tests.fixtures.store import Store

_FLIP = "update hadrian.chunk set body = set_bit(body, 80, 1 - get_bit(body, 80)) where sha256 = %s"


@pytest.fixture(scope="module")
def made(shared_pair: Pair) -> Iterator[Store]:
    """Make a store for the module."""
    with contextlib.closing(Store(shared_pair)) as one:
        yield one


@pytest.fixture
def store(made: Store) -> Store:
    """Give it a run `r` with checkpoints 10, 20, 30 and 40, and no history."""
    for table in ("promotion", "checkpoint_tag", "checkpoint"):
        made.query(f"delete from hadrian.{table}")
    made.query("delete from hadrian.artifact where kind = 'checkpoint'")
    for step in (10, 20, 30, 40):
        made.checkpoint(step, blobs=made.put(made.content(2000)))
    made.catch_up()
    return made


def _promote(store: Store, step: int) -> promotion.Move:
    return promotion.promote(store.a, reference.find(store.a, Reference("r", step)), "production")


def _now(store: Store) -> int:
    return reference.find(store.a, Reference("r", tag="production")).step


def test_a_rollback_goes_to_the_one_before_and_then_further_back(store: Store) -> None:
    """However it came there; what was rolled back from is promoted again, and the way back is then the new one."""
    for step in (10, 20, 30):
        _promote(store, step)
    assert [promotion.roll_back(store.a, "r", "production").step for _ in range(2)] == [20, 10]
    with pytest.raises(BadInput, match="r:production was on no checkpoint before 10"):
        promotion.roll_back(store.a, "r", "production")
    assert _promote(store, 30).back_step == 10
    assert _promote(store, 30).number == promotion.moves(store.a, "r")[0].number, "it is there already"
    assert promotion.roll_back(store.a, "r", "production").step == _now(store) == 10
    told = [(one.from_step, one.step, one.promoted_by, one.in_force) for one in promotion.moves(store.a, "r")]
    assert told == [
        (30, 10, "postgres", True),
        (10, 30, "postgres", False),
        (20, 10, "postgres", False),
        (30, 20, "postgres", False),
        (20, 30, "postgres", False),
        (10, 20, "postgres", False),
        (None, 10, "postgres", False),
    ]


def test_what_a_rollback_goes_to_is_kept(store: Store) -> None:
    """Prune keeps the promoted one and the one before it, with the reason; rm takes neither unless it must."""
    for step in (10, 20, 30):
        _promote(store, step)
    removal = retention.prune(store.a, "r", Keep(1), dry_run=False)
    assert {one.checkpoint.step: one.reasons for one in removal.decisions} == {
        40: ("newest",),
        30: ("tag production",),
        20: ("rollback of production",),
        10: (),
    }
    with pytest.raises(BadInput, match="r/20 is what production would be rolled back to"):
        retention.remove(store.a, [Reference("r", 20)], force=False)
    retention.remove(store.a, [Reference("r", 20)], force=True)
    with pytest.raises(ArtifactMissing, match="run r has no checkpoint 20 any more"):
        promotion.roll_back(store.a, "r", "production")
    assert _now(store) == 30


def test_a_tag_that_was_moved_by_hand_is_part_of_the_way_back(store: Store) -> None:
    """One that was there before the first promotion, and one that `tag --move` put elsewhere since."""
    for step in (10, 20):
        reference.tag(store.a, reference.find(store.a, Reference("r", step)), "production", move=True)
    assert _promote(store, 30).back_step == 20
    reference.tag(store.a, reference.find(store.a, Reference("r", 40)), "production", move=True)
    reasons = {one.checkpoint.step: one.reasons for one in _planned(store)}
    assert reasons[30] == ("rollback of production",)
    assert [promotion.roll_back(store.a, "r", "production").step for _ in range(2)] == [30, 20]
    reference.untag(store.a, reference.find(store.a, Reference("r", 20)), "production")
    with pytest.raises(ArtifactMissing, match="run r has no checkpoint promoted as production"):
        promotion.roll_back(store.a, "r", "production")
    assert _promote(store, 40).back_step is None


def _planned(store: Store) -> tuple[retention.Decision, ...]:
    return retention.prune(store.a, "r", Keep(1), dry_run=True).decisions


def test_a_promotion_and_a_prune_at_once_leave_the_name_on_a_checkpoint(store: Store) -> None:
    """Who comes second waits for the first, and finds the checkpoint promoted, or gone and says so."""
    _promote(store, 10)
    said: list[BaseException | None] = []

    def prune() -> None:
        try:
            retention.prune(store.database("a"), "r", Keep(1), dry_run=False)
            said.append(None)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            said.append(error)

    with store.a.begin() as transaction:
        transaction.execute(store.a.statement("store/lock_checkpoints"), {"run": "r"})
        pruning = threading.Thread(target=prune)
        pruning.start()
        waiting = "select count(*) from pg_locks where not granted"
        wait_until(lambda: store.query(waiting) == [(1,)], "prune to wait", timeout_s=30)
        promotion._move(store.a, transaction, "r", "production", 20, 10, promotion.moves(store.a, "r")[0].number)
    pruning.join(30)
    assert said == [None]
    assert _now(store) == 20
    assert [one.step for one in checkpoints.found(store.a, "r")] == [40, 20, 10]


def test_two_promotions_at_once_are_one_behind_the_other(store: Store) -> None:
    """The second is noted as coming from where the first put the name, whichever that is."""
    _promote(store, 10)

    def promote(step: int) -> None:
        node = store.database("a")
        promotion.promote(node, reference.find(node, Reference("r", step)), "production")

    with ThreadPoolExecutor(2) as pool, store.a.begin() as transaction:
        transaction.execute(store.a.statement("store/lock_checkpoints"), {"run": "r"})
        under_way = [pool.submit(promote, step) for step in (20, 30)]
        waiting = "select count(*) from pg_locks where not granted"
        wait_until(lambda: store.query(waiting) == [(2,)], "both to wait", timeout_s=30)
        transaction.rollback()
        for one in under_way:
            one.result(30)
    second, first, _ = promotion.moves(store.a, "r")
    assert (second.from_step, second.back_to, first.from_step) == (first.step, first.number, 10)


def test_promote_wants_a_whole_checkpoint_on_the_standbys(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """What is flipped, or not replayed, is refused unless forced; then it is promoted, rolled back and told."""
    urls = [store.pair.embedded.url(node) for node in ("a", "b")]
    on_a = ["--primary", urls[0], "--as", "production"]
    assert main(["checkpoint", "promote", "r/10", *on_a]) == 0
    assert capsys.readouterr().out == "r:production is r/10; it was on none, and a rollback goes to none\n"
    ((digest,),) = store.query(
        "select sha256 from hadrian.artifact_chunk join hadrian.checkpoint using (artifact_id) where step = 20"
    )
    store.query(_FLIP, digest)
    assert main(["checkpoint", "promote", "r/20", *on_a]) == 2
    assert "checkpoint r/20 is not whole on" in capsys.readouterr().err
    assert main(["checkpoint", "promote", "r/30", *on_a, "--durable", "b,c"]) == 2
    assert "standbys b, c are wanted, and there are: b" in capsys.readouterr().err
    assert _now(store) == 10
    assert main(["checkpoint", "promote", "r/20", *on_a, "--force", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["move"]["back_step"] == 10
    assert main(["checkpoint", "rollback", "r", *on_a]) == 0
    assert capsys.readouterr().out == "r:production is r/10; it was on r/20, and a rollback goes to none\n"
    store.catch_up()
    assert main(["checkpoint", "history", "r", "--primary", urls[1]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[2:]] == [
        ["production", "20", "10", "yes"],
        ["production", "10", "20", "no"],
        ["production", "-", "10", "no"],
    ]


def test_a_checkpoint_that_no_standby_has_is_not_promoted(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the standby does not replay it; with nobody to replay it only if that is said."""
    monkeypatch.setattr(promotion, "_WAIT_S", 0.2)
    on_a = ["--primary", store.pair.embedded.url("a"), "--as", "production"]
    store.query("select pg_wal_replay_pause()", node="b")
    try:
        store.checkpoint(50)
        assert main(["checkpoint", "promote", "r/50", *on_a]) == 2
        assert "r/50 is not durable: checkpoint 50 (commit before" in capsys.readouterr().err
        assert main(["checkpoint", "promote", "r/50", *on_a, "--node", on_a[1]]) == 2
        assert "is on 127.0.0.1" in (said := capsys.readouterr().err) or "alone: no standby follows it" in said
        assert main(["checkpoint", "promote", "r/50", *on_a, "--durable", "0"]) == 0
    finally:
        store.query("select pg_wal_replay_resume()", node="b")
