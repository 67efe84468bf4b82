"""Experiments on logical replication: a publisher, its subscriber, and the verdict that follows from what both answer.

The ordinary experiments of a module share one couple: a pair whose standby was promoted at once, so that two
independent servers are left. Each experiment has a schema of its own name on both, and a publication if it wants one.
One subscription takes them all, but for those of experiments whose subscription is to stop, or has options of its own.
What concerns a whole database (FOR ALL TABLES, prepared transactions) has a database of its own name as well.

Everything is done on the publisher, the subscriber confirms the publisher's position, both are asked; then the
publisher is killed, and the subscriber is asked again. What was at stake is *kept* if the subscriber answers as the
publisher did; verdicts follow as in `tests.rules.experiment`.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg
import psycopg.conninfo

from replicator.position import Lsn
from replicator.postgres import topology
from replicator.postgres.embedded import NODES, NodeName
from tests.fixtures.pair import Pair, fresh_pair
from tests.rules.experiment import Answer, Bench, Expected, Refusal, answer, meets, rows

WHOLE = "for tables in schema current_schema"
"""A publication of every table that the experiment has in its schema, later ones too."""

ABSENT = Refusal("42P01: relation .* does not exist")
"""What a server says of a table that it does not have."""

SHARED = "postgres"
"""The database, and the subscription, of those experiments that have none of their own."""

_SETTINGS = """
allow_in_place_tablespaces = on
autovacuum = off
fsync = off
max_active_replication_origins = 40
max_logical_replication_workers = 40
max_prepared_transactions = 5
max_replication_slots = 60
max_wal_senders = 60
max_worker_processes = 60
wal_retrieve_retry_interval = 1s
"""
# fsync: a killed server loses what it had not written, flushed or not; the databases come much faster.


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is done on the publisher, what is asked of both servers, and what a rule claims the answers to be.

    Attributes:
        rule: id of the rule.
        name: of the experiment, unique in its module, and of its schema, which leads the search path.
        look: the question whose answer is at stake; the publisher answers it in the session of `do`.
        publisher: what the publisher answers.
        subscriber: what the subscriber answers, before the publisher is killed and after it.
        both: statements for both servers, before there is a subscription.
        here: further ones for the publisher alone, and
        there: for the subscriber alone.
        publication: what is published, the words after CREATE PUBLICATION and its name; empty for nothing.
        do: statements for the publisher, all in one session, each its own transaction.
        refused: statements that the publisher must refuse after that, each with the pattern of its refusal.
        alone: whether the experiment has a subscription of its own name.
        subscription: options of that subscription.
        stops: pattern of the error that stops apply, in the subscriber's log; empty where apply goes on.
        cut: whether the subscription is disabled before `do`, which is then done just before the kill.
        last: whether `do` is done just before the kill.
        after: a question for the subscriber after the kill, such as a write, and the answer to it.
    """

    rule: str
    name: str
    look: str
    publisher: Expected
    subscriber: Expected
    both: tuple[str, ...] = ()
    here: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    publication: str = ""
    do: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    alone: bool = False
    subscription: str = ""
    stops: str = ""
    cut: bool = False
    last: bool = False
    after: tuple[str, Expected] | None = None

    @property
    def subscribed(self) -> str:
        """The subscription that takes what this experiment publishes."""
        return self.name if self.alone else SHARED

    @property
    def needs_database(self) -> bool:
        """Whether it would be seen in, or see, the rest of a database that it shares."""
        return "for all tables" in self.publication or bool(self.subscription)

    @property
    def is_last(self) -> bool:
        """Whether `do` comes just before the kill."""
        return self.cut or self.last


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment with hands of its own, on the couple that the others share, while both servers are up.

    Attributes:
        rule: id of the rule.
        name: unique in the module, and of a schema of its own on both servers.
        run: makes it, asserts what the rule claims, and returns the answers of publisher and subscriber.
    """

    rule: str
    name: str
    run: Callable[[Couple], tuple[Answer, Answer]]


@dataclass(slots=True)
class Outcome:
    """What the servers answered in one experiment."""

    experiment: Experiment | Trial
    publisher: Answer = ""
    subscriber: Answer = ""
    switched: Answer = ""
    after: Answer = ""
    refusals: list[Answer] = field(default_factory=list)
    stopped: bool = False

    @property
    def kept(self) -> bool:
        """Whether the subscriber, left alone, answers as the publisher did."""
        return self.switched == self.publisher

    def check(self) -> None:
        """Fail unless each server answered as the experiment claims."""
        claim = self.experiment
        if isinstance(claim, Trial):
            return
        assert meets(self.publisher, claim.publisher, self.publisher), f"the publisher answered {self.publisher}"
        assert meets(self.subscriber, claim.subscriber, self.publisher), f"the subscriber answered {self.subscriber}"
        assert meets(self.switched, claim.subscriber, self.publisher), f"after the switch it answered {self.switched}"
        for (statement, pattern), said in zip(claim.refused, self.refusals, strict=True):
            assert meets(said, Refusal(pattern), said), f"the publisher answered {said} to {statement}"
        assert self.stopped == bool(claim.stops)
        if claim.after is not None:
            assert meets(self.after, claim.after[1], self.publisher), f"it answered {self.after} to {claim.after[0]}"


class Couple:
    """A publisher, node a, and a subscriber, node b, with nothing between them but subscriptions."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self._databases = {SHARED}
        pair.embedded.promote("b")
        # It remembers what the standby's queries needed, and would keep vacuum from its work.
        pair.run("select pg_drop_replication_slot(slot_name) from pg_replication_slots", "a")

    @contextlib.contextmanager
    def session(self, node: NodeName, name: str) -> Iterator[psycopg.Connection]:
        """Open a session in which every statement is its own transaction, where the things of that name are."""
        conninfo = psycopg.conninfo.make_conninfo(self.pair.server(node).conninfo, dbname=self.database(name))
        with contextlib.closing(psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)) as session:
            rows(session, f"set search_path = {name}, public")
            yield session

    def database(self, name: str) -> str:
        """Return the database that has the things of a name: one of that name, or the shared one."""
        return name if name in self._databases else SHARED

    def run(self, node: NodeName, name: str, *statements: str) -> list[tuple[object, ...]]:
        """Run statements on a server and return the rows of the last one."""
        with self.session(node, name) as session:
            return [rows(session, statement) for statement in statements][-1]

    def ask(self, node: NodeName, name: str, look: str) -> Answer:
        """Ask a question in a new session."""
        with self.session(node, name) as session:
            return answer(session, look)

    def create_database(self, name: str) -> None:
        """Create a database on both servers, with a schema of the same name."""
        for node in NODES:
            self.run(node, SHARED, f"create database {name}")
        self._databases.add(name)
        self.create_schema(name)

    def create_schema(self, name: str) -> None:
        """Create a schema on both servers."""
        for node in NODES:
            self.run(node, name, f"create schema {name}")

    def source(self, name: str) -> str:
        """Return the address of the things of a name on the publisher, for a subscription."""
        return f"host={self.pair.embedded.socket} port=5432 user=postgres dbname={self.database(name)}"

    def subscribe(self, name: str, publications: Sequence[str], options: str = "", *, copy: bool = False) -> None:
        """Create a subscription to publications; rows that are there already are taken only if `copy`."""
        given = ", ".join([f"copy_data = {str(copy).lower()}", *([options] if options else [])])
        create = f"create subscription {name} connection '{self.source(name)}' publication {', '.join(publications)}"
        self.run("b", name, f"{create} with ({given})")

    def caught_up(self, *names: str) -> None:
        """Wait until each subscription has confirmed all that the publisher has committed until now."""
        ((end,),) = self.run("a", SHARED, "select pg_logical_emit_message(false, 'end', '', true)")
        look = "select slot_name, confirmed_flush_lsn from pg_replication_slots where slot_type = 'logical'"

        def confirmed() -> bool:
            at = dict(self.run("a", SHARED, look))
            return all(Lsn(at[name]) >= Lsn(end) for name in names)

        topology.wait_until(confirmed, f"{', '.join(names)} to confirm {end}", timeout_s=60)

    def ready(self, name: str) -> None:
        """Wait until every table of a subscription has been copied."""
        unready = (
            "select subname from pg_subscription_rel join pg_subscription s on s.oid = srsubid where srsubstate <> 'r'"
        )
        topology.wait_until(lambda: (name,) not in self.run("b", name, unready), f"{name} to be copied", timeout_s=60)

    def logged(self, node: NodeName, pattern: str) -> str:
        """Wait until the log of a server has a line that a pattern fits, and return what fits."""
        log = self.pair.embedded.directory / f"{node}.log"

        def found() -> re.Match[str] | None:
            return re.search(pattern, log.read_text(encoding="utf-8", errors="replace"))

        topology.wait_until(lambda: found() is not None, f"{pattern} in {log.name}", timeout_s=60)
        return found()[0]

    def named(self, subscription: str) -> None:
        """Have the publisher's commits wait for a subscription, or for none, and wait until they do."""
        self.run("a", SHARED, f"alter system set synchronous_standby_names = '{subscription}'")
        self.run("a", SHARED, "select pg_reload_conf()")
        state = "select application_name from pg_stat_replication where sync_state = 'sync'"
        expected = [(subscription,)] if subscription else []
        topology.wait_until(
            lambda: self.run("a", SHARED, state) == expected, f"commits to wait for {subscription}", timeout_s=60
        )

    def cut(self, name: str) -> None:
        """Disable a subscription and wait until the publisher has let go of it."""
        self.run("b", name, f"alter subscription {name} disable")
        active = "select slot_name from pg_replication_slots where active"
        topology.wait_until(lambda: (name,) not in self.run("a", SHARED, active), f"{name} to stop", timeout_s=60)

    def stop_flushing(self) -> None:
        """Hold the publisher's log writer, so that a commit that nobody flushes stays unflushed until the kill."""
        ((pid,),) = self.run("a", SHARED, "select pid from pg_stat_activity where backend_type = 'walwriter'")
        os.kill(int(pid), signal.SIGSTOP)


class LogicalBench(Bench):
    """The experiments of one module, made on one couple."""

    def __init__(self, experiments: Sequence[Experiment | Trial]) -> None:
        super().__init__(experiments)
        with fresh_pair(_SETTINGS) as pair:
            outcomes = perform(Couple(pair), experiments)
        self._outcomes = {outcome.experiment.name: outcome for outcome in outcomes}
        assert len(self._outcomes) == len(experiments), "two experiments share a name"

    def outcome(self, experiment: Experiment | Trial) -> Outcome:
        """Return what the servers answered."""
        return self._outcomes[experiment.name]


def perform(couple: Couple, experiments: Sequence[Experiment | Trial]) -> list[Outcome]:
    """Make the experiments, kill the publisher, and ask once more; the couple is spent afterwards."""
    outcomes = [Outcome(experiment) for experiment in experiments]
    ordinary = [outcome for outcome in outcomes if isinstance(outcome.experiment, Experiment)]
    _prepare(couple, [outcome.experiment for outcome in ordinary])
    for outcome in outcomes:
        if isinstance(outcome.experiment, Trial):
            couple.create_schema(outcome.experiment.name)
            with _named(outcome.experiment):
                outcome.publisher, outcome.switched = outcome.experiment.run(couple)
    with contextlib.ExitStack() as sessions:
        for outcome in ordinary:
            if not outcome.experiment.is_last:
                _do(couple, outcome, sessions)
        _look(couple, [outcome for outcome in ordinary if not outcome.experiment.is_last])
        couple.stop_flushing()
        for outcome in ordinary:
            if outcome.experiment.is_last:
                if outcome.experiment.cut:
                    couple.cut(outcome.experiment.subscribed)
                _do(couple, outcome, sessions)
        couple.pair.embedded.kill("a")
    for outcome in ordinary:
        _look_after(couple, outcome)
    return outcomes


def _prepare(couple: Couple, experiments: Sequence[Experiment]) -> None:
    for experiment in experiments:
        if experiment.needs_database:
            couple.create_database(experiment.name)
        else:
            couple.create_schema(experiment.name)
        for node, more in (("a", experiment.here), ("b", experiment.there)):
            with couple.session(node, experiment.name) as session, _named(experiment):
                for statement in (*experiment.both, *more):
                    rows(session, statement)
                if node == "a" and experiment.publication:
                    rows(session, f"create publication {experiment.name} {experiment.publication}")
    published = [experiment for experiment in experiments if experiment.publication]
    for name in sorted({experiment.subscribed for experiment in published}):
        taken = [experiment for experiment in published if experiment.subscribed == name]
        couple.subscribe(name, [experiment.name for experiment in taken], taken[0].subscription)


def _do(couple: Couple, outcome: Outcome, sessions: contextlib.ExitStack) -> None:
    experiment = outcome.experiment
    session = sessions.enter_context(couple.session("a", experiment.name))
    with _named(experiment):
        for statement in experiment.do:
            rows(session, statement)
    outcome.publisher = answer(session, experiment.look)
    outcome.refusals = [answer(session, statement) for statement, _ in experiment.refused]


def _look(couple: Couple, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.experiment.stops:
            couple.logged("b", outcome.experiment.stops)
            outcome.stopped = True
    going = {each.experiment.subscribed for each in outcomes if each.experiment.publication and not each.stopped}
    couple.caught_up(*going)
    for outcome in outcomes:
        experiment = outcome.experiment
        outcome.subscriber = couple.ask("b", experiment.name, experiment.look)


def _look_after(couple: Couple, outcome: Outcome) -> None:
    experiment = outcome.experiment
    with couple.session("b", experiment.name) as session:
        outcome.switched = answer(session, experiment.look)
        if experiment.is_last:
            outcome.subscriber = outcome.switched
        if experiment.after is not None:
            outcome.after = answer(session, experiment.after[0])


@contextlib.contextmanager
def _named(experiment: Experiment | Trial) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"in experiment {experiment.name}")
        raise
