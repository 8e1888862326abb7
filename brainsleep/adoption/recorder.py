"""A script that is run without simulating: its calls of ``run`` are noted."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import brian2
import numpy as np
from brian2 import Equations, Quantity, Synapses, second
from brian2.core.base import BrianObject
from brian2.core.network import Network as BrianNetwork
from brian2.core.tracking import InstanceFollower
from brian2.core.variables import VariableView
from brian2.monitors import EventMonitor, PopulationRateMonitor, StateMonitor

from ..errors import AdoptError
from ..experiment.settings import Setting
from .later import frames_now, may_run_again, only_looked_at
from .network import Network, Varying, take_network
from .places import is_users, line_now, named, refused
from .runs import (
    Run,
    Touched,
    Values,
    changes,
    check_clocks,
    dynamic,
    outside_of,
    signature,
    trains_of,
    values_of,
)

#: The order within a time step, as in Brian2 if nothing else is said.
SCHEDULE = ["start", "groups", "thresholds", "synapses", "resets", "end"]


#: What of a monitor no simulation changes.
_SETTINGS = frozenset({"name", "active", "source", "clock", "when", "order", "record", "dt"})


class VaryingNumbersError(Exception):
    """Numbers are set between runs that were taken as the same throughout."""

    def __init__(self, numbers: set[tuple[str, str]]):
        super().__init__()
        self.numbers = numbers


class Recorder:
    """Notes the runs of a script, and takes the network over as it is at the first.

    Attributes
    ----------
    network : Network or None
        The network, once there was a run.
    runs : list of Run
        All runs.
    notes : list of str
        What is to be said of the script.
    """

    def __init__(self, name: str, varying: Varying = frozenset(), guess: int = 0):
        self.name, self._varying = name, varying
        #: What stands for values that only a simulation knows.
        self.guesses = np.random.default_rng(guess)
        #: Where such a value was read before the last run, and the variable's name; '' if nowhere.
        self.guessed = ("", "")
        #: Where a monitor was read first after a run, and its name; '' if nowhere.
        self.monitor_read = ("", "")
        #: Whether the script may run the network again after it read what only a simulation knows.
        self.may_follow = False
        self.network: Network | None = None
        self.runs: list[Run] = []
        self.notes: list[str] = []
        self.called: dict[int, str] = {}
        #: Objects that have names, which must live as long as their identities count.
        self._kept: list[Any] = []
        self._net: Any = None
        self._signature: dict[str, tuple] = {}
        self._values: Values = {}
        self._touched = Touched()
        self._dynamic: set[tuple[str, str]] = set()
        self._outside: dict[tuple[str, str], Quantity] = {}
        self._step = 0

    # -- what the script does ------------------------------------------------------------------

    def run(self, net: Any, duration: Quantity, namespace: Mapping | None) -> None:
        """Note a run, and what was changed since the last one."""
        frame = _frame()
        space = _namespace(frame) if namespace is None else dict(namespace)
        self.note_names(space)
        if self.monitor_read[0]:
            raise depends(*self.monitor_read)
        place, objects = line_now(), list(net.objects)
        if self.network is None:
            self._begin(net, objects, space)
        assert self.network is not None
        self._check_same(net, objects, place)
        dt = float(self.network.spec.dt)
        steps = round((self._step * dt + float(duration)) / dt) - self._step
        seeing = [each for each in objects if "Monitor" in type(each).__name__ and each.active]
        run = Run(steps, place, seeing)
        if self.runs:
            self._note_changes(run, space)
        run.trains = trains_of(self.network, self._step, steps)
        self._values = self._now()
        self._touched = Touched()
        self.runs.append(run)
        self._step += steps
        net.t_ = self._step * dt
        for clock in {id(each.clock): each.clock for each in objects}.values():
            clock.variables["t"].set_value(self._step * dt)

    def _begin(self, net: Any, objects: list[Any], space: dict[str, Any]) -> None:
        if float(net.t) != 0:
            fix = "adopt it before its first run"
            raise refused("network: time", net.t, "0 s", fix, line_now())
        if list(net.schedule) != SCHEDULE:
            got, fix = ", ".join(net.schedule), "leave the schedule out"
            raise refused("network: schedule", got, ", ".join(SCHEDULE), fix, line_now())
        check_clocks(objects)
        self._net, self._signature = net, signature(objects)
        inside = {each.name for each in objects}
        for each in self._kept:
            if each.name not in inside and not type(each).__module__.startswith("brian2."):
                kind = f"a {type(each).__name__}, a BrianObject that run() does not run"
                raise refused(named(each), kind, "Brian2's own objects", "leave it out", each)
        self.network = take_network(objects, space, self.called, self.name, self._varying)
        self.notes += self.network.notes
        self._outside = outside_of(self.network, space)
        self._dynamic = dynamic(self.network)

    def _check_same(self, net: Any, objects: list[Any], place: str) -> None:
        now = signature(objects)
        if net is not self._net or now != self._signature:
            other = sorted(
                name
                for name in {*now, *self._signature}
                if now.get(name) != self._signature.get(name)
            )
            got = f"other objects ({', '.join(other[:4])})" if other else "another network"
            fix = "adopt a script with one network; several need a script each"
            what = "run: between runs, objects, synapses, delays, clocks and 'active'"
            raise refused(what, got, "the network of the first run", fix, place)

    def _note_changes(self, run: Run, space: dict[str, Any]) -> None:
        assert self.network is not None
        if self._touched.read and not self.guessed[0]:
            self.guessed = self._touched.read[0]
        outside = outside_of(self.network, space)
        different = {k for k, v in outside.items() if float(v) != float(self._outside[k])}
        if different - set(self._varying):
            raise VaryingNumbersError(different)
        after = self._now()
        shared = {
            (part.group.name, name)
            for part in self.network.parts.values()
            for name, other in part.scope.names.items()
            if (part.group.name, name) in after
            and other in part.scope.parameters
            and np.any(after[part.group.name, name] != self._values[part.group.name, name])
        }
        if shared:
            raise VaryingNumbersError(shared)
        run.settings = changes(self.network, self._values, after, self._touched)
        for group, name in sorted(different):
            part = self.network.parts[group]
            other = f"{part.name}.{part.scope.named(name)}"
            run.settings[other] = Setting(outside[group, name])
        self._outside = outside

    def _now(self) -> Values:
        """Return the values of all variables, and of constants that vary."""
        assert self.network is not None
        return {k: v for part in self.network.parts.values() for k, v in values_of(part).items()}

    def note_names(self, space: Mapping[str, Any]) -> None:
        """Note what a script calls its objects."""
        for name, value in list(space.items()):
            if name.startswith("_"):
                continue
            each = [(name, value)]
            if isinstance(value, list | tuple):
                each = [(f"{name}[{k}]", part) for k, part in enumerate(value)]
            elif isinstance(value, dict):
                each = [(f"{name}[{k!r}]", part) for k, part in value.items()]
            for label, part in each:
                if isinstance(part, BrianObject) and id(part) not in self.called:
                    self.called[id(part)] = label
                    self._kept.append(part)

    def _label(self, name: str) -> str:
        """Return what the script calls an object of a name."""
        found = (self.called[id(each)] for each in self._kept if each.name == name)
        return next(found, name)

    def was_set(self, view: VariableView, item: Any) -> None:
        """Note that a script sets elements of a variable."""
        if self.network is None:
            return
        owner = view.variable.owner
        key = (owner.name, view.variable.name) if owner is not None else ("", "")
        if key not in self._dynamic:
            return
        if isinstance(item, str) and item not in ("True", ""):
            at = np.atleast_1d(view.group.indices[item])
        else:
            at = np.atleast_1d(view.indexing(slice(None) if isinstance(item, str) else item,
                                             view.index_var))  # fmt: skip
        self._touched.set_at.setdefault(key, set()).update(np.asarray(at).ravel().tolist())

    def monitor_was_read(self, monitor: Any) -> None:
        """Note that a script reads what a monitor saw, other than to print or draw it."""
        later = self.runs and not only_looked_at()
        if later and not self.monitor_read[0]:
            self.monitor_read = line_now(), self.called.get(id(monitor), monitor.name)
        self.may_follow = self.may_follow or bool(later and may_run_again(frames_now()))

    def check_end(self) -> None:
        """Refuse a script that may have run the network again, if it had been simulated."""
        read = [self.monitor_read, *self._touched.read]
        first = next((each for each in read if each[0]), None)
        if self.may_follow and first:
            raise depends(*first)

    def was_read(self, view: VariableView) -> bool:
        """Note that a script reads a variable that only a simulation knows; tell whether it is."""
        owner = view.variable.owner
        key = (owner.name, view.variable.name) if owner is not None else ("", "")
        if self.network is not None and key in self._dynamic and self.runs:
            known = self._touched.set_at.get(key, set())
            if len(known) < view.variable.size:
                label = self._label(owner.name)
                self._touched.read.append((line_now(), f"{label}.{view.name}"))
                again = not only_looked_at() and may_run_again(frames_now())
                self.may_follow = self.may_follow or again
                return True
        return False


def _frame() -> Any:
    """Return the frame of the script."""
    frame: Any = sys._getframe(1)
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _namespace(frame: Any) -> dict[str, Any]:
    return {**frame.f_globals, **frame.f_locals} if frame is not None else {}


@contextlib.contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Have Brian2 note runs in place of simulating, and keep equations as they are written."""
    saved: list[tuple[Any, str, Any]] = []

    def replace(owner: Any, name: str, value: Any) -> None:
        saved.append((owner, name, owner.__dict__.get(name)))
        setattr(owner, name, value)

    init, make, set_item, get_item = (
        Equations.__init__,
        Synapses.__init__,
        VariableView.set_item,
        VariableView.get_item,
    )

    def equations_init(self: Any, eqns: Any = "", **more: Any) -> None:
        init(self, eqns, **more)
        if isinstance(eqns, str) and not more:
            self._adopted_text = eqns

    def synapses_init(self: Any, source: Any, target: Any = None, model: Any = None, **more: Any):
        whole = Equations(model or "") if model is None or isinstance(model, str) else model
        make(self, source, target, whole, **more)
        self._adopted_equations = whole

    def run(net: Any, duration: Any, report: Any = None, report_period: Any = None,
            namespace: Any = None, profile: Any = None, level: int = 0) -> None:  # fmt: skip
        recorder.run(net, duration, namespace)

    def setting(self: Any, item: Any, value: Any, level: int = 0, namespace: Any = None) -> None:
        if isinstance(value, str) and recorder.network is not None:
            _check_static(recorder, self, value)
        set_item(self, item, value, level=level + 1, namespace=namespace)
        recorder.was_set(self, item)

    def getting(self: Any, item: Any, level: int = 0, namespace: Any = None) -> Any:
        unknown = recorder.was_read(self)
        value = get_item(self, item, level=level + 1, namespace=namespace)
        if unknown and np.asarray(value).dtype.kind == "f":
            drawn = recorder.guesses.random(np.shape(value))
            return Quantity(drawn, dim=self.dim) if isinstance(value, Quantity) else drawn
        return value

    replace(Equations, "__init__", equations_init)
    replace(Synapses, "__init__", synapses_init)
    replace(BrianNetwork, "run", run)
    replace(VariableView, "set_item", setting)
    replace(VariableView, "get_item", getting)
    for kind in (EventMonitor, StateMonitor, PopulationRateMonitor):
        for name in ("__getattribute__", "__getitem__", "__len__"):
            if hasattr(kind, name):
                replace(kind, name, _watched(recorder, kind, name))
    for name in ("store", "restore"):
        replace(BrianNetwork, name, _stored(name))
    try:
        yield
    finally:
        for owner, name, value in reversed(saved):
            if value is None:  # it was that of a base class
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _watched(recorder: Recorder, kind: type, name: str) -> Callable[..., Any]:
    """Return a method of a monitor that notes when the script itself reads what it saw."""
    usual = getattr(kind, name)

    def used(monitor: Any, *given: Any) -> Any:
        if not given or not isinstance(given[0], str) or given[0] not in _SETTINGS:
            asked = given[0] if given and isinstance(given[0], str) else ""
            if not asked.startswith("_") and is_users(sys._getframe(1).f_code.co_filename):
                recorder.monitor_was_read(monitor)
        return usual(monitor, *given)

    return used


def _stored(name: str) -> Callable[..., None]:
    """Return what takes the place of `Network.store` and `Network.restore`."""

    def used(net: Any, *given: Any, **more: Any) -> None:
        if name == "restore":
            fix = "write one script without it: SavedState goes on from a stored run"
            raise refused("restore()", "a state of before", "runs one after the other", fix,
                          line_now())  # fmt: skip

    return used


def depends(place: str, name: str) -> AdoptError:
    """Return the error of runs that depend on what a simulation before them gives."""
    fix = "set values that do not depend on a simulation before"
    what = f"'{name}' is read between runs, and decides what follows"
    return refused(what, "a value that only a simulation knows", "none", fix, place)


def _check_static(recorder: Recorder, view: VariableView, code: str) -> None:
    """Refuse an expression that reads what only a simulation knows."""
    from ..network.equations import checks

    group = view.group
    for name in checks.identifiers(code):
        if name in group.variables:
            variable = group.variables[name]
            owner = getattr(variable, "owner", None)
            known = owner is None or (owner.name, variable.name) not in recorder._dynamic
            view = VariableView(name, variable, group, variable.dim)
            if not known and recorder.was_read(view):
                raise depends(line_now(), name)


@contextlib.contextmanager
def fresh_brian() -> Iterator[None]:
    """Give a script a Brian2 as it is at first, and put everything back after."""
    follower = InstanceFollower.instance_sets
    before = {kind: set(members) for kind, members in follower.items()}
    state, clock = np.random.get_state(), float(brian2.defaultclock.dt)  # noqa: NPY002
    wanted = {name: brian2.prefs[name] for name in ("codegen.target", "core.default_float_dtype")}
    follower.clear()
    brian2.prefs["codegen.target"] = "numpy"
    brian2.defaultclock.dt = 0.1 * brian2.ms
    try:
        yield
    finally:
        for name, value in wanted.items():
            brian2.prefs[name] = value
        brian2.defaultclock.dt = clock * second
        np.random.set_state(state)  # noqa: NPY002
        for kind, members in before.items():
            follower[kind] |= {member for member in members if member() is not None}
