"""What is kept of a run while it is under way, in arrays that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ...experiment.observer import Looks
from ...experiment.protocol import Protocol
from ...experiment.slots import SlotTable
from ...experiment.traces import STEPS
from ...files.npz import digest
from ...results.store import load_arrays, save_arrays
from ..segment import Recording, Traced
from ..state import State
from .growing import GrowingArrays

#: Arrays by name.
Named = dict[str, np.ndarray]


@dataclass(frozen=True)
class Kept:
    """What the course of a run keeps of the last change of the state that it made."""

    slot: int = -1  #: the slot before which that was; -1 for none yet
    arrays: Mapping[str, np.ndarray] = MappingProxyType({})

    def named(self) -> Named:
        """Return it for a checkpoint."""
        at = {"kept_at": np.array(self.slot)}
        return at | {f"kept/{k}": v for k, v in self.arrays.items()}

    @classmethod
    def of(cls, recorded: Named) -> Kept:
        """Read what a checkpoint has of it; one of an earlier version has nothing."""
        start = "kept/"
        held = {k.removeprefix(start): v for k, v in recorded.items() if k.startswith(start)}
        return cls(int(recorded.get("kept_at", -1)), held)


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
    #: Step and neuron of single spikes, shape (n_spikes, 2).
    spikes: dict[str, GrowingArrays]
    #: What each observer saw, by the slot before which it looked.
    looks: dict[str, Looks] = field(default_factory=dict)
    #: Synapses that the spikes of a slot reached, by projection and end, such as ``"ee.pre"``,
    #: shape (n_slots,): of inputs it is not known from anything else.
    reached: Named = field(default_factory=dict)
    #: State of the synapses after the epoch that was best so far, with early stopping.
    best: Named = field(default_factory=dict)
    #: State variables over time, and the steps of the run at which they were taken.
    traces: GrowingArrays = field(default_factory=lambda: GrowingArrays((), Path()))
    #: Step and neuron of recorded events, shape (n_events, 2), and values of variables with each.
    events: dict[str, GrowingArrays] = field(default_factory=dict)
    #: At which steps of the run events are kept; at all without.
    events_kept: Callable[[np.ndarray], np.ndarray] | None = None
    #: Which spikes are kept, tells what was asked for; all that come without.
    spikes_kept: Callable[[str, np.ndarray, np.ndarray], np.ndarray] | None = None

    @classmethod
    def empty(
        cls, protocol: Protocol, n_slots: int, traced: Sequence[str] = (), folder: Path = Path()
    ) -> Recorder:
        """Make the recorder of a run of `n_slots` that has not begun.

        It records the variables that are `traced`; what is much goes into files in `folder`.
        """
        network = protocol.network
        sizes = {p.name: p.size for p in network.populations if p.spikes}
        own = {name: size for name, size in sizes.items() if name not in network.sources}
        return cls(
            counts={name: np.zeros((n_slots, size), np.int32) for name, size in own.items()},
            totals={name: np.zeros(n_slots, np.int64) for name in sizes},
            ran=np.zeros(n_slots, np.int64),
            spikes={name: GrowingArrays((name,), folder / "spikes") for name in sizes},
            traces=GrowingArrays((STEPS, *traced) if traced else (), folder / "traces"),
            events={
                name: GrowingArrays((name, *(f"{name}.{k}" for k in each)), folder / "events")
                for name, each in protocol.record.events.items()
            },
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
            pairs = np.column_stack([step + offset, neuron]).astype(np.int64)
            self.spikes[name].add(first, {name: pairs})
        for name, arrays in self.events.items():
            noted = recording.events[name]
            steps = noted.steps + offset
            kept = np.ones(len(steps), bool)
            if self.events_kept is not None:
                kept = self.events_kept(steps)
            block = {name: np.column_stack([steps, noted.neurons]).astype(np.int64)[kept]}
            values = {f"{name}.{k}": each[kept] for k, each in noted.values.items()}
            arrays.add(first, block | {k: values[k] for k in arrays.names[1:]})
        if traced is not None:
            steps = (traced.steps + offset).astype(np.int64)
            self.traces.add(first, {STEPS: steps, **recording.traces})

    @property
    def held(self) -> int:
        """Bytes of traces, single spikes and events in memory."""
        return sum(each.held for each in self._growing)

    @property
    def _growing(self) -> tuple[GrowingArrays, ...]:
        return (self.traces, *self.spikes.values(), *self.events.values())

    def spill(self) -> None:
        """Write what grows to files; `OSError` if that fails, and nothing is lost."""
        for each in self._growing:
            each.spill()

    def files(self) -> dict[str, dict[str, Path]]:
        """Return files of a run that is over, by kind and name; of spikes what they spilled."""
        spilled = [each for each in self.spikes.values() if each.on_disk]
        of_spikes = {k: path for each in spilled for k, path in each.files().items()}
        of_events = {k: path for each in self.events.values() for k, path in each.files().items()}
        return {"traces": self.traces.files(), "spikes": of_spikes, "events": of_events}

    def until(self, last: int) -> Recorder:
        """Return what was recorded of a run that ends before slot `last`."""
        return replace(
            self,
            counts={name: counts[:last] for name, counts in self.counts.items()},
            totals={name: totals[:last] for name, totals in self.totals.items()},
            reached={name: synapses[:last] for name, synapses in self.reached.items()},
            ran=self.ran[:last],
        )

    def arrays(self) -> Named:
        """Return what the network did as named arrays; spikes on disk are read when looked at."""
        none = np.empty((0, 2), np.int64)
        spikes = {name: each.whole(name) for name, each in self.spikes.items()}
        recorded = {f"spikes/{k}": none if v is None else v for k, v in spikes.items()}
        return self._by_slot() | recorded

    def _by_slot(self) -> Named:
        arrays = {f"counts/{k}": v for k, v in self.counts.items()}
        return arrays | {f"totals/{k}": v for k, v in self.totals.items()} | {"ran": self.ran}

    def checkpoint(self, before: int) -> Named:
        """Return everything that a run needs to go on from the slot `before`, as named arrays."""
        arrays = self._by_slot() | {f"best/{k}": v for k, v in self.best.items()}
        arrays |= {f"reached/{k}": v for k, v in self.reached.items()}
        arrays["traces/rows"] = np.array(self.traces.on_disk)
        arrays |= {f"traces/held/{k}": v for k, v in self.traces.held_before(before).items()}
        for name, spikes in self.spikes.items():
            arrays[f"spilled/{name}"] = np.array(spikes.on_disk)
            arrays |= {f"spikes/{k}": v for k, v in spikes.held_before(before).items()}
        for name, events in self.events.items():
            arrays[f"events/{name}/rows"] = np.array(events.on_disk)
            held = events.held_before(before)
            arrays |= {f"events/{name}/held/{k}": v for k, v in held.items()}
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
        start = "traces/held/"
        held = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
        kept = [(self.traces, int(arrays.get("traces/rows", 0)), held)]
        for name, spikes in self.spikes.items():
            held = {k: arrays[f"spikes/{k}"] for k in (name,) if f"spikes/{k}" in arrays}
            kept.append((spikes, int(arrays.get(f"spilled/{name}", 0)), held))
        for name, events in self.events.items():
            start = f"events/{name}/held/"
            held = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
            kept.append((events, int(arrays.get(f"events/{name}/rows", 0)), held))
        if not all(each.has(rows) for each, rows, _ in kept):
            return False
        for each, rows, held in kept:
            each.restore(rows, held)
        for name, value in arrays.items():
            kind, _, key = name.partition("/")
            if kind in ("counts", "totals", "reached", "best"):
                getattr(self, kind)[key] = value.copy()
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
