import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from brainsleep.analysis.metrics import WEIGHT_STATISTICS, weight_statistics
from brainsleep.errors import FigureError
from brainsleep.figures import _lines, _names, _read, demo, histograms, raster, weights
from brainsleep.figures import _style as style
from brainsleep.results.store import read_result, write_result
from brainsleep.show.drawn import told_apart

W_MAX = {"input_e": 25.0, "ee": 20.0, "ie": 25.0}
SIZES = {"input": 100, "e": 20, "i": 5}
STEPS = 100  # of an image; 1 ms each


def projection(name, source, target, sign=1):
    return {
        "name": name, "source": source, "target": target, "sign": sign, "w_min": 0.01,
        "w_max": W_MAX[name], "rules": [{"name": "stdp"}], "processes": [],
    }  # fmt: skip


def slots(fraction, n_train, ended):
    """Phases and steps: sleep after every second image, cut into two slots; then four tests."""
    phase, steps = [], []
    for k in range(n_train):
        phase, steps = [*phase, "wake"], [*steps, STEPS]
        if k % 2 and fraction:
            length = round(fraction * STEPS)
            phase, steps = [*phase, "sleep", "sleep"], [*steps, length, 0 if ended else length]
    return np.array([*phase, *["test"] * 4]), np.array([*steps, *[STEPS] * 4])


def make(out, number, *, fraction=0.2, n_train=6, spikes=True, ended=False, accuracy=0.8, **more):
    """Write a small result, its weights growing with every wake and shrinking in sleep."""
    rng = np.random.default_rng(number)
    phase, steps = slots(fraction, n_train, ended)
    starts = np.concatenate([[0], np.cumsum(steps)])
    n_slots = len(phase) - 4
    arrays = {
        "slots/phase": phase,
        "slots/steps": steps,
        "stat_times_s": starts[: n_slots + 1] * 1e-3,
        "labels/test": np.arange(20) % 10,
    }
    for name, w_max in W_MAX.items():
        first = np.full(50, 0.3)
        grown = np.clip(rng.lognormal(0, 2, 50), 0.01, w_max)
        course = np.geomspace(first, grown, n_slots + 1) if n_slots else first[None]
        arrays[f"snapshots/initial/{name}"] = first
        arrays[f"snapshots/trained/{name}"] = course[-1]
        arrays[f"stats/{name}"] = np.array([weight_statistics(w, w_max) for w in course])
    for name, size in SIZES.items():
        when = np.sort(rng.integers(0, max(starts[n_slots], 1), 200 * spikes * (n_train > 0)))
        neuron = rng.integers(0, size, len(when))
        arrays[f"spikes/{name}"] = np.column_stack([when, neuron]).astype(np.int64)
    protocol = {
        "name": "small",
        "data": {"n_train": n_train},
        "network": {
            "dt": "0.001 second",
            "populations": [{"name": name, "size": size} for name, size in SIZES.items()],
            "projections": [
                projection("input_e", "input", "e"),
                projection("ee", "e", "e"),
                projection("ie", "i", "e", -1),
            ],
        },
        "readout": {"population": "e"},
        "record": {"raster": [1, 5] if spikes and n_train else []},
        "schedule": {"sleep": {"fraction": fraction}},
    }
    info = {
        "protocol": protocol,
        "seed": number,
        "weight_statistics": list(WEIGHT_STATISTICS),
        "metrics": {
            "network_accuracy": accuracy,
            "network_interval": [accuracy - 0.1, accuracy + 0.05],
            "pixels_accuracy": 0.75,
            "pixels_interval": [0.7, 0.8],
            "rate_test_e_hz": 10.0 * (number + 1),
        },
        **more,
    }
    write_result(out, f"{number:016x}", info, arrays)
    return read_result(out / f"{number:016x}")


def change(result, out, *, without=(), **info):
    """Write a copy without some arrays or with other info."""
    arrays = {k: v for k, v in result.arrays.items() if k not in without}
    kept = {k: v for k, v in result.info.items() if k not in ("run_id", "checksum")}
    return write_result(out, "f" * 16, {**kept, **info}, arrays)


@pytest.fixture
def none(tmp_path):
    return make(tmp_path, 1, fraction=0, accuracy=0.3)


@pytest.fixture
def slept(tmp_path):
    return make(tmp_path, 2, fraction=0.2)


@pytest.fixture
def more(tmp_path):
    return make(tmp_path, 3, fraction=0.4, accuracy=0.7)


@pytest.fixture
def frozen(tmp_path):
    return make(tmp_path, 4, n_train=0)


def by_id(axes, gid):
    return [artist for artist in axes.findobj() if artist.get_gid() == gid]


def spans(axes, colour=style.SLEEP):
    """Start and end of what is shaded in `colour`."""
    found = by_id(axes, style.SLEEP_GID)
    found = [p for p in found if to_hex(p.get_facecolor()) == to_hex(colour)]
    return [(p.get_x(), p.get_x() + p.get_width()) for p in found]


def titled(figure, title):
    (axes,) = (a for a in figure.axes if a.get_title() == title and a.get_ylabel() != "")
    return axes


def labelled(figure, text):
    return [a for a in figure.axes if text in a.get_xlabel()]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def texts(figure):
    return [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text"))]


def fits(figure):
    """Tell whether everything drawn lies within the figure, to a hundredth of an inch."""
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    return box.x0 > -0.01 and box.y0 > -0.01 and box.x1 < width + 0.01 and box.y1 < height + 0.01


# -- demo ----------------------------------------------------------------------------------------


def test_demo_has_its_panels_with_units(none, slept, frozen, tmp_path):
    figure = demo.draw([none, slept, frozen])
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 7  # two time courses, two histograms, raster, accuracy, rate
    assert [len(labelled(figure, text)) for text in ("time (s)", "(dimensionless)")] == [2, 1]
    assert len(labelled(figure, "test accuracy (%)")) == 1
    assert len(labelled(figure, "E rate in test (Hz)")) == 1
    assert {a.get_title() for a in figure.axes} >= {"input → E", "E → E"}
    assert "I → E" not in texts(figure)  # excitatory ones only
    assert set("abcde") <= set(texts(figure))
    assert legend(figure) == ["no sleep", "sleep 20 %", "frozen", "5–95 % of synapses", "sleep"]
    assert fits(figure)
    figure.savefig(tmp_path / "demo.png")
    with Image.open(tmp_path / "demo.png") as image:
        assert image.size == (1400, 1100)  # 7 by 5.5 inches at 200 dots an inch


def test_style_does_not_depend_on_when_the_figure_is_saved(none, slept):
    figure = demo.draw([none, slept])
    figure.axes[0].set_xlim(0, 0.333)  # needs other ticks
    figure.canvas.draw()
    sizes = {text.get_fontsize() for a in figure.axes for text in a.get_xticklabels()}
    assert sizes == {7.5}


def test_sleep_of_one_condition_is_shaded_over_the_full_height(none, slept):
    figure = demo.draw([none, slept])
    axes = titled(figure, "E → E")
    # after two images of 100 ms: two slots of 20 ms, one sleep
    expected = [(0.2, 0.24), (0.44, 0.48), (0.68, 0.72)]
    np.testing.assert_allclose(spans(axes), expected)
    assert all(p.get_height() == 1 for p in by_id(axes, style.SLEEP_GID))
    assert axes.get_xlim() == pytest.approx((0, 0.72))


def test_sleep_of_several_conditions_is_shaded_in_their_colours(none, slept, more):
    axes = titled(demo.draw([none, slept, more]), "input → E")
    expected = {1: [(0.2, 0.24), (0.44, 0.48), (0.68, 0.72)],
                2: [(0.2, 0.28), (0.48, 0.56), (0.76, 0.84)]}  # fmt: skip
    for k, sleeps in expected.items():
        np.testing.assert_allclose(spans(axes, style.CONDITIONS[k]), sleeps)
    assert not spans(axes, style.CONDITIONS[0])
    tops = {p.get_y() for p in by_id(axes, style.SLEEP_GID)}
    assert len(tops) == 2  # one strip each


def test_sleep_that_ended_early_is_shaded_as_long_as_it_was(tmp_path):
    axes = titled(demo.draw([make(tmp_path, 5, ended=True)]), "E → E")
    np.testing.assert_allclose(spans(axes), [(0.2, 0.22), (0.42, 0.44), (0.64, 0.66)])


def test_time_courses_show_the_statistics_and_the_bound(none, slept):
    axes = titled(demo.draw([none, slept]), "E → E")
    assert axes.get_yscale() == "log"
    (bound,) = by_id(axes, "hard bound")
    assert bound.get_linestyle() == "--"
    np.testing.assert_array_equal(bound.get_ydata(), W_MAX["ee"])
    for line, result in zip(by_id(axes, "mean"), (none, slept), strict=True):
        column = WEIGHT_STATISTICS.index("mean")
        np.testing.assert_array_equal(line.get_xdata(), result.arrays["stat_times_s"])
        np.testing.assert_array_equal(line.get_ydata(), result.arrays["stats/ee"][:, column])


def test_histograms_mark_equal_weights_and_hold_every_synapse(none, slept):
    figure = demo.draw([none, slept])
    axes = [a for a in figure.axes if "fraction of" in a.get_ylabel()][1]
    assert axes.get_xscale() == "log"
    (before,) = by_id(axes, "before")
    np.testing.assert_allclose(before.get_xdata(), 0.3)
    for label in ("no sleep", "sleep 20 %"):
        (outline,) = by_id(axes, label)
        assert outline.get_data().values.sum() == pytest.approx(1)
    (bound,) = by_id(axes, "hard bound")
    np.testing.assert_array_equal(bound.get_xdata(), W_MAX["ee"])


def test_accuracy_and_rate_are_those_measured(none, slept, frozen):
    figure = demo.draw([none, slept, frozen])
    (axes,) = labelled(figure, "test accuracy (%)")
    bars = axes.containers
    assert [bar.lines[0].get_xdata()[0] for bar in bars] == pytest.approx([30, 80, 80])
    ends = bars[0].lines[2][0].get_segments()[0][:, 0]
    assert ends == pytest.approx([20, 35])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["no sleep", "sleep 20 %", "frozen"]
    (pixels,), (chance,) = by_id(axes, "raw pixels"), by_id(axes, "chance")
    assert pixels.get_xdata() == pytest.approx([75, 75])
    assert chance.get_xdata() == pytest.approx([10, 10])
    (axes,) = labelled(figure, "rate")
    assert [p.get_xdata()[0] for p in by_id(axes, "rate")] == [20, 30, 50]


def test_conditions_have_one_colour_in_all_panels(none, slept):
    figure = demo.draw([none, slept])
    (accuracy,), (rate,) = labelled(figure, "accuracy"), labelled(figure, "rate")
    for k, colour in enumerate(style.CONDITIONS[:2]):
        assert by_id(titled(figure, "E → E"), "mean")[k].get_color() == colour
        assert accuracy.containers[k].lines[0].get_color() == colour
        assert by_id(rate, "rate")[k].get_color() == colour
        assert figure.legends[0].get_lines()[k].get_color() == colour


def test_raster_shows_the_condition_that_sleeps_most(none, slept, more):
    figure = demo.draw([none, slept, more])
    (axes,) = (a for a in figure.axes if a.get_title(loc="left"))
    assert axes.get_title(loc="left") == "sleep 40 %"
    np.testing.assert_allclose(spans(axes), [(0.2, 0.28)])
    np.testing.assert_allclose(axes.get_xlim(), (0.1, 0.38))  # slots 1 to 5
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert names == ["input\n50 of 100", "E\n20", "I\n5"]
    (e,) = by_id(axes, "e")
    recorded = more.arrays["spikes/e"]
    assert len(e.get_offsets()) == np.sum((recorded[:, 0] >= 100) & (recorded[:, 0] < 380))


def test_demo_without_raster_says_so(tmp_path):
    figure = demo.draw([make(tmp_path, 5, spikes=False)])
    assert "no raster recorded" in texts(figure)


def test_demo_of_frozen_networks_alone(frozen):
    figure = demo.draw([frozen])
    assert len(figure.axes) == 7
    assert legend(figure) == ["frozen"]
    assert sum("never trained" in text for text in texts(figure)) == 2
    assert fits(figure)


@pytest.mark.parametrize("n", [1, 6, 8])
def test_demo_with_few_and_many_conditions(tmp_path, n):
    results = [make(tmp_path, k, fraction=0.1 * (k % 4), n_train=6 * (k != 3)) for k in range(n)]
    names = [f"condition {k} with a long name" for k in range(n)]
    figure = demo.draw(results, names)
    assert legend(figure)[:n] == names
    assert fits(figure)
    figure.savefig(tmp_path / "demo.png")


def test_weights_of_zero_are_no_trouble(tmp_path, slept):
    arrays = slept.arrays
    arrays["snapshots/trained/ee"] = np.repeat([0.0, 0.5], 25)
    arrays["stats/ee"] = np.zeros_like(arrays["stats/ee"])
    kept = {k: v for k, v in slept.info.items() if k not in ("run_id", "checksum")}
    figure = demo.draw([write_result(tmp_path, "e" * 16, kept, arrays)])
    (outline,) = by_id([a for a in figure.axes if "fraction" in a.get_ylabel()][1], "sleep 20 %")
    assert outline.get_data().values[0] == pytest.approx(0.5)


# -- labels --------------------------------------------------------------------------------------


def test_labels_are_given_stored_or_made(tmp_path, none, slept):
    assert legend(demo.draw([none, slept], ["one", "two"]))[:2] == ["one", "two"]
    named = make(tmp_path, 6, label="rest")
    twin = make(tmp_path, 7)
    assert legend(demo.draw([named, slept, twin]))[:3] == [
        "rest", "sleep 20 %, seed 2", "sleep 20 %, seed 7",
    ]  # fmt: skip
    assert legend(demo.draw([named, slept]))[:2] == ["rest", "sleep 20 %"]


def test_same_seed_is_told_apart_by_run_id(tmp_path, slept):
    other = change(slept, tmp_path)
    assert legend(demo.draw([slept, other]))[:2] == ["sleep 20 %, 0000", "sleep 20 %, ffff"]


# -- weights and raster --------------------------------------------------------------------------


def test_weights_has_a_panel_for_every_projection(none, slept, frozen, tmp_path):
    figure = weights.draw([none, frozen, slept])
    visible = [a for a in figure.axes if a.axison]
    assert [a.get_title() for a in visible] == ["input → E", "E → E", "I → E"]
    for axes, w_max in zip(visible, W_MAX.values(), strict=True):
        (bound,) = by_id(axes, "hard bound")
        np.testing.assert_array_equal(bound.get_ydata(), w_max)
        np.testing.assert_allclose(spans(axes), [(0.2, 0.24), (0.44, 0.48), (0.68, 0.72)])
    assert "weight $w$\n(dimensionless)" in {a.get_ylabel() for a in visible}
    assert [a.get_xlabel() for a in visible] == ["", *["biological time (s)"] * 2]
    assert legend(figure) == ["no sleep", "sleep 20 %", "5–95 % of synapses", "sleep"]
    assert fits(figure)
    figure.savefig(tmp_path / "weights.png")


def test_raster_of_one_result(slept, tmp_path):
    figure = raster.draw([slept])
    (axes,) = figure.axes
    np.testing.assert_allclose(spans(axes), [(0.2, 0.24)])
    assert axes.get_xlabel() == "time (s)"
    assert axes.get_title(loc="left") == "sleep 20 %"
    assert fits(figure)
    figure.savefig(tmp_path / "raster.png")


def test_histograms_has_a_panel_for_every_projection(none, slept, frozen, tmp_path):
    figure = histograms.draw([none, slept, frozen])
    shown = [a for a in figure.axes if a.axison]
    names = [p["name"] for p in none.info["protocol"]["network"]["projections"]]
    assert len(shown) == len(names)
    for axes in shown:
        for label in ("no sleep", "sleep 20 %"):
            (outline,) = by_id(axes, label)
            assert outline.get_data().values.sum() == pytest.approx(1)
    assert "weight $w$ (dimensionless)" in shown[-1].get_xlabel()
    assert legend(figure) == ["no sleep", "sleep 20 %", "frozen", "hard bound"]
    assert fits(figure)
    figure.savefig(tmp_path / "histograms.png")


# -- errors --------------------------------------------------------------------------------------


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("module", [demo, weights, raster, histograms])
def test_no_results_is_an_error(module):
    with pytest.raises(FigureError, match="no results") as error:
        module.draw([])
    one_line(error)


@pytest.mark.parametrize(
    "missing",
    ["slots/phase", "slots/steps", "stats/ee", "snapshots/initial/ee", "snapshots/trained/input_e",
     "stat_times_s", "labels/test"],
)  # fmt: skip
def test_a_missing_array_is_an_error(slept, tmp_path, missing):
    with pytest.raises(FigureError, match=f"no array '{missing}'") as error:
        demo.draw([change(slept, tmp_path, without=[missing])])
    assert "f" * 16 in one_line(error)


@pytest.mark.parametrize("missing", ["network_accuracy", "pixels_interval", "rate_test_e_hz"])
def test_a_missing_metric_is_an_error(slept, tmp_path, missing):
    metrics = {**slept.metrics, missing: None}
    with pytest.raises(FigureError, match=f"no metric '{missing}'.*n_readout") as error:
        demo.draw([change(slept, tmp_path, metrics=metrics)])
    one_line(error)


def test_statistics_without_names_are_an_error(slept, tmp_path):
    with pytest.raises(FigureError, match="columns of stats/") as error:
        weights.draw([change(slept, tmp_path, weight_statistics=["mean"])])
    one_line(error)


def test_labels_must_match_results(slept):
    with pytest.raises(FigureError, match="labels: got 2; expected 1") as error:
        demo.draw([slept], ["a", "b"])
    one_line(error)


def test_more_results_than_colours_is_an_error(slept):
    with pytest.raises(FigureError, match="got 9; expected at most 8"):
        demo.draw([slept] * 9)


def test_a_result_of_something_else_is_an_error(slept, tmp_path):
    other = change(slept, tmp_path, protocol={"name": "other"})
    with pytest.raises(FigureError, match="not of a network") as error:
        demo.draw([other])
    one_line(error)


def test_weights_of_a_frozen_network_is_an_error(frozen):
    with pytest.raises(FigureError, match="no network was trained"):
        weights.draw([frozen])


def test_raster_needs_one_result_with_spikes(slept, more, tmp_path):
    with pytest.raises(FigureError, match="got 2; expected one"):
        raster.draw([slept, more])
    with pytest.raises(FigureError, match=r"no single spikes.*record\.raster"):
        raster.draw([make(tmp_path, 5, spikes=False)])


# -- any network ---------------------------------------------------------------------------------


def changed_in(folder, result, **info):
    """A copy in a folder of its own, its info changed."""
    folder.mkdir()
    return change(result, folder, **info)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 25, ["0.01", "0.1", "1", "10"]),
        (1e-6, 1, ["1e-06", "0.0001", "0.01", "1"]),
        (0.15, 0.8, ["0.2", "0.3", "0.4", "0.5", "0.7"]),
        (0.2, 2, ["0.2", "0.3", "0.5", "1", "2"]),
        (0.31, 0.34, ["0.31", "0.32", "0.33", "0.34"]),
    ],
)
def test_a_logarithmic_axis_has_few_plain_labels(low, high, expected):
    axes = Figure().subplots()
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    _lines.log_ticks(axes.xaxis, low, high)
    assert [t.get_text() for t in axes.get_xticklabels()] == expected
    assert not any(t.get_text() for t in axes.get_xticklabels(minor=True))


def test_equal_curves_are_drawn_in_gaps_of_each_other(tmp_path):
    results = [make(tmp_path, k, fraction=0.2) for k in (2, 3, 4)]
    same = [changed_in(tmp_path / str(k), results[0], label=f"condition {k}") for k in range(3)]
    axes = weights.draw(same).axes[0]
    means = [line for line in axes.lines if line.get_gid() == "mean"]
    assert [line.is_dashed() for line in means] == [False, True, True]
    assert means[1]._dash_pattern != means[2]._dash_pattern
    apart = weights.draw(results).axes[0]
    x, y = np.arange(5.0), np.array([1.0, 2, 3, 4, 5])
    assert _lines.hidden_by((x, y), []) == 0
    assert _lines.hidden_by((x, y), [(x, y), (x, y + 2)]) == 1
    assert _lines.hidden_by((x[:2], y[:2]), [(x, y)]) == 1
    assert _lines.hidden_by((x, y), [(x[:1], y[:1])]) == 0  # at one point only
    assert len(apart.lines) == len(axes.lines)


def test_names_of_lines_keep_clear_of_points():
    axes = Figure().subplots()
    axes.set(xlim=(0, 1), ylim=(0, 100))
    axes.plot([0.8, 0.9, 1.0], [75, 75, 75])
    axes.scatter([0.05], [67])
    _lines.line_labels(axes, {"raw pixels": 70.0, "chance": 10.0})
    pixels, chance = axes.texts
    assert (pixels.xy, pixels.get_va()) == ((1.0, 70.0), "top")  # below: points are above
    assert (chance.xy, chance.get_va(), chance.get_ha()) == ((1.0, 10.0), "bottom", "right")
    axes.plot([0.8, 1.0], [65, 65])
    _lines.line_labels(axes, {"raw pixels": 70.0})
    assert axes.texts[-1].xy[0] == 0.0 and axes.texts[-1].get_va() == "bottom"


def test_runs_of_one_name_are_told_apart_by_their_settings_then_by_their_seed(tmp_path):
    one, other = make(tmp_path, 2), make(tmp_path, 3)
    slower = dict(other.info["protocol"], schedule={"sleep": {"fraction": 0.2, "every_night": 3}})
    changed = changed_in(tmp_path / "x", other, protocol=slower)
    again = changed_in(tmp_path / "y", other, seed=7)
    names = told_apart(["sleep"] * 4, [one, other, changed, again])
    assert names == ["sleep, every_night –"] * 2 + ["sleep, every_night 3", "sleep, every_night –"]
    assert told_apart(["a", "b"], [one, changed]) == ["a", "b"]
    assert told_apart(["sleep"] * 2, [one, again]) == ["sleep"] * 2
    shown = _read.conditions([one, other, changed], None)
    assert [c.label for c in shown] == [
        "sleep 20 %, every_night –, seed 2", "sleep 20 %, every_night –, seed 3",
        "sleep 20 %, every_night 3",
    ]  # fmt: skip
    assert [c.label for c in _read.conditions([one, other], ["a", "a"])] == [
        "a, seed 2",
        "a, seed 3",
    ]


def test_long_names_are_cut_at_commas():
    assert _names.wrapped("sleep 20 %, my_study_decay 0", 16) == "sleep 20 %,\nmy_study_decay 0"
    assert _names.wrapped("no sleep, a 1", 24) == "no sleep, a 1"


def test_a_bound_far_above_all_weights_is_named_and_left_off(tmp_path):
    result = make(tmp_path, 2)
    protocol = dict(result.info["protocol"])
    far = [dict(p, w_max=1e6) for p in protocol["network"]["projections"]]
    protocol["network"] = dict(protocol["network"], projections=far)
    axes = weights.draw([changed_in(tmp_path / "far", result, protocol=protocol)]).axes[0]
    assert "hard bound 1e+06 ↑" in [text.get_text() for text in axes.texts]
    assert axes.get_ylim()[1] < 1000 and not by_id(axes, "hard bound")
