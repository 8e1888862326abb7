"""Timelines: wake and sleep without a task, laid out as said, on every backend and as one run."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from brian2 import Hz, ms, nA, second
from conftest import QUICK

from brainsleep.errors import BrainsleepError
from brainsleep.experiment.inputs import Rates, SpikeTrains, Values
from brainsleep.experiment.protocol import Protocol, run_id
from brainsleep.experiment.record import Record
from brainsleep.experiment.schedule import Schedule
from brainsleep.experiment.task import Material
from brainsleep.experiment.timeline import Period, Timeline, asleep, awake, cycles
from brainsleep.models.inputs import POISSON, SPIKE_SOURCE
from brainsleep.models.massey2026 import recurrent_network
from brainsleep.network.spec import NetworkSpec, NeuronModel, Population
from brainsleep.run.simulate import simulate
from brainsleep.tasks.images.task import Images

NETWORK = recurrent_network(n_inputs=64, n_excitatory=30, n_inhibitory=10)
TIMELINE = Timeline(
    periods=(awake(250 * ms, rate=40 * Hz), asleep(100 * ms, noise=1, decay=1)),
    times=2,
    slot=100 * ms,
)
PROTOCOL = Protocol(
    name="free", network=NETWORK, schedule=TIMELINE, record=Record(raster=(0, 2))
).override({"network.projections.input_e.weights.low": 2.0})


def test_slots_are_those_of_the_periods():
    layout = TIMELINE.compile(NETWORK.gates, NETWORK.dt)
    table = layout.table
    assert table.steps.tolist() == [100, 100, 50, 100] * 2
    assert table.phase.tolist() == ["wake", "wake", "wake", "sleep"] * 2
    assert table.onset.tolist() == [True, False, False, True] * 2
    assert table.gates["input"].tolist() == [1, 1, 1, 0] * 2
    assert table.gates["noise"].tolist() == table.gates["decay"].tolist() == [0, 0, 0, 1] * 2
    assert layout.period.tolist() == [0, 0, 0, 1] * 2
    assert layout.begin.tolist() == [0, 100, 200, 0] * 2
    rates = PROTOCOL.course(0, Material()).stimulus(0, 8)
    assert rates.shape == (8, 64) and (rates == rates[:, :1]).all()
    assert rates[:, 0].tolist() == [40, 40, 40, 0] * 2
    assert table.trained == 8 and table.ends_of("sleep").tolist() == [4, 8]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return simulate(PROTOCOL, seed=2, backend=QUICK, out=tmp_path_factory.mktemp("free"))


def test_a_run_without_a_task(result):
    assert result.metrics["wake_s"] == pytest.approx(0.5)
    assert result.metrics["sleep_s"] == pytest.approx(0.2)
    a, rate = result.arrays, result.metrics["rate_wake_input_hz"]
    spikes = 40 * 0.5 * 64  # expected; a Poisson number is within five standard deviations
    assert abs(rate * 0.5 * 64 - spikes) < 5 * np.sqrt(spikes)
    assert result.metrics["rate_sleep_input_hz"] == 0
    assert result.metrics["rate_wake_e_hz"] > 0
    assert not any("accuracy" in name for name in result.metrics)
    assert {"stats/ee", "snapshots/initial/ee", "snapshots/trained/ee"} <= a.keys()
    assert a["spikes/e"][:, 0].max() < 200  # the raster's slots
    assert not np.array_equal(a["snapshots/initial/ee"], a["snapshots/trained/ee"])


def test_the_same_run_is_not_done_twice(result):
    done = []
    again = simulate(
        PROTOCOL,
        seed=2,
        backend=QUICK,
        out=result.path.parent,
        progress=lambda *t: done.append(t),
    )
    assert again.path == result.path and done == [(1, 1, "already complete")]


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule.times": 3},
        {"schedule": Timeline(periods=(awake(250 * ms, rate=41 * Hz),))},
        {"schedule.slot": "50*ms"},
    ],
    ids=["times", "periods", "slot"],
)
def test_what_decides_is_in_the_id(changes):
    other = PROTOCOL.override(changes)
    assert run_id(other, 0, "numpy", "") != run_id(PROTOCOL, 0, "numpy", "")


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: awake(0 * second), ("wake.duration", "more than 0 s")),
        (lambda: awake(3), ("wake.duration", "a time such as")),
        (lambda: awake(1 * second, rate=-1 * Hz), ("wake.rate", "at least 0. Hz")),
        (lambda: awake(1 * second, rate=3), ("wake.rate", "got 3")),
        (lambda: asleep(1 * second, decay=2), ("sleep.gates", "decay")),
        (lambda: Period(kind="nap", duration=1 * second), ("'nap'", "wake", "sleep")),
        (lambda: Timeline(periods=()), ("timeline.periods", "awake(...)")),
        (lambda: Timeline(periods=(3,)), ("timeline.periods", "3")),
        (lambda: Timeline(periods=TIMELINE.periods, times=0), ("timeline.times", "at least 1")),
        (
            lambda: PROTOCOL.override({"schedule": Timeline(periods=(asleep(1 * second, dec=1),))}),
            ("timeline.periods: sleep", "no gate 'dec'", "did you mean 'decay'?"),
        ),
        (
            lambda: Timeline(periods=(awake(1.5 * ms),)).compile(NETWORK.gates, NETWORK.dt),
            ("timeline.wake.duration", "a multiple of the time step"),
        ),
        (
            lambda: Timeline(periods=(awake(1e6 * second),), slot=1 * ms).compile(
                NETWORK.gates, NETWORK.dt
            ),
            ("schedule: slots", "make slots longer"),
        ),
        (
            lambda: Protocol(name="x", network=NETWORK, schedule=Schedule()),
            ("protocol: schedule", "a Timeline, as there is no task", "task=Images(...)"),
        ),
        (
            lambda: PROTOCOL.override({"data.source": "digits"}),
            ("key 'data.source'", "no 'data' in a protocol without a task", "schedule"),
        ),
        (
            lambda: Protocol(name="x", network=NETWORK, schedule=TIMELINE, task=Images()),
            ("schedule of images", "got Timeline", "a Schedule"),
        ),
    ],
)
def test_mistakes_are_explained(make, parts):
    with pytest.raises(BrainsleepError) as caught:
        make()
    assert all(part in str(caught.value) for part in parts), str(caught.value)


# -- what periods give -----------------------------------------------------------------------------

DRIVEN = NeuronModel(
    name="driven",
    equations="dv/dt = (i_ext*reward/nA - v)/(10*ms) : 1\ni_ext : amp",
    threshold="v > 1",
    reset="v = 0",
    on_slot="i_ext = stimulus",
    stimulus_unit=nA,
    signals={"reward": 1},
)
GIVEN = NetworkSpec(
    name="given",
    populations=(
        Population(name="a", size=2, model=POISSON),
        Population(name="s", size=3, model=SPIKE_SOURCE),
        Population(name="e", size=2, model=DRIVEN),
    ),
    signals={"reward": 0.5},
)
DAYS = cycles(
    awake(
        10 * ms,
        inputs={
            "a": Rates([[1, 2], [3, 4], [5, 6]] * Hz, every=4 * ms),
            "s": SpikeTrains([2, 0, 1], [7.4, 0, 6.6] * ms),
            "e": [1, 2] * nA,
        },
        signals={"reward": Values([0, 1], every=5 * ms)},
    ),
    cycles(asleep(6 * ms), awake(2 * ms, inputs={"e": 3 * nA}, signals={"reward": 2}), times=2),
    times=2,
    slot=3 * ms,
)


def protocol(*periods, network=GIVEN):
    return Protocol(name="given", network=network, schedule=Timeline(periods=periods))


def test_slots_are_cut_at_frames_and_parts_are_gone_through_again():
    days = protocol(DAYS)
    layout = days.schedule.compile(GIVEN.gates, GIVEN.dt)
    once = [3, 1, 1, 3, 2, 6, 2, 6, 2]  # cut at 4, 5 and 8 ms; at 3 ms, but in the part that is not
    assert layout.table.steps.tolist() == once * 2
    assert layout.period.tolist() == [0, 0, 0, 0, 0, 1, 2, 1, 2] * 2
    assert layout.begin.tolist() == [0, 3, 4, 5, 8, 0, 0, 0, 0] * 2
    assert layout.table.onset.tolist() == [b == 0 for b in layout.begin.tolist()]
    course = days.course(0, Material())
    assert course.stimulus(0, 18).shape == (18, 0)
    given = course.given(0, 18)
    assert given["inputs"]["a"][:6].tolist() == [[1, 2], [1, 2], [3, 4], [3, 4], [5, 6], [0, 0]]
    assert given["inputs"]["e"][:9, 1].tolist() == [2e-9] * 5 + [0, float(3 * nA)] * 2
    assert given["signals"]["reward"][:9].tolist() == [0, 0, 0, 1, 1, 0.5, 2, 0.5, 2]
    steps, neurons = given["trains"]["s"]  # 7.4 and 6.6 ms are nearest to the same step
    assert steps.tolist() == [0, 7, 7, 26, 33, 33] and neurons.tolist() == [0, 1, 2] * 2
    one = course.given(3, 5)
    assert one["trains"]["s"][0].tolist() == [2, 2]  # from the first of these slots
    assert one["inputs"]["a"].tolist() == [[3, 4], [5, 6]]
    assert DAYS.sleep_per_wake == pytest.approx(12 / 14) and DAYS.n_periods == 10


def test_a_timeline_is_plain_data_and_what_it_gives_is_in_the_id():
    days = protocol(DAYS)
    described = json.loads(json.dumps(days.describe()))
    assert Protocol.from_dict(described) == days
    ids = {run_id(protocol(*periods), 0, "numpy", "") for periods in (
        (DAYS,),
        (awake(10 * ms),),
        (awake(10 * ms, inputs={"e": 1 * nA}),),
        (awake(10 * ms, inputs={"e": [1, 2] * nA}),),
        (awake(10 * ms, inputs={"e": [1, 3] * nA}),),
        (awake(10 * ms, inputs={"e": Values([1, 2] * nA, every=5 * ms)}),),
        (awake(10 * ms, inputs={"s": SpikeTrains([0], [1] * ms)}),),
        (awake(10 * ms, inputs={"s": SpikeTrains([1], [1] * ms)}),),
        (awake(10 * ms, signals={"reward": 1}),),
    )}  # fmt: skip
    assert len(ids) == 9
    one, other = (SpikeTrains(i, t * ms) for i, t in (([0, 1], [1, 2]), ([1, 0], [2, 1])))
    assert one == other  # the order in which spikes are written down does not matter
    trains = [protocol(awake(10 * ms, inputs={"s": each})) for each in (one, other)]
    assert len({run_id(each, 0, "numpy", "") for each in trains}) == 1


def test_settings_of_what_is_given():
    changed = protocol(awake(10 * ms, inputs={"e": 1 * nA}), asleep(5 * ms)).override(
        {"schedule.periods.*.inputs.e": "2*nA", "network.signals.reward": "0.25"}
    )
    assert all(float(p.inputs["e"]) == 2e-9 for p in changed.schedule.periods)
    assert float(changed.network.signals["reward"]) == 0.25


def test_a_network_with_several_inputs_and_images():
    rates = dataclasses.replace(GIVEN, input="a")
    with pytest.raises(BrainsleepError, match=r"encoder\.size"):
        Protocol(name="x", network=rates, task=Images())
    for network, text in (
        (GIVEN, "write input='a'"),
        (dataclasses.replace(GIVEN, input="e"), "in Hz"),
    ):
        with pytest.raises(BrainsleepError, match="which images drive") as caught:
            Protocol(name="x", network=network, task=Images())
        assert text in str(caught.value)


TRAIN = SpikeTrains([0, 1], [1, 2] * ms)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        ({"inputs": {"b": 1 * Hz}}, ("there is no population 'b'", "one of: a, e, s")),
        ({"inputs": {"a": 1 * nA}}, ("wake: inputs: a", "got a value in amp", "hertz")),
        ({"inputs": {"a": 1}}, ("inputs: a", "got a value in 1 (no unit)")),
        ({"inputs": {"a": -1 * Hz}}, ("inputs: a", "at least 0 Hz")),
        (
            {"inputs": {"a": [1, 2, 3] * Hz}},
            ("inputs: a", "got 3 values; expected 2"),
        ),
        ({"inputs": {"a": TRAIN}}, ("inputs: a", "got SpikeTrains", "SPIKE_SOURCE")),
        ({"inputs": {"s": 5 * Hz}}, ("inputs: s", "expected SpikeTrains(...)")),
        ({"inputs": {"s": SpikeTrains([3], [1] * ms)}}, ("inputs: s", "neuron 3", "0 to 2")),
        ({"inputs": {"s": SpikeTrains([0], [10] * ms)}}, ("inputs: s", "a spike at 0.01 s")),
        ({"inputs": {"s": SpikeTrains([0], [9.6] * ms)}}, ("inputs: s", "within the period")),
        (
            {"inputs": {"s": SpikeTrains([1, 1], [3.8, 4.3] * ms)}},
            ("two spikes of neuron 1",),
        ),
        ({"inputs": {"e": Values([1, 2] * nA, every=4 * ms)}}, ("2 frames", "expected 3")),
        ({"inputs": {"e": Values([1, 2] * nA, every=2.5 * ms)}}, ("e: every", "a multiple of")),
        ({"inputs": {"e": Values([[1, 2, 3]] * nA, every=10 * ms)}}, ("3 values",)),
        ({"signals": {"rewards": 1}}, ("no signal 'rewards'", "did you mean 'reward'?")),
        ({"signals": {"reward": 1 * nA}}, ("signals: reward", "got a value in amp")),
        ({"signals": {"reward": Values([[1, 2]], every=10 * ms)}}, ("one a frame",)),
        ({"rate": 5 * Hz}, ("wake: rate", "named as the input of the network", "inputs=dict(")),
    ],
)
def test_mistakes_in_what_is_given(make, parts):
    with pytest.raises(BrainsleepError) as caught:
        protocol(awake(10 * ms, **make))
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: Rates([1, 2] * nA, every=1 * ms), ("rates over time", "Values(...)")),
        (lambda: Rates([1, -2] * Hz, every=1 * ms), ("rates over time", "at least 0 Hz")),
        (lambda: Values([] * nA, every=1 * ms), ("values over time", "one frame or more")),
        (lambda: Values([1, np.nan] * nA, every=1 * ms), ("not finite",)),
        (lambda: Values([1, 2] * nA, every=0 * ms), ("every", "more than 0 s")),
        (lambda: SpikeTrains([0, 1], [1] * ms), ("2 indices and 1 times",)),
        (lambda: SpikeTrains([-1], [1] * ms), ("neurons from 0",)),
        (lambda: SpikeTrains([0], [-1] * ms), ("times from 0 s",)),
        (lambda: SpikeTrains([0.5], [1] * ms), ("whole numbers",)),
        (lambda: SpikeTrains([0], [1]), ("times with their unit",)),
        (
            lambda: protocol(
                awake(1 * ms, rate=1 * Hz, inputs={"a": 1 * Hz}),
                network=dataclasses.replace(GIVEN, input="a"),
            ),
            ("rate", "leave one out"),
        ),
        (
            lambda: protocol(
                awake(1e6 * second, inputs={"e": 1 * nA}), network=NetworkSpec(
                    name="large", populations=(Population(name="e", size=10**6, model=DRIVEN),),
                    signals={"reward": 1},
                )
            ),
            ("spike counts", "make slots, or frames"),
        ),
    ],
)  # fmt: skip
def test_mistakes_in_values_over_time(make, parts):
    with pytest.raises(BrainsleepError) as caught:
        make()
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_periods_are_called_by_their_numbers():
    changed = PROTOCOL.override({"schedule.periods.1.duration": "300*ms"}).schedule.periods
    assert [period.duration / ms for period in changed] == [250, 300]
    both = PROTOCOL.override({"schedule.periods.*.duration": 50 * ms}).schedule.periods
    assert [period.duration / ms for period in both] == [50, 50]
    with pytest.raises(BrainsleepError, match=r"there is no '2'.*one of: 0, 1"):
        PROTOCOL.override({"schedule.periods.2.duration": 50 * ms})
