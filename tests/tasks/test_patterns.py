"""Patterns stored in an attractor network, and recalled."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from brian2 import Hz, ms
from conftest import needs_compiler

from brainsleep import Schedule, simulate
from brainsleep.errors import BrainsleepError
from brainsleep.protocols.unlearning import spiking
from brainsleep.tasks.patterns import stored


def test_a_stored_protocol_finds_its_task_in_another_process(tmp_path):
    """Plain data find their class among those loaded, so reading loads every task."""
    path = tmp_path / "protocol.json"
    path.write_text(json.dumps(spiking(20, 2, dreams=1).describe()))
    code = (
        "import json, sys\n"
        "from brainsleep.results.parts import protocols\n"
        "made = protocols().Protocol.outlined(json.load(open(sys.argv[1])))\n"
        "print(type(made.task).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "Patterns"


def test_what_is_stored():
    patterns = np.array([[1, 1, -1], [1, -1, -1]])
    w = np.array([[0, 0, -2], [0, 0, 0], [-2, 0, 0]]) / 3
    np.testing.assert_allclose(stored(patterns), w)


def test_the_projector_keeps_every_pattern():
    patterns = np.random.default_rng(0).choice([-1, 1], (12, 30))
    kept = patterns.T @ np.linalg.pinv(patterns.T)
    w = stored(patterns, "projector")
    np.testing.assert_allclose(w, kept - np.diag(np.diag(kept)))
    np.testing.assert_allclose(kept @ patterns.T, patterns.T, atol=1e-12)


@needs_compiler
def test_weights_are_set_and_patterns_recalled(tmp_path):
    """At a low load, also from cues with a fifth of the units wrong; a copy is asked."""
    protocol = spiking(40, 3, dreams=2, flips=(0.0, 0.2), tests=2).override(
        {"schedule.periods.3.gates.plasticity": 0}
    )
    result = simulate(protocol, seed=1, out=tmp_path)
    patterns = result.arrays["recall/patterns"]
    assert patterns.shape == (3, 40) and set(patterns.ravel()) == {-1, 1}
    pre, post = result.arrays["synapses/ee"].T
    assert not np.any(pre % 40 == post % 40) and len(pre) == 80 * 78
    sign = np.where(pre < 40, 1, -1) * np.where(post < 40, 1, -1)
    w = sign * stored(patterns)[post % 40, pre % 40]
    np.testing.assert_array_equal(result.arrays["snapshots/initial/ee"], w)
    np.testing.assert_array_equal(result.arrays["snapshots/trained/ee"], w)
    assert result.metrics["recall_before_0"] == result.metrics["recall_after_0"] == 1
    assert result.metrics["recall_before_20"] > 0.95 and result.metrics["dreams"] == 0
    more = simulate(protocol.override({"task.flips": (0.1,)}), seed=1, out=tmp_path)
    np.testing.assert_array_equal(more.arrays["counts/e"], result.arrays["counts/e"])
    assert more.arrays["recall/overlap"].shape == (2, 1, 3)


@needs_compiler
def test_what_a_period_sets_comes_beside_what_the_task_sets(tmp_path):
    protocol = spiking(8, 1, dreams=1, tests=1).override({"schedule.periods.3.gates.plasticity": 0})
    *before, last = protocol.schedule.periods
    periods = (*before, dataclasses.replace(last, settings={"ee.w": 0.25}))
    schedule = dataclasses.replace(protocol.schedule, periods=periods)
    result = simulate(dataclasses.replace(protocol, schedule=schedule), seed=1, out=tmp_path)
    assert np.any(result.arrays["snapshots/initial/ee"] != 0.25)
    assert np.all(result.arrays["snapshots/trained/ee"] == 0.25)


@pytest.mark.parametrize("change, said", [
    ({"task.population": "x"}, "patterns.population: got 'x'; expected a population whose model"),
    ({"task.projection": "x"}, "patterns.projection: got 'x'; expected a projection of 'e' onto"),
    ({"task.read": 700 * ms}, "patterns.read: got 0.7 s; expected at most 0.5 s"),
    ({"task.flips": ()}, "patterns.flips: got none; expected one share or more"),
    ({"task.free": 500.5 * ms}, "patterns.free"),
    ({"network.populations.e.size": 81}, "patterns.pairs: got 81 neurons in 'e'"),
    ({"schedule": Schedule()}, "schedule of patterns: got a Schedule; expected a Timeline"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(change, said):
    with pytest.raises(BrainsleepError) as error:
        spiking(40, 3, dreams=1).override(change)
    assert said in str(error.value)


def test_a_cue_of_another_unit_is_refused():
    protocol = spiking(20, 2, dreams=1)
    task = dataclasses.replace(protocol.task, strength=3 * Hz)
    with pytest.raises(BrainsleepError, match=r"patterns.strength: got 3. Hz; expected a value in"):
        dataclasses.replace(protocol, task=task)


def test_a_projection_with_one_sign_is_refused():
    protocol = spiking(20, 2, dreams=1)
    (ee,) = protocol.network.projections
    ee = dataclasses.replace(ee, sign=1, w_min=0.0, processes=())
    network = dataclasses.replace(protocol.network, projections=(ee,))
    with pytest.raises(
        BrainsleepError, match=r"patterns.projection: got 'ee' from 'e' to 'e', sign=1"
    ):
        dataclasses.replace(protocol, network=network)
