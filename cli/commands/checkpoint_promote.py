"""`hadrian checkpoint promote`, `rollback` and `history`: names that serving pulls by."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from cli import progress, render
from cli.options import Output, durable_option, examples, format_option, primary_option, standby_nodes_option

if TYPE_CHECKING:
    from replicator.database import Database
    from replicator.store.checkpoints import Checkpoint
    from replicator.store.promotion import Move

_URL = "postgresql://user@host:5432/database"

_as_option = click.option("--as", "name", metavar="NAME", required=True, help="What serving pulls by: RUN:NAME.")


@click.command(
    epilog=examples(
        f"hadrian checkpoint promote drill/40 --as production --primary {_URL}",
        "hadrian checkpoint promote drill --as production --durable any",
        "hadrian checkpoint pull drill:production --to out --form hf",
    )
)
@click.argument("checkpoint", metavar="RUN[/STEP|:TAG]")
@_as_option
@durable_option
@click.option("--force", is_flag=True, help="Without reading the checkpoint, and whichever standbys have it.")
@primary_option
@standby_nodes_option
@format_option
def promote(
    checkpoint: str, name: str, durable: str, force: bool, primary: str, nodes: tuple[str, ...], output: Output
) -> None:
    """Let RUN:NAME mean this checkpoint, in one transaction that notes who moved it, when and from where.

    It is read whole first, and must be on the standbys asked for (--durable): what serving gets is there after a
    takeover too. It is not removed as long as it has the name, nor is the one that a rollback would go to.
    """
    from replicator import engines
    from replicator.errors import BadInput
    from replicator.store import promotion, reference
    from replicator.store.standbys import Wanted, followers

    wanted = Wanted.parse(durable)
    reference.check_tag(name)
    with contextlib.ExitStack() as stack:
        database, *named = (stack.enter_context(contextlib.closing(engines.database(url))) for url in (primary, *nodes))
        found = reference.find(database, reference.Reference.parse(checkpoint))
        if not force:
            promotion.check_durable(database, followers(database, named), wanted, found)
            if not _is_whole(database, found):
                raise BadInput(
                    f"checkpoint {found.run}/{found.step} is not whole on {database.where}",
                    hint=f"see what is hit: hadrian checkpoint verify {found.run}/{found.step} --node URL",
                )
        moved = promotion.promote(database, found, name)
    _show(found.run, moved, output)


def _is_whole(database: Database, found: Checkpoint) -> bool:
    from replicator.store import verification

    with progress.progress(f"reading {found.run}/{found.step}", found.size) as advance:
        verdicts = verification.verify(database, [found], advance).verdicts
    return any(one.step == found.step and one.whole for one in verdicts)


@click.command(epilog=examples(f"hadrian checkpoint rollback drill --as production --primary {_URL}"))
@click.argument("run")
@_as_option
@primary_option
@format_option
def rollback(run: str, name: str, primary: str, output: Output) -> None:
    """Let RUN:NAME mean the checkpoint that it meant before; once more, and it is the one before that.

    Nothing is read first, so it is done at once. To go forward again, promote the checkpoint that was rolled back from.
    """
    from replicator import engines
    from replicator.store import promotion

    with contextlib.closing(engines.database(primary)) as database:
        moved = promotion.roll_back(database, run, name)
    _show(run, moved, output)


def _show(run: str, moved: Move, output: Output) -> None:
    if output == "json":
        render.as_json({"run": run, "move": moved})
        return
    was = "on none" if moved.from_step is None else f"on {run}/{moved.from_step}"
    back = "none" if moved.back_step is None else f"{run}/{moved.back_step}"
    render.line(f"{run}:{moved.tag} is {run}/{moved.step}; it was {was}, and a rollback goes to {back}")


@click.command(epilog=examples(f"hadrian checkpoint history drill --primary {_URL}"))
@click.argument("run")
@primary_option
@format_option
def history(run: str, primary: str, output: Output) -> None:
    """Show every promotion and rollback of RUN, the newest first: from where to where, by whom, and when."""
    from replicator import engines
    from replicator.store import promotion

    with contextlib.closing(engines.database(primary)) as database:
        moves = promotion.moves(database, run)
    if output == "json":
        render.as_json({"run": run, "moves": moves})
        return
    columns = ("name", "from", "to", "in force", "rollback to", "by", "at")
    rows = [
        (one.tag, one.from_step, one.step, one.in_force, one.back_step, one.promoted_by, one.promoted_at)
        for one in moves
    ]
    render.table(f"promotions of run {run}, by step", columns, rows)
