"""NumPy code that gives what C++ does, where Brian2's does not.

In Brian2's, ``old = x`` makes `old` another name of the same array, which ``x += 1`` changes, too;
what is set to an integer becomes one; ``floor`` and ``ceil`` return integers of 32 bits; and
``x_post += 1`` is carried out for all synapses before the next statement reads `x_post`.
"""

from __future__ import annotations

import copy

import numpy as np
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.codegen.statements import Statement
from brian2.codegen.targets import codegen_targets
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.variables import ArrayVariable
from brian2.parsing.bast import brian_ast
from brian2.utils.stringtools import get_identifiers

#: What code calls instead of Brian2's functions of the same names.
_FUNCTIONS = {
    "floor": lambda value: np.float64(np.floor(value)),
    "ceil": lambda value: np.float64(np.ceil(value)),
}

#: Operators that give the same in any order.
_COMMUTE = ({"+=", "-="}, {"*=", "/="})


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

    def vectorise_code(self, statements: list, variables: dict, variable_indices: dict, **kwds):
        """Translate statements that write to neurons; see Brian2's `NumpyCodeGenerator`."""
        self._use_ufunc_at_vectorisation = not self._in_order(statements)
        return super().vectorise_code(statements, variables, variable_indices, **kwds)

    def _in_order(self, statements: list[Statement]) -> bool:
        """Tell whether it matters that one synapse is done before the next."""
        written: dict[str, list[str]] = {}  # operators, by array
        for statement in statements:
            variable = self.variables.get(statement.var)  # or what Brian2 computes first
            shared = self.variable_indices.get(statement.var, "_idx") not in ("_idx", "0")
            if shared and isinstance(variable, ArrayVariable):
                array = self.get_array_name(variable)
                written.setdefault(array, []).append(statement.op)
        names = get_identifiers(" ".join(statement.expr for statement in statements))
        read = {
            self.get_array_name(self.variables[name])
            for name in names
            if isinstance(self.variables.get(name), ArrayVariable)
        }
        return any(
            array in read or (len(ops) > 1 and not any(set(ops) <= each for each in _COMMUTE))
            for array, ops in written.items()
        )

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

for _function in DEFAULT_FUNCTIONS.values():
    try:
        _function.implementations[CopyingCode]
    except KeyError:  # Brian2 adds one when it is used, but for its own code only
        _function.implementations.add_numpy_implementation(_function.pyfunc)
