"""NumPy code in which every variable has values of its own, and whole numbers do not overflow.

In Brian2's, ``old = x`` makes `old` another name of the same array, so that ``x += 1`` changes both
(a plasticity gate could not put back what ``w += lr`` had added); and ``floor`` and ``ceil`` return
integers of 32 bits. In C++ neither is so.
"""

from __future__ import annotations

import copy

import numpy as np
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.codegen.statements import Statement
from brian2.codegen.targets import codegen_targets

#: What code calls instead of Brian2's functions of the same names.
_FUNCTIONS = {
    "floor": lambda value: np.float64(np.floor(value)),
    "ceil": lambda value: np.float64(np.ceil(value)),
}


class CopyingGenerator(NumpyCodeGenerator):
    """NumPy code that copies what is assigned."""

    def translate_statement_sequence(self, scalar: dict, vector: dict):
        """Translate statements; see Brian2's `CodeGenerator`."""
        scalar, vector = (
            {name: [_copying(statement) for statement in block] for name, block in blocks.items()}
            for blocks in (scalar, vector)
        )
        return super().translate_statement_sequence(scalar, vector)


def _copying(statement: Statement) -> Statement:
    if statement.op not in ("=", ":=") or not statement.expr.strip("() ").isidentifier():
        return statement
    written = copy.copy(statement)  # Brian2 keeps statements for the next who asks
    written.expr = f"_copy({statement.expr})"
    return written


class CopyingCode(NumpyCodeObject):
    """NumPy code that copies what is assigned."""

    generator_class = CopyingGenerator
    class_name = "numpy_copying"

    def __init__(self, *args, **kwds):
        super().__init__(*args, **kwds)
        self.namespace |= {"_copy": np.copy}
        self.namespace |= {k: v for k, v in _FUNCTIONS.items() if k in self.namespace}


codegen_targets.add(CopyingCode)
