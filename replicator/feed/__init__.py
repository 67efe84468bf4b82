"""Committed rows, each once, in commit order."""
