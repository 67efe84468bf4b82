"""What the commands of the command line processor come to: LOAD, REORG, BACKUP, UPDATE DB CFG, TAKEOVER, ...

Many of them need not be run by it: the procedure ADMIN_CMD takes them as a text, and they are judged alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from replicator.db2.language import row_statements
from replicator.db2.language.known import Effect, Known, unknown
from replicator.db2.language.row_statements import changed
from replicator.db2.language.tables import index_build
from replicator.db2.language.tokenize import Kind
from replicator.db2.language.words import Name, Words, literal
from replicator.db2.subject import Subject
from replicator.statement import Touch

_ADVISED = "set to what the advisor finds"
_CFG = ("CFG", "CONFIG", "CONFIGURATION")
# Database parameters whose value says something by itself: parameter, pattern of values, subject, detail.
_SPECIAL = (
    ("HADR_SYNCMODE", "SYNC", Subject.SYNC, ""),
    ("HADR_SYNCMODE", "NEARSYNC", Subject.NEARSYNC, ""),
    ("HADR_SYNCMODE", "ASYNC", Subject.ASYNC, ""),
    ("HADR_SYNCMODE", "SUPERASYNC", Subject.SUPERASYNC, ""),
    ("HADR_REPLAY_DELAY", "(?!0$).*", Subject.REPLAY_DELAY, "{} s"),
    ("HADR_SPOOL_LIMIT", "(?!0$).*", Subject.SPOOL_LIMIT, "{} pages of log"),
    ("HADR_PEER_WINDOW", "0", Subject.PEER_WINDOW, "{}"),
    ("HADR_TIMEOUT", ".*", Subject.TIMEOUT, "{}"),
    ("HADR_TARGET_LIST", ".*", Subject.TARGET_LIST, "{}"),
    ("LOGFILSIZ", ".*", Subject.LOG_FILE_SIZE, "{}"),
    ("LOGINDEXBUILD", "ON|YES", Subject.INDEX_BUILD_LOGGED, ""),
    ("LOGINDEXBUILD", "OFF|NO", Subject.INDEX_BUILD_NOT_LOGGED, ""),
    ("INDEXREC", ".*_NO_REDO", Subject.INDEX_NO_REDO, "{}"),
    ("BLOCKNONLOGGED", "NO|OFF", Subject.BLOCK_NON_LOGGED, ""),
)
_JAR_PROCEDURES = frozenset({"INSTALL_JAR", "REPLACE_JAR", "REMOVE_JAR", "DB2_INSTALL_JAR", "DB2_REPLACE_JAR"})
_NO_LOGGING = {"COPY NO": Subject.LOAD_COPY_NO, "NONRECOVERABLE": Subject.LOAD_NONRECOVERABLE}


def load(words: Words, known: Known) -> Effect:
    """Judge a LOAD; without an option it is COPY NO, for a HADR database archives its log."""
    if words.take("LOAD", "QUERY"):
        return Effect()
    if not words.seek("INTO"):
        return unknown("it loads into no table that its text names")
    name = words.name()
    before = known.table(name)
    if before.unavailable:
        return Effect([Touch(Subject.UNAVAILABLE_CHANGE, name.shown, before.unavailable)])
    if words.seek("COPY", "YES"):
        words.take("TO")
        return Effect([Touch(Subject.LOAD_COPY_YES, name.shown, words.chunk() or "the place that COPY YES names")])
    if words.seek("NONRECOVERABLE"):
        option, detail = "NONRECOVERABLE", ""
    else:
        option, detail = "COPY NO", "" if words.seek("COPY", "NO") else ", the default where the log is archived"
    known.lose(name, f"LOAD {option}")
    return Effect([Touch(_NO_LOGGING[option], name.shown, detail)])


def import_rows(words: Words, known: Known) -> Effect:
    """Judge an IMPORT."""
    if not words.seek("INTO"):
        return unknown("it imports into no table that its text names")
    return changed(words.name(), known, None, Subject.IMPORT)


def ingest(words: Words, known: Known) -> Effect:
    """Judge an INGEST, by the statement inside it."""
    if words.has("FROM"):
        for index, token in enumerate(words.tokens):
            if token.word in row_statements.CHANGES and index:
                effect = row_statements.read(Words(words.tokens[index:]), known)
                effect.touches = [
                    Touch(Subject.IMPORT, touch.object) if touch.subject == Subject.ROW_CHANGE else touch
                    for touch in effect.touches
                ]
                return effect
        if words.seek("REPLACE", "INTO"):
            return changed(words.name(), known, None, Subject.IMPORT)
    return Effect()


def reorg(words: Words, known: Known) -> Effect:
    """Judge a REORG."""
    words.take("REORG")
    if words.take_any("INDEX", "INDEXES"):
        return _reorg_index(words, known)
    words.take("TABLE")
    name = words.name()
    table = known.table(name)
    if table.unavailable or table.temporary:
        return changed(name, known, frozenset())
    if words.has("INPLACE") or words.has("RECLAIM", "EXTENTS"):
        return Effect([Touch(Subject.REORG_ONLINE, name.shown)])
    return Effect([Touch(Subject.REORG_OFFLINE, name.shown), index_build(name, known)])


def _reorg_index(words: Words, known: Known) -> Effect:
    first = words.name()
    name = words.name() if words.seek("TABLE") else first
    if words.has("CLEANUP") or words.has("RECLAIM", "EXTENTS"):
        return Effect([Touch(Subject.REORG_ONLINE, name.shown)])
    return Effect([index_build(name, known)])


def statistics(words: Words, _known: Known) -> Effect:
    """Judge a RUNSTATS or a REORGCHK."""
    if words.take("REORGCHK") and words.has("CURRENT", "STATISTICS"):
        return Effect()
    words.seek("TABLE")
    return Effect([Touch(Subject.STATISTICS, words.name().shown or "the tables")])


def bind(words: Words, _known: Known) -> Effect:
    """Judge a BIND, a PRECOMPILE or a REBIND."""
    words.at += 1
    words.take("PACKAGE")
    return Effect([Touch(Subject.PACKAGE, words.chunk() or "of the program")])


def backup(words: Words, _known: Known) -> Effect:
    """Judge a BACKUP, or a SET WRITE."""
    return Effect([Touch(Subject.BACKUP, words.brief())])


def history(words: Words, _known: Known) -> Effect:
    """Judge a PRUNE: it changes the history file, or removes log files."""
    if words.has("LOGFILE"):
        return Effect()
    return Effect([Touch(Subject.HISTORY_FILE, words.brief(2))])


def takeover(words: Words, _known: Known) -> Effect:
    """Judge a TAKEOVER HADR."""
    name = ""
    if words.seek("DATABASE") or words.seek("DB"):
        name = f" {words.name().shown}"
    subject = Subject.TAKEOVER
    if words.has("PEER", "WINDOW"):
        subject = Subject.TAKEOVER_PEER_WINDOW
    elif words.has("BY", "FORCE"):
        subject = Subject.TAKEOVER_BY_FORCE
    return Effect([Touch(subject, f"database{name}")])


def update(words: Words) -> Effect | None:
    """Judge an UPDATE of the client's, None where it is one of rows."""
    words.take_any("UPDATE", "RESET")
    if words.take("DATABASE", "MANAGER") or words.take_any("DBM"):
        return _instance(words) if words.take_any(*_CFG) else None
    if words.take_any("DATABASE", "DB"):
        return _database(words) if words.take_any(*_CFG) else None
    if words.take("HISTORY"):
        return Effect([Touch(Subject.HISTORY_FILE, "UPDATE HISTORY")]) if not words.has("SET") else None
    if words.take("COMMAND", "OPTIONS") or words.take("MONITOR", "SWITCHES") or words.take("MONITOR"):
        return Effect() if not words.has("SET") else None
    if words.take("ALTERNATE", "SERVER") or (words.take_any("ADMIN", "CLI") and words.take_any(*_CFG)):
        return unknown("it sets what the node or its clients keep in files, of which no rule speaks")
    return None


def autoconfigure(words: Words, _known: Known) -> Effect:
    """Judge an AUTOCONFIGURE by what it applies to."""
    effect = Effect()
    if words.has("APPLY", "DB", "ONLY") or words.has("APPLY", "DB", "AND"):
        effect.touches.append(Touch(Subject.DATABASE_CONFIGURATION, "many parameters", _ADVISED))
    if words.has("AND", "DBM"):
        effect.touches.append(Touch(Subject.INSTANCE_CONFIGURATION, "many parameters", _ADVISED))
    return effect


def _instance(words: Words) -> Effect:
    settings = list(_settings(words)) or [("all parameters", "")]
    return Effect([Touch(Subject.INSTANCE_CONFIGURATION, name, _set_to(value)) for name, value in settings])


def _set_to(value: str) -> str:
    return f"set to {value}" if value else "set to the default"


def _settings(words: Words) -> Iterator[tuple[str, str]]:
    """Yield the parameters behind USING with their values."""
    if not words.seek("USING"):
        return
    while words.more:
        name = words.chunk().upper()
        if name in {"IMMEDIATE", "DEFERRED"}:
            return
        value = words.chunk()
        mode = words.take_any("AUTOMATIC", "MANUAL") if value[:1].isdecimal() else ""
        yield name, f"{value} {mode}".rstrip()


def _database(words: Words) -> Effect:
    database = "the database"
    if words.take("FOR"):
        database = f"database {words.name().shown}"
    effect = Effect()
    for name, value in list(_settings(words)) or [("all parameters", "")]:
        effect.touches.append(Touch(Subject.DATABASE_CONFIGURATION, name, _set_to(value)))
        effect.touches.extend(_special(name, value, database))
    return effect


def _special(name: str, value: str, database: str) -> Iterator[Touch]:
    """Yield what a value touches beside the parameter's being set on one node."""
    for parameter, values, subject, detail in _SPECIAL:
        if name == parameter and re.fullmatch(values, value, re.IGNORECASE):
            yield Touch(subject, database, detail.format(value))


def _constants(words: Words) -> list[str]:
    """Take the arguments in parentheses, empty for one that is not a constant."""
    return [literal(item[0]) if len(item) == 1 and item[0].kind is Kind.STRING else "" for item in words.items()]


def move_table(words: Words) -> Effect:
    """Judge a call of ADMIN_MOVE_TABLE, whose name has been taken."""
    arguments = _constants(words)
    name = ".".join(argument for argument in arguments[:2] if argument) or words.brief()
    options = " ".join(arguments[2:]).upper()
    if "COPY_USE_LOAD" not in options:
        return Effect([Touch(Subject.ROW_CHANGE, name)])
    how = "with COPY YES" if "COPY YES" in options else "that is not said to be COPY YES"
    return Effect([Touch(Subject.TABLE_MOVE, name, f"by a LOAD {how}")])


def outside(line: str) -> Effect:
    """Judge a line of the shell, or a program of Db2's that is no command of the CLP."""
    program, _, arguments = line.strip().partition(" ")
    match program.upper():
        case "DB2SET" if "=" in arguments:
            name, _, value = arguments.strip().strip("\"'").partition("=")
            return Effect([Touch(Subject.REGISTRY_VARIABLE, name.split()[-1].upper(), _set_to(value.strip("\"'")))])
        case "DB2SET" | "DB2PD" | "DB2LEVEL" | "DB2EXFMT" | "DB2EXPLN" | "DB2LOOK":
            return Effect()
        case "DB2AUDIT":
            return Effect([Touch(Subject.INSTANCE_AUDIT, line.strip())])
        case "DB2TS":
            return Effect([Touch(Subject.TEXT_SEARCH, line.strip())])
        case _:
            return unknown("a command of the operating system: what it does is not in its text")


def jar(words: Words, procedure: Name) -> Effect:
    """Judge a call of a procedure in the schema SQLJ, whose name has been taken."""
    if procedure.name not in _JAR_PROCEDURES:
        return Effect()
    return Effect([Touch(Subject.JAR, " ".join(_constants(words)[1:2]) or "a jar")])


def rebind_routine(_words: Words) -> Effect:
    """Judge a call of REBIND_ROUTINE_PACKAGE."""
    return Effect([Touch(Subject.PACKAGE, "of a routine")])
