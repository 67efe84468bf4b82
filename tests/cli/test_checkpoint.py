"""`hadrian checkpoint show|verify|tag|rm|prune` and `hadrian store collect` as a user meets them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from replicator import step_journal
from replicator.position import Cursor, Lsn
from replicator.step_journal import Step
from replicator.store import checkpoints
from replicator.store.writer import Writer, publish
from tests.fixtures.command import complaint, hadrian
from tests.fixtures.pair import Pair
from tests.fixtures.store import Store

_FLIP = "update hadrian.chunk set body = set_bit(body, 80, 1 - get_bit(body, 80)) where sha256 = %s"
_BYTES = 4000


@pytest.fixture(scope="module")
def store(shared_pair: Pair) -> Iterator[Store]:
    """Make a store for the module."""
    with contextlib.closing(Store(shared_pair)) as made:
        yield made


def _run(store: Store, run: str, steps: int) -> dict[int, bytes]:
    """Make a run with a checkpoint behind each step: `frozen` is in all, `w` is its own, whose chunk is returned."""
    step_journal.open_run(store.a, run, "f", "{}")
    frozen, own, before = store.content(_BYTES), {}, Cursor(Lsn(1), 0)
    for step in range(1, steps + 1):
        after = Cursor(Lsn(1 + step), 0)
        step_journal.append(store.a, run, Step(step, before, after, 2, bytes(32), 1 / step, 0.5))
        writer = Writer(store.a)
        shape = {"dtype": "float32", "shape": [_BYTES // 4], "offset": [0], "size": [_BYTES // 4]}
        blobs = [
            writer.put("frozen@0", frozen, {"fqn": "frozen", **shape}),
            writer.put("w@0", store.content(_BYTES), {"fqn": "w", **shape}),
        ]
        writer.flush()
        with publish(store.a, "checkpoint", f"{run}/{step}", blobs) as (transaction, artifact_id):
            checkpoints.record(store.a, transaction, run, step, artifact_id, after)
        own[step], before = blobs[1].chunks[0], after
    store.catch_up()
    return own


def _settings(store: Store) -> dict[str, str]:
    a, b = (store.pair.embedded.url(node) for node in ("a", "b"))
    return {"HADRIAN_PRIMARY": a, "HADRIAN_STANDBY": b}


def test_show_tells_what_a_checkpoint_is_made_of(store: Store) -> None:
    """From the standby, as lines and as JSON: cursor, tags, steps since the one before, bytes stored and shared."""
    _run(store, "shown", 3)
    settings = _settings(store)
    done = hadrian("checkpoint", "tag", "shown/2", "good", **settings)
    assert (done.returncode, done.stdout) == (0, "checkpoint shown/2 is tagged good\n")
    store.acknowledged()
    done = hadrian("checkpoint", "show", "shown:good", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first.startswith("checkpoint shown/2, cursor 0/3+0, published 20")
    assert lines.pop(5).startswith("b: replayed 0/")
    assert lines == [
        "tags: good",
        "steps: 2 to 2, 2 rows, loss 0.5 to 0.5",
        "chunks: 2, 1 of them also of step 1; 0 are differences from another",
        "bytes: 7.8 kB plain, 7.8 kB stored, of which 3.9 kB shared with it",
        "durable on: b",
        "",
        "tensor  dtype    shape  bytes  shards",
        "frozen  float32  1000    4000       1",
        "w       float32  1000    4000       1",
    ]
    told = json.loads(hadrian("checkpoint", "show", "shown", "--format", "json", **settings).stdout)
    assert (told["checkpoint"]["step"], told["before"], told["tags"], told["shared_chunks"]) == (3, 2, [], 1)
    assert (told["trained"]["first"], told["trained"]["rows"]) == (3, 2)


def test_diff_tells_what_two_checkpoints_do_not_share(store: Store) -> None:
    """Exit code 1 and a line for each tensor that is not the same, with the steps in between; 0 for one and itself."""
    _run(store, "diffed", 3)
    settings = _settings(store)
    done = hadrian("checkpoint", "diff", "diffed/1", "diffed/3", **settings)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[:5] == [
        "diffed/1, cursor 0/2+0: 8000 bytes in 2 chunks",
        "diffed/3, cursor 0/4+0: 8000 bytes in 2 chunks",
        "shared: 1 chunks, 4000 bytes",
        "between them: 2 steps, 4 rows in the journal",
        "",
    ]
    assert lines[6].split()[:4] == ["w", "changed", "float32", "1000"]
    assert lines[7:] == ["1 tensors are the same"]
    done = hadrian("checkpoint", "diff", "diffed", "diffed/3", "--format", "json", **settings)
    assert (done.returncode, json.loads(done.stdout)["unchanged"]) == (0, 2)


def test_verify_names_what_is_hit_and_what_is_whole(store: Store) -> None:
    """Exit code 0 while all is whole; a flipped bit is 1, with tensor, bytes and elements, on either node."""
    own = _run(store, "verified", 2)
    settings = _settings(store)
    done = hadrian("checkpoint", "verify", "verified", "--all", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == [
        "step  is     chunks  hits",
        "   2  whole       2     0",
        "   1  whole       2     0",
        "read 3 chunks, 12000 bytes",
    ]
    store.query(_FLIP, own[2])
    store.catch_up()
    for node in (settings["HADRIAN_PRIMARY"], settings["HADRIAN_STANDBY"]):
        done = hadrian("checkpoint", "verify", "verified", "--node", node, **settings)
        assert (done.returncode, done.stderr) == (1, "")
        assert "   2  hit         2     1\n   1  whole       2     0\n" in done.stdout
        assert f"   2  w       w@0    0 to 3999  0 to 999  {own[2].hex()[:16]}  " in done.stdout
        assert "checkpoint verified/1 is whole\n" in done.stdout
    done = hadrian("checkpoint", "verify", "verified/2", "--format", "json", **settings)
    told = json.loads(done.stdout)
    assert (done.returncode, told["newest_whole"]) == (1, 1)
    assert (told["hits"][0]["tensor"], told["hits"][0]["byte_range"]) == ("w", [0, 3999 + 1])
    assert "leave out the step" in complaint(hadrian("checkpoint", "verify", "verified/2", "--all", **settings))


def test_checkpoints_are_kept_by_rule_and_tag_and_removed_by_name(store: Store) -> None:
    """A dry run says what would go, prune takes it, rm refuses the tagged and the newest, and all of it as JSON."""
    _run(store, "kept", 5)
    settings = _settings(store)
    hadrian("checkpoint", "tag", "kept/1", "first", **settings)
    rule = ("checkpoint", "prune", "kept", "--keep-last", "1", "--keep-every", "4")
    done = hadrian(*rule, "--dry-run", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("  ")[-1].strip() for line in done.stdout.splitlines()] == [
        "checkpoints of run kept", "kept for", "newest", "every 4", "would be removed", "would be removed", "tag first",
        "2 chunks (7.8 kB) would be held by nothing now",
    ]  # fmt: skip
    done = hadrian(*rule, "--keep-best", "3", "--format", "json", **settings)
    removal = json.loads(done.stdout)["removal"]
    gone = [one["checkpoint"]["step"] for one in removal["decisions"] if not one["reasons"]]
    assert (done.returncode, gone, removal["chunks"]) == (0, [2], 1)
    said = complaint(hadrian("checkpoint", "rm", "kept/3", "kept/1", **settings))
    assert "kept/1 is tagged first; take the tag away first (hadrian checkpoint tag kept/1 first --delete)" in said
    done = hadrian("checkpoint", "tag", "kept/1", "first", "--delete", **settings)
    assert done.stdout == "checkpoint kept/1 is no longer tagged first\n"
    done = hadrian("checkpoint", "rm", "kept/3", "kept/1", **settings)
    assert done.stdout == "removed kept/3, 1; 2 chunks (7.8 kB) are held by nothing now\n"
    assert [one.step for one in checkpoints.found(store.a, "kept")] == [5, 4]


def test_collect_deletes_what_nothing_holds_and_says_what_is_dead(store: Store) -> None:
    """Within the grace nothing goes; after it a dry run says what would, and then it goes."""
    store.query("update hadrian.chunk set created_at = now() - interval '2 days'")
    hadrian("store", "collect", HADRIAN_PRIMARY=_settings(store)["HADRIAN_PRIMARY"])
    store.put(store.content(_BYTES))
    settings = _settings(store)
    done = hadrian("store", "collect", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said[:2] == ["deleted 0 chunks, 0 B", "1 chunks, 3.9 kB, are held by nothing, but for less than 24 hours"]
    assert said[2].startswith("hadrian.chunk: ")
    assert said[3].endswith("by the server's statistics; pgstattuple would tell exactly")
    assert said[4].startswith("autovacuum begins at ")
    done = hadrian("store", "collect", "--grace", "0", "--dry-run", **settings)
    assert done.stdout.startswith("would delete 1 chunks, 3.9 kB\nhadrian.chunk: ")
    told = json.loads(hadrian("store", "collect", "--grace", "0", "--format", "json", **settings).stdout)
    assert (told["deleted"]["chunks"], told["in_grace"]["chunks"], told["dry_run"]) == (1, 0, False)


def test_what_cannot_be_done_is_one_line(store: Store) -> None:
    """No such checkpoint, no form of one, two wishes at once, a standby to write to, Db2."""
    _run(store, "odd", 1)
    settings = _settings(store)
    for arguments, said in (
        (("show", "odd/7"), "run odd has no checkpoint 7; list what is there: hadrian checkpoint list"),
        (("show", "od d"), "not a checkpoint: 'od d'; write it as RUN, RUN/STEP or RUN:TAG"),
        (("tag", "odd/1", "a b"), "not a tag: 'a b'; use up to 100"),
        (("tag", "odd/1", "a", "--move", "--delete"), "--move and --delete ask for different things; give one"),
        (("tag", "odd/1", "a", "--primary", settings["HADRIAN_STANDBY"]), "read-only transaction"),
        (("rm", "odd"), "odd names a run and no checkpoint; write it as RUN/STEP or RUN:TAG"),
        (("prune", "odd", "--keep-last", "0"), "0 is not in the range x>=1"),
        (("show", "odd", "--node", "db2://u:secret@host/d"), "not a PostgreSQL URL"),
    ):
        complained = complaint(hadrian("checkpoint", *arguments, **settings))
        assert said in complained
        assert "secret" not in complained
