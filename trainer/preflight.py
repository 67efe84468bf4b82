"""What can be found wrong with a run before any process is started."""

from __future__ import annotations

from collections.abc import Sequence

from replicator.errors import NodeUnreachable
from replicator.postgres import slot as slots
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.store.admission import admit
from replicator.topology import Role
from trainer import model, place
from trainer.recipe import Recipe


def check(recipe: Recipe, urls: Sequence[str]) -> None:
    """Check model, nodes, schema and feed.

    A node that is down is no error as long as another is the primary: that is what a takeover leaves.

    Raises:
        BadInput: the model cannot be shared by so many ranks; no such feed; no primary among the nodes.
        NodeUnreachable: a node does not answer, and no other is the primary.
        NotConfigured, NotPermitted: a node cannot be decoded.
        SchemaMissing: Hadrian's tables are not there.
        NotConfigured, KeyMissing, QuotaExceeded: no checkpoint could be stored.
    """
    model.check_parallel(model.load_config(recipe.model.path), recipe.tensor_parallel)
    nodes = [PostgresDatabase(url) for url in urls]
    try:
        seen = topology.reachable(nodes)
        primary = next((server for server, node in seen if node.role is Role.PRIMARY), None)
        if primary is None:
            for node in nodes:
                topology.look(node)  # says which does not answer
            raise NodeUnreachable("none of the nodes takes writes", hint="add the primary, or promote a standby")
        database = nodes[nodes.index(primary)]
        for limit in admit(database, recipe.run).quotas:
            limit.check(database.where)
        if not place.feed_of(database, recipe).is_journal:
            for server, _ in seen:
                slots.check_decoding(server)
    finally:
        for node in nodes:
            node.close()
