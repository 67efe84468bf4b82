"""Db2's scripts, SQL PL and the command line processor's: taken apart and laid against the subjects of the rules."""
