"""A run that is trained from a journal, on servers that write no log that could be decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replicator import journal_feed
from tests.fixtures.pair import fresh_pair
from tests.fixtures.training import Ground, at_rest, named

_FEEDS = ("f", "reference")


class _JournalGround(Ground):
    """The same rows through two journals, sealed together; what a run confirms of one is not there for another."""

    def _create_feeds(self, *, spare: bool) -> str:  # noqa: ARG002 - there is no slot
        for feed in _FEEDS:
            journal_feed.create(feed, "note", primary_url=self.urls[0])
        return ""

    def seal(self) -> None:
        """Seal what was written."""
        for feed in _FEEDS:
            with journal_feed.sealer(feed, node_urls=self.urls) as seal_once:
                seal_once()

    def reference(self, **changes: Any) -> Any:
        """Return the recipe of an undisturbed run over the same rows."""
        return self.recipe(run="reference", feed={"name": "reference"}, checkpoint_every=100, **changes)


@pytest.fixture
def undecodable(tiny_model: Path, tmp_path: Path) -> Iterator[_JournalGround]:
    """Make a ground whose servers allow no logical slot."""
    with fresh_pair("wal_level = replica\n") as pair:
        yield _JournalGround(pair, tiny_model, tmp_path)


def test_a_run_from_a_journal_loses_its_primary_and_ends_in_the_same_bits(undecodable: _JournalGround) -> None:
    """Durable checkpoints say what is consumed of the journal; what lies behind the last comes again after SIGKILL."""
    for first, last in ((9, 14), (15, 20)):
        undecodable.write(first, last)
        undecodable.seal()
    pair = undecodable.pair
    confirmed: list[object] = []

    def fail_over(_launched: object) -> None:
        confirmed.extend(pair.run("select confirmed from hadrian.journal where feed = 'f'"))
        undecodable.fail_over()
        undecodable.seal()

    events = undecodable.train(undecodable.recipe(), at_rest(5, 3, fail_over))
    reference = undecodable.train(undecodable.reference())
    assert named(events, "finished")[0]["digest"] == named(reference, "finished")[0]["digest"]
    assert [event["step"] for event in named(events, "resumed")] == [0, 3]
    assert [event["step"] for event in named(events, "step") if event["replayed"]] == [4, 5]
    last = named(events, "step")[-1]["cursor"]
    ((after,),) = pair.run("select confirmed from hadrian.journal where feed = 'f'", "b")
    assert confirmed == [(1,)]  # the checkpoint of step 3 is inside batch 2
    assert int(str(after)) == int(last.partition("+")[0].partition("/")[2], 16) > 1
    with contextlib.closing(pair.server("b")) as left:
        with journal_feed.sealer("f", node_urls=undecodable.urls[1:]) as seal:
            seal()
        with left.connect() as connection:
            assert connection.exec_driver_sql("select min(_batch) from hadrian.journal_f").scalar_one() == after + 1
