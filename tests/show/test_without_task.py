"""Runs without a task: every command, figure and page of the package works on them."""

import json
import sys

import pytest

from brainsleep.cli import app as cli
from brainsleep.results.store import read_result
from brainsleep.run.simulate import simulate
from brainsleep.show import report
from brainsleep.show.facts import headline

PROTOCOL = '''
"""Wake and sleep one after the other."""
from dataclasses import dataclass
from brian2 import Hz, ms
from brainsleep import Condition, Metric, Observer, Protocol, Record, Timeline, asleep, awake
from brainsleep.models.massey2026 import recurrent_network


@dataclass(frozen=True)
class Mean(Observer):
    population: str = "e"
    name = "potential"
    metrics = (Metric("observed", "potential_mv", "mV", "mean membrane potential"),)

    def slots(self, table):
        return table.ends_of("sleep")

    def look(self, view):
        return {"v": view.state.arrays[f"{self.population}.v"].mean()}

    def measure(self, seen):
        return {"potential_mv": 1e3 * seen.series(self.name, "v").mean(), "undefined": 3.0}


PROTOCOL = Protocol(
    name="free",
    network=recurrent_network(n_inputs=20, n_excitatory=12, n_inhibitory=4),
    schedule=Timeline(
        periods=(awake(250 * ms, rate=40 * Hz), asleep(100 * ms, noise=1, decay=1)),
        times=2,
        slot=100 * ms,
    ),
    record=Record(raster=(0, 5), observers=(Mean(),)),
)
CONDITIONS = (Condition(name="free"), Condition(name="longer", changes={"schedule.times": 3}))
FIGURE = "sleep_rates"
'''
OF_IMAGES = (
    "accuracy classes continual controls demo labels margins receptive_fields representation "
    "sensitivity similarity sleep_sweep"
).split()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "free.py"
    path.write_text(PROTOCOL)
    return path


@pytest.fixture(scope="module")
def runs(study):
    """Two runs in one folder."""
    from brainsleep.experiment.protocol import load_protocol

    protocol, out = load_protocol(str(study)), study.parent / "results"
    changes = ({}, {"schedule.times": 3})
    return [simulate(protocol.override(c), backend="numpy", out=out) for c in changes]


@pytest.fixture
def call(capsys, monkeypatch):
    def run(*words, code=0):
        monkeypatch.setattr(sys, "argv", ["brainsleep", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        assert stop.value.code == code, err
        return out if code != 2 else err

    return run


def test_the_report_of_a_run_has_no_word_on_images(runs):
    page = report.of_result(runs[0])
    for said in ("sleep</dt><dd>40 % of wake", "There are 250 ms awake and 100 ms asleep, 2 times",
                 "brainsleep run MY_PROTOCOL.py --seed 0 --backend numpy", "potential_mv",
                 "mean membrane potential", "undefined", "Mean(population e; code "):  # fmt: skip
        assert said in page, said
    for word in ("<dt>data</dt>", "<dt>images</dt>", '<th scope="col">test</th>', "--data"):
        assert word not in page, word
    assert page.count("<img") == 5  # schedule, weights, histograms, rates, raster
    assert "free" in runs[0]._repr_html_() and "images" not in headline(runs[0])


def test_the_report_of_a_folder_shows_what_was_measured(runs):
    page = report.of_folder(runs[0].path.parent)
    assert "The runs differ in schedule.times." in page
    assert '<th scope="col">Hz in wake</th>' in page
    assert '<th scope="col">accuracy</th>' not in page and page.count("<img") == 7


def test_show_and_check(call, study):
    out = call("show", study, "--full")
    for said in ("There are 250 ms awake and 100 ms asleep, 2 times over.", "part   phase  slots",
                 "record.observers", "Mean(population e; code"):  # fmt: skip
        assert said in out, said
    latex = call("show", study, "--latex")
    assert "100 ms asleep, 2 times over." in latex and "Data and readout" not in latex
    assert "no mistakes" in call("check", study)


def test_diff_of_protocols_and_results(call, study, runs):
    assert "no difference" in call("diff", study, study)
    out = call("diff", study, runs[1].path, "--json", code=1)
    assert [change["key"] for change in json.loads(out)["changes"]] == ["schedule.times"]
    assert "schedule.times" in call("diff", runs[0].path, runs[1].path, code=1)
    assert "data.source" in call("diff", study, "demo", code=1)
    plain = study.with_name("other.py")
    plain.write_text(PROTOCOL.replace("1e3 * seen", "2e3 * seen"))
    assert "record.observers" in call("diff", study, plain, code=1)


def test_info_table_statistics_and_export(call, runs, tmp_path):
    out = call("info", runs[0].path)
    assert "potential_mv" in out and "data" not in out and "None" not in out
    table = tmp_path / "runs.csv"
    call("table", runs[0].path.parent, "--out", table)
    assert "set.schedule.times" in table.read_text().splitlines()[0]
    assert "network_accuracy" in call("statistics", table, code=2)
    for what in ("weights", "slots", "statistics", "spikes"):
        file = tmp_path / f"{what}.csv"
        call("export", runs[0].path, "--to", file, "--what", what)
        assert len(file.read_text().splitlines()) > 4


def test_figures_are_drawn_or_say_that_they_are_of_images(call, runs, tmp_path):
    one = runs[0].path
    for name in ("schedule", "raster", "weights", "histograms", "sleep_rates"):
        call("figure", name, one, "--out", tmp_path / f"{name}.svg")
    assert 'id="input in wake"' in (tmp_path / "schedule.svg").read_text()
    for name in OF_IMAGES:
        said = call("figure", name, one, "--out", tmp_path / "x.png", code=2)
        assert "got no images; expected a run with images" in said and said.count("\n") == 1


def test_run_compare_and_sweep(call, study, runs):
    out = runs[0].path.parent
    assert call("run", study, "--backend", "numpy", "--out", out).strip() == str(runs[0].path)
    png = study.with_name("compared.png")
    said = call("compare", study, "--backend", "numpy", "--out", out, "--figure", png)
    assert str(runs[1].path) in said and png.read_bytes().startswith(b"\x89PNG")
    over = ("--over", "schedule.times=2,3", "--backend", "numpy")
    rows = json.loads(call("sweep", "plan", study, *over, "--json"))
    assert [row["run_id"] for row in rows] == [run.run_id for run in runs]
    assert "'data.source'" in call("run", study, "--data", "digits", code=2)


def test_periods_with_gates_of_their_own(study, tmp_path):
    from brian2 import ms

    from brainsleep import Timeline, asleep, awake
    from brainsleep.experiment.protocol import load_protocol
    from brainsleep.files.load import load_module

    periods = (awake(50 * ms), asleep(50 * ms, noise=1), asleep(50 * ms, decay=1))
    protocol = load_protocol(str(study)).override(
        {"schedule": Timeline(periods=periods), "record.raster": ()}
    )
    result = simulate(protocol, backend="numpy", out=tmp_path)
    figure = load_module("schedule", "figure").draw([read_result(result.path)])
    drawn = {patch.get_gid() for axes in figure.axes for patch in axes.patches}
    assert {"noise in sleep (2)", "decay in sleep (3)", "input in wake (1)"} <= drawn
    asleep_only = protocol.override({"schedule": Timeline(periods=periods[1:])})
    only = simulate(asleep_only, backend="numpy", out=tmp_path)
    assert headline(only)["sleep"] == "all of the time"
