"""One segment of a surrogate-gradient network under way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import linear

from ...network.layers import DenseProjection
from ...run.segment import Recording, Segment
from ...run.state import MOMENTS, State, check_finite, variable_name
from .layer import loss
from .tensor_code import TensorProcess, TensorRule, changes_in_copies, see_spikes


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
        self.bias: dict[str, torch.Tensor] = {}
        self.variables: dict[str, list[dict[str, torch.Tensor]]] = {}
        for p in self.spec.projections:
            self.w[p.name] = self._matrix(f"{p.name}.w")
            if p.bias:
                self.bias[p.name] = self._vector(f"{p.name}.bias")
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
            for name in MOMENTS
        }
        self.moments |= {
            f"{p}.bias_{name}": self._vector(f"{p}.bias_{name}")
            for p in self.bias
            for name in MOMENTS
        }
        self.rows: dict[str, torch.Tensor] = {}
        others = {"adam.step", *self._matrices(), *self._vectors()}
        self.rows = {name: self._vector(name) for name in state.arrays if name not in others}
        self.adam_step = float(state.arrays["adam.step"][0])
        spiking = [p for p in self.spec.populations if p.spikes]
        self.counts: dict[str, list[np.ndarray]] = {p.name: [] for p in spiking}
        self.spikes: dict[str, list[np.ndarray]] = {p.name: [] for p in spiking}

    def _matrix(self, name: str) -> torch.Tensor:
        """Return a state array, which is in the order of synapses, as (n_post, n_pre)."""
        projection = self.spec.projection(name.split(".")[0])
        shape = [self.spec.population(end).size for end in (projection.source, projection.target)]
        return self._tensor(self.before.arrays[name].reshape(shape).copy()).T

    def _vector(self, name: str) -> torch.Tensor:
        """Return a state array as it is, a copy."""
        return self._tensor(self.before.arrays[name].copy())

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
        assert batch is not None  # `check_segment` has seen to it
        self._rest()
        plan = self._plan(segment, 0)
        self._onsets(plan)
        learning = gates["plasticity"] > 0
        with torch.set_grad_enabled(learning):
            for parameter in (*self.w.values(), *self.bias.values()):
                parameter.requires_grad_(learning)
            spikes = self._forward(batch.stimulus, int(segment.steps[0]), gates)
            if learning:
                labels = torch.as_tensor(batch.labels).to(self.backend.device)
                self._descend(spikes[self.spec.output], labels, gates["plasticity"])
        self.bias = {name: bias.detach() for name, bias in self.bias.items()}
        for p in self.spec.projections:
            self.w[p.name] = self.w[p.name].detach()
            self._changed(p)
        self._updates(plan)
        self._record(segment, 0, {name: s.detach() for name, s in spikes.items()})

    def sleep(self, segment: Segment, k: int) -> None:
        """Run the network, or its copies, without input but for what the input gate lets in."""
        with torch.no_grad():
            if self.spec.sleeping_copies:
                self._sleep_in_copies(segment, k)
            else:
                self._sleep_itself(segment, k)

    def _sleep_itself(self, segment: Segment, k: int) -> None:
        """Go on where the slot before left it, if that was sleep, too; change in every step."""
        gates = _values(segment, k)
        current = self._current(segment.stimulus[k : k + 1], gates)
        v = self._recall()
        found: dict[str, list[torch.Tensor]] = {name: [] for name in v}
        plan = self._plan(segment, k)
        due = {step for each in plan for step in (*each.onset, *each.updates)}
        for step in range(int(segment.steps[k])):
            if step in due:
                self._onsets(plan, step)
                self._updates(plan, step)
            drive = self._drive(self.spec.projections[0], current)
            before = torch.zeros_like(current[0])
            for p, spiked in self._step(drive, v, gates):
                if self.backend.rules[p.name]:
                    self._plasticity(p, before, spiked[0], gates["plasticity"])
                found[p.target].append(spiked)
                before = spiked[0]
        self._keep(v)
        self._record(segment, k, {name: torch.stack(s) for name, s in found.items()})

    def _sleep_in_copies(self, segment: Segment, k: int) -> None:
        """Run copies from rest; change once, by the mean of what rules would do in them."""
        gates, copies = _values(segment, k), self.spec.sleeping_copies
        self._rest()
        plan = self._plan(segment, k)
        self._onsets(plan)
        current = self._current(segment.stimulus[k : k + 1], gates).expand(copies, -1)
        drive = self._drive(self.spec.projections[0], current)
        v = self._recall(copies)
        found: dict[str, list[torch.Tensor]] = {name: [] for name in v}
        rules = self.backend.rules if gates["plasticity"] else {}
        changes = {name: torch.zeros_like(self.w[name]) for name, each in rules.items() if each}
        for _ in range(int(segment.steps[k])):
            before = torch.zeros_like(current)
            for p, spiked in self._step(drive, v, gates):
                if p.name in changes:
                    mine, w = rules[p.name], self.w[p.name]
                    changes[p.name] += changes_in_copies(mine, w, before, spiked, self.rng)
                found[p.target].append(spiked[:1])
                before = spiked
        for p in self.spec.projections:
            if p.name in changes:
                self.w[p.name] = self.w[p.name] + gates["plasticity"] * changes[p.name]
                self._changed(p)
        self._updates(plan)
        self._keep_variables()
        self._record(segment, k, {name: torch.stack(s) for name, s in found.items()})

    def _step(
        self, drive: torch.Tensor, v: dict[str, torch.Tensor], gates: dict[str, float]
    ) -> Iterator[tuple[DenseProjection, torch.Tensor]]:
        """Go on by a step, layer by layer; give every projection and the spikes of its target.

        `drive` is the current of the first layer.
        """
        projections = self.spec.projections
        followed = (*projections[1:], None)
        for p, after, layer in zip(projections, followed, self.backend.layers, strict=True):
            spiked, v[p.target] = layer.step(drive, v[p.target], gates, self.rng)
            yield p, spiked
            if after:
                drive = self._drive(after, spiked)

    def _recall(self, copies: int = 0) -> dict[str, torch.Tensor]:
        """Take membranes, traces and what activities keep from the state, the same in all copies.

        Membranes have a row a copy, or one; traces have no rows without copies.
        """

        def row(name: str, copies: int) -> torch.Tensor:
            return self.rows[name].repeat(copies, 1) if copies else self.rows[name].clone()

        for p in self.spec.projections:
            for rule in self.backend.rules[p.name]:
                for role, names in rule.names.items():
                    rule.traces[role] = {n: row(_trace(p, rule, role, n), copies) for n in names}
        v = {}
        for layer in self.backend.layers:
            name, several = layer.spec.name, copies or 1
            v[name] = row(f"{name}.v", several)
            for activity, (_, _, variables) in layer.activities.items():
                layer.variables[activity] = {
                    k: row(variable_name(name, activity, k), several) for k in variables
                }
        return v

    def _keep(self, v: dict[str, torch.Tensor]) -> None:
        """Put them back."""
        for p in self.spec.projections:
            for rule in self.backend.rules[p.name]:
                for role, traces in rule.traces.items():
                    self.rows |= {_trace(p, rule, role, n): t for n, t in traces.items()}
        self.rows |= {f"{name}.v": each[0] for name, each in v.items()}
        self._keep_variables()

    def _keep_variables(self) -> None:
        """Put back what activities keep, of copies the first one's."""
        for layer in self.backend.layers:
            name = layer.spec.name
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
            drive = self._drive(p, flow)  # of the constant input once, of spikes every step
            flow = found[p.target] = layer.steps(drive, steps, gates, self.rng)
        return found

    def _drive(self, p: DenseProjection, flow: torch.Tensor) -> torch.Tensor:
        """Return the current that a projection gives its target."""
        return linear(flow, self.w[p.name].contiguous(), self.bias.get(p.name))

    def _descend(self, output: torch.Tensor, labels: torch.Tensor, opening: float) -> None:
        parameters = {f"{name}.": w for name, w in self.w.items()}
        parameters |= {f"{name}.bias_": bias for name, bias in self.bias.items()}
        adam = torch.optim.Adam(
            parameters.values(), lr=self.spec.learning_rate * opening, fused=True
        )
        for name, parameter in parameters.items():
            adam.state[parameter] = {
                "step": torch.tensor(self.adam_step, device=self.backend.device),
                "exp_avg": self.moments[f"{name}adam_mean"],
                "exp_avg_sq": self.moments[f"{name}adam_square"],
            }
        loss(self.spec.loss, output, labels).backward()
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
        found = {name: each for name, each in self.moments.items() if each.ndim == 2}
        for p in self.spec.projections:
            found[f"{p.name}.w"] = self.w[p.name]
            for process, variables in self._processes_of(p):
                found |= {
                    variable_name(p.name, process.process.name, k): v for k, v in variables.items()
                }
        return found

    def _vectors(self) -> dict[str, torch.Tensor]:
        """Return everything that is kept a neuron, by its name in the state."""
        found = {name: each for name, each in self.moments.items() if each.ndim == 1}
        return found | {f"{p}.bias": bias for p, bias in self.bias.items()} | self.rows

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
        arrays |= {k: v.cpu().numpy().astype(float) for k, v in self._vectors().items()}
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
