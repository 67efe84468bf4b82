"""The structure of a live database as a script: its roles and tablespaces, and its schema, without a row.

The programs that write it come with the embedded server, and only speak for a server of their own major version: what a
newer one knows they would leave out, and what an older one wrote could have another meaning.

Source: PostgreSQL 18 documentation, pg_dump, pg_dumpall; and libpq, Environment Variables.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import psycopg.conninfo

from replicator.errors import NotConfigured, ProcessFailed
from replicator.postgres.connection import Server
from replicator.postgres.rehearsal.simple_query import Session


def major(session: Session) -> int:
    """Return the server's major version."""
    return int(str(session.rows("show server_version_num")[0][0])) // 10000


def dump(server: Server, programs: Path, version: int) -> str:
    """Return the structure of a database.

    Args:
        server: where the database is.
        programs: the folder of pg_dump and pg_dumpall.
        version: their major version.

    Raises:
        NodeUnreachable: no answer.
        NotConfigured: the server is of another major version.
        ProcessFailed: a program refused, and says why.
    """
    with contextlib.closing(Session(server)) as session:
        found = major(session)
    if found != version:
        raise NotConfigured(
            f"{server.where} is PostgreSQL {found}, the embedded one is PostgreSQL {version}",
            hint="write the structure to a file with its own pg_dump --schema-only, and give it with --schema",
        )
    globals_ = _run(server, [programs / "pg_dumpall", "--globals-only", "--no-role-passwords"])
    return globals_ + _run(server, [programs / "pg_dump", "--schema-only"])


def _run(server: Server, argv: list[str | Path]) -> str:
    # The password goes by the environment: a command line can be read by every user of the machine.
    parts = psycopg.conninfo.conninfo_to_dict(server.conninfo)
    password = {"PGPASSWORD": str(parts.pop("password"))} if "password" in parts else {}
    done = subprocess.run(
        [*map(str, argv), "-d", psycopg.conninfo.make_conninfo("", **parts)],
        env={**os.environ, **password},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise ProcessFailed(
            f"{Path(argv[0]).name} failed: {lines[-1] if lines else done.returncode}",
            hint="grant the role read access to the schema, or give a dump of it with --schema",
        )
    return done.stdout
