"""Plasticity by spikes at the same time, sample by sample (Tian et al. 2025).

SSDP looks at both neurons of a synapse once a sample. If both have spiked, the synapse grows with
how close in time they did; else it shrinks a little. With `lag` between their spikes::

    w changes by  (a_plus if both spiked, else -a_base)*exp(-lag**2/(2*sigma**2))

As in the authors' program, what counts is the last spike of each neuron in the sample, which the
paper calls the first, and a silent neuron counts as if it had spiked when the sample began. So two
silent neurons have a lag of 0, and their synapse shrinks most. There it is added to what
backpropagation does, averaged over a batch; here it is a rule by itself, for batches of one.
"""

import dataclasses

from brian2 import ms

from brainsleep import WeightProcess
from brainsleep.models.lif import LIF

_REFERENCES = ("arXiv:2505.14841",)

VERIFIED = {
    "Plasticity by synchrony, Tian et al. (2025)": (
        "change by a pair and of silent neurons: as the program has it, to 1e-9; no accuracy"
    ),
}

#: A neuron that knows how long ago it spiked.
LIF_TIMED = dataclasses.replace(
    LIF,
    name="lif_timed",
    equations=LIF.equations + "\ndage/dt = 1 : second",
    reset=LIF.reset + "\nage = 0*second",
    parameters={**LIF.parameters, "never": 1000 * ms},  # age of a neuron that has not spiked
    initial={**LIF.initial, "age": "never"},
)

#: Once a sample, which is its period: both neurons have an `age`, the time since their last spike.
SSDP = WeightProcess(
    name="ssdp",
    on_update="""
    both = int(age_pre < interval)*int(age_post < interval)
    lag = clip(age_pre, 0*second, interval) - clip(age_post, 0*second, interval)
    near = exp(-lag**2/(2*sigma**2))
    w = clip(w + (both*a_plus - (1 - both)*a_base)*near, w_min, w_max)
    """,
    period=50 * ms,
    parameters={
        "a_plus": 1.5e-4,  # growth at lag 0
        "a_base": 5e-5,  # shrinkage at lag 0
        "sigma": 1 * ms,  # width of what counts as the same time: a time step of the authors
    },
    signed=True,
    references=_REFERENCES,
)
