"""The paper's network and procedure, term by term, against loops written by hand."""

import dataclasses

import numpy as np
import pytest
from brian2 import ms, mV, second
from conftest import EVERY_STEP, QUICK, TINY, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.experiment.protocol import load_protocol
from brainsleep.models.massey2026 import CLIPPED_LIF, PAPER, PAPER_JANUARY, recurrent_network
from brainsleep.models.sleep import DECAY_STATIC
from brainsleep.models.stdp import STDP_RELEASED
from brainsleep.network.spec import NetworkSpec, Population
from brainsleep.run.loop import Run
from brainsleep.run.segment import Capacity
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state

PROJECTIONS = ("input_e", "ee", "ei", "ie")


# -- the settings of the table, and of January ---------------------------------------------------


@pytest.mark.parametrize(
    ("network", "w_ei", "lr_ie"), [(PAPER, 0.6, 0.005), (PAPER_JANUARY, 0.4, 8e-4)]
)
def test_network_has_the_settings_of_the_released_code(network, w_ei, lr_ie):
    assert [p.size for p in network.populations] == [225, 200, 50]
    found = {p.name: p for p in network.projections}
    chances = {"input_e": 0.10, "ee": 0.15, "ei": 0.20, "ie": 0.25}
    starts = {"input_e": 0.15, "ee": 0.30, "ei": w_ei, "ie": 0.50}
    assert {k: p.connectivity.p for k, p in found.items()} == chances
    assert {k: p.weights.low for k, p in found.items()} == starts
    rates = {k: float(p.rules[0].parameters["lr"]) for k, p in found.items()}
    assert rates == {"input_e": 8e-4, "ee": 8e-4, "ei": 8e-4, "ie": lr_ie}
    assert {p.rules[0].name for p in found.values()} == {"stdp_released"}
    assert {(p.w_min, p.w_max) for p in found.values()} == {(0.01, 25.0)}
    assert found["ie"].sign == -1 and found["ie"].connectivity.avoid_reciprocal == "ei"
    windows = STDP_RELEASED.parameters
    assert (windows["tau_plus"], windows["tau_minus"]) == (10 * ms, 7.5 * ms)
    assert float(DECAY_STATIC.parameters["w_star"]) == 0.01


@pytest.mark.parametrize(("name", "noise"), [("paper", 1.0), ("paper_january", 0.0)])
def test_membrane_noise_awake_asleep_and_in_the_test(name, noise):
    """The table's code has it awake and asleep, January's asleep only; neither in the test."""
    schedule = load_protocol(name).schedule
    assert schedule.wake.gates.get("noise", 0.0) == noise
    assert schedule.sleep.gates["noise"] == 1
    assert schedule.test.gates.get("noise", 0.0) == 0
    sd = load_protocol(name).network.population("e").activities[0].parameters["sd"]
    assert sd == 2 * mV


def test_procedure_of_the_table_and_of_january():
    table, january = load_protocol("paper:PUBLISHED"), load_protocol("paper_january:PUBLISHED")
    for protocol in (table, january):
        assert (protocol.task.data.n_train, protocol.schedule.epochs) == (300, 20)
        assert protocol.schedule.identical_epochs
        readout = protocol.task.readout
        assert readout.populations == ("e", "i")
        assert (readout.fit_last, readout.fit_share, readout.score_last) == (300, 0.8, 200)
        assert readout.merge and readout.variance == 0.95
        assert [r.name for r in protocol.task.more_readouts] == ["held_out"]
    assert (table.task.data.n_validation, table.task.early_stopping.patience) == (100, 6)
    assert table.task.early_stopping.restore == "if stopped"
    assert table.task.readout.classifier == "logistic"
    assert not january.task.early_stopping
    assert january.task.readout.classifier == "quadratic"
    for name in ("paper", "paper_january"):  # off by default
        protocol = load_protocol(name)
        assert protocol.schedule.epochs == 1 and not protocol.task.early_stopping
        assert protocol.task.readout.fit_last == 0 and protocol.task.data.n_train == 6000


def test_fractions_from_30_percent_up_are_one_experiment():
    """A sleep lasts at most 10 s: same slots, same gates, so the same run with the same seed."""
    protocol = load_protocol("paper:PUBLISHED")
    tables = [
        protocol.override({"schedule.sleep.fraction": percent / 100}).schedule.compile(
            300, 10, 10, protocol.network.gates, protocol.network.dt
        )
        for percent in (20, 30, 40, 50, 60, 70, 80, 90, 100)
    ]
    shorter, first = tables[:2]
    assert shorter.steps.sum() < first.steps.sum()
    for other in tables[2:]:
        for field in dataclasses.fields(first):
            one, two = getattr(first, field.name), getattr(other, field.name)
            if field.name == "gates":
                assert all(np.array_equal(one[gate], two[gate]) for gate in one)
            else:
                assert np.array_equal(one, two)


def test_eight_sleeps_in_every_epoch_of_300_images():
    """Time counts anew with every epoch: after 35, 70, ..., 280 images, 20 times."""
    protocol = load_protocol("paper:PUBLISHED")
    order = protocol.task.tasks.order(np.zeros(300), 20, np.random.default_rng(0), True)
    assert np.array_equal(order.image, np.tile(np.arange(300), 20))
    table = protocol.schedule.compile(order, 0, 0, protocol.network.gates, protocol.network.dt)
    begins = np.flatnonzero((table.phase == "sleep") & table.onset)
    before = table.shown[begins - 1] + 1
    assert np.array_equal(before, [300 * e + 35 * k for e in range(20) for k in range(1, 9)])


# -- the neuron ----------------------------------------------------------------------------------


def driven(current, steps):
    """Spikes and thresholds of one neuron with a constant input, by the authors' order of steps."""
    v, a, threshold, spikes, thresholds = -70.0, 0.0, -55.0, [], []
    for _ in range(steps):
        v = np.clip(v + (-(v + 70) + 30 * current) / 30, -100, 40)
        spikes.append(v > threshold)
        a += -a / 100 + 3 * spikes[-1]
        thresholds.append(threshold)
        threshold = np.clip(-55 + a, -90, 0)
        v = -80.0 if spikes[-1] else v
    return np.array(spikes), np.array(thresholds)


def of_brainsleep(model, current, steps):
    neuron = dataclasses.replace(
        model,
        equations=model.equations.replace("di_syn/dt = -i_syn/tau_syn : 1", "i_syn : 1"),
        parameters={k: v for k, v in model.parameters.items() if k != "tau_syn"},
        initial={**model.initial, "i_syn": current},
    )
    spec = NetworkSpec(
        name="one",
        populations=(PAPER.population("input"), Population(name="e", size=1, model=neuron)),
    )
    segment = make_segment(spec, np.zeros((1, 225)), [steps], raster=True)
    backend = make_backend("numpy", spec, capacity=Capacity(slots=1, steps=steps))
    _, recording = backend.advance(initial_state(spec, 0), segment, 0)
    spikes = np.zeros(steps, bool)
    spikes[recording.spikes["e"][0]] = True
    return spikes


@pytest.mark.parametrize("current", [0.4, 1.0, 5.0, 20.0, 200.0])
def test_clipped_neuron_fires_as_in_the_authors_order_of_steps(current):
    expected, thresholds = driven(current, 600)
    assert np.array_equal(of_brainsleep(CLIPPED_LIF, current, 600), expected)
    assert (thresholds.max() == 0) == (current >= 20)  # the bound is reached by strong input only


def test_without_the_bound_no_neuron_fires_faster_than_320_hz():
    """The error of the first version of this preset: inhibition cannot restrain E."""
    free = CLIPPED_LIF.with_parameters(v_threshold_high=1000 * mV)
    rates = [of_brainsleep(model, 200.0, 2000)[1000:].sum() for model in (CLIPPED_LIF, free)]
    assert rates[0] == 1000 and 300 < rates[1] < 325


# -- the whole network ---------------------------------------------------------------------------


def by_hand(state, inputs, lr, noise=None):
    """Go through the authors' steps: membranes, spikes, thresholds, then pairs a step late."""
    sizes = {"input": inputs.shape[1], "e": 20, "i": 6}
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()])[:-1], strict=True))
    n, first = sum(sizes.values()), sizes["input"]
    w, there = np.zeros((n, n)), np.zeros((n, n), bool)
    rate = np.zeros((n, n))
    for name, (source, target) in dict(
        input_e=("input", "e"), ee=("e", "e"), ei=("e", "i"), ie=("i", "e")
    ).items():
        pre, post = state.synapses[name]
        pre, post = pre + starts[source], post + starts[target]
        w[pre, post], there[pre, post] = state.arrays[f"{name}.w"], True
        rate[pre, post] = lr[name]
    sign = np.where(np.arange(n) < starts["i"], 1, -1)[:, None]
    v, current, a = np.full(n - first, -70.0), np.zeros(n - first), np.zeros(n - first)
    threshold, since = np.full(n - first, -55.0), np.full(n, np.inf)
    before, counts = np.zeros(n, bool), np.zeros(n)
    for shown in [*inputs.astype(bool), np.zeros(first, bool)]:
        spikes = np.zeros(n, bool)
        spikes[:first] = shown
        current += (-current + ((sign * w)[:, first:] * before[:, None]).sum(axis=0)) / 30
        v = np.clip(v + (-(v + 70) + 30 * current) / 30, -100, 40)
        spikes[first:] = v > threshold
        a += -a / 100 + 3 * spikes[first:]
        threshold = np.clip(-55 + a, -90, 0)
        v[spikes[first:]] = -80
        since = np.where(spikes, 0, since + 1)
        lag = since[None, :] - np.where(np.isinf(since), 1e9, since)[:, None]
        known = np.isfinite(since)[:, None] & np.isfinite(since)[None, :]
        seen = there & known & (before[:, None] | before[None, :])
        late, early = np.exp(-np.maximum(lag, 0) / 10), np.exp(np.minimum(lag, 0) / 7.5)
        change = np.where(lag >= 0, late, -early)
        w = np.where(seen, w + rate * np.where(seen, change, 0), w)
        before = spikes
        counts += spikes
    ends = {k: slice(starts[k], starts[k] + size) for k, size in sizes.items()}
    pairs = dict(input_e=("input", "e"), ee=("e", "e"), ei=("e", "i"), ie=("i", "e"))
    weights = {
        name: w[ends[source], ends[target]][state.synapses[name]]
        for name, (source, target) in pairs.items()
    }
    return counts, weights


@needs_compiler
@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=pytest.mark.standalone)])
def test_network_is_that_of_the_authors_step_by_step(backend):
    """Every spike and every weight of 400 ms, without noise, against a loop over the same input."""
    network = recurrent_network(n_inputs=12, n_excitatory=20, n_inhibitory=6)
    lr = {"input_e": 1e-5, "ee": 1e-5, "ei": 1e-5, "ie": 6e-5}
    changes: dict = {"network": network, "encoder.size": (3, 4)}
    changes |= {f"network.projections.{k}.rules.stdp_released.lr": v for k, v in lr.items()}
    changes |= {f"network.projections.{k}.connectivity.p": 0.6 for k in PROJECTIONS}
    changes |= {"network.projections.input_e.weights.low": 4.0}
    spec = TINY.override(changes).network
    inputs = np.random.default_rng(1).random((400, 12)) < 0.15
    inputs[250:] = False  # no spike in the last step
    segment = make_segment(spec, inputs * EVERY_STEP, plasticity=1)
    made = make_backend(backend, spec, capacity=Capacity(slots=400, steps=400))
    start = initial_state(spec, 3)
    state, recording = made.advance(start, segment, 0)
    counts, weights = by_hand(start, inputs, lr)
    found = np.concatenate([recording.counts[k].sum(axis=0) for k in ("input", "e", "i")])
    assert counts[12:32].sum() > 200 and counts[32:].sum() > 20  # there is something to compare
    assert np.array_equal(found[12:], counts[12:])
    for name, expected in weights.items():
        change = state.arrays[f"{name}.w"] - start.arrays[f"{name}.w"]
        np.testing.assert_allclose(
            change, expected - start.arrays[f"{name}.w"], rtol=1e-6, atol=1e-12
        )
        assert np.abs(change).max() > 2 * lr[name]


# -- the end of sleep ----------------------------------------------------------------------------


def sleeps(tmp_path, **changes):
    """Time asleep of a small run whose weights all decay towards their start from above."""
    protocol = TINY.override(
        {
            "data.n_train": 8,
            "data.n_readout": 0,
            "data.n_test": 1,
            "schedule.period": 200 * ms,
            "schedule.sleep.max_duration": 2 * second,
            "schedule.sleep.fraction": 5.0,
            "schedule.sleep.check_every": 10 * ms,
            "schedule.sleep.gates.plasticity": 0,
            "schedule.sleep.gates.noise": 0,
            "schedule.wake.gates.plasticity": 0,
            "schedule.sleep.until_initial": True,
        }
        | changes
    )
    return simulate(protocol, seed=0, backend=QUICK, out=tmp_path)


def test_sleep_ends_when_both_sums_are_near_their_start(tmp_path):
    """By hand: ln|w| falls by dt/tau_w a step, so sums leave the tolerance after tau_w times it."""
    slow = {f"network.projections.{p}.processes.decay.w_star": 1e-9 for p in PROJECTIONS}
    start = {"input_e": 2.0, "ee": 0.3, "ei": 0.6, "ie": 0.5}
    at_rest = {f"network.projections.{p}.processes.decay.w_star": w for p, w in start.items()}
    # weights stay where they start: both sums are within reach, and no sleep begins
    assert sleeps(tmp_path, **at_rest, **{"schedule.sleep.tolerance": 1e-3}).metrics["sleep_s"] == 0
    # the sums of the inhibitory weights alone leave it: sleep goes on, although E stays
    only_i = at_rest | {"network.projections.ie.processes.decay.w_star": 0.01}
    found = sleeps(tmp_path, **only_i, **{"schedule.sleep.tolerance": 1e-9})
    assert found.metrics["sleep_s"] == 0  # the first look is at the start itself
    learned: dict = {
        "schedule.wake.gates.plasticity": 1,
        "network.projections.*.rules.stdp_nearest_reversed.lr": 0.01,
    }
    found = sleeps(tmp_path, **slow, **learned, **{"schedule.sleep.tolerance": 1e-9})
    assert found.metrics["sleep_s"] == pytest.approx(2 * 1.0)  # never near: all of the time


# -- accuracy without sleep ----------------------------------------------------------------------


def test_resumed_run_of_the_procedure_is_the_same(tmp_path, monkeypatch):
    """Early stopping, its best weights and its readouts survive an interrupt."""
    changes = {
        "network": TINY.network,
        "encoder": TINY.task.encoder,
        "data.source": "digits",
        "data.n_train": 30,
        "data.n_validation": 20,
        "data.n_readout": 40,
        "data.n_test": 60,
        "schedule.image_duration": 50 * ms,
        "schedule.period": 350 * ms,
        "schedule.epochs": 6,
        "readout.fit_last": 30,
        "readout.score_last": 50,
        "early_stopping.patience": 2,
        "record.weights_every": 0,
    }
    protocol = load_protocol("paper:PUBLISHED").override(changes)
    whole = simulate(protocol, seed=2, backend=QUICK, out=tmp_path / "whole")
    seen = 0
    original = Run._advance

    def interrupted(self, last):
        nonlocal seen
        seen += 1
        if seen % 7 == 0:
            raise KeyboardInterrupt
        return original(self, last)

    monkeypatch.setattr(Run, "_advance", interrupted)
    for _ in range(200):
        try:
            again = simulate(protocol, seed=2, backend=QUICK, out=tmp_path / "parts")
            break
        except KeyboardInterrupt:
            continue
    assert seen > 7
    assert again.metrics == whole.metrics
    for name, value in whole.arrays.items():
        assert value.tobytes() == again.arrays[name].tobytes(), name
    assert whole.metrics["epochs_trained"] <= 6
    assert 0 <= whole.metrics["held_out_accuracy"] <= 1
    assert whole.arrays["correct/network"].size <= 50  # neighbours of one class are merged
