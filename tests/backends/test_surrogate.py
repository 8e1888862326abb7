"""Surrogate-gradient networks: they learn, sleep changes what it says, and nothing else."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from brian2 import ms
from conftest import TINY, make_segment

from brainsleep.backends.base import make_backend
from brainsleep.errors import BackendError, BrainsleepError, ProtocolError, ScheduleError, SpecError
from brainsleep.experiment.observer import Seen, View
from brainsleep.experiment.protocol import load_protocol
from brainsleep.experiment.record import Record
from brainsleep.experiment.schedule import Schedule, sleep
from brainsleep.models.homeostasis import NORMALISE, PRUNING
from brainsleep.models.massey2026 import PAPER
from brainsleep.models.sg_snn import (
    NOISE,
    NOISE_PAPER,
    RAISE_PAPER,
    SG_SNN,
    SG_SNN_28,
    SG_SNN_DECAY,
    STDP_PAPER,
    decay_network,
    paper_network,
)
from brainsleep.models.sleep import DECAY_NEURON, DECAY_STATIC, MEMBRANE_NOISE
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.layers import (
    CurrentInput,
    DenseProjection,
    LeakyPopulation,
    SurrogateNetwork,
)
from brainsleep.run.observers.recorder import Recorder
from brainsleep.run.observers.weights import Snapshots, WeightStatistics
from brainsleep.run.segment import Batch, Capacity, Segment
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state
from brainsleep.sweep.grid import Grid, read_grids
from brainsleep.tasks.images.presentation import measure_rate

N = 36
SMALL = dataclasses.replace(
    decay_network(n_inputs=N, n_hidden=60, n_classes=10), batch_size=20, learning_rate=5e-3
)

#: A run of a second or two.
LAYERED = TINY.override(
    {
        "name": "layered",
        "network": dataclasses.replace(
            decay_network(n_inputs=64, n_hidden=60), batch_size=20, learning_rate=5e-3
        ),
        "schedule": Schedule(
            image_duration=20 * ms,
            epochs=3,
            sleep=sleep(0.5, duration=20 * ms, noise=1, decay=1),
        ),
        "readout": dataclasses.replace(TINY.task.readout, population="hidden"),
        "record": Record(),
    }
).override({"data.n_train": 100})


#: The same of the authors' network: a sleep of copies after the first and every second batch.
PAPER_LAYERED = LAYERED.override(
    {
        "network": paper_network(64, 30, batch_size=20, sleeping_copies=8),
        "schedule.sleep.cadence": "images",
    }
)


def segment(spec, phase="wake", steps=30, stimulus=None, batch=None, **gates):
    """One slot (or one test image a slot) with the gates that are named open."""
    stimulus = np.zeros((1, N)) if stimulus is None else stimulus
    n = len(stimulus)
    values = dict.fromkeys(spec.gates, 0.0) | gates
    return Segment(
        steps=np.full(n, steps),
        stimulus=stimulus,
        gates={name: np.full(n, float(value)) for name, value in values.items()},
        onset=np.arange(n) == 0,
        phase=np.full(n, phase),
        raster=np.zeros(n, bool),
        batch=batch,
    )


def test_weights_that_gradients_change_are_plastic():
    """Without any rule, too: the summary over plastic projections has them."""
    plain = LAYERED.override({"network.projections.*.rules": ()})
    state, table = initial_state(plain.network, 0), plain.nominal_slots()
    recorder = Recorder.empty(plain, len(table))
    view = View(plain, table, 0, state, recorder, 0, Capacity())
    statistics = WeightStatistics(plain.record)
    for observer in (statistics, Snapshots(())):
        recorder.looks[observer.name] = {0: observer.look(view)}
    metrics = statistics.measure(Seen(plain, table, recorder, state, 0, False))
    assert metrics["saturated"] == 0 and metrics["growth"] == 1
    largest = max(metrics[f"largest_{p.name}"] for p in plain.network.projections)
    assert metrics["largest_weight"] == largest


def patterns(n=20, classes=4, seed=0):
    """Images of a few classes: the same pixels on, in each."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    prototypes = rng.random((classes, N)) < 0.3
    return Batch(400.0 * prototypes[labels] * rng.uniform(0.5, 1, (n, N)), labels)


def import_torch():
    for name in ("torch", "snntorch"):
        pytest.importorskip(name, reason=f"{name} is not installed (extra 'surrogate')")


@pytest.fixture(autouse=True)
def torch_if_marked(request):
    if request.node.get_closest_marker("torch"):
        import_torch()


# -- descriptions (without torch) --------------------------------------------------------------


def test_the_network_that_sleeps_like_the_stdp_network():
    assert [p.size for p in SG_SNN_DECAY.populations] == [225, 1000, 10]
    assert (SG_SNN_DECAY.batch_size, SG_SNN_DECAY.learning_rate) == (128, 5e-4)
    assert {p.beta for p in SG_SNN_DECAY.populations[1:]} == {0.95}
    assert SG_SNN_DECAY.gates == ("input", "plasticity", "noise", "decay")
    assert all(p.processes == (DECAY_STATIC,) for p in SG_SNN_DECAY.projections)
    assert SG_SNN_DECAY.sleeping_copies == 0 and not any(p.bias for p in SG_SNN_DECAY.projections)
    assert (SG_SNN_DECAY.input, SG_SNN_DECAY.output) == ("input", "output")


@pytest.mark.parametrize(("model", "side"), [("sg_snn", 15), ("sg_snn_28", 28)])
def test_every_number_of_the_papers_network_is_that_of_the_authors_code(model, side):
    protocol = load_protocol("paper", model)
    network, schedule = protocol.network, protocol.schedule
    assert network == (SG_SNN if side == 15 else SG_SNN_28)
    assert [p.size for p in network.populations] == [side * side, 1000, 10]
    assert network.populations[0].gain == 1
    for layer in network.hidden:
        assert (layer.beta, layer.v_threshold) == (0.95, 1)
        assert (layer.surrogate, layer.steepness) == ("atan", 2)
        assert layer.activities == (NOISE_PAPER,) and layer.activities_first
    assert NOISE_PAPER.parameters == {"sd": 0.5}
    assert [p.bias for p in network.projections] == [True, True]
    assert [p.scale for p in network.projections] == [1, 1]
    assert [p.rules for p in network.projections] == [(), (STDP_PAPER,)]  # the input never spikes
    numbers = {"lr": 1e-3, "a_plus": 0.01, "a_minus": 0.012}
    assert STDP_PAPER.parameters == {**numbers, "tau_plus": 20 * ms, "tau_minus": 20 * ms}
    assert [p.processes for p in network.projections] == [(RAISE_PAPER,)] * 2
    assert RAISE_PAPER.parameters["w_star"] == 0.2 and RAISE_PAPER.period == 25 * ms
    keep = np.exp(-float(25 * ms / RAISE_PAPER.parameters["tau_w"]))
    assert keep == pytest.approx(0.999, rel=1e-12)
    assert (network.loss, network.learning_rate) == ("ce_step_loss", 5e-4)
    assert (network.batch_size, network.sleeping_copies) == (128, 128)

    assert (protocol.task.encoder.size, protocol.task.encoder.total) == ((side, side), None)
    assert float(protocol.task.encoder.max_rate * network.dt) == 1  # a current is the grey value
    assert (schedule.image_duration, schedule.sleep.duration) == (25 * ms, 25 * ms)
    assert (schedule.epochs, schedule.sleep.cadence) == (10, "images")
    assert not schedule.sleep.until_initial and schedule.sleep.trigger == 0
    assert dict(schedule.sleep.gates) == {"input": 0, "plasticity": 1, "noise": 1, "decay": 1}
    data = protocol.task.data
    assert (data.n_train // 128, data.n_train % 128) == (60000 // 128, 0)  # no incomplete batch
    assert (data.n_train + data.n_readout, data.n_test) == (60000, 10000)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0])
def test_a_sleep_comes_after_the_first_batch_and_every_nth_from_there(fraction):
    changes = {"data.n_train": 32 * 128, "schedule.epochs": 1, "schedule.sleep.fraction": fraction}
    protocol = load_protocol("paper", "sg_snn").override(changes)
    table = protocol.schedule.compile(
        32 * 128, 0, 0, protocol.network.gates, protocol.network.dt, protocol.network.batch_size
    )
    every = {0.1: 10, 0.2: 5, 0.3: 3, 0.4: 2, 0.5: 2, 0.6: 1, 1.0: 1}[fraction]
    expected = []
    for batch in range(32):  # as the authors' loop does
        expected.append("wake")
        if batch % every == 0:
            expected.append("sleep")
    assert table.phase.tolist() == expected
    assert set(table.steps) == {25}


def test_without_a_fraction_there_is_no_sleep():
    changes = {"data.n_train": 1280, "schedule.sleep.fraction": 0.0}
    protocol = load_protocol("paper", "sg_snn").override(changes)
    table = protocol.schedule.compile(1280, 0, 0, protocol.network.gates, 1 * ms, 128)
    assert table.phase.tolist() == ["wake"] * 10


def test_a_protocol_takes_another_model():
    stdp, layered = load_protocol("paper"), load_protocol("paper", "sg_snn_decay")
    assert layered.network == SG_SNN_DECAY
    assert layered.task.data == stdp.task.data
    assert layered.schedule.sleep.gates == stdp.schedule.sleep.gates
    with pytest.raises(ProtocolError, match=r"no 'sg_sn' in its MODELS; did you mean 'sg_snn'\?"):
        load_protocol("paper", "sg_sn")
    with pytest.raises(BrainsleepError, match=r"readout.population|no population 'e'"):
        load_protocol("paper", "sg_snn:SG_SNN")  # a network alone: whom to read is not said


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CurrentInput(name="Input", size=3), ("population name", "lower-case")),
        (lambda: CurrentInput(name="input", size=0), ("size", "at least 1")),
        (lambda: LeakyPopulation(name="h", size=2, beta=1.5), ("beta", "between 0 and 1")),
        (lambda: LeakyPopulation(name="h", size=2, surrogate="step"), ("surrogate", "'step'")),
        (
            lambda: LeakyPopulation(name="h", size=2, activities=(MEMBRANE_NOISE,)),
            ("noise", "no unit"),
        ),
        (lambda: DenseProjection(name="p", source="a", target="b", w_max=0), ("w_max",)),
        (
            lambda: LeakyPopulation(
                name="h", size=2, activities=(dataclasses.replace(NOISE, on_step="v += sd*i"),)
            ),
            ("noise", "got 'i'"),
        ),
        (
            lambda: DenseProjection(
                name="p",
                source="a",
                target="b",
                rules=(
                    dataclasses.replace(
                        STDP_NEAREST, on_pre="w = clip(w - lr*a_minus*y_post*v_post, w_min, w_max)"
                    ),
                ),
            ),
            ("rule 'stdp_nearest' uses", "'v_post'", "spiking_post, spiking_pre, x_pre, y_post"),
        ),
        (lambda: dataclasses.replace(SMALL, batch_size=0), ("batch_size", "at least 1")),
        (lambda: dataclasses.replace(SMALL, sleeping_copies=-1), ("sleeping_copies", "at least 0")),
        (lambda: dataclasses.replace(SMALL, loss="ce_loss"), ("loss", "'ce_loss'", "ce_step_loss")),
        (
            lambda: DenseProjection(name="p", source="a", target="b", bias=1),
            ("projection 'p': bias", "True or False"),
        ),
        (
            lambda: LeakyPopulation(name="h", size=2, activities_first="yes"),
            ("activities_first", "True or False"),
        ),
        (lambda: dataclasses.replace(SMALL, precision="float16"), ("precision", "float64")),
        (
            lambda: dataclasses.replace(SMALL, projections=SMALL.projections[::-1]),
            ("projections", "input to hidden, hidden to output, in this order"),
        ),
        (
            lambda: dataclasses.replace(SMALL, populations=SMALL.populations[1:]),
            ("populations", "a CurrentInput, then at least one LeakyPopulation"),
        ),
        (
            lambda: SurrogateNetwork(
                name="x", populations=SMALL.populations, projections=(PAPER.projections[0],)
            ),
            ("projections", "DenseProjection"),
        ),
    ],
)
def test_descriptions_refuse(make, words):
    with pytest.raises(SpecError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_weights_start_as_linear_layers_do_and_have_signs():
    state = initial_state(SMALL, 3)
    w = state.arrays["input_hidden.w"]
    assert w.shape == (N * 60,)
    assert -1 / 6 <= w.min() < -0.16 and 0.16 < w.max() <= 1 / 6
    assert abs(w.mean()) < 0.01
    assert np.array_equal(state.weights("input_hidden"), np.abs(w))
    assert not np.array_equal(w, initial_state(SMALL, 4).arrays["input_hidden.w"])
    assert np.array_equal(w, w.astype(np.float32))


@pytest.mark.parametrize(
    ("backend", "spec", "words"),
    [
        ("cpp", SMALL, ("'cpp' cannot run 'sg_snn_decay', a surrogate-gradient network", "torch")),
        ("torch", PAPER, ("'torch' cannot run 'massey2026', a Brian2 network", "cpp")),
        ("jax", SMALL, ("unknown 'jax'", "torch")),
    ],
)
def test_a_backend_runs_its_own_kind_of_network(backend, spec, words):
    with pytest.raises(BackendError) as caught:
        make_backend(backend, spec)
    assert all(word in str(caught.value) for word in words)


def test_hooks_are_for_brian2():
    pytest.importorskip("snntorch")
    with pytest.raises(BackendError, match="hooks"):
        make_backend("torch", SMALL, hooks={"on_sleep": lambda groups, t: None})


def unfit():
    """Segments that do not fit `SMALL`, and what is said."""
    good, shown = segment(SMALL, batch=patterns()), patterns()
    wide, gates = np.zeros((1, N + 1)), {k: v for k, v in good.gates.items() if k != "input"}
    return {
        "stimulus": (segment(SMALL, "sleep", stimulus=wide), rf"stimulus: got \(1, {N + 1}\)"),
        "batch": (
            segment(SMALL, batch=Batch(np.zeros((20, N - 1)), shown.labels)),
            rf"batch: stimulus: got \(20, {N - 1}\); expected \(n_images, {N}\)",
        ),
        "gate missing": (dataclasses.replace(good, gates=gates), "gates: got .*expected exactly"),
        "gate unknown": (segment(SMALL, batch=shown, nois=1), r"gates: got .*'nois'.*exactly"),
        "no batch": (segment(SMALL), "a slot awake has no batch; give it images and labels"),
        "batch asleep": (segment(SMALL, "sleep", batch=shown), "batch: got one in phase 'sleep'"),
        "batch in a test": (segment(SMALL, "test", batch=shown), "expected none but awake"),
        "phase": (segment(SMALL, "wakee", batch=shown), "unknown phase 'wakee'; did you mean 'wa"),
        "classes": (
            segment(SMALL, batch=Batch(shown.stimulus, shown.labels + 40)), "expected 44, one a cl",
        ),
    }  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("fault", unfit())
def test_what_a_segment_or_batch_refuses(fault):
    backend, state = make_backend("torch", SMALL), initial_state(SMALL, 0)
    wrong, message = unfit()[fault]
    with pytest.raises(BackendError, match=message):
        backend.advance(state, wrong, 1)
    with pytest.raises(BackendError, match=message):
        backend.advance_replicas([state] * 2, [segment(SMALL, "sleep"), wrong], [1, 2])


@pytest.mark.torch
def test_replicas_are_counted():
    backend, state = make_backend("torch", SMALL), initial_state(SMALL, 0)
    with pytest.raises(BackendError, match="2 states, 1 segments and 2 seeds; expected as many"):
        backend.advance_replicas([state] * 2, [segment(SMALL, "sleep")], [1, 2])


@pytest.mark.parametrize(
    ("stimulus", "labels", "message"),
    [
        (np.zeros(N), [0], r"batch: stimulus: got shape \(\d+,\)"),
        (np.zeros((0, N)), [], r"batch: stimulus: got shape \(0, \d+\)"),
        (np.full((2, N), np.nan), [0, 1], "batch: stimulus: got NaN; expected finite"),
        (np.zeros((2, N)), [0], r"batch: labels: got shape \(1,\); expected \(2,\), one an image"),
        (np.zeros((2, N)), np.eye(2), r"batch: labels: got shape \(2, 2\)"),
        (np.zeros((2, N)), [0.0, 1.0], r"labels: got float64 from 0\.0; expected whole numbers"),
        (np.zeros((2, N)), [0, -1], "labels: got int64 from -1; expected whole numbers from 0"),
    ],
)
def test_what_is_no_batch(stimulus, labels, message):
    with pytest.raises(ScheduleError, match=message):
        Batch(stimulus, np.asarray(labels))


def test_only_networks_that_learn_labels_take_them(small_network):
    alone = make_segment(small_network, np.zeros((1, 30)), [5])
    alone = dataclasses.replace(alone, batch=Batch(np.zeros((2, 30)), np.arange(2)))
    with pytest.raises(BackendError, match="batch: got 2 images; expected none: 'small' does not"):
        make_backend("numpy", small_network).advance(initial_state(small_network, 0), alone, 1)


WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "snntorch"):
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)

sys.meta_path.insert(0, Absent())
sys.argv = ["brainsleep", *{arguments!r}]
from brainsleep.cli.app import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "paper", "--model", "sg_snn", "--data", "digits"], 2, "brainsleep[surrogate]"),
        (["models"], 0, "sg_snn:SG_SNN"),
        pytest.param(
            ["show", "paper", "--full", "--model", "sg_snn", "--data", "digits"],
            0,
            "hidden",
            marks=pytest.mark.long,
        ),
        pytest.param(["show", "paper"], 0, "stdp_released", marks=pytest.mark.long),
        pytest.param(["protocols"], 0, "continual", marks=pytest.mark.long),
    ],
)
def test_without_torch_the_rest_works_and_the_error_names_the_extra(
    tmp_path, arguments, code, words
):
    settings = ["--set", "data.n_train=20", "--set", "data.n_readout=20", "--set", "data.n_test=20"]
    if arguments[0] == "run":
        arguments = [*arguments, *settings, "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(arguments=arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == code, done.stderr
    assert words in (done.stdout if code == 0 else done.stderr)
    assert "Traceback" not in done.stderr


# -- learning and sleeping ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def backend():
    import_torch()
    return make_backend("torch", SMALL)


def loss_of(backend, state, batch):
    """The loss of a batch, from the spikes of every step."""
    import torch
    from snntorch import functional

    from brainsleep.backends.torch.segment import SegmentRun

    gates = dict.fromkeys(SMALL.gates, 0.0) | {"input": 1.0}
    with torch.no_grad():
        spikes = SegmentRun(backend, state, 0)._forward(batch.stimulus, 30, gates)["output"]
        return float(getattr(functional, SMALL.loss)()(spikes, torch.as_tensor(batch.labels)))


@pytest.mark.torch
def test_gradients_flow_and_the_loss_falls(backend):
    batch, start = patterns(), initial_state(SMALL, 0)
    learning = segment(SMALL, batch=batch, input=1, plasticity=1)
    state = start
    for _ in range(60):
        state, recording = backend.advance(state, learning, 0)
    for name in ("input_hidden", "hidden_output"):
        assert np.mean(state.arrays[f"{name}.adam_square"] > 0) > 0.2  # through both layers
        assert not np.array_equal(state.arrays[f"{name}.w"], start.arrays[f"{name}.w"])
    assert loss_of(backend, start, batch) > 1
    assert loss_of(backend, state, batch) < 0.1
    shown = segment(SMALL, "test", stimulus=batch.stimulus, input=1)
    _, recording = backend.advance(state, shown, 0)
    assert np.mean(recording.counts["output"].argmax(axis=1) == batch.labels) > 0.9


@pytest.mark.torch
def test_adam_is_torchs(backend):
    """Two advances are two steps of one optimiser, not two first steps."""
    import torch

    batch = patterns()
    learning = segment(SMALL, batch=batch, input=1, plasticity=1)
    state = initial_state(SMALL, 0)
    for _ in range(2):
        state, _ = backend.advance(state, learning, 0)
    assert state.arrays["adam.step"][0] == 2

    from snntorch import functional

    from brainsleep.backends.torch.segment import SegmentRun

    run = SegmentRun(backend, initial_state(SMALL, 0), 0)
    weights = {p.name: run.values[f"{p.name}.w"] for p in SMALL.projections}
    optimiser = torch.optim.Adam(weights.values(), lr=SMALL.learning_rate)
    for w in weights.values():
        w.requires_grad_(True)
    torch.set_num_threads(1)
    for _ in range(2):
        spikes = run._forward(batch.stimulus, 30, {"input": 1.0, "noise": 0.0})
        loss = getattr(functional, SMALL.loss)()(spikes["output"], torch.as_tensor(batch.labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for name, w in weights.items():
        expected = w.detach().T.numpy().ravel()
        np.testing.assert_allclose(state.arrays[f"{name}.w"], expected, rtol=0, atol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("phase", ["wake", "sleep", "test"])
def test_closed_gates_leave_every_bit(backend, phase):
    start = initial_state(SMALL, 1)
    shown = segment(
        SMALL, phase, batch=patterns() if phase == "wake" else None, input=1, noise=phase == "sleep"
    )
    state, _ = backend.advance(start, shown, 0)
    for name, value in start.arrays.items():
        if not name.endswith(".v") and "stdp" not in name:  # noise moves membranes, spikes traces
            assert np.array_equal(state.arrays[name], value), name


@pytest.mark.torch
def test_sleep_leaves_shapes_and_types_alone(backend):
    start = initial_state(SMALL, 1)
    asleep = segment(SMALL, "sleep", plasticity=1, noise=1, decay=1)
    state, recording = backend.advance(start, asleep, 0)
    assert set(state.arrays) == set(start.arrays)
    for name, value in start.arrays.items():
        assert state.arrays[name].shape == value.shape
        assert state.arrays[name].dtype == value.dtype == np.float64
        assert np.array_equal(state.arrays[name], state.arrays[name].astype(np.float32))
    assert recording.counts["hidden"].shape == (1, 60)
    assert recording.counts["hidden"].sum() > 0  # noise makes it spike
    assert np.array_equal(state.arrays["adam.step"], [0])


@pytest.mark.torch
def test_decay_has_its_closed_form_and_signs_stay(backend):
    start = initial_state(SMALL, 1)
    state, _ = backend.advance(start, segment(SMALL, "sleep", steps=250, decay=1), 0)
    keep = np.exp(-0.25 / float(DECAY_STATIC.parameters["tau_w"]))
    for p in SMALL.projections:
        w = start.arrays[f"{p.name}.w"]
        expected = np.sign(w) * 0.01 * (np.abs(w) / 0.01) ** keep
        np.testing.assert_allclose(state.arrays[f"{p.name}.w"], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.torch
def test_a_sleep_goes_on_where_the_slot_before_left_it(backend):
    """One slot, two slots, and two segments: membranes, traces and weights are the same."""

    def asleep(*steps):
        n = len(steps)
        values = dict.fromkeys(SMALL.gates, 0.0) | {"noise": 1.0, "plasticity": 1.0}
        return Segment(
            steps=np.array(steps),
            stimulus=np.zeros((n, N)),
            gates={name: np.full(n, value) for name, value in values.items()},
            onset=np.arange(n) == 0,
            phase=np.full(n, "sleep"),
            raster=np.zeros(n, bool),
        )

    start = initial_state(SMALL, 1)
    whole, counted = backend.advance(start, asleep(40), 5)
    halves, parts = backend.advance(start, asleep(15, 25), 5)
    assert np.array_equal(counted.counts["hidden"][0], parts.counts["hidden"].sum(axis=0))
    for name, value in whole.arrays.items():
        assert np.array_equal(halves.arrays[name], value), name
    assert np.any(whole.arrays["hidden.v"] != 0)
    assert np.any(whole.arrays["hidden_output.stdp_all_pre_x"] != 0)
    assert not np.array_equal(whole.arrays["hidden_output.w"], start.arrays["hidden_output.w"])
    later, _ = backend.advance(whole, segment(SMALL, "test", input=1), 0)
    assert not np.any(later.arrays["hidden.v"])  # an image begins at rest


@pytest.mark.torch
def test_processes_in_the_test_phase_run_whatever_is_shown_beside():
    spec = dataclasses.replace(
        SMALL,
        projections=tuple(
            dataclasses.replace(p, processes=(NORMALISE.with_parameters(w_star=0.05),))
            for p in SMALL.projections
        ),
    )
    start, backend = initial_state(spec, 0), make_backend("torch", spec)
    for n in (1, 2):
        shown = segment(spec, "test", stimulus=np.zeros((n, N)), input=1, normalise=1)
        state, _ = backend.advance(start, shown, 0)
        w = np.abs(state.arrays["input_hidden.w"]).reshape(N, 60)
        np.testing.assert_allclose(w.sum(axis=0), 0.05 * N, rtol=1e-5)


@pytest.mark.torch
def test_all_onsets_come_before_all_updates_as_in_brian2():
    processes = (NORMALISE.with_parameters(w_star=0.05), DECAY_NEURON.with_parameters(tau_w=1 * ms))
    spec = dataclasses.replace(
        SMALL,
        precision="float64",
        projections=tuple(dataclasses.replace(p, processes=processes) for p in SMALL.projections),
    )
    start = initial_state(spec, 0)
    asleep = segment(spec, "sleep", steps=100, normalise=1, decay=1)
    state, _ = make_backend("torch", spec).advance(start, asleep, 0)
    before = np.abs(start.arrays["input_hidden.w"]).reshape(N, 60)
    after = np.abs(state.arrays["input_hidden.w"]).reshape(N, 60)
    # decay leads to the mean before normalisation, which came after it was taken
    np.testing.assert_allclose(after, np.broadcast_to(before.mean(axis=0), (N, 60)), rtol=1e-6)


@pytest.mark.torch
def test_noise_has_its_spread(backend):
    """v of neurons that cannot spike: sd*sqrt((1 - beta**(2n))/(1 - beta**2)) after n steps."""
    import torch

    from brainsleep.backends.torch.layer import Leaky

    silent = LeakyPopulation(name="h", size=40_000, v_threshold=1e6, activities=(NOISE,))
    layer, v = Leaky(silent, 1e-3), torch.zeros(1, 40_000)
    layer.rest(v)
    rng = torch.Generator().manual_seed(0)
    for _ in range(10):
        _, v = layer.step(torch.zeros(1, 40_000), v, {"noise": 1.0}, rng)
    expected = 3 * np.sqrt((1 - 0.95**20) / (1 - 0.95**2))
    assert float(v.std()) == pytest.approx(expected, rel=0.02)
    _, half = layer.step(torch.zeros(1, 40_000), torch.zeros_like(v), {"noise": 0.5}, rng)
    assert float(half.std()) == pytest.approx(1.5, rel=0.02)


@pytest.mark.torch
def test_normalisation_and_pruning_work_on_magnitudes():
    spec = dataclasses.replace(
        SMALL,
        projections=tuple(
            dataclasses.replace(p, processes=(NORMALISE.with_parameters(w_star=0.05), PRUNING))
            for p in SMALL.projections
        ),
    )
    backend = make_backend("torch", spec)
    start = initial_state(spec, 0)
    asleep = segment(spec, "sleep", steps=5, normalise=1)
    state, _ = backend.advance(start, asleep, 0)
    w = state.arrays["input_hidden.w"].reshape(N, 60)
    np.testing.assert_allclose(np.abs(w).sum(axis=0), 0.05 * N, rtol=1e-5)
    assert np.array_equal(np.sign(w).ravel(), np.sign(start.arrays["input_hidden.w"]))

    state, _ = backend.advance(start, segment(spec, "sleep", steps=5, pruning=1), 0)
    gone = np.abs(start.arrays["input_hidden.w"]) < 0.02
    assert gone.any() and np.array_equal(state.arrays["input_hidden.w"] == 0, gone)
    learning = segment(spec, batch=patterns(), input=1, plasticity=1)
    state, _ = backend.advance(state, learning, 0)
    assert np.all(state.arrays["input_hidden.w"][gone] == 0)  # what is pruned stays so


@pytest.mark.torch
def test_side_by_side_is_one_by_one(backend):
    images = patterns(6).stimulus
    state = initial_state(SMALL, 0)
    _, together = backend.advance(state, segment(SMALL, "test", stimulus=images, input=1), 0)
    for k in range(6):
        alone = segment(SMALL, "test", stimulus=images[k : k + 1], input=1)
        _, one = backend.advance(state, alone, 0)
        for name, counts in one.counts.items():
            assert np.abs(counts[0] - together.counts[name][k]).max() <= 1  # rounding of sums


@pytest.mark.torch
def test_a_class_without_a_neuron_is_an_error(backend):
    batch = dataclasses.replace(patterns(), labels=np.full(20, 10))
    with pytest.raises(BrainsleepError, match=r"population 'output': neurons: got 10.*11"):
        backend.advance(
            initial_state(SMALL, 0), segment(SMALL, batch=batch, input=1, plasticity=1), 0
        )


@pytest.mark.torch
def test_numbers_that_are_not_finite_stop_the_run(backend):
    start = initial_state(SMALL, 0)
    start.arrays["hidden_output.w"][0] = np.nan
    learning = segment(SMALL, batch=patterns(), input=1, plasticity=1)
    with pytest.raises(BrainsleepError, match="not finite; lower learning_rate"):
        backend.advance(start, learning, 0)


@pytest.mark.torch
def test_a_learning_rate_that_is_too_high(backend):
    learning = segment(SMALL, batch=patterns(), input=1, plasticity=1)

    def learn(rate):
        network = dataclasses.replace(SMALL, learning_rate=rate)
        state = initial_state(network, 0)
        for _ in range(2):
            state, _ = make_backend("torch", network).advance(state, learning, 0)

    with pytest.raises(BrainsleepError, match="not finite; lower learning_rate"):
        learn(1e300)
    learn(1e-3)


@pytest.mark.torch
def test_what_torch_refuses_is_an_error_of_ours(backend, monkeypatch):
    def refuse(*arguments):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr("brainsleep.backends.torch.segment.SegmentRun.show", refuse)
    shown = segment(SMALL, "test", stimulus=np.zeros((1, N)), input=1)
    with pytest.raises(BrainsleepError, match="backend torch: out of memory"):
        backend.advance(initial_state(SMALL, 0), shown, 0)


@pytest.mark.torch
def test_a_gpu_that_is_not_there_is_an_error():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(BackendError, match=r"torch-cuda.*no GPU.*--backend torch"):
        make_backend("torch-cuda", SMALL)


# -- the authors' network, written by hand -----------------------------------------------------

PAPER_SMALL = paper_network(N, 60, batch_size=20, sleeping_copies=8)


def by_hand(state):
    """The network in plain torch and snntorch, with the weights and biases of a state."""
    import snntorch
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = torch.nn.Linear(N, 60), torch.nn.Linear(60, 10)
            self.lif_one, self.lif_two = snntorch.Leaky(beta=0.95), snntorch.Leaky(beta=0.95)
            for name, layer in (("input_hidden", self.one), ("hidden_output", self.two)):
                shape = layer.weight.shape[::-1]
                w = torch.tensor(state.arrays[f"{name}.w"].reshape(shape).T)
                layer.weight.data = w.float().contiguous()
                layer.bias.data = torch.tensor(state.arrays[f"{name}.bias"]).float()

        def forward(self, images, steps):
            v_one, v_two = torch.zeros(len(images), 60), torch.zeros(len(images), 10)
            found = []
            for _ in range(steps):
                spiked, v_one = self.lif_one(self.one(images), v_one)
                spiked, v_two = self.lif_two(self.two(spiked), v_two)
                found.append(spiked)
            return torch.stack(found)

    return Net()


def same_parameters(state, net, atol):
    for name, layer in (("input_hidden", net.one), ("hidden_output", net.two)):
        w, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        np.testing.assert_allclose(state.arrays[f"{name}.w"], w.T.ravel(), rtol=0, atol=atol)
        np.testing.assert_allclose(state.arrays[f"{name}.bias"], bias, rtol=0, atol=atol)


@pytest.fixture(scope="module")
def paper_backend():
    import_torch()
    return make_backend("torch", PAPER_SMALL)


def batch_of_currents():
    """Currents in [0, 1], as those of images."""
    shown = patterns()
    return Batch(shown.stimulus * 2.5, shown.labels)


@pytest.mark.torch
def test_forward_loss_gradient_and_adam_are_those_of_plain_snntorch(paper_backend):
    import torch

    torch.set_num_threads(1)
    batch, state = batch_of_currents(), initial_state(PAPER_SMALL, 2)
    net = by_hand(state)
    images = torch.tensor(batch.stimulus * 1e-3).float()
    labels = torch.as_tensor(batch.labels)
    shown = segment(PAPER_SMALL, "test", steps=25, stimulus=batch.stimulus, input=1)
    _, recording = paper_backend.advance(state, shown, 0)
    counts = net(images, 25).sum(0).detach().numpy()
    assert counts.sum() > 50
    np.testing.assert_array_equal(recording.counts["output"], counts)

    learning = segment(PAPER_SMALL, steps=25, batch=batch, input=1, plasticity=1)
    adam = torch.optim.Adam(net.parameters(), lr=5e-4)
    entropy = torch.nn.CrossEntropyLoss()
    for step in range(3):
        state, _ = paper_backend.advance(state, learning, 0)
        spikes = net(images, 25)
        loss = sum(entropy(spikes[k], labels) for k in range(25))
        adam.zero_grad()
        loss.backward()
        if step == 0:  # Adam's first mean is a tenth of the gradient
            for name, layer in (("input_hidden", net.one), ("hidden_output", net.two)):
                gradient = state.arrays[f"{name}.adam_mean"] / 0.1
                expected = layer.weight.grad.numpy().T.ravel()
                assert np.abs(expected).max() > 0.1
                np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-5)
                gradient = state.arrays[f"{name}.bias_adam_mean"] / 0.1
                np.testing.assert_allclose(gradient, layer.bias.grad.numpy(), rtol=1e-3, atol=1e-5)
        adam.step()
    same_parameters(state, net, atol=1e-6)
    start = initial_state(PAPER_SMALL, 2).arrays
    assert np.abs(state.arrays["input_hidden.bias"] - start["input_hidden.bias"]).max() > 1e-3


@pytest.mark.torch
@pytest.mark.parametrize("name", ["fast_sigmoid", "atan", "sigmoid"])
def test_all_steps_at_once_are_snntorchs_steps_one_by_one(name):
    """Forwards and backwards, for a constant current and for one that changes."""
    import snntorch
    import torch
    from snntorch import surrogate

    from brainsleep.backends.torch.layer import Leaky
    from brainsleep.network.layers import SURROGATES

    layer = LeakyPopulation(name="h", size=7, surrogate=name, steepness=3.0, activities=(NOISE,))
    ours = Leaky(layer, 1e-3)
    spike = getattr(surrogate, name)(**{SURROGATES[name]: 3.0})
    theirs = snntorch.Leaky(beta=0.95, spike_grad=spike)
    rng = torch.Generator().manual_seed(0)
    for shape in ((4, 7), (12, 4, 7)):
        current = torch.rand(shape, generator=rng)
        weight = torch.rand((12, 4, 7), generator=rng)  # what the gradient is of
        found = []
        for way in ("all", "single", "theirs"):
            given = current.clone().requires_grad_()
            if way == "all":
                spikes = ours.steps(given, 12, {"noise": 0.0}, rng)
            else:
                v, fired = torch.zeros(4, 7), []
                for k in range(12):
                    now = given[k] if given.ndim == 3 else given
                    if way == "single":
                        spiked, v = ours.step(now, v, {"noise": 0.0}, rng)
                    else:
                        spiked, v = theirs(now, v)
                    fired.append(spiked)
                spikes = torch.stack(fired)
            (spikes * weight).sum().backward()
            found.append((spikes.detach().numpy(), given.grad.numpy()))
        assert 10 < found[0][0].sum() < 300
        for spikes, gradient in found[1:]:
            np.testing.assert_array_equal(spikes, found[0][0])
            np.testing.assert_allclose(gradient, found[0][1], rtol=1e-4, atol=1e-6)


def sleep_by_hand(net, noise, copies, steps):
    """One sleep as the authors' code has it; `noise` is called for each draw, hidden first."""
    import torch

    keep = float(np.exp(-1 / 20))
    v_one, v_two = torch.zeros(copies, 60), torch.zeros(copies, 10)
    x, y = torch.zeros(copies, 60), torch.zeros(copies, 10)
    change, pairs = torch.zeros(60, 10), 0
    with torch.no_grad():
        for _ in range(steps):
            v_one, v_two = v_one + noise(v_one), v_two + noise(v_two)
            pre, v_one = net.lif_one(net.one(torch.zeros(copies, N)), v_one)
            post, v_two = net.lif_two(net.two(pre), v_two)
            x, y = x * keep + pre, y * keep + post
            change += (0.01 * x.T @ post - 0.012 * pre.T @ y) / copies
            pairs += int((pre.T @ post).sum())
        net.two.weight += 1e-3 * change.T
        for layer in (net.one, net.two):
            w = layer.weight
            layer.weight.data = torch.sign(w) * 0.2 * (w.abs() / 0.2) ** 0.999
    return change.abs().max(), pairs


@pytest.mark.torch
@pytest.mark.parametrize("sd", [0.0, 0.5, 3.0])
def test_a_whole_sleep_is_the_authors(sd):
    """Without noise, too, biases make neurons spike; with it, both get the same draws."""
    import torch

    torch.set_num_threads(1)
    changed = {"network.populations.*.activities.noise.sd": sd}
    protocol = LAYERED.override(
        {"network": PAPER_SMALL, "encoder": dataclasses.replace(LAYERED.task.encoder, size=(6, 6))}
    )
    spec = protocol.override(changed).network
    start = initial_state(spec, 3)
    start.arrays["input_hidden.bias"] *= 4
    asleep = segment(spec, "sleep", steps=25, plasticity=1, noise=1, decay=1)
    state, recording = make_backend("torch", spec).advance(start, asleep, 9)

    net, rng = by_hand(start), torch.Generator().manual_seed(9)
    largest, pairs = sleep_by_hand(net, lambda v: sd * torch.randn(v.shape, generator=rng), 8, 25)
    assert largest > 1e-3 and pairs > 0  # spikes of the same step are among them
    same_parameters(state, net, atol=1e-7)
    moved = state.arrays["hidden_output.w"] - start.arrays["hidden_output.w"]
    assert np.abs(moved).max() > 1e-6
    assert recording.counts["hidden"].shape == (1, 60)  # of the first copy
    for name in ("input_hidden.bias", "hidden_output.bias"):
        assert np.array_equal(state.arrays[name], start.arrays[name])
    assert not np.any(state.arrays["hidden.v"]) and not np.any(
        state.arrays["hidden_output.stdp_same_step_pre_x"]
    )


@pytest.mark.torch
def test_copies_make_the_mean_change_of_networks_that_sleep_alone():
    """Any rule, with weights in it, too; the gate scales it, and closed it does nothing."""
    on_pre = "w = clip(w*(1 - lr*a_minus*y_post), w_min, w_max)"
    rule = dataclasses.replace(STDP_PAPER, on_pre=on_pre)
    several = dataclasses.replace(
        PAPER_SMALL,
        precision="float64",
        projections=tuple(
            dataclasses.replace(p, rules=(rule,), processes=()) for p in PAPER_SMALL.projections
        ),
    )
    alone = dataclasses.replace(several, sleeping_copies=1)
    start = initial_state(several, 3)
    start.arrays["input_hidden.bias"] *= 4
    asleep = {g: segment(several, "sleep", steps=25, plasticity=g, noise=0) for g in (1, 0.5, 0)}
    backends = make_backend("torch", several), make_backend("torch", alone)
    w = start.arrays["hidden_output.w"]
    moved = {}
    for opening, each in asleep.items():
        states = [backend.advance(start, each, 9)[0] for backend in backends]
        moved[opening] = [state.arrays["hidden_output.w"] - w for state in states]
        np.testing.assert_allclose(*moved[opening], rtol=0, atol=1e-12)  # without noise alike
    assert np.abs(moved[1][0]).max() > 1e-6 and not np.any(moved[0][0])
    np.testing.assert_allclose(moved[0.5][0], 0.5 * moved[1][0], rtol=0, atol=1e-12)


# -- whole runs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result(backend, tmp_path_factory):
    return simulate(LAYERED, seed=1, out=tmp_path_factory.mktemp("layered"))


@pytest.mark.torch
def test_a_run_has_what_every_run_has(result):
    a, m = result.arrays, result.metrics
    assert result.info["backend"] == "torch"
    assert {"torch", "snntorch"} <= set(result.info["versions"])
    awake = a["slots/phase"] == "wake"
    assert a["slots/n_images"][awake].tolist() == [20] * 5 * 3
    assert np.sum(a["slots/phase"] == "sleep") == 7
    assert a["counts/hidden"].shape == (len(awake), 60)
    assert m["wake_s"] == pytest.approx(15 * 0.02)
    assert m["sleep_s"] == pytest.approx(7 * 0.02)
    assert 0 < m["rate_wake_hidden_hz"] < 1000
    assert m["hidden_accuracy"] > 0.4
    assert m["network_accuracy"] == pytest.approx(a["correct/network"].mean())
    decided = a["counts/output"][a["slots/part"] == "test"].argmax(axis=1)
    assert np.array_equal(decided == a["labels/test"], a["correct/network"])
    assert a["snapshots/trained/input_hidden"].min() < 0
    assert m["largest_input_hidden"] == pytest.approx(
        np.abs(a["snapshots/trained/input_hidden"]).max()
    )


@pytest.mark.torch
def test_the_seed_decides(result, tmp_path):
    again = simulate(LAYERED, seed=1, out=tmp_path)
    other = simulate(LAYERED, seed=2, out=tmp_path)
    for name, value in result.arrays.items():
        same = np.array_equal(again.arrays[name], value, equal_nan=value.dtype.kind == "f")
        assert same, name
    assert again.metrics == result.metrics
    assert not np.array_equal(other.arrays["counts/hidden"], result.arrays["counts/hidden"])


@pytest.mark.torch
@pytest.mark.parametrize("protocol", [LAYERED, PAPER_LAYERED], ids=["itself", "copies"])
def test_an_interrupted_run_goes_on_with_the_same_result(protocol, tmp_path, monkeypatch):
    from brainsleep.run.loop import Run

    whole = simulate(protocol, seed=1, out=tmp_path / "whole")
    advance, calls = Run._advance, []

    def interrupt(self, last):
        calls.append(self.position)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return advance(self, last)

    monkeypatch.setattr(Run, "_advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        simulate(protocol, seed=1, out=tmp_path)
    again = simulate(protocol, seed=1, out=tmp_path)
    assert calls[10] > 0
    assert again.metrics == whole.metrics
    for name in ("snapshots/trained/hidden_output", "biases/trained/hidden_output"):
        if name in whole.arrays:
            assert np.array_equal(again.arrays[name], whole.arrays[name])
    assert ("biases/trained/hidden_output" in whole.arrays) == (protocol is PAPER_LAYERED)
    asleep = whole.arrays["slots/phase"] == "sleep"
    assert asleep.sum() == (8 if protocol is PAPER_LAYERED else 7)


@pytest.mark.torch
def test_tasks_are_scored_by_the_networks_own_output_too(backend, tmp_path):
    tasks = LAYERED.override({"tasks.classes": ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))})
    found = simulate(tasks, seed=1, out=tmp_path)
    own = found.arrays["tasks/own"]
    assert own.shape == (2, 2) and np.isnan(own[0, 1])
    assert found.metrics["tasks_own_accuracy"] == pytest.approx(own[1].mean())
    labels = found.arrays["labels/test"]
    assert own[1, 1] == pytest.approx(found.arrays["correct/network"][labels >= 5].mean())


@pytest.mark.torch
def test_sleep_can_be_triggered_by_growth(backend, tmp_path):
    never = LAYERED.override({"schedule.sleep.trigger": 100.0})
    always = LAYERED.override({"schedule.sleep.trigger": 0.01})
    assert simulate(never, seed=1, out=tmp_path).metrics["sleep_s"] == 0
    assert simulate(always, seed=1, out=tmp_path).metrics["sleep_s"] == pytest.approx(7 * 0.02)


@pytest.mark.torch
def test_the_rate_of_an_untrained_network_can_be_measured(backend):
    images = np.random.default_rng(0).integers(0, 255, (10, 8, 8)).astype(np.uint8)
    low = measure_rate(LAYERED, 0, "torch", images)
    more = LAYERED.override({"network.populations.input.gain": 3.0})
    assert 0 <= low < measure_rate(more, 0, "torch", images)


# -- grids (without torch) ---------------------------------------------------------------------


def test_a_grid_names_a_model(tmp_path):
    file = tmp_path / "grid.toml"
    top = 'protocol = "paper"\nmodel = "sg_snn"\nseeds = 2\n'
    file.write_text(top + '[over]\n"schedule.sleep.fraction" = [0, 0.1]\n')
    (grid,) = read_grids(str(file))
    rows = grid.rows()
    assert [row.backend for row in rows] == ["torch"] * 4
    assert all(row.protocol.network == SG_SNN for row in rows)
    words = rows[1].command("out").split()
    assert words[:6] == ["brainsleep", "run", "paper", "--seed", "0", "--model"]
    assert words[6] == "sg_snn" and "schedule.sleep.fraction=0.1" in words
    with pytest.raises(BrainsleepError, match="model goes with the name or file"):
        Grid(name="x", protocol=LAYERED, model="sg_snn").rows()


def test_the_command_line_names_known_models(tmp_path):
    script = [sys.executable, "-c", "from brainsleep.cli.app import main; main()"]
    words = ["run", "paper", "--model", "sgsnn", "--out", str(tmp_path)]
    done = subprocess.run([*script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean 'sg_snn'?" in done.stderr and "Traceback" not in done.stderr
