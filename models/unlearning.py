"""Attractor networks that sleep unlearns: binary units, and spiking neurons (Hopfield et al. 1983).

The task `Patterns` stores random patterns in the weights. Beyond a load of 0.14 patterns a unit
none of them can be recalled any more. A dream begins in a random state, runs into an attractor, and
weakens it: at high loads most attractors are mixtures that nobody stored, and those go first.

`BINARY` is the network of the paper: units of +1 and -1, in steps in which each is brought up to
date with probability `p_update`. After every dream each synapse loses eps/N times the product of
the states of its units.

`SPIKING` is the same with leaky integrate-and-fire neurons. A unit is a pair of neurons, of which
neuron i fires for +1 and neuron i + N for -1; a synapse that excites one of a pair inhibits the
other. At the end of every dream plasticity is on for 50 ms, with an STDP rule that has the same
window on both sides. It compares the trace of the other neuron with its mean: of a pair that is
active together the weight falls, where one is active and the other silent it rises. Between dreams
the network is silenced, and then every neuron is pushed up or down at random.
"""

import dataclasses

from brian2 import ms, mV, second

from brainsleep import (
    Connectivity,
    NetworkSpec,
    NeuronModel,
    OneToOne,
    PlasticityRule,
    Population,
    Projection,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)

_REFERENCES = (
    "doi:10.1038/304158a0",
    "doi:10.1038/304111a0",
    "doi:10.1073/pnas.79.8.2554",
)

#: What was compared with what, by where that is.
VERIFIED = {
    "Unlearning in attractor networks": (
        "the binary network against the algorithm written in NumPy; the spiking rule against a sum "
        "over pairs of spikes"
    ),
}

# -- binary units --------------------------------------------------------------------------------

#: A unit: 1 or -1. It spikes where its state is read: in every step of a test in which it is 1. It
#: also spikes, whatever its state, where plasticity is on: then all synapses change at once.
UNIT = NeuronModel(
    name="unit",
    equations="""
    s : 1
    h : 1
    cue : 1
    """,
    on_slot="cue = input_gate*stimulus",
    on_step="""
    s += int(rand() < p_update)*(2*int(h >= 0) - 1 - s)
    s += abs(cue)*(cue - s)
    """,
    threshold="plasticity_gate + input_gate*s > 0",
    parameters={"p_update": 0.05},
    initial={"s": "2*int(rand() < 0.5) - 1"},
    stimulus_unit=1,
    references=_REFERENCES,
)

#: A dream begins in a random state.
RANDOM_STATE = SpontaneousActivity(
    name="random_state", on_step="s = 2*int(rand() < 0.5) - 1", references=_REFERENCES
)

#: The field of a unit is the sum over the states of all others.
FIELD = SynapseModel(
    name="field", on_pre="", equations="h_post = w*s_pre : 1 (summed)", references=_REFERENCES
)

#: What a dream takes from every synapse.
UNLEARNING = PlasticityRule(
    name="unlearning",
    on_pre="w = clip(w - eps/n_units*s_pre*s_post, w_min, w_max)",
    parameters={"eps": 0.01, "n_units": 200},
    references=_REFERENCES,
)

#: A unit that keeps the state of the dream before, for a rule that pairs states of two dreams.
UNIT_WITH_BEFORE = dataclasses.replace(
    UNIT,
    name="unit_with_before",
    equations=UNIT.equations + "    s_before : 1\n",
    reset="s_before = s",
)

#: The same as `UNLEARNING`, with the state of the dream before at one end.
UNLEARNING_SHUFFLED = dataclasses.replace(
    UNLEARNING,
    name="unlearning_shuffled",
    on_pre="""
    w = clip(w - eps/n_units*(s_pre*s_before_post + s_before_pre*s_post)/2, w_min, w_max)
    """,
)

# -- spiking neurons -----------------------------------------------------------------------------

#: Leaky integrate-and-fire, driven to its threshold, with a cue while a slot shows one. In silence
#: it draws how it will be pushed in the next dream.
NEURON = NeuronModel(
    name="driven",
    equations="""
    dv/dt = (v_rest - v + drive + i_syn + cue)/tau_m : volt (unless refractory)
    di_syn/dt = -i_syn/tau_syn : volt
    cue : volt
    push : 1
    """,
    on_slot="""
    cue = input_gate*stimulus
    push += silence_gate*(randn() - push)
    """,
    on_step="v += noise*sqrt(2*dt/tau_m)*randn()",
    threshold="v > v_threshold",
    reset="v = v_rest",
    refractory="t_ref",
    parameters={
        "v_rest": -65 * mV,
        "v_threshold": -50 * mV,
        "drive": 15 * mV,  # as far as the threshold is away
        "noise": 3 * mV,  # standard deviation of the potential by noise alone
        "tau_m": 10 * ms,
        "tau_syn": 50 * ms,
        "t_ref": 10 * ms,
    },
    initial={"v": "v_rest"},
    stimulus_unit=1 * mV,
    references=_REFERENCES,
)

#: Holds all neurons below their threshold, so that little is left of the dream before.
SILENCE = SpontaneousActivity(
    name="silence",
    on_step="v -= depth*dt/tau_silence",
    parameters={"depth": 2000 * mV, "tau_silence": 10 * ms},
    references=_REFERENCES,
)

#: Pushes every neuron up or down: the random state in which a dream begins.
KICK = SpontaneousActivity(
    name="kick",
    on_step="v += strength*push*dt/tau_kick",
    parameters={"strength": 1000 * mV, "tau_kick": 10 * ms},
    references=_REFERENCES,
)

#: A synapse that excites or inhibits, by the sign of its weight.
SIGNED = SynapseModel(
    name="signed",
    on_pre="i_syn_post += w*charge",
    parameters={"charge": 32 * mV},  # jump of the synaptic current for a weight of 1
    references=_REFERENCES,
)

#: The same window for either order of two spikes; a trace counts by how far it is from its mean.
COVARIANCE = PlasticityRule(
    name="covariance",
    pre_equations="dx/dt = -x/tau : 1",
    pre_spike="x += 1",
    post_equations="dx/dt = -x/tau : 1",
    post_spike="x += 1",
    on_pre="w = clip(w - lr*(x_post - x_mean), w_min, w_max)",
    on_post="w = clip(w - lr*(x_pre - x_mean), w_min, w_max)",
    parameters={
        "tau": 50 * ms,
        "lr": 8e-6,
        "x_mean": 2.4,  # half the trace of a neuron that fires as fast as it can
    },
    references=_REFERENCES,
)

#: The same with traces that are late: spikes are paired with those of an earlier dream.
COVARIANCE_SHUFFLED = dataclasses.replace(
    COVARIANCE,
    name="covariance_shuffled",
    pre_equations="",
    pre_spike="",
    post_equations="",
    post_spike="",
    on_pre="w = clip(w - lr*(x_late_post - x_mean), w_min, w_max)",
    on_post="w = clip(w - lr*(x_late_pre - x_mean), w_min, w_max)",
    parameters={k: v for k, v in COVARIANCE.parameters.items() if k != "tau"},
)

#: A neuron with a late trace of its own spikes, for that rule.
NEURON_WITH_LATE = dataclasses.replace(
    NEURON,
    name="driven_with_late",
    equations=NEURON.equations + "    dx_late/dt = -x_late/tau_late : 1\n",
    parameters={**NEURON.parameters, "tau_late": COVARIANCE.parameters["tau"]},
)

#: A spike that comes late counts in the late trace of its own neuron.
TOLD = SynapseModel(name="told", on_pre="x_late_post += 1", references=_REFERENCES)

# -- instead of dreams -----------------------------------------------------------------------------

#: All weights fall together.
FALL = WeightProcess(
    name="fall",
    on_update="w = w*exp(-interval/tau_fall)",
    period=1e6 * second,  # once in a slot
    parameters={"tau_fall": 1 * second},
    references=_REFERENCES,
    signed=True,
)

#: All neurons get weights of the same norm.
SAME_NORM = WeightProcess(
    name="same_norm",
    sums={"square": "w**2"},
    on_update="""
    wanted = square_total/n_neurons
    w = clip(w*sqrt(wanted/(square_post + int(square_post == 0))), w_min, w_max)
    """,
    period=1e6 * second,
    parameters={"n_neurons": 400},
    references=_REFERENCES,
    signed=True,
)

# -- networks --------------------------------------------------------------------------------------

#: Wiring of pairs: a unit has no synapses onto itself, nor onto its other neuron.
_OTHER_UNITS = "int(i % (N_pre//2) != j % (N_pre//2))"


def _all_to_all(synapse, rule, connectivity, **more) -> Projection:
    return Projection(
        name="ee",
        source="e",
        target="e",
        synapse=synapse,
        connectivity=connectivity,
        weights=0.0,
        sign=None,
        w_min=-2.0,
        w_max=2.0,
        rules=(rule,),
        **more,
    )


def binary_network(n_units: int = 200, *, shuffled: bool = False) -> NetworkSpec:
    """Make the network of binary units.

    Parameters
    ----------
    n_units : int
        Number of units.
    shuffled : bool
        Whether dreams are paired with the states of the dream before.

    Returns
    -------
    NetworkSpec
        Population ``e`` and projection ``ee``, whose weights a task sets.
    """
    unit, rule = (UNIT_WITH_BEFORE, UNLEARNING_SHUFFLED) if shuffled else (UNIT, UNLEARNING)
    return NetworkSpec(
        name="binary_attractors",
        populations=(Population(name="e", size=n_units, model=unit, activities=(RANDOM_STATE,)),),
        projections=(
            _all_to_all(
                FIELD, rule.with_parameters(n_units=n_units), Connectivity(p="int(i != j)")
            ),
        ),
        dt=1 * ms,
    )


def spiking_network(n_units: int = 200, *, late=0 * ms) -> NetworkSpec:
    """Make the network of spiking neurons, two for each unit.

    Parameters
    ----------
    n_units : int
        Number of units.
    late : Quantity
        By how much the traces are late that spikes are paired with; 0 for those of the same time.

    Returns
    -------
    NetworkSpec
        Population ``e`` and projection ``ee``, whose weights a task sets.
    """
    model, rule, more = NEURON, COVARIANCE, ()
    if late:
        told = {"source": "e", "target": "e", "synapse": TOLD, "connectivity": OneToOne()}
        more = (Projection(name="told", weights=1.0, delay=late, **told),)
        model, rule = NEURON_WITH_LATE, COVARIANCE_SHUFFLED
    processes = FALL, SAME_NORM.with_parameters(n_neurons=2 * n_units)
    wiring = Connectivity(p=_OTHER_UNITS)
    return NetworkSpec(
        name="spiking_attractors",
        populations=(
            Population(name="e", size=2 * n_units, model=model, activities=(KICK, SILENCE)),
        ),
        projections=(_all_to_all(SIGNED, rule, wiring, processes=processes), *more),
        dt=1 * ms,
    )


BINARY = binary_network()

SPIKING = spiking_network()
