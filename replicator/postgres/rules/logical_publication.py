"""Logical replication: publications, subscriptions and slots.

A publication says which tables, rows, columns and operations are sent, and nothing checks that this is all
that a takeover needs. Slots and subscriptions belong to one server and are not sent themselves.
"""

from __future__ import annotations

from replicator.postgres.subject import Subject
from replicator.rule import Mode, Proof, Rule, Severity, Verdict

RULES: tuple[Rule, ...] = (
    Rule(
        id="PGL-030",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.UNPUBLISHED_TABLE,
        severity=Severity.LOST,
        verdict=Verdict.NOT_REPLICATED,
        condition="while no publication that the subscriber takes holds the table",
        standby_now="none of its rows since the schema was copied",
        after_takeover="none of its rows",
        message="{object} is in no publication: the subscriber gets none of its changes",
        remedy="ALTER PUBLICATION ... ADD TABLE, then: ALTER SUBSCRIPTION ... REFRESH PUBLICATION",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Logical Replication, Publication",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-031",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.TABLE_WITHOUT_KEY,
        severity=Severity.LOST,
        verdict=Verdict.NOT_REPLICATED,
        condition=(
            "once it is published for inserts alone, or decoded: an update and a delete do not say which row they "
            "change"
        ),
        standby_now="rows that the publisher has deleted or changed, as they were inserted",
        after_takeover="as before the switch",
        message="{object} has no replica identity: its updates and deletes cannot be sent",
        remedy="add a primary key, or: ALTER TABLE ... REPLICA IDENTITY FULL",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Logical Replication, Publication, Replica Identity",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-032",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.PUBLISHED_TABLE,
        severity=Severity.REFUSED,
        verdict=Verdict.REPLICATED,
        condition="what the publisher takes is sent; updates and deletes it refuses while a publication publishes them",
        standby_now="the same rows as the publisher",
        after_takeover="updates and deletes pass on the subscriber, unless it publishes the table as well",
        message="{object} has no replica identity, and {detail}: the publisher refuses them",
        remedy="add a primary key, or: ALTER TABLE ... REPLICA IDENTITY FULL",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Logical Replication, Publication, Replica Identity",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-033",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.ALL_TABLES,
        severity=Severity.REFUSED,
        verdict=Verdict.CONDITIONAL,
        condition="sent once the subscriber has a table of that name and has refreshed; updates and deletes need a key",
        standby_now="apply stops at the first row: logical replication target relation ... does not exist",
        after_takeover="the table is not there, nor what was committed after the first row of it",
        message=(
            "{object} is published at once: apply stops until the subscriber has it, and without a key updates are "
            "refused"
        ),
        remedy=(
            "create the table with a primary key on the subscriber first, then: ALTER SUBSCRIPTION ... REFRESH "
            "PUBLICATION"
        ),
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, CREATE PUBLICATION, parameter FOR ALL TABLES",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-034",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.PARTITION_ROOT,
        severity=Severity.WRONG_RESULTS,
        verdict=Verdict.CONDITIONAL,
        condition=(
            "sent under the names of the partitions, which the subscriber must have; under the root's name with "
            "publish_via_partition_root, but a TRUNCATE of one partition is then not sent"
        ),
        standby_now=(
            "a truncated partition's rows, where the publication is by way of the root; elsewhere apply stops at the "
            "first row of a new partition that the subscriber lacks"
        ),
        after_takeover="as before the switch",
        message="{object}: published by way of its root, a TRUNCATE of one partition is not sent",
        remedy=(
            "delete the rows instead, or publish without publish_via_partition_root and the same partitions on both "
            "nodes"
        ),
        since="PostgreSQL 13",
        source="PostgreSQL 18 documentation, CREATE PUBLICATION, parameter publish_via_partition_root",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-035",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.ROW_FILTER,
        severity=Severity.LOST,
        verdict=Verdict.CONDITIONAL,
        condition=(
            "sent if the row fits the publication's WHERE; a row that no longer fits is deleted on the subscriber"
        ),
        standby_now="only the rows that fit",
        after_takeover="only the rows that fit",
        message="{object} is published with a row filter: the subscriber has only the rows that fit",
        remedy="publish the table without WHERE if the subscriber is to take over",
        since="PostgreSQL 15",
        source="PostgreSQL 18 documentation, Logical Replication, Row Filters",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-036",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.COLUMN_LIST,
        severity=Severity.LOST,
        verdict=Verdict.CONDITIONAL,
        condition="sent if the publication's column list names the column",
        standby_now="NULL or the subscriber's own default in a column that the list leaves out",
        after_takeover="as before the switch",
        message="{object} is published with a column list: the other columns stay NULL on the subscriber",
        remedy="publish the table without a column list if the subscriber is to take over",
        since="PostgreSQL 15",
        source="PostgreSQL 18 documentation, Logical Replication, Column Lists",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-037",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.PUBLISHED_OPERATIONS,
        severity=Severity.WRONG_RESULTS,
        verdict=Verdict.CONDITIONAL,
        condition="sent if the operation is in the publication's publish list",
        standby_now="rows that the publisher has deleted, or as they were before an update, where those are left out",
        after_takeover="as before the switch",
        message="publication {object} leaves out {detail}: the subscriber's tables drift from the publisher's",
        remedy="ALTER PUBLICATION ... SET (publish = 'insert, update, delete, truncate')",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, CREATE PUBLICATION, parameter publish",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-038",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.PUBLICATION,
        severity=Severity.STALE,
        verdict=Verdict.NOT_REPLICATED,
        condition="always: it is a definition, and definitions are not sent",
        standby_now="the publication is not there",
        after_takeover="nobody can subscribe to the new server until it has a publication of its own",
        message="publication {object}: the subscriber does not have it",
        remedy="create it on the subscriber too, before the switch",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Logical Replication, Restrictions",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-039",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.SUBSCRIPTION,
        severity=Severity.STALE,
        verdict=Verdict.NOT_REPLICATED,
        condition="always: a subscription belongs to one database of one server",
        standby_now=(
            "what the publisher itself gets by it arrives, unless the subscriber's subscription has origin = none"
        ),
        after_takeover="what it brought does not arrive any more",
        message="subscription {object}: the subscriber does not have it, and after the switch what it brought stops",
        remedy="create it on the new server after the switch, with copy_data = false where the rows are there",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Logical Replication, Subscription",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-040",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.ORIGIN,
        severity=Severity.FINE,
        verdict=Verdict.NOT_REPLICATED,
        condition="always: an origin counts what its own server has applied",
        standby_now="the origins of the subscriber's own subscriptions",
        after_takeover="as before the switch",
        message="replication origin {object}: each server has its own",
        remedy="nothing to do",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Replication Progress Tracking",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-041",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.SLOT_WITHOUT_FAILOVER,
        severity=Severity.LOST,
        verdict=Verdict.NOT_REPLICATED,
        condition=(
            "always: a slot belongs to its server, and without the flag the publisher's own standbys do not get it "
            "either"
        ),
        standby_now="the slot is not there",
        after_takeover="the slot is not there, and its consumer cannot go on from where it was",
        message=(
            "logical slot {object} is the publisher's: its consumer's position is lost at a switch, and at a "
            "failover as well"
        ),
        remedy="set failover = true for the publisher's standbys (17), and begin the consumer anew on the new server",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Logical Replication, Logical Replication Failover",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-042",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.FAILOVER_SLOT,
        severity=Severity.LOST,
        verdict=Verdict.NOT_REPLICATED,
        condition="always for a subscriber: the flag takes the slot to the publisher's physical standbys, no further",
        standby_now="the slot is not there",
        after_takeover="the slot is not there, and its consumer cannot go on from where it was",
        message=(
            "failover slot {object} goes to the publisher's standbys only: at a switch its consumer's position is lost"
        ),
        remedy="switch to a physical standby of the publisher, or begin the consumer anew on the new server",
        since="PostgreSQL 17",
        source="PostgreSQL 18 documentation, Logical Replication, Logical Replication Failover",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGL-043",
        mode=Mode.POSTGRES_LOGICAL,
        subject=Subject.PHYSICAL_SLOT,
        severity=Severity.LOST,
        verdict=Verdict.NOT_REPLICATED,
        condition="always: a slot belongs to its server",
        standby_now="the slot is not there",
        after_takeover="no physical standby follows the new server until one is built from it",
        message="physical slot {object}: the subscriber does not have it, and its standby cannot follow the subscriber",
        remedy="build a standby of the subscriber, with a slot there, before the switch",
        since="PostgreSQL 10",
        source="PostgreSQL 18 documentation, Log-Shipping Standby Servers, Replication Slots",
        proof=Proof.PROVEN,
    ),
)
