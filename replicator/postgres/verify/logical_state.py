"""What no publication brings beside definitions: sequences, large objects, roles and grants, tablespaces, libraries.

The two servers are each their own, so what counts is what a switch would miss. The mode's rules say what that costs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from replicator.comparison import Compared, Request, Suspect, What, Word
from replicator.postgres.audit import check, logical_stream
from replicator.postgres.audit.check import Check, objects
from replicator.postgres.subject import Subject
from replicator.postgres.verify import audited, grants, libraries
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.postgres.verify.refusals import told
from replicator.rule import Finding, Grade, Mode, Unseen

_MODE = Mode.POSTGRES_LOGICAL


def sequences(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Find the subscriber's sequences that stay behind. Raises: NodeUnreachable, NodeLost."""
    yield from audited.compare(
        couple,
        _MODE,
        What.SEQUENCES,
        "sequences",
        [logical_stream.SEQUENCES],
        lambda nodes: len(nodes.primary.ask("catalog/sequences")),
    )


def large_objects(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Find the publisher's large objects, of which none is sent. Raises: NodeUnreachable, NodeLost."""
    yield from audited.compare(
        couple,
        _MODE,
        What.LOBS,
        "large objects",
        [objects("large objects", "catalog/large_objects")],
        lambda nodes: len(nodes.primary.ask("verify/large_objects")),
    )


def tablespaces(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Find the publisher's tablespaces that the subscriber lacks. Raises: NodeUnreachable, NodeLost."""
    yield from audited.compare(
        couple,
        _MODE,
        What.TABLESPACES,
        "tablespaces",
        [Check("tablespaces", _lacking_tablespaces)],
        lambda nodes: len(nodes.primary.ask("catalog/tablespaces")),
    )


def _lacking_tablespaces(nodes: check.Couple) -> Iterator[Finding]:
    there = {row.object for row in nodes.standby.ask("verify/tablespaces")}
    for row in nodes.primary.ask("verify/tablespaces"):
        if row.object not in there:
            yield nodes.rules[Subject.TABLESPACE].found(row.object, nodes.standby.where, grade=Grade.MAY)


def libraries_named(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Find the libraries that functions of the publisher alone are in. Raises: NodeUnreachable, NodeLost."""
    yield from audited.compare(
        couple,
        _MODE,
        What.LIBRARIES,
        "libraries and extensions",
        [Check("libraries", _lacking_libraries), Check("extensions", _lacking_extensions)],
        libraries.count,
    )


def _lacking_libraries(nodes: check.Couple) -> Iterator[Finding]:
    there = {row.library for row in nodes.standby.ask("catalog/libraries")}
    for row in nodes.primary.ask("catalog/libraries"):
        if row.library not in there:
            yield nodes.rules[Subject.LIBRARY].found(row.library, nodes.standby.where)


def _lacking_extensions(nodes: check.Couple) -> Iterator[Finding]:
    there = {row.name for row in nodes.standby.ask("catalog/extensions")}
    for row in nodes.primary.ask("catalog/extensions"):
        if row.name not in there:
            yield nodes.rules[Subject.EXTENSION].found(row.name, nodes.standby.where)


def roles(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Find roles and memberships that the subscriber lacks, and grants that are others. Raises: as `sequences`."""
    yield from told(couple, What.ROLES, "roles and grants", _roles(couple))


def _roles(couple: Couple) -> Iterator[Compared | Suspect | Unseen]:
    began = time.monotonic()
    ours, theirs = (grants.definitions(Reader(node, couple.timeout_s)) for node in (couple.primary, couple.standby))
    for name, text in ours.items():
        if name in theirs and theirs[name] != text:
            yield Suspect(What.ROLES, name, Word.DIFFERENT, "not the same on the subscriber", grade=Grade.MAY)
        elif name not in theirs and not name.startswith("grants on "):  # what is not there is told elsewhere
            yield Suspect(What.ROLES, name, Word.DIFFERENT, "not on the subscriber", grade=Grade.SHOULD)
    took = time.monotonic() - began
    yield Compared(What.ROLES, "roles and grants", len(ours), 0, None, took, grants.PASSWORDS)
