"""What networks are given to do."""
