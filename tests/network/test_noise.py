"""Noise is the same physics at every time step, or a network of another step refuses it."""

import dataclasses

import numpy as np
import pytest
from brian2 import ms, mV
from conftest import make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.cli import app as cli
from brainsleep.errors import SpecError
from brainsleep.experiment.protocol import load_protocol, run_id
from brainsleep.models.inputs import POISSON
from brainsleep.models.massey2026 import CLIPPED_LIF
from brainsleep.models.sleep import MEMBRANE_NOISE, WHITE_NOISE
from brainsleep.models.sleep_stages import SLOW_OSCILLATION, SLOW_OSCILLATION_WHITE
from brainsleep.network.spec import NetworkSpec, NeuronModel, Population
from brainsleep.results.table import flatten
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

#: What `MEMBRANE_NOISE` would be at another time step, said to be for any.
PER_STEP = dataclasses.replace(MEMBRANE_NOISE, dt=None)


def asleep(activity, dt=1 * ms, model=CLIPPED_LIF, n=500):
    """Neurons of the paper without synapses, one activity."""
    neurons = Population(name="e", size=n, model=model, activities=(activity,))
    inputs = Population(name="input", size=1, model=POISSON)
    return NetworkSpec(name="asleep", populations=(inputs, neurons), dt=dt)


def advanced(backend, spec, seconds=1.0):
    steps = round(seconds / float(spec.dt))
    made = make_backend(backend, spec, capacity=Capacity(slots=2, steps=steps))
    gate = dict.fromkeys(spec.activity_names, 1.0)
    segment = make_segment(spec, np.zeros((1, 1)), [steps], kind="sleep", **gate)
    return made.advance(initial_state(spec, 3), segment, 3)


def rate(backend, activity, dt):
    """Mean rate of sleep in Hz."""
    _, recording = advanced(backend, asleep(activity, dt))
    return recording.counts["e"].sum() / 500


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=needs_compiler)])
def test_rate_asleep_does_not_depend_on_the_time_step(backend):
    slow, fast = (rate(backend, WHITE_NOISE, dt) for dt in (1 * ms, 0.5 * ms))
    assert 1.5 < slow < 4
    assert fast == pytest.approx(slow, rel=0.2)
    if backend == "numpy":  # what would happen otherwise
        assert rate(backend, PER_STEP, 0.5 * ms) > 1.8 * slow


@pytest.mark.parametrize(
    ("per_step", "white"),
    [(MEMBRANE_NOISE, WHITE_NOISE), (SLOW_OSCILLATION, SLOW_OSCILLATION_WHITE)],
)
def test_at_the_papers_time_step_both_are_the_same_bit_by_bit(per_step, white):
    (one, a), (other, b) = (advanced("numpy", asleep(each), 0.3) for each in (per_step, white))
    np.testing.assert_array_equal(a.counts["e"], b.counts["e"])
    for name, value in one.arrays.items():
        np.testing.assert_array_equal(value, other.arrays[name])


@pytest.mark.parametrize("white", [WHITE_NOISE, SLOW_OSCILLATION_WHITE])
def test_variance_grows_with_time(white):
    still = NeuronModel(name="still", equations="v : volt")
    for dt in (0.1 * ms, 2 * ms):
        after, _ = advanced("numpy", asleep(white, dt, still), 0.04)
        assert np.std(after.arrays["e.v"]) == pytest.approx(2e-3 * 40**0.5, rel=0.1)


@pytest.mark.parametrize("activity", [MEMBRANE_NOISE, SLOW_OSCILLATION])
@pytest.mark.parametrize("dt", [0.1 * ms, 0.5 * ms, 2 * ms])
def test_another_time_step_is_refused(activity, dt):
    message = rf"'e': time step of activity '{activity.name}': got .*; expected 1\. ms"
    with pytest.raises(SpecError, match=message):
        asleep(activity, dt)
    asleep(dataclasses.replace(activity, dt=dt), dt)  # said to be meant for it


@pytest.mark.parametrize("dt", [1, 0 * ms, 1 * mV])
def test_the_time_step_of_an_activity_is_a_time(dt):
    with pytest.raises(SpecError, match="activity 'noise': dt: got"):
        dataclasses.replace(MEMBRANE_NOISE, dt=dt)


def test_the_printed_fix_works():
    paper = load_protocol("paper")
    with pytest.raises(SpecError, match="such as sleep:WHITE_NOISE"):
        paper.override({"network.dt": "0.5*ms"})
    noise = {"network.populations.*.activities.noise": "sleep:WHITE_NOISE"}
    assert paper.override(noise | {"network.dt": "0.5*ms"}).network.dt == 0.5 * ms


def test_what_an_activity_states_is_in_no_address():
    paper = load_protocol("paper")
    stated = paper.override({"network.populations.*.activities.noise": PER_STEP})
    assert run_id(paper, 1, "cpp", "a") == run_id(stated, 1, "cpp", "a")
    assert flatten(paper.describe()) == flatten(stated.describe())  # nor in tables and differences


OWN = """
import dataclasses
from brian2 import ms, mV
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import LIF
from brainsleep.network.spec import NetworkSpec, Population, SpontaneousActivity
NOISE = SpontaneousActivity(name="noise", on_step="v += {}*randn()", parameters={{"sd": 2*mV}}{})
NETWORK = NetworkSpec(name="n", dt=0.1*ms, populations=(
    Population(name="input", size=2, model=POISSON),
    Population(name="e", size=2, model=LIF, activities=(NOISE,)),
))
"""


@pytest.mark.parametrize(
    ("code", "stated", "said"),
    [("sd", "", True), ("sd*sqrt(dt/(1*ms))", "", False), ("sd", ", dt=0.1*ms", False)],
)
def test_own_noise_of_a_step_is_remarked_on(tmp_path, capsys, monkeypatch, code, stated, said):
    path = tmp_path / "own.py"
    path.write_text(OWN.format(code, stated))
    monkeypatch.setattr("sys.argv", ["brainsleep", "check", str(path)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    printed = " ".join("".join(capsys.readouterr()).split())
    assert stopped.value.code == 0
    assert ("another time step would be other noise" in printed) == said
