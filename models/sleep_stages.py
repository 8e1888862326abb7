"""Stages of sleep: the slow oscillation of non-REM sleep, and NREM and REM as schedule values.

In non-REM sleep cortical neurons alternate below 1 Hz between an up state, in which they fire,
and a silent, hyperpolarised down state (Steriade et al. 1993). Each neuron of a population with
`SLOW_OSCILLATION` keeps a ``phase`` in cycles that advances by f_slow*dt in every time step with
the gate open, and wraps at 1. All begin at 0, so the whole population goes up and down together:

- up, for the first up_share of the cycle: Gaussian noise of standard deviation sd a step of 1 ms,
  as in `brainsleep.models.sleep.MEMBRANE_NOISE`;
- down, for the rest: no noise, and v relaxes to v_down with tau_down (exactly, for any time step),
  besides what the neuron's own equations do.

The gate scales both the noise and the rate of the relaxation. The phase is looked at in the middle
of a step, so that rounding does not decide where a state begins. It is part of the state: the next
non-REM sleep goes on where the last one stopped.

REM needs no activity of its own here: the membrane noise of the paper, with plasticity open. That
the decay of weights belongs to NREM follows Tononi & Cirelli (2014); REM is thought to reorganise
(Grosmark et al. 2012) and to prune as well (Li et al. 2017, doi:10.1038/nn.4479). Which stage does
what is for the schedule to say: see `NREM`, `REM` and `brainsleep.protocols.stages`.
"""

import dataclasses

from brian2 import Hz, ms, mV

from brainsleep import SpontaneousActivity, nrem, rem

#: What was compared with what, by where that is.
VERIFIED = {
    "tests/experiment/test_stages.py": (
        "weights in NREM against the closed form of their decay, and at rest in REM"
    ),
}

#: Slow oscillation: up states with membrane noise, down states without and hyperpolarised.
SLOW_OSCILLATION = SpontaneousActivity(
    name="slow",
    equations="phase : 1",
    on_step="""
    middle = phase + f_slow*dt/2
    up = int(middle < up_share)
    v = v + up*slow_gate*sd*randn() + (1 - up)*(v_down - v)*(1 - exp(-slow_gate*dt/tau_down))
    phase = phase + f_slow*dt - int(middle + f_slow*dt >= 1)
    """,
    parameters={
        "f_slow": 0.8 * Hz,  # cycles a second
        "up_share": 0.5,  # part of a cycle in the up state
        "sd": 2 * mV,  # standard deviation of the noise per time step in the up state
        "v_down": -80 * mV,  # what the membrane is pulled to in the down state
        "tau_down": 10 * ms,  # how fast
    },
    references=("doi:10.1523/JNEUROSCI.13-08-03252.1993", "doi:10.1016/j.neuron.2013.12.025"),
    dt=1 * ms,
)

#: The same at any time step: its noise is `brainsleep.models.sleep.WHITE_NOISE`.
SLOW_OSCILLATION_WHITE = dataclasses.replace(
    SLOW_OSCILLATION,
    on_step=SLOW_OSCILLATION.on_step.replace("sd*randn()", "sd*sqrt(dt/t_sd)*randn()"),
    parameters={**SLOW_OSCILLATION.parameters, "t_sd": 1 * ms},  # time that sd is stated for
    dt=None,
)

#: Four fifths of a sleep: slow oscillation and decay, plasticity closed.
NREM = nrem(0.8)

#: One fifth of a sleep: membrane noise and plasticity, no decay.
REM = rem(0.2)
