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

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
STARTED = (ROOT / "docs" / "getting_started.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README + STARTED, flags=re.DOTALL | re.MULTILINE)
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


def test_stages_of_the_page_are_read_by_key():
    text = (ROOT / "docs" / "stages.md").read_text()
    example = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(example, {})
    settings = {"schedule.sleep.stages.rem.share": "0.5"}
    _, second = load_protocol("stages").override(settings).schedule.sleep.stages
    assert second.share == 0.5


def test_rule_can_be_replaced_as_the_page_says(tmp_path):
    setting = re.search(r"--set '(network\.projections[^']*stdp:[^']*)'", STARTED)[1]
    shown = command(f"brainsleep show demo --full --set {shlex.quote(setting)}", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "stdp_nearest_pre_x" in shown.stdout and "reversed" not in shown.stdout


def test_the_readme_is_one_screen():
    words = re.sub(r"```.*?```", "", README, flags=re.DOTALL).split()
    assert len(words) < 800


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
        "adopt",
    }
