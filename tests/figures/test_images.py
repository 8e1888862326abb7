"""Every figure as it was accepted: pixel by pixel, from results that are made here.

After a wanted change: ``pytest tests/figures/test_images.py --mpl-generate-path=tests/baseline``,
look at the images, and commit them.
"""

from pathlib import Path

import matplotlib.style
import numpy as np
import pytest
import test_figures
import test_paper_figures
import test_task_figures
from matplotlib.testing.compare import compare_images

from brainsleep.analysis.metrics import WEIGHT_STATISTICS, weight_statistics
from brainsleep.errors import FigureError
from brainsleep.files.load import load_module, shipped
from brainsleep.results.store import write_result

pytest.importorskip("pytest_mpl", reason="needs pytest-mpl: pip install 'brainsleep[dev]'")

#: Largest root mean square of the difference, in levels of 255. On the pinned matplotlib, which
#: brings its own letters, it is 0; the colour of one thin line is 0.8, another label or limit 7.
TOLERANCE = 0.6

BASELINE, DPI = Path(__file__).parents[1] / "baseline", 72
compare = pytest.mark.mpl_image_compare(
    baseline_dir=str(BASELINE), tolerance=TOLERANCE, style="default", savefig_kwargs={"dpi": DPI}
)


def network(tmp_path, fraction=0.2, number=2, **more):
    """A network with weights, single spikes and accuracy."""
    return test_figures.make(tmp_path, number, fraction=fraction, **more)


def traced(tmp_path, without="", size=1.0):
    """A network with traces in two windows: many points of a sine, and steps of a weight."""
    steps = np.concatenate([np.arange(5000), np.arange(5600, 6800)])
    phases = np.arange(7) * 0.7
    waves = -0.06 + size * 0.01 * np.sin(2e-3 * np.pi * steps[:, None] + phases)
    weights = np.floor(steps[:, None] / 700 + [0.0, 2.0])
    files = {"steps": steps, "e.v": waves, "ee.w": weights}
    files.pop(without, None)
    folder = tmp_path / f"traces without '{without}' {size}"
    folder.mkdir()
    for name, values in files.items():
        np.save(folder / f"{name}.npy", values)
    base = network(tmp_path)
    info = {k: v for k, v in base.info.items() if k not in ("run_id", "checksum")}
    units = {"e.v": "volt", "ee.w": "1"}
    info["traces"] = {name: {"unit": units[name]} for name in files if name in units}
    arrays = {"traced/e.v": np.arange(7), "traced/ee.w": np.array([3, 8])}
    arrays["slots/phase"] = np.array(["wake", "sleep", "wake"])
    arrays["slots/steps"] = np.array([3000, 1000, 3000])
    arrays["synapses/ee"] = np.arange(20).reshape(-1, 2)
    paths = {name: folder / f"{name}.npy" for name in files}
    return write_result(folder, "7" * 16, info, arrays, {"traces": paths})


def answering(tmp_path, **more):
    """A network with responses, receptive fields and a phase a sleep."""
    gates = {
        "wake": {"gates": {"input": 1.0, "plasticity": 1.0}},
        "sleep": {"fraction": 0.2, "max_duration": "0.5 second",
                  "gates": {"input": 0.0, "plasticity": 1.0, "noise": 0.5, "decay": 1.0}},
        "test": {"gates": {"input": 1.0}},
        "period": "2.0 second",
    }  # fmt: skip
    correct = np.arange(test_paper_figures.N_TEST)
    arrays = {"correct/network": correct % 4 > 0, "correct/pixels": correct % 7 > 0}
    labels = correct % 3
    arrays |= {"true/network": labels, "predicted/network": np.where(correct % 4 > 0, labels, 0)}
    make = test_paper_figures.Folder(tmp_path)
    return make(protocol={"schedule": gates}, arrays=arrays, **more)


#: What is left of the first task, by the name of a protocol.
KEPT = {"sleep": 0.15, "no sleep": 0.04, "a control with quite a long name": 0.1}

#: Overlap at the end, by the name of a protocol.
RECALLED = {"dreams": 0.95, "no plasticity": 0.4, "a control with quite a long name": 0.1}


def recalled(make, name, seed):
    """A run in which recall was tested three times."""
    before, after = 0.4 + 0.02 * seed, RECALLED[name] + 0.02 * seed
    overlap = np.linspace(before, after, 3)[:, None, None] * np.ones((3, 2, 4))
    arrays = {"recall/overlap": overlap, "recall/times_s": np.array([0.0, 300, 600])}
    return make(seed=seed, protocol={"name": name}, arrays=arrays)


def foraged(make, name, seed):
    """A run that was tested on two foraging tasks; conditions differ in what they end with."""
    kept = KEPT[name]
    learned = {"t1_before": 0.2, "t2_before": 0.0, "t1_after": kept, "t2_after": 0.25 - kept}
    metrics = {f"blind_{test}": 0.5 - 0.01 * seed for test in learned}
    metrics |= {f"share_{test}": 0.5 + 0.02 * seed + share for test, share in learned.items()}
    return make(seed=seed, protocol={"name": name}, metrics=metrics)


def slept(make):
    """Three seeds of a ReLU network that slept."""
    return [
        make(seed=k, metrics={"relu_accuracy": 0.45 + 0.02 * k, "relu_calibrated": 0.6 + 0.03 * k})
        for k in range(3)
    ]


def drawings():
    """How each figure is made, by the name of its module and of its image."""
    conditions = {"no sleep": {"fraction": 0.0}, "sleep 20 %": {}, "mixed": {"mixed": True}}
    few = {"network_accuracy_5": 0.5, "pixels_accuracy_5": 0.45}
    counts = {"readout": {"population": "e", "label_counts": [5]}}
    return {
        "demo": lambda out: [network(out, 0.0, 1, accuracy=0.3), network(out),
                             network(out, n_train=0, number=3)],
        "weights": lambda out: [network(out, 0.0, 1), network(out)],
        "histograms": lambda out: [network(out)],
        "raster": lambda out: [network(out)],
        "traces": lambda out: [traced(out)],
        "schedule": lambda out: [answering(out)],
        "classes": lambda out: [answering(out)],
        "confusion": lambda out: [answering(out)],
        "receptive_fields": lambda out: [answering(out)],
        "similarity": lambda out: [answering(out)],
        "sleep_rates": lambda out: [answering(out)],
        "accuracy": lambda out: test_paper_figures.Folder(out).sweep(),
        "sleep_sweep": lambda out: test_paper_figures.Folder(out).sweep(),
        "controls": lambda out: test_paper_figures.Folder(out).sweep(),
        "labels": lambda out: [made(protocol=counts, metrics=few, seed=seed)
                               for made in [test_paper_figures.Folder(out)] for seed in range(2)],
        "margins": lambda out: test_paper_figures.Folder(out).sweep(),
        "sensitivity": lambda out: test_paper_figures.swept(test_paper_figures.Folder(out)),
        "continual": lambda out: [made(seed=seed, **each)
                                  for made in [test_task_figures.Learner(out)]
                                  for each in conditions.values() for seed in range(2)],
        "conditions": lambda out: test_paper_figures.Folder(out).sweep(),
        "recall": lambda out: [recalled(made, name, seed)
                               for made in [test_paper_figures.Folder(out)]
                               for name in RECALLED for seed in range(3)],
        "foraging": lambda out: [foraged(made, name, seed)
                                 for made in [test_paper_figures.Folder(out)]
                                 for name in KEPT for seed in range(3)],
        "sleep_replay": lambda out: slept(test_paper_figures.Folder(out)),
        "representation": lambda out: [test_task_figures.Learner(out)()],
    }  # fmt: skip


DRAWINGS = drawings()


class Foreign:
    """Runs that are unlike the paper's: one population, narrow weights, bounds near and far."""

    def __init__(self, out):
        self.out, self.n = out, 0

    def __call__(self, *, seed=0, low=0.15, high=0.8, w_max=0.8, rate=20.0, plastic=True,
                 accuracy=0.3, fraction=0.2, gates=None):  # fmt: skip
        self.n += 1
        rng = np.random.default_rng(7 + seed)
        phase = np.array([*["wake", "wake", "sleep"] * 3, *["test"] * 4])
        steps = np.where(phase == "sleep", round(200 * fraction), 100)
        first = rng.uniform(low, high, 400)
        drift = np.linspace(0, 0.3 * plastic * (high - low), 10)[:, None]
        course = np.clip(first + drift, low, w_max)
        when = np.sort(rng.integers(0, steps[:9].sum(), 300))
        arrays = {
            "slots/phase": phase,
            "slots/steps": steps,
            "labels/test": np.arange(20) % 10,
            "stat_times_s": np.concatenate([[0], np.cumsum(steps[:9])]) * 1e-3,
            "totals/cells": np.where(phase == "sleep", 0.1, 1.0) * rate * 25 * steps * 1e-3,
            "snapshots/initial/in": first,
            "snapshots/trained/in": course[-1],
            "stats/in": np.array([weight_statistics(w, w_max) for w in course]),
            "spikes/cells": np.column_stack([when, rng.integers(0, 25, 300)]),
        }
        projection = {"name": "in", "source": "input", "target": "cells", "sign": 1, "w_min": 0.0,
                      "w_max": w_max, "rules": [{"name": "stdp"}] * plastic}  # fmt: skip
        protocol = {
            "name": "foreign",
            "network": {
                "name": "cells",
                "dt": "0.001 second",
                "input": "input",
                "populations": [{"name": "input", "size": 30}, {"name": "cells", "size": 25}],
                "projections": [projection],
            },
            "data": {"n_train": 6, "n_readout": 10, "n_test": 20},
            "readout": {"population": "cells"},
            "record": {"raster": [0, 9]},
            "schedule": {
                "sleep": {"fraction": fraction, "gates": gates or {"noise": 1.0}},
                "period": "0.2 second",
            },
        }
        metrics = {
            "rate_wake_cells_hz": rate, "rate_sleep_cells_hz": 0.1 * rate, "growth": 1.2,
            "network_accuracy": accuracy, "network_interval": [accuracy - 0.1, accuracy + 0.1],
            "pixels_accuracy": 0.4, "pixels_interval": [0.35, 0.45], "rate_test_cells_hz": rate,
        }  # fmt: skip
        info = {
            "seed": seed, "weight_statistics": list(WEIGHT_STATISTICS), "data": {"name": "digits"},
            "protocol": protocol, "metrics": metrics,
        }  # fmt: skip
        return write_result(self.out, f"{self.n:016x}", info, arrays)


#: Names of conditions, and settings of sleep that give equal weights and rates.
EQUAL = {"noise": {"noise": 1.0}, "rest": {"noise": 0.0}, "half the noise": {"noise": 0.5}}


def equal(out):
    """Three conditions with equal curves."""
    make = Foreign(out)
    return [make(gates=gates) for gates in EQUAL.values()]


def decays(make, seeds=3):
    """A sweep with and without decay, its runs without sleep only with it."""
    settings = [(0.0, 1.0), (0.1, 1.0), (0.2, 1.0), (0.1, 0.0), (0.2, 0.0)]
    return [
        make(seed=seed, fraction=fraction, gates={"noise": 1.0, "decay": decay},
             accuracy=0.3 + fraction * (1 + decay) + 0.02 * seed * (1 + fraction),
             rate=20 - 20 * fraction * decay + seed)
        for fraction, decay in settings for seed in range(seeds)
    ]  # fmt: skip


def far_bound(out):
    """Weights far below their bound."""
    return [Foreign(out)(w_max=1000.0)]


FOREIGN = {
    "weights narrow": lambda out: [Foreign(out)()],
    "weights equal": equal,
    "weights far_bound": far_bound,
    "histograms equal": equal,
    "histograms far_bound": far_bound,
    "histograms one_value": lambda out: [Foreign(out)(low=0.5, high=0.5, w_max=1.0, plastic=False)],
    "raster one_population": lambda out: [Foreign(out)()],
    "sleep_rates equal": equal,
    "demo equal": equal,
    "controls one_run": lambda out: [Foreign(out)()],
    "controls equal": equal,
    "conditions equal": equal,
    "conditions one_run": lambda out: [Foreign(out)()],
    "margins equal": equal,
    "sleep_sweep decay": lambda out: decays(Foreign(out)),
    "sleep_sweep one_run": lambda out: [Foreign(out)()],
    "sensitivity equal": equal,
}


def test_every_figure_has_an_image():
    assert sorted(DRAWINGS) == shipped("figure")


@compare
@pytest.mark.parametrize("name", DRAWINGS)
def test_image(name, tmp_path):
    return load_module(name, "figure").draw(DRAWINGS[name](tmp_path))


@compare
@pytest.mark.parametrize("name", FOREIGN, ids=[name.replace(" ", "-") for name in FOREIGN])
def test_image_of_a_foreign_network(name, tmp_path):
    return load_module(name.split()[0], "figure").draw(FOREIGN[name](tmp_path))


def test_traces_of_several_results_are_side_by_side(tmp_path):
    results = [traced(tmp_path), traced(tmp_path, size=2.0), traced(tmp_path, "ee.w")]
    figure = load_module("traces", "figure").draw(results, ["traced", "wide", "no weights"])
    panels = np.array(figure.axes).reshape(2, 3)
    assert [axes.get_title(loc="left") for axes in panels[0]] == ["traced", "wide", "no weights"]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["e.v\n(mV)", "ee.w\n(dimensionless)"]
    assert [[len(axes.lines) for axes in row] for row in panels] == [[5, 5, 5], [2, 2, 0]]
    assert not panels[1, 2].axison
    assert panels[0, 0].get_ylim() == panels[0, 2].get_ylim()
    low, high = panels[0, 0].get_ylim()
    assert low < -79 and high > -41
    legends = [[axes.get_legend() is not None for axes in row] for row in panels]
    assert legends == [[False, False, True]] * 2
    assert [text.get_text() for text in panels[1, 2].get_legend().texts] == ["6→7", "16→17"]


def test_traces_that_cannot_be_side_by_side(tmp_path):
    draw, one = load_module("traces", "figure").draw, traced(tmp_path)
    with pytest.raises(FigureError, match="figure traces: results: got 5; expected at most 4"):
        draw([one] * 5)
    with pytest.raises(FigureError, match="has no traces; run it again"):
        draw([one, network(tmp_path)])


def test_images_are_compared(request):
    """Comparing is on without an option; see conftest.py."""
    assert request.config.getoption("--mpl")


@pytest.mark.parametrize(
    "change",
    [
        lambda axes: axes.lines[0].set_color("green"),
        lambda axes: axes.set_ylabel("weight"),
        lambda axes: axes.set_xlim(0, 1),
    ],
    ids=["colour of a line", "label", "limit"],
)
def test_a_small_change_is_noticed(change, tmp_path):
    with matplotlib.style.context("default", after_reset=True):
        figure = load_module("weights", "figure").draw(DRAWINGS["weights"](tmp_path))
        change(figure.axes[0])
        figure.savefig(tmp_path / "changed.png", dpi=DPI)
    accepted = BASELINE / "test_image_weights.png"
    assert "did not match" in compare_images(accepted, tmp_path / "changed.png", TOLERANCE)
