"""Variables of synapses that are always the same at all synapses of a presynaptic neuron.

Such is the trace of presynaptic spikes that arrive everywhere at the same time. A C++ program keeps
each once a neuron.
"""

from __future__ import annotations

from ...network.equations import checks, settle
from ...network.events import SPIKE
from ...network.plan import SynapsePlan

#: What code may call that gives the same for the same.
_CALLS = {"exp", "log", "sqrt", "abs", "clip", "int"}


def alike(plan: SynapsePlan) -> tuple[dict[str, str], set[str]]:
    """Return code of pathways that change only such variables, by their names, and the variables.

    They stay the same for all synapses of a neuron if they are at the start.
    """
    delayed_apart = {delay.pathway for delay in plan.delays if delay.each}
    pathways = {f"path_{path.name}": path.code for path in plan.pathways}
    once = {
        name: pathways[name]
        for path in plan.pathways
        if (name := f"path_{path.name}") not in delayed_apart
        and path.end == "pre"
        and path.event == SPIKE
    }
    others = [plan.on_pre, plan.on_post, *(s.code for s in plan.steps)]
    others += [each.code for each in plan.regular]
    others += [code for process in plan.processes for code in (process.on_onset, process.on_update)]
    while once:
        rest = [*others, *(code for name, code in pathways.items() if name not in once)]
        names = {name for code in once.values() for name in _set_by(code)}
        names -= {name for code in rest for name in _set_by(code)}
        fit = {name: code for name, code in once.items() if _is_alike(code, names, plan)}
        if fit == once:
            return once, names & set(plan.state)
        once = fit
    return {}, set()


def _set_by(code: str) -> set[str]:
    return {name for name, _, _ in settle.read(code) or ()}


def _is_alike(code: str, names: set[str], plan: SynapsePlan) -> bool:
    """Tell whether code sets `names` only, by these and by what all synapses share."""
    read = settle.read(code)
    shared = {*plan.parameters, "t", "dt", *_CALLS} - set(plan.constants)
    given = checks.identifiers(*(value for _, _, value in read or ()))
    return read is not None and _set_by(code) <= names and given <= shared | names
