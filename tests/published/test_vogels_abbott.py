"""Networks of Vogels & Abbott as benchmarks 1 to 3 of Brette et al. (2007): rates, irregularity.

The numbers are those of the same parameters in an independent program, over several graphs. Their
rates differ by 10 % from graph to graph: the mean of three is within 15 %.
"""

import brian2
import numpy as np
import pytest
from brian2 import ms, mV, nS, pF, second
from conftest import QUICK, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.models.vogels_abbott import COBA_LIF, CONDUCTANCE_E, CONDUCTANCE_I, network
from brainsleep.protocols.vogels_abbott import CONDITIONS, PROTOCOL
from brainsleep.run.segment import Capacity
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state

#: Rate of E, of I, in Hz, and coefficient of variation of the intervals.
PUBLISHED = {"COBA": (20.0, 19.25, 1.7), "CUBA": (5.7, 5.6, 0.73), "COBAHH": (35.5, 35.5, 2.0)}


def firing(name, seed, out, **changes):
    """Rates and irregularity of a network that runs as in the protocol."""
    (condition,) = [each for each in CONDITIONS if each.name == name]
    protocol = PROTOCOL.override({**condition.changes, **changes})
    metrics = simulate(protocol, seed=seed, backend=QUICK, out=out).metrics
    return [metrics[f"firing_{what}"] for what in ("rate_e_hz", "rate_i_hz", "cv_e")]


@needs_compiler
@pytest.mark.standalone
@pytest.mark.parametrize("name", ["COBA", pytest.param("CUBA", marks=pytest.mark.long)])
def test_rates_and_irregularity(name, tmp_path):
    found = np.mean([firing(name, seed, tmp_path) for seed in (1, 2, 3)], axis=0)
    np.testing.assert_allclose(found, PUBLISHED[name], rtol=0.15)


@needs_compiler
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.standalone
def test_rates_of_hodgkin_huxley_neurons(tmp_path):
    changes = {"schedule.periods.0.duration": 1 * second, "record.raster": (1, 5)}
    found = firing("COBAHH", 1, tmp_path, **changes)
    np.testing.assert_allclose(found, PUBLISHED["COBAHH"], rtol=0.15)


def test_every_spike_is_that_of_plain_brian2():
    """The same neurons, synapses and start, written by hand."""
    synapses = CONDUCTANCE_E, CONDUCTANCE_I
    spec = network("few", COBA_LIF, synapses, (20.0, 67.0), n_e=80, n_i=20, p=0.3)
    state, steps = initial_state(spec, 3), 600
    made = make_backend("numpy", spec, capacity=Capacity(slots=2, steps=steps))
    segment = make_segment(spec, np.zeros((1, spec.n_inputs)), [steps], raster=True)
    after, recording = made.advance(state, segment, 0)

    brian2.start_scope()
    brian2.prefs.codegen.target = "numpy"
    clock = brian2.Clock(0.1 * ms)
    space = {"c": 200 * pF, "g_l": 10 * nS, "nS": nS}
    groups = {}
    for name, size in (("e", 80), ("i", 20)):
        groups[name] = brian2.NeuronGroup(
            size,
            """dv/dt = (g_l*(-60*mV - v) - ge*v + gi*(-80*mV - v))/c : volt (unless refractory)
            dge/dt = -ge/(5*ms) : siemens
            dgi/dt = -gi/(10*ms) : siemens""",
            threshold="v > -50*mV",
            reset="v = -60*mV",
            refractory=5 * ms,
            method="euler",
            clock=clock,
            namespace=space,
        )
        for mine, theirs, unit in (("v", "v", mV), ("g_e", "ge", nS), ("g_i", "gi", nS)):
            start = state.arrays[f"{name}.{mine}"] / float(unit)
            setattr(groups[name], theirs, start * unit)
    parts = [*groups.values()]
    for source, code in (("e", "ge_post += 20*nS"), ("i", "gi_post += 67*nS")):
        for target in "ei":
            synapses = brian2.Synapses(
                groups[source], groups[target], on_pre=code, clock=clock, namespace=space
            )
            pre, post = state.synapses[f"{source}{target}"]
            synapses.connect(i=pre, j=post)
            parts.append(synapses)
    spikes = brian2.SpikeMonitor(groups["e"])
    brian2.Network(*parts, spikes).run(steps * 0.1 * ms)
    theirs = np.column_stack([np.rint(spikes.t / clock.dt), spikes.i])
    assert len(theirs) > 50
    np.testing.assert_array_equal(np.column_stack(recording.spikes["e"]), theirs)
    np.testing.assert_allclose(after.arrays["e.v"], groups["e"].v / brian2.volt, rtol=1e-9)
