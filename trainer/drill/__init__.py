"""The drill: kill the primary under a training run, promote, and prove that nothing was lost."""
