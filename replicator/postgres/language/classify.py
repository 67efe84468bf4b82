"""PostgreSQL's statements, each laid against the subjects of the rules.

The grammar gives a tree, whose top node decides: most kinds of statement are of one subject whatever they say (the
table below), some must be looked into, and some hold others. What a script makes is remembered, so that a later
statement is judged by it; what no table here knows is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from replicator.postgres.language import bodies, meta_commands, row_statements, schema_statements
from replicator.postgres.language.functions import constant, is_off
from replicator.postgres.language.known import Effect, Known, Persistence, Relation
from replicator.postgres.language.parse import INTERPOLATED, TOGETHER, Parsed, Tree, parse
from replicator.postgres.language.row_statements import shown
from replicator.postgres.language.script import Kind
from replicator.postgres.subject import Subject
from replicator.statement import Reading, Touch

Fields = Mapping[str, Any]

_DDL = (
    *("AlterCollationStmt", "AlterDatabaseRefreshCollStmt", "AlterDatabaseStmt", "AlterDefaultPrivilegesStmt"),
    *("AlterDomainStmt", "AlterEnumStmt", "AlterFunctionStmt", "AlterObjectDependsStmt", "AlterOpFamilyStmt"),
    *("AlterOperatorStmt", "AlterOwnerStmt", "AlterPolicyStmt", "AlterTSConfigurationStmt", "AlterTSDictionaryStmt"),
    *("AlterTableMoveAllStmt", "AlterTableSpaceOptionsStmt", "AlterTypeStmt", "CommentStmt", "CompositeTypeStmt"),
    *("CreateAmStmt", "CreateCastStmt", "CreateConversionStmt", "CreateDomainStmt", "CreateEnumStmt"),
    *("CreateOpClassStmt", "CreateOpFamilyStmt", "CreatePolicyStmt", "CreateTransformStmt"),
    *("DropOwnedStmt", "DropTableSpaceStmt", "DropdbStmt", "GrantStmt", "ReassignOwnedStmt"),
    *("RuleStmt", "SecLabelStmt"),
)
_NOTHING = (
    *("CheckPointStmt", "ClosePortalStmt", "ConstraintsSetStmt", "DeallocateStmt", "DiscardStmt", "FetchStmt"),
    *("LoadStmt", "LockStmt", "UnlistenStmt", "VariableShowStmt"),
)
_ONE_SUBJECT: dict[str, Subject] = {
    **dict.fromkeys(_DDL, Subject.DDL),
    **dict.fromkeys(
        ("AlterRoleStmt", "CreateRoleStmt", "DropRoleStmt", "GrantRoleStmt"),
        Subject.ROLE,
    ),
    **dict.fromkeys(("AlterDatabaseSetStmt", "AlterRoleSetStmt"), Subject.ROLE_SETTING),
    **dict.fromkeys(("AlterPublicationStmt", "CreatePublicationStmt"), Subject.PUBLICATION),
    **dict.fromkeys(("AlterSubscriptionStmt", "CreateSubscriptionStmt", "DropSubscriptionStmt"), Subject.SUBSCRIPTION),
    **dict.fromkeys(("AlterExtensionStmt", "AlterExtensionContentsStmt", "CreateExtensionStmt"), Subject.EXTENSION),
    **dict.fromkeys(("AlterEventTrigStmt", "CreateEventTrigStmt"), Subject.EVENT_TRIGGER),
    **dict.fromkeys(("AlterStatsStmt", "CreateStatsStmt"), Subject.PLANNER_STATISTICS),
    **dict.fromkeys(("ListenStmt", "NotifyStmt"), Subject.NOTIFICATION),
    "CreatePLangStmt": Subject.LANGUAGE_RUNTIME,
    "CreatedbStmt": Subject.CREATE_DATABASE,
    "ImportForeignSchemaStmt": Subject.FOREIGN_TABLE,
    "RefreshMatViewStmt": Subject.REFRESH,
}
_CHANGES = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_FOREIGN = frozenset(
    {
        *("AlterFdwStmt", "AlterForeignServerStmt", "AlterUserMappingStmt", "CreateFdwStmt"),
        *("CreateForeignServerStmt", "CreateUserMappingStmt", "DropUserMappingStmt"),
    }
)
# Where a statement of one subject keeps the name of what it is about.
_NAMES = (
    *("extname", "rolename", "role", "dbname", "tablespacename", "servername", "fdwname", "pubname", "subname"),
    *("trigname", "conditionname", "plname", "name", "policy_name", "typename", "schemaname"),
)
_INTERPRETED = ("plpython", "plperl", "pltcl", "plv8", "pljava", "plr", "plsh", "plrust", "pllua")


class PostgresReader:
    """PostgreSQL's answer to `replicator.engine.ScriptReader`."""

    def __init__(self) -> None:
        self._known = Known()
        # Statements that hold others, or that change how later ones are to be judged.
        self._holding: dict[str, Callable[[Fields, str], Effect]] = {
            "CallStmt": self._call,
            "CreateFunctionStmt": self._create_function,
            "CreateSchemaStmt": self._create_schema,
            "CreateTableAsStmt": self._create_table_as,
            "DeclareCursorStmt": self._declare,
            "DoStmt": self._do,
            "ExecuteStmt": self._execute,
            "ExplainStmt": self._explain,
            "PrepareStmt": self._prepare,
            "SelectStmt": self._select,
            INTERPOLATED: self._interpolated,
            TOGETHER: self._together,
            "TransactionStmt": self._transaction,
            "VariableSetStmt": self._set,
        }

    def read(self, script: str) -> Iterator[Reading]:
        """As `ScriptReader.read`; each script is a session of its own."""
        self._known.new_session()
        for parsed in parse(script):
            yield self._reading(parsed)

    def _reading(self, parsed: Parsed) -> Reading:
        statement = parsed.statement
        if parsed.error:
            return Reading(statement, error=parsed.error, remarks=parsed.remarks)
        if parsed.kind is Kind.META:
            effect, error = meta_commands.judge(statement.text, self._judge)
        else:
            assert parsed.tree is not None  # noqa: S101 - the parser gives a tree or an error
            effect, error = self._judge(parsed.tree, statement.text), ""
        # A loop over the same calls says the same thing many times.
        touches = tuple(dict.fromkeys(effect.touches))
        return Reading(statement, touches, "; ".join(dict.fromkeys(effect.unknown)), error, parsed.remarks)

    def _judge(self, tree: Tree, text: str) -> Effect:
        """Return what a statement does; `text` is needed where a body is to be read, and may be empty."""
        ((node, fields),) = tree.items()
        if node in _CHANGES:
            return row_statements.read(tree, self._known)
        if node in _LOOKED_INTO:
            return _LOOKED_INTO[node](fields, self._known)
        if node in self._holding:
            return self._holding[node](fields, text)
        if node in _ONE_SUBJECT:
            return Effect([Touch(_ONE_SUBJECT[node], _name(fields))])
        if node in _NOTHING:
            return Effect()
        return Effect(unknown=[f"no rule speaks of {node}"])

    # Statements that hold others

    def _together(self, fields: Fields, _text: str) -> Effect:
        effect = Effect()
        for tree in fields["stmts"]:
            effect.add(self._judge(tree, ""))
        return effect

    def _interpolated(self, _fields: Fields, _text: str) -> Effect:
        return Effect(unknown=["the value of a variable of psql decides what it is"])

    def _explain(self, fields: Fields, text: str) -> Effect:
        options = {option["DefElem"]["defname"]: option["DefElem"].get("arg") for option in fields.get("options", ())}
        runs = "analyze" in options and not is_off(options["analyze"])
        return self._judge(fields["query"], text) if runs else Effect()

    def _prepare(self, fields: Fields, _text: str) -> Effect:
        self._known.prepared[fields["name"]] = self._judge(fields["query"], "")
        return Effect()

    def _execute(self, fields: Fields, _text: str) -> Effect:
        name = str(fields["name"])
        return self._known.prepared.get(name, Effect(unknown=[f"{name} is not prepared in the script"]))

    def _declare(self, fields: Fields, _text: str) -> Effect:
        return self._judge(fields["query"], "")

    def _select(self, fields: Fields, _text: str) -> Effect:
        into = fields.get("intoClause")
        if into is None:
            return row_statements.read(fields, self._known)
        effect = row_statements.read(
            {name: value for name, value in fields.items() if name != "intoClause"}, self._known
        )
        return self._table_as(into["rel"], effect)

    def _create_table_as(self, fields: Fields, _text: str) -> Effect:
        name = fields["into"]["rel"]
        query = self._judge(fields["query"], "")
        if fields.get("objtype") != "OBJECT_MATVIEW":
            return self._table_as(name, query)
        self._known.make(name, Relation())
        unlogged = name.get("relpersistence") == "u"
        subject = Subject.UNLOGGED_MATERIALIZED_VIEW if unlogged else Subject.MATERIALIZED_VIEW
        return Effect([Touch(subject, shown(name))])

    def _table_as(self, name: Fields, query: Effect) -> Effect:
        persistence = Persistence(name.get("relpersistence", "p"))
        self._known.make(name, Relation(persistence))
        subject = {
            Persistence.UNLOGGED: Subject.UNLOGGED_TABLE,
            Persistence.TEMPORARY: Subject.TEMPORARY_TABLE,
        }.get(persistence, Subject.TABLE_AS)
        # The rows are what counts; what a function of somebody's does beside making them is not judged.
        return Effect([Touch(subject, shown(name)), *query.touches])

    def _create_schema(self, fields: Fields, _text: str) -> Effect:
        name = fields.get("schemaname", "")
        effect = Effect([Touch(Subject.DDL, f"schema {name}".strip())])
        outer, self._known.schema = self._known.schema, name or self._known.schema
        for tree in fields.get("schemaElts", ()):
            effect.add(self._judge(tree, ""))
        self._known.schema = outer
        return effect

    def _do(self, fields: Fields, text: str) -> Effect:
        options = bodies.texts(fields.get("args", ()))
        language = (options.get("language") or ["plpgsql"])[0].lower()
        return self._body(language, options, text)

    def _body(self, language: str, options: Mapping[str, list[str]], text: str) -> Effect:
        if language == "sql":
            return bodies.sql_body("".join(options.get("as", ())[:1]), self._judge)
        if language == "plpgsql" and text:
            return bodies.plpgsql_body(text, self._judge)
        return Effect(unknown=[f"its body is in {language}, and is not read"])

    def _create_function(self, fields: Fields, text: str) -> Effect:
        name = str(fields["funcname"][-1]["String"]["sval"])
        options = bodies.texts(fields.get("options", ()))
        language = (options.get("language") or ["sql"])[0].lower()
        if language == "c":
            self._known.make_routine(name, Effect(unknown=[f"{name} is in C, and is not read"]))
            return Effect([Touch(Subject.C_FUNCTION, name, (options.get("as") or [""])[0])])
        if language.startswith(_INTERPRETED):
            self._known.make_routine(name, Effect(unknown=[f"{name} is in {language}, and is not read"]))
            return Effect([Touch(Subject.LANGUAGE_RUNTIME, name, language)])
        if language == "internal":
            self._known.make_routine(name, Effect())
            return Effect([Touch(Subject.DDL, name)])
        with self._known.set_aside():
            self._known.make_routine(name, Effect())  # a call of itself adds nothing
            body = self._sql_body(fields["sql_body"]) if "sql_body" in fields else self._body(language, options, text)
        self._known.make_routine(name, body)
        effect = Effect([Touch(Subject.DDL, name)])
        effect.add(Effect(body.touches), when=f"when {name} is called")
        return effect

    def _sql_body(self, body: Any) -> Effect:
        """Judge a body that the grammar has parsed: `return ...` or `begin atomic ... end`."""
        effect = Effect()
        for node in body if isinstance(body, list) else [body]:
            for tree in node["List"].get("items", ()) if "List" in node else [node]:
                if not tree:  # nothing between two semicolons
                    continue
                if "List" in tree:
                    effect.add(self._sql_body(tree))
                elif "ReturnStmt" in tree:
                    effect.add(row_statements.read(tree["ReturnStmt"], self._known))
                else:
                    effect.add(self._judge(tree, ""))
        return effect

    def _call(self, fields: Fields, _text: str) -> Effect:
        return row_statements.read({"FuncCall": fields["funccall"]}, self._known)

    def _transaction(self, fields: Fields, _text: str) -> Effect:
        savepoint = str(fields.get("savepoint_name", ""))
        match fields.get("kind"):
            case "TRANS_STMT_BEGIN" | "TRANS_STMT_START":
                self._known.begin()
            case "TRANS_STMT_SAVEPOINT":
                self._known.begin(savepoint)
            case "TRANS_STMT_COMMIT":
                self._known.commit()
            case "TRANS_STMT_ROLLBACK":
                self._known.roll_back()
            case "TRANS_STMT_ROLLBACK_TO":
                self._known.roll_back(savepoint)
            case "TRANS_STMT_PREPARE" | "TRANS_STMT_COMMIT_PREPARED" | "TRANS_STMT_ROLLBACK_PREPARED":
                self._known.commit()
                return Effect([Touch(Subject.PREPARED_TRANSACTION, str(fields.get("gid", "")))])
            case _:
                pass
        return Effect()

    def _set(self, fields: Fields, _text: str) -> Effect:
        if fields.get("name") == "search_path":
            first: Fields = next(iter(fields.get("args", ())), {})
            self._known.schema = constant(first) or "public"
        return Effect()


def _name(fields: Fields) -> str:
    """Return the name of what a statement is about, as well as its tree tells."""
    for field in ("relation", "base"):
        if isinstance(fields.get(field), dict) and shown(fields[field]):
            return shown(fields[field])
    for field in _NAMES:
        value = fields.get(field)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict) and "rolename" in value:
            return str(value["rolename"])
    setting = fields.get("setstmt", {}).get("name")
    return str(setting) if setting else _first_name(fields) or "an object"


def _first_name(node: object) -> str:
    """Return the first name inside a tree: of a relation, of a routine, or a list of strings."""
    if isinstance(node, dict):
        if "relname" in node:
            return shown(node)
        if "priv_name" in node:
            return str(node["priv_name"])
        return next(filter(None, map(_first_name, node.values())), "")
    if isinstance(node, list):
        strings = [item["String"].get("sval", "") for item in node if isinstance(item, dict) and "String" in item]
        return ".".join(strings) if strings else next(filter(None, map(_first_name, node)), "")
    return ""


_LOOKED_INTO: dict[str, Callable[[Fields, Known], Effect]] = {
    "AlterObjectSchemaStmt": schema_statements.set_schema,
    "AlterSystemStmt": schema_statements.alter_system,
    "AlterTableStmt": schema_statements.alter_table,
    "ClusterStmt": schema_statements.reorganize,
    "CopyStmt": row_statements.copy,
    "CreateForeignTableStmt": schema_statements.create_foreign_table,
    "AlterSeqStmt": schema_statements.alter_sequence,
    "CreateSeqStmt": schema_statements.create_sequence,
    "CreateStmt": schema_statements.create_table,
    "CreateTableSpaceStmt": schema_statements.create_tablespace,
    "CreateRangeStmt": schema_statements.create_range,
    "CreateTrigStmt": schema_statements.create_trigger,
    "DefineStmt": schema_statements.define,
    "DropStmt": schema_statements.drop,
    "IndexStmt": schema_statements.create_index,
    **dict.fromkeys(_FOREIGN, schema_statements.foreign),
    "ReindexStmt": schema_statements.reorganize,
    "RenameStmt": schema_statements.rename,
    "TruncateStmt": row_statements.truncate,
    "VacuumStmt": schema_statements.vacuum,
    "ViewStmt": schema_statements.create_view,
    "PLAssignStmt": row_statements.read,
    "ReturnStmt": row_statements.read,
}
