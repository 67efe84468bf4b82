"""Everything that is particular to PostgreSQL."""
