"""A fault suite: kills, failing files and damaged input, and what is left afterwards.

``python -m tests.faults --kills 100 --mutations 200`` runs it from the root of a checkout and
prints the tables of ``docs/reliability.md``; ``tests/faults/test_faults.py`` runs a smaller part.
"""
