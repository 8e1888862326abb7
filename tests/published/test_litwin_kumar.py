"""Assemblies (Litwin-Kumar & Doiron 2014): numbers of an independent program, and what is due."""

import dataclasses

import numpy as np
import pytest
from brian2 import Hz
from conftest import QUICK, assert_same_bits, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.models.litwin_kumar import EVERY_STEP, NORMALISE_MEAN, assemblies
from brainsleep.network.spec import NetworkSpec
from brainsleep.protocols.litwin_kumar import training
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state


@pytest.mark.long
@needs_compiler
@pytest.mark.slow
@pytest.mark.standalone
def test_an_assembly_forms_in_a_second(tmp_path):
    """All 5000 neurons: 20 s of wall time."""
    result = simulate(training(1, 1, "short"), seed=2, backend=QUICK, out=tmp_path)
    m = result.metrics
    assert m["assembly_before_e_hz"] == pytest.approx(1.6, rel=0.1)
    assert m["assembly_before_i_hz"] == pytest.approx(2.45, rel=0.1)
    assert m["assembly_members_hz"] == pytest.approx(32, rel=0.1)
    assert m["assembly_within_before"] == pytest.approx(2.86, abs=0.02)
    assert m["assembly_within"] == pytest.approx(3.86, rel=0.05)
    assert m["assembly_mean"] == pytest.approx(2.86, abs=1e-3)


def without_noise(**changes) -> NetworkSpec:
    """A small network that fires by itself, with strong synapses and nothing from outside."""
    network = assemblies(60, 15, 0.5)
    populations = tuple(
        dataclasses.replace(
            each,
            model=each.model.with_parameters(rate_outside=0 * Hz),
            values={"v_rest": "-46*mV + 4*mV*i/N" if each.name == "e" else "-50*mV"},
        )
        for each in network.populations
    )
    ee = dataclasses.replace(
        network.projection("ee"), weights="2.3 + 0.02*(i % 60) + 0.01*j", **changes
    )
    return dataclasses.replace(
        network, populations=populations, projections=(ee, *network.projections[1:])
    )


def awake(spec: NetworkSpec, slots=2) -> Segment:
    """Slots of 100 ms, all gates open."""
    return Segment(
        steps=np.full(slots, 1000),
        stimulus=np.zeros((slots, 0)),
        inputs={"e": np.zeros((slots, 60))},
        gates={gate: np.ones(slots) for gate in spec.gates},
        onset=np.arange(slots) == 0,
        phase=np.full(slots, "wake"),
        raster=np.zeros(slots, bool),
    )


def advance(spec, segments, backend="numpy"):
    """Run one segment after the other; return the state at the end, and the number of spikes."""
    made = make_backend(backend, spec, capacity=Capacity(slots=2, steps=2000))
    state, spikes = initial_state(spec, 1), 0
    for segment in segments:
        state, recording = made.advance(state, segment, 1)
        spikes += sum(counts.sum() for counts in recording.counts.values())
    return state, spikes


def test_what_is_due_is_what_every_step_adds():
    """Potentiation that is summed up by neurons, and that of `CLOPATH` in every time step."""
    spec = without_noise()
    reference = without_noise(rules=(EVERY_STEP,), processes=(NORMALISE_MEAN,))
    (ours, spikes), (theirs, others) = (advance(s, [awake(s)]) for s in (spec, reference))
    assert spikes == others > 200
    # what was gathered since the last 20 ms is still due
    pre, post = ours.synapses["ee"]
    a = ours.arrays
    due = 0.0014e9 * a["e.x"][pre] * a["e.grown"][post]
    due = due * (a["e.gathered"][post] - a["ee.counted"])
    w = np.clip(ours.weights("ee") + due, 1.78, 21.4)
    assert np.std(w - initial_state(spec, 1).weights("ee")) > 0.1
    np.testing.assert_allclose(w, theirs.weights("ee"), rtol=1e-9)


@pytest.mark.long
@needs_compiler
@pytest.mark.standalone
def test_compiled_and_however_it_is_cut():
    spec = without_noise()
    whole = awake(spec)
    reference, spikes = advance(spec, [whole])
    end, same = advance(spec, [whole], "cpp")
    assert spikes == same
    for key, value in reference.arrays.items():
        np.testing.assert_allclose(end.arrays[key], value, rtol=1e-6, atol=1e-12, err_msg=key)
    assert_same_bits(end, advance(spec, [whole.part(0, 1), whole.part(1, 2)], "cpp")[0])
