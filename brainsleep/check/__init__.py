"""``brainsleep check``: all mistakes of a models or protocol file, explained."""
