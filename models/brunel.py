"""The sparse network of excitatory and inhibitory neurons of Brunel (2000), model A.

10 000 excitatory and 2500 inhibitory neurons. Each gets spikes of 1000 excitatory and 250
inhibitory ones after 1.5 ms, and of 1000 neurons outside, which are Poisson processes of its own:
the activity `background`. An excitatory spike adds 0.1 mV to the membrane, an inhibitory one takes
`g` times as much. What comes while a neuron is refractory has no effect.

How the network is active is up to `g` and to the rate outside. The rate that by itself would bring
the membrane to threshold on average is 10 Hz: `REGIMES` has both for the four panels of figure 8.
"""

from brian2 import Hz, Quantity, ms, mV

from brainsleep import FixedInDegree, NetworkSpec, NeuronModel, Population, Projection
from brainsleep.models.diehl_cook import VOLTAGE
from brainsleep.models.inputs import POISSON_BACKGROUND

#: What was compared with what, by where that is.
VERIFIED = {
    "Brunel (2000), model A": (
        "rates, irregularity and oscillations of four regimes against theory, the paper and "
        "another program"
    ),
}

_PAPER = "doi:10.1023/A:1008925309027"

#: Leaky integrate-and-fire neuron; v is measured from rest.
BRUNEL_LIF = NeuronModel(
    name="brunel_lif",
    equations="dv/dt = -v/tau_m : volt (unless refractory)",
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory="t_ref",
    parameters={
        "tau_m": 20 * ms,  # membrane time constant
        "v_threshold": 20 * mV,
        "v_reset": 10 * mV,
        "t_ref": 2 * ms,  # refractory period
    },
    method="exact",
    references=(_PAPER,),
)

W = 0.1  # mV that an excitatory spike adds

#: Ratio of inhibition to excitation, and rate outside: synchronous regular (A), synchronous
#: irregular and fast (B), asynchronous irregular (C), synchronous irregular and slow (D).
REGIMES = {"A": (3.0, 20 * Hz), "B": (6.0, 40 * Hz), "C": (5.0, 20 * Hz), "D": (4.5, 9 * Hz)}


def brunel(
    g: float, rate: Quantity, *, n_e: int = 10_000, p: float = 0.1, w: float = W
) -> NetworkSpec:
    """Make the network; of others than 10 000 excitatory neurons, each gets spikes of `p`."""
    n_i = n_e // 4
    drive = POISSON_BACKGROUND.with_parameters(n_sources=p * n_e, rate=rate, weight=w * mV)
    sizes = {"e": n_e, "i": n_i}
    return NetworkSpec(
        name="brunel",
        populations=tuple(
            Population(name=k, size=size, model=BRUNEL_LIF, activities=(drive,))
            for k, size in sizes.items()
        ),
        projections=tuple(
            Projection(
                name=f"{source}{target}",
                source=source,
                target=target,
                synapse=VOLTAGE,
                connectivity=FixedInDegree(round(p * sizes[source])),
                weights=w if source == "e" else g * w,
                w_max=10.0,
                sign=1 if source == "e" else -1,
                delay=1.5 * ms,
            )
            for source in "ei"
            for target in "ei"
        ),
        dt=0.1 * ms,
    )


#: The network in each regime.
BRUNEL = {name: brunel(*regime) for name, regime in REGIMES.items()}
