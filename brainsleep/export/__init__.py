"""Results for other programs: tables, Neo, NIX and NWB."""
