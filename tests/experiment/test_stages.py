"""Stages of sleep: their arithmetic, gates, early end, keys, and what NREM and REM do."""

import dataclasses
import io
import itertools

import numpy as np
import pytest
from brian2 import Hz, ms, mV, second
from conftest import EVERY_STEP, QUICK, TINY, lone_neurons, make_segment, needs_compiler
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from brainsleep.backends.base import make_backend
from brainsleep.errors import ProtocolError, ScheduleError
from brainsleep.experiment.protocol import load_protocol, run_id
from brainsleep.experiment.schedule import MAX_STEPS, Schedule, sleep
from brainsleep.experiment.stages import SleepStage, cut, nrem, rem
from brainsleep.models.lif import LIF
from brainsleep.models.massey2026 import recurrent_network
from brainsleep.models.sleep import MEMBRANE_NOISE
from brainsleep.models.sleep_stages import NREM, REM, SLOW_OSCILLATION
from brainsleep.results.table import flatten
from brainsleep.run.segment import Capacity, Segment, timing
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state
from brainsleep.show.describe import describe

NETWORK = recurrent_network(
    activities=(MEMBRANE_NOISE, SLOW_OSCILLATION), n_inputs=64, n_excitatory=30, n_inhibitory=10
)
STAGED = dataclasses.replace(
    TINY,
    network=NETWORK,
    schedule=dataclasses.replace(TINY.schedule, sleep=sleep(0.5, stages=(nrem(0.8), rem(0.2)))),
).override({"network.projections.input_e.weights.low": 2.0, "record.raster": ()})
DT = 1 * ms


def table(n_train=35, n_test=0, *, gates=NETWORK.gates, dt=DT, **parts):
    return Schedule(**parts).compile(n_train, 0, n_test, gates, dt)


def asleep(slots, *columns):
    here = slots.phase == "sleep"
    return [getattr(slots, name)[here].tolist() for name in columns]


def assert_refused(make, *parts, error=ScheduleError):
    with pytest.raises(error) as caught:
        make()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


# --- laid out by hand --------------------------------------------------------------------------


def test_nrem_then_rem():
    slots = table(70, 2, sleep=sleep(0.2, stages=(nrem(0.8), rem(0.2))))
    assert slots.steps.tolist() == ([1000] * 35 + [5600, 1400]) * 2 + [1000] * 2
    stage = ([""] * 35 + ["nrem", "rem"]) * 2 + [""] * 2
    assert slots.sleep_stage.tolist() == stage
    assert np.flatnonzero(slots.onset).tolist() == [0, 35, 36, 37, 72, 73, 74]
    got = {gate: slots.gates[gate][[0, 35, 36, 74]].tolist() for gate in NETWORK.gates}
    assert got == {  # wake, NREM, REM, test
        "input": [1, 0, 0, 1],
        "plasticity": [1, 0, 1, 0],
        "noise": [0, 0, 1, 0],
        "slow": [0, 1, 0, 0],
        "decay": [0, 1, 0, 0],
    }


def test_cycles_repeat_the_stages():
    stages = (nrem(3), rem(1))  # shares are relative
    slots = table(sleep=sleep(0.2, stages=stages, cycles=2))
    assert asleep(slots, "steps", "sleep_stage", "onset") == [
        [2625, 875, 2625, 875],
        ["nrem", "rem"] * 2,
        [True] * 4,
    ]


def test_gates_of_the_phase_are_common_to_its_stages():
    stages = (SleepStage("deep", 1, {"decay": 0.5, "plasticity": 0}), SleepStage("light", 1))
    slots = table(sleep=sleep(0.2, noise=0.25, decay=1, stages=stages))
    gates = {gate: slots.gates[gate][35:].tolist() for gate in NETWORK.gates}
    assert gates == {
        "input": [0, 0],
        "plasticity": [0, 1],
        "noise": [0.25, 0.25],
        "slow": [0, 0],
        "decay": [0.5, 1],
    }


def test_without_stages_sleep_is_uniform():
    slots = table(sleep=sleep(0.2, noise=1, decay=1))
    assert slots.sleep_stage.tolist() == [""] * 36
    assert asleep(slots, "steps", "onset") == [[7000], [True]]


def test_a_stage_of_no_steps_is_left_out():
    brief = SleepStage("brief", 1e-6)
    slots = table(sleep=sleep(0.2, stages=(brief, nrem(1), rem(1))))
    assert asleep(slots, "steps", "sleep_stage") == [[3500, 3500], ["nrem", "rem"]]
    assert asleep(slots, "onset") == [[True, True]]


def test_long_stages_are_cut_into_slots():
    long = sleep(4, max_duration=140 * second, stages=(nrem(0.5), rem(0.5)))
    slots = table(sleep=long)
    assert asleep(slots, "steps", "sleep_stage", "onset") == [
        [MAX_STEPS, 70_000 - MAX_STEPS] * 2,
        ["nrem"] * 2 + ["rem"] * 2,
        [True, False] * 2,
    ]


def test_looks_within_stages_and_the_trigger_before_the_first():
    rest = sleep(
        0.1, until_initial=True, check_every=1 * second, trigger=1.5, stages=(nrem(0.6), rem(0.4))
    )
    slots = table(sleep=rest)
    assert asleep(slots, "steps", "above", "onset") == [
        [1000, 1000, 100, 1000, 400],
        [1.5, 1, 1, 1, 1],
        [True, False, False, True, False],
    ]


def test_weight_processes_begin_anew_with_every_stage_they_are_open_in():
    slots = table(4, period=2 * second, sleep=sleep(0.5, stages=(nrem(0.5), rem(0.5)), cycles=2))
    n = len(slots)
    stimulus, raster = np.zeros((n, 64)), np.zeros(n, bool)
    segment = Segment(slots.steps, stimulus, slots.gates, slots.onset, slots.phase, raster)
    times, _ = timing(NETWORK, Capacity(), segment)
    np.testing.assert_allclose(times["decay_onset"], [2, 2.5, 5, 5.5])
    np.testing.assert_allclose(times["on_sleep"], [2, 2.25, 2.5, 2.75, 5, 5.25, 5.5, 5.75])
    np.testing.assert_allclose(times["on_wake"], [0, 3])


# --- for any numbers ---------------------------------------------------------------------------


@given(
    shares=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6),
    cycles=st.integers(1, 5),
    steps=st.integers(0, 20_000),
    longest=st.integers(1, 3000),
)
def test_stages_add_up(shares, cycles, steps, longest):
    stages = tuple(SleepStage(f"s{k}", share) for k, share in enumerate(shares))
    slots = cut(stages * cycles, steps, longest)
    assert sum(length for length, _, _ in slots) == steps
    assert all(1 <= length <= longest for length, _, _ in slots)
    begun = [name for _, begins, name in slots if begins]
    whole = [stage.name for stage in stages] * cycles
    position = 0
    for name in begun:  # those left out apart, in the order given
        position = whole.index(name, position) + 1
    for stage in stages:
        total = sum(length for length, _, name in slots if name == stage.name)
        exact = steps * stage.share / sum(shares)
        assert abs(total - exact) <= cycles + 1e-6  # a step for each time it comes
    lengths = [length for length, _, _ in slots]
    starts = [k for k, (_, begins, _) in enumerate(slots) if begins]
    for first, last in itertools.pairwise([*starts, len(slots)]):
        assert all(length == longest for length in lengths[first : last - 1])


@given(
    fraction=st.floats(0.002, 1),  # of 300 ms: a step of 1 ms
    share=st.floats(0.01, 0.99),
    cycles=st.integers(1, 6),
    until=st.booleans(),
    chunk=st.integers(1, 500),
)
def test_stages_change_neither_wake_nor_the_length_of_sleep(fraction, share, cycles, until, chunk):
    parts = {"until_initial": until, "check_every": chunk * ms}
    rhythm = {"image_duration": 100 * ms, "period": 300 * ms}
    stages = (nrem(share), rem(1 - share))
    plain = table(9, 2, sleep=sleep(fraction, **parts), **rhythm)
    slots = table(9, 2, sleep=sleep(fraction, stages=stages, cycles=cycles, **parts), **rhythm)
    for kind in ("wake", "sleep", "test"):
        assert slots.steps[slots.phase == kind].sum() == plain.steps[plain.phase == kind].sum()
    assert ((slots.sleep_stage != "") == (slots.phase == "sleep")).all()
    in_nrem, in_rem = (slots.sleep_stage == name for name in ("nrem", "rem"))
    assert (slots.gates["decay"] == in_nrem).all() and (slots.gates["slow"] == in_nrem).all()
    assert (slots.gates["noise"] == in_rem).all()
    for k in range(1, len(slots)):
        changed = slots.phase[k] != slots.phase[k - 1]
        changed |= slots.sleep_stage[k] != slots.sleep_stage[k - 1]
        assert slots.onset[k] or not changed  # a stage may be left out between two of one name


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (
            lambda: nrem(0),
            ("stages.nrem.share", "got 0", "more than 0", "leave the stage out"),
        ),
        (lambda: rem(-1), ("sleep.stages.rem.share", "got -1")),
        (lambda: rem("0.2"), ("sleep.stages.rem.share", "got '0.2'")),
        (lambda: nrem(float("nan")), ("sleep.stages.nrem.share", "got nan")),
        (lambda: nrem(True), ("sleep.stages.nrem.share", "got True")),
        (lambda: SleepStage("N 3", 1), ("sleep stage: name", "got 'N 3'", "lower-case")),
        (lambda: SleepStage(3, 1), ("sleep stage: name", "got 3")),
        (
            lambda: nrem(slow=2),
            ("sleep.stages.nrem.gates.slow", "got 2", "at least 0 and at most 1"),
        ),
        (lambda: SleepStage("n", 1, [1]), ("sleep.stages.n.gates", "got [1]", "{name: value}")),
        (lambda: sleep(stages=nrem()), ("sleep.stages", "got a SleepStage", "(part,) for one")),
        (lambda: sleep(stages=("nrem",)), ("sleep.stages", "got 'nrem'", "expected SleepStage")),
        (
            lambda: sleep(stages=(nrem(), rem(), nrem())),
            ("sleep.stages", "two parts are called 'nrem'", "another name"),
        ),
        (lambda: sleep(stages=(nrem(),), cycles=0), ("sleep.cycles", "got 0", "at least 1")),
        (lambda: sleep(stages=(nrem(),), cycles=1.5), ("sleep.cycles", "got 1.5", "whole number")),
        (lambda: sleep(cycles=2), ("sleep.cycles", "got 2", "without stages", "stages first")),
        (
            lambda: table(sleep=sleep(stages=(nrem(slwo=1), rem()))),
            ("schedule.sleep.stages.nrem.gates", "no gate 'slwo'", "did you mean 'slow'?"),
        ),
    ],
)
def test_refused(make, parts):
    assert_refused(make, *parts)


def test_a_protocol_whose_network_has_no_slow_oscillation():
    staged = dataclasses.replace(TINY.schedule, sleep=sleep(stages=(nrem(), rem())))
    assert_refused(
        lambda: dataclasses.replace(TINY, schedule=staged),
        "schedule.sleep.stages.nrem.gates",
        "no gate 'slow'",
    )


# --- keys --------------------------------------------------------------------------------------


def test_stages_change_by_key():
    changed = STAGED.override(
        {
            "schedule.sleep.stages.nrem.share": "3",
            "schedule.sleep.stages.nrem.gates.decay": 0.5,
            "schedule.sleep.stages.rem.gates.plasticity": "none",
            "schedule.sleep.stages.*.gates.slow": 1,
            "schedule.sleep.cycles": "2",
        }
    ).schedule.sleep
    assert changed.stages == (
        SleepStage("nrem", 3, {"slow": 1, "decay": 0.5, "plasticity": 0}),
        SleepStage("rem", 0.2, {"noise": 1, "slow": 1}),
    )
    assert changed.cycles == 2


def test_stages_are_replaced_as_a_whole():
    key = "schedule.sleep.stages"
    for value in ((REM, NREM), "(sleep_stages:REM,sleep_stages:NREM)"):
        assert STAGED.override({key: value}).schedule.sleep.stages == (REM, NREM)
    uniform = STAGED.override({key: "()", "schedule.sleep.gates.noise": 1})
    assert uniform.schedule.sleep.stages == ()
    assert uniform.override({key: "(sleep_stages:NREM)"}).schedule.sleep.stages == (NREM,)


def test_wrong_keys():
    assert_refused(
        lambda: STAGED.override({"schedule.sleep.stages.ren.share": 1}),
        "there is no 'ren'",
        "did you mean 'rem'?",
        error=ProtocolError,
    )
    assert_refused(
        lambda: STAGED.override({"schedule.sleep.stages.rem.part": 1}),
        "there is no 'part'",
        error=ProtocolError,
    )


def test_tables_tell_the_order_of_stages():
    order = {"schedule.sleep.stages": (REM, NREM)}
    one, other = (flatten(p.describe()) for p in (STAGED, STAGED.override(order)))
    assert one["schedule.sleep.stages"] == "nrem,rem" and one["schedule.sleep.stages.rem.share"]
    assert other["schedule.sleep.stages"] == "rem,nrem"


# --- runs --------------------------------------------------------------------------------------

#: What `run_id` gave for the shipped protocols (seed 0, C++): for `competitive` before there were
#: stages, for the others since the paper's network is the authors'.
IDS = {
    "competitive": "2cc758840db31c12",
    "controls": "058be81e756e2a9b",
    "demo": "7bff3952df40dbf6",
    "geometric": "8fa6052b85443eac",
    "paper": "bcf72a77f0ec0c8a",
}


@pytest.mark.parametrize("name", IDS)
def test_runs_without_stages_keep_their_ids(name):
    assert run_id(load_protocol(name), 0, "cpp", "x") == IDS[name]


def test_every_setting_of_stages_counts():
    changes = (
        {},
        {"schedule.sleep.stages": ()},
        {"schedule.sleep.stages": (REM, NREM)},
        {"schedule.sleep.cycles": 2},
        {"schedule.sleep.stages.nrem.share": 0.7},
        {"schedule.sleep.stages.nrem.gates.decay": 0.5},
        {"network.populations.e.activities.slow.f_slow": "0.7*Hz"},
    )
    assert len({run_id(STAGED.override(c), 0, "cpp", "x") for c in changes}) == len(changes)


def test_show_lists_the_stages():
    shown = Console(file=io.StringIO(), width=200)
    for part in describe(STAGED.override({"schedule.sleep.cycles": 2})):
        shown.print(part)
    text = shown.file.getvalue()
    for wanted in ("sleep: nrem", "sleep: rem", "through nrem (80 %) and rem (20 %), 2 times over"):
        assert wanted in text


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Sleeps of 80 ms NREM and 20 ms REM after every four images; plasticity closed in REM."""
    protocol = STAGED.override(
        {"schedule.sleep.stages.rem.gates.plasticity": 0, "record.snapshots": (4, 5, 6)}
    )
    return simulate(protocol, seed=1, backend=QUICK, out=tmp_path_factory.mktemp("run"))


@pytest.mark.long
def test_results_keep_the_stages(run):
    stage, phase = run.arrays["slots/sleep_stage"], run.arrays["slots/phase"]
    assert stage[:7].tolist() == [""] * 4 + ["nrem", "rem", ""]
    assert set(stage[phase == "sleep"]) == {"nrem", "rem"} and set(stage[phase != "sleep"]) == {""}
    spikes = run.arrays["totals/e"][stage == "rem"].sum()
    assert run.metrics["rate_sleep_rem_e_hz"] == pytest.approx(spikes / (30 * 3 * 0.02))
    assert run.metrics["sleep_s"] == pytest.approx(0.3)


def test_weights_shrink_in_nrem_by_the_closed_form_and_stay_in_rem(run):
    process = NETWORK.projection("ee").processes[0]
    tau, target = float(process.parameters["tau_w"]), float(process.parameters["w_star"])
    for p in NETWORK.projections:
        awake, after_nrem, after_rem = (
            run.arrays[f"snapshots/slot_{k}/{p.name}"] for k in (4, 5, 6)
        )
        exact = target * (awake / target) ** np.exp(-0.08 / tau)
        np.testing.assert_allclose(after_nrem, exact, rtol=1e-12)
        assert np.all(after_nrem < awake)
        assert after_rem.tobytes() == after_nrem.tobytes()


EARLY = {
    "network.projections.*.processes.decay.tau_w": 5 * ms,
    "network.projections.*.processes.decay.period": 1 * ms,
    "schedule.sleep.until_initial": True,
    "schedule.sleep.check_every": 10 * ms,
    "record.snapshots": (),
}


def test_an_early_end_leaves_out_later_stages_too(tmp_path):
    protocol = STAGED.override({**EARLY, "schedule.sleep.cycles": 2})
    arrays = simulate(protocol, seed=1, backend=QUICK, out=tmp_path).arrays
    stage, steps, phase = (arrays[f"slots/{k}"] for k in ("sleep_stage", "steps", "phase"))
    first = phase[:4].tolist() + phase[4:14].tolist()
    assert first == ["wake"] * 4 + ["sleep"] * 10
    assert stage[4:14].tolist() == (["nrem"] * 4 + ["rem"]) * 2
    for start in (4, 18, 32):  # over within the first NREM: nothing of any later stage
        ran = steps[start : start + 10]
        over = int(np.argmin(ran))
        assert over <= 4 and (ran[:over] == 10).all() and (ran[over:] == 0).all()
    assert (steps[phase == "wake"] == 50).all()


def test_a_sleep_that_is_not_triggered_is_left_out_with_all_its_stages(tmp_path):
    protocol = STAGED.override({"schedule.sleep.trigger": 50.0, "record.snapshots": ()})
    result = simulate(protocol, seed=1, backend=QUICK, out=tmp_path)
    assert result.metrics["sleep_s"] == 0 and result.metrics["wake_s"] == pytest.approx(0.6)
    assert result.metrics["rate_sleep_rem_e_hz"] is None


# --- the slow oscillation ----------------------------------------------------------------------


def oscillating(model=LIF, n=1, **parameters):
    """Neurons without synapses that have the slow oscillation."""
    spec = lone_neurons(model, n)
    activity = SLOW_OSCILLATION.with_parameters(**parameters)
    drowsy = dataclasses.replace(spec.population("e"), activities=(activity,))
    return dataclasses.replace(spec, populations=(spec.population("input"), drowsy))


def in_nrem(spec, steps, state=None, backend="numpy", raster=True, **gates):
    segment = make_segment(
        spec,
        np.zeros((len(steps), 1)),
        steps,
        kind="sleep",
        **{"input": 0, "slow": 1, "raster": raster, **gates},
    )
    made = make_backend(backend, spec, capacity=Capacity(slots=64, steps=8192))
    return made.advance(state or initial_state(spec, 1), segment, 1)


@pytest.mark.parametrize("gate", [1.0, 0.5])
def test_membrane_relaxes_in_the_down_state(gate):
    spec = oscillating(sd=0 * mV, up_share=0.0, v_down=-75 * mV, tau_down=8 * ms)
    start = initial_state(spec, 1).updated(e__v=np.array([-0.06]))
    for n in (1, 5, 40):
        state, _ = in_nrem(spec, [n], start, slow=gate)
        v = -60.0
        for _ in range(n):  # Euler's step of the neuron, then the pull
            v = v + (-70.0 - v) / 30
            v = -75.0 + (v + 75.0) * np.exp(-gate / 8)
        assert state.arrays["e.v"][0] * 1e3 == pytest.approx(v, rel=1e-12)
        # closed form: both factors, around their common fixed point
        a, b = 1 / 30, 1 - np.exp(-gate / 8)
        rest = (a * (1 - b) * -70 + b * -75) / (1 - (1 - a) * (1 - b))
        closed = rest + (-60 - rest) * ((1 - a) * (1 - b)) ** n
        assert v == pytest.approx(closed, rel=1e-12)


def test_membrane_that_does_not_leak_relaxes_exactly():
    model = LIF.with_parameters(tau_m=1e12 * second)
    spec = oscillating(model, sd=0 * mV, up_share=0.0)
    start = initial_state(spec, 1).updated(e__v=np.array([-0.06]))
    state, _ = in_nrem(spec, [25], start)
    assert state.arrays["e.v"][0] * 1e3 == pytest.approx(-80 + 20 * np.exp(-25 / 10), rel=1e-9)


@pytest.mark.parametrize("cycle, up_share", [(1250, 0.5), (1000, 0.3), (400, 0.25), (600, 1 / 3)])
def test_share_of_the_up_state_is_exact_over_whole_cycles(cycle, up_share):
    spec = oscillating(
        f_slow=1000 / cycle * Hz, up_share=up_share, sd=0 * mV, v_down=0 * mV, tau_down=1e-3 * ms
    )  # spikes in every step of the down state, in none of the up state
    whole = 4 * cycle
    state, recording = in_nrem(spec, [whole])
    down = np.zeros(whole, bool)
    down[recording.spikes["e"][0]] = True
    expected = np.arange(cycle) >= round(up_share * cycle)
    np.testing.assert_array_equal(down, np.tile(expected, 4))
    assert state.arrays["e.slow_phase"][0] == pytest.approx(0, abs=1e-10)


def test_phase_stands_still_while_the_gate_is_closed():
    spec = oscillating(sd=0 * mV)
    state, _ = in_nrem(spec, [100])
    assert state.arrays["e.slow_phase"][0] == pytest.approx(0.08, rel=1e-12)
    later, _ = in_nrem(spec, [100], state, slow=0)
    assert later.arrays["e.slow_phase"].tobytes() == state.arrays["e.slow_phase"].tobytes()


def test_noise_in_the_up_state_is_that_of_the_membrane_noise():
    model = LIF.with_parameters(
        tau_m=1e12 * second, v_threshold=1e3 * mV, v_high=1e3 * mV, v_low=-1e3 * mV
    )
    spec = oscillating(model, n=2000, up_share=1.0)
    state, _ = in_nrem(spec, [25])
    spread = np.std(state.arrays["e.v"] * 1e3)
    assert spread == pytest.approx(2 * np.sqrt(25), rel=5 / np.sqrt(2 * 2000))


def test_no_spike_in_the_down_state():
    spec = recurrent_network(activities=(SLOW_OSCILLATION,), n_inputs=1)
    backend = make_backend("numpy", spec, capacity=Capacity(slots=4, steps=8192))
    segment = make_segment(spec, [[0.0]], [2500], kind="sleep", input=0, slow=1, raster=True)
    _, recording = backend.advance(initial_state(spec, 1), segment, 1)
    for name in ("e", "i"):
        counts = np.bincount(recording.spikes[name][0], minlength=2500)
        up = np.arange(2500) % 1250 < 625
        assert counts[~up].sum() == 0 and counts[up].sum() > 50


def test_cuts_change_nothing():
    """One slot or many, one segment or many: the same bits (nothing is drawn)."""
    spec = oscillating(n=3, sd=0 * mV, f_slow=7 * Hz)
    start = initial_state(spec, 1).updated(
        e__v=np.array([-0.06, -0.07, -0.09]), e__slow_phase=np.array([0.0, 0.3, 0.9])
    )
    whole, _ = in_nrem(spec, [500], start)
    parts, _ = in_nrem(spec, [13, 130, 357], start)
    for cuts in ([13, 130, 357], [250, 250], [1, 499]):
        state = start
        for steps in cuts:
            state, _ = in_nrem(spec, [steps], state)
        for name, value in whole.arrays.items():
            assert state.arrays[name].tobytes() == value.tobytes(), name
            assert parts.arrays[name].tobytes() == value.tobytes(), name


def test_a_staged_network_cut_anywhere_is_the_same():
    """Wake, NREM, REM, wake with every gate, noise at 0, in one segment or in several."""
    spec = quiet(STAGED.network)
    segment = night(spec)
    whole = make_backend("numpy", spec, capacity=Capacity(slots=64, steps=8192))
    expected, recording = whole.advance(initial_state(spec, 3), segment, 1)
    assert recording.counts["e"].sum() > 50
    for cuts in ((0, 9, 12), (0, 10, 11, 12), (0, 1, 5, 10, 12)):
        state = initial_state(spec, 3)
        for first, last in itertools.pairwise(cuts):
            state, _ = whole.advance(state, segment.part(first, last), first)
        for name, value in expected.arrays.items():
            assert state.arrays[name].tobytes() == value.tobytes(), name


def quiet(spec):
    populations = tuple(
        dataclasses.replace(p, activities=tuple(a.with_parameters(sd=0 * mV) for a in p.activities))
        for p in spec.populations
    )
    return dataclasses.replace(spec, populations=populations)


def night(spec):
    """Eight images, NREM in two slots, REM, an image: spikes with probability 1 or 0."""
    stage = np.array(["wake"] * 8 + ["nrem", "nrem", "rem", "wake"])
    pattern = np.random.default_rng(0).random((12, 64)) < 0.15
    ones = np.ones(12)
    phase = np.where(stage == "wake", "wake", "sleep")
    gates = {
        "input": ones * (stage == "wake"),
        "plasticity": ones * (stage != "nrem"),
        "noise": ones * (stage == "rem"),
        "slow": ones * (stage == "nrem"),
        "decay": ones * (stage == "nrem"),
    }
    steps = np.where(stage == "wake", 9, 430)
    onset = np.r_[True, stage[1:] != stage[:-1]]
    return Segment(steps, pattern * EVERY_STEP, gates, onset, phase, np.zeros(12, bool))


@pytest.mark.standalone
@needs_compiler
def test_the_same_night_in_cpp():
    spec = quiet(STAGED.network)
    segment, state = night(spec), initial_state(spec, 3)
    capacity = Capacity(slots=64, steps=8192)
    (theirs, counted), (ours, counts) = (
        make_backend(name, spec, capacity=capacity).advance(state, segment, 1)
        for name in ("numpy", "cpp")
    )
    for name, value in counted.counts.items():
        np.testing.assert_array_equal(counts.counts[name], value)
    for name, value in theirs.arrays.items():
        scale = np.abs(value).max() or 1.0
        np.testing.assert_allclose(
            ours.arrays[name], value, rtol=1e-9, atol=1e-9 * scale, err_msg=name
        )
    assert np.ptp(theirs.arrays["e.slow_phase"]) == 0 != theirs.arrays["e.slow_phase"][0]
