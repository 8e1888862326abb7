"""Equation strings: settled, checked, and explained where they are wrong."""
