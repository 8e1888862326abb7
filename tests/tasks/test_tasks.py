"""Classes learned task after task: order of images, sleeps at the ends of tasks, accuracies."""

import contextlib
import dataclasses

import numpy as np
import pytest
from brian2 import ms, second
from conftest import QUICK, TINY
from hypothesis import given
from hypothesis import strategies as st

from brainsleep.backends.base import backend_identity
from brainsleep.errors import DataError, ProtocolError, ScheduleError
from brainsleep.experiment.observer import View
from brainsleep.experiment.protocol import load_protocol, run_id
from brainsleep.experiment.schedule import Schedule, sleep
from brainsleep.experiment.slots import Order
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.results.store import read_result
from brainsleep.run.observers.recorder import Recorder
from brainsleep.run.segment import Capacity, Recording
from brainsleep.run.simulate import simulate
from brainsleep.tasks.images.continual import Tasks
from brainsleep.tasks.images.datasets import Samples, Split
from brainsleep.tasks.images.measure import accuracy_matrices, decisions, task_metrics
from brainsleep.tasks.images.observers import TaskProbe
from brainsleep.tasks.images.task import Images
from brainsleep.values.plain import plain

GATES = ("input", "plasticity", "noise", "decay")
LABELS = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 2, 4])
PAIRS = Tasks(classes=((0, 1), (2, 3)))


def rng(seed=0):
    return np.random.default_rng(seed)


def compiled(order, *, batch=1, **settings):
    settings = {"image_duration": 100 * ms, "period": 1 * second, **settings}
    return Schedule(**settings).compile(order, 0, 1, GATES, 1 * ms, batch)


# -- order -------------------------------------------------------------------------------------


def test_without_tasks_images_come_as_they_are_and_later_epochs_shuffled():
    order = Tasks().order(LABELS, 3, rng())
    assert order.image[:11].tolist() == list(range(11))
    assert sorted(order.image[11:22]) == list(range(11))
    assert order.image[11:22].tolist() != order.image[22:].tolist()
    assert set(order.task) == {0}
    assert order.epoch.tolist() == [0] * 11 + [1] * 11 + [2] * 11


def test_tasks_come_one_after_the_other_and_other_classes_not_at_all():
    order = PAIRS.order(LABELS, 2, rng())
    assert order.image[:5].tolist() == [0, 1, 4, 5, 8]
    assert sorted(order.image[5:10]) == [0, 1, 4, 5, 8]
    assert order.image[10:15].tolist() == [2, 3, 6, 7, 9]
    assert order.task.tolist() == [0] * 10 + [1] * 10
    assert 10 not in order.image  # class 4 is in no task


def test_mixed_shows_the_same_images_in_as_many_parts():
    order = dataclasses.replace(PAIRS, mixed=True).order(LABELS, 1, rng())
    assert sorted(order.image) == list(range(10))
    assert order.task.tolist() == [0] * 5 + [1] * 5
    assert set(LABELS[order.image[:5]]) == {0, 1, 2, 3}


def test_rehearsal_replays_stored_images_of_earlier_tasks_only():
    tasks = dataclasses.replace(PAIRS, rehearsal=2.0, stored=1)
    order = tasks.order(LABELS, 1, rng())
    assert order.image[:5].tolist() == [0, 1, 4, 5, 8]  # nothing to replay yet
    later = order.image[5:]
    assert sorted(later[later > 1].tolist()) == [2, 3, 6, 7, 9]
    assert sum(np.isin(later, [0, 1])) == 10  # two a new image, all of them the one stored
    assert later[:5].tolist() != sorted(later)[:5]


@given(
    seed=st.integers(0, 100),
    epochs=st.integers(1, 3),
    rehearsal=st.sampled_from([0.0, 0.5, 1.0]),
    n=st.integers(4, 60),
)
def test_every_image_of_a_task_is_shown_once_an_epoch(seed, epochs, rehearsal, n):
    labels = np.concatenate([[0, 1, 2, 3], rng(seed).integers(0, 4, n)])
    tasks = dataclasses.replace(PAIRS, rehearsal=rehearsal, stored=3)
    order = tasks.order(labels, epochs, rng(seed))
    for task in (0, 1):
        own = np.flatnonzero(tasks.of(labels) == task)
        for epoch in range(epochs):
            here = order.image[(order.task == task) & (order.epoch == epoch)]
            assert sorted(here[np.isin(here, own)]) == own.tolist()
            assert len(here) == len(own) + round(rehearsal * len(own)) * task


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"classes": ((0, 1), (1, 2))}, ("tasks.classes", "each label in one")),
        ({"classes": ((0, 1), ())}, ("tasks.classes",)),
        ({"classes": ((-1,),)}, ("tasks.classes",)),
        ({"classes": (0, 1)}, ("tasks.classes", "groups of labels")),
        ({"mixed": 1}, ("tasks.mixed", "True or False")),
        ({"rehearsal": -0.5}, ("tasks.rehearsal", "at least 0")),
        ({"stored": 0}, ("tasks.stored", "at least 1")),
        ({"classes": ((0,), (1,)), "mixed": True, "rehearsal": 1.0}, ("exclude",)),
        ({"rehearsal": 1.0}, ("set tasks.classes",)),
    ],
)
def test_tasks_refuse(settings, words):
    with pytest.raises(ProtocolError) as caught:
        Tasks(**settings)
    assert all(word in str(caught.value) for word in words)


def test_a_task_without_images_is_an_error():
    with pytest.raises(DataError, match=r"no training image of task 1 \(7,\)"):
        Tasks(classes=((0,), (7,))).order(LABELS, 1, rng())


# -- schedule ----------------------------------------------------------------------------------


def test_a_task_ends_with_a_sleep_as_long_as_its_share_of_wake():
    order = Order(np.arange(24), np.repeat([0, 1], [13, 11]), np.zeros(24, int))
    table = compiled(order, sleep=sleep(0.5))
    asleep = table.phase == "sleep"
    # 10 images, sleep of 500 ms; 3 more, 150 ms; 10, 500 ms; 1 more, 50 ms
    assert np.flatnonzero(asleep).tolist() == [10, 14, 25, 27]
    assert table.steps[asleep].tolist() == [500, 150, 500, 50]
    assert table.task[asleep].tolist() == [0, 0, 1, 1]
    assert table.task[-1] == -1 and table.part[-1] == "test"


def test_a_short_sleep_at_the_end_of_a_task_is_not_rounded_away():
    order = Order(np.arange(24), np.repeat([0, 1], [12, 12]), np.zeros(24, int))
    table = compiled(order, sleep=sleep(0.5, max_duration=1 * ms))
    assert np.flatnonzero(table.phase == "sleep").tolist() == [10, 13, 24, 27]
    assert set(table.steps[table.phase == "sleep"]) == {1}


def test_without_tasks_the_last_sleep_still_needs_a_whole_period():
    assert np.sum(compiled(13, sleep=sleep(0.5)).phase == "sleep") == 1


def test_sleeps_of_fixed_length_come_as_often_as_the_fraction_says():
    for fraction, between in ((0.1, 10), (0.2, 5), (0.5, 2), (1.0, 1)):
        table = compiled(40, sleep=sleep(fraction, duration=100 * ms))
        asleep = np.flatnonzero(table.phase == "sleep")
        assert len(asleep) == 40 // between
        assert set(table.steps[asleep]) == {100}
        assert asleep[0] == between
    assert not np.any(compiled(40, sleep=sleep(0.0, duration=100 * ms)).phase == "sleep")
    short = compiled(40, sleep=sleep(0.5, duration=100 * ms, max_duration=1 * ms))
    assert set(short.steps[short.phase == "sleep"]) == {1}


def test_a_fraction_that_does_not_divide_is_right_on_average():
    table = compiled(300, sleep=sleep(0.3, duration=100 * ms))
    ratio = table.steps[table.phase == "sleep"].sum() / table.steps[table.phase == "wake"].sum()
    assert ratio == pytest.approx(0.3)


def test_batches_end_with_epochs_and_tasks():
    order = Order(np.arange(20), np.repeat([0, 1], [12, 8]), np.repeat([0, 1, 0, 1], [6, 6, 4, 4]))
    table = compiled(order, batch=4, sleep=sleep(1.0, duration=200 * ms))
    awake = table.phase == "wake"
    assert table.n_images[awake].tolist() == [4, 2, 4, 2, 4, 4]
    assert table.shown[awake].tolist() == [0, 4, 6, 10, 12, 16]
    assert table.image[awake].tolist() == [0, 4, 6, 10, 12, 16]
    assert np.flatnonzero(~awake).tolist() == [2, 5, 8, 9]  # a sleep every two batches
    assert set(table.steps[awake]) == {100}  # a batch takes the time of one image


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": 0}, ("schedule.epochs", "at least 1")),
        ({"epochs": True}, ("schedule.epochs",)),
        ({"sleep": sleep(0.5, duration=0.5 * ms)}, ("sleep.duration", "multiple")),
        ({"sleep": sleep(2.0, duration=100 * ms)}, ("wake between sleeps", "at least")),
    ],
)
def test_schedule_refuses(settings, words):
    with pytest.raises(ScheduleError) as caught:
        compiled(20, **settings)
    assert all(word in str(caught.value) for word in words)


# -- accuracies --------------------------------------------------------------------------------


def parts(n=40):
    labels = np.arange(n) % 4
    none = Samples(np.zeros((0, 8, 8), np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
    images = np.zeros((n, 8, 8), np.uint8)
    shown = Samples(images, labels, np.arange(n))
    return Split(none, shown, shown, none)


def responses(labels, order, seed=0):
    """Neuron order[c] spikes for class c, a little noise on all."""
    counts = rng(seed).poisson(0.3, (len(labels), 8))
    counts[np.arange(len(labels)), np.array(order)[labels]] += 20
    return counts


def test_matrices_of_a_network_that_forgets_by_drifting():
    """After task 1 the neurons of classes 0 and 1 have changed places; all can be told apart."""
    protocol = TINY.override({"tasks.classes": ((0, 1), (2, 3))})
    split = parts()
    labels = split.test.labels
    before, after = [0, 1, 2, 3], [1, 0, 2, 3]
    stages = [
        {"fit/e": responses(labels, order, 1), "test/e": responses(labels, order, 2)}
        for order in (before, after)
    ]
    found = accuracy_matrices(stages, protocol.task, protocol.network.output, split)
    assert set(found) == {"refitted", "fixed"}
    np.testing.assert_array_equal(found["refitted"], [[1, np.nan], [1, 1]])
    np.testing.assert_array_equal(found["fixed"], [[1, np.nan], [0, 1]])
    metrics = task_metrics(found)
    assert metrics["tasks_refitted_forgetting"] == 0
    assert metrics["tasks_fixed_forgetting"] == 1
    assert metrics["tasks_fixed_backward_transfer"] == -1
    assert metrics["tasks_fixed_accuracy"] == 0.5


def test_a_refitted_readout_chooses_among_the_classes_so_far():
    """Classes 0 and 2 share a neuron: task 0 is perfect until task 1 is there to mix it up."""
    protocol = TINY.override({"tasks.classes": ((0, 1), (2, 3))})
    split = parts(400)
    labels = split.test.labels
    stage = {
        "fit/e": responses(labels, [0, 1, 0, 3], 1),
        "test/e": responses(labels, [0, 1, 0, 3], 2),
    }
    found = accuracy_matrices([stage, stage], protocol.task, protocol.network.output, split)
    assert found["refitted"][0, 0] == 1
    assert found["refitted"][1].mean() == pytest.approx(0.75, abs=0.02)
    np.testing.assert_array_equal(found["fixed"], [[1, np.nan], [1, 1]])


def test_what_cannot_be_told_apart_is_not_defined():
    """Tasks of one class each: no fixed readout, and none at all after the first."""
    protocol = TINY.override({"tasks.classes": ((0,), (1,), (2, 3))})
    split = parts()
    counts = responses(split.test.labels, [0, 1, 2, 3])
    found = accuracy_matrices(
        [{"fit/e": counts, "test/e": counts}] * 3, protocol.task, protocol.network.output, split
    )
    assert np.isnan(found["refitted"][0, 0]) and np.all(found["refitted"][1, :2] == 1)
    assert np.isnan(found["fixed"][:, 0]).all() and found["fixed"][2, 2] == 1
    metrics = task_metrics(found)
    assert metrics["tasks_fixed_accuracy"] is None
    assert metrics["tasks_refitted_accuracy"] == 1


def test_decisions():
    assert decisions(np.array([[0, 3, 1], [2, 2, 0], [0, 0, 0]])).tolist() == [1, 0, 0]


# -- runs --------------------------------------------------------------------------------------

TASKS = TINY.override(
    {
        "tasks.classes": ((0, 1), (2, 3), (4, 5, 6, 7, 8, 9)),
        "data.n_train": 30,
        "record.raster": (),
        "record.snapshots": (),
        "probes.images": 30,
    }
)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    return simulate(TASKS, seed=2, backend=QUICK, out=tmp_path_factory.mktemp("tasks"))


def test_a_run_keeps_what_it_could_do_after_every_task(learned):
    a = learned.arrays
    for name in ("refitted", "fixed"):
        R = a[f"tasks/{name}"]
        assert R.shape == (3, 3)
        assert np.array_equal(np.isnan(R), np.triu(np.ones((3, 3), bool), 1))
        assert np.nanmin(R) >= 0 and np.nanmax(R) <= 1
        assert learned.metrics[f"tasks_{name}_accuracy"] == pytest.approx(R[-1].mean())
    assert a["tasks/representation/participation_ratio"].shape == (3,)
    last = a["tasks/representation/participation_ratio"][-1]
    assert learned.metrics["participation_ratio_e"] == pytest.approx(last)
    train = a["slots/part"] == "train"
    awake = train & (a["slots/phase"] == "wake")
    task_of = TASKS.task.tasks.of(a["labels/train"])[a["slots/image"][awake]]
    assert np.array_equal(task_of, a["slots/task"][awake])
    assert np.all(np.diff(task_of) >= 0)


def test_a_run_is_probed_before_and_after_every_sleep(learned):
    a = learned.arrays
    asleep = a["slots/phase"] == "sleep"
    n = np.sum(asleep & ~np.append(False, asleep[:-1]))
    assert n > 3
    assert a["representation/after"].tolist() == [False, True] * n
    assert a["representation/times_s"].shape == (2 * n,)
    assert np.all(np.diff(a["representation/times_s"]) > 0)
    classes = len(set(a["labels/test"][:30]))
    assert a["representation/similarities"].shape == (2 * n, classes, classes)
    assert np.all(a["representation/participation_ratio"] >= 1)


def test_looking_changes_nothing(learned, tmp_path):
    blind = TASKS.override({"probes.images": 0, "tasks.classes": ((0, 1), (2, 3))})
    blind = blind.override({"tasks": TASKS.task.tasks})
    found = simulate(blind, seed=2, backend=QUICK, out=tmp_path).arrays
    seen = learned.arrays
    for name in ("counts/e", "snapshots/trained/ee", "tasks/refitted", "slots/image"):
        assert np.array_equal(found[name], seen[name], equal_nan=found[name].dtype.kind == "f")
    assert not [name for name in found if name.startswith("representation/")]


def test_an_interrupted_run_keeps_what_it_has_looked_at(learned, tmp_path, monkeypatch):
    from brainsleep.run.loop import Run

    advance, calls = Run._advance, []

    def interrupt(self, last):
        calls.append(self.position)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return advance(self, last)

    monkeypatch.setattr(Run, "_advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        simulate(TASKS, seed=2, backend=QUICK, out=tmp_path)
    again = simulate(TASKS, seed=2, backend=QUICK, out=tmp_path)
    assert calls[8] > 0
    assert again.path.name == learned.path.name
    for name, value in learned.arrays.items():
        same = np.array_equal(again.arrays[name], value, equal_nan=value.dtype.kind == "f")
        assert same, name
    assert again.metrics == learned.metrics


def test_probes_may_be_rarer(tmp_path):
    rare = TASKS.override({"probes.every": 3, "data.n_train": 20})
    found = simulate(rare, seed=2, backend=QUICK, out=tmp_path).arrays
    asleep = found["slots/phase"] == "sleep"
    n = np.sum(asleep & ~np.append(False, asleep[:-1]))
    assert len(found["representation/after"]) == 2 * -(-n // 3)


def test_epochs_show_images_again_in_another_order(tmp_path):
    again = TINY.override(
        {"schedule.epochs": 2, "schedule.sleep.fraction": 0, "record.raster": ()}
    ).override({"record.snapshots": ()})
    found = simulate(again, seed=1, backend=QUICK, out=tmp_path).arrays
    shown = found["slots/image"][found["slots/part"] == "train"]
    assert shown[:12].tolist() == list(range(12))
    assert sorted(shown[12:]) == list(range(12))
    assert shown[12:].tolist() != list(range(12))


def test_a_task_without_test_images_is_an_error_before_anything_is_run(tmp_path):
    few = TASKS.override({"tasks.classes": ((0, 1, 2, 3, 4, 5, 6, 7, 8), (9,)), "data.n_test": 2})
    with pytest.raises(DataError, match=r"no test image of task 1.*raise data.n_test"):
        simulate(few, seed=2, backend=QUICK, out=tmp_path)


def test_without_test_images_there_is_nothing_to_look_at(tmp_path):
    none = TASKS.override({"data.n_readout": 0, "data.n_test": 0})
    found = simulate(none, seed=2, backend=QUICK, out=tmp_path).arrays
    assert not [name for name in found if name.startswith(("tasks/", "representation/"))]


def test_tasks_can_be_set_as_text():
    assert TINY.override({"tasks.classes": "((0, 1), (2, 3))"}).task.tasks == PAIRS
    for text in ("((0, 1), (2,", "((0, 1), x)"):
        with pytest.raises(ProtocolError, match=r"tasks.classes.*groups such as"):
            TINY.override({"tasks.classes": text})


def test_readout_and_test_images_have_noise_of_their_own():
    split = parts()
    order = Order(np.arange(4), np.array([0, 0, 1, 1]), np.zeros(4, int))
    protocol = TINY.override({"tasks.classes": ((0, 1), (2, 3))})
    table = protocol.schedule.compile(order, 40, 40, protocol.network.gates, 1 * ms)
    probe = TaskProbe(protocol.task, split)
    (slot,) = probe.slots(table)
    seeds, answer = [], None
    recorder = Recorder.empty(protocol, len(table))
    steps = probe.look(View(protocol, table, slot, None, recorder, 0, Capacity()))
    with contextlib.suppress(StopIteration):
        while True:
            asked = steps.send(answer)
            seeds.append(asked.seed)
            answer = None, Recording({"e": np.ones((len(asked.segment), 30), np.int32)})
    assert len(set(seeds)) == len(seeds) == 2


def test_a_network_that_does_not_learn_forgets_nothing(tmp_path):
    frozen = TASKS.override(
        {
            "schedule.wake.gates.plasticity": 0,
            "schedule.sleep.fraction": 0,
            "probes.images": 0,
        }
    )
    result = simulate(frozen, seed=2, backend=QUICK, out=tmp_path)
    start = result.arrays["snapshots/initial/ee"]
    assert np.array_equal(result.arrays["snapshots/trained/ee"], start)
    dimension = result.arrays["tasks/representation/participation_ratio"]
    assert np.ptp(dimension) < 0.2 * dimension.mean()  # only the noise of the input differs


def test_settings_that_are_as_they_always_were_do_not_change_the_id():
    paper = load_protocol("paper")
    same = paper.override({"schedule.epochs": 1, "probes.every": 1, "tasks.mixed": False})
    assert run_id(same, 0, "cpp", "x") == run_id(paper, 0, "cpp", "x")
    for changes in (
        {"schedule.epochs": 2},
        {"tasks.classes": ((0, 1),)},
        {"schedule.sleep.duration": 1 * second},
        {"probes.images": 10},
    ):
        assert run_id(paper.override(changes), 0, "cpp", "x") != run_id(paper, 0, "cpp", "x")
    assert run_id(load_protocol("continual"), 3, "numpy", "abc") == "e7d859856b51ad5c"


def test_results_whose_probes_are_settings_of_the_record_are_read(learned):
    probes = {"probe_images": 30, "probe_every": 1}
    described = {k: v for k, v in learned.described.items() if k != "probes"}
    described["record"] = described["record"] | probes
    result = dataclasses.replace(learned, info=learned.info | {"protocol": described})
    assert result.described == learned.described
    assert result.protocol == learned.protocol and result.protocol.task.probes.images == 30
    assert (
        run_id(result.protocol, 2, backend_identity(QUICK), learned.data.fingerprint)
        == learned.run_id
    )
    timeline = {
        k: v for k, v in described.items() if k not in {f.name for f in dataclasses.fields(Images)}
    }
    timeline["schedule"] = plain(Timeline(periods=(awake(1 * second),)))
    result = dataclasses.replace(learned, info=learned.info | {"protocol": timeline})
    assert result.protocol.task is None


def test_results_are_read_back(learned):
    assert read_result(learned.path).metrics == learned.metrics
