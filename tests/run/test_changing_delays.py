"""Delays that rules change: as worked out spike by spike, however a run is cut."""

import dataclasses

import numpy as np
import pytest
from brian2 import ms
from conftest import BACKENDS, advanced, assert_same_bits, make_segment

from brainsleep.backends.base import make_backend
from brainsleep.errors import BackendError, BrainsleepError
from brainsleep.network.spec import (
    Connectivity,
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
    WeightProcess,
)
from brainsleep.run.delays import DELAY_HISTORY
from brainsleep.run.state import initial_state

DT, N_PRE, N_POST, MOST = 0.1, 3, 4, 60
PERIODS = np.array([2.1, 3.4, 5.5])
#: In steps of 0.1 ms, by pre- and postsynaptic neuron.
DELAYS = np.array([[0, 7, 31, 60], [12, 3, 44, 20], [60, 1, 9, 50]])

CLOCKED = NeuronModel(
    name="clocked",
    equations="phase : 1\nperiod : 1",
    threshold="phase > period - 0.05",
    reset="phase = 0",
    on_step="phase += 0.1",
)
LEAKY = NeuronModel(
    name="leaky",
    equations="dv/dt = -v/tau : 1",
    threshold="v > 1",
    reset="v = 0",
    parameters={"tau": 8 * ms},
    method="exact",
)
PUSH = SynapseModel(name="push", on_pre="v_post += w")
RULE = PlasticityRule(
    name="shift",
    equations="delay : second (linked)",
    pre_equations="dx/dt = -x/tau : 1",
    pre_spike="x += 1",
    post_equations="dy/dt = -y/tau : 1",
    post_spike="y += 1",
    on_pre="delay = clip(delay + 0.4*ms*y_post, 0*ms, delay_max)\nw = clip(w - 0.01*y_post, 0, 1)",
    on_post="delay = clip(delay - 0.9*ms*x_pre, 0*ms, delay_max)\nw = clip(w + 0.02*x_pre, 0, 1)",
    parameters={"tau": 6 * ms},
)


def shifting(**changes):
    """Three clocks, and four neurons that they push after times that a rule changes."""
    settings = {
        "source": "a",
        "target": "b",
        "synapse": PUSH,
        "connectivity": Connectivity(p=1.0),
        "weights": 0.45,
        "delay": DELAYS.ravel() * DT * ms,
        "delay_max": MOST * DT * ms,
        "rules": (RULE,),
    }
    return NetworkSpec(
        name="shifting",
        populations=(
            Population(name="a", size=N_PRE, model=CLOCKED, values={"period": PERIODS}),
            Population(name="b", size=N_POST, model=LEAKY),
        ),
        projections=(Projection(name="ab", **(settings | changes)),),
        dt=DT * ms,
    )


def by_hand(n_steps, plasticity=1):
    """Each spike is put down with the step in which it arrives at each synapse."""
    phase, v = np.zeros(N_PRE), np.zeros(N_POST)
    x, y = np.zeros((N_PRE, N_POST)), np.zeros(N_POST)
    w, delay = np.full((N_PRE, N_POST), 0.45), DELAYS * DT
    arriving = {}
    counts, sent = np.zeros(N_POST, int), set()
    for step in range(n_steps):
        v, y, x = v * np.exp(-DT / 8), y * np.exp(-DT / 6), x * np.exp(-DT / 6)
        phase += 0.1
        pre = np.flatnonzero(phase > PERIODS - 0.05)
        post = np.flatnonzero(v > 1)
        for i in pre:
            for j in range(N_POST):
                steps = int(np.clip(np.floor(delay[i, j] / DT + 0.5), 0, MOST))
                arriving.setdefault(step + steps, []).append((i, j))
                sent.add(steps)
        now = arriving.pop(step, [])
        for i, j in now:
            v[j] += w[i, j]
            if plasticity:
                delay[i, j] = np.clip(delay[i, j] + 0.4 * y[j], 0, MOST * DT)
                w[i, j] = np.clip(w[i, j] - 0.01 * y[j], 0, 1)
        for j in post if plasticity else ():
            delay[:, j] = np.clip(delay[:, j] - 0.9 * x[:, j], 0, MOST * DT)
            w[:, j] = np.clip(w[:, j] + 0.02 * x[:, j], 0, 1)
        for i, j in now:
            x[i, j] += 1
        phase[pre], v[post] = 0, 0
        y[post] += 1
        counts[post] += 1
    return {"b.v": v, "ab.w": w.ravel(), "ab.spike_delay": delay.ravel() * 1e-3}, counts, sent


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_spike_arrives_once_after_the_delay_it_was_sent_with(backend):
    state, count = advanced(shifting(), backend, 1500, plasticity=1)
    expected, counts, sent = by_hand(1500)
    assert count["b"].tolist() == counts.tolist() and counts.min() > 10
    assert {0, MOST} <= sent and len(sent) > 20
    for name, values in expected.items():
        np.testing.assert_allclose(state.arrays[name], values, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("backend", ["numpy", BACKENDS[2]])
def test_one_segment_is_any_cut_of_it(backend):
    network = shifting()
    whole, _ = advanced(network, backend, 210, plasticity=1)
    assert whole.arrays[f"ab.{DELAY_HISTORY}"].any(axis=1).sum() > 2  # some are under way
    for pieces in ([93, 117], [30] * 7, [9] * 15 + [75]):
        assert_same_bits(advanced(network, backend, *pieces, plasticity=1)[0], whole)


@pytest.mark.parametrize("backend", ["numpy", BACKENDS[2]])
def test_a_closed_gate_leaves_delays_as_they_are(backend):
    state, count = advanced(shifting(), backend, 400, plasticity=0)
    expected, counts, _ = by_hand(400, plasticity=0)
    np.testing.assert_array_equal(state.arrays["ab.spike_delay"], DELAYS.ravel() * DT * 1e-3)
    np.testing.assert_allclose(state.arrays["b.v"], expected["b.v"], rtol=1e-9)
    fixed = shifting(rules=(), delay_max=0 * ms)
    same = advanced(fixed, "numpy", 400, plasticity=1)[1]["b"]
    assert count["b"].tolist() == counts.tolist() == same.tolist()


def test_a_process_may_set_delays():
    halve = WeightProcess(
        name="halve",
        equations="delay : second (linked)",
        on_update="delay = delay/2",
        period=1 * ms,
    )
    network = shifting(rules=(), processes=(halve,))
    state = initial_state(network, 1)
    segment = make_segment(network, np.zeros((1, 0)), [20], halve=1)
    state, _ = make_backend("numpy", network).advance(state, segment, 1)
    np.testing.assert_allclose(
        state.arrays["ab.spike_delay"], DELAYS.ravel() * DT * 1e-3 / 2**2, rtol=1e-12
    )


MISTAKES = {
    "no bound": ({"delay_max": 0 * ms}, "as a rule or process sets the delay"),
    "not changed": ({"rules": ()}, "none, as nothing sets the delay"),
    "no pre": (
        {"synapse": SynapseModel(name="idle", on_pre=""),
         "rules": (dataclasses.replace(RULE, on_pre=""),)},
        "expected statements on_pre of the synapse model or a rule",
    ),
    "value": ({"values": {"spike_delay": 1 * ms}}, "no variable or parameter 'spike_delay'"),
    "unit": (
        {"rules": (dataclasses.replace(RULE, equations="delay : volt (linked)",
                                       on_pre="delay = 1*mV", on_post=""),)},
        "wrong unit or type of the linked 'delay'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISTAKES)
def test_what_does_not_fit_is_refused(kind):
    changes, message = MISTAKES[kind]
    with pytest.raises(BrainsleepError) as raised:
        shifting(**changes)
    assert message in str(raised.value)


def test_delays_begin_within_their_bound():
    with pytest.raises(BrainsleepError, match=r"times up to 0\.006 s; expected at most delay_max"):
        initial_state(shifting(delay_max=5 * ms), 1)


def test_cuda_refuses_them():
    with pytest.raises(BackendError, match="delays"):
        make_backend("cuda", shifting())


@pytest.mark.parametrize(
    "given", [{"equations": "delay : second"}, {"parameters": {"delay": 1 * ms}}], ids=str
)
def test_a_synapse_model_has_no_delay_of_its_own(given):
    with pytest.raises(BrainsleepError, match="choose another name, such as 'delay_own'"):
        SynapseModel(name="own", on_pre="v_post += w*int(delay > 0*second)", **given)
