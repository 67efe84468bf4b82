"""Settings: what each node keeps for itself, and what of it a pair must, should or may have alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from replicator.db2.audit.catalog import Catalog, Setting
from replicator.db2.audit.check import Check, Couple
from replicator.db2.subject import Subject
from replicator.rule import Finding, Grade

# What names the node, or is no choice of anybody's.
_OWN = frozenset(
    {
        *("hadr_local_host", "hadr_local_svc", "hadr_remote_host", "hadr_remote_svc", "hadr_remote_inst"),
        *("hadr_db_role", "hadr_target_list", "backup_pending", "restore_pending", "rollfwd_pending"),
        *("database_consistent", "log_retain_status", "user_exit_status", "loghead", "numsegs", "release"),
        *("cpuspeed", "comm_bandwidth", "nodetype", "cur_eff_arch_lvl", "cur_eff_code_lvl"),
        *("svcename", "ssl_svcename"),
    }
)
# Source: IBM Db2 documentation, hadr_timeout and hadr_peer_window: alike, unless a target list is set.
_ALIKE = {"hadr_timeout": Subject.TIMEOUT, "hadr_peer_window": Subject.PEER_WINDOW}
_NO_REDO = "_NO_REDO"
_JUDGED = frozenset({"blocknonlogged", "logindexbuild"})  # each node's own value is laid against a rule
_OWN_VARIABLES = frozenset({"DB2SYSTEM", "DB2INSTPROF", "DB2ADMINSERVER", "DB2INSTANCE"})


def _logging(couple: Couple) -> Iterator[Finding]:
    """Look on each node: after takeover the standby's own settings count."""
    for node in couple.nodes:
        settings = {name: node.setting(name).upper() for name in ("blocknonlogged", "logindexbuild", "indexrec")}
        if settings["blocknonlogged"] == "NO":
            yield couple.rules[Subject.BLOCK_NON_LOGGED].found(
                node.database, node.where, grade=Grade.SHOULD, command=_update(node, "blocknonlogged", "YES")
            )
        if settings["logindexbuild"] == "OFF":
            yield couple.rules[Subject.INDEX_BUILD_NOT_LOGGED].found(
                f"database {node.database}", node.where, command=_update(node, "logindexbuild", "ON")
            )
        if settings["indexrec"].endswith(_NO_REDO):
            yield couple.rules[Subject.INDEX_NO_REDO].found(
                node.database, node.where, settings["indexrec"], command=_update(node, "indexrec", "RESTART")
            )


def _database_settings(couple: Couple) -> Iterator[Finding]:
    if couple.standby is None:
        return
    standby = couple.standby
    listed = couple.primary.setting("hadr_target_list") and standby.setting("hadr_target_list")
    for name, ours, theirs in _differing(couple.primary.settings, standby.settings):
        detail = _both(ours, theirs)
        command = _update(standby, name, ours)
        if name in _ALIKE:
            grade = Grade.SHOULD if listed else Grade.MUST
            yield couple.rules[_ALIKE[name]].found(
                standby.database, standby.where, detail, grade=grade, command=command
            )
        elif name == "logfilsiz":
            yield couple.rules[Subject.LOG_FILE_SIZE].found(standby.database, standby.where, detail, command=command)
        else:
            rule = couple.rules[Subject.DATABASE_CONFIGURATION]
            yield rule.found(name.upper(), standby.where, f"is {detail}", grade=_grade(name), command=command)


def _instance_settings(couple: Couple) -> Iterator[Finding]:
    if couple.standby is None:
        return
    ours, theirs = (
        {row.name: Setting(row.value or "", row.value_flags or "") for row in node.ask("catalog/instance_settings")}
        for node in couple.nodes
    )
    for name, here, there in _differing(ours, theirs):
        rule = couple.rules[Subject.INSTANCE_CONFIGURATION]
        yield rule.found(name.upper(), couple.standby.where, f"is {_both(here, there)}", grade=_grade(name))


def _registry_variables(couple: Couple) -> Iterator[Finding]:
    if couple.standby is None:
        return
    ours, theirs = (
        {row.name: row.value or "" for row in node.ask("catalog/registry_variables")} for node in couple.nodes
    )
    for name in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(name, ""), theirs.get(name, "")
        if here != there and name not in _OWN_VARIABLES:
            yield couple.rules[Subject.REGISTRY_VARIABLE].found(name, couple.standby.where, _both(here, there))


def _service_level(couple: Couple) -> Iterator[Finding]:
    if couple.standby is None:
        return
    ours, theirs = ({row.service_level for row in node.ask("catalog/service_level")} for node in couple.nodes)
    if ours != theirs:
        detail = f"{' and '.join(sorted(theirs))} and the primary {' and '.join(sorted(ours))}"
        yield couple.rules[Subject.SERVICE_LEVEL].found("the standby", couple.standby.where, detail, grade=Grade.MUST)


def _differing(ours: Mapping[str, Setting], theirs: Mapping[str, Setting]) -> Iterator[tuple[str, str, str]]:
    for name, here in ours.items():
        there = theirs.get(name)
        if there is None or name in _OWN | _JUDGED or here.value == there.value:
            continue
        if name == "indexrec" and _NO_REDO in f"{here.value} {there.value}":
            continue  # judged, too
        if here.flags == there.flags and here.flags in ("AUTOMATIC", "COMPUTED"):
            continue  # each server chose its own
        yield name, _told(here), _told(there)


def _told(setting: Setting) -> str:
    return "AUTOMATIC" if setting.flags == "AUTOMATIC" else setting.value


def _grade(name: str) -> Grade:
    """Return how much a difference asks for: a node may keep its files elsewhere."""
    return Grade.MAY if name.endswith(("path", "_resolved")) else Grade.SHOULD


def _both(ours: str, theirs: str) -> str:
    return f"{ours or 'empty'} on the primary and {theirs or 'empty'} on the standby"


def _update(node: Catalog, name: str, value: str) -> str:
    return f"update db cfg for {node.database} using {name.upper()} {value};" if value and " " not in value else ""


CHECKS = (
    Check("settings of logging", _logging, "grant select on sysibmadm.dbcfg to user {user}"),
    Check("database configuration", _database_settings, "grant select on sysibmadm.dbcfg to user {user}"),
    Check("instance configuration", _instance_settings, "grant select on sysibmadm.dbmcfg to user {user}"),
    Check(
        "registry variables",
        _registry_variables,
        "grant execute on function sysproc.env_get_reg_variables to user {user}",
    ),
    Check("service level", _service_level, "grant select on sysibmadm.env_inst_info to user {user}"),
)
