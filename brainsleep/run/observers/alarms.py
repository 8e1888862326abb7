"""Alarms: what goes wrong with a network while it runs, said as soon as it is seen.

All follows from what a run has recorded: one that is resumed has the alarms of an undisturbed one.
"""

from __future__ import annotations

import collections
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ...errors import NotFiniteError
from ...experiment.record import Alarms
from ...experiment.slots import SlotTable
from ...network.spec import Network
from .recorder import Recorder
from .weights import Saturation, plastic


@dataclass
class Alarm:
    """One alarm."""

    #: One of `brainsleep.experiment.record.ALARMS`.
    kind: str
    #: Population or projection.
    where: str
    #: When it began, in s of the run.
    time_s: float
    #: What was measured then, and the limit that it passed: a fraction of weights, s without a
    #: spike, Hz, or a number of values.
    value: float
    limit: float
    #: All of that as a sentence.
    text: str
    #: When it was over, the last time if it came back; None if it was on at the end.
    until_s: float | None = None


@dataclass
class _Neurons:
    """What a watch remembers of a population."""

    size: int
    silent_s: float = 0.0
    window: collections.deque[tuple[float, float]] = field(default_factory=collections.deque)
    sums: np.ndarray = field(default_factory=lambda: np.zeros(2))  # of the window

    def rate(self, spikes: float, seconds: float, wanted: float) -> float:
        """Return the mean rate in Hz over the last `wanted` s, these among them."""
        self.window.append((spikes / self.size, seconds))
        self.sums += self.window[-1]
        while self.sums[1] - self.window[0][1] >= wanted * (1 - 1e-9):
            self.sums -= self.window.popleft()
        return float(self.sums[0] / max(self.sums[1], wanted))


class AlarmWatch:
    """What has been seen of one run: of plastic projections, and of populations but inputs.

    Populations that are `read` out are silent, too, if none of their neurons spikes in the test.
    """

    def __init__(
        self, limits: Alarms, network: Network, table: SlotTable, read: Collection[str] = ()
    ):
        self.limits, self._table = limits, table
        self._read = sorted(set(read))
        self._tested = np.flatnonzero(table.part == "test")
        self._of_test: set[tuple[str, str]] = set()  # there is nothing left that they could end
        self._dt = float(network.dt)
        self._plastic = [p.name for p in plastic(network)]
        own = [p for p in network.populations if p.spikes and p.name not in network.sources]
        self._neurons = {p.name: _Neurons(p.size) for p in own}
        self._seen: dict[tuple[str, str], Alarm] = {}
        self._position, self._seconds = 0, 0.0

    @property
    def alarms(self) -> list[Alarm]:
        """All alarms, in the order in which they began."""
        return list(self._seen.values())

    @property
    def stopped(self) -> Alarm | None:
        """The alarm that ends the run, if there is one."""
        seen = (alarm for key, alarm in self._seen.items() if key not in self._of_test)
        return next((each for each in seen if each.kind in self.limits.stop_on), None)

    def look(self, recorder: Recorder, last: int) -> list[Alarm]:
        """Go on through what was recorded up to slot `last` (exclusive); return new alarms."""
        before = len(self._seen)
        for slot in range(self._position, last):
            self._weigh(recorder, slot)
            seconds = float(recorder.ran[slot]) * self._dt
            if seconds and self._table.phase[slot] == "wake":
                together = max(1, int(self._table.n_images[slot]))
                for name, neurons in self._neurons.items():
                    spikes = int(recorder.totals[name][slot])
                    self._listen(name, neurons, spikes / together, seconds)
            self._seconds += seconds
            if slot in self._tested[-1:]:
                self._hear_test(recorder)
        self._position = max(self._position, last)
        self._weigh(recorder, last)
        return self.alarms[before:]

    def not_finite(self, error: NotFiniteError) -> Alarm:
        """Take up that the segment to come ends with values that are not numbers."""
        text = f"{error.values} are not finite some time after {self._seconds:.6g} s"
        self._begin("nan", error.where, self._seconds, error.count, 0, text)
        return self._seen["nan", error.where]

    def _weigh(self, recorder: Recorder, slot: int) -> None:
        """Look at the fractions of weights at their bound, if they were looked at before `slot`."""
        look = recorder.looks.get(Saturation.name, {}).get(slot)
        if look is None:
            return
        limit = self.limits.saturation
        for name, fraction in zip(self._plastic, look["fractions"].tolist(), strict=True):
            if fraction > limit:
                what = f"{100 * fraction:.3g} % of the weights of {name} are at their bound"
                text = f"{what} at {self._seconds:.6g} s (limit {100 * limit:g} %)"
                self._begin("saturation", name, self._seconds, fraction, limit, text)
            elif fraction <= limit:
                self._end("saturation", name, self._seconds)

    def _listen(self, name: str, neurons: _Neurons, spikes: float, seconds: float) -> None:
        """Look at the spikes of a population in a slot awake."""
        begin, end = self._seconds, self._seconds + seconds
        limit, quiet = float(self.limits.silence), neurons.silent_s
        neurons.silent_s = 0.0 if spikes else quiet + seconds
        if neurons.silent_s > limit * (1 - 1e-9):
            what = f"no spike in {name} for {neurons.silent_s:.4g} s awake"
            text = f"{what}, until {end:.6g} s (limit {limit:g} s)"
            self._begin("silence", name, end, neurons.silent_s, limit, text)
        else:
            self._end("silence", name, begin)
        limit = float(self.limits.runaway)
        rate = neurons.rate(spikes, seconds, float(self.limits.window))
        if rate > limit:
            text = f"{name} fires at {rate:.4g} Hz awake at {end:.6g} s (limit {limit:g} Hz)"
            self._begin("runaway", name, end, rate, limit, text)
        else:
            self._end("runaway", name, end)

    def _hear_test(self, recorder: Recorder) -> None:
        """Look at the spikes of the populations that are read out in a test that is over."""
        seconds = float(recorder.ran[self._tested].sum()) * self._dt
        for name in self._read:
            if not recorder.totals[name][self._tested].any():
                if ("silence", name) not in self._seen:
                    self._of_test.add(("silence", name))
                text = f"no spike in {name} in the whole test, {seconds:.4g} s"
                self._begin("silence", name, self._seconds, seconds, seconds, text)

    def _begin(
        self, kind: str, where: str, time: float, value: float, limit: float, text: str
    ) -> None:
        """Note an alarm the first time; afterwards only that it is on again."""
        new = Alarm(kind, where, time, float(value), float(limit), f"{kind}: {text}")
        self._seen.setdefault((kind, where), new).until_s = None

    def _end(self, kind: str, where: str, time: float) -> None:
        alarm = self._seen.get((kind, where))
        if alarm is not None and alarm.until_s is None:
            alarm.until_s = time

    def report(self) -> dict[str, Any]:
        """Return what ``result.json`` says: ``alarms``, and ``stopped`` if one ended the run."""
        report: dict[str, Any] = {"alarms": [asdict(alarm) for alarm in self.alarms]}
        if self.stopped is not None:
            report["stopped"] = {**asdict(self.stopped), "at_s": self._seconds}
        return report
