"""Experiments on code, files and settings outside the database, under physical replication.

Both nodes of a pair share one installation, so what a standby lacks is taken from it: its libraries are looked for in
a folder that holds some of them.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

import psutil
import pytest

from replicator.errors import NodeLost
from replicator.postgres.embedded import NodeName
from tests.fixtures.defects import catch_up, configure, refusal
from tests.fixtures.pair import Pair, fresh_pair
from tests.rules.experiment import ROWS, Experiment, Refusal, Special
from tests.rules.hands import folder, library, put, restart, start, stop, wait

_ABSENT = "58P01: could not access file"
_NOT_LOADED = '55000: pg_stat_statements must be loaded via "shared_preload_libraries"'

_LIMITS = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)


def unlike(pair: Pair) -> None:
    """Set the nodes up differently: settings, host rules, preloaded libraries, libraries."""
    configure(pair, "a", "work_mem", "'5MB'")
    configure(pair, "b", "work_mem", "'6MB'")
    with (pair.embedded.directory / "a" / "pg_hba.conf").open("a") as file:
        file.write("host all nobody 10.9.8.7/32 reject\n")
    restart(pair, "a", {"shared_preload_libraries": "pg_stat_statements"})

    ours, theirs = folder(pair, "lib_a"), folder(pair, "lib_b")
    for name in ("hadrian_absent", "hadrian_symbol", "hadrian_build"):
        put(library(pair, "fuzzystrmatch"), ours / f"{name}.so")
    put(library(pair, "unaccent"), theirs / "hadrian_symbol.so")
    for name in ("hstore", "citext", "pg_stat_statements"):
        put(library(pair, name), theirs / f"{name}.so")
    build = library(pair, "fuzzystrmatch").read_bytes()
    codes = b"01230120022455012623010202"  # what soundex answers for A to Z
    assert build.count(codes) == 1
    (theirs / "hadrian_build.so").write_bytes(build.replace(codes, codes[::-1]))
    configure(pair, "a", "dynamic_library_path", f"'{ours}:$libdir'")
    # The standby's receiver is a library too: it must run before the others are hidden.
    wait(lambda: pair.run("select status from pg_stat_wal_receiver", "b") == [("streaming",)], "the receiver")
    configure(pair, "b", "dynamic_library_path", f"'{theirs}'")


def foreign(name: str, port: int) -> tuple[str, ...]:
    """Return statements that make a foreign table of a node of the pair itself."""
    return (
        "create extension if not exists postgres_fdw schema public",
        f"""
        do $$ begin execute format(
            'create server {name} foreign data wrapper postgres_fdw '
            'options (host %L, port ''{port}'', dbname ''postgres'')',
            current_setting('unix_socket_directories')
        ); end $$
        """,
        f"create user mapping for postgres server {name} options (user 'postgres')",
        f"import foreign schema pg_catalog limit to (pg_namespace) from server {name} into {name}",
    )


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-008",
        name="setting",
        prepare=unlike,
        do=(),
        look="select current_setting('work_mem')",
        primary=[("5MB",)],
        standby=[("6MB",)],
        promoted=[("6MB",)],
    ),
    Experiment(
        rule="PGP-011",
        name="library_absent",
        prepare=unlike,
        do=("create function sound(text) returns text language c strict as 'hadrian_absent', 'soundex'",),
        look="select sound('Hadrian')",
        primary=[("H365",)],
        standby=Refusal(f'{_ABSENT} "hadrian_absent"'),
        promoted=Refusal(f'{_ABSENT} "hadrian_absent"'),
    ),
    Experiment(
        rule="PGP-011",
        name="library_without_the_symbol",
        prepare=unlike,
        do=("create function sound(text) returns text language c strict as 'hadrian_symbol', 'soundex'",),
        look="select sound('Hadrian')",
        primary=[("H365",)],
        standby=Refusal('42883: could not find function "soundex" in file'),
        promoted=Refusal('42883: could not find function "soundex" in file'),
    ),
    Experiment(
        rule="PGP-060",
        name="extension_without_library",
        prepare=unlike,
        do=("create extension ltree",),
        look="select '1.2'::ltree::text",
        primary=[("1.2",)],
        standby=Refusal(_ABSENT),
        promoted=Refusal(_ABSENT),
        also=(("select count(*) from pg_extension where extname = 'ltree'", [(1,)]),),
        later=(
            ("create extension ltree", Refusal('42710: extension "ltree" already exists')),
            ("drop extension ltree", []),
        ),
    ),
    Experiment(
        rule="PGP-060",
        name="extension_with_library",
        prepare=unlike,
        do=("create extension hstore",),
        look="select ('a=>1'::hstore)->'a'",
        primary=[("1",)],
    ),
    Experiment(
        rule="PGP-061",
        name="function_without_library",
        prepare=unlike,
        do=("create function far(point, point) returns float8 language c as '$libdir/earthdistance', 'geo_distance'",),
        look="select far(point(0, 0), point(0, 0))",
        primary=[(0.0,)],
        standby=Refusal(_ABSENT),
        promoted=Refusal(_ABSENT),
    ),
    Experiment(
        rule="PGP-061",
        name="function_with_library",
        prepare=unlike,
        do=("create function same(text, text) returns int language c as '$libdir/citext', 'citext_cmp'",),
        look="select same('Hadrian', 'HADRIAN')",
        primary=[(0,)],
    ),
    Experiment(
        rule="PGP-062",
        name="library_build",
        prepare=unlike,
        do=("create function sound(text) returns text language c strict as 'hadrian_build', 'soundex'",),
        look="select sound('Hadrian')",
        primary=[("H365",)],
        standby=[("H625",)],
        promoted=[("H625",)],
    ),
    Experiment(
        rule="PGP-063",
        name="language_without_library",
        prepare=unlike,
        do=("create function f() returns int language plpgsql as 'begin return 42; end'",),
        look="select f()",
        primary=[(42,)],
        standby=Refusal(f'{_ABSENT} "plpgsql"'),
        promoted=Refusal(f'{_ABSENT} "plpgsql"'),
        also=(("select prosrc from pg_proc where proname = 'f'", [("begin return 42; end",)]),),
    ),
    Experiment(
        rule="PGP-063",
        name="language_with_library",
        do=("create function f() returns int language plpgsql as 'begin return 42; end'",),
        look="select f()",
        primary=[(42,)],
    ),
    Experiment(
        rule="PGP-064",
        name="host_rules",
        prepare=unlike,
        do=(),
        look="select count(*) from pg_hba_file_rules where address = '10.9.8.7'",
        primary=[(1,)],
        standby=[(0,)],
        promoted=[(0,)],
    ),
    Experiment(
        rule="PGP-065",
        name="role_setting",
        do=("create database has_setting", "alter database has_setting set work_mem = '7MB'"),
        on="has_setting",
        look="select current_setting('work_mem')",
        primary=[("7MB",)],
    ),
    Experiment(
        rule="PGP-066",
        name="role",
        do=(
            "create role crowd",
            "create role hadrian_login login password 'not-a-secret'",
            "grant crowd to hadrian_login",
        ),
        look=(
            "select rolcanlogin, md5(rolpassword), pg_has_role('hadrian_login', 'crowd', 'member') "
            "from pg_authid where rolname = 'hadrian_login'"
        ),
        primary=ROWS,
    ),
    Experiment(
        rule="PGP-068",
        name="preloaded_library",
        prepare=unlike,
        do=("create extension pg_stat_statements",),
        look="select count(*) > 0 from pg_stat_statements",
        primary=[(True,)],
        standby=Refusal(_NOT_LOADED),
        promoted=Refusal(_NOT_LOADED),
    ),
    Experiment(
        rule="PGP-069",
        name="node_files",
        do=("create extension pg_prewarm", "select autoprewarm_dump_now()"),
        look="select count(*) from pg_ls_dir('.') as file where file = 'autoprewarm.blocks'",
        primary=[(1,)],
        standby=[(0,)],
        promoted=[(0,)],
    ),
    Experiment(
        rule="PGP-071",
        name="near_both",
        do=foreign("near_both", 5433),
        look="select count(*) from near_both.pg_namespace where nspname = 'pg_catalog'",
        primary=[(1,)],
    ),
    Experiment(
        rule="PGP-071",
        name="near_one",
        do=foreign("near_one", 5432),
        look="select count(*) from near_one.pg_namespace where nspname = 'pg_catalog'",
        primary=[(1,)],
        promoted=Refusal('08001: could not connect to server "near_one"'),
    ),
)


def lower_settings() -> bool:
    """Raise settings on the primary alone, one after the other: replay pauses, and promotion ends the standby."""
    with fresh_pair() as pair:
        pause = "select pg_get_wal_replay_pause_state()"
        raised: dict[str, str] = {}
        for name in _LIMITS:
            if raised:
                restart(pair, "b", raised)
            ((value,),) = pair.run(f"select current_setting('{name}')::int + 1")
            raised = {name: str(value)}
            restart(pair, "a", raised)
            wait(lambda: pair.run(pause, "b") == [("paused",)], "replay to pause")
            said = (pair.embedded.directory / "b.log").read_text()
            assert f"{name} = {int(str(value)) - 1} is a lower setting than on the primary server" in said
        pair.run("create table public.unseen ()")
        assert "does not exist" in refusal(pair, "select * from public.unseen", "b")
        return outlives_promotion(pair, "recovery aborted because of insufficient parameter settings")


def outlives_promotion(pair: Pair, last_words: str) -> bool:
    """Kill the primary, have the standby promote itself, and return whether it still runs once it has said so."""
    pair.close()
    pair.embedded.kill("a")
    program = pair.embedded.bin / "pg_ctl"
    pair.embedded.owner.run([program, "promote", "-D", "b", "-W"], pair.embedded.directory, check=False)
    wait(lambda: last_words in (pair.embedded.directory / "b.log").read_text(), last_words)
    with contextlib.suppress(NodeLost):
        wait(lambda: pair.embedded.postmaster("b") is None, "the standby to shut down")
    return pair.embedded.postmaster("b") is not None


def absent_directory(*, made: bool) -> bool:
    """Replay a tablespace without its directory: the standby ends; once the directory is made, it goes on."""
    with fresh_pair() as pair:
        space = pair.embedded.directory / "space"
        pair.embedded.owner.own(space, 0o700)
        pair.run("select pg_wal_replay_pause()", "b")
        pair.run(f"create tablespace ts location '{space}'")
        pair.run("create table public.t tablespace ts as select generate_series(1, 10)")
        position = pair.run("select pg_current_wal_lsn()")
        received = f"select pg_last_wal_receive_lsn() >= '{position[0][0]}'"
        wait(lambda: pair.run(received, "b") == [(True,)], "the log")
        space.rename(space.with_name("elsewhere"))
        stayed = outlives_promotion(pair, f'directory "{space}" does not exist')
        said = (pair.embedded.directory / "b.log").read_text()
        assert "Create this directory for the tablespace before restarting the server." in said
        if not made:
            return stayed
        pair.embedded.owner.own(space, 0o700)
        start(pair, "b")
        pair.embedded.promote("b")
        return pair.run("select count(*) from public.t", "b") == [(10,)]


def archived(mode: str) -> bool:
    """Lose a primary whose archiver lags, and look for its last whole segment in the archive of the standby."""
    with fresh_pair() as pair:
        archive = folder(pair, "archive")
        restart(pair, "a", {"archive_mode": "on", "archive_command": "'false'"})
        restart(pair, "b", {"archive_mode": mode, "archive_command": f"'cp %%p {archive}/%%f'"})
        ((segment,),) = pair.run("select pg_walfile_name(pg_current_wal_lsn())")
        for statement in ("create table public.t ()", "select pg_switch_wal()", "create table public.u ()"):
            pair.run(statement)
        catch_up(pair)
        if mode == "on":
            assert list(archive.iterdir()) == []
        pair.fail_over()
        wait((archive / "00000002.history").exists, "the new primary to archive")
        assert pair.run("select count(*) from public.t", "b") == [(0,)]
        return (archive / str(segment)).exists()


def worker() -> bool:
    """Preload a library with a worker of its own on the primary alone, and look for its process on both nodes."""
    with fresh_pair() as pair:
        restart(pair, "a", {"shared_preload_libraries": "pg_prewarm"})
        wait(lambda: works(pair, "a"), "the worker")
        assert not works(pair, "b")
        pair.fail_over()
        return works(pair, "b")


def works(pair: Pair, node: NodeName) -> bool:
    """Return whether a node runs the worker of pg_prewarm."""
    postmaster = psutil.Process(pair.embedded.postmaster(node))
    return any("autoprewarm leader" in " ".join(child.cmdline()) for child in postmaster.children())


def locales(pair: Pair, name: str, source: str) -> str:
    """Make a folder of locales in which `hadrian.UTF-8` sorts as `source` does, and return it."""
    charmap, definition = Path("/usr/share/i18n/charmaps/UTF-8.gz"), Path("/usr/share/i18n/locales") / source
    if not (charmap.exists() and definition.exists()):
        pytest.skip("no sources of locales under /usr/share/i18n (Debian package locales)")
    made = folder(pair, name)
    target = made / "hadrian.UTF-8"
    pair.embedded.owner.run(["localedef", "-i", source, "-f", "UTF-8", "--no-archive", target], made)
    return str(made)


def sorted_by(standby: str) -> bool:
    """Build an index on a primary that sorts as in en_US, and look a row up on a standby that sorts otherwise."""
    with fresh_pair() as pair:
        for node, source in (("a", "en_US"), ("b", standby)):
            stop(pair, node)
            start(pair, node, LOCPATH=locales(pair, f"locales_{node}", source))
        pair.run("create collation public.own (provider = libc, locale = 'hadrian.UTF-8')")
        pair.run("create table public.t (word text collate public.own primary key)")
        pair.run("insert into public.t select chr(97 + mod(i, 26)) || i from generate_series(1, 2000) as i")
        pair.run("alter database postgres set enable_seqscan = off")
        catch_up(pair)
        look = "select count(*) from public.t where word = 'z25'"
        pair.close()
        assert pair.run(look) == [(1,)]
        seen = pair.run(look, "b")
        pair.fail_over()
        found = pair.run(look, "b")
        assert seen == found
        if found == [(1,)]:
            assert "duplicate key" in refusal(pair, "insert into public.t values ('z25')", "b")
        else:
            pair.run("insert into public.t values ('z25')", "b")
        return found == [(1,)]


SPECIALS: tuple[Special, ...] = (
    Special("PGP-007", "lower_settings", lower_settings),
    Special("PGP-010", "absent_directory", functools.partial(absent_directory, made=False)),
    Special("PGP-010", "directory_made", functools.partial(absent_directory, made=True)),
    Special("PGP-067", "sorted_alike", functools.partial(sorted_by, "en_US")),
    Special("PGP-067", "sorted_otherwise", functools.partial(sorted_by, "et_EE")),
    Special("PGP-068", "background_worker", worker),
    Special("PGP-070", "archive_of_the_primary", functools.partial(archived, "on")),
    Special("PGP-070", "archive_of_both", functools.partial(archived, "always")),
)
