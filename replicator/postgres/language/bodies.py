"""What the body of a routine or of a DO block does, as far as it can be read.

PL/pgSQL is parsed by its own parser (in libpg_query), and each statement and expression in it is judged like any
other. What stands in a branch, a loop or an exception handler may or may not run, so it is judged with that case. A
statement that is put together at run time can be read where its text is a constant, or a constant given to `format`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
import pglast.parser

from replicator.postgres.language.functions import constant
from replicator.postgres.language.known import Effect
from replicator.postgres.language.parse import Tree, trees

Fields = Mapping[str, Any]
Judge = Callable[[Tree, str], Effect]  # what one statement of a body does: its tree, its text

_BRANCH = "where its branch is taken"
_LOOP = "for each turn of its loop"
_HANDLER = "where its exception is handled"
_RETURNED = "unless the routine returned before"
_CASES = {
    **dict.fromkeys(("then_body", "else_body", "elsif_list", "case_when_list", "else_stmts"), _BRANCH),
    "exceptions": _HANDLER,
}
_LOOPS = frozenset({"loop", "while", "fori", "fors", "forc", "foreach_a", "dynfors"})
_DYNAMIC = {"dynexecute": "query", "dynfors": "query", "return_query": "dynquery"}  # where a text that is run stands
_LEAVING = frozenset({"return", "exit", "raise"})
_ASSIGNED = re.compile(r"^[^=]*?:?=(?!=)")
_NAME, _TEXT = "_name", "'_text'"  # what stands in for a part of a statement that is known at run time only
_PLACEHOLDER = re.compile(r"%(?:\d+\$)?-?\d*([IsL%])")


def sql_body(text: str, judge: Judge) -> Effect:
    """Judge a body in SQL."""
    try:
        found = trees(text)
    except pglast.parser.ParseError as error:
        return Effect(unknown=[f"its body cannot be parsed: {error.args[0]}"])
    effect = Effect()
    for tree in found:
        effect.add(judge(tree, text if len(found) == 1 else ""))
    return effect


def plpgsql_body(statement: str, judge: Judge) -> Effect:
    """Judge a body in PL/pgSQL; `statement` is the whole CREATE or DO."""
    try:
        routines = orjson.loads(pglast.parser.parse_plpgsql_json(statement))
    except pglast.parser.ParseError as error:
        return Effect(unknown=[f"its body cannot be parsed: {error.args[0]}"])
    effect = Effect()
    for routine in routines:
        _Body(judge, effect).visit(routine.get("PLpgSQL_function", {}), "")
    return effect


class _Body:
    """A walk over one body, in the order in which it runs."""

    def __init__(self, judge: Judge, effect: Effect) -> None:
        self.judge = judge
        self.effect = effect
        self.left = ""  # set once a branch may have left the routine

    def visit(self, node: object, case: str) -> None:
        """Judge a node and all below it, which run in the case `case`."""
        if isinstance(node, list):
            for item in node:
                self.visit(item, case)
        elif isinstance(node, dict):
            for name, value in node.items():
                if name.startswith("PLpgSQL_stmt_"):
                    self._statement(name.removeprefix("PLpgSQL_stmt_"), value, case)
                elif name == "PLpgSQL_expr":
                    self._expression(value, case)
                else:
                    self.visit(value, _CASES.get(name, "") or case)

    def _statement(self, kind: str, fields: Fields, case: str) -> None:
        if kind in _LEAVING and case and fields.get("elog_level", 21) >= 21:  # ERROR, src/include/utils/elog.h
            self.left = _RETURNED
        dynamic = _DYNAMIC.get(kind, "")
        if dynamic in fields:
            self._dynamic(fields[dynamic]["PLpgSQL_expr"]["query"], case)
        for name, value in fields.items():
            if name == "body" and kind in _LOOPS:
                self.visit(value, _LOOP)
            elif name != dynamic:
                self.visit(value, _CASES.get(name, "") or case)

    def _expression(self, expression: Fields, case: str) -> None:
        text = str(expression.get("query", ""))
        # Source: src/include/parser/parser.h, RawParseMode: 0 is a statement, 2 an expression, 3 to 5 `:=`.
        match expression.get("parseMode", 0):
            case 0:
                self._run(text, case)
            case 2:
                self._run(f"select {text}", case)
            case _:
                self._run(f"select {_ASSIGNED.sub('', text, count=1)}", case)

    def _run(self, text: str, case: str) -> None:
        try:
            found = trees(text)
        except pglast.parser.ParseError:
            self.effect.unknown.append(f"it holds a statement that cannot be parsed: {_short(text)}")
            return
        for tree in found:
            self.effect.add(self.judge(tree, text), case or self.left)

    def _dynamic(self, expression: str, case: str) -> None:
        found = _spelled(expression)
        for tree in found:
            self.effect.add(self.judge(tree, ""), case or self.left)
        if not found:
            self.effect.unknown.append(f"it runs a statement that is put together at run time: {_short(expression)}")


def _spelled(expression: str) -> list[Tree]:
    """Return the statements that a string expression spells, as far as its parts are constants.

    For a part that is none a name stands in, or a text where it is quoted as one. A part that is not quoted at all may
    be a call, so then a query is not taken for what it looks like.
    """
    try:
        (tree,) = trees(f"select {expression}")
        (target,) = tree["SelectStmt"]["targetList"]
        text, raw = _text(target["ResTarget"]["val"])
        found = trees(text)
    except (pglast.parser.ParseError, KeyError, ValueError):
        return []
    return [] if raw and any({"SelectStmt", "CallStmt", "DoStmt"} & set(tree) for tree in found) else found


def _text(value: Fields) -> tuple[str, bool]:
    """Return the text that an expression comes to, and whether a part of it stands in for something not quoted."""
    if (text := constant(value)) is not None:
        return text, False
    operation = value.get("A_Expr", {})
    if operation.get("name") == [{"String": {"sval": "||"}}]:
        (left, raw_left), (right, raw_right) = _text(operation["lexpr"]), _text(operation["rexpr"])
        return left + right, raw_left or raw_right
    call = value.get("FuncCall", {})
    match [part.get("String", {}).get("sval") for part in call.get("funcname", ())][-1:]:
        case ["quote_ident"]:
            return _NAME, False
        case ["quote_literal"] | ["quote_nullable"]:
            return _TEXT, False
        case ["format"] if (template := constant(call["args"][0])) is not None:
            return _PLACEHOLDER.sub(_filled, template), any(m[1] == "s" for m in _PLACEHOLDER.finditer(template))
        case _:
            return _NAME, True


def _filled(placeholder: re.Match[str]) -> str:
    return {"I": _NAME, "L": _TEXT, "s": _NAME, "%": "%"}[placeholder[1]]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def texts(options: Iterable[Fields]) -> dict[str, Any]:
    """Return the options of a CREATE FUNCTION or a DO by name: `as` and `language` as text."""
    found: dict[str, Any] = {}
    for option in options:
        element = option.get("DefElem", {})
        argument = element.get("arg", {})
        if "List" in argument:
            parts = [item.get("String", {}).get("sval", "") for item in argument["List"].get("items", ())]
            found[element.get("defname", "")] = parts
        elif "String" in argument:
            found[element.get("defname", "")] = [argument["String"].get("sval", "")]
    return found
