"""Large networks: drawn and kept in pieces, to the same bits and in little memory."""

import hashlib
import tracemalloc
import zipfile
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from brainsleep.errors import SpecError
from brainsleep.files.npz import digest, read_npz, write_npz
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.network.spec import (
    Connectivity,
    FixedInDegree,
    FixedOutDegree,
    InitialWeights,
    NetworkSpec,
    Population,
    Projection,
)
from brainsleep.network.values import draws_once
from brainsleep.run import connect, draws
from brainsleep.run.delays import delay_steps, longest_delays
from brainsleep.run.observers.recorder import load_checkpoint, save_checkpoint
from brainsleep.run.state import initial_state, stream

DRAWN = "clip(normal(0.5, 0.1), w_min, w_max)"


def network(*wirings, sizes=(90, 70), weights=DRAWN, **more):
    """Two populations; the wirings are those from e to e, from e to i and from i to e."""
    positions = {"x": "1*metre/1000*rand()", "y": "1*metre/1000*rand()"}
    return NetworkSpec(
        name="net",
        populations=tuple(
            Population(name=name, size=size, model=LIF, positions=positions)
            for name, size in zip("ei", sizes, strict=True)
        ),
        projections=tuple(
            Projection(
                name=name,
                source=name[0],
                target=name[1],
                synapse=CURRENT,
                connectivity=wiring,
                weights=weights,
                **more,
            )
            for name, wiring in zip(("ee", "ei", "ie"), wirings, strict=False)
        ),
    )


@contextmanager
def most_bytes(found):
    """Note the most bytes that are taken meanwhile, besides those before."""
    tracemalloc.start()
    try:
        yield
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def in_blocks_of(monkeypatch, size):
    monkeypatch.setattr(connect, "BLOCK", size)
    monkeypatch.setattr(draws, "BLOCK", size)


def assert_same(one, other):
    for name, value in one.arrays.items():
        np.testing.assert_array_equal(value, other.arrays[name], err_msg=name)
    for name, pairs in one.synapses.items():
        np.testing.assert_array_equal(pairs, other.synapses[name], err_msg=name)


# --- wiring ------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("kind", [FixedInDegree, FixedOutDegree])
def test_numbers_a_neuron_are_drawn_as_ever(kind, repeats):
    """As in versions that drew all rows, and sorted pairs as whole numbers."""
    found = initial_state(network(kind(12, repeats=repeats)), 4).synapses["ee"]
    rng, one = stream(4, "synapses", "ee"), np.arange(90)[:, None]
    if repeats:
        other = rng.integers(89, size=(90, 12))
    else:
        other = np.stack([rng.choice(89, 12, replace=False, shuffle=False) for _ in range(90)])
    other = other + (other >= one)
    pre, post = (other, one) if kind is FixedInDegree else (one, other)
    keys = np.sort((pre * 90 + post).ravel())
    np.testing.assert_array_equal(found, [keys // 90, keys % 90])
    assert [each.dtype for each in found] == [np.int32, np.int32]


@pytest.mark.parametrize(
    "wiring",
    [
        FixedInDegree(20),
        FixedInDegree(300, repeats=True),
        FixedOutDegree(20),
        FixedOutDegree(300, repeats=True, self_connections=True),
        Connectivity(p=0.2),
        Connectivity(),
        Connectivity(p="0.5*exp(-(distance/(200*um))**2/2)"),
    ],
    ids=lambda wiring: f"{type(wiring).__name__} {wiring.words()}",
)
@pytest.mark.parametrize("weights", [DRAWN, "rand()*w_max", "w_min + rand()*rand()*w_max"])
def test_blocks_change_nothing(wiring, weights, monkeypatch):
    spec = network(wiring, wiring, wiring, weights=weights, delay="uniform(1*ms, 4*ms)")
    whole = initial_state(spec, 2)
    in_blocks_of(monkeypatch, 100)
    assert_same(initial_state(spec, 2), whole)


@pytest.mark.parametrize("dense", [0, 2**24])
def test_reciprocal_pairs_are_left_out_in_blocks(dense, monkeypatch):
    monkeypatch.setattr(connect, "DENSE", dense)
    back = Connectivity(p=0.3, avoid_reciprocal="ei")
    there = Connectivity(p=0.3)
    in_blocks_of(monkeypatch, 100)
    state = initial_state(network(there, there, back), 3)
    free = initial_state(network(there, there, there), 3)
    pre, post = (end.astype(int) for end in state.synapses["ei"])
    all_pre, all_post = free.synapses["ie"]
    kept = ~np.isin(all_pre * 90 + all_post, post * 90 + pre)
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(state.synapses["ie"], [all_pre[kept], all_post[kept]])


def test_values_of_neurons_are_given_to_blocks(monkeypatch):
    weights = "0.1 + 0.2*(x_pre > x_post) + 0.1*i/N_pre + 0.1*j/N_post + 0.1*rand()"
    spec = network(FixedOutDegree(20), weights=weights)
    whole = initial_state(spec, 1)
    in_blocks_of(monkeypatch, 64)
    assert_same(initial_state(spec, 1), whole)


def test_a_value_that_is_not_finite_says_of_which_synapses(monkeypatch):
    in_blocks_of(monkeypatch, 100)
    spec = network(FixedOutDegree(10), weights="0.5/(i - 35)")
    with pytest.raises(SpecError, match="of synapses 300 to 399: got 10 of 100 values"):
        initial_state(spec, 1)


def test_expressions_that_draw_once():
    assert draws_once("0.3") and draws_once("clip(normal(1, 2), 0, 1) + i  # rand()")
    assert not draws_once("rand() + 0.1*randn()") and not draws_once("rand()*rand()")
    assert draws_once("poisson(\n 3)") and not draws_once("normal(uniform(0, 1), 1)")


# --- memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wiring", "weights", "most"),
    [  # a synapse has 8 bytes of neurons, and 8 of its weight
        (FixedInDegree(250), 0.5, 19),
        (FixedOutDegree(250), DRAWN, 19),
        (FixedOutDegree(250, repeats=True), InitialWeights(low=0.2, high=0.6), 19),
        (Connectivity(p=0.125), DRAWN, 19),
    ],
    ids=lambda value: str(value)[:30],
)
def test_drawing_takes_little_more_than_what_is_drawn(wiring, weights, most, monkeypatch):
    monkeypatch.setattr(connect, "DENSE", 2**20)
    in_blocks_of(monkeypatch, 2**14)
    spec = network(wiring, sizes=(2000, 10), weights=weights)
    assert spec.plan.groups
    found = []
    with most_bytes(found):
        state = initial_state(spec, 1)
    n = len(state.synapses["ee"][0])
    assert n == pytest.approx(500_000, rel=0.01)
    assert found[0] < most * n + 2**20


def test_single_precision_rounds_one_array_at_a_time():
    double = network(FixedOutDegree(250), sizes=(2000, 10))
    single, found = replace(double, precision="float32"), []
    assert single.plan.groups
    with most_bytes(found):
        state = initial_state(single, 1)
    assert found[0] < 30 * 500_000  # 16 bytes of what is drawn, and 12 while weights are rounded
    for name, value in initial_state(double, 1).arrays.items():
        expected = value.astype(np.float32) if value.dtype.kind == "f" else value
        np.testing.assert_array_equal(state.arrays[name], expected)


def test_the_longest_delay_is_that_of_the_latest_spike():
    dt, rng = 1e-4, np.random.default_rng(0)
    near = (rng.integers(1, 40, 3000) + 0.5) * dt * (1 + 1e-15 * rng.integers(-3, 4, 3000))
    for delays in (near, rng.random(3000) * 4e-3, np.zeros(5)):
        for k in range(1, len(delays), 97):
            part = delays[:k]
            assert delay_steps(part.max(), dt) == delay_steps(part, dt).max()
    spec = network(FixedOutDegree(20), delay="uniform(1*ms, 4*ms)")
    state = initial_state(spec, 1)
    longest = delay_steps(state.arrays["ee.delay"], 1e-3).max()
    assert longest_delays(spec.plan, state.arrays, 1e-3) == {"e.spike_history": longest}
    assert len(state.arrays["e.spike_history"]) == longest


# --- files -------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(1).random(2**18)

ARRAYS = {
    "number": np.array(3),
    "text": np.array("a hash"),
    "texts": np.array(["wake", "sleep"]),
    "empty": np.empty((0, 2), np.int32),
    "truth": np.array([True, False]),
    "columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "apart": np.arange(2**19)[::2],
    "random": RANDOM,
    "random rows": RANDOM.reshape(2, -1).T,
    "constant": np.full(2**18, 0.1),
    "folder/name": np.arange(5, dtype=np.uint16),
}


def test_arrays_are_written_as_they_are_read(tmp_path):
    path = tmp_path / "arrays.npz"
    with open(path, "wb") as file:
        write_npz(file, ARRAYS)
    with np.load(path, allow_pickle=False) as plain:
        by_numpy = {name: plain[name] for name in plain.files}
    for found in (read_npz(path), by_numpy):
        assert list(found) == list(ARRAYS)
        for name, value in ARRAYS.items():
            np.testing.assert_array_equal(found[name], value, strict=True)
    again = tmp_path / "again.npz"
    with open(again, "wb") as file:
        write_npz(file, ARRAYS)
    assert again.read_bytes() == path.read_bytes()


def test_what_gains_little_is_not_deflated(tmp_path):
    path = tmp_path / "arrays.npz"
    with open(path, "wb") as file:
        write_npz(file, ARRAYS)
    with zipfile.ZipFile(path) as archive:
        kinds = {each.filename[:-4]: each.compress_type for each in archive.infolist()}
        sizes = {each.filename[:-4]: each.compress_size for each in archive.infolist()}
    stored = {name for name, kind in kinds.items() if kind == zipfile.ZIP_STORED}
    assert stored == {"random", "random rows"}
    assert sizes["constant"] < ARRAYS["constant"].nbytes / 50


def test_hashes_are_of_bytes_in_rows():
    for name, value in ARRAYS.items():
        head = f"{name} {value.dtype.str} {value.shape}\n".encode()
        expected = hashlib.sha256(head + value.tobytes()).hexdigest()
        assert digest({name: value}) == expected, name


def test_a_checkpoint_is_written_in_pieces(tmp_path):
    """Writing takes no copy of the state; reading, one."""
    spec = network(FixedOutDegree(10))
    state = initial_state(spec, 1)
    large = state.updated(ee__w=np.random.default_rng(0).random(2**23))
    n_bytes, recorded, found = large.arrays["ee.w"].nbytes, {"ran": np.zeros(1)}, []
    with most_bytes(found):
        save_checkpoint(tmp_path, 0, 0.0, large.arrays, recorded)
    with most_bytes(found):
        read = load_checkpoint(tmp_path, large, 1)
    assert found[0] < 0.8 * n_bytes
    assert found[1] < 1.2 * n_bytes
    np.testing.assert_array_equal(read[2]["ee.w"], large.arrays["ee.w"])
    assert (tmp_path / "checkpoint.npz").stat().st_size < 1.01 * n_bytes
