import dataclasses
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from brian2 import Hz, ms, mV, second
from conftest import TINY

from brainsleep.errors import BrainsleepError, ProtocolError, ScheduleError, SpecError
from brainsleep.experiment.protocol import Protocol, load_protocol, run_id
from brainsleep.experiment.record import Record
from brainsleep.experiment.schedule import Schedule, sleep, wake
from brainsleep.files.load import load, load_module, shipped
from brainsleep.models.massey2026 import PAPER
from brainsleep.models.sleep import DECAY_NEURON
from brainsleep.models.stdp import STDP_ALL_TO_ALL, STDP_NEAREST
from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.tasks.images.readout import Readout
from brainsleep.tasks.images.task import Data, Images
from brainsleep.values.plain import plain

PROTOCOL = Protocol(
    name="small",
    network=PAPER,
    task=Images(data=Data(n_train=35)),
    schedule=Schedule(sleep=sleep(0.2, noise=1, decay=1)),
)


def get(protocol, path):
    """Follow a dotted path."""
    node = protocol.settings
    for name in path.split("."):
        if isinstance(node, tuple):
            node = next(part for part in node if part.name == name)
        elif isinstance(node, dict) or not hasattr(node, name):
            node = (node if isinstance(node, dict) else node.parameters)[name]
        else:
            node = getattr(node, name)
    return node


def assert_refused(make, *parts, error=ProtocolError):
    with pytest.raises(BrainsleepError) as caught:
        make()
    assert isinstance(caught.value, error)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    for part in parts:
        assert part in message
    return message


# --- changing settings by key ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("schedule.sleep.fraction", 0.1, 0.1),
        ("schedule.sleep.fraction", "0.1", 0.1),
        ("schedule.sleep.fraction", 1, 1.0),
        ("schedule.period", "300*second", 300 * second),
        ("schedule.period", "1.5e3 ms", 1.5 * second),
        ("schedule.period", "3 s", 3 * second),
        ("schedule.period", 2 * second, 2 * second),
        ("schedule.image_duration", "250ms", 250 * ms),
        ("schedule.sleep.until_initial", "true", True),
        ("schedule.sleep.until_initial", True, True),
        ("schedule.sleep.gates.noise", "0.5", 0.5),
        ("schedule.wake.gates.noise", 0.5, 0.5),  # added
        ("data.n_train", "70", 70),
        ("data.n_train", 70.0, 70),
        ("data.n_train", np.int64(70), 70),
        ("data.source", "mnist", "mnist"),
        ("encoder.size", "(15, 15)", (15, 15)),
        ("encoder.size", [15, 15], (15, 15)),
        ("encoder.total", "30", 30.0),
        ("encoder.total", "none", None),
        ("encoder.total", None, None),
        ("encoder.max_rate", "500*Hz", 500 * Hz),
        ("record.raster", "0,3", (0, 3)),
        ("record.raster", "", ()),
        ("record.snapshots", "4", (4,)),
        ("references", "a, b", ("a", "b")),
        ("readout.population", "i", "i"),
        ("network.dt", "1000*us", 1 * ms),
        ("network.populations.e.size", "100", 100),
        ("network.populations.e.model.tau_m", "20*ms", 20 * ms),
        ("network.populations.e.model.parameters.tau_m", 20 * ms, 20 * ms),
        ("network.populations.e.model.initial.v", "v_reset", "v_reset"),
        ("network.populations.e.model.initial.v", "-60*mV", -60 * mV),
        ("network.populations.e.model.initial.a", "5*mV", 5 * mV),  # added
        ("network.populations.e.activities.noise.sd", "1*mV", 1 * mV),
        ("network.projections.ee.w_max", 10, 10.0),
        ("network.projections.ee.weights.high", "0.6", 0.6),
        ("network.projections.ee.rules.stdp_released.lr", "4e-4", 4e-4),
        ("network.projections.ee.processes.decay.sigma", "0.1", 0.1),
    ],
)
def test_override(key, given, kept):
    protocol = PROTOCOL
    if key == "references":
        protocol = dataclasses.replace(PROTOCOL, references=("c",))
    before = plain(protocol)
    changed = protocol.override({key: given})
    assert plain(get(changed, key)) == plain(kept)
    assert isinstance(get(changed, key), str) == isinstance(kept, str)
    assert plain(protocol) == before  # the original is as it was


def test_override_changes_nothing_else():
    changed = PROTOCOL.override({"schedule.sleep.fraction": 0.1})
    expected = PROTOCOL.describe()
    expected["schedule"]["sleep"]["fraction"] = 0.1
    assert changed.describe() == expected


def test_star_stands_for_every_part():
    rules = "network.projections.{}.rules.stdp_released.lr"
    changed = PROTOCOL.override({rules.format("*"): 1e-4, rules.format("ee"): "2e-4"})
    lr = {p.name: float(p.rules[0].parameters["lr"]) for p in changed.network.projections}
    assert lr == {"input_e": 1e-4, "ee": 2e-4, "ei": 1e-4, "ie": 1e-4}
    period = PROTOCOL.override({"network.projections.*.processes.decay.period": "1 ms"})
    assert [process.period for _, process in period.network.weight_processes()] == [1 * ms] * 4
    same = PROTOCOL.override({"network.projections.*.rules.*.lr": 1e-4})
    assert {float(p.rules[0].parameters["lr"]) for p in same.network.projections} == {1e-4}


def test_star_passes_over_parts_without_the_key():
    changed = PROTOCOL.override({"network.populations.*.activities.noise.sd": "3*mV"})
    populations = changed.network.populations
    assert populations[0].activities == ()  # the input population has none
    assert [p.activities[0].parameters["sd"] for p in populations[1:]] == [3 * mV] * 2
    assert_refused(
        lambda: PROTOCOL.override({"network.populations.*.activities.nois.sd": "3*mV"}),
        "there is no 'nois'",
        "did you mean 'noise'?",
    )


def test_objects_by_reference():
    key = "network.projections.*.rules.stdp_released"
    changed = PROTOCOL.override({key: "stdp:STDP_NEAREST", "network.projections.ee.rules": ()})
    rules = {p.name: p.rules for p in changed.network.projections}
    assert rules["ee"] == ()
    assert all(rules[name] == (STDP_NEAREST,) for name in ("input_e", "ei", "ie"))
    added = changed.override({"network.projections.ee.rules": "stdp:STDP_ALL_TO_ALL"})
    assert added.network.projection("ee").rules == (STDP_ALL_TO_ALL,)
    decay = PROTOCOL.override({"network.projections.ee.processes.decay": "sleep:DECAY_NEURON"})
    assert decay.network.projection("ee").processes == (DECAY_NEURON,)


def test_a_users_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from brainsleep.models.stdp import STDP_NEAREST\n"
        "SLOW = STDP_NEAREST.with_parameters(lr=1e-5)\n"
    )
    key = "network.projections.ee.rules.stdp_released"
    changed = PROTOCOL.override({key: f"{file}:SLOW"})
    assert float(changed.network.projection("ee").rules[0].parameters["lr"]) == 1e-5


def test_parts_are_checked_after_the_last_change():
    changed = PROTOCOL.override({"network.populations.input.size": 64, "encoder.size": "8,8"})
    assert changed.task.encoder.n_inputs == changed.network.population("input").size == 64
    assert_refused(
        lambda: PROTOCOL.override({"network.populations.input.size": 64}),
        "encoder.size",
        "(15, 15) = 225 inputs",
        "64, the size of population 'input'",
    )


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("scedule.period", 1, ("key 'scedule.period'", "no 'scedule'", "mean 'schedule'?")),
        ("schedule.sleep.fractoin", 1, ("no 'fractoin'", "did you mean 'fraction'?")),
        ("network.projections.eee.w_max", 1, ("no 'eee'", "did you mean 'ee'?")),
        ("network.projections.*.rules.*.tau_plux", 1, ("'tau_plux'", "mean 'tau_plus'?")),
        ("network.projections.ee.rules.*.tau_plux", 1, ("'tau_plux'", "mean 'tau_plus'?")),
        ("schedule.wake.gate.noise", 1, ("no 'gate'", "did you mean 'gates'?")),
        ("schedule.period.x", 1, ("key 'schedule.period.x'", "no 'x'")),
        ("data.n_train.x", 1, ("key 'data.n_train.x'", "no 'x'")),
        ("hooks.on_wake", print, ("key 'hooks.on_wake'", "no 'on_wake'")),
        ("", 1, ("key ''", "one of: data")),
        (3, 1, ("key '3'", "one of: data")),
        ("schedule.period", "3*mV", ("key 'schedule.period'", "got 3. mV", "in second")),
        ("schedule.period", 3, ("got 3 (no unit)", "a finite value in second, such as 35*second")),
        ("schedule.period", "3", ("got 3 (no unit)", "a finite value in second")),
        ("schedule.period", "3*foo", ("unit 'foo'", "such as ms, mV")),
        ("schedule.period", "3*", ("got '3*'", "write a value such as 35*second")),
        ("schedule.period", "soon", ("got 'soon'", "write a value such as 35*second")),
        ("schedule.period", None, ("got None (no unit)", "a finite value in second")),
        ("schedule.period", [1, 2] * second, ("a finite value in second",)),
        ("schedule.sleep.fraction", "0.1*ms", ("got 100. * usecond", "a number")),
        ("schedule.sleep.fraction", "a", ("got 'a'",)),
        ("schedule.sleep.fraction", None, ("got None", "a number")),
        ("schedule.sleep.fraction", True, ("got True", "a number")),
        ("schedule.sleep.fraction", float("nan"), ("got nan", "a number")),
        ("schedule.sleep.until_initial", 1, ("got 1", "True or False")),
        ("schedule.sleep.until_initial", "yes", ("got 'yes'",)),
        ("data.n_train", "3.5", ("got 3.5", "a whole number")),
        ("data.n_train", True, ("got True", "a whole number")),
        ("data.n_train", -1, ("data.n_train", "got -1", "at least 0")),
        ("data.source", 3, ("got 3", "text")),
        ("encoder.size", "a,b", ("key 'encoder.size'", "got 'a'")),
        ("encoder.size", 15, ("got 15", "a tuple")),
        ("record.snapshots", 4, ("got 4", "a tuple")),
        ("record.raster", "3,1", ("record.raster", "(3, 1)")),
        ("network.projections.*.rules.*.lr", "1*ms", ("got 1. ms", "a finite value in 1")),
        ("network.projections.*.rules.*", "stdp:STDP_NEARES", ("mean 'STDP_NEAREST'?",)),
        ("network.projections.*.rules.*", "lif:LIF", ("a NeuronModel", "PlasticityRule")),
        ("network.projections.*.rules.*", "STDP_NEAREST", ("FILE.py:NAME",)),
        ("schedule", 3, ("key 'schedule'", "got 3", "Schedule")),
        ("readout.variance", "1.5", ("readout.variance", "got 1.5", "more than 0 and less than 1")),
    ],
)
def test_override_refuses(key, value, parts):
    before = plain(PROTOCOL)
    assert_refused(lambda: PROTOCOL.override({key: value}), *parts, error=BrainsleepError)
    assert plain(PROTOCOL) == before


@pytest.mark.parametrize(
    ("key", "value", "error", "parts"),
    [
        (
            "schedule.sleep.gates.noise",
            2,
            ScheduleError,
            ("sleep.gates.noise", "at least 0 and at most 1"),
        ),
        ("schedule.sleep.gates.nois", 1, ScheduleError, ("'nois'", "did you mean 'noise'?")),
        ("schedule.period", "-3*ms", ScheduleError, ("schedule.period", "more than 0 s")),
        ("network.projections.ee.w_max", 0.1, SpecError, ("'ee'", "within [0.01, 0.1]")),
        ("network.projections.ee.sign", 0, SpecError, ("'ee'", "1, -1 or None")),
        ("readout.population", "ee", SpecError, ("readout.population", "did you mean 'e'?")),
        ("network.populations.e.model.reset", "v = v_rset", SpecError, ("'v_rset'", "'v_reset'")),
    ],
)
def test_values_are_checked_by_their_owner(key, value, error, parts):
    assert_refused(lambda: PROTOCOL.override({key: value}), *parts, error=error)


# --- what a protocol refuses -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "parts"),
    [
        (
            {"encoder": RateEncoder(size=(14, 14))},
            ProtocolError,
            ("encoder.size", "(14, 14) = 196 inputs", "225, the size of population 'input'"),
        ),
        (
            {"readout": Readout(population="ex")},
            SpecError,
            ("readout.population", "no population 'ex'", "did you mean 'e'?"),
        ),
        (
            {"schedule": Schedule(wake=wake(nois=1))},
            ScheduleError,
            ("schedule.wake.gates", "'nois'", "did you mean 'noise'?"),
        ),
        ({"hooks": {"on_wak": print}}, ProtocolError, ("'on_wak'", "did you mean 'on_wake'?")),
        ({"hooks": {"on_wake": 3}}, ProtocolError, ("hooks.on_wake", "got 3", "function")),
        ({"hooks": [print]}, ProtocolError, ("hooks", "expected {name: value}")),
        ({"network": None}, ProtocolError, ("network", "got None", "Network")),
        ({"schedule": None}, ProtocolError, ("schedule", "got None", "Schedule")),
        ({"data": {"n_train": 3}}, ProtocolError, ("data", "expected Data")),
        ({"name": None}, ProtocolError, ("name", "got None")),
    ],
)
def test_protocol_refuses(changes, error, parts):
    def make():
        if set(changes) & {f.name for f in dataclasses.fields(Images)}:
            task = dataclasses.replace(PROTOCOL.task, **changes)
            return dataclasses.replace(PROTOCOL, task=task)
        return dataclasses.replace(PROTOCOL, **changes)

    assert_refused(make, *parts, error=error)


def test_a_population_that_never_spikes_cannot_be_read():
    silent = dataclasses.replace(
        PAPER.population("i").model,
        threshold="",
        reset="",
        parameters={},
        equations="v : volt\ni_syn : 1\ntau_syn : second",
        on_step="",
        initial={},
    )
    parts = tuple(
        dataclasses.replace(p, model=silent) if p.name == "i" else p for p in PAPER.populations
    )
    to_i = tuple(dataclasses.replace(p, rules=()) for p in PAPER.projections if p.source != "i")
    network = dataclasses.replace(PAPER, populations=parts, projections=to_i)
    assert_refused(
        lambda: PROTOCOL.override({"network": network, "readout": Readout(population="i")}),
        "readout.population",
        "'i'",
        "no threshold",
    )


@pytest.mark.parametrize("value", [-1, 2.5, True, "3", None])
@pytest.mark.parametrize("name", ["n_train", "n_readout", "n_test", "split_seed"])
def test_data_counts(name, value):
    assert_refused(lambda: Data(**{name: value}), f"data.{name}", "a whole number of at least 0")


@pytest.mark.parametrize(
    "changes",
    [
        {"weights_every": -1},
        {"weights_every": "a"},
        {"snapshots": 3},
        {"snapshots": (-1,)},
        {"raster": (3,)},
        {"raster": (3, 3)},
        {"raster": None},
        {"weights_at_phases": 1},
    ],
)
def test_record_refuses(changes):
    assert_refused(lambda: Record(**changes), f"record.{next(iter(changes))}", "got", "expected")


# --- the address of a run ----------------------------------------------------------------------


def address(protocol=PROTOCOL, seed=0, backend="numpy", fingerprint="data"):
    return run_id(protocol, seed, backend, fingerprint)


def test_run_id_of_equal_protocols():
    again = Protocol(
        name="small",
        network=PAPER,
        task=Images(data=Data(n_train=35)),
        schedule=Schedule(sleep=sleep(0.2, decay=1, noise=1)),  # another order of gates
    )
    assert address() == address(again)
    assert re.fullmatch("[0-9a-f]{16}", address())
    # numbers given as whole or with a point
    whole = {"network.projections.ee.w_max": 20, "schedule.sleep.fraction": 1}
    point = {"network.projections.ee.w_max": 20.0, "schedule.sleep.fraction": 1.0}
    assert address(PROTOCOL.override(whole)) == address(PROTOCOL.override(point))
    assert address(dataclasses.replace(PROTOCOL, schedule=Schedule(sleep=sleep(1)))) == address(
        dataclasses.replace(PROTOCOL, schedule=Schedule(sleep=sleep(1.0)))
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"description": "other"},
        {"references": ("doi:10.1/2",)},
        {"data.source": "mnist"},
        {"data.root": "/somewhere"},
        {"network.populations.e.model.references": ("doi:10.1/2",)},
    ],
)
def test_run_id_does_not_depend_on(changes):
    assert address(PROTOCOL.override(changes)) == address()


CHANGES = {
    "schedule.sleep.fraction": 0.1,
    "schedule.sleep.until_initial": True,
    "schedule.sleep.max_duration": "9*second",
    "schedule.sleep.check_every": "2*second",
    "schedule.sleep.gates.noise": 0,
    "schedule.wake.gates.noise": 0.1,
    "schedule.test.gates.plasticity": 1,
    "schedule.period": "34*second",
    "schedule.image_duration": "500*ms",
    "data.n_train": 36,
    "data.n_readout": 501,
    "data.n_test": 501,
    "data.split_seed": 1,
    "encoder.total": 20,
    "encoder.max_rate": "900*Hz",
    "readout.population": "i",
    "readout.variance": 0.9,
    "readout.resamples": 1000,
    "record.weights_every": 1,
    "record.raster": (0, 1),
    "network.precision": "float32",
    "network.populations.e.size": 201,
    "network.populations.e.model.tau_m": 30.000000001 * ms,
    "network.populations.e.model.initial.v": "v_reset",
    "network.populations.e.model.method": "exact",
    "network.populations.e.model.on_step": "v = clip(v, v_low, v_high)\nv = v",
    "network.populations.e.activities.noise.sd": "1*mV",
    "network.projections.ee.weights.low": 0.31,
    "network.projections.ee.weights.high": 0.31,
    "network.projections.ee.w_min": 0.02,
    "network.projections.ee.w_max": 24,
    "network.projections.ee.sign": -1,
    "network.projections.ee.connectivity.p": 0.16,
    "network.projections.ee.connectivity.self_connections": True,
    "network.projections.ie.connectivity.avoid_reciprocal": "",
    "network.projections.ee.rules": (),
    "network.projections.ee.rules.stdp_released.lr": 7e-4,
    "network.projections.ee.processes.decay.sigma": 0.1,
    "network.projections.*.processes.decay.period": "10*ms",
}


def test_run_id_depends_on_every_setting():
    found = {key: address(PROTOCOL.override({key: value})) for key, value in CHANGES.items()}
    found |= {
        "seed": address(seed=1),
        "backend": address(backend="cython"),
        "data": address(fingerprint="other"),
        "nothing": address(),
    }
    noise = {"network.populations.*.activities.noise": "sleep:WHITE_NOISE"}
    found |= {"noise": address(PROTOCOL.override(noise))}
    found |= {"dt": address(PROTOCOL.override(noise | {"network.dt": "0.5*ms"}))}
    assert len(set(found.values())) == len(found), sorted(found, key=found.get)


def on_wake_one(groups, t):
    groups["e"].v = 0


def on_wake_two(groups, t):
    groups["e"].v = 1


def test_hooks_count_by_their_source():
    one, two = (
        dataclasses.replace(PROTOCOL, hooks={"on_wake": hook})
        for hook in (on_wake_one, on_wake_two)
    )
    assert len({address(), address(one), address(two)}) == 3
    made = {}
    exec("def hook(groups, t): pass", made)
    assert_refused(
        lambda: address(dataclasses.replace(PROTOCOL, hooks={"on_wake": made["hook"]})),
        "no source code",
        "a function defined in a file",
    )


def test_run_id_is_the_same_in_every_process():
    code = """if True:
        from brian2 import amp, mV, second, volt
        units = volt/second, amp/volt**2, second**2  # a session's own units change nothing
        from brainsleep.models.massey2026 import PAPER
        from brainsleep.experiment.protocol import Protocol, run_id
        from brainsleep.tasks.images.task import Data, Images
        from brainsleep.experiment.schedule import Schedule, sleep
        schedule = Schedule(sleep=sleep(0.2, noise=1, decay=1))
        task = Images(data=Data(n_train=35))
        protocol = Protocol(name="p", network=PAPER, task=task, schedule=schedule)
        print(run_id(protocol, 0, "numpy", "data"))
    """
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == address()


def test_plain_is_exact():
    value = 0.1 * ms + 1e-18 * second
    text = plain({"x": value, "y": (np.float64(0.1), np.arange(2)), "z": True})
    assert text == {"x": f"{float(value)!r} second", "y": [0.1, [0, 1]], "z": True}
    number, unit = text["x"].split()
    assert (float(number), unit) == (float(value), "second")


def test_equations_are_the_final_source():
    groups = {group["name"]: group for group in PROTOCOL.equations()["groups"]}
    assert "dv/dt = (v_rest - v + r*i_syn)/tau_m : volt" in groups["e"]["equations"]
    assert "tau_m : second (shared, constant)" in groups["e"]["equations"]
    assert groups["e"]["parameters"]["tau_m"] == "0.03 second"
    synapses = {part["name"]: part for part in PROTOCOL.equations()["synapses"]}
    assert "plasticity_gate_post" in synapses["ee"]["on_pre"]


# --- loading -----------------------------------------------------------------------------------


def test_shipped():
    assert {"lif", "stdp", "sleep", "massey2026"} <= set(shipped("model"))
    assert load("stdp:STDP_NEAREST") is STDP_NEAREST
    assert load("massey2026:PAPER") is PAPER
    for name in shipped("protocol"):
        assert isinstance(load_protocol(name), Protocol)


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.py"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


GOOD = """
from brainsleep.models.massey2026 import PAPER
from brainsleep.experiment.protocol import Protocol

from brainsleep.tasks.images.task import Images
PROTOCOL = Protocol(name="mine", network=PAPER, task=Images())
OTHER = PROTOCOL.override({"name": "other"})
NOT_ONE = 3
"""


def test_load_a_users_file(write):
    path = write(GOOD)
    assert load_protocol(path).name == "mine"
    assert load_protocol(f"{path}:OTHER").name == "other"
    assert load(f"{path}:NOT_ONE") == 3


def test_a_relative_path_and_home(write, tmp_path, monkeypatch):
    write(GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_protocol("mine.py").name == load_protocol("~/mine.py").name == "mine"
    write("x = 1\ny = 1/0\n", "broken.py")
    assert_refused(lambda: load_protocol("broken.py"), "broken.py, line 2: ZeroDivisionError")


def test_files_of_one_name_are_apart(tmp_path):
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "same.py")
        paths[-1].write_text(f"VALUE = {folder!r}\n")
    assert [load(f"{path}:VALUE") for path in paths] == ["a", "b"]
    assert [load(f"{path}:VALUE") for path in paths] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("x = 1\ny = (\n", ("mine.py, line 2: SyntaxError",)),
        ("x = 1\n\ny = 1/0\n", ("mine.py, line 3: ZeroDivisionError: division by zero",)),
        ("import no_such_module_at_all\n", ("line 1: ModuleNotFoundError", "no_such_module")),
        ("def f():\n    raise ValueError('a\\nb')\n\nf()\n", ("line 2: ValueError: a b",)),
        ("raise SystemExit(3)\n", ("line 1: SystemExit",)),
        (
            "from brainsleep.models.lif import LIF\nX = LIF.with_parameters(tau_mm=1)\n",
            ("line 2: SpecError", "did you mean 'tau_m'?"),
        ),
    ],
)
def test_a_file_that_fails(write, text, parts):
    path, before = write(text), set(sys.modules)
    assert_refused(lambda: load_protocol(path), "protocol: ", *parts)
    assert not [name for name in set(sys.modules) - before if "brainsleep_user" in name]


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: load("STDP_NEAREST"), ("got 'STDP_NEAREST'", "FILE.py:NAME")),
        (lambda: load("stdp:"), ("got 'stdp:'", "FILE.py:NAME")),
        (lambda: load(":STDP_NEAREST"), ("got ':STDP_NEAREST'", "FILE.py:NAME")),
        (lambda: load("stdq:STDP_NEAREST"), ("unknown 'stdq'", "did you mean 'stdp'?")),
        (lambda: load("stdp:STDP_NEARST"), ("no 'STDP_NEARST'", "mean 'STDP_NEAREST'?")),
        (lambda: load("no/such.py:X"), ("model: no file no/such.py", "existing .py file")),
        (lambda: load_module("masey2026", "model"), ("'masey2026'", "mean 'massey2026'?")),
        (lambda: load_protocol("no_such_one"), ("protocol: unknown 'no_such_one'", ".py file")),
        (lambda: load_protocol("no/such.py"), ("protocol: no file no/such.py",)),
    ],
)
def test_load_refuses(call, parts):
    assert_refused(call, *parts)


def test_load_protocol_refuses_other_things(write):
    path = write(GOOD)
    assert_refused(lambda: load_protocol(f"{path}:NOT_ONE"), "got 3", "a Protocol")
    assert_refused(lambda: load_protocol(f"{path}:MISSING"), "no 'MISSING'", "PROTOCOL")
    empty = write("x = 1\n", "empty.py")
    assert_refused(lambda: load_protocol(empty), "empty.py: got None", "define PROTOCOL in it")
    wrong = write("from brainsleep.models.massey2026 import PAPER as PROTOCOL\n", "wrong.py")
    assert_refused(lambda: load_protocol(wrong), "got a NetworkSpec", "a Protocol")


def types_in(value):
    """Return the types of a specification's fields, all the way down."""
    if dataclasses.is_dataclass(value):
        return [types_in(getattr(value, f.name)) for f in dataclasses.fields(value)]
    if isinstance(value, dict):
        return {key: types_in(part) for key, part in value.items()}
    return [types_in(part) for part in value] if isinstance(value, tuple) else type(value)


@pytest.mark.parametrize("value", ["2", 2, 2.0])
def test_a_whole_number_keeps_the_run_id_on_a_worker(value):
    changed = load_protocol("demo").override({"network.projections.*.rules.*.a_plus": value})
    copy = pickle.loads(pickle.dumps(changed))
    assert run_id(copy, 0, "cpp", "x") == run_id(changed, 0, "cpp", "x")
    floats = load_protocol("demo").override({"network.projections.*.rules.*.a_plus": 2.0})
    assert run_id(changed, 0, "cpp", "x") == run_id(floats, 0, "cpp", "x")


@pytest.mark.parametrize("source", ["demo", "controls", "competitive"])
def test_pickled_protocols_are_the_same_and_can_be_changed(source):
    protocol = load_protocol(source)
    copy = pickle.loads(pickle.dumps(protocol))
    assert types_in(copy) == types_in(protocol)
    assert copy.describe() == protocol.describe()
    changes = {"network.projections.input_e.weights.low": 0.25}
    assert copy.override(changes).equations() == protocol.override(changes).equations()


@pytest.mark.parametrize(("name", "value"), [("until_initial", True), ("trigger", 1.5)])
def test_a_sleep_that_waits_for_weights_needs_a_weight_process(name, value):
    """The sums of no projection are 0 and 0: every sleep would be over before it began."""
    parts = [dataclasses.replace(p, processes=()) for p in TINY.network.projections]
    network = dataclasses.replace(TINY.network, projections=tuple(parts))
    opened = {"schedule.sleep.gates.decay": None, "network": network}
    changed = {f"schedule.sleep.{name}": value, "schedule.sleep.gates.noise": 1}
    with pytest.raises(ScheduleError, match=rf"sleep\.{name}: got .* a weight process.*; add one"):
        TINY.override(opened | changed)
    assert TINY.override(opened).override({"schedule.sleep.fraction": 0} | changed)
