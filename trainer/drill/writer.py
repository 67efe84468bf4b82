"""The application of the drill: a process that edits documents until it is told to stop, whatever fails.

    HADRIAN_WRITER_DSN=... python -m trainer.drill.writer --conninfo-env HADRIAN_WRITER_DSN --seed 7 --rate 20

Each transaction makes one to four operations and records them in the ledger. The DSN names every node, and
libpq finds the one that takes writes; it comes through the environment because other users can read argv.

When the connection is lost, a commit may be in doubt: only the server knows. So a new session trusts nothing
that it remembers. It takes the writer's lock, which it gets once the old session is gone for good, and reads
from the database which operation was the last and which documents are there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
from psycopg import conninfo

from replicator import sql
from replicator.change import Op
from replicator.errors import HadrianError, NodeLost, NodeUnreachable
from replicator.postgres.connection import Server
from replicator.postgres.errors import connecting, translated
from trainer.drill.corpus import Doc, Split, in_scope
from trainer.drill.ledger import Key, Operation

DSN_VARIABLE = "HADRIAN_WRITER_DSN"

_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_BACKOFF_S = (0.1, 0.2, 0.5, 1.0)
_OPS_AT_MOST = 4
_IN_SCOPE_SHARE = 0.92
_PAGE_VIEW_SHARE = 0.2
# Inserts outweigh deletes until the drafts run out; from then on only what was deleted can be inserted.
_WEIGHTS = {"insert": 0.33, "update": 0.47, "touch": 0.08, "delete": 0.12}

# libpq notices a silent network (no reset, no answer) by these only.
_PATIENCE = {
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


def load(server_url: str, split: Split) -> int:
    """Create schema `drill` with its first documents, in one transaction.

    Args:
        server_url: SQLAlchemy URL of the primary.
        split: `initial` and `held_out` go into the table; the writer may write all but `held_out`.

    Returns:
        How many operations that were: the writer goes on from there.
    """
    documents = sorted([*split.initial, *split.held_out])
    drafts = sorted([*split.initial, *split.held_back])
    server = Server(server_url)
    try:
        with server.begin() as connection:
            for statement in sql.statements(sql.source("postgres/drill/create")):
                connection.execute(statement)
            rows = [{**_values(doc), "op": op} for op, doc in enumerate(documents, 1)]
            connection.execute(server.statement("drill/load_doc"), rows)
            connection.execute(server.statement("drill/load_draft"), [_values(doc) for doc in drafts])
            connection.execute(server.statement("drill/load_ledger"))
    finally:
        server.close()
    return len(documents)


def _values(doc: Doc) -> dict[str, str]:
    return {"module": doc.module, "qualname": doc.qualname, "signature": doc.signature, "doc": doc.doc}


def read_ledger(server: Server) -> list[Operation]:
    """Return every operation this node's database has, in order. Raises: NodeUnreachable, NodeLost."""
    with server.connect() as connection:
        rows = connection.execute(server.statement("drill/ledger")).all()
    return [Operation(row.op, Op(row.kind), row.module, row.qualname, row.content_sha256) for row in rows]


def writer_dsn(nodes: Sequence[Server]) -> str:
    """Return a libpq DSN that names every node, for the writer to find the one that takes writes."""
    each = [conninfo.conninfo_to_dict(node.conninfo) for node in nodes]
    together: dict[str, Any] = {
        **each[0],
        "host": ",".join(str(one.get("host", "")) for one in each),
        "port": ",".join(str(one.get("port", "")) for one in each),
    }
    return conninfo.make_conninfo(**together)


def start_writer(dsn: str, seed: int, rate: float = 20.0, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start the writer; it ends with this process, or by SIGTERM.

    Args:
        dsn: for libpq, as `writer_dsn` makes it.
        seed: decides what it writes.
        rate: operations a second.
        log: gets what it says of lost connections; our own standard error if left out.
    """
    argv = [
        sys.executable, "-m", "trainer.drill.writer", "--conninfo-env", DSN_VARIABLE,
        "--seed", str(seed), "--rate", str(rate), "--parent", str(os.getpid()),
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        errors = None if log is None else stack.enter_context(log.open("ab"))
        return subprocess.Popen(
            argv,
            env={**os.environ, DSN_VARIABLE: dsn},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            # Ctrl-C reaches us alone: the writer has to live through what we kill, and we stop it.
            start_new_session=True,
        )


@dataclass(frozen=True, slots=True)
class Edit:
    """One operation to make.

    Attributes:
        statement: which one, `sql/postgres/drill/<statement>_doc.sql`.
        key: of the document.
        paragraph: the last one of an updated text.
    """

    statement: str
    key: Key
    paragraph: str = ""

    @property
    def kind(self) -> Op:
        """What the ledger calls it."""
        return Op.UPDATE if self.statement == "touch" else Op(self.statement)


class Shelf:
    """Which documents are published and which are not, as a transaction goes along.

    Args:
        documents: key, whether it is published, whether its text is stored out of line.
    """

    def __init__(self, documents: Iterable[tuple[Key, bool, bool]]) -> None:
        # By scope; dicts, because their order does not depend on a hash seed.
        self._published: dict[bool, dict[Key, None]] = {True: {}, False: {}}
        self._drafted: dict[bool, dict[Key, None]] = {True: {}, False: {}}
        self._out_of_line: set[Key] = set()
        for key, published, out_of_line in documents:
            (self._published if published else self._drafted)[in_scope(key[0])][key] = None
            if out_of_line:
                self._out_of_line.add(key)

    def choose(self, rng: random.Random) -> Edit:
        """Choose an operation that is possible now, and count it as made."""
        scoped = rng.random() < _IN_SCOPE_SHARE
        published, drafted = self._published[scoped], self._drafted[scoped]
        touchable = [key for key in published if scoped and key in self._out_of_line]
        candidates = {
            "insert": list(drafted),
            "update": list(published),
            "touch": touchable,
            "delete": list(published),
        }
        possible = [statement for statement, keys in candidates.items() if keys]
        statement = rng.choices(possible, [_WEIGHTS[name] for name in possible])[0]
        key = rng.choice(candidates[statement])
        if statement == "insert":
            del drafted[key]
            published[key] = None
        elif statement == "delete":
            del published[key]
            drafted[key] = None
        elif statement == "update":
            others = rng.sample(candidates["update"], min(3, len(published)))
            return Edit(statement, key, f"See also: {', '.join(map('.'.join, others))}.")
        return Edit(statement, key)


class _Orders:
    """Says when to stop: a signal came, or the process that started us has ended.

    The signals stay blocked and are only ever waited for, so none arrives in the middle of a transaction.
    """

    def __init__(self, parent: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        self._parent = parent

    def stop_within(self, seconds: float) -> bool:
        """Wait, and return early with True once there is reason to stop."""
        return signal.sigtimedwait(_STOP_SIGNALS, max(seconds, 0.0)) is not None or os.getppid() != self._parent


class Writer:
    """Edits documents over one session after another.

    Args:
        dsn: for libpq.
        seed: decides, with the number of the session, what it writes.
        rate: operations a second.
    """

    def __init__(self, dsn: str, seed: int, rate: float) -> None:
        wanted: dict[str, Any] = {**_PATIENCE, **conninfo.conninfo_to_dict(dsn)}
        self._dsn = conninfo.make_conninfo(**{"target_session_attrs": "read-write", **wanted})
        self._seed = seed
        self._rate = rate
        self._sessions = 0
        self._engine = sqlalchemy.create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(self._dsn),
            poolclass=sqlalchemy.NullPool,
            use_native_hstore=False,
        )

    def run(self, orders: _Orders) -> None:
        """Write until ordered to stop, over as many sessions as it takes.

        Raises:
            HadrianError: something is wrong that another try would not mend.
        """
        failures, told = 0, ""
        while True:
            sessions = self._sessions
            try:
                self._session(orders)
            except (NodeLost, NodeUnreachable) as error:
                if str(error) != told:
                    told = str(error)
                    sys.stderr.write(f"writer: {told}\n")
            else:
                return
            failures = 0 if self._sessions > sessions else failures + 1
            if orders.stop_within(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]):
                return

    def _session(self, orders: _Orders) -> None:
        with connecting("the primary"):
            connection = self._engine.connect()
        try:
            with translated("the primary"):
                self._write(connection, orders)
        except NodeLost:
            connection.invalidate()
            raise
        finally:
            connection.close()

    def _write(self, connection: sqlalchemy.Connection, orders: _Orders) -> None:
        with connection.begin():
            if not connection.execute(_statement("lock")).scalar_one():
                raise NodeLost("the primary: another session is the writer")
        with connection.begin():
            last = int(connection.execute(_statement("last_op")).scalar_one())
            rows = connection.execute(_statement("documents")).all()
        shelf = Shelf(((row.module, row.qualname), row.published, row.out_of_line) for row in rows)
        # Not the choices of the session before: what is written past a fork must differ from what is lost.
        rng = random.Random(f"{self._seed} {self._sessions} {last}")  # noqa: S311 - it has to be repeatable
        self._sessions += 1
        due = time.monotonic()
        while not orders.stop_within(due - time.monotonic()):
            count = rng.randint(1, _OPS_AT_MOST)
            with connection.begin():
                for op in range(last + 1, last + count + 1):
                    _make(connection, op, shelf.choose(rng))
                if rng.random() < _PAGE_VIEW_SHARE:
                    _view(connection, rng.choice(rows))
            last += count
            due = max(due, time.monotonic() - 1.0) + count / self._rate


def _make(connection: sqlalchemy.Connection, op: int, edit: Edit) -> None:
    module, qualname = edit.key
    key = {"module": module, "qualname": qualname}
    made = connection.execute(_statement(f"{edit.statement}_doc"), {**key, "op": op, "paragraph": edit.paragraph})
    if made.rowcount != 1:
        raise HadrianError(
            f"op {op}: {edit.statement} of {module}.{qualname} met {made.rowcount} rows",
            hint="let nobody else write to drill.docs",
        )
    connection.execute(_statement("insert_ledger"), {**key, "op": op, "kind": edit.kind.value})


def _view(connection: sqlalchemy.Connection, row: sqlalchemy.Row[tuple[str, str]]) -> None:
    connection.execute(_statement("insert_page_view"), {"module": row.module, "qualname": row.qualname})


def _statement(name: str) -> sqlalchemy.TextClause:
    return sql.load(f"postgres/drill/{name}")


def main(argv: Sequence[str] | None = None) -> int:
    """Write until stopped: 0 then, 2 for an error that another try would not mend."""
    parser = argparse.ArgumentParser(prog="python -m trainer.drill.writer", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--conninfo-env", required=True, metavar="NAME", help="environment variable with libpq's DSN")
    parser.add_argument("--seed", type=int, default=0, help="decides what is written")
    parser.add_argument("--rate", type=float, default=20.0, help="operations a second")
    parser.add_argument("--parent", type=int, default=os.getppid(), metavar="PID", help="stop when it has ended")
    arguments = parser.parse_args(argv)
    if arguments.conninfo_env not in os.environ:
        parser.error(f"{arguments.conninfo_env} is not set")
    if arguments.rate <= 0:
        parser.error("--rate must be above 0")
    try:
        Writer(os.environ[arguments.conninfo_env], arguments.seed, arguments.rate).run(_Orders(arguments.parent))
    except HadrianError as error:
        sys.stderr.write(f"writer: {error}; {error.hint}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
