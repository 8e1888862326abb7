"""Energy of counted operations: what a spiking network would take on a chip, as an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DataError, explain


@dataclass(frozen=True)
class EnergyCosts:
    """What each operation takes, in pJ.

    Parameters
    ----------
    accumulate : float
        A synaptic operation that adds a weight: a spike at a synapse.
    multiply_accumulate : float
        One that multiplies a weight by a number first.
    neuron_update : float
        A time step of a neuron.
    plasticity_update : float
        A time that plasticity or a weight process looks after a synapse.
    source : str
        Where the numbers come from.
    """

    accumulate: float
    multiply_accumulate: float
    neuron_update: float
    plasticity_update: float
    source: str = ""


#: Loihi, 14 nm, before silicon: the chip for which one source has all that is counted but
#: multiplications, which it does not do; one counts as a synaptic operation. A neuron update is
#: that of an active neuron; one at rest takes 52 pJ.
LOIHI = EnergyCosts(
    accumulate=23.6,
    multiply_accumulate=23.6,
    neuron_update=81.0,
    plasticity_update=120.0,
    source="Davies et al. (2018), doi:10.1109/MM.2018.112130359, table 2",
)

#: Arithmetic alone in 45 nm, 32-bit floating point, without the memory that is read, which takes
#: more. Neuron and plasticity updates count as one multiplication and addition each: that is an
#: assumption.
CMOS_45NM = EnergyCosts(
    accumulate=0.9,
    multiply_accumulate=4.6,
    neuron_update=4.6,
    plasticity_update=4.6,
    source="Horowitz (2014), doi:10.1109/ISSCC.2014.6757323",
)

#: What each operation is called in the metrics of a result, before its phase.
OPERATIONS = {
    "effective_acs": "accumulate",
    "effective_macs": "multiply_accumulate",
    "neuron_updates": "neuron_update",
    "plasticity_updates": "plasticity_update",
}


def energy(metrics: Mapping[str, Any], phase: str, costs: EnergyCosts = LOIHI) -> float | None:
    """Return what a phase of a run took, in J; None where not all was counted.

    Parameters
    ----------
    metrics : mapping
        Of a result.
    phase : {"wake", "sleep", "test"}
        Which phase.
    costs : EnergyCosts
        What each operation takes.

    Examples
    --------
    >>> counts = {"effective_acs_sleep": 1000, "effective_macs_sleep": 0}
    >>> counts |= {"neuron_updates_sleep": 100, "plasticity_updates_sleep": 10}
    >>> round(energy(counts, "sleep") * 1e12), round(energy(counts, "sleep", CMOS_45NM) * 1e12)
    (32900, 1406)
    """
    names = {f"{operation}_{phase}": cost for operation, cost in OPERATIONS.items()}
    if missing := sorted(names.keys() - metrics.keys()):
        allowed = "the metrics of a result, and a phase that it has"
        raise DataError(explain("energy", f"no {missing[0]}", allowed))
    if any(metrics[name] is None for name in names):
        return None
    return 1e-12 * float(sum(metrics[name] * getattr(costs, cost) for name, cost in names.items()))
