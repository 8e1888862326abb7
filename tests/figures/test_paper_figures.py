"""Figures over many runs and of what was learned: contents, units, errors."""

import csv

import numpy as np
import pytest
from matplotlib.colors import to_hex
from test_figures import by_id, fits, legend, one_line, texts

from brainsleep.analysis.responses import class_similarity
from brainsleep.analysis.statistics import seed_spread
from brainsleep.errors import FigureError
from brainsleep.figures import (
    _style,
    accuracy,
    classes,
    conditions,
    controls,
    labels,
    margins,
    receptive_fields,
    schedule,
    sensitivity,
    similarity,
    sleep_rates,
    sleep_replay,
    sleep_sweep,
)
from brainsleep.results.store import Result, read_result, write_result

RELEASED, TEXTBOOK = "stdp_released", "stdp_nearest"
SIZE, N_E, N_I, N_TEST = (3, 4), 8, 4, 30
SYNAPSES = np.array([(pre, post) for post in range(N_E) for pre in range(post % 3, 12, 2)])


def protocol(fraction, rules, n_train, **network):
    synapse = {"kind": "Projection", "sign": 1, "w_min": 0.01, "w_max": 25.0}
    rules = [{"name": rule, "parameters": {"lr": 0.0008}} for rule in rules]
    sizes = {"input": SIZE[0] * SIZE[1], "e": N_E, "i": N_I}
    ends = {"input_e": ("input", "e"), "ie": ("i", "e")}
    return {
        "name": "paper",
        "description": f"of {fraction}",
        "network": {
            "name": "massey2026",
            "dt": "0.001 second",
            "input": "input",
            "populations": [{"name": name, "size": size} for name, size in sizes.items()],
            "projections": [
                {"name": name, "source": a, "target": b, "rules": rules, **synapse}
                for name, (a, b) in ends.items()
            ],
            **network,
        },
        "data": {"source": "somewhere", "n_train": n_train, "n_readout": 10, "n_test": N_TEST},
        "encoder": {"size": list(SIZE)},
        "schedule": {
            "period": "2.0 second",
            "sleep": {"fraction": fraction, "max_duration": "0.5 second"},
        },
        "readout": {"population": "e", "label_counts": [50]},
        "record": {"raster": []},
    }


def arrays_of(rng, fraction, n_train):
    """Wake of 1 s an image, after every second one a sleep in two slots; three classes tested."""
    phase, steps = [], []
    for k in range(n_train):
        phase, steps = [*phase, "wake"], [*steps, 1000]
        if k % 2 and fraction:
            phase, steps = [*phase, "sleep", "sleep"], [*steps, 250, 150]
    stage = np.array([*["train"] * len(phase), *["test"] * N_TEST])
    phase, steps = np.array([*phase, *["test"] * N_TEST]), np.array([*steps, *[1000] * N_TEST])
    labels = np.arange(N_TEST) % 3
    counts = rng.poisson(3, (len(phase), N_E))
    counts[stage == "test", :3] += 5 * (labels[:, None] == np.arange(3))
    return {
        "slots/phase": phase,
        "slots/part": stage,
        "slots/steps": steps,
        "labels/test": labels,
        "counts/e": counts,
        "totals/e": counts.sum(axis=1),
        "totals/i": rng.poisson(20, len(phase)),
        "snapshots/trained/input_e": rng.uniform(0.01, 2, len(SYNAPSES)),
        "synapses/input_e": SYNAPSES,
    }


class Folder:
    """A folder of made results, each with a number of its own."""

    def __init__(self, out):
        self.out, self.n = out, 0

    def __call__(self, *, data="mnist", seed=0, fraction=0.2, rule=RELEASED, n_train=6, **more):
        rng = np.random.default_rng(self.n)
        arrays = arrays_of(rng, fraction, n_train) | more.pop("arrays", {})
        made = protocol(fraction, [rule] if rule else [], n_train, **more.pop("network", {}))
        made |= more.pop("protocol", {})
        found = rng.uniform(0.4, 0.9)
        metrics = {
            "network_accuracy": found, "pixels_accuracy": 0.7 + 0.01 * seed,
            "rate_test_e_hz": 100 * found,
        } | more.pop("metrics", {})  # fmt: skip
        assert not more
        info = {"protocol": made, "seed": seed, "data": {"name": data}, "metrics": metrics}
        self.n += 1
        arrays = {name: value for name, value in arrays.items() if value is not None}
        write_result(self.out, f"{self.n:016x}", info, arrays)
        return read_result(self.out / f"{self.n:016x}")

    def sweep(self, fractions=(0.0, 0.2, 1.0), seeds=3, **settings):
        return [self(fraction=f, seed=s, **settings) for f in fractions for s in range(seeds)]


@pytest.fixture
def make(tmp_path):
    return Folder(tmp_path)


def bars(axes, label):
    """The line of means, and the ends of the error bars, of what has this label."""
    (found,) = (c for c in axes.containers if c.get_label() == label)
    return found.lines[0], [segment for part in found.lines[2] for segment in part.get_segments()]


def panels(figure):
    return {a.get_title(): a for a in figure.axes if a.axison}


def assert_fails(module, results, match, labels=None):
    with pytest.raises(FigureError, match=match) as error:
        module.draw(results, labels)
    one_line(error)


def percent(results, fraction):
    return [
        100 * r.metrics["network_accuracy"]
        for r in results
        if r.info["protocol"]["schedule"]["sleep"]["fraction"] == fraction
    ]


# -- accuracy ------------------------------------------------------------------------------------


def test_accuracy_shows_every_seed_and_the_mean_with_its_interval(make, tmp_path):
    results = make.sweep()
    figure = accuracy.draw(results[::-1])  # their order does not matter
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("sleep (% of wake)", "test accuracy (%)")
    (seeds,) = by_id(axes, "released rule: seeds")
    expected = [(100 * f, y) for f in (0.0, 0.2, 1.0) for y in percent(results, f)]
    np.testing.assert_allclose(sorted(seeds.get_offsets().tolist()), sorted(expected))
    line, ends = bars(axes, "released rule")
    spreads = [seed_spread(percent(results, f)) for f in (0.0, 0.2, 1.0)]
    np.testing.assert_allclose(line.get_xdata(orig=False), [0, 20, 100])
    np.testing.assert_allclose(line.get_ydata(orig=False), [s.mean for s in spreads])
    np.testing.assert_allclose([e[:, 1] for e in ends], [(s.low, s.high) for s in spreads])
    (pixels,), (chance,) = by_id(axes, "raw pixels"), by_id(axes, "chance")
    np.testing.assert_allclose(pixels.get_ydata(), 71)
    np.testing.assert_allclose(chance.get_ydata(), 100 / 3)
    assert legend(figure) == [
        "released rule", "Massey et al. 2026", "one seed", "95 % interval of mean",
    ]  # fmt: skip
    assert fits(figure)
    figure.savefig(tmp_path / "accuracy.png")


def test_accuracy_has_a_colour_a_rule_and_a_panel_a_data_set(make):
    results = [
        r
        for data in ("mnist", "fashion-mnist", "digits")
        for rule in (TEXTBOOK, RELEASED)
        for r in make.sweep((0.0, 0.2), 2, data=data, rule=rule)
    ]
    figure = accuracy.draw(results)
    assert list(panels(figure)) == ["MNIST", "Fashion-MNIST", "digits"]
    for axes in figure.axes:
        for rule, colour in (("released rule", 0), ("textbook rule", 1)):
            line, _ = bars(axes, rule)
            assert line.get_color() == _style.CONDITIONS[colour]
    assert legend(figure)[:2] == ["textbook rule", "released rule"]
    assert fits(figure)


@pytest.mark.parametrize(
    ("name", "title", "theirs"),
    [("mnist", "MNIST", "mnist"), ("kmnist", "KMNIST", "kmnist"),
     ("fashion-mnist", "Fashion-MNIST", "fashion-mnist"),
     ("mnist_8k", "MNIST (mnist_8k)", "mnist"), ("digits", "digits", None),
     ("emnist", "emnist", None), ("mnist-c", "mnist-c", None)],
)  # fmt: skip
def test_authors_values_are_those_of_the_table(make, name, title, theirs):
    figure = accuracy.draw([make(data=name)])
    (axes,) = figure.axes
    assert axes.get_title() == title
    with open(accuracy.AUTHORS_TABLE, newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["model"] == "stdp_snn"]
    rows = [(float(r["sleep_percent"]), float(r["accuracy_percent"])) for r in rows
            if r["dataset"] == theirs]  # fmt: skip
    assert len(rows) == (55 if theirs else 0)
    assert (accuracy.AUTHORS in legend(figure)) == bool(theirs)
    if theirs:
        (seeds,) = by_id(axes, f"{accuracy.AUTHORS}: seeds")
        np.testing.assert_allclose(sorted(seeds.get_offsets().tolist()), sorted(rows))
        line, ends = bars(axes, accuracy.AUTHORS)
        at = [[y for x, y in rows if x == each] for each in range(0, 101, 10)]
        np.testing.assert_allclose(line.get_ydata(orig=False), [np.mean(y) for y in at])
        low, high = (getattr(seed_spread(at[3]), end) for end in ("low", "high"))
        np.testing.assert_allclose(ends[3][:, 1], (low, high))
    else:
        assert legend(figure) == ["released rule", "one seed"]


def test_authors_values_agree_with_the_published_means():
    values = accuracy.authors_values("mnist").groupby("sleep_percent")["accuracy_percent"].mean()
    assert [round(values[x], 1) for x in (0, 10, 20)] == [63.0, 66.0, 74.2]


def test_the_longest_sleep_is_marked_where_fractions_go_beyond_it(make):
    (line,) = by_id(accuracy.draw(make.sweep(data="digits")), "longest sleep")
    np.testing.assert_allclose(line.get_xdata(orig=False), 25)  # 0.5 s every 2 s
    assert not by_id(accuracy.draw(make.sweep((0.0, 0.2), 2, data="digits")), "longest sleep")


def test_labels_name_the_curves_of_accuracy(make):
    one, other = make.sweep((0.0, 0.2), 2), make.sweep((0.0, 0.2), 2, n_train=8)
    figure = accuracy.draw([*one, *other], ["short"] * 4 + ["long"] * 4)
    assert legend(figure)[:2] == ["short", "long"]
    line, _ = bars(figure.axes[0], "long")
    np.testing.assert_allclose(
        line.get_ydata(orig=False), [np.mean(percent(other, f)) for f in (0.0, 0.2)]
    )
    assert_fails(accuracy, [*one, *other], r"data\.n_train is 6 and 8.*label")


def test_accuracy_refuses_what_cannot_be_compared(make):
    one = make()
    assert_fails(accuracy, [], "no results")
    assert_fails(accuracy, [one], "labels: got 2", ["a", "b"])
    assert_fails(accuracy, [one, make()], "more than one result of seed 0.*at 20 % sleep")
    assert_fails(
        accuracy, [make(network={"name": "competitive"})], "got competitive; expected .*massey"
    )
    assert_fails(
        accuracy, [one, make(seed=1, network={"dt": "0.5 ms"})], r"network\.dt is 0\.001 second"
    )
    assert_fails(accuracy, [one, make(seed=1, n_train=0)], r"data\.n_train is 6 and 0")
    assert_fails(
        accuracy, [make(metrics={"network_accuracy": None})], "no metric 'network_accuracy'"
    )
    other = Result(one.path, {**one.info, "protocol": {"name": "other"}})
    assert_fails(accuracy, [other], "not of a network")
    assert_fails(accuracy, [make(arrays={"labels/test": None})], "no array 'labels/test'")
    curves = [make(seed=k) for k in range(9)]
    assert_fails(accuracy, curves, "curves: got 9; expected at most 5", list("abcdefghi"))


def test_data_sets_may_differ_in_size_but_not_within_a_panel(make):
    results = [make(data="digits"), make(data="mnist", n_train=8)]
    assert len(accuracy.draw(results).axes) == 2


def test_one_limit_of_sleep_among_several_is_marked_as_such(make):
    free = {"schedule": {"period": "2.0 second",
                         "sleep": {"fraction": 1.0, "max_duration": "2.0 second"}}}  # fmt: skip
    results = [make(data="digits"), make(data="digits", protocol=free)]
    figure = accuracy.draw(results, ["limited", "free"])
    (line,) = by_id(figure, "longest sleep")
    np.testing.assert_allclose(line.get_xdata(orig=False), 25)
    assert any("if limited" in text for text in texts(figure))


# -- labels --------------------------------------------------------------------------------------


def few(network, pixels):
    return {"network_accuracy_5": network, "pixels_accuracy_5": pixels}


def test_sleep_sweep_shows_accuracy_gain_and_rate(make, tmp_path):
    results = make.sweep()
    figure = sleep_sweep.draw(results[::-1])
    above, gain, rate = figure.axes
    assert above.get_ylabel() == "test accuracy (%)"
    assert gain.get_ylabel() == "gain over no sleep,\nsame seed (points)"
    assert rate.get_ylabel() == "E rate in test (Hz)" and rate.get_xlabel() == "sleep (% of wake)"
    line, _ = bars(above, "massey2026")
    means = [seed_spread(percent(results, f)).mean for f in (0.0, 0.2, 1.0)]
    np.testing.assert_allclose(line.get_ydata(orig=False), means)
    differences = np.subtract(percent(results, 0.2), percent(results, 0.0))
    line, ends = bars(gain, "massey2026")
    np.testing.assert_allclose(line.get_xdata(orig=False), [20, 100])
    spread = seed_spread(differences)
    assert line.get_ydata(orig=False)[0] == pytest.approx(spread.mean)
    np.testing.assert_allclose(ends[0][:, 1], (spread.low, spread.high))
    (seeds,) = by_id(gain, "massey2026: seeds")
    assert len(seeds.get_offsets()) == 6
    low, high = gain.get_ylim()
    assert low < min(*seeds.get_offsets()[:, 1], 0, spread.low) and high > spread.high
    line, _ = bars(rate, "massey2026")
    np.testing.assert_allclose(line.get_ydata(orig=False), means)  # made so: 100 Hz times accuracy
    assert rate.get_ylim()[0] == 0 and rate.get_ylim()[1] > max(means)
    assert fits(figure)
    figure.savefig(tmp_path / "sleep_sweep.png")


def test_sleep_sweep_has_a_column_a_data_set_and_a_curve_a_model(make):
    results = [
        r
        for data in ("mnist", "digits")
        for name in ("massey2026", "other")
        for r in make.sweep((0.0, 0.2), 2, data=data, network={"name": name})
    ]
    figure = sleep_sweep.draw(results)
    assert [a.get_title() for a in figure.axes[:2]] == ["MNIST", "digits"]
    assert len(figure.axes) == 6 and legend(figure)[:2] == ["massey2026", "other"]
    awake = sleep_sweep.draw(
        [r for r in results if r.info["protocol"]["schedule"]["sleep"]["fraction"]]
    )
    assert len(awake.axes) == 4  # nothing to compare with


def test_sleep_sweep_refuses_what_cannot_be_compared(make):
    one = make()
    assert_fails(sleep_sweep, [], "no results")
    assert_fails(sleep_sweep, [one, make()], "more than one result of seed 0.*at 20 % sleep")
    other = make(seed=1, rule=TEXTBOOK)
    assert_fails(sleep_sweep, [one, other], "give each curve a label of its own", ["a"] * 2)
    assert len(sleep_sweep.draw([one, other], ["a", "b"]).axes) == 2


def swept_decay(make):
    """No sleep, and two lengths of it with and without decay."""

    def schedule(fraction, decay):
        asleep = {"fraction": fraction, "max_duration": "0.5 second", "gates": {"decay": decay}}
        return {"schedule": {"period": "2.0 second", "sleep": asleep}}

    settings = [(0.0, 1.0), (0.1, 1.0), (0.2, 1.0), (0.1, 0.0), (0.2, 0.0)]
    return [(f, d, make(seed=s, protocol=schedule(f, d))) for f, d in settings for s in range(2)]


def test_sleep_sweep_gives_each_setting_a_curve_and_all_the_runs_without_sleep(make):
    runs = swept_decay(make)
    results = [result for *_, result in runs]
    figure = sleep_sweep.draw(results)
    assert legend(figure)[:2] == ["decay 1", "decay 0"] and len(figure.axes) == 3
    for name, decay in (("decay 1", 1.0), ("decay 0", 0.0)):
        line, _ = bars(figure.axes[0], name)
        np.testing.assert_allclose(line.get_xdata(orig=False), [0, 10, 20])
        expected = [
            np.mean([100 * r.metrics["network_accuracy"] for f, d, r in runs
                     if f == fraction and (d == decay or not f)])
            for fraction in (0.0, 0.1, 0.2)
        ]  # fmt: skip
        np.testing.assert_allclose(line.get_ydata(orig=False), expected)
    as_curves = ["with decay" if d else "without decay" for _, d, _ in runs]
    assert legend(sleep_sweep.draw(results, as_curves))[:2] == ["with decay", "without decay"]
    as_conditions = [f"{100 * f:g} %, {d:g}" for f, d, _ in runs]
    assert legend(sleep_sweep.draw(results, as_conditions))[:2] == ["decay 1", "decay 0"]


def test_sleep_sweep_of_conditions_names_a_curve_by_its_only_one(make):
    runs = [(f, d, r) for f, d, r in swept_decay(make) if f < 0.15]
    labels = ["no sleep" if not f else "sleep" if d else "no decay" for f, d, _ in runs]
    figure = sleep_sweep.draw([r for *_, r in runs], labels)
    assert legend(figure)[:2] == ["sleep", "no decay"]
    assert len(bars(figure.axes[0], "no decay")[0].get_xdata(orig=False)) == 2


# -- conditions ----------------------------------------------------------------------------------


def test_conditions_draws_what_all_results_have(make):
    metrics = {"rate_wake_e_hz": 12.0, "weight_rested": 0.5}
    defined = [{"group": "observed", "pattern": "weight_rested", "unit": "1", "text": "w"}]
    results = make.sweep((0.0, 0.2), 3, metrics=metrics)
    for result in results:
        result.info["defined"] = defined
    figure = conditions.draw(results)
    labels_ = [axes.get_xlabel() for axes in figure.axes]
    assert labels_ == ["test accuracy (%)", "weight_rested", "E rate\nawake (Hz)"]
    first = figure.axes[0]
    assert [t.get_text() for t in first.get_yticklabels()] == ["no sleep", "sleep 20 %"]
    found = [100 * r.metrics["network_accuracy"] for r in results[:3]]
    (mean,) = (c for c in first.containers if c.get_label() == "no sleep: network_accuracy")
    assert mean.lines[0].get_xdata()[0] == pytest.approx(np.mean(found))
    (seeds,) = by_id(first, "no sleep: network_accuracy: seeds")
    np.testing.assert_allclose(seeds.get_offsets()[:, 0], found)
    assert legend(figure) == ["mean over seeds", "one seed", "95 % interval of mean"]
    assert fits(figure)
    assert legend(conditions.draw(results[:1])) == ["one seed"]
    bare = make(metrics={"network_accuracy": None})
    assert_fails(conditions, [bare], "measures that all results have: got none")


def test_labels_is_accuracy_by_the_number_of_labels(make, tmp_path):
    results = [
        make(data=data, seed=seed, protocol={"readout": {"population": "e", "label_counts": [5]}},
             metrics=few(0.3 + 0.1 * seed, 0.5))
        for data in ("mnist", "fashion-mnist") for seed in range(3)
    ]  # fmt: skip
    figure = labels.draw([*results[:3], *results[3:]], ["naps"] * 6)
    assert list(panels(figure)) == ["MNIST", "Fashion-MNIST"]
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "labels the readout is fitted on", "test accuracy (%)")  # fmt: skip
    line, ends = bars(axes, "naps")
    all_labels = [100 * r.metrics["network_accuracy"] for r in results[:3]]
    np.testing.assert_array_equal(line.get_xdata(orig=False), [5, 10])
    np.testing.assert_allclose(line.get_ydata(orig=False), [40, np.mean(all_labels)])
    spread = seed_spread([30, 40, 50])
    np.testing.assert_allclose(ends[0][:, 1], (spread.low, spread.high))
    (seeds,) = by_id(axes, "naps: seeds")
    assert sorted(y for x, y in seeds.get_offsets() if x == 5) == pytest.approx([30, 40, 50])
    (pixels,) = by_id(axes, "raw pixels")
    np.testing.assert_allclose(pixels.get_ydata(), [50, 71])
    assert legend(figure) == ["naps", "raw pixels", "one seed", "95 % interval of mean"]
    assert fits(figure)
    figure.savefig(tmp_path / "labels.png")


def test_labels_refuses_what_it_cannot_show(make):
    assert_fails(labels, [], "no results")
    assert_fails(labels, [make()], "label_counts.*expected numbers of labels below")
    counted = {"readout": {"population": "e", "label_counts": [5]}}
    assert_fails(labels, [make(protocol=counted)], "no metric 'network_accuracy_5'")
    many = [make(seed=k, protocol=counted, metrics=few(0.5, 0.5)) for k in range(9)]
    assert_fails(labels, many, "conditions: got 9; expected at most 8", list("abcdefghi"))
    assert_fails(labels, many[:1] * 2, "more than one result of seed 0")


# -- sensitivity ---------------------------------------------------------------------------------


def swept(make, values=("5e-05 volt", "0.0001 volt", "0.0004 volt"), seeds=2, **settings):
    return [make(seed=s, network={"theta": v}, **settings) for v in values for s in range(seeds)]


def test_sensitivity_finds_the_setting_that_was_varied(make, tmp_path):
    none, naps = swept(make, fraction=0.0), swept(make)
    figure = sensitivity.draw([*none, *naps])
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("theta (mV)", "test accuracy (%)")
    for results, name in ((none, "no sleep"), (naps, "sleep 20 %")):
        line, ends = bars(axes, name)
        np.testing.assert_allclose(line.get_xdata(orig=False), [0.05, 0.1, 0.4])
        found = [100 * r.metrics["network_accuracy"] for r in results]
        np.testing.assert_allclose(
            line.get_ydata(orig=False), np.mean(np.reshape(found, (3, 2)), 1)
        )
        spread = seed_spread(found[:2])
        np.testing.assert_allclose(ends[0][:, 1], (spread.low, spread.high))
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.05", "0.1", "0.4"]
    low, high = axes.get_xlim()
    assert axes.get_xscale() == "log" and 0.03 < low < 0.05 and 0.4 < high < 0.6
    assert legend(figure)[:3] == ["no sleep", "sleep 20 %", "raw pixels"]
    assert fits(figure)
    figure.savefig(tmp_path / "sensitivity.png")


def test_sensitivity_on_two_data_sets_without_a_unit(make):
    results = [r for data in ("mnist", "digits") for r in swept(make, (0.5, 1.0), data=data)]
    figure = sensitivity.draw(results)
    assert list(panels(figure)) == ["MNIST", "digits"]
    assert [a.get_xlabel() for a in figure.axes] == ["theta", "theta"]


def test_sensitivity_refuses_what_it_cannot_order(make):
    assert_fails(sensitivity, [], "no results")
    assert_fails(sensitivity, [make(), make(seed=1)], "got none; expected exactly one")
    two = [make(network={"theta": 1, "dt": "1 ms"}), make(network={"theta": 2, "dt": "2 ms"})]
    assert_fails(
        sensitivity, two, r"got network\.(dt, network\.theta|theta, network\.dt)", ["a"] * 2
    )
    words = [make(network={"theta": "one"}), make(network={"theta": "two"})]
    assert_fails(sensitivity, words, "theta: got one; expected a number", ["a"] * 2)
    assert_fails(sensitivity, swept(make, seeds=1) * 2, "more than one result of seed 0.* at 5e-05")


# -- controls ------------------------------------------------------------------------------------


def test_controls_has_a_row_a_condition_and_two_panels_a_data_set(make, tmp_path):
    names = ["no sleep", "a condition with a name of three lines", "frozen"]
    results, labels = [], []
    for data in ("mnist", "fashion-mnist"):
        for name in names:
            if (data, name) != ("mnist", "frozen"):
                results += [make(data=data, seed=s) for s in range(3)]
                labels += [name] * 3
    figure = controls.draw(results, labels)
    assert len(figure.axes) == 4
    assert [a.get_title(loc="left") for a in figure.axes] == ["MNIST", "", "Fashion-MNIST", ""]
    assert [a.get_xlabel() for a in figure.axes] == [
        "test accuracy (%)", "E rate in test (Hz)"] * 2  # fmt: skip
    rows = [t.get_text().replace("\n", " ") for t in figure.axes[0].get_yticklabels()]
    assert rows == names
    for k, data in enumerate(("mnist", "fashion-mnist")):
        for row, name in enumerate(names):
            kept = [r for r, label in zip(results, labels, strict=True)
                    if label == name and r.info["data"]["name"] == data]  # fmt: skip
            for axes, metric, factor in zip(
                figure.axes[2 * k : 2 * k + 2],
                ("network_accuracy", "rate_test_e_hz"), (100, 1), strict=True,
            ):  # fmt: skip
                values = [factor * r.metrics[metric] for r in kept]
                if not values:
                    assert name not in [c.get_label() for c in axes.containers]
                    continue
                line, ends = bars(axes, name)
                expected = seed_spread(values)
                assert (line.get_xdata(orig=False)[0], line.get_ydata(orig=False)[0]) == (
                    pytest.approx(expected.mean), row)  # fmt: skip
                np.testing.assert_allclose(ends[0][:, 0], (expected.low, expected.high))
                (seeds,) = by_id(axes, f"{name}: seeds")
                np.testing.assert_allclose(seeds.get_offsets()[:, 0], values)
        (pixels,) = by_id(figure.axes[2 * k], "raw pixels")
        np.testing.assert_allclose(pixels.get_xdata(), 71)
    assert legend(figure) == ["mean over seeds", "one seed", "95 % interval of mean"]
    assert fits(figure)
    figure.savefig(tmp_path / "controls.png")


def test_controls_of_one_seed_on_one_data_set(make):
    results = [make(fraction=0.0), make(), make(n_train=0)]
    figure = controls.draw(results)
    assert figure.get_figwidth() == _style.WIDTHS["single"]
    rows = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert rows == ["no sleep", "sleep 20 %", "frozen"]
    assert legend(figure) == ["one seed"]
    line, _ = bars(figure.axes[1], "frozen")
    assert line.get_xdata(orig=False) == pytest.approx([results[2].metrics["rate_test_e_hz"]])
    assert fits(figure)


def test_controls_refuses_what_would_mislead(make):
    assert_fails(controls, [], "no results")
    assert_fails(controls, [make(), make()], "more than one result of seed 0.*label of its own")
    assert_fails(controls, [make()], "labels: got 0; expected 1", [])
    assert_fails(controls, [make(metrics={"rate_test_e_hz": None})], "no metric 'rate_test_e_hz'")
    assert_fails(controls, [make(metrics={"pixels_accuracy": None})], "no metric 'pixels_accuracy'")


# -- sleep replay --------------------------------------------------------------------------------


def test_sleep_replay_has_two_scores_a_condition(make, tmp_path):
    names, results, labels = ["no sleep", "sleep", "depression only"], [], []
    rng = np.random.default_rng(1)
    for data in ("mnist", "fashion-mnist"):
        for name in names:
            for seed in range(3):
                metrics = {"relu_accuracy": rng.random(), "relu_calibrated": rng.random()}
                results.append(make(data=data, seed=seed, metrics=metrics))
                labels.append(name)
    figure = sleep_replay.draw(results, labels)
    assert [a.get_title(loc="left") for a in figure.axes] == ["MNIST", "Fashion-MNIST"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == names
    scores = {metric: text for metric, text, *_ in sleep_replay.SCORES}
    assert legend(figure) == [
        *scores.values(), "one seed", "95 % interval of mean", "without sleep"]  # fmt: skip
    for axes, data in zip(figure.axes, ("mnist", "fashion-mnist"), strict=True):
        for name in names:
            for metric, text in scores.items():
                values = [
                    100 * r.metrics[metric]
                    for r, label in zip(results, labels, strict=True)
                    if label == name and r.info["data"]["name"] == data
                ]
                expected = seed_spread(values)
                line, ends = bars(axes, f"{name}: {text}")
                assert line.get_xdata(orig=False)[0] == pytest.approx(expected.mean)
                np.testing.assert_allclose(ends[0][:, 0], (expected.low, expected.high))
                (seeds,) = by_id(axes, f"{name}: {text}: seeds")
                np.testing.assert_allclose(seeds.get_offsets()[:, 0], values)
                if name == "no sleep":
                    (reference,) = by_id(axes, f"{name}: {text}")
                    np.testing.assert_allclose(reference.get_xdata(), expected.mean)
    assert fits(figure)
    figure.savefig(tmp_path / "sleep_replay.png")


def test_sleep_replay_of_one_run_and_what_it_refuses(make):
    metrics = {"relu_accuracy": 0.5, "relu_calibrated": 0.6}
    one = make(metrics=metrics)
    figure = sleep_replay.draw([one])
    scores = [text for _, text, *_ in sleep_replay.SCORES]
    assert legend(figure) == [*scores, "without sleep"]
    assert_fails(sleep_replay, [], "no results")
    assert_fails(sleep_replay, [one, one], "more than one result of seed 0", ["a", "a"])
    assert_fails(sleep_replay, [make()], "got no ReLU network; expected a run of the task")


# -- margins -------------------------------------------------------------------------------------


def searched(make, seeds=2, stages=("search / ", "test / "), names=("a", "b")):
    """Settings of a search in stages; the last arm of each is the best control but for one seed."""
    results, given = [], []
    counted = {"readout": {"population": "e", "label_counts": [5]}}
    for k, stage in enumerate(stages):
        for name in names[k:]:
            for shift, arm in ((0.0, "sleep"), (-0.2, "frozen"), (-0.1, "normalised")):
                for seed in range(seeds):
                    all_labels = 0.7 + shift + (0.15 * (seed == 1) if arm == "frozen" else 0.0)
                    results.append(
                        make(seed=seed, protocol=counted,
                             metrics=few(0.5 + 2 * shift, 0.4) | {"network_accuracy": all_labels})
                    )  # fmt: skip
                    given.append(f"{stage}{name} / {arm}")
    return results, given


def test_margins_are_to_the_best_control_seed_by_seed(make, tmp_path):
    results, given = searched(make)
    figure = margins.draw(results, given)
    (axes,) = figure.axes
    assert (axes.get_title(), axes.get_xlabel()) == (
        "MNIST",
        "sleep less the best control (points)",
    )
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    for label, values in (("search / a", [10, 5]), ("search / a / few labels", [20, 20])):
        line, ends = bars(axes, label)
        expected = seed_spread(np.array(values, float))
        assert line.get_xdata(orig=False)[0] == pytest.approx(expected.mean)
        np.testing.assert_allclose(ends[0][:, 0], (expected.low, expected.high))
        assert line.get_markerfacecolor() == ("white" if "few" in label else line.get_color())
    drawn = [c.get_label() for c in axes.containers]
    assert drawn == [f"{name}{end}" for name in ("search / a", "search / b", "test / b")
                     for end in ("", " / few labels")]  # fmt: skip
    assert legend(figure) == [
        "search, all labels", "test, all labels", "few labels", "95 % interval of mean"
    ]  # fmt: skip
    assert fits(figure)
    figure.savefig(tmp_path / "margins.png")


def test_margins_of_one_setting_and_one_readout(make):
    results = [make(fraction=0.0), make(), make(n_train=0)]
    (axes,) = margins.draw(results).axes
    assert axes.get_xlabel() == "no sleep less the best control (points)"
    ((line, *_),) = axes.containers
    first, *others = (100 * r.metrics["network_accuracy"] for r in results)
    assert line.get_xdata(orig=False) == pytest.approx([first - max(others)])


def test_margins_refuses_what_has_no_control(make):
    assert_fails(margins, [], "no results")
    assert_fails(margins, [make(), make(seed=1)], "'a' on mnist with a seed in common: got none",
                 ["a / sleep", "a / frozen"])  # fmt: skip
    assert_fails(margins, [make(), make()], "expected at least two", ["a / sleep", "b / sleep"])
    assert_fails(margins, [make(), make()], "more than one result of seed 0", ["a / sleep"] * 2)
    nothing = [make(metrics={"network_accuracy": None}), make()]
    assert_fails(margins, nothing, "no metric 'network_accuracy'", ["a / sleep", "a / frozen"])


# -- receptive fields ----------------------------------------------------------------------------


def test_receptive_fields_are_the_trained_weights_most_active_first(make, tmp_path):
    result = make()
    figure = receptive_fields.draw([result])
    arrays = result.arrays
    spikes = arrays["counts/e"][arrays["slots/part"] == "test"].sum(axis=0)
    images = [a for a in figure.axes if a.get_images() and (a.get_gid() or "").startswith("neuron")]
    order = [int(a.get_gid().split()[1]) for a in images]
    assert sorted(order) == list(range(N_E))
    assert np.all(np.diff(spikes[order]) <= 0)
    for axes, neuron in zip(images, order, strict=True):
        shown = axes.get_images()[0].get_array()
        expected = np.full(SIZE[0] * SIZE[1], np.nan)
        mine = SYNAPSES[:, 1] == neuron
        expected[SYNAPSES[mine, 0]] = arrays["snapshots/trained/input_e"][mine]
        np.testing.assert_array_equal(np.ma.filled(shown, np.nan), expected.reshape(SIZE))
        image = axes.get_images()[0]
        assert to_hex(image.cmap(np.ma.masked)) == receptive_fields.UNCONNECTED.lower()
        assert image.get_clim() == (0, arrays["snapshots/trained/input_e"].max())
    assert "weight $w$ (dimensionless)" in texts(figure)
    assert legend(figure) == ["no synapse"]
    assert any("8 of 8 E neurons" in text for text in texts(figure))
    assert fits(figure)
    figure.savefig(tmp_path / "fields.png")


def test_receptive_fields_of_an_input_that_is_connected_to_all(make):
    every = np.array([(pre, post) for post in range(N_E) for pre in range(12)])
    arrays = {"synapses/input_e": every, "snapshots/trained/input_e": np.zeros(len(every))}
    figure = receptive_fields.draw([make(arrays=arrays)], ["all"])
    assert not figure.legends
    assert any(text.startswith("all, input → E") for text in texts(figure))


def test_receptive_fields_shows_at_most_36(make, monkeypatch):
    monkeypatch.setattr(receptive_fields, "MOST", 5)
    figure = receptive_fields.draw([make()])
    assert sum((a.get_gid() or "").startswith("neuron") for a in figure.axes) == 5
    assert any("5 of 8 E neurons" in text for text in texts(figure))


def test_receptive_fields_errors(make):
    one = make()
    assert_fails(receptive_fields, [one, make(seed=1)], "got 2; expected one")
    assert_fails(receptive_fields, [], "no results")
    assert_fails(
        receptive_fields, [make(network={"projections": []})], "no projection from input to e"
    )
    assert_fails(receptive_fields, [make(protocol={"encoder": {"size": [3, 3]}})], "of 12 inputs")
    for name in ("synapses/input_e", "snapshots/trained/input_e", "counts/e", "slots/part"):
        assert_fails(receptive_fields, [make(arrays={name: None})], f"no array '{name}'")


# -- similarity ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4])
def test_similarity_shows_the_correlations_of_class_means(make, tmp_path, n):
    results = [make(seed=k) for k in range(n)]
    figure = similarity.draw(results, [f"name {k}" for k in range(n)])
    images = [a for a in figure.axes if a.get_xlabel() == "class"]
    limits = set()
    for k, (axes, result) in enumerate(zip(images, results, strict=True)):
        arrays = result.arrays
        tested = arrays["counts/e"][arrays["slots/part"] == "test"]
        expected = class_similarity(tested, arrays["labels/test"])
        (image,) = axes.get_images()
        np.testing.assert_array_equal(image.get_array(), expected)
        assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "1", "2"]
        mean = f"{expected[~np.eye(3, dtype=bool)].mean():.2f}".replace("-", "−")
        assert axes.get_title() == f"name {k}\nmean off diagonal {mean}"
        limits.add(image.get_clim())
    ((low, high),) = limits  # one scale
    assert low <= expected.min() and high == 1
    assert "correlation $r$ of\nmean responses" in texts(figure)
    assert fits(figure)
    figure.savefig(tmp_path / "similarity.png")


def test_similarity_of_a_silent_network(make):
    silent = make()
    counts = np.zeros_like(silent.arrays["counts/e"])
    figure = similarity.draw([make(arrays={"counts/e": counts})])
    assert figure.axes[0].get_title().endswith("mean off diagonal nan")


def test_similarity_errors(make):
    assert_fails(similarity, [], "no results")
    assert_fails(similarity, [make(seed=k) for k in range(5)], "got 5; expected at most 4")
    assert_fails(
        similarity, [make(arrays={"labels/test": np.zeros(N_TEST, int)})], "two classes or more"
    )
    assert_fails(similarity, [make(arrays={"labels/test": np.arange(4)})], "30 responses, 4 labels")
    assert_fails(similarity, [make(arrays={"counts/e": None})], "no array 'counts/e'")


# -- rates in wake and sleep ---------------------------------------------------------------------


def test_sleep_rates_are_spikes_by_neurons_and_time(make, tmp_path):
    slept, none, frozen = make(n_train=6), make(fraction=0.0, n_train=5), make(n_train=0)
    figure = sleep_rates.draw([slept, none, frozen])
    assert legend(figure) == ["sleep 20 %", "no sleep"]
    axes = np.array(figure.axes).reshape(2, 2)
    assert [a.get_title() for a in axes[0]] == ["wake", "sleep"]
    assert [a.get_ylabel() for a in axes[:, 0]] == ["E rate (Hz)", "I rate (Hz)"]
    assert [a.get_xlabel() for a in axes[1]] == ["biological time (s)"] * 2
    np.testing.assert_allclose(axes[0, 0].get_xlim(), (0, 7.2))
    for row, (name, size) in zip(axes, (("e", N_E), ("i", N_I)), strict=True):
        totals = slept.arrays[f"totals/{name}"]  # two images and a sleep in two slots, three times
        (wake,), (sleep,) = (by_id(a, "sleep 20 %") for a in row)
        np.testing.assert_allclose(wake.get_xdata(), [1, 3.4, 5.8])
        images = [totals[[k, k + 1]].sum() / (2 * size) for k in (0, 4, 8)]
        np.testing.assert_allclose(wake.get_ydata(), images)
        np.testing.assert_allclose(sleep.get_xdata(), [2.2, 4.6, 7.0])
        sleeps = [totals[[k, k + 1]].sum() / (0.4 * size) for k in (2, 6, 10)]
        np.testing.assert_allclose(sleep.get_ydata(), sleeps)
        (wake,) = by_id(row[0], "no sleep")  # cut after every 2 s; the last image is alone
        np.testing.assert_allclose(wake.get_xdata(), [1, 3, 4.5])
        totals = none.arrays[f"totals/{name}"]
        parts = [totals[:2].sum() / 2, totals[2:4].sum() / 2, totals[4]]
        np.testing.assert_allclose(wake.get_ydata(), np.array(parts) / size)
        assert not by_id(row[1], "no sleep")
    assert fits(figure)
    figure.savefig(tmp_path / "rates.png")


def test_many_phases_are_pooled(make, monkeypatch):
    monkeypatch.setattr(sleep_rates, "MOST", 2)
    result = make(n_train=6)
    (wake,) = by_id(sleep_rates.draw([result]).axes[0], "sleep 20 %")
    totals = result.arrays["totals/e"]
    expected = [totals[[0, 1, 4, 5]].sum() / (4 * N_E), totals[[8, 9]].sum() / (2 * N_E)]
    np.testing.assert_allclose(wake.get_ydata(), expected)
    np.testing.assert_allclose(wake.get_xdata(), [2.2, 5.8])


def test_a_sleep_that_never_began_has_no_rate(make):
    result = make(n_train=4)
    steps = result.arrays["slots/steps"].copy()
    steps[2:4] = 0
    figure = sleep_rates.draw([make(n_train=4, arrays={"slots/steps": steps})])
    (sleep,) = by_id(figure.axes[1], "sleep 20 %")
    assert len(sleep.get_xdata()) == 1


def test_sleep_rates_says_where_there_was_no_sleep(make):
    assert texts(sleep_rates.draw([make(fraction=0.0)])).count("no sleep") >= 2


def test_sleep_rates_errors(make):
    assert_fails(sleep_rates, [], "no results")
    assert_fails(sleep_rates, [make(n_train=0)], "no network was trained")
    for name in ("totals/i", "slots/steps", "slots/phase"):
        assert_fails(sleep_rates, [make(arrays={name: None})], f"no array '{name}'")
    populations = [{"name": "input", "size": 12}]
    assert_fails(
        sleep_rates, [make(network={"populations": populations})], "no population in common"
    )


# -- classes and schedule ------------------------------------------------------------------------

GATES = {
    "wake": {"gates": {"input": 1.0, "plasticity": 1.0}},
    "test": {"gates": {"input": 1.0}},
    "period": "2.0 second",
}
ASLEEP = {
    "fraction": 0.2, "max_duration": "0.5 second",
    "gates": {"input": 0.0, "plasticity": 1.0, "decay": 0.5},
}  # fmt: skip


def test_classes_shows_each_class_with_its_interval(make):
    right = np.arange(N_TEST) % 3 < 2  # every image of two classes, none of the third
    pixels = np.arange(N_TEST) < 15
    result = make(arrays={"correct/network": right, "correct/pixels": pixels})
    (axes,) = classes.draw([result], ["naps"]).axes
    points, intervals = bars(axes, "naps")
    np.testing.assert_allclose(points.get_ydata(), [100, 100, 0])
    ends = np.array([segment[:, 1] for segment in intervals])
    low, high = classes.wilson(np.array([10, 10, 0]), np.array([10, 10, 10]))
    np.testing.assert_allclose(ends, 100 * np.column_stack([low, high]), atol=1e-9)
    np.testing.assert_allclose(low[0], 0.722467, atol=1e-6)  # 1/(1 + z^2/n)
    (squares,) = by_id(axes, "pixels")
    np.testing.assert_allclose(squares.get_ydata(), [50, 50, 50])


def test_classes_errors(make):
    assert_fails(classes, [make()], "no array 'correct/network'")
    few = {"correct/network": np.ones(3), "correct/pixels": np.ones(3)}
    assert_fails(classes, [make(arrays=few)], "one for each of 30 test images")
    assert_fails(classes, [make(seed=s) for s in range(5)], "at most 4")


def test_schedule_shows_phases_and_how_far_gates_are_open(make):
    figure = schedule.draw([make(protocol={"schedule": {"sleep": ASLEEP} | GATES})])
    whole, gates = figure.axes
    assert legend(figure) == ["wake", "sleep", "test"]
    sleeps = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in by_id(whole, "sleep")]
    np.testing.assert_allclose(sleeps, [(2, 2.4), (4.4, 4.8), (6.8, 7.2)])  # two slots, one sleep
    assert [t.get_text() for t in gates.get_yticklabels()] == ["input", "plasticity", "decay"]
    (half,), (whole_row,) = by_id(gates, "decay in sleep"), by_id(gates, "plasticity in sleep")
    assert half.get_height() == pytest.approx(whole_row.get_height() / 2)
    np.testing.assert_allclose((half.get_x(), half.get_width()), (2, 0.4))
    assert by_id(gates, "input in sleep")[0].get_height() == 0
    assert "training ends, weights frozen" in texts(figure)


def test_schedule_shows_stages_with_gates_of_their_own(make):
    stages = [{"name": "deep", "share": 1.0, "gates": {"plasticity": 0.0}},
              {"name": "rem", "share": 1.0, "gates": {"decay": 0.0}}]  # fmt: skip
    asleep = ASLEEP | {"stages": stages}
    plain = make()
    names = np.full(len(plain.arrays["slots/phase"]), "", "U4")
    names[[2, 6, 10]], names[[3, 7, 11]] = "deep", "rem"
    made = {"schedule": {"sleep": asleep} | GATES}
    figure = schedule.draw([make(protocol=made, arrays={"slots/sleep_stage": names})])
    assert legend(figure) == ["wake", "sleep: deep", "sleep: rem", "test"]
    (closed,), (opened,) = (by_id(figure.axes[1], f"decay in sleep: {x}") for x in ("rem", "deep"))
    assert closed.get_height() == 0 < opened.get_height()


def test_schedule_errors(make):
    assert_fails(schedule, [make()], "names no gates")
    assert_fails(schedule, [make(), make()], "got 2; expected one")
    made = {"schedule": {"sleep": ASLEEP} | GATES}
    assert_fails(schedule, [make(protocol=made, arrays={"slots/phase": None})], "no array")
    steps = np.zeros(len(make().arrays["slots/steps"]), int)
    assert_fails(schedule, [make(protocol=made, arrays={"slots/steps": steps})], "ran no time")


def test_a_batch_has_the_spikes_of_all_its_images(make):
    one = make(n_train=4)
    many = make(n_train=4, arrays={name: one.arrays[name] for name in ("totals/e", "totals/i")} |
                {"slots/n_images": np.full(len(one.arrays["slots/phase"]), 10)})  # fmt: skip
    single, shared = (by_id(sleep_rates.draw([r]).axes[0], "sleep 20 %")[0] for r in (one, many))
    np.testing.assert_allclose(shared.get_ydata(), single.get_ydata() / 10)
