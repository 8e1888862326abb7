"""A ReLU network that learns classes task after task, and sleeps as a spiking network."""
