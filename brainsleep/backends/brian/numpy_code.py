"""NumPy code in which every variable has values of its own, and whole numbers do not overflow.

In Brian2's, ``old = x`` makes `old` another name of the same array, so that ``x += 1`` changes both
(a plasticity gate could not put back what ``w += lr`` had added); what is set to an integer becomes
one; and ``floor`` and ``ceil`` return integers of 32 bits. In C++ none of this is so.
"""

from __future__ import annotations

import copy

import numpy as np
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.codegen.statements import Statement
from brian2.codegen.targets import codegen_targets
from brian2.parsing.bast import brian_ast

#: What code calls instead of Brian2's functions of the same names.
_FUNCTIONS = {
    "floor": lambda value: np.float64(np.floor(value)),
    "ceil": lambda value: np.float64(np.ceil(value)),
}


def _copy(value: np.ndarray) -> np.ndarray:
    return np.copy(value)[()]  # one number, unlike an array of one, can become many with +=


def _copy_as_float(value: np.ndarray) -> np.ndarray:
    return np.array(value, dtype=np.float64)[()]


class CopyingGenerator(NumpyCodeGenerator):
    """NumPy code that copies what is assigned."""

    def translate_statement_sequence(self, scalar: dict, vector: dict):
        """Translate statements; see Brian2's `CodeGenerator`."""
        scalar, vector = (
            {name: list(map(self._copying, block)) for name, block in blocks.items()}
            for blocks in (scalar, vector)
        )
        return super().translate_statement_sequence(scalar, vector)

    def _copying(self, statement: Statement) -> Statement:
        """Have a statement set its variable to a copy, of the variable's own type."""
        if statement.op not in ("=", ":="):
            return statement
        whole = brian_ast(statement.expr, self.variables).dtype == "integer"
        if whole and np.issubdtype(statement.dtype, np.floating):
            function = "_copy_as_float"
        elif statement.expr.strip("() ").isidentifier():
            function = "_copy"
        else:
            return statement
        written = copy.copy(statement)  # Brian2 keeps statements for the next who asks
        written.expr = f"{function}({statement.expr})"
        return written


class CopyingCode(NumpyCodeObject):
    """NumPy code that copies what is assigned."""

    generator_class = CopyingGenerator
    class_name = "numpy_copying"

    def __init__(self, *args, **kwds):
        super().__init__(*args, **kwds)
        self.namespace |= {"_copy": _copy, "_copy_as_float": _copy_as_float}
        self.namespace |= {k: v for k, v in _FUNCTIONS.items() if k in self.namespace}


codegen_targets.add(CopyingCode)
