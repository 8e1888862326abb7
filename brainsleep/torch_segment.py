"""One segment of a surrogate-gradient network under way; see `brainsleep.torch_backend`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import snntorch
import torch
from snntorch import functional, surrogate

from .errors import BackendError, SimulationError, explain
from .segment import Recording, Segment
from .state import State, check_finite, variable_name
from .surrogate import SURROGATES, DenseProjection, LeakyPopulation
from .tensor_code import Statements, TensorProcess, TensorRule, see_spikes, si


class Leaky:
    """A layer: snnTorch's neurons, and the activities that gates add to their membranes."""

    def __init__(self, spec: LeakyPopulation, dt: float):
        self.spec, self.dt = spec, dt
        shape = {SURROGATES[spec.surrogate]: spec.steepness}
        gradient = getattr(surrogate, spec.surrogate)(**shape)
        self.lif = snntorch.Leaky(  # as tensors: snnTorch would round numbers to single precision
            beta=torch.tensor(spec.beta, dtype=torch.float64),
            threshold=torch.tensor(spec.v_threshold, dtype=torch.float64),
            spike_grad=gradient,
        )
        self.activities = {
            a.name: (Statements(a.on_step), si(a.parameters), tuple(a.variables))
            for a in spec.activities
        }
        self.variables: dict[str, dict[str, torch.Tensor]] = {}

    def rest(self, v: torch.Tensor) -> None:
        """Set what activities keep a neuron to 0, for membranes of the shape of `v`."""
        self.variables = {
            name: {variable: torch.zeros_like(v) for variable in variables}
            for name, (_, _, variables) in self.activities.items()
        }

    def step(
        self,
        current: torch.Tensor,
        v: torch.Tensor,
        gates: dict[str, float],
        rng: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Go on by one step; return spikes and membranes, shapes (n_images, n_neurons)."""
        for name, (code, numbers, _) in self.activities.items():
            if gates[name]:  # what the activity does to the membrane, as a current in this step
                spec = self.spec
                after = spec.beta * v + current - spec.v_threshold * (v > spec.v_threshold)
                own = self.variables[name]
                names: dict[str, Any] = {
                    **numbers,
                    **own,
                    "dt": self.dt,
                    "v": after,
                    f"{name}_gate": gates[name],
                }
                code(names, after, rng)
                self.variables[name] = {variable: names[variable] for variable in own}
                current = current + (names["v"] - after)
        spiked, v = self.lif(current, v)
        return spiked.to(v.dtype), v  # snnTorch's surrogates give single precision


@dataclass(frozen=True, eq=False)
class Planned:
    """What a weight process does in a slot: at which steps, and the time of an update in s."""

    projection: DenseProjection
    process: TensorProcess
    variables: dict[str, torch.Tensor]
    onset: list[int]
    updates: list[int]
    interval: float


class Run:
    """One segment under way."""

    def __init__(self, backend, state: State, seed: int):
        self.backend, self.spec, self.before = backend, backend.spec, state
        self.rng = torch.Generator(backend.device).manual_seed(int(seed))
        self.w: dict[str, torch.Tensor] = {}
        self.variables: dict[str, list[dict[str, torch.Tensor]]] = {}
        for p in self.spec.projections:
            self.w[p.name] = self._matrix(f"{p.name}.w")
            self.variables[p.name] = [
                {
                    name: self._matrix(variable_name(p.name, each.process.name, name))
                    for name in each.variables
                }
                for each in backend.processes[p.name]
            ]
        self.moments = {
            f"{p.name}.{name}": self._matrix(f"{p.name}.{name}")
            for p in self.spec.projections
            for name in ("adam_mean", "adam_square")
        }
        names = set(self._matrices())
        self.rows = {
            name: self._tensor(value.copy())
            for name, value in state.arrays.items()
            if name not in (*names, "adam.step")
        }
        self.adam_step = float(state.arrays["adam.step"][0])
        spiking = [p for p in self.spec.populations if p.spikes]
        self.counts: dict[str, list[np.ndarray]] = {p.name: [] for p in spiking}
        self.spikes: dict[str, list[np.ndarray]] = {p.name: [] for p in spiking}

    def _matrix(self, name: str) -> torch.Tensor:
        """Return a state array, which is in the order of synapses, as (n_post, n_pre)."""
        projection = self.spec.projection(name.split(".")[0])
        shape = [self.spec.population(end).size for end in (projection.source, projection.target)]
        values = torch.tensor(self.before.arrays[name].reshape(shape).T)  # a copy
        return values.to(self.backend.device, self.backend.dtype).contiguous()

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values).to(self.backend.device, self.backend.dtype)

    # -- phases --------------------------------------------------------------------------------

    def show(self, segment: Segment, first: int, last: int) -> None:
        """Show images side by side, weights as they are."""
        gates = _values(segment, first)
        self._rest()
        if last - first == 1:
            plan = self._plan(segment, first)
            self._onsets(plan)
            self._updates(plan)
        with torch.no_grad():
            spikes = self._forward(segment.stimulus[first:last], int(segment.steps[first]), gates)
        for k in range(first, last):
            self._record(segment, k, {name: s[:, k - first] for name, s in spikes.items()})

    def learn(self, segment: Segment) -> None:
        """Show a batch of images and take a step down the gradient of the loss."""
        batch, gates = segment.batch, _values(segment, 0)
        if batch is None:
            raise BackendError("segment: a slot awake has no batch; give it images and labels")
        self._rest()
        plan = self._plan(segment, 0)
        self._onsets(plan)
        learning = gates["plasticity"] > 0
        with torch.set_grad_enabled(learning):
            for w in self.w.values():
                w.requires_grad_(learning)
            spikes = self._forward(batch.stimulus, int(segment.steps[0]), gates)
            if learning:
                labels = torch.as_tensor(batch.labels).to(self.backend.device)
                self._descend(spikes[self.spec.output], labels, gates["plasticity"])
        for p in self.spec.projections:
            self.w[p.name] = self.w[p.name].detach()
            self._changed(p)
        self._updates(plan)
        self._record(segment, 0, {name: s.detach() for name, s in spikes.items()})

    def sleep(self, segment: Segment, k: int) -> None:
        """Run one copy of the network, without input but for what the input gate lets in.

        It goes on where the slot before left it, if that was sleep, too.
        """
        gates, steps = _values(segment, k), int(segment.steps[k])
        current = self._current(segment.stimulus[k : k + 1], gates)
        v = self._recall()
        quiet = torch.zeros(current.shape[1], dtype=torch.bool, device=current.device)
        found: dict[str, list[torch.Tensor]] = {name: [] for name in v}
        plan = self._plan(segment, k)
        due = {step for each in plan for step in (*each.onset, *each.updates)}
        with torch.no_grad():
            for step in range(steps):
                if step in due:
                    self._onsets(plan, step)
                    self._updates(plan, step)
                flow, before = current, quiet
                for p, layer in zip(self.spec.projections, self.backend.layers, strict=True):
                    drive = flow @ self.w[p.name].T
                    flow, v[p.target] = layer.step(drive, v[p.target], gates, self.rng)
                    spiked = flow[0] > 0
                    if self.backend.rules[p.name]:
                        self._plasticity(p, before, spiked, gates["plasticity"])
                    found[p.target].append(flow)
                    before = spiked
        self._keep(v)
        self._record(segment, k, {name: torch.stack(s) for name, s in found.items()})

    def _recall(self) -> dict[str, torch.Tensor]:
        """Take membranes, traces and what activities keep from the state."""
        for p in self.spec.projections:
            for rule in self.backend.rules[p.name]:
                for role, names in rule.names.items():
                    rule.traces[role] = {n: self._row(_trace(p, rule, role, n)) for n in names}
        v = {}
        for layer in self.backend.layers:
            name = layer.spec.name
            v[name] = self._row(f"{name}.v")[None]
            for activity, (_, _, variables) in layer.activities.items():
                layer.variables[activity] = {
                    k: self._row(variable_name(name, activity, k))[None] for k in variables
                }
        return v

    def _keep(self, v: dict[str, torch.Tensor]) -> None:
        """Put them back."""
        for p in self.spec.projections:
            for rule in self.backend.rules[p.name]:
                for role, traces in rule.traces.items():
                    self.rows |= {_trace(p, rule, role, n): t for n, t in traces.items()}
        for layer in self.backend.layers:
            name = layer.spec.name
            self.rows[f"{name}.v"] = v[name][0]
            for activity, values in layer.variables.items():
                self.rows |= {variable_name(name, activity, k): x[0] for k, x in values.items()}

    def _rest(self) -> None:
        """Forget membranes and traces: awake, every image begins at rest."""
        kept = {
            variable_name(layer.spec.name, activity, k)
            for layer in self.backend.layers
            for activity, (_, _, variables) in layer.activities.items()
            for k in variables
        }
        self.rows = {k: v if k in kept else torch.zeros_like(v) for k, v in self.rows.items()}

    def _row(self, name: str) -> torch.Tensor:
        return self.rows[name].clone()

    # -- parts ---------------------------------------------------------------------------------

    def _current(self, stimulus: np.ndarray, gates: dict[str, float]) -> torch.Tensor:
        source = self.spec.populations[0]
        factor = gates["input"] * source.gain * float(self.spec.dt)
        return self._tensor(stimulus) * factor

    def _forward(
        self, stimulus: np.ndarray, steps: int, gates: dict[str, float]
    ) -> dict[str, torch.Tensor]:
        """Return the spikes of every layer, shape (n_steps, n_images, n_neurons)."""
        flow: torch.Tensor = self._current(stimulus, gates)
        found = {}
        for p, layer in zip(self.spec.projections, self.backend.layers, strict=True):
            drive = flow @ self.w[p.name].T  # of the constant input once, of spikes every step
            v = drive.new_zeros(len(stimulus), drive.shape[-1])
            layer.rest(v)
            spikes = []
            for step in range(steps):
                now = drive[step] if drive.ndim == 3 else drive
                spiked, v = layer.step(now, v, gates, self.rng)
                spikes.append(spiked)
            flow = found[p.target] = torch.stack(spikes)
        return found

    def _descend(self, output: torch.Tensor, labels: torch.Tensor, opening: float) -> None:
        if int(labels.max()) >= output.shape[-1]:
            raise SimulationError(
                explain(
                    f"population '{self.spec.output}': neurons",
                    output.shape[-1],
                    f"at least one for every class, {int(labels.max()) + 1}",
                )
            )
        loss = getattr(functional, self.spec.loss)()(output, labels)
        adam = torch.optim.Adam(self.w.values(), lr=self.spec.learning_rate * opening)
        for name, w in self.w.items():
            adam.state[w] = {
                "step": torch.tensor(self.adam_step),
                "exp_avg": self.moments[f"{name}.adam_mean"],
                "exp_avg_sq": self.moments[f"{name}.adam_square"],
            }
        loss.backward()
        adam.step()
        self.adam_step += 1

    def _changed(self, p) -> None:
        """Keep weights within their bounds, and what processes want to hold after any change."""
        w = self.w[p.name].clamp(-p.w_max, p.w_max)
        for process, variables in self._processes_of(p):
            if process.process.on_change:
                w = _signed(w, process.run("on_change", w.abs(), variables, self.rng))
        self.w[p.name] = w

    def _plasticity(self, p, pre: torch.Tensor, post: torch.Tensor, opening: float) -> None:
        """Let rules see the spikes of a step."""
        before = self.w[p.name]
        after = before.clone()
        see_spikes(self.backend.rules[p.name], after, pre, post, self.rng, bool(opening))
        if opening:
            self.w[p.name] = after if opening == 1 else before + opening * (after - before)
            self._changed(p)

    def _processes_of(self, p) -> Iterator[tuple[TensorProcess, dict[str, torch.Tensor]]]:
        yield from zip(self.backend.processes[p.name], self.variables[p.name], strict=True)

    def _plan(self, segment: Segment, k: int) -> list[Planned]:
        """Return what every weight process does in a slot, in the order of their code."""
        slot, dt = segment.part(k, k + 1), float(self.spec.dt)
        plan = []
        for p in self.spec.projections:
            for process, variables in self._processes_of(p):
                name, period = process.process.name, round(float(process.process.period) / dt)
                onset = slot.onset_times(name).tolist()
                updates, interval = slot.update_times(name, max(1, period))
                seconds = float(interval[0]) * dt
                plan.append(Planned(p, process, variables, onset, updates.tolist(), seconds))
        return plan

    def _onsets(self, plan: list[Planned], step: int | None = None) -> None:
        """Carry out the onset code of processes: all of the slot, or what is due at a step."""
        for each in plan:
            for _ in range(len(each.onset) if step is None else each.onset.count(step)):
                self._carry_out("on_onset", each, 0.0)

    def _updates(self, plan: list[Planned], step: int | None = None) -> None:
        """Carry out the updates of processes: all of the slot, or those due at a step."""
        for each in plan:
            for _ in range(len(each.updates) if step is None else each.updates.count(step)):
                self._carry_out("on_update", each, each.interval)

    def _carry_out(self, label: str, each: Planned, interval: float) -> None:
        w = self.w[each.projection.name]
        found = each.process.run(label, w.abs(), each.variables, self.rng, interval)
        self.w[each.projection.name] = _signed(w, found)
        self._changed(each.projection)

    def _matrices(self) -> dict[str, torch.Tensor]:
        """Return everything that is kept a synapse, by its name in the state."""
        found = dict(self.moments)
        for p in self.spec.projections:
            found[f"{p.name}.w"] = self.w[p.name]
            for process, variables in self._processes_of(p):
                found |= {
                    variable_name(p.name, process.process.name, k): v for k, v in variables.items()
                }
        return found

    # -- results -------------------------------------------------------------------------------

    def _record(self, segment: Segment, k: int, spikes: dict[str, torch.Tensor]) -> None:
        """Count the spikes of a slot; keep single ones (of a batch's first image) if wanted."""
        start = int(segment.starts[k])
        for name, fired in spikes.items():
            counted = fired.sum(dim=tuple(range(fired.ndim - 1)))
            self.counts[name].append(counted.cpu().numpy().astype(np.int32))
            if segment.raster[k]:
                first = fired if fired.ndim == 2 else fired[:, 0]
                step, neuron = first.nonzero(as_tuple=True)
                self.spikes[name].append(np.stack([step.cpu() + start, neuron.cpu()], axis=1))

    def end(self, segment: Segment) -> tuple[State, Recording]:
        """Return the next state and what was recorded."""
        arrays = {"adam.step": np.array([self.adam_step])}
        arrays |= {k: v.cpu().numpy().astype(float) for k, v in self.rows.items()}
        for name, value in self._matrices().items():
            arrays[name] = value.T.cpu().numpy().astype(float).ravel()
        check_finite(arrays, "; lower learning_rate")
        counts = {name: np.stack(found) for name, found in self.counts.items()}
        none = np.empty((0, 2), np.int64)
        spikes = {
            name: tuple(np.concatenate([none, *found]).T) for name, found in self.spikes.items()
        }
        return State(arrays, self.before.parameters, self.before.synapses), Recording(
            counts, spikes
        )


def _trace(projection: DenseProjection, rule: TensorRule, role: str, name: str) -> str:
    """Name the state array of a rule's trace; every projection has its own."""
    return variable_name(projection.name, f"{rule.rule.name}_{role}", name)


def _signed(w: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    return torch.where(w < 0, -magnitude, magnitude)


def _values(segment: Segment, k: int) -> dict[str, float]:
    return {name: float(gate[k]) for name, gate in segment.gates.items()}
