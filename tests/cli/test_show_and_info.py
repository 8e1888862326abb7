"""What `show` and `info` print at first sight, and what a report of a bug needs."""

import os
import re
import subprocess
import sys

import pytest
from conftest import QUICK, ROOT

from brainsleep.results.store import read_result

SHORT = ("--set", "data.n_train=4", "--set", "data.n_readout=30", "--set", "data.n_test=30")
SHORT += ("--set", "schedule.image_duration=50*ms", "--set", "record.raster=()")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def changed(call, folder):
    words = (*SHORT, "--set", "schedule.sleep.fraction=0.1", "--backend", QUICK)
    code, out, err = call("run", "demo", *words, "--seed", 3, "--out", folder)
    assert code == 0, err
    return out.splitlines()[-1]


def test_show_is_one_screen(call):
    code, out, _ = call("show", "demo")
    assert code == 0 and len(out.splitlines()) <= 24
    said = " ".join(out.split())
    for text in (
        "225 input (poisson), 200 e (clipped_lif), 50 i (clipped_lif)",
        "ee, ei, ie with stdp_released and decay",
        "After every 35 s of wake comes a sleep of 20 % of that time",
        "no sleep; 20 % sleep",
        "figure demo",
        "--full",
    ):
        assert text in said, text
    assert "dv/dt" not in out
    assert "dv/dt" in call("show", "demo", "--full")[1]


@pytest.mark.parametrize("name", ["paper", "stages", "brunel", "unlearning", "sleep_replay"])
def test_every_kind_of_protocol_has_a_summary(call, name):
    code, out, err = call("show", name)
    assert code == 0, err
    assert "network" in out and "None" not in out and len(out.splitlines()) < 45


def test_info_says_what_was_changed_since_the_protocol_as_shipped(call, changed):
    code, out, err = call("info", changed)
    assert code == 0, err
    said = " ".join(out.split())
    assert "changed of 'demo' as it is shipped" in said
    assert "schedule.sleep.fraction 0.2 0.1" in said and "data.n_train 350 4" in said
    assert "seed 3" in said and "no alarms" in said and "network_accuracy" in said
    made = read_result(changed).made
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", made) and made in said
    assert "took" in said and "brian2" in said
    assert "tau_m" not in said  # what is as it was is left out
    assert "effective_acs_wake" not in said
    assert "effective_acs_wake" in call("info", changed, "--full")[1]


def test_info_of_a_users_protocol_says_what_was_given(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["from dataclasses import replace", "from brainsleep.protocols.demo import PROTOCOL"]
    with open("mine.py", "w") as file:
        file.write("\n".join([*lines, "PROTOCOL = replace(PROTOCOL, name='mine')", ""]))
    _, out, err = call("run", "mine.py", *SHORT, "--backend", QUICK, "--out", "r")
    os.remove("mine.py")  # which is not needed, nor read
    said = " ".join(call("info", out.splitlines()[-1])[1].split())
    assert "changed of 'mine'" in said and "data.n_train 4" in said, err


def test_info_of_a_system(call):
    code, out, _ = call("info", "--system")
    assert code == 0
    for name in ("python", "brainsleep", "brian2", "numpy", "C++ compiler", "system"):
        assert name in out
    issue = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug_report.md").read_text()
    assert "brainsleep info --system" in issue


@pytest.mark.parametrize("words", [(), ("results", "--system")])
def test_info_of_one_thing(call, words):
    code, _, err = call("info", *words)
    assert code == 2 and len(err.strip().splitlines()) == 1 and "expected one of them" in err


def test_diff_rounds_both_sides_alike(call, changed, folder):
    words = (*SHORT, "--set", "schedule.sleep.fraction=0.3", "--backend", QUICK)
    _, out, _ = call("run", "demo", *words, "--seed", 3, "--out", folder)
    code, out, err = call("diff", changed, out.splitlines()[-1])
    assert code == 1, err
    rows = [line.split() for line in out.splitlines()]
    numbers = [row[1:] for row in rows if len(row) == 3 and re.match(r"[a-z_]+$", row[0])]
    assert numbers
    for a, b in numbers:
        assert a != b and max(len(re.sub(r"\D", "", each)) for each in (a, b)) <= 12, (a, b)


def completions(words, shell="bash"):
    """What the shell is offered after `words`."""
    script = [sys.executable, "-c", "from brainsleep.cli.app import main; main()"]
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    asked["_BRAINSLEEP_COMPLETE"] = f"complete_{shell}"
    code = "import sys; sys.argv = ['brainsleep']; from brainsleep.cli.app import main; main()"
    done = subprocess.run(
        [*script[:2], code], env={**os.environ, **asked}, capture_output=True, text=True
    )
    return done.stdout.split()


def test_shells_complete_commands_and_names():
    assert {"sweep", "show"} <= set(completions("brainsleep s"))
    assert {"run", "retry"} <= set(completions("brainsleep sweep r"))
    assert "demo" in completions("brainsleep run de")
    assert "weights" in completions("brainsleep figure we")
