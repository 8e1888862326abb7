"""A script that is run without simulating: its calls of ``run`` are noted."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from brian2 import Quantity
from brian2.core.base import BrianObject
from brian2.core.variables import Subexpression, VariableView

from ..errors import AdoptError
from ..experiment.settings import Setting
from ..network.equations import checks
from .kept import kept_names
from .later import frames_now, is_known_run, may_run_again, only_looked_at
from .network import Network, Varying, take_network
from .places import line_now, named, refused, users_frame
from .runs import (
    HIDDEN,
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
from .stored import Before, Stored, stored

#: The order within a time step, as in Brian2 if nothing else is said.
SCHEDULE = ["start", "groups", "thresholds", "synapses", "resets", "end"]


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
        self._guesses, self._width = np.random.default_rng(guess), 1 + 1000 * guess
        #: Where such a value was read before the last run, and the variable's name; '' if nowhere.
        self.guessed = ("", "")
        #: Where something was read first after a run that may decide what follows, and its name.
        self.decides = ("", "")
        #: The same of what is only kept, by the name that it has then.
        self._kept_as: dict[str, tuple[str, str]] = {}
        #: After which run it was read, and where.
        self._kept_at: list[tuple[Run, str, str]] = []
        #: What each line does with what it reads, as far as that is known.
        self._lines: dict[tuple[Any, ...], set[str] | None] = {}
        #: Whether the script may run the network again after it read what only a simulation knows.
        self.may_follow = False
        self.network: Network | None = None
        self.runs: list[Run] = []
        self._all_runs: list[Run] = []
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
        #: What the script stored, by name and file; and what was before its first run.
        self._stored: dict[tuple[str, str | None], Stored] = {}
        self._at_first = Before({}, Touched(), {})

    # -- what the script does ------------------------------------------------------------------

    def run(self, net: Any, duration: Quantity, namespace: Mapping | None) -> None:
        """Note a run, and what was changed since the last one."""
        frame = users_frame()
        space = _namespace(frame) if namespace is None else dict(namespace)
        self.note_names(space)
        if self._kept_as and not is_known_run(frames_now()):
            self.decides = self.decides if self.decides[0] else next(iter(self._kept_as.values()))
        if self.decides[0]:
            raise depends(*self.decides)
        place, objects = line_now(), list(net.objects)
        begins = self.network is None
        if begins:
            self._begin(net, objects, space)
        assert self.network is not None
        self._check_same(net, objects, place)
        dt = float(self.network.spec.dt)
        steps = round((self._step * dt + float(duration)) / dt) - self._step
        seeing = [each for each in objects if "Monitor" in type(each).__name__ and each.active]
        run = Run(steps, place, seeing)
        if not begins:
            self._note_changes(run, space)
        run.trains = trains_of(self.network, self._step, steps)
        self._values = self._now()
        self._touched = Touched()
        self.runs.append(run)
        self._all_runs.append(run)
        self._step += steps
        self._set_time(net)

    def _set_time(self, net: Any) -> None:
        dt = float(self.network.spec.dt) if self.network is not None else 0
        net.t_ = self._step * dt
        for clock in {id(each.clock): each.clock for each in net.objects}.values():
            clock.variables["t"].set_value(self._step * dt)

    def store(self, net: Any, name: str = "default", filename: str | None = None) -> None:
        """Note what the state of a network is, to go back to it."""
        before = None
        if self.network is not None and self.runs:
            before = Before(self._values, self._touched, self._outside)
        self._stored[name, filename] = stored(net.objects, self.runs, self._step, before)

    def restore(
        self, net: Any, name: str = "default", filename: str | None = None, **more: Any
    ) -> None:
        """Go back to a state that was stored, and to the runs that led there."""
        state, place = self._stored.get((name, filename)), line_now()
        if state is None:
            fix = "call store() in the script"
            what = f"restore({name!r})"
            raise refused(what, "a state of another script", "one of this", fix, place)
        state.put_back()
        before = copy.deepcopy(state.before or self._at_first)
        self._values, self._touched, self._outside = before.values, before.touched, before.outside
        self.runs = list(state.runs)
        self._step = state.step
        self._set_time(net)

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
        self._at_first = Before(self._now(), Touched(), self._outside)

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
        self.check_kept(name for _, name in outside)
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
        if isinstance(item, str) and item not in ("True", ""):
            at = np.atleast_1d(view.group.indices[item])
        else:
            at = np.atleast_1d(view.indexing(slice(None) if isinstance(item, str) else item,
                                             view.index_var))  # fmt: skip
        self._was_set(view.variable, np.asarray(at).ravel().tolist())

    def all_was_set(self, variable: Any) -> None:
        """Note that a script sets a whole variable."""
        self._was_set(variable, range(variable.size))

    def _was_set(self, variable: Any, at: Iterable[int]) -> None:
        key = _key(variable)
        if self.network is None or key not in self._dynamic:
            return
        if variable.name in HIDDEN:
            fix = "leave it to the simulation"
            what = f"'{self._label(key[0])}.{variable.name}', which is set"
            raise refused(what, "a variable of Brian2's own", "others", fix, line_now())
        self._touched.set_at.setdefault(key, set()).update(at)

    def monitor_was_read(self, monitor: Any) -> None:
        """Note that a script reads what a monitor saw."""
        if self.runs:
            self._note_read(self.called.get(id(monitor), monitor.name))

    def was_read(self, variable: Any, name: str) -> bool:
        """Note that a script reads a variable; tell whether only a simulation knows it."""
        if not self.runs or not self._is_unknown(variable):
            return False
        label = f"{self._label(_key(variable)[0])}.{name}"
        self._touched.read.append((line_now(), label))
        self._note_read(label)
        return True

    def was_used(self, group: Any, code: str) -> None:
        """Refuse an expression that reads what only a simulation knows."""
        names = checks.identifiers(code)
        self.check_kept(names - set(group.variables))
        for name in sorted(names & set(group.variables)):
            if self.runs and self._is_unknown(group.variables[name]):
                label = f"{self._label(_key(group.variables[name])[0])}.{name}"
                raise depends(line_now(), label)

    def _is_unknown(self, variable: Any) -> bool:
        """Tell whether a simulation changes a variable, which was not set since."""
        if isinstance(variable, Subexpression):
            of_group = variable.owner.variables
            known = (of_group[name] for name in variable.identifiers if name in of_group)
            return any(map(self._is_unknown, known))
        key = _key(variable)
        return key in self._dynamic and len(self._touched.set_at.get(key, ())) < variable.size

    def _note_read(self, label: str) -> None:
        """Note a value that may decide what follows, or is kept, unless it is printed or drawn."""
        frames = tuple(frames_now())
        if only_looked_at():
            return
        if frames not in self._lines:
            self._lines[frames] = kept_names()
        names = self._lines[frames]
        for name in names or ():
            self._kept_as.setdefault(name, (line_now(), label))
        if names is not None:
            self._kept_at.append((self.runs[-1], line_now(), label))
        if names is None:
            self.decides = self.decides if self.decides[0] else (line_now(), label)
            self.may_follow = self.may_follow or may_run_again(frames)

    def guess(self, value: Any, dim: Any) -> Any:
        """Return some value in place of one that only a simulation knows."""
        kind, shape = np.asarray(value).dtype.kind, np.shape(value)
        if kind == "b":
            return self._guesses.random(shape) < 0.5
        drawn = self._guesses.random(shape) * self._width
        if kind != "f":
            return (drawn * 2).astype(np.asarray(value).dtype)
        return Quantity(drawn, dim=dim) if isinstance(value, Quantity) else drawn

    def check_kept(self, names: Iterable[str]) -> None:
        """Refuse names in code that stand for what only a simulation knows."""
        for name in names:
            if name in self._kept_as:
                raise depends(*self._kept_as[name])

    def check_end(self) -> None:
        """Refuse a script that may have run the network again, if it had been simulated."""
        if self.may_follow and self.decides[0]:
            raise depends(*self.decides)
        left = {id(run) for run in self.runs}
        for run, place, label in self._kept_at:
            if id(run) not in left:
                fix = "adopt a script of each run, without restore()"
                what = f"'{label}' of a run that restore() undoes"
                raise refused(what, "a result that is kept", "those of the last runs", fix, place)
        undone = dict.fromkeys(run.place for run in self._all_runs if id(run) not in left)
        text = f"restore() undoes what these ran, which is left out: {', '.join(undone)}"
        if undone and text not in self.notes:
            self.notes.append(text)


def _key(variable: Any) -> tuple[str, str]:
    """Name a variable by its group and itself."""
    owner = variable.owner
    return (owner.name, variable.name) if owner is not None else ("", "")


def _namespace(frame: Any) -> dict[str, Any]:
    return {**frame.f_globals, **frame.f_locals} if frame is not None else {}


def depends(place: str, name: str) -> AdoptError:
    """Return the error of runs that depend on what a simulation before them gives."""
    fix = "set values that do not depend on a simulation before"
    what = f"'{name}' is read between runs, and decides what follows"
    return refused(what, "a value that only a simulation knows", "none", fix, place)
