"""A script played on a throwaway pair, observed around each statement, and judged after a failover."""
