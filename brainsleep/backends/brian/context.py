"""Brian2's and NumPy's global state: changed for as long as it is needed, then put back."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brian2
import numpy as np
from brian2.devices.device import all_devices

from ...errors import BackendError, BrainsleepError, one_line
from ...network.spec import NetworkSpec
from .cython_code import MarkedCode
from .numpy_code import CopyingCode


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


#: Preferences that stay the user's: where files lie, and what is said. They decide no result.
_OF_THE_USER = (
    "logging.",
    "GSL.directory",
    "codegen.max_cache_dir_size",
    "codegen.runtime.cython.",
    *(f"codegen.cpp.{kind}" for kind in ("include_dirs", "library_dirs", "runtime_library_dirs")),
    "codegen.cpp.msvc_",
)

#: Preferences that hold lists. Their defaults in Brian2 are changed where a session adds to them
#: in place. Of the flags, the compiler gets those that it knows.
_LISTS: dict[str, object] = {
    "codegen.cpp.extra_compile_args": [
        *("-w", "-O3", "-ffast-math", "-fno-finite-math-only", "-march=native", "-std=c++11")
    ],
    **{
        f"codegen.cpp.{name}": []
        for name in ("extra_link_args", "libraries", "headers", "define_macros")
    },
    "core.network.default_schedule": [
        *("start", "groups", "thresholds", "synapses", "resets", "end")
    ],
}


def _always(precision: str) -> dict[str, object]:
    """Return the preferences that every network is run with, whatever files and sessions set."""
    defaults = {
        f"{category}.{name}": preference.default
        for category, (registered, _) in brian2.prefs.pref_register.items()
        for name, preference in registered.items()
    }
    return {
        **{k: value for k, value in defaults.items() if not k.startswith(_OF_THE_USER)},
        **_LISTS,
        "core.default_float_dtype": np.dtype(precision).type,
        "core.stop_on_keyboard_interrupt": False,  # an interrupt must not look like an end
    }


#: Where Brian2 says which device is active (in its package something else has this name).
_devices: Any = importlib.import_module("brian2.devices.device")


@contextlib.contextmanager
def _device(name: str):
    """Make a Brian2 device the active one, and the user's again afterwards.

    `brian2.set_device` would do something to both: it sets their clocks, too.
    """
    before, _devices.active_device = _devices.active_device, all_devices[name]
    try:
        yield all_devices[name]
    finally:
        _devices.active_device = before


@contextlib.contextmanager
def runtime(target: str, precision: str):
    """Select Brian2's runtime with code for `target`; restore device and preferences afterwards."""
    code = {"numpy": CopyingCode.class_name, "cython": MarkedCode.class_name}[target]
    wanted = {**_always(precision), "codegen.target": code}
    with _device("runtime"), preferences(wanted), warnings.catch_warnings():
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
    with _device(name) as device:
        device.reinit()  # without what an earlier build left
        device.activate(build_on_run=False, directory=str(folder))
        try:
            with preferences(_always(spec.precision)), brian_errors(spec):
                yield device
        finally:
            device.reinit()
