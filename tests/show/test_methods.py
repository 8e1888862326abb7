"""`brainsleep show --latex`, and `show` of a single model."""

import dataclasses
import re
import shutil
import subprocess
from functools import partial
from importlib.util import find_spec

import pytest
import test_environment
from matplotlib.mathtext import MathTextParser

from brainsleep.experiment.protocol import load_protocol
from brainsleep.experiment.start import SavedWeights
from brainsleep.files.load import load, load_module, shipped
from brainsleep.network.models import Model, NeuronModel
from brainsleep.show.latex import mathml
from brainsleep.show.methods import WIDTH, escaped, methods

PARSER = MathTextParser("path")
PROTOCOLS = [name for name in shipped("protocol") if find_spec("torch") or name != "sg"]
MODELS = [
    f"{name}:{label}"
    for name in shipped("model")
    for label, value in vars(load_module(name, "model")).items()
    if label.isupper() and isinstance(value, Model)
]
LATEX = {f"protocol {name}": methods(load_protocol(name)) for name in PROTOCOLS}
LATEX |= {name: methods(load(name)) for name in MODELS}
MODELS_OF_PAPER = load_module("paper", "protocol").MODELS
LAYERED = MODELS_OF_PAPER["sg_snn_decay"]
RATE_LOSS = {"network.loss": "ce_rate_loss", "network.populations.output.surrogate": "atan"}
LATEX["layered"] = methods(load_protocol("paper").override(LAYERED))
LATEX["layered otherwise"] = methods(load_protocol("paper").override({**LAYERED, **RATE_LOSS}))
LATEX["layered with copies"] = methods(load_protocol("paper").override(MODELS_OF_PAPER["sg_snn"]))
TASKS = load_protocol("continual")
LATEX["rehearsal"] = methods(TASKS.override({"tasks.rehearsal": 0.5}))
LATEX["mixed"] = methods(TASKS.override({"tasks.mixed": True}))


def equations(latex):
    for body in re.findall(r"\\begin{align\*}\n(.*?)\n\\end{align\*}", latex, flags=re.S):
        yield from (row.strip() for row in body.split(r"\\"))


@pytest.mark.parametrize("what", LATEX)
def test_nothing_malformed(what):
    latex = LATEX[what]
    opened = re.findall(r"\\begin{(.*?)}", latex)
    assert sorted(opened) == sorted(re.findall(r"\\end{(.*?)}", latex))
    assert latex.count("{") - latex.count(r"\{") == latex.count("}") - latex.count(r"\}")
    outside = re.sub(r"\\begin{align\*}.*?\\end{align\*}|\$.*?\$|%.*", "", latex, flags=re.S)
    outside = re.sub(r"\\[_%&#${}]", "", outside)
    assert not re.search(r"[_^#$]", outside)
    assert all(ord(letter) < 256 for letter in latex)
    inside = [*equations(latex), *re.findall(r"(?<!\\)\$(.*?)(?<!\\)\$", latex)]
    for line in inside:
        assert line.count("&") <= 1
        code = line.replace("&", "").strip()
        PARSER.parse(f"${code}$")
        assert mathml(code).startswith("<math")
    for table in re.findall(r"\\begin{tabular}{(l+)}(.*?)\\end{tabular}", latex, flags=re.S):
        columns, rows = len(table[0]), [row for row in table[1].split(r"\\")[:-1]]
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == columns - 1


def test_protocol_in_words_and_tables():
    latex = LATEX["protocol stages"]
    for said in (
        r"\subsection*{Network \texttt{massey2026}}",
        r"input\_e & input $\to$ e & excitatory & 0.1 & 0.15 & 0.01 to 25",
        r"\paragraph{Neuron \texttt{clipped\_lif} (\texttt{e}, \texttt{i}).}",
        r"$\tau_{\mathrm{m}}$ & $30\,\mathrm{ms}$ & \texttt{tau\_m} \\",
        "After every 35 s of wake comes a sleep of 20 \\% of that time, at most 10 s.",
        r"It goes through nrem (80 \%) and rem (20 \%).",
        r"In the stage nrem of sleep \texttt{slow} and \texttt{decay} are open.",
        r"In the test \texttt{input} is open.",
        "3000 images of mnist",
        r"\item \texttt{arXiv:2601.08447}",
    ):
        assert said in latex, said
    awake = methods(load_protocol("demo").override({"schedule.sleep.fraction": 0}))
    assert "There is no sleep." in awake and "In sleep" not in awake


def test_layers_that_learn_by_gradients():
    latex = LATEX["layered"]
    for said in (
        r"\paragraph{Leaky neuron (\texttt{hidden}, \texttt{output}).}",
        r"\beta \, v_{i}(t - \Delta t) + I_{i}(t) - \theta",
        r"$\beta$ & $0.95$ & \texttt{beta} \\",
        r"\frac{\partial S_{i}}{\partial v_{i}} &= \frac{1}{{\left(1 + k",
        "128 images are shown side by side",
        "Adam with learning rate $0.0005$",
        r"n_{c} &= \sum_{t} S_{c}(t)",
        "the class whose neuron of population output spikes most often",
        "spike counts of population hidden",
    ):
        assert said in latex.replace("& =", "&="), said
    other = LATEX["layered otherwise"]
    assert r"\frac{1}{T}" in other and r"\texttt{atan}" in other
    assert r"Leaky neuron (\texttt{hidden})" in other
    assert "Its decision" not in LATEX["protocol demo"] and "Adam" not in LATEX["protocol demo"]


def test_biases_copies_and_the_loss_of_every_step():
    latex = LATEX["layered with copies"]
    for said in (
        r"I_{i}(t) &= b_{i} + \sum_{j} w_{ij} \, S_{j}(t)",
        "Activities whose gate is open change $v_{i}$ before this step",
        r"Biases $b_{i}$ of the targets of \texttt{input\_hidden}, \texttt{hidden\_output} start",
        "weights and biases then descend the gradient",
        r"L &= -\sum_{t} \ln \frac{",
        "In sleep 128 copies of the network run from rest",
        "A sleep of 25 ms comes after the first image (or batch) and after every 5 from there.",
    ):
        assert said in latex.replace("& =", "&="), said
    plain = LATEX["layered"]
    assert "Biases" not in plain and "copies" not in plain and "b_{i}" not in plain


def test_tasks_and_weights_of_another_run(monkeypatch):
    assert "in 5 tasks, one after the other: 0 and 1; 2 and 3;" in LATEX["protocol continual"]
    assert "After every task, readout and test images" in LATEX["protocol continual"]
    assert "replayed" not in LATEX["protocol continual"]
    assert "0.5 images of earlier tasks are replayed" in LATEX["rehearsal"]
    assert "5 tasks (0 and 1; 2 and 3; 4 and 5; 6 and 7; 8 and 9) are shown mixed" in LATEX["mixed"]
    assert "tasks" not in LATEX["protocol demo"]
    monkeypatch.setattr(SavedWeights, "_read", lambda self: None)
    monkeypatch.setattr(SavedWeights, "_digest", lambda self, read: "x")
    monkeypatch.setattr(SavedWeights, "check", lambda self, network: None)
    saved = SavedWeights(result="/somewhere/run_1", snapshot="initial", projections=("ee",))
    latex = methods(dataclasses.replace(TASKS, saved_weights=saved))
    assert r"weights of \texttt{ee} start as those of run \texttt{run\_1} (snapshot" in latex
    assert "somewhere" not in latex


def test_long_equations_are_broken_at_terms():
    model = NeuronModel(
        name="long",
        equations="dv/dt = (" + " + ".join(f"rate_number_{k}*v" for k in range(3)) + ") - "
        + " - ".join(f"rate_number_{k}*v*(v - 1 + v)" for k in range(3)) + " : 1",
        parameters={f"rate_number_{k}": load("sleep:SPONTANEOUS_SPIKES").parameters["rho"]
                    for k in range(3)},
    )  # fmt: skip
    rows = list(equations(methods(model)))
    assert len(rows) > 1 and all(row.startswith(r"& \quad {}") for row in rows[1:])
    for row in rows:
        assert row.count(r"\left") == row.count(r"\right")
        assert row.count("{") == row.count("}")
    assert WIDTH < 100


def test_letters_stand_for_themselves():
    assert escaped("a_b & 50 % of #1 {x} ~ ^ \\") == (
        r"a\_b \& 50 \% of \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
@pytest.mark.parametrize(
    "what", ["protocol stages", "protocol competitive", "adex:ADEX", "layered", "rehearsal"]
)
def test_compiles(what, tmp_path):
    head = r"\documentclass{article}\usepackage{amsmath,booktabs}\begin{document}"
    (tmp_path / "a.tex").write_text(head + "\n" + LATEX[what] + r"\end{document}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def show(call):
    return partial(call, "show")


def test_command_prints_latex(show):
    code, out, _ = show("demo", "--latex")
    assert code == 0 and out == LATEX["protocol demo"]
    code, out, _ = show("demo", "--latex", "--set", "network.populations.e.model.tau_m=25*ms")
    assert code == 0 and r"$25\,\mathrm{ms}$ & \texttt{tau\_m}" in out
    code, out, _ = show("lif:LIF", "--latex")
    assert code == 0 and out == LATEX["lif:LIF"]


def test_command_shows_a_model(show, tmp_path):
    code, out, _ = show("lif:LIF")
    assert code == 0 and out.startswith("NeuronModel lif\n")
    assert "    dv/dt = (v_rest - v + r*i_syn)/tau_m : volt" in out and "tau_m = 30 ms" in out
    code, out, _ = show("massey2026:PAPER")
    assert code == 0 and "projection ee (e to e)" in out
    file = tmp_path / "mine.py"
    file.write_text("from brainsleep.models.stdp import STDP_NEAREST as MINE\n")
    code, out, _ = show(f"{file}:MINE")
    assert code == 0 and "w = clip(w + lr*a_plus*x_pre, w_min, w_max)" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lif:LFI",), "did you mean 'LIF'?"),
        (("lfi:LIF",), "unknown 'lfi'"),
        (("lif:LIF", "--set", "tau_m=3*ms"), "lif"),
    ],
)
def test_command_on_what_there_is_not(show, arguments, said):
    code, _, err = show(*arguments)
    assert code == 2 and said in err and err.count("\n") == 1


def test_a_closed_loop():
    loop = dataclasses.replace(test_environment.LOOP, env="CartPole-v1")
    said = methods(test_environment.protocol(task=loop))
    for words in (
        r"20 ms long, is a step of the environment \texttt{CartPole-v1}",
        "gives the rates of population input",
        r"The reward is the signal \texttt{reward} in the slot that follows.",
        "OneHot", "encode.states", "decode.actions",
    ):  # fmt: skip
        assert words in said
    silent = dataclasses.replace(loop, reward="", encode=lambda seen: [seen] * 18)
    said = methods(test_environment.protocol(task=silent))
    assert "The reward is" not in said and "encode" in said
