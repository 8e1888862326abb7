"""From grey images to the firing rates of the input neurons."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from brian2 import Hz, Quantity
from PIL import Image

from ...errors import DataError, ProtocolError, explain
from ...values.fields import Count, number, positive, specification
from ...values.frozen import default

_TOTAL = "a positive number, or None for no scaling"


@specification("encoder.", ProtocolError, kw_only=False)
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

    size: tuple[Count, Count] = (15, 15)
    total: Annotated[float, number(above=0, allowed=_TOTAL)] | None = 22.5
    max_rate: Annotated[Quantity, positive(Hz)] = default(1000 * Hz)

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
            Grey values; others raise `DataError`.

        Returns
        -------
        array of float, shape (n_samples, n_inputs)
            Grey values in [0, 1].
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 3 or 0 in images.shape[1:]:
            got = f"{images.dtype} of shape {images.shape}"
            raise DataError(explain("images", got, "uint8 of shape (n_samples, height, width)"))
        resized = np.empty((len(images), *self.size), np.uint8)
        for target, source in zip(resized, images, strict=True):
            image = Image.fromarray(np.ascontiguousarray(source))
            target[:] = np.asarray(image.resize(self.size[::-1], Image.Resampling.BILINEAR))
        return resized.reshape(len(images), self.n_inputs) / 255

    def rates(self, images: np.ndarray) -> np.ndarray:
        """Give the firing rate of every input neuron for every image.

        Parameters
        ----------
        images : array of uint8, shape (n_samples, height, width)
            Grey values; others raise `DataError`.

        Returns
        -------
        array of float, shape (n_samples, n_inputs)
            Rates in Hz, from 0 to `max_rate`; zeros for an image that is black everywhere.
        """
        values = self.pixels(images)
        if self.total is not None:
            sums = values.sum(axis=1, keepdims=True)
            scale = np.divide(self.total, sums, out=np.zeros_like(sums), where=sums > 0)
            values = np.clip(values * scale, 0, 1)
        return values * float(self.max_rate / Hz)
