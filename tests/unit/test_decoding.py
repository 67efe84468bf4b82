"""Which nodes may be decoded, and which names a feed may have."""

from __future__ import annotations

import dataclasses

import pytest

from replicator.errors import BadInput, HadrianError, NotConfigured, NotPermitted
from replicator.postgres.slot import Decoding, slot_name

_FIT = Decoding(version=180000, in_recovery=False, wal_level="logical", may_replicate=True, role="reader")
_WHERE = "db1:5432/shop"


def _refusal(**differences: object) -> HadrianError:
    with pytest.raises(HadrianError) as raised:
        dataclasses.replace(_FIT, **differences).refuse(_WHERE)
    return raised.value


@pytest.mark.parametrize(
    ("differences", "kind", "message", "hint"),
    [
        (
            {"in_recovery": True, "version": 150012},
            NotConfigured,
            "db1:5432/shop runs PostgreSQL 15: a standby decodes from 16 on",
            "upgrade the pair to PostgreSQL 16 or newer, or read the feed from the primary",
        ),
        (
            {"wal_level": "replica"},
            NotConfigured,
            "db1:5432/shop: wal_level is replica, decoding needs logical",
            "set wal_level = logical on the primary and every standby, and restart them",
        ),
        (
            {"may_replicate": False},
            NotPermitted,
            "db1:5432/shop: role reader lacks REPLICATION",
            "run: alter role reader replication",
        ),
    ],
)
def test_a_node_that_cannot_be_decoded_is_refused_with_what_to_do(
    differences: dict[str, object], kind: type[HadrianError], message: str, hint: str
) -> None:
    """Each obstacle is one line that names node and obstacle, and a hint that removes it."""
    error = _refusal(**differences)
    assert (type(error), str(error), error.hint) == (kind, message, hint)


@pytest.mark.parametrize(("version", "in_recovery"), [(160000, True), (180006, True), (100000, False), (150012, False)])
def test_standbys_from_16_and_primaries_from_10_on_may_be_decoded(version: int, in_recovery: bool) -> None:
    """Nothing that PostgreSQL can do is refused."""
    dataclasses.replace(_FIT, version=version, in_recovery=in_recovery).refuse(_WHERE)


def test_the_version_is_named_before_what_another_setting_would_not_mend() -> None:
    """An old standby is told to upgrade, whatever else is wrong with it."""
    assert "PostgreSQL 15" in str(_refusal(in_recovery=True, version=150000, wal_level="replica", may_replicate=False))


@pytest.mark.parametrize("feed", ["docs", "d", "2026_docs", "x" * 55])
def test_a_slot_is_named_after_its_feed(feed: str) -> None:
    """The slot of a feed can be told from the slots of others, and fits PostgreSQL's 63 characters."""
    assert slot_name(feed) == f"hadrian_{feed}"
    assert len(slot_name(feed)) <= 63


@pytest.mark.parametrize("feed", ["", "x" * 56, "Docs", "my-docs", "a b", "docs\n", "döcs", "a;drop table t", "a'"])
def test_a_name_that_a_slot_may_not_have_is_refused(feed: str) -> None:
    """A bad feed name is found before anything is created."""
    with pytest.raises(BadInput, match="not a feed name") as raised:
        slot_name(feed)
    assert "\n" not in str(raised.value)
