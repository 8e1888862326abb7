"""Variables of synapses that are always the same at all synapses of a presynaptic neuron.

Such is the trace of presynaptic spikes that arrive everywhere at the same time. A C++ program keeps
each once a neuron.
"""

from __future__ import annotations

from ...network.equations import checks, settle
from ...network.events import SPIKE
from ...network.plan import SynapsePlan, set_by

#: What code may call that gives the same for the same.
_CALLS = {"exp", "log", "sqrt", "abs", "clip", "int"}


def alike(plan: SynapsePlan) -> tuple[set[str], set[str]]:
    """Return the names of pathways that change only such variables, and these variables.

    They stay the same for all synapses of a neuron if they are at the start.
    """
    delayed_apart = {delay.pathway for delay in plan.delays if delay.each}
    once = {
        name: path.code
        for path in plan.pathways
        if (name := f"path_{path.name}") not in delayed_apart
        and path.end == "pre"
        and path.event == SPIKE
    }
    while once:
        rest = list(plan.codes)
        for code in once.values():
            rest.remove(code)
        names = set_by(once.values()) - set_by(rest)
        fit = {name: code for name, code in once.items() if _is_alike(code, names, plan)}
        if fit == once:
            return set(once), names & set(plan.state)
        once = fit
    return set(), set()


def _is_alike(code: str, names: set[str], plan: SynapsePlan) -> bool:
    """Tell whether code sets `names` only, by these and by what all synapses share."""
    read = settle.read(code)
    shared = {*plan.parameters, "t", "dt", *_CALLS} - set(plan.constants)
    given = checks.identifiers(*(value for _, _, value in read or ()))
    return read is not None and set_by([code]) <= names and given <= shared | names
