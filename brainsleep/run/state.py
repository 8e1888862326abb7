"""The state of a network as plain arrays, and the random streams of a run.

Everything a compiled network can be given at run time is here: connectivity, weights, neuron
variables, parameter values. Brian2 is not involved, so that all backends start from the same bits.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NotFiniteError, ProtocolError, SpecError, explain, nearest
from ..network import links
from ..network.equations import checks
from ..network.layers import SurrogateNetwork
from ..network.plan import TIMES
from ..network.spec import Network, NetworkSpec
from ..values.quantities import check_whole
from .delays import DELAY_HISTORY, changing, histories, longest_delays, most_steps
from .draws import DrawnNeurons, DrawnSynapses

if TYPE_CHECKING:
    from ..experiment.start import SavedSynapses


#: What Adam keeps of every weight, and of every bias, of a network that learns by gradients.
MOMENTS = ("adam_mean", "adam_square")

#: Numbers that are dealt with at a time, so that they stay in a cache.
_AT_ONCE = 2**15


def stream(seed: int, *names: object) -> np.random.Generator:
    """Return the random stream called `names` of the run with `seed`, a whole number from 0.

    Streams of different names are independent, so that drawing more from one (say the weights)
    changes nothing in another (say the order of the images).
    """
    seed = check_whole(seed, "seed", ProtocolError)
    words = [zlib.crc32(str(name).encode()) for name in names]
    return np.random.default_rng(np.random.SeedSequence([int(seed), *words]))


@dataclass(frozen=True)
class State:
    """State of a network between two segments."""

    #: ``"e.v"`` (n_neurons,) and ``"ee.w"`` (n_synapses,), in SI units. Weights are magnitudes,
    #: but signed in a surrogate-gradient network.
    arrays: dict[str, np.ndarray]
    #: Shared parameters in SI units, ``"e.tau_m"``.
    parameters: dict[str, float]
    #: Pre- and postsynaptic indices of each projection, int32 (n_synapses,).
    synapses: dict[str, tuple[np.ndarray, np.ndarray]] = field(repr=False)

    def updated(self, **arrays: np.ndarray) -> State:
        """Return a copy with some arrays replaced (``__`` in a name stands for a dot)."""
        changes = {name.replace("__", "."): value for name, value in arrays.items()}
        return replace(self, arrays={**self.arrays, **changes})

    def weights(self, projection: str) -> np.ndarray:
        """Return the weight magnitudes of `projection`, shape (n_synapses,)."""
        return np.abs(self.arrays[f"{projection}.w"])


def check_finite(arrays: dict[str, np.ndarray], advice: str) -> None:
    """Raise `NotFiniteError`, ending in `advice`, if a value is not a finite number."""
    for name, value in arrays.items():
        if not np.all(np.isfinite(value)):
            bad = int(np.sum(~np.isfinite(value)))
            where, values = name.partition(".")[0], f"{name}: {bad} of {value.size} values"
            raise NotFiniteError(values, where, bad, advice)


def replaced(state: State, arrays: Mapping[str, np.ndarray], precision: str) -> State:
    """Return a state some of whose `arrays` a task has set, rounded to a network's precision.

    Raise `ProtocolError` for an array that the state does not have, or of another shape, and
    `NotFiniteError` for values that are not finite.
    """
    new = {}
    for name, value in arrays.items():
        own = state.arrays.get(name)
        if own is None:
            raise ProtocolError(f"task: it sets '{name}'; {nearest(name, state.arrays)}")
        if np.shape(value) != own.shape:
            what = f"task: shape of '{name}', which it sets"
            raise ProtocolError(explain(what, np.shape(value), own.shape))
        given = np.asarray(value)
        new[name] = (given.astype(precision) if own.dtype.kind == "f" else given).astype(own.dtype)
    check_finite(new, ", as the task set them")
    return replace(state, arrays=state.arrays | new)


def same_synapses(one: Mapping, other: Mapping) -> bool:
    """Tell whether two networks are connected alike: `State.synapses` of each."""
    return one is other or all(
        mine is theirs or np.array_equal(mine, theirs)
        for name, pairs in one.items()
        for mine, theirs in zip(pairs, other[name], strict=True)
    )


def _shifted(arrays: Mapping[str, np.ndarray], steps: int, dt: float) -> dict[str, np.ndarray]:
    """Count times from another step; as whole steps, so that not a bit depends on the way.

    A state has them from its own time, so they are at most 0.
    """
    shifted = dict(arrays)
    for name in filter(lambda name: name.endswith(TIMES), arrays):
        shifted[name] = np.empty_like(arrays[name])
        for begin in range(0, shifted[name].size, _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            times = arrays[name][part] / dt
            np.rint(times, out=times)
            times += steps
            np.multiply(times, dt, out=shifted[name][part])
    return shifted


def started_arrays(state: State, start: int, dt: float) -> dict[str, np.ndarray]:
    """Return the arrays of a state for a network whose time is that of a run: `start` steps."""
    return _shifted(state.arrays, start, dt)


def finished_arrays(
    arrays: dict[str, np.ndarray], start: int, steps: int, dt: float
) -> dict[str, np.ndarray]:
    """Check what came out of a segment of some `steps` after `start`, as arrays of a state.

    A value that is not finite is a `NotFiniteError`.
    """
    advice = "lower dt or a learning rate, or bound the variable"
    check_finite(arrays, f" after a segment of {steps * dt:g} s; {advice}")
    return _shifted(arrays, -(start + steps), dt)


def variable_name(owner: str, part: str, variable: str) -> str:
    """Name the array of a variable that a rule, process or activity keeps on its `owner`."""
    return f"{owner}.{part}_{variable}"


def initial_state(
    spec: Network, seed: int, saved: Mapping[str, SavedSynapses] | None = None
) -> State:
    """Draw connectivity and weights of `spec` from `seed`; set variables to their start.

    Projections in `saved` have its synapses instead. Values are rounded to the network's precision,
    so that what does not change stays as it is. A synapse of a neuron that is not there, which
    compiled code would trust, is a `SpecError`.
    """
    draw: Any = _layered_state if isinstance(spec, SurrogateNetwork) else _recurrent_state
    state = draw(spec, seed, saved or {})
    for p in spec.projections:
        for end, neurons in zip((p.source, p.target), state.synapses[p.name], strict=True):
            size = spec.population(end).size
            if neurons.min(initial=0) < 0 or neurons.max(initial=0) >= size:
                allowed = f"neurons 0 to {size - 1} of '{end}'"
                raise SpecError(explain(f"synapses of '{p.name}'", "others", allowed))
    if isinstance(spec, NetworkSpec):
        links.check_neurons(spec.plan.groups, state.arrays)
    for name, value in state.arrays.items() if spec.precision != "float64" else ():
        if value.dtype.kind == "f":
            state.arrays[name] = value.astype(spec.precision).astype(float)
    return state


def _layered_state(spec: SurrogateNetwork, seed: int, saved: Mapping[str, SavedSynapses]) -> State:
    """Draw signed weights and biases as torch's linear layers do; nothing learned by Adam yet."""
    arrays, synapses = {"adam.step": np.zeros(1)}, {}
    for p in spec.projections:
        shape = (spec.population(p.source).size, spec.population(p.target).size)
        pre, post = np.indices(shape, dtype=np.int32).reshape(2, -1)
        synapses[p.name] = (pre, post)
        bound = min(p.scale / np.sqrt(shape[0]), p.w_max)
        drawn = stream(seed, "weights", p.name).uniform(-bound, bound, len(pre))
        arrays[f"{p.name}.w"] = saved[p.name].w if p.name in saved else drawn
        if p.bias:
            drawn = stream(seed, "biases", p.name).uniform(-bound, bound, shape[1])
            taken = saved[p.name].bias if p.name in saved else None
            arrays[f"{p.name}.bias"] = drawn if taken is None else taken
            arrays |= {f"{p.name}.bias_{moment}": np.zeros(shape[1]) for moment in MOMENTS}
        kept = [f"{p.name}.{moment}" for moment in MOMENTS]
        for process in p.processes:
            variables = checks.parse_equations(process.equations, process.name)
            kept += [variable_name(p.name, process.name, variable) for variable in variables]
        arrays |= {name: np.zeros(len(pre)) for name in kept}
        for rule, (role, size) in product(p.rules, zip(("pre", "post"), shape, strict=True)):
            for trace in rule.traces(role):
                arrays[variable_name(p.name, f"{rule.name}_{role}", trace)] = np.zeros(size)
    for population in spec.populations:
        own = [f"{population.name}.v"] if population.spikes else []
        for activity in population.activities:
            own += [variable_name(population.name, activity.name, k) for k in activity.variables]
        arrays |= {name: np.zeros(population.size) for name in own}
    return State(arrays, {}, synapses)


def _recurrent_state(spec: NetworkSpec, seed: int, saved: Mapping[str, SavedSynapses]) -> State:
    def named(*names: str) -> np.random.Generator:
        return stream(seed, *names)

    arrays: dict[str, np.ndarray] = {}
    parameters: dict[str, float] = {}
    synapses: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    neurons: dict[str, DrawnNeurons] = {}
    for population, group in zip(spec.populations, spec.plan.groups, strict=True):
        drawn = neurons[group.name] = DrawnNeurons(population, group, float(spec.dt), named)
        arrays |= {f"{group.name}.{k}": v for k, v in drawn.arrays.items()}
        parameters |= {f"{group.name}.{k}": float(v) for k, v in group.parameters.items()}
    for projection, part in zip(spec.projections, spec.plan.synapses, strict=True):
        taken = saved.get(projection.name)
        made = DrawnSynapses(spec, projection, part, neurons, synapses, taken, named)
        synapses[part.name] = made.pairs
        arrays |= {f"{part.name}.{k}": v for k, v in made.arrays.items()}
        parameters |= {f"{part.name}.{k}": float(v) for k, v in part.parameters.items()}
    for name, rows in longest_delays(spec.plan, arrays, float(spec.dt)).items():
        owner, _ = histories(spec.plan)[name]
        arrays[name] = np.zeros((rows, spec.population(owner).size), np.uint8)
    for _, part, delay in changing(spec.plan):
        shape = most_steps(delay, float(spec.dt)), len(synapses[part.name][0])
        arrays[f"{part.name}.{DELAY_HISTORY}"] = np.zeros(shape, np.uint16)
    return State(arrays, parameters, synapses)
