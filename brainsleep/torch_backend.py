"""The backend of surrogate-gradient networks: `SurrogateNetwork` on torch, CPU or GPU.

Like every backend it is a pure function of state, segment and seed. A slot begins with all
membranes at rest. Awake, a batch of images is shown and the weights take one step of gradient
descent; in sleep one copy of the network runs without input, with the activities, plasticity rules
and weight processes whose gates are open; in the test phase weights stay as they are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from .errors import BackendError, MissingExtraError, SimulationError, explain, one_line
from .segment import Capacity, Recording, Segment
from .state import State
from .surrogate import SURROGATES, LeakyPopulation, SurrogateNetwork

try:
    import snntorch
    import torch
    from snntorch import functional, surrogate
except ImportError as error:
    raise MissingExtraError(
        f"surrogate-gradient network: needs {error.name}: pip install 'brainsleep[surrogate]'"
    ) from error

from .tensor_code import Statements, TensorProcess, TensorRule, si

#: Images tested together.
_TOGETHER = 128


class TorchBackend:
    """A surrogate-gradient network, run by torch on one device.

    Parameters
    ----------
    spec : SurrogateNetwork
        The network.
    device : {"cpu", "cuda"}
        Where it runs. On the CPU one thread is used: the same sums in the same order everywhere,
        and several runs side by side.

    Raises
    ------
    BackendError
        If there is no such device here.
    """

    build_seconds = 0.0

    def __init__(self, spec: SurrogateNetwork, device: str = "cpu"):
        if device == "cuda" and not torch.cuda.is_available():
            raise BackendError(
                "backend torch-cuda: torch finds no GPU here (driver, or a build of torch for "
                "CPUs only); use --backend torch"
            )
        self.spec, self.device = spec, torch.device(device)
        self.capacity = Capacity(slots=_TOGETHER, steps=2**40)
        self.dtype = getattr(torch, spec.precision)
        self.layers = [_Leaky(layer, float(spec.dt)) for layer in spec.populations[1:]]
        for layer in self.layers:
            layer.lif.to(self.device, self.dtype)
        self.processes = {
            p.name: [TensorProcess(each, p.w_min, p.w_max) for each in p.processes]
            for p in spec.projections
        }
        self.rules = {
            p.name: [TensorRule(rule, p.w_max, float(spec.dt)) for rule in p.rules]
            for p in spec.projections
        }

    def advance(self, state: State, segment: Segment, seed: int) -> tuple[State, Recording]:
        """Run `segment` from `state`; see `brainsleep.backend.make_backend`."""
        with _one_thread(), _torch_errors():
            run = _Run(self, state, seed)
            k = 0
            while k < len(segment):
                last = k + 1
                if segment.phase[k] == "sleep":
                    run.sleep(segment, k)
                elif segment.batch is not None:
                    run.learn(segment)
                else:
                    while last < len(segment) and _alike(segment, k, last):
                        last += 1
                    run.show(segment, k, last)
                k = last
            return run.end(segment)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _torch_errors() -> Iterator[None]:
    """Turn what torch refuses, such as more memory than the GPU has, into a `SimulationError`."""
    try:
        yield
    except RuntimeError as error:
        raise SimulationError(f"backend torch: {one_line(error)}") from error


def _alike(segment: Segment, k: int, other: int) -> bool:
    """Tell whether two slots can be shown side by side."""
    return (
        segment.phase[other] == segment.phase[k] == "test"
        and segment.steps[other] == segment.steps[k]
        and all(gate[other] == gate[k] for gate in segment.gates.values())
    )


class _Leaky:
    """A layer: snnTorch's neurons, and the activities that gates add to their membranes."""

    def __init__(self, spec: LeakyPopulation, dt: float):
        self.spec, self.dt = spec, dt
        shape = {SURROGATES[spec.surrogate]: spec.steepness}
        gradient = getattr(surrogate, spec.surrogate)(**shape)
        self.lif = snntorch.Leaky(beta=spec.beta, threshold=spec.v_threshold, spike_grad=gradient)
        self.activities = {
            a.name: (Statements(a.on_step), si(a.parameters), tuple(a.variables))
            for a in spec.activities
        }
        self.variables: dict[str, dict[str, torch.Tensor]] = {}

    def rest(self, v: torch.Tensor) -> None:
        """Set what activities keep a neuron to 0; a slot begins."""
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
                names = {**numbers, **own, "dt": self.dt, "v": after, f"{name}_gate": gates[name]}
                code(names, after, rng)
                self.variables[name] = {variable: names[variable] for variable in own}
                current = current + (names["v"] - after)
        return self.lif(current, v)


class _Run:
    """One segment under way."""

    def __init__(self, backend: TorchBackend, state: State, seed: int):
        self.backend, self.spec, self.before = backend, backend.spec, state
        self.rng = torch.Generator(backend.device).manual_seed(int(seed))
        self.w: dict[str, torch.Tensor] = {}
        self.variables: dict[str, list[dict[str, torch.Tensor]]] = {}
        for p in self.spec.projections:
            self.w[p.name] = self._matrix(f"{p.name}.w")
            self.variables[p.name] = [
                {name: self._matrix(variable_name(p, each, name)) for name in each.variables}
                for each in backend.processes[p.name]
            ]
        self.moments = {
            f"{p.name}.{name}": self._matrix(f"{p.name}.{name}")
            for p in self.spec.projections
            for name in ("adam_mean", "adam_square")
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
        if last - first == 1:
            self._processes(segment, first, 0)
        with torch.no_grad():
            spikes = self._forward(segment.stimulus[first:last], int(segment.steps[first]), gates)
        for k in range(first, last):
            self._record(segment, k, {name: s[:, k - first] for name, s in spikes.items()})

    def learn(self, segment: Segment) -> None:
        """Show a batch of images and take a step down the gradient of the loss."""
        batch, gates = segment.batch, _values(segment, 0)
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
        self._processes(segment, 0, 0)
        self._record(segment, 0, {name: s.detach() for name, s in spikes.items()})

    def sleep(self, segment: Segment, k: int) -> None:
        """Run one copy of the network, without input but for what the input gate lets in."""
        gates, steps = _values(segment, k), int(segment.steps[k])
        current = self._current(segment.stimulus[k : k + 1], gates)
        v = {p.name: current.new_zeros(1, p.size) for p in self.spec.populations[1:]}
        for p, layer in zip(self.spec.projections, self.backend.layers, strict=True):
            layer.rest(v[p.target])
        quiet = torch.zeros(current.shape[1], dtype=torch.bool, device=current.device)
        for p in self.spec.projections:
            for rule in self.backend.rules[p.name]:
                rule.rest(self.w[p.name])
        found: dict[str, list[torch.Tensor]] = {name: [] for name in v}
        due = self._due(segment, k)
        with torch.no_grad():
            for step in range(steps):
                if step in due:
                    self._processes(segment, k, step)
                flow, before = current, quiet
                for p, layer in zip(self.spec.projections, self.backend.layers, strict=True):
                    drive = flow @ self.w[p.name].T
                    flow, v[p.target] = layer.step(drive, v[p.target], gates, self.rng)
                    spiked = flow[0] > 0
                    if gates["plasticity"] and self.backend.rules[p.name]:
                        self._plasticity(p, before, spiked, gates["plasticity"])
                    found[p.target].append(flow)
                    before = spiked
        self._record(segment, k, {name: torch.stack(s) for name, s in found.items()})

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
        before = self.w[p.name]
        after = before.clone()
        for rule in self.backend.rules[p.name]:
            rule.step(after, pre, post, self.rng)
        self.w[p.name] = after if opening == 1 else opening * after + (1 - opening) * before
        self._changed(p)

    def _processes_of(self, p) -> Iterator[tuple[TensorProcess, dict[str, torch.Tensor]]]:
        yield from zip(self.backend.processes[p.name], self.variables[p.name], strict=True)

    def _times(self, segment: Segment, k: int, process) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the steps of the slot at which a process begins and updates, and its interval."""
        slot = segment.part(k, k + 1)
        period = max(1, round(float(process.period / self.spec.dt)))
        times, interval = slot.update_times(process.name, period)
        return slot.onset_times(process.name), times, float(interval[0]) * float(self.spec.dt)

    def _due(self, segment: Segment, k: int) -> set[int]:
        """Return the steps of a slot at which any process does anything."""
        due: set[int] = set()
        for _, process in self.spec.weight_processes():
            onset, times, _ = self._times(segment, k, process)
            due |= {*onset.tolist(), *times.tolist()}
        return due

    def _processes(self, segment: Segment, k: int, step: int) -> None:
        """Carry out what is due: in sleep at this step, else all of the slot's at once."""
        whole = segment.phase[k] != "sleep"
        for p in self.spec.projections:
            for process, variables in self._processes_of(p):
                onset, times, interval = self._times(segment, k, process.process)
                labels = ["on_onset"] * int(len(onset) > 0 and (whole or step in onset))
                labels += ["on_update"] * int(len(times) if whole else np.sum(times == step))
                for label in labels:
                    w = self.w[p.name]
                    found = process.run(label, w.abs(), variables, self.rng, interval)
                    self.w[p.name] = _signed(w, found)
                    self._changed(p)

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
        for p in self.spec.projections:
            matrices = {f"{p.name}.w": self.w[p.name]}
            matrices |= {k: v for k, v in self.moments.items() if k.startswith(f"{p.name}.")}
            for process, variables in self._processes_of(p):
                matrices |= {variable_name(p, process, k): v for k, v in variables.items()}
            arrays |= {k: v.T.cpu().numpy().astype(float).ravel() for k, v in matrices.items()}
        for name, value in arrays.items():
            if not np.all(np.isfinite(value)):
                bad = int(np.sum(~np.isfinite(value)))
                raise SimulationError(
                    f"{name}: {bad} of {value.size} values are not finite; lower learning_rate"
                )
        counts = {name: np.stack(found) for name, found in self.counts.items()}
        none = np.empty((0, 2), np.int64)
        spikes = {
            name: tuple(np.concatenate([none, *found]).T) for name, found in self.spikes.items()
        }
        return State(arrays, self.before.parameters, self.before.synapses), Recording(
            counts, spikes
        )


def variable_name(projection, process: TensorProcess, name: str) -> str:
    """Name the state array of a variable that a process keeps a synapse."""
    return f"{projection.name}.{process.process.name}_{name}"


def _signed(w: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    return torch.where(w < 0, -magnitude, magnitude)


def _values(segment: Segment, k: int) -> dict[str, float]:
    return {name: float(gate[k]) for name, gate in segment.gates.items()}
