"""One segment of a surrogate-gradient network under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import linear

from ...network.layers import DenseProjection
from ...run.segment import Recording, Segment
from ...run.state import MOMENTS, State, check_finite, variable_name
from .layer import loss
from .tensor_code import TensorProcess, changes_in_copies, see_spikes


class TimedProcess(NamedTuple):
    """What a weight process does in a slot: by code, at which steps, each for how many seconds."""

    projection: DenseProjection
    process: TensorProcess
    due: dict[str, tuple[list[int], float]]


class SegmentRun:
    """One segment under way; `values` is the state, by the names of its arrays."""

    def __init__(self, backend, state: State, seed: int):
        self.backend, self.spec, self.before = backend, backend.spec, state
        self.rng = torch.Generator(backend.device).manual_seed(int(seed))
        self._shapes: dict[str, tuple[int, int]] = {}  # of what is kept a synapse: (n_pre, n_post)
        sizes = {p.name: p.size for p in self.spec.populations}
        for p in self.spec.projections:
            names = [f"{p.name}.{name}" for name in ("w", *MOMENTS)]
            for process in backend.processes[p.name]:
                own = process.process.name
                names += [variable_name(p.name, own, name) for name in process.variables]
            self._shapes |= dict.fromkeys(names, (sizes[p.source], sizes[p.target]))
        self.values: dict[str, torch.Tensor] = {}
        for name, array in state.arrays.items():
            if shape := self._shapes.get(name):  # in the order of synapses; here (n_post, n_pre)
                self.values[name] = self._tensor(array.reshape(shape).copy()).T
            else:
                self.values[name] = self._tensor(array.copy())
        spiking = [p.name for p in self.spec.populations if p.spikes]
        self.counts: dict[str, list[np.ndarray]] = {name: [] for name in spiking}
        self.spikes: dict[str, list[np.ndarray]] = {name: [] for name in spiking}

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values).to(self.backend.device, self.backend.dtype)

    # -- phases --------------------------------------------------------------------------------

    def show(self, segment: Segment, first: int, last: int) -> None:
        """Show images side by side, weights as they are."""
        gates = _values(segment, first)
        self._rest()
        plan = self._plan(segment, first)  # with several images no process runs
        self._carry_out("on_onset", plan)
        self._carry_out("on_update", plan)
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
        self._carry_out("on_onset", plan)
        learning = gates["plasticity"] > 0
        parameters = [
            name
            for p in self.spec.projections
            for name in (f"{p.name}.w", f"{p.name}.bias")
            if name in self.values
        ]
        with torch.set_grad_enabled(learning):
            for name in parameters:
                self.values[name].requires_grad_(learning)
            spikes = self._forward(batch.stimulus, int(segment.steps[0]), gates)
            if learning:
                labels = torch.as_tensor(batch.labels).to(self.backend.device)
                rate = self.spec.learning_rate * gates["plasticity"]
                self._descend(parameters, spikes[self.spec.output], labels, rate)
        self.values |= {name: self.values[name].detach() for name in parameters}
        for p in self.spec.projections:
            self._changed(p)
        self._carry_out("on_update", plan)
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
        fired: dict[str, list[torch.Tensor]] = {name: [] for name in v}
        plan = self._plan(segment, k)
        due = {step for each in plan for steps, _ in each.due.values() for step in steps}
        for step in range(int(segment.steps[k])):
            if step in due:
                self._carry_out("on_onset", plan, step)
                self._carry_out("on_update", plan, step)
            drive = self._drive(self.spec.projections[0], current)
            before = torch.zeros_like(current[0])
            for p, spiked in self._step(drive, v, gates):
                if self.backend.rules[p.name]:
                    self._plasticity(p, before, spiked[0], gates["plasticity"])
                fired[p.target].append(spiked)
                before = spiked[0]
        self.values |= {key: traces[name] for traces, name, key in self._traces()}
        self.values |= {f"{name}.v": each[0] for name, each in v.items()}
        self._keep_variables()
        self._record(segment, k, {name: torch.stack(s) for name, s in fired.items()})

    def _sleep_in_copies(self, segment: Segment, k: int) -> None:
        """Run copies from rest; change once, by the mean of what rules would do in them."""
        gates, copies = _values(segment, k), self.spec.sleeping_copies
        self._rest()
        plan = self._plan(segment, k)
        self._carry_out("on_onset", plan)
        current = self._current(segment.stimulus[k : k + 1], gates).expand(copies, -1)
        drive = self._drive(self.spec.projections[0], current)
        v = self._recall(copies)
        fired: dict[str, list[torch.Tensor]] = {name: [] for name in v}
        rules = self.backend.rules if gates["plasticity"] else {}
        w = {p.name: self.values[f"{p.name}.w"] for p in self.spec.projections}
        changes = {name: torch.zeros_like(w[name]) for name, each in rules.items() if each}
        for _ in range(int(segment.steps[k])):
            before = torch.zeros_like(current)
            for p, spiked in self._step(drive, v, gates):
                if p.name in changes:
                    changes[p.name] += changes_in_copies(
                        rules[p.name], w[p.name], before, spiked, self.rng
                    )
                fired[p.target].append(spiked[:1])
                before = spiked
        for p in self.spec.projections:
            if p.name in changes:
                self.values[f"{p.name}.w"] = w[p.name] + gates["plasticity"] * changes[p.name]
                self._changed(p)
        self._carry_out("on_update", plan)
        self._keep_variables()
        self._record(segment, k, {name: torch.stack(s) for name, s in fired.items()})

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

    def _traces(self) -> Iterator[tuple[dict[str, torch.Tensor], str, str]]:
        """Give every trace: where it is, its name there and in the state."""
        for p in self.spec.projections:
            for rule in self.backend.rules[p.name]:
                for role, names in rule.names.items():
                    for name in names:
                        key = variable_name(p.name, f"{rule.rule.name}_{role}", name)
                        yield rule.traces[role], name, key

    def _variables(self) -> Iterator[tuple[dict[str, torch.Tensor], str, str]]:
        """Give everything that activities keep, likewise."""
        for layer in self.backend.layers:
            for activity, (_, _, variables) in layer.activities.items():
                for name in variables:
                    key = variable_name(layer.spec.name, activity, name)
                    yield layer.variables[activity], name, key

    def _recall(self, copies: int = 0) -> dict[str, torch.Tensor]:
        """Take membranes, traces and what activities keep from the state, the same in all copies.

        Membranes have a row a copy, or one; traces have no rows without copies.
        """
        for traces, name, key in self._traces():
            trace = self.values[key]
            traces[name] = trace.repeat(copies, 1) if copies else trace.clone()
        for variables, name, key in self._variables():
            variables[name] = self.values[key].repeat(copies or 1, 1)
        names = [layer.spec.name for layer in self.backend.layers]
        return {name: self.values[f"{name}.v"].repeat(copies or 1, 1) for name in names}

    def _keep_variables(self) -> None:
        """Put back what activities keep, of copies the first one's."""
        self.values |= {key: variables[name][0] for variables, name, key in self._variables()}

    def _rest(self) -> None:
        """Forget membranes and traces: awake, every image begins at rest."""
        membranes = [f"{layer.spec.name}.v" for layer in self.backend.layers]
        for key in (*membranes, *(key for *_, key in self._traces())):
            self.values[key] = torch.zeros_like(self.values[key])

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
        spikes = {}
        for p, layer in zip(self.spec.projections, self.backend.layers, strict=True):
            drive = self._drive(p, flow)  # of the constant input once, of spikes every step
            flow = spikes[p.target] = layer.steps(drive, steps, gates, self.rng)
        return spikes

    def _drive(self, p: DenseProjection, flow: torch.Tensor) -> torch.Tensor:
        """Return the current that a projection gives its target."""
        return linear(
            flow, self.values[f"{p.name}.w"].contiguous(), self.values.get(f"{p.name}.bias")
        )

    def _descend(
        self, parameters: list[str], output: torch.Tensor, labels: torch.Tensor, rate: float
    ) -> None:
        """Change parameters by a step of Adam, whose moments are in the state."""
        tensors = {name: self.values[name] for name in parameters}
        adam = torch.optim.Adam(tensors.values(), lr=rate, fused=True)
        for name, tensor in tensors.items():
            prefix = name.replace(".bias", ".bias_").removesuffix("w")
            mean, square = (self.values[prefix + moment] for moment in MOMENTS)
            step = torch.tensor(float(self.values["adam.step"]), device=self.backend.device)
            adam.state[tensor] = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
        loss(self.spec.loss, output, labels).backward()
        adam.step()
        self.values["adam.step"] += 1

    def _changed(self, p: DenseProjection) -> None:
        """Keep weights within their bounds, and what processes want to hold after any change."""
        self.values[f"{p.name}.w"] = self.values[f"{p.name}.w"].clamp(-p.w_max, p.w_max)
        for process in self.backend.processes[p.name]:
            if process.process.on_change:
                self._act("on_change", p, process)

    def _act(
        self, moment: str, p: DenseProjection, process: TensorProcess, interval: float = 0.0
    ) -> None:
        """Let a process change the magnitudes of weights."""
        w = self.values[f"{p.name}.w"]
        keys = {
            name: variable_name(p.name, process.process.name, name) for name in process.variables
        }
        own = {name: self.values[key] for name, key in keys.items()}
        magnitude = process.run(moment, w.abs(), own, self.rng, interval)
        self.values |= {key: own[name] for name, key in keys.items()}
        self.values[f"{p.name}.w"] = torch.where(w < 0, -magnitude, magnitude)

    def _plasticity(
        self, p: DenseProjection, pre: torch.Tensor, post: torch.Tensor, opening: float
    ) -> None:
        """Let rules see the spikes of a step."""
        before = self.values[f"{p.name}.w"]
        after = before.clone()
        see_spikes(self.backend.rules[p.name], after, pre, post, self.rng, bool(opening))
        if opening:
            whole = opening == 1
            self.values[f"{p.name}.w"] = after if whole else before + opening * (after - before)
            self._changed(p)

    def _plan(self, segment: Segment, k: int) -> list[TimedProcess]:
        """Return what every weight process does in a slot, in the order of their code."""
        slot, dt = segment.part(k, k + 1), float(self.spec.dt)
        plan = []
        for p in self.spec.projections:
            for process in self.backend.processes[p.name]:
                name, period = process.process.name, round(float(process.process.period) / dt)
                updates, interval = slot.update_times(name, max(1, period))
                due = {
                    "on_onset": (slot.onset_times(name).tolist(), 0.0),
                    "on_update": (updates.tolist(), float(interval[0]) * dt),
                }
                plan.append(TimedProcess(p, process, due))
        return plan

    def _carry_out(self, moment: str, plan: list[TimedProcess], step: int | None = None) -> None:
        """Carry out onsets or updates of processes: all of the slot, or what is due at a step."""
        for each in plan:
            steps, interval = each.due[moment]
            for _ in range(len(steps) if step is None else steps.count(step)):
                self._act(moment, each.projection, each.process, interval)
                self._changed(each.projection)

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
        arrays = {
            name: (value.T if name in self._shapes else value).cpu().numpy().astype(float).ravel()
            for name, value in self.values.items()
        }
        check_finite(arrays, "; lower learning_rate")
        counts = {name: np.stack(counted) for name, counted in self.counts.items()}
        none = np.empty((0, 2), np.int64)
        spikes = {
            name: tuple(np.concatenate([none, *parts]).T) for name, parts in self.spikes.items()
        }
        state = State(arrays, self.before.parameters, self.before.synapses)
        return state, Recording(counts, spikes)


def _values(segment: Segment, k: int) -> dict[str, float]:
    return {name: float(gate[k]) for name, gate in segment.gates.items()}
