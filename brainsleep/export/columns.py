"""What all formats hold of a result, as text and as columns, and the packages that write them."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import MissingExtraError
from ..results.result import Result

#: Settings of a result that go with it as text, as other formats have no place for them.
_DESCRIBED = ("protocol", "equations", "data", "versions", "metrics", "alarms", "stopped")


def packages(what: str, package: str, *modules: str) -> list[Any]:
    """Import modules of the extra ``analysis``; if that fails, `what` needs `package`."""
    try:
        return [import_module(module) for module in modules]
    except ImportError as error:
        raise MissingExtraError(
            f"{what}: needs {package}: pip install 'brainsleep[analysis]' ({error})"
        ) from error


def described(result: Result) -> dict[str, str | int]:
    """Return what a result is, as text and numbers: id, seed, backend, and the rest as JSON."""
    texts = {k: json.dumps(result.info[k], sort_keys=True) for k in _DESCRIBED if k in result.info}
    return {"run_id": result.run_id, "seed": result.seed, "backend": result.backend, **texts}


def columns(result: Result) -> dict[str, np.ndarray]:
    """Return the slots as columns: ``start_s``, ``duration_s``, what was shown, and so on.

    ``label`` is the class of the image, -1 for none or a batch; ``spikes_NAME`` is the number
    of spikes of a population.
    """
    slots, arrays = result.slots, result.arrays
    label = np.full(len(slots["image"]), -1)
    for name in ("train", "readout", "test"):
        here = (slots["part"] == name) & (slots["image"] >= 0) & (slots["n_images"] == 1)
        if here.any():
            label[here] = arrays[f"labels/{name}"][slots["image"][here]]
    names = ("part", "phase", "sleep_stage", "task", "n_images", "image")
    totals = [key for key in arrays if key.startswith("totals/")]
    return {
        "slot": np.arange(len(label)),
        "start_s": np.asarray(result.slot_times[:-1]),
        "duration_s": slots["steps"] * float(result.dt),
        **{name: slots[name] for name in names},
        "label": label,
        **{f"spikes_{key[7:]}": arrays[key] for key in totals},
    }
