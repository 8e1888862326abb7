"""What is seen of weights: statistics over time, how many are at their bound, snapshots."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ...analysis.metrics import (
    WEIGHT_STATISTICS,
    growth_slope,
    saturation,
    weight_entropy,
    weight_statistics,
)
from ...experiment.observer import Found, Metric, Observer, Seen, View
from ...experiment.record import Record
from ...experiment.slots import SlotTable
from ...network.spec import Network, Projection
from ..state import State

#: Weights are looked at for alarms once in so many slots, besides where statistics are taken.
LOOK_EVERY = 64

_PLASTIC = " of all projections with a plasticity rule together"


def plastic(network: Network) -> list[Projection]:
    """Return the projections whose weights learning changes."""
    return [p for p in network.projections if p.rules or network.batch_size]


class WeightStatistics(Observer):
    """Statistics of the weights of every projection, at the borders of phases and in between."""

    name = "weights"
    metrics = (
        Metric("weights", "growth_per_s", "1/s",
               f"slope of a line through the summed weight{_PLASTIC}"),
        Metric("weights", "growth_per_s_error", "1/s",
               "standard error of that slope; under sleep a lower bound"),
        *(
            Metric("weights", pattern, unit, text.format(whose))
            for whole, part, unit, text in (
                ("saturated", "saturated", "fraction",
                 "synapses{} within 1 % of the upper hard bound"),
                ("largest_weight", "largest", "1", "largest weight |w|{}"),
                ("growth", "growth", "1", "summed weight{}, at the end over the start"),
                ("weight_entropy", "entropy", "fraction", "entropy of the histogram of weights{} "
                 "on a logarithmic axis, 1 if all bins are equally full"),
            )
            for pattern, whose in ((whole, _PLASTIC), (rf"{part}_(?P<where>\w+)", " of {where}"))
        ),
    )  # fmt: skip

    def __init__(self, record: Record):
        self._record = record

    def slots(self, table: SlotTable) -> Collection[int]:
        """Return the borders of phases, every n-th slot, start and end of training."""
        slots = {0, table.trained}
        if self._record.weights_at_phases:
            slots |= set(np.flatnonzero(table.onset[: table.trained]).tolist())
        if self._record.weights_every:
            slots |= set(range(0, table.trained, self._record.weights_every))
        return slots

    def due(self, view: View, planned: bool) -> bool:
        """Return whether it looks now: once at a time, though slots are left out."""
        looks = view.recorder.looks.get(self.name)
        repeated = looks and view.recorder.steps_before(max(looks)) == view.step
        return (planned or view.over) and not repeated

    def look(self, view: View) -> Found:
        """Take the statistics of every projection."""
        projections = view.protocol.network.projections
        bounds = {p.name: _bound(p, view.state) for p in projections}
        return {k: weight_statistics(view.state.weights(k), bound) for k, bound in bounds.items()}

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Measure the weights of each projection and of all plastic projections together."""
        metrics: dict[str, float | None] = {}
        first, initial = seen.looks(Snapshots.name)[0], {}
        for p in seen.protocol.network.projections:
            w, bound = seen.state.weights(p.name), _bound(p, seen.state)
            initial[p.name] = float(np.abs(first[f"snapshots/{p.name}"]).sum())
            metrics[f"saturated_{p.name}"] = saturation(w, bound)
            metrics[f"largest_{p.name}"] = float(w.max())
            metrics[f"growth_{p.name}"] = _ratio(w.sum(), initial[p.name])
            metrics[f"entropy_{p.name}"] = weight_entropy(w, max(p.w_min, 0.0), bound)
        if learning := plastic(seen.protocol.network):
            each = [seen.state.weights(p.name) for p in learning]
            w, sizes = np.concatenate(each), [len(own) for own in each]
            low = np.repeat([max(p.w_min, 0.0) for p in learning], sizes)
            bounds = map(_bound, learning, [seen.state] * len(learning))
            high = np.concatenate([*map(np.broadcast_to, bounds, sizes)])
            metrics["saturated"] = saturation(w / high, 1.0)
            metrics["largest_weight"] = float(w.max())
            metrics["growth"] = _ratio(w.sum(), sum(initial[p.name] for p in learning))
            metrics["weight_entropy"] = weight_entropy(w, low, high)
            column = WEIGHT_STATISTICS.index("sum")
            sums = np.sum([seen.series(self.name, p.name)[:, column] for p in learning], axis=0)
            slope, error = growth_slope(seen.times_s(self.name), sums)
            metrics |= {"growth_per_s": defined(slope), "growth_per_s_error": defined(error)}
        return metrics

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return ``stats/PROJECTION``, shape (n_looks, n_statistics), and their times."""
        names = [p.name for p in seen.protocol.network.projections]
        series = {f"stats/{name}": seen.series(self.name, name) for name in names}
        return {"stat_times_s": seen.times_s(self.name), **series}


class Saturation(Observer):
    """How many weights are at their bound, for alarms; nothing of it is kept in a result."""

    name = "saturation"

    def __init__(self, statistics: WeightStatistics):
        self._statistics = statistics

    def slots(self, table: SlotTable) -> Collection[int]:
        """Return the slots before which statistics are taken."""
        return self._statistics.slots(table)

    def due(self, view: View, planned: bool) -> bool:
        """Return whether it looks now; while learning also if that is long ago."""
        last = max(view.recorder.looks.get(self.name, ()), default=-1)
        return planned or (view.slot < view.table.trained and view.slot - last >= LOOK_EVERY)

    def look(self, view: View) -> Found:
        """Return the fraction of the weights of each plastic projection."""
        learning = plastic(view.protocol.network)
        fractions = [
            saturation(view.state.weights(p.name), _bound(p, view.state)) for p in learning
        ]
        return {"fractions": np.array(fractions)}

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return nothing: the statistics say it."""
        return {}


class Snapshots(Observer):
    """All weights and biases at the start, after training, and before chosen slots."""

    name = "snapshots"

    def __init__(self, chosen: tuple[int, ...]):
        self._chosen = chosen

    def slots(self, table: SlotTable) -> Collection[int]:
        """Return the start, the end of training, and the chosen slots."""
        return {0, table.trained, *(slot for slot in self._chosen if slot < len(table))}

    def due(self, view: View, planned: bool) -> bool:
        """Return whether it looks now; an alarm that ends training makes these its last weights."""
        return planned or view.over

    def look(self, view: View) -> Found:
        """Return all weights, signed where they have signs, and the biases there are."""
        arrays, names = view.state.arrays, [p.name for p in view.protocol.network.projections]
        kept = {"snapshots": "w", "biases": "bias"}
        return {
            f"{kind}/{name}": arrays[f"{name}.{variable}"].copy()
            for kind, variable in kept.items()
            for name in names
            if f"{name}.{variable}" in arrays
        }

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return ``snapshots/NAME/PROJECTION``: ``initial``, ``trained``, ``slot_N``; biases."""
        looks = seen.looks(self.name)
        trained = seen.table.trained
        names = {"initial": 0, "trained": trained if trained in looks else max(looks)}
        names |= {f"slot_{slot}": slot for slot in self._chosen if slot in looks}
        return {
            key.replace("/", f"/{name}/", 1): value
            for name, slot in names.items()
            for key, value in looks[slot].items()
        }


def _bound(projection: Projection, state: State) -> float | np.ndarray:
    """Return the largest magnitude of weights: where they have signs, that of each."""
    if projection.sign is not None:
        return projection.w_max
    return projection.bound(state.arrays[f"{projection.name}.w"])


def _ratio(after: float, before: float) -> float | None:
    return float(after / before) if before > 0 else None


def defined(value: float) -> float | None:
    """Return a metric as a result holds it: None where it is not defined."""
    return None if np.isnan(value) else float(value)
