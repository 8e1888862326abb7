"""Figures, one script each: reads stored results and draws, never simulates.

Import as ``brainsleep.figures``; the shared style sheet lies beside the scripts.
"""

if __name__ != "brainsleep.figures":  # a second copy of every figure would break `is` and `==`
    raise ImportError("import this package as 'brainsleep.figures', not as 'figures'")
