"""What a run tells whoever launched it: one JSON object a line on rank 0's standard output.

    {"event": "step", "step": 7, "loss": 2.31, "replayed": false, ...}

A launcher reads them as they come. Anything else on standard output is passed over.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def emit(event: str, **fields: Any) -> None:
    """Print one event, if this is rank 0."""
    if os.environ.get("RANK", "0") == "0":
        sys.stdout.write(json.dumps({"event": event, "time": time.time(), **fields}) + "\n")
        sys.stdout.flush()


def parse(line: str) -> dict[str, Any] | None:
    """Return the event on a line, or None if there is none."""
    if not line.startswith('{"event"'):
        return None
    found: dict[str, Any] = json.loads(line)
    return found
