"""Brian2 as a script finds it while it is adopted: nothing is simulated, and reads are noted."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import brian2
import numpy as np
from brian2 import (
    Equations,
    NeuronGroup,
    PoissonGroup,
    SpikeGeneratorGroup,
    Synapses,
    second,
)
from brian2.core.network import Network as BrianNetwork
from brian2.core.tracking import InstanceFollower
from brian2.core.variables import ArrayVariable, DynamicArrayVariable, VariableView
from brian2.groups.subgroup import Subgroup
from brian2.monitors import EventMonitor, PopulationRateMonitor, StateMonitor

from .places import is_users
from .recorder import Recorder

#: What of a monitor no simulation changes.
_SETTINGS = frozenset({"name", "active", "source", "clock", "when", "order", "record", "dt"})


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
        for code in (item, value):
            if isinstance(code, str) and recorder.network is not None:
                recorder.was_used(self.group, code)
        set_item(self, item, value, level=level + 1, namespace=namespace)
        if recorder.network is not None:
            recorder.was_set(self, item)

    def getting(self: Any, item: Any, level: int = 0, namespace: Any = None) -> Any:
        if isinstance(item, str) and recorder.runs:
            recorder.was_used(self.group, item)
        unknown = recorder.was_read(self.variable, self.name)
        value = get_item(self, item, level=level + 1, namespace=namespace)
        return recorder.guess(value, self.dim) if unknown else value

    replace(Equations, "__init__", equations_init)
    replace(Synapses, "__init__", synapses_init)
    replace(BrianNetwork, "run", run)
    replace(VariableView, "set_item", setting)
    replace(VariableView, "get_item", getting)
    for owner in (ArrayVariable, DynamicArrayVariable):
        for name in ("get_value", "set_value"):
            if name in owner.__dict__:
                replace(owner, name, _direct(recorder, owner.__dict__[name], name))
    for group in (NeuronGroup, PoissonGroup, SpikeGeneratorGroup, Subgroup):
        replace(group, "spikes", _spikes(recorder, group.__dict__["spikes"]))
    for kind in (EventMonitor, StateMonitor, PopulationRateMonitor):
        for name in ("__getattribute__", "__getitem__", "__len__"):
            if hasattr(kind, name):
                replace(kind, name, _watched(recorder, kind, name))
    replace(BrianNetwork, "store", lambda net, *given, **more: recorder.store(net, *given, **more))
    replace(BrianNetwork, "restore", lambda net, *given, **kw: recorder.restore(net, *given, **kw))
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


def _direct(recorder: Recorder, usual: Callable, name: str) -> Callable[..., Any]:
    """Return a method of a variable that notes when the script itself calls it."""

    def used(variable: Any, *given: Any, **more: Any) -> Any:
        if not recorder.runs or not is_users(sys._getframe(1).f_code.co_filename):
            return usual(variable, *given, **more)
        unknown = name == "get_value" and recorder.was_read(variable, variable.name)
        value = usual(variable, *given, **more)
        if name == "set_value":
            recorder.all_was_set(variable)
        return recorder.guess(value, None) if unknown else value

    return used


def _spikes(recorder: Recorder, usual: property) -> property:
    """Return a property of groups, the neurons that just spiked, that notes when it is read."""

    def used(group: Any) -> Any:
        if is_users(sys._getframe(1).f_code.co_filename):
            recorder.monitor_was_read(group)
        return usual.__get__(group)

    return property(used)


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
