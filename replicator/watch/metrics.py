"""What a watch knows, as Prometheus asks for it over HTTP.

Names and types follow Prometheus' own conventions: base units, `_total` for what only grows. What is not known is left
out, so that no alert rests on a number of yesterday; that it is not known has a metric of its own.

Source: Prometheus documentation, "Metric and label naming".
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from replicator.errors import BadInput
from replicator.watch.board import Board
from replicator.watch.observer import Standing

_STALE_S = 60
_RESULTS = ("same", "different", "open", "failed")


class Metrics(Collector):
    """Gathers the metrics whenever somebody asks.

    Args:
        board: what the comparisons have seen.
        standing: tells how the two nodes stand.
    """

    def __init__(self, board: Board, standing: Callable[[], Standing]) -> None:
        self._board = board
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        """Yield all there is."""
        yield from self._nodes(self._standing())
        with self._board.lock:
            yield from self._passes()
            yield from self._verified()

    def _nodes(self, standing: Standing) -> Iterator[Metric]:
        age = time.monotonic() - standing.at
        yield _gauge("look_age_seconds", "Time since the nodes were last looked at.", [], [([], age)])
        if age > _STALE_S:  # a node neither answers nor goes away
            standing = Standing()
        answering = [([node], up) for node, up in standing.up.items()]
        yield _gauge("node_up", "Whether the node answers.", ["node"], answering)
        placed = standing.placed
        yield _gauge("pair_up", "Whether the two are a pair that can be compared.", [], [([], placed is not None)])
        if placed is None or standing.lag is None:
            return
        roles = [([placed.primary.where], 1), ([placed.standby.where], 0)]
        yield _gauge("node_is_primary", "Whether the node takes writes.", ["node"], roles)
        lag = standing.lag
        yield _gauge("lag_bytes", "Log that the standby does not have yet.", [], [([], lag.bytes)])
        yield _gauge("lag_seconds", "How old the oldest of it is.", [], [([], lag.seconds)])

    def _passes(self) -> Iterator[Metric]:
        board = self._board
        passes = CounterMetricFamily("hadrian_comparisons", "Comparisons of all that is watched.", labels=["result"])
        for result in _RESULTS:
            passes.add_metric([result], board.results[result])
        yield passes
        yield CounterMetricFamily("hadrian_read_bytes", "Read on the primary to compare it.", board.read_bytes)
        found = [([what, word], number) for (what, word), number in board.findings.items()]
        yield _gauge("findings", "What the last comparison found of each kind.", ["what", "word"], found)
        if board.last is not None:
            yield _gauge("unseen", "What the last comparison was not answered.", [], [([], board.unseen)])
            ended = board.last.ended_at.timestamp()
            yield _gauge("comparison_end_timestamp_seconds", "When the last comparison ended.", [], [([], ended)])
            yield _gauge("comparison_duration_seconds", "How long it took.", [], [([], board.last.took_s)])
            yield _gauge("history_up", "Whether it was recorded in the database.", [], [([], not board.last.history)])

    def _verified(self) -> Iterator[Metric]:
        labels = ["what", "object"]
        known = self._board.verified.values()
        times = [([one.what, one.object], one.at.timestamp()) for one in known]
        yield _gauge("verified_timestamp_seconds", "When it was last found the same.", labels, times)
        positions = [([one.what, one.object], int(one.lsn)) for one in known if one.lsn is not None]
        yield _gauge("verified_lsn", "A log position that both nodes had then.", labels, positions)


def _gauge(name: str, says: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], float]]) -> Metric:
    gauge = GaugeMetricFamily(f"hadrian_{name}", says, labels=labels)
    for values, number in samples:
        gauge.add_metric(values, float(number))
    return gauge


@contextlib.contextmanager
def served(collector: Collector, host: str, port: int) -> Iterator[int]:
    """Answer HTTP at an address for as long as the block runs; give the port, which is chosen where 0 was asked for.

    Raises:
        BadInput: nobody can listen there.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        hint = "name another with --listen"
        raise BadInput(f"cannot listen at {host}:{port}: {error.strerror}", hint=hint) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
