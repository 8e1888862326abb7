"""Quadratic integrate-and-fire neurons with exact rate equations (Montbrio, Pazo & Roxin 2015).

Each neuron is driven by a current of its own, drawn from a Lorentzian distribution, and by the
activity of the whole population. A neuron at ``v_peak`` would take ``tau/v_peak`` to reach
infinity, spike, and come back to ``-v_peak`` in as long: it is held for twice that time, and its
spike arrives in the middle of it.

With many neurons the rate `r` and the mean `v` of the population follow, where `center` and `width`
are of the distribution and `coupling` is J::

    tau*dr/dt = width/(pi*tau) + 2*r*v
    tau*dv/dt = v**2 + center + J*tau*r + I - (pi*tau*r)**2

`fixed_points` solves these. Neurons read the activity from one neuron that all spikes go to, by a
link of the network; so the coupling of all to all needs no synapse for each pair.

`sequence` is a chain of such populations, as Shimizu & Toyoizumi (2025) embed sequences of
patterns: each excites itself, and the next one, and all inhibit each other, without delays or
adaptation. Activity that one population is given goes through the chain. The settings here are not
the paper's, which could not be checked; what they do follows from the rate equations.
"""

import dataclasses

import numpy as np
from brian2 import ms, second

from brainsleep import (
    Connectivity,
    NetworkSpec,
    NeuronModel,
    Population,
    Projection,
    SynapseModel,
)

_REFERENCES = ("doi:10.1103/PhysRevX.5.021028",)

VERIFIED = {
    "Quadratic integrate-and-fire neurons, Montbrio, Pazo & Roxin (2015)": (
        "rates of both states: exact rate equations, within 4 %"
    ),
    "Sequences of such neurons, Shimizu & Toyoizumi (2025)": (
        "times and spikes of each population: exact rate equations, within 6 %; own settings"
    ),
}

#: A neuron of the population; `eta` is its own drive, `activity` that of the population.
QIF = NeuronModel(
    name="qif",
    equations="""
    dv/dt = (v**2 + eta + coupling*tau*activity + current)/tau : 1 (unless refractory)
    activity : Hz (linked)
    """,
    method="euler",
    threshold="v > v_peak",
    reset="v = -v_peak",
    refractory="2*tau/v_peak",
    initial={"v": -2},
    parameters={
        "tau": 10 * ms,  # membrane time constant
        "eta": -5.0,  # drive
        "coupling": 15.0,  # J, of all neurons to each
        "v_peak": 100.0,  # where a neuron is held, in place of infinity
    },
    signals={"current": 1},
    references=_REFERENCES,
)

#: What all neurons read: spikes a neuron and time, smoothed over `tau_s`.
POOL = NeuronModel(
    name="pool",
    equations="ds/dt = -s/tau_s : Hz",
    method="exact",
    parameters={"tau_s": 0.1 * ms},  # short against the membrane
    references=_REFERENCES,
)

#: A spike's share in the activity of a population of `n` neurons: over all steps that follow, in
#: which `s` decays before it is read, it adds up to 1/n, whatever the time step.
SHARE = SynapseModel(
    name="share",
    on_pre="s_post += w*(exp(dt/tau_s_post) - 1)/(n*dt)",
    parameters={"n": 10_000},
    references=_REFERENCES,
)


def population(n: int = 10_000, center: float = -5.0, width: float = 1.0) -> NetworkSpec:
    """Make a population of `n` neurons whose drives are quantiles of a Lorentzian distribution.

    Parameters
    ----------
    n : int
        Number of neurons.
    center, width : float
        Centre and half width at half maximum of the distribution.

    Returns
    -------
    NetworkSpec
        With the populations `pool` and `e`, and the signal `current`, a drive of all neurons.
    """
    drive = f"{center} + {width}*tan(pi*(2*i + 1 - N)/(2*(N + 1)))"
    pause = QIF.parameters["tau"] / QIF.parameters["v_peak"]
    return NetworkSpec(
        name="qif",
        populations=(
            Population(name="pool", size=1, model=POOL),
            Population(name="e", size=n, model=QIF, values={"eta": drive}),
        ),
        projections=(
            Projection(
                name="all_spikes",
                source="e",
                target="pool",
                synapse=SHARE.with_parameters(n=n),
                connectivity=Connectivity(p=1.0),
                weights=1.0,
                delay=pause,
            ),
        ),
        signals={"current": 0.0},
        links={"e.activity": "pool.s"},
        dt=0.01 * ms,
    )


def fixed_points(
    center: float = -5.0, width: float = 1.0, coupling: float = 15.0, current: float = 0.0
) -> list[tuple[float, float, bool]]:
    """Solve the rate equations for their fixed points.

    Returns
    -------
    list of (float, float, bool)
        Rate in spikes per `tau`, mean `v`, and whether it is stable, in ascending order of rates.
    """
    # v = -width/(2*pi*r), put into the second equation and multiplied by r**2
    pi = np.pi
    roots = np.roots([-(pi**2), coupling, center + current, 0.0, (width / (2 * pi)) ** 2])
    found = []
    for r in sorted(root.real for root in roots if abs(root.imag) < 1e-9 and root.real > 0):
        v = -width / (2 * pi * r)
        jacobian = np.array([[2 * v, 2 * r], [coupling - 2 * pi**2 * r, 2 * v]])
        found.append((r, v, bool(np.linalg.eigvals(jacobian).real.max() < 0)))
    return found


#: The same of a chain, whose pulses are short.
POOL_CHAIN = dataclasses.replace(POOL.with_parameters(tau_s=0.02 * ms), name="pool_chain")

#: A neuron of a chain: it reads its own population, the one before, and all of them.
QIF_CHAIN = dataclasses.replace(
    QIF,
    name="qif_chain",
    equations="""
    dv/dt = (v**2 + eta + tau*(j_self*own + j_next*before - j_all*everyone)
             + first*current)/tau : 1 (unless refractory)
    own : Hz (linked)
    before : Hz (linked)
    everyone : Hz (linked)
    """,
    parameters={
        **{k: v for k, v in QIF.parameters.items() if k != "coupling"},
        "j_self": 25.0,  # coupling within a population,
        "j_next": 10.0,  # from the one before it,
        "j_all": 5.0,  # and inhibition by all of them
        "first": 0.0,  # 1 for the population that is given the current
    },
    references=(*_REFERENCES, "arXiv:2508.06085"),
)


def sequence(n: int = 2000, length: int = 6, *, center: float = -5.0, width: float = 1.0, **more):
    """Make a chain of populations.

    Parameters
    ----------
    n : int
        Neurons of each.
    length : int
        How many populations.
    center, width : float
        Centre and half width at half maximum of the distribution of drives.
    more : float
        Parameters of `QIF_CHAIN`: ``j_next=0.0`` for populations that do not excite the next.

    Returns
    -------
    NetworkSpec
        With the populations `e1`, `e2`, ..., and the signal `current`, a drive of the first one.
        Of `pool1`, ... and `pools` they read activities.
    """
    drive = f"{center} + {width}*tan(pi*(2*i + 1 - N)/(2*(N + 1)))"
    numbers, model = range(1, length + 1), QIF_CHAIN.with_parameters(**more)
    pools = [*(f"pool{k}" for k in numbers), "pools", "no_pool"]
    links = {}
    for k in numbers:
        links[f"e{k}.own"] = f"pool{k}.s"
        links[f"e{k}.before"] = f"pool{k - 1}.s" if k > 1 else "no_pool.s"
        links[f"e{k}.everyone"] = "pools.s"
    return NetworkSpec(
        name="qif_sequence",
        populations=(
            *(Population(name=name, size=1, model=POOL_CHAIN) for name in pools),
            *(
                Population(
                    name=f"e{k}",
                    size=n,
                    model=model.with_parameters(first=float(k == 1)),
                    values={"eta": drive},
                )
                for k in numbers
            ),
        ),
        projections=tuple(
            Projection(
                name=f"to_{pool}_{k}",
                source=f"e{k}",
                target=pool,
                synapse=SHARE.with_parameters(n=n),
                connectivity=Connectivity(p=1.0),
                weights=1.0,
                delay=QIF.parameters["tau"] / QIF.parameters["v_peak"],
            )
            for k in numbers
            for pool in (f"pool{k}", "pools")
        ),
        signals={"current": 0.0},
        links=links,
        dt=0.01 * ms,
    )


def rate_in_hz(r: float) -> float:
    """Convert spikes per time constant of the membrane to Hz."""
    return float(r / (QIF.parameters["tau"] / second))


__all__ = [
    "POOL",
    "POOL_CHAIN",
    "QIF",
    "QIF_CHAIN",
    "SHARE",
    "fixed_points",
    "population",
    "rate_in_hz",
    "sequence",
]
