"""Observers of a user's own: when they look, what they are given, and what becomes of it."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

import numpy as np
import pytest
from brian2 import Hz, ms
from conftest import QUICK, TINY, needs_compiler

from brainsleep.errors import BrainsleepError
from brainsleep.experiment.inputs import SpikeTrains
from brainsleep.experiment.observer import Metric, Observer
from brainsleep.experiment.protocol import Protocol, run_id
from brainsleep.experiment.record import Record
from brainsleep.experiment.timeline import Timeline, asleep, awake
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.network.spec import NetworkSpec, Population
from brainsleep.results.table import tabulate
from brainsleep.run.observers.rates import UpStates
from brainsleep.run.simulate import simulate
from brainsleep.show.definitions import definition


@dataclass(frozen=True)
class MeanPotential(Observer):
    """Mean membrane potential at the end of each sleep."""

    population: str = "e"
    name = "potential"
    metrics = (
        Metric("observed", "potential_after_sleep_mv", "mV", "mean potential at the end of sleep"),
    )

    def slots(self, table):
        return table.ends_of("sleep")

    def look(self, view):
        v = view.state.arrays[f"{self.population}.v"]
        return {"v": v.mean(), "t": float(view.t), "all": v}

    def measure(self, seen):
        return {"potential_after_sleep_mv": 1e3 * seen.series(self.name, "v").mean()}


class Nameless(Observer):
    pass


class Taken(Observer):
    name = "weights"


PROTOCOL = dataclasses.replace(
    TINY,
    task=None,
    schedule=Timeline(periods=(awake(100 * ms, rate=40 * Hz), asleep(50 * ms, noise=1)), times=3),
    record=Record(observers=(MeanPotential(),)),
)


@pytest.mark.parametrize(
    "backend",
    ["numpy", pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler])],
)
def test_an_observer_sees_the_state_on_every_backend(tmp_path, backend):
    result = simulate(PROTOCOL, seed=1, backend=backend, out=tmp_path)
    a = result.arrays
    assert a["potential/times_s"].tolist() == pytest.approx([0.15, 0.3, 0.45])
    assert a["potential/t"].tolist() == a["potential/times_s"].tolist()
    assert a["potential/all"].shape == (3, 30)
    assert a["potential/v"] == pytest.approx(a["potential/all"].mean(axis=1))
    mean = 1e3 * a["potential/v"].mean()
    assert result.metrics["potential_after_sleep_mv"] == pytest.approx(mean)
    assert -100 < mean < 0 and len(set(a["potential/v"])) == 3
    assert result.info["defined"][0]["unit"] == "mV"


def test_looking_changes_nothing(tmp_path):
    blind = PROTOCOL.override({"record.observers": ()})
    seen = simulate(PROTOCOL, seed=1, backend=QUICK, out=tmp_path).arrays
    unseen = simulate(blind, seed=1, backend=QUICK, out=tmp_path).arrays
    assert {key for key in seen if not key.startswith("potential/")} == unseen.keys()
    assert all(np.array_equal(seen[key], unseen[key]) for key in unseen)


def test_observers_are_in_the_id():
    ids = {
        run_id(PROTOCOL.override({"record.observers": observers}), 0, "numpy", "")
        for observers in ((), (MeanPotential(),), (MeanPotential(population="i"),))
    }
    assert len(ids) == 3


def test_tables_say_in_few_words_who_looked(tmp_path):
    for population in ("e", "i"):
        observers = (MeanPotential(population=population),)
        simulate(PROTOCOL.override({"record.observers": observers}), backend=QUICK, out=tmp_path)
    for population, text in zip(
        "ei", sorted(tabulate(tmp_path)["set.record.observers"]), strict=True
    ):
        pattern = rf"MeanPotential\(population {population}; code [0-9a-f]{{8}}\)"
        assert re.fullmatch(pattern, text), text


def test_a_resumed_run_has_looked_as_often(tmp_path, interrupting):
    whole = simulate(PROTOCOL, seed=1, backend=QUICK, out=tmp_path / "whole").arrays
    how = {"seed": 1, "backend": QUICK, "out": tmp_path / "cut"}
    with pytest.raises(KeyboardInterrupt):
        simulate(PROTOCOL, progress=interrupting(4), **how)
    listening = interrupting(None)
    again = simulate(PROTOCOL, progress=listening, **how).arrays
    assert listening.told[0] == "resumed" and listening.told[-1] == "metrics"
    assert whole.keys() == again.keys()
    assert all(np.array_equal(whole[key], again[key]) for key in whole)


@pytest.mark.parametrize(
    ("observers", "parts"),
    [
        ((MeanPotential(), MeanPotential(population="i")), ("record.observers", "potential")),
        ((3,), ("record.observers", "3")),
        ((Nameless(),), ("record.observers", "'' of a Nameless", "write name = ")),
        ((Taken(),), ("record.observers", "'weights'", "a name of its own")),
    ],
)
def test_mistakes_are_explained(observers, parts):
    with pytest.raises(BrainsleepError) as caught:
        PROTOCOL.override({"record.observers": observers})
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_metrics_say_what_they_mean():
    metrics = [metric for each in PROTOCOL.record.observers for metric in each.metrics]
    assert definition("potential_after_sleep_mv", more=metrics).unit == "mV"
    assert definition("potential_after_sleep_mv") is None
    assert definition("rate_wake_e_hz").unit == "Hz"


def told_to_be_up(record):
    """Ten neurons that spike every 10 ms in some spans, awake for 1 s and asleep for 2, twice."""
    n, spans = 10, ((0.5, 0.7), (1.4, 1.6), (2.0, 2.3), (3.1, 3.6), (4.5, 4.7), (5.2, 5.3))
    times = np.concatenate([np.arange(100 * a, 100 * b) + 0.5 for a, b in spans]) * 10
    neurons, times = np.tile(np.arange(n), len(times)), np.repeat(np.round(times), n)
    periods = []
    for begin in (0, 3000):
        for kind, long in ((awake, 1000), (asleep, 2000)):
            inside = (times >= begin) & (times < begin + long)
            train = SpikeTrains(neurons[inside], (times[inside] - begin) * ms)
            periods.append(kind(long * ms, inputs={"e": train}, input=1))
            begin += long
    population = Population(name="e", size=n, model=SPIKE_SOURCE)
    network = NetworkSpec(name="told", populations=(population,), dt=1 * ms)
    return Protocol(
        name="told", network=network, schedule=Timeline(periods=tuple(periods)), record=record
    )


def test_up_states_by_hand(tmp_path):
    """Asleep from 1 to 3 and 4 to 6 s: up from 0.4, 1.0 of the first, 0.5 and 1.2 of the second."""
    protocol = told_to_be_up(Record(spikes=("e",), observers=(UpStates(),)))
    metrics = simulate(protocol, seed=1, backend=QUICK, out=tmp_path).metrics
    found = {key: value for key, value in metrics.items() if key.startswith(("up_", "down_"))}
    assert found == pytest.approx(
        {
            "up_number_e": 4,
            "up_frequency_e_hz": 1.0,
            "up_early_e_hz": 1.0,
            "up_late_e_hz": 1.0,
            "up_duration_e_s": (0.2 + 0.3 + 0.2 + 0.1) / 4,
            "down_duration_e_s": (0.4 + 0.5) / 2,
            "up_rate_e_hz": 100.0,
            "down_rate_e_hz": 0.0,
            "up_variation_e": 0.05 / 0.65,  # of 0.6 and 0.7 s
        }
    )
    assert definition("up_duration_e_s", more=UpStates.metrics).unit == "s"


@pytest.mark.parametrize("record", [{}, {"spikes": ("e",), "windows": ((0 * ms, 5 * ms),)}])
def test_up_states_want_all_spikes(record):
    with pytest.raises(BrainsleepError, match=r"name populations in record\.spikes"):
        Record(observers=(UpStates(),), **record)
    told_to_be_up(Record(observers=(UpStates(),), spikes=("e",)))  # as the message says
