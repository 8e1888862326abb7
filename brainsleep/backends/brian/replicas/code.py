"""Code generation for several replicas of a network in one Brian2 network.

What is shared by the neurons of a network (parameters, gates) is a variable of every neuron where
replicas may differ in it. Brian2 arranges the terms of an expression by what is shared, and
computes the shared part first; so as not to round in another order than for one network, the
generators here have Brian2 arrange every statement as for one network, and compute the shared
parts number by number.
"""

from __future__ import annotations

import ast
import copy
from itertools import pairwise

import numpy as np
from brian2.codegen.generators.base import CodeGenerator
from brian2.codegen.generators.cython_generator import CythonCodeGenerator
from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.codegen.statements import Statement
from brian2.codegen.targets import codegen_targets
from brian2.codegen.translation import make_statements
from brian2.core.variables import Variable
from brian2.parsing.rendering import NodeRenderer
from brian2.utils.stringtools import get_identifiers

from ..numpy_code import CopyingCode, CopyingGenerator
from .draws import ApartError, drawing, draws_of, implement_for


def mark_shared(variable: Variable) -> None:
    """Note that `variable` has one value a replica, although it is kept for every neuron."""
    variable.shared_in_replica = True


def _is_marked(variable: object) -> bool:
    return getattr(variable, "shared_in_replica", False)


def _as_shared(variable: Variable) -> Variable:
    """Return `variable` as it is in a network by itself."""
    shared = copy.copy(variable)
    shared.scalar = True
    return shared


class _ArrangedForOne(CodeGenerator):
    """Generator that arranges statements as if marked variables had one value for all."""

    def translate(self, code: dict, dtype: type):
        """Translate blocks of abstract code; see Brian2's `CodeGenerator.translate`."""
        alone = {k: _as_shared(v) if _is_marked(v) else v for k, v in self.variables.items()}
        marked = {k for k, v in self.variables.items() if _is_marked(v)}
        scalar, vector = {}, {}
        for block, text in code.items():
            shared, each = make_statements(text, alone, dtype, optimise=True, blockname=block)
            self._refuse_draws(shared)
            scalar[block], first, names = _split(shared, marked)
            vector[block] = [self._written(statement, names) for statement in [*first, *each]]
        return self.translate_statement_sequence(scalar, vector)

    def _written(self, statement: Statement, shared: set[str]) -> Statement:
        return statement

    def _refuse_draws(self, statements: list[Statement]) -> None:
        """Raise `ApartError` if a number is drawn for all neurons of a network in common."""
        functions = set(drawing(self.variables))
        for statement in statements:
            if functions & get_identifiers(statement.expr):
                raise ApartError(f"{statement.var} {statement.op} {statement.expr}")


def _split(
    statements: list[Statement], marked: set[str]
) -> tuple[list[Statement], list[Statement], set[str]]:
    """Take the statements that depend on `marked` variables out of the shared ones.

    Returns
    -------
    scalar : list of Statement
        Statements with the same outcome in all replicas.
    first : list of Statement
        Statements with one outcome a replica, to be carried out for each neuron.
    names : set of str
        All names of one value a replica: `marked` and what `first` sets.
    """
    scalar, first, names = [], [], set(marked)
    for statement in statements:
        if not names & {statement.var, *get_identifiers(statement.expr)}:
            scalar.append(statement)
            continue
        names.add(statement.var)
        op, expr = statement.op, statement.expr
        if statement.inplace:  # NumPy would change the array that the name stands for
            op, expr = "=", f"{statement.var} {op[0]} ({expr})"
        first.append(
            Statement(
                statement.var,
                op,
                expr,
                statement.comment,
                dtype=statement.dtype,
                constant=statement.constant,
                subexpression=statement.subexpression,
            )
        )
    return scalar, first, names


# --------------------------------------------------------------------------------------------
# NumPy: a power with an exponent of 2, 1/2 or -1 and that of two numbers round in their own ways


def _runs(*arrays: np.ndarray) -> np.ndarray:
    """Return where runs of equal values begin, and the end."""
    new = np.zeros(len(arrays[0]), dtype=bool)
    new[:1] = True
    for array in arrays:
        new[1:] |= array[1:] != array[:-1]
    return np.append(np.flatnonzero(new), len(new))


def power(base: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Raise to an exponent that neurons of one replica share, as NumPy does for one network."""
    if np.ndim(exponent) == 0:
        return base**exponent
    base, exponent = np.broadcast_arrays(base, exponent)
    bounds = _runs(exponent)
    parts = [base[a:b] ** exponent[a] for a, b in pairwise(bounds)]
    return np.concatenate(parts) if parts else base**exponent


def shared_power(base: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Raise numbers that neurons of one replica share, as Python does for one network."""
    if np.ndim(base) == np.ndim(exponent) == 0:
        return base**exponent
    base, exponent = np.broadcast_arrays(base, exponent)
    bounds = _runs(base, exponent)
    values = np.array([base[a] ** exponent[a] for a in bounds[:-1]])
    return np.repeat(values, np.diff(bounds)) if values.size else base**exponent


class _Powers(NodeRenderer):
    """Write powers with exponents that neurons of one replica share as calls of the above."""

    def __init__(self, shared: set[str], function: str):
        super().__init__()
        self._shared, self._function = shared, function

    def render_BinOp(self, node: ast.BinOp) -> str:  # noqa: N802
        exponent = self.render_node(node.right) if isinstance(node.op, ast.Pow) else ""
        names = get_identifiers(exponent)
        base = self.render_node(node.left)
        if self._function == "_shared_power":
            names |= get_identifiers(base)
        if not exponent or not names & self._shared:
            return super().render_BinOp(node)
        return f"{self._function}({base}, {exponent})"


class NumpyReplicaGenerator(_ArrangedForOne, CopyingGenerator):
    """NumPy code of several replicas."""

    def _written(self, statement: Statement, shared: set[str]) -> Statement:
        powers = _Powers(shared, "_shared_power" if statement.var in shared else "_power")
        written = copy.copy(statement)  # Brian2 keeps statements for the next who asks
        written.expr = powers.render_expr(statement.expr)
        if statement.boolean_simplified_expressions:
            written.boolean_simplified_expressions = {
                values: powers.render_expr(expr)
                for values, expr in statement.boolean_simplified_expressions.items()
            }
        return written


class NumpyReplicaCode(CopyingCode):
    """NumPy code of several replicas."""

    generator_class = NumpyReplicaGenerator
    class_name = "numpy_replicas"

    def __init__(self, *args, **kwds):
        super().__init__(*args, **kwds)
        self.namespace |= {"_power": power, "_shared_power": shared_power}
        if found := draws_of(self):
            draws, names = found
            self.namespace |= {name: draws.function(name) for name in names}


class CythonReplicaGenerator(_ArrangedForOne, CythonCodeGenerator):
    """Cython code of several replicas."""

    def determine_keywords(self) -> dict:
        """Have the code find the generators of random numbers; see Brian2's own."""
        words = super().determine_keywords()
        if drawing(self.variables):
            words["load_namespace"] += (
                '\nglobal _generators\n_generators = _namespace["_generators"]'
            )
        return words


class CythonReplicaCode(CythonCodeObject):
    """Cython code of several replicas."""

    generator_class = CythonReplicaGenerator
    class_name = "cython_replicas"

    def __init__(self, *args, **kwds):
        super().__init__(*args, **kwds)
        if found := draws_of(self):
            draws, _ = found
            self.namespace["_generators"] = draws.generators


#: Brian2's code generation target for several replicas, by the one for a single network.
REPLICA_TARGETS = {"numpy": NumpyReplicaCode.class_name, "cython": CythonReplicaCode.class_name}
codegen_targets.add(NumpyReplicaCode)
codegen_targets.add(CythonReplicaCode)
implement_for(CythonReplicaCode)
