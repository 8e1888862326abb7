"""The benchmarks compare the same network, and still know the code that they change. No timings."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Hz, ms, mV, nS, pF
from conftest import needs_compiler

pytest.importorskip("benchmarks", reason="not in a checkout")

from benchmarks import (
    ablation,
    against,
    annarchy_published,
    memory,
    nest_published,
    peers,
    published,
    published_networks,
    report,
    speed,
)
from benchmarks.networks import DRIVES, SIZES, image_rates, network, start
from benchmarks.speed import RESULTS, merged
from brainsleep.run.state import initial_state


@pytest.mark.standalone
@needs_compiler
@pytest.mark.parametrize("drive", [pytest.param(each, marks=pytest.mark.long) for each in DRIVES])
def test_the_floor_runs_the_same_network(drive, tmp_path, monkeypatch):
    """Spikes of every population agree within a few standard errors of a stationary network."""
    monkeypatch.setattr(peers, "LENGTH", {"200+50": {"low": 60, "high": 20}})
    monkeypatch.setenv("BRAINSLEEP_CACHE", str(tmp_path))
    size = SIZES["200+50"]
    spec = network(size, drive)
    args = SimpleNamespace(cache=tmp_path, size="200+50", drive=drive, repeats=1)
    found = {
        name: peers.PEERS[name](spec, start(spec), image_rates(size), args)["spikes"]
        for name in (
            *("hand-written C++", "hand-written C++, double"),
            *("brainsleep cpp", "brainsleep cpp, float32"),
        )
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
    assert len(cells) == 11 and float(cells[2]) > 0.5


def test_rounds_are_joined():
    rows = [{"wall": [1.0, 2.0], "build": 9.0}, {"error": "x"}, {"wall": [3.0], "build": 0.1}]
    joined = merged(rows)
    assert joined["wall"] == [1.0, 2.0, 3.0] and joined["builds"] == [9.0, 0.1]
    assert merged([{"error": "x"}]) == {"error": "x"}


# --- published networks -----------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.standalone
@needs_compiler
@pytest.mark.parametrize(
    "name, seconds, tolerance",
    [("COBA", 0.05, 0.005), ("CUBA", 0.05, 0.005), ("COBA", 5, 0.05), ("CUBA", 5, 0.03),
     ("Brunel C", 0.2, 0.05), ("Brunel, STDP", 0.1, 0.05)],
)  # fmt: skip
def test_the_floor_of_published_networks_fires_as_they_do(name, seconds, tolerance, tmp_path):
    """At first spike by spike, then at the same rate; weights change with its square."""
    given = SimpleNamespace(cache=tmp_path, seconds=seconds, repeats=1)
    mine = published.PEERS["brainsleep cpp"](name, given)
    for peer in ("hand-written C++", "hand-written C++, double"):
        floor = published.PEERS[peer](name, given)
        assert floor["spikes"] == pytest.approx(mine["spikes"], rel=tolerance)
        assert floor.get("change", 0) == pytest.approx(mine.get("change", 0), rel=2 * tolerance)
    assert mine["spikes"][0] * seconds > 100 and ("change" in mine) == ("STDP" in name)


#: Parameters of neurons: NEST's name, ours, and NEST's unit.
SHARED = (("V_th", "v_threshold", mV), ("V_reset", "v_reset", mV), ("t_ref", "t_ref", ms))
OWN = {
    "COBA": (("C_m", "c_m", pF), ("g_L", "g_leak", nS), ("E_L", "v_rest", mV), ("E_ex", "v_e", mV),
        ("E_in", "v_i", mV), ("tau_syn_ex", "tau_e", ms), ("tau_syn_in", "tau_i", ms)),
    "CUBA": (("tau_m", "tau_m", ms), ("E_L", "v_rest", mV), ("tau_syn_ex", "tau_e", ms),
        ("tau_syn_in", "tau_i", ms)),
    "Brunel C": (("tau_m", "tau_m", ms),),
    "Brunel, STDP": (("tau_m", "tau_m", ms),),
}  # fmt: skip


@pytest.mark.parametrize("name", published.NETWORKS)
def test_nest_runs_the_same_network(name):
    spec = published.NETWORKS[name]
    _, given, weights, delay = nest_published.NETWORKS[name]
    ours = spec.population("e").model.parameters
    for theirs, mine, unit in SHARED + OWN[name]:
        assert given[theirs] == pytest.approx(float(ours[mine] / unit)), theirs
    # what a weight of 1 is there: a current that brings the membrane to 1 mV, or what it is here
    unit = given["C_m"] / given["tau_m"] if name == "CUBA" else 1.0
    for source, weight in zip("ei", weights, strict=True):
        for target in "ei":
            projection = spec.projection(source + target)
            assert weight == pytest.approx(projection.sign * projection.weights * unit)
            assert delay == pytest.approx(max(float((projection.delay or 0 * ms) / ms), 0.1))
    assert float(spec.dt / ms) == nest_published.STEP
    for activity in spec.population("e").activities:
        drive = activity.parameters
        rate = float(drive["n_sources"] * drive["rate"] / Hz)
        assert nest_published.BACKGROUND[name] == pytest.approx(rate)
        assert float(drive["weight"] / mV) == weights[0]


def test_plastic_synapses_are_the_same_elsewhere():
    """Ours in mV; NEST's and ANNarchy's are in units of the largest weight."""
    name = "Brunel, STDP"
    spec = published.NETWORKS[name]
    numbers = published_networks.rule_numbers(spec, initial_state(spec, 1))
    lr, a_plus, a_minus, tau_plus, tau_minus, w_min, w_max = numbers
    theirs = nest_published.PLASTIC[name]
    assert theirs["lambda"] * theirs["Wmax"] == pytest.approx(lr * a_plus)
    assert theirs["alpha"] == pytest.approx(a_minus / a_plus) and theirs["Wmax"] == w_max
    taus = theirs["tau_plus"], nest_published.TAU_MINUS
    assert taus == pytest.approx((1e3 * tau_plus, 1e3 * tau_minus)) and w_min == 0
    theirs = annarchy_published.PLASTIC[name]
    sizes = [theirs[f"A_{key}"] * theirs["w_max"] for key in ("plus", "minus")]
    assert sizes == pytest.approx([lr * a_plus, lr * a_minus])
    assert (theirs["w_min"], theirs["w_max"]) == (w_min, w_max)
    assert (theirs["tau_plus"], theirs["tau_minus"]) == pytest.approx(taus)
    assert published_networks.rule_numbers(published.NETWORKS["Brunel C"], None) == []


@pytest.mark.parametrize("name", published.NETWORKS)
def test_annarchy_runs_the_same_network(name):
    spec = published.NETWORKS[name]
    given, equations, refractory, weights, delay = annarchy_published.NETWORKS[name]
    ours = spec.population("e").model.parameters
    assert given["Vt"] == pytest.approx(float(ours["v_threshold"] / mV))
    assert given["Vr"] == pytest.approx(float(ours["v_reset"] / mV))
    assert refractory == pytest.approx(float(ours["t_ref"] / ms))
    if "tau" in given:
        keys = {"tau_exc": "tau_e", "tau_inh": "tau_i"}
        assert all(given[k] == pytest.approx(float(ours[mine] / ms)) for k, mine in keys.items())
    else:
        tau = float(ours["tau_m"] / ms)
        assert given["keep"] == pytest.approx(np.exp(-annarchy_published.STEP / tau))
        drive = spec.population("e").activities[0].parameters
        chance = float(drive["rate"] * spec.dt)
        assert equations[0] == f"drive = Binomial({drive['n_sources']:g}, {chance:g})"
        assert given["w_drive"] == pytest.approx(float(drive["weight"] / mV))
    leak = 10.0 if name == "COBA" else 1.0  # nS
    for source, weight in zip("ei", weights, strict=True):
        projection = spec.projection(source + "e")
        assert weight * leak == pytest.approx(projection.weights)
        assert delay == pytest.approx(max(float((projection.delay or 0 * ms) / ms), 0.1))


def test_the_graph_of_nest_is_ours(tmp_path):
    spec, file = published.NETWORKS["COBA"], tmp_path / "graph.npz"
    published_networks.write_graph("COBA", file)
    state = initial_state(spec, 1)
    with np.load(file) as graph:
        np.testing.assert_allclose(graph["V_m"][3200:], 1e3 * state.arrays["i.v"], rtol=1e-12)
        assert graph["g_in"].min() >= 0 and graph["g_in"].mean() == pytest.approx(200, rel=0.05)
        both = {
            (source, target): set(zip(*state.synapses[source + target], strict=True))
            for source in "ei"
            for target in "ei"
        }
        for source, first in (("e", 0), ("i", 3200)):
            pairs = {*zip(graph[f"{source}_pre"] - first, graph[f"{source}_post"], strict=True)}
            assert {pair for pair in pairs if pair[1] < 3200} == both[source, "e"]
            assert {(i, j - 3200) for i, j in pairs if j >= 3200} == both[source, "i"]


@pytest.mark.parametrize("name", published.NETWORKS)
def test_nest_can_be_timed(name):
    """Four neurons, of which one excites and inhibits another."""
    pytest.importorskip("nest", reason="needs the extra 'bench'")
    one = np.array([0]), np.array([1])
    graph = {"V_m": np.full(4, nest_published.NETWORKS[name][1]["V_reset"])}
    graph |= dict(zip(("e_pre", "e_post", "i_pre", "i_post"), one * 2, strict=True))
    graph["n_e"] = np.array(2)
    measured = nest_published.run(name, graph, seconds=0.1, repeats=2)
    assert len(measured["wall"]) == len(measured["spikes"]) == 2
    assert min(measured["spikes"]) > 0 or name == "COBA"  # the others are driven


def test_a_time_counts_if_the_rate_is_the_same():
    rows = {
        "brainsleep cpp": [{"wall": [0.2], "spikes": [4e4]}, {"wall": [0.1], "spikes": [4e4]}],
        "Brian2 C++": [{"wall": [0.4], "spikes": [4.1e4]}, {"wall": [0.4], "spikes": [4.1e4]}],
        "NEST": [{"wall": [0.01], "spikes": [5e4], "version": "3"}] * 2,
    }
    machine = {"cores": 2, "bindsnet": "absent"}
    text = published.table({"machine": machine, "load": 0.25, "rows": {"COBA": rows}})
    lines = text.splitlines()
    assert lines[0] == "Measured on cores 2; load at the start 0.2" and "### COBA" in lines
    expected = "| Brian2 C++ | 10.25 | 400 | 400 to 400 | brainsleep cpp | 0.375 | 0.25 to"
    assert lines[-2].startswith(expected)
    assert lines[-1].startswith("| NEST 3 | 12.50 | another rate")


def test_each_peer_is_compared_with_as_many_threads_and_a_floor_with_its_precision():
    found = {peer: published.compared(peer) for peer in (*published.PEERS, *peers.PEERS)}
    mine = "brainsleep cpp"
    assert found["NEST"] == found["ANNarchy"] == found["Brian2 C++"] == mine
    for peer in ("NEST", "ANNarchy", "Brian2 C++", "textbook Brian2 C++"):
        assert found[f"{peer}, two threads"] == f"{mine}, two threads"
    assert found["hand-written C++"] == f"{mine}, float32"
    assert found["hand-written C++, double"] == found[f"{mine}, two threads"] == mine
    assert set(found.values()) <= set(published.PEERS) and found[mine] == mine
    wanted = [mine, f"{mine}, two threads", "NEST, two threads"]
    assert published.with_ours(["NEST, two threads"]) == wanted
    assert speed.taken(["NEST"], "200+50") == ["hand-written C++", mine, "NEST"]
    assert "NEST" in speed.taken(None, "6400+1600")
    assert "BindsNET" not in speed.taken(None, "6400+1600")


def test_weights_that_changed_are_in_the_table():
    one = {"wall": [1.0], "spikes": [5e5], "change": [-1.5e-5]}
    rows = {"brainsleep cpp": [one], "NEST": [one | {"wall": [6.0]}]}
    results = {"machine": {"cores": 2}, "load": 0.0, "rows": {"Brunel, STDP": rows}}
    *_, header, _, mine, nest = published.table(results).splitlines()
    assert header.endswith("weight change, nV/s |") and mine.endswith("| -15 |")
    assert "| brainsleep cpp | 0.167 |" in nest and nest.endswith("| -15 |")


def test_slow_peers_run_shorter():
    assert published.seconds("COBA", "brainsleep cpp") == published.seconds("COBA", "Brian2 C++")
    for peer in ("NEST", "NEST, two threads"):
        assert published.seconds("COBA", peer) == 1
    for begin, shorter in published.FEWER.items():
        assert any(peer.startswith(begin) for peer in published.PEERS)
        assert all(shorter[name] < published_networks.SECONDS[name] for name in shorter)


def test_ratios_are_taken_round_by_round():
    mine, theirs = {"wall": [9.0], "rounds": [1.0, 2.0, 9.0]}, {"wall": [1.0], "rounds": [2.0, 2.0]}
    assert report.ratio(mine, theirs) == 0.75
    assert report.ratio({"wall": [3.0]}, {"wall": [2.0]}) == 1.5


def test_a_floor_is_of_the_same_precision():
    row = {"wall": [1.0]}
    rows = {"200+50|low|hand-written C++": row, "200+50|high|hand-written C++, double": row}
    for drive, floor in (("low", "hand-written C++"), ("high", "hand-written C++, double")):
        where = ({"rows": rows}, "200+50", drive)
        assert report.floor_of("NEST", *where) == floor
        assert report.floor_of("brainsleep cpp, float32", *where) == "hand-written C++"


def test_published_networks_that_were_measured_make_a_table():
    results = json.loads(published.RESULTS.read_text())
    text = published.table(results)
    assert results["rows"].keys() <= published.NETWORKS.keys() and "another rate" not in text
    for name, rows in results["rows"].items():
        assert {"brainsleep cpp", "hand-written C++", "Brian2 C++"} <= rows.keys()
        assert f"### {name}" in text and all(f"| {peer}" in text for peer in rows)


def test_without_its_interpreter_a_peer_is_skipped():
    given = SimpleNamespace(nest="nowhere", annarchy="nowhere")
    assert not peers.absent("Brian2 C++, two threads", given)
    assert "nowhere has no nest: see --nest" in peers.absent("NEST", given)
    assert "has no ANNarchy: see --annarchy" in peers.absent("ANNarchy, two threads", given)


def test_scripts_elsewhere_get_the_same_network(tmp_path):
    size = SIZES["200+50"]
    spec = network(size, "low")
    state = start(spec)
    peers.write_graph(tmp_path / "graph.npz", spec, state, image_rates(size))
    with np.load(tmp_path / "graph.npz") as graph:
        about = json.loads(str(graph["about"]))
        assert about["sizes"] == {"input": 225, "e": 200, "i": 50}
        assert about["neuron"]["tau_m"] == pytest.approx(1e3 * state.parameters["e.tau_m"])
        assert set(about["projections"]) == {p.name for p in spec.projections}
        np.testing.assert_array_equal(graph["ee_pre"], state.synapses["ee"][0])
        np.testing.assert_array_equal(graph["ee_w"], state.weights("ee"))


# --- two checkouts ----------------------------------------------------------------------------


def test_a_checkout_is_timed_with_all_that_is_its_own(tmp_path):
    package = against.copied(ablation.ROOT, tmp_path)
    code = (
        "import benchmarks.networks as a, brainsleep.models.lif as b; print(a.__file__, b.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(path.startswith(str(tmp_path)) for path in done.stdout.split())


def test_what_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="give the root of a checkout"):
        against.copied(tmp_path, tmp_path / "copy")


def test_two_checkouts_are_compared_round_by_round():
    assert against.order(["this", "other"], 0) == against.order(["other", "this"], 1)
    cells = against.line("wake", [1.0, 2.2, 3.0], [1.0, 2.0, 4.0]).strip("| ").split(" | ")
    assert cells[:4] == ["wake", "2.000", "2.200", "**1.000**"]
    assert cells[4:] == ["0.875 to 1.050", "0.750 to 1.100", "1.000"]
    assert "**0.500**" in against.line("wake", [1.0], [2.0])


@pytest.mark.slow
@pytest.mark.standalone
@needs_compiler
def test_memory_is_measured(tmp_path):
    ((streamed, each),) = memory.measured([1], tmp_path).values()
    assert 0.1 < streamed < 1e4 and 0.01 < each < 1e4
