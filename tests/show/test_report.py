"""Reports: what is on the page, that nothing on it can run, and how a real browser shows it."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import Browser, find_browser
from conftest import QUICK, TINY
from PIL import Image

from brainsleep.cli import app as cli
from brainsleep.errors import StoreError
from brainsleep.experiment.protocol import load_protocol
from brainsleep.models.lif import ADAPTIVE_LIF
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.models import Model
from brainsleep.results.store import Result, write_result
from brainsleep.results.table import results_in
from brainsleep.run.simulate import simulate
from brainsleep.show import conditions, explore, facts, report
from brainsleep.show.definitions import definition
from brainsleep.show.health import alarms, limits
from brainsleep.show.pictures import OF_ONE
from brainsleep.values.plain import outlined, plain

needs_browser = pytest.mark.skipif(
    find_browser() is None, reason="needs a Chromium: apt-get install chromium"
)

#: What must never become part of a page.
ATTACK = "\"'><script>window.attacked=1</script><img src=x onerror='window.attacked=1'>"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return simulate(TINY, seed=3, backend=QUICK, out=tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def page(result):
    return report.of_result(result)


def altered(result, out, number, change=lambda info: None, without=()):
    """Write a copy of a result, its info changed."""
    info = copy.deepcopy({k: v for k, v in result.info.items() if k not in ("run_id", "checksum")})
    change(info)
    arrays = {k: v for k, v in result.arrays.items() if k not in without}
    return write_result(out, f"{number:016x}", info, arrays)


class Page(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def is_harmless(text):
    """Whether a page has no script but the package's own, no handler, and all images inside it.

    Links are to files beside it.
    """
    for data in re.findall('(?s)<script type="application/json">(.*?)</script>', text):
        assert not set("<>&") & set(data) and json.loads(data)["charts"]
    text = re.sub('(?s)<script type="application/json">.*?</script>', "", text)
    text = text.replace(f"<script>\n{explore.script()}</script>", "")
    page = Page(text)
    assert not {"script", "iframe", "object", "form", "link", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on") and name not in ("style", "srcset"), (tag, name)
        if name == "href":
            assert tag == "a" and re.fullmatch(r"[\w%.-]+\.html", value)
        if name == "src":
            assert re.match("data:image/(svg.xml|png);base64,", value)
    return True


# -- one result ----------------------------------------------------------------------------------


def test_a_page_has_what_was_measured_and_what_made_it(result, page):
    text = Page(page).text
    info = result.info
    for said in (info["run_id"], "tiny", info["data"]["citation"], info["data"]["licence"],
                 info["versions"]["brian2"], info["data"]["fingerprint"], "stdp_nearest_reversed",
                 "adaptive_lif", "v_threshold", "30 ms", "−55 mV", "e → e", "50 ms"):  # fmt: skip
        assert said in text or said in page, said
    accuracy, pixels = (info["metrics"][f"{who}_accuracy"] for who in ("network", "pixels"))
    assert f"test accuracy {100 * accuracy:.1f} %" in text
    assert f"raw pixels {100 * pixels:.1f} %" in text
    for name in info["metrics"]:
        assert name in text
    assert page.count("<math") > 20 and page.count("<img") == 9
    assert is_harmless(page)
    assert len(page) < 3_000_000


def test_every_metric_is_defined(result):
    for name in result.metrics:
        assert definition(name), name
    for name in ("tasks_own_forgetting", "tasks_refitted_accuracy", "phi_hidden",
                 "network_accuracy_50", "rate_sleep_nrem_e_hz"):  # fmt: skip
        assert definition(name), name
    assert definition("rate_sleep_nrem_e_hz").unit == "Hz"
    assert definition("dead_e").text != definition("silent_e").text
    assert definition("no_such_thing") is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rate_sleep_nrem_e_hz", "in sleep, stage nrem"),
        ("rate_sleep_e_hz", "a neuron in sleep"),
        ("rate_sleep_rem_i_hz", "a neuron in sleep"),  # a population of that name
        ("network_components", "(90 % of the variance); 0 if responses did not vary, or if output"),
        ("growth", "of all projections with a plasticity rule together"),
        ("growth_ee", "summed weight of ee, at the end over the start"),
        ("largest_weight", "of all projections with a plasticity rule together"),
        ("weight_entropy", "of all projections with a plasticity rule together"),
        ("tasks_own_forgetting", "over all tasks but the last, of the network's own output"),
    ],
)
def test_definitions_go_by_the_protocol(name, said):
    protocol = {
        "readout": {"variance": 0.9},
        "schedule": {"sleep": {"stages": [{"name": "nrem"}, {"name": "rem"}]}},
        "network": {"populations": [{"name": "e"}, {"name": "rem_i"}]},
    }
    assert said in definition(name, protocol).text
    assert "stage" not in definition("rate_sleep_rem_i_hz", protocol).text


def test_start_weights_of_another_run_are_shown(result):
    taken = {"saved_weights": str(result.path), "saved_weights.projections": "ee,ei"}
    protocol = TINY.override(taken)
    rows = facts.projections(protocol.network, protocol.saved_weights).rows
    starts = {row[0]: row[4] for row in rows}
    assert starts["ee"] == starts["ei"] == f"from run {result.info['run_id']}, trained"
    assert "run" not in starts["ie"]
    settings = dict(facts.settings(protocol.describe()).rows)
    assert settings["saved_weights.result"] == str(result.path)
    assert settings["saved_weights.projections"] == "ee,ei"
    assert f"from run {result.info['run_id']}" in TINY.override(taken)._repr_html_()


def test_a_stopped_run_says_so_everywhere(result, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "pictures", lambda *results, **options: ([], []))

    def stop(info):
        info["stopped"] = {"kind": "runaway", "where": "e", "time_s": 12.0, "at_s": 12.5}

    whole, stopped = altered(result, tmp_path, 1), altered(result, tmp_path, 2, stop)
    said = "This run was stopped early, at 12.5 s;"
    assert said in report.of_result(stopped) and said in stopped._repr_html_()
    assert said not in report.of_result(whole) + whole._repr_html_()
    overview = report.of_folder(tmp_path)
    assert overview.count(said) == 1
    assert '<th scope="col">stopped</th>' in overview and "<td>at 12.5 s</td>" in overview
    assert '<th scope="col">stopped</th>' not in report.of_folder(result.path.parent)


@pytest.mark.long
def test_the_page_of_a_result_is_the_same_in_another_process(result, page, tmp_path):
    out = tmp_path / "there" / "again.html"
    command = [sys.executable, "-c", "from brainsleep.cli.app import main; main()"]
    done = subprocess.run(
        [*command, "report", str(result.path), "--out", str(out)],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(out)
    assert out.read_text(encoding="utf-8") == page
    assert [path.name for path in out.parent.iterdir()] == ["again.html"]


def test_figures_without_data_are_named(result, page, tmp_path):
    assert "has no probes" in page and "Figures that this result has no data for" in page
    spikes = [name for name in result.arrays if name.startswith("spikes/")]
    without = altered(result, tmp_path, 1, without=(*spikes, "totals/e", "correct/pixels"))
    drawn, missing = report.pictures([without], ("raster", "sleep_rates", "classes", "weights"))
    assert [each.title for each in drawn] == [OF_ONE["weights"][0]]
    assert [name for name, _ in missing] == ["raster", "sleep_rates", "classes"]
    assert "no array 'totals/e'" in missing[1][1]


def test_the_command_makes_it_again(result, page, tmp_path):
    assert f"brainsleep run MY_PROTOCOL.py --data digits --seed 3 --backend {QUICK}" in page
    assert "no protocol that comes with the package has these settings" in page
    demo = load_protocol("demo").override({"data.n_train": 0, "record.raster": ()})

    def as_demo(info):
        info["protocol"] = json.loads(json.dumps(demo.describe()))
        info["equations"] = json.loads(json.dumps(demo.equations()))

    same = altered(result, tmp_path, 1, as_demo)
    expected = "brainsleep run demo --set data.n_train=0 --set record.raster= --seed 3"
    assert report.command(same) == (f"{expected} --backend {QUICK}", True)


def test_start_weights_that_changed_make_another_run(result, tmp_path):
    path = str(result.path)
    demo = load_protocol("demo").override(
        {"network.populations.e.size": 30, "network.populations.i.size": 10}
    )
    taken = {"saved_weights": path, "saved_weights.projections": "ee,ei"}
    described = json.loads(json.dumps(demo.override(taken).describe()))

    def as_demo(info):
        info["protocol"], info["equations"] = described, json.loads(json.dumps(demo.equations()))

    said, exact = report.command(altered(result, tmp_path, 1, as_demo))
    assert exact and f"--set saved_weights.result={path} " in said and "content" not in said
    described["saved_weights"]["content"] = "of before"
    assert not report.command(altered(result, tmp_path, 2, as_demo))[1]


# -- alarms --------------------------------------------------------------------------------------


def test_alarms_are_on_top_and_say_the_limit(result, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "pictures", lambda *results: ([], []))

    def runaway(info):
        info["metrics"] |= {
            "rate_wake_e_hz": 263.2, "saturated_ie": 0.2, "silent_e": 0.8, "growth": 31.3,
            "phi_e": float("nan"), "rate_test_input_hz": 500.0,
        }  # fmt: skip

    bad = altered(result, tmp_path, 1, runaway)
    found = [(each.kind, each.where) for each in alarms(bad)]
    assert found == [
        ("saturation", "ie"), ("runaway", "e"), ("silence", "e"),
        ("runaway", "plastic projections"), ("nan", "phi_e"),
    ]  # fmt: skip
    text = Page(report.of_result(bad)).text
    assert text.index("5 alarms") < text.index("test accuracy")
    assert "e fires at 263.2 Hz on average in wake (limit 150 Hz)" in text
    assert "20 % of the weights of ie end at their upper hard bound, 25 (limit 5 %)" in text


def test_alarms_stored_with_a_result_come_first_and_once(result, tmp_path):
    stored = {"kind": "runaway", "where": "e", "time_s": 12.5, "value": 200.0, "limit": 150.0,
              "text": "e fires at 200 Hz", "until_s": None}  # fmt: skip

    def change(info):
        info["alarms"] = [stored]
        info["metrics"]["rate_wake_e_hz"] = 180.0

    found = alarms(altered(result, tmp_path, 1, change))
    assert [(each.text, each.when) for each in found] == [("e fires at 200 Hz", "from 12.5 s on")]


@pytest.mark.parametrize(
    ("alarm", "metric", "kept"),
    [
        ({"kind": "silence", "where": "e", "until_s": 61.0}, {"silent_e": 0.89}, True),
        ({"kind": "runaway", "where": "e", "until_s": 61.0}, {"rate_test_e_hz": 300.0}, True),
        ({"kind": "runaway", "where": "e", "until_s": 61.0}, {"rate_wake_e_hz": 300.0}, False),
        ({"kind": "runaway", "where": "i", "until_s": None}, {"rate_wake_e_hz": 300.0}, True),
        ({"kind": "saturation", "where": "ie", "until_s": 61.0}, {"saturated_ie": 0.5}, True),
        ({"kind": "saturation", "where": "ie", "until_s": None}, {"saturated_ie": 0.5}, False),
    ],
)
def test_metrics_are_left_out_only_where_an_alarm_says_the_same(result, alarm, metric, kept):
    text = f"{alarm['kind']}: as it was"
    info = result.info | {"alarms": [{"time_s": 60.0, "text": text, **alarm}], "metrics": metric}
    found = alarms(Result(result.path, info))
    assert [each.text for each in found[:1]] == ["as it was"]
    assert len(found) == 1 + kept


def test_metrics_are_held_against_the_limits_of_the_run(result):
    def held(**record):
        metrics = {"saturated_ie": 0.5, "rate_wake_e_hz": 900.0}
        protocol = result.info["protocol"] | {"record": record}
        return Result(result.path, result.info | {"protocol": protocol, "metrics": metrics})

    off = held(alarms={"saturation": 1.0, "runaway": "1000000.0 hertz"})
    assert alarms(off) == []
    assert "100 % of a projection's weights" in limits(off) and "1e+06 Hz awake" in limits(off)
    assert len(alarms(held(alarms={"saturation": 0.6, "runaway": "150.0 hertz"}))) == 1
    for usual in (held(), held(alarms={"saturation": "much", "runaway": "150.0 metre"})):
        said = [each.text.partition(" (")[2] for each in alarms(usual)]
        assert said == ["limit 5 %)", "limit 150 Hz)"]
        assert limits(usual) == limits(result)


def test_a_calm_network_has_no_alarm(result, tmp_path):
    def calm(info):
        info["metrics"] |= {"silent_e": 0.1, "growth": 1.0, "rate_wake_e_hz": 20.0}
        info["metrics"] |= {"rate_test_e_hz": 20.0, "rate_wake_i_hz": 1.0, "rate_test_i_hz": 1.0}

    assert alarms(altered(result, tmp_path, 1, calm)) == []


# -- results are data ----------------------------------------------------------------------------


FORM = ("kind", "image_duration", "period", "max_duration")


def attacked(value, key=""):
    """The same data with an attack in every text and every name but those that say the form.

    Nor in the times of a schedule, which are read: a page that needs them is not made without.
    """
    if isinstance(value, dict):
        return {
            (f"{k}{ATTACK}" if key in ("parameters", "initial", "versions") else k): attacked(v, k)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [attacked(each, key) for each in value]
    return value + ATTACK if isinstance(value, str) and key not in FORM else value


@pytest.fixture(scope="module")
def hostile(result, tmp_path_factory):
    def change(info):
        for part in ("protocol", "equations", "data", "versions", "backend", "compiler", "machine"):
            info[part] = attacked(info[part], part)
        info["metrics"][ATTACK] = 1.0
        info["alarms"] = [{"kind": ATTACK, "where": ATTACK, "time_s": 0.0, "text": ATTACK}]
        info["label"] = ATTACK

    return altered(result, tmp_path_factory.mktemp("hostile"), 1, change)


def test_nothing_in_a_result_becomes_part_of_the_page(hostile, tmp_path):
    text = report.of_result(hostile)
    assert is_harmless(text)
    assert text.count("&lt;script&gt;window.attacked=1") > 50  # shown, not run
    assert is_harmless(re.sub("(?s)<style>.*?</style>", "", hostile._repr_html_()))
    policy = re.search('Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy and "script" not in policy and "unsafe" not in policy


def test_the_only_script_on_a_page_is_the_one_its_policy_names(page):
    policy = re.search('Content-Security-Policy" content="([^"]+)"', page)[1]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    allowed = re.search("script-src '([^']+)'", policy)[1]  # one script, by its content
    assert policy.count("script-src") == 1
    assert allowed == f"sha256-{explore.digest(f'{chr(10)}{explore.script()}')}"


@pytest.mark.parametrize(
    "code",
    [
        "dx/dt = -x/tau : second**9**9**9**9",  # evaluated, it would never end
        "x = 9**9**9**9**9 : 1",
        "x = " + "(" * 300 + "1" + ")" * 300 + " : 1",
        "x = " + "+".join("a" * 3000) + " : 1",
        "x = '" + r"\href{javascript:alert(1)}{x}" + "' : 1",
        "x = __import__('os').system('touch attacked') : 1",
        "no equation at all",
        "dx/dt = : 1",
    ],
)
def test_equations_are_read_but_never_evaluated(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = outlined(Model, {"kind": "NeuronModel", "name": "m", "equations": code})
    shown = model._repr_html_()
    assert is_harmless(re.sub("(?s)<style>.*?</style>", "", shown))
    assert "Brian2 source" in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.03 second", "30 ms"),
        ("-0.055 volt", "−55 mV"),
        ("5.0 hertz/second", "5.0 hertz/second"),
        ("1.0 second**9**9**9", "1.0 second**9**9**9"),
        ("2.0 __import__", "2.0 __import__"),
        ("words", "words"),
    ],
)
def test_stored_quantities_are_read_without_evaluating(text, expected):
    from brainsleep.show.facts import text as said

    found = said(text)
    assert found == expected or (text == "5.0 hertz/second" and found.startswith("5"))


def test_models_survive_being_described():
    for model in (ADAPTIVE_LIF, STDP_NEAREST):
        there = json.loads(json.dumps(plain(model)))
        assert outlined(Model, there)._repr_html_() == model._repr_html_()


# -- errors --------------------------------------------------------------------------------------


def assert_fails(source, match, out=None):
    with pytest.raises(StoreError, match=match) as error:
        report.report(source, out)
    assert "\n" not in str(error.value)


def test_errors_are_one_line(result, tmp_path):
    assert_fails(tmp_path / "nowhere", "no result.json in")
    assert_fails(tmp_path, "got none; expected a folder of finished runs")
    assert_fails(result.path, "a name ending .html", tmp_path / "report.pdf")
    (tmp_path / "file").write_text("")
    assert_fails(
        result.path, "output folder .*a folder that can be written", tmp_path / "file/a.html"
    )
    broken = altered(result, tmp_path, 1)
    (broken.path / "arrays.npz").write_bytes(b"nothing")
    assert_fails(broken.path, "arrays.npz is missing or damaged")
    for part in ("protocol", "data"):
        other = altered(result, tmp_path, 2, lambda info, part=part: info.update({part: {}}))
        assert_fails(other.path, "has no '(network|name)'", tmp_path / "x.html")
        with pytest.raises(StoreError, match="does not hold what a run stores"):
            report.of_result(Result(other.path, result.info | {part: {}}))
    assert not list(tmp_path.glob("*.html"))


def test_the_command_line_says_errors_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["brainsleep", "report", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: results in") and said.err.count("\n") == 1


def test_a_report_lies_beside_the_result(result, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "of_result", lambda found: found.info["run_id"])
    copied = altered(result, tmp_path, 1)
    for source in (copied.path, copied.path / "result.json"):
        written = report.report(source)
        assert written == tmp_path / f"{copied.path.name}.html"
        assert written.read_text() == copied.info["run_id"]
    monkeypatch.chdir(copied.path)
    assert report.report(".").name == f"{copied.path.name}.html"


def test_reports_of_two_results_are_two_files_and_of_none_no_folder(result, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "of_result", lambda found: str(found.path))
    for number in (1, 2):
        copied = altered(result, tmp_path, number).path.rename(tmp_path / f"run.{number}")
        assert report.report(copied) == tmp_path / f"run.{number}.html"
    assert (tmp_path / "run.1.html").read_text() == str(tmp_path / "run.1")
    assert_fails(tmp_path / "no" / "such" / "run", "no result.json in")
    assert_fails(tmp_path / "none", "no result.json in", tmp_path / "no" / "page.html")
    assert not (tmp_path / "no").exists()


# -- plots that can be zoomed --------------------------------------------------------------------


def long_raster(result, out, n=200_000):
    """A run with many more spikes than a page can hold."""
    rng = np.random.default_rng(1)
    arrays = dict(result.arrays)
    for name in [name for name in arrays if name.startswith("spikes/")]:
        size = result.stored_protocol.network.population(name.removeprefix("spikes/")).size
        steps = np.sort(rng.integers(0, 2000, n))
        arrays[name] = np.column_stack([steps, rng.integers(0, size, n)])
    info = {k: v for k, v in result.info.items() if k not in ("run_id", "checksum")}
    return write_result(out, "a" * 16, info, arrays)


def test_plots_have_what_pictures_show(result):
    plots = explore.plots(result)
    assert list(plots) == ["weights", "raster"]
    network = result.stored_protocol.network
    charts = plots["weights"]["charts"]
    assert [chart["title"] for chart in charts] == ["input → E", "E → E", "E → I", "I → E"]
    means = result.arrays["stats/ee"][:, result.weight_statistics.index("mean")]
    np.testing.assert_allclose(charts[1]["series"][1]["y"], means, rtol=1e-4)
    np.testing.assert_allclose(plots["weights"]["x"][0], result.arrays["stat_times_s"])
    assert charts[1]["bound"] == network.projection("ee").w_max
    (chart,) = plots["raster"]["charts"]
    e = result.arrays["spikes/e"]
    drawn = next(each for each in chart["series"] if each["label"] == "E")
    np.testing.assert_allclose(drawn["x"], np.sort(e[:, 0]) * float(result.dt))
    onsets, ends = map(np.asarray, result.sleeps)
    np.testing.assert_allclose(plots["raster"]["sleeps"], np.column_stack([onsets, ends]))


def test_nothing_in_a_plot_ends_its_element():
    said = str(explore.embedded({"title": ATTACK + "</script><!--"}))
    assert not set("<>&") & set(said)
    assert json.loads(said)["title"] == ATTACK + "</script><!--"


def test_plots_are_thinned_to_limits_and_say_so(result, tmp_path):
    long = long_raster(result, tmp_path)
    plot = explore.plots(long)["raster"]
    shown = sum(len(each["x"]) for each in plot["charts"][0]["series"])
    assert 1000 < shown <= 2 * explore.SPIKES
    assert re.fullmatch(r"[\d ]+ of 600 000 spikes are shown", plot["note"])
    page = report.of_result(long)
    assert plot["note"] in Page(page).text and is_harmless(page)
    assert len(page) < 2_500_000


def test_traces_are_thinned_and_keep_their_extremes(result, tmp_path):
    steps = np.arange(50_000)
    values = np.sin(steps / 300.0)[:, None] * 1e-3
    values[31_234] = 0.05
    paths = {}
    for name, array in (("steps", steps), ("e.v", values)):
        paths[name] = tmp_path / f"{name}.npy"
        np.save(paths[name], array)
    info = {k: v for k, v in result.info.items() if k not in ("run_id", "checksum")}
    info["traces"] = {"e.v": {"unit": "volt"}}
    arrays = result.arrays | {"traced/e.v": np.array([4])}
    made = write_result(tmp_path, "b" * 16, info, arrays, {"traces": paths})
    plot = explore.plots(made)["traces"]
    (chart,) = plot["charts"]
    assert chart["unit"] == "mV" and chart["series"][0]["label"] == "4"
    assert len(plot["x"][0]) <= explore.POINTS
    assert max(chart["series"][0]["y"]) == 50
    assert "of 50 000 points of e.v are shown" in plot["note"]


def test_a_page_without_such_plots_has_no_script(result, tmp_path):
    without = [n for n in result.arrays if n.startswith("spikes/") or n == "stat_times_s"]
    page = report.of_result(altered(result, tmp_path, 1, without=without))
    assert "<script" not in page and "script-src" not in page


# -- folders -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    """Four runs: two fractions of sleep, two seeds; one of them ran away."""
    out = tmp_path_factory.mktemp("a <folder>")
    for k in range(4):

        def change(info, k=k):
            info["protocol"]["schedule"]["sleep"]["fraction"] = (0.0, 0.5)[k % 2]
            info["protocol"]["record"]["alarms"]["silence"] = f"{k + 50}. second"  # decides nothing
            info["seed"] = k // 2
            info["metrics"] |= {"silent_e": 0.1, "growth": 40.0 if k == 2 else 1.0}

        altered(result, out, k + 1, change)
    return out


@pytest.fixture(scope="module")
def overview(folder):
    return report.of_folder(folder)


def test_an_overview_has_all_runs_and_what_differs(overview):
    assert is_harmless(overview)
    page = Page(overview)
    assert "4 runs, 1 with alarms" in page.text
    assert "The runs differ in seed, schedule.sleep.fraction." in page.text
    rows = re.findall(r"<tr><td>(\d{16})</td><td>([\d.]+)</td><td>([\d.]+)</td>", overview)
    assert [row[0][-1] for row in rows] == ["1", "3", "2", "4"]  # by sleep, then seed
    assert "summed weight 40 times its start (limit 10 times)" in page.text
    assert page.text.count("data.n_train 12") == 1  # in common
    titles = [value for tag, name, value in page.attributes if tag == "img" and name == "alt"]
    assert titles[0].startswith("Accuracy against sleep")
    assert sum(title.startswith("Weights over time") for title in titles) == 5


@pytest.mark.long
def test_an_overview_has_means_by_condition_and_alarms_summed_up(folder, result):
    groups = conditions.conditions(results_in(folder))
    assert [(each.name, len(each.runs)) for each in groups] == [("no sleep", 2), ("sleep 50 %", 2)]
    found = {each.run_id: alarms(each) for group in groups for each in group.runs}
    table = conditions.means(groups, found)
    assert table.columns[:3] == ("condition", "seeds", "accuracy (%)")
    accuracy = f"{100 * result.metrics['network_accuracy']:.3g}"
    assert table.rows[0][:3] == ("no sleep", 2, f"{accuracy} ({accuracy} to {accuracy})")
    assert [row[-1] for row in table.rows] == ["1 of 2", "–"]
    (row,) = conditions.summed_up(groups, found).rows
    assert row == ("runaway", "1 of 4", "no sleep (1 of 2)", "plastic projections", f"{3:016x}")
    page = Page(report.of_folder(folder)).text
    assert "Means over seeds, with Student’s 95 % interval" in page and "no sleep (1 of 2)" in page


def test_an_interval_ends_where_values_do():
    assert conditions._mean([1.0, 99.0], *conditions._range("accuracy (%)")) == "50 (0 to 100)"
    assert conditions._mean([1.0, 3.0], *conditions._range("e awake (Hz)")) == "2 (0 to 14.7)"
    assert conditions._mean([-1.0, -1.0], *conditions._range("w")) == "−1 (−1 to −1)"
    assert conditions._mean([np.nan], *conditions._range("w")) == "–"


def test_an_overview_links_to_reports_of_runs(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "of_result", lambda found: found.run_id)
    monkeypatch.setattr(report, "pictures", lambda *results, **options: ([], []))
    out = shutil.copytree(folder, tmp_path / "runs")
    plain = report.report(out).read_text()
    assert "<a " not in plain and "brainsleep report --each" in plain
    linked = report.report(out, each=True).read_text()
    assert is_harmless(linked)
    for k in range(1, 5):
        assert (out / f"{k:016x}.html").read_text() == f"{k:016x}"
        assert f'<a href="{k:016x}.html">{k:016x}</a>' in linked
    elsewhere = report.report(out, tmp_path / "all.html").read_text()
    assert f'<a href="runs/{1:016x}.html">' in elsewhere


def test_an_overview_of_many_runs_is_only_a_table(folder, monkeypatch):
    monkeypatch.setattr(report, "MOST_SECTIONS", 3)
    monkeypatch.setattr(report, "MOST_CURVES", 3)
    monkeypatch.setattr(report, "MOST_ROWS", 2)
    text = report.of_folder(folder)
    assert "Sections run by run are left out, as there are more than 3 runs" in text
    assert "The table shows the first 2 runs" in text
    assert text.count('<section class="run">') == 0 and text.count("<img") == 1


def test_an_overview_of_one_run_needs_no_comparison(result):
    text = report.of_folder(result.path.parent)
    assert "1 run," in text and "The runs differ in none of their settings" in text


# -- notebooks -----------------------------------------------------------------------------------


def test_notebooks_show_models_networks_protocols_and_results(result):
    layers = load_protocol("paper", "sg_snn")
    for shown, expected in (
        (ADAPTIVE_LIF, ("adaptive_lif", "−55 mV", "<math", "dv/dt = (v_rest - v + r*i_syn)/tau_m")),
        (TINY.network, ("massey2026", "input → e", "stdp_nearest_reversed", "<math")),
        (TINY, ("tiny", "200 ms", "50 % of that time", "data.n_train", "<math")),
        (layers, ("LeakyPopulation", "atan", "<math")),
        (result, (result.info["run_id"], "test accuracy", "participation_ratio_e")),
    ):
        text = shown._repr_html_()
        assert all(said in text for said in expected), type(shown)
        assert is_harmless(re.sub("(?s)<style>.*?</style>", "", text))
        assert len(text) < 60_000


# -- a real browser ------------------------------------------------------------------------------

#: Elements that stick out of the page, but not those inside something that scrolls.
STICK_OUT = """[...document.querySelectorAll('main *')]
.filter(e => e.getBoundingClientRect().right > innerWidth + 1
        && !e.closest('.scroll, .math, .paper, pre, details:not([open])'))
.map(e => e.outerHTML.slice(0, 100))"""


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


def colours(path):
    image = np.asarray(Image.open(path).convert("RGB"))
    return image.reshape(-1, 3), image.shape[:2]


@needs_browser
@pytest.mark.parametrize(
    ("width", "scheme", "lightness"), [(1200, "light", 255), (390, "light", 255), (390, "dark", 20)]
)
def test_a_browser_shows_the_whole_page(browser, page, tmp_path, width, scheme, lightness):
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    browser.open(file, width, scheme=scheme)
    assert browser.complaints() == []
    assert browser.evaluate("document.compatMode") == "CSS1Compat"
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(STICK_OUT) == []
    shown = browser.evaluate(
        "[...document.images].filter(i => i.offsetParent)"
        ".map(i => [i.naturalWidth, i.width, i.height])"
    )
    assert len(shown) == 7 and all(min(size) > 50 for size in shown)
    browser.screenshot(tmp_path / "page.png")
    pixels, (height, across) = colours(tmp_path / "page.png")
    assert across == width and 3000 < height < 20_000
    assert height == browser.evaluate("document.documentElement.scrollHeight")
    assert abs(int(pixels[0].max()) - lightness) < 20  # the margin, in the scheme asked for
    assert pixels.std() > 20 and len(np.unique(pixels[::97], axis=0)) > 200  # not blank


@needs_browser
@pytest.mark.parametrize("width", [1200, 390])
def test_plots_zoom_with_scripts_and_pictures_stand_without(browser, page, tmp_path, width):
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    displayed = "(e => getComputedStyle(e).display)"
    of_all = f"[...document.querySelectorAll('figure.explorable CLASS')].map({displayed})"
    try:
        browser("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(file, width)
        assert browser.complaints() == []
        browser("Emulation.setScriptExecutionDisabled", value=False)
        assert browser.evaluate(of_all.replace("CLASS", ".paper")) == ["block"] * 2
        assert browser.evaluate(of_all.replace("CLASS", ".plots")) == ["none"] * 2
    finally:
        browser("Emulation.setScriptExecutionDisabled", value=False)
    browser.open(file, width)
    assert browser.complaints() == []
    assert browser.evaluate(of_all.replace("CLASS", ".paper")) == ["none"] * 2
    assert browser.evaluate(of_all.replace("CLASS", ".plots")) == ["block"] * 2
    ranges = "document.querySelector('figure.explorable').charts.map(u => u.scales.x)"
    ranges = f"{ranges}.map(x => [x.min, x.max])"
    (start, end), *others = browser.evaluate(ranges)
    assert others == [[start, end]] * 3
    browser.evaluate("document.querySelector('.tools button[title=\"zoom in\"]').click()")
    zoomed = browser.evaluate(f"new Promise(r => setTimeout(r, 100)).then(() => {ranges})")
    quarter = (end - start) / 4
    assert zoomed == [[pytest.approx(start + quarter), pytest.approx(end - quarter)]] * 4
    browser.evaluate("document.querySelector('.tools button[title=\"the whole time\"]').click()")
    whole = browser.evaluate(f"new Promise(r => setTimeout(r, 100)).then(() => {ranges})")
    assert whole == [[start, end]] * 4
    pixels = "[...document.querySelectorAll('figure.explorable canvas')].map(c => new Set("
    pixels += "c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size)"
    assert min(browser.evaluate(pixels)) > 10  # drawn, not blank
    assert len(browser.pdf()) > 50_000


@needs_browser
def test_a_browser_typesets_the_equations(browser, page, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    browser.open(file)
    sizes = browser.evaluate(
        "[...document.querySelectorAll('mfrac')].map(f => [f.namespaceURI, "
        "f.firstChild.getBoundingClientRect().bottom, f.lastChild.getBoundingClientRect().top])"
    )
    assert len(sizes) > 5
    for namespace, above, below in sizes:  # a fraction: one above the other
        assert namespace.endswith("MathML") and above <= below + 1
    printed = browser.pdf()
    assert printed.startswith(b"%PDF") and len(printed) > 50_000


@needs_browser
def test_a_browser_runs_nothing_that_a_result_brings(browser, hostile, tmp_path):
    file = tmp_path / "hostile.html"
    file.write_text(report.of_result(hostile), encoding="utf-8")
    browser.open(file, 390)
    assert browser.evaluate("typeof window.attacked") == "undefined"
    assert browser.complaints() == []
    file.write_text(file.read_text(encoding="utf-8").replace("<main>", f"<main>{ATTACK}"))
    browser.open(file)  # even if escaping failed, the page's own policy would hold
    assert browser.evaluate("typeof window.attacked") == "undefined"
    assert any("Content Security Policy" in text for text in browser.complaints())


@needs_browser
def test_a_browser_shows_an_overview(browser, overview, tmp_path):
    file = tmp_path / "overview.html"
    file.write_text(overview, encoding="utf-8")
    for width in (1200, 390):
        browser.open(file, width)
        assert browser.complaints() == []
        assert browser.evaluate("document.documentElement.scrollWidth") == width
        assert browser.evaluate(STICK_OUT) == []
