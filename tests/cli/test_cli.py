"""The command line: what it prints, and one clear line with exit code 2 for bad input."""

import gzip
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import QUICK

from brainsleep.results.store import read_result

STUDY = '''
"""A small study."""
from brian2 import ms

from brainsleep.run.compare import Condition
from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.models.massey2026 import recurrent_network
from brainsleep.experiment.protocol import Protocol
from brainsleep.tasks.images.task import Data, Images
from brainsleep.experiment.schedule import Schedule, sleep

PROTOCOL = Protocol(
    name="study",
    description="A small study",
    network=recurrent_network(n_inputs=64, n_excitatory=20, n_inhibitory=5),
    task=Images(
        data=Data(n_train=8, n_readout=30, n_test=30),
        encoder=RateEncoder(size=(8, 8), total=14.0),
    ),
    schedule=Schedule(image_duration=40 * ms, period=160 * ms, sleep=sleep(0.5, noise=1, decay=1)),
).override({"network.projections.input_e.weights.low": 2.0})

CONDITIONS = (
    Condition(name="no sleep", changes={"schedule.sleep.fraction": 0.0}),
    Condition(name="sleep"),
    Condition(
        name="frozen",
        changes={"data.n_train": 0},
        match_rate="sleep",
        scale="network.projections.input_e.weights.low",
    ),
)
'''


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.py"
    path.write_text(STUDY)
    return str(path)


def assert_fails(outcome, *words):
    """Assert exit code 2 and one line on stderr with all `words`; no traceback."""
    code, _, err = outcome
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2, err
    assert len(lines) == 1 and "Traceback" not in err
    for word in words:
        assert word in lines[0], lines[0]


def test_run_prints_the_result_folder_last_and_info_reads_it(call, study, tmp_path):
    code, out, err = call("run", study, "--backend", QUICK, "--out", tmp_path / "r", "--seed", 3)
    assert code == 0, err
    folder = out.splitlines()[-1]
    result = read_result(folder)
    assert result.info["seed"] == 3 and result.info["protocol"]["name"] == "study"
    code, out, _ = call("info", folder)
    assert code == 0
    for word in (result.path.name, QUICK, "network_accuracy", "brian2"):
        assert word in out
    again = call("run", study, "--backend", QUICK, "--out", tmp_path / "r", "--seed", 3)
    assert again[1].splitlines()[-1] == folder


def test_set_changes_the_protocol(call, study, tmp_path):
    settings = (
        "--set",
        "schedule.sleep.fraction=0",
        "--set",
        "data.n_train=4",
        "--set",
        "network.populations.e.model.tau_m=20*ms",
    )
    code, out, err = call("run", study, "--backend", QUICK, "--out", tmp_path, *settings)
    assert code == 0, err
    described = read_result(out.splitlines()[-1]).info["protocol"]
    assert described["schedule"]["sleep"]["fraction"] == 0
    assert described["data"]["n_train"] == 4
    assert described["network"]["populations"][1]["model"]["parameters"]["tau_m"] == "0.02 second"


def test_compare_prints_a_table_and_draws(call, study, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    png = tmp_path / "figures" / "demo.png"
    code, out, err = call("compare", study, "--backend", QUICK, "--out", tmp_path / "r")
    assert code == 0, err
    rows = {line.strip().split("  ")[0]: line for line in out.splitlines()}
    assert {"no sleep", "sleep", "frozen"} <= rows.keys()
    folders = [line.split(": ")[1] for line in out.splitlines() if str(tmp_path / "r") in line]
    assert len(folders) == 3
    results = [read_result(folder) for folder in folders]
    for result, name in zip(results, ("no sleep", "sleep", "frozen"), strict=True):
        assert f"{100 * result.metrics['network_accuracy']:.1f}" in rows[name]
    slept, frozen = results[1].metrics, results[2].metrics
    assert frozen["rate_test_e_hz"] == pytest.approx(slept["rate_test_e_hz"], rel=0.25)
    assert frozen["growth"] == pytest.approx(1.0)
    assert call("figure", "demo", *folders, "--out", png)[0] == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    named = [word for name in ("none", "naps", "never") for word in ("--label", name)]
    svg = tmp_path / "histograms.svg"
    assert call("figure", "histograms", *folders, *named, "--out", svg)[0] == 0
    assert svg.stat().st_size > 1000
    assert_fails(
        call("figure", "demo", *folders, *named[:2], "--out", png), "--label", "got 1", "3"
    )


@pytest.mark.long
def test_compare_draws_the_figure_that_the_protocol_names(call, study, tmp_path):
    compare = ("compare", study, "--backend", QUICK, "--out", tmp_path / "r")
    png = tmp_path / "compared.png"
    outcome = call(*compare, "--figure", png)
    assert_fails(outcome, "figure of protocol study: got study", "FIGURE")
    assert not (tmp_path / "r").exists()  # said before anything is computed
    with open(study, "a") as file:
        file.write('\nFIGURE = "controls"\n')
    code, _, err = call(*compare, "--figure", png)
    assert code == 0, err
    assert png.read_bytes().startswith(b"\x89PNG")


def test_show_prints_the_final_equations_parameters_and_schedule(call):
    code, out, _ = call("show", "demo", "--full", "--set", "schedule.sleep.fraction=0.1")
    assert code == 0
    for text in (
        "dv/dt = (v_rest - v + r*i_syn)/tau_m : volt",
        "w = plasticity_gate_post*w + (1 - plasticity_gate_post)*w_before",
        "tau_m = 30 ms",
        "After every 35 s of wake comes a sleep of 10 % of that time, at most 10 s.",
        "rate*dt > 0 and rand() < rate*dt",
    ):
        assert text in out
    assert "…" not in out


def test_models_and_protocols_are_listed(call):
    code, out, _ = call("models")
    assert code == 0
    assert "lif:ADAPTIVE_LIF" in out.replace("\n", "") and "arXiv:2601.08447" in out
    code, out, _ = call("protocols")
    assert code == 0 and "demo" in out


def test_bad_names_and_settings(call, study, tmp_path):
    assert_fails(call("run", "nope"), "unknown 'nope'", "demo")
    assert_fails(call("run", tmp_path / "none.py"), "no file")
    assert_fails(
        call("run", study, "--set", "schedule.sleep.fracton=1"), "did you mean 'fraction'?"
    )
    assert_fails(call("run", study, "--set", "fraction"), "KEY=VALUE")
    assert_fails(call("run", study, "--set", "schedule.sleep.fraction=-0.1"), "-0.1", "at least 0")
    assert_fails(call("run", study, "--set", "schedule.image_duration=300"), "no unit", "second")
    assert_fails(call("run", study, "--set", "schedule.sleep.gates.dreams=1"), "no gate 'dreams'")
    assert_fails(call("run", study, "--backend", "fortran"), "unknown 'fortran'", "numpy")
    assert_fails(call("run", study, "--data", "mmnist"), "mmnist", "mnist")
    assert_fails(call("run", study, "--seed", "x"), "--seed")
    assert_fails(call("run", study, "--data", tmp_path / "none.npz"), "none.npz")
    assert_fails(call("compare", "demo", "--figure", "x.gif"), "x.gif", ".png")
    assert_fails(call("info", tmp_path), "no result.json")
    assert_fails(call("figure", "nope", tmp_path, "--out", "x.png"), "a folder of finished runs")
    assert_fails(call("walk"), "No such command")
    assert_fails(call("run"), "PROTOCOL")
    assert_fails(call("run", study, "--walk"), "No such option")


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("-v/tau", "-u/tau", ("undefined name 'u'", "dv/dt")),
        ("-v/tau : volt", "-v : volt", ("dv/dt", "units")),
        ('{"tau": 10 * ms}', '{"tau": 10 * ms, "extra": 1.0}', ("'extra'", "used by no equation")),
        ("dv/dt =", "dv/dt", ("cannot read the equations",)),
        ('"v = 0*mV"', '"v = 0*ms"', ("reset", "unit")),
    ],
)
def test_bad_equations_in_a_users_file(call, tmp_path, old, new, words):
    text = (
        "from brian2 import ms, mV\n"
        "from brainsleep.network.spec import NeuronModel\n"
        'MINE = NeuronModel(name="mine", equations="dv/dt = -v/tau : volt",\n'
        '    threshold="v > 10*mV", reset="v = 0*mV", parameters={"tau": 10 * ms})\n'
    )
    assert old in text
    path = tmp_path / "mine.py"
    path.write_text(text.replace(old, new))
    outcome = call("run", "demo", "--set", f"network.populations.e.model={path}:MINE")
    assert_fails(outcome, "mine", *words)


def damaged_data(tmp_path):
    images, labels = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 10
    np.savez(tmp_path / "good.npz", images=images, labels=labels)
    data = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "truncated.npz").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "lengths.npz", images=images, labels=labels[:-1])
    np.savez(tmp_path / "objects.npz", images=images, labels=labels.astype(object))
    idx = tmp_path / "idx"
    idx.mkdir()
    header = bytes([0, 0, 8, 3]) + b"".join(int(n).to_bytes(4, "big") for n in (20, 8, 8))
    with gzip.open(idx / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(header + images.tobytes()[:-5])
    with gzip.open(idx / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(
            bytes([0, 0, 8, 1]) + (20).to_bytes(4, "big") + labels.astype(np.uint8).tobytes()
        )
    return [
        tmp_path / name
        for name in ("truncated.npz", "text.npz", "lengths.npz", "objects.npz", "idx")
    ]


def test_damaged_data_files(call, study, tmp_path):
    for path in damaged_data(tmp_path):
        name = "train-images" if path.name == "idx" else path.name
        assert_fails(call("run", study, "--data", path), name)


def test_hook_on_standalone(call, study):
    with open(study, "a") as file:
        file.write(
            "\nimport dataclasses\n"
            "PROTOCOL = dataclasses.replace(\n"
            "    PROTOCOL, hooks={'on_sleep': lambda groups, t: None})\n"
        )
    assert_fails(call("run", study, "--backend", "cpp"), "hooks", "on_sleep", "cython or numpy")


def test_unwritable_output_folder(call, study, tmp_path):
    (tmp_path / "file").write_text("")
    assert_fails(
        call("run", study, "--backend", "numpy", "--out", tmp_path / "file" / "out"), "file/out"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_output_folder(call, study, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert_fails(call("run", study, "--backend", "numpy", "--out", closed), "Permission denied")


def test_no_compiler(call, study, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert_fails(call("run", study, "--backend", "cpp"), "no C++ compiler found")


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(study, tmp_path):
    command = [
        sys.executable,
        "-c",
        "from brainsleep.cli.app import main; main()",
        "run",
        study,
        "--backend",
        "numpy",
        "--out",
        str(tmp_path / "out"),
        "--set",
        "data.n_train=120",
        "--set",
        "record.weights_every=1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 60
    while not (tmp_path / "out").exists() and time.time() < deadline:
        time.sleep(0.05)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err and "the same command goes on" in err
    assert list((tmp_path / "out").glob(".*.partial/checkpoint.npz"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_result(done.stdout.splitlines()[-1]).metrics["wake_s"] == pytest.approx(4.8)


def test_help_and_exit_codes_of_the_installed_command():
    script = [sys.executable, "-c", "from brainsleep.cli.app import main; main()"]
    done = subprocess.run([*script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "compare" in done.stdout
    done = subprocess.run([*script, "run", "nope"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
