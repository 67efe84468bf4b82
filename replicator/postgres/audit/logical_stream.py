"""How a subscriber follows: its subscriptions, their first copies, the log not yet confirmed, and sequences."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.postgres.audit.catalog import Unanswered
from replicator.postgres.audit.check import Check, Couple, command
from replicator.postgres.subject import Subject
from replicator.rule import Finding

_LAG_BYTES = 256 << 20
"""Sixteen segments of log, as for a standby."""


def _stopped(couple: Couple) -> Iterator[Finding]:
    yield from couple.objects(couple.standby, "catalog/stopped_subscriptions")


def _unready(couple: Couple) -> Iterator[Finding]:
    for table in couple.standby.ask("catalog/subscribed_tables"):
        if not table.ready:
            yield couple.rules[Subject.UNREADY_TABLE].found(
                table.object, couple.standby.where, table.detail, rows=table.rows
            )


def _lag(couple: Couple) -> Iterator[Finding]:
    ours = {row.slot: row for row in couple.standby.ask("catalog/subscribed_slots")}
    for slot in couple.primary.ask("catalog/feeding_slots"):
        if slot.name in ours and (slot.behind or 0) > _LAG_BYTES:
            yield couple.rules[Subject.REPLAY_LAG].found(
                f"subscription {ours[slot.name].quoted}",
                couple.standby.where,
                f"{slot.behind >> 20} MiB",
                size=slot.behind,
                since=slot.since,
            )


def _used_sequences(couple: Couple) -> Iterator[Finding]:
    """Without a subscriber to compare, each sequence that was ever used will be behind there."""
    for sequence in couple.primary.ask("catalog/sequences"):
        if sequence.value is not None:
            yield couple.rules[Subject.SEQUENCE_ADVANCE].found(sequence.object, couple.primary.where)
    yield from _all_seen(couple)


def _stale_sequences(couple: Couple) -> Iterator[Finding]:
    theirs = {row.object: row for row in couple.standby.ask("catalog/sequences")}
    for sequence in couple.primary.ask("catalog/sequences"):
        there = theirs.get(sequence.object)
        if sequence.value is None or there is None or there.hidden:
            continue
        behind = there.value is None or (
            there.value > sequence.value if sequence.down else there.value < sequence.value
        )
        if behind:
            yield couple.rules[Subject.SEQUENCE_ADVANCE].found(
                sequence.object,
                couple.standby.where,
                command=f"{command('select setval({name}, ', name=sequence.object)}{sequence.value});",
            )
    yield from _all_seen(couple)


def _all_seen(couple: Couple) -> Iterator[Finding]:
    for node in (couple.primary, couple.standby):
        hidden = [row for row in node.ask("catalog/sequences") if row.hidden]
        if hidden:
            # A name's own braces are no place for the role.
            schemas = sorted({row.schema.replace("{", "{{").replace("}", "}}") for row in hidden})
            grant = f"grant select on all sequences in schema {', '.join(schemas)} to {{role}};"
            raise Unanswered(node.where, f"permission denied for {hidden[0].object}", permitted=False, grant=grant)
    yield from ()


SEQUENCES = Check("values of sequences", _stale_sequences)
ALONE = (Check("values of sequences", _used_sequences),)
TOGETHER = (
    Check("state of the subscriptions", _stopped, since=150_000),
    Check("first copies of tables", _unready),
    Check("log not yet confirmed", _lag),
    SEQUENCES,
)
