"""What a run has unlearnt after a takeover that lost log, and a run put back by hand, on a real pair and feed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli.main import main
from replicator import handover, migrate, rewind, step_journal
from replicator.errors import ArtifactMissing, BadInput, RunInUse
from replicator.feed.definition import Definition
from replicator.position import Cursor, Lsn
from replicator.postgres import run_lock, slot, topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.step_journal import Step
from replicator.store import checkpoints, promotion, reference
from replicator.store.reference import Reference
from replicator.store.writer import publish
from tests.fixtures.pair import Pair, fresh_pair

_RECIPE = json.dumps({"feed": {"name": "f", "slot": None}, "data": {"rows_per_step": 2}})


class Site:
    """A pair with feed `f`, whose slot is on b, and runs that are written as a trainer would."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.urls = [pair.embedded.url("a"), pair.embedded.url("b")]
        migrate.install(self.urls[0])
        self.a, self.b = (PostgresDatabase(url) for url in self.urls)
        pair.run("create table note (id integer primary key, body text)")
        pair.run("alter table note replica identity full")
        pair.run("create publication notes for table note")
        pair.run("insert into note select n, '' from generate_series(1, 40) as n")
        topology.wait_replayed(self.b, self.a.committed())
        self.feed: Definition = handover.create_feed("f", "notes", source=self.b, primary=self.a)
        topology.wait_replayed(self.b, self.a.committed())

    def run(self, name: str) -> rewind.Run:
        """Make a run of six steps of two of the snapshot's rows, with a checkpoint behind every second."""
        step_journal.open_run(self.a, name, "f", _RECIPE)
        self.train(self.a, name, 1, 6)
        topology.wait_replayed(self.b, self.a.committed())
        return self.found(name)

    def found(self, name: str, *nodes: PostgresDatabase) -> rewind.Run:
        """Look at a run on both nodes, or on some."""
        return rewind.Run(nodes or [self.a, self.b], name)

    def train(self, node: PostgresDatabase, name: str, first: int, last: int, loss: float = 1.0) -> None:
        """Leave what steps leave."""
        for number in range(first, last + 1):
            before, after = (Cursor(Lsn(0), 2 * of) for of in (number - 1, number))
            step_journal.append(node, name, Step(number, before, after, 2, bytes(32), loss, 1.0))
            if number % 2 == 0:
                with publish(node, checkpoints.KIND, f"{name}/{number}", []) as (transaction, artifact_id):
                    checkpoints.record(node, transaction, name, number, artifact_id, after)

    def left(self, name: str) -> tuple[list[int], list[int]]:
        """Return the steps of the checkpoints and of the journal."""
        found = sorted(one.step for one in checkpoints.found(self.a, name))
        return found, sorted(step_journal.steps(self.a, name))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Make a site that the last test fails over."""
    with fresh_pair() as pair:
        made = Site(pair)
        with contextlib.closing(made.a), contextlib.closing(made.b):
            yield made


def test_a_run_is_put_back_to_a_checkpoint_with_all_that_lies_before(site: Site) -> None:
    """A plan changes nothing; done, what was behind is gone, journal and all, and a node keeps the rows since."""
    run = site.run("back")
    planned = run.plan(run.target(to="4", at=None))
    assert site.left("back") == ([2, 4, 6], [1, 2, 3, 4, 5, 6])
    assert ([one.step for one in planned.removal.removed], planned.steps, planned.rows) == ([6], 2, 4)
    assert (planned.read_from, planned.unreadable, planned.names) == (site.b.where, None, [])
    done = run.put_back(planned.to, force=False)
    assert (done.steps, done.rows, done.read_from) == (2, 4, site.b.where)
    assert site.left("back") == ([2, 4], [1, 2, 3, 4])
    assert site.found("back").survey().read_from == site.b.where
    assert main(["rewind", "back", *(part for url in site.urls for part in ("--node", url))]) == 0
    site.train(site.a, "back", 5, 6, loss=2.0)
    assert site.left("back") == ([2, 4, 6], [1, 2, 3, 4, 5, 6])


def test_the_checkpoint_is_named_by_step_tag_or_position(site: Site) -> None:
    """By position it is the newest that has seen nothing behind it; one that is not there is said."""
    run = site.run("named")
    reference.tag(site.a, reference.find(site.a, Reference("named", 2)), "good", move=False)
    assert run.target(to="good", at=None).step == 2
    assert run.target(to=None, at=Lsn(0x1000000)).step == 6
    with pytest.raises(ArtifactMissing, match="has no checkpoint 3"):
        run.target(to="3", at=None)
    with pytest.raises(ArtifactMissing, match="has no checkpoint at or before 0/0"):
        run.target(to=None, at=Lsn(0))
    with pytest.raises(ArtifactMissing, match="has no run nobody"):
        site.found("nobody")


def test_a_run_that_is_trained_is_not_put_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number may train it; while one does it is refused, and nothing is removed."""
    run = site.run("busy")
    to = run.target(to="2", at=None)
    with run_lock.training(site.a, "busy"), run_lock.training(site.a, "busy"):
        with monkeypatch.context() as patch:
            patch.setattr(run_lock, "_DEAD_S", 0.0)
            with pytest.raises(RunInUse, match="run busy is being trained"):
                run.put_back(to, force=True)
        assert site.left("busy") == ([2, 4, 6], [1, 2, 3, 4, 5, 6])
        site.run("other").put_back(to=site.found("other").target(to="2", at=None), force=False)
    run.put_back(to, force=False)
    assert site.left("busy") == ([2], [1, 2])


def test_what_has_a_name_is_removed_by_force_only(site: Site) -> None:
    """A tag behind the checkpoint, and what a promoted name would be rolled back to."""
    run = site.run("tagged")
    for step in (4, 6, 2):
        promotion.promote(site.a, reference.find(site.a, Reference("tagged", step)), "live")
    to = run.target(to="2", at=None)
    assert run.plan(to).names == ["live"]
    with pytest.raises(BadInput, match="checkpoint tagged/6 is what live would be rolled back to"):
        run.put_back(to, force=False)
    assert site.left("tagged") == ([2, 4, 6], [1, 2, 3, 4, 5, 6])
    run.put_back(to, force=True)
    assert site.left("tagged") == ([2], [1, 2])


def test_a_run_whose_rows_are_gone_is_put_back_by_force_only(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The slot has forgotten the rows since: the command says so, changes nothing, and tells by its exit code."""
    site.run("gone")
    site.pair.run("insert into note select n, '' from generate_series(41, 50) as n")
    end = site.a.committed()
    topology.wait_replayed(site.b, end)
    slot.advance(site.b, site.feed.slot, end)
    command = ["rewind", "gone", "--to", "4", *(part for url in site.urls for part in ("--node", url))]
    assert main(command) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "run gone would be put back to checkpoint 4, cursor 0/0+8",
        "checkpoints would be removed: 6; 0 B are held by nothing else",
        "steps would be removed from the journal: 2, whose 4 rows are trained on again",
    ]
    assert lines[3].startswith("the rows are no longer kept, and the run could not go on: ")
    assert main([*command, "--yes"]) == 2
    assert "could not go on from 4" in capsys.readouterr().err
    assert site.left("gone") == ([2, 4, 6], [1, 2, 3, 4, 5, 6])
    assert main([*command, "--yes", "--force", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rewind"]["steps"] == 2
    assert site.left("gone") == ([2, 4], [1, 2, 3, 4])
    for wrong in (["--at", "0/1"], ["--was-at", "7"]):
        assert main([*command, *wrong]) == 2
    assert main(["rewind", "gone", "--yes", "--node", site.urls[0]]) == 2
    capsys.readouterr()


def test_what_a_takeover_made_the_model_unlearn_is_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """By the old primary if it answers, also when the steps have been done again otherwise; else by what is said."""
    site.run("lost")
    whole = site.found("lost").survey()
    assert (whole.unlearnt, whole.replayed, whole.goes_on_from and whole.goes_on_from.step) == ((), 0, 6)
    site.pair.run("alter system set primary_conninfo = ''", "b")
    site.pair.run("select pg_reload_conf()", "b")
    receivers = "select count(*) from pg_stat_wal_receiver"
    topology.wait_until(lambda: site.pair.run(receivers, "b") == [(0,)], "b to be cut off", timeout_s=30)
    site.train(site.a, "lost", 7, 9)
    site.pair.embedded.kill("a")
    site.pair.embedded.promote("b")
    alone = site.found("lost", site.a, site.b).survey(was_at=10)
    assert [(one.first, one.last, one.rows, one.told_by) for one in alone.unlearnt] == [(7, 10, 8, None)]
    site.a.close()
    site.pair.embedded.start(["a"])
    known = (7, 9, 6, (8,), site.a.where)
    assert _told(site) == [known]
    site.train(site.b, "lost", 7, 8, loss=2.0)
    assert _told(site) == [known], "other rows' steps under the same numbers"
    survey = site.found("lost").survey()
    assert (survey.where, survey.timeline, survey.replayed) == (site.b.where, 2, 0)
    assert survey.goes_on_from is not None
    assert survey.goes_on_from.step == 8
    assert main(["rewind", "lost", *(part for url in site.urls for part in ("--node", url))]) == 1
    said = capsys.readouterr().out
    assert f"unlearnt: steps 7 to 9, 6 rows, and checkpoints 8; {site.a.where} had them\n" in said
    assert f"{site.b.where} is on timeline 2, which left timeline 1 at 0/" in said
    assert "training goes on from checkpoint 8, cursor 0/0+16; 0 steps behind it are held against the journal" in said
    assert "but the rows behind it are no longer kept: " in said, "the slot has moved on, in the test before"


def _told(site: Site) -> list[tuple[Any, ...]]:
    unlearnt = site.found("lost").survey().unlearnt
    return [(one.first, one.last, one.rows, one.checkpoints, one.told_by) for one in unlearnt]
