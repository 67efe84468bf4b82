"""Half an hour of comparisons beside a load that never stops: one row is damaged, and only it is ever different."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter

import psycopg
import pytest

from replicator.comparison import Request, What
from replicator.postgres.topology import wait_until
from replicator.verify import verify
from tests.fixtures.damage import SETTINGS, ctid, standby_file, stopped_standby
from tests.fixtures.defects import catch_up
from tests.fixtures.hot_rows import written
from tests.fixtures.pair import Pair, fresh_pair

SEED = int(os.environ.get("HADRIAN_CHAOS_SEED", "2026"))
MINUTES = float(os.environ.get("HADRIAN_SOAK_MINUTES", "30"))

# What is read is in replay's way, and the standby always a little behind.
_CONFLICTS = "hot_standby_feedback = off\nmax_standby_streaming_delay = 200ms\nrecovery_min_apply_delay = 20ms\n"
_TABLES = (
    "create extension pageinspect",
    "create table still (id bigint primary key, v text)",
    "insert into still select i, 'row ' || i from generate_series(1, 5000) as i",
    "create table hot (id bigint primary key, n int not null, v text) with (fillfactor = 70)",
    "insert into hot select i, 0, 'value' from generate_series(0, 50000) as i",
    "create table toasted (id bigint primary key, v text)",
    "insert into toasted select i, repeat(md5(i::text), 90) from generate_series(0, 500) as i",
    "create table emptied (id bigint, v text)",
    "vacuum (freeze, analyze)",
)
_LOAD = (
    "insert into hot values (mod(%s, 60000), 1, repeat('v', 40)) on conflict (id) do update set n = hot.n + 1",
    "update hot set n = n + 1, v = v || 'x' where id = mod(%s, 20)",
    "update hot set v = 'short' where id = mod(%s, 20)",
    "delete from hot where id = mod(%s, 60000)",
    "select from hot where id = mod(%s, 20) for update",
    "update toasted set v = repeat(md5(id::text), 60 + mod(id * %s, 90)::int) where id between 40 and 43",
    "insert into emptied values (%s, 'x')",
)


def _tended(pair: Pair, stop: threading.Event, counts: list[int]) -> None:
    """Vacuum, freeze and empty tables beside the load."""
    with psycopg.connect(pair.primary.conninfo, autocommit=True) as connection:
        while not stop.is_set():
            for statement in ("vacuum hot, toasted", "truncate emptied", "vacuum (freeze) hot", "checkpoint"):
                connection.execute(statement)
                before = sum(counts)
                wait_until(lambda: stop.is_set() or sum(counts) > before + 2000, "more writes", timeout_s=120)  # noqa: B023


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_only_what_is_damaged_is_different_however_long_it_goes_on() -> None:
    """By rows and by pages, with one session and two, the damaged row is found each time, and no other is."""
    with fresh_pair(SETTINGS + _CONFLICTS) as pair:
        for statement in _TABLES:
            pair.run(statement)
        place = ctid(pair, "still", "id = 2500")
        with stopped_standby(pair), standby_file(pair, "still") as file:
            file.flip(place, b"row 2500")
        catch_up(pair)
        stop, ends, settled = threading.Event(), time.monotonic() + MINUTES * 60, Counter[str]()
        with written(pair, _LOAD, sessions=3, seed=SEED) as counts:
            tending = threading.Thread(target=_tended, args=(pair, stop, counts))
            tending.start()
            rounds = 0
            try:
                while time.monotonic() < ends:
                    pages, jobs = bool(rounds % 2), 1 + rounds // 2 % 2
                    request = Request(frozenset({What.ROWS}), ("public.*",), jobs, pages=pages, settle_s=60)
                    report = verify(pair.embedded.url("a"), pair.embedded.url("b"), request)
                    assert (report.cut, report.unsettled) == (None, [])
                    assert [(one.object, one.place) for one in report.different] == [("public.still", place)]
                    settled.update({why: count for (_, why), count in report.settled.items()})
                    rounds += 1
                    if rounds % 20 == 0:
                        print(f"{rounds} comparisons, {sum(counts)} transactions, {dict(settled)}")  # noqa: T201 - a soak's
            finally:
                stop.set()
                tending.join()
        assert settled.total() > 0, f"nothing looked different in {rounds} comparisons"
