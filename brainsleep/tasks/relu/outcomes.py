"""What can be made of the change of weights in a sleep: controls that are matched to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def _permuted(before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return before + rng.permuted(after - before, axis=0)


def _even(before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return before + (after - before).mean(axis=0)


def _layer_scaled(before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return before * _ratio(np.linalg.norm(after), np.linalg.norm(before))


def _units_scaled(before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return before * _ratio(np.linalg.norm(after, axis=0), np.linalg.norm(before, axis=0))


def _equalised(before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    norms = np.linalg.norm(before, axis=0)
    return before * _ratio(norms.mean(), norms)


def _negatives(before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sums = [np.minimum(w, 0).sum(axis=0) for w in (after, before)]
    return np.where(before < 0, before * _ratio(*sums), before)


def _ratio(one: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """Divide, and give 1 where there is nothing to divide by."""
    one, other = np.broadcast_arrays(np.asarray(one, float), np.asarray(other, float))
    return np.divide(one, other, out=np.ones(other.shape), where=other != 0)


#: By name: how weights, shape (n_pre, n_post), end up that were `before` and `after` a sleep.
#: None takes what the sleep made.
OUTCOMES: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray] | None] = {
    "kept": None,
    "permuted": _permuted,
    "even": _even,
    "layer scaled": _layer_scaled,
    "units scaled": _units_scaled,
    "equalised": _equalised,
    "negatives scaled": _negatives,
}
