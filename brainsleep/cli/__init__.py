"""The commands of the command line; `brainsleep.cli.app` joins them."""
