"""The benchmarks compare the same network, and still know the code that they change. No timings."""

import json
from types import SimpleNamespace

import pytest
from conftest import needs_compiler

pytest.importorskip("benchmarks", reason="not in a checkout")

from benchmarks import ablation, peers, report
from benchmarks.networks import DRIVES, SIZES, image_rates, network, start
from benchmarks.speed import RESULTS, merged


@pytest.mark.standalone
@needs_compiler
@pytest.mark.parametrize(
    "drive", [pytest.param(each, marks=[pytest.mark.long] * (each != "low")) for each in DRIVES]
)
def test_the_floor_runs_the_same_network(drive, tmp_path, monkeypatch):
    """Spikes of every population agree within a few standard errors of a stationary network."""
    monkeypatch.setattr(peers, "LENGTH", {"200+50": {"low": 60, "high": 20}})
    monkeypatch.setenv("BRAINSLEEP_CACHE", str(tmp_path))
    size = SIZES["200+50"]
    spec = network(size, drive)
    args = SimpleNamespace(cache=tmp_path, size="200+50", drive=drive, repeats=1)
    found = {
        name: peers.PEERS[name](spec, start(spec), image_rates(size), args)["spikes"]
        for name in ("hand-written C++", "brainsleep cpp", "brainsleep cpp, float32")
    }
    floor = found.pop("hand-written C++")
    assert floor["e"] / size.n_e == pytest.approx(DRIVES[drive], rel=0.15)
    for name, spikes in found.items():
        for population, tolerance in (("input", 0.005), ("e", 0.04), ("i", 0.06)):
            assert spikes[population] == pytest.approx(floor[population], rel=tolerance), name


@pytest.mark.parametrize("name", ablation.VARIANTS)
def test_changes_can_be_taken_back(name, tmp_path):
    """The pieces of code that `benchmarks.ablation` replaces are still there."""
    ablation.varied(ablation.VARIANTS[name], tmp_path)
    assert (tmp_path / "brainsleep/backends/cpp/standalone.py").exists()


def test_what_was_measured_makes_tables():
    results = json.loads(RESULTS.read_text())
    text = report.tables(results)
    for size in SIZES:
        assert f"### {size} neurons" in text
    line = next(line for line in text.splitlines() if line.startswith("| brainsleep cpp |"))
    cells = [cell.strip() for cell in line.strip("| ").split("|")]
    assert len(cells) == 9 and float(cells[2]) > 0.5


def test_rounds_are_joined():
    rows = [{"wall": [1.0, 2.0], "build": 9.0}, {"error": "x"}, {"wall": [3.0], "build": 0.1}]
    joined = merged(rows)
    assert joined["wall"] == [1.0, 2.0, 3.0] and joined["builds"] == [9.0, 0.1]
    assert merged([{"error": "x"}]) == {"error": "x"}
