"""Whether a live PostgreSQL pair holds the same on both nodes: read beside its writers, without a lock or a pause."""
