"""Code that runs at regular times, at a place within a time step that is said, and not by gates."""

from __future__ import annotations

from typing import Annotated

from brian2 import Quantity, second

from ..errors import SpecError, explain
from ..values.fields import Time, one_of, specification, text, whole
from .equations import checks

#: Places within a time step, in their order: what they are called in Brian2's schedule.
PLACES = ("start", "groups", "thresholds", "synapses", "resets", "end")
WHENS = tuple(f"{end}{place}" for place in PLACES for end in ("before_", "", "after_"))


@specification("regular code '{name}': ")
class Regular:
    """Statements at regular times, for every neuron or synapse, whatever the gates.

    Parameters
    ----------
    name : str
        Lower-case name.
    code : str
        The statements, which may use and set what `on_step` of the same model may.
    every : Quantity or None
        Time between them, a multiple of the time step of the network, from the start of the run
        on; None for every time step.
    when : str
        Where they come within a time step, as in Brian2: ``"start"``, ``"groups"`` (integration),
        ``"thresholds"``, ``"synapses"``, ``"resets"``, ``"end"``, each also with ``before_`` or
        ``after_``.
    order : int
        Where they come among what has the same place, as in Brian2.
    """

    name: Annotated[str, checks.name("regular code")]
    code: Annotated[str, text]
    every: Time | None = None
    when: Annotated[str, one_of(*WHENS)] = "start"
    order: Annotated[int, whole(-1000, 1000)] = 0


def steps_of(every: Quantity | None, dt: Quantity, where: str) -> int:
    """Return a period in time steps; raise `SpecError` if it is not a whole number of them."""
    if every is None:
        return 1
    steps = float(every / dt)
    if round(steps) < 1 or abs(steps - round(steps)) > 1e-6 * steps:
        allowed = f"a multiple of the time step, {dt}"
        raise SpecError(explain(where, every, allowed, "choose another dt or period"))
    return round(steps)


def period(steps: int, dt: Quantity) -> Quantity:
    """Return some time steps as a time."""
    return steps * float(dt) * second
