"""A network that forages: map-based neurons that learn from reward (Golden et al. 2022).

Neurons are the map of Rulkov, in steps of 0.5 ms: `v` and a slow `u`. A field of 7x7 input cells
projects to 28x28 hidden cells, nine random inputs each, and all of these to eight output cells, one
for each direction of a move. All hidden cells excite and inhibit every output: what an output gets
is what was sent to it less the mean of what was sent to all, so inhibition is minus the mean of a
source's excitatory weights. A reward changes weights by what is eligible: pairs of spikes in the
epoch of the move. The sums of the inputs of each output are scaled to what they were.

It differs from the paper: an epoch is 100 ms, not 300; inhibition is bounded, as `v` stays above
where a spike leaves it (the neuron is so near its threshold that it would rebound with bursts);
outputs spike now and then of themselves while they learn (`EXPLORE`), as otherwise nothing is
eligible at the start; what is eligible is one epoch, or an exponential trace of epochs, not a list
of six; pairs count at any time within an epoch, not within 60 ms; weights have an upper bound;
input weights do not learn; and parameters that are not printed were chosen.

Traces of spikes begin anew with each epoch, so that no pair reaches from one into the next, as none
can in the paper. It matters: if they reach over, what was seen last weakens the move before as much
as it strengthens its own, and nothing is learned (docs/published.md).
"""

import numpy as np
from brian2 import ms, second

from brainsleep import (
    Connectivity,
    FixedInDegree,
    NetworkSpec,
    NeuronModel,
    Pairs,
    PlasticityRule,
    Population,
    Projection,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)

#: What was compared with what, by where that is.
VERIFIED = {
    "Golden et al. (2022), foraging": (
        "the map against NumPy step by step, changes of weights against numbers made by hand; it "
        "learns and forgets as published, but sleep does not protect"
    ),
}

_REFERENCES = ("doi:10.1371/journal.pcbi.1010628", "doi:10.1103/PhysRevE.65.041922")

#: An epoch: one look, one move. The paper's is 300 ms.
EPOCH = 100 * ms

#: Time constant of pairs of spikes.
PAIRED = 40 * ms

#: Cells: the field seen, hidden cells, directions of a move.
N_SEEN, N_HIDDEN, N_MOVES = 49, 784, 8

#: One step of the map with the input `i_now`; a spike is the step in which it falls to -1.
_STEP = """
force = u + beta*i_now
rises = int(v <= 0)*(alpha/(1 - clip(v, v_reset, 0)) + force - v_reset)
peaks = int(v > 0)*int(v_last <= 0)*int(v < alpha + force)*(alpha + force - v_reset)
u += mu*(sigma - 1 - v + clip(i_now, 0, i_most))
v_last = v
v = clip(v_reset + rises + peaks, v_reset, v_most)
"""
_VARIABLES = """
v : 1
v_last : 1
u : 1
i_syn : 1
kick : 1
"""
_MAP = {
    "alpha": 3.65,
    "sigma": 0.06,
    "mu": 0.0005,
    "beta": 0.133,  # of input to v; to u it is 1
    "v_reset": -1.0,  # also the least that v can be
    "v_most": 100.0,
    "i_most": 100.0,
}
_REST = {"v": "sigma - 1", "v_last": "sigma - 1", "u": "sigma - 1 - alpha/(2 - sigma)"}
_THRESHOLD = "v_last > 0 and v < 0"

#: A cell of the field: a pulse at the start of an epoch where there is something to be seen.
SEEN = NeuronModel(
    name="seen",
    equations="""
    v : 1
    v_last : 1
    u : 1
    shown : 1
    began : second
    """,
    on_slot="""
    shown = input_gate*int(stimulus > 0*Hz)
    began = t
    """,
    on_step="i_now = shown*pulse*int(t - began < lasts - 0.5*dt)\n" + _STEP,
    threshold=_THRESHOLD,
    parameters={**_MAP, "pulse": 1.0, "lasts": 2.5 * ms},
    initial=_REST,
    references=_REFERENCES,
)

#: A hidden cell. `x` is the trace of its spikes in this epoch; it counts those awake in which it
#: learns.
HIDDEN = NeuronModel(
    name="hidden",
    equations=_VARIABLES
    + """
    x : 1
    n_spikes : 1
    n_epochs : 1
    n_other : 1
    n_mean : 1 (linked)
    """,
    on_slot="""
    x = 0
    n_epochs += input_gate*plasticity_gate
    """,
    on_step="i_now = i_syn + kick\n" + _STEP + "i_syn *= gamma\nkick = 0\nx *= exp(-dt/tau)",
    threshold=_THRESHOLD,
    reset="""
    x += 1
    n_spikes += input_gate*plasticity_gate
    """,
    parameters={**_MAP, "gamma": 0.6, "tau": PAIRED},
    initial=_REST,
    references=_REFERENCES,
)

#: An output cell. `y` is the trace of its spikes in this epoch; `got` came from hidden cells in
#: the step before, `shared` is its mean.
OUTPUT = NeuronModel(
    name="output",
    equations=_VARIABLES
    + """
    y : 1
    got : 1
    shared : 1
    began : second
    """,
    on_slot="""
    y = 0
    began = t
    """,
    on_step="""
    i_syn = gamma*i_syn + got - shared
    got = 0
    i_now = clip(i_syn, -i_most, i_cap) + kick
    """
    + _STEP
    + "kick = 0\ny *= exp(-dt/tau)",
    threshold=_THRESHOLD,
    reset="y += 1",
    parameters={**_MAP, "gamma": 0.6, "i_cap": 0.5, "tau": PAIRED},
    initial=_REST,
    references=_REFERENCES,
)

#: The mean of what hidden cells have counted.
MEAN = NeuronModel(name="mean", equations="n : 1", references=_REFERENCES)

#: Sleep: every hidden cell is driven at random times, at the rate that it had awake; or at that of
#: another cell, or at the mean of all, as signals say.
DREAM = SpontaneousActivity(
    name="dream",
    on_step="""
    counted = own*n_spikes + other*n_other + mean*n_mean
    kick += size*int(rand() < dream_gate*gain*counted/(n_epochs + int(n_epochs == 0))*dt/epoch)
    """,
    parameters={"size": 0.8, "gain": 1.0, "epoch": EPOCH},
    signals={"own": 1, "other": 1, "mean": 1},
    references=_REFERENCES,
)

#: Some outputs spike of themselves after what was seen: moves that are tried.
EXPLORE = SpontaneousActivity(
    name="explore",
    on_step="kick += explore_gate*size*int(abs(t - began - late) < 0.5*dt)*int(rand() < p)",
    parameters={"size": 0.8, "late": 30 * ms, "p": 0.1},
    references=_REFERENCES,
)

#: A spike brings a current, of random size within `spread`.
RANDOM_SIZE = SynapseModel(
    name="random_size",
    on_pre="i_syn_post += w*(1 + spread*(2*rand() - 1))*clip(-v_post, 0, force_most)",
    parameters={"spread": 0.12, "force_most": 10.0},
    references=_REFERENCES,
)

#: The same to an output, with what is eligible: `fresh` in this epoch, `c` in those before.
ELIGIBLE = SynapseModel(
    name="eligible",
    equations="""
    fresh : 1
    c : 1
    """,
    on_pre="got_post += w*(1 + spread*(2*rand() - 1))",
    parameters={"spread": 0.12},
    references=_REFERENCES,
)

#: Pairs of spikes in the same epoch are eligible, by the traces of cells.
PAIRING = PlasticityRule(
    name="pairing",
    equations="fresh : 1 (linked)",
    on_pre="fresh -= k*y_post",
    on_post="fresh += k*x_pre",
    parameters={"k": 0.04},
    references=_REFERENCES,
)

#: When an epoch begins, what the move before has brought changes the weights, in proportion to
#: them; asleep it is `tonic`. `average` is a running mean of what is eligible.
LEARN = WeightProcess(
    name="learn",
    equations="""
    fresh : 1 (linked)
    c : 1 (linked)
    average : 1
    """,
    sums={"eligible": "abs(c*kept + fresh)"},
    on_update="""
    c = c*kept + fresh
    fresh = 0
    got_reward = reward + tonic
    average += slow*int(got_reward > much)*(eligible_total/n_sources - average)
    change = lr*got_reward*c/clip(average, least, w_max)
    w = clip(w*(1 + change*(1 - int(change > 0)*w/w_max)), w_min, w_max)
    """,
    period=1e6 * second,  # once an epoch
    parameters={
        "lr": 0.03,
        "kept": 0.0,  # of what is eligible, from epoch to epoch
        "slow": 0.02,
        "much": 0.1,
        "least": 0.001,
        "n_sources": N_HIDDEN,
    },
    signals={"reward": 1, "tonic": 1},
    references=_REFERENCES,
)

#: The inputs of each output sum up to what they did.
SCALE = WeightProcess(
    name="scale",
    sums={"w_sum": "w", "w_count": "1"},
    on_update="w = clip(w*w_mean*w_count_post/(w_sum_post + int(w_sum_post == 0)), w_min, w_max)",
    period=1e6 * second,
    parameters={"w_mean": 0.012},
    references=_REFERENCES,
)

#: Outputs have the mean of what was sent to all.
SHARE = SynapseModel(
    name="share",
    on_pre="",
    equations="shared_post = w*got_pre : 1 (summed)",
    references=_REFERENCES,
)

#: Counts of another hidden cell, and their mean.
OTHER = SynapseModel(
    name="other",
    on_pre="",
    equations="n_other_post = w*n_spikes_pre : 1 (summed)",
    references=_REFERENCES,
)
COUNT = SynapseModel(
    name="count",
    on_pre="",
    equations="n_post = w*n_spikes_pre : 1 (summed)",
    references=_REFERENCES,
)

_ALL = np.arange(N_HIDDEN)

#: The network; input cell 24 is the place of the agent itself, where nothing is seen.
FORAGING = NetworkSpec(
    name="foraging",
    populations=(
        Population(name="input", size=N_SEEN, model=SEEN),
        Population(name="average", size=1, model=MEAN),
        Population(name="hidden", size=N_HIDDEN, model=HIDDEN, activities=(DREAM,)),
        Population(name="output", size=N_MOVES, model=OUTPUT, activities=(EXPLORE,)),
    ),
    projections=(
        Projection(
            name="see",
            source="input",
            target="hidden",
            synapse=RANDOM_SIZE,
            connectivity=FixedInDegree(9),
            weights=1 / 9,
        ),
        Projection(
            name="act",
            source="hidden",
            target="output",
            synapse=ELIGIBLE,
            connectivity=Connectivity(p=1.0),
            weights=0.012,
            w_max=0.1,
            rules=(PAIRING,),
            processes=(LEARN, SCALE),
        ),
        Projection(
            name="inhibit",
            source="output",
            target="output",
            synapse=SHARE,
            connectivity=Pairs(*np.divmod(np.arange(N_MOVES**2), N_MOVES)),
            weights=1 / N_MOVES,
        ),
        Projection(
            name="others",
            source="hidden",
            target="hidden",
            synapse=OTHER,
            # every cell has one other: 311 and 784 have no common factor
            connectivity=Pairs(_ALL, (311 * _ALL + 97) % N_HIDDEN),
            weights=1.0,
        ),
        Projection(
            name="counts",
            source="hidden",
            target="average",
            synapse=COUNT,
            connectivity=Pairs(_ALL, 0 * _ALL),
            weights=1 / N_HIDDEN,
        ),
    ),
    signals={"reward": 0.0, "tonic": 0.0, "own": 1.0, "other": 0.0, "mean": 0.0},
    links={"hidden.n_mean": "average.n"},
    dt=0.5 * ms,
)
