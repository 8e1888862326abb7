"""Figures of learning task after task, and of the representation around sleeps."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from test_figures import by_id, fits, legend, spans, texts
from test_paper_figures import Folder, assert_fails, bars

from brainsleep.analysis.statistics import forgetting, seed_spread
from brainsleep.figures import _style, continual, representation
from brainsleep.tasks.images.measure import REPRESENTATION

SLEEP = {"input": 0.0, "plasticity": 1.0, "noise": 1.0, "decay": 1.0}
REST = SLEEP | {"decay": 0.0}
NORMALISE = dict.fromkeys(SLEEP, 0.0) | {"normalise": 1.0}
TASKS = [[0, 1], [2], [3, 4]]
CONDITIONS = {
    "no sleep": {"fraction": 0.0},
    "sleep 20 %": {},
    "rest 20 %": {"gates": REST},
    "normalise only": {"gates": NORMALISE},
    "mixed, no sleep": {"fraction": 0.0, "mixed": True},
    "mixed, sleep 20 %": {"mixed": True},
    "rehearsal, no sleep": {"fraction": 0.0, "rehearsal": 1.0},
    "rehearsal, sleep 20 %": {"rehearsal": 1.0},
    "frozen": {"fraction": 0.0, "wake": 0.0},
}


class Learner:
    """A folder of made results of networks that learned tasks."""

    def __init__(self, out):
        self.made = Folder(out)

    def __call__(self, *, fraction=0.2, gates=SLEEP, wake=1.0, own=False, probes=True, **more):
        rng = np.random.default_rng(self.made.n)
        tasks = {"classes": more.pop("classes", TASKS), "mixed": more.pop("mixed", False)}
        tasks["rehearsal"] = more.pop("rehearsal", 0.0)
        made = {
            "tasks": tasks,
            "schedule": {
                "period": "2.0 second",
                "wake": {"gates": {"input": 1.0, "plasticity": wake}},
                "sleep": {"fraction": fraction, "gates": gates, "stages": more.pop("stages", [])},
            },
            "record": {"raster": []},
            "probes": {"images": 20, "every": more.pop("every", 1)},
        }
        arrays, metrics = accuracies(rng, len(tasks["classes"]), own)
        if probes and fraction:
            arrays |= probed(rng)
        arrays["slots/task"] = np.repeat([0, 1, 2], 4 if fraction else 2)
        arrays["slots/task"] = np.append(arrays["slots/task"], [-1] * 30)
        arrays |= more.pop("arrays", {})
        metrics |= more.pop("metrics", {})
        return self.made(
            fraction=fraction, arrays=arrays, metrics=metrics,
            protocol=made | more.pop("extra", {}), **more,
        )  # fmt: skip


def accuracies(rng, n, own):
    """Matrices of accuracies as `brainsleep.tasks.images.measure` makes them, and their metrics."""
    arrays, metrics = {}, {}
    for kind in ("refitted", "fixed", "own")[: 3 if own else 2]:
        R = np.where(np.tri(n) > 0, rng.uniform(0.4, 1, (n, n)), np.nan)
        arrays[f"tasks/{kind}"] = R
        metrics[f"tasks_{kind}_forgetting"] = forgetting(R)
    arrays["tasks/representation/participation_ratio"] = rng.uniform(5, 9, n)
    return arrays, metrics


def probed(rng, n=3):
    """Probes before and after three sleeps: two images of 1 s, 0.4 s of sleep, and so on."""
    begin = 2.0 + 2.4 * np.arange(n)
    found = {name: rng.uniform(0, 1, 2 * n) for name in REPRESENTATION}
    found["times_s"] = np.column_stack([begin, begin + 0.4]).ravel()
    found["after"] = np.arange(2 * n) % 2 == 1
    similar = rng.uniform(0.2, 1, (2 * n, 3, 3))
    found["similarities"] = (similar + similar.transpose(0, 2, 1)) / 2
    return {f"representation/{name}": values for name, values in found.items()}


@pytest.fixture
def make(tmp_path):
    return Learner(tmp_path)


def line(axes, label):
    (found,) = (x for x in axes.lines if x.get_label() == label)
    return found


def rows(axes):
    return [t.get_text().replace("\n", " ") for t in axes.get_yticklabels()]


# -- continual -----------------------------------------------------------------------------------


def test_continual_names_conditions_by_their_settings(make, tmp_path):
    results = [make(seed=s, **c) for c in CONDITIONS.values() for s in range(2)]
    figure = continual.draw(results[::-1])  # in whatever order they lie in a folder
    assert len(figure.axes) == 4
    assert rows(figure.axes[3]) == list(CONDITIONS)
    assert legend(figure) == [*CONDITIONS, "one seed", "chance"]
    below = [t.get_text() for t in figure.legends[1].get_texts()]
    assert below == ["refitted readout", "fixed readout", "one seed", "95 % interval of mean"]
    assert fits(figure)
    figure.savefig(tmp_path / "continual.png")


@pytest.mark.parametrize(
    ("stages", "name"),
    [([SLEEP, REST], "sleep 20 %"), ([REST, REST], "rest 20 %"), ([], "rest 20 %")],
)
def test_a_sleep_in_stages_is_a_rest_if_none_has_a_process(make, stages, name):
    result = make(gates=REST, stages=[{"name": "a", "gates": gates} for gates in stages])
    assert legend(continual.draw([result])) == [name, "chance"]


def test_a_label_that_was_stored_names_the_condition(make):
    result = make()
    result.info["label"] = "nap"
    assert rows(continual.draw([result]).axes[3]) == ["nap"]
    assert legend(representation.draw([result]))[0] == "nap"


def test_continual_draws_what_was_measured(make):
    results = [make(seed=s) for s in range(3)]
    so_far, first, dimension, forgot = continual.draw(results).axes
    R = 100 * np.array([r.arrays["tasks/refitted"] for r in results])
    means = [[np.mean(one[i, : i + 1]) for i in range(3)] for one in R]
    np.testing.assert_allclose(line(so_far, "sleep 20 %").get_ydata(), np.mean(means, axis=0))
    seeds = [x.get_ydata() for x in by_id(so_far, "sleep 20 %: seed")]
    np.testing.assert_allclose(seeds, means)
    np.testing.assert_array_equal(line(so_far, "sleep 20 %").get_xdata(), [1, 2, 3])
    (chance,) = by_id(so_far, "chance")
    np.testing.assert_allclose(chance.get_ydata(), [50, 100 / 3, 20])  # 2, 3, then 5 classes
    one = 100 * np.array([r.arrays["tasks/fixed"][:, 0] for r in results])
    np.testing.assert_allclose(line(first, "sleep 20 %").get_ydata(), one.mean(axis=0))
    (chance,) = by_id(first, "chance")
    np.testing.assert_allclose(chance.get_ydata(), 50)
    found = [r.arrays["tasks/representation/participation_ratio"] for r in results]
    np.testing.assert_allclose(line(dimension, "sleep 20 %").get_ydata(), np.mean(found, axis=0))
    for kind in ("refitted", "fixed"):
        values = [100 * r.metrics[f"tasks_{kind}_forgetting"] for r in results]
        mean, ends = bars(forgot, f"sleep 20 %, {kind}")
        spread = seed_spread(values)
        assert mean.get_xdata(orig=False)[0] == pytest.approx(spread.mean)
        np.testing.assert_allclose(ends[0][:, 0], (spread.low, spread.high))
        (seeds,) = by_id(forgot, f"sleep 20 %, {kind}: seeds")
        np.testing.assert_allclose(seeds.get_offsets()[:, 0], values)


def test_continual_labels_its_axes(make):
    figure = continual.draw([make()])
    assert [a.get_ylabel().replace("\n", " ") for a in figure.axes] == [
        "accuracy on tasks so far (%)", "accuracy on first task (%)", "participation ratio", "",
    ]  # fmt: skip
    assert [a.get_xlabel() for a in figure.axes] == [*["tasks learned"] * 3, "forgetting (points)"]
    assert {"a", "b", "c", "d", "refitted readout", "fixed readout, classes 0, 1"} <= {
        *texts(figure)
    }
    assert legend(figure) == ["sleep 20 %", "chance"]  # one seed: neither lines nor an interval
    assert figure.axes[0].get_title(loc="left") == "MNIST"
    assert figure.axes[0].get_ylim()[1] > 100
    assert fits(figure)


def test_continual_has_a_column_a_network_and_data_set(make, tmp_path):
    results = [
        make(seed=s, own=own, data=data, network={"name": name})
        for name, own in (("sg_snn", True), ("massey2026", False))
        for data in ("fashion-mnist", "mnist")
        for s in range(2)
    ]
    figure = continual.draw(results)
    axes = np.array(figure.axes).reshape(4, 4)
    assert [a.get_title(loc="left").split("\n") for a in axes[0]] == [
        ["massey2026", "MNIST"], ["massey2026", "Fashion-MNIST"],
        ["sg_snn", "MNIST"], ["sg_snn", "Fashion-MNIST"],
    ]  # fmt: skip
    (chance,) = by_id(axes[1, 2], "chance")  # the output neurons decide among all classes
    np.testing.assert_allclose(chance.get_ydata(), 20)
    own = np.array([r.arrays["tasks/own"][:, 0] for r in results[2:4]])
    np.testing.assert_allclose(line(axes[1, 2], "sleep 20 %").get_ydata(), 100 * own.mean(axis=0))
    assert "own output, classes 0, 1" in texts(figure)
    names = [c.get_label() for c in axes[3, 2].containers]
    assert names == [f"sleep 20 %, {kind}" for kind in ("refitted", "fixed", "own")]
    assert len(axes[3, 0].containers) == 2
    for row in (0, 1, 3):
        assert len({a.get_ylim() for a in axes[row]}) == 1
    assert len({a.get_xlim() for a in axes[3]}) == 1
    assert axes[2, 0].get_ylim() == axes[2, 1].get_ylim() != axes[2, 2].get_ylim()
    assert rows(axes[3, 0]) == ["sleep 20 %"] and rows(axes[3, 1]) == [""]
    assert fits(figure)
    figure.savefig(tmp_path / "columns.png")


def test_what_learns_alike_has_one_colour_open_and_dashed_without_sleep(make):
    figure = continual.draw([make(**c) for c in CONDITIONS.values()])
    drawn = {name: line(figure.axes[0], name) for name in CONDITIONS}
    for kind in ("{}", "mixed, {}", "rehearsal, {}"):
        none, slept = (drawn[kind.format(x)] for x in ("no sleep", "sleep 20 %"))
        assert none.get_color() == slept.get_color()
        assert (none.get_linestyle(), slept.get_linestyle()) == ("--", "-")
        assert none.get_markerfacecolor() == "white"
        assert slept.get_markerfacecolor() == slept.get_color()
    assert len({x.get_color() for x in drawn.values()}) == 6


def test_continual_keeps_labels_and_their_order(make):
    results = [make(fraction=f, seed=s) for f in (0.4, 0.2, 0.0) for s in range(2)]
    names = ["long", "long", "short", "short", "none", "none"]
    figure = continual.draw(results, names)
    assert legend(figure)[:3] == ["long", "short", "none"]
    colours = [line(figure.axes[0], name).get_color() for name in ("long", "short", "none")]
    assert colours == [*_style.CONDITIONS[:2], _style.CONDITIONS[0]]


def test_accuracies_that_are_all_high_are_drawn_larger(make):
    R = np.where(np.tri(3) > 0, 0.9, np.nan)
    low, high = continual.draw([make(arrays={"tasks/refitted": R})]).axes[0].get_ylim()
    assert (low, high) == (80, 102)


def test_continual_refuses_what_cannot_be_compared(make):
    assert_fails(continual, [], "no results")
    assert_fails(continual, [make()], "labels: got 2", ["a", "b"])
    for name in ("tasks/refitted", "tasks/fixed"):
        assert_fails(continual, [make(arrays={name: None})], f"no array '{name}'.*tasks.classes")
    assert_fails(continual, [make(metrics={"tasks_fixed_forgetting": None})], "no metric 'tasks_f")
    assert_fails(continual, [make(), make()], "more than one result of seed 0 of 'sleep 20 %'")
    assert_fails(continual, [make(), make(seed=1, classes=TASKS[:2])], "different tasks.classes")
    other = make(seed=1, network={"dt": "0.5 ms"})
    assert_fails(continual, [make(), other], r"network\.dt is .* a label of its own", ["a", "a"])
    assert len(continual.draw([make(), other]).axes) == 4  # each has a name of its own
    assert len(continual.draw([make(), other], ["a", "b"]).axes) == 4
    several = [make(fraction=f) for f in (0.1, 0.2)]
    assert_fails(continual, several, r"sleep\.fraction is 0\.1 and 0\.2", ["a", "a"])
    many = [make(data=f"d{k}") for k in range(5)]
    assert_fails(continual, many, "networks and data sets: got .*expected at most 4")
    nine = [make(fraction=0.1 * k) for k in range(1, 10)]
    assert_fails(continual, nine, "conditions: got 9; expected at most 8")


# -- representation ------------------------------------------------------------------------------


def course(figure, k):
    """The panel of the k-th measure over time, and that of its changes."""
    return figure.axes[2 * k], figure.axes[2 * k + 1]


def test_representation_shows_each_measure_before_and_after_every_sleep(make, tmp_path):
    result = make()
    figure = representation.draw([result])
    labels = ["participation ratio", "effective rank", "adjusted selectivity",
              "dead E neurons (%)", "similarity of classes $r$"]  # fmt: skip
    assert [course(figure, k)[0].get_ylabel().replace("\n", " ") for k in range(5)] == labels
    times = result.arrays["representation/times_s"]
    for k, (name, _, factor) in enumerate(representation.MEASURES):
        values = factor * result.arrays[f"representation/{name}"]
        axes, changes = course(figure, k)
        for first, when in ((0, "before"), (1, "after")):
            (points,) = by_id(axes, f"sleep 20 %: {when}")
            np.testing.assert_allclose(points.get_xdata(), times[first::2])
            np.testing.assert_allclose(points.get_ydata(), values[first::2])
        assert to_hex(by_id(axes, "sleep 20 %: before")[0].get_markerfacecolor()) == "#ffffff"
        (sleeps,) = by_id(axes, "sleep 20 %: sleep")
        pairs = np.reshape(sleeps.get_ydata(), (3, 3))
        np.testing.assert_allclose(pairs[:, :2], np.reshape(values, (3, 2)))
        assert np.isnan(pairs[:, 2]).all()
        expected = {"sleep": values[1::2] - values[::2], "wake": values[2::2] - values[1:-1:2]}
        for kind, change in expected.items():
            (points,) = by_id(changes, f"sleep 20 %: {kind}")
            np.testing.assert_allclose(points.get_offsets()[:, 1], change)
            (bar,) = by_id(changes, f"sleep 20 %: median {kind}")
            np.testing.assert_allclose(bar.get_ydata(), np.median(change))
    axes, changes = course(figure, 4)
    assert axes.get_xlabel() == "biological time (s)"
    assert [t.get_text() for t in changes.get_xticklabels()] == ["wake", "sleep"]
    np.testing.assert_allclose(spans(axes), [(2, 2.4), (4.4, 4.8), (6.8, 7.2)])
    assert fits(figure)
    figure.savefig(tmp_path / "representation.png")


def test_representation_marks_tasks_by_their_classes(make):
    figure = representation.draw([make()])
    for k in range(5):
        borders = by_id(course(figure, k)[0], "task")
        np.testing.assert_allclose([x.get_xdata()[0] for x in borders], [2.4, 4.8])
    names = [t for t in course(figure, 0)[0].texts if t.get_text() != "a"]
    assert [t.get_text() for t in names] == ["classes 0, 1", "2", "3, 4"]
    np.testing.assert_allclose([t.xy[0] for t in names], [1.2, 3.6, 6.0])
    assert legend(figure) == [
        "sleep 20 %", "before a sleep", "after it", "asleep", "next task", "median change",
    ]  # fmt: skip
    for settings in ({"mixed": True}, {"extra": {"tasks": {}}}):
        figure = representation.draw([make(**settings)])
        assert not by_id(course(figure, 0)[0], "task") and "next task" not in legend(figure)


def test_tasks_that_begin_at_other_times_are_marked_in_the_colours_of_their_results(make):
    later = make(arrays={"slots/task": np.append(np.repeat([0, 1], [8, 4]), [-1] * 30)})
    figure = representation.draw([make(), make(mixed=True), later], ["one", "mixed", "other"])
    borders = by_id(course(figure, 2)[0], "task")
    assert [(round(x.get_xdata()[0], 3), x.get_color()) for x in borders] == [
        (2.4, _style.CONDITIONS[0]), (4.8, _style.CONDITIONS[0]), (4.8, _style.CONDITIONS[2]),
    ]  # fmt: skip
    assert "classes 0, 1" not in texts(figure)


@pytest.mark.parametrize(("n", "shown"), [(1, 4), (2, 4), (4, 8)])
def test_representation_shows_similarity_at_the_first_and_last_probe(make, n, shown, tmp_path):
    results = [make(seed=k) for k in range(n)]
    figure = representation.draw(results)
    matrices = [a for a in figure.axes if a.get_xlabel() == "class"]
    assert len(matrices) == shown
    found = [r.arrays["representation/similarities"] for r in results]
    expected = found[0][[0, 1, 4, 5]] if n == 1 else [m for one in found for m in (one[0], one[-1])]
    for axes, matrix in zip(matrices, expected, strict=True):
        (image,) = axes.get_images()
        np.testing.assert_array_equal(image.get_array(), matrix)
        assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "1", "2"]
        low, high = image.get_clim()
        assert low <= np.min(expected) and high == 1
    title = "before sleep 1, 2.0 s"
    assert matrices[0].get_title() == (title if n == 1 else f"sleep 20 %, seed 0\n{title}")
    assert matrices[-1].get_title().endswith("after sleep 3, 7.2 s")
    assert "correlation $r$ of\nmean responses" in texts(figure)
    assert fits(figure)
    figure.savefig(tmp_path / "representation.png")


def test_representation_with_a_single_sleep(make):
    few = {k: v[:2] for k, v in probed(np.random.default_rng(0)).items()}
    figure = representation.draw([make(arrays=few)])
    assert len([a for a in figure.axes if a.get_xlabel() == "class"]) == 2
    assert fits(figure)


def test_wake_between_probes_that_are_not_all_of_the_sleeps_is_left_out(make):
    _, changes = course(representation.draw([make(every=2)]), 4)
    assert by_id(changes, "sleep 20 %: sleep") and not by_id(changes, "sleep 20 %: wake")
    assert [t.get_text() for t in changes.get_xticklabels()] == ["sleep"]


def test_measures_that_are_not_known_are_gaps(make):
    unknown = {"representation/similarity": np.full(6, np.nan),
               "representation/similarities": np.full((6, 3, 3), np.nan)}  # fmt: skip
    figure = representation.draw([make(arrays=unknown)])
    assert not by_id(course(figure, 4)[1], "sleep 20 %: median sleep")
    assert fits(figure)


def test_representation_refuses_what_it_cannot_show(make):
    assert_fails(representation, [], "no results")
    assert_fails(representation, [make()] * 5, "results: got 5; expected at most 4")
    assert_fails(representation, [make(), make(fraction=0.0)], "no probes.*probes.images")
    assert_fails(representation, [make(probes=False)], "no probes.*probes.images")
    after = {"representation/after": np.array([False, True, True, False, False, True])}
    assert_fails(representation, [make(arrays=after)], "not one before and one after every sleep")
    for name in ("representation/dead", "representation/times_s", "slots/task"):
        assert_fails(representation, [make(arrays={name: None})], f"no array '{name}'")
    other = {"labels/test": np.arange(30) % 5}
    assert_fails(representation, [make(arrays=other)], "classes of .*got 5 .*expected 3")


def test_sleeps_are_numbered_among_all_if_only_some_are_probed(make):
    figure = representation.draw([make(every=3)])
    titles = [a.get_title() for a in figure.axes if a.get_xlabel() == "class"]
    assert [title.split(",")[0] for title in titles] == [
        "before sleep 1", "after sleep 1", "before sleep 7", "after sleep 7",
    ]  # fmt: skip
