"""Several replicas of a network at once on Brian2's runtime."""
