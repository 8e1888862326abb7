"""A protocol as a plain Brian2 script: it runs without this package, and gives the same spikes."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, ms, mV
from conftest import TINY

import brainsleep
from brainsleep import Pathway, Population, Projection, Protocol, Record, Timeline, asleep, awake
from brainsleep.adoption import adopt_script, as_brian2, monitored
from brainsleep.adoption.script_text import block, duration_text, number
from brainsleep.experiment.inputs import Rates, SpikeTrains
from brainsleep.experiment.protocol import load_protocol
from brainsleep.models.inputs import POISSON, SPIKE_SOURCE
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.models.sleep import DECAY_GROUP, WHITE_NOISE
from brainsleep.models.stdp import STDP_NEAREST, STDP_NEAREST_REVERSED
from brainsleep.network.spec import Connectivity, NetworkSpec
from brainsleep.protocols.paper import MODELS as SURROGATE
from brainsleep.results.trace import trace_of

SCRIPTS = Path(__file__).parent / "scripts"

#: Runs scripts where this package cannot be imported, and keeps spikes and traces.
RUNNER = """
import sys, runpy, json, os
import brian2, numpy as np
sys.modules["brainsleep"] = None
sys.path = [entry for entry in sys.path if entry]
for script in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        made = runpy.run_path(script, run_name="__main__")
        kept = {}
        for name, each in made.items():
            if isinstance(each, brian2.EventMonitor):
                variables = each.record_variables - {"t"}
                kept |= {f"{name}/{k}": np.array(getattr(each, f"{k}_")) for k in variables}
                kept[f"{name}/t"] = np.array(each.t_)
            if isinstance(each, brian2.StateMonitor):
                (variable,) = each.record_variables
                kept[f"{name}/values"] = np.array(getattr(each, f"{variable}_"))
        np.savez(script.replace(".py", ".npz"), **kept)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{script} failed")
"""


#: Transmits a spike after it has changed its synapse.
LATE = dataclasses.replace(
    CURRENT, on_pre="", pathways=(Pathway(name="transmit", code=CURRENT.on_pre),)
)


def spike_trains(seed, duration, n):
    rng = np.random.default_rng(seed)
    steps = np.unique(rng.integers(0, duration * 2, 80))
    return SpikeTrains(rng.integers(0, n, len(steps)), steps * 0.5 * ms)


def with_sleep():
    """Spikes that are told, delays of two kinds, a rule with traces, sums over synapses, sleep."""
    network = NetworkSpec(
        name="told",
        populations=(
            Population(name="input", size=12, model=SPIKE_SOURCE),
            Population(
                name="e",
                size=10,
                model=LIF,
                activities=(WHITE_NOISE,),
                values={"v": "uniform(-70*mV, -56*mV)"},
            ),
        ),
        projections=(
            Projection(
                name="input_e",
                source="input",
                target="e",
                synapse=CURRENT,
                connectivity=Connectivity(p=0.5),
                weights=9.0,
                w_max=30.0,
                delay="uniform(0*ms, 6*ms)",
            ),
            Projection(
                name="ee",
                source="e",
                target="e",
                synapse=CURRENT,
                connectivity=Connectivity(p=0.5, self_connections=False),
                weights="2 + rand()",
                w_max=30.0,
                delay=2 * ms,
                rules=(STDP_NEAREST.with_parameters(lr=0.02),),
                processes=(DECAY_GROUP.with_parameters(tau_w=1000 * ms),),
            ),
        ),
        dt=0.5 * ms,
    )
    periods = (
        awake(100 * ms, inputs={"input": spike_trains(1, 100, 12)}),
        asleep(60 * ms, decay=1, noise=0.5),
        awake(100 * ms, inputs={"input": spike_trains(2, 100, 12)}),
    )
    record = Record(states={"e.v": (0, 3), "ee.w": "all"}, every=5 * ms)
    return Protocol(name="told", network=network, schedule=Timeline(periods=periods), record=record)


def with_rates():
    """Poisson input whose rates change, a rule that asks who spikes, numbers of one half."""
    network = NetworkSpec(
        name="rates",
        populations=(
            Population(name="input", size=6, model=POISSON),
            Population(name="e", size=5, model=LIF),
        ),
        projections=(
            Projection(
                name="input_e",
                source="input",
                target="e",
                synapse=LATE,
                weights=8.0,
                w_max=30.0,
                rules=(STDP_NEAREST_REVERSED.with_parameters(lr=0.05),),
            ),
        ),
        precision="float32",
    )
    movie = Rates(np.arange(12).reshape(2, 6) * 20 * Hz, every=50 * ms)
    periods = (awake(100 * ms, inputs={"input": movie}), awake(50 * ms, rate=40 * Hz, plasticity=0))
    record = Record(states={"input_e.w": "all"}, every=1 * ms)
    return Protocol(
        name="rates", network=network, schedule=Timeline(periods=periods), record=record
    )


def balanced():
    """The shipped COBA network, smaller: nothing is drawn once it runs."""
    changes = {
        "network.populations.e.size": 160,
        "network.populations.i.size": 40,
        "network.projections.*.connectivity.p": 0.1,
        "schedule.periods.0.duration": 100 * ms,
        "record": Record(),
    }
    return load_protocol("vogels_abbott").override(changes)


def images():
    """Images to learn from, and sleep: many slots, so the run is a loop."""
    changes = {"data.n_train": 6, "data.n_readout": 12, "data.n_test": 12}
    return TINY.override({"record": Record(), **changes})


def eventful():
    """Events besides spikes, what they do, synapses and records of them; one takes time."""
    protocol = adopt_script(SCRIPTS / "custom_events.py")
    return protocol.override({"network.projections.synapses.delay": 1.5 * ms})


PROTOCOLS = {
    "eventful": eventful,
    "with_sleep": with_sleep,
    "with_rates": with_rates,
    "balanced": balanced,
    "images": images,
}


#: Run on request: a loop over hundreds of periods takes its time.
LONG = ("images",)
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow, pytest.mark.long] if name in LONG else ())
    for name in PROTOCOLS
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Return protocols and what their scripts gave: run once, several in one process."""
    found = {}

    def get(name):
        if name not in found:
            names = [name] if name in LONG else [each for each in PROTOCOLS if each not in LONG]
            found.update(ran_alone(names, tmp_path_factory.mktemp("scripts")))
        return found[name]

    return get


def ran_alone(names, folder):
    """Run scripts of protocols in a process without this package."""
    made = {}
    for name in names:
        protocol = PROTOCOLS[name]()
        spiking = tuple(p.name for p in protocol.network.populations if p.spikes)
        made[name] = protocol.override({"record.spikes": spiking})
        (folder / f"{name}.py").write_text(as_brian2(made[name], 3), encoding="utf-8")
    files = [str(folder / f"{name}.py") for name in names]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, *files], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: (made[name], dict(np.load(folder / f"{name}.npz"))) for name in names}


@pytest.mark.parametrize("name", NAMES)
def test_same_spikes_and_traces_without_this_package(name, ran, tmp_path):
    protocol, got = ran(name)
    result = brainsleep.simulate(protocol, seed=3, backend="numpy", out=tmp_path)
    total = 0
    for population in protocol.record.spikes:
        expected = sorted(map(tuple, result.arrays[f"spikes/{population}"].tolist()))
        steps = np.rint(got[f"{population}_spikes/t"] / float(protocol.network.dt)).astype(int)
        pairs = zip(steps.tolist(), got[f"{population}_spikes/i"].tolist(), strict=True)
        assert sorted(pairs) == expected, population
        total += len(expected)
    assert total > 20
    for key in protocol.record.events:
        found, name = result.events(key), f"{key.replace('.', '_')}_events"
        assert len(found) > 5
        assert np.allclose(got[f"{name}/t"], np.asarray(found.times), rtol=0, atol=1e-9)
        assert np.array_equal(got[f"{name}/i"], found.neurons)
        for variable, values in found.values.items():
            assert np.allclose(got[f"{name}/{variable}"], np.asarray(values), rtol=1e-9), variable
    for key in protocol.record.states:
        owner, variable = key.split(".")
        values = got[f"{owner}_{variable}_trace/values"].T
        assert np.allclose(values, np.asarray(trace_of(result, key).values), rtol=1e-6, atol=0), key


def test_the_script_is_readable():
    text = as_brian2(with_rates(), 3)
    for line in (
        "input = NeuronGroup(",
        "    dv/dt = (v_rest - v + r*i_syn)/tau_m : volt",
        'threshold="v > v_threshold"',
        "e.tau_m = ",
        "input_e.connect()",
        "net.run(50*ms, namespace={})",
        "prefs.core.default_float_dtype = np.float32",
    ):
        assert line in text
    assert (
        "slot_index" not in text and "spike_count" not in text and "import brainsleep" not in text
    )
    compile(text, "script", "exec")


def test_the_command_prints_it(call, tmp_path):
    code, out, _ = call("show", "vogels_abbott", "--brian2", "--seed", 1)
    assert code == 0 and out.startswith('"""vogels_abbott, seed 1: a plain Brian2 script.')
    code, _, err = call("show", "lif:LIF", "--brian2")
    assert code == 2 and "a model alone does not run" in err


@pytest.mark.parametrize(
    ("source", "changes", "words"),
    [
        ("foraging", {}, "Environment, which responds to the network"),
        ("unlearning", {}, "Patterns, which sets values of the network"),
        ("delay_stdp", {}, "delays that change"),
        ("sleep_replay", {}, "ReluTasks, which sets values of the network"),
        ("paper", SURROGATE["sg_snn"], "a network of Brian2"),
    ],
)
def test_what_a_script_cannot_say(source, changes, words):
    with pytest.raises(brainsleep.errors.ProtocolError, match=words):
        as_brian2(load_protocol(source).override(changes))


def test_hooks_and_endings_cannot_be_said():
    hooked = dataclasses.replace(balanced(), hooks={"on_wake": lambda groups, t: None})
    with pytest.raises(brainsleep.errors.ProtocolError, match="hooks"):
        as_brian2(hooked)
    stopping = TINY.override({"early_stopping.patience": 2, "data.n_validation": 20})
    with pytest.raises(brainsleep.errors.ProtocolError, match="early_stopping"):
        as_brian2(stopping)


def test_round_trip(tmp_path):
    protocol = balanced().override({"record.spikes": ("e", "i")})
    script = tmp_path / "balanced.py"
    script.write_text(as_brian2(protocol, 3), encoding="utf-8")
    adopted = adopt_script(script)
    one = brainsleep.simulate(protocol, seed=3, backend="numpy", out=tmp_path)
    other = brainsleep.simulate(adopted, seed=8, backend="numpy", out=tmp_path)
    for name in ("e", "i"):
        back = monitored(other, f"{name}_spikes")
        steps = np.rint(np.asarray(back.t) / float(protocol.network.dt)).astype(int)
        pairs = sorted(zip(steps.tolist(), np.asarray(back.i).tolist(), strict=True))
        assert pairs == sorted(map(tuple, one.arrays[f"spikes/{name}"].tolist()))
        assert pairs


def test_texts():
    assert number(0.02, ms) == "20*ms" and number(1 / 3, 1) == repr(1 / 3)
    assert eval(number(0.1 + 0.2, mV), {"volt": 1.0, "mV": 1e-3}) == 0.1 + 0.2
    assert duration_text(5, 1e-4) == "500*us" and duration_text(20000, 1e-4) == "2*second"
    assert block("a = w\nw += 1\nv_post += w").splitlines()[2].strip() == "w = w + (1)"
    assert json.loads(block("x = 1")) == "x = 1"
