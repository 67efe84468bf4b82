"""A progress bar on standard error, gone when it is done; without a terminal there, nothing at all."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Protocol


class Advance(Protocol):
    """What `progress` gives: call it when some of the work is done."""

    def __call__(self, n: float = 1, note: str = "", total: float | None = None) -> None:
        """Add `n` to what is done of `total`; `note` stands beside the bar until another replaces it."""


def _silent(n: float = 1, note: str = "", total: float | None = None) -> None:
    """Take what `Advance` takes, and show nothing."""


@contextlib.contextmanager
def progress(description: str, total: float | None) -> Iterator[Advance]:
    """Show how far some work is, for as long as the block runs.

    Args:
        description: what is being done, before the bar.
        total: the amount that is all of it; None where nobody knows, and the bar only moves.
    """
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(description, total=total, note="")

        def advance(n: float = 1, note: str = "", total: float | None = None) -> None:
            bar.update(task, advance=n, total=total)
            if note:
                bar.update(task, note=note)

        yield advance
