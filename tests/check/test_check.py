"""`brainsleep check`: typical mistakes with their places and hints, remarks, no false alarms."""

import re
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest

from brainsleep.check.examine import examine
from brainsleep.cli.new_study import new_study
from brainsleep.files.load import load_module, shipped

BASE = '''
"""A study with nothing wrong in it."""
from brian2 import Hz, ms, mV, second

from brainsleep.run.compare import Condition
from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.models.inputs import POISSON
from brainsleep.models.sleep import MEMBRANE_NOISE
from brainsleep.experiment.protocol import Protocol
from brainsleep.tasks.images.task import Data, Images
from brainsleep.experiment.schedule import Schedule, sleep
from brainsleep.network.spec import (
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
    WeightProcess,
)

LIF = NeuronModel(
    name="my_lif",
    equations="""
    dv/dt = (v_rest - v + r*i_syn - u)/tau_m : volt  # the membrane
    di_syn/dt = -i_syn/tau_syn : 1
    du/dt = -u/tau_u : volt
    """,
    threshold="v > v_threshold",
    reset="""
    v = v_reset
    u += b
    """,
    parameters={
        "tau_m": 20 * ms,
        "tau_syn": 5 * ms,
        "tau_u": 100 * ms,
        "r": 30 * mV,
        "b": 2 * mV,
        "v_rest": -70 * mV,
        "v_reset": -75 * mV,
        "v_threshold": -55 * mV,
    },
    initial={"v": "v_rest"},
    method="euler",
)

SYNAPSE = SynapseModel(
    name="my_synapse", on_pre="i_syn_post += w_sign*w*scale", parameters={"scale": 0.3}
)

RULE = PlasticityRule(
    name="my_stdp",
    pre_equations="dx/dt = -x/tau_plus : 1",
    pre_spike="x += 1",
    post_equations="dy/dt = -y/tau_minus : 1",
    post_spike="y += 1",
    on_pre="w = clip(w - lr*y_post, w_min, w_max)",
    on_post="w = clip(w + lr*x_pre, w_min, w_max)",
    parameters={"lr": 0.01, "tau_plus": 20 * ms, "tau_minus": 20 * ms},
)

DECAY = WeightProcess(
    name="my_decay",
    on_update="w = clip(w_star + (w - w_star)*exp(-interval/tau_w), w_min, w_max)",
    period=50 * ms,
    parameters={"tau_w": 2 * second, "w_star": 0.5},
)

NETWORK = NetworkSpec(
    name="my_network",
    populations=(
        Population(name="input", size=64, model=POISSON),
        Population(name="e", size=10, model=LIF, activities=(MEMBRANE_NOISE,)),
    ),
    projections=(
        Projection(
            name="input_e",
            source="input",
            target="e",
            synapse=SYNAPSE,
            weights=InitialWeights(low=0.2, high=0.8),
            w_max=2.0,
            rules=(RULE,),
            processes=(DECAY,),
        ),
    ),
)

PROTOCOL = Protocol(
    name="my_study",
    network=NETWORK,
    task=Images(
        data=Data(n_train=40, n_readout=20, n_test=20),
        encoder=RateEncoder(size=(8, 8), max_rate=200 * Hz),
    ),
    schedule=Schedule(
        image_duration=50 * ms, period=1 * second, sleep=sleep(0.2, noise=1, my_decay=1)
    ),
)

CONDITIONS = (Condition(name="no sleep", changes={"schedule.sleep.fraction": 0.0}),)
'''.lstrip()

#: What is written instead of what, then: the text marked (by its line), what is said of it (a
#: pattern), and a piece of the fix, of what was found or of what is expected.
MISTAKES = {
    "trace that is not linear": (
        "dx/dt = -x/tau_plus", "dx/dt = -x**2/tau_plus", "pre_equations",
        "trace equations cannot be integrated exactly", "",
    ),
    "misspelt parameter": (
        "(v_rest - v +", "(v_rset - v +", "v_rset", "my_lif': dv/dt: undefined name 'v_rset'",
        "did you mean 'v_reset'?",
    ),
    "wrong unit of a parameter": (
        '"tau_m": 20 * ms', '"tau_m": 20 * mV', "(v_rest - v + r*i_syn - u)/tau_m",
        "dv/dt: wrong units", "volt/second",
    ),
    "missing division by tau": (
        "= -u/tau_u : volt", "= -u : volt", "-u", "du/dt: wrong units",
        "divide by a time constant such as tau_u",
    ),
    "missing factor": (
        "r*i_syn - u", "i_syn - u", "i_syn", "different units are added", "multiply by",
    ),
    "number without unit": (
        'threshold="v > v_threshold"', 'threshold="v > -55"', "-55", "different units are compared",
        "found: 1 (no unit)",
    ),
    "equation without unit": (
        "du/dt = -u/tau_u : volt", "du/dt = -u/tau_u", "u", "the equation of 'u' has no unit",
        "end the line with the unit",
    ),
    "unit with prefix": (
        "tau_u : volt", "tau_u : mV", "mV", "the unit 'mV' has a prefix", "write volt",
    ),
    "misspelt unit": (
        "tau_u : volt", "tau_u : vlot", "vlot", "unknown unit 'vlot'", "did you mean 'volt'?",
    ),
    "wrong declared unit": (
        "du/dt = -u/tau_u : volt", "du/dt = -u/tau_u : second", "u",
        "different units are added", "expected: volt",
    ),
    "threshold no condition": (
        'threshold="v > v_threshold"', 'threshold="v - v_threshold"', "v - v_threshold",
        "threshold: not a condition", "v > v_threshold",
    ),
    "one equals sign": (
        'threshold="v > v_threshold"', 'threshold="v = v_threshold"', "=",
        "threshold: '=' does not compare", "write ==",
    ),
    "missing variable of the threshold": (
        'threshold="v > v_threshold"', 'threshold="v > v_threshold + theta"', "theta",
        "threshold: undefined name 'theta'", "define it as a variable or a parameter",
    ),
    "unknown function": (
        "*exp(-interval", "*expp(-interval", "expp", "unknown function 'expp'",
        "did you mean 'exp'?",
    ),
    "upper-case parameter": (
        '"b": 2 * mV', '"B": 2 * mV', '"B"', "parameter name: got 'B'", "write 'b'",
    ),
    "upper-case variable": (
        "du/dt = -u/tau_u", "dU/dt = -U/tau_u", "U", "variable name: got 'U'", "write 'u'",
    ),
    "unused parameter": (
        '"b": 2 * mV,', '"b": 2 * mV, "c": 3 * ms,', '"c"', "parameter 'c' is used by no equation",
        "remove it or use it",
    ),
    "writing to a parameter": (
        "u += b\n", "v_rest += b\n", "v_rest", "reset: 'v_rest' is not for this code to change",
        "it may set i_syn, u, v",
    ),
    "writing to a misspelt variable": (
        "u += b\n", "uu = b\n", "uu", "sets the undefined name 'uu'", "did you mean 'u'?",
    ),
    "reserved name of a variable": (
        "di_syn/dt", "dlastspike/dt", "lastspike", "variable name: got 'lastspike'",
        "choose another name",
    ),
    "reserved name of a model": (
        'name="my_decay"', 'name="plasticity"', '"plasticity"', "name: got 'plasticity'",
        "choose another name",
    ),
    "name with an ending": (
        '"b": 2 * mV', '"b_pre": 2 * mV', '"b_pre"', "got 'b_pre'", "such as 'b_own'",
    ),
    "missing comma": (
        '"tau_m": 20 * ms,\n', '"tau_m": 20 * ms\n', "20 * ms", "Python cannot read this",
        "a comma is missing",
    ),
    "unclosed bracket in Python": (
        "NEURON = 1", "", "(", "'\\(' was never closed", "close the bracket",
    ),
    "unbalanced bracket in an equation": (
        "(v_rest - v + r*i_syn - u)/tau_m", "(v_rest - v + r*i_syn - u/tau_m", "(",
        "the bracket '\\(' is never closed", "close it",
    ),
    "closing bracket too many": (
        "w - lr*y_post, w_min, w_max)", "w - lr*y_post, w_min, w_max))", ")",
        "closes a bracket that was never opened", "remove it",
    ),
    "caret for a power": (
        "-u/tau_u :", "-u^2/tau_u :", "^", "'\\^' is not a power here", "write **",
    ),
    "ampersand": (
        '"v > v_threshold"', '"v > v_threshold & u > b"', "&", "does not join conditions",
        "write 'and'",
    ),
    "quantity of wrong units at the start": (
        '{"v": "v_rest"}', '{"v": 3 * ms}', '"v"', "initial v: got 3. ms", "expected: volt",
    ),
    "number at the start": (
        '{"v": "v_rest"}', '{"v": -70}', '"v"', "initial v: got -70 \\(no unit\\)",
        "expected: volt",
    ),
    "start of what there is not": (
        '{"v": "v_rest"}', '{"vm": "v_rest"}', '"vm"', "initial: got vm=", "",
    ),
    "misspelt parameter at the start": (
        '{"v": "v_rest"}', '{"v": "v_rst"}', '"v_rst"', "initial: got v='v_rst'",
        "did you mean 'v_rest'?",
    ),
    "unknown method": (
        '"euler"', '"eulr"', '"eulr"', "unknown method 'eulr'", "did you mean 'euler'?",
    ),
    "wrong ending": (
        "lr*x_pre", "lr*x_post", "x_post", "undefined name 'x_post'", "did you mean",
    ),
    "misspelt variable of the target": (
        "i_syn_post +=", "i_sin_post +=", "i_sin_post", "undefined name 'i_sin_post'",
        "did you mean 'i_syn_post'?",
    ),
    "weight with units": (
        "w_sign*w*scale", "w_sign*w*scale*mV", "w_sign*w*scale*mV", "wrong units",
        "found: volt",
    ),
    "argument of clip missing": (
        "clip(w - lr*y_post, w_min, w_max)", "clip(w - lr*y_post, w_min)",
        "clip(w - lr*y_post, w_min)", "'clip' takes 3 values", "clip(value, low, high)",
    ),
    "misspelt gate": (
        "noise=1", "nosie=1", "nosie", "the network has no gate 'nosie'", "did you mean 'noise'?",
    ),
    "misspelt gate in an equation": (
        "= -u/tau_u", "= -slep_gate*u/tau_u", "slep_gate", "no gate 'slep_gate'", "one of",
    ),
    "misspelt population": (
        'source="input"', 'source="inptu"', '"inptu"', "source: no population 'inptu'",
        "did you mean 'input'?",
    ),
    "misspelt key": (
        '"schedule.sleep.fraction"', '"schedule.sleep.fractoin"', "fractoin",
        "condition 'no sleep': key .* there is no 'fractoin'", "did you mean 'fraction'?",
    ),
    "misspelt argument": (
        "threshold=", "treshold=", "treshold", "NeuronModel takes no 'treshold'",
        "did you mean 'threshold'?",
    ),
    "missing argument": (
        '    name="my_stdp",\n', "", "PlasticityRule", "PlasticityRule needs name",
        "write name=...",
    ),
    "unit that is not imported": (
        "max_rate=200 * Hz", "max_rate=200 * kHz", "kHz", "the name 'kHz' is not defined",
        "from brian2 import kHz",
    ),
    "misspelt model": (
        "model=LIF", "model=LFI", "LFI", "the name 'LFI' is not defined", "did you mean 'LIF'?",
    ),
    "misspelt import": (
        "import POISSON", "import POISON", "POISON", "has no 'POISON'", "did you mean 'POISSON'?",
    ),
    "misspelt module": (
        "brainsleep.models.inputs", "brainsleep.models.input", "brainsleep.models.input",
        "there is no module", "did you mean 'brainsleep.models.inputs'?",
    ),
    "size that does not fit": (
        "size=(8, 8)", "size=(9, 8)", "size", "encoder.size: got", "",
    ),
    "time that is no multiple of the step": (
        "image_duration=50 * ms", "image_duration=50.5 * ms", "image_duration",
        "image_duration: got", "",
    ),
    "weights beyond the bound": (
        "w_max=2.0", "w_max=0.5", "weights", "weights: got 0.2..0.8", "",
    ),
    "quantities added in Python": (
        "period=50 * ms", "period=50 * ms + 1 * mV", "50 * ms + 1 * mV", "Cannot calculate", "",
    ),
    "statement that is none": (
        "u += b\n", "u + b\n", "u + b", "not a statement", "name = value",
    ),
    "comparison in a reset": (
        "v = v_reset\n", "v == v_reset\n", "v == v_reset", "not a statement", "name = value",
    ),
}  # fmt: skip


def written(folder, text, name="study.py"):
    path = Path(folder) / name
    path.write_text(text)
    return path


def marked(finding):
    """The text that is marked, on the first line of the place."""
    place, line = finding.place, finding.lines[0]
    end = place.end_column if place.end_line == place.line else len(line) + 1
    return line[place.column - 1 : end - 1]


def test_base_is_fine(tmp_path):
    report = examine(str(written(tmp_path, BASE)))
    assert not report.mistakes and not report.remarks and not report.skipped
    assert report.summary[0] == "1 neuron: my_lif"
    assert any("neurons 64 input, 10 e; 1 projection (1 plastic)" in s for s in report.summary)


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_explained_at_its_place(tmp_path, case):
    before, after, place, said, hint = MISTAKES[case]
    if before == "NEURON = 1":
        text, where = BASE.replace("CONDITIONS = (Cond", "CONDITIONS = (((Cond"), "CONDITIONS"
    else:
        assert BASE.count(before) >= 1
        text = BASE.replace(before, after, 1)
        where = after.strip() or "PlasticityRule("
    report = examine(str(written(tmp_path, text)))
    found = [f for f in report.mistakes if re.search(said, f.text)]
    assert found, [f.text for f in report.mistakes]
    finding = found[0]
    shown = (
        f"{finding.text} fix: {finding.details.fix} found: {finding.details.found} "
        f"expected: {finding.details.expected}"
    )
    assert hint in shown
    assert marked(finding) == place
    assert finding.lines[0] == text.splitlines()[finding.place.line - 1]
    if case in ("wrong unit of a parameter", "wrong declared unit", "weights beyond the bound"):
        return  # shows elsewhere than where it was typed
    lines = [k for k, line in enumerate(text.splitlines(), 1) if where.splitlines()[0] in line]
    if case == "missing argument":
        assert finding.place.line in [k for k in lines if "RULE" in text.splitlines()[k - 1]]
    else:
        assert finding.place.line in lines


def test_only_one_mistake_is_said_where_there_is_one(tmp_path):
    """Its consequences, such as names that are missing because of it, are not."""
    several = {"wrong declared unit", "name with an ending"}
    several |= {"reserved name of a variable", "reserved name of a model"}
    for case in set(MISTAKES) - several:
        before, after = MISTAKES[case][:2]
        if before == "NEURON = 1":
            continue
        report = examine(str(written(tmp_path, BASE.replace(before, after, 1))))
        said = [f.text for f in report.mistakes]
        if len(said) > 1:  # what stands there instead of a parameter can leave it without use
            said = [text for text in said if "is used by no equation" not in text]
        assert len(said) == 1, (case, said)


def test_all_mistakes_are_found_at_once(tmp_path):
    cases = [
        "misspelt parameter", "missing division by tau", "unknown method", "unknown function",
        "one equals sign", "argument of clip missing", "misspelt gate", "unused parameter",
        "misspelt population", "writing to a parameter",
    ]  # fmt: skip
    text = BASE
    for case in cases:
        text = text.replace(*MISTAKES[case][:2], 1)
    report = examine(str(written(tmp_path, text)))
    assert len(report.mistakes) == len(cases)
    for case in cases:
        assert any(re.search(MISTAKES[case][3], f.text) for f in report.mistakes), case
    lines = [f.place.line for f in report.mistakes]
    assert lines == sorted(lines)


def test_mistakes_in_an_equation_over_several_lines(tmp_path):
    text = BASE.replace(
        "(v_rest - v + r*i_syn - u)/tau_m", "(v_rest - v\n        + r*i_syn - q)/tau_m"
    )
    (finding,) = examine(str(written(tmp_path, text))).mistakes
    assert marked(finding) == "q" and finding.lines[0].strip().startswith("+ r*i_syn - q")


def test_mistakes_in_a_string_with_escapes_and_in_a_variable(tmp_path):
    text = BASE.replace(
        'reset="""\n    v = v_reset\n    u += b\n    """', 'reset="v = v_reset\\nu += bb"'
    )
    (first, *_) = examine(str(written(tmp_path, text))).mistakes
    assert marked(first) == "bb"
    text = BASE.replace('on_pre="w = clip(w - lr*y_post, w_min, w_max)"', "on_pre=_PRE")
    text = text.replace("RULE = ", '_PRE = "w = clip(w - lrr*y_post, w_min, w_max)"\nRULE = ')
    (finding,) = examine(str(written(tmp_path, text))).mistakes
    assert marked(finding) == "lrr" and finding.lines[0].startswith("_PRE")


def test_mistakes_in_a_file_beside_are_shown_there(tmp_path):
    new_study(tmp_path / "nap")
    models = tmp_path / "nap" / "nap_models.py"
    models.write_text(models.read_text().replace("- u)/tau_m", "- u)/tau_n"))
    report = examine(str(tmp_path / "nap" / "nap.py"))
    (finding,) = report.mistakes
    assert finding.path.name == "nap_models.py" and marked(finding) == "tau_n"
    assert "nap_models" not in sys.modules  # nothing is left for the next look
    models.write_text(models.read_text().replace("- u)/tau_n", "- u)/tau_m"))
    assert not examine(str(tmp_path / "nap" / "nap.py")).mistakes


def test_syntax_error_in_a_file_beside(tmp_path):
    new_study(tmp_path / "nap")
    models = tmp_path / "nap" / "nap_models.py"
    models.write_text(models.read_text().replace("20 * ms,  # membrane", "20 * ms  # membrane"))
    (finding,) = examine(str(tmp_path / "nap" / "nap.py")).mistakes
    assert finding.path.name == "nap_models.py" and "a comma is missing" in finding.details.fix


def test_what_fails_is_set_aside(tmp_path):
    text = BASE.replace('"lr": 0.01', '"lr": 1/0').replace('v_threshold"', 'v_thresh"', 1)
    report = examine(str(written(tmp_path, text)))
    assert [f.text for f in report.mistakes] == [
        "neuron 'my_lif': threshold: undefined name 'v_thresh'",
        "ZeroDivisionError: division by zero",
    ]
    assert report.skipped == ["NETWORK", "PROTOCOL", "RULE"]


#: What is written instead of what, the marked text, and what is remarked.
REMARKS = {
    "above the threshold": ('initial={"v": "v_rest"},', "", "v > v_threshold", "above its thr"),
    "unstable": ('"tau_syn": 5 * ms', '"tau_syn": 0.4 * ms', "di_syn", "'i_syn' is unstable"),
    "too fast": ('"tau_syn": 5 * ms', '"tau_syn": 0.8 * ms', "di_syn", "shorter than the time"),
    "fast trace": ('"tau_plus": 20 * ms', '"tau_plus": 0.5 * ms', "dx", "the trace 'x' has a time"),
    "volt for millivolt": ('"b": 2 * mV', '"b": 2000 * mV', '"b"', "parameter b is 2. V"),
    "noise in an equation": (
        "r*i_syn - u)", "r*i_syn - u + b*randn())", "randn", "no gate closes it",
    ),
    "trace that is not read": ("lr*y_post", "lr", "dy", "the trace 'y' is kept"),
    "weights without bounds": (
        "clip(w + lr*x_pre, w_min, w_max)", "w + lr*x_pre", "w = w + lr*x_pre",
        "on_post does not keep",
    ),
    "full weights": ("low=0.2, high=0.8", "low=2.0", "weights", "start at their upper bound"),
    "closed gate": ("noise=1, ", "", "sleep", "opens the gate 'noise': the activity"),
    "closed process": (", my_decay=1", "", "sleep", "the gate 'my_decay': the weight process"),
    "no sleep": ("period=1 * second", "period=3 * second", "period", "there is no sleep"),
    "unused": ("CONDITIONS =", "OTHER = LIF.with_parameters(b=1 * mV)\n\nCONDITIONS =", "OTHER",
               "'OTHER' is defined, but nothing"),
    "lonely population": (
        "activities=(MEMBRANE_NOISE,)),\n",
        'activities=(MEMBRANE_NOISE,)),\n        Population(name="i", size=5, model=LIF),\n',
        '"i"', "population 'i' is connected to nothing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REMARKS)
def test_remark(tmp_path, case):
    before, after, place, said = REMARKS[case]
    assert BASE.count(before) == 1
    report = examine(str(written(tmp_path, BASE.replace(before, after))))
    assert not report.mistakes
    (finding,) = report.remarks
    assert said in finding.text and marked(finding) == place


def test_plasticity_that_is_never_open(tmp_path):
    text = BASE.replace("my_decay=1)", "my_decay=1, plasticity=0), wake=wake(plasticity=0)")
    text = text.replace("import Schedule, sleep", "import Schedule, sleep, wake")
    (finding,) = examine(str(written(tmp_path, text))).remarks
    assert "the weights of input_e never change" in finding.text
    opened = text.replace(
        "CONDITIONS = (",
        'CONDITIONS = (Condition(name="a", changes={"schedule.wake.gates.plasticity": 1}), ',
    )
    assert not examine(str(written(tmp_path, opened))).remarks  # a condition opens it


def test_trace_of_the_other_neuron_in_a_file_of_models(tmp_path):
    text = BASE[: BASE.index("NETWORK =")].replace("lr*x_pre", "lr*x_post")
    report = examine(str(written(tmp_path, text)))
    said = {marked(f): (f.text, f.details.fix) for f in report.remarks}
    assert "'x' is a trace of the presynaptic one" in said["x_post"][0]
    assert said["x_post"][1] == "did you mean 'x_pre'?"


#: Rules of a file of models of which nothing is to be said.
FINE = {
    "trace read at the spike": (
        'post_spike="y += 1"', 'post_spike="y_before = y; y += 1"',
        'post_equations="dy/dt = -y/tau_minus : 1"',
        'post_equations="dy/dt = -y/tau_minus : 1\\ny_before : 1"', "lr*y_post", "lr*y_before_post",
    ),
    "variable of the neuron": ("dx/dt = -x/tau_plus", "du/dt = -u/tau_plus", "x += 1", "u += 1",
                               "lr*x_pre", "lr*u_pre*u_post/mV"),
    "factor": ("clip(w - lr*y_post, w_min, w_max)", "w*exp(-lr*y_post)"),
}  # fmt: skip


@pytest.mark.parametrize("case", FINE)
def test_no_false_alarm(tmp_path, case):
    text = BASE[: BASE.index("NETWORK =")]
    for before, after in zip(FINE[case][::2], FINE[case][1::2], strict=True):
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    report = examine(str(written(tmp_path, text)))
    assert not report.mistakes and not report.remarks


def test_a_name_of_synapses_that_presynaptic_neurons_have(tmp_path):
    """Brian2 refuses it, but not before it builds the network."""
    text = (
        BASE
        + """
SCALED = SynapseModel(
    name="scaled", on_pre="i_syn_post += w*clip(gain, 0, r)", parameters={"gain": 1.0, "r": 2.0}
)
EE = Projection(name="ee", source="e", target="e", synapse=SCALED, weights=InitialWeights(low=0.1))
LOOP = NetworkSpec(
    name="loop", populations=(Population(name="e", size=2, model=LIF),), projections=(EE,)
)
"""
    )
    (mistake,) = examine(str(written(tmp_path, text))).mistakes
    assert "'r' of the synapses is also a name of the presynaptic neurons 'e'" in mistake.text
    assert "r_syn" in mistake.details.fix
    fine = text.replace("0, r)", "0, top)").replace('"r": 2.0', '"top": 2.0')
    assert not examine(str(written(tmp_path, fine))).mistakes


@pytest.mark.parametrize(
    ("head", "encoding"),
    [("", "utf-8-sig"), ("# -*- coding: latin-1 -*-\n", "latin-1"), ("", "utf-8")],
)
def test_encodings_that_python_reads(tmp_path, head, encoding):
    path = tmp_path / "mine.py"
    path.write_bytes(f"{head}NAME = 'µ'; OTHER = NONE\n".encode(encoding))
    (finding,) = examine(str(path)).mistakes
    assert marked(finding) == "NONE"


def test_file_beside_in_another_encoding(tmp_path, check):
    path = written(tmp_path, "from beside import NAME\n")
    (path.parent / "beside.py").write_bytes("NAME = 'µ'\n".encode("latin-1"))
    code, out, err = check(str(path))
    assert code == 2 and "beside.py:1:" in out and not err


@pytest.mark.long
@pytest.mark.parametrize("kind", ["model", "protocol"])
def test_nothing_is_said_of_what_is_shipped(kind):
    for name in shipped(kind):
        report = examine(name)
        assert not report.mistakes and not report.remarks, name


def test_one_object_of_a_file(tmp_path):
    path = written(tmp_path, BASE)
    assert examine(f"{path}:RULE").summary == ["1 plasticity rule: my_stdp"]
    assert examine("lif:LIF").summary == ["1 neuron: lif"]


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def check(call):
    return partial(call, "check")


def test_command_on_a_good_file(check, tmp_path):
    path = written(tmp_path, BASE)
    code, out, _ = check(path)
    assert code == 0 and out.endswith(f"{path}: no mistakes\n") and "\x1b" not in out


def test_command_marks_the_place(check, tmp_path):
    path = written(tmp_path, BASE.replace("r*i_syn - u", "i_syn - u"))
    code, out, _ = check(path)
    assert code == 2
    line = next(k for k, t in enumerate(BASE.splitlines(), 1) if t.strip().startswith("dv/dt"))
    expected = f"""\
    {path}:{line}:27: error: neuron 'my_lif': dv/dt: different units are added or subtracted
      {line} |     dv/dt = (v_rest - v + i_syn - u)/tau_m : volt  # the membrane
         |                           ^^^^^
        found:    1 (no unit)
        expected: volt
        fix:      multiply by a parameter such as r
    """
    assert textwrap.dedent(expected) in out
    assert out.endswith(": 2 mistakes\n") or out.endswith(": 1 mistake\n")


def test_remarks_do_not_fail(check, tmp_path):
    code, out, _ = check(written(tmp_path, BASE.replace('initial={"v": "v_rest"},', "")))
    assert code == 0 and "remark: neuron 'my_lif': it starts above" in out


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nothing.py", "no file nothing.py"),
        ("lfi", "did you mean 'lif'?"),
        ("lif:LFI", "did you mean 'LIF'?"),
    ],
)
def test_command_on_what_there_is_not(check, source, said):
    code, _, err = check(source)
    assert code == 2 and err.startswith("error: ") and said in err and err.count("\n") == 1


def test_nothing_is_built_or_run(check, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("check must not come here")

    monkeypatch.setattr("brainsleep.run.simulate.simulate", refuse)
    monkeypatch.setattr("brainsleep.backends.cpp.backend.build", refuse)
    guarded = BASE + 'if __name__ == "__main__":\n    raise RuntimeError("run as a script")\n'
    assert check(written(tmp_path, guarded))[0] == 0


def test_models_raise_the_first_mistake_elsewhere(tmp_path):
    """Only `check` goes on after a mistake."""
    path = written(tmp_path, BASE.replace("= -u/tau_u", "= -u"))
    with pytest.raises(Exception, match="du/dt: units of '-u': got volt; expected volt/second"):
        load_module(str(path), "model")


def test_every_mistake_of_alarms_weights_grids_and_conditions_is_shown(tmp_path):
    text = """
from brainsleep.experiment.record import Alarms
from brainsleep.run.compare import Condition
from brainsleep.sweep.grid import Grid
from brainsleep.protocols.demo import PROTOCOL as DEMO
from brainsleep.network.spec import InitialWeights
from brainsleep.experiment.start import SavedWeights
"""
    constructed = (
        text
        + """
ALARMS = Alarms(saturation=2, silence=10, runaway=0, stop_on=("runawy",))
WEIGHTS = InitialWeights(low="a", high="b", incoming_sum=-1)
ORDER = InitialWeights(low=2, high=1, incoming_sum=-1)
SAVED = SavedWeights(result=3, snapshot=4, projections="ee")
GRIDS = [
    Grid(name="one", protocol=DEMO, seeds=[-1], over={"data.n_train": 3}, backend="cppp"),
    Grid(name="two", protocol=DEMO, over={"data.n_test": []}),
]
"""
    )
    found = [f.text for f in examine(str(written(tmp_path, constructed))).mistakes]
    for words in (
        "alarms.saturation: got 2", "alarms.silence: got 10", "alarms.runaway: got 0",
        "alarms.stop_on: got 'runawy'", "initial weights: low", "initial weights: high",
        "2.0..1.0", "incoming_sum: got -1", "saved_weights.result: got 3",
        "saved_weights.snapshot: got 4", "saved_weights.projections: got 'ee'",
        "grid one: seeds", "grid one: data.n_train", "backend: got 'cppp'", "grid two: data.n_test",
    ):  # fmt: skip
        assert any(words in each for each in found), (words, found)
    laid_out = (
        text
        + """
PROTOCOL = DEMO
CONDITIONS = (
    Condition(name="a", changes={"data.n_trai": 1, "schedule.sleep.fractio": 0.1}),
    Condition(name="b", changes={"data.n_test": -1}),
)
GRIDS = [
    Grid(name="one", protocol=DEMO, over={"data.n_test": [-1, -2], "data.m": [1]}),
]
"""
    )
    report = examine(str(written(tmp_path, laid_out)))
    found = [f.text for f in report.mistakes]
    for words in ("'n_trai'", "'fractio'", "condition 'b': data.n_test: got -1"):
        assert any(words in each for each in found), (words, found)
    no_conditions = laid_out.partition("CONDITIONS")[0] + "GRIDS" + laid_out.partition("GRIDS")[2]
    report = examine(str(written(tmp_path, no_conditions)))
    found = [f.text for f in report.mistakes]
    for words in ("data.n_test: got -1", "data.n_test: got -2", "'m'"):
        assert any(words in each for each in found), (words, found)
    assert {f.lines[0] for f in report.mistakes} <= {
        "GRIDS = [",
        '    Grid(name="one", protocol=DEMO, over={"data.n_test": [-1, -2], "data.m": [1]}),',
    }
