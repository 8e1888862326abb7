"""The benchmark of large networks: which network it is, and what it says of it. No timings."""

import json

import numpy as np
import pytest
from conftest import needs_compiler

pytest.importorskip("benchmarks", reason="not in a checkout")

from benchmarks import scale, scale_report
from brainsleep.run.state import initial_state


def test_neurons_have_a_thousand_synapses_or_a_tenth_of_the_neurons():
    for neurons, each in ((1000, 100), (3000, 300), (10_000, 1000), (100_000, 1000)):
        spec = scale.network(neurons, "equal", "float64")
        e, i = spec.population("e").size, spec.population("i").size
        assert (e, e + i) == (4 * neurons // 5, neurons)
        for target in "ei":
            into = {s: spec.projection(s + target).connectivity.n for s in "ei"}
            assert sum(into.values()) == each and into["e"] == 4 * into["i"]


@pytest.mark.parametrize("neurons", [100, 1000])
def test_the_drive_is_a_multiple_of_what_brings_to_threshold(neurons):
    spec = scale.network(neurons, "equal", "float64")
    state = initial_state(spec, 1)
    value = {name: float(v) for name, v in state.parameters.items()}
    mean = value["e.background_n_sources"] * value["e.background_rate"]
    mean *= value["e.background_weight"] * value["e.tau_m"]
    assert mean == pytest.approx(scale.DRIVE * value["e.v_threshold"])
    assert state.arrays["ie.w"][0] == pytest.approx(scale.G * state.arrays["ee.w"][0])
    drawn = initial_state(scale.network(neurons, "drawn", "float64"), 1).arrays["ee.w"]
    assert drawn.mean() == pytest.approx(state.arrays["ee.w"][0], rel=0.02)
    assert drawn.std() == pytest.approx(0.1 * drawn.mean(), rel=0.1)


def test_what_was_measured_makes_tables_and_a_figure(tmp_path, monkeypatch):
    results = json.loads(scale.RESULTS.read_text())
    text = scale_report.table(results)
    rows = [line for line in text.splitlines() if line.startswith("| 100000 |")]
    assert len(rows) == 3
    wired = float(rows[0].split("|")[4])
    together = float(rows[2].split("|")[-2])
    assert wired > 0 and 1600 < together < 16_000  # MB: 10**8 synapses of at least 16 bytes
    monkeypatch.setattr(scale_report, "FIGURE", tmp_path / "scale.png")
    assert scale_report.draw(results).stat().st_size > 10_000


@pytest.mark.standalone
@pytest.mark.long
@needs_compiler
def test_a_small_network_goes_through_all_stages(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "TIMED", 0.1)
    row = scale.measure(500, "drawn", "float64", tmp_path)
    assert row["synapses"] == 500 * 50
    assert row["memory"]["program"] > 0 and row["memory"]["files"] > 25_000 * 8 / 1e6
    assert 0 < row["rate_e"] < 200 and 0 < row["cv_e"] < 2
    for threads in ("threads_1", "threads_2"):
        counts = np.array(row[threads]["events"]) / (50 * 500)
        assert np.all(counts > 0) and np.all(counts < 200)
    assert row["checkpoint_mb"] > 0.1
