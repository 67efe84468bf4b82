"""How a standby follows its primary: slots, replay, and what commits wait for."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.position import Lsn
from replicator.postgres.audit.catalog import Unanswered
from replicator.postgres.audit.check import Check, Couple, command
from replicator.postgres.subject import Subject
from replicator.rule import Finding, Grade

_LAG_BYTES = 256 << 20
"""Sixteen segments of log: more than a burst leaves behind, less than a slot's usual limit."""

_STATISTICS = "grant pg_read_all_stats to {role};"


def _lost_slots(couple: Couple) -> Iterator[Finding]:
    for slot in couple.primary.ask("catalog/logical_slots"):
        if not slot.failover:
            yield couple.rules[Subject.SLOT_WITHOUT_FAILOVER].found(slot.name, couple.primary.where)


def _logical_slots(couple: Couple) -> Iterator[Finding]:
    kept = {slot.name for slot in couple.standby.ask("catalog/logical_slots")}
    for slot in couple.primary.ask("catalog/logical_slots"):
        if slot.name in kept:
            continue
        if slot.failover:
            yield couple.rules[Subject.FAILOVER_SLOT].found(
                slot.name,
                couple.standby.where,
                command="select pg_sync_replication_slots(); -- or for good: sync_replication_slots = on",
            )
        else:
            yield couple.rules[Subject.SLOT_WITHOUT_FAILOVER].found(
                slot.name,
                couple.standby.where,
                command=command(
                    "select pg_create_logical_replication_slot({name}, {plugin}); -- begins at the standby's position",
                    name=slot.name,
                    plugin=slot.plugin,
                ),
            )


def _physical_slots(couple: Couple) -> Iterator[Finding]:
    # The slot that the standby itself streams from is not needed once it has taken over.
    kept = {slot.name for slot in couple.standby.ask("catalog/physical_slots")}
    kept.add(couple.standby.setting("primary_slot_name"))
    for slot in couple.primary.ask("catalog/physical_slots"):
        if slot.name not in kept:
            yield couple.rules[Subject.PHYSICAL_SLOT].found(
                slot.name,
                couple.standby.where,
                size=slot.size,
                since=slot.since,
                command=command("select pg_create_physical_replication_slot({name});", name=slot.name),
            )


def _feedback(couple: Couple) -> Iterator[Finding]:
    at_risk = {slot.name for slot in couple.standby.ask("catalog/logical_slots")}
    at_risk |= {slot.name for slot in couple.primary.ask("catalog/logical_slots") if slot.failover}
    if at_risk and couple.standby.setting("hot_standby_feedback") == "off":
        yield couple.rules[Subject.FEEDBACK].found(
            "hot_standby_feedback",
            couple.standby.where,
            f"logical slot {', '.join(sorted(at_risk))}",
            command="alter system set hot_standby_feedback = on; select pg_reload_conf();",
        )


def _replay(couple: Couple) -> Iterator[Finding]:
    end = Lsn(couple.primary.ask("topology/node")[0].lsn)  # asked first, so the lag is never overstated
    (standby,) = couple.standby.ask("catalog/replay")
    where = couple.standby.where
    behind = max(0, end - Lsn(standby.lsn))
    if standby.paused:
        yield couple.rules[Subject.REPLAY_PAUSED].found(
            "replay", where, size=behind, since=standby.since, command="select pg_wal_replay_resume();"
        )
    if not (standby.receiving or standby.restoring):
        yield couple.rules[Subject.NOT_RECEIVING].found("the standby", where, size=behind, since=standby.since)
    if behind > _LAG_BYTES:
        yield couple.rules[Subject.REPLAY_LAG].found(
            "the standby", where, f"{behind >> 20} MiB", size=behind, since=standby.since
        )


def _delay(couple: Couple) -> Iterator[Finding]:
    delay = couple.standby.setting("recovery_min_apply_delay")
    if delay not in {"", "0"}:
        yield couple.rules[Subject.APPLY_DELAY].found(
            "recovery_min_apply_delay",
            couple.standby.where,
            delay,
            command="alter system set recovery_min_apply_delay = 0; select pg_reload_conf();",
        )


def _synchronous(couple: Couple) -> Iterator[Finding]:
    """Look for a name that nobody answers to, which holds every commit, and for levels that wait for no name."""
    (waiting,) = couple.primary.ask("catalog/synchronous_standbys")
    where = couple.primary.where
    if waiting.hidden:
        raise Unanswered(where, "the role does not see them", permitted=False)
    if not waiting.names and waiting.level.startswith("remote"):
        yield couple.rules[Subject.COMMIT_REMOTE].found("synchronous_commit", where, waiting.level)
    if waiting.names and waiting.answering < waiting.wanted:
        yield couple.rules[Subject.SYNCHRONOUS_NAMES].found(
            "synchronous_standby_names",
            where,
            f"{waiting.names} ({waiting.answering} of {waiting.wanted})",
            grade=Grade.MUST,
            command="alter system reset synchronous_standby_names; select pg_reload_conf();",
        )


WITHOUT_STANDBY = (Check("logical slots", _lost_slots),)
ALONE = (Check("synchronous standbys", _synchronous, _STATISTICS),)
TOGETHER = (
    Check("logical slots", _logical_slots),
    Check("physical slots", _physical_slots),
    Check("feedback to the primary", _feedback),
    Check("replay", _replay),
    Check("the delay of replay", _delay),
)
