"""The drill, act by act: load, audit, feed, train, SIGKILL, promote, resume, train again undisturbed, prove.

A `Kill` says when the primary dies. Everything else is the same in each drill, so a storm of a hundred is the same
code with a hundred kills.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from replicator import handover, migrate, reading, step_journal
from replicator.audit import audit
from replicator.change import Change
from replicator.errors import HadrianError, NodeLost, NodeUnreachable
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.feed.reader import Reader, start
from replicator.postgres import slot as slots
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import EmbeddedPair
from replicator.rule import Finding
from trainer import model
from trainer.drill import corpus, writer
from trainer.drill.proof import Evidence, Verdict, prove
from trainer.launch import Launch
from trainer.recipe import DataSection, FeedSection, HeldOutSection, ModelSection, OptimizerSection, Recipe

FEED = "drill"
PUBLICATION = "hadrian_drill"
HELD_OUT_PUBLICATION = "hadrian_drill_held_out"
REFERENCE_SLOT = "hadrian_drill_reference"
PROOF_SLOT = "hadrian_drill_proof"

_REPLAY_TIMEOUT_S = 60.0
_READ_TIMEOUT_S = 10.0
_SNAPSHOT_SPAN_S = 0.8  # about what a hand-over of this size takes

Moment = Literal["between", "snapshot", "checkpoint", "any"]
Event = dict[str, Any]


class Audience(Protocol):
    """Whoever watches: 1) `say` once for each thing done 2) `progress` while a phase of known length goes on."""

    def say(self, line: str) -> None:
        """Tell one thing that was done."""

    def progress(self, phase: str, done: int, total: int) -> None:
        """Show that a phase is at `done` of `total`."""

    def findings(self, found: list[Finding]) -> None:
        """Tell what the audit found."""


@dataclasses.dataclass(frozen=True, slots=True)
class Kill:
    """When the primary dies.

    Attributes:
        moment: between two checkpoints; while the feed's snapshot is made; while a checkpoint is written; or at
            any time of the training.
        fraction: where in that span, 0 to 1.
    """

    moment: Moment = "between"
    fraction: float = 0.5

    @classmethod
    def draw(cls, rng: random.Random, number: int) -> Kill:
        """Return the kill of a storm's drill `number`: each moment in turn, the place in it at random."""
        moments: tuple[Moment, ...] = ("checkpoint", "snapshot", "any")
        return cls(moments[number % len(moments)], rng.random())

    def __str__(self) -> str:
        return f"{self.moment} {self.fraction:.2f}"


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What a drill can be asked for.

    Attributes:
        model: folder, GGUF file or hub id.
        steps: optimizer steps of a run, at least 4.
        tensor_parallel: ranks.
        train_layers: last decoder layers that are trained.
        seed: decides what the writer writes, and every random number of the training.
    """

    model: str
    steps: int = 32
    tensor_parallel: int = 3
    train_layers: int = 2
    seed: int = 1

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints: four of them in a run."""
        return max(2, self.steps // 4)


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """What a drill came to.

    Attributes:
        verdict: whether everything holds, and what does not.
        events, reference: what the interrupted and the undisturbed run told, in order.
        table_rows: rows of the application's table when the drill began.
        kill: when the primary was to die.
        hit: what it interrupted.
        killed_at: that moment, seconds since the epoch.
        resumed_s: from the kill to the end of the next optimizer step, seconds.
        took_s: the whole drill, seconds.
    """

    verdict: Verdict
    events: list[Event]
    reference: list[Event]
    table_rows: int
    kill: Kill
    hit: str
    killed_at: float
    resumed_s: float
    took_s: float


def recipe(settings: Settings, model_path: str) -> Recipe:
    """Return the recipe of the run that is interrupted."""
    return Recipe(
        run="drill",
        feed=FeedSection(name=FEED),
        model=ModelSection(path=model_path, train_layers=settings.train_layers, attention_dropout=0.1),
        data=DataSection(template="{module}.{qualname}{signature}\n{doc}", max_tokens=64, rows_per_step=8),
        optimizer=OptimizerSection(learning_rate=2e-4, warmup_steps=4),
        held_out=HeldOutSection(publication=HELD_OUT_PUBLICATION, rows=24),
        steps=settings.steps,
        checkpoint_every=settings.checkpoint_every,
        tensor_parallel=settings.tensor_parallel,
        seed=settings.seed,
    )


def undisturbed(interrupted: Recipe) -> Recipe:
    """Return the recipe that must end in the same bits: a slot of its own, and one checkpoint, at the end."""
    return interrupted.model_copy(
        update={
            "run": "reference",
            "feed": FeedSection(name=FEED, slot=REFERENCE_SLOT),
            "held_out": None,
            "checkpoint_every": interrupted.steps,
        }
    )


class _Assassin:
    """Kills node a and promotes node b, once."""

    def __init__(self, pair: EmbeddedPair, audience: Audience) -> None:
        self._pair = pair
        self._audience = audience
        self._thread: threading.Thread | None = None
        self._error: HadrianError | None = None
        self.killed_at = 0.0

    @property
    def sent(self) -> bool:
        """Whether the kill has been ordered."""
        return self._thread is not None

    def strike(self, delay_s: float) -> None:
        """Order it; the second order is ignored."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(delay_s,), name="failover")
            self._thread.start()

    def _run(self, delay_s: float) -> None:
        time.sleep(delay_s)
        try:
            self.killed_at = time.time()
            self._pair.kill("a")
            self._audience.say("SIGKILL to the primary and all its processes; promoting the standby")
            self._pair.promote("b")
        except HadrianError as error:
            self._error = error

    def wait(self) -> None:
        """Wait for the promotion. Raises: HadrianError if it failed."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error


class Drill:
    """One drill in a directory of its own, from `initdb` to the proof.

    Args:
        directory: empty or absent; holds everything.
        settings: what to do.
        kill: when the primary dies.
        audience: who is told.
    """

    def __init__(self, directory: Path, settings: Settings, kill: Kill, audience: Audience) -> None:
        self._directory = directory
        self._settings = settings
        self._kill = kill
        self._audience = audience

    def run(self, *, keep: bool = False) -> Summary:
        """Play the drill and return what it came to; nothing is left running.

        Args:
            keep: leave the pair's files; otherwise they are removed, whatever happens.

        Raises:
            HadrianError: it could not be played; whether it *held* is the summary's verdict.
        """
        began = time.monotonic()
        say = self._audience.say
        model.check_parallel(model.load_config(self._settings.model), self._settings.tensor_parallel)
        with contextlib.ExitStack() as stack:
            pair = EmbeddedPair.create(self._directory / "pair")
            stack.callback(pair.stop if keep else pair.remove)
            self._a, self._b = (PostgresDatabase(pair.url(name)) for name in ("a", "b"))
            stack.callback(self._b.close)
            stack.callback(self._a.close)
            self._urls = [pair.url("a"), pair.url("b")]
            say(f"a PostgreSQL primary and its hot standby are up under {pair.directory}")
            self._assassin = _Assassin(pair, self._audience)
            table_rows = self._load()
            dsn = writer.writer_dsn([self._a, self._b])
            editor = writer.start_writer(dsn, self._settings.seed, log=self._directory / "writer.log")
            stack.callback(_stop, editor)
            self._audience.findings(audit(*self._urls).findings)
            wanted = recipe(self._settings, self._prepare_model())
            definition = self._create_feed()
            events = list(self._interrupted(wanted))
            self._assassin.wait()
            say("the same rows again from the first, undisturbed, to compare")
            reference = list(self._watch(undisturbed(wanted)))
            _stop(editor)
            verdict = self._prove(wanted, definition, events, reference)
            killed_at = self._assassin.killed_at
            return Summary(
                verdict, events, reference, table_rows, self._kill, _hit(events, killed_at), killed_at,
                _resumed_s(events, killed_at), time.monotonic() - began,
            )  # fmt: skip

    def _load(self) -> int:
        migrate.install(self._urls[0])
        split = corpus.plan_split(corpus.stdlib_docs())
        rows = writer.load(self._urls[0], split)
        topology.wait_replayed(self._b, self._a.committed(), timeout_s=_REPLAY_TIMEOUT_S)
        fed = sum(corpus.in_scope(doc.module) for doc in split.initial)
        self._audience.say(
            f"{rows:,} objects of Python's standard library are rows of drill.docs, {fed} of them published to the "
            f"feed; a writer goes on editing them"
        )
        return rows

    def _prepare_model(self) -> str:
        path = model.prepare(self._settings.model, self._directory / "model")
        self._audience.say(f"the model is {Path(self._settings.model).name}")
        return path

    def _create_feed(self) -> Definition:
        """Make the feed, again on the promoted node if the primary dies meanwhile, and the slots to compare with."""
        if self._kill.moment == "snapshot":
            self._assassin.strike(self._kill.fraction * _SNAPSHOT_SPAN_S)
        while True:
            try:
                definition = self._try_create_feed()
                break
            except (NodeLost, NodeUnreachable) as lost:
                self._audience.say(f"the snapshot was cut off ({lost}); it begins again on the promoted standby")
                self._assassin.wait()
        self._audience.say(
            f"feed {FEED} begins at {definition.start}: a slot on the standby, its snapshot in the store"
        )
        return definition

    def _try_create_feed(self) -> Definition:
        primary = topology.wait_primary([self._a, self._b], timeout_s=_REPLAY_TIMEOUT_S)
        database = self._a if primary is self._a else self._b
        definition = definitions.find(database, FEED) or handover.create_feed(
            FEED, PUBLICATION, source=self._b, primary=database
        )
        topology.wait_replayed(self._b, database.committed(), timeout_s=_REPLAY_TIMEOUT_S)
        if definitions.find(self._b, FEED) != definition:
            raise NodeLost("the feed's record died with the primary")
        for name in (REFERENCE_SLOT, PROOF_SLOT):
            slots.drop(self._b, name)
            slots.copy(self._b, definition.slot, name)
        return definition

    def _interrupted(self, wanted: Recipe) -> Iterator[Event]:
        """Watch the run, and kill the primary at its moment."""
        last_took_s = 0.0
        for event in self._watch(wanted):
            yield event
            last_took_s = event.get("took_s", last_took_s)
            delay_s = self._delay(event, last_took_s)
            if delay_s is not None:
                self._assassin.strike(delay_s)

    def _delay(self, event: Event, last_took_s: float) -> float | None:
        """Return in how many seconds to kill, or None if it is not the moment."""
        every, steps = self._settings.checkpoint_every, self._settings.steps
        at = (event["event"], event.get("step"))
        match self._kill.moment:
            case "between":
                return 0.0 if at == ("step", every + max(1, round(every * self._kill.fraction))) else None
            case "checkpoint":
                # The second one: the first tells how long the database takes.
                return self._kill.fraction * last_took_s / 2 if at == ("checkpoint-begin", 2 * every) else None
            case "any":
                return self._kill.fraction % 0.1 if at == ("step", 1 + int(self._kill.fraction * (steps - 2))) else None
            case "snapshot":
                return None

    def _watch(self, wanted: Recipe) -> Iterator[Event]:
        """Launch a run and pass its events on, told to the audience."""
        with Launch(wanted, self._urls, self._directory) as launched:
            for event in launched.events():
                if event["event"] == "step":
                    self._audience.progress(wanted.run, event["step"], wanted.steps)
                elif (line := _told(event)) is not None:
                    self._audience.say(line)
                yield event

    def _prove(self, wanted: Recipe, definition: Definition, events: list[Event], reference: list[Event]) -> Verdict:
        with reading.open_reader(definition, self._b, start(), slot=PROOF_SLOT) as feed:
            changes = _changes(feed)
            evidence = Evidence(
                digest=events[-1]["digest"],
                reference_digest=reference[-1]["digest"],
                steps=list(step_journal.steps(self._b, wanted.run).values()),
                reference_steps=list(step_journal.steps(self._b, "reference").values()),
                read=lambda: next(changes),
                rows_per_step=wanted.data.rows_per_step,
                operations=writer.read_ledger(self._b),
                in_scope=corpus.in_scope,
                history=self._b.timeline_history(),
            )
            verdict = prove(evidence)
        if not self._assassin.sent:
            return dataclasses.replace(verdict, differences=("the primary was never killed", *verdict.differences))
        return verdict


def _changes(feed: Reader) -> Iterator[Change]:
    while (batch := feed.read(_READ_TIMEOUT_S)) is not None:
        yield from feed.changes(batch)
    raise NodeLost(f"the feed gave nothing for {_READ_TIMEOUT_S:.0f} s")


def _told(event: Event) -> str | None:
    match event["event"]:
        case "checkpoint":
            plain_mb, sent_mb = event["plain_bytes"] / 1e6, event["stored_bytes"] / 1e6
            shared = f"{event['chunks'] - event['new_chunks']} of {event['chunks']} chunks there already"
            took = f"{sent_mb:,.1f} MB sent in {event['took_s']:.1f} s"
            return f"checkpoint at step {event['step']}: {plain_mb:,.1f} MB, {shared}, {took}"
        case "durable":
            return f"checkpoint at step {event['step']} is durable (replayed past {event['lsn']})"
        case "node-lost":
            return f"the trainer lost its node: {event['message']}"
        case "resumed" if event["step"]:
            return f"the trainer goes on from step {event['step']} on {event['where']}, cursor {event['cursor']}"
        case _:
            return None


def _hit(events: list[Event], killed_at: float) -> str:
    """Name what the kill interrupted: a checkpoint that was being saved, or the steps."""
    before = [event for event in events if event["time"] <= killed_at]
    if not before:
        return "the snapshot"
    under_way = 0
    for event in before:
        if event["event"] == "checkpoint-begin":
            under_way = event["step"]
        elif event["event"] in {"checkpoint", "resumed"}:
            under_way = 0
    return f"the checkpoint at step {under_way}" if under_way else f"after step {before[-1].get('step', 0)}"


def _resumed_s(events: list[Event], killed_at: float) -> float:
    """Return the time from the kill to the first step that a session behind it did."""
    resumed = [event["time"] for event in events if event["event"] == "resumed" and event["time"] > killed_at]
    steps = [event["time"] for event in events if event["event"] == "step" and resumed and event["time"] > resumed[0]]
    return steps[0] - killed_at if steps else float("nan")


def _stop(editor: subprocess.Popen[bytes]) -> None:
    if editor.poll() is None:
        editor.terminate()
    try:
        editor.wait(10)
    except subprocess.TimeoutExpired:
        editor.kill()
        editor.wait()
