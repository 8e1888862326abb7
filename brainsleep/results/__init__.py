"""Results: how they are kept, and tables of them."""
