"""Wiring: which pairs of neurons are connected, and by how many synapses."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np

from ..errors import BrainsleepError, Details, SpecError, explain
from ..values.arrays import Array
from ..values.fields import Count, Field, number, refusal, specification

_PROBABILITY = number(above=0, most=1)


def _probability(value: Any, where: str, error: type[BrainsleepError]) -> float | str:
    """Take a probability, or an expression that gives that of every pair."""
    if isinstance(value, str) and value.strip():
        try:
            value = float(value)
        except ValueError:
            return value.strip()
    return _PROBABILITY(value, where, error)


def _neurons(value: Any, where: str, error: type[BrainsleepError]) -> Array:
    """Take numbers of neurons."""
    if isinstance(value, Array) and value.dtype == "int32" and value.unit == "1":
        return value
    allowed = "numbers of neurons, whole and from 0 on, in a row"
    numbers = value.numbers if isinstance(value, Array) else np.asarray(value)
    whole = numbers.dtype.kind in "iu" and numbers.ndim == 1 and numbers.size
    if not whole or numbers.min() < 0 or numbers.max() > np.iinfo(np.int32).max:
        got = f"{numbers.dtype} of shape {numbers.shape}" if not whole else "others"
        raise error(explain(where, got, allowed))
    return Array.of(numbers, where, error, "int32")


class Wiring:
    """What is the same of all that says who is connected to whom."""

    #: Name of a projection in the other direction whose pairs are left out.
    avoid_reciprocal: Any = ""
    #: Whether a pair of neurons may have several synapses.
    repeats: Any = False

    def check_sizes(self, n_pre: int, n_post: int, recurrent: bool, where: str) -> None:
        """Raise `SpecError` if populations of these sizes cannot be connected so."""

    def number(self, n_pre: int, n_post: int, recurrent: bool) -> int | None:
        """Return how many synapses there are; None if that is drawn."""
        raise NotImplementedError

    def words(self) -> str:
        """Say it in a few words."""
        raise NotImplementedError


@specification("connectivity ")
class Connectivity(Wiring):
    """Which pairs of neurons are connected: each allowed pair with probability `p`.

    Up to 2**24 pairs, a number is drawn for every pair. Of more, gaps between the pairs that are
    connected are drawn, so that time and memory grow with the synapses. The distribution is the
    same. With an expression, `p` is computed for a block of pairs at a time.

    Parameters
    ----------
    p : float or str
        Connection probability, more than 0 and at most 1 (all-to-all); or an expression of ``i``,
        ``j``, ``N_pre``, ``N_post``, positions (``x_pre``, ``x_post``), ``distance`` between them,
        and parameters of the neurons (``tau_m_post``), which is from 0 to 1 for every pair:
        ``"0.3*exp(-(distance/(200*um))**2/2)"``.
    self_connections : bool
        Whether a neuron may connect to itself (within one population).
    avoid_reciprocal : str
        Name of a projection in the other direction: pairs it connects are left out.
    """

    p: Annotated[float | str, Field(_probability)] = 1.0
    self_connections: bool = False
    avoid_reciprocal: str = ""

    def number(self, n_pre: int, n_post: int, recurrent: bool) -> int | None:
        """Return how many synapses there are; None if that is drawn."""
        if self.p != 1 or self.avoid_reciprocal:
            return None
        return n_pre * n_post - (n_pre if recurrent and not self.self_connections else 0)

    def words(self) -> str:
        """Say it in a few words."""
        return self.p if isinstance(self.p, str) else f"{self.p:g}"


@specification("connectivity ", kw_only=False)
class _FixedDegree(Wiring):
    """Neurons that each have the same number of synapses at one end."""

    n: Count
    self_connections: bool = False
    repeats: bool = False

    degree: ClassVar[str]

    def _check_choice(self, size: int, recurrent: bool, end: str, where: str) -> None:
        others = size - int(recurrent and not self.self_connections)
        if others < (1 if self.repeats else self.n):
            fix = "write repeats=True to draw a neuron again" if others else ""
            got = f"n={self.n} of {others} neurons of the {end}"
            raise SpecError(explain(where, got, f"at most {others}", fix))

    def words(self) -> str:
        """Say it in a few words."""
        return f"{self.degree} {self.n}" + (", with repeats" if self.repeats else "")


@specification("connectivity ", kw_only=False)
class FixedInDegree(_FixedDegree):
    """Every neuron of the target gets `n` synapses, from neurons of the source drawn at random.

    Parameters
    ----------
    n : int
        Synapses of each neuron.
    self_connections : bool
        Whether a neuron may connect to itself (within one population).
    repeats : bool
        Whether a neuron can be drawn again: some pairs then have several synapses.
    """

    degree = "in-degree"

    def check_sizes(self, n_pre: int, n_post: int, recurrent: bool, where: str) -> None:
        """Raise `SpecError` if there are not so many neurons to be drawn."""
        self._check_choice(n_pre, recurrent, "source", where)

    def number(self, n_pre: int, n_post: int, recurrent: bool) -> int | None:
        """Return how many synapses there are."""
        return self.n * n_post


@specification("connectivity ", kw_only=False)
class FixedOutDegree(_FixedDegree):
    """Every neuron of the source has `n` synapses, to neurons of the target drawn at random.

    Parameters
    ----------
    n : int
        Synapses of each neuron.
    self_connections : bool
        Whether a neuron may connect to itself (within one population).
    repeats : bool
        Whether a neuron can be drawn again: some pairs then have several synapses.
    """

    degree = "out-degree"

    def check_sizes(self, n_pre: int, n_post: int, recurrent: bool, where: str) -> None:
        """Raise `SpecError` if there are not so many neurons to be drawn."""
        self._check_choice(n_post, recurrent, "target", where)

    def number(self, n_pre: int, n_post: int, recurrent: bool) -> int | None:
        """Return how many synapses there are."""
        return self.n * n_pre


@specification("connectivity ")
class OneToOne(Wiring):
    """Neuron 0 to neuron 0, 1 to 1, and so on, of two populations of the same size."""

    def check_sizes(self, n_pre: int, n_post: int, recurrent: bool, where: str) -> None:
        """Raise `SpecError` for populations of different sizes."""
        if n_pre != n_post:
            raise SpecError(explain(where, f"{n_pre} to {n_post} neurons", "as many of each"))

    def number(self, n_pre: int, n_post: int, recurrent: bool) -> int | None:
        """Return how many synapses there are."""
        return n_pre

    def words(self) -> str:
        """Say it in a few words."""
        return "one to one"


@specification("connectivity ", kw_only=False)
class Pairs(Wiring):
    """These pairs of neurons; a pair that is there twice has two synapses.

    Parameters
    ----------
    pre, post : array of int
        Number of the presynaptic and of the postsynaptic neuron, one each a synapse.

    Examples
    --------
    >>> pairs, weights = Pairs.from_matrix([[0, 0.5], [0.2, 0]])
    >>> pairs.pre.numbers, pairs.post.numbers
    (array([0, 1], dtype=int32), array([1, 0], dtype=int32))
    >>> weights.numbers
    array([0.5, 0.2])
    """

    pre: Annotated[Array, _neurons]
    post: Annotated[Array, _neurons]

    def __post_init__(self):
        if len(self.pre) != len(self.post):
            got = f"{len(self.pre)} presynaptic and {len(self.post)} postsynaptic neurons"
            raise refusal(self, "", got, "as many of each, one a synapse")

    @classmethod
    def from_matrix(cls, matrix: Any) -> tuple[Pairs, Array]:
        """Take who is connected to whom, and the weights, from a matrix.

        Parameters
        ----------
        matrix : array or sparse array of scipy, shape (n_pre, n_post)
            Weight of the synapse from neuron ``i`` to neuron ``j`` in row ``i``, column ``j``. Of
            a sparse array all entries are synapses, also those of weight 0.

        Returns
        -------
        Pairs, Array
            Connectivity and weights of a projection.
        """
        from scipy import sparse

        entries = sparse.coo_array(matrix if sparse.issparse(matrix) else np.asarray(matrix, float))
        weights = Array.of(entries.data.astype(float), "matrix")
        return cls(entries.row, entries.col), weights

    @cached_property
    def repeats(self) -> bool:
        """Whether a pair of neurons has several synapses."""
        return bool(np.any(np.diff(np.sort(self._keys)) == 0))

    @property
    def order(self) -> np.ndarray:
        """The place of every synapse among those given: by presynaptic, then postsynaptic."""
        return np.argsort(self._keys, kind="stable")

    @property
    def _keys(self) -> np.ndarray:
        return self.pre.numbers.astype(np.int64) * 2**31 + self.post.numbers

    def check_sizes(self, n_pre: int, n_post: int, recurrent: bool, where: str) -> None:
        """Raise `SpecError` if there are no such neurons."""
        for end, size in (("pre", n_pre), ("post", n_post)):
            if (largest := int(getattr(self, end).numbers.max())) >= size:
                message = explain(f"{where}: {end}", largest, f"neurons 0 to {size - 1}")
                raise SpecError(message, Details(word="connectivity"))

    def number(self, n_pre: int, n_post: int, recurrent: bool) -> int | None:
        """Return how many synapses there are."""
        return len(self.pre)

    def words(self) -> str:
        """Say it in a few words."""
        return f"{len(self.pre)} pairs given"
