"""Events that a segment records, spikes among them, with values of variables of the neuron."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Noted:
    """Events of one kind, in the order in which they were."""

    #: Step (from the start of the segment) and neuron of each.
    steps: np.ndarray
    neurons: np.ndarray
    #: Values of variables of the neuron then, in SI units, before what the event does.
    values: dict[str, np.ndarray]
