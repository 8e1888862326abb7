"""Python hooks: when they are called, the time they are told, and what of them is in a run's id."""

import dataclasses
import functools
import importlib
import logging
import sys
import textwrap

import numpy as np
import pytest
from brian2 import Quantity, mV, second
from brian2.units.fundamentalunits import have_same_dimensions
from conftest import TINY

from brainsleep.errors import SweepError
from brainsleep.experiment.protocol import run_id
from brainsleep.files.load import load
from brainsleep.results.store import partial_folder
from brainsleep.run.simulate import simulate
from brainsleep.sweep.grid import Grid, addressed
from brainsleep.tasks.images.encoders import RateEncoder
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


#: What a hook does is said elsewhere: `VALUE` is what differs, in the files of a study.
ELSEWHERE = {
    "decorator": """
        import functools
        def decorated(f):
            @functools.wraps(f)
            def inner(groups, t):
                groups["e"].v = VALUE
            return inner
        @decorated
        def hook(groups, t): pass
    """,
    "helper with a decorator": """
        import contextlib
        @contextlib.contextmanager
        def changed(group):
            group.v = VALUE
            yield
        def hook(groups, t):
            with changed(groups["e"]): pass
    """,
    "helper's helper": """
        import helper
        def hook(groups, t): groups["e"].v = helper.value()
    """,
    "import": """
        def hook(groups, t):
            import helper
            groups["e"].v = helper.value()
    """,
    "import of a name": """
        def hook(groups, t):
            from helper import value
            groups["e"].v = value()
    """,
    "module": """
        import helper
        helper.other.X = VALUE
        def hook(groups, t): groups["e"].v = helper.other.X
    """,
    "package": """
        import parts.more
        def hook(groups, t): groups["e"].v = parts.more.X
    """,
    "attribute": """
        def hook(groups, t): groups["e"].v = hook.gain
        hook.gain = VALUE
    """,
    "method's global": """
        X = VALUE
        class A:
            @staticmethod
            def f(): return X
        def hook(groups, t): groups["e"].v = A.f()
    """,
    "class attribute": """
        class A:
            x = 0
        A.x = VALUE
        def hook(groups, t): groups["e"].v = A.x
    """,
    "base class": """
        class B:
            x = VALUE
        class A(B): pass
        def hook(groups, t): groups["e"].v = A.x
    """,
    "object": """
        import dataclasses
        @dataclasses.dataclass
        class A:
            y: int = 0
            def hook(self, groups, t): groups["e"].v = self.x
        a = A()
        a.x = VALUE
        hook = a.hook
    """,
    "own kind of text": """
        class Text(str):
            def number(self): return VALUE
        text = Text("a")
        def hook(groups, t): groups["e"].v = text.number()
    """,
    "enum": """
        import enum
        class Kind(enum.Enum):
            A = 1
            def number(self): return VALUE
        kind = Kind.A
        def hook(groups, t): groups["e"].v = kind.number()
    """,
    "default of a dictionary": """
        import collections
        values = collections.defaultdict(lambda: VALUE)
        def hook(groups, t): groups["e"].v = values[1]
    """,
    "lambda on two lines": """
        HOOKS = dict(
            on_sleep=lambda groups, t:
                groups["e"].set_states({"v": VALUE}),
        )
        hook = HOOKS["on_sleep"]
    """,
    "class": """
        X = VALUE
        class hook:
            def __init__(self, groups, t): groups["e"].v = X
    """,
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_a_hook_does_elsewhere_counts(case, tmp_path):
    files = {"study.py": ELSEWHERE[case], "other.py": "X = VALUE", "parts/more.py": "X = VALUE",
             "helper.py": "import other\ndef value(): return other.X"}  # fmt: skip
    addresses = []
    for value in "12":
        (tmp_path / value / "parts").mkdir(parents=True)
        for name, text in files.items():
            text = textwrap.dedent(text).replace("VALUE", value)
            (tmp_path / value / name).write_text(text)
        study = f"{tmp_path / value / 'study.py'}:hook"
        addresses.append(address(load(study)))
        assert address(load(study)) == addresses[-1]  # read anew, it is the same
    assert addresses[0] != addresses[1]


def test_a_compiled_function_of_a_user_is_unlike_anything_else():
    def twice(value):
        return 2 * value

    hook = setting(np.frompyfunc(twice, 1, 1))
    assert address(hook) != address(hook)


def test_a_hook_whose_file_was_edited_since_is_told_from_that_in_the_file(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "hook_that_is_edited.py"
    path.write_text("def hook(groups, t):\n    groups['e'].v = 1\n")
    module = importlib.import_module(path.stem)
    assert set(plain(module.hook)) == {"kind", "source"} and not caplog.text
    path.write_text("def hook(groups, t):\n    groups['e'].v = 20\n")
    assert "code" in plain(module.hook)
    assert "hook_that_is_edited.py was edited since it was read; what was read is run" in (
        caplog.text
    )
    old = address(module.hook)
    del sys.modules[path.stem]
    assert address(importlib.import_module(path.stem).hook) != old


class Doubled(RateEncoder):
    """An encoder of a user's own: what it does is in no field."""

    def rates(self, images):
        return GAIN * super().rates(images)


GAIN = 2.0


def test_what_a_users_own_class_does_is_part_of_the_id(monkeypatch):
    def of(encoder):
        return run_id(SMALL.override({"encoder": encoder}), 0, "numpy", "data")

    settings = {"size": (8, 8), "total": 14.0}
    own, disguised = Doubled(**settings), type("RateEncoder", (Doubled,), {})(**settings)
    assert len({of(RateEncoder(**settings)), of(own), of(disguised)}) == 3
    before = of(own)
    assert of(own) == before
    monkeypatch.setitem(globals(), "GAIN", 3.0)
    assert of(own) != before


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


def test_hooks_of_one_source_have_results_of_their_own(tmp_path):
    protocol = still(SMALL)
    results = [
        simulate(hooked(protocol, on_sleep=setting(w)), seed=1, backend="numpy", out=tmp_path)
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


def test_the_time_is_that_of_the_run(tmp_path):
    seen = {name: [] for name in ("on_wake", "on_sleep", "on_segment")}

    def note(label):
        return lambda groups, t: seen[label].append(t)

    protocol = TINY.override({"data.n_train": 8, "data.n_test": 4, "probes.images": 4})
    result = simulate(
        hooked(protocol, **{name: note(name) for name in seen}),
        seed=1,
        backend="numpy",
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
