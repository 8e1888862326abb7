"""How an experiment is run: a chain of segments, and what is looked at between them."""
