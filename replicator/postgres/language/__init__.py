"""PostgreSQL's scripts: taken apart, parsed, and laid against the subjects of the rules."""
