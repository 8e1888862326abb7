"""The fixes that ``brainsleep check`` prints: of what Python refuses, and of what is doubtful."""

import re
from pathlib import Path

import pytest
from fix_table import carry_out, checked, command, rows
from test_check import BASE, MISTAKES

from brainsleep.checking.examine import examine


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def study(*changes):
    """The study of the tests of ``check``, with some of its text replaced."""
    text = BASE
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text


def broken(*changes):
    return lambda: checked(study(*changes))


def right(*changes):
    """Assert that a study has neither mistakes nor remarks."""
    assert not checked(study(*changes)).strip()
    report = examine("study.py")
    assert not report.mistakes and not report.remarks and not report.skipped


def beside(name, **files):
    """A study that imports a name of a file beside it, if there is such a file."""
    for file, text in files.items():
        Path(f"{file}.py").write_text(text, encoding="utf-8")
    return checked(study(("CONDITIONS =", f"import {name}\nCONDITIONS =")))


NO_SLEEP = 'CONDITIONS = (Condition(name="no sleep", changes={"schedule.sleep.fraction": 0.0}),)'
STARTS = ('initial={"v": "v_rest"}', "initial={}")
NEVER_PLASTIC = (
    ("my_decay=1)", "my_decay=1, plasticity=0), wake=wake(plasticity=0)"),
    ("import Schedule, sleep", "import Schedule, sleep, wake"),
)
VOLT = ("from brian2 import Hz", "from brian2 import volt, Hz")
OTHER = "OTHER = LIF.with_parameters(b=1 * mV)\n\n"
LONELY = ("CONDITIONS =", OTHER + "CONDITIONS =")
RANDOM = ("r*i_syn - u)", "r*i_syn - u + b*randn())")
STEP_NOISE = (
    "NETWORK = ",
    "from brainsleep.spec import SpontaneousActivity\n"
    'MY_NOISE = SpontaneousActivity(name="noise", on_step="v += noise_gate*sd*randn()", '
    'parameters={"sd": 2 * mV})\nNETWORK = ',
)
WITH_MY_NOISE = ("(MEMBRANE_NOISE,)", "(MY_NOISE,)")
UNREAD = ("lr*y_post", "lr")

FIXES = [
    # what Python refuses
    ("a comma is missing", broken(('"tau_m": 20 * ms,\n', '"tau_m": 20 * ms\n')), right),
    ("close the bracket", broken(("CONDITIONS = (Cond", "CONDITIONS = (((Cond")),
     lambda: right(("CONDITIONS = (Cond", "CONDITIONS = (((Cond"), (": 0.0}),)", ": 0.0}))),)"))),
    ("import it: from {} import {}", broken(("max_rate=200 * Hz", "max_rate=0.2 * kHz")),
     lambda module, name: right(
         ("max_rate=200 * Hz", "max_rate=0.2 * kHz"),
         ("from brian2 import Hz", f"from {module} import {name}\nfrom brian2 import Hz"))),
    ("import it: from {} import {}",
     broken(("    Population,\n", "")),
     lambda module, name: right(
         ("    Population,\n", ""),
         ("from brainsleep.compare", f"from {module} import {name}\nfrom brainsleep.compare"))),
    ("install it, or put the file beside this one", lambda: beside("nap_helpers"),
     lambda: beside("nap_helpers", nap_helpers="X = 1\n")),
    ("there are: {}",
     broken(("from brainsleep.models.sleep import MEMBRANE_NOISE",
             "from brainsleep.models.qqq import MEMBRANE_NOISE")),
     lambda names: [checked(f"import brainsleep.models.{n}\n") for n in names.split(", ")][-1]),
    ("write {}", lambda: checked("def rate(of, at):\n    return of\n\nX = rate(1)\n"),
     lambda text: checked(
         f"def rate(of, at):\n    return of\n\nX = rate(1, {text.replace('...', '2')})\n")),
    ("did you mean '{}'?", lambda: checked("def rate(of, at):\n    return of\n\nX = rate(off=1)\n"),
     lambda name: checked(
         f"def rate(of, at):\n    return of\n\nX = rate({name}=1, at=2)\n")),
    ("did you mean '{}'?", lambda: checked("import math\nX = math.squrt(2)\n"),
     lambda name: checked(f"import math\nX = math.{name}(2)\n")),
    ("or the path of a .py file", lambda: command("check", "study"),
     lambda: (checked(BASE), command("check", "study.py"))[1]),
    ("give the path of an existing .py file", lambda: command("check", "missing.py"),
     lambda: (checked(BASE), command("check", "study.py"))[1]),
    # what is doubtful
    ("put it into the network, or remove it", broken(LONELY),
     lambda: (right(), right(("NETWORK = NetworkSpec", OTHER + "NETWORK = NetworkSpec"),
                       ("model=LIF, activities", "model=OTHER, activities")))),
    ("was {} meant?", broken(('"b": 2 * mV', '"b": 2 * volt'), VOLT),
     lambda unit: right(('"b": 2 * mV', f'"b": 2 * {unit}'), VOLT)),
    ("make it an activity with a gate, such as sleep:WHITE_NOISE", broken(RANDOM),
     lambda: right(("import MEMBRANE_NOISE", "import WHITE_NOISE"),
                   ("(MEMBRANE_NOISE,)", "(WHITE_NOISE,)"))),
    ("give the variables values at the start with initial={...}",
     broken(STARTS), lambda: right((STARTS[0], 'initial={"v": -70 * mV}'))),
    ("use it, or remove it", broken(UNREAD),
     lambda: (right(), right(
         UNREAD, ('    post_equations="dy/dt = -y/tau_minus : 1",\n', ""),
         ('    post_spike="y += 1",\n', ""), (', "tau_minus": 20 * ms', "")))),
    ("did you mean '{}_{}'?", lambda: checked(
        study(("lr*x_pre", "lr*x_post"))[: BASE.index("NETWORK =") + 1]),
     lambda *name: checked(
         study(("lr*x_pre", f"lr*{'_'.join(name)}"))[: BASE.index("NETWORK =")])),
    ("did you mean '{}_{}'?", broken(("lr*x_pre", "lr*x_post")),
     lambda *name: right(("lr*x_pre", f"lr*{'_'.join(name)}"))),
    ("write w = clip(..., w_min, w_max)",
     broken(("clip(w + lr*x_pre, w_min, w_max)", "w + lr*x_pre")),
     lambda: right(("w = clip(w + lr*x_pre, w_min, w_max)",
                    "w = clip(..., w_min, w_max)".replace("...", "w + lr*x_pre")))),
    ("raise w_max, or start lower", broken(("low=0.2, high=0.8", "low=2.0")),
     lambda: (right(("low=0.2, high=0.8", "low=2.0"), ("w_max=2.0", "w_max=3.0")),
              right(("low=0.2, high=0.8", "low=1.0")))),
    ("write sd*sqrt(dt/t_sd)*randn(), or say which time step it is for: dt=1*ms",
     broken(STEP_NOISE, WITH_MY_NOISE),
     lambda: (
         right((STEP_NOISE[0], STEP_NOISE[1].replace("sd*randn()", "sd*sqrt(dt/t_sd)*randn()")
                .replace("2 * mV}", "2 * mV, \"t_sd\": 1 * ms}")), WITH_MY_NOISE),
         right((STEP_NOISE[0], STEP_NOISE[1].replace("2 * mV}", "2 * mV}, dt=1*ms")),
               WITH_MY_NOISE))),
    ("open it in wake or sleep: plasticity=1", broken(*NEVER_PLASTIC),
     lambda: (right(*NEVER_PLASTIC, ("wake(plasticity=0)", "wake(plasticity=1)")),
              right(*NEVER_PLASTIC, ("my_decay=1, plasticity=0", "my_decay=1, plasticity=1")))),
    *(
        ("open it, for example with sleep(..., {}=1)", broken((gate, "")),
         lambda name, gate=gate: right((gate, "noise=1, " if name == "noise" else f", {name}=1")))
        for gate in ("noise=1, ", ", my_decay=1")
    ),
    ("if {} % is meant, write {}", broken(("sleep(0.2", "sleep(2")),
     lambda percent, fraction: right(("sleep(0.2", f"sleep({fraction}"))),
    ("shorten schedule.period, or show more images",
     broken(("period=1 * second", "period=3 * second")),
     lambda: (right(),
              right(("period=1 * second", "period=3 * second"), ("n_train=40", "n_train=80")))),
]  # fmt: skip


@pytest.mark.parametrize("fix, broken, mended", rows(FIXES))
def test_fix(fix, broken, mended):
    carry_out(fix, broken, mended)


SUGGESTED = [case for case, row in MISTAKES.items() if row[4].startswith("did you mean")]


@pytest.mark.parametrize("case", SUGGESTED)
def test_what_was_meant(case):
    """The name that ``check`` says was probably meant, put in its place, is right."""
    before, after, *_ = MISTAKES[case]
    text = BASE.replace(before, after, 1)
    checked(text)
    (details,) = [finding.details for finding in examine("study.py").mistakes]
    (name,) = re.findall(r"^did you mean '(.*)'\?$", details.fix)
    mended = re.sub(rf"(?<!\w){re.escape(details.word)}(?!\w)", name, after)
    checked(BASE.replace(before, mended, 1))
    assert not examine("study.py").mistakes
