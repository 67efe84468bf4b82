"""HADR: what no statement touches and only a look at the pair shows."""

from __future__ import annotations

from replicator.db2.rules import documents
from replicator.db2.subject import Subject
from replicator.rule import Mode, Proof, Rule, Severity, Verdict

RULES: tuple[Rule, ...] = (
    Rule(
        id="DBH-080",
        mode=Mode.DB2_HADR,
        subject=Subject.NO_HADR,
        severity=Severity.LOST,
        verdict=Verdict.NOT_REPLICATED,
        condition="while the role of the database is STANDARD",
        standby_now="there is no standby",
        after_takeover="there is no takeover",
        message="{object} has the role STANDARD: nothing of it is replicated",
        remedy="set the HADR parameters, restore a backup on the second node, and run START HADR on both",
        since="Db2 10.5",
        source=documents.ROLE,
        proof=Proof.DOCUMENTED,
    ),
    Rule(
        id="DBH-081",
        mode=Mode.DB2_HADR,
        subject=Subject.PAIR_STATE,
        severity=Severity.LOST,
        verdict=Verdict.CONDITIONAL,
        condition="replicated in peer state, under SUPERASYNC in remote catchup; in any other the standby is behind",
        standby_now="what the primary committed before the state was lost",
        after_takeover="only TAKEOVER BY FORCE works, and what the standby had not received is lost",
        message="standby {object} is {detail}: what it has not received is lost at takeover",
        remedy="see that both databases are active and the link is up, and wait until db2pd -hadr shows PEER",
        since="Db2 10.5",
        source=documents.STATES,
        proof=Proof.DOCUMENTED,
    ),
    Rule(
        id="DBH-082",
        mode=Mode.DB2_HADR,
        subject=Subject.SERVICE_LEVEL,
        severity=Severity.REFUSED,
        verdict=Verdict.NOT_REPLICATED,
        condition="always: the product is no part of the database; two levels are for a rolling upgrade only",
        standby_now="the pair works outside what is supported, unless a rolling upgrade is on its way",
        after_takeover="the new primary is of its own level, and applications meet that one",
        message="{object} runs {detail}: two levels are allowed during a rolling upgrade only",
        remedy="bring both nodes to the same service level",
        since="Db2 10.5",
        source=documents.RESTRICTIONS,
        proof=Proof.DOCUMENTED,
    ),
)
