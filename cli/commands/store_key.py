"""`hadrian store key`: the keys that chunks are sealed with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import Output, examples, format_option, node_option

if TYPE_CHECKING:
    from replicator.store.keyring import Keyring

_URL = "postgresql://user@host:5432/database"
_VARIABLE = "HADRIAN_STORE_KEYS"
_ABSENT = "not at hand"


@click.group(epilog=examples("hadrian store key new --keys ~/.hadrian/keys", f"hadrian store key list --node {_URL}"))
def key() -> None:
    """Make and list the keys that chunks are sealed with.

    The keys are in a file that HADRIAN_STORE_KEYS names, and never in the database. Whoever writes to the store, or
    reads from it, needs the file.
    """


@key.command("new", epilog=examples("hadrian store key new --keys ~/.hadrian/keys"))
@click.option(
    "--keys",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar=_VARIABLE,
    show_envvar=True,
    required=True,
    help="The file; it is made if it is not there.",
)
@format_option
def new(keys: Path, output: Output) -> None:
    """Make a new key in the file: it seals from now on, and what older ones have sealed they still open.

    Without the file nothing can be read again that was sealed with its keys. Keep a copy of it, and not beside the
    database's backups.
    """
    from replicator.store import keyring

    made = keyring.add(keys)
    if output == "json":
        render.as_json({"keys": keys, "made": made.current.id, "ids": list(made.keys)})
    else:
        render.line(f"{keys}: key {made.current.id} is made, the newest of {len(made.keys)}; keep a copy of the file")


@key.command("list", epilog=examples(f"{_VARIABLE}=keys hadrian store key list --node {_URL}"))
@node_option
@format_option
def list_keys(node: str, output: Output) -> int:
    """Show how much of the store is sealed with which key; exit with 1 if the file lacks one of them.

    A key whose row has gone seals nothing any more, and may be taken out of the file.
    """
    from cli.findings import size
    from replicator import engines
    from replicator.store import keyring, sealing

    keys = keyring.from_environment()
    found = sealing.in_store(engines.database(node))
    if output == "json":
        current, ids = (None, []) if keys is None else (keys.current.id, list(keys.keys))
        render.as_json({"sealed": found, "current": current, "ids": ids})
    else:
        cells = ((one.key_id, one.chunks, size(one.stored_bytes), _place(one.key_id, keys)) for one in found)
        render.table("", ("key", "chunks", "stored", "state"), cells)
    return int(any(_place(one.key_id, keys) == _ABSENT for one in found))


def _place(key_id: str | None, keys: Keyring | None) -> str:
    if key_id is None:
        return "not sealed"
    if keys is None or key_id not in keys.keys:
        return _ABSENT
    return "seals" if key_id == keys.current.id else "opens"
