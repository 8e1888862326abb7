"""What is kept of a run while it is under way, in arrays that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ...experiment.observer import Looks
from ...experiment.protocol import Protocol
from ...experiment.slots import SlotTable
from ...files.npz import digest
from ...results.store import load_arrays, save_arrays
from ..segment import Recording, Traced
from ..state import State
from .traces import Traces

#: Arrays by name.
Named = dict[str, np.ndarray]


@dataclass
class Recorder:
    """Arrays that grow with a run.

    Adding a segment a second time changes nothing, so a run that is interrupted anywhere can
    repeat what it was doing.
    """

    #: Spikes of each neuron of every population but inputs, shape (n_slots, n_neurons).
    counts: Named
    #: Spikes of all neurons of a population, shape (n_slots,).
    totals: Named
    #: Steps really run, shape (n_slots,): 0 for the part of a sleep that was left out.
    ran: np.ndarray
    #: Step and neuron of single spikes, shape (n_spikes, 2), a block a segment, by its first slot.
    spikes: dict[str, dict[int, np.ndarray]]
    #: What each observer saw, by the slot before which it looked.
    looks: dict[str, Looks] = field(default_factory=dict)
    #: Synapses that the spikes of a slot reached, by projection and end, such as ``"ee.pre"``,
    #: shape (n_slots,): of inputs it is not known from anything else.
    reached: Named = field(default_factory=dict)
    #: State of the synapses after the epoch that was best so far, with early stopping.
    best: Named = field(default_factory=dict)
    #: State variables over time.
    traces: Traces = field(default_factory=lambda: Traces((), Path()))
    #: Which spikes are kept, tells what was asked for; all that come without.
    spikes_kept: Callable[[str, np.ndarray, np.ndarray], np.ndarray] | None = None

    @classmethod
    def empty(cls, protocol: Protocol, n_slots: int) -> Recorder:
        """Make the recorder of a run of `n_slots` that has not begun."""
        network = protocol.network
        sizes = {p.name: p.size for p in network.populations if p.spikes}
        own = {name: size for name, size in sizes.items() if name not in network.sources}
        return cls(
            counts={name: np.zeros((n_slots, size), np.int32) for name, size in own.items()},
            totals={name: np.zeros(n_slots, np.int64) for name in sizes},
            ran=np.zeros(n_slots, np.int64),
            spikes={name: {} for name in sizes},
            reached={
                f"{p.name}.{end}": np.zeros(n_slots, np.int64)
                for p in network.projections
                for end in ("pre", "post")
            },
        )

    def steps_before(self, slot: int) -> int:
        """Return the time steps that were run before `slot`."""
        return int(self.ran[:slot].sum())

    def add_segment(
        self,
        table: SlotTable,
        first: int,
        last: int,
        recording: Recording,
        traced: Traced | None = None,
        reached: Mapping[str, np.ndarray] = MappingProxyType({}),
    ) -> None:
        """Take up the recording of slots `first` to `last` (exclusive), with what was `traced`.

        And with the synapses that were `reached` in each of them.
        """
        offset = self.steps_before(first)
        self.ran[first:last] = table.steps[first:last]
        for name, counts in recording.counts.items():
            self.totals[name][first:last] = counts.sum(axis=1)
            if name in self.counts:
                self.counts[name][first:last] = counts
        for name, synapses in reached.items():
            self.reached[name][first:last] = synapses
        for name, (step, neuron) in recording.spikes.items():
            if self.spikes_kept and len(step):
                begin = np.cumsum(table.steps[first:last]) - table.steps[first:last]
                slot = first + np.searchsorted(begin, step, side="right") - 1
                kept = self.spikes_kept(name, slot, step + offset)
                step, neuron = step[kept], neuron[kept]
            if len(step):
                self.spikes[name][first] = np.column_stack([step + offset, neuron])
        if traced is not None:
            self.traces.add(first, traced.steps + offset, recording.traces)

    def until(self, last: int) -> Recorder:
        """Return what was recorded of a run that ends before slot `last`."""
        return replace(
            self,
            counts={name: counts[:last] for name, counts in self.counts.items()},
            totals={name: totals[:last] for name, totals in self.totals.items()},
            reached={name: synapses[:last] for name, synapses in self.reached.items()},
            ran=self.ran[:last],
        )

    def arrays(self, before: int | None = None) -> Named:
        """Return what the network did as named arrays; single spikes `before` a slot only."""
        arrays = {f"counts/{k}": v for k, v in self.counts.items()}
        arrays |= {f"totals/{k}": v for k, v in self.totals.items()} | {"ran": self.ran}
        for name, blocks in self.spikes.items():
            chosen = [blocks[k] for k in sorted(blocks) if before is None or k < before]
            arrays[f"spikes/{name}"] = np.concatenate([np.empty((0, 2), np.int64), *chosen])
        return arrays

    def checkpoint(self, before: int) -> Named:
        """Return everything that a run needs to go on from the slot `before`, as named arrays."""
        arrays = self.arrays(before) | {f"best/{k}": v for k, v in self.best.items()}
        arrays |= {f"reached/{k}": v for k, v in self.reached.items()}
        arrays |= {f"traces/{k}": v for k, v in self.traces.arrays(before).items()}
        for name, looks in self.looks.items():
            slots = sorted(looks)
            arrays[f"looks/{name}/slots"] = np.array(slots, np.int64)
            for key in looks[slots[0]] if slots else ():
                arrays[f"looks/{name}/found/{key}"] = np.array([looks[s][key] for s in slots])
        return arrays

    def restore(self, arrays: Named) -> bool:
        """Take up the arrays of a checkpoint, unless the files that go with it are not there."""
        if any(f"reached/{name}" not in arrays for name in self.reached):
            return False
        start = "traces/"
        of_traces = {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}
        if not self.traces.restore(of_traces):
            return False
        for name, value in arrays.items():
            kind, _, key = name.partition("/")
            if kind in ("counts", "totals", "reached", "best"):
                getattr(self, kind)[key] = value.copy()
            elif kind == "spikes":
                self.spikes[key] = {-1: value}
            elif kind == "looks":
                observer, _, what = key.partition("/")
                slots = arrays[f"looks/{observer}/slots"].tolist()
                looks = self.looks.setdefault(observer, {})
                for slot, seen in zip(slots, value, strict=True):
                    looks.setdefault(slot, {})
                    if what != "slots":
                        looks[slot][what.removeprefix("found/")] = seen
        self.ran = arrays["ran"].copy()
        return True


def save_checkpoint(
    folder: Path, position: int, seconds: float, state: Named, recorded: Named
) -> None:
    """Write where a run is to ``folder/checkpoint.npz`` in one step; `OSError` if that fails."""
    arrays = {f"recorder/{k}": v for k, v in recorded.items()}
    arrays |= {f"state/{k}": v for k, v in state.items()}
    arrays |= {"position": np.array(position), "seconds": np.array(seconds)}
    folder.mkdir(parents=True, exist_ok=True)
    save_arrays(folder / "checkpoint.npz", arrays | {"sha256": np.array(digest(arrays))})


def load_checkpoint(
    folder: Path, state: State, n_slots: int
) -> tuple[int, float, Named, Named] | None:
    """Return what was saved; None without a sound checkpoint of `state` and a run of `n_slots`."""
    arrays = load_arrays(folder / "checkpoint.npz")
    if arrays is None or str(arrays.pop("sha256", "")) != digest(arrays):
        return None
    values, recorded = (
        {key.removeprefix(kind): v for key, v in arrays.items() if key.startswith(kind)}
        for kind in ("state/", "recorder/")
    )
    shapes = [{k: v.shape for k, v in each.items()} for each in (values, state.arrays)]
    if shapes[0] != shapes[1] or len(recorded.get("ran", ())) != n_slots:
        return None
    return int(arrays["position"]), float(arrays["seconds"]), values, recorded
