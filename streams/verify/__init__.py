"""The verifier: every promise recomputed from topics and checkpoints, by other code than that which keeps it."""
