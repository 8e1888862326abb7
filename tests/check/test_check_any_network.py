"""`brainsleep check` of a network that uses all there is: it says nothing of it, but of slips."""

import pytest
from conftest import ROOT
from test_check import marked, written

from brainsleep.check.examine import examine

BASE = '''
"""Rates, a current and spike trains drive neurons that lie in a plane; rewards teach them."""
import numpy as np
from brian2 import Hz, Mohm, ms, mV, nA, um

from brainsleep import (
    Connectivity,
    Environment,
    FixedInDegree,
    FixedOutDegree,
    MostSpikes,
    NetworkSpec,
    NeuronModel,
    OneHot,
    OneToOne,
    Pairs,
    Pathway,
    PlasticityRule,
    Population,
    Projection,
    Protocol,
    Rates,
    Record,
    SpikeTrains,
    SynapseModel,
    Timeline,
    Values,
    WeightProcess,
    asleep,
    awake,
    cycles,
)
from brainsleep.models.inputs import POISSON, POISSON_BACKGROUND, SPIKE_SOURCE

CELL = NeuronModel(
    name="cell",
    equations="""
    dv/dt = (r*(i_ext + a*sin(t/period)) - v + g*mV)/tau_m : volt
    dg/dt = -g/tau_g : 1
    g_slow : 1
    i_ext : amp
    """,
    threshold="v > v_threshold",
    reset="v = 0*mV",
    on_slot="i_ext = stimulus",
    stimulus_unit=nA,
    parameters={
        "r": 100 * Mohm,
        "a": 0.01 * nA,
        "period": 50 * ms,
        "tau_m": 10 * ms,
        "tau_g": 5 * ms,
        "v_threshold": 10 * mV,
    },
)
FAST = SynapseModel(name="fast", on_pre="v_post += w*jump", parameters={"jump": 1 * mV})
SLOW = SynapseModel(
    name="slow",
    equations="""
    ds/dt = -s/tau_s : 1 (clock-driven)
    dx/dt = (1 - x)/tau_x : 1 (event-driven)
    u : 1 (constant)
    g_slow_post = w*s : 1 (summed)
    """,
    on_pre="s += u*x; x -= u*x",
    on_post="s = 0",
    pathways=(Pathway(name="late", code="x = clip(x, 0, 1)", order=5),),
    initial={"x": 1.0, "u": "0.4 + 0.1*rand()"},
    parameters={"tau_s": 100 * ms, "tau_x": 200 * ms},
)
SIGNED = SynapseModel(name="signed", on_pre="g_post += w")
TOLD = PlasticityRule(
    name="told",
    pre_equations="dp/dt = -p/tau_p : 1",
    pre_spike="p = 1",
    equations="dc/dt = -c/tau_c : 1 (event-driven)",
    on_post="c += p_pre",
    on_step="w = clip(w + lr*reward*c*dt/ms, w_min, w_max)",
    parameters={"tau_p": 20 * ms, "tau_c": 300 * ms, "lr": 0.001},
    signals={"reward": 1},
)
FADE = WeightProcess(
    name="fade", on_update="w = w*exp(-interval/tau)", parameters={"tau": 60 * ms}, signed=True
)
PLANE = {"x": "(i % 5)*50*um", "y": "(i // 5)*50*um"}
NETWORK = NetworkSpec(
    name="plane",
    populations=(
        Population(name="movie", size=20, model=POISSON),
        Population(name="told_when", size=10, model=SPIKE_SOURCE),
        Population(
            name="e",
            size=10,
            model=CELL,
            activities=(POISSON_BACKGROUND,),
            values={"v": "uniform(0*mV, v_threshold)", "tau_m": "normal(tau_m, 1*ms)"},
            positions=PLANE,
        ),
    ),
    projections=(
        Projection(
            name="movie_e",
            source="movie",
            target="e",
            synapse=FAST,
            connectivity=FixedInDegree(5),
            weights="uniform(0.2, 0.8)",
            rules=(TOLD,),
            delay=1.5 * ms,
        ),
        Projection(
            name="told_e",
            source="told_when",
            target="e",
            synapse=FAST,
            connectivity=OneToOne(),
            weights=1.0,
            values={"jump": "(1 + rand())*mV"},
            delay="uniform(0.5*ms, 2*ms)",
        ),
        Projection(
            name="near",
            source="e",
            target="e",
            synapse=SLOW,
            connectivity=Connectivity(p="exp(-distance/(100*um))"),
            weights=0.5,
            delay="distance/(100*um)*ms",
            delay_post=0.5 * ms,
        ),
        Projection(
            name="mixed",
            source="e",
            target="e",
            synapse=SIGNED,
            connectivity=FixedOutDegree(2),
            weights="normal(0, 0.1)",
            w_min=-1.0,
            sign=None,
            processes=(FADE,),
        ),
        Projection(
            name="given",
            source="e",
            target="e",
            synapse=FAST,
            connectivity=Pairs([0, 1, 2], [1, 2, 0]),
            weights=[0.1, 0.2, 0.3],
            sign=-1,
            delay=[1, 2, 3] * ms,
        ),
    ),
    input="movie",
    signals={"reward": 0.0},
    dt=0.5 * ms,
)

SPIKES = SpikeTrains([0, 9], [5, 12] * ms)
SHOWN = awake(
    40 * ms,
    inputs={
        "movie": Rates(np.ones((2, 20)) * Hz, every=20 * ms),
        "told_when": SPIKES,
        "e": Values([0.1, 0.2] * nA, every=20 * ms),
    },
    signals={"reward": 1},
)
REST = asleep(20 * ms, fade=1, background=1)
PROTOCOL = Protocol(
    name="plane",
    network=NETWORK,
    schedule=cycles(SHOWN, cycles(REST, SHOWN, times=2), times=2),
    record=Record(
        states={"e.v": (0, 3), "near.s": "all", "movie_e.w": (0, 2)},
        every=1 * ms,
        spikes=("e",),
        windows=((0 * ms, 30 * ms),),
    ),
)


class Coin:
    """An environment that pays for one of two actions."""

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        return 0, float(action), False, False, {}


LOOP = Protocol(
    name="loop",
    network=NETWORK,
    schedule=Timeline(
        periods=(awake(200 * ms, inputs={"told_when": SPIKES, "e": 0.1 * nA}), REST), slot=20 * ms
    ),
    task=Environment(
        env=Coin,
        encode=OneHot(states=1, neurons=20),
        decode=MostSpikes(population="e", actions=2),
    ),
)
'''.lstrip()

#: The part of a rule that reads a signal.
TOLD = BASE[BASE.index("    on_step=") : BASE.index("FADE =")]

#: What is written instead of what: the line that is marked, and the text in it; what is said, and a
#: piece of the fix, of what was found or of what is expected.
MISTAKES = {
    "unit of a delay": (
        "delay=1.5 * ms", "delay=1.5 * mV", "delay=1.5", "delay",
        "projection 'movie_e': delay: got 1.5 mV", "second",
    ),
    "delay between two steps": (
        "delay=1.5 * ms", "delay=1.3 * ms", "delay=1.3", "delay",
        "delay: got 1.3 ms; expected a multiple of dt, 0.5 ms; choose another dt or delay", "",
    ),
    "unit of drawn delays": (
        '"uniform(0.5*ms, 2*ms)"', '"uniform(0.5, 2)*mV"', "uniform(0.5, 2)", "uniform(0.5, 2)*mV",
        "projection 'told_e': delay: wrong units", "expected: second",
    ),
    "delays of too few synapses": (
        "delay=[1, 2, 3] * ms", "delay=[1, 2] * ms", "delay=[1, 2]", "delay",
        "projection 'given': delay: got 2 values; expected 3, one a synapse", "",
    ),
    "unknown signal of a period": (
        'signals={"reward": 1},\n)\nREST', 'signals={"rewad": 1},\n)\nREST', "rewad", '"rewad"',
        "the network has no signal 'rewad'", "did you mean 'reward'?",
    ),
    "unit of a signal": (
        'signals={"reward": 1},\n)\nREST', 'signals={"reward": 1 * mV},\n)\nREST', "1 * mV}",
        '"reward"', "signals: reward: got a value in volt", "1 (no unit)",
    ),
    "misspelt signal of a network": (
        'signals={"reward": 0.0}', 'signals={"rewards": 0.0}', 'signals={"reward": 1}', '"reward"',
        "plasticity rule 'told': the network has no signal 'reward'; expected one of: rewards",
        "did you mean 'rewards'?; write signals=dict(reward=0) in the network",
    ),
    "signal of a rule that the network does not have": (
        TOLD, TOLD.replace("reward", "rewad"), '"rewad": 1', '"rewad"',
        "plasticity rule 'told': the network has no signal 'rewad'", "did you mean 'reward'?",
    ),
    "misspelt signal in a rule": (
        "lr*reward*c", "lr*rewrd*c", "rewrd", "rewrd", "on_step: undefined name 'rewrd'",
        "did you mean 'reward'?",
    ),
    "misspelt variable in a synapse equation": (
        "(1 - x)/tau_x", "(1 - xx)/tau_x", "xx", "xx", "synapse 'slow': dx/dt: undefined name 'xx'",
        "did you mean 'x'?",
    ),
    "misspelt sum": (
        "g_slow_post = w*s", "g_slw_post = w*s", "g_slw_post", "g_slw_post",
        "'e' has no 'g_slw'", "did you mean 'g_slow'?",
    ),
    "no word on when a variable is up to date": (
        "-s/tau_s : 1 (clock-driven)", "-s/tau_s : 1", "ds/dt", "ds", "'s' does not say when",
        "write (event-driven) after its unit",
    ),
    "spike train of a neuron that is not there": (
        '"told_when": SPIKES,\n', '"told_when": SpikeTrains([10], [1] * ms),\n',
        "[10]", '"told_when"', "inputs: told_when: got neuron 10; expected neurons 0 to 9", "",
    ),
    "spikes without unit": (
        "[5, 12] * ms", "[5, 12]", "SPIKES =", "SpikeTrains([0, 9], [5, 12])",
        "write the times with their unit", "",
    ),
    "recorded variable that is not there": (
        '"e.v": (0, 3)', '"e.vm": (0, 3)', "e.vm", '"e.vm"', "no variable 'e.vm' to record",
        "did you mean 'e.v'?",
    ),
    "recorded neuron that is not there": (
        '"e.v": (0, 3)', '"e.v": (0, 30)', "(0, 30)", '"e.v"',
        "e.v: got 30; expected neurons 0 to 9", "",
    ),
    "recorded event-driven variable": (
        '"near.s": "all"', '"near.x": "all"', "near.x", '"near.x"', "near.x: got an event-driven",
        "write (clock-driven)",
    ),
    "position of another name": (
        'p="exp(-distance/(100*um))"', 'p="exp(-abs(z_pre - x_post)/(100*um))"', "z_pre", "z_pre",
        "projection 'near': connectivity p: undefined name 'z_pre'", "did you mean",
    ),
    "unit of a distance": (
        'p="exp(-distance/(100*um))"', 'p="exp(-distance/(100*ms))"', "100*ms",
        "-distance/(100*ms)", "connectivity p: wrong units in a call of 'exp'", "metre/second",
    ),
    "misspelt parameter with values": (
        '"tau_m": "normal', '"tau_n": "normal', "tau_n", '"tau_n"',
        "values: no variable or parameter 'tau_n'", "did you mean 'tau_m'?",
    ),
    "misspelt function that draws": (
        '"v": "uniform(0', '"v": "unifrom(0', "unifrom", "unifrom", "unknown function 'unifrom'",
        "did you mean 'uniform'?",
    ),
    "more synapses than neurons": (
        "FixedInDegree(5)", "FixedInDegree(50)", "FixedInDegree(50)", "connectivity",
        "got n=50 of 20 neurons of the source", "",
    ),
    "pair that is not there": (
        "[1, 2, 0])", "[1, 2, 10])", "[1, 2, 10]", "connectivity",
        "projection 'given': connectivity: post: got 10; expected neurons 0 to 9", "",
    ),
    "weights of too few synapses": (
        "weights=[0.1, 0.2, 0.3]", "weights=[0.1, 0.2]", "[0.1, 0.2],\n", "weights",
        "projection 'given': weights: got 2 values; expected 3", "",
    ),
    "misspelt input": (
        '"movie": Rates', '"moovie": Rates', "moovie", '"moovie"',
        "there is no population 'moovie'",
        "did you mean 'movie'?",
    ),
    "rates of too many neurons": (
        "np.ones((2, 20))", "np.ones((2, 21))", "np.ones", '"movie"',
        "inputs: movie: got 21 values; expected 20, one a neuron", "",
    ),
    "unit of an input": (
        "[0.1, 0.2] * nA", "[0.1, 0.2] * mV", "* mV, every", '"e"',
        "inputs: e: got a value in volt", "amp",
    ),
    "frames between two steps": (
        "[0.1, 0.2] * nA, every=20 * ms", "[0.1, 0.2] * nA, every=0.2 * ms", "every=0.2", "every",
        "inputs: e: every: got 200. us", "",
    ),
    "process that is not for signs": (
        ", signed=True", "", "        Projection(\n", "Projection(",
        "projection 'mixed': weight process 'fade': got weights with signs", "signed=True",
    ),
    "actions of another population": (
        'MostSpikes(population="e"', 'MostSpikes(population="f"', "MostSpikes", '"f"',
        "decode.population: no population 'f'", "",
    ),
    "observations for fewer inputs": (
        "OneHot(states=1, neurons=20)", "OneHot(states=1, neurons=10)", "OneHot", "neurons",
        "encode: neurons: got 10; expected 20, the size of population 'movie'", "",
    ),
}  # fmt: skip


#: Signals of a rule.
SEVERAL = '"lr": 0.001},\n    signals={"reward": 1, "dopamine": 1}'


def test_nothing_is_said_of_it(tmp_path):
    report = examine(str(written(tmp_path, BASE)))
    assert not report.mistakes and not report.remarks and not report.skipped
    assert "2 protocols: plane, loop" in report.summary


@pytest.mark.parametrize("case", MISTAKES)
def test_one_mistake_is_said_at_its_place(tmp_path, case):
    before, after, line, mark, said, hint = MISTAKES[case]
    assert before in BASE
    report = examine(str(written(tmp_path, BASE.replace(before, after, 1))))
    assert len(report.mistakes) == 1, [finding.text for finding in report.mistakes]
    (finding,) = report.mistakes
    details = finding.details
    shown = f"{finding.text} {details.fix} found: {details.found} expected: {details.expected}"
    assert said in finding.text and hint in shown
    assert marked(finding) == mark
    assert line in f"{finding.lines[0]}\n"


def test_each_signal_that_is_not_there_is_said(tmp_path):
    text = BASE.replace('signals={"reward": 0.0}', "signals={}")
    text = text.replace('"lr": 0.001},\n    signals={"reward": 1}', SEVERAL)
    report = examine(str(written(tmp_path, text.replace("lr*reward*c", "lr*reward*dopamine*c"))))
    assert [finding.details.word for finding in report.mistakes] == ["reward", "dopamine"]


def test_neurons_that_start_with_what_is_drawn_are_no_doubt(call):
    """Whether they start above threshold is not known."""
    code, out, _ = call("check", ROOT / "models" / "vogels_abbott.py")
    assert code == 0 and "no mistakes" in out and "remark" not in out
