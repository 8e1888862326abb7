"""The fixes of mistakes in models: equations, statements, names, units, methods."""

import dataclasses
import re
from types import MappingProxyType

import pytest
from brian2 import amp, ms, mV, ohm, second, volt
from conftest import lone_neurons, spike_pairs
from fix_table import carry_out, rows

from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.models.massey2026 import recurrent_network
from brainsleep.models.sleep import MEMBRANE_NOISE, WHITE_NOISE
from brainsleep.network.assemble import assemble
from brainsleep.network.models import (
    NeuronModel,
    PlasticityRule,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)
from brainsleep.network.spec import InitialWeights, NetworkSpec, Population, Projection

TAU = {"tau": 10 * ms}


def neuron(equations="dv/dt = -v/tau : 1", *, parameters=TAU, **more):
    return NeuronModel(name="n", equations=equations, parameters=parameters, **more)


def decaying(name):
    return neuron(f"d{name}/dt = -{name}/tau : 1")


def lif(**changes):
    """`LIF` with some of its fields, or of its parameters, changed."""
    parameters = {**LIF.parameters, **changes.pop("parameters", {})}
    return dataclasses.replace(LIF, parameters=parameters, **changes)


def rule(name="r", **more):
    given = {"pre_equations": "dx/dt = -x/tau : 1", "pre_spike": "x += 1"}
    given |= {"on_post": "w = clip(w + x_pre, w_min, w_max)", "parameters": TAU}
    return PlasticityRule(name=name, **(given | more))


def process(update="w = w*0.9", **more):
    return WeightProcess(name="p", on_update=update, **more)


def with_line(line):
    return neuron(f"dv/dt = -v/tau : 1\n{line}")


def reset(code, equations="dv/dt = -v/tau : 1"):
    return neuron(equations, threshold="v > 1", reset=code)


def two_rules(second_name):
    """Two rules with traces of their own on one input population."""
    one = spike_pairs(rule("r"), 2).projections[0]
    other = dataclasses.replace(one, name="more", rules=(rule(second_name, pre_spike="x = 1"),))
    network = dataclasses.replace(spike_pairs(None, 2), projections=(one, other))
    return assemble(network)


def drift(name, equations="dv/dt = -v/tau : 1"):
    activity = SpontaneousActivity(
        name="drift", equations=f"{name} : 1", on_step=f"v += drift_gate*{name}; {name} += 1"
    )
    model = neuron(equations, threshold="v > 1", reset="v = 0")
    network = lone_neurons(model)
    e = dataclasses.replace(network.populations[1], activities=(activity,))
    return assemble(dataclasses.replace(network, populations=(POISSON_INPUT, e)))


def one_parameter(activity_parameter):
    """A neuron and an activity, two parameters of which may end up with the same name."""
    activity = SpontaneousActivity(
        name="drift",
        on_step=f"v += drift_gate*{activity_parameter}",
        parameters={activity_parameter: 0.5},
    )
    model = neuron("dv/dt = -v*drift_a/tau : 1", parameters={"drift_a": 1.0, **TAU})
    e = Population(name="e", size=1, model=model, activities=(activity,))
    return assemble(dataclasses.replace(lone_neurons(model), populations=(POISSON_INPUT, e)))


def projection(**given):
    given = {"synapse": CURRENT, "weights": InitialWeights(low=0.5), "w_max": 1.0} | given
    return Projection(name="input_e", source="input", target="e", **given)


POISSON_INPUT = Population(name="input", size=1, model=POISSON)


def linked(spike):
    """A network whose synapses set a variable of the neuron."""
    network = NetworkSpec(
        name="linked",
        populations=(
            POISSON_INPUT,
            Population(name="e", size=1, model=neuron("dv/dt = -v/tau : 1\nx : 1")),
        ),
        projections=(projection(synapse=SynapseModel(name="s", on_pre=spike)),),
    )
    return assemble(network)


def with_noise(activity, dt):
    network = recurrent_network(n_inputs=4, n_excitatory=4, n_inhibitory=2)
    network = network if activity is None else replaced_activity(network, activity)
    return dataclasses.replace(network, dt=dt)


def replaced_activity(network, activity):
    populations = [
        dataclasses.replace(p, activities=(activity,)) if p.activities else p
        for p in network.populations
    ]
    return dataclasses.replace(network, populations=tuple(populations))


def quantity(text):
    """A value as it is printed, in the units of Brian2."""
    names = {"amp": amp, "second": second, "volt": volt, "ohm": ohm, "mV": mV, "ms": ms}
    return eval(text, {"__builtins__": {}}, names)


def driven(difference, more=MappingProxyType({"r": 3 * ohm})):
    """A membrane that follows a current; the resistance may be there and not be used."""
    equations = f"dv/dt = -({difference})/tau : volt\ni_in : amp"
    return neuron(equations, parameters={**TAU, **more})


FIXES = [
    # names
    *(
        ("write '{}'", lambda name=name: decaying(name), decaying) for name in ("V", "I", "Q_ion")
    ),
    *(
        (
            "choose another name, such as '{}'",
            lambda name=name: decaying(name),
            decaying,
        )
        for name in ("w", "v_pre", "v__x", "i_post", "v_pre_post", "v__gate")
    ),
    (
        "choose another name, such as '{}_own'",
        lambda: reset("double = 0.0; v = double"),
        lambda name: reset(f"{name}_own = 0.0; v = {name}_own"),
    ),
    (
        "write names with the letters a to z, and numbers with the digits 0 to 9",
        lambda: reset("\uff56 = 0"),
        lambda: reset("v = 0"),
    ),
    ("give one another name", lambda: two_rules("r"), lambda: two_rules("q")),
    (
        "give one another name",
        lambda: neuron("dv/dt = -v/tau : 1\nx : 1\ny : 1", parameters={**TAU, "x": 1}),
        lambda: neuron("dv/dt = -v/tau : 1\nx : 1\ny : 1"),
    ),
    ("rename it", lambda: drift("v"), lambda: drift("other")),
    # types, and what is computed
    (
        "write {} = int({}) : integer, or the unit 1 as its type",
        lambda: with_line("s = v/2 : integer"),
        lambda name, code: (
            with_line(f"{name} = int({code}) : integer"),
            with_line(f"{name} = {code} : 1"),
        ),
    ),
    (
        "set a new name, such as 'next_{}', instead",
        lambda: reset("a = 1.0; a = a*v; v = a"),
        lambda name: reset(f"{name} = 1.0; next_{name} = {name}*v; v = next_{name}"),
    ),
    (
        "write ({}) after it",
        lambda: with_line("s = rand() : 1"),
        lambda flags: with_line(f"s = rand() : 1 ({flags})"),
    ),
    (
        "write a threshold, such as threshold='v > v_threshold'",
        lambda: neuron(reset="v = 0"),
        lambda: neuron(
            reset="v = 0", threshold="v > v_threshold", parameters={**TAU, "v_threshold": 1}
        ),
    ),
    (
        "rename one, or the activity, rule or process it belongs to",
        lambda: one_parameter("a"),
        lambda: one_parameter("b"),
    ),
    # names that are not defined, or not used
    (
        "did you mean '{}'?",
        lambda: lif(reset="v = v_resett"),
        lambda n: lif(reset=f"v = {n}"),
    ),
    (
        "define it as a variable or a parameter",
        lambda: neuron("dv/dt = (qq - v)/tau : 1"),
        lambda: (
            neuron("dv/dt = (qq - v)/tau : 1", parameters={**TAU, "qq": 1}),
            neuron("dv/dt = (qq - v)/tau : 1\nqq : 1"),
        ),
    ),
    (
        "read it, or remove it",
        lambda: reset("v = 0\nqq = 2"),
        lambda: (reset("qq = 2\nv = 0*qq"), reset("v = 0")),
    ),
    (
        "remove it or use it",
        lambda: neuron(parameters={**TAU, "k": 2}),
        lambda: (neuron(), neuron("dv/dt = -k*v/tau : 1", parameters={**TAU, "k": 2})),
    ),
    (
        "remove it or use it (misspelt in an equation? names used: {})",
        lambda: neuron(parameters={**TAU, "k": 2}),
        lambda names: neuron(parameters={k: v for k, v in TAU.items() if k in names}),
    ),
    (
        "remove it or use it (misspelt in an equation? names used: {})",
        lambda: process("", parameters={"k": 2}),
        lambda names: process(names.replace("none", "")),
    ),
    (
        "write '{}_post', which is '{}' of the postsynaptic neuron",
        lambda: SynapseModel(name="s", on_pre="g += w"),
        lambda a, b: SynapseModel(name="s", on_pre=f"{a}_post += w"),
    ),
    (
        "write '{}': that is its name among the traces of this neuron",
        lambda: rule(pre_spike="x_pre += 1"),
        lambda n: rule(pre_spike=f"{n} += 1"),
    ),
    (
        "write {} for the {} '{}'",
        lambda: rule(on_post="w = clip(w + x, w_min, w_max)"),
        lambda code, *_: rule(on_post=f"w = clip(w + {eval(code)}, w_min, w_max)"),
    ),
    (
        "write {} for the {} '{}'",
        lambda: process("w = w/s", sums={"s": "w"}),
        lambda code, *_: [
            process(f"w = w/{name}", sums={"s": "w"}) for name in re.findall("'(.*?)'", code)
        ],
    ),
    # equations and statements that cannot be read
    ("write ** for a power, such as v**2", lambda: neuron("dv/dt = -v^2/tau : 1"),
     lambda: neuron("dv/dt = -v**2/tau : 1")),
    *(
        (
            f"write '{word}'",
            lambda sign=sign: neuron(threshold=f"v > 1 {sign} v > 2", reset="v = 0"),
            lambda word=word: neuron(threshold=f"v > 1 {word} v > 2", reset="v = 0"),
        )
        for word, sign in (("and", "&"), ("and", "&&"), ("or", "|"), ("or", "||"))
    ),
    ("write 'not'", lambda: neuron(threshold="!(v > 1)", reset="v = 0"),
     lambda: neuron(threshold="not (v > 1)", reset="v = 0")),
    ("write == to compare, = only assigns", lambda: neuron(threshold="v = 1", reset="v = 0"),
     lambda: neuron(threshold="v == 1", reset="v = 0")),
    ("close it", lambda: neuron("dv/dt = -(v/tau : 1"), lambda: neuron("dv/dt = -(v/tau) : 1")),
    ("remove it, or open it", lambda: neuron("dv/dt = -v)/tau : 1"),
     lambda: (neuron("dv/dt = -v/tau : 1"), neuron("dv/dt = (-v)/tau : 1"))),
    ("write 'name = value', one a line", lambda: reset("v = 0\n3"), lambda: reset("v = 0\nv = 3")),
    (
        "end the line with the unit, such as ' : volt', or ' : 1' for none",
        lambda: neuron("dv/dt = -v/tau"),
        lambda: (neuron("dv/dt = -v/tau : volt"), neuron("dv/dt = -v/tau : 1")),
    ),
    (
        "write 'd{}/dt = ...', or '{} : unit'",
        lambda: neuron("dv/dt : 1"),
        lambda n, _: (neuron(f"d{n}/dt = -v/tau : 1"), neuron(f"{n} : 1", parameters={})),
    ),
    ("write {}: equations state units without prefix", lambda: neuron("dv/dt = -v/tau : mV"),
     lambda unit: neuron(f"dv/dt = -v/tau : {unit}")),
    ("did you mean '{}'?", lambda: neuron("dv/dt = -v/tau : vlot"),
     lambda unit: neuron(f"dv/dt = -v/tau : {unit}")),
    ("write volt, second, amp, 1, ...", lambda: neuron("dv/dt = -v/tau : qqq"),
     lambda: [neuron(f"dv/dt = -v/tau : {unit}") for unit in ("volt", "second", "amp", "1")]),
    ("write volt, second, 1, ...", lambda: neuron("dv/dt = -v/tau : 7"),
     lambda: [neuron(f"dv/dt = -v/tau : {unit}") for unit in ("volt", "second", "1")]),
    (
        "leave it out, or set a new name first: 'next_v = ...', then 'v = next_v'",
        lambda: reset("v = v + k - k", "dv/dt = -k*v/tau : 1\nk : 1"),
        lambda: (
            reset("v += 0", "dv/dt = -k*v/tau : 1\nk : 1"),
            reset("next_v = v + k - k\nv = next_v", "dv/dt = -k*v/tau : 1\nk : 1"),
        ),
    ),
    ("write {}", lambda: reset("v = clip(v, 0)"), lambda call: reset(
        f"v = {call}", "dv/dt = -v/tau : 1\nvalue : 1\nlow : 1\nhigh : 1")),
    # types and flags
    ("write {} = int(...)", lambda: reset("n = 0.3", "dv/dt = -v/tau : 1\nn : integer"),
     lambda n: reset(f"{n} = int(0.3)", "dv/dt = -v/tau : 1\nn : integer")),
    ("write {} = int(...)", lambda: reset("n /= 2", "dv/dt = -v/tau : 1\nn : integer"),
     lambda n: reset(f"{n} = int(n/2)", "dv/dt = -v/tau : 1\nn : integer")),
    ("write {} = x > 0", lambda: reset("on = 1", "dv/dt = -v/tau : 1\non : boolean\nx : 1"),
     lambda n: reset(f"{n} = x > 0", "dv/dt = -v/tau : 1\non : boolean\nx : 1")),
    *(
        ("take the flag off", lambda equations=equations: neuron(equations),
         lambda equations=equations: neuron(re.sub(r" \(.*?\)$", "", equations)))
        for equations in (
            "x : 1\ndv/dt = -v/tau : 1 (event-driven)",
            "x : 1\ndv/dt = -v/tau : 1 (clock-driven)",
            "x : 1\ndv/dt = -v/tau : 1 (constant)",
            "x : 1\ndv/dt = -v/tau : 1 (constant over dt)",
            "dv/dt = -v/tau : 1\nx = 2*v : 1 (unless refractory)",
            "dv/dt = -v/tau : 1\nx = 2*v : 1 (shared)",
        )
    ),
    (
        "take the flag off, or put a number that all share into parameters={'{}': ...}",
        lambda: neuron("dv/dt = -v*k/tau : 1\nk : 1 (shared)"),
        lambda name: (
            neuron("dv/dt = -v*k/tau : 1\nk : 1"),
            neuron("dv/dt = -v*k/tau : 1", parameters={**TAU, name: 2}),
        ),
    ),
    (
        "take the flag off, or declare it as '{} : 1 (linked)'",
        lambda: neuron("dv/dt = -v/tau : 1\nx = 2*v : 1 (linked)"),
        lambda name: (
            neuron(f"dv/dt = -v/tau : 1\n{name} = 2*v : 1"),
            neuron(f"dv/dt = -v/tau : 1\n{name} : 1 (linked)"),
        ),
    ),
    (
        "leave those out",
        lambda: neuron("dv/dt = -v/tau : 1\nx : 1 (linked, constant)"),
        lambda: neuron("dv/dt = -v/tau : 1\nx : 1 (linked)"),
    ),
    # units
    (
        "give the number a unit: make it a parameter in {}",
        lambda: lif(reset="v = v_reset + 3"),
        lambda unit: lif(reset="v = v_reset + up", parameters={"up": 3 * quantity(unit)}),
    ),
    (
        "parameter '{}' has no unit: give it one, such as {}",
        lambda: process("w = w*exp(-interval/tau_w)", parameters={"tau_w": 0.2}),
        lambda name, value: process(
            "w = w*exp(-interval/tau_w)", parameters={name: quantity(value)}
        ),
    ),
    (
        "divide by {} such as {}",
        lambda: neuron("dv/dt = -v : 1", threshold="v*tau > 1*tau", reset="v = 0"),
        lambda kind, name: neuron(f"dv/dt = -v/{name} : 1", threshold="v > 1", reset="v = 0"),
    ),
    (
        "multiply by {} such as {}",
        lambda: driven("v - i_in"),
        lambda kind, name: driven(f"v - i_in*{name}"),
    ),
    (
        "divide by a time constant in second, such as tau_m",
        lambda: neuron("dv/dt = -v : 1", parameters={}),
        lambda: neuron("dv/dt = -v/tau_m : 1", parameters={"tau_m": 10 * ms}),
    ),
    (
        "multiply by a parameter in {}",
        lambda: driven("v - i_in", {}),
        lambda unit: driven("v - i_in*r", {"r": 3 * quantity(unit)}),
    ),
    ("compare with something, such as v > v_threshold", lambda: lif(threshold="v"),
     lambda: lif(threshold="v > v_threshold")),
    (
        "give the value to a parameter, and write {}='its_name'",
        lambda: lif(refractory=2 * ms),
        lambda field: lif(**{field: "its_name", "parameters": {"its_name": 2 * ms}}),
    ),
    ("give a value such as {}", lambda: LIF.with_parameters(tau_m=3),
     lambda value: LIF.with_parameters(tau_m=quantity(value))),
    ("give a value such as {}", lambda: LIF.with_parameters(v_rest=3 * ms),
     lambda value: LIF.with_parameters(v_rest=quantity(value))),
    # methods
    *(
        ("write method='{}'", lambda model=model: neuron(**model),
         lambda name, model=model: neuron(**(model | {"method": name})))
        for model in (
            {"equations": "dv/dt = -v**2/tau : 1", "method": "exact"},
            {"equations": "dv/dt = -v/tau + xi*tau**-0.5 : 1", "method": "rk4"},
            {"equations": "dv/dt = -v/tau + v*xi*tau**-0.5 : 1", "method": "euler"},
            {"equations": "dv/dt = -v/tau + v*xi_a*tau**-0.5 + xi_b*tau**-0.5 : 1"},
        )
    ),
    ("write them linear in the traces", lambda: assemble(spike_pairs(
        rule(pre_equations="dx/dt = -x**2/tau : 1"), 2)), lambda: assemble(spike_pairs(rule(), 2))),
    # time steps
    *(
        (
            text,
            lambda: with_noise(None, 0.5 * ms),
            lambda *_: with_noise(WHITE_NOISE, 0.5 * ms),
        )
        for text in (
            "put one in its place first that is right at any, such as sleep:WHITE_NOISE",
            "{}, whose noise is sd*sqrt(dt/t_sd)*randn()",
        )
    ),
    ("write {}", lambda: Population(name="e", model=LIF), lambda given: Population(
        name="e", model=LIF, **dict.fromkeys(given.replace("=...", "").split(", "), 3))),
    # parts
    ("write ({},) for one",
     lambda: Population(name="e", size=1, model=LIF, activities=MEMBRANE_NOISE),
     lambda part: Population(name="e", size=1, model=LIF, activities=(MEMBRANE_NOISE,))),
]  # fmt: skip


@pytest.mark.parametrize("fix, broken, mended", rows(FIXES))
def test_fix(fix, broken, mended):
    carry_out(fix, broken, mended)
