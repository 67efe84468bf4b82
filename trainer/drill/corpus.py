"""Real text for the drill: the documentation of the interpreter's own standard library.

It is on every machine, in several thousand pieces, and its licence travels with the interpreter. The same
interpreter gives the same documents in the same order, whatever the environment and the hash seed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import io
import pkgutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

# What the drill's publication lets through: the same list is in sql/postgres/drill/create.sql.
SCOPE = (
    "argparse", "collections", "configparser", "contextlib", "csv", "datetime", "difflib", "doctest",
    "functools", "heapq", "itertools", "json", "logging", "pathlib", "pdb", "random", "re", "shutil",
    "statistics", "textwrap", "urllib",
)  # fmt: skip

# Never trained on and never written to: loss on it says what the model learnt, not what it remembers.
HELD_OUT = ("graphlib", "sched", "shlex")

MODULE_DOC = "__doc__"  # qualname of a module's own documentation

_INITIAL_IN_SCOPE = 96
_HELD_BACK_ELSEWHERE = 40
_OUT_OF_LINE_BYTES = 2048
_SHORTEST = 40  # shorter ones are mostly made by machine: "Alias for field number 0"
_LONGEST_DEFAULT = 20

# Importing these opens a browser or a window, prints, changes the session, or gives thousands of tables.
_NOT_IMPORTED = {
    "antigravity", "distutils", "encodings", "ensurepip", "idlelib", "lib2to3", "msilib", "pydoc_data",
    "readline", "rlcompleter", "site", "test", "tests", "this", "tkinter", "turtle", "turtledemo",
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Doc:
    """The documentation of one object.

    Attributes:
        module: where it is, dotted.
        qualname: its name there; `__doc__` for the module itself.
        signature: how it is called, or nothing.
        doc: the text.
    """

    module: str
    qualname: str
    signature: str
    doc: str

    @property
    def key(self) -> tuple[str, str]:
        """Module and name: what tells it from every other."""
        return self.module, self.qualname


@dataclass(frozen=True, slots=True)
class Split:
    """What becomes of the documents: each is in exactly one part, and each part is in key order.

    Attributes:
        initial: in the table before anybody reads it, most of them out of scope.
        held_back: to be inserted later, most of them in scope.
        held_out: in the table from the start, but neither in scope nor ever written again.
    """

    initial: tuple[Doc, ...]
    held_back: tuple[Doc, ...]
    held_out: tuple[Doc, ...]


def in_scope(module: str) -> bool:
    """Return whether the publication lets the module's documents through."""
    return _package(module) in SCOPE


def _package(module: str) -> str:
    return module.partition(".")[0]


def stdlib_docs() -> list[Doc]:
    """Return the documentation of the running interpreter's standard library, in key order.

    Imports most of it into this process, silently.
    """
    silence = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        warnings.simplefilter("ignore")  # modules on their way out warn when imported
        found = {doc.key: doc for module in _modules() for doc in _documented(module) if _is_fit(doc)}
    return sorted(found.values())


def _is_fit(doc: Doc) -> bool:
    return len(doc.doc) >= _SHORTEST and "\0" not in doc.signature + doc.doc


def _modules() -> Iterator[ModuleType]:
    waiting = sorted(sys.stdlib_module_names)
    while waiting:
        name = waiting.pop()
        last = name.rpartition(".")[2]
        if last.startswith("_") or last in _NOT_IMPORTED:
            continue
        try:
            module = importlib.import_module(name)
        except Exception:  # noqa: BLE001, S112 - another system's modules fail in any way they like
            continue
        yield module
        if hasattr(module, "__path__"):
            waiting += [f"{name}.{inner.name}" for inner in pkgutil.iter_modules(module.__path__)]


def _documented(module: ModuleType) -> Iterator[Doc]:
    name = module.__name__
    if isinstance(module.__doc__, str):
        yield Doc(name, MODULE_DOC, "", inspect.cleandoc(module.__doc__))
    for member, value in list(vars(module).items()):
        # What is only imported here is documented where it is made; `_heapq` is made for `heapq`.
        if member.startswith("_") or getattr(value, "__module__", None) not in (name, f"_{name}"):
            continue
        if inspect.isclass(value):
            yield from _of_class(name, member, value)
        elif inspect.isroutine(value):
            yield from _of(name, member, value, value.__doc__)


def _of_class(module: str, qualname: str, owner: type) -> Iterator[Doc]:
    # From its own namespace: an inherited text belongs to the class it came from.
    own = dict(vars(owner))
    yield from _of(module, qualname, owner, own.get("__doc__"))
    for member, value in own.items():
        routine = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not member.startswith("_") and (isinstance(routine, property) or inspect.isroutine(routine)):
            yield from _of(module, f"{qualname}.{member}", routine, routine.__doc__)


def _of(module: str, qualname: str, value: object, doc: object) -> Iterator[Doc]:
    if isinstance(doc, str):
        yield Doc(module, qualname, _signature(value), inspect.cleandoc(doc))


class _Elided:
    def __repr__(self) -> str:
        return "..."


def _signature(value: object) -> str:
    """Return how it is called, without what differs from machine to machine.

    A default may hold an address, a path, or the whole environment with its passwords (`cgi.parse`).
    """
    if not callable(value):
        return ""
    try:
        signature = inspect.signature(value)
    except Exception:  # noqa: BLE001 - a C function's text signature may name what this build lacks
        return ""
    parameters = [
        parameter.replace(
            annotation=parameter.empty,
            default=parameter.default if _is_plain(parameter.default) else _Elided(),
        )
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty))


def _is_plain(default: object) -> bool:
    if isinstance(default, str):
        return len(default) <= _LONGEST_DEFAULT and "/" not in default
    return default is None or default is inspect.Parameter.empty or type(default) in (bool, int, float)


def plan_split(docs: Sequence[Doc]) -> Split:
    """Decide what becomes of each document; the same documents are always split alike."""
    held_out = [doc for doc in docs if _package(doc.module) in HELD_OUT]
    # Long ones first: an update that leaves a long text alone must be possible from the start.
    scoped = sorted((doc for doc in docs if in_scope(doc.module)), key=lambda doc: (not _is_long(doc), _shuffle(doc)))
    held = {*held_out, *scoped}
    others = sorted((doc for doc in docs if doc not in held), key=_shuffle)
    return Split(
        initial=tuple(sorted(scoped[:_INITIAL_IN_SCOPE] + others[_HELD_BACK_ELSEWHERE:])),
        held_back=tuple(sorted(scoped[_INITIAL_IN_SCOPE:] + others[:_HELD_BACK_ELSEWHERE])),
        held_out=tuple(sorted(held_out)),
    )


def _is_long(doc: Doc) -> bool:
    return len(doc.doc.encode()) > _OUT_OF_LINE_BYTES


def _shuffle(doc: Doc) -> bytes:
    return hashlib.sha256("\0".join(doc.key).encode()).digest()
