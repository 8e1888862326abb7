"""Delays: the same as in plain Brian2, on every backend, however a run is cut into segments."""

import brian2
import numpy as np
import pytest
from brian2 import ms, mV, volt
from conftest import BACKENDS, make_segment

from brainsleep.backends.base import make_backend
from brainsleep.errors import BackendError, SpecError
from brainsleep.models.stdp import STDP_NEAREST, STDP_RELEASED
from brainsleep.network.spec import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.run.delays import arrivals, next_history
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

N, STEPS = 12, 400
TAUS = ("tau_plus", "tau_minus")
DRIVEN = NeuronModel(
    name="driven",
    equations="""
dv/dt = (drive - v)/tau_m : volt (unless refractory)
drive : volt""",
    threshold="v > v_threshold",
    reset="v = 0*mV",
    refractory="t_ref",
    parameters={"tau_m": 10 * ms, "v_threshold": 10 * mV, "t_ref": 1 * ms},
    on_slot="drive = stimulus*second*mV",
    method="exact",
)
PUSH = SynapseModel(name="push", on_pre="v_post += w*jump", parameters={"jump": 1 * mV})
SILENT = NeuronModel(
    name="follower",
    equations="dv/dt = -v/tau_m : volt",
    threshold="v > v_threshold",
    reset="v = 0*mV",
    parameters={"tau_m": 5 * ms, "v_threshold": 4 * mV},
    method="exact",
)
DRIVES = np.linspace(11, 25, N)
DELAYS = np.random.default_rng(4).integers(0, 30, N * N) * 0.1 * ms


def network(delay, name="delayed", **more):
    """Input neurons of regular spikes, and others that they push after a time."""
    return NetworkSpec(
        name=name,
        populations=(
            Population(name="input", size=N, model=DRIVEN),
            Population(name="e", size=N, model=SILENT),
        ),
        projections=(
            Projection(
                name="forward",
                source="input",
                target="e",
                synapse=PUSH,
                weights=InitialWeights(low=0.8),
                delay=delay,
                **more,
            ),
            Projection(
                name="ring",
                source="e",
                target="e",
                synapse=PUSH,
                connectivity=Connectivity(p=0.5),
                weights=InitialWeights(low=0.4),
                delay=4.3 * ms,
            ),
        ),
        dt=0.1 * ms,
    )


RULE = STDP_NEAREST.with_parameters(lr=0.05)
LEARNING = {"rules": (RULE,), "w_max": 2.0}
NETWORKS = {
    "one": network(1.5 * ms),
    "each": network(DELAYS, "scattered"),
    "learning": network(DELAYS, "learning", delay_post=0.7 * ms, **LEARNING),
}
BACKEND = {}


def backend(name, kind):
    """A backend of one of the networks, made once."""
    if (name, kind) not in BACKEND:
        capacity = Capacity(slots=32, steps=1000)
        BACKEND[name, kind] = make_backend(name, NETWORKS[kind], capacity=capacity)
    return BACKEND[name, kind]


def segment(spec, cuts=1):
    """A run in slots of equal length, all with the same drive."""
    steps = np.diff(np.linspace(0, STEPS, cuts + 1).astype(int))
    stimulus = np.tile(DRIVES, (cuts, 1))
    return make_segment(spec, stimulus, steps, raster=True, plasticity=1)


def plain_brian2(kind, synapses):
    """The same network, written by hand: spikes of `e` as (step, neuron), and v at the end."""
    brian2.start_scope()
    brian2.prefs.codegen.target = "numpy"
    clock = brian2.Clock(0.1 * ms)
    space = {"tau_m": 10 * ms, "tau_e": 5 * ms}
    source = brian2.NeuronGroup(
        N, "dv/dt = (drive - v)/tau_m : volt (unless refractory)\ndrive : volt",
        threshold="v > 10*mV", reset="v = 0*mV", refractory=1 * ms, method="exact",
        clock=clock, namespace=space,
    )  # fmt: skip
    source.drive = DRIVES * mV
    target = brian2.NeuronGroup(
        N, "dv/dt = -v/tau_e : volt", threshold="v > 4*mV", reset="v = 0*mV", method="exact",
        clock=clock, namespace=space,
    )  # fmt: skip
    push = {"on_pre": "v_post += w*mV", "clock": clock}
    code, model = {"on_pre": push["on_pre"]}, "w : 1"
    if kind == "learning":  # traces change after the weights, so that lag 0 does not count
        model += """
        dx/dt = -x/tau_plus : 1 (event-driven)
        dy/dt = -y/tau_minus : 1 (event-driven)"""
        space |= {k: RULE.parameters[k] for k in ("lr", "a_plus", "a_minus", *TAUS)}
        code["on_pre"] = {
            "pre": push["on_pre"] + "\nw = clip(w - lr*a_minus*y, 0, 2)",
            "late_pre": "x = 1",
        }
        code["on_post"] = {"post": "w = clip(w + lr*a_plus*x, 0, 2)", "late_post": "y = 1"}
    forward = brian2.Synapses(source, target, model, clock=clock, namespace=space, **code)
    forward.connect(i=synapses["forward"][0], j=synapses["forward"][1])
    forward.w = 0.8
    forward.pre.delay = 1.5 * ms if kind == "one" else DELAYS
    if kind == "learning":
        forward.late_pre.delay = DELAYS
        forward.late_pre.order, forward.late_post.order = 2, 3
        forward.post.delay = forward.late_post.delay = 0.7 * ms
    ring = brian2.Synapses(target, target, "w : 1", delay=4.3 * ms, **push)
    ring.connect(i=synapses["ring"][0], j=synapses["ring"][1])
    ring.w = 0.4
    spikes = brian2.SpikeMonitor(target)
    net = brian2.Network(source, target, forward, ring, spikes)
    net.run(STEPS * 0.1 * ms)
    steps = np.rint(np.asarray(spikes.t / clock.dt)).astype(int)
    arrays = {"e.v": np.asarray(target.v / volt), "forward.w": np.asarray(forward.w)}
    return np.column_stack([steps, np.asarray(spikes.i)]), arrays


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", BACKENDS)
def test_same_as_plain_brian2(name, kind):
    spec = NETWORKS[kind]
    start = initial_state(spec, 1)
    state, recording = backend(name, kind).advance(start, segment(spec), 0)
    spikes, arrays = plain_brian2(kind, start.synapses)
    assert len(spikes) > 80
    np.testing.assert_array_equal(np.column_stack(recording.spikes["e"]), spikes)
    for name, value in arrays.items():
        np.testing.assert_allclose(state.arrays[name], value, rtol=1e-9, atol=1e-15)
    assert (len(np.unique(arrays["forward.w"])) > 20) == (kind == "learning")


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("cuts", [2, 7, 25])
def test_cut_into_segments(name, kind, cuts):
    """Also into such that are shorter than delays: not a bit of the state depends on it."""
    spec, advance = NETWORKS[kind], backend(name, kind).advance
    assert cuts < 25 or STEPS / cuts * spec.dt < 4.3 * ms
    start = initial_state(spec, 1)
    whole, recording = advance(start, segment(spec, cuts), 0)
    state, counts = start, 0
    for k in range(cuts):
        state, part = advance(state, segment(spec, cuts).part(k, k + 1), 0)
        counts = counts + part.counts["e"].sum(axis=0)
    np.testing.assert_array_equal(counts, recording.counts["e"].sum(axis=0))
    assert state.arrays.keys() == whole.arrays.keys() == start.arrays.keys()
    for key, value in whole.arrays.items():
        np.testing.assert_array_equal(state.arrays[key], value, err_msg=key)
    assert whole.arrays["e.spike_history"].shape == (43, N)
    assert whole.arrays["e.spike_history"].sum() > 10


def test_history_and_arrivals():
    """By hand: three neurons, delays of 0, 2 and 3 steps."""
    before = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.uint8)
    after = next_history(before, 1, np.array([0]), np.array([2]), rows=3)
    assert after.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    after = next_history(before, 5, np.array([2, 4]), np.array([0, 1]), rows=3)
    assert after.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    neurons = np.array([0, 0, 1, 2])
    synapses, left = arrivals(before, np.array([0, 2, 3, 3]), neurons)
    assert synapses.tolist() == [3, 2, 1] and left.tolist() == [0, 1, 1]


def test_a_network_without_delays_has_no_history():
    start = initial_state(network(0 * ms, name="prompt"), 1)
    assert "input.spike_history" not in start.arrays
    assert "forward.delay" not in start.arrays


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"delay": -1 * ms}, ("delay", "-1. ms", "at least 0")),
        ({"delay": 3 * mV}, ("delay", "second")),
        ({"delay_post": 1 * ms}, ("delay_post", "no statements")),
        ({"delay": np.ones(7) * ms}, ("delay", "7 values", "144")),
        ({"delay": 1.23 * ms}, ("delay", "1.23 ms", "multiple")),
        ({"delay": 1 * ms, "rules": (STDP_RELEASED,)}, ("'spiked_pre'", "use a trace")),
    ],
)
def test_refused(change, parts):
    with pytest.raises(SpecError) as caught:
        initial_state(network(**{"delay": 0 * ms, **change}), 1)
    assert all(part in str(caught.value) for part in parts), caught.value


def test_cuda_refuses():
    with pytest.raises(BackendError, match="backend cuda: got a network with delays"):
        make_backend("cuda", NETWORKS["one"])
