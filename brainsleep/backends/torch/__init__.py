"""Layered networks that learn by surrogate gradients, on torch."""
