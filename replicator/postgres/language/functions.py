"""What the calls in a statement do: the server's own functions that leave something behind, and others' bodies.

The server's functions are known by name (`builtin_functions.txt`, one a line, those of PostgreSQL 18's pg_catalog); all
that are not in the table below leave nothing that a standby would have to get. A function that is neither the
server's nor made by the script cannot be judged.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from importlib import resources
from typing import Any

from replicator.postgres.language.known import Effect, Known, Persistence
from replicator.postgres.subject import Subject
from replicator.statement import Touch

_SEQUENCE = ("nextval", "setval")
_SLOT = "pg_create_logical_replication_slot"
# Source: PostgreSQL 18 documentation, Functions and Operators, System Administration Functions; Large Objects.
_LEAVES = {
    **dict.fromkeys(
        (
            *("lo_creat", "lo_create", "lo_from_bytea", "lo_import", "lo_put", "lo_unlink", "lowrite"),
            *("lo_truncate", "lo_truncate64"),
        ),
        Subject.LARGE_OBJECT,
    ),
    **dict.fromkeys(("lo_export",), Subject.FILE_OUTPUT),
    **dict.fromkeys(("pg_notify",), Subject.NOTIFICATION),
    **dict.fromkeys(
        (
            *("pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared"),
            *("pg_try_advisory_lock", "pg_try_advisory_lock_shared"),
            *("pg_try_advisory_xact_lock", "pg_try_advisory_xact_lock_shared"),
        ),
        Subject.ADVISORY_LOCK,
    ),
    **dict.fromkeys(
        ("pg_create_physical_replication_slot", "pg_copy_physical_replication_slot"), Subject.PHYSICAL_SLOT
    ),
    **dict.fromkeys(
        (
            *("pg_copy_logical_replication_slot", "pg_replication_slot_advance"),
            *("pg_logical_slot_get_changes", "pg_logical_slot_get_binary_changes"),
        ),
        Subject.SLOT_WITHOUT_FAILOVER,
    ),
    **dict.fromkeys(
        (
            *("pg_stat_reset", "pg_stat_reset_shared", "pg_stat_reset_slru", "pg_stat_reset_backend_stats"),
            *("pg_stat_reset_single_table_counters", "pg_stat_reset_single_function_counters"),
            *("pg_stat_reset_replication_slot", "pg_stat_reset_subscription_stats"),
        ),
        Subject.ACTIVITY_STATISTICS,
    ),
    **dict.fromkeys(("pg_logical_emit_message",), Subject.LOGICAL_MESSAGE),
    **dict.fromkeys(
        ("pg_replication_origin_create", "pg_replication_origin_drop", "pg_replication_origin_advance"),
        Subject.ORIGIN,
    ),
    **dict.fromkeys(("pg_read_file", "pg_read_binary_file"), Subject.SERVER_FILE),
    **dict.fromkeys(
        (
            *("pg_restore_relation_stats", "pg_restore_attribute_stats"),
            *("pg_clear_relation_stats", "pg_clear_attribute_stats"),
        ),
        Subject.PLANNER_STATISTICS,
    ),
    **dict.fromkeys(
        ("brin_summarize_new_values", "brin_summarize_range", "brin_desummarize_range", "gin_clean_pending_list"),
        Subject.VACUUM,
    ),
    **dict.fromkeys(("pg_extension_config_dump", "pg_import_system_collations"), Subject.DDL),
}
# Which argument names what is touched, where it is not the first; what no argument names.
_NAMED = {"pg_logical_emit_message": 1}
_UNNAMED = frozenset({Subject.LARGE_OBJECT, Subject.ADVISORY_LOCK})
# They run a text, or set up what only the server itself may.
_OPAQUE = frozenset(
    {
        *("query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema", "ts_stat"),
        *("cursor_to_xml", "cursor_to_xmlschema"),
    }
)
_CHANGES = ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")
_SOUGHT = frozenset({"FuncCall", *_CHANGES})


@functools.cache
def builtin() -> frozenset[str]:
    """Return the names of the server's own functions."""
    listed = (
        resources.files("replicator.postgres.language").joinpath("builtin_functions.txt").read_text(encoding="utf-8")
    )
    return frozenset(listed.split())


def inside(tree: object, sought: AbstractSet[str] = _SOUGHT) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the calls and the row changes anywhere inside a tree, or other nodes, each with its name and fields."""
    stack: list[object] = [tree]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            for name, value in node.items():
                if name in sought:
                    yield name, value
                kind = type(value)
                if kind is dict or kind is list:
                    stack.append(value)
        elif type(node) is list:
            stack.extend(reversed(node))


def called(fields: Mapping[str, Any], known: Known, *, judged: bool) -> Effect:
    """Return what one call does.

    Args:
        fields: the FuncCall's.
        known: what the script has made.
        judged: a call of an unknown function makes the statement unknown. Where rows are changed, the rows are what
            the statement is judged by, and the function is not.
    """
    parts = [part["String"]["sval"] for part in fields.get("funcname", ()) if "String" in part]
    name = str(parts[-1]) if parts else ""
    qualified = len(parts) > 1 and parts[0] != "pg_catalog"
    if (body := known.routine(name)) is not None:
        return body
    if not qualified and name in builtin():
        return _builtin(name, fields, known, judged=judged)
    return Effect(unknown=[f"it calls {'.'.join(parts)}, whose body is not in the script"] if judged else [])


def _builtin(name: str, fields: Mapping[str, Any], known: Known, *, judged: bool) -> Effect:
    arguments = fields.get("args", [])
    if name in _SEQUENCE:
        return Effect([_sequence(name, constant(arguments[0]) if arguments else None, known)])
    if name == _SLOT:
        return _slot(arguments)
    if name in _OPAQUE and judged:
        return Effect(unknown=[f"{name} runs a text"])
    subject = _LEAVES.get(name)
    if subject is None:
        return Effect()
    named = arguments[_NAMED.get(name, 0) :]
    return Effect([Touch(subject, (constant(named[0]) if named and subject not in _UNNAMED else None) or name)])


def _sequence(function: str, name: str | None, known: Known) -> Touch:
    if name is None:
        return Touch(Subject.SEQUENCE_ADVANCE, "a sequence")
    schema, _, relation = name.rpartition(".")
    node = {"relname": relation.strip('"')} | ({"schemaname": schema.strip('"')} if schema else {})
    if function == "setval":  # always logged, if the sequence is
        known.change(node, logged_late=False)
    if known.find(node).logged_late:
        return logged_late(name)
    match known.find(node).persistence:
        case Persistence.UNLOGGED:
            return Touch(Subject.UNLOGGED_SEQUENCE_ADVANCE, name)
        case Persistence.TEMPORARY:
            return Touch(Subject.TEMPORARY_ROW_CHANGE, name)
        case _:
            return Touch(Subject.SEQUENCE_ADVANCE, name)


def logged_late(sequence: str) -> Touch:
    """Return what becomes of a value of a sequence that was unlogged before."""
    return Touch(Subject.SEQUENCE_RELOGGED, sequence, when="among the first 32 values, or until a checkpoint or setval")


def _slot(arguments: list[Any]) -> Effect:
    """Judge a new logical slot by its arguments: name, plug-in, temporary, two-phase, failover."""
    given: dict[str, str | None] = {}
    for position, argument in enumerate(arguments):
        named = argument.get("NamedArgExpr")
        label = str(named["name"]) if named else ("slot_name", "plugin", "temporary", "twophase", "failover")[position]
        given[label] = constant(named["arg"] if named else argument)
    if given.get("temporary") == "true":  # the session's own
        return Effect()
    subject = Subject.FAILOVER_SLOT if given.get("failover") == "true" else Subject.SLOT_WITHOUT_FAILOVER
    return Effect([Touch(subject, given.get("slot_name") or "a slot")])


def constant(node: Mapping[str, Any]) -> str | None:
    """Return the text of a constant, cast or not; None for anything else."""
    while "TypeCast" in node:
        node = node["TypeCast"]["arg"]
    value = node.get("A_Const")
    if value is None:
        return None
    for kind, field in (("sval", "sval"), ("ival", "ival"), ("boolval", "boolval"), ("fval", "fval")):
        if kind in value:
            found = value[kind].get(field, False if kind == "boolval" else 0 if kind == "ival" else "")
            return str(found).lower() if kind == "boolval" else str(found)
    return None


def is_off(argument: Mapping[str, Any] | None) -> bool:
    """Return whether the value of an option, if it has one, turns it off."""
    if argument is None:
        return False
    value = str(next(iter(next(iter(argument.values())).values()), "")).lower()
    return value in {"off", "false", "0"}
