"""`hadrian rewind`: what a run has unlearnt, and a run put back to an older checkpoint."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import Output, examples, format_option, nodes_option
from replicator.errors import BadInput

if TYPE_CHECKING:
    from replicator.position import Lsn
    from replicator.rewind import Rewind, Survey

_NODES = "--node postgresql://user@a:5432/app --node postgresql://user@b:5432/app"


@click.command(
    epilog=examples(
        f"hadrian rewind drill {_NODES}",
        "hadrian rewind drill --was-at 120",
        "hadrian rewind drill --to 40",
        "hadrian rewind drill --at 16/B374D848 --yes",
    )
)
@click.argument("run")
@click.option("--was-at", metavar="STEP", type=click.IntRange(min=1), help="A step that the run is known to have done.")
@click.option("--to", metavar="STEP|TAG", help="Put the run back to this checkpoint.")
@click.option("--at", metavar="LSN", help="Put it back to the newest that has seen nothing behind this log position.")
@click.option("--yes", is_flag=True, help="Do it; without, only say what it would mean.")
@click.option(
    "--force", is_flag=True, help="Also where a checkpoint behind it has a name, or the rows since are no longer kept."
)
@nodes_option
@format_option
def command(
    run: str,
    was_at: int | None,
    to: str | None,
    at: str | None,
    yes: bool,
    force: bool,
    nodes: tuple[str, ...],
    output: Output,
) -> int:
    """Show what RUN has unlearnt, or put it back to an older checkpoint.

    After a failover that lost log, a restore or a recovery to a point in time, training goes on by itself from the
    newest checkpoint on that timeline. Without --to or --at this shows which, and the steps and rows that the model has
    unlearnt: name the old primary too if it still answers, else say where the run was. Exit code 1 if there are any, or
    if no node keeps the rows to go on with.

    With --to or --at, every checkpoint and step of the journal behind the one named is removed in one transaction, and
    training goes on from there over the same rows. It is refused while the run trains, for checkpoints with a tag, and
    where no node keeps the rows since. Without --yes nothing is changed; exit code 1 if --yes would be refused.
    """
    from replicator import rewind
    from replicator.position import Lsn
    from replicator.postgres.adapter import PostgresDatabase

    if (to is not None and at is not None) or (was_at is not None and (to or at)):
        raise BadInput("--to, --at and --was-at ask for different things", hint="give one of them")
    if yes and to is None and at is None:
        raise BadInput("--yes without a checkpoint to go back to", hint="name it: --to STEP")
    position: Lsn | None = None if at is None else Lsn(at)
    with contextlib.ExitStack() as stack:
        found = rewind.Run([stack.enter_context(contextlib.closing(PostgresDatabase(url))) for url in nodes], run)
        if to is None and position is None:
            survey = found.survey(was_at)
            return _show_survey(survey, output)
        target = found.target(to=to, at=position)
        done = found.put_back(target, force=force) if yes else found.plan(target)
    _show_rewind(run, done, output, yes=yes)
    return 1 if not yes and not force and (done.names or done.unreadable) else 0


def _show_survey(survey: Survey, output: Output) -> int:
    code = 1 if survey.unlearnt or survey.unreadable else 0
    if output == "json":
        render.as_json(survey)
        return code
    columns = ("node", "role", "timeline", "checkpoint", "last step", "cursor")
    rows = [(one.where, one.role, one.timeline, one.checkpoint, one.step, one.cursor) for one in survey.stands]
    render.table(f"run {survey.run}", columns, rows)
    for one in survey.unlearnt:
        rows_told = "nobody knows how many rows" if one.rows is None else f"{one.rows} rows"
        by = "as was said" if one.told_by is None else f"{one.told_by} had them"
        lost = f", and checkpoints {', '.join(map(str, one.checkpoints))}" if one.checkpoints else ""
        render.line(f"unlearnt: steps {one.first} to {one.last}, {rows_told}{lost}; {by}")
    if survey.forks:
        timeline, fork = survey.forks[-1]
        render.line(f"{survey.where} is on timeline {survey.timeline}, which left timeline {timeline} at {fork}")
    newest = survey.goes_on_from
    begin = "the beginning" if newest is None else f"checkpoint {newest.step}, cursor {newest.cursor}"
    render.line(f"training goes on from {begin}; {survey.replayed} steps behind it are held against the journal")
    if survey.unreadable is not None:
        render.line(f"but the rows behind it are no longer kept: {survey.unreadable}")
    return code


def _show_rewind(run: str, done: Rewind, output: Output, *, yes: bool) -> None:
    if output == "json":
        render.as_json({"run": run, "done": yes, "rewind": done, "names": done.names})
        return
    from cli.findings import size

    would = "" if yes else "would be "
    steps = ", ".join(str(one.step) for one in done.removal.removed) or "none"
    render.line(
        f"run {run} {'is' if yes else 'would be'} put back to checkpoint {done.to.step}, cursor {done.to.cursor}"
    )
    render.line(f"checkpoints {would}removed: {steps}; {size(done.removal.stored_bytes)} are held by nothing else")
    render.line(f"steps {would}removed from the journal: {done.steps}, whose {done.rows} rows are trained on again")
    if done.names:
        render.line(f"names on these checkpoints: {', '.join(done.names)}{'' if yes else '; they need --force'}")
    if done.read_from is not None:
        render.line(f"{done.read_from} keeps these rows")
    if done.unreadable is not None:
        render.line(f"the rows are no longer kept, and the run could not go on: {done.unreadable}")
