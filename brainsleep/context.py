"""Brian2's and NumPy's global state: changed for as long as it is needed, then put back."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping

import brian2
import numpy as np

from .errors import BackendError, BrainsleepError, one_line
from .spec import NetworkSpec


@contextlib.contextmanager
def brian_errors(spec: NetworkSpec):
    """Turn what Brian2 refuses, for example a method that does not fit, into a `BackendError`."""
    try:
        yield
    except BrainsleepError:
        raise
    except Exception as error:  # Brian2 wraps many kinds, the reason lies in the cause
        reason, where = error.__cause__ or error, one_line(error)
        part = where.split("'")[1] if "'" in where and error.__cause__ else spec.name
        raise BackendError(f"Brian2 cannot run '{part}': {one_line(reason)}") from error


@contextlib.contextmanager
def preferences(wanted: Mapping[str, object]):
    """Set Brian2 preferences; restore them afterwards."""
    before = {name: brian2.prefs[name] for name in wanted}
    try:
        for name, value in wanted.items():
            brian2.prefs[name] = value
        yield
    finally:
        for name, value in before.items():
            brian2.prefs[name] = value


@contextlib.contextmanager
def runtime(target: str, precision: str):
    """Have Brian2's runtime generate code for `target`; restore preferences afterwards."""
    wanted = {
        "codegen.target": target,
        "core.default_float_dtype": np.dtype(precision).type,
        "core.stop_on_keyboard_interrupt": False,
    }
    with preferences(wanted), warnings.catch_warnings():
        # Brian2 compares every variable with 1e50, which single precision does not hold
        warnings.filterwarnings("ignore", "overflow encountered in cast", module="brian2")
        yield


@contextlib.contextmanager
def numpy_seed(seed: int):
    """Seed Brian2's runtime (it draws from NumPy's global state) and put the state back."""
    before = np.random.get_state()  # noqa: NPY002
    brian2.seed(int(seed) % 2**32)
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
