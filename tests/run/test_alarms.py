"""Alarms: when they come, that they survive interrupts, and runs that end with one."""

import logging

import numpy as np
import pytest
from brian2 import ms, second
from conftest import QUICK, TINY

from brainsleep.analysis.effects import sleep_effects
from brainsleep.cli.sweep_view import _summary
from brainsleep.errors import DataError, FigureError, NotFiniteError, ProtocolError, SimulationError
from brainsleep.experiment.protocol import run_id
from brainsleep.experiment.record import ALARMS, Alarms
from brainsleep.files.load import load_module
from brainsleep.results.store import read_result
from brainsleep.results.table import choose, tabulate
from brainsleep.run import loop as run_module
from brainsleep.run.compare import Condition, compare, table
from brainsleep.run.observers.alarms import AlarmWatch
from brainsleep.run.observers.recorder import Recorder
from brainsleep.run.observers.weights import plastic
from brainsleep.run.simulate import simulate, simulate_many
from brainsleep.sweep.grid import Grid
from brainsleep.sweep.ledger import status
from brainsleep.sweep.run import SweepRun
from brainsleep.tasks.images.observers import SleepProbe

#: Only the training of the tiny network, with alarms that it gives: it fires at 20 Hz and more.
SHORT = TINY.override({"data.n_readout": 0, "data.n_test": 0, "record.raster": ()})
LIMITS = {"record.alarms.runaway": "18*Hz", "record.alarms.window": "0.1*second"}
LOUD = SHORT.override(LIMITS)
STOPPING = LOUD.override({"record.alarms.stop_on": "runaway"})
#: Sleep divides by this target, so the first sleep, slot 4, ends in values that are not numbers.
BROKEN = SHORT.override({"network.projections.*.processes.decay.w_star": 0.0})


def seen(protocol, counts, fractions=()):
    """The alarms that a watch gives for spikes of `e` and `i` a slot, and saturated weights."""
    order = protocol.task.tasks.order(np.zeros(12, int), 1, np.random.default_rng(0))
    network = protocol.network
    slots = protocol.schedule.compile(order, 0, 0, network.gates, network.dt)
    recorder = Recorder.empty(protocol, len(slots))
    for name, values in counts.items():
        recorder.totals[name][: len(values)] = values
    looks = recorder.looks.setdefault("saturation", {})
    for slot, fraction in fractions:
        looks[slot] = {"fractions": np.array([np.nan, fraction, np.nan, np.nan])}
    recorder.ran[:] = slots.steps
    watch = AlarmWatch(protocol.record.alarms, network, slots)
    return watch, recorder


# --- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"saturation": 2}, ("alarms.saturation: got 2", "at least 0 and at most 1")),
        ({"saturation": "much"}, ("alarms.saturation",)),
        ({"silence": 10}, ("alarms.silence: got 10 (no unit)", "second")),
        ({"runaway": 3 * second}, ("alarms.runaway", "hertz")),
        ({"window": 0 * ms}, ("alarms.window", "more than 0")),
        ({"stop_on": "runaway"}, ("alarms.stop_on", "a tuple")),
        ({"stop_on": ("runawy",)}, ("alarms.stop_on: got 'runawy'", "did you mean 'runaway'?")),
    ],
)
def test_limits_are_checked(changes, words):
    with pytest.raises(ProtocolError) as caught:
        Alarms(**changes)
    assert all(word in str(caught.value) for word in words), caught.value


def test_limits_are_settings_that_decide_nothing_unless_they_end_the_run():
    def address(**changes):
        changed = TINY.override({f"record.alarms.{k}": v for k, v in changes.items()})
        return run_id(changed, 0, "numpy", "data")

    same = address()
    assert address(saturation=0.5) == address(runaway="99*Hz", silence="3*second") == same
    assert address(window="2*second") == same
    stopping = address(stop_on="runaway")
    assert stopping != same
    assert address(stop_on="runaway", silence="3*second") == stopping
    assert address(stop_on=("runaway",), runaway="99*Hz") != stopping
    assert address(stop_on="runaway", window="2*second") != stopping
    assert address(stop_on="nan,runaway") == address(stop_on=("runaway", "nan")) != stopping
    assert TINY.override({"record.alarms.stop_on": "(nan, runaway)"}).record.alarms.stop_on == (
        "runaway",
        "nan",
    )
    assert TINY.override({"record.alarms.stop_on": ""}).record.alarms.stop_on == ()


# --- what a watch sees -------------------------------------------------------------------------


def test_healthy_counts_give_no_alarm():
    watch, recorder = seen(SHORT, {"e": [60] * 15, "i": [1] * 15})
    assert watch.look(recorder, 15) == [] and watch.stopped is None
    assert watch.report() == {"alarms": []}


def test_runaway_begins_and_ends():
    """30 neurons, slots of 50 ms: 30 spikes are 20 Hz; a rate is a mean over 100 ms awake."""
    watch, recorder = seen(LOUD, {"e": [30, 0, 30, 30, 900, 0, 0, 0], "i": [1] * 15})
    (alarm,) = watch.look(recorder, 15)
    assert (alarm.kind, alarm.where, alarm.limit) == ("runaway", "e", 18.0)
    assert alarm.value == pytest.approx(20) and alarm.time_s == pytest.approx(0.2)
    # slot 4 is the sleep of 100 ms: its spikes do not count; 0.35 s: half the window is silent
    assert alarm.until_s == pytest.approx(0.35)
    assert alarm.text == "runaway: e fires at 20 Hz awake at 0.2 s (limit 18 Hz)"


def test_silence_counts_time_awake():
    silent = SHORT.override({"record.alarms.silence": "0.3*second"})
    watch, recorder = seen(silent, {"e": [1] * 15, "i": [5, 0, 0, 0, 7, 0, 0, 0, 1]})
    (alarm,) = watch.look(recorder, 15)  # 0.15 s, a sleep of 0.1 s, 0.15 s
    assert (alarm.kind, alarm.where) == ("silence", "i")
    assert alarm.value == pytest.approx(0.3) and alarm.time_s == pytest.approx(0.45)
    assert alarm.until_s == pytest.approx(0.45)


def test_a_test_without_a_spike_is_an_alarm(tmp_path):
    deaf = TINY.override(
        {
            "data.n_readout": 6,
            "data.n_test": 6,
            "schedule.test.gates.input": 0.0,
            "record.alarms.runaway": "1e6*Hz",
        }
    )
    result = simulate(deaf, seed=1, backend=QUICK, out=tmp_path)
    (alarm,) = result.alarms
    assert (alarm["kind"], alarm["where"], alarm["until_s"]) == ("silence", "e", None)
    assert alarm["text"] == "silence: no spike in e in the whole test, 0.3 s"
    heard = simulate(TINY.override({"data.n_test": 6}), seed=1, backend=QUICK, out=tmp_path)
    assert not [alarm for alarm in heard.alarms if alarm["kind"] == "silence"]


def test_saturation_of_a_projection():
    watch, recorder = seen(SHORT, {"e": [9] * 15, "i": [9] * 15}, [(0, 0.05), (6, 0.06), (9, 0.2)])
    assert [p.name for p in plastic(SHORT.network)][1] == "ee"
    assert watch.look(recorder, 5) == []  # 5 % is the limit
    (alarm,) = watch.look(recorder, 15)
    assert (alarm.kind, alarm.where, alarm.value) == ("saturation", "ee", 0.06)
    assert alarm.time_s == pytest.approx(0.35) and alarm.until_s is None
    assert watch.look(recorder, 15) == []  # once


def test_a_watch_that_begins_later_sees_the_same():
    counts = {"e": [30, 0, 30, 30, 900, 0, 45, 0], "i": [0] * 15}
    alarms = []
    for stops in ((15,), (1, 4, 7, 15), range(16)):
        watch, recorder = seen(
            LOUD.override({"record.alarms.silence": "0.2*second"}), counts, [(6, 0.5), (9, 0.0)]
        )
        for stop in stops:
            watch.look(recorder, stop)
        alarms.append(watch.report())
    assert alarms[0] == alarms[1] == alarms[2]
    kinds = [(a["kind"], a["where"]) for a in alarms[0]["alarms"]]
    expected = [("runaway", "e"), ("silence", "i"), ("saturation", "ee"), ("silence", "e")]
    assert kinds == expected


# --- runs --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loud(tmp_path_factory):
    return simulate(LOUD, seed=1, backend=QUICK, out=tmp_path_factory.mktemp("loud"))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    return simulate(STOPPING, seed=1, backend=QUICK, out=tmp_path_factory.mktemp("stopped"))


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.name == "brainsleep.alarms"]


def test_alarms_are_in_the_result_the_log_and_the_progress(tmp_path, caplog):
    texts = []
    with caplog.at_level(logging.WARNING, logger="brainsleep.alarms"):
        result = simulate(
            LOUD,
            seed=1,
            backend=QUICK,
            out=tmp_path,
            progress=lambda done, total, text: texts.append(text),
        )
    (alarm,) = result.alarms
    assert alarm.keys() == {"kind", "where", "time_s", "value", "limit", "text", "until_s"}
    counts = result.arrays["totals/e"]
    assert alarm["value"] == pytest.approx(counts[:2].sum() / (30 * 0.1)) and alarm["value"] > 18
    assert (alarm["kind"], alarm["where"], alarm["time_s"]) == ("runaway", "e", pytest.approx(0.1))
    assert result.stopped is None and "stopped" not in result.info
    assert warnings(caplog) == [f"tiny, seed 1: {alarm['text']}"]
    assert texts[0] == "wake; alarm: runaway of e" and texts[-1].startswith("readout; alarm")
    assert "saturated" not in result.arrays


def test_alarms_cost_a_run_nothing_else(loud, tmp_path):
    quiet = simulate(SHORT, seed=1, backend=QUICK, out=tmp_path)
    assert quiet.alarms == [] and quiet.path.name == loud.path.name
    assert quiet.metrics == loud.metrics
    mine, theirs = quiet.arrays, loud.arrays
    assert all(value.tobytes() == theirs[name].tobytes() for name, value in mine.items())


def interrupting(monkeypatch, after):
    advance, calls = run_module.Run._advance, []

    def interrupt(self, last):
        calls.append(self.position)
        if len(calls) == after:
            raise KeyboardInterrupt
        return advance(self, last)

    monkeypatch.setattr(run_module.Run, "_advance", interrupt)


@pytest.mark.parametrize("after", [2, 4])
def test_a_resumed_run_has_the_same_alarms(loud, tmp_path, monkeypatch, caplog, after):
    interrupting(monkeypatch, after)
    with pytest.raises(KeyboardInterrupt):
        simulate(LOUD, seed=1, backend=QUICK, out=tmp_path)
    assert len(warnings(caplog)) == 1
    result = simulate(LOUD, seed=1, backend=QUICK, out=tmp_path)
    assert result.alarms == loud.alarms and result.metrics == loud.metrics
    assert len(warnings(caplog)) == 1  # it is not said again


def test_replicas_have_their_own_alarms(loud, stopped, tmp_path):
    first, second_, third = simulate_many(
        [LOUD, SHORT, STOPPING], seeds=[1, 2, 1], backend=QUICK, out=tmp_path
    )
    assert first.alarms == loud.alarms and first.metrics == loud.metrics
    assert second_.alarms == []
    assert third.info["stopped"] == stopped.info["stopped"]
    assert third.arrays["totals/e"].tolist() == stopped.arrays["totals/e"].tolist()


# --- runs that are ended -----------------------------------------------------------------------


def test_stopped_run_keeps_what_there_is(loud, stopped):
    assert stopped.path.name != loud.path.name
    alarm = stopped.stopped
    assert stopped.alarms == [{k: v for k, v in alarm.items() if k != "at_s"}]
    assert (alarm["kind"], alarm["where"]) == ("runaway", "e")
    assert alarm["at_s"] == pytest.approx(0.2)  # the end of the segment: four images
    mine, whole = stopped.arrays, loud.arrays
    assert mine["slots/phase"].tolist() == ["wake"] * 4 == whole["slots/phase"][:4].tolist()
    for name in ("counts/e", "totals/i", "ran", "slots/steps"):
        assert mine[name].tobytes() == whole[name][:4].tobytes()
    # the weights that it stopped with are those of the whole run then, and the last statistics
    column = stopped.info["weight_statistics"].index("sum")
    assert mine["stat_times_s"].tolist() == pytest.approx([0, 0.2])
    np.testing.assert_array_equal(mine["stats/ee"], whole["stats/ee"][:2])
    total = mine["snapshots/trained/ee"].sum()
    assert mine["stats/ee"][-1, column] == pytest.approx(total)
    assert stopped.metrics["wake_s"] == pytest.approx(0.2) and stopped.metrics["sleep_s"] == 0
    assert stopped.metrics["rate_test_e_hz"] is None
    assert "network_accuracy" not in stopped.metrics


def test_no_stop_same_numbers(loud, stopped, tmp_path):
    """A run that could be stopped and is not has the numbers of one that could not."""
    never = STOPPING.override({"record.alarms.runaway": "400*Hz"})
    may = simulate(never, seed=1, backend=QUICK, out=tmp_path)
    assert may.path.name not in (loud.path.name, stopped.path.name)
    assert may.stopped is None and may.metrics == loud.metrics
    theirs = loud.arrays
    assert all(v.tobytes() == theirs[name].tobytes() for name, v in may.arrays.items())


def test_interrupted_when_it_was_to_stop(stopped, tmp_path, monkeypatch):
    store = run_module.Run.store
    with monkeypatch.context() as patch:
        patch.setattr(run_module.Run, "store", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            simulate(STOPPING, seed=1, backend=QUICK, out=tmp_path)
    assert run_module.Run.store is store
    monkeypatch.setattr(run_module.Run, "_advance", None)  # nothing more is run
    again = simulate(STOPPING, seed=1, backend=QUICK, out=tmp_path)
    assert again.info["stopped"] == stopped.info["stopped"] and again.metrics == stopped.metrics


def test_stopped_before_anything_was_run(tmp_path):
    full = SHORT.override(
        {"network.projections.ee.w_max": 0.301, "record.alarms.stop_on": ("saturation",)}
    )
    result = simulate(full, seed=1, backend=QUICK, out=tmp_path)
    assert (result.stopped["where"], result.stopped["at_s"]) == ("ee", 0)
    assert result.arrays["counts/e"].shape == (0, 30)
    arrays = result.arrays
    np.testing.assert_array_equal(arrays["snapshots/trained/ee"], arrays["snapshots/initial/ee"])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_that_are_not_numbers(tmp_path):
    with pytest.raises(NotFiniteError) as caught:
        simulate(BROKEN, seed=1, backend=QUICK, out=tmp_path)
    said = str(caught.value)
    assert "slots 4 to 4 (sleep), from 0.2 s on" in said and "--stop-on nan" in said
    assert "checkpoint" not in said  # a run with --stop-on is another one, and starts from zero
    (checkpoint,) = tmp_path.glob(".*.partial/checkpoint.npz")
    assert int(np.load(checkpoint)["position"]) == 4
    kept = BROKEN.override({"record.alarms.stop_on": ("nan",)})
    result = simulate(kept, seed=1, backend=QUICK, out=tmp_path)
    alarm = result.stopped
    assert (alarm["kind"], alarm["time_s"], alarm["at_s"]) == ("nan", 0.2, 0.2)
    assert alarm["where"] in "ei" and alarm["value"] > 0
    assert all(np.all(np.isfinite(v)) for v in result.arrays.values() if v.dtype.kind == "f")
    assert result.arrays["slots/steps"].tolist() == [50] * 4


def test_a_probe_with_values_that_are_not_numbers(tmp_path, monkeypatch):
    """It is an alarm like any other, here at the end of the training."""
    look = SleepProbe.look

    def broken(self, view):
        found = yield from look(self, view)
        if view.slot not in view.table.ends_of("sleep"):
            return found
        raise NotFiniteError("3 of 30 values of e.v", "e", 3)

    monkeypatch.setattr(SleepProbe, "look", broken)
    probed = SHORT.override({"data.n_train": 4, "data.n_test": 2, "probes.images": 2})
    with pytest.raises(NotFiniteError, match=r"a probe before slot 5, from [\d.]+ s on; run"):
        simulate(probed, seed=1, backend=QUICK, out=tmp_path)
    kept = probed.override({"record.alarms.stop_on": ("nan",)})
    result = simulate(kept, seed=1, backend=QUICK, out=tmp_path)
    assert (result.stopped["kind"], result.stopped["where"]) == ("nan", "e")
    assert result.arrays["slots/phase"].tolist() == ["wake"] * 4 + ["sleep"]
    assert {"snapshots/trained/ee", "representation/times_s"} <= result.arrays.keys()
    assert result.arrays["representation/after"].tolist() == [False]


def test_a_rate_cannot_be_matched_to_a_stopped_run(tmp_path):
    conditions = (
        Condition(name="stopped"),
        Condition(
            name="matched",
            match_rate="stopped",
            scale="network.projections.input_e.weights.low",
        ),
    )
    with pytest.raises(SimulationError, match=r"has no test rate of 'e' .*runaway: e fires"):
        compare(STOPPING, conditions, seed=1, backend=QUICK, out=tmp_path)


# --- what is shown -----------------------------------------------------------------------------


def test_tables_have_the_times_of_alarms(loud, stopped):
    line = tabulate(stopped.path.parent).iloc[0]
    assert line["alarm.runaway"] == pytest.approx(0.1) and line["stopped_s"] == pytest.approx(0.2)
    assert np.isnan(line["alarm.nan"])
    frame = tabulate(loud.path.parent)
    assert [f"alarm.{kind}" for kind in ALARMS] == [c for c in frame if c.startswith("alarm.")]
    assert frame["stopped_s"].isna().all()
    with pytest.raises(DataError, match=r"1 of 1 runs were stopped .* --where stopped_s=nan"):
        sleep_effects(tabulate(stopped.path.parent), "saturated")
    sleep_effects(choose(frame, {"stopped_s": "nan"}), "saturated")
    text = table({"it": stopped}).iloc[0]
    assert text["correct %"] == "-" and text["E Hz wake"] != "-"


def test_figures_of_a_stopped_run(stopped):
    load_module("weights", "figure").draw([stopped])
    for name in ("accuracy", "similarity", "raster"):
        with pytest.raises(FigureError):
            load_module(name, "figure").draw([stopped])


def test_command_line(tmp_path, call):
    study = tmp_path / "study.py"
    study.write_text("from conftest import TINY\nPROTOCOL = TINY\n")
    settings = [f"{k}={v}" for k, v in LIMITS.items()] + ["data.n_test=0", "data.n_readout=0"]
    sets = [word for text in settings for word in ("--set", text)]
    where = ("--backend", "numpy", "--seed", 1, "--out", tmp_path / "results")
    code, out, err = call("run", study, *sets, *where, "--stop-on", "nan,runaway")
    assert code == 0 and "stopped after 0.2 s: runaway: e fires" in " ".join(err.split())
    result = read_result(out.splitlines()[-1])
    assert result.info["protocol"]["record"]["alarms"]["stop_on"] == ["runaway", "nan"]
    code, out, _ = call("info", result.path)
    assert code == 0 and "stopped" in out and "limit 18 Hz" in out
    code, _, err = call("run", study, "--stop-on", "runawy")
    assert code == 2 and "did you mean 'runaway'?" in err
    code, out, _ = call("sweep", "plan", study, *sets, "--stop-on", "runaway", "--commands")
    assert code == 0 and "--set record.alarms.stop_on=runaway" in out


def test_sweeps_count_rows_with_alarms(loud, stopped):
    """Rows that are there already; those that are run are counted as they are finished."""
    out = loud.path.parent
    sweep_run = SweepRun(Grid(name="g", protocol=LOUD, seeds=(1, 2), backend=QUICK).rows(), out)
    assert sweep_run.alarmed == {loud.path.name}
    assert sweep_run._state().alarmed == {loud.path.name}
    assert sweep_run.stopped == set() and _summary(sweep_run._state()).endswith("(1 with alarms)")
    out = stopped.path.parent
    sweep_run = SweepRun(Grid(name="g", protocol=STOPPING, seeds=(1,), backend=QUICK).rows(), out)
    assert sweep_run._state().stopped == {stopped.path.name}
    assert _summary(sweep_run._state()) == "1 of 1 rows finished (1 with alarms, 1 stopped by them)"
    assert [row["stopped"] for row in status(out)] == [True]
