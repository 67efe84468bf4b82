"""URL to engine: the scheme decides, and the engine is imported when its first URL is seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from replicator.engine import Auditable, Comparable, ScriptReader, Stage
from replicator.errors import BadInput, NotConfigured
from replicator.rule import Mode, Rule

if TYPE_CHECKING:  # a linter needs neither SQLAlchemy nor Arrow, which take longer than a thousand statements
    from replicator.database import Database
    from replicator.journal import CreatableJournal

_ENGINES = {"postgresql": "postgres", "db2": "db2", "ibm_db_sa": "db2"}
_DB2_TIMEOUT_S = 300


def engine_of(url: str) -> str:
    """Return the engine that a URL names, whichever driver it asks for.

    Raises:
        BadInput: no engine of ours.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    engine = _ENGINES.get(scheme.partition("+")[0].lower())
    if engine is None:
        # The text may hold a password, so no more than the scheme is repeated.
        said = f"no engine for {scheme}:// URLs" if scheme else "not a database URL"
        raise BadInput(said, hint="write it as postgresql://user@host:5432/database")
    return engine


def database(url: str) -> Database:
    """Return a node for the store, feeds and the step journal.

    Raises:
        BadInput: no URL of an engine of ours.
    """
    if engine_of(url) == "db2":
        from replicator.db2.adapter import Db2Database

        return Db2Database(url, _DB2_TIMEOUT_S)
    from replicator.postgres.adapter import PostgresDatabase

    return PostgresDatabase(url)


def journal(url: str, feed: str) -> CreatableJournal:
    """Return a feed's journal on a node, whether it is there or not.

    Raises:
        BadInput: no URL of an engine of ours, or no feed can have that name.
    """
    if engine_of(url) == "db2":
        from replicator.db2.connection import Db2Server
        from replicator.db2.journal import Db2Journal

        return Db2Journal(Db2Server(url, _DB2_TIMEOUT_S), feed)
    from replicator.postgres.connection import Server
    from replicator.postgres.journal import PostgresJournal

    return PostgresJournal(Server(url), feed)


def auditable(primary_url: str, standby_url: str | None, mode: Mode | None, timeout_s: float) -> Auditable:
    """Return the pair, or the primary alone, for an audit; without a mode, the nodes are asked for it.

    Raises:
        BadInput: not URLs of one engine of ours, or not a mode of that engine.
        NodeUnreachable: a node that was asked does not answer.
        NotConfigured: the engine cannot be audited.
    """
    engine = engine_of(primary_url)
    if mode is not None and (mode is Mode.DB2_HADR) != (engine == "db2"):
        raise BadInput(f"{primary_url.partition(':')[0]}:// does not replicate as {mode}", hint="leave out --mode")
    if engine == "db2":
        from replicator.db2.audit.hadr import HadrPair

        return HadrPair(primary_url, standby_url, timeout_s)
    from replicator.postgres.audit.pair import pair

    return pair(primary_url, standby_url, mode, timeout_s)


def comparable(primary_url: str, standby_url: str, mode: Mode | None, timeout_s: float) -> Comparable:
    """Return the pair for a comparison; without a mode, the nodes are asked for it.

    Raises:
        BadInput: not URLs of one engine of ours, or not a mode of that engine.
        NodeUnreachable: a node that was asked does not answer.
    """
    engine = engine_of(primary_url)
    if engine_of(standby_url) != engine:
        raise BadInput("the two nodes are of two engines", hint="give the URLs of two nodes of one pair")
    if mode is not None and (mode is Mode.DB2_HADR) != (engine == "db2"):
        raise BadInput(f"{primary_url.partition(':')[0]}:// does not replicate as {mode}", hint="leave out --mode")
    if engine == "db2":
        from replicator.db2.verify.pair import ComparedHadrPair

        return ComparedHadrPair(primary_url, standby_url, timeout_s)
    from replicator.postgres.verify.pair import ComparedPair

    return ComparedPair(primary_url, standby_url, mode, timeout_s)


def rules(mode: Mode) -> tuple[Rule, ...]:
    """Return a mode's table."""
    match mode:
        case Mode.POSTGRES_PHYSICAL:
            from replicator.postgres.rules import physical

            return physical.RULES
        case Mode.POSTGRES_LOGICAL:
            from replicator.postgres.rules import logical

            return logical.RULES
        case Mode.DB2_HADR:
            from replicator.db2.rules import hadr

            return hadr.RULES


def script_reader(mode: Mode) -> ScriptReader:
    """Return a reader of the mode's scripts, which has seen none yet."""
    if mode is Mode.DB2_HADR:
        from replicator.db2.language.classify import Db2Reader

        return Db2Reader()
    from replicator.postgres.language.classify import PostgresReader

    return PostgresReader()


def stage(directory: Path, like: str | None = None) -> Stage:
    """Make and return a throwaway pair.

    Args:
        directory: an empty one, to be removed by the caller once the pair is closed.
        like: a live database, whose name the pair's gets.

    Raises:
        BadInput: not a URL of an engine of ours.
        NotConfigured: the engine has no pair to make.
    """
    if like is not None and engine_of(like) == "db2":
        raise NotConfigured("Db2 has no pair to rehearse on", hint="give the URL of a PostgreSQL database")
    from replicator.postgres.rehearsal.throwaway import ThrowawayPair

    return ThrowawayPair.like(like, directory) if like else ThrowawayPair(directory)
