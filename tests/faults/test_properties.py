"""What holds for any schedule, any setting and any file: found by looking for what it does not."""

import contextlib
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from brian2 import ms, second
from conftest import TINY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brainsleep.errors import BrainsleepError, ProtocolError, ScheduleError
from brainsleep.experiment.identity import plain
from brainsleep.experiment.protocol import load_protocol, run_id
from brainsleep.experiment.schedule import KINDS, Schedule, sleep
from brainsleep.experiment.stages import SleepStage
from brainsleep.files.atomic import content_hash, read_checked, written
from brainsleep.models.massey2026 import PAPER
from brainsleep.results.store import load_arrays, save_arrays
from brainsleep.results.table import flatten, read
from brainsleep.run.observers.recorder import load_checkpoint, save_checkpoint
from brainsleep.run.state import initial_state
from brainsleep.sweep.grid import read_grids
from brainsleep.tasks.images.continual import Tasks

GATES = PAPER.gates

few = settings(max_examples=60, deadline=None)


# -- schedules ---------------------------------------------------------------------------------


@st.composite
def schedules(draw):
    """A schedule that can be laid out, its time step, and images with or without tasks."""
    dt = draw(st.sampled_from([0.1, 0.5, 1.0]))
    image = draw(st.integers(1, 60))
    period = image + draw(st.integers(0, 300))
    names = draw(st.lists(st.sampled_from("abc"), max_size=3, unique=True))
    gates = st.fixed_dictionaries({gate: st.floats(0, 1) for gate in ("noise", "decay")})
    stages = tuple(SleepStage(name, draw(st.floats(0.01, 5)), draw(gates)) for name in names)
    rest = sleep(
        draw(st.floats(0, 2)),
        max_duration=draw(st.integers(1, 500)) * dt * ms,
        stages=stages,
        cycles=draw(st.integers(1, 4)) if stages else 1,
        duration=draw(st.none() | st.integers(1, 400).map(lambda n: n * dt * ms)),
    )
    schedule = Schedule(image_duration=image * dt * ms, period=period * dt * ms, sleep=rest)
    classes = draw(st.sampled_from([(), ((0, 1), (2, 3)), ((0,), (1,), (2, 3))]))
    tasks = Tasks(classes=classes, rehearsal=draw(st.sampled_from([0.0, 0.5])) if classes else 0.0)
    labels = np.arange(draw(st.integers(4, 40))) % 4
    order = tasks.order(labels, draw(st.integers(1, 3)), np.random.default_rng(0))
    return schedule, dt * ms, order, draw(st.integers(1, 4))


@few
@given(schedules(), st.integers(0, 4), st.integers(1, 4))
def test_any_schedule_partitions_time(made, n_readout, n_test):
    schedule, dt, order, batch = made
    try:
        slots = schedule.compile(order, n_readout, n_test, GATES, dt, batch)
    except ScheduleError as error:  # too little wake between sleeps of a fixed length, or no sleep
        assert "wake between sleeps" in str(error) or "at least one time step" in str(error)
        return
    image = round(float(schedule.image_duration / dt))
    assert (slots.steps > 0).all() and set(slots.phase) <= set(KINDS)
    assert slots.starts[-1] == slots.steps.sum()
    asleep, awake = slots.phase == "sleep", slots.phase == "wake"
    np.testing.assert_array_equal(slots.steps[~asleep], image)
    assert slots.n_images[awake].sum() == len(order)
    np.testing.assert_array_equal(
        slots.shown[awake], np.cumsum(slots.n_images[awake]) - slots.n_images[awake]
    )
    assert (slots.phase == "test").sum() == n_readout + n_test

    for gate in GATES:  # what is open in a slot is what its phase, or stage of sleep, says
        for kind in ("wake", "test"):
            expected = getattr(schedule, kind).gates.get(gate, 0.0)
            assert (slots.gates[gate][slots.phase == kind] == expected).all()
        for name, opened in schedule.sleep.stage_gates().items():
            here = asleep & (slots.sleep_stage == name)
            assert (slots.gates[gate][here] == opened.get(gate, 0.0)).all()
    assert set(slots.sleep_stage[~asleep]) <= {""}

    check_naps(schedule, dt, slots, order)


def check_naps(schedule, dt, slots, order):
    """Every sleep is as long as was asked for, to one step, and so are its stages."""
    wanted = float(schedule.sleep_duration / dt)
    period = float(schedule.wake_duration / dt)
    several = len(np.unique(order.task)) > 1
    slept, woken = 0.0, 0.0
    for nap, wake in naps_of(slots):
        steps, stages = slots.steps[nap], slots.sleep_stage[nap]
        task_ends = several and (
            nap.stop == len(slots) or slots.task[nap.stop] != slots.task[nap.start]
        )
        if not task_ends:
            assert abs(steps.sum() - wanted) <= 0.5 + 1e-6
        assert steps.sum() <= max(1, wanted + 0.5)
        shares = np.array([stage.share for stage in schedule.sleep.stages])
        for stage, share in zip(schedule.sleep.stages, shares / (shares.sum() or 1), strict=True):
            found = steps[stages == stage.name].sum()
            assert abs(found - share * steps.sum()) <= schedule.sleep.cycles
        slept, woken = slept + steps.sum(), woken + wake
    if slept and not several:  # all sleep over the wake that it came after, but for the last image
        image = float(schedule.image_duration / dt)
        n = len(naps_of(slots))
        assert n * period - 1e-6 <= woken + 1e-6 * woken < n * period + image + 1e-6 * woken
        assert abs(slept - n * wanted) <= n * (0.5 + 1e-6)


def naps_of(slots):
    """Return every sleep as a slice, with the steps awake before it."""
    found, wake, start = [], 0, None
    for k, phase in enumerate([*slots.phase, "end"]):
        if phase == "sleep":
            start = k if start is None else start
            continue
        if start is not None:
            found.append((slice(start, k), wake))
            wake, start = 0, None
        if phase == "wake":
            wake += int(slots.steps[k])
    return found


times = st.floats(1e-300, 1e300) | st.sampled_from([1e-3, 1.0, 35.0, 1e9])


@few
@given(
    dt=times, image=times, period=times, longest=times, duration=st.none() | times,
    fraction=st.floats(0, 5), cycles=st.integers(1, 10**12), share=st.floats(1e-300, 1e300),
    n_train=st.integers(0, 10**12), n_test=st.integers(0, 10**12), until=st.booleans(),
)  # fmt: skip
def test_laying_out_fails_in_one_way_only(
    dt, image, period, longest, duration, fraction, cycles, share, n_train, n_test, until
):
    try:
        rest = sleep(
            fraction,
            max_duration=longest * second,
            until_initial=until,
            check_every=period * second,
            stages=(SleepStage("a", share), SleepStage("b", 1.0)),
            cycles=cycles,
            duration=None if duration is None else duration * second,
        )
        schedule = Schedule(image_duration=image * second, period=period * second, sleep=rest)
        slots = schedule.compile(n_train, 1, n_test, GATES, dt * second)
    except ScheduleError as error:
        assert "\n" not in str(error)
    else:
        assert (slots.steps > 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.n_train": 10**9}, "at most 10000000 images"),
        ({"data.n_train": 9_000_000}, "schedule: slots: got up to"),
        ({"schedule.epochs": 10**7}, "images shown, epochs and rehearsal together"),
        ({"schedule.sleep.max_duration": "1e300*second", "schedule.period": "1e300*second"},
         "2**40 time steps"),
        ({"schedule.sleep.check_every": "1*ms", "schedule.sleep.until_initial": "true",
          "data.n_train": 100_000, "schedule.sleep.fraction": 1}, "schedule: slots"),
        ({"data.n_train": "9" * 400}, "write a value such as 12"),
        ({"schedule.sleep.fraction": "1e999"}, "a number"),
        ({"network.dt": "1*ms**99999"}, "write a value such as"),
        ({"tasks.classes": "((1e400, 2), (3, 4))"}, "groups of labels"),
        ({"tasks.classes": "((1, {[]}), 2)"}, "groups such as"),
    ],
)  # fmt: skip
def test_sizes_are_checked_before_anything_is_laid_out(changes, message):
    with pytest.raises(BrainsleepError) as caught:
        changed = TINY.override(changes)
        labels = np.zeros(changed.task.data.n_train, np.int8)
        order = changed.task.tasks.order(labels, changed.schedule.epochs, np.random.default_rng(0))
        changed.schedule.compile(order, 1, 1, changed.network.gates, changed.network.dt)
    assert message in str(caught.value) and "\n" not in str(caught.value)


# -- protocols ---------------------------------------------------------------------------------


def leaves(protocol):
    """Every key of one value, with the value as text."""
    found = {k: v for k, v in flatten(protocol.describe()).items() if v is not None}
    heads = (key.split(".") for key in found)  # of a list of parts their names are given
    parts = {".".join(head[:n]) for head in heads for n in range(1, len(head))}
    return {
        key: str(value)
        for key, value in found.items()
        if key not in parts and not key.endswith((".equations", ".rules", ".processes", ".content"))
    }


LEAVES = leaves(TINY)
UNCHANGED = TINY.describe(), run_id(TINY, 0, "numpy", "data")


def same(protocol):
    return (protocol.describe(), run_id(protocol, 0, "numpy", "data")) == UNCHANGED


@pytest.mark.long
def test_setting_every_key_to_what_it_is_changes_nothing():
    assert len(LEAVES) > 150 and "network.projections.ee.w_max" in LEAVES
    assert sum(".rules." in key for key in LEAVES) >= 4
    assert same(TINY.override(LEAVES))
    for part in ("schedule", "encoder", "data", "record", "readout", "tasks"):
        assert same(TINY.override({k: v for k, v in LEAVES.items() if k.startswith(part)})), part


@pytest.mark.long
@pytest.mark.parametrize("key", [key for key in LEAVES if not key.startswith("network")])
def test_setting_a_key_to_what_it_is_changes_nothing(key):
    assert same(TINY.override({key: LEAVES[key]}))


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(LEAVES)), st.floats(0.25, 4))
def test_a_setting_changed_and_changed_back_is_the_same_run(key, factor):
    number, _, unit = LEAVES[key].partition(" ")
    try:
        other = repr(float(number) * factor) + (f"*{unit}" if unit else "")
        changed = TINY.override({key: other})
    except (ValueError, BrainsleepError):  # no number, or not one that the part can have
        return
    assert same(changed.override({key: LEAVES[key]}))
    assert same(changed) == (changed.describe() == TINY.describe())


def test_descriptions_survive_json():
    for source in ("demo", "paper", "competitive", "stages"):
        described = load_protocol(source).describe()
        assert json.loads(json.dumps(described)) == described
        assert plain(described) == described


_IDS = """
import locale, sys
try: locale.setlocale(locale.LC_ALL, "")
except locale.Error: pass

from brainsleep.experiment.protocol import load_protocol, run_id
for name in sys.argv[1:]:
    print(name, run_id(load_protocol(name), 3, "numpy", "data"))
"""


@pytest.mark.long
def test_ids_are_the_same_in_every_process(tmp_path):
    """Whatever the hash seed, locale, time zone, folder and optimisation are."""
    names = ("demo", "stages", "continual")
    expected = {name: run_id(load_protocol(name), 3, "numpy", "data") for name in names}
    for k, (flags, more) in enumerate(
        [
            (["-O"], {"LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Asia/Tokyo"}),
            (["-I"], {"LC_ALL": "de_DE.UTF-8", "OMP_NUM_THREADS": "3"}),
        ]
    ):
        done = subprocess.run(
            [sys.executable, *flags, "-c", _IDS, *names],
            env={**os.environ, "PYTHONHASHSEED": str(k + 1), **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert dict(line.split() for line in done.stdout.splitlines()) == expected


@few
@given(st.sampled_from(sorted(LEAVES)), st.integers(0, 30), st.sampled_from("xq_9"))
def test_a_misspelt_key_is_refused_with_the_nearest(key, place, letter):
    head, _, last = key.rpartition(".")
    wrong = last[: place % len(last)] + letter + last[place % len(last) :]
    misspelt = f"{head}.{wrong}".lstrip(".")
    if misspelt in LEAVES or head.endswith((".initial", ".gates")):
        return
    with pytest.raises(ProtocolError) as caught:
        TINY.override({misspelt: 1})
    assert f"there is no '{wrong}'" in str(caught.value) and "one of: " in str(caught.value)
    assert last in str(caught.value)


garbage = (
    st.text(max_size=12)
    | st.sampled_from(["nan", "inf", "-1", "1e999", "9" * 400, "((", "((1,),{[]})", "1*ms**-99",
                       "1*furlong", "a:b", ":", "x.py:Y", "(1, 2", "true", "[red]", "\0", "none"])
    | st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400)
    | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=2), st.none())
    | st.builds(complex, st.floats(), st.floats()) | st.binary(max_size=4)
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(LEAVES)), garbage)
def test_any_value_is_taken_or_refused_in_one_line(key, value):
    try:
        changed = TINY.override({key: value})
        json.dumps(changed.describe())
    except BrainsleepError as error:
        assert "\n" not in str(error)


@few
@given(st.text(max_size=30) | st.sampled_from([".", "data.", ".data", "data..source", "*.*", ""]))
def test_any_key_is_known_or_refused_in_one_line(key):
    with pytest.raises(BrainsleepError) as caught:
        TINY.override({key: "garbage"})
    assert "\n" not in str(caught.value)


# -- files -------------------------------------------------------------------------------------


@few
@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_grid_file_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    path.write_bytes(data)
    with pytest.raises(BrainsleepError) as caught:
        read_grids(str(path))
    assert "\n" not in str(caught.value)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**30) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@few
@given(st.sampled_from(["name", "seeds", "backend", "conditions", "set", "over", "model"]), values)
def test_any_value_in_a_grid_file_is_read_or_refused(tmp_path_factory, key, value):
    path = tmp_path_factory.getbasetemp() / "value.toml"
    path.write_text(f'protocol = "demo"\n{key} = {toml(value)}\n')
    try:
        rows = [row for grid in read_grids(str(path)) for row in grid.rows()]
    except BrainsleepError as error:
        assert "\n" not in str(error)
    else:
        assert rows


def toml(value):
    """Write a value as TOML, which has no null."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return '""' if value is None else json.dumps(value)


@few
@given(st.text(max_size=80) | st.binary(max_size=80), st.sampled_from([".csv", ".parquet"]))
def test_any_table_is_read_or_refused(tmp_path_factory, content, ending):
    path = tmp_path_factory.getbasetemp() / f"any{ending}"
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    )
    try:
        read(path)
    except BrainsleepError as error:
        assert "\n" not in str(error)


@settings(max_examples=15, deadline=None)
@given(values)
def test_checked_files_hold_what_was_written_or_nothing(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "checked.json"
    content = {"value": value}
    content["checksum"] = content_hash(content)
    with written(path) as temporary:
        temporary.write_text(json.dumps(content))
    assert read_checked(path, 10_000) == content
    text = path.read_bytes()
    for place in range(len(text)):
        path.write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
        with contextlib.suppress(ValueError):
            assert read_checked(path, 10_000) == content  # as another spelling of the same
    path.write_bytes(text + b" " * 10_000)
    with pytest.raises(ValueError, match="more than 10000 bytes"):
        read_checked(path, 10_000)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(st.data())
def test_a_damaged_checkpoint_is_none_or_the_same(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "checkpoint"
    folder.mkdir(exist_ok=True)
    state = initial_state(TINY.network, 1)
    point = 3, 1.5, state.arrays, {"ran": np.arange(5), "best/ee.w": np.arange(2.0)}
    file = folder / "checkpoint.npz"
    if not (folder / "whole").exists():
        save_checkpoint(folder, *point)
        file.rename(folder / "whole")
    content = bytearray((folder / "whole").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "blank"]))
    if kind == "cut":
        del content[place:]
    else:
        end = min(len(content), place + (1 if kind == "flip" else 64))
        for k in range(place, end):
            content[k] = content[k] ^ (1 << place % 8) if kind == "flip" else 0
    file.write_bytes(content)
    found = load_checkpoint(folder, state, 5)
    if found is not None:
        assert found[:2] == (3, 1.5)
        for mine, theirs in zip(found[2:], point[2:], strict=True):
            assert mine.keys() == theirs.keys()
            assert all(mine[k].tobytes() == theirs[k].tobytes() for k in mine)


# -- memory ------------------------------------------------------------------------------------


def npy(shape, content=b"", descr="|u1"):
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def bombs(folder):
    """Files that announce much more than they hold, or hold much more than they seem to."""
    big = 2**31
    for name, header in {
        "u1": b"\0\0\x08\x01" + big.to_bytes(4, "big"),
        "f8": b"\0\0\x0e\x02" + big.to_bytes(4, "big") + b"\0\0\x01\0",
    }.items():
        (folder / f"{name}.idx").write_bytes(header + bytes(100))
    with zipfile.ZipFile(folder / "header.npz", "w") as archive:
        archive.writestr("images.npy", npy(f"({big},)", bytes(100)))
        archive.writestr("labels.npy", npy(f"({big},)", bytes(100), "<f8"))
    with zipfile.ZipFile(folder / "text.npz", "w") as archive:
        archive.writestr("x.npy", npy("(2,)", bytes(100), f"<U{big // 8}"))
    with zipfile.ZipFile(folder / "objects.npz", "w") as archive:
        archive.writestr("x.npy", npy("(2,)", bytes(100), "|O"))
    save_arrays(folder / "sound.npz", {"x": np.arange(1000)})
    with (folder / "big.json").open("wb") as file:
        file.write(b'{"a": "')
        file.truncate(257 * 2**20)
    (folder / "deep.json").write_text('{"a":' * 100_000)


_READ_ALL = """
import resource, sys
from pathlib import Path
from brainsleep.tasks.images.datafiles import read_idx, read_npz
from brainsleep.errors import BrainsleepError
from brainsleep.results.store import load_arrays, read_result
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 200 * 2**20,) * 2)
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.npz")):
    found = load_arrays(path)
    assert (found is not None) == (path.name == "sound.npz"), path
readers = {"*.idx": read_idx, "*.npz": read_npz, "*.json": lambda path: read_result(path.parent)}
for pattern, reader in readers.items():
    for path in sorted(folder.glob(pattern)):
        if pattern == "*.json":
            path = path.rename(folder / "result.json")
        try:
            reader(path)
        except BrainsleepError as error:
            print(path.name, error)
        else:
            sys.exit(f"{path} was taken")
print("done")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")
def test_what_files_announce_is_not_allocated(tmp_path):
    """Everything is read or refused with 200 MB more than the interpreter has."""
    bombs(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _READ_ALL, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n") and "more than 268435456 bytes" in done.stdout


def test_members_that_overlap_are_no_way_round_the_limit(tmp_path):
    """Many names for one compressed stream hold more than a file of that size can."""
    zeros = npy("(1000000,)", bytes(1_000_000))
    with zipfile.ZipFile(tmp_path / "one.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", zeros)
        info = archive.getinfo("x.npy")
        for k in range(200):
            again = zipfile.ZipInfo(f"{k}.npy")
            for name in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(again, name, getattr(info, name))
            archive.filelist.append(again)
    assert load_arrays(tmp_path / "one.npz") is None


def test_read_only_names_are_read(tmp_path):
    """Nothing in an archive is written anywhere, whatever its members are called."""
    with zipfile.ZipFile(tmp_path / "evil.npz", "w") as archive:
        archive.writestr("../../escaped.npy", npy("(1,)", b"x"))
        archive.writestr("/tmp/escaped.npy", npy("(1,)", b"x"))
    load_arrays(tmp_path / "evil.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["evil.npz"]
