"""Random numbers of several replicas in one Brian2 network: each replica draws its own.

A network by itself draws from NumPy's global generator, seeded for the segment. Here every replica
has a generator with its seed, and draws from it what it would draw alone, in the same order: a
call of ``rand()`` for the neurons or synapses of several replicas takes from each generator as many
numbers as there are elements of its replica. Brian2's Cython code takes numbers one by one, from a
buffer that is filled again when it is used up; so there are as many buffers as replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from brian2.codegen.codeobject import CodeObject
from brian2.codegen.generators.cython_generator import _BUFFER_SIZE
from brian2.codegen.runtime.numpy_rt.numpy_rt import LazyArange
from brian2.core.functions import DEFAULT_FUNCTIONS, Function

#: Functions that draw for every element by itself, and a generator's methods for the same numbers.
METHODS = {"rand": "random_sample", "randn": "standard_normal", "poisson": "poisson"}

#: Those that fill buffers in Cython code; ``poisson`` takes its numbers from ``rand``.
BUFFERED = ("rand", "randn")


#: Brian2's templates whose code runs for a replica just when it would for one network, and names
#: the element that a number is drawn for. That for sums does neither.
_TEMPLATES = ("stateupdate", "threshold", "reset", "synapses")


class ApartError(Exception):
    """Code draws random numbers in a way that replicas in one Brian2 network do not."""


class Generators:
    """A generator of random numbers a replica, and what Cython code has drawn beforehand.

    Parameters
    ----------
    n : int
        Number of replicas.
    """

    def __init__(self, n: int):
        # RandomState is what Brian2 draws from in a network by itself
        self.all = [np.random.RandomState() for _ in range(n)]
        self._buffers: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def seed(self, seeds: Sequence[int]) -> None:
        """Seed the generators as `numpy_seed` seeds NumPy; empty the buffers."""
        for generator, seed in zip(self.all, seeds, strict=True):
            generator.seed(int(seed) % 2**32)
        for _, place in self._buffers.values():
            place[:] = 0

    def buffer(self, function: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the buffers for `function`, one after the other, and the place in each."""
        if function not in self._buffers:
            n = len(self.all)
            self._buffers[function] = np.empty(n * _BUFFER_SIZE), np.zeros(n, dtype=np.int32)
        return self._buffers[function]

    def refill(self, function: str, r: int) -> None:
        """Fill the buffer of replica `r` for `function`."""
        numbers, _ = self.buffer(function)
        part = slice(r * _BUFFER_SIZE, (r + 1) * _BUFFER_SIZE)
        numbers[part] = getattr(self.all[r], METHODS[function])(_BUFFER_SIZE)


class Draws:
    """What the neurons of a population, or the synapses of a projection, draw.

    Parameters
    ----------
    generators : Generators
        One a replica.
    bounds : ndarray of int, shape (n_replicas + 1,)
        First element of each replica, and the end of the last.
    """

    def __init__(self, generators: Generators, bounds: np.ndarray):
        self.generators, self._sizes = generators, np.diff(bounds).tolist()
        self.replica = np.repeat(np.arange(len(self._sizes), dtype=np.int32), self._sizes)

    def function(self, name: str) -> Callable:
        """Return a function of `METHODS` as Brian2's NumPy code calls it.

        Its last argument is the index of the element that a number is drawn for, or those of all.
        """
        methods = [getattr(generator, METHODS[name]) for generator in self.generators.all]

        def draw(*given):
            *values, which = given
            if not isinstance(which, LazyArange) and np.ndim(which) == 0:  # within a loop
                return methods[self.replica[which]](*values)
            sizes, order = self._shares(which)
            parts = _parts(values, sizes, order) if values else [()] * len(sizes)
            drawn = np.concatenate(
                [method(*part, n) for method, part, n in zip(methods, parts, sizes, strict=True)]
            )
            if order is None:
                return drawn
            found = np.empty_like(drawn)
            found[order] = drawn
            return found

        return draw

    def _shares(self, which: LazyArange | np.ndarray) -> tuple[list[int], np.ndarray | None]:
        """Return how many of the elements are of each replica, and what sorts them by replica."""
        everything = isinstance(which, LazyArange) and which.indices is None
        if everything and len(which) == len(self.replica):
            return self._sizes, None
        replica = self.replica[np.asarray(which, dtype=np.int64)]
        sizes = np.bincount(replica, minlength=len(self._sizes)).tolist()
        if np.all(replica[1:] >= replica[:-1]):
            return sizes, None
        return sizes, np.argsort(replica, kind="stable")


def _parts(values: list, sizes: list[int], order: np.ndarray | None) -> list[list]:
    """Cut parameters, of every element or the same for all, into those of each replica."""
    given = [v if order is None or np.ndim(v) == 0 else v[order] for v in values]
    return [
        [v if np.ndim(v) == 0 else v[end - n : end] for v in given]
        for n, end in zip(sizes, np.cumsum(sizes), strict=True)
    ]


# --------------------------------------------------------------------------------------------
# What code draws


def drawing(variables: dict[str, object]) -> dict[str, Function]:
    """Return those of `variables` that are functions that draw random numbers."""
    return {
        name: variable
        for name, variable in variables.items()
        if isinstance(variable, Function) and not variable.stateless
    }


def draws_of(code: CodeObject) -> tuple[Draws, list[str]] | None:
    """Return what draws for the elements of `code`, and the functions of `METHODS` it calls.

    Parameters
    ----------
    code : CodeObject
        Code of several replicas.

    Returns
    -------
    draws : Draws
        What draws, and for what.
    names : list of str
        The functions. None in place of both if nothing is drawn.

    Raises
    ------
    ApartError
        If it draws otherwise.
    """
    functions = drawing(code.variables)
    if not functions:
        return None
    for name, function in functions.items():
        known = name.removeprefix("_")  # as functions call one another in Cython
        if known not in METHODS or function is not DEFAULT_FUNCTIONS[known]:
            raise ApartError(f"{code.name}: {name}()")
    if code.template_name not in _TEMPLATES or not hasattr(code.owner, "_draws"):
        raise ApartError(f"{code.name}: {', '.join(functions)}")
    return code.owner._draws, [name for name in functions if name in METHODS]


# --------------------------------------------------------------------------------------------
# Cython

#: As Brian2's, of the buffer that belongs to the replica of the element.
_CYTHON = """
cdef double _NAME(int _idx):
    cdef int replica = _namespace_NAME_replica[_idx]
    cdef int place = _namespace_NAME_place[replica]
    if place == 0:
        _generators.refill("NAME", replica)
    _namespace_NAME_place[replica] = place + 1 if place + 1 < SIZE else 0
    return _namespace_NAME_numbers[<size_t>replica * SIZE + place]
""".replace("SIZE", str(_BUFFER_SIZE))


def implement_for(target: type[CodeObject]) -> None:
    """Have Cython code objects of the class `target` draw for each replica by itself."""
    for name in BUFFERED:

        def namespace(owner, name=name):
            if not hasattr(owner, "_draws"):
                raise ApartError(f"{owner.name}: {name}()")
            numbers, place = owner._draws.generators.buffer(name)
            return {
                f"_{name}_numbers": numbers,
                f"_{name}_place": place,
                f"_{name}_replica": owner._draws.replica,
            }

        DEFAULT_FUNCTIONS[name].implementations.add_dynamic_implementation(
            target,
            code=lambda owner, name=name: _CYTHON.replace("NAME", name),
            namespace=namespace,
            name=f"_{name}",
        )
