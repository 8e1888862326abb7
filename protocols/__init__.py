"""Experiments, one thin file each: a module defines ``PROTOCOL`` and may define ``CONDITIONS``.

Import as ``brainsleep.protocols``; run one with ``brainsleep run NAME``.
"""

if __name__ != "brainsleep.protocols":  # a second copy of every protocol would break `is` and `==`
    raise ImportError("import this package as 'brainsleep.protocols', not as 'protocols'")
