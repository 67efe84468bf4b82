"""What Db2 replicates and what it does not, as one table."""
