"""What specifications are made of: fields, quantities, units, and all as plain data."""
