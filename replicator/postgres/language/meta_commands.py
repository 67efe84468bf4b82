"""What psql's own commands come to: most are the client's affair, a few send statements or files to the server.

Source: PostgreSQL 18 documentation, psql, Meta-Commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pglast.parser

from replicator.postgres.language.known import Effect
from replicator.postgres.language.parse import Tree, trees
from replicator.postgres.subject import Subject
from replicator.statement import Touch

_SILENT = frozenset(
    {
        *("", "a", "bind", "bind_named", "c", "C", "cd", "close_prepared", "connect", "conninfo", "copyright"),
        *("crosstabview", "e", "echo", "edit", "ef", "elif", "else", "encoding", "endif", "endpipeline", "errverbose"),
        *("ev", "f", "flush", "flushrequest", "g", "gdesc", "getenv", "getresults", "gset", "gx", "h", "H", "help"),
        *("html", "if", "l", "list", "lo_export", "lo_list", "o", "out", "p", "parse", "print", "prompt", "pset", "q"),
        *("quit", "qecho", "r", "reset", "restrict", "s", "sendpipeline", "set", "setenv", "sf", "startpipeline"),
        *("sv", "syncpipeline", "t", "T", "timing", "unrestrict", "unset", "w", "warn", "watch", "write", "x", "z"),
        *("zp",),
    }
)
_UNREAD = {
    "i": "it runs another script",
    "include": "it runs another script",
    "ir": "it runs another script",
    "include_relative": "it runs another script",
    "gexec": "it runs what the query before it returns",
    "!": "it runs a command of the shell",
}
_NAME = re.compile(r"\\([A-Za-z_]+|!|\?|;|)")
_COPY = re.compile(r"\\copy\s+(.*)", re.DOTALL | re.IGNORECASE)
_CLIENT_FILE = re.compile(r"\b(from|to)\s+(?:program\s+)?(?:'(?:[^']|'')*'|\S+)", re.IGNORECASE)


def judge(text: str, judge_statement: Callable[[Tree, str], Effect]) -> tuple[Effect, str]:
    """Return what a meta-command does, and why it is none, if so.

    Args:
        text: the command as written, from its backslash on.
        judge_statement: what a statement does: its tree, its text.
    """
    match = _NAME.match(text)
    name = match[1] if match else ""
    if name == "copy":
        return _copy(text, judge_statement)
    if name in {"lo_import", "lo_unlink"}:
        return Effect([Touch(Subject.LARGE_OBJECT, name)]), ""
    if name == "password":
        return Effect([Touch(Subject.ROLE, text.removeprefix("\\password").strip() or "the session's role")]), ""
    if name in _UNREAD:
        return Effect(unknown=[_UNREAD[name]]), ""
    # \d, \dt+, \dfn and the rest of that family only describe.
    if name in _SILENT or name == "?" or name.startswith("d"):
        return Effect(), ""
    return Effect(), f"psql knows no command \\{name}"


def _copy(text: str, judge_statement: Callable[[Tree, str], Effect]) -> tuple[Effect, str]:
    """Judge a copy by the client as the COPY that it sends."""
    match = _COPY.match(text)
    sent = _CLIENT_FILE.sub(_standard_stream, match[1], count=1) if match else ""
    try:
        (tree,) = trees(f"copy {sent}")
    except (pglast.parser.ParseError, ValueError):
        return Effect(), "the \\copy cannot be parsed"
    return judge_statement(tree, ""), ""


def _standard_stream(direction: re.Match[str]) -> str:
    return "from stdin" if direction[1].lower() == "from" else "to stdout"
