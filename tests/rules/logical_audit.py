"""Experiments on subscriptions that stand still, tables they do not know, and definitions that differ."""

from __future__ import annotations

from tests.rules.experiment import SAME, Answer, Refusal
from tests.rules.logical_experiment import WHOLE, Couple, Experiment, Trial

_COUNT = "select count(*) from items"


def not_copied(couple: Couple) -> tuple[Answer, Answer]:
    """Subscribe to a table whose first copy cannot be done: the subscriber has a row of the same key."""
    name = "unready"
    for node in ("a", "b"):
        couple.run(node, name, "create table items (id int constraint unready_key primary key)")
        couple.run(node, name, "insert into items values (1)")
    couple.run("a", name, "insert into items values (2)", "create publication unready for table items")
    couple.subscribe(name, ["unready"], copy=True)
    couple.logged("b", 'duplicate key value violates unique constraint "unready_key"')
    return couple.ask("a", name, _COUNT), couple.ask("b", name, _COUNT)


def not_refreshed(couple: Couple) -> tuple[Answer, Answer]:
    """Publish a further table that both servers have, and write to it before the subscription is refreshed."""
    name = "unrefreshed"
    for node in ("a", "b"):
        couple.run(node, name, "create table old (id int)", "create table items (id int)")
    couple.run("a", name, "create publication unrefreshed for table old")
    couple.subscribe(name, ["unrefreshed"])
    couple.run("a", name, "alter publication unrefreshed add table items")
    couple.run("a", name, "insert into items values (1)", "insert into old values (1)")
    couple.caught_up(name)
    assert couple.ask("b", name, "select count(*) from old") == [(1,)]
    answers = couple.ask("a", name, _COUNT), couple.ask("b", name, _COUNT)
    couple.run("b", name, "alter subscription unrefreshed refresh publication")
    couple.ready(name)
    assert couple.ask("b", name, _COUNT) == answers[0]
    return answers


EXPERIMENTS: tuple[Experiment | Trial, ...] = (
    Experiment(
        rule="PGL-120",
        name="disabled",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("insert into items values (1)",),
        look=_COUNT,
        publisher=[(1,)],
        subscriber=[(0,)],
        alone=True,
        cut=True,
    ),
    Experiment(
        rule="PGL-120",
        name="in_error",
        both=("create table items (id int)",),
        there=("alter table items add constraint none_of_those check (id > 1)",),
        publication=WHOLE,
        do=("insert into items values (1)", "insert into items values (2)"),
        look=_COUNT,
        publisher=[(2,)],
        subscriber=[(0,)],
        alone=True,
        stops='violates check constraint "none_of_those"',
    ),
    Trial(rule="PGL-121", name="unready", run=not_copied),
    Trial(rule="PGL-122", name="unrefreshed", run=not_refreshed),
    Experiment(
        rule="PGL-123",
        name="narrower",
        here=("create table items (label varchar(10))",),
        there=("create table items (label varchar(3))",),
        publication=WHOLE,
        do=(
            "insert into items values ('one')",
            "insert into items values ('three')",
            "insert into items values ('two')",
        ),
        look="select label from items",
        publisher=[("one",), ("three",), ("two",)],
        subscriber=[("one",)],
        alone=True,
        stops=r"value too long for type character varying\(3\)",
    ),
    Experiment(
        rule="PGL-124",
        name="missing_type",
        do=("create type mood as enum ('glad', 'sad')",),
        look="select 'glad'::mood::text",
        publisher=[("glad",)],
        subscriber=Refusal('42704: type "mood" does not exist'),
    ),
    Experiment(
        rule="PGL-125",
        name="applied",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("insert into items values (1)",),
        look=_COUNT,
        publisher=[(1,)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-125",
        name="not_applied",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("insert into items values (1)",),
        look=_COUNT,
        publisher=[(1,)],
        subscriber=[(0,)],
        alone=True,
        cut=True,
    ),
)
