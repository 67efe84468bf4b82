"""Training that is a pure function of a feed's order, and resumes bit for bit."""
