"""Values and wiring as they are specified: what is refused, data, run ids."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
from brian2 import Hz, mA, ms, mV, second, um, volt
from scipy import sparse

from brainsleep import mistakes
from brainsleep.errors import BrainsleepError, SpecError
from brainsleep.experiment.identity import hashed
from brainsleep.experiment.protocol import Protocol, run_id
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.models.sleep import DECAY_STATIC
from brainsleep.network.spec import (
    Connectivity,
    FixedInDegree,
    FixedOutDegree,
    NetworkSpec,
    NeuronModel,
    OneToOne,
    Pairs,
    Population,
    Projection,
)
from brainsleep.show import facts
from brainsleep.show.difference import Side, difference
from brainsleep.show.methods import methods
from brainsleep.values.arrays import Array
from brainsleep.values.plain import from_plain, plain


def network(values=None, positions=None, model=LIF, size=8, own=None, **changes):
    e = Population(name="e", size=size, model=model, values=values or {}, positions=positions or {})
    given = {"name": "ie", "synapse": CURRENT, "weights": 0.5, "values": own or {}, **changes}
    return NetworkSpec(
        name="own",
        populations=(Population(name="input", size=4, model=POISSON), e),
        projections=(Projection(source="input", target="e", **given),),
    )


def protocol(spec):
    return Protocol(
        name="p", network=spec, schedule=Timeline(periods=(awake(1 * second, rate=5 * Hz),))
    )


@pytest.mark.parametrize(
    "make, parts",
    [
        # names
        (lambda: network({"v_treshold": -50 * mV}), ("'v_treshold'", "did you mean 'v_threshold'")),
        (lambda: network({"v": "normal(v_rst, 2*mV)"}), ("'v_rst'", "did you mean 'v_rest'?")),
        (lambda: network({"v": "norml(v_rest, 2*mV)"}), ("'norml'", "did you mean 'normal'?")),
        (lambda: network({"v": "x*mV/um"}), ("undefined name 'x'",)),
        (lambda: network({"v": "j*mV"}), ("there is no 'j' here", "write i")),
        (lambda: network({"v": "t*mV/second"}), ("'t' cannot be used in a value",)),
        (lambda: network({"lastspike": 1 * ms}), ("no variable or parameter 'lastspike'",)),
        (lambda: network(weights="x_pre/um"), ("undefined name 'x_pre'",)),
        (lambda: network(weights="distance/um"), ("undefined name 'distance'",)),
        (lambda: network(values={"v": "v_threshold"}, positions={"tau-m": "i*um"}), ("tau-m",)),
        (lambda: network(positions={"mV": "i*um"}), ("position", "mV")),
        (
            lambda: network({"tau_m": "i*ms + tau_syn", "tau_syn": "(1 + i)*ms"}),
            ("values: tau_m", "undefined name 'tau_syn'"),
        ),
        # units
        (lambda: network({"v": 3}), ("values: v: got 3", "volt")),
        (lambda: network({"v": 3 * mA}), ("values: v", "volt")),
        (lambda: network({"v": "normal(-50*mV, 2)"}), ("values: v", "normal")),
        (lambda: network({"v": "uniform(0, 2*mV)"}), ("values: v", "uniform")),
        (lambda: network({"v": "5*ms + 0*ms*rand()"}), ("values: v: units", "volt")),
        (lambda: network({"v": np.ones(8)}), ("values: v: got values in 1", "volt")),
        (lambda: network({"v": np.ones(8) * ms}), ("values: v: got values in second", "volt")),
        (lambda: network(weights="1*mV"), ("weights: got 1. mV", "in 1")),
        (lambda: network(weights="i*mV"), ("weights: units",)),
        (lambda: network(connectivity=Connectivity(p="i*mV")), ("connectivity p: units",)),
        (lambda: network({"v": "rand() > 0.5"}), ("values: v", "a value, not a condition")),
        # shapes
        (lambda: network({"v": np.ones(7) * mV}), ("values: v: got 7 values", "8, one each")),
        (lambda: network({"v": np.ones((2, 4)) * mV}), ("values.v: got an array of shape (2, 4)",)),
        (lambda: network({"v": [1 * mV, 2 * ms]}), ("values.v: got a list", "one unit")),
        (lambda: network({"v": [1 * mV, np.nan * mV]}), ("1 of 2 numbers", "not finite")),
        (lambda: network({"v": {}}), ("values.v: got {}", "an expression as text")),
        (lambda: network({"v": ""}), ("values.v: got an empty text",)),
        (lambda: network({"v": "2*s"}), ("is 's'", "'second'")),
        (lambda: network(weights=np.ones(31)), ("weights: got 31 values", "32, one a synapse")),
        (
            lambda: network(weights=np.ones(3), connectivity=Connectivity(p=0.5)),
            ("an array, but synapses are drawn", "connectivity=Pairs(pre, post)"),
        ),
        # wiring
        (lambda: network(connectivity=FixedInDegree(5)), ("n=5 of 4 neurons of the source",)),
        (lambda: network(connectivity=FixedOutDegree(9)), ("n=9 of 8", "repeats=True")),
        (lambda: network(connectivity=OneToOne()), ("4 to 8 neurons",)),
        (lambda: network(connectivity=Pairs([4], [0])), ("pre: got 4", "neurons 0 to 3")),
        (lambda: network(connectivity=Pairs([0, 1], [0])), ("2 presynaptic and 1",)),
        (lambda: network(connectivity=Pairs([0.5], [0])), ("pre: got float64", "whole")),
        (lambda: network(connectivity=Pairs([-1], [0])), ("whole and from 0 on",)),
        (lambda: network(connectivity=Pairs([], [])), ("pre: got",)),
        (lambda: network(connectivity=Connectivity(p="rand()")), ("'rand' cannot draw here",)),
        (lambda: network(connectivity=Connectivity(p=0)), ("p: got 0",)),
        (lambda: network(connectivity=Connectivity(p="1.5")), ("p: got 1.5", "at most 1")),
        # weights
        (
            lambda: network(weights=2.0),
            ("weights: got 2 to 2", "within [0, 1]", "raise the bounds"),
        ),
        (lambda: network(weights=-0.5), ("within [0, 1]", "sign=-1", "sign=None")),
        (lambda: network(w_min=-1.0), ("w_min=-1.0", "sign=None")),
        (lambda: network(sign=None, w_min=1.0), ("w_min < w_max",)),
        (lambda: network(sign=0), ("sign: got 0", "1, -1 or None")),
        (
            lambda: network(sign=None, processes=(DECAY_STATIC,)),
            ("weight process 'decay'", "signed=True"),
        ),
        (lambda: network(values={"w": 1}), ("no variable or parameter 'w'",)),
    ],
)
def test_what_is_wrong_is_refused_with_a_fix(make, parts):
    with pytest.raises(BrainsleepError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def test_values_of_synapses_have_names_and_units():
    for values, part in (
        ({"chargee": 1 * ms}, "did you mean 'charge'?"),
        ({"charge": 1 * mV}, "charge"),
        ({"w": 0.5}, "give it as weights=..."),
        ({"charge": "i*mV"}, "units"),
    ):
        with pytest.raises(SpecError, match=part.replace("?", r"\?")):
            network(own=values)


def test_all_mistakes_are_found_at_once():
    found = []
    with mistakes.collecting(found.append):
        network({"v": "i*ms", "tau": 3 * ms, "i_syn": np.ones(3)}, weights="1*mV")
    assert len(found) == 4


def test_a_shared_equation_cannot_use_what_every_neuron_has():
    model = NeuronModel(
        name="m",
        equations="""
        dv/dt = -v/tau + drive : 1
        drive = 1/tau : Hz (shared)
        """,
        parameters={"tau": 10 * ms},
    )
    with pytest.raises(SpecError, match=r"'drive' is \(shared\) and uses 'tau'"):
        network(
            {"tau": "(1 + i)*ms"},
            model=model,
            synapse=dataclasses.replace(CURRENT, on_pre="v_post += w*charge/ms"),
        )


@pytest.mark.parametrize("wrong", ["2", "i/3 + 0.1"])
def test_integers_and_booleans_start_as_such(wrong):
    model = NeuronModel(name="m", equations="n : integer\nb : boolean\ni_syn : 1\nx : 1",
        parameters={"tau_syn": 1 * ms}, on_step="x = 1*ms/tau_syn")  # fmt: skip
    network({"n": "i + 2", "b": "i > 3"}, model=model)
    with pytest.raises(SpecError):
        network({"b": wrong}, model=model)


#: A network with everything that a user can give.
def rich():
    matrix = sparse.coo_array(([0.5, 0.25, 1.0], ([3, 0, 0], [1, 7, 7])), shape=(4, 8))
    pairs, weights = Pairs.from_matrix(matrix)
    return network(
        {
            "v_threshold": np.linspace(-50.2, -48.1, 8) * mV,
            "v": "normal(-60*mV, 2*mV)",
            "tau_m": 5 * ms,
        },
        {"x": "i*um", "y": np.arange(8) * um},
        connectivity=pairs,
        weights=weights,
        own={"charge": [1, 2, 3] * ms},
    )


def test_a_description_makes_the_same_protocol():
    for spec in (
        rich(),
        network(connectivity=FixedInDegree(2, repeats=True), weights="0.1 + 0*i"),
        network(connectivity=FixedOutDegree(2), sign=None, w_min=-1.0, weights="uniform(-1, 1)"),
        network(connectivity=OneToOne(), size=4, delay="uniform(1*ms, 2*ms)"),
        network(delay=np.linspace(0, 3, 32) * ms),
        network({"v": "2*i*mV"}, connectivity=Connectivity(p="2*i/100")),
        network(model=dataclasses.replace(LIF, initial={"v": "2*i*mV - 60*mV"})),
        network({"v": "-60*mV"}),
    ):
        one = protocol(spec)
        described = json.loads(json.dumps(one.describe()))
        assert Protocol.from_dict(described) == one
        assert pickle.loads(pickle.dumps(one)) == one
        assert run_id(Protocol.from_dict(described), 1, "numpy", "") == run_id(one, 1, "numpy", "")


def test_a_text_that_is_a_quantity_becomes_one():
    e = network({"v": "-60*mV"}).population("e")
    assert e.values["v"] == -60 * mV
    assert network(connectivity=Connectivity(p="0.5")).projection("ie").connectivity.p == 0.5


def test_arrays_are_compared_and_hashed_by_content():
    values = np.linspace(-50.2, -48.1, 800) * mV
    one, other = (Array.of(given, "v") for given in (values, list(values)))
    assert one == other
    assert hash(one) == hash(other)
    assert str(one) == "800 values, -50.2 mV to -48.1 mV"
    more = Array.of(values + 1e-15 * volt, "v")
    assert one != more
    np.testing.assert_array_equal(one.numbers, np.asarray(values))
    with pytest.raises(ValueError, match="read-only"):
        one.numbers[0] = 0
    values[0] = 0 * mV
    assert one == other
    described = plain(one)
    assert from_plain(Array, described) == one
    for wrong in ({"sha256": "0" * 64}, {"shape": [801]}, {"data": "!"}, {"dtype": "object"}):
        with pytest.raises(SpecError):
            from_plain(Array, described | wrong)


def test_only_the_content_of_an_array_is_in_the_run_id():
    one = protocol(rich())
    content = json.dumps(hashed(one.describe()))
    array = one.network.population("e").values["v_threshold"]
    assert array.sha256 in content
    assert array.data not in content
    other = one.override(
        {"network.populations.e.values.v_threshold": np.linspace(-50, -48, 8) * mV}
    )
    ids = {run_id(each, 1, "numpy", "") for each in (one, other, protocol(network()))}
    assert len(ids) == 3


def test_values_can_be_changed_by_key(tmp_path, monkeypatch):
    one = protocol(network({"v": -60 * mV}))
    changed = one.override(
        {
            "network.populations.e.values.v": "normal(-60*mV, 3*mV)",
            "network.populations.e.values.tau_m": "20*ms",
            "network.projections.ie.weights": "0.25",
            "network.projections.ie.connectivity.p": "0.5*int(j > 2)",
        }
    )
    e, ie = changed.network.population("e"), changed.network.projection("ie")
    assert e.values == {"v": "normal(-60*mV, 3*mV)", "tau_m": 20 * ms}
    assert float(ie.weights) == 0.25
    assert ie.connectivity.p == "0.5*int(j > 2)"
    assert changed.override({"network.populations.e.values.v": None}).network.population(
        "e"
    ).values == {"tau_m": 20 * ms}
    (tmp_path / "mine.py").write_text("import numpy as np\nW = np.full(32, 0.125)\n")
    monkeypatch.chdir(tmp_path)
    read = one.override({"network.projections.ie.weights": "mine.py:W"})
    np.testing.assert_array_equal(read.network.projection("ie").weights.numbers, 0.125)


def test_values_are_shown_in_few_words():
    spec = rich()
    (shown,) = facts.values(spec)
    assert ("e", "v_threshold", "value", "8 values, -50.2 mV to -48.1 mV") in shown.rows
    assert ("e", "x", "position", "i*um") in shown.rows
    assert ("ie", "charge", "value", "3 values, 1 ms to 3 ms") in shown.rows
    assert "3 values, 1 ms to 3 ms" in methods(spec)
    row = facts.projections(spec).rows[0]
    assert "3 pairs given" in row
    assert "3 values, 0.25 to 1" in " ".join(map(str, row))
    assert not facts.values(network())


def test_what_differs_between_arrays_is_told_shortly():
    one = protocol(rich())
    other = one.override(
        {"network.populations.e.values.v_threshold": np.linspace(-50, -48, 8) * mV}
    )
    sides = [Side(str(k), p.describe(), p.equations()) for k, p in enumerate((one, other))]
    (change,) = difference(*sides).changes
    assert change.key == "network.populations.e.values.v_threshold"
    assert all(len(text) < 60 and "8 values" in text for text in change.texts())
