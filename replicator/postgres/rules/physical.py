"""Physical streaming replication: what a hot standby has of the primary, and what it has not, as one table.

The standby replays the log, so it has what the log holds: every change of an ordinary table, whoever made it.
What is missing was never logged (unlogged tables, slots) or never was in the database (settings, directories,
libraries).
"""

from __future__ import annotations

from replicator.postgres.rules import physical_rows
from replicator.postgres.subject import Subject
from replicator.rule import Mode, Proof, Rule, Severity, Verdict

RULES: tuple[Rule, ...] = (
    *physical_rows.RULES,
    Rule(
        id="PGP-004",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.SLOT_WITHOUT_FAILOVER,
        severity=Severity.LOST,
        verdict=Verdict.NOT_REPLICATED,
        condition="unless the standby has a logical slot of the same name",
        standby_now="the slot is not there",
        after_takeover="the slot is not there, and its consumer cannot go on from where it was",
        message="logical slot {object} has no failover flag: its consumer's position is lost at takeover",
        remedy="create the slot with failover = true and set sync_replication_slots = on on the standby",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Logical Decoding Concepts, Replication Slot Synchronization",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-005",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.FAILOVER_SLOT,
        severity=Severity.LOST,
        verdict=Verdict.CONDITIONAL,
        condition="replicated once the standby has synchronized it and holds it as a persistent slot",
        standby_now="the slot is not there, or temporary",
        after_takeover="the slot is not there, and its consumer cannot go on from where it was",
        message="failover slot {object} is not synchronized: its consumer's position is lost at takeover",
        remedy=(
            "set sync_replication_slots = on, hot_standby_feedback = on, primary_slot_name, and dbname in "
            "primary_conninfo, on the standby"
        ),
        since="PostgreSQL 17",
        source="PostgreSQL 18 documentation, Logical Decoding Concepts, Replication Slot Synchronization",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-006",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.FEEDBACK,
        severity=Severity.LOST,
        verdict=Verdict.CONDITIONAL,
        condition="while the standby has logical slots, or is to synchronize the primary's",
        standby_now="once the primary vacuums its catalogs, the slot is invalid: rows_removed",
        after_takeover="the slot is invalid, and its consumer cannot go on from where it was",
        message="{object} is off: a vacuum on the primary can invalidate {detail}",
        remedy="set hot_standby_feedback = on on the standby",
        since="PostgreSQL 16",
        source="PostgreSQL 18 documentation, Logical Decoding Concepts, Replication Slots",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-007",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.CAPACITY,
        severity=Severity.STALE,
        verdict=Verdict.NOT_REPLICATED,
        condition="while the standby's value is lower than the primary's",
        standby_now="replay pauses, reads go on and grow stale; resuming replay shuts the standby down",
        after_takeover="there is no takeover: promotion shuts the standby down",
        message="{object} is {detail}: replay pauses and the standby grows stale",
        remedy="raise it on the standby first, restart the standby, and only then raise it on the primary",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, Hot Standby, Administrator's Overview",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-008",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.SETTING,
        severity=Severity.STALE,
        verdict=Verdict.NOT_REPLICATED,
        condition="always, ALTER SYSTEM included; only ALTER DATABASE and ALTER ROLE ... SET are in the log",
        standby_now="the standby works with its own value",
        after_takeover="the new primary works with its own value",
        message="{object} is {detail}: after takeover the standby's value counts",
        remedy="set the same value on both nodes",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, ALTER SYSTEM",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-010",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.TABLESPACE,
        severity=Severity.REFUSED,
        verdict=Verdict.NOT_REPLICATED,
        condition="while the standby has no directory of that path",
        standby_now="it shuts down when it replays CREATE TABLESPACE, and does not come up again",
        after_takeover="there is no standby to take over",
        message="tablespace {object} has no directory {detail}: the standby shuts down at its replay",
        remedy="create the directory on the standby, owned by the server's user",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, Log-Shipping Standby Servers, Planning",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-011",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.LIBRARY,
        severity=Severity.REFUSED,
        verdict=Verdict.NOT_REPLICATED,
        condition="always: the function is in the log, its library is a file of the node",
        standby_now="a call fails: could not access file, or could not find function in file",
        after_takeover="a call fails as before",
        message="library {object} {detail} on the standby: its functions fail there, after takeover too",
        remedy="install the same packages on both nodes",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, C-Language Functions, Dynamic Loading",
        proof=Proof.PROVEN,
    ),
)
