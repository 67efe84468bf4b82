"""How far the standbys are, a line each."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.store.standbys import Standing


def lines(seen: Standing, where: str) -> Iterator[str]:
    """Yield a line for each standby of the node that was asked, or why there is none."""
    if seen.unseen is not None:
        yield f"standbys unknown: {seen.unseen}"
    elif not seen.standbys:
        yield f"no standby follows {where}"
    for one in seen.standbys:
        name = one.where if one.name in one.where else f"{one.name} ({one.where})"
        how = "does not answer" if one.replayed is None else f"replayed {one.replayed}, {one.behind} bytes behind"
        yield f"{name}: {how}"
