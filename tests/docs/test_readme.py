"""The README's examples run as printed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import needs_compiler

from brainsleep.experiment.protocol import load_protocol
from brainsleep.results.store import read_result

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
SHELL = [
    line.split("#")[0].strip()
    for kind, text in BLOCKS
    if not kind
    for line in text.splitlines()
    if line.startswith("brainsleep")
]


def command(line, folder):
    script = [sys.executable, "-c", "from brainsleep.cli.app import main; main()"]
    return subprocess.run(
        [*script, *shlex.split(line)[1:]], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.standalone
@needs_compiler
def test_python_example_runs(tmp_path):
    example = next(block for block in PYTHON if "simulate(" in block)
    assert len(example.strip().splitlines()) <= 18
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    path, accuracy, weight = done.stdout.split()
    result = read_result(tmp_path / path)
    assert result.info["protocol"]["name"] == "first_study"
    assert float(accuracy) == result.metrics["network_accuracy"] > 0.5
    assert 0.01 < float(weight) < 25


def test_own_equations_run(tmp_path):
    text = next(block for block in PYTHON if "my_models.py" in block)
    (tmp_path / "my_models.py").write_text(text)
    lines = [line for line in SHELL if "my_models.py" in line]
    assert [line.split()[1] for line in lines] == ["show", "run"]
    shown = command(lines[0], tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "du/dt = -u/tau_u : volt" in shown.stdout
    small = " --backend numpy --set data.n_train=3 --set data.n_readout=20 --set data.n_test=20"
    ran = command(lines[1] + small + " --set schedule.image_duration=100*ms", tmp_path)
    assert ran.returncode == 0, ran.stderr
    described = read_result(tmp_path / ran.stdout.strip()).info["protocol"]
    assert described["network"]["populations"][1]["model"]["name"] == "my_lif"


def test_stages_example_runs():
    made = {}
    exec(next(block for block in PYTHON if "stages=" in block), made)
    assert made["night"].cycles == 4 and len(made["night"].stages) == 2
    line = next(line for line in SHELL if "stages.rem.share" in line)
    settings = dict(text.split("=") for text in re.findall(r"--set (\S+)", line))
    first, second = load_protocol("stages").override(settings).schedule.sleep.stages
    assert first.gates["plasticity"] == 1 and second.share == 0.5


def test_rule_can_be_replaced_as_the_readme_says(tmp_path):
    setting = re.search(r"--set '(network\.projections[^']*)'", README)[1]
    shown = command(f"brainsleep show demo --full --set {shlex.quote(setting)}", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "stdp_nearest_pre_x" in shown.stdout and "reversed" not in shown.stdout


def test_commands_exist():
    listed = {line.split()[1] for line in SHELL}
    assert listed == {"show", "run", "compare", "info", "figure", "models", "cache"} | {
        "sweep",
        "table",
        "statistics",
        "new",
        "export",
        "report",
        "check",
        "diff",
    }
