"""Physical streaming replication: queries of the standby that are in the way of replay.

Replay wins: it waits for a query no longer than max_standby_streaming_delay, and then ends it. Nothing is lost by
that but the query. A logical slot of the standby is lost, though, when the rows that it needs are removed.
"""

from __future__ import annotations

from replicator.postgres.subject import Subject
from replicator.rule import Mode, Proof, Rule, Severity, Verdict

RULES: tuple[Rule, ...] = (
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
        id="PGP-093",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.CONFLICT_SNAPSHOT,
        severity=Severity.REFUSED,
        verdict=Verdict.REPLICATED,
        condition="the cleanup is replayed; a query in its way has max_standby_streaming_delay",
        standby_now=(
            "the query is cancelled (40001): User query might have needed to see row versions that must be removed"
        ),
        after_takeover="nothing is lost: the query can be run again",
        message="{object}: standby queries that still need the removed rows are cancelled",
        remedy="set hot_standby_feedback = on, or a longer max_standby_streaming_delay, on the standby",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, Hot Standby, Handling Query Conflicts",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-094",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.CONFLICT_LOCK,
        severity=Severity.REFUSED,
        verdict=Verdict.REPLICATED,
        condition="the lock is replayed; a query in its way has max_standby_streaming_delay",
        standby_now="the query is cancelled (40001): User was holding a relation lock for too long",
        after_takeover="nothing is lost: the query can be run again",
        message="{object}: standby queries that use it are cancelled when the lock is replayed",
        remedy="run it while the standby's queries are short, with lock_timeout set",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, Hot Standby, Handling Query Conflicts",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-095",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.CONFLICT_IDLE,
        severity=Severity.REFUSED,
        verdict=Verdict.REPLICATED,
        condition="the lock is replayed; an idle transaction in its way has max_standby_streaming_delay",
        standby_now="the session is terminated (40001): User was holding a relation lock for too long",
        after_takeover="nothing is lost: the session can connect again",
        message="{object}: standby sessions idle in a transaction that used it are terminated",
        remedy="end transactions on the standby, and set idle_in_transaction_session_timeout there",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, Hot Standby, Handling Query Conflicts",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-096",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.CONFLICT_DATABASE,
        severity=Severity.REFUSED,
        verdict=Verdict.REPLICATED,
        condition="the drop is replayed at once, whatever max_standby_streaming_delay says",
        standby_now="sessions in it are terminated (57P04): User was connected to a database that must be dropped",
        after_takeover="the database is gone",
        message="database {object}: standby sessions in it are terminated at once",
        remedy="close the standby's sessions in it first",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, Hot Standby, Handling Query Conflicts",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-097",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.CONFLICT_TABLESPACE,
        severity=Severity.REFUSED,
        verdict=Verdict.REPLICATED,
        condition="the drop is replayed; the primary does not know of the standby's temporary files",
        standby_now=(
            "queries with temporary files in it are cancelled (40001): User was or might have been using "
            "tablespace that must be dropped"
        ),
        after_takeover="the tablespace is gone",
        message="tablespace {object}: standby queries with temporary files in it are cancelled",
        remedy="take it out of the standby's temp_tablespaces first",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, Hot Standby, Handling Query Conflicts",
        proof=Proof.PROVEN,
    ),
    Rule(
        id="PGP-098",
        mode=Mode.POSTGRES_PHYSICAL,
        subject=Subject.CONFLICT_BUFFER_PIN,
        severity=Severity.REFUSED,
        verdict=Verdict.REPLICATED,
        condition="the cleanup is replayed; a query that pins the page has max_standby_streaming_delay",
        standby_now="the query is cancelled (40001): User was holding shared buffer pin for too long",
        after_takeover="nothing is lost: the query can be run again",
        message="{object}: standby queries that stand on a page of it are cancelled when its cleanup is replayed",
        remedy="fetch from cursors on the standby without long pauses",
        since="PostgreSQL 9.0",
        source="PostgreSQL 18 documentation, Hot Standby, Handling Query Conflicts",
        proof=Proof.PROVEN,
    ),
)
