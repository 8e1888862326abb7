"""Measures and statistics: pure functions on arrays and tables."""
