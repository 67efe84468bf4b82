"""A throwaway pair on which a script is played as psql would play it, and which is then failed over.

Before and after each statement the session is observed (`observation`), so that what a statement changed is known
without understanding it. At the end the primary is observed once more, the standby when it has replayed everything,
and again once it has taken over; `fate` compares. Autovacuum is off: only the script changes anything.

The pair is not two machines: both nodes have the same libraries, extensions and files, which is why nothing about
those can be rehearsed. A tablespace is made inside the data directory instead of where the script wants it, or
both nodes would write into one directory.

A statement may do to this machine whatever the servers' OS user may: `copy ... to program` runs its program.

Source: PostgreSQL 18 documentation, psql; and Developer Options, allow_in_place_tablespaces.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from psycopg import sql as pgsql

from replicator.effect import Trial
from replicator.errors import NodeLost
from replicator.postgres import topology
from replicator.postgres.connection import Server
from replicator.postgres.embedded import EmbeddedPair, NodeName
from replicator.postgres.language import script as psql
from replicator.postgres.rehearsal import structure
from replicator.postgres.rehearsal.fate import History
from replicator.postgres.rehearsal.observation import Catalogs, Observation, Observer
from replicator.postgres.rehearsal.simple_query import Answer, Session
from replicator.statement import Statement

_SETTINGS = """
autovacuum = off
fsync = off
max_prepared_transactions = 20
allow_in_place_tablespaces = on
# Nobody else is there: what waits for a lock waits for the script itself.
lock_timeout = 2s
statement_timeout = 60s
"""

# Tags of statements that change nothing but the session or the transaction. After one of these the session is not
# observed: a look would be the transaction's first query, and SET TRANSACTION has to come before that.
_QUIET = frozenset({"BEGIN", "START TRANSACTION", "SET", "RESET", "SHOW", "SAVEPOINT", "RELEASE"})
_ANNOUNCING = frozenset({"NOTIFY", "LISTEN", "UNLISTEN"})
_ENDING = frozenset({"COMMIT", "ROLLBACK"})

_OWN_ROLE = 'role "postgres" already exists'  # a dump of roles creates the one that runs it
_LOCATION = re.compile(r"(create\s+tablespace\b.*\blocation\s+)'(?:[^']|'')+'", re.IGNORECASE | re.DOTALL)
_META_NAME = re.compile(r"\\([A-Za-z_]+|.)")
_STOP_ON_ERROR = re.compile(r"\\set\s+ON_ERROR_STOP(?:\s+(?:on|true|yes|1))?\s*", re.IGNORECASE)
# Meta-commands that make psql run something else, or run it elsewhere.
_RUNNING = frozenset(
    {
        *("i", "ir", "include", "include_relative", "copy", "gexec", "gset", "bind", "bind_named", "parse", "watch"),
        *("c", "connect", "lo_import", "lo_unlink", "if", "elif", "else", "endif", "password", "!", "startpipeline"),
    }
)


class ThrowawayPair:
    """A pair that is made for one rehearsal: `replicator.engine.Stage`.

    Args:
        directory: an empty one, which the caller removes.
        database: in which the scripts run.

    Raises:
        NotConfigured: the embedded PostgreSQL is not installed.
        ProcessFailed: PostgreSQL refused.
    """

    def __init__(self, directory: Path, database: str = "postgres") -> None:
        self._pair = EmbeddedPair.create(directory / "pair", _SETTINGS)
        self._database = database
        self._plays: list[_Play] = []
        with contextlib.ExitStack() as undo:
            undo.callback(self._pair.remove)
            self._primary = self._pair.server("a")
            with contextlib.closing(Session(self._primary)) as session:
                self._catalogs = Catalogs.since_now(session)
                # It may be there; where it cannot be made, the first session in it says so.
                session.run(pgsql.SQL("create database {}").format(pgsql.Identifier(database)).as_string(None))
            undo.pop_all()

    @classmethod
    def like(cls, url: str, directory: Path) -> ThrowawayPair:
        """Make a pair whose scripts run in a database of the same name as the URL's."""
        return cls(directory, Server(url).url.database or "postgres")

    def structure_of(self, url: str) -> str:
        """Return a script that makes the structure of a live database: `replicator.engine.Stage`."""
        with contextlib.closing(Session(self._primary)) as session:
            major = structure.major(session)
        return structure.dump(Server(url), self._pair.bin, major)

    def load(self, script: str) -> list[Trial]:
        """Run a script that makes a structure, unobserved; return the statements that the primary refused."""
        with contextlib.closing(self._session("a")) as session:
            trials = list(_Play(session).run(script))
        return [trial for trial in trials if trial.error and trial.error != _OWN_ROLE]

    def play(self, script: str) -> Iterator[Trial]:
        """Run a script in a session of its own; yield each statement when it has run, its effects to follow."""
        session = self._session("a")
        play = _Play(session, Observer(session, self._catalogs))
        self._plays.append(play)
        yield from play.run(script)

    def fail_over(self) -> None:
        """Wait for the standby, kill the primary, promote, and tell every trial its effects."""
        finals = [play.end() for play in self._plays]
        with contextlib.closing(self._session("a")) as session:
            session.run("checkpoint")  # what no commit has flushed is sent too
        standby = self._pair.server("b")
        topology.wait_replayed(standby, topology.committed(self._primary))
        standby.close()
        before = self._look()
        self._pair.kill("a")
        self._pair.promote("b")
        after = self._look()
        for play, final in zip(self._plays, finals, strict=True):
            play.judge(final, before, after)

    def close(self) -> None:
        """Kill both nodes and remove them."""
        for play in self._plays:
            play.session.close()
        self._primary.close()
        self._pair.remove()

    def _look(self) -> Observation:
        with contextlib.closing(self._session("b")) as session:
            return Observer(session, self._catalogs).observe()

    def _session(self, node: NodeName) -> Session:
        return Session(Server(self._pair.server(node).url.set(database=self._database)))


class _Play:
    """One script in one session."""

    def __init__(self, session: Session, observer: Observer | None = None) -> None:
        self.session = session
        self._observer = observer
        self._history = History(observer.observe() if observer else {})
        self._announced: list[Trial] = []
        self._stops_on_error = False
        self._stopped = ""

    def run(self, script: str) -> Iterator[Trial]:
        """Run the script's pieces in order."""
        pieces = list(psql.split(script))
        places = _Places(script)
        for index, piece in enumerate(pieces):
            if piece.kind is psql.Kind.DATA:
                continue
            behind = pieces[index + 1] if index + 1 < len(pieces) else None
            data = script[behind.start : behind.end] if behind and behind.kind is psql.Kind.DATA else None
            trial = Trial(places.statement(piece))
            text = psql.sent(script, piece) if piece.kind is psql.Kind.SQL else self._meta(trial, data)
            if text and not self._stopped:
                self._send(trial, text, data)
            elif text:
                trial.skipped = self._stopped
            yield trial
            yield from (Trial(places.statement(inner)) for inner in piece.inner)
        self._leave()

    def _leave(self) -> None:
        """Take back what the script has not committed, as its end would; the session stays, with what it holds."""
        if self.session.in_transaction:
            self._send(Trial(Statement("", 0, 0)), "rollback", None)

    def end(self) -> Observation:
        """Look once more from within the session."""
        assert self._observer is not None  # noqa: S101 - only observed plays are kept
        self._observer.forget()
        return self._observer.observe()

    def judge(self, final: Observation, standby: Observation, promoted: Observation) -> None:
        """Tell every trial its effects."""
        self._history.judge(final, standby, promoted)

    def _meta(self, trial: Trial, data: str | None) -> str:
        """Return what a meta-command sends, if anything."""
        text = trial.statement.text
        found = _META_NAME.match(text)
        name = found[1] if found else ""
        if name == "copy" and data is not None:
            return text.removeprefix("\\")
        if name in ("q", "quit"):
            self._stopped = "the script has ended with \\q"
        elif name in _RUNNING:
            trial.skipped = f"\\{name} is psql's own: what it runs was not rehearsed"
        elif _STOP_ON_ERROR.fullmatch(text):
            self._stops_on_error = True
        return ""

    def _send(self, trial: Trial, text: str, data: str | None) -> None:
        inside = self.session.in_transaction
        try:
            answer = self.session.run(_LOCATION.sub(r"\1''", text), data)
        except NodeLost as error:
            raise NodeLost(f"line {trial.statement.line}: {error}", hint=error.hint) from error
        trial.error = answer.error
        if answer.error and self._stops_on_error:
            self._stopped = "the script has stopped at an error: ON_ERROR_STOP"
        if self._observer is not None:
            self._watch(trial, answer, self._observer, inside=inside)

    def _watch(self, trial: Trial, answer: Answer, observer: Observer, *, inside: bool) -> None:
        tags = set(answer.tags)
        trial.ends_transaction = bool(tags & _ENDING)
        reverts = bool(tags & {"ROLLBACK", "PREPARE TRANSACTION"}) or bool(
            inside and answer.error and not self.session.in_transaction
        )
        if self.session.in_transaction and tags & _ANNOUNCING:
            self._announced.append(trial)
        if self.session.has_failed or (tags <= _QUIET and not answer.error):
            return
        if reverts or answer.error:
            observer.forget()
        announced = tuple(self._announced) if "COMMIT" in tags else ()
        self._history.record(trial, observer.observe(), reverts=reverts, announced=announced)
        if not self.session.in_transaction:
            self._announced.clear()


class _Places:
    """Where the pieces of a script stand; asked in order."""

    def __init__(self, script: str) -> None:
        self._script = script
        self._offset = 0
        self._line = 1

    def statement(self, piece: psql.Piece) -> Statement:
        self._line += self._script.count("\n", self._offset, piece.start)
        self._offset = piece.start
        column = piece.start - self._script.rfind("\n", 0, piece.start)
        return Statement(self._script[piece.start : piece.end], self._line, column)
