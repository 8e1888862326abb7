"""A closed loop: what a network does decides what it is given next.

An environment has the interface of Gymnasium's ``Env``. Every slot awake is one of its steps: the
observation is the input of the slot, the spikes in the slot are the action, and the reward is a
signal in the slot that follows. Asleep, the environment waits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ..errors import (
    BrainsleepError,
    Details,
    MissingExtraError,
    ProtocolError,
    explain,
    nearest,
)
from ..experiment.observer import Found, Metric, Observer, Seen, View
from ..experiment.slots import SlotTable
from ..experiment.task import Course, Material, Task, check_driven
from ..experiment.timeline import UNTASKED, Timeline, TimelineCourse
from ..files.load import load
from ..network.signals import missing
from ..run.state import stream
from ..values.fields import Field, refusal, spec, specification
from ..values.plain import plain
from ..values.quantities import is_number
from .codes import MostSpikes, OneHot, TuningCurves

if TYPE_CHECKING:
    from ..experiment.protocol import Protocol
    from ..network.spec import Network

#: Name of what is kept of a loop in results: ``loop/reward``.
NAME = "loop"


def _read_env(value: Any, old: Any, where: str) -> Any:
    """Read ``FILE.py:NAME``, or the name of an environment."""
    return load(value) if isinstance(value, str) and ".py:" in value else value


_ENV = Field(spec(str, Callable, allowed="a name, or what makes one"), _read_env)  # type: ignore


@specification("protocol: ", ProtocolError)
class Environment(Task):
    """An environment that a network acts in; the schedule of its protocol is a `Timeline`.

    Every slot awake is a step of the environment, so ``timeline.slot`` says how long a step is. An
    episode that ends is followed by the next one.

    Parameters
    ----------
    env : str or callable
        Name of an environment of Gymnasium (extra ``loop``), or what makes one: a class or
        function of a user's.
    settings : mapping of str to object
        What it is made with, by name.
    encode : TuningCurves, OneHot or callable
        ``encode(observation)`` returns the rates of the input population, in Hz or as a quantity,
        shape (n_inputs,).
    decode : MostSpikes or callable
        ``decode(counts, rng)`` returns the action. `counts` are the spikes of each neuron in the
        slot by population, but for those of inputs; `rng` draws what is to be drawn.
    reward : str
        Signal of the network that has the reward of the last step, in SI units; "" for none.
    ended : str
        Signal that is 1 after a step that ended an episode; "" for none.

    Raises
    ------
    ProtocolError
        If network and timeline do not fit, or settings are no plain data.

    Examples
    --------
    >>> Environment(
    ...     env="CartPole-v1",
    ...     encode=TuningCurves(low=(-2.4, -3, -0.2, -3), high=(2.4, 3, 0.2, 3)),
    ...     decode=MostSpikes(population="motor", actions=2),
    ... ).encode.n_inputs
    40
    """

    env: Annotated[str | Callable, _ENV]
    settings: Mapping[str, Any] = field(default_factory=dict)
    encode: TuningCurves | OneHot | Callable
    decode: MostSpikes | Callable
    reward: str = "reward"
    ended: str = ""

    def __post_init__(self):
        for name, value in self.settings.items():
            if value is not None and not is_number(value) and not isinstance(value, str | bool):
                allowed = "a number, text, True, False or None"
                fix = "make the environment in a function of your own, and give that"
                raise refusal(self, f"settings.{name}", f"a {type(value).__name__}", allowed, fix)

    @property
    def source(self) -> str:
        """Name of the environment."""
        return self.env if isinstance(self.env, str) else getattr(self.env, "__name__", "")

    def check(self, protocol: Protocol) -> None:
        """Check that network and timeline fit the environment."""
        schedule, network = protocol.schedule, protocol.network
        if not isinstance(schedule, Timeline):
            fix = "write schedule=Timeline(periods=(awake(...), asleep(...)), slot=50*ms)"
            got = f"a {type(schedule).__name__}"
            raise ProtocolError(explain("schedule of an environment", got, "a Timeline", fix))
        UNTASKED.check(protocol)
        check_driven(network, "observations")
        own = getattr(self.encode, "n_inputs", network.n_inputs)
        if own != network.n_inputs:
            allowed = f"{network.n_inputs}, the size of population '{network.input}'"
            raise ProtocolError(explain("encode: neurons", own, allowed))
        if isinstance(self.decode, MostSpikes):
            self._check_actions(network)
        for setting in ("reward", "ended"):
            name = getattr(self, setting)
            if name and name not in network.signals:
                fix = f"; add it to the signals of the network, or write {setting}=''"
                choices = nearest(name, network.signals)
                message = f"{setting}: no signal '{name}' in the network; {choices}{fix}"
                raise ProtocolError(message, missing(network, name, network.signals))
        self._check_periods(schedule, network)

    def _check_periods(self, timeline: Timeline, network: Network) -> None:
        """Refuse periods that say what the environment says."""
        for name, period in zip(timeline.phase_gates(), timeline.written, strict=True):
            where = f"timeline.periods: {name}"
            if period.kind == "wake" and (float(period.rate) or network.input in period.inputs):
                allowed = "none awake, as observations drive it"
                where = f"{where}: stimulus of '{network.input}'"
                raise ProtocolError(explain(where, "one", allowed, "leave it out"))
            for signal in set(period.signals) & {self.reward, self.ended}:
                allowed = "none, as the environment says it"
                where = f"{where}: signals: {signal}"
                details = Details(word=signal)
                raise ProtocolError(explain(where, "a value", allowed, "leave it out"), details)

    def _check_actions(self, network: Network) -> None:
        chosen: Any = self.decode
        read = network.population(chosen.population, "decode.population")
        if not read.spikes or read.name in network.sources:
            got = f"'{read.name}', which does not spike of itself"
            raise ProtocolError(explain("decode.population", got, "a population that spikes"))
        if chosen.actions > read.size:
            allowed = f"at most {read.size}, the neurons of '{read.name}'"
            raise ProtocolError(explain("decode.actions", chosen.actions, allowed))

    def open(self, opened: dict[Any, Any]) -> Material:
        """Find out which environment it is."""
        content: Any = "of the user's"
        if isinstance(self.env, str):
            content = [self.env, _version_of_gymnasium()]
        text = json.dumps([content, plain(self.settings)], sort_keys=True)
        return Material(hashlib.sha256(text.encode()).hexdigest(), self)

    def nominal_slots(self, protocol: Protocol) -> SlotTable:
        """Lay out the slots of the timeline."""
        return UNTASKED.nominal_slots(protocol)

    def course(self, protocol: Protocol, seed: int, material: Material) -> Course:
        """Lay out a run, and make its environment."""
        return LoopCourse(self, protocol, seed)

    def make(self) -> Any:
        """Make the environment.

        Raises
        ------
        MissingExtraError
            If Gymnasium is not installed, and the environment is one of it.
        ProtocolError
            If it cannot be made.
        """
        if isinstance(self.env, str):
            _version_of_gymnasium()
            import gymnasium

            made: Any = gymnasium.make
            arguments: tuple = (self.env,)
        else:
            made, arguments = self.env, ()
        try:
            return made(*arguments, **self.settings)
        except BrainsleepError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ProtocolError(f"env: cannot make '{self.source}' ({reason})") from error


def _version_of_gymnasium() -> str:
    try:
        return version("gymnasium")
    except PackageNotFoundError:
        raise MissingExtraError("env: needs gymnasium: pip install 'brainsleep[loop]'") from None


class LoopCourse(TimelineCourse):
    """A run of a network in an environment."""

    def __init__(self, task: Environment, protocol: Protocol, seed: int):
        super().__init__(protocol)
        self._task, self._seed = task, seed
        self._env: Any = task.make()
        seed_of_env = int(stream(seed, "environment").integers(2**31))
        self._observation = self._env.reset(seed=seed_of_env)[0]
        #: Steps that were made: the slot of each, its reward, whether it ended an episode.
        self._steps: dict[int, tuple[float, bool]] = {}
        self.acting = np.flatnonzero(self.table.phase == "wake")
        self.observers = [Loop(self)]
        self.source = {**self.source, "name": task.source}

    def follow(self, view: View) -> None:
        """Take the steps again that a run has had which goes on from a checkpoint."""
        looks = view.recorder.looks.get(NAME, {})
        if len(looks) == len(self._steps):  # none to take again
            return
        for before, seen in sorted(looks.items()):
            slot = before - 1
            if slot in self._steps:
                continue
            action = seen["action"]
            reward, ended = self.step(slot, action[()] if action.ndim == 0 else action)
            if reward != float(seen["reward"]) or ended != bool(seen["ended"]):
                fix = "start it anew, with --force"
                reason = "the environment did something else when its steps were taken again"
                raise ProtocolError(f"env: '{self._task.source}': {reason}; {fix}")

    def act(self, slot: int, view: View) -> dict[str, Any]:
        """Take the step of a slot that was run; return what is kept of it."""
        counts = {name: each[slot] for name, each in view.recorder.counts.items()}
        action = self._task.decode(counts, stream(self._seed, "action", slot))
        seen = np.asarray(self._observation, dtype=float).ravel()
        reward, ended = self.step(slot, action)
        return {"action": np.asarray(action), "reward": reward, "ended": ended, "seen": seen}

    def step(self, slot: int, action: Any) -> tuple[float, bool]:
        """Take a step of the environment; a new episode begins where one ends."""
        if isinstance(action, np.generic):
            action = action.item()
        self._observation, reward, over, cut_short, _ = self._env.step(action)
        ended = bool(over or cut_short)
        if ended:
            self._observation = self._env.reset()[0]
        self._steps[slot] = float(reward), ended
        return self._steps[slot]

    def stimulus(self, first: int, last: int) -> np.ndarray:
        """Return the rates of the observation in a slot awake, those of the periods asleep."""
        rows = super().stimulus(first, last)
        if self.table.phase[first] == "wake":
            rates = np.asarray(self._task.encode(self._observation), dtype=float)
            allowed = f"{rows.shape[1]} rates of at least 0 Hz"
            if rates.shape != rows.shape[1:] or not np.all(np.isfinite(rates)) or rates.min() < 0:
                got = f"shape {rates.shape}, least {np.min(rates, initial=np.inf):g}"
                raise ProtocolError(explain("encode", got, allowed))
            rows[0] = rates
        return rows

    def given(self, first: int, last: int) -> dict[str, Any]:
        """Return what periods give, and the reward of the step before."""
        given = super().given(first, last)
        if first - 1 in self._steps:
            for name, value in zip(("reward", "ended"), self._steps[first - 1], strict=True):
                if signal := getattr(self._task, name):
                    given["signals"][signal][0] = float(value)
        return given


class Loop(Observer):
    """Steps of an environment: after every slot awake."""

    name = NAME
    metrics = (
        Metric("observed", "reward_per_step", "1", "mean reward of a step"),
        Metric("observed", "episodes", "1", "episodes that came to an end"),
        Metric("observed", "reward_per_episode", "1", "mean summed reward of those episodes"),
        Metric("observed", "last_reward_per_episode", "1", "the same of the last tenth of them"),
    )

    def __init__(self, course: LoopCourse):
        self._course = course

    def slots(self, table: SlotTable) -> list[int]:
        """Return the slots awake, which are each by itself, and those after them."""
        acting = self._course.acting
        return [int(slot) for slot in {*acting, *(acting + 1)}]

    def due(self, view: View, planned: bool) -> bool:
        """Return whether the slot before was one awake."""
        return bool(view.slot and view.table.phase[view.slot - 1] == "wake")

    def look(self, view: View) -> Found:
        """Take a step."""
        self._course.follow(view)
        return self._course.act(view.slot - 1, view)

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Sum up the rewards."""
        if not seen.looks(self.name):
            return {}
        rewards, ended = (seen.series(self.name, key) for key in ("reward", "ended"))
        ends = np.flatnonzero(ended) + 1
        sums = np.array([part.sum() for part in np.split(rewards, ends)[: len(ends)]])
        last = sums[-max(1, len(sums) // 10) :]
        return {
            "reward_per_step": float(rewards.mean()),
            "episodes": len(ends),
            "reward_per_episode": float(sums.mean()) if len(sums) else None,
            "last_reward_per_episode": float(last.mean()) if len(last) else None,
        }
