"""Scaling, subtraction, normalisation, pruning: weight processes for sleep, or instead of it.

The first three hold the summed input of each neuron at ``w_star`` times the number of its
synapses, that is at the sum it would have if every weight were ``w_star``. Combine them with each
other and with the decays of `brainsleep.models.sleep` by listing several processes in one
projection: at the same time they run in the order listed.
"""

from brian2 import ms, second

from brainsleep import WeightProcess

#: What was compared with what, by where that is.
VERIFIED = {
    "tests/network/test_homeostasis.py": (
        "relaxation of summed weights against closed forms, for any period"
    ),
}

_SUMS = {"w_sum": "w", "w_count": "1"}

#: Multiplicative scaling: each neuron's summed input relaxes to its baseline with tau_scaling.
#: Exact for any interval, so the period is a matter of cost only.
SCALING = WeightProcess(
    name="scaling",
    sums=_SUMS,
    on_update="""
    keep = exp(-interval/tau_scaling)
    w_goal = w_star*w_count_post + (w_sum_post - w_star*w_count_post)*keep
    w = clip(w*w_goal/(w_sum_post + int(w_sum_post == 0)), w_min, w_max)
    """,
    period=10 * ms,
    parameters={
        "tau_scaling": 100 * ms,  # relaxation of the summed input
        "w_star": 0.1,  # baseline: mean weight of a neuron's inputs
    },
    references=("doi:10.1038/36103", "doi:10.1016/j.cell.2008.10.008"),
)

#: Subtractive scaling: all synapses of a neuron lose (or gain) the same amount, so its summed input
#: relaxes to its baseline while weak synapses vanish and strong ones are protected. A synapse at
#: zero stays there; while some reach zero, the approach is a little slower than tau_subtraction.
SUBTRACTION = WeightProcess(
    name="subtraction",
    sums={**_SUMS, "w_active": "int(w > 0)"},
    on_update="""
    keep = exp(-interval/tau_subtraction)
    excess = (w_sum_post - w_star*w_count_post)*(1 - keep)
    w = clip(w - int(w > 0)*excess/(w_active_post + int(w_active_post == 0)), w_min, w_max)
    """,
    period=10 * ms,
    parameters={
        "tau_subtraction": 100 * ms,  # relaxation of the summed input
        "w_star": 0.1,  # baseline: mean weight of a neuron's inputs
    },
    references=("doi:10.1162/neco.1994.6.1.100",),
)

#: Instantaneous normalisation of each neuron's summed input, once in a slot: the non-local trick
#: of competitive networks (after every image), or a control that replaces sleep by its effect.
NORMALISE = WeightProcess(
    name="normalise",
    sums=_SUMS,
    on_update="""
    w_goal = w_star*w_count_post
    w = clip(w*w_goal/(w_sum_post + int(w_sum_post == 0)), w_min, w_max)
    """,
    period=1e6 * second,  # longer than any slot: once in each
    parameters={"w_star": 0.1},  # mean weight of a neuron's inputs after normalisation
    references=("doi:10.3389/fncom.2015.00099",),
)

#: Pruning: a weight below w_floor while the gate is open is zero from then on, whatever comes.
PRUNING = WeightProcess(
    name="pruning",
    equations="pruned : 1",
    on_update="pruned = 1 - (1 - pruned)*int(w >= w_floor)",
    on_change="w = w*(1 - pruned)",
    parameters={"w_floor": 0.02},
    references=("doi:10.1126/science.aai8355",),
)
