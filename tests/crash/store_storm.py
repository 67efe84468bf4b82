"""A storm around the store: two runs save and a third process prunes, while something is lost at a drawn place.

    writer      a run's processes, or one rank of several
    standby     it comes back
    primary     it recovers from the crash
    takeover    the primary; the standby is promoted, and the old one joins again as its standby
    behind      the same, but the standby never had what was being saved
    network     between a run and the nodes: cut, cut and refused for a while, or silent for a while
    disk        both nodes' is full
    bit         one in the body of a chunk

Where in a save it happens is told by what the run sends: among its chunks, between the last of them and the manifest,
between manifest and meaning, at the commit, between commit and answer, behind the answer, and while it waits for the
standby. Behind each moment the nodes are mended, what must hold is checked (`store_storm_proof`), and the next save
must work.
"""

from __future__ import annotations

import collections
import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from replicator import migrate, step_journal
from replicator.errors import HadrianError
from replicator.position import Lsn
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import NODES, NodeName
from replicator.postgres.snapshot import nudge
from tests.crash import store_storm_proof as proof
from tests.crash.store_storm_processes import Outcome, Pruner, Run
from tests.crash.store_storm_pruner import KEPT
from tests.fixtures.pair import Pair
from tests.fixtures.relay import Mark, Relay
from tests.fixtures.small_disk import SmallDisk

# A power cut nothing here need outlive; what is dead is to be used again before the disk is full of it; and a standby
# that lost its primary looks for it at once.
SETTINGS = """
fsync = off
autovacuum_naptime = 2s
min_wal_size = 32MB
max_wal_size = 128MB
wal_retrieve_retry_interval = 100ms
wal_receiver_status_interval = 1s
"""
KINDS = ("writer", "standby", "primary", "takeover", "behind", "network", "disk", "bit")
STAGES = ("chunks", "manifest", "meaning", "commit", "in doubt", "committed", "waiting")
_ONLY_AT = {"behind": ("in doubt", "committed", "waiting"), "disk": ("chunks",)}  # where it makes a difference
_RUNS = {"one": 1, "two": 2}  # ranks
_GRACE_S = 1.5  # now and then shorter than a save takes
_TIMEOUT_S = 90.0
_SAVE_BYTES = 5 << 20  # fewer than any save sends
_LEFT_BYTES = 3 << 20
_OTHER: dict[NodeName, NodeName] = {"a": "b", "b": "a"}
_MEANING = b"insert into hadrian.checkpoint"
_MARKS = {
    "manifest": Mark(words=[b"insert into hadrian.artifact ("]),
    "meaning": Mark(words=[_MEANING]),
    "commit": Mark(words=[_MEANING, b"COMMIT"]),
    "in doubt": Mark(words=[_MEANING, b"COMMIT"], behind=True),
    "committed": Mark(words=[_MEANING, b"COMMIT", b"select"]),
    "waiting": Mark(),  # of what it says to the standby
}


class StoreStorm:
    """The runs, the pruner, and the hand that takes things away. Calls: `begin` once, then the others.

    Attributes:
        done: each moment, in order, for whoever must repeat them.
        hit: how many moments fell into which stage of a save.

    Args:
        pair: started with `SETTINGS`; `a` is its primary.
        disk: what it lies on; None if that cannot be filled.
        folder: for logs and what is pulled.
        seed: what states and moments are drawn from.
    """

    def __init__(self, pair: Pair, disk: SmallDisk | None, folder: Path, seed: int) -> None:
        self._pair = pair
        self._disk = disk
        self._folder = folder
        self._seed = seed
        self._nodes = {name: PostgresDatabase(pair.embedded.url(name)) for name in NODES}
        self._primary: NodeName = "a"
        self._draw = random.Random(seed)
        self._stack = contextlib.ExitStack()
        nodes: dict[str, NodeName] = {"primary": self._primary, "standby": self._standby}
        self._relays = {
            (client, role): self._stack.enter_context(Relay(self._socket(node)))
            for client in (*_RUNS, "pruner")
            for role, node in nodes.items()
        }
        self._runs = {
            name: Run(name, ranks, seed, self._address(name, "primary"), self._address(name, "standby"), folder)
            for name, ranks in _RUNS.items()
        }
        self._pruner = Pruner(self._address("pruner", "primary"), _GRACE_S, list(_RUNS), folder / "pruner.log")
        self._kept: dict[str, set[int]] = {name: set() for name in _RUNS}
        self.done: list[str] = []
        self.hit: collections.Counter[str] = collections.Counter()

    @property
    def _standby(self) -> NodeName:
        return _OTHER[self._primary]

    def _socket(self, node: NodeName) -> Path:
        return self._pair.embedded.socket / f".s.PGSQL.{self._nodes[node].url.query['port']}"

    def _address(self, client: str, role: str) -> str:
        port = self._relays[client, role].port
        return f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is not None:
            self._tell()
        for run in self._runs.values():
            run.close()
        self._pruner.close()
        self._stack.close()
        for node in self._nodes.values():
            node.close()

    def _tell(self) -> None:
        """Show what led to a failure; pytest prints it."""
        print("moments:", *self.done, sep="\n  ")  # noqa: T201 - captured
        logs = (*self._folder.glob("*.log"), *(self._pair.embedded.directory / f"{name}.log" for name in NODES))
        for log in logs:
            if log.exists():
                print(f"{log}:", *log.read_text().splitlines()[-20:], sep="\n")  # noqa: T201 - captured

    def begin(self) -> None:
        """Let each run save its first checkpoint."""
        primary = self._nodes["a"]
        migrate.install(self._pair.embedded.url("a"))
        for name, run in self._runs.items():
            step_journal.open_run(primary, name, None, "{}")
            run.start()
        self._save_whole()

    def moments(self) -> Iterator[str]:
        """Take each thing away once, in some order, and yield what was done behind it."""
        kinds = [kind for kind in KINDS if kind != "disk" or self._disk is not None]
        for kind in self._draw.sample(kinds, len(kinds)):
            if kind == "bit":
                self._flip()
            else:
                self._moment(kind)
            self._save_whole()
            yield self.done[-1]

    def check_room(self) -> int:
        """Check that what is pruned gives its room back, and return how many chunks are left."""
        left = proof.check_room(self._nodes[self._primary], list(_RUNS))
        self._kept = {name: set(sorted(steps)[-KEPT:]) for name, steps in self._kept.items()}
        return left

    def _moment(self, kind: str) -> None:
        name = self._draw.choice(list(_RUNS))
        stage = self._draw.choice(_ONLY_AT.get(kind, STAGES))
        mark = _MARKS.get(stage) or Mark(size=self._draw.randrange(_SAVE_BYTES))
        self.done.append(f"{kind} of {name} at {stage} {mark.size or ''}")
        saving = {one: max(self._kept[one]) + 1 for one in _RUNS}
        if kind == "behind":
            self._hold_standby_back()
        is_here = self._look_for(name, stage, mark)
        self._pruner.begin()
        for one, step in saving.items():
            self._runs[one].save(step)
        topology.wait_until(lambda: is_here() or self._runs[name].has_ended, "a save's moment", timeout_s=_TIMEOUT_S)
        self.hit[stage if is_here() else "behind it"] += 1
        outcomes = self._lose(kind, name)
        for role in ("primary", "standby"):
            self._relays[name, role].look_for(None)
        self._pruner.rest()
        self.done[-1] += f" -> {', '.join(f'{one}: {outcome}' for one, outcome in outcomes.items())}"
        self._check(saving, outcomes, survives=kind not in {"takeover", "behind"})

    def _look_for(self, name: str, stage: str, mark: Mark) -> Callable[[], bool]:
        """Let a run come to a stage of its save and no further; return what tells whether it has."""
        if stage != "waiting":
            return self._relays[name, "primary"].look_for(mark).is_set
        reached = None

        def is_waiting() -> bool:
            nonlocal reached
            if reached is None and self._runs[name].is_waiting:
                reached = self._relays[name, "standby"].look_for(mark)
            return reached is not None and reached.is_set()

        return is_waiting

    def _flow(self, name: str) -> None:
        """Let a run go on."""
        for role in ("primary", "standby"):
            self._relays[name, role].flow()

    def _lose(self, kind: str, name: str) -> dict[str, Outcome]:
        """Take something away and mend it, and return what the runs said of it."""
        lose: dict[str, Callable[[], dict[str, Outcome]]] = {
            "writer": lambda: self._lose_writer(name),
            "standby": lambda: self._lose_node(self._standby, name),
            "primary": lambda: self._lose_node(self._primary, name),
            "takeover": lambda: self._take_over(name),
            "behind": lambda: self._take_over(name),
            "network": lambda: self._lose_network(name),
            "disk": lambda: self._fill_disk(name),
        }
        return lose[kind]()

    def _outcomes(self, killed: str | None = None) -> dict[str, Outcome]:
        return {name: run.outcome(killed=name == killed) for name, run in self._runs.items()}

    def _lose_writer(self, name: str) -> dict[str, Outcome]:
        run = self._runs[name]
        run.kill(self._draw.choice([None, *range(run.ranks)]))
        self._flow(name)
        outcomes = self._outcomes(killed=name)
        run.start()
        return outcomes

    def _lose_node(self, node: NodeName, name: str) -> dict[str, Outcome]:
        self._kill(node)
        self._flow(name)
        self._pair.embedded.start([node])
        return self._outcomes()

    def _kill(self, node: NodeName) -> None:
        self._pair.embedded.kill(node)
        self._nodes[node].close()

    def _hold_standby_back(self) -> None:
        standby = self._nodes[self._standby]
        with standby.autocommit() as connection:
            connection.exec_driver_sql("alter system set primary_conninfo = ''")
            connection.exec_driver_sql("select pg_reload_conf()")

        def is_alone() -> bool:
            with standby.connect() as connection:
                return not connection.exec_driver_sql("select from pg_stat_wal_receiver").all()

        topology.wait_until(is_alone, "the standby to be alone", timeout_s=_TIMEOUT_S)

    def _take_over(self, name: str) -> dict[str, Outcome]:
        end = topology.committed(self._nodes[self._primary])
        self._kill(self._primary)
        self._pair.embedded.promote(self._standby)
        self._primary = self._standby
        self._write_past(end)
        self._lead("primary", self._primary)
        self._flow(name)
        outcomes = self._outcomes()
        self._pair.embedded.rejoin(self._standby)
        self._lead("standby", self._standby)
        return outcomes

    def _write_past(self, end: Lsn) -> None:
        """Let the new primary's log go on behind what the old one had committed, of which it may have nothing."""
        primary = self._nodes[self._primary]
        while topology.committed(primary) <= end:
            nudge(primary)
            with primary.autocommit() as connection:
                connection.exec_driver_sql("select pg_switch_wal()")

    def _lead(self, role: str, node: NodeName) -> None:
        for (_, its), relay in self._relays.items():
            if its == role:
                relay.lead_to(self._socket(node))

    def _lose_network(self, name: str) -> dict[str, Outcome]:
        relays = [self._relays[name, role] for role in ("primary", "standby")]
        way = self._draw.choice(["cut", "refuse", "silence"])
        self.done[-1] += f", {way}"
        if way == "silence":  # it ends when the other run has done what it does meanwhile
            others = {one: run.outcome() for one, run in self._runs.items() if one != name}
            self._flow(name)
            return {**others, name: self._runs[name].outcome()}
        for relay in relays:
            if way == "cut":
                relay.cut()
            else:
                relay.refuse()
        outcomes = self._outcomes()
        self._flow(name)
        return outcomes

    def _fill_disk(self, name: str) -> dict[str, Outcome]:
        assert self._disk is not None
        with self._disk.filled(self._draw.randrange(_LEFT_BYTES)):
            self._flow(name)
            outcomes = self._outcomes()
        for node in self._nodes.values():
            node.close()
        return outcomes

    def _await_nodes(self) -> None:
        """Wait until the standby has all that the primary has; either may have died of a full disk."""

        def is_level() -> bool:
            try:
                self._pair.embedded.start()
                primary, standby = self._nodes[self._primary], self._nodes[self._standby]
                nudge(primary)
                topology.wait_replayed(standby, topology.committed(primary))
            except HadrianError:
                return False
            return True

        topology.wait_until(is_level, "both nodes", timeout_s=_TIMEOUT_S)

    def _check(self, saving: dict[str, int], outcomes: dict[str, Outcome], *, survives: bool) -> None:
        """Check each run on both nodes; what was committed is still there if the primary is the same."""
        self._await_nodes()
        for name, outcome in outcomes.items():
            there = outcome.durable or (survives and outcome.committed)
            required = {*self._kept[name], *({saving[name]} if there else ())}
            steps = proof.check_whole(self._nodes[self._primary], name)
            assert proof.check_whole(self._nodes[self._standby], name) == steps
            proof.check_kept(steps, self._kept[name], required, saving[name])
            proof.check_bits(self._nodes[self._standby], name, self._seed)
            self._kept[name] = set(steps)

    def _save_whole(self) -> None:
        """Let every run save, which must work."""
        for name, run in self._runs.items():
            run.save(max(self._kept[name], default=0) + 1)
        for name, run in self._runs.items():
            outcome = run.outcome()
            assert outcome.durable, (name, outcome)
            self._kept[name].add(max(self._kept[name], default=0) + 1)

    def _flip(self) -> None:
        """Flip a bit of a run's newest checkpoint; have it found and named; go on from the one before."""
        name = self._draw.choice(list(_RUNS))
        primary, standby = self._nodes[self._primary], self._nodes[self._standby]
        tensors = proof.private_chunks(primary, name)
        digest = self._draw.choice(sorted(tensors))
        bit = "mod(%s::bigint, 8::bigint * octet_length(body))"
        with primary.autocommit() as connection:
            flip = f"update hadrian.chunk set body = set_bit(body, {bit}, 1 - get_bit(body, {bit})) where sha256 = %s"
            drawn = self._draw.getrandbits(40)
            connection.exec_driver_sql(flip, (drawn, drawn, digest))
        self.done.append(f"bit of {name} in {', '.join(tensors[digest])}")
        self._await_nodes()
        newest, before, *_ = sorted(self._kept[name], reverse=True)
        for node in (primary, standby):
            code, found = proof.verified(node, name)
            assert code == 1
            assert {(hit["step"], hit["tensor"], hit["chunk"]) for hit in found["hits"]} == {
                (newest, tensor, digest.hex()) for tensor in tensors[digest]
            }
            assert found["newest_whole"] == before
        proof.check_pulled(standby, name, before, self._seed, self._folder / f"pulled-{len(self.done)}")
        address = primary.url.render_as_string(hide_password=False)
        assert proof.command("checkpoint", "rm", f"{name}/{newest}", "--force", "--primary", address)[0] == 0
        assert proof.command("store", "collect", "--grace", 0, "--primary", address)[0] == 0
        self._kept[name].discard(newest)
