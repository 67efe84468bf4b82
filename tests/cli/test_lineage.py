"""`hadrian lineage` as a user meets it, over rows that a real feed gave."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from replicator import step_journal
from replicator.feed.reader import start
from replicator.lineage import RowKeys
from replicator.position import Cursor, Lsn
from replicator.step_journal import Step
from replicator.store import checkpoints
from replicator.store.writer import publish
from tests.fixtures.command import complaint, hadrian
from tests.fixtures.pair import fresh_pair
from tests.fixtures.site import Site, read_of

_ROWS_A_STEP = 2


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    """Make one site for the module: run `one` of the feed of `ticket`, 3 steps, checkpoints behind 1 and 3."""
    with fresh_pair() as pair, contextlib.closing(Site(pair)) as site:
        site.table("ticket", "id bigint primary key, v text", rows=3)
        definition = site.create("ticket")
        site.insert("ticket", [42])
        site.run("delete from ticket where id = 1")
        site.run("update ticket set v = 'x' where id = 42")
        site.insert("ticket", [5])
        site.catch_up()
        with site.open(definition) as feed:
            rows = [change for change in read_of(feed, 7) if change.has_row]
        node = site.nodes["a"]
        step_journal.open_run(node, "one", "ticket", "{}")
        row_keys = RowKeys(node, "ticket")
        before = start()
        for number in (1, 2, 3):
            taken, rows = rows[:_ROWS_A_STEP], rows[_ROWS_A_STEP:]
            after = taken[-1].after
            step = Step(number, before, after, _ROWS_A_STEP, bytes(32), 0.5, 0.5)
            step_journal.append(node, "one", step, row_keys.digests(taken))
            before = after
            if number != 2:
                with publish(node, "checkpoint", f"one/{number}", []) as (transaction, artifact_id):
                    checkpoints.record(node, transaction, "one", number, artifact_id, after)
        yield site


def _settings(site: Site) -> dict[str, str]:
    return {"HADRIAN_PRIMARY": site.pair.embedded.url("a")}


def test_a_row_that_was_seen_is_found_and_so_is_what_to_go_back_to(place: Site) -> None:
    """Inserted in step 2 and updated in step 3: exit code 1, as a table and as JSON, however the key is written."""
    done = hadrian("lineage", "--row", "public.ticket/042", **_settings(place))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "checkpoints that have seen public.ticket/42, by step",
        "run  first step  times  seen by  may have  go back to",
        "one           2      2  3        -                  1",
    ]
    done = hadrian("lineage", "--row", "Public.Ticket/42", "--run", "one", "--format", "json", **_settings(place))
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout) == {
        "row": "public.ticket/42",
        "runs": [
            {
                "run": "one", "first_step": 2, "times": 2, "seen_by": [3], "unsure": [], "go_back_to": 1,
                "untold": 0, "first_untold": None, "last_untold": None,
            }
        ],
        "other_runs": {},
    }  # fmt: skip


def test_a_row_that_was_not_seen_is_none(place: Site) -> None:
    """Exit code 0, and the newest checkpoint is as good as any."""
    done = hadrian("lineage", "--row", "public.ticket/77", **_settings(place))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "checkpoints that have seen public.ticket/77, by step",
        "run  first step  times  seen by  may have  go back to",
        "one  -               0  -        -                  3",
        "none has seen public.ticket/77",
    ]


def test_a_delete_is_not_seen(place: Site) -> None:
    """Row 1 was in the snapshot; its delete, which has a key only, counts for nothing."""
    done = hadrian("lineage", "--row", "public.ticket/1", "--format", "json", **_settings(place))
    assert [(run["first_step"], run["times"]) for run in json.loads(done.stdout)["runs"]] == [(1, 1)]


def test_steps_of_an_older_version_are_unknown(place: Site) -> None:
    """It says before which step nothing is known, and that is no 0."""
    node = place.nodes["a"]
    place.table("older")
    place.create("older")
    step_journal.open_run(node, "old", "older", "{}")
    after = Cursor(Lsn(9), 0)
    with publish(node, "checkpoint", "old/1", []) as (transaction, artifact_id):
        checkpoints.record(node, transaction, "old", 1, artifact_id, after)
    step_journal.append(node, "old", Step(1, start(), after, 2, bytes(32), 0.5, 0.5))
    done = hadrian("lineage", "--row", "public.older/1", **_settings(place))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[2:] == [
        "old  -               0  -        1         -",
        "run old: unknown before step 2",
        "run one reads public.ticket: not asked",
    ]


def test_what_cannot_be_asked_is_one_line(place: Site) -> None:
    """No row, no table, no value of its type, no run, no server, Db2: exit code 2 and what to do."""
    settings = _settings(place)
    for row, said in (
        ("42", "not a row: '42'; write it as public.tickets/42, several key columns with commas between them"),
        ("public.absent/42", "has no table public.absent; name it as SCHEMA.TABLE"),
        ("public.ticket/x", "id is of type bigint: invalid input syntax for type bigint"),
        ("public.ticket/1,2", "the key of public.ticket is (id), 2 values were given; write it as"),
    ):
        assert said in complaint(hadrian("lineage", "--row", row, **settings))
    said = complaint(hadrian("lineage", "--row", "public.ticket/1", "--run", "absent", **settings))
    assert "has no run absent; list them: hadrian checkpoint list" in said
    said = complaint(hadrian("lineage", "--row", "public.ticket/1", "--primary", "db2://user:secret@host/db"))
    assert "not a PostgreSQL URL" in said
    assert "secret" not in said
