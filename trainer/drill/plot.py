"""The loss over the steps of a drill, with the failover marked."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from trainer.drill.scenario import Summary


def save(summary: Summary, path: Path) -> None:
    """Write the picture as PNG.

    The undisturbed run lies over the interrupted one, so a difference would show as a second line.
    """
    first = _losses([event for event in summary.events if not event.get("replayed")])
    replayed = _losses([event for event in summary.events if event.get("replayed")])
    reference = _losses(summary.reference)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*zip(*first, strict=True), color="#2b6cb0", linewidth=2.5, label="interrupted run")
    axes.plot(*zip(*reference, strict=True), color="#dd6b20", linestyle=":", linewidth=1.5, label="undisturbed run")
    if replayed:
        axes.plot(*zip(*replayed, strict=True), "o", color="#2f855a", markersize=5, label="replayed, same bits")
    dead = [step for step, _ in _losses([e for e in summary.events if e["time"] <= summary.killed_at])]
    axes.axvline(max(dead, default=0) + 0.5, color="#c53030", linestyle="--", label="SIGKILL, promotion")
    axes.set(xlabel="optimizer step", ylabel="loss, nats a token", title="Training through a failover")
    axes.legend()
    figure.savefig(path, dpi=120)


def _losses(events: list[dict[str, object]]) -> list[tuple[int, float]]:
    return [(int(str(e["step"])), float(str(e["loss"]))) for e in events if e["event"] == "step"]
