"""`hadrian feed status`, `read` and `drop` as a user meets them."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from replicator import step_journal
from replicator.position import Cursor
from replicator.postgres.topology import wait_until
from tests.fixtures.command import COMMAND, complaint, environment, hadrian
from tests.fixtures.pair import fresh_pair
from tests.fixtures.site import TIMEOUT_S, Site

_COPIES = "select slot_name from pg_replication_slots where slot_name like 'hadrian_read_%%'"


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    """Make one site for the module; nothing fails over."""
    with fresh_pair() as pair, contextlib.closing(Site(pair)) as site:
        yield site


def _settings(site: Site) -> dict[str, str]:
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    return {"HADRIAN_PRIMARY": a, "HADRIAN_STANDBY": b, "HADRIAN_NODES": f"{a} {b}"}


def _feed(site: Site, name: str) -> None:
    """Make a feed of two rows in its snapshot and three behind it."""
    site.table(name, rows=2)
    site.create(name)
    site.insert(name, [3, 4])
    site.run(f"delete from {name} where id = 1")
    site.catch_up()


def test_rows_are_read_as_lines_of_json_as_often_as_one_likes(place: Site) -> None:
    """Snapshot, then commits; the same bytes again; after each line's cursor, exactly the lines below it."""
    _feed(place, "lines")
    done = hadrian("feed", "read", "lines", **_settings(place))
    assert (done.returncode, done.stderr) == (0, "")
    assert hadrian("feed", "read", "lines", "--node", _settings(place)["HADRIAN_STANDBY"]).stdout == done.stdout
    lines = done.stdout.splitlines(keepends=True)
    rows = [json.loads(line) for line in lines]
    assert [(row["_op"], row["id"], row["v"]) for row in rows] == [
        ("snapshot", 1, None), ("snapshot", 2, None), ("insert", 3, None), ("insert", 4, None), ("delete", 1, None),
    ]  # fmt: skip
    assert [list(row) for row in rows] == [["_op", "_cursor", "_xid", "_commit_time", "id", "v"]] * 5
    for index, row in enumerate(rows, 1):
        rest = hadrian("feed", "read", "lines", "--after", row["_cursor"], **_settings(place))
        assert rest.stdout == "".join(lines[index:])
    some = hadrian("feed", "read", "lines", "--after", rows[0]["_cursor"], "--limit-rows", "2", **_settings(place))
    assert some.stdout == "".join(lines[1:3])


def test_what_cannot_be_read_is_one_line(place: Site) -> None:
    """Junk for a cursor, no such feed, a node without the slot, a slot that a run reads, a column of our name."""
    place.table("ours", "id bigint primary key, _op text")
    place.table("taken", rows=1)
    definition = place.create("taken")
    settings = _settings(place)
    said = complaint(hadrian("feed", "create", "ours", "--publication", "ours", **settings))
    assert "column _op has a name that a batch needs for itself; run: alter table public.ours rename" in said
    assert "not a cursor: '12'; write it as" in complaint(hadrian("feed", "read", "taken", "--after", "12", **settings))
    assert "has no feed absent; list what" in complaint(hadrian("feed", "read", "absent", **settings))
    said = complaint(hadrian("feed", "read", "taken", "--node", settings["HADRIAN_PRIMARY"]))
    assert "has no slot hadrian_taken; name every node that may have the feed's slot" in said
    with place.stream(definition, Cursor(definition.start, 0)):
        said = complaint(hadrian("feed", "read", "taken", **settings))
    assert "slot hadrian_taken is being read" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_reader_that_is_interrupted_leaves_nothing(place: Site, number: signal.Signals) -> None:
    """While it follows: each row is written as it comes, the slot's copy goes along, the slot is where it was."""
    name = f"until_{number.name.lower()}"
    _feed(place, name)
    where = f"select confirmed_flush_lsn from pg_replication_slots where slot_name = 'hadrian_{name}'"
    before = place.run(where, "b")
    command = [*COMMAND, "feed", "read", name, "--follow"]
    with subprocess.Popen(
        command, env=environment(**_settings(place)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        read = [json.loads(process.stdout.readline()) for _ in range(5)]
        place.insert(name, [5])
        read.append(json.loads(process.stdout.readline()))
        assert [row["id"] for row in read] == [1, 2, 3, 4, 1, 5]
        assert place.run(_COPIES, "b") != []
        process.send_signal(number)
        rest, said = process.communicate(timeout=60)
    assert (process.returncode, rest, said) == (2, "", "hadrian: error: interrupted\n")
    wait_until(lambda: not place.run(_COPIES, "b"), "the copy to be gone", timeout_s=TIMEOUT_S)
    assert place.run(where, "b") == before


def test_a_reader_whose_pipe_is_closed_ends_quietly(place: Site) -> None:
    """`hadrian feed read | head -1` is no error."""
    place.table("piped", rows=5000)
    place.create("piped")
    with subprocess.Popen(
        [*COMMAND, "feed", "read", "piped"], env=environment(**_settings(place)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_status_shows_slots_and_runs_and_warns_beyond_the_limit(place: Site) -> None:
    """As a table and as JSON; 0 while all is well, 1 with a warning, 2 if there is no such feed."""
    _feed(place, "watched")
    step_journal.open_run(place.nodes["a"], "eager", "watched", "recipe")
    place.catch_up()
    settings = _settings(place)
    done = hadrian("feed", "status", "watched", **settings)
    assert done.returncode == 0, done.stderr
    assert "hadrian_watched" in done.stdout
    assert "eager" in done.stdout
    where = place.nodes["b"].where
    assert f"no limit on {where}: neither --limit nor max_slot_wal_keep_size is set" in done.stdout
    done = hadrian("feed", "status", "watched", "--limit", "1B", **settings)
    assert done.returncode == 1, done.stderr
    (warning,) = [line for line in done.stdout.splitlines() if line.startswith("warning: ")]
    assert f"slot hadrian_watched on {where} holds back" in warning
    done = hadrian("feed", "status", "watched", "--limit", "1TB", "--format", "json", **settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [slot["state"]["present"] for slot in found["slots"]] == [False, True]
    assert {slot["limit_bytes"] for slot in found["slots"]} == {1 << 40}
    assert [(run["run"], run["cursor"]) for run in found["runs"]] == [("eager", None)] * 2
    assert found["warnings"] == []
    assert "no feed absent" in complaint(hadrian("feed", "status", "absent", **settings))
    assert "not a size: 'much'; write it as 500MB" in complaint(
        hadrian("feed", "status", "--limit", "much", **settings)
    )


def test_a_feed_is_dropped_once_and_what_went_is_said(place: Site) -> None:
    """Refused while a run refers to it, then with it; a second time it is one line."""
    _feed(place, "over")
    step_journal.open_run(place.nodes["a"], "last", "over", "recipe")
    settings = _settings(place)
    said = complaint(hadrian("feed", "drop", "over", **settings))
    assert "feed over is read by run last; add --with-runs" in said
    done = hadrian("feed", "drop", "over", "--with-runs", **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "removed run last: 0 checkpoints, 0 steps of its journal",
        f"dropped slot hadrian_over on {place.nodes['b'].where}",
        "removed feed over and its snapshot",
    ]
    place.catch_up()
    assert place.left_behind("over") == []
    assert "has no feed over; list what is there: hadrian feed list" in complaint(
        hadrian("feed", "drop", "over", **settings)
    )
