"""From grey images to the firing rates of the input neurons."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, field

import numpy as np
from brian2 import Hz, Quantity, have_same_dimensions
from PIL import Image

from . import mistakes
from .errors import DataError, ProtocolError, explain
from .fields import checked_fields
from .quantities import is_number


@checked_fields(ProtocolError)
@dataclass(frozen=True)
class RateEncoder:
    """One input neuron per pixel, firing at a rate proportional to its grey value.

    The defaults are those of Massey et al. (2026), arXiv:2601.08447: 15x15 pixels whose values
    sum to 0.1 * 225 = 22.5, each the probability of a spike per millisecond. With
    ``size=(28, 28), total=None, max_rate=128*Hz`` it is the input of the network after Diehl
    and Cook (2015), doi:10.3389/fncom.2015.00099.

    Parameters
    ----------
    size : tuple of int
        Height and width that images are resized to (bilinear, antialiased), in pixels.
    total : float or None
        Sum that the values of every image are scaled to before they are clipped to [0, 1], so
        that bright and dark images drive the network alike; None keeps the grey values.
    max_rate : Quantity
        Firing rate at value 1.

    Raises
    ------
    ProtocolError
        If a parameter is out of range or lacks its unit.
    """

    size: tuple[int, int] = (15, 15)
    total: float | None = 22.5
    max_rate: Quantity = field(default_factory=lambda: 1000 * Hz)

    @mistakes.checked
    def __post_init__(self) -> None:
        """Check every parameter."""
        if not (
            isinstance(self.size, tuple | list)
            and len(self.size) == 2
            and all(isinstance(n, numbers.Integral) and n is not True and n >= 1 for n in self.size)
        ):
            expected = "two whole numbers of pixels from 1, such as (15, 15)"
            raise ProtocolError(explain("encoder.size", self.size, expected))
        object.__setattr__(self, "size", tuple(int(n) for n in self.size))
        if self.total is not None:
            if not is_number(self.total) or self.total <= 0:
                expected = "a positive number, or None for no scaling"
                raise ProtocolError(explain("encoder.total", self.total, expected))
            object.__setattr__(self, "total", float(self.total))
        if not (
            isinstance(self.max_rate, Quantity)
            and have_same_dimensions(self.max_rate, Hz)
            and np.ndim(self.max_rate) == 0
            and 0 < float(self.max_rate / Hz) < math.inf
        ):
            expected = "a positive frequency such as 1000*Hz"
            raise ProtocolError(explain("encoder.max_rate", self.max_rate, expected))

    @property
    def n_inputs(self) -> int:
        """Number of input neurons."""
        return self.size[0] * self.size[1]

    def squeezed(self, height: int, width: int) -> str:
        """Say so if images of this shape lose their proportions; nothing if they keep them.

        They are kept if one side, resized as the other is, would be less than a pixel off.
        """
        rows, columns = self.size
        off = (rows * width / height - columns, columns * height / width - rows)
        if min(map(abs, off)) < 1:
            return ""
        fit = f"({rows}, {max(1, round(rows * width / height))})"
        return (
            f"images of {height}x{width} pixels are squeezed to {rows}x{columns}, which changes "
            f"their proportions; encoder.size={fit} and as many input neurons would keep them"
        )

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Resize images and flatten them: what a readout of raw pixels is given.

        Parameters
        ----------
        images : array of uint8, shape (n_samples, height, width)
            Grey values.

        Returns
        -------
        array of float, shape (n_samples, n_inputs)
            Grey values in [0, 1].

        Raises
        ------
        DataError
            If `images` has another type or shape.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 3 or 0 in images.shape[1:]:
            got = f"{images.dtype} of shape {images.shape}"
            raise DataError(explain("images", got, "uint8 of shape (n_samples, height, width)"))
        width_height = self.size[::-1]
        resized = np.empty((len(images), *self.size), np.uint8)
        for source, target in zip(images, resized, strict=True):
            image = Image.fromarray(np.ascontiguousarray(source))
            target[:] = np.asarray(image.resize(width_height, Image.Resampling.BILINEAR))
        return resized.reshape(len(images), self.n_inputs) / 255

    def rates(self, images: np.ndarray) -> np.ndarray:
        """Give the firing rate of every input neuron for every image.

        Parameters
        ----------
        images : array of uint8, shape (n_samples, height, width)
            Grey values.

        Returns
        -------
        array of float, shape (n_samples, n_inputs)
            Rates in Hz, from 0 to `max_rate`; zeros for an image that is black everywhere.

        Raises
        ------
        DataError
            If `images` has another type or shape.
        """
        values = self.pixels(images)
        if self.total is not None:
            sums = values.sum(axis=1, keepdims=True)
            scale = np.divide(self.total, sums, out=np.zeros_like(sums), where=sums > 0)
            values = np.clip(values * scale, 0, 1)
        return values * float(self.max_rate / Hz)
