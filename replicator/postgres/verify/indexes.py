"""Whether each node's B-tree indexes agree with its tables: `amcheck`, on both, for what rows alone do not show.

A standby's index is replayed block by block beside its table, and a query there trusts it: an entry that is lost hides
a row that is there. What differs is one node's own index from its own table, so each node is asked for itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Row

from replicator import sql
from replicator.comparison import Compared, Progress, Request, Suspect, What, Word
from replicator.errors import QueryTimedOut, RecoveryConflict, SchemaMissing
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.stored_relation import is_chosen
from replicator.postgres.verify.tuple_session import TupleSession, Unreadable, on_both
from replicator.postgres.verify.tuple_settling import standby_position
from replicator.rule import Unseen

_POLL_S = 0.1


def compare(couple: Couple, request: Request) -> Iterator[Compared | Suspect | Unseen | Progress]:
    """Check the indexes of every table.

    Raises:
        NodeUnreachable, NodeLost: a node went away.
    """
    nodes = [TupleSession(node, request.max_snapshot_s) for node in (couple.primary, couple.standby)]
    with ThreadPoolExecutor(1) as helper:
        try:
            yield from _checked(nodes[0], nodes[1], helper, request)
        finally:
            for node in nodes:
                node.stop()
                node.cancel()
                node.close()


def _checked(
    primary: TupleSession, standby: TupleSession, helper: ThreadPoolExecutor, request: Request
) -> Iterator[Compared | Suspect | Unseen | Progress]:
    indexes = [
        row
        for row in primary.ask(sql.load("postgres/verify/btree_indexes"))
        if (request.catalogs or not row.catalog) and is_chosen((row.table, row.plain), request.tables)
    ]
    if indexes and not indexes[0].permitted:
        role = primary.ask(sql.load("postgres/catalog/asking_role"))[0].name
        home = indexes[0].amcheck
        grant = f"grant execute on function {home}.bt_index_check(regclass, boolean) to {role}"
        why = "permission denied" if home else "the extension amcheck is not installed"
        yield Unseen("indexes", primary.where, why, grant if home else "create extension amcheck")
        return
    done, total = 0, sum(row.size for row in indexes)
    for row in indexes:
        began, lsn = time.monotonic(), standby_position(standby)
        said = on_both(
            helper,
            lambda: _fault(primary, row, request.settle_s),  # noqa: B023 - run before the next
            lambda: _fault(standby, row, request.settle_s),  # noqa: B023
        )
        suspects = [
            Suspect(What.INDEXES, row.table, word, f"index {row.name} on the {node}: {why}", row.name)
            for node, (word, why) in zip(("primary", "standby"), said, strict=True)
            if word is not Word.SETTLED
        ]
        yield from suspects
        if not any(one.word is Word.UNSETTLED for one in suspects):
            yield Compared(What.INDEXES, row.name, 1, row.size, lsn, time.monotonic() - began)
        done += row.size
        yield Progress(row.name, done, total)


def _fault(node: TupleSession, index: Row[Any], settle_s: float) -> tuple[Word, str]:
    """Return what is the matter with an index on a node; settled if nothing is."""
    statement = sql.filled("postgres/verify/check_index", amcheck=index.amcheck)
    deadline = time.monotonic() + settle_s
    while True:
        try:
            node.ask(statement, index=index.oid)
        except Unreadable as damage:
            return Word.DIFFERENT, str(damage)
        except SchemaMissing:
            return Word.SETTLED, "dropped while it was compared"
        except QueryTimedOut as error:
            return Word.UNSETTLED, str(error)
        except RecoveryConflict as error:
            if time.monotonic() > deadline:
                return Word.UNSETTLED, str(error)
            time.sleep(_POLL_S)
        else:
            return Word.SETTLED, ""
