"""A ReLU network that learns task after task, and sleeps as a spiking network."""

import dataclasses
import itertools

import numpy as np
import pytest
from brian2 import Hz, ms

from brainsleep import (
    Connectivity,
    Data,
    Protocol,
    ReluTasks,
    Tasks,
    Timeline,
    asleep,
    awake,
    simulate,
)
from brainsleep.errors import BrainsleepError, DataError, NotFiniteError, ProtocolError
from brainsleep.experiment.task import Change
from brainsleep.models.sleep_replay import Constants, sleep_replay
from brainsleep.run.state import initial_state, replaced
from brainsleep.show.definitions import definition
from brainsleep.show.methods import methods
from brainsleep.tasks.relu import course as course_module
from brainsleep.tasks.relu.course import ReluCourse
from brainsleep.tasks.relu.learning import Training, activities, credited, gains, learn
from brainsleep.tasks.relu.outcomes import OUTCOMES

SMALL = Constants(800.0, 0.05, 0.005, (1.0, 1.0, 1.0), 10.0)
LEARNING = awake(1 * ms, input=0, plasticity=0)
PERIODS = (LEARNING, asleep(60 * ms, input=1), asleep(3 * ms))


def protocol(n_tasks=3, times=None, **changes):
    """Three tasks of 8x8 digits, and a sleep of 60 ms after each."""
    classes = ((0, 1), (2, 3), (4, 5))[:n_tasks]
    settings = {
        "rate": SMALL.rate * Hz,
        "data": Data(source="digits", n_train=200, n_readout=0, n_test=100),
        "tasks": Tasks(classes=classes),
        "training": Training(batches=30, batch=20),
        "calibration": 20,
    }
    given = {k: changes.pop(k) for k in [*changes] if k in ("network", "schedule")}
    own = {
        "name": "relu",
        "network": sleep_replay(SMALL, side=8, hidden=(30, 20), width=4, start=0.3),
        "schedule": Timeline(periods=PERIODS, times=times or n_tasks, slot=20 * ms),
        "task": ReluTasks(**(settings | changes)),
    }
    return Protocol(**(own | given))


# -- the ReLU network ----------------------------------------------------------------------------


def network(rng, sizes=(6, 5, 4), low=0.05):
    """Weights and images above 0, so that all units are active."""
    weights = [rng.uniform(low, 0.5, shape) for shape in itertools.pairwise(sizes)]
    return weights, rng.random((8, sizes[0]))


def test_it_goes_down_the_gradient_with_momentum():
    """Two steps of batches of all images, against differences of the error."""
    rng = np.random.default_rng(1)
    weights, images = network(rng)
    targets = np.eye(4)[rng.integers(0, 4, 8)]
    training = Training(batches=2, batch=8, lr=0.01, momentum=0.5, dropout=0.0)

    def error(weights):
        answers = activities(weights, images, 0.0)[-1]
        return 0.5 * np.sum((answers - targets) ** 2) / len(images)

    expected = [w.copy() for w in weights]
    velocities = [np.zeros_like(w) for w in weights]
    for _ in range(2):
        changes = []
        for k, w in enumerate(expected):
            change = np.zeros_like(w)
            for place in np.ndindex(w.shape):
                both = []
                for step in (1e-6, -1e-6):
                    moved = [each.copy() for each in expected]
                    moved[k][place] += step
                    both.append(error(moved))
                change[place] = (both[0] - both[1]) / 2e-6
            changes.append(change)
        for w, velocity, change in zip(expected, velocities, changes, strict=True):
            velocity[:] = 0.5 * velocity + 0.01 * change
            w -= velocity
    kept = [np.zeros_like(w) for w in weights]
    learn(weights, kept, images, targets, training, rng)
    for one, other in zip([*weights, *kept], [*expected, *velocities], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-8)


def test_outputs_below_zero_learn_too_and_silent_units_do_not():
    """The slope of the output is 1 throughout; of hidden units it is 0 below 0."""
    weights = [np.array([[1.0, -1.0]]), np.array([[-1.0], [1.0]])]
    velocities = [np.zeros_like(w) for w in weights]
    training = Training(batches=1, batch=1, lr=0.1, momentum=0.0, dropout=0.0)
    images, targets = np.ones((1, 1)), np.ones((1, 1))
    learn(weights, velocities, images, targets, training, np.random.default_rng(0))
    np.testing.assert_allclose(weights[1], [[-0.9], [1.0]])  # error -1, hidden 1 and 0
    np.testing.assert_allclose(weights[0], [[0.9, -1.0]])


def test_dropout_silences_units_while_it_learns():
    """A quarter of the hidden units of each image; all are scaled where it does not learn."""
    rng = np.random.default_rng(2)
    ones = [np.ones((1, 4000)), np.zeros((4000, 1))]
    velocities = [np.zeros_like(w) for w in ones]
    training = Training(batches=1, batch=1, lr=0.1, momentum=0.0, dropout=0.25)
    learn(ones, velocities, np.ones((1, 1)), np.ones((1, 1)), training, rng)
    silent = float((ones[1] == 0).mean())
    assert silent == pytest.approx(0.25, abs=0.03)
    hidden, answer = activities([np.ones((2, 3)), np.ones((3, 1))], np.ones((1, 2)), 0.25)
    assert hidden.tolist() == [[1.5, 1.5, 1.5]] and answer.tolist() == [[4.5]]


def test_every_image_is_learned_once_a_round():
    """Batches of four of ten images: two are left out of each round."""
    seen, rng = [], np.random.default_rng(3)
    training = Training(batches=4, batch=4)
    for chosen in course_module.learn.__globals__["_batches"](10, training, rng):
        seen.append(set(chosen.tolist()))
    assert [len(each) for each in seen] == [4, 4, 4, 4]
    assert not seen[0] & seen[1] and not seen[2] & seen[3]


def test_gains_by_hand():
    """Each layer over the larger of weight and activity, times what the one before was over."""
    weights = [np.array([[2.0, -3.0]]), np.array([[0.25], [1.0]])]
    images = np.array([[0.5], [3.0]])
    # activities: 0.75*max(2*3) = 4.5; output 0.25*4.5 = 1.125; largest weights 2 and 1
    assert gains(weights, images, 0.25) == [1 / 4.5, 4.5 / 1.125]
    assert gains([np.zeros((1, 2))], images, 0.25) == [1.0]


def test_ties_count_in_part():
    answers = np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    assert credited(answers, np.array([0, 1, 1])).tolist() == [0.25, 0.5, 1.0]
    assert credited(answers, np.array([3, 3, 0])).tolist() == [0.25, 0.0, 0.0]


def test_outcomes_are_matched_to_the_sleep():
    rng = np.random.default_rng(4)
    before, after = rng.normal(size=(50, 7)), rng.normal(size=(50, 7))
    made = {k: f(before, after, rng) for k, f in OUTCOMES.items() if f}
    permuted = made["permuted"] - before
    np.testing.assert_allclose(np.sort(permuted, axis=0), np.sort(after - before, axis=0))
    assert not np.allclose(permuted, after - before)
    np.testing.assert_allclose(made["even"].sum(axis=0), after.sum(axis=0))
    assert np.ptp(made["even"] - before, axis=0).max() < 1e-12
    norm = np.linalg.norm
    assert norm(made["layer scaled"]) == pytest.approx(norm(after))
    np.testing.assert_allclose(norm(made["units scaled"], axis=0), norm(after, axis=0))
    norms = norm(made["equalised"], axis=0)
    np.testing.assert_allclose(norms, norm(before, axis=0).mean())
    negative = [np.minimum(w, 0).sum(axis=0) for w in (made["negatives scaled"], after)]
    np.testing.assert_allclose(*negative)
    assert np.array_equal(np.maximum(made["negatives scaled"], 0), np.maximum(before, 0))


# -- a whole run ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return simulate(protocol(), seed=1, backend="numpy", out=tmp_path_factory.mktemp("relu"))


def test_it_learns_and_sleeps_and_learns(result):
    scores = result.arrays["relu/accuracy"]
    assert scores.shape == (3, 2, 4) and not np.isnan(scores).any()
    assert scores[0, 0, 1] > 0.8  # the two classes that were just learned
    assert result.metrics["relu_accuracy"] == scores[2, 1, 0]
    assert result.metrics["relu_accuracy_after_2_before"] == scores[1, 0, 0]
    assert result.metrics["relu_accuracy_of_3"] == scores[2, 1, 3]
    assert result.metrics["relu_spikes_input"] > 1 < result.metrics["relu_spikes_hidden_1"]
    for name in result.metrics:
        if name.startswith("relu_"):
            assert definition(name, result.described), name
    changed = result.arrays["snapshots/trained/w_1"] - result.arrays["snapshots/initial/w_1"]
    assert np.abs(changed).max() > 0.05


def test_scores_are_of_the_weights(result):
    """The last ones by hand, of the weights that the run ended with."""
    made = protocol()
    course = made.course(1, made.open({}))
    shapes = [(64, 30), (30, 20), (20, 10)]
    w = [
        result.arrays[f"snapshots/trained/w_{k + 1}"].reshape(shape).astype(np.float32)
        for k, shape in enumerate(shapes)
    ]
    labels, images = course._test_labels, course._test
    assert set(labels) == set(range(6))
    hidden = np.maximum(np.maximum(images @ w[0], 0) * 0.75 @ w[1], 0) * 0.75
    answers = np.maximum(hidden @ w[2], 0)
    right = credited(answers, labels).mean()
    assert result.metrics["relu_accuracy"] == pytest.approx(right, abs=1e-6)
    assert result.metrics["relu_silent"] == pytest.approx((answers.max(axis=1) <= 0).mean())


def test_no_sleep_changes_nothing(result, tmp_path):
    """Learning alone, and sleep with all gates closed, are the same."""
    awake_only = protocol(schedule=Timeline(periods=(LEARNING,), times=3, slot=20 * ms))
    one = simulate(awake_only, seed=1, backend="numpy", out=tmp_path)
    still = (LEARNING, asleep(60 * ms, plasticity=0, input=1))
    two = simulate(protocol(schedule=Timeline(periods=still, times=3, slot=20 * ms)), seed=1,
                   backend="numpy", out=tmp_path)  # fmt: skip
    for name in ("relu/accuracy", "relu/calibrated", "snapshots/trained/w_2"):
        np.testing.assert_array_equal(one.arrays[name], two.arrays[name])
    assert np.array_equal(one.arrays["relu/accuracy"][:, 0], one.arrays["relu/accuracy"][:, 1])
    assert "relu_spikes_input" not in one.metrics
    same = one.arrays["relu/accuracy"][0, 0] == result.arrays["relu/accuracy"][0, 0]
    assert same.all() and one.run_id != result.run_id


def test_a_run_that_was_interrupted(tmp_path, interrupting):
    """It has its velocities, and the weights from before the sleep, and learns no task twice."""
    made = protocol(outcome="permuted")
    whole = simulate(made, seed=2, backend="numpy", out=tmp_path / "whole")
    how = {"seed": 2, "backend": "numpy", "out": tmp_path / "cut"}
    with pytest.raises(KeyboardInterrupt):
        simulate(made, progress=interrupting(3), **how)
    listening = interrupting(None)
    again = simulate(made, progress=listening, **how)
    assert listening.told[0] == "resumed"
    assert_same(whole, again)


def test_an_interruption_between_a_change_and_its_slot(result, tmp_path, monkeypatch):
    """What was learned before a slot is in the checkpoint, and is not learned again."""
    change, slots = ReluCourse.change, []

    def counted(self, view):
        slots.append(view.slot)
        return change(self, view)

    def interrupt(self, view):
        if len(slots) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ReluCourse, "change", counted)
    how = {"seed": 1, "backend": "numpy", "out": tmp_path}
    with monkeypatch.context() as patch:
        patch.setattr(ReluCourse, "ending", interrupt)  # which is asked after the change
        with pytest.raises(KeyboardInterrupt):
            simulate(protocol(), **how)
    again = simulate(protocol(), **how)
    assert len(slots) == len(set(slots)) == 4
    assert_same(result, again)


def assert_same(one, other):
    """Two results are the same."""
    assert one.arrays.keys() == other.arrays.keys()
    for name, value in one.arrays.items():
        np.testing.assert_array_equal(other.arrays[name], value, err_msg=name)
    assert one.metrics == other.metrics


def test_all_classes_mixed(tmp_path):
    mixed = protocol(schedule=Timeline(periods=(LEARNING,), times=3))
    mixed = mixed.override({"tasks.mixed": True, "training.batches": 60})
    metrics = simulate(mixed, seed=1, backend="numpy", out=tmp_path).metrics
    assert metrics["relu_accuracy"] > 0.7 < metrics["relu_nearest"]


def test_what_pixels_are_given():
    """The mean image of what was learned, before each sleep and in it."""
    made = protocol(2)
    material = made.open({})
    images, labels = material.content.images, material.content.labels
    for settings in ({}, {"seen": "current"}, {"image": "white"}):
        course = made.override(settings).course(1, material)
        index = course_module.split(
            material.content, 200, 0, 100, course_module.stream(1, "data")
        ).train.index
        rates = course.stimulus(0, len(course.table))
        assert len(rates) == 2 * (1 + 3 + 1)
        for n_tasks, rows in ((1, rates[:5]), (2, rates[5:])):
            classes = [0, 1, 2, 3][: 2 * n_tasks]
            classes = classes[-2:] if "seen" in settings else classes
            chosen = index[np.isin(labels[index], classes)]
            mean = images[chosen].mean(axis=0).ravel() / 255
            mean = np.full_like(mean, mean.mean()) if "image" in settings else mean
            np.testing.assert_allclose(rows, [800 * mean] * 5, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": Timeline(periods=PERIODS, times=2)}, r"periods awake: got 2; expected 3"),
        (
            {"layers": ("w_1", "w_3")},
            r"'w_3': got from 'hidden_2'; expected from 'hidden_1'",
        ),
        ({"layers": ("w_1", "ww")}, r"layers: got 'ww'; expected one of w_1, w_2, w_3"),
        ({"gain": "gains"}, r"gain: got 'gains'; expected a variable of 'hidden_1': v, drive, "),
        ({"tasks": Tasks()}, r"tasks: got none; expected groups of classes"),
        ({"tasks": Tasks(classes=((0, 1), (2, 3), (4, 12)))}, r"output: got 10; expected at least"),
        ({"data": Data(n_train=100)}, r"data.n_readout: got 500; expected 0"),
        (
            {"schedule": Timeline(periods=(LEARNING, asleep(9 * ms, rate=9 * Hz)), times=3)},
            r"stimulus of 'input': got one; expected none",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(BrainsleepError, match=message):
        protocol(**changes)


def test_layers_are_dense_and_have_signs():
    net = protocol().network
    for change in ({"connectivity": Connectivity(p=0.5)}, {"sign": 1, "w_min": 0.0, "weights": 0}):
        first = dataclasses.replace(net.projections[0], **change)
        other = dataclasses.replace(net, projections=(first, *net.projections[1:]))
        with pytest.raises(ProtocolError, match=r"layers: 'w_1': got others; expected all neurons"):
            protocol(network=other)


def test_a_task_without_images_is_an_error(tmp_path):
    few = protocol().override({"tasks.classes": ((0, 1), (2, 3), (4, 5)), "data.n_train": 3})
    with pytest.raises(DataError, match=r"no training image of task \d"):
        simulate(few, seed=1, backend="numpy", out=tmp_path)


def test_it_is_told_in_words():
    text = methods(protocol(outcome="permuted"))
    assert "Weights of \\texttt{w\\_1}, \\texttt{w\\_2} and \\texttt{w\\_3} are those of" in text
    assert "the next of 3 tasks (0 and 1; 2 and 3; 4 and 5) of 200 images of digits" in text
    assert "replaced by a control (permuted)" in text
    assert "control" not in methods(protocol())


# -- what a task may set -------------------------------------------------------------------------


def test_arrays_that_a_task_sets_fit_the_state():
    state = initial_state(protocol().network, 1)
    new = replaced(state, {"hidden_1.gain": np.full(30, 1 / 3)}, "float32")
    assert np.all(new.arrays["hidden_1.gain"] == np.float32(1 / 3))
    assert new.arrays["w_1.w"] is state.arrays["w_1.w"]
    with pytest.raises(ProtocolError, match=r"it sets 'hidden_1.gian'; did you mean|expected"):
        replaced(state, {"hidden_1.gian": np.ones(30)}, "float64")
    with pytest.raises(ProtocolError, match=r"shape of 'w_1.w', which it sets: got \(3,\)"):
        replaced(state, {"w_1.w": np.ones(3)}, "float64")
    with pytest.raises(NotFiniteError, match=r"1 of 30 values.*as the task set them"):
        replaced(state, {"hidden_1.gain": np.r_[np.nan, np.ones(29)]}, "float64")


def test_a_course_changes_nothing_by_default():
    class Idle(course_module.TimelineCourse):
        pass

    view = type("view", (), {"kept": {"a": np.ones(2)}})
    made = object.__new__(Idle)
    assert made.changes == () and made.change(view) == Change(kept=view.kept)
