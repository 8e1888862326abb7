import dataclasses
import pickle

import pytest
from brian2 import Hz, Quantity, amp, ms, mV, second, volt

from brainsleep.errors import SpecError
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import ADAPTIVE_LIF, CURRENT, LIF
from brainsleep.models.massey2026 import PAPER
from brainsleep.models.sleep import DECAY_STATIC, MEMBRANE_NOISE
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.equations import checks
from brainsleep.network.spec import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    Population,
    Projection,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)
from brainsleep.values.frozen import Frozen
from brainsleep.values.plain import plain

NEURON = {"tau": 10 * ms, "theta": 1 * mV, "v0": 0 * mV}
RULE = {"lr": 1e-3, "tau": 10 * ms}


def neuron(**changes):
    return NeuronModel(
        **{
            "name": "nn",
            "equations": "dv/dt = -v/tau : volt",
            "threshold": "v > theta",
            "reset": "v = v0",
            "parameters": NEURON,
            **changes,
        }
    )


def rule(**changes):
    return PlasticityRule(
        **{
            "name": "rr",
            "pre_equations": "dx/dt = -x/tau : 1",
            "pre_spike": "x = 1",
            "post_equations": "dy/dt = -y/tau : 1",
            "post_spike": "y = 1",
            "on_pre": "w = clip(w - lr*y_post, w_min, w_max)",
            "on_post": "w = clip(w + lr*x_pre, w_min, w_max)",
            "parameters": RULE,
            **changes,
        }
    )


def process(**changes):
    return WeightProcess(
        **{
            "name": "pp",
            "equations": "w_goal : 1",
            "sums": {"total": "w"},
            "on_onset": "w_goal = w_star",
            "on_update": "w = w_goal + total_post*exp(-interval/tau)",
            "parameters": {"w_star": 1, "tau": 1 * second},
            **changes,
        }
    )


def synapse(on_pre="v_post += w*jump", **changes):
    return SynapseModel(
        **{"name": "ss", "on_pre": on_pre, "parameters": {"jump": 1 * mV}, **changes}
    )


def activity(on_step="v += aa_gate*sd*randn()", **changes):
    return SpontaneousActivity(
        **{"name": "aa", "on_step": on_step, "parameters": {"sd": 1 * mV}, **changes}
    )


def population(name="e", size=5, model=ADAPTIVE_LIF, **changes):
    return Population(name=name, size=size, model=model, **changes)


def projection(name="ie", source="input", target="e", **changes):
    settings = {"synapse": CURRENT, "weights": InitialWeights(low=0.3), **changes}
    return Projection(name=name, source=source, target=target, **settings)


def network(projections=(), populations=(), **changes):
    return NetworkSpec(
        **{
            "name": "net",
            "populations": populations or (population("input", 4, POISSON), population()),
            "projections": projections or (projection(),),
            **changes,
        }
    )


def assert_refused(make, *parts):
    """The message of the SpecError that `make` raises: one line, with all `parts` in it."""
    with pytest.raises(SpecError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    return message


# --- names that nothing defines ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (
            lambda: neuron(equations="dv/dt = -v/tauu : volt"),
            ("neuron 'nn': dv/dt", "undefined name 'tauu'", "did you mean 'tau'?"),
        ),
        (
            lambda: neuron(threshold="v > thetaa"),
            ("neuron 'nn': threshold", "undefined name 'thetaa'", "did you mean 'theta'?"),
        ),
        (
            lambda: neuron(reset="v = v00"),
            ("neuron 'nn': reset", "undefined name 'v00'", "did you mean 'v0'?"),
        ),
        (
            lambda: neuron(on_step="v = clip(v, v0, theda)"),
            ("neuron 'nn': on_step", "undefined name 'theda'", "did you mean 'theta'?"),
        ),
        (
            lambda: neuron(on_slot="v = thet"),
            ("neuron 'nn': on_slot", "undefined name 'thet'", "did you mean 'theta'?"),
        ),
        (
            lambda: neuron(refractory="taw"),
            ("neuron 'nn': refractory", "undefined name 'taw'", "did you mean 'tau'?"),
        ),
        (
            lambda: neuron(on_step="v = rectify(v)"),
            ("neuron 'nn': on_step", "unknown function 'rectify'"),
        ),
        (
            lambda: synapse("v_post += w*jumpp*jump"),
            ("synapse 'ss': on_pre", "undefined name 'jumpp'", "did you mean 'jump'?"),
        ),
        (
            lambda: rule(on_pre="w = clip(w - lrr*y_post, w_min, w_max)"),
            ("plasticity rule 'rr': on_pre", "undefined name 'lrr'", "did you mean 'lr'?"),
        ),
        (
            lambda: rule(on_post="w = clip(w + lr*v_post*x_pree, w_min, w_max)"),
            ("plasticity rule 'rr': on_post", "undefined name 'x_pree'", "did you mean 'x_pre'?"),
        ),
        (
            lambda: rule(pre_equations="dx/dt = -x/taw : 1"),
            ("plasticity rule 'rr': pre_equations: dx/dt", "undefined name 'taw'", "'tau'?"),
        ),
        (
            lambda: rule(post_spike="yy += 1"),
            ("plasticity rule 'rr': post_spike", "undefined name 'yy'", "did you mean 'y'?"),
        ),
        (
            lambda: process(on_update="w = w_goall + total_post*interval/tau"),
            ("weight process 'pp': on_update", "undefined name 'w_goall'", "'w_goal'?"),
        ),
        (
            lambda: process(on_onset="w_goal = w_starr"),
            ("weight process 'pp': on_onset", "undefined name 'w_starr'", "'w_star'?"),
        ),
        (
            lambda: process(sums={"total": "ww"}),
            ("weight process 'pp': sum total", "undefined name 'ww'", "did you mean 'w'?"),
        ),
    ],
)
def test_undefined_name(make, parts):
    assert_refused(make, *parts)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (
            lambda: network((projection(synapse=synapse("vv_post += w*jump")),)),
            ("projection 'ie': on_pre", "undefined name 'vv_post'", "did you mean 'v_post'?"),
        ),
        (
            lambda: network((projection(synapse=synapse("v_post += w*leap", parameters={})),)),
            ("projection 'ie': on_pre", "undefined name 'leap'", "define it"),
        ),
        (
            lambda: network((projection(synapse=synapse("v_post += w*v", parameters={})),)),
            ("projection 'ie': on_pre", "undefined name 'v'", "write 'v_post'"),
        ),
        (
            lambda: network((projection(rules=(rule(on_pre="w = w - lr*yy_post"),)),)),
            ("projection 'ie': on_pre", "undefined name 'yy_post'"),
        ),
        (
            lambda: network(
                populations=(
                    population("input", 4, POISSON),
                    population(activities=(activity("v += sdd*randn()", parameters={}),)),
                )
            ),
            ("population 'e': activity 'aa'", "undefined name 'sdd'"),
        ),
    ],
)
def test_undefined_name_known_only_to_the_network(make, parts):
    assert_refused(make, *parts)


def test_assignment_to_a_misspelt_name_is_not_silent():
    message = assert_refused(lambda: neuron(reset="vv = v0"), "neuron 'nn': reset", "'vv'")
    assert "nothing reads" in message
    assert "did you mean 'v'?" in message
    both = neuron(reset="half = v/2\nv = half + v0")  # a local name that is read is fine
    assert both.reset.startswith("half")


def test_comments_in_code_are_not_names():
    model = neuron(on_step="v = clip(v, v0, theta)  # keep it in bounds; see foo_gate")
    assert "keep" in model.on_step
    network(
        populations=(population("input", 4, POISSON), population(model=neuron())),
        projections=(projection(synapse=synapse()),),
    )


# --- units -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (
            lambda: neuron(equations="dv/dt = -v + 0*v/tau*second : volt"),
            ("neuron 'nn': dv/dt", "got volt; expected volt/second"),
        ),
        (
            lambda: neuron(equations="dv/dt = -v/tau + theta : volt"),
            ("neuron 'nn': dv/dt", "inconsistent units", "'theta' has unit V"),
        ),
        (lambda: neuron(threshold="v > tau"), ("neuron 'nn': threshold", "different units")),
        (
            lambda: neuron(threshold="v - theta"),
            ("neuron 'nn': threshold", "expected a condition such as"),
        ),
        (lambda: neuron(reset="v = tau"), ("neuron 'nn': reset", '"v = tau"', "expected unit")),
        (lambda: neuron(on_step="v += randn()"), ("neuron 'nn': on_step", "inconsistent units")),
        (
            lambda: neuron(refractory="v"),
            ("neuron 'nn': refractory", "got volt; expected second"),
        ),
        (
            lambda: neuron(initial={"v": 3}),
            ("neuron 'nn': initial v", "got 3 (no unit)", "a finite value in volt"),
        ),
        (
            lambda: neuron(initial={"v": "tau"}),
            ("neuron 'nn': initial v", "a finite value in volt"),
        ),
        (
            lambda: neuron().with_parameters(tau=3 * mV),
            ("nn: parameter tau", "got 3. mV", "a finite value in second"),
        ),
        (
            lambda: neuron().with_parameters(tau=3),
            ("nn: parameter tau", "got 3 (no unit)", "a finite value in second"),
        ),
        (
            lambda: rule(on_pre="w = w + tau"),
            ("plasticity rule 'rr': on_pre", "inconsistent units"),
        ),
        (
            lambda: process(on_update="w = w_goal + total_post*tau"),
            ("weight process 'pp': on_update", "inconsistent units"),
        ),
        (
            lambda: process(sums={"total": "w*tau"}),
            ("weight process 'pp': sum total", "got second; expected 1"),
        ),
        (
            lambda: process(period=3),
            ("weight process 'pp': period", "got 3 (no unit)", "such as 300*ms"),
        ),
        (lambda: process(period=0 * ms), ("weight process 'pp': period", "more than 0 s")),
        (
            lambda: network((projection(synapse=synapse("v_post += w", parameters={})),)),
            ("projection 'ie': on_pre", "inconsistent units", "'v_post' has unit V"),
        ),
        (
            lambda: network(
                populations=(
                    population("input", 4, POISSON),
                    population(activities=(activity("v += randn()", parameters={}),)),
                )
            ),
            ("population 'e': activity 'aa'", "inconsistent units"),
        ),
        (lambda: network(dt=1), ("network 'net': dt", "got 1 (no unit)", "such as 300*ms")),
        (lambda: network(dt="1*ms"), ("network 'net': dt", "(no unit)")),
        (
            lambda: network(precision="double"),
            ("network 'net': precision", "got 'double'", "float64 or float32"),
        ),
    ],
)
def test_wrong_units(make, parts):
    assert_refused(make, *parts)


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        (1, "1"),
        (volt, "volt"),
        (Hz, "hertz"),
        (volt / second, "volt/second"),
        (ms, "second"),
        (second**2, "second**2"),  # whatever the session multiplied before
        (amp / volt**2, "metre**-4*kilogram**-2*second**6*amp**3"),
    ],
)
def test_unit_name(unit, name):
    assert checks.unit_name(unit) == name


def test_unit_name_reads_back():
    for unit in (volt / second, amp / volt**2, second**2, mV / amp**2, second**-0.5):
        equations = checks.parse_equations(f"x : {checks.unit_name(unit)}", "test")
        assert equations["x"].dim == Quantity(unit).dim


# --- names and values that are refused ---------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (
            lambda: neuron(parameters={**NEURON, "idle": 1}),
            ("neuron 'nn'", "parameter 'idle' is used by no equation"),
        ),
        (
            lambda: synapse(parameters={"jump": 1 * mV, "idle": 1}),
            ("synapse 'ss'", "parameter 'idle' is used by no equation"),
        ),
        (
            lambda: rule(parameters={**RULE, "idle": 1}),
            ("plasticity rule 'rr'", "parameter 'idle' is used by no equation"),
        ),
        (
            lambda: activity(parameters={"sd": 1 * mV, "idle": 1}),
            ("activity 'aa'", "parameter 'idle' is used by no equation"),
        ),
        (
            lambda: process(sums={"total": "w", "idle": "w"}),
            ("weight process 'pp'", "'idle' is used by no equation"),
        ),
        (
            lambda: neuron(parameters={**NEURON, "Tau": 1}),
            ("neuron 'nn': parameter name", "got 'Tau'", "lower-case"),
        ),
        (
            lambda: neuron(equations="dV/dt = -V/tau : volt", threshold="V > theta", reset=""),
            ("neuron 'nn': variable name", "got 'V'", "lower-case"),
        ),
        (lambda: neuron(name="Lif"), ("neuron name", "got 'Lif'", "lower-case")),
        (lambda: neuron(name=None), ("neuron name", "got None")),
        (lambda: population("E"), ("population name", "got 'E'", "lower-case")),
        (lambda: projection("e-e"), ("projection name", "got 'e-e'", "lower-case")),
        (lambda: network(name="My net"), ("network name", "got 'My net'", "lower-case")),
        (
            lambda: neuron(parameters={**NEURON, "w_max": 1}),
            ("neuron 'nn': parameter name", "got 'w_max'"),
        ),
        (
            lambda: neuron(equations="dv/dt = -v/tau : volt\nlambda : 1"),
            ("neuron 'nn'", "lambda"),
        ),
        (
            lambda: neuron(equations="dv/dt = -v/tau : volt\nx_pre : 1"),
            ("neuron 'nn': variable name", "got 'x_pre'", "_pre"),
        ),
        (lambda: rule(pre_equations="w : 1"), ("plasticity rule 'rr': trace name", "got 'w'")),
        (lambda: activity(name="input"), ("activity name", "got 'input'")),
        (lambda: process(name="slot"), ("weight process name", "got 'slot'")),
        (
            lambda: neuron(equations="dv/dt = -v/tau : volt\ntheta : volt"),
            ("neuron 'nn'", "'theta'", "another name"),
        ),
        (
            lambda: process(parameters={"w_star": 1, "tau": 1 * second, "w_goal": 1}),
            ("weight process 'pp'", "'w_goal'", "another name"),
        ),
        (
            lambda: process(sums={"w_goal": "w"}),
            ("weight process 'pp'", "'w_goal'", "another name"),
        ),
        (
            lambda: neuron(parameters={**NEURON, "tau": [1, 2] * ms}),
            ("neuron 'nn': parameter tau", "one finite number with unit"),
        ),
        (
            lambda: neuron(parameters={**NEURON, "tau": float("nan") * ms}),
            ("neuron 'nn': parameter tau", "got nan", "one finite number"),
        ),
        (
            lambda: neuron(parameters={**NEURON, "tau": "10*ms"}),
            ("neuron 'nn': parameter tau", "got '10*ms'", "one finite number"),
        ),
        (lambda: neuron(parameters=[1]), ("neuron 'nn': parameters", "got [1]")),
        (lambda: neuron(threshold=None), ("neuron 'nn': threshold", "got None", "text")),
        (lambda: neuron(references="a"), ("neuron 'nn': references", "tuple", "(part,)")),
        (
            lambda: neuron(initial={"u": 1 * mV}),
            ("neuron 'nn': initial", "got u=", "a variable (v)"),
        ),
        (
            lambda: neuron(initial={"v": [1, 2] * mV}),
            ("neuron 'nn': initial v", "a finite value in volt"),
        ),
        (
            lambda: neuron(method="eurler"),
            ("neuron 'nn'", "unknown method 'eurler'", "did you mean 'euler'?"),
        ),
        (
            lambda: neuron().with_parameters(taw=1 * ms),
            ("nn: no parameter 'taw'", "did you mean 'tau'?"),
        ),
        (
            lambda: neuron().with_parameters(tau="3*ms"),
            ("nn: parameter tau", "got '3*ms'", "a finite value in second"),
        ),
    ],
)
def test_refused(make, parts):
    assert_refused(make, *parts)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: neuron(equations="dv/dt = -v/tau"), ("neuron 'nn': cannot read the equations",)),
        (
            lambda: neuron(equations="dv/dt = -v/(tau : volt"),
            ("neuron 'nn': cannot read the equations", "never closed"),
        ),
        (
            lambda: neuron(equations="dv/dt = -v/tau : foo"),
            ("neuron 'nn': cannot read the equations", "'foo'"),
        ),
        (
            lambda: neuron(equations="dv/dt = -v/tau : volt\ndv/dt = -v/tau : volt"),
            ("neuron 'nn': cannot read the equations", "Duplicate definition"),
        ),
        (lambda: neuron(threshold="v > "), ("neuron 'nn': threshold", "invalid syntax")),
        (lambda: neuron(reset="v = = v0"), ("neuron 'nn': reset: cannot read", "v = = v0")),
        (lambda: neuron(reset="v v0"), ("neuron 'nn': reset: cannot read", "v v0")),
        (lambda: neuron(on_step="v = clip(v)"), ("neuron 'nn': on_step", "'clip'")),
        (lambda: synapse("v_post += = w*jump"), ("synapse 'ss': on_pre: cannot read",)),
        (lambda: rule(on_pre="w = = v_post"), ("plasticity rule 'rr': on_pre: cannot read",)),
        (lambda: activity("v += = sd"), ("activity 'aa': on_step: cannot read",)),
        (lambda: process(on_update="w = ("), ("weight process 'pp': on_update: cannot read",)),
    ],
)
def test_syntax_errors_of_brian2(make, parts):
    assert_refused(make, *parts)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: neuron(equations="dv/dt = (theta*t - v)/tau : volt"), "neuron 'nn': dv/dt"),
        (lambda: neuron(threshold="v > theta and t > theta"), "neuron 'nn': threshold"),
        (lambda: neuron(on_step="v = theta*t"), "neuron 'nn': on_step"),
        (lambda: rule(on_pre="w = w + lr*t"), "plasticity rule 'rr': on_pre"),
        (lambda: process(on_onset="w_goal = w_star*t"), "weight process 'pp': on_onset"),
    ],
)
def test_time_has_a_unit(make, part):
    assert_refused(make, part, "unit")


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: neuron(reset="v = v0\ntheta += v0"), ("reset", "'theta'", "it may set v")),
        (lambda: neuron(on_step="dt = 1*ms"), ("on_step", "'dt'", "it may set v")),
        (lambda: rule(on_pre="w_max = y_post*lr"), ("on_pre", "'w_max'", "it may set w")),
        (lambda: rule(on_pre="v_post = y_post*lr*volt"), ("on_pre", "'v_post'", "it may set w")),
        (lambda: rule(pre_spike="tau = 1*ms"), ("pre_spike", "'tau'", "it may set x")),
        (lambda: process(on_onset="w_star = 1"), ("on_onset", "'w_star'", "w, w_goal")),
        (lambda: synapse("w_max += jump/mV"), ("on_pre", "'w_max'", "it may set")),
        (lambda: activity("sd = 1*mV\nv += sd"), ("on_step", "'sd'", "it may set v")),
        (
            lambda: network((projection(synapse=synapse("tau_m_post = w*jump*second/mV")),)),
            ("projection 'ie': on_pre", "'tau_m_post'", "v_post"),
        ),
    ],
)
def test_only_what_is_theirs_may_be_set(make, parts):
    assert_refused(make, *parts)


# --- populations and projections ---------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "3", None])
def test_population_size(size):
    assert_refused(lambda: population(size=size), "population 'e': size", "got", "at least 1")


@pytest.mark.parametrize("p", [0, -0.1, 1.1, float("nan"), "1.5", None, True])
def test_connectivity_p(p):
    assert_refused(lambda: Connectivity(p=p), "connectivity p", "more than 0 and at most 1")


@pytest.mark.parametrize("sign", [0, 2, "-1"])
def test_sign(sign):
    assert_refused(lambda: projection(sign=sign), "projection 'ie': sign", "1, -1 or None")


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: projection(w_min=2, w_max=1), ("projection 'ie': bounds", "w_min < w_max")),
        (lambda: projection(w_min=0.3, w_max=0.3), ("projection 'ie': bounds",)),
        (lambda: projection(w_min=-1), ("projection 'ie': bounds", "sign=-1")),
        (lambda: projection(w_max=float("inf")), ("projection 'ie': w_max", "finite")),
        (lambda: projection(w_min="a"), ("projection 'ie': w_min", "got 'a'")),
        (
            lambda: projection(weights=InitialWeights(low=0.3, high=2)),
            ("projection 'ie': weights", "got 0.3..2.0", "within [0.0, 1.0]"),
        ),
        (
            lambda: projection(w_min=0.5),
            ("projection 'ie': weights", "got 0.3..0.3", "within [0.5, 1.0]"),
        ),
        (lambda: InitialWeights(low=1, high=0.5), ("initial weights", "low <= high")),
        (lambda: InitialWeights(low=-1), ("initial weights", "0 <= low")),
        (lambda: InitialWeights(low=3 * mV), ("initial weights: low", "without unit")),
        (
            lambda: InitialWeights(low=1, incoming_sum=0),
            ("initial weights: incoming_sum", "more than 0"),
        ),
        (lambda: projection(weights=None), ("projection 'ie': weights", "InitialWeights")),
        (lambda: projection(synapse=STDP_NEAREST), ("projection 'ie': synapse", "SynapseModel")),
        (lambda: projection(rules=STDP_NEAREST), ("projection 'ie': rules", "tuple")),
        (lambda: projection(rules=(DECAY_STATIC,)), ("projection 'ie': rules", "WeightProcess")),
        (
            lambda: projection(rules=(STDP_NEAREST, STDP_NEAREST)),
            ("projection 'ie': rules", "'stdp_nearest'", "another name"),
        ),
        (lambda: population(model=None), ("population 'e': model", "NeuronModel")),
        (lambda: population(activities=(CURRENT,)), ("population 'e'", "SpontaneousActivity")),
        (
            lambda: population(activities=(MEMBRANE_NOISE, MEMBRANE_NOISE)),
            ("population 'e'", "'noise'", "another name"),
        ),
    ],
)
def test_parts_are_checked(make, parts):
    message = assert_refused(make, *parts)
    assert len(message) < 300  # a whole specification is not spelt out


def test_numbers_are_kept_as_one_type():
    whole = projection(weights=InitialWeights(low=1), w_max=2, connectivity=Connectivity(p=1))
    same = projection(weights=InitialWeights(low=1.0), w_max=2.0, connectivity=Connectivity(p=1.0))
    assert repr(whole) == repr(same)


# --- networks ----------------------------------------------------------------------------------

THREE = (population("input", 4, POISSON), population(), population("i"))
EI = projection("ei", "e", "i")


def ie(avoid):
    return projection("ie", "i", "e", connectivity=Connectivity(avoid_reciprocal=avoid))


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (
            lambda: network(populations=(population("input", 4, POISSON), population()) * 2),
            ("network 'net'", "'input'", "another name"),
        ),
        (lambda: network((projection("e"),)), ("network 'net'", "'e'", "another name")),
        (lambda: network((projection(), projection())), ("network 'net'", "'ie'")),
        (
            lambda: network((projection(target="ee"),)),
            ("projection 'ie': target", "no population 'ee'", "did you mean 'e'?"),
        ),
        (
            lambda: network((projection(source="inputt"),)),
            ("projection 'ie': source", "no population 'inputt'", "did you mean 'input'?"),
        ),
        (lambda: network(populations=(POISSON,)), ("network 'net': populations", "Population")),
        (lambda: network((CURRENT,)), ("network 'net': projections", "Projection")),
        (lambda: network((EI, ie("eii")), THREE), ("avoid_reciprocal", "'eii'", "from e to i")),
        (
            lambda: network((projection("ei", "i", "e"), ie("ei")), THREE),
            ("projection 'ie': avoid_reciprocal", "'ei'", "from e to i"),
        ),
        (lambda: network((ie("ei"), EI), THREE), ("avoid_reciprocal", "an earlier projection")),
        (
            lambda: network(input="e"),
            ("network 'net': input is 'e'", "'stimulus'"),
        ),
        (
            lambda: network(populations=(population("input", 4), population())),
            ("network 'net': input is 'input'", "does not use 'stimulus'"),
        ),
        (lambda: network(input="inputs"), ("network 'net': input", "did you mean 'input'?")),
        (
            lambda: network(
                populations=(
                    population("input", 4, POISSON),
                    population(
                        model=dataclasses.replace(
                            LIF, on_step="v = clip(v, v_low, v_high)*foo_gate"
                        )
                    ),
                )
            ),
            ("population 'e'", "no gate 'foo_gate'", "input_gate, plasticity_gate"),
        ),
        (lambda: PAPER.population("ee"), ("no population 'ee'", "did you mean 'e'?")),
        (lambda: PAPER.projection("eee"), ("no projection 'eee'", "did you mean 'ee'?")),
    ],
)
def test_parts_must_fit_each_other(make, parts):
    assert_refused(make, *parts)


def test_rules_of_one_name_share_their_traces():
    def two(other):
        return network(
            (
                projection(rules=(STDP_NEAREST,)),
                projection("ie2", rules=(other,)),
            )
        )

    two(STDP_NEAREST.with_parameters(lr=1.0))  # not a parameter of the traces
    for other in (
        dataclasses.replace(STDP_NEAREST, pre_spike="x += 1"),
        STDP_NEAREST.with_parameters(tau_plus=11 * ms),
        STDP_NEAREST.with_parameters(tau_minus=7.5 * ms * (1 + 1e-12)),
    ):
        assert_refused(
            lambda other=other: two(other), "'stdp_nearest'", "different traces", "another name"
        )
    two(dataclasses.replace(STDP_NEAREST, name="other", pre_spike="x += 1"))


def test_a_parameter_of_a_trace_spike_counts():
    jumps = [rule(pre_spike="x = jump", parameters={**RULE, "jump": jump}) for jump in (1.0, 2.0)]
    parts = tuple(projection(f"p{k}", rules=(r,)) for k, r in enumerate(jumps))
    assert_refused(lambda: network(parts), "'rr'", "different traces")


def test_traces_must_be_linear():
    square = rule(pre_equations="dx/dt = -x*x/tau : 1")
    assert_refused(
        lambda: network((projection(rules=(square,)),)),
        "plasticity rule 'rr'",
        "cannot be integrated exactly",
        "linear",
    )


@pytest.mark.parametrize("equations", ["dx/dt = -x/tau : 1\nu = 2*x : 1", "x : 1 (constant)"])
def test_traces_are_variables(equations):
    assert_refused(lambda: rule(pre_equations=equations), "plasticity rule 'rr': trace", "expected")


@pytest.mark.parametrize("equations", ["dw_goal/dt = -w_goal/tau : 1", "w_goal : 1 (shared)"])
def test_variables_of_a_process_are_declared_only(equations):
    assert_refused(lambda: process(equations=equations), "weight process 'pp'", "'w_goal : 1'")


CLOCKED = {"on_step": "v += hand*sd*randn()\nhand = 1 - hand", "equations": "hand : 1"}


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: activity(**CLOCKED | {"equations": "dhand/dt = -hand/sd : 1"}), ("'hand : 1'",)),
        (lambda: activity(**CLOCKED | {"equations": "hand : 1 (shared)"}), ("'hand : 1'",)),
        (lambda: activity(**CLOCKED | {"equations": "hand 1"}), ("cannot read the equations",)),
        (
            lambda: activity(**CLOCKED | {"equations": "hand : 1\nidle : 1"}),
            ("'idle' is used by no equation",),
        ),
        (
            lambda: activity(**CLOCKED | {"equations": "hand : 1\nsd : 1"}),
            ("two parts are called 'sd'", "another name"),
        ),
        (
            lambda: activity(**CLOCKED | {"equations": "Hand : 1"}),
            ("variable name", "got 'Hand'", "lower-case"),
        ),
        (
            lambda: activity(**CLOCKED | {"on_step": "v += hand*sd*randn()\nsd = 1*mV"}),
            ("'sd'", "not for this code to change"),
        ),
    ],
)
def test_variables_of_an_activity_are_declared_only(make, parts):
    assert_refused(make, "activity 'aa'", *parts)


@pytest.mark.parametrize(
    ("equations", "name"), [("v : volt", "v"), ("aa_hand : 1", "hand"), ("tau_m : 1", "tau_m")]
)
def test_variables_of_an_activity_must_not_clash_with_the_neurons(equations, name):
    """Hidden by a variable or parameter of the same name, or the same name in full."""
    own = activity(f"{name} *= int(sd > 0*mV)", equations=f"{name} : 1")
    model = LIF
    if equations == "aa_hand : 1":
        model = dataclasses.replace(LIF, equations=f"{LIF.equations}\naa_hand : 1")
    populations = (population("input", 4, POISSON), population(model=model, activities=(own,)))
    assert_refused(
        lambda: network(populations=populations),
        "population 'e': activity 'aa'",
        f"variable '{name}'",
        "clashes with",
        "rename it",
    )


def test_variables_of_an_activity_are_part_of_the_state():
    drowsy = population(activities=(activity(**CLOCKED),))
    spec = network(populations=(population("input", 4, POISSON), drowsy))
    group = spec.plan.groups[1]
    assert "aa_hand" in group.state and "aa_hand : 1" in group.equations.splitlines()
    assert group.activities[0].code == "v += aa_hand*aa_sd*randn()\naa_hand = 1 - aa_hand"
    wrong = activity("v += hand*sd*randn()", equations="hand : volt")
    assert_refused(
        lambda: network(populations=(spec.populations[0], population(activities=(wrong,)))),
        "population 'e': activity 'aa'",
        "inconsistent units",
    )


def test_gates_have_one_owner():
    noisy = population(activities=(activity("v += sd*randn()", name="pp"),))
    populations = (population("input", 4, POISSON), noisy)
    assert_refused(
        lambda: network((projection(processes=(process(),)),), populations),
        "network 'net'",
        "'pp'",
        "another name",
    )
    noisy = population(activities=(activity("v += sd*randn()", name="pp_update"),))
    assert_refused(
        lambda: network((projection(processes=(process(),)),), (populations[0], noisy)),
        "network 'net'",
        "'pp_update'",
    )


def test_processes_of_one_name_have_one_period():
    parts = [
        projection(f"p{k}", processes=(process(period=period),))
        for k, period in enumerate((100 * ms, 50 * ms))
    ]
    assert_refused(lambda: network(tuple(parts)), "'p1'", "'pp'", "different periods")


def test_parameters_must_not_overwrite_each_other():
    model = dataclasses.replace(
        LIF,
        on_step="v = clip(v, v_low, v_high) + 0*aa_sd",
        parameters={**LIF.parameters, "aa_sd": 5 * mV},
    )
    populations = (
        population("input", 4, POISSON),
        population(model=model, activities=(activity(),)),
    )
    assert_refused(lambda: network(populations=populations), "'e'", "'aa_sd'", "rename")


def test_gates_of_the_paper():
    assert PAPER.gates == ("input", "plasticity", "noise", "decay")
    assert {p.name for p, _ in PAPER.weight_processes()} == {"input_e", "ee", "ei", "ie"}


# --- frozen ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec", [PAPER, PAPER.populations[0], PAPER.projections[0], LIF, STDP_NEAREST, DECAY_STATIC]
)
def test_assignment_raises(spec):
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "other"


def test_frozen_mapping_refuses_changes():
    frozen = LIF.parameters
    assert isinstance(frozen, Frozen)
    before = dict(frozen)
    for change in (
        lambda: frozen.__setitem__("tau_m", 1 * ms),
        lambda: frozen.__delitem__("tau_m"),
        lambda: frozen.update(tau_m=1 * ms),
        lambda: frozen.pop("tau_m"),
        lambda: frozen.popitem(),
        lambda: frozen.clear(),
        lambda: frozen.setdefault("new", 1),
        lambda: frozen.__ior__({"tau_m": 1 * ms}),
    ):
        with pytest.raises(TypeError, match="frozen"):
            change()
    assert dict(frozen) == before


def test_the_given_mapping_is_copied():
    parameters = dict(NEURON)
    model = neuron(parameters=parameters)
    parameters["tau"] = 99 * ms
    assert model.parameters["tau"] == 10 * ms


def test_pickle_round_trip():
    again = pickle.loads(pickle.dumps(PAPER))
    assert plain(again) == plain(PAPER)
    assert again.gates == PAPER.gates
    with pytest.raises(TypeError, match="frozen"):
        again.populations[1].model.parameters["tau_m"] = 1 * ms
    again.populations[1].model.with_parameters(tau_m=1 * ms)  # units survive


def test_with_parameters_leaves_the_original_alone():
    changed = LIF.with_parameters(tau_m=20 * ms, r=1 * mV)
    assert (changed.parameters["tau_m"], changed.parameters["r"]) == (20 * ms, 1 * mV)
    assert LIF.parameters["tau_m"] == 30 * ms
    rest = {k: v for k, v in plain(changed).items() if k != "parameters"}
    assert rest == {k: v for k, v in plain(LIF).items() if k != "parameters"}
    assert set(changed.parameters) == set(LIF.parameters)
