"""Physical streaming replication: what a hot standby has of the primary, and what it has not, as one table.

The standby replays the log, so it has what the log holds: every change of an ordinary table, whoever made it.
What is missing was never logged (unlogged tables, slots) or never was in the database (settings, directories,
libraries).
"""

from __future__ import annotations

import enum

from replicator.rule import Mode, Rule, Severity, Verdict


class Subject(enum.StrEnum):
    """The classes of objects that the table speaks of."""

    UNLOGGED_TABLE = "unlogged table"
    UNLOGGED_PART = "unlogged partition or inheritance child of a logged table"
    UNLOGGED_SEQUENCE = "unlogged sequence"
    SLOT_WITHOUT_FAILOVER = "logical slot without the failover flag"
    FAILOVER_SLOT = "logical slot with the failover flag"
    FEEDBACK = "hot_standby_feedback of a standby with logical slots"
    CAPACITY = "setting that the standby needs at least as high as the primary"
    SETTING = "server setting"
    PUBLISHED_TABLE = "published table without a replica identity"
    TABLESPACE = "directory of a tablespace"
    LIBRARY = "library of functions in C, an extension's included"


RULES: tuple[Rule, ...] = (
    Rule(
        id="PGP-001",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.UNLOGGED_TABLE,
        severity=Severity.LOST,
        verdict=Verdict.NOT_REPLICATED,
        condition="always: the definition is in the log, the rows are not",
        standby_now="its rows cannot be read: cannot access temporary or unlogged relations during recovery",
        after_takeover="the table is there, takes reads and writes, and has 0 rows",
        message="{object} is unlogged: after takeover it has 0 rows",
        remedy="log it: ALTER TABLE ... SET LOGGED",
        since="PostgreSQL 9.1",
        source="PostgreSQL 18 documentation, CREATE TABLE, parameter UNLOGGED",
    ),
    Rule(
        id="PGP-002",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.UNLOGGED_PART,
        severity=Severity.WRONG_RESULTS,
        verdict=Verdict.NOT_REPLICATED,
        condition="always: the parent's other parts are replicated, this one's rows are not",
        standby_now="a query of the parent fails, unless it leaves this part out",
        after_takeover="the parent answers without the rows of this part, and without an error",
        message="{object} is unlogged and part of {detail}: after takeover {detail} answers without its rows",
        remedy="log the part: ALTER TABLE ... SET LOGGED",
        since="PostgreSQL 9.1",
        source="PostgreSQL 18 documentation, CREATE TABLE, parameter UNLOGGED",
    ),
    Rule(
        id="PGP-003",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.UNLOGGED_SEQUENCE,
        severity=Severity.WRONG_RESULTS,
        verdict=Verdict.NOT_REPLICATED,
        condition="always: the definition is in the log, the values handed out are not",
        standby_now="it cannot be read: cannot access temporary or unlogged relations during recovery",
        after_takeover="it begins again and hands out values that are in use",
        message="{object} is unlogged: after takeover it hands out values that are in use",
        remedy="log it: ALTER SEQUENCE ... SET LOGGED",
        since="PostgreSQL 15",
        source="PostgreSQL 18 documentation, CREATE SEQUENCE, parameter UNLOGGED",
    ),
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
    ),
    Rule(
        id="PGP-009",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.PUBLISHED_TABLE,
        severity=Severity.REFUSED,
        verdict=Verdict.REPLICATED,
        condition="the publication and the table are replicated, and so is the refusal",
        standby_now="nothing: a standby takes no writes",
        after_takeover="the new primary refuses updates and deletes of the table, as the old one does",
        message="{object} has no replica identity, and {detail}: the primary refuses them",
        remedy="add a primary key, or: ALTER TABLE ... REPLICA IDENTITY FULL",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Logical Replication, Publication, Replica Identity",
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
    ),
)
