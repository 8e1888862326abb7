"""A stored run with its arrays, as other programs want them."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np

from ..results.store import Result

#: Settings of a result that go with it as text, as other formats have no place for them.
_DESCRIBED = ("protocol", "equations", "data", "versions", "metrics", "alarms", "stopped")


class Weights(NamedTuple):
    """The weights of a projection at every time at which all of them were kept.

    Parameters
    ----------
    projection : str
        Its name.
    source, target : str
        Its populations.
    sign : int
        -1 for an inhibitory one, whose weights are magnitudes like all others.
    names : list of str
        Names of the snapshots, in the order of time.
    times_s : ndarray, shape (n_snapshots,)
        Their times in s.
    synapses : ndarray of int, shape (n_synapses, 2)
        Pre- and postsynaptic neuron.
    w : ndarray, shape (n_snapshots, n_synapses)
        Weights, without unit.
    """

    projection: str
    source: str
    target: str
    sign: int
    names: list[str]
    times_s: np.ndarray
    synapses: np.ndarray
    w: np.ndarray


class Stored:
    """A result with its arrays, read once, as other programs want them.

    Parameters
    ----------
    result : Result
        A stored run.
    """

    def __init__(self, result: Result):
        self.result, self.info, self.arrays = result, result.info, result.arrays
        self.network = self.info["protocol"]["network"]
        self.dt = float(str(self.network["dt"]).split()[0])  # in s
        #: When slots begin and the last one ends, in s, shape (n_slots + 1,).
        self.starts = np.concatenate([[0], np.cumsum(self.arrays["slots/steps"])]) * self.dt

    def described(self) -> dict[str, str | int]:
        """Return what it is, as text and numbers: id, seed, backend, and the rest as JSON."""
        found = {name: self.info[name] for name in ("run_id", "seed", "backend")}
        texts = {k: json.dumps(self.info[k], sort_keys=True) for k in _DESCRIBED if k in self.info}
        return found | texts

    def counts(self) -> dict[str, np.ndarray]:
        """Return spikes of every neuron in every slot by population; nothing without a slot."""
        return {name: counts for name, counts in self._named("counts").items() if len(counts)}

    def spikes(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return step and neuron of single spikes by population, if any were recorded."""
        window = self.info["protocol"]["record"]["raster"]
        if not window or window[0] >= len(self.starts) - 1:
            return {}
        return {name: (both[:, 0], both[:, 1]) for name, both in self._named("spikes").items()}

    def weights(self) -> list[Weights]:
        """Return all weights that were kept."""
        n_train = int(np.sum(self.arrays["slots/stage"] == "train"))
        keys = [key.split("/") for key in self.arrays if key.startswith("snapshots/")]
        found = []
        for p in self.network["projections"]:
            at = {name: n_train for _, name, projection in keys if projection == p["name"]}
            at |= {name: int(name[5:]) for name in at if name.startswith("slot_")}
            at |= {"initial": 0}
            names = sorted(at, key=lambda name: (at[name], name != "initial"))
            taken = [self.arrays[f"snapshots/{name}/{p['name']}"] for name in names]
            found.append(
                Weights(
                    p["name"],
                    p["source"],
                    p["target"],
                    int(p.get("sign", 1)),
                    names,
                    np.array([self.starts[at[name]] for name in names]),
                    self.arrays[f"synapses/{p['name']}"],
                    np.array(taken),
                )
            )
        return found

    def statistics(self) -> dict[str, np.ndarray]:
        """Return statistics of weights by projection, at the times ``stat_times_s``."""
        names = [p["name"] for p in self.network["projections"]]
        return {name: self.arrays[f"stats/{name}"] for name in names}

    def slots(self) -> dict[str, np.ndarray]:
        """Return the slots as columns: ``start_s``, ``duration_s``, what was shown, and so on.

        ``label`` is the class of the image, -1 for none or a batch; ``spikes_NAME`` is the number
        of spikes of a population.
        """
        arrays = self.arrays
        image, stage = arrays["slots/image"], arrays["slots/stage"]
        label = np.full(len(image), -1)
        for name in ("train", "readout", "test"):
            here = (stage == name) & (image >= 0) & (arrays["slots/n_images"] == 1)
            label[here] = arrays[f"labels/{name}"][image[here]]
        columns = {"slot": np.arange(len(image)), "start_s": self.starts[:-1]}
        columns["duration_s"] = arrays["slots/steps"] * self.dt
        for name in ("stage", "phase", "sleep_stage", "task", "n_images"):
            columns[name] = arrays[f"slots/{name}"]
        columns |= {"image": image, "label": label}
        return columns | {f"spikes_{name}": v for name, v in self._named("totals").items()}

    def _named(self, kind: str) -> dict[str, np.ndarray]:
        """Return the arrays ``KIND/NAME`` by name."""
        names = {key: key.removeprefix(f"{kind}/") for key in self.arrays}
        return {name: self.arrays[key] for key, name in names.items() if key != name}
