"""What is kept of a run while it is under way, in arrays that a checkpoint can hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...analysis.metrics import WEIGHT_STATISTICS, saturation, weight_statistics
from ...experiment.protocol import Protocol
from ...experiment.schedule import SlotTable
from ...files.npz import digest
from ...results.store import load_arrays, save_arrays
from ..segment import Recording
from ..state import State
from .alarms import plastic


@dataclass
class Recorder:
    """Arrays that grow with a run.

    Parameters
    ----------
    counts : dict of str to ndarray, shape (n_slots, n_neurons)
        Spikes of each neuron in each slot, for every population but the input.
    totals : dict of str to ndarray, shape (n_slots,)
        Spikes of all neurons of a population.
    ran : ndarray, shape (n_slots,)
        Steps really run: 0 for the part of a sleep that was left out.
    stat_steps : list of int
        Times of the weight statistics.
    stats : dict of str to list of ndarray
        `brainsleep.analysis.metrics.WEIGHT_STATISTICS` of each projection at these times.
    snapshots : dict of str to ndarray
        All weights at chosen times, ``"trained/ee"``; signed where weights have signs.
    biases : dict of str to ndarray
        The biases of projections that have them, at these times.
    spikes : dict of str to dict of int to ndarray, shape (n_spikes, 2)
        Step and neuron of single spikes, a block a segment, by the segment's first slot.
    probes : dict of int to dict of str to ndarray
        What `brainsleep.run.observers.probes` found, by the slot before which it looked.
    best : dict of str to ndarray
        State of the synapses after the epoch that was best so far, with early stopping.
    saturated : ndarray, shape (n_slots + 1, n_plastic)
        Fraction of the weights of each plastic projection that were at their bound before a slot;
        NaN where that was not looked at.

    Notes
    -----
    Adding a segment or statistics a second time changes nothing, so a run that is interrupted
    anywhere can repeat what it was doing.
    """

    counts: dict[str, np.ndarray]
    totals: dict[str, np.ndarray]
    ran: np.ndarray
    stat_steps: list[int]
    stats: dict[str, list[np.ndarray]]
    snapshots: dict[str, np.ndarray]
    biases: dict[str, np.ndarray]
    spikes: dict[str, dict[int, np.ndarray]]
    probes: dict[int, dict[str, np.ndarray]]
    saturated: np.ndarray
    best: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def empty(cls, protocol: Protocol, n_slots: int) -> Recorder:
        """Make the recorder of a run of `n_slots` that has not begun."""
        network = protocol.network
        spiking = [p for p in network.populations if p.spikes]
        return cls(
            counts={
                p.name: np.zeros((n_slots, p.size), np.int32)
                for p in spiking
                if p.name != network.input
            },
            totals={p.name: np.zeros(n_slots, np.int64) for p in spiking},
            ran=np.zeros(n_slots, np.int64),
            stat_steps=[],
            stats={p.name: [] for p in network.projections},
            snapshots={},
            biases={},
            spikes={p.name: {} for p in spiking},
            probes={},
            saturated=np.full((n_slots + 1, len(plastic(network))), np.nan),
        )

    def steps_before(self, slot: int) -> int:
        """Return the time steps that were run before `slot`."""
        return int(self.ran[:slot].sum())

    def add_segment(self, table: SlotTable, first: int, last: int, recording: Recording) -> None:
        """Take up the recording of slots `first` to `last` (exclusive)."""
        offset = self.steps_before(first)
        self.ran[first:last] = table.steps[first:last]
        for name, counts in recording.counts.items():
            self.totals[name][first:last] = counts.sum(axis=1)
            if name in self.counts:
                self.counts[name][first:last] = counts
        for name, (step, neuron) in recording.spikes.items():
            if len(step):
                self.spikes[name][first] = np.column_stack([step + offset, neuron])

    def add_statistics(self, slot: int, protocol: Protocol, state: State) -> None:
        """Summarise all weights as they are before `slot`."""
        step = self.steps_before(slot)
        if self.stat_steps and self.stat_steps[-1] == step:
            return
        for p in protocol.network.projections:
            found = weight_statistics(state.weights(p.name), p.w_max)
            self.stats[p.name][len(self.stat_steps) :] = [found]
        self.stat_steps.append(step)

    def add_saturation(self, slot: int, protocol: Protocol, state: State) -> None:
        """Note how many weights are at their bound before `slot`."""
        for k, p in enumerate(plastic(protocol.network)):
            self.saturated[slot, k] = saturation(state.weights(p.name), p.w_max)

    def add_snapshot(self, name: str, protocol: Protocol, state: State) -> None:
        """Keep weights and biases as they are now, unless there is a snapshot of that name."""
        for p in protocol.network.projections:
            for kept, variable in ((self.snapshots, "w"), (self.biases, "bias")):
                if f"{p.name}.{variable}" in state.arrays:
                    value = state.arrays[f"{p.name}.{variable}"]
                    kept.setdefault(f"{name}/{p.name}", value.copy())

    def looked_at(self, slot: int) -> int:
        """Return the last slot up to `slot` before which weights were looked at; -1 for none."""
        looked = np.flatnonzero(~np.isnan(self.saturated[: slot + 1]).any(axis=1))
        return int(looked[-1]) if len(looked) else -1

    def until(self, last: int) -> Recorder:
        """Return what was recorded of a run that ends before slot `last`."""
        return replace(
            self,
            counts={name: counts[:last] for name, counts in self.counts.items()},
            totals={name: totals[:last] for name, totals in self.totals.items()},
            ran=self.ran[:last],
        )

    def arrays(self, before: int | None = None) -> dict[str, np.ndarray]:
        """Return everything as named arrays; single spikes of slots `before` this one only."""
        found = {f"counts/{k}": v for k, v in self.counts.items()}
        found |= {f"totals/{k}": v for k, v in self.totals.items()}
        found |= {f"snapshots/{k}": v for k, v in self.snapshots.items()}
        found |= {f"biases/{k}": v for k, v in self.biases.items()}
        found["saturated"] = self.saturated
        found |= {"ran": self.ran, "stat_steps": np.array(self.stat_steps, np.int64)}
        width = len(WEIGHT_STATISTICS)
        n = len(self.stat_steps)
        found |= {f"stats/{k}": np.array(v[:n]).reshape(-1, width) for k, v in self.stats.items()}
        found |= {f"best/{k}": v for k, v in self.best.items()}
        for slot, values in self.probes.items():
            found |= {f"probes/{slot}/{k}": v for k, v in values.items()}
        for name, blocks in self.spikes.items():
            chosen = [blocks[k] for k in sorted(blocks) if before is None or k < before]
            found[f"spikes/{name}"] = np.concatenate([np.empty((0, 2), np.int64), *chosen])
        return found

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up the arrays of a checkpoint."""
        for name, value in arrays.items():
            kind, _, key = name.partition("/")
            if kind in ("counts", "totals", "snapshots", "biases", "best"):
                getattr(self, kind)[key] = value.copy()
            elif kind == "stats":
                self.stats[key] = list(value)
            elif kind == "spikes":
                self.spikes[key] = {-1: value}
            elif kind == "probes":
                slot, _, what = key.partition("/")
                self.probes.setdefault(int(slot), {})[what] = value
        self.ran = arrays["ran"].copy()
        self.saturated = arrays["saturated"].copy()
        self.stat_steps = arrays["stat_steps"].tolist()


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is: enough to go on as if it had not stopped."""

    position: int
    seconds: float
    state: dict[str, np.ndarray]
    recorded: dict[str, np.ndarray]

    def save(self, folder: Path) -> None:
        """Write to ``folder/checkpoint.npz`` in one step; raise `OSError` if that fails."""
        arrays = {f"recorder/{k}": v for k, v in self.recorded.items()}
        arrays |= {f"state/{k}": v for k, v in self.state.items()}
        arrays |= {"position": np.array(self.position), "seconds": np.array(self.seconds)}
        folder.mkdir(parents=True, exist_ok=True)
        save_arrays(folder / "checkpoint.npz", arrays | {"sha256": np.array(digest(arrays))})

    @classmethod
    def load(cls, folder: Path, state: State, n_slots: int) -> Checkpoint | None:
        """Read a checkpoint that fits `state` and a run of `n_slots`; None without a sound one."""
        arrays = load_arrays(folder / "checkpoint.npz")
        if arrays is None or str(arrays.pop("sha256", "")) != digest(arrays):
            return None
        parts: dict[str, dict] = {"state": {}, "recorder": {}}
        for name, value in arrays.items():
            kind, _, key = name.partition("/")
            if kind in parts:
                parts[kind][key] = value
        fits = {k: v.shape for k, v in parts["state"].items()} == {
            k: v.shape for k, v in state.arrays.items()
        } and all(
            len(parts["recorder"].get(name, ())) == n
            for name, n in (("ran", n_slots), ("saturated", n_slots + 1))
        )
        if not fits:
            return None
        return cls(
            int(arrays["position"]), float(arrays["seconds"]), parts["state"], parts["recorder"]
        )
