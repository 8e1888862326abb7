"""Models of a user's own (neuron, rule, sleep process), from the command line, on two backends."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import needs_compiler

from brainsleep.results.store import read_result

MODELS = '''
"""A neuron, a rule and a sleep process that are nowhere in the package."""

from brian2 import Hz, ms, mV, second

from brainsleep.network.spec import NeuronModel, PlasticityRule, SynapseModel, WeightProcess

# Spikes at regular intervals, for a network without any randomness.
CLOCK = NeuronModel(
    name="clock",
    equations="""
    dphase/dt = input_gate*rate : 1
    rate : Hz
    """,
    threshold="phase > 1",
    reset="phase -= 1",
    on_slot="rate = stimulus",
)

NEURON = NeuronModel(
    name="resonator",
    equations="""
    dv/dt = (v_rest - v + r*i_syn - z)/tau_m : volt
    di_syn/dt = -i_syn/tau_syn : 1
    dz/dt = (g*(v - v_rest) - z)/tau_z : volt
    """,
    threshold="v > v_threshold",
    reset="v = v_reset; z += jump",
    parameters={
        "tau_m": 15 * ms,
        "tau_syn": 4 * ms,
        "tau_z": 60 * ms,
        "g": 0.5,
        "r": 20 * mV,
        "jump": 1.5 * mV,
        "v_rest": -65 * mV,
        "v_reset": -70 * mV,
        "v_threshold": -50 * mV,
    },
    initial={"v": "v_rest"},
)

SYNAPSE = SynapseModel(
    name="kick", on_pre="i_syn_post += w_sign*w*scale", parameters={"scale": 0.9}
)

RULE = PlasticityRule(
    name="soft",
    pre_equations="dx/dt = -x/tau_x : 1",
    pre_spike="x += 1",
    post_equations="dy/dt = -y/tau_y : 1",
    post_spike="y = 1",
    on_pre="w = clip(w - lr*w*y_post, w_min, w_max)",
    on_post="w = clip(w + lr*(w_max - w)*x_pre, w_min, w_max)",
    parameters={"lr": 0.004, "tau_x": 17 * ms, "tau_y": 23 * ms},
)

# dw/dt = -k*w**2, whose solution w/(1 + k*w*t) is exact for any interval
HYPERBOLIC = WeightProcess(
    name="hyperbolic",
    on_update="w = w/(1 + k*w*interval)",
    period=20 * ms,
    parameters={"k": 1.5 / second},
)
'''

PROTOCOL = '''
"""A protocol of the user's own models, without any randomness in it."""

from brian2 import Hz, ms

from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.record import Record
from brainsleep.tasks.images.task import Data, Images
from brainsleep.experiment.schedule import Schedule, sleep
from brainsleep.network.spec import (
    Connectivity, InitialWeights, NetworkSpec, Population, Projection,
)
from own_models import CLOCK, HYPERBOLIC, NEURON, RULE, SYNAPSE

PROTOCOL = Protocol(
    name="own",
    network=NetworkSpec(
        name="own",
        populations=(
            Population(name="input", size=64, model=CLOCK),
            Population(name="e", size=3, model=NEURON),
        ),
        projections=(
            Projection(
                name="input_e",
                source="input",
                target="e",
                synapse=SYNAPSE,
                connectivity=Connectivity(p=0.6),
                weights=InitialWeights(low=0.2),
                w_max=2.0,
                rules=(RULE,),
                processes=(HYPERBOLIC,),
            ),
        ),
    ),
    task=Images(
        data=Data(n_train=8, n_readout=20, n_test=20),
        encoder=RateEncoder(size=(8, 8), total=16.0, max_rate=173 * Hz),
    ),
    schedule=Schedule(
        image_duration=100 * ms,
        period=400 * ms,
        sleep=sleep(0.5, plasticity=0, hyperbolic=1),
    ),
    record=Record(snapshots=(4, 5), raster=(0, 4)),
)
'''

BACKENDS = ("numpy", "cpp")
pytestmark = [pytest.mark.standalone, needs_compiler]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Folder of a user with two files, and a function that types a command in it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_models.py").write_text(MODELS.lstrip())
    (folder / "own.py").write_text(PROTOCOL.lstrip())

    def type_in(*words):
        script = [sys.executable, "-c", "from brainsleep.cli.app import main; main()"]
        done = subprocess.run(
            [*script, *words], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return folder, type_in


@pytest.fixture(scope="module")
def arrays(study):
    """The arrays of the same run on each backend."""
    folder, type_in = study
    runs = {name: type_in("run", "own.py", "--backend", name, "--seed", "3") for name in BACKENDS}
    results = {name: read_result(folder / path.strip()) for name, path in runs.items()}
    assert [results[name].info["backend"] for name in BACKENDS] == list(BACKENDS)
    return {name: result.arrays for name, result in results.items()}


def test_check_and_show(study):
    _, type_in = study
    checked = type_in("check", "own_models.py")
    assert "2 neurons: clock, resonator" in checked and "1 weight process: hyperbolic" in checked
    assert checked.endswith("own_models.py: no mistakes\n") and "remark" not in checked
    assert type_in("check", "own.py").endswith("own.py: no mistakes\n")
    shown = type_in("show", "own.py", "--full")
    for line in (
        "dz/dt = (g*(v - v_rest) - z)/tau_z : volt",
        "w = clip(w + soft_lr*(w_max - w)*soft_pre_x_pre, w_min, w_max)",
        "w = w/(1 + hyperbolic_k*w*hyperbolic_interval_post)",
    ):
        assert line in shown


@pytest.mark.long
def test_backends_agree(arrays):
    """There is nothing random in this network, so the same spikes give the same weights."""
    one, other = (arrays[name] for name in BACKENDS)
    assert len(one["spikes/e"]) > 20
    for key in ("spikes/input", "spikes/e", "counts/e", "synapses/input_e", "correct/network"):
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)
    for key in (key for key in one if key.startswith("snapshots/")):
        np.testing.assert_allclose(one[key], other[key], rtol=0, atol=1e-9, err_msg=key)
    trained, initial = one["snapshots/trained/input_e"], one["snapshots/initial/input_e"]
    assert np.ptp(trained) > 0.3 and np.all(initial == 0.2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_rule_is_what_its_equations_say(arrays, backend):
    """Weights after four images, worked out spike by spike from the recorded spikes."""
    found = arrays[backend]
    np.testing.assert_allclose(
        found["snapshots/slot_4/input_e"], _by_hand(found), rtol=0, atol=1e-9
    )


def _by_hand(found, lr=0.004, tau_x=17.0, tau_y=23.0, w_max=2.0):
    """Carry out the rule in plain Python; times in ms, which are steps."""
    spikes = {k: {} for k in ("input", "e")}
    for name, by_step in spikes.items():
        for step, neuron in found[f"spikes/{name}"]:
            by_step.setdefault(int(step), set()).add(int(neuron))
    before = {"input": [[] for _ in range(64)], "e": [[] for _ in range(3)]}
    weights = found["snapshots/initial/input_e"].copy()
    for step in range(400):
        fired = {name: by_step.get(step, set()) for name, by_step in spikes.items()}
        for k, (pre, post) in enumerate(found["synapses/input_e"]):
            w = weights[k]
            if pre in fired["input"]:  # the last postsynaptic spike counts
                last = before["e"][post][-1:]
                w -= lr * w * sum(np.exp(-(step - t) / tau_y) for t in last)
            if post in fired["e"]:  # all presynaptic spikes count
                x = sum(np.exp(-(step - t) / tau_x) for t in before["input"][pre])
                w += lr * (w_max - w) * x
            weights[k] = min(max(w, 0.0), w_max)
        for name, neurons in fired.items():
            for neuron in neurons:
                before[name][neuron].append(step)
    return weights


@pytest.mark.parametrize("backend", BACKENDS)
def test_process_follows_its_closed_form(arrays, backend):
    """Slot 4 is a sleep of 200 ms in which only the process acts: dw/dt = -k*w**2."""
    found = arrays[backend]
    assert list(found["slots/phase"][:6]) == ["wake"] * 4 + ["sleep", "wake"]
    assert found["slots/steps"][4] == 200
    before, after = (found[f"snapshots/slot_{k}/input_e"] for k in (4, 5))
    assert np.ptp(before) > 0.1
    np.testing.assert_allclose(after, before / (1 + 1.5 * before * 0.2), rtol=0, atol=1e-9)
