"""Arrays that are the same at all synapses of a presynaptic neuron: handed over once a neuron."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .process import Synapses, n_changes


class ByNeuron:
    """Turns such arrays into one value for each presynaptic neuron, and back.

    Parameters
    ----------
    may_be : mapping of str to (str, int)
        The arrays that may be so: the name of their synapses, and how many neurons there are.
    """

    def __init__(self, may_be: Mapping[str, tuple[str, int]]):
        self.may_be = may_be
        self._outgoing: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def rows(self, arrays: Mapping[str, np.ndarray], synapses: Synapses) -> dict[str, np.ndarray]:
        """Return, of the arrays that are so, the value of each presynaptic neuron."""
        found = {key: self._rows(arrays[key], self._number(key, synapses)) for key in self.may_be}
        return {key: rows for key, rows in found.items() if rows is not None}

    def at_synapses(self, key: str, rows: np.ndarray, synapses: Synapses) -> np.ndarray:
        """Return an array of all synapses, given the value of each presynaptic neuron."""
        return np.repeat(rows, self._number(key, synapses))

    def _number(self, key: str, synapses: Synapses) -> np.ndarray:
        """Return how many synapses each presynaptic neuron has."""
        name, size = self.may_be[key]
        pre, _ = synapses[name]
        if name not in self._outgoing or self._outgoing[name][0] is not pre:
            self._outgoing[name] = pre, np.bincount(pre, minlength=size)
        return self._outgoing[name][1]

    @staticmethod
    def _rows(array: np.ndarray, number: np.ndarray) -> np.ndarray | None:
        first = (np.cumsum(number) - number)[number > 0]
        bits = np.ascontiguousarray(array).view(f"u{array.itemsize}")
        most = int(np.count_nonzero(bits[first[1:]] != bits[first[1:] - 1]))
        if n_changes(bits, most) > most:  # there is one between synapses of one neuron
            return None
        rows = np.zeros(number.size, array.dtype)
        rows[number > 0] = array[first]
        return rows
