"""What replicates, committed rows in order, and checkpoints that flow to the standby."""
