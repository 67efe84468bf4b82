"""What PostgreSQL replicates and what it does not, one table a mode."""
