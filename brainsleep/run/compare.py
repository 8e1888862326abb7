"""Run a protocol under several conditions that differ in nothing else, and tabulate them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..backends.base import default_backend
from ..errors import ProtocolError, SimulationError, explain, nearest
from ..experiment.protocol import Protocol
from ..results.names import Name, as_given, write_names
from ..results.store import Result
from ..tasks.images.datasets import load_dataset, split
from ..tasks.images.presentation import measure_rate
from ..tasks.images.task import images_of
from ..values.fields import specification
from .progress import ProgressCallback, usual
from .simulate import simulate
from .state import stream

if TYPE_CHECKING:
    import pandas

EMPTY: Mapping[str, Any] = MappingProxyType({})

#: Images a rate is matched on, octaves searched either way, and steps of the bisection.
MATCH_IMAGES, MATCH_OCTAVES, MATCH_STEPS = 100, 6, 8


@specification("condition '{name}': ", ProtocolError)
class Condition:
    """One row of a comparison.

    Parameters
    ----------
    name : str
        Label in tables and figures.
    changes : mapping of str to object
        What differs from the protocol, by key (see `Protocol.override`).
    match_rate : str
        Name of an earlier condition: before the run, the number at `scale` is chosen so that
        this untrained network responds at the test rate of that condition.
    scale : str
        Key of the number to scale, for example an initial weight.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    match_rate: str = ""
    scale: str = ""

    def __post_init__(self):
        if bool(self.match_rate) != bool(self.scale):
            raise ProtocolError(
                f"condition '{self.name}': match_rate and scale go together: which condition's "
                "rate to match, and the key of the number to scale"
            )


def compare(
    protocol: Protocol,
    conditions: Sequence[Condition],
    *,
    seed: int = 0,
    backend: str | None = None,
    out: str | Path = "results",
    force: bool = False,
    given: Mapping[str, Any] = EMPTY,
    progress: Callable[[str], ProgressCallback] = usual,
) -> dict[str, Result]:
    """Run `protocol` under every condition, with the same seed and data.

    Parameters
    ----------
    protocol : Protocol
        What is common to all.
    conditions : sequence of Condition
        What differs.
    seed, backend, out, force
        As in `brainsleep.run.simulate.simulate`.
    given : mapping of str to object
        What was changed of the protocol before, to be written down beside the names of conditions.
    progress : callable
        Given the name of a condition, returns the progress function of its run; by default bars in
        a notebook, and nothing elsewhere.

    Returns
    -------
    dict of str to Result
        By name of condition, in order.

    Raises
    ------
    ProtocolError
        If a condition's keys do not exist or it matches a condition that is not before it.
    """
    backend = backend or default_backend(protocol.network)
    changed = {c.name: protocol.override(c.changes) for c in conditions}  # all checked first
    for condition in conditions:
        if condition.match_rate:
            value_at(changed[condition.name], condition.scale)
    results: dict[str, Result] = {}
    for condition in conditions:
        each, report = changed[condition.name], progress(condition.name)
        if like := condition.match_rate:
            if like not in results:
                raise ProtocolError(
                    f"condition '{condition.name}': match_rate: no earlier condition '{like}'; "
                    f"{nearest(like, results)}"
                )
            target = test_rate(results[like], images_of(each)[0].readout.population)
            report(0, 1, "matching the rate")
            each = match_rate(each, condition.scale, target, seed=seed, backend=backend)
        results[condition.name] = simulate(
            each, seed=seed, backend=backend, out=out, force=force, progress=report
        )
    names = {}
    for condition in conditions:
        changes = {k: as_given(v) for k, v in {**given, **condition.changes}.items()}
        names[results[condition.name].run_id] = Name(protocol.name, condition.name, {}, changes)
    write_names(Path(out), names)
    return results


def test_rate(result: Result, population: str) -> float:
    """Return the test rate in Hz of a population in a stored run; `SimulationError` without."""
    rate = result.metrics.get(f"rate_test_{population}_hz")
    if rate is None:
        why, fix = "it has no test images", "match another condition, or set data.n_test above 0"
        if result.stopped:
            why, fix = result.stopped["text"], "match another condition, or let it run to its end"
        raise SimulationError(
            f"matching the rate of run {result.info['run_id']}: it has no test rate of "
            f"'{population}' ({why}); {fix}"
        )
    return rate


test_rate.__test__ = False  # type: ignore[attr-defined]  # not a test of pytest's


def match_rate(protocol: Protocol, key: str, target: float, *, seed: int, backend: str) -> Protocol:
    """Scale the number at `key` until the untrained network's test rate is `target` Hz.

    Bisection on the logarithm of the factor, on training images held out for the readout; a rate
    that no factor in range reaches is a `SimulationError`.
    """
    data = images_of(protocol)[0].data
    dataset = load_dataset(data.source, data.root or None)
    images = split(
        dataset, data.n_train, data.n_readout, data.n_test, stream(seed, "data"), data.split_seed
    ).readout.images[:MATCH_IMAGES]
    start = value_at(protocol, key)

    def changed(exponent: float) -> Protocol:
        return protocol.override({key: start * 2.0**exponent})

    def rate(exponent: float) -> float:
        return measure_rate(changed(exponent), seed, backend, images)

    low = high = 0.0  # bracket the target by doubling or halving, then bisect
    step = 1.0 if rate(0.0) < target else -1.0
    while (rate(high) < target) if step > 0 else (rate(low) > target):
        low, high = (high, high + step) if step > 0 else (low + step, low)
        if max(-low, high) > MATCH_OCTAVES:
            raise SimulationError(
                f"matching the rate by {key}: {target:.3g} Hz is out of reach within a factor of "
                f"{2**MATCH_OCTAVES}; match another condition or scale another number"
            )
    for _ in range(MATCH_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) < target else (low, middle)
    return changed((low + high) / 2)


def value_at(protocol: Protocol, key: str) -> float:
    """Return the number at `key`, which is to be scaled.

    If it is none, or has no effect since the weights that it draws come from a result, that is a
    `ProtocolError`.
    """
    if protocol.start.replaces(key):
        raise ProtocolError(
            f"key to scale '{key}': has no effect, since these synapses come from "
            f"{protocol.start.result}; scale another number, or leave the projection out "
            "of saved_weights.projections"
        )
    value: Any = protocol.settings
    for head in key.split("."):
        if isinstance(value, tuple):
            value = next((part for part in value if part.name == head), None)
        elif isinstance(value, Mapping):
            value = value.get(head)
        else:
            value = getattr(value, head, None)
    if not isinstance(value, int | float):
        raise ProtocolError(explain(f"key to scale '{key}'", repr(value), "the key of one number"))
    return float(value)


#: Columns of the table: heading, metric, factor, digits.
_COLUMNS = (
    ("correct %", "network_accuracy", 100, 1),
    ("95 % interval", "network_interval", 100, 1),
    ("raw pixels", "pixels_accuracy", 100, 1),
    ("satur. %", "saturated", 100, 1),
    ("max w", "largest_weight", 1, 2),
    ("sum w/start", "growth", 1, 2),
    ("E Hz wake", "rate_wake_e_hz", 1, 1),
    ("E Hz test", "rate_test_e_hz", 1, 1),
)


def table(results: Mapping[str, Result]) -> pandas.DataFrame:
    """Tabulate the main metrics, one row a condition, as text that is ready to be printed."""
    import pandas  # slow to import, and only this needs it

    rows = []
    for name, result in results.items():
        row = {"condition": name}
        for heading, metric, factor, digits in _COLUMNS:
            value = result.metrics.get(metric)
            values = value if isinstance(value, list) else [] if value is None else [value]
            row[heading] = "-".join(f"{factor * v:.{digits}f}" for v in values) or "-"
        rows.append(row)
    return pandas.DataFrame(rows)
