"""The final source of every object of a network, as `show`, `diff` and reports have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any, NamedTuple

from ..network.events import SPIKE
from .facts import text


class Source(NamedTuple):
    """Name of an object, what it is, its code in the order in which it is carried out."""

    name: str
    about: str
    code: dict[str, str]
    values: Mapping[str, Mapping[str, Any]] = {}

    @property
    def title(self) -> str:
        """Name, and what it is."""
        return f"{self.name} ({self.about})" if self.about else self.name

    @property
    def listing(self) -> str:
        """All of it as text; values as lines that can be typed."""
        values = {
            label: "\n".join(f"{k} = {text(v)}" for k, v in each.items()).replace("−", "-")
            for label, each in self.values.items()
        }
        return listing(self.code | values)


def listing(code: Mapping[str, str]) -> str:
    """Return pieces of code as text, each indented below what it is."""
    return "\n".join(f"{label}:\n{indent(part, '    ')}" for label, part in code.items() if part)


def sources(equations: Mapping[str, Any]) -> Iterator[Source]:
    """Yield every object of a network from its final source as plain data."""
    for name, code in equations.get("populations", {}).items():  # of layers
        yield Source(f"population {name}", "", {"every step": str(code)})
    for part in equations.get("groups", ()):
        name, about = f"population {part['name']}", f"{part['size']} neurons"
        yield Source(name, about, _code(part), {k: part[k] for k in ("parameters", "initial")})
    for part in equations.get("synapses", ()):
        name, about = f"projection {part['name']}", f"{part['source']} to {part['target']}"
        periods = {f"period of {p['name']}": p["period"] for p in part["processes"]}
        values = {"parameters": part["parameters"] | periods}
        values |= {"initial": part["initial"]} if part.get("initial") else {}
        yield Source(name, about, _code(part), values)
    if "wake" in equations:
        how = {"awake": str(equations["wake"]), "who sleeps": str(equations["sleep"])}
        yield Source("learning", "", how)


def _code(part: Mapping[str, Any]) -> dict[str, str]:
    get = part.get
    declared = part["equations"].splitlines()  # parameters are listed with their values
    code = {
        "equations": "\n".join(line for line in declared if "(shared, constant)" not in line),
        "method": get("method"),
        "at the start of a slot": get("on_slot"),
        **{f"every step, gate {a['gate']} open": a["code"] for a in get("activities", ())},
        "every step": get("on_step"),
        "threshold": get("threshold"),
        "spikes": "at the times that spike trains say" if get("spike_trains") else "",
        "spike, before synapses act": get("on_spike"),
        "refractory": get("refractory"),
        "reset": get("reset"),
        **{f"event {each['name']} when": each["condition"] for each in get("events", ())},
        **{f"after event {each['name']}": each["code"] for each in get("events", ())},
        "presynaptic spike": get("on_pre"),
        "postsynaptic spike": get("on_post"),
    }
    for name, function in (get("functions") or {}).items():
        code[f"function {name}, in Python"] = function["python"]
        code[f"function {name}, in C++"] = function["cpp"]
    for path in get("pathways", ()):
        event = path.get("event", SPIKE)
        code[f"{path['end']}synaptic {event}, pathway {path['name']}"] = path["code"]
    for step in get("steps", ()):
        name = f"{step['name']}, gate {step['gate']} open" if step["gate"] else step["name"]
        code[f"every step, {name}: equations, by {step['method']}"] = step["equations"]
        code[f"every step, {name}"] = step["code"]
    for process in get("processes", ()):
        name = process["name"]
        for each in process["sums"]:
            code[f"sum over synapses into {each['variable']}"] = each["expression"]
        code[f"when gate {name} opens"] = process["on_onset"]
        code[f"every period, gate {name} open"] = process["on_update"]
    return {label: each for label, each in code.items() if each}
