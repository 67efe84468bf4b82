"""Large objects on a standby: hashed in ranges inside both servers, a window of objects at a time."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Collection, Iterator, Sequence

from replicator.comparison import Compared, Request, Suspect, What
from replicator.postgres.verify import rounds
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.rule import Unseen
from replicator.settling import Sight

_LABEL = "large objects"
_RANGE_BYTES = 1 << 20
_BATCH = 32  # objects of which a range is read at once
_WINDOW = 4096  # objects whose hashes are held at once


def compare(couple: Couple, request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare the content, owner and grants of all that are there now. Raises: NodeUnreachable, NodeLost."""
    began = time.monotonic()
    nodes = [Reader(node, couple.timeout_s) for node in (couple.primary, couple.standby)]
    listed = [row for node in nodes for row in node.ask("verify/large_objects")]
    hidden = {row.oid for row in listed if not row.readable}
    oids = sorted({row.oid for row in listed} - hidden)
    contents = _Contents(request.rate)
    things = rounds.Things(What.LOBS, _LABEL, contents.read, rounds.Thrice)
    whole = Compared(What.LOBS, _LABEL, 0, 0, None, 0.0)
    for start in range(0, max(len(oids), 1), _WINDOW):
        for seen in rounds.compare(couple, request, things, [str(oid) for oid in oids[start : start + _WINDOW]]):
            if isinstance(seen, Compared):
                whole = dataclasses.replace(whole, items=whole.items + seen.items, lsn=whole.lsn or seen.lsn)
            else:
                yield seen
    if hidden:
        grant = f"grant select on large object {min(hidden)} to the role, and so each of the others"
        yield Unseen(f"{len(hidden)} large objects", couple.primary.where, "permission denied", grant)
    left_out = f"{len(hidden)} that the role may not read" if hidden else ""
    took = time.monotonic() - began
    yield dataclasses.replace(whole, size=contents.size // 2, took_s=took, left_out=left_out)


class _Contents:
    """Reads large objects, at no more than a rate on each node.

    Attributes:
        size: bytes that were read on both nodes together.
    """

    def __init__(self, rate: float | None) -> None:
        self.size = 0
        self._rate = rate
        self._began = time.monotonic()

    def read(self, node: Reader, names: Collection[str] | None) -> rounds.Sights:
        oids = [int(name) for name in names or ()]
        sights: dict[str, Sight] = {}
        for start in range(0, len(oids), _BATCH):
            sights |= self._batch(node, oids[start : start + _BATCH])
        return sights

    def _batch(self, node: Reader, oids: Sequence[int]) -> dict[str, Sight]:
        """Read range after range of a few objects, until each has ended."""
        hashes = {oid: hashlib.sha256() for oid in oids}
        sizes = dict.fromkeys(oids, 0)
        held: dict[int, str] = {}
        start = 0
        while oids:
            rows = node.ask("verify/large_object_digests", oids=list(oids), range_start=start, range_bytes=_RANGE_BYTES)
            for row in rows:
                hashes[row.oid].update(row.digest)
                sizes[row.oid] += row.bytes
                held[row.oid] = row.held
            self._keep_pace(sum(row.bytes for row in rows))
            oids = [row.oid for row in rows if row.bytes == _RANGE_BYTES]
            start += _RANGE_BYTES
        told = {str(oid): f"{held[oid]}; {sizes[oid]} bytes, hash {hashes[oid].hexdigest()}" for oid in held}
        return {name: Sight(text, text) for name, text in told.items()}

    def _keep_pace(self, size: int) -> None:
        self.size += size
        if self._rate:
            time.sleep(max(0.0, self._began + self.size / 2 / self._rate - time.monotonic()))
