"""What every benchmark is told, and where its figures go."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping
from datetime import date
from pathlib import Path


def options(description: str, *, repeats: int) -> argparse.ArgumentParser:
    """Return a parser of the options that all have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--repeats", type=int, default=repeats)
    return parser


def write(path: Path | None, figures: Mapping[str, object]) -> None:
    """Write figures with date and machine, if it was asked where."""
    if path is None:
        return
    here = {
        "date": date.today().isoformat(),  # noqa: DTZ011 - the day here
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    path.write_text(json.dumps(here | dict(figures), indent=2) + "\n")
