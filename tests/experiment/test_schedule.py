import numpy as np
import pytest
from brian2 import ms, mV, second
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brainsleep.errors import BackendError, ScheduleError
from brainsleep.experiment.schedule import (
    KINDS,
    MAX_STEPS,
    Phase,
    Schedule,
    SleepPhase,
    sleep,
    wake,
)
from brainsleep.experiment.schedule import test as test_phase
from brainsleep.models.massey2026 import PAPER
from brainsleep.run.segment import Capacity, Segment, check_segment, timing

GATES = PAPER.gates  # input, plasticity, noise, decay
DT = 1 * ms


def table(n_train=0, n_readout=0, n_test=0, *, dt=DT, gates=GATES, **parts):
    return Schedule(**parts).compile(n_train, n_readout, n_test, gates, dt)


def assert_refused(make, *parts):
    with pytest.raises(ScheduleError) as caught:
        make()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def sleeps(slots):
    """Total steps of every sleep."""
    total = []
    for steps, phase, onset in zip(slots.steps, slots.phase, slots.onset, strict=True):
        if phase == "sleep":
            if onset:
                total.append(0)
            total[-1] += int(steps)
    return total


# --- worked out by hand ------------------------------------------------------------------------


def test_the_papers_rhythm():
    slots = table(70, 2, 3, sleep=sleep(0.2, noise=1, decay=1))
    assert len(slots) == 70 + 2 + 5
    one = [1000] * 35 + [7000]
    assert slots.steps.tolist() == one + one + [1000] * 5
    assert np.flatnonzero(slots.phase == "sleep").tolist() == [35, 71]
    assert slots.image.tolist() == [*range(35), -1, *range(35, 70), -1, 0, 1, 0, 1, 2]
    assert slots.part.tolist() == ["train"] * 72 + ["readout"] * 2 + ["test"] * 3
    # wake begins, sleep, wake again, sleep, test of the readout images, of the test images
    assert np.flatnonzero(slots.onset).tolist() == [0, 35, 36, 71, 72, 74]
    assert slots.starts[-1] == 70_000 + 2 * 7000 + 5000
    assert not slots.above.any()


@pytest.mark.parametrize(
    ("fraction", "steps"),
    [(0.1, 3500), (0.2, 7000), (0.3, 10_000), (1.0, 10_000), (2.0, 10_000), (0.28, 9800)],
)
def test_sleep_is_capped(fraction, steps):
    assert sleeps(table(35, sleep=sleep(fraction))) == [steps]


def test_no_sleep():
    slots = table(100, sleep=sleep(0))
    assert len(slots) == 100
    assert set(slots.phase) == {"wake"}
    assert np.flatnonzero(slots.onset).tolist() == [0]


def test_a_network_that_is_only_tested_may_have_any_sleep():
    slots = table(0, 2, period=1 * second, image_duration=500 * ms, sleep=sleep(0.0004))
    assert slots.phase.tolist() == ["test"] * 2


def test_period_between_multiples_of_the_image():
    # 300 ms an image, sleep due at 1000, 2000, 3000 ms: after images 4 (1200), 7 (2100), 10 (3000)
    slots = table(11, image_duration=300 * ms, period=1 * second, sleep=sleep(0.5))
    wake_before = [int(np.sum(slots.phase[:k] == "wake")) for k in range(len(slots))]
    after = [n for n, phase in zip(wake_before, slots.phase, strict=True) if phase == "sleep"]
    assert after == [4, 7, 10]
    assert sleeps(slots) == [500, 500, 500]


def test_until_initial_looks_in_chunks():
    rest = sleep(0.1, until_initial=True, check_every=1 * second)
    slots = table(35, 1, sleep=rest)
    assert slots.steps[35:].tolist() == [1000, 1000, 1000, 500, 1000]
    assert slots.above.tolist() == [0] * 35 + [1] * 4 + [0]
    assert np.flatnonzero(slots.onset).tolist() == [0, 35, 39]  # the four are one sleep
    assert (slots.image[35:39] == -1).all()


def test_a_long_sleep_is_cut_into_slots_of_one_phase():
    slots = table(35, sleep=sleep(2, max_duration=70 * second), dt=0.5 * ms)
    assert slots.steps[35:].tolist() == [MAX_STEPS, MAX_STEPS, 40_000]
    assert slots.onset[35:].tolist() == [True, False, False]
    assert sleeps(slots) == [140_000]


def test_never_trained():
    slots = table(0, 2, 3)
    assert set(slots.phase) == {"test"}
    assert slots.part.tolist() == ["readout"] * 2 + ["test"] * 3
    assert np.flatnonzero(slots.onset).tolist() == [0, 2]
    assert (slots.gates["plasticity"] == 0).all()


def test_gates_by_phase():
    slots = table(
        35,
        1,
        wake=wake(noise=0.5),
        sleep=sleep(0.1, noise=1, decay=0.25),
        test=test_phase(noise=0.1),
    )
    assert set(slots.gates) == set(GATES)
    rows = {"wake": 0, "sleep": 35, "test": 36}
    got = {kind: [slots.gates[gate][row] for gate in GATES] for kind, row in rows.items()}
    assert got == {"wake": [1, 1, 0.5, 0], "sleep": [0, 1, 1, 0.25], "test": [1, 0, 0.1, 0]}
    for kind, row in rows.items():
        assert slots.phase[row] == kind


def test_ready_made_phases():
    assert wake().gates == {"input": 1, "plasticity": 1}
    assert sleep(0.3, decay=1).gates == {"input": 0, "plasticity": 1, "decay": 1}
    assert test_phase().gates == {"input": 1, "plasticity": 0}
    assert sleep(plasticity=0).gates["plasticity"] == 0
    with pytest.raises(TypeError, match="frozen"):
        wake().gates["input"] = 0


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("percent", [5.1, 20, 100, 1e300])
def test_fraction_meant_in_per_cent(percent):
    assert_refused(lambda: sleep(percent), "from 0 to 5", f"write {percent / 100:g}")
    if percent == 20:
        assert sleep(0.2).fraction == 0.2  # what is written as the fix


@pytest.mark.parametrize("fraction", [-0.1, float("nan"), float("inf"), "0.2", None, True])
def test_fraction(fraction):
    assert_refused(lambda: sleep(fraction), "sleep.fraction", "got", "at least 0")


@pytest.mark.parametrize("value", [1, "1*second", None, 3 * mV, [1, 2] * second])
@pytest.mark.parametrize("name", ["image_duration", "period"])
def test_times_need_a_unit(name, value):
    assert_refused(lambda: Schedule(**{name: value}), f"schedule.{name}", "a time such as 300*ms")


@pytest.mark.parametrize("name", ["max_duration", "check_every"])
def test_times_of_sleep_need_a_unit(name):
    assert_refused(lambda: sleep(**{name: 3}), f"sleep.{name}", "got 3 (no unit)", "such as 300*ms")


@pytest.mark.parametrize("value", [0 * ms, -1 * ms, float("nan") * ms, float("inf") * ms])
def test_times_are_positive(value):
    assert_refused(
        lambda: Schedule(image_duration=value), "schedule.image_duration", "more than 0 s"
    )
    assert_refused(lambda: sleep(max_duration=value), "sleep.max_duration", "more than 0 s")


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (
            lambda: table(1, image_duration=1.5 * ms),
            ("schedule.image_duration", "got 1.5 ms", "a multiple of the time step 1. ms"),
        ),
        (lambda: table(1, image_duration=0.1 * ms), ("schedule.image_duration", "a multiple")),
        (lambda: sleep(0.2, cadence="image"), ("sleep.cadence", "did you mean 'images'?")),
        (lambda: sleep(0.2, cadence="images"), ("sleep.duration", "got None", "a duration")),
        (lambda: table(1, period=35.0005 * second), ("schedule.period", "a multiple")),
        (
            lambda: table(35, sleep=sleep(0.2, until_initial=True, check_every=0.5 * ms)),
            ("schedule.sleep.check_every", "a multiple"),
        ),
        (
            lambda: table(3, period=300 * ms),
            ("schedule.period", "got 300. ms", "at least schedule.image_duration"),
        ),
        (lambda: table(), ("nothing to run", "data.n_train")),
        (
            lambda: table(1, wake=wake(nois=1)),
            ("schedule.wake.gates", "no gate 'nois'", "did you mean 'noise'?"),
        ),
        (
            lambda: table(1, sleep=sleep(decai=1)),
            ("schedule.sleep.gates", "no gate 'decai'", "did you mean 'decay'?"),
        ),
        (lambda: wake(noise=2), ("wake.gates.noise", "got 2", "at least 0 and at most 1")),
        (lambda: wake(noise=float("nan")), ("wake.gates.noise", "got nan")),
        (lambda: wake(noise="1"), ("wake.gates.noise", "got '1'")),
        (lambda: Phase(kind="wakee", gates={}), ("'wakee'", "did you mean 'wake'?")),
        (lambda: Phase(kind="wake", gates=[1]), ("wake.gates", "got [1]")),
        (lambda: Schedule(wake=test_phase()), ("schedule.wake", "a wake phase")),
        (lambda: Schedule(sleep=Phase(kind="sleep", gates={})), ("schedule.sleep", "sleep(...)")),
        (lambda: Schedule(sleep=None), ("schedule.sleep", "got None")),
        (lambda: sleep(until_initial="yes"), ("sleep.until_initial", "True or False")),
    ],
)
def test_refused(make, parts):
    assert_refused(make, *parts)


def test_a_short_period_matters_only_if_there_is_sleep():
    assert len(table(3, period=300 * ms, sleep=sleep(0))) == 3
    assert len(table(0, 3, period=300 * ms)) == 3


# --- for any numbers ---------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(
    fraction=st.floats(0, 2),
    image=st.integers(1, 400),
    extra=st.integers(0, 3000),
    n_train=st.integers(0, 60),
    n_test=st.integers(1, 5),
    until=st.booleans(),
    chunk=st.integers(1, 500),
)
def test_slots_partition_time(fraction, image, extra, n_train, n_test, until, chunk):
    period = image + extra
    rest = sleep(
        fraction,
        noise=1,
        decay=1,
        max_duration=1 * second,
        until_initial=until,
        check_every=chunk * ms,
    )
    schedule = Schedule(image_duration=image * ms, period=period * ms, sleep=rest)
    assume(not fraction or not n_train or min(fraction * period, 1000) > 0.5)  # steps of 1 ms
    slots = schedule.compile(n_train, 2, n_test, GATES, DT)
    assert (slots.steps > 0).all()
    assert all(
        len(c) == len(slots)
        for c in (
            slots.image,
            slots.part,
            slots.phase,
            slots.onset,
            slots.above,
            *slots.gates.values(),
        )
    )
    by_kind = {kind: int(slots.steps[slots.phase == kind].sum()) for kind in KINDS}
    assert by_kind["wake"] == n_train * image
    assert by_kind["test"] == (2 + n_test) * image
    assert sum(by_kind.values()) == slots.starts[-1]

    wanted, naps = min(fraction * period, 1000.0), sleeps(slots)
    assert len(set(naps)) <= 1
    if naps:
        assert len(naps) == n_train * image // period
        assert abs(naps[0] - wanted) <= 0.5 + 1e-9
    else:
        assert wanted <= 0.5 + 1e-9 or n_train * image < period
    asleep = slots.phase == "sleep"
    assert (slots.steps[asleep] <= (min(chunk, MAX_STEPS) if until else MAX_STEPS)).all()
    assert (slots.above == (asleep & until)).all()

    for gate in slots.gates.values():
        assert ((gate >= 0) & (gate <= 1)).all()
    assert (slots.gates["input"][asleep] == 0).all()
    assert (slots.gates["plasticity"][slots.phase == "test"] == 0).all()
    assert (slots.gates["plasticity"][slots.phase != "test"] == 1).all()

    for k in range(len(slots)):  # a phase begins where kind or stage changes
        begins = (
            k == 0 or slots.phase[k] != slots.phase[k - 1] or slots.part[k] != slots.part[k - 1]
        )
        assert slots.onset[k] == begins

    shown = slots.image[slots.part == "train"]
    assert shown[shown >= 0].tolist() == list(range(n_train))
    assert ((slots.image < 0) == asleep).all()


# --- segments ----------------------------------------------------------------------------------


def segment(steps=(10, 10), *, n_inputs=3, **changes):
    n = len(steps)
    return Segment(
        **{
            "steps": np.array(steps),
            "stimulus": np.zeros((n, n_inputs)),
            "gates": {"input": np.ones(n)},
            "onset": np.zeros(n, bool),
            "phase": np.array(["wake"] * n),
            "raster": np.zeros(n, bool),
            **changes,
        }
    )


@settings(deadline=None, max_examples=200)
@given(
    slots=st.lists(st.tuples(st.integers(1, 2000), st.booleans()), min_size=1, max_size=6),
    period=st.integers(1, 3000),
)
def test_updates_fill_open_slots(slots, period):
    steps, is_open = map(np.array, zip(*slots, strict=True))
    made = segment(steps, gates={"decay": 0.5 * is_open})
    times, interval = made.update_times("decay", period)
    assert (np.diff(times) > 0).all()
    slot = np.searchsorted(made.starts, times, side="right") - 1
    assert is_open[slot].all()
    counts = np.bincount(slot, minlength=len(steps))
    np.testing.assert_array_equal(counts > 0, is_open)
    # whole numbers of updates that stand for exactly the duration, no longer than the period
    np.testing.assert_allclose(counts * interval, steps * is_open, rtol=1e-15)
    assert (interval <= period).all()
    assert (counts <= -(-steps // period)).all()
    # each update at most one step before the time it stands for begins
    for k in np.flatnonzero(is_open):
        at = times[slot == k] - made.starts[k]
        assert at[0] == 0
        wanted = np.arange(counts[k]) * interval[k]
        assert ((wanted - at >= -1e-9) & (wanted - at < 1)).all()


def test_update_times_by_hand():
    made = segment((10, 5, 7), gates={"decay": np.array([1.0, 0.0, 1.0])})
    times, interval = made.update_times("decay", 4)
    assert times.tolist() == [0, 3, 6, 15, 18]
    np.testing.assert_allclose(interval, [10 / 3, 0, 3.5])
    times, interval = made.update_times("decay", 100)
    assert times.tolist() == [0, 15]
    assert interval.tolist() == [10, 0, 7]


def test_onset_times():
    made = segment(
        (10, 5, 7),
        gates={"decay": np.array([1.0, 1.0, 0.0])},
        onset=np.array([False, True, True]),
    )
    assert made.onset_times("decay").tolist() == [10]


def test_steps_where():
    made = segment((2, 3, 1))
    assert made.starts.tolist() == [0, 2, 5, 6]
    assert made.steps_where([False, True, False]).tolist() == [2, 3, 4]
    assert made.steps_where([True, False, True]).tolist() == [0, 1, 5]
    assert made.steps_where([False] * 3).tolist() == []


def test_part():
    made = segment(
        (2, 3, 1),
        stimulus=np.arange(9.0).reshape(3, 3),
        gates={"input": np.array([0.0, 0.5, 1.0])},
        onset=np.array([True, False, True]),
        phase=np.array(["wake", "wake", "sleep"]),
        raster=np.array([False, True, False]),
    )
    part = made.part(1, 3)
    assert len(part) == 2
    assert part.steps.tolist() == [3, 1]
    assert part.starts.tolist() == [0, 3, 4]
    assert part.stimulus.tolist() == [[3, 4, 5], [6, 7, 8]]
    assert part.gates["input"].tolist() == [0.5, 1.0]
    assert part.onset.tolist() == [False, True]
    assert part.phase.tolist() == ["wake", "sleep"]
    assert part.raster.tolist() == [True, False]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"steps": np.array([10, 0])}, ("segment: steps", "at least one step")),
        ({"steps": np.array([], int)}, ("segment: steps", "at least one slot")),
        ({"steps": np.array([1.5, 2])}, ("segment: steps",)),
        ({"onset": np.zeros(3, bool)}, ("segment: onset", "(3,)", "2 rows")),
        ({"phase": np.array(["wake"])}, ("segment: phase", "(1,)", "2 rows")),
        ({"stimulus": np.zeros((3, 3))}, ("segment: stimulus", "(3, 3)", "2 rows")),
        ({"stimulus": np.full((2, 3), np.nan)}, ("segment: stimulus", "finite")),
        ({"gates": {"input": np.ones(3)}}, ("segment: input", "(3,)", "2 rows")),
        ({"gates": {"input": np.array([0, 1.1])}}, ("segment: gate input", "from 0 to 1")),
        ({"gates": {"input": np.array([-0.1, 1])}}, ("segment: gate input", "from 0 to 1")),
        ({"gates": {"input": np.array([np.nan, 1])}}, ("segment: gate input", "from 0 to 1")),
        ({"gates": {"input": 1.0}}, ("segment: input", "()", "2 rows")),
    ],
)
def test_bad_segments(changes, parts):
    assert_refused(lambda: segment(**changes), *parts)


def full_segment(steps, **changes):
    n = len(steps)
    gates = {gate: np.ones(n) for gate in GATES}
    return segment(steps, n_inputs=225, gates=gates, **changes)


def test_timing_of_a_segment():
    slots = full_segment(
        (100, 250),
        onset=np.array([False, True]),
        phase=np.array(["wake", "sleep"]),
        raster=np.array([True, False]),
    )
    slots.gates["noise"][0] = 0
    slots.gates["decay"][0] = 0
    times, values = timing(PAPER, Capacity(), slots)
    np.testing.assert_allclose(times["slot"], [0, 0.1])
    np.testing.assert_allclose(times["raster"], np.arange(100) * 1e-3)
    np.testing.assert_allclose(times["noise"], np.arange(100, 350) * 1e-3)
    np.testing.assert_allclose(times["decay_onset"], [0.1])
    np.testing.assert_allclose(times["decay_update"], [0.1, 0.183, 0.266])  # 250 ms in three
    np.testing.assert_allclose(values["decay_interval_by_slot"], [0, 0.25 / 3])
    np.testing.assert_allclose(values["noise_gate_by_slot"], [0, 1])
    assert times["on_wake"].tolist() == []
    np.testing.assert_allclose(times["on_sleep"], [0.1])
    assert times["on_segment"].tolist() == [0]


@pytest.mark.parametrize(
    ("capacity", "made", "parts"),
    [
        (Capacity(slots=1), lambda: full_segment((1, 1)), ("2 slots", "cut it in parts")),
        (Capacity(steps=9), lambda: full_segment((10,)), ("10 steps", "cut it in parts")),
    ],
)
def test_timing_refuses_what_is_too_large(capacity, made, parts):
    assert_refused(lambda: timing(PAPER, capacity, made()), *parts)


@pytest.mark.parametrize(
    ("made", "parts"),
    [
        (lambda: segment((1, 1), n_inputs=225), ("gates", "'plasticity'")),
        (
            lambda: segment((1,), gates={gate: np.ones(1) for gate in GATES}),
            ("stimulus", "(1, 3)", "population 'input' has 225 neurons"),
        ),
    ],
)
def test_a_segment_of_another_network_is_refused(made, parts):
    with pytest.raises(BackendError) as caught:
        check_segment(PAPER, made())
    assert all(part in str(caught.value) for part in parts)


def test_sleep_phase_is_a_sleep():
    assert isinstance(Schedule().sleep, SleepPhase)
    assert_refused(lambda: Schedule(sleep=SleepPhase(kind="wake", gates={})), "schedule.sleep")


def test_triggered_sleep_is_laid_out_where_it_may_be_needed():
    schedule = Schedule(
        period=2 * second, sleep=sleep(0.5, trigger=1.5, until_initial=True, check_every=500 * ms)
    )
    slots = schedule.compile(4, 0, 0, ("input", "plasticity"), 1 * ms)
    assert slots.phase.tolist() == ["wake"] * 2 + ["sleep"] * 2 + ["wake"] * 2 + ["sleep"] * 2
    assert slots.above.tolist() == [0, 0, 1.5, 1, 0, 0, 1.5, 1]
    with pytest.raises(ScheduleError, match=r"sleep\.trigger: got -1"):
        sleep(trigger=-1)


def test_a_sleep_shorter_than_a_time_step_is_refused():
    for fraction in (1e-12, 1e-5):
        schedule = Schedule(sleep=sleep(fraction))
        with pytest.raises(ScheduleError, match=r"at least one time step.*0 is no sleep"):
            schedule.compile(100, 0, 0, ("input", "plasticity"), 1 * ms)
    table = Schedule(sleep=sleep(0)).compile(100, 0, 0, ("input", "plasticity"), 1 * ms)
    assert "sleep" not in table.phase
