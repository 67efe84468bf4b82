"""Artifacts as content-addressed chunks in the database itself."""
