"""`hadrian pair`: a primary and a hot standby of this machine's own, for trials and for the demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import Output, examples, format_option

if TYPE_CHECKING:
    from replicator.postgres.embedded import EmbeddedPair

_COLUMNS = ("node", "role", "timeline", "lsn", "lag_bytes", "url")

_directory = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))


@click.group(
    no_args_is_help=False,
    epilog=examples(
        "hadrian pair start /tmp/pair",
        "hadrian pair status /tmp/pair --format json",
        "hadrian pair promote /tmp/pair",
        "hadrian pair stop /tmp/pair",
    ),
)
def command() -> None:
    """Run a primary and a hot standby on this machine, under one directory.

    The directory must be one that the servers' OS user can reach: below /tmp or /var/tmp when run as root.
    """


@command.command(epilog=examples("hadrian pair start /tmp/pair"))
@_directory
@format_option
def start(directory: Path, output: Output) -> None:
    """Make a pair in a new DIR, or start the one that is there.

    Whatever it has made or started is gone or stopped again if it fails or is interrupted.
    """
    from replicator.postgres.embedded import EmbeddedPair

    if (directory / "pair.json").exists():
        pair = EmbeddedPair.open(directory)
        pair.start()
    else:
        pair = EmbeddedPair.create(directory)
    _show(pair, output)


@command.command(epilog=examples("hadrian pair status /tmp/pair --format json"))
@_directory
@format_option
def status(directory: Path, output: Output) -> int:
    """Show role, timeline, position and lag of each node.

    The exit code is 1 if a node is down.
    """
    from replicator.postgres.embedded import EmbeddedPair

    return 0 if _show(EmbeddedPair.open(directory), output) else 1


@command.command(epilog=examples("hadrian pair stop /tmp/pair"))
@_directory
def stop(directory: Path) -> None:
    """Stop both nodes, the primary first; DIR stays."""
    from replicator.postgres.embedded import EmbeddedPair

    EmbeddedPair.open(directory).stop()
    render.line(f"{directory}: both nodes are down")


@command.command(epilog=examples("hadrian pair promote /tmp/pair"))
@_directory
@format_option
def promote(directory: Path, output: Output) -> None:
    """Make the standby the primary.

    A primary that still runs is stopped first, so that two never take writes.
    """
    from replicator.postgres.embedded import EmbeddedPair

    pair = EmbeddedPair.open(directory)
    pair.take_over()
    _show(pair, output)


def _show(pair: EmbeddedPair, output: Output) -> bool:
    """Print what each node says of itself and return whether both answered."""
    from replicator.topology import Role, lag_bytes

    nodes = pair.status()
    primaries = [node for node in nodes.values() if node and node.role is Role.PRIMARY]
    rows = []
    for name, node in nodes.items():
        follows = node is not None and node.role is Role.STANDBY and primaries
        rows.append(
            {
                "node": name,
                "role": node.role if node else "down",
                "timeline": node.timeline if node else None,
                "lsn": node.lsn if node else None,
                "lag_bytes": lag_bytes(primaries[0], node) if node and follows else None,
                "url": pair.url(name),
            }
        )
    if output == "json":
        render.as_json(rows)
    else:
        render.table("", _COLUMNS, [[row[column] for column in _COLUMNS] for row in rows])
        if len(primaries) > 1:
            newest = max(node.timeline for node in primaries)
            render.line(f"Both nodes take writes; timeline {newest} goes on, what the other takes will be lost.")
    return all(nodes.values())
