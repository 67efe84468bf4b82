"""`hadrian train`, `feed` and `checkpoint` as a user meets them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from replicator.errors import NotConfigured, QuotaExceeded
from replicator.postgres.adapter import PostgresDatabase
from replicator.store import quota
from tests.fixtures.command import complaint, hadrian
from tests.fixtures.pair import fresh_pair
from tests.fixtures.training import Ground
from trainer import preflight


@pytest.fixture(scope="module")
def field(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Make one ground for the module; nothing fails over."""
    with fresh_pair() as pair:
        ground = Ground(pair, tiny_model, tmp_path_factory.mktemp("logs"))
        ground.write(9, 60)
        yield ground


def _recipe(field: Ground, folder: Path, **changes: object) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(field.recipe().model_dump(mode="json") | changes))
    return path


def test_a_run_ends_and_its_checkpoints_are_listed_on_the_standby(field: Ground, tmp_path: Path) -> None:
    """Events come as JSON lines; what the standby lists is what a takeover would find."""
    done = hadrian(
        "train", _recipe(field, tmp_path), "--logs", tmp_path, "--format", "json", HADRIAN_NODES=" ".join(field.urls)
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "finished"
    listed = hadrian("checkpoint", "list", "--format", "json", HADRIAN_PRIMARY=field.urls[1])
    assert [one["step"] for one in json.loads(listed.stdout)["checkpoints"]] == [8, 6, 3]


def test_a_key_that_is_misspelt_is_named_with_the_right_one(field: Ground, tmp_path: Path) -> None:
    """The file, the key, and what to write."""
    said = complaint(hadrian("train", _recipe(field, tmp_path, chekpoint_every=5), HADRIAN_NODES=field.urls[0]))
    assert "recipe.yaml: unknown key chekpoint_every; write checkpoint_every" in said


def test_a_node_that_does_not_answer_is_named(field: Ground, tmp_path: Path) -> None:
    """Nothing is launched, and the password is not shown."""
    url = "postgresql://trainer:s3cret@127.0.0.1:1/db"
    said = complaint(hadrian("train", _recipe(field, tmp_path), HADRIAN_NODES=url))
    assert "127.0.0.1:1/db" in said
    assert "s3cret" not in said


def test_a_degree_that_does_not_divide_the_heads_is_refused_before_anything_starts(
    field: Ground, tmp_path: Path
) -> None:
    """With the degrees that do."""
    said = complaint(hadrian("train", _recipe(field, tmp_path, tensor_parallel=2), HADRIAN_NODES=" ".join(field.urls)))
    assert "degrees that do: 1, 3" in said


def test_a_feed_that_is_not_there_is_named_with_the_command_that_makes_it(field: Ground, tmp_path: Path) -> None:
    """The hint is a command."""
    path = _recipe(field, tmp_path, feed={"name": "absent"})
    said = complaint(hadrian("train", path, HADRIAN_NODES=" ".join(field.urls)))
    assert "has no feed absent; run: hadrian feed create absent" in said


def test_a_run_that_could_store_nothing_is_refused_before_anything_starts(field: Ground) -> None:
    """Its quota is used up, a key is not at hand, or the tables are not in the log."""
    with contextlib.closing(PostgresDatabase(field.urls[0])) as primary:
        quota.put(primary, None, 0)
        with pytest.raises(QuotaExceeded):
            preflight.check(field.recipe(), field.urls)
        quota.drop(primary, None)
    field.pair.run("alter table hadrian.step set unlogged")
    with pytest.raises(NotConfigured, match=r"hadrian\.step is UNLOGGED"):
        preflight.check(field.recipe(), field.urls)
    field.pair.run("alter table hadrian.step set logged")
    preflight.check(field.recipe(), field.urls)


def test_a_role_without_replication_is_told_what_it_lacks(field: Ground, tmp_path: Path) -> None:
    """On the standby as well, where libpq says only that the connection was refused."""
    field.pair.run("create role plain login")
    field.pair.run("grant usage on schema hadrian to plain")
    field.pair.run("grant select on all tables in schema hadrian to plain")
    urls = [url.replace("postgres@", "plain@") for url in field.urls]
    said = complaint(hadrian("train", _recipe(field, tmp_path), HADRIAN_NODES=" ".join(urls)))
    assert "role plain lacks REPLICATION; run: alter role plain replication" in said


def test_a_feed_is_made_once_and_listed(field: Ground) -> None:
    """The second attempt says that it is there."""
    settings = {"HADRIAN_PRIMARY": field.urls[0], "HADRIAN_STANDBY": field.urls[1]}
    done = hadrian("feed", "create", "again", "--publication", "notes", **settings)
    assert done.returncode == 0, done.stderr
    assert "feed again reads publication notes through slot hadrian_again" in done.stdout
    assert "has a feed again already" in complaint(
        hadrian("feed", "create", "again", "--publication", "notes", **settings)
    )
    listed = json.loads(hadrian("feed", "list", "--format", "json", **settings).stdout)["feeds"]
    assert [feed["name"] for feed in listed] == ["again", "f"]


def test_a_table_without_a_key_is_refused_with_the_statement_that_helps(field: Ground) -> None:
    """And no slot is left behind."""
    field.pair.run("drop table if exists bare cascade")
    field.pair.run("create table bare (n integer)")
    field.pair.run("create publication bare for table bare")
    settings = {"HADRIAN_PRIMARY": field.urls[0]}
    said = complaint(hadrian("feed", "create", "bare", "--publication", "bare", **settings))
    assert "table public.bare has no primary key" in said
    assert "alter table public.bare add primary key" in said
    assert field.pair.run("select count(*) from pg_replication_slots where slot_name = 'hadrian_bare'") == [(0,)]
