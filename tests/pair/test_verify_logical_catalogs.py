"""All that is not rows, on a real publisher and its subscriber: each difference found, and graded by what it costs."""

from __future__ import annotations

import contextlib

import pytest

from replicator import engines
from replicator.comparison import Request, What
from replicator.postgres.verify.logical_schema import differing
from replicator.postgres.verify.schema import Definition
from replicator.rule import Mode
from replicator.verify import verify
from tests.fixtures.subscription import fresh_subscription

_HERE = (
    "create sequence app.used",
    "select nextval('app.used')",
    "select lo_from_bytea(0, 'x')",
    "create function app.f() returns int language sql as 'select 1'",
    "create function app.same() returns int language sql as 'select 1'",
    "create index made_at on app.item (made)",
    "create table app.kept (id int)",
    "create role seller",
    "grant select on app.item to seller",
    "alter type app.mood add value 'new'",
    "alter table app.log alter at set default now()",
)
_THERE = (
    "create sequence app.used",
    "create function app.f() returns int language sql as 'select 2'",
    "create function app.same() returns int language sql as 'select 1'",
    "create function app.extra() returns int language sql as 'select 1'",
    "create index extra on app.item (price)",
    "alter table app.item add constraint cheap check (price < 1e6)",
    "alter table app.item add column note text",
)
# What must be found, by kind and object, and its grade; everything else that is found may differ.
_WANTED = {
    "sequences app.used": "must",
    "lobs one large object": "must",
    "schema function app.f()": "should",
    "schema index app.made_at": "should",
    "schema table app.kept": "should",
    "schema constraint cheap on app.item": "should",
    "schema enum app.mood": "must",
    'schema constraint "City_pkey" on app."City"': "should",
    "roles role seller": "should",
}


def test_what_a_subscriber_lacks_is_found_and_graded() -> None:
    """What would be lost or refused is found in its kind; the subscriber's own columns and functions are fine."""
    with fresh_subscription() as both:
        both.here(*_HERE)
        both.there(*_THERE)
        urls = [both.pair.embedded.url(node) for node in ("a", "b")]  # type: ignore[arg-type]
        report = verify(*urls, Request(frozenset(What) - {What.ROWS, What.INDEXES}))
        both.catch_up()
        with contextlib.closing(engines.comparable(*urls, None, 10)) as pair:
            before = both.publisher.committed()
            both.here("insert into app.log values (now(), 'late')")
            both.catch_up()
            published, confirmed = pair.positions()
            assert before < confirmed
            assert before < published
    assert report.mode is Mode.POSTGRES_LOGICAL
    assert {one.what for one in report.compared} == frozenset(What) - {What.ROWS, What.INDEXES}
    assert (report.unsettled, report.unseen) == ([], [])
    found = {f"{one.what} {one.object}": one.grade.value for one in report.different}
    audited = {name for name in found if name.startswith("schema app.")}  # columns, as the audit judges them
    assert {name: grade for name, grade in found.items() if name not in audited} == _WANTED
    assert audited == {"schema app.item.name", 'schema app."City".people'}
    remarks = {f"{one.what} {one.object}" for one in report.remarks}
    assert "schema column app.log.at" not in remarks  # a default matters to who inserts, not to who applies


_CASES = {
    "another body": ("function f()", "function", None, "select 1", "select 2", True, "should"),
    "another body, printed by another version": (
        "function f()",
        "function",
        None,
        "select 1",
        "select 2",
        False,
        "may",
    ),
    "another index": ("index i", "index", "t", "on t (a)", "on t (b)", True, "may"),
    "a value that the subscriber lacks": ("enum e", "enum", None, "'a', 'b'", "'a'", True, "must"),
    "a value that only the subscriber has": ("enum e", "enum", None, "'a'", "'a', 'b'", True, "may"),
    "an absent view": ("view v", "view", "v", "select 1", None, True, "should"),
    "an absent comment": ("comment on t", "comment", None, "x", None, True, "may"),
    "an absent publication": ("publication p", "publication", None, "t", None, True, "may"),
    "an extra check": ("constraint c", "constraint", "t", None, "CHECK (a > 1)", True, "should"),
    "an extra foreign key": ("constraint c", "constraint", "t", None, "FOREIGN KEY (a) REFERENCES u(a)", True, None),
    "an extra check of a table that gets no rows": ("constraint c", "constraint", "u", None, "CHECK (a)", True, None),
    "an extra unique index": ("index i", "index", "t", None, "CREATE UNIQUE INDEX i ON t", True, "should"),
    "an extra index": ("index i", "index", "t", None, "CREATE INDEX i ON t", True, None),
    "an extra trigger that fires on apply": ("trigger g", "trigger", "t", None, "CREATE enabled A", True, "should"),
    "an extra trigger": ("trigger g", "trigger", "t", None, "CREATE TRIGGER enabled O", True, None),
    "a column of a published table": ("column t.a", "column", "t", "int", "text", True, None),
}


@pytest.mark.parametrize("case", _CASES.values(), ids=_CASES)
def test_a_difference_weighs_what_it_costs(
    case: tuple[str, str, str | None, str | None, str | None, bool, str | None],
) -> None:
    """Each kind of difference has its grade, and what costs nothing is not told."""
    name, kind, relation, here, there, alike, grade = case
    ours, theirs = ({} if text is None else {name: Definition(kind, relation, text, "")} for text in (here, there))
    found = list(differing(ours, theirs, {"t"}, alike=alike))
    assert [one.grade.value for one in found] == ([] if grade is None else [grade])


def test_an_absent_table_speaks_for_what_belongs_to_it() -> None:
    """Of a table that the subscriber lacks, its columns and indexes are not told one by one."""
    ours = {
        "table u": Definition("table", "u", "", ""),
        "column u.a": Definition("column", "u", "int", ""),
        "index i": Definition("index", "u", "on u", ""),
    }
    assert [one.object for one in differing(ours, {}, {"t"}, alike=True)] == ["table u"]
