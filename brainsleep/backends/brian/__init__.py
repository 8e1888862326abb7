"""Brian2's runtime: NumPy or Cython."""
