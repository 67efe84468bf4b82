"""The command `hadrian`: parse, call, render, exit."""
