"""A pair compared again and again at a low rate: how far behind it is, what was found the same, and what was not."""
