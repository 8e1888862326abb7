"""Population bursts (Tsodyks, Uziel & Markram 2000): every spike of plain Brian2, their rate."""

import brian2
import numpy as np
import pytest
from brian2 import ms, mV, second
from conftest import QUICK, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.models.tsodyks_uziel import ALIKE, BURSTS, bursts
from brainsleep.protocols.tsodyks_uziel import PROTOCOL
from brainsleep.run.segment import Capacity
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state


def test_every_spike_is_that_of_plain_brian2():
    """The network as in Brian2's example, with the same synapses and currents, for 0.5 s."""
    spec, steps = BURSTS, 500
    state = initial_state(spec, 3)
    made = make_backend("numpy", spec, capacity=Capacity(slots=1, steps=steps))
    segment = make_segment(spec, np.zeros((1, 0)), [steps], raster=True)
    after, recording = made.advance(state, segment, 0)

    brian2.start_scope()
    brian2.prefs.codegen.target = "numpy"
    clock = brian2.Clock(1 * ms)
    groups, parts = {}, []
    for name, size, refractory in (("e", 400, 3 * ms), ("i", 100, 2 * ms)):
        groups[name] = brian2.NeuronGroup(
            size,
            """dv/dt = (a + b + i_b - v)/(30*ms) : volt (unless refractory)
            a : volt
            b : volt
            i_b : volt""",
            threshold="v > 15*mV",
            reset="v = 13.5*mV",
            refractory=refractory,
            method="exact",
            clock=clock,
        )
        groups[name].i_b = state.arrays[f"{name}.i_b"] * brian2.volt
    for name in ("ee", "ei", "ie", "ii"):
        into, sign = ("a", "") if name[0] == "e" else ("b", "-")
        onto_i = name[1] == "i"
        facilitates = """du/dt = -u/tau_facil : 1 (clock-driven)
        tau_facil : second"""
        part = brian2.Synapses(
            groups[name[0]],
            groups[name[1]],
            f"""dx/dt = (1 - x - y)/tau_rec : 1 (clock-driven)
            dy/dt = -y/(3*ms) : 1 (clock-driven)
            {into}_post = {sign}w*mV*y : volt (summed)
            w : 1
            u_se : 1
            tau_rec : second
            {facilitates if onto_i else "u : 1"}""",
            on_pre=f"""u = {"u + u_se*(1 - u)" if onto_i else "u_se"}
            y += u*x
            x += -u*x""",
            method="exact",
            clock=clock,
        )
        pre, post = state.synapses[name]
        part.connect(i=pre, j=post)
        part.x = 1
        for variable in ("w", "u_se"):
            setattr(part, variable, state.arrays[f"{name}.{variable}"])
        for variable in ("tau_rec", *(("tau_facil",) if onto_i else ())):
            setattr(part, variable, state.arrays[f"{name}.{variable}"] * second)
        parts.append(part)
    spikes = brian2.SpikeMonitor(groups["e"])
    brian2.Network(*groups.values(), *parts, spikes).run(steps * ms)
    theirs = np.column_stack([np.rint(spikes.t / clock.dt), spikes.i])
    assert len(theirs) > 500
    np.testing.assert_array_equal(np.column_stack(recording.spikes["e"]), theirs)
    np.testing.assert_allclose(after.arrays["e.v"], groups["e"].v / brian2.volt, rtol=1e-9)


@pytest.mark.long
@needs_compiler
@pytest.mark.slow
@pytest.mark.standalone
def test_bursts(tmp_path):
    """Mean of three graphs; by another program within a factor of 1.5, which is a burst or two."""
    found = {
        spread: [
            simulate(
                PROTOCOL.override({"network": bursts(spread * mV, seed)}),
                seed=seed,
                backend=QUICK,
                out=tmp_path,
            ).metrics
            for seed in (1, 2, 3)
        ]
        for spread in (1, 0.05)
    }
    per_s = {k: np.mean([each["bursts_per_s"] for each in v]) for k, v in found.items()}
    assert 0.6 / 1.5 < per_s[1] < 1.0 * 1.5
    assert 4.4 / 1.5 < per_s[0.05] < 5.6 * 1.5
    rates = [each["bursts_rate_hz"] for each in found[1]]
    assert 9.5 < np.mean(rates) < 12.5


def test_networks_differ_in_currents_alone():
    (e, i), (other_e, other_i) = BURSTS.populations, ALIKE.populations
    assert e.values != other_e.values and i.values != other_i.values
    assert BURSTS.projections == ALIKE.projections
