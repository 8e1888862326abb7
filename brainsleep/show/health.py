"""What is wrong in a stored result: alarms given in the run, and what its metrics show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import ProtocolError
from ..results.result import Result
from ..run.observers.alarms import Alarms
from .facts import looked_at

#: Limits that the metrics of a result are held against, besides those of the run's own alarms.
SILENT = 0.75  # fraction of the readout population without a spike in the test
GROWN = 10.0  # summed weight of plastic projections over their start


class Symptom(NamedTuple):
    """One thing that is wrong: in a sentence, and in which time of the run if that is known."""

    kind: str
    where: str
    text: str
    when: str = ""


def alarms(result: Result) -> list[Symptom]:
    """Return the alarms stored with a result, then what only its metrics show."""
    return [*stored(result), *_in_metrics(result)]


def stored(result: Result) -> list[Symptom]:
    """Return the alarms that were given while a result was made."""
    given = []
    for alarm in result.alarms:
        kind, until = str(alarm["kind"]), alarm.get("until_s")
        end = "on" if until is None else f"to {until:.4g} s"
        text = str(alarm["text"]).removeprefix(f"{kind}: ")  # which stands before it
        time = f"from {alarm['time_s']:.4g} s {end}"
        given.append(Symptom(kind, str(alarm["where"]), text, time))
    return given


def limits(result: Result) -> str:
    """Return in words what the metrics of a result are held against."""
    own = _limits(result)
    return (
        f"{100 * own.saturation:g} % of a projection's weights at the upper hard bound, a mean "
        f"rate of {float(own.runaway):g} Hz awake or in the test, {100 * SILENT:g} % of the "
        f"readout population silent in the test, summed weight {GROWN:g} times its start, values "
        "that are not numbers"
    )


def _limits(result: Result) -> Alarms:
    """Return the limits of a run's alarms: as usual if it is of before there were any."""
    given = result.stored_protocol.record.alarms
    try:
        return Alarms(saturation=given.saturation, runaway=given.runaway)
    except ProtocolError:  # written by hand
        return Alarms()


def _in_metrics(result: Result) -> Iterator[Symptom]:
    metrics, own, population = result.metrics, _limits(result), looked_at(result)
    yield from _saturated(result, own.saturation)
    yield from _rates(result, float(own.runaway))
    silent = metrics.get(f"silent_{population}")
    if silent is not None and silent > SILENT:
        said = f"{100 * silent:.3g} % of the neurons of {population} never spike in the test"
        yield Symptom("silence", population, f"{said} (limit {100 * SILENT:g} %)")
    growth = metrics.get("growth")
    if growth is not None and growth > GROWN:
        said = f"summed weight {growth:.3g} times its start (limit {GROWN:g} times)"
        yield Symptom("runaway", "plastic projections", said)
    for name, value in metrics.items():
        if isinstance(value, float) and not abs(value) < float("inf"):
            yield Symptom("nan", name, f"metric {name} is {value}")


def _saturated(result: Result, limit: float) -> Iterator[Symptom]:
    """Find projections saturated at the end, unless an alarm that was still on says so."""
    stored = (a for a in result.alarms if a["kind"] == "saturation")
    on = {a["where"] for a in stored if a.get("until_s") is None}
    for p in result.stored_protocol.network.projections:
        share = result.metrics.get(f"saturated_{p.name}")
        if share is not None and share > limit and p.name not in on:
            said = f"{100 * share:.3g} % of the weights of {p.name} end at their upper hard bound"
            yield Symptom("saturation", p.name, f"{said}, {p.w_max:g} (limit {100 * limit:g} %)")


def _rates(result: Result, limit: float) -> Iterator[Symptom]:
    """Find rates that are too high; an alarm, which is of the time awake, says that of wake."""
    network = result.stored_protocol.network
    said = {("wake", a["where"]) for a in result.alarms if a["kind"] == "runaway"}
    for p in network.populations:
        for phase in ("wake", "test"):  # what drives it in sleep is meant to
            rate = result.metrics.get(f"rate_{phase}_{p.name}_hz")
            new = p.name not in network.sources and (phase, p.name) not in said
            if new and rate is not None and rate > limit:
                how = f"{p.name} fires at {rate:.4g} Hz on average in {phase}"
                yield Symptom("runaway", p.name, f"{how} (limit {limit:g} Hz)")
