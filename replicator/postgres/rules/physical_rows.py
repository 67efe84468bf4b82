"""Physical replication of rows, of what holds them, and of sequences."""

from __future__ import annotations

from replicator.postgres.subject import Subject
from replicator.rule import Mode, Proof, Rule, Severity, Verdict

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
        proof=Proof.PROVEN,
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
        proof=Proof.PROVEN,
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
        proof=Proof.PROVEN,
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
        proof=Proof.PROVEN,
    ),
)
