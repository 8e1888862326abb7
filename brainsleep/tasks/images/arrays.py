"""Arrays of images and labels, whatever a source gives: converted, or refused with what to do.

Grey values are whole numbers from 0 (black) to 255 (white). Errors give the expression that mends.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import DataError, explain
from ...files.npz import renumbered

#: Images of which no grey value reaches this are not dark but on another scale, such as 0 to 15.
DARK = 32


def data_error(what: object, got: object, allowed: object, fix: str = "") -> DataError:
    """Compose a `DataError`: what, what was got, what is allowed, the fix."""
    return DataError(explain(str(what), got, allowed, fix))


def as_images(values: np.ndarray, what: str) -> np.ndarray:
    """Convert images to grey values, uint8 of shape (n_samples, height, width), read-only.

    They are integers from 0 to 255, or floats or truth values from 0 to 1, in that shape or in
    (n_samples, side * side). Those of another type, shape or range, or all but black, raise
    `DataError`, which calls them `what`.
    """
    _check_not_masked(values, what, "images.filled(0), where 0 is black")
    values = _in_shape(np.asarray(values), what)
    if values.dtype.kind not in "biuf":
        allowed = "integers 0..255 or floats 0..1"
        raise data_error(what, f"type {values.dtype}", allowed, "convert the array")
    wrong = ~np.isfinite(values)
    if wrong.any():
        got = f"{wrong.sum()} of {wrong.size} values that are NaN or infinite, the first in "
        got += f"image {np.flatnonzero(wrong.any(axis=(1, 2)))[0]}"
        fix = "leave out such images, or write numpy.nan_to_num(images, nan=0, posinf=1, neginf=0)"
        raise data_error(what, got, "finite values", fix)
    white = 255 if values.dtype.kind in "iu" else 1
    low, high = values.min().item(), values.max().item()
    got, allowed = f"values from {low} to {high}", f"0 to {white} in images of {values.dtype}"
    if low < 0:
        fix = f"if {low} is black, write images - ({low})"  # all are the same
        if high > low:
            scaled = f"(images.astype(float) - ({low})) / {high - low}"
            fix = f"if {low} is black and {high} is white, write {scaled}"
        raise data_error(what, got, allowed, fix)
    fix = f"if {high} is white, write images / {high}"
    if high > white:
        raise data_error(what, got, allowed, fix)
    grey = values if white == 255 else np.rint(values * 255.0)
    if 0 < grey.max() < DARK:
        raise data_error(what, f"{got}, nearly black", f"{allowed}, where white is {white}", fix)
    return _read_only(grey, np.uint8)


def _check_not_masked(values: Any, what: str, fix: str) -> None:
    """Refuse a masked array: as a plain one it would have again what was hidden."""
    if np.ma.is_masked(values):
        got = f"{np.ma.count_masked(values)} masked values"
        raise data_error(what, got, "an array without a mask", f"write {fix}")


def _in_shape(values: np.ndarray, what: str) -> np.ndarray:
    """Return images in three dimensions, or say what they are."""
    shape = values.shape
    if values.ndim == 2 and (side := math.isqrt(shape[1])) ** 2 == shape[1] > 0:
        values = values.reshape(-1, side, side)
    if values.ndim == 3 and values.size:
        return values
    got, fix = f"shape {shape}", "reshape the array"
    if values.ndim == 4 and values.size:
        axis = next((axis for axis in (-1, 1) if shape[axis] in (1, 3, 4)), 0)
        at = {-1: "[..., {}]", 1: "[:, {}]"}.get(axis, "")
        if axis and shape[axis] == 1:
            fix = f"write images{at.format(0)}"
        elif axis:
            scale = " / 255" if values.dtype.kind in "iu" else ""
            got = f"colour images, shape {shape}"
            fix = f"write images{at.format(':3')}.mean(axis={axis}){scale}"
    allowed = "grey ones: (n_samples, height, width) or (n_samples, side * side), not empty"
    raise data_error(what, got, allowed, fix)


def as_labels(values: np.ndarray, what: str) -> np.ndarray:
    """Convert labels, shape (n_samples,), to class numbers from 0, int64 and read-only.

    Those of another type, shape or range raise `DataError`, which calls them `what`.
    """
    _check_not_masked(values, what, "labels.compressed(), and leave out those images")
    values = np.asarray(values)
    kind, number = values.dtype.kind, values.dtype.kind in "biuf"
    if values.ndim != 1 or not values.size:
        got, fix = f"shape {values.shape}", "give one class number an image"
        if values.ndim == 2 and values.size and number:
            if 1 in values.shape:
                fix = "write labels.ravel()"
            elif np.all(np.isin(values, (0, 1))) and np.all(values.sum(axis=1) == 1):
                got, fix = f"one-hot labels, shape {values.shape}", "write labels.argmax(axis=1)"
        raise data_error(what, got, "(n_samples,), not empty", fix)
    allowed = "integer class numbers"
    if not number:
        raise data_error(what, f"type {values.dtype}", allowed, f"write {renumbered(what)}")
    if wrong := int(np.sum(~np.isfinite(values))):
        got = f"{wrong} of {len(values)} that are NaN or infinite"
        raise data_error(what, got, allowed, "leave out images without a label")
    if kind == "f" and np.any(values != np.rint(values)):
        got = f"type {values.dtype} with fractions, such as {values[values % 1 != 0][0]}"
        raise data_error(what, got, allowed, "give one class number an image")
    if kind not in "iu":
        raise data_error(what, f"type {values.dtype}", allowed, "write labels.astype(int)")
    if values.min() < 0 or values.max() > np.iinfo(np.int64).max:
        got = f"values from {values.min()} to {values.max()}"
        raise data_error(what, got, "class numbers from 0", f"write {renumbered(what)}")
    return _read_only(values, np.int64)


def _read_only(values: np.ndarray, dtype: type) -> np.ndarray:
    values = np.ascontiguousarray(values, dtype).view()
    values.flags.writeable = False
    return values
