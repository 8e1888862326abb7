"""Protocols and results to be looked at: words, tables, LaTeX, HTML."""
