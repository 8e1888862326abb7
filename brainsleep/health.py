"""What is wrong in a stored result: alarms given in the run, and what its metrics show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .alarms import Alarms
from .store import Result

#: Limits that the metrics of a result are held against; the first two as while a run is under way.
SATURATED = Alarms().saturation  # fraction of a projection's weights at the upper hard bound
RUNAWAY_HZ = float(Alarms().runaway)  # mean rate of a population awake or in the test
SILENT = 0.75  # fraction of the readout population without a spike in the test
GROWN = 10.0  # summed weight of plastic projections over their start

#: The limits in words.
LIMITS = (
    f"{100 * SATURATED:g} % of a projection's weights at the upper hard bound, a mean rate of "
    f"{RUNAWAY_HZ:g} Hz awake or in the test, {100 * SILENT:g} % of the readout population silent "
    f"in the test, summed weight {GROWN:g} times its start, values that are not numbers"
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    kind : str
        "saturation", "silence", "runaway" or "nan".
    where : str
        Population or projection.
    text : str
        A sentence with the value and the limit.
    when : str
        Time in the run, or "" for what was found in the metrics.
    """

    kind: str
    where: str
    text: str
    when: str = ""


def alarms(result: Result) -> list[Finding]:
    """Return the alarms stored with a result, then what only its metrics show."""
    stored = [Finding(str(a["kind"]), str(a["where"]), _said(a), _when(a)) for a in result.alarms]
    known = {(each.kind, each.where) for each in stored}
    found = [each for each in _in_metrics(result) if (each.kind, each.where) not in known]
    return stored + found


def _said(alarm: Mapping[str, Any]) -> str:
    return str(alarm["text"]).removeprefix(f"{alarm['kind']}: ")  # which stands before it


def _when(alarm: Mapping[str, Any]) -> str:
    until = alarm.get("until_s")
    return f"from {alarm['time_s']:.4g} s " + ("on" if until is None else f"to {until:.4g} s")


def _in_metrics(result: Result) -> Iterator[Finding]:
    metrics, protocol = result.metrics, result.info["protocol"]
    yield from _saturated(metrics, protocol["network"])
    yield from _rates(metrics, protocol["network"])
    yield from _silent(metrics, str(protocol["readout"]["population"]))
    growth = metrics.get("growth")
    if growth is not None and growth > GROWN:
        said = f"summed weight {growth:.3g} times its start (limit {GROWN:g} times)"
        yield Finding("runaway", "plastic projections", said)
    for name, value in metrics.items():
        if isinstance(value, float) and not abs(value) < float("inf"):
            yield Finding("nan", name, f"metric {name} is {value}")


def _saturated(metrics: Mapping[str, Any], network: Mapping[str, Any]) -> Iterator[Finding]:
    for p in network["projections"]:
        fraction = metrics.get(f"saturated_{p['name']}")
        if fraction is not None and fraction > SATURATED:
            yield Finding(
                "saturation",
                p["name"],
                f"{100 * fraction:.3g} % of the weights of {p['name']} end at their upper hard "
                f"bound, {p['w_max']:g} (limit {100 * SATURATED:g} %)",
            )


def _rates(metrics: Mapping[str, Any], network: Mapping[str, Any]) -> Iterator[Finding]:
    given = network.get("input") or network["populations"][0]["name"]
    for p in network["populations"]:
        if p["name"] == given:
            continue
        for phase in ("wake", "test"):  # what drives it in sleep is meant to
            rate = metrics.get(f"rate_{phase}_{p['name']}_hz")
            if rate is not None and rate > RUNAWAY_HZ:
                said = f"{p['name']} fires at {rate:.4g} Hz on average in {phase}"
                yield Finding("runaway", p["name"], f"{said} (limit {RUNAWAY_HZ:g} Hz)")
                break


def _silent(metrics: Mapping[str, Any], population: str) -> Iterator[Finding]:
    fraction = metrics.get(f"silent_{population}")
    if fraction is not None and fraction > SILENT:
        yield Finding(
            "silence",
            population,
            f"{100 * fraction:.3g} % of the neurons of {population} never spike in the test "
            f"(limit {100 * SILENT:g} %)",
        )
