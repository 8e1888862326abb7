"""Events of neurons besides spikes: what happens to those for which a condition holds."""

from __future__ import annotations

from typing import Annotated

from ..values.fields import one_of, specification, text, whole
from .equations import checks
from .regular import WHENS

#: Where statements of an event can come: what is earlier would be of that in the step before.
_WHENS = WHENS[WHENS.index("before_synapses") :]

#: The event that a threshold, or spike trains, say.
SPIKE = "spike"


@specification("event '{name}': ")
class Event:
    """What happens to a neuron in every time step in which a condition holds.

    Synapses can react to it (`Pathway.event`), and it can be recorded (`Record.events`). That a
    neuron is refractory after a spike keeps it from spikes alone, and from no other event.

    Parameters
    ----------
    name : str
        Lower-case name, other than ``"spike"``.
    condition : str
        When it happens. It is looked at in every time step after the threshold, before synapses act
        and spikes reset.
    code : str
        Statements carried out for every neuron to which it happens.
    when : str
        Where the statements come within a time step, as of `Regular`; after it is looked at, so
        from ``"before_synapses"`` on.
    order : int
        Where they come among what has the same place, as in Brian2.
    """

    name: Annotated[str, checks.name("event", SPIKE)]
    condition: Annotated[str, text]
    code: Annotated[str, text] = ""
    when: Annotated[str, one_of(*_WHENS)] = "after_resets"
    order: Annotated[int, whole(-1000, 1000)] = 0
