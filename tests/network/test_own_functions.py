"""Functions of one's own that equations call: the same on all backends, and part of the run id."""

import dataclasses

import numpy as np
import pytest
from brian2 import ms, volt
from conftest import needs_compiler

from brainsleep import (
    Event,
    NetworkSpec,
    NeuronModel,
    OneToOne,
    OwnFunction,
    Population,
    Projection,
    Protocol,
    Record,
    SynapseModel,
    Timeline,
    awake,
    simulate,
)
from brainsleep.backends.cuda.backend import CudaBackend
from brainsleep.errors import BackendError, SpecError, StoreError
from brainsleep.experiment.protocol import run_id

TARGETS = [
    "numpy",
    pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler]),
]

#: Cut below, and twice what is above: with units on both sides.
PIECE = OwnFunction(
    arguments=(volt, 1),
    unit=volt,
    python="""
def piece(v, k):
    v = np.asarray(v)
    return np.where(v < 0.01, 0.0, k*v)*volt
""",
    cpp="double piece(double v, double k) { return v < 0.01 ? 0.0 : k*v; }",
)
HALF = OwnFunction(
    arguments=(1,),
    python="def half(x): return 0.5*x",
    cpp="double half(double x) { return 0.5*x; }",
)
NEURON = NeuronModel(
    name="climbs",
    equations="""
    v : volt
    y = piece(v, 2) : volt
    x : 1
    n : integer
    """,
    on_step="v += 3*mV",
    threshold="piece(v, 1) > 14*mV",
    reset="v = 0*mV",
    events=(Event(name="high", condition="y > 20*mV", code="n += 1"),),
    functions={"piece": PIECE},
)
SYNAPSE = SynapseModel(name="halves", on_pre="x_post = half(x_post + 1)", functions={"half": HALF})


def protocol(neuron=NEURON, synapse=SYNAPSE):
    network = NetworkSpec(
        name="functions",
        populations=(Population(name="e", size=2, model=neuron),),
        projections=(
            Projection(
                name="ee",
                source="e",
                target="e",
                synapse=synapse,
                connectivity=OneToOne(),
                weights=1.0,
            ),
        ),
        input="",
    )
    record = Record(states={"e.v": (0,), "e.y": (0,), "e.x": (0,), "e.n": (0,)}, spikes=("e",))
    schedule = Timeline(periods=(awake(20 * ms),))
    return Protocol(name="functions", network=network, schedule=schedule, record=record)


@pytest.mark.parametrize("backend", TARGETS)
def test_values_computed_by_hand(backend, tmp_path):
    v, x, n, rows = 0, 0.0, 0, []
    for _ in range(20):
        rows.append((v, 2 * v if v >= 10 else 0, x, n))
        v += 3
        spike = v > 14  # which is above 10
        n += 2 * v > 20 and v >= 10
        if spike:
            x, v = 0.5 * (x + 1), 0
    result = simulate(protocol(), backend=backend, out=tmp_path)
    for column, (name, unit) in enumerate((("v", 1e-3), ("y", 1e-3), ("x", 1), ("n", 1))):
        values = np.asarray(result.states(f"e.{name}").values)[:, 0]
        np.testing.assert_allclose(values, np.array(rows)[:, column] * unit, atol=1e-12)
    assert result.spikes["e"].neurons.tolist() == [0, 1] * 4


def test_what_it_does_is_in_the_run_id():
    ids = {run_id(protocol(), 0, "numpy", "x")}
    changes = {
        "python": PIECE.python.replace("0.01", "0.02"),
        "cpp": PIECE.cpp.replace("0.01", "0.02"),
        "cython": "cdef double piece(double v, double k):\n    return k*v",
    }
    for field, code in changes.items():
        other = dataclasses.replace(PIECE, **{field: code})
        model = dataclasses.replace(NEURON, functions={"piece": other})
        ids.add(run_id(protocol(model), 0, "numpy", "x"))
    other = dataclasses.replace(HALF, cpp="double half(double x) { return 0.25*x; }")
    synapse = dataclasses.replace(SYNAPSE, functions={"half": other})
    ids.add(run_id(protocol(synapse=synapse), 0, "numpy", "x"))
    assert len(ids) == 5


def test_nothing_stored_is_run(tmp_path):
    """What a result holds may come from anyone; from the file of its study it is as before."""
    given = protocol()
    with pytest.raises(SpecError, match=r"never made of stored data.*load it from the file"):
        Protocol.from_dict(given.describe())
    result = simulate(given, backend="numpy", out=tmp_path)
    with pytest.raises(StoreError, match="load it from the file of its study"):
        assert result.protocol
    model = result.stored_protocol.network.populations[0].model
    assert model.functions["piece"].cpp == PIECE.cpp


@needs_compiler
def test_cython_wants_cython_code(tmp_path):
    with pytest.raises(BackendError, match="use --backend cpp or numpy"):
        simulate(protocol(), backend="cython", out=tmp_path)
    assert simulate(protocol(), backend="numpy", out=tmp_path).counts["e"].sum() == 8


@pytest.mark.slow
@pytest.mark.long
@needs_compiler
def test_cython_code_is_run(tmp_path):
    piece = dataclasses.replace(
        PIECE,
        cython="cdef double piece(double v, double k):\n    return 0.0 if v < 0.01 else k*v",
    )
    half = dataclasses.replace(HALF, cython="cdef double half(double x):\n    return 0.5*x")
    given = protocol(
        dataclasses.replace(NEURON, functions={"piece": piece}),
        dataclasses.replace(SYNAPSE, functions={"half": half}),
    )
    assert simulate(given, backend="cython", out=tmp_path).counts["e"].sum() == 8


def test_a_gpu_refuses_them_in_words():
    assert "own functions" in protocol().network.plan.features
    assert "own functions" in CudaBackend.lacks


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: neuron(python="def other(v, k): return v"), "def piece"),
        (lambda: neuron(python="def piece(v): return v"), "fewer arguments"),
        (lambda: neuron(python="def piece(v, k) return v"), "Python code"),
        (lambda: neuron(cpp="double other(double v) { return v; }"), "'piece('"),
        (lambda: neuron(cpp=""), "'piece('"),
        (lambda: neuron(cython="cdef double other(double v): return v"), "cython"),
        (lambda: neuron(arguments=(1, 1)), "piece"),
        (lambda: neuron(unit=1), "unit"),
        (lambda: OwnFunction(arguments=volt, python="", cpp=""), "a unit for each argument"),
        (lambda: named("exp"), "'exp'"),
        (lambda: named("Piece"), "write 'piece'"),
        (lambda: dataclasses.replace(SYNAPSE, on_pre="x_post += 1"), "half"),
    ],
)
def test_what_is_faulty_is_refused(make, words):
    with pytest.raises(SpecError) as caught:
        make()
    assert words in str(caught.value) and "\n" not in str(caught.value)


def neuron(**changes):
    return dataclasses.replace(NEURON, functions={"piece": dataclasses.replace(PIECE, **changes)})


def named(name):
    return dataclasses.replace(NEURON, functions={"piece": PIECE, name: HALF})


def test_equations_are_checked_with_its_units():
    with pytest.raises(SpecError, match="piece"):
        dataclasses.replace(NEURON, threshold="piece(x, 1) > 14*mV")
    with pytest.raises(SpecError, match="units"):
        dataclasses.replace(NEURON, threshold="piece(v, 1) > 14")
    assert dataclasses.replace(NEURON, threshold="piece(14*mV + v, 1) > 14*mV").threshold
