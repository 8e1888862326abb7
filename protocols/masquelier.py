"""A neuron finds the start of a pattern of spikes (Masquelier, Guyonneau & Thorpe 2008).

Afferents spike at random, 64 times a second, at rates that change all the time. A pattern of 50 ms,
the same spikes of half of the afferents up to a jitter of 1 ms, comes again and again, in a quarter
of the time. The neuron spikes for all at first, and then for nothing but the pattern, early in it.

As published there are 2000 afferents for 450 s, the same 150 s three times::

    brainsleep run masquelier:FULL

`PROTOCOL` is shorter: 45 s, all of them different. What counts is the last third of the time. Both
are made when they are asked for, which takes seconds.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from brian2 import second

from brainsleep import Condition, Metric, Observer, Protocol, Record, SpikeTrains, Timeline, awake
from brainsleep.models.masquelier import STDP_AGAIN, afferents

#: Length of the pattern in s, and the fraction of time with it.
PATTERN, FRACTION = 0.05, 0.25


def background(n: int, seconds: float, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return neurons and times in s of spikes at rates that change between 0 and 90 Hz.

    The rate of each is a random walk whose speed is one, too; after 50 ms of silence there is a
    spike. To them come others at 10 Hz.
    """
    top, silence, step = 90.0, 0.05, 1e-3
    rate, last = rng.uniform(0, top, n), -rng.uniform(0, silence, n)
    fastest = top / silence
    speed = rng.uniform(-fastest, fastest, n)
    neurons, times = [], []
    for now in step * np.arange(1, round(seconds / step)):
        draws = rng.random((5, n))
        spiking = np.flatnonzero((draws[0] < step * rate) | (now - last > silence))
        last[spiking] = now - step * draws[1, spiking]
        noise = np.flatnonzero(draws[2] < step * 10)
        neurons += [spiking, noise]
        times += [last[spiking], now - step * draws[4, noise]]
        rate += step * speed
        speed = np.clip(speed + 0.2 * fastest * (2 * draws[3] - 1), -fastest, fastest)
        rate = np.clip(rate, 0, top)
    return np.concatenate(neurons), np.concatenate(times)


def with_pattern(n: int, seconds: float, seed: int = 1) -> tuple[SpikeTrains, np.ndarray]:
    """Make the spikes of `n` afferents; return them and when the pattern begins, in s.

    It is what the first half of them does in the first place drawn for it. Times of 50 ms with it
    are never neighbours.
    """
    rng = np.random.default_rng(seed)
    neurons, times = background(n, seconds, rng)
    slots = round(seconds / PATTERN)
    chosen = np.zeros(slots + 2, bool)
    while chosen.sum() < int(slots * FRACTION):
        slot = rng.integers(1, slots + 1)
        chosen[slot] |= not chosen[slot - 1 : slot + 2].any()
    begins = PATTERN * np.flatnonzero(chosen[1:-1])
    in_pattern = neurons < n // 2
    slot = np.minimum((times / PATTERN).astype(int), slots - 1)
    first = in_pattern & (slot == round(begins[0] / PATTERN))
    members, offsets = neurons[first], times[first] - begins[0]
    kept = ~(in_pattern & chosen[1:-1][slot])
    pasted = begins[:, None] + offsets + rng.normal(0, 1e-3, (len(begins), len(offsets)))
    neurons = np.concatenate([neurons[kept], np.tile(members, len(begins))])
    steps = np.rint(1e4 * np.concatenate([times[kept], pasted.ravel()])).astype(np.int64)
    within = (steps >= 0) & (steps < round(1e4 * seconds))
    order = np.sort(n * steps[within] + neurons[within])
    steps, neurons = divmod(order[np.diff(order, prepend=-1) > 0], n)  # one a step at most
    return SpikeTrains(neurons, 1e-4 * steps * second), begins


@dataclass(frozen=True)
class Found(Observer):
    """How the neuron responds to the pattern in the last third of a run.

    Parameters
    ----------
    begins : tuple of float
        When the pattern begins, in s.
    """

    begins: tuple[float, ...] = ()
    name = "found"
    metrics = (
        Metric("observed", "found_hits", "fraction", "of patterns with a spike in the last third"),
        Metric("observed", "found_false_alarms", "1", "spikes outside of it in the last third"),
        Metric("observed", "found_latency_ms", "ms", "of spikes from the begin of the pattern"),
        Metric("observed", "found_rate_first_hz", "Hz", "rate in the first second"),
        Metric("observed", "found_rate_last_hz", "Hz", "rate in the last third"),
        Metric("observed", "found_last_alarm_s", "s", "last spike outside of the pattern"),
        Metric("observed", "found_spikes", "1", "spikes until then"),
        Metric("observed", "found_strong", "1", "weights above 0.9 from afferents in the pattern"),
        Metric("observed", "found_strong_others", "1", "weights above 0.9 from all others"),
    )

    def measure(self, seen):
        """Sort spikes into those in the pattern and all others."""
        begins, seconds = np.array(self.begins), float(seen.recorder.ran.sum() * seen.dt)
        t = seen.recorder.arrays()["spikes/neuron"][:, 0] * seen.dt
        which = np.searchsorted(begins, t + 1e-9, side="right") - 1
        since = np.where(which >= 0, t - begins[np.maximum(which, 0)], np.inf)
        out = since > PATTERN
        last, shown = t >= 2 * seconds / 3, np.flatnonzero(begins >= 2 * seconds / 3)
        alarms = np.flatnonzero(out)
        strong = seen.state.weights("weights") > 0.9
        half = len(strong) // 2
        return {
            "found_hits": float(np.isin(shown, which[~out]).mean()),
            "found_false_alarms": int((last & out).sum()),
            "found_latency_ms": float(1e3 * since[last & ~out].mean()) if last.any() else None,
            "found_rate_first_hz": int((t < 1).sum()),
            "found_rate_last_hz": float(last.sum() / (seconds / 3)),
            "found_last_alarm_s": float(t[alarms[-1]]) if len(alarms) else None,
            "found_spikes": int(alarms[-1]) + 1 if len(alarms) else 0,
            "found_strong": int(strong[:half].sum()),
            "found_strong_others": int(strong[half:].sum()),
        }


def finding(
    n: int, seconds: float, *, times: int = 1, seed: int = 1, name="masquelier"
) -> Protocol:
    """Make the protocol of `n` afferents whose spikes last for some seconds, some times over."""
    trains, begins = with_pattern(n, seconds, seed)
    again = (begins + seconds * np.arange(times)[:, None]).ravel()
    return Protocol(
        name=name,
        description="Masquelier et al. 2008: a neuron finds a pattern of spikes that repeats",
        network=afferents(n),
        schedule=Timeline(
            periods=(awake(seconds * second, inputs={"afferents": trains}),), times=times
        ),
        record=Record(spikes=("neuron",), observers=(Found(begins=tuple(again.tolist())),)),
        references=("doi:10.1371/journal.pone.0001377",),
    )


FIGURE = "histograms"

CONDITIONS = (
    Condition(name="each spike once"),
    Condition(
        name="again and again", changes={"network.projections.weights.rules.once": STDP_AGAIN}
    ),
)


@cache
def _made(name: str) -> Protocol:
    if name == "PROTOCOL":
        return finding(2000, 45)
    return finding(2000, 150, times=3, name="masquelier, as published")


def __getattr__(name: str) -> Protocol:
    if name not in ("PROTOCOL", "FULL"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return _made(name)
