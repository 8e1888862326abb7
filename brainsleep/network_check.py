"""Whether the parts of a network fit together: the final code of each against what it joins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from . import checks, mistakes
from .spec import NetworkSpec


def check_network(spec: NetworkSpec) -> None:
    """Check every final equation and statement of `spec` against the populations it joins.

    Raises
    ------
    SpecError
        For an undefined name, inconsistent units, or an activity that is stated for another time
        step, naming the part it is in.
    """
    for population in spec.populations:
        for drive in population.activities:
            with mistakes.going_on():
                drive.check_step(spec.dt, f"population '{population.name}'")
    plan = _sound(spec).plan
    groups, may_set = {}, {}
    for group in plan.groups:
        where = f"population '{group.name}'"
        groups[group.name] = checks.parse_equations(group.equations, where)
        may_set[group.name] = {name for name in group.state if name != "lastspike"}
        known = checks.variables_of(groups[group.name])
        for activity in group.activities:
            label = f"{where}: activity '{activity.gate}'"
            with mistakes.going_on():
                checks.check_statements(activity.code, known, label, writes=may_set[group.name])
    for synapse in plan.synapses:
        where = f"projection '{synapse.name}'"
        known = {
            **checks.variables_of(checks.parse_equations(synapse.equations, where)),
            **checks.variables_of(groups[synapse.source], "_pre"),
            **checks.variables_of(groups[synapse.target], "_post"),
        }
        writes = {"w", *(f"{name}_post" for name in may_set[synapse.target])}
        codes = {label: (getattr(synapse, label), writes) for label in ("on_pre", "on_post")}
        for process in synapse.processes:
            for label in ("on_onset", "on_update"):
                code = getattr(process, label)
                codes[f"{process.name}: {label}"] = code, set(synapse.state)
        for label, (code, may) in codes.items():
            with mistakes.going_on():
                checks.check_statements(
                    code, known, f"{where}: {label}", writes=may, meant=partial(_other_end, known)
                )


def _other_end(known: Iterable[str], name: str) -> str:
    """Name the trace of a rule that is read from the neuron at the wrong end."""
    stem, _, end = name.rpartition("_")
    other = {"pre": "post", "post": "pre"}.get(end)
    is_trace = any(each.endswith(f"_{other}_{stem}_{other}") for each in known)
    return f"did you mean '{stem}_{other}'?" if other and is_trace else ""


def _sound(spec: NetworkSpec) -> NetworkSpec:
    """Return `spec` without the parts in which mistakes were noted; itself if there are none."""

    def keep(parts: tuple) -> tuple:
        return tuple(part for part in parts if not mistakes.is_faulty(part))

    populations = {p.name: p for p in keep(spec.populations) if keep((p.model,))}
    projections = [
        replace(p, rules=keep(p.rules), processes=keep(p.processes))
        for p in keep(spec.projections)
        if keep((p.synapse,)) and {p.source, p.target} <= set(populations)
    ]
    left = [replace(p, activities=keep(p.activities)) for p in populations.values()]
    if left == list(spec.populations) and projections == list(spec.projections):
        return spec
    part = object.__new__(NetworkSpec)  # not checked as a whole: it lacks what was left out
    part.__dict__.update(spec.__dict__, populations=tuple(left), projections=tuple(projections))
    return part
