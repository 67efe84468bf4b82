"""A drill in figures."""

from __future__ import annotations

import statistics
from typing import Any

from trainer.drill.scenario import Summary


def facts(summary: Summary) -> dict[str, Any]:
    """Return the figures by name, as a person reads them: units are in the names or beside the values."""
    checkpoints = [event for event in summary.events if event["event"] == "checkpoint"]
    durable = [event for event in summary.events if event["event"] == "durable"]
    held_out = {event["when"]: event["loss"] for event in summary.events if event["event"] == "held-out"}
    replayed = sum(bool(event.get("replayed")) for event in summary.events)
    chunks = sum(event["chunks"] for event in checkpoints)
    shared = chunks - sum(event["new_chunks"] for event in checkpoints)
    return {
        "verdict": "holds" if summary.verdict.holds else "differs",
        "killed": f"{summary.kill.moment}: {summary.hit}",
        "rows in the table": summary.table_rows,
        "rows trained, each once": summary.verdict.rows,
        "steps": summary.verdict.steps,
        "steps replayed to the same bits": replayed,
        "held-out loss before": _rounded(held_out.get("before")),
        "held-out loss after": _rounded(held_out.get("after")),
        "checkpoints": len(checkpoints),
        "checkpoint bytes": sum(event["plain_bytes"] for event in checkpoints),
        "bytes sent": sum(event["stored_bytes"] for event in checkpoints),
        "chunks shared": f"{shared} of {chunks}",
        "training held for a checkpoint, median s": _rounded(_median([event["held_s"] for event in checkpoints])),
        "checkpoint write, median s": _rounded(_median([event["took_s"] for event in checkpoints])),
        "commit to durable, median ms": _rounded(_median([event["waited_s"] * 1000 for event in durable])),
        "time from kill to the next step, s": _rounded(summary.resumed_s),
        "whole drill, s": _rounded(summary.took_s),
        "SHA-256 of the final state": summary.verdict.digest,
    }


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
