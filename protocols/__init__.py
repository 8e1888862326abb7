"""Experiments, one thin file each: a module defines ``PROTOCOL`` and may define ``CONDITIONS``.

``FIGURE`` beside them names the figure of a comparison if it is not called like the protocol.

Import as ``brainsleep.protocols``; run one with ``brainsleep run NAME``.
"""

if __name__ != "brainsleep.protocols":  # a second copy of every protocol would break `is` and `==`
    raise ImportError("import this package as 'brainsleep.protocols', not as 'protocols'")
