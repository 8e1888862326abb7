"""Neuron, synapse, plasticity and sleep models: equation strings and parameters with units.

Import as ``brainsleep.models``; every file is meant to be copied and edited.
"""

if __name__ != "brainsleep.models":  # a second copy of every model would break `is` and `==`
    raise ImportError("import this package as 'brainsleep.models', not as 'models'")
