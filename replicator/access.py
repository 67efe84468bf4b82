"""Who may do what with Hadrian's tables: four roles, which a DBA grants to those who log in.

A *reader* reads feeds, checkpoints and libraries. A *trainer* adds checkpoints and steps, and can delete nothing. A
*watcher* records what it has compared. An *admin* creates and drops feeds, and prunes.
"""

from __future__ import annotations

import contextlib

from replicator import sql
from replicator.engines import engine_of
from replicator.errors import NotConfigured
from replicator.postgres.connection import Server

ROLES = ("hadrian_reader", "hadrian_trainer", "hadrian_watcher", "hadrian_admin")


def script(engine: str) -> str:
    """Return the statements that make the roles of an engine, to be read, or run by somebody who may."""
    return sql.source(f"{engine}/access/roles")


def grant(url: str) -> str:
    """Make the roles, if they are not there, and give them what they may do; return the database's address.

    Raises:
        NotPermitted: making a role needs CREATEROLE, granting needs the tables' owner.
        SchemaMissing: Hadrian's tables are not there.
        NotConfigured: the engine's roles are made by hand.
    """
    if engine_of(url) != "postgres":
        raise NotConfigured(
            "on Db2 a security administrator makes the roles", hint="run what hadrian schema roles --engine db2 prints"
        )
    with contextlib.closing(Server(url)) as server, server.begin() as transaction:
        for statement in sql.statements(script("postgres")):
            transaction.execute(statement)
    return server.where
