"""What statements that make, change or drop objects come to, and what they make known to the statements after them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from replicator.postgres.language import functions
from replicator.postgres.language.known import Effect, Known, Persistence, Relation
from replicator.postgres.language.row_statements import of_parts, read, shown
from replicator.postgres.subject import Subject
from replicator.statement import Touch

Fields = Mapping[str, Any]

_SERIALS = frozenset({"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"})
_ORDINARY_METHODS = frozenset({"btree", "gist", "gin", "brin", "spgist"})
# Source: PostgreSQL 18 documentation, ALTER TABLE, Notes: what rewrites the table and its indexes.
_REWRITES = frozenset({"AT_AlterColumnType", "AT_SetAccessMethod"})
_STORAGE = frozenset(
    {
        *("AT_ClusterOn", "AT_DropCluster", "AT_SetRelOptions", "AT_ResetRelOptions", "AT_ReplaceRelOptions"),
        *("AT_ReplicaIdentity", "AT_SetStorage", "AT_SetCompression", "AT_SetStatistics", "AT_SetOptions"),
    }
)
_TABLES = frozenset({"OBJECT_TABLE", "OBJECT_SEQUENCE", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE", "OBJECT_INDEX"})


def create_table(fields: Fields, known: Known) -> Effect:
    """Judge a CREATE TABLE."""
    name = fields["relation"]
    persistence = Persistence(name.get("relpersistence", "p"))
    if name.get("schemaname") == "pg_temp":
        persistence = Persistence.TEMPORARY
    parents = [parent["RangeVar"] for parent in fields.get("inhRelations", ())]
    elements = [*fields.get("tableElts", ()), *fields.get("constraints", ())]
    references = [target for element in elements for target in _references(element)]
    effect = Effect([_table(name, persistence, parents, known, partitioned="partspec" in fields)])
    if persistence is Persistence.PERMANENT:
        effect.touches.extend(_to_unlogged(references, known))
        effect.touches.extend(_generated(elements))
    relation = Relation(
        persistence,
        parents=frozenset(map(known.key, parents)),
        references=frozenset(map(known.key, references)),
        sequences=_make_sequences(name, elements, persistence, known),
    )
    known.make(name, relation)
    if persistence is not Persistence.PERMANENT:
        _make_indexes(name, elements, persistence, known)
    return effect


def _table(name: Fields, persistence: Persistence, parents: list[Fields], known: Known, *, partitioned: bool) -> Touch:
    if persistence is Persistence.TEMPORARY:
        return Touch(Subject.TEMPORARY_TABLE, shown(name))
    if persistence is Persistence.PERMANENT:
        return Touch(Subject.DDL, shown(name))
    if partitioned:
        return Touch(Subject.UNLOGGED_PARTITIONED, shown(name))
    for parent in parents:
        if known.find(parent).persistence is Persistence.PERMANENT:
            return Touch(Subject.UNLOGGED_PART, shown(name), shown(parent))
    return Touch(Subject.UNLOGGED_TABLE, shown(name))


def _references(element: Fields) -> Iterable[Fields]:
    column = element.get("ColumnDef", {})
    for constraint in (element, *column.get("constraints", ())):
        fields = constraint.get("Constraint", {})
        if fields.get("contype") == "CONSTR_FOREIGN":
            yield fields["pktable"]


def _to_unlogged(references: Iterable[Fields], known: Known) -> Iterable[Touch]:
    for target in references:
        if known.find(target).persistence is Persistence.UNLOGGED:
            yield Touch(Subject.UNLOGGED_REFERENCE, shown(target))


def _generated(elements: Iterable[Fields]) -> Iterable[Touch]:
    for element in elements:
        column = element.get("ColumnDef", {})
        for constraint in column.get("constraints", ()):
            fields = constraint.get("Constraint", {})
            if fields.get("contype") == "CONSTR_GENERATED":
                stored = fields.get("generated_kind") == "s"
                subject = Subject.STORED_GENERATED if stored else Subject.VIRTUAL_GENERATED
                yield Touch(subject, f"column {column.get('colname', '')}")


def _make_sequences(
    table: Fields, elements: Iterable[Fields], persistence: Persistence, known: Known
) -> frozenset[str]:
    """Take note of the sequences that serial and identity columns bring; they are what the table is (from 15 on)."""
    made = set()
    for element in elements:
        column = element.get("ColumnDef", {})
        names = column.get("typeName", {}).get("names", ())
        kinds = {constraint.get("Constraint", {}).get("contype") for constraint in column.get("constraints", ())}
        serial = bool(names) and names[-1].get("String", {}).get("sval") in _SERIALS
        if serial or "CONSTR_IDENTITY" in kinds:
            sequence = f"{table.get('relname', '')}_{column.get('colname', '')}_seq"
            known.make({**table, "relname": sequence}, Relation(persistence))
            made.add(sequence)
    return frozenset(made)


def _make_indexes(table: Fields, elements: Iterable[Fields], persistence: Persistence, known: Known) -> None:
    """Take note of the indexes that keys bring, by the names that the server gives them."""
    for element in elements:
        column = element.get("ColumnDef", {})
        for constraint in (element, *column.get("constraints", ())):
            fields = constraint.get("Constraint", {})
            columns = [key["String"]["sval"] for key in fields.get("keys", ())] or [str(column.get("colname", ""))]
            made = {"CONSTR_PRIMARY": "pkey", "CONSTR_UNIQUE": f"{'_'.join(columns)}_key"}.get(
                fields.get("contype", "")
            )
            if made:
                index = fields.get("conname") or f"{table.get('relname', '')}_{made}"
                known.make({**table, "relname": index}, Relation(persistence))


def create_sequence(fields: Fields, known: Known) -> Effect:
    """Judge a CREATE SEQUENCE."""
    name = fields["sequence"]
    persistence = Persistence(name.get("relpersistence", "p"))
    known.make(name, Relation(persistence))
    subject = {
        Persistence.UNLOGGED: Subject.UNLOGGED_SEQUENCE,
        Persistence.TEMPORARY: Subject.TEMPORARY_TABLE,
    }.get(persistence, Subject.DDL)
    return Effect([Touch(subject, shown(name))])


def alter_sequence(fields: Fields, known: Known) -> Effect:
    """Judge an ALTER SEQUENCE that gives it another owner, or sets it and its value anew."""
    name = fields["sequence"]
    options = {option["DefElem"]["defname"] for option in fields.get("options", ())}
    unlogged = known.find(name).persistence is Persistence.UNLOGGED and options != {"owned_by"}
    return Effect([Touch(Subject.UNLOGGED_SEQUENCE if unlogged else Subject.DDL, shown(name))])


def create_view(fields: Fields, known: Known) -> Effect:
    """Judge a CREATE VIEW, which is temporary if it is said to be, or reads what is."""
    name = fields["view"]
    sources = functions.inside(fields.get("query", {}), frozenset({"RangeVar"}))
    temporary = name.get("relpersistence") == "t" or any(
        known.find(source).persistence is Persistence.TEMPORARY for _, source in sources
    )
    known.make(name, Relation(Persistence.TEMPORARY if temporary else Persistence.PERMANENT))
    known.make_view(name, read(fields.get("query", {}), known))
    return Effect([Touch(Subject.TEMPORARY_TABLE if temporary else Subject.DDL, shown(name))])


def create_foreign_table(fields: Fields, known: Known) -> Effect:
    """Judge a CREATE FOREIGN TABLE."""
    name = fields["base"]["relation"]
    known.make(name, Relation(Persistence.FOREIGN))
    return Effect([Touch(Subject.FOREIGN_TABLE, shown(name))])


def create_index(fields: Fields, known: Known) -> Effect:
    """Judge a CREATE INDEX by its table and its access method."""
    table = fields["relation"]
    persistence = known.find(table).persistence
    name = fields.get("idxname") or f"an index of {shown(table)}"
    if "idxname" in fields:
        known.make({**table, "relname": name}, Relation(persistence))
    method = fields.get("accessMethod", "btree")
    if persistence is Persistence.UNLOGGED:
        subject = Subject.UNLOGGED_INDEX
    elif persistence is Persistence.TEMPORARY:
        subject = Subject.TEMPORARY_TABLE
    elif method == "hash":
        subject = Subject.HASH_INDEX
    else:
        subject = Subject.INDEX if method in _ORDINARY_METHODS else Subject.EXTENSION_INDEX
    return Effect([Touch(subject, str(name))])


def create_trigger(fields: Fields, known: Known) -> Effect:
    """Judge a CREATE TRIGGER."""
    table = fields["relation"]
    function = fields["funcname"][-1]["String"]["sval"]
    known.change(table, triggers=known.find(table).triggers | {function})
    temporary = known.find(table).persistence is Persistence.TEMPORARY
    subject = Subject.TEMPORARY_TABLE if temporary else Subject.ROW_TRIGGER
    return Effect([Touch(subject, f"{fields.get('trigname', 'a trigger')} on {shown(table)}")])


def create_range(fields: Fields, known: Known) -> Effect:
    """Judge a CREATE TYPE ... AS RANGE, whose constructors bear its name."""
    name = str(fields["typeName"][-1]["String"]["sval"])
    options = {option["DefElem"]["defname"]: option["DefElem"] for option in fields.get("params", ())}
    multirange = options.get("multirange_type_name", {}).get("arg", {}).get("TypeName", {}).get("names", ())
    given = str(multirange[-1]["String"]["sval"]) if multirange else None
    derived = name.replace("range", "multirange", 1) if "range" in name else f"{name}_multirange"
    for constructor in (name, given or derived):
        known.make_routine(constructor, Effect())
    return Effect([Touch(Subject.DDL, name)])


def define(fields: Fields, known: Known) -> Effect:
    """Judge a CREATE AGGREGATE, OPERATOR, TYPE, TEXT SEARCH ... or COLLATION."""
    parts = [part["String"]["sval"] for part in fields.get("defnames", ()) if "String" in part]
    name = str(parts[-1]) if parts else "an object"
    if fields.get("kind") == "OBJECT_AGGREGATE":
        effect = Effect()
        for option in fields.get("definition", ()):
            if option["DefElem"]["defname"] in {"sfunc", "finalfunc", "combinefunc"}:
                names = option["DefElem"]["arg"].get("TypeName", {}).get("names", ())
                effect.add(functions.called({"funcname": names}, known, judged=True))
        known.make_routine(name, effect)
    return Effect([Touch(Subject.DDL, name)])


def alter_table(fields: Fields, known: Known) -> Effect:
    """Judge an ALTER TABLE (SEQUENCE, INDEX, VIEW, ...), one action after the other."""
    name = fields["relation"]
    effect, of_its_parts = Effect(), of_parts(name, known)
    for command in fields.get("cmds", ()):
        effect.add(_alter(name, command["AlterTableCmd"], fields.get("objtype", ""), known))
    effect.touches.extend(of_its_parts)
    return effect


def _alter(name: Fields, command: Fields, kind: str, known: Known) -> Effect:  # noqa: PLR0911 - one line a case
    relation = known.find(name)
    action = command.get("subtype", "")
    if action == "AT_SetLogged":
        known.change(name, persistence=Persistence.PERMANENT, logged_late=True)
        for sequence in relation.sequences:
            known.change({**name, "relname": sequence}, persistence=Persistence.PERMANENT, logged_late=True)
        return Effect([Touch(Subject.SET_LOGGED, shown(name))])
    if action == "AT_SetUnLogged":
        return _set_unlogged(name, kind, known)
    if relation.persistence is Persistence.TEMPORARY:
        return Effect([Touch(Subject.TEMPORARY_ROW_CHANGE, shown(name))])
    if action in {"AT_AttachPartition", "AT_AddInherit"}:
        return _attach(name, command, action, known)
    if action in _STORAGE:
        return Effect([Touch(Subject.STORAGE_PARAMETER, shown(name))])
    added = command.get("def", {})
    references = list(_references(added))
    if references:
        known.change(name, references=relation.references | {known.key(target) for target in references})
        if relation.persistence is Persistence.PERMANENT:
            return Effect([Touch(Subject.DDL, shown(name)), *_to_unlogged(references, known)])
    if action in _REWRITES or (action == "AT_AddColumn" and _volatile_default(added)):
        subject = _stored(name, known, Subject.TABLE_REWRITE)
        return Effect([Touch(subject, shown(name)), *_generated([added])])
    return Effect([Touch(Subject.DDL, shown(name)), *_generated([added])])


def _set_unlogged(name: Fields, kind: str, known: Known) -> Effect:
    if kind == "OBJECT_SEQUENCE":
        subject = Subject.UNLOGGED_SEQUENCE
    elif other := known.referenced_by_logged(name):
        return Effect([Touch(Subject.SET_UNLOGGED_REFERENCED, shown(name), other)])
    else:
        subject = Subject.SET_UNLOGGED
    known.change(name, persistence=Persistence.UNLOGGED)
    return Effect([Touch(subject, shown(name))])


def _attach(name: Fields, command: Fields, action: str, known: Known) -> Effect:
    if action == "AT_AttachPartition":
        parent, part = name, command["def"]["PartitionCmd"]["name"]
    else:
        parent, part = command["def"]["RangeVar"], name
    known.change(part, parents=known.find(part).parents | {known.key(parent)})
    unlogged = known.find(part).persistence is Persistence.UNLOGGED
    logged_parent = known.find(parent).persistence is Persistence.PERMANENT
    if unlogged and logged_parent:
        return Effect([Touch(Subject.UNLOGGED_PART, shown(part), shown(parent))])
    return Effect([Touch(Subject.DDL, shown(parent))])


def _volatile_default(added: Fields) -> bool:
    """Return whether a new column's default calls a function: then each row may get a value of its own."""
    column = added.get("ColumnDef", {})
    return any(name == "FuncCall" for name, _ in functions.inside(column.get("constraints", ())))


def drop(fields: Fields, known: Known) -> Effect:
    """Judge a DROP of any kind."""
    kind, temporary = fields.get("removeType"), []
    for named in fields.get("objects", ()):
        if kind == "OBJECT_TRIGGER":
            temporary.append(known.find(_as_range(named, outer=1)).persistence is Persistence.TEMPORARY)
        elif kind in _TABLES | {"OBJECT_VIEW"}:
            temporary.append(known.find(_as_range(named)).persistence is Persistence.TEMPORARY)
            known.drop(_as_range(named))
        else:
            known.drop_routine(_last_name(named))
    subject = Subject.TEMPORARY_TABLE if temporary and all(temporary) else Subject.DDL
    return Effect([Touch(subject, _dropped(fields))])


def _as_range(named: Fields, outer: int = 0) -> Fields:
    """Return a list of names as a relation's; of a trigger's the last `outer` names are its own."""
    parts = [item["String"]["sval"] for item in named.get("List", {}).get("items", ()) if "String" in item]
    parts = parts[: len(parts) - outer]
    return {"relname": parts[-1] if parts else ""} | ({"schemaname": parts[-2]} if len(parts) > 1 else {})


def _last_name(named: Fields) -> str:
    names = named.get("ObjectWithArgs", {}).get("objname", ())
    return str(names[-1]["String"]["sval"]) if names else ""


def _dropped(fields: Fields) -> str:
    names = [shown(_as_range(named)) or _last_name(named) for named in fields.get("objects", ())]
    return ", ".join(filter(None, names)) or "an object"


def rename(fields: Fields, known: Known) -> Effect:
    """Judge a RENAME."""
    name = fields.get("relation", {})
    if name and fields.get("renameType") in _TABLES:
        temporary = known.find(name).persistence is Persistence.TEMPORARY
        known.rename(name, relation=fields.get("newname"))
        if temporary:
            return Effect([Touch(Subject.TEMPORARY_ROW_CHANGE, shown(name))])
    return Effect([Touch(Subject.DDL, shown(name) or str(fields.get("newname", "an object")))])


def set_schema(fields: Fields, known: Known) -> Effect:
    """Judge an ALTER ... SET SCHEMA."""
    name = fields.get("relation", {})
    if name:
        known.rename(name, schema=fields.get("newschema"))
    return Effect([Touch(Subject.DDL, shown(name) or "an object")])


def vacuum(fields: Fields, known: Known) -> Effect:
    """Judge a VACUUM or an ANALYZE."""
    options = {option["DefElem"]["defname"]: option["DefElem"].get("arg") for option in fields.get("options", ())}
    names = [relation["VacuumRelation"].get("relation", {}) for relation in fields.get("rels", ())]
    if fields.get("is_vacuumcmd") and "full" in options and not functions.is_off(options["full"]):
        return _rewritten(names, known)
    subject = Subject.VACUUM if fields.get("is_vacuumcmd") else Subject.PLANNER_STATISTICS
    return Effect([Touch(subject, ", ".join(map(shown, names)) or "the database")])


def reorganize(fields: Fields, known: Known) -> Effect:
    """Judge a CLUSTER or a REINDEX."""
    return _rewritten([fields["relation"]] if "relation" in fields else [], known)


def _rewritten(names: list[Fields], known: Known) -> Effect:
    if not names:
        return Effect([Touch(Subject.REORGANIZATION, "the database")])
    return Effect([Touch(_stored(name, known, Subject.REORGANIZATION), shown(name)) for name in names])


def _stored(name: Fields, known: Known, permanent: Subject) -> Subject:
    """Return the subject of what writes a relation anew: that of its rows where they are not in the log."""
    return {
        Persistence.UNLOGGED: Subject.UNLOGGED_ROW_CHANGE,
        Persistence.TEMPORARY: Subject.TEMPORARY_ROW_CHANGE,
    }.get(known.find(name).persistence, permanent)


def alter_system(fields: Fields, known: Known) -> Effect:  # noqa: ARG001 - as every other judge of a statement
    """Judge an ALTER SYSTEM."""
    name = fields.get("setstmt", {}).get("name", "every setting")
    return Effect([Touch(Subject.SETTING, str(name), "set on this node only")])


def create_tablespace(fields: Fields, known: Known) -> Effect:  # noqa: ARG001 - as every other judge of a statement
    """Judge a CREATE TABLESPACE by its directory, which an empty location has none of beside the data directory."""
    location = fields.get("location", "")
    if not location:
        return Effect([Touch(Subject.DDL, str(fields["tablespacename"]))])
    return Effect([Touch(Subject.TABLESPACE, str(fields["tablespacename"]), str(location))])


def foreign(fields: Fields, known: Known) -> Effect:  # noqa: ARG001 - as every other judge of a statement
    """Judge what defines a foreign server, its wrapper or a user's mapping to it."""
    options = {option["DefElem"]["defname"]: option["DefElem"].get("arg", {}) for option in fields.get("options", ())}
    host = options.get("host", {}).get("String", {}).get("sval")
    name = fields.get("servername") or fields.get("fdwname", "")
    return Effect([Touch(Subject.FOREIGN_SERVER, str(name), f"its host is {host}" if host else "as it is from here")])
