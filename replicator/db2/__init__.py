"""Everything that is particular to Db2."""
