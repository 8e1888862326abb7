"""What sleep does: spontaneous activity of membranes or inputs, decay of the weights.

Decay is an Ornstein-Uhlenbeck process on ln w towards ln w_target with time constant tau_w and
stationary standard deviation sigma, in its exact update for any interval (D. T. Gillespie,
Phys. Rev. E 54, 2084, 1996); sigma = 0 is the deterministic decay of the released code, in which
each ms w <- w_target*(w/w_target)**lambda, that is tau_w = 1 ms/(1 - lambda).
"""

from brian2 import Hz, ms, mV

from brainsleep import SpontaneousActivity, WeightProcess

#: What was compared with what, by where that is.
VERIFIED = {
    "tests/network/test_noise.py": "noise against its variance, at any time step",
}

#: Independent Gaussian noise on every membrane, `sd` a step of 1 ms. At another time step it would
#: be other noise, so networks of another time step refuse it: see `WHITE_NOISE`.
MEMBRANE_NOISE = SpontaneousActivity(
    name="noise",
    on_step="v += noise_gate*sd*randn()",
    parameters={"sd": 2 * mV},  # standard deviation per time step
    references=("arXiv:2601.08447",),
    dt=1 * ms,
)

#: The same noise at any time step: its variance grows with time. At 1 ms it is `MEMBRANE_NOISE`.
WHITE_NOISE = SpontaneousActivity(
    name="noise",
    on_step="v += noise_gate*sd*sqrt(dt/t_sd)*randn()",
    parameters={
        "sd": 2 * mV,  # standard deviation of what is added in t_sd
        "t_sd": 1 * ms,  # time that sd is stated for
    },
    references=("arXiv:2601.08447",),
)

#: Low-rate spontaneous spikes of the input neurons (`brainsleep.models.inputs.POISSON`), the same
#: rate for all, in place of the stimulus.
SPONTANEOUS_SPIKES = SpontaneousActivity(
    name="spontaneous",
    on_step="rate = spontaneous_gate*rho",
    parameters={"rho": 2 * Hz},  # rate of every input neuron
    references=("doi:10.1023/A:1008925309027",),  # independent Poisson drive of a whole network
)

_OU_UPDATE = """
keep = exp(-interval/tau_w)
w = w_target*(w/w_target)**keep*exp(sigma*sqrt(1 - keep**2)*randn())
w = clip(w, w_min, w_max)
"""
_OU_PARAMETERS = {
    "tau_w": 1 * ms / (1 - 0.99997),  # 33.3 s: lambda = 0.99997 a ms
    "sigma": 0.0,  # stationary standard deviation of ln w
}
_OU_REFERENCES = ("arXiv:2601.08447", "doi:10.1103/PhysRevE.54.2084")

#: Decay towards one weight for all.
DECAY_STATIC = WeightProcess(
    name="decay",
    equations="w_target : 1",
    on_onset="w_target = w_star",
    on_update=_OU_UPDATE,
    parameters={**_OU_PARAMETERS, "w_star": 0.01},  # homeostatic baseline
    references=_OU_REFERENCES,
)

# Without any weight above zero the target does not matter; 1 keeps the division defined.
#: Decay towards the projection's mean weight at sleep onset.
DECAY_GROUP = WeightProcess(
    name="decay",
    equations="w_target : 1",
    sums={"w_sum": "w", "w_count": "int(w > 0)"},
    on_onset="""
    none = int(w_count_total == 0)
    w_target = w_sum_total/(w_count_total + none) + none
    """,
    on_update=_OU_UPDATE,
    parameters=_OU_PARAMETERS,
    references=_OU_REFERENCES,
)

#: Decay towards the mean of each neuron's non-zero incoming weights at sleep onset.
DECAY_NEURON = WeightProcess(
    name="decay",
    equations="w_target : 1",
    sums={"w_sum": "w", "w_count": "int(w > 0)"},
    on_onset="""
    none = int(w_count_post == 0)
    w_target = w_sum_post/(w_count_post + none) + none
    """,
    on_update=_OU_UPDATE,
    parameters=_OU_PARAMETERS,
    references=_OU_REFERENCES,
)
