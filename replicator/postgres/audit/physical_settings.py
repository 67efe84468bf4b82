"""Settings and access rules: files of each node that no log carries, and what a node has not taken from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

from sqlalchemy import Row

from replicator.postgres.audit.catalog import Unanswered
from replicator.postgres.audit.check import Check, Couple, on_each
from replicator.postgres.subject import Subject
from replicator.rule import Finding, Grade

# Source: PostgreSQL, src/backend/access/transam/xlogrecovery.c, CheckRequiredParameterValues.
_CAPACITIES = frozenset(
    {
        "max_connections",
        "max_locks_per_transaction",
        "max_prepared_transactions",
        "max_wal_senders",
        "max_worker_processes",
    }
)
_PRELOADS = frozenset({"shared_preload_libraries", "session_preload_libraries", "local_preload_libraries"})
_SEE_SETTINGS = "grant pg_read_all_settings to {role};"
_SHOWN = 3  # rules of a file that are named; a person compares the rest


def _settings(couple: Couple) -> Iterator[Finding]:
    theirs = couple.standby.settings
    for name, ours in couple.primary.settings.items():
        if name in theirs and theirs[name].value != ours.value:
            yield from _differing(couple, name, ours, theirs[name])


def _differing(couple: Couple, name: str, ours: Row[Any], theirs: Row[Any]) -> Iterator[Finding]:
    where = couple.standby.where
    command = _alter(ours)
    detail = f"{ours.value or 'empty'} on the primary and {theirs.value or 'empty'} on the standby"
    if ours.secret:
        command, detail = "", "not the same on both nodes"
    if name in _CAPACITIES:
        if int(theirs.value) < int(ours.value):  # a standby may have more
            yield couple.rules[Subject.CAPACITY].found(name, where, detail, grade=Grade.MUST, command=command)
        else:
            yield couple.rules[Subject.SETTING].found(name, where, detail, grade=Grade.MAY)
    elif name in _PRELOADS and set(_libraries(ours.value)) - set(_libraries(theirs.value)):
        for library in _libraries(ours.value):
            if library not in _libraries(theirs.value):
                yield couple.rules[Subject.BACKGROUND_WORKER].found(library, where, command=command)
    elif name == "track_commit_timestamp" and theirs.value == "off":
        yield couple.rules[Subject.COMMIT_TIMESTAMP].found(name, where, "off on the standby", command=command)
    elif name == "data_checksums":
        yield couple.rules[Subject.CHECKSUMS].found(name, where, detail)
    else:
        # What may differ has no command: it names the node, or is its own affair.
        grade, wanted = (Grade.SHOULD, command) if ours.should_match else (Grade.MAY, "")
        yield couple.rules[Subject.SETTING].found(name, where, detail, grade=grade, command=wanted)


def _libraries(names: str) -> list[str]:
    return [name.strip(' "') for name in names.split(",") if name.strip(' "')]


def _alter(setting: Row[Any]) -> str:
    """Return what gives the standby the primary's value; the name is one of the server's own, so it needs no quotes."""
    taken = "-- and restart the standby" if setting.restart else "select pg_reload_conf();"
    return f"alter system set {setting.name} = {setting.quoted}; {taken}"


def _hidden(couple: Couple) -> Iterator[Finding]:
    """Ask for the privilege: without it a role gets fewer settings and no error."""
    if not couple.primary.ask("catalog/asking_role")[0].all_settings:
        raise Unanswered(couple.primary.where, "the role does not see them", permitted=False)
    yield from ()


def _host_rules(couple: Couple) -> Iterator[Finding]:
    yield from _files(couple, "pg_hba.conf", "catalog/host_rules")


def _user_maps(couple: Couple) -> Iterator[Finding]:
    yield from _files(couple, "pg_ident.conf", "catalog/user_maps")


def _files(couple: Couple, file: str, question: LiteralString) -> Iterator[Finding]:
    rule = couple.rules[Subject.HOST_RULES]
    ours, theirs = couple.primary.ask(question), couple.standby.ask(question)
    for node, lines in ((couple.primary, ours), (couple.standby, theirs)):
        for line in lines:
            if line.refused:
                yield rule.found(f"line {line.line} of {file}", node.where, "cannot be read", grade=Grade.MUST)
    if [line.digest for line in ours] != [line.digest for line in theirs]:
        yield rule.found(file, couple.standby.where, _difference(ours, theirs))


def _difference(ours: Any, theirs: Any) -> str:
    here, there = {line.digest: line.shown for line in ours}, {line.digest: line.shown for line in theirs}
    only_here = [shown for digest, shown in here.items() if digest not in there]
    only_there = [shown for digest, shown in there.items() if digest not in here]
    if not only_here and not only_there:
        return "has its rules in another order on the standby"
    sides = (("the primary", only_here), ("the standby", only_there))
    told = [f"{_some(shown)} on {side} only" for side, shown in sides if shown]
    return f"has {' and '.join(told)}"


def _some(shown: list[str]) -> str:
    more = len(shown) - _SHOWN
    return ", ".join(f"'{one}'" for one in shown[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


ALL_SEEN = Check("settings that hold commands and paths", _hidden, _SEE_SETTINGS)
ALONE = (
    ALL_SEEN,
    on_each("settings that a power cut makes dangerous", "catalog/unsafe_writes"),
    on_each("settings that wait for a restart", "catalog/pending_settings"),
    on_each(
        "lines of the configuration files",
        "catalog/refused_settings",
        grant="grant select on pg_file_settings to {role}; "
        "grant execute on function pg_show_all_file_settings() to {role};",
    ),
    on_each(
        "times of the configuration files",
        "catalog/unread_files",
        grant="grant pg_read_all_settings, pg_read_server_files to {role}; "
        "grant execute on function pg_stat_file(text, boolean) to {role};",
    ),
)
TOGETHER = (
    Check("settings", _settings),
    Check(
        "rules of pg_hba.conf",
        _host_rules,
        "grant select on pg_hba_file_rules to {role}; grant execute on function pg_hba_file_rules() to {role};",
    ),
    Check(
        "lines of pg_ident.conf",
        _user_maps,
        "grant select on pg_ident_file_mappings to {role}; "
        "grant execute on function pg_ident_file_mappings() to {role};",
        since=150_000,
    ),
)
