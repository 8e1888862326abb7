"""Brian2's and NumPy's global state: changed for as long as it is needed, then put back."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import brian2
import numpy as np
from brian2.devices.device import get_device, reset_device, runtime_device, set_device

from .errors import BackendError, BrainsleepError, one_line
from .numpy_code import CopyingCode
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


def _always(precision: str) -> dict[str, object]:
    """Return the preferences that every network is run with."""
    return {
        "core.default_float_dtype": np.dtype(precision).type,
        "core.stop_on_keyboard_interrupt": False,  # an interrupt must not look like an end
    }


@contextlib.contextmanager
def runtime(target: str, precision: str):
    """Select Brian2's runtime with code for `target`; restore preferences afterwards."""
    if get_device() is not runtime_device:
        raise BackendError("another Brian2 device is active; call brian2.device.reinit() first")
    target = CopyingCode.class_name if target == "numpy" else target
    wanted = {"codegen.target": target, **_always(precision)}
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


@contextlib.contextmanager
def standalone_device(name: str, spec: NetworkSpec, folder: Path):
    """Select the standalone device `name` to write the code of `spec` to `folder`; yield it."""
    set_device(name, build_on_run=False, directory=str(folder))
    try:
        with preferences(_always(spec.precision)), brian_errors(spec):
            device = get_device()
            device.reinit()
            device.activate(build_on_run=False, directory=str(folder))
            yield device
    finally:
        get_device().reinit()
        reset_device()
