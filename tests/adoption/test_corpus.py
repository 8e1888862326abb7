"""Scripts as users write them: adopted, they give what they give in Brian2.

The first line of a script says whether it is deterministic, given the values it starts with. Then
spikes are the same, one by one, and states to 1e-9. If it is stochastic, counts of spikes and means
of states over several seeds are the same within their standard error.
"""

import subprocess
import sys
from pathlib import Path

import brian2
import matplotlib
import numpy as np
import pytest
from conftest import TESTS, needs_compiler

import brainsleep
from brainsleep.adoption import AdoptError, adopt_script, monitored

FOLDER = Path(__file__).parent / "scripts"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))
KINDS = {name: (FOLDER / f"{name}.py").read_text("utf-8").partition(":")[0] for name in SCRIPTS}

#: What cannot be adopted yet, and what the message names. Adopt it, and its line goes.
NOT_YET = {
    "groups_of_two_steps": "dt",
}

#: Those that are adopted, by kind.
DETERMINISTIC = [n for n in SCRIPTS if KINDS[n] == "# deterministic" and n not in NOT_YET]
STOCHASTIC = [n for n in SCRIPTS if KINDS[n] == "# stochastic"]

#: Compiled in every run of the tests; the others on request.
COMPILED = ("wiring_of_all_kinds",)

#: Seeds of stochastic scripts, and how many standard errors two means may be apart.
SEEDS, ERRORS = range(1, 7), 4.0


def plain_runs(folder, jobs):
    """Run scripts in plain Brian2 and return the files that they leave, by script and seed."""
    words = [f"{FOLDER / name}.py:{seed}" for name, seed in jobs]
    command = [sys.executable, str(Path(TESTS) / "adoption" / "plain_runs.py"), str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return {(name, seed): dict(np.load(folder / f"{name}-{seed}.npz")) for name, seed in jobs}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What the deterministic scripts give in Brian2, each run once."""
    return plain_runs(tmp_path_factory.mktemp("plain"), [(name, 1) for name in DETERMINISTIC])


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Return what a stochastic script gives in Brian2 for several seeds, each run once."""
    found = {}

    def get(name):
        if name not in found:
            jobs = [(name, seed) for seed in SEEDS]
            found[name] = plain_runs(tmp_path_factory.mktemp("many"), jobs)
        return found[name]

    return get


@pytest.fixture(scope="module")
def adopted():
    """Adopt a script once, for all tests."""
    made = {}

    def get(name):
        if name not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(matplotlib.pyplot, "show", lambda: None)
                brian2.seed(1)
                made[name] = adopt_script(FOLDER / f"{name}.py")
        return made[name]

    return get


@pytest.fixture(autouse=True)
def quiet_plots():
    matplotlib.use("Agg")
    yield
    matplotlib.pyplot.close("all")


def by_monitor(arrays):
    """Sort arrays by the name of the monitor, and then by what they are."""
    found = {}
    for key, value in arrays.items():
        if key != "names":
            name, _, rest = key.partition("/")
            found.setdefault(name, {})[rest] = value
    return found


def assert_same(name, expected, monitor):
    """Assert that a monitor has what it has in Brian2."""
    if "count" in expected:  # one that does not record single spikes
        count = np.bincount(monitor.i, minlength=len(expected["count"]))
        assert np.array_equal(count, expected["count"]), f"{name}: counts"
        return
    t = np.asarray(monitor.t)
    assert t.shape == expected["t"].shape, f"{name}: {t.shape} times, not {expected['t'].shape}"
    assert np.allclose(t, expected["t"], rtol=0, atol=1e-9), f"{name}: times"
    if "i" in expected:
        assert np.array_equal(monitor.i, expected["i"]), f"{name}: indices"
    if "rate" in expected:
        assert np.allclose(monitor.rate, expected["rate"], rtol=1e-9), f"{name}: rates"
    for key in (key for key in expected if key.startswith("values/")):
        variable, wanted = key.removeprefix("values/"), expected[key].astype(float)
        got = np.asarray(monitor.values[variable], float)
        assert got.shape == wanted.shape, f"{name}.{variable}: {got.shape}, not {wanted.shape}"
        size = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
        near = np.isclose(got, wanted, rtol=1e-9, atol=1e-9 * size)
        where = np.argwhere(~near)
        assert near.all(), f"{name}.{variable}: {len(where)} differ, first at {where[0]}"


def assert_run_is_the_same(name, plain, adopted, backend, tmp_path):
    expected = plain[name, 1]
    result = brainsleep.simulate(adopted(name), seed=1, backend=backend, out=tmp_path)
    for monitor, arrays in by_monitor(expected).items():
        assert_same(monitor, arrays, monitored(result, monitor))
    called = {in_script: monitor for monitor, in_script in expected["names"].tolist()}
    for in_script, monitor in called.items():  # by the name of the variable in the script, too
        one, other = monitored(result, in_script), monitored(result, monitor)
        assert type(one) is type(other)
        if getattr(one, "t", None) is not None:
            assert np.array_equal(one.t, other.t)


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_same_run_on_numpy(name, plain, adopted, tmp_path):
    assert_run_is_the_same(name, plain, adopted, "numpy", tmp_path)


def _compiled(name):
    marks = [pytest.mark.slow, pytest.mark.standalone, needs_compiler]
    return pytest.param(name, marks=marks if name in COMPILED else [*marks, pytest.mark.long])


@pytest.mark.parametrize("name", [*map(_compiled, DETERMINISTIC)])
def test_same_run_on_cpp(name, plain, adopted, tmp_path):
    assert_run_is_the_same(name, plain, adopted, "cpp", tmp_path)


def measures(arrays):
    """What a stochastic run is told by: numbers of spikes, and means of states."""
    found = {}
    for monitor, each in by_monitor(arrays).items():
        if "i" in each:
            found[monitor] = float(len(each["i"]))
        elif "rate" in each:
            found[monitor] = float(each["rate"].mean())
        for key in (key for key in each if key.startswith("values/")):
            found[f"{monitor}.{key.removeprefix('values/')}"] = float(each[key].mean())
    return found


def measures_of_result(result, expected):
    """The same of an adopted run."""
    found = {}
    for monitor, each in by_monitor(expected).items():
        own = monitored(result, monitor)
        if "i" in each:
            found[monitor] = float(len(own.i))
        elif "rate" in each:
            found[monitor] = float(np.mean(own.rate))
        for key in (key for key in each if key.startswith("values/")):
            variable = key.removeprefix("values/")
            found[f"{monitor}.{variable}"] = float(np.mean(own.values[variable]))
    return found


def assert_same_statistics(name, many, adopted, backend, tmp_path):
    plain = many(name)
    expected = [measures(plain[name, seed]) for seed in SEEDS]
    protocol = adopted(name)
    runs = brainsleep.simulate_many(
        [protocol] * len(SEEDS), seeds=list(SEEDS), backend=backend, out=tmp_path
    )
    got = [measures_of_result(run, plain[name, SEEDS[0]]) for run in runs]
    differ = False
    for key in expected[0]:
        one, other = (np.array([each[key] for each in runs]) for runs in (expected, got))
        differ |= len(set(other)) > 1
        error = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / len(SEEDS))
        apart = abs(one.mean() - other.mean())
        assert apart <= ERRORS * error + 1e-9 * abs(one.mean()), f"{key}: {one} and {other}"
    assert differ, "all seeds give the same"


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", STOCHASTIC)
def test_same_statistics_on_numpy(name, many, adopted, tmp_path):
    assert_same_statistics(name, many, adopted, "numpy", tmp_path)


_MARKS = [pytest.mark.slow, pytest.mark.long, pytest.mark.standalone, needs_compiler]


@pytest.mark.parametrize("name", [pytest.param(name, marks=_MARKS) for name in STOCHASTIC])
def test_same_statistics_on_cpp(name, many, adopted, tmp_path):
    assert_same_statistics(name, many, adopted, "cpp", tmp_path)


def test_there_are_thirty_scripts_and_each_says_what_it_is():
    assert len(DETERMINISTIC) + len(STOCHASTIC) >= 30
    assert {KINDS[name] for name in NOT_YET} == {"# deterministic"}
    assert sorted([*DETERMINISTIC, *STOCHASTIC, *NOT_YET]) == SCRIPTS


@pytest.mark.parametrize("name", NOT_YET)
def test_what_is_not_adopted_yet_says_so(name):
    with pytest.raises(AdoptError, match=NOT_YET[name]) as caught:
        adopt_script(FOLDER / f"{name}.py")
    assert f"{name}.py:" in str(caught.value)


def test_every_script_does_something(plain):
    for (name, _), arrays in plain.items():
        spikes = sum(len(value) for key, value in arrays.items() if key.endswith("/i"))
        assert spikes >= 8, f"{name}: {spikes} spikes"
        assert len(arrays["names"]) or name in ("integration_methods", "built_by_functions")
