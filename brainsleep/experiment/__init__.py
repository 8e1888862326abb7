"""What is done with a network: wake and sleep, stages, where it starts, when it ends."""
