"""Python hooks: when they are called, the time they are told, and what of them is in a run's id."""

import dataclasses
import functools
import logging

import numpy as np
import pytest
from brian2 import Quantity, mV, second
from brian2.units.fundamentalunits import have_same_dimensions
from conftest import TINY, needs_compiler

from brainsleep.errors import SweepError
from brainsleep.experiment.protocol import run_id
from brainsleep.results.store import partial_folder
from brainsleep.run.simulate import simulate
from brainsleep.sweep.grid import Grid, addressed
from brainsleep.values.plain import plain

SMALL = TINY.override({"data.n_train": 8, "data.n_readout": 0, "data.n_test": 0})
SCALE, OFFSETS = 1.0, [1.0, 2.0]


def hooked(protocol=SMALL, **hooks):
    return dataclasses.replace(protocol, hooks=hooks)


def address(hook):
    return run_id(hooked(on_sleep=hook), 0, "numpy", "data")


def setting(value):
    """A hook that holds a value in its closure; all of them have one source text."""

    def hook(groups, t):
        groups["ee"].w = value

    return hook


def still(protocol):
    gates = {f"schedule.sleep.gates.{name}": 0 for name in ("decay", "noise", "plasticity")}
    return protocol.override(gates)


# -- what it holds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.0, 2.0),
        (1, 1.0),
        (1 * mV, 2 * mV),
        (1 * mV, 0.001),
        ([1.0], [2.0]),
        ({"a": 1}, {"a": 2}),
        ({"kind": ["x"]}, {"kind": ["y"]}),
        (np.arange(1000), np.arange(1000) + 1),
        (np.arange(3) * mV, np.arange(3) * second),
        (np.float32(1), np.float64(1)),
        ({1, 2}, {1, 3}),
        (SMALL, TINY),
        (setting(1.0), setting(2.0)),
        (np.sin, np.cos),
        (functools.partial(setting, 1), functools.partial(setting, 2)),
        ([1].append, [2].append),
        (np, logging),
    ],
    ids=lambda value: type(value).__name__,
)
def test_hooks_that_hold_other_values_are_other_runs(one, other):
    assert address(setting(one)) == address(setting(one))
    assert address(setting(one)) != address(setting(other))


def test_defaults_globals_methods_and_lambdas_count(monkeypatch):
    def with_default(value):
        def hook(groups, t, factor=value, *, more=value):
            pass

        return hook

    def reading(groups, t):
        groups["ee"].w = [SCALE * each for each in OFFSETS]

    @dataclasses.dataclass
    class Setter:
        value: float

        def note(self, groups, t):
            groups["ee"].w = self.value

    assert address(with_default(1)) != address(with_default(2))
    assert address(Setter(1.0).note) != address(Setter(2.0).note)
    assert address(Setter(1.0).note) == address(Setter(1.0).note)
    one, other = (lambda groups, t: 1), (lambda groups, t: 2)
    pair = [lambda groups, t: 1, lambda groups, t: 2]
    assert address(one) != address(other) and address(pair[0]) != address(pair[1])
    before = address(reading)
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert address(reading) != before
    monkeypatch.setitem(globals(), "SCALE", 1.0)
    assert address(reading) == before
    monkeypatch.setitem(globals(), "OFFSETS", [1.0])
    assert address(reading) != before


def without_anything(groups, t):
    groups["e"].v = groups["e"].v


def recursive(groups, t):
    return recursive if t < 0 else None


def test_a_hook_that_holds_nothing_is_its_source():
    assert set(plain(without_anything)) == {"kind", "source"}
    assert address(recursive) == address(recursive)


def test_what_is_no_data_is_unlike_anything_else():
    log = logging.getLogger("somebody")

    def hook(groups, t):
        log.info("asleep")

    assert address(hook) != address(hook)
    grid = Grid(name="g", protocol=hooked(on_sleep=hook), backend="numpy")
    with pytest.raises(SweepError, match=r"what hook on_sleep holds: got a logging.Logger"):
        addressed(grid.rows())


# -- the store -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cython", marks=needs_compiler)])
def test_hooks_of_one_source_have_results_of_their_own(backend, tmp_path):
    protocol = still(SMALL)
    results = [
        simulate(hooked(protocol, on_sleep=setting(w)), seed=1, backend=backend, out=tmp_path)
        for w in (0.5, 0.25)
    ]
    ends = [result.arrays["snapshots/trained/ee"] for result in results]
    assert np.all(ends[0] == 0.5) and np.all(ends[1] == 0.25)


def test_a_run_with_hooks_is_done_again(tmp_path):
    def collecting(seen):
        def hook(groups, t):
            seen.append(float(groups["ee"].w[:].mean()))

        return hook

    collected = [[], []]
    for seen in collected:
        result = simulate(hooked(on_sleep=collecting(seen)), seed=1, backend="numpy", out=tmp_path)
    assert len(collected[0]) == 2 and collected[0] == collected[1]
    assert result.info["protocol"]["hooks"]["on_sleep"]["closure"] == [
        ["seen", ["builtins.list", []]]
    ]


def test_a_run_with_hooks_is_not_resumed(tmp_path):
    seen, fails = [], [True]

    def hook(groups, t):
        if fails and len(seen) == 1:
            fails.clear()
            raise KeyboardInterrupt
        seen.append(t)

    with pytest.raises(KeyboardInterrupt):
        simulate(hooked(on_sleep=hook), seed=1, backend="numpy", out=tmp_path)
    assert not list(tmp_path.glob(".*.partial"))
    seen.clear()
    result = simulate(hooked(on_sleep=hook), seed=1, backend="numpy", out=tmp_path)
    assert len(seen) == 2
    assert not partial_folder(tmp_path, result.info["run_id"]).exists()


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cython", marks=needs_compiler)])
def test_the_time_is_that_of_the_run(backend, tmp_path):
    seen = {name: [] for name in ("on_wake", "on_sleep", "on_segment")}

    def note(label):
        return lambda groups, t: seen[label].append(t)

    protocol = TINY.override({"data.n_train": 8, "data.n_test": 4, "record.probe_images": 4})
    result = simulate(
        hooked(protocol, **{name: note(name) for name in seen}),
        seed=1,
        backend=backend,
        out=tmp_path,
    )
    arrays, dt = result.arrays, float(protocol.network.dt)
    begins = np.append(0, np.cumsum(arrays["slots/steps"]))[:-1]
    phases = arrays["slots/phase"]
    onset = np.append(True, phases[1:] != phases[:-1])
    for kind in ("wake", "sleep"):
        expected = begins[onset & (phases == kind)] * dt
        told = seen[f"on_{kind}"]
        assert all(isinstance(t, Quantity) and have_same_dimensions(t, second) for t in told)
        assert np.allclose([float(t) for t in told], expected, rtol=1e-12)
        assert len(told) > 1
    segments = [float(t) for t in seen["on_segment"]]
    assert segments == sorted(segments)  # also where a probe begins: the run's time stands still
    assert segments[-1] > 0.4
