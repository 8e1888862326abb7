"""Foraging (Golden et al. 2022): map, rule and field by themselves, then all of it, briefly."""

import dataclasses

import numpy as np
import pytest
from brian2 import ms
from conftest import QUICK, needs_compiler

from brainsleep import NetworkSpec, OneToOne, Population, Projection
from brainsleep.backends.base import make_backend
from brainsleep.models.foraging import (
    ELIGIBLE,
    HIDDEN,
    LEARN,
    OUTPUT,
    PAIRING,
    SCALE,
    SEEN,
)
from brainsleep.protocols.foraging import (
    CONDITIONS,
    MOVES,
    PROTOCOL,
    SHAPES,
    TASKS,
    Field,
    _steps_of,
    blind_share,
    ceiling,
    go,
    lasting,
    taught,
)
from brainsleep.run.segment import Segment
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state


def by_hand(pulse, lasts, steps):
    """Return `v` of the map in every step, and when it spikes."""
    v = last = -0.94
    u = -0.94 - 3.65 / 1.94
    seen, spikes = [], []
    for step in range(steps):
        i = pulse if step < lasts else 0.0
        force = u + 0.133 * i
        if v <= 0:
            new = 3.65 / (1 - v) + force
        elif v < 3.65 + force and last <= 0:
            new = 3.65 + force
        else:
            new = -1.0
            spikes.append(step)
        u += 0.0005 * (0.06 - 1 - v + max(i, 0))
        last, v = v, max(new, -1.0)
        seen.append(v)
    return np.array(seen), spikes


def segment(spec, steps, stimulus, signals=None):
    """Make slots of so many steps with all gates open."""
    n = len(steps)
    return Segment(
        steps=np.array(steps),
        stimulus=stimulus,
        gates={gate: np.ones(n) for gate in spec.gates},
        onset=np.arange(n) == 0,
        phase=np.full(n, "wake"),
        raster=np.ones(n, bool),
        signals=signals or {},
    )


@pytest.mark.parametrize("pulse", [0.05, 1.0])
def test_map_step_by_step(pulse):
    model = SEEN.with_parameters(pulse=pulse)
    spec = NetworkSpec(
        name="one",
        populations=(Population(name="input", size=1, model=model),),
        dt=0.5 * ms,
    )
    v, spikes = by_hand(pulse, 5, 200)
    backend, state = make_backend("numpy", spec), initial_state(spec, 0)
    end, recording = backend.advance(state, segment(spec, [200], np.ones((1, 1))), seed=0)
    assert recording.spikes["input"][0].tolist() == spikes
    assert end.arrays["input.v"][0] == pytest.approx(v[-1], rel=1e-9)
    end, _ = backend.advance(state, segment(spec, [17], np.ones((1, 1))), seed=0)
    assert end.arrays["input.v"][0] == pytest.approx(v[16], rel=1e-9)
    assert bool(spikes) == (pulse == 1.0)


def forced(model, step):
    """Return a model of a cell that spikes in that step of an epoch, and in no other."""
    return dataclasses.replace(model, threshold=f"int(t/dt + 0.5) % 200 == {step}")


@pytest.mark.parametrize(("pre", "post", "sign"), [(10, 30, 1), (30, 10, -1)])
def test_reward_makes_pairs_changes_of_weights(pre, post, sign):
    """Two synapses: a pair 10 ms apart at the first, then a reward, which changes its weight.

    The spikes of the next epoch, 100 ms later, pair with none of the one before.
    """
    unlinked = HIDDEN.equations.replace("n_mean : 1 (linked)", "")
    cell = dataclasses.replace(forced(HIDDEN, pre), equations=unlinked)
    spec = NetworkSpec(
        name="two",
        populations=(
            Population(name="a", size=1, model=cell),
            Population(name="b", size=1, model=forced(OUTPUT, post)),
        ),
        projections=(
            Projection(
                name="act",
                source="a",
                target="b",
                synapse=ELIGIBLE,
                connectivity=OneToOne(),
                weights=0.012,
                w_max=0.1,
                rules=(PAIRING,),
                processes=(LEARN.with_parameters(n_sources=2),),
            ),
        ),
        signals={"reward": 0.0, "tonic": 0.0},
        input="",
        dt=0.5 * ms,
    )
    slots = segment(spec, [200, 200], np.zeros((2, 0)), {"reward": np.array([0.0, 1.0])})
    end, recording = make_backend("numpy", spec).advance(initial_state(spec, 0), slots, seed=0)
    assert recording.counts["a"].tolist() == recording.counts["b"].tolist() == [[1], [1]]
    eligible = sign * 0.04 * np.exp(-10 / 40)
    average = 0.02 * abs(eligible) / 2
    assert average < 0.001  # so that the least counts
    change = 0.03 * eligible / 0.001
    expected = 0.012 * (1 + change * (1 - (sign > 0) * 0.012 / 0.1))
    assert end.weights("act") == pytest.approx([expected], rel=1e-9)
    assert end.arrays["act.fresh"] == pytest.approx([eligible], rel=1e-9)  # of the second epoch


def test_scaling_restores_sums():
    (act,) = [each for each in PROTOCOL.network.projections if each.name == "act"]
    assert SCALE.parameters["w_mean"] == act.weights


def fields(task, steps, policy):
    """Let an agent act; check the field at each step; return rewarded and punished particles."""
    field = Field(f"{task}:{steps}", reward=1.0, punishment=-0.5)
    field.reset(seed=7)
    rng, eaten = np.random.default_rng(1), [0, 0]
    for step in range(steps):
        seen, brings, ended, _, _ = field.step(policy(field, rng))
        assert seen.shape == (7, 7) and seen[3, 3] == 0
        if step % 50 == 0:
            assert (field.grid >= 0).sum() == 2 * field.n == 250
            for number, pixels in enumerate(field.places):
                assert field.pixels(number, pixels[0]) == pixels
                near = {n for pixel in pixels for n in field._around(pixel, field.near)}
                assert near <= {-1, number}
        if ended:
            eaten[int(brings < 0)] += 1
            field.reset()
    return eaten


def at_random(field, rng):
    return int(rng.integers(8))


def greedy(field, rng):
    """Go to a rewarded neighbour; else to one that is empty."""
    (y, x), empty = field.at, 8
    for action, (down, right) in enumerate(MOVES):
        number = field.grid[(y + down) % field.side, (x + right) % field.side]
        if number >= 0 and field.kind(number) == 0:
            return action
        if number < 0 and (empty == 8 or action == field.move):
            empty = action
    return empty


@pytest.mark.parametrize("task", TASKS)
def test_field(task):
    good, bad = fields(task, 3000, at_random)
    assert good + bad > 100
    assert abs(good / (good + bad) - 0.5) < 3 * 0.5 / np.sqrt(good + bad)
    better, worse = fields(task, 1000, greedy)
    assert better / (better + worse) > 0.85
    assert {SHAPES[kind] for kind in TASKS[task]} <= set(SHAPES.values())


def test_tasks_take_turns():
    assert _steps_of("1:5 21:5/2") == [(5, "1"), (7, "2"), (9, "1"), (10, "2")]
    field = Field("1:2 2:3")
    field.reset(seed=1)
    names = []
    for _ in range(4):
        _, _, ended, cut_short, _ = field.step(8)
        if ended or cut_short:
            field.reset()
        names.append(field.task)
    assert names == ["1", "2", "2", "2"]


def test_same_seed_same_field():
    lives = []
    for _ in range(2):
        field = Field("1:9")
        seen = [field.reset(seed=3)[0]]
        seen += [field.step(action)[0] for action in range(9)]
        lives.append(np.array(seen))
    np.testing.assert_array_equal(*lives)


def test_direction_alone_decides_a_share():
    """Northwest meets horizontal particles twice as often as those along its own diagonal."""
    assert blind_share("1", np.zeros(2000, int), 4) == pytest.approx(2 / 3, abs=0.06)
    assert blind_share("1", np.full(2000, 3), 4) == pytest.approx(1 / 3, abs=0.06)
    assert blind_share("2", np.zeros(2000, int), 4) == pytest.approx(1 / 2, abs=0.06)


def test_weights_by_hand():
    network = taught("1", lift=3.0)
    (act,) = [each for each in network.projections if each.name == "act"]
    raised = np.asarray(act.weights.numbers) > 0.02
    # nine of 48 cells of the field: both pixels of either particle, less those that are twice
    assert 0.03 < raised.mean() < 0.08
    assert ceiling(5).schedule.n_periods == 2


def test_moves():
    rng = np.random.default_rng(0)
    assert go({"output": np.array([0, 2, 0, 5, 0, 0, 0, 0])}, rng) == 3
    assert go({"output": np.zeros(8, int)}, rng) == 8
    assert {go({"output": np.eye(8, dtype=int)[2] + np.eye(8, dtype=int)[6]}, rng)
            for _ in range(50)} == {2, 6}  # fmt: skip


def test_all_conditions_build():
    names = {condition.name for condition in CONDITIONS}
    assert {"sleep", "no sleep", "rest", "frozen", "rates of other cells"} <= names
    for condition in CONDITIONS:
        changed = PROTOCOL.override(dict(condition.changes))
        slots = changed.task.nominal_slots(changed)
        awake_only = {"no sleep", "both tasks in turns", "frozen"}
        assert (slots.phase == "sleep").any() == (condition.name not in awake_only)
        until = _steps_of(changed.task.settings["tasks"])[-1][0]
        assert until == (slots.phase == "wake").sum()


@pytest.mark.long
@needs_compiler
def test_runs_and_goes_on(tmp_path):
    """A run that stops in the middle and goes on comes to the same bits."""
    short = lasting(30, 10, 10, turn=5)
    whole = simulate(short, seed=100, backend=QUICK, out=tmp_path / "whole")
    assert whole.arrays["counts/hidden"].sum() > 0
    assert {"share_t1_before", "eaten_t2_after"} <= set(whole.metrics)
    asleep = whole.arrays["slots/phase"] == "sleep"
    assert asleep.sum() == 10

    def progress(done, total, text):
        if done > 0.6 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(short, seed=100, backend=QUICK, out=tmp_path / "parts", progress=progress)
    parts = simulate(short, seed=100, backend=QUICK, out=tmp_path / "parts")
    for name in ("loop/action", "loop/reward", "snapshots/trained/act", "counts/hidden"):
        np.testing.assert_array_equal(whole.arrays[name], parts.arrays[name])


@pytest.mark.long
@needs_compiler
def test_learns_the_first_task(tmp_path):
    """It eats more of what is rewarded than its moves do in fields that nobody saw."""
    protocol = lasting(6000, 100, 1000, turn=50, sleep=None)
    metrics = simulate(protocol, seed=200, backend="cpp", out=tmp_path).metrics
    learned = {
        task: np.mean([metrics[f"share_{task}_{t}"] - metrics[f"blind_{task}_{t}"]
                       for t in ("before", "after")])
        for task in ("t1", "t2")
    }  # fmt: skip
    assert learned["t1"] > 0.06 > 0.03 > learned["t2"]
