"""What a program prints that ends with an error: ours are not called unexpected ones of Brian2."""

import subprocess
import sys

import pytest

OURS = "load_protocol('no_such')"


@pytest.mark.parametrize(
    ("script", "ours"),
    [
        (f"from brainsleep.experiment.protocol import load_protocol\n{OURS}", True),
        (f"import brian2\nfrom brainsleep.experiment.protocol import load_protocol\n{OURS}", True),
        (f"from brainsleep.experiment.protocol import load_protocol\nimport brian2\n{OURS}", True),
        (
            "from brainsleep.tasks.images.datasets import load_dataset\nfrom brian2 import *\n"
            "load_dataset('no_such')",
            True,
        ),
        ("from brainsleep.experiment.protocol import load_protocol\n1/0", False),
        (
            "from brainsleep.experiment.protocol import load_protocol\n"
            "try:\n    load_protocol('no_such')\n"
            "except Exception:\n    1/0",
            False,
        ),
    ],
)
def test_our_errors_end_a_program_as_pythons_do(script, ours, tmp_path):
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "Traceback" in done.stderr
    assert ("report this issue" in done.stderr) is not ours
    if ours:
        assert done.stderr.startswith("Traceback")
        assert "'no_such'" in done.stderr.splitlines()[-1]


def test_a_command_says_its_error_and_nothing_else(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import dataclasses\nfrom brainsleep.protocols.demo import PROTOCOL as DEMO\n\n"
        "def hook(groups, t):\n    groups['e'].no_such = 1\n\n"
        "PROTOCOL = dataclasses.replace(DEMO, hooks={'on_wake': hook})\n"
    )
    for words in (("show", "no_such"), ("run", "mine.py", "--backend", "numpy", "--out", "out")):
        done = subprocess.run(
            [sys.executable, "-c", "from brainsleep.cli.app import main; main()", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line for line in done.stderr.splitlines() if line.startswith(("error", "ERROR"))]
        assert done.returncode == 2 and len(said) == 1, done.stderr
        assert "report this issue" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.long
def test_preferences_that_cannot_be_read_are_an_error_of_one_line(tmp_path):
    (tmp_path / "brian_preferences").write_text("core.default_float_dtype = flot32\n")

    def show():
        command = [
            sys.executable,
            "-c",
            "from brainsleep.cli.app import main; main()",
            "show",
            "demo",
        ]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = show()
    assert done.returncode == 2
    assert done.stderr.startswith("error: Brian2 cannot read the preferences in brian_preferences")
    assert "'flot32'" in done.stderr and "remove this file" in done.stderr
    (tmp_path / "brian_preferences").unlink()
    assert show().returncode == 0
