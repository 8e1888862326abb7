"""Timelines: wake and sleep without a task, laid out as said, on every backend and as one run."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Hz, ms, second
from conftest import QUICK

from brainsleep.errors import BrainsleepError
from brainsleep.experiment.protocol import Protocol, run_id
from brainsleep.experiment.record import Record
from brainsleep.experiment.schedule import Schedule
from brainsleep.experiment.task import Material
from brainsleep.experiment.timeline import Period, Timeline, asleep, awake
from brainsleep.models.massey2026 import recurrent_network
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
