"""Options that several commands share: URLs, each with its environment variable, and the output format.

A URL is checked for form here, so that a slip is one line before anything connects. The checks never repeat
the text: it may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from replicator.errors import BadInput

if TYPE_CHECKING:
    from replicator.rule import Mode

_Function = TypeVar("_Function", bound=Callable[..., Any])

Output = Literal["table", "json"]

_SIZE = re.compile(r"([0-9]{1,15})\s*(B|kB|MB|GB|TB)?", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(s|min|h|d)?", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_UNITS = {"B": 0, "kB": 10, "MB": 20, "GB": 30, "TB": 40}

_FORM = "write it as postgresql://user@host:5432/database"


class DatabaseUrl(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.3
    """An SQLAlchemy URL of a form that can be connected to."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """Return the text, checked.

        Raises:
            BadInput: no URL, or one that would be taken apart wrongly.
        """
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        text = str(value)
        option = param.opts[0] if param is not None and param.opts else "the URL"
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise BadInput(f"{option} is not a database URL", hint=_FORM) from None
        if "@" in (url.host or ""):
            # What stands before the last @ would be taken for a host, and shown.
            raise BadInput(f"{option} has more than one @", hint="write @ in a password as %40")
        return text

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split a list of URLs at commas or blanks that begin another: one URL may hold commas itself."""
        return [part for part in re.split(r"[,\s]+(?=[\w+]+://)", rv.strip(", \t\n")) if part]


class ByteSize(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.3
    """A number of bytes, with PostgreSQL's units: each is 1024 of the one before."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ARG002 - click's signature
        """Return the bytes. Raises: BadInput."""
        match = _SIZE.fullmatch(str(value))
        if match is None:
            raise BadInput(f"not a size: {value!r}", hint="write it as 500MB; units are B, kB, MB, GB, TB")
        return int(match[1]) << _UNITS[match[2] or "B"]


class Duration(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.3
    """A time, with PostgreSQL's units."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ARG002 - click's signature
        """Return the seconds. Raises: BadInput."""
        match = _DURATION.fullmatch(str(value))
        if match is None or not float(match[1]):
            raise BadInput(f"not a time: {value!r}", hint="write it as 15min; units are s, min, h, d")
        return float(match[1]) * _SECONDS[match[2] or "s"]


def examples(*lines: str) -> str:
    """Return an epilog that shows how to call a command, a line each."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def url_option(flag: str, env: str, describes: str, *, required: bool = True) -> Callable[[_Function], _Function]:
    """Return an option that takes one URL, from the command line or the environment."""
    return click.option(
        flag,
        metavar="URL",
        type=DatabaseUrl(),
        envvar=env,
        show_envvar=True,
        required=required,
        help=describes,
    )


primary_option = url_option("--primary", "HADRIAN_PRIMARY", "The primary, as an SQLAlchemy URL.")
standby_option = url_option("--standby", "HADRIAN_STANDBY", "The standby, as an SQLAlchemy URL.")
node_option = url_option("--node", "HADRIAN_STANDBY", "The node that is read, whichever its role.")


def _nodes_option(describes: str, *, required: bool) -> Callable[[_Function], _Function]:
    return click.option(
        "--node",
        "nodes",
        metavar="URL",
        type=DatabaseUrl(),
        multiple=True,
        required=required,
        envvar="HADRIAN_NODES",
        show_envvar=True,
        help=f"{describes}; repeat it. The environment's are separated by commas or blanks.",
    )


nodes_option = _nodes_option("A node, whichever its role", required=True)
spare_nodes_option = _nodes_option("A node that may get a spare slot, whichever its role", required=False)
standby_nodes_option = _nodes_option(
    "A standby, looked at itself; if left out, all that the primary sees", required=False
)
durable_option = click.option(
    "--durable",
    metavar="any|all|N|NAME,...",
    default="all",
    show_default=True,
    help="The standbys that must have replayed it: at least one, all that there are, so many, or each of these "
    "(application_name, host or host:port). 0: the primary alone will do.",
)

format_option = click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table for people, or JSON for programs.",
)

ReportFormat = Literal["table", "json", "nagios", "html"]
report_format_option = click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json", "nagios", "html"]),
    default="table",
    show_default=True,
    help="A table for people, JSON for programs, a line for monitors, or a page.",
)

tables_option = click.option(
    "--table",
    "tables",
    metavar="PATTERN",
    multiple=True,
    help="Tables whose rows are compared, as schema.table with * and ?; repeat it. By default, all.",
)

MODES = ("postgres-physical", "postgres-logical", "db2-hadr")


def _mode(_context: click.Context, _option: click.Parameter, value: str) -> Mode | None:
    from replicator.rule import Mode

    return None if value == "auto" else Mode(value)


auto_mode_option = click.option(
    "--mode",
    type=click.Choice(["auto", *MODES]),
    default="auto",
    show_default=True,
    envvar="HADRIAN_MODE",
    show_envvar=True,
    callback=_mode,
    help="How the two replicate; auto asks them.",
)

mode_option = click.option(
    "--mode",
    type=click.Choice(MODES),
    default=MODES[0],
    show_default=True,
    envvar="HADRIAN_MODE",
    show_envvar=True,
    help="How the database replicates.",
)
