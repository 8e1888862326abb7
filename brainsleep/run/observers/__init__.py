"""What is looked at while a run is under way."""
