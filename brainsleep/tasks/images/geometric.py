"""Four noisy geometric figures on 15x15 pixels: a toy task that needs no files."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import DataError
from ...values.quantities import check_whole, is_number
from .arrays import data_error

#: Figure of each class, in the order of the labels.
FIGURES = ("circle", "square", "triangle", "cross")

#: Height and width of an image, in pixels.
SIDE = 15

#: Area of a figure of mean size, in pixels: the same for all, so that brightness tells nothing.
AREA = 50.0

#: Largest departures, either way: of the centre (pixels), of the size (fraction), of the
#: orientation (radians).
SHIFT, STRETCH, TURN = 1.0, 0.15, math.radians(15)

#: Most samples made at once: 225 MB of images.
MAX_SAMPLES = 1_000_000

#: Samples drawn at a time, so that memory stays small.
BLOCK = 4096


def make_geometric(
    n: int = 2000, noise: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw filled figures of jittered position, size and orientation, and add pixel noise.

    There are `n` of them, a multiple of four: every class has the same number. `noise` is the
    standard deviation of the Gaussian noise of every pixel, as a fraction of the brightness of a
    figure; the sum is clipped to black and white. The same seed gives the same figures whatever the
    noise, and the first samples of a larger set are those of a smaller one.

    Returns
    -------
    images : array of uint8, shape (n, 15, 15)
        Bright figures on black.
    labels : array of int64, shape (n,)
        0, 1, 2, 3, 0, 1, ...: circle, square, triangle, cross.

    Raises
    ------
    DataError
        If a parameter is out of range.
    """
    n_classes = len(FIGURES)
    n = check_whole(n, "geometric: n", DataError)
    if not n_classes <= n <= MAX_SAMPLES or n % n_classes:
        allowed = f"a multiple of {n_classes} from {n_classes} to {MAX_SAMPLES}"
        raise data_error("geometric: n", repr(n), allowed)
    if not is_number(noise) or not 0 <= noise <= 10:
        raise data_error("geometric: noise", repr(noise), "a number from 0 to 10")
    seed = check_whole(seed, "geometric: seed", DataError)
    labels = np.arange(n) % n_classes
    images = np.empty((n, SIDE, SIDE), np.uint8)
    shapes, pixels = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        grey = _draw(labels[part], shapes.uniform(-1, 1, (len(labels[part]), 4)))
        grey += noise * pixels.standard_normal(grey.shape)
        images[part] = np.rint(255 * np.clip(grey, 0, 1))
    return images, labels


def parse_settings(text: str) -> dict[str, Any]:
    """Read the part of ``geometric:n=4000,noise=0.3,seed=1`` after the colon, for `make_geometric`.

    Raises `DataError` if a name is unknown or repeated, or a value is not a number.
    """
    kinds = {"n": int, "noise": float, "seed": int}
    settings: dict[str, Any] = {}
    for item in text.split(",") if text else ():
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in kinds or name in settings:
            allowed = f"each of {', '.join(kinds)} once at most"
            raise data_error("geometric", f"'{item}'", allowed, "as in geometric:n=4000,noise=0.3")
        try:
            settings[name] = kinds[name](value)
        except ValueError as error:
            allowed = "a whole number" if kinds[name] is int else "a number"
            raise data_error(f"geometric: {name}", f"'{value}'", allowed) from error
    return settings


def _draw(labels: np.ndarray, jitter: np.ndarray) -> np.ndarray:
    """Draw one figure per label, values 0 to 1; `jitter` in -1..1 has shape (n_samples, 4)."""
    shift, size, turn = SHIFT * jitter[:, :2], 1 + STRETCH * jitter[:, 2], TURN * jitter[:, 3]
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    y = axis[:, None] - shift[:, 0, None, None]
    x = axis[None, :] - shift[:, 1, None, None]
    cos, sin = np.cos(turn)[:, None, None], np.sin(turn)[:, None, None]
    x, y = cos * x + sin * y, cos * y - sin * x
    grey = np.empty_like(x)
    for label, figure in enumerate((_circle, _square, _triangle, _cross)):  # as in FIGURES
        mine = labels == label
        outside = figure(x[mine], y[mine], size[mine, None, None])
        grey[mine] = np.clip(0.5 - outside, 0, 1)  # edges one pixel wide
    return grey


# Distance outside a figure's edge, in pixels (inside: negative). `y` points down, as in images.


def _circle(x: np.ndarray, y: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.hypot(x, y) - size * math.sqrt(AREA / math.pi)


def _square(x: np.ndarray, y: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) - size * math.sqrt(AREA) / 2


def _triangle(x: np.ndarray, y: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Equilateral, point up, around its centroid."""
    inradius = math.sqrt(AREA / (3 * math.sqrt(3)))
    return np.maximum(y, math.sqrt(3) / 2 * np.abs(x) - y / 2) - size * inradius


def _cross(x: np.ndarray, y: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Two bars three times as long as wide."""
    length = math.sqrt(AREA * 9 / 20)  # half of it
    x, y, thick = np.abs(x), np.abs(y), size * length / 3
    return np.maximum(np.minimum(x, y) - thick, np.maximum(x, y) - size * length)
