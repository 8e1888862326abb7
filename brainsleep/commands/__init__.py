"""The commands of the command line; `brainsleep.cli` joins them."""
