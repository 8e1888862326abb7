"""Layered networks of leaky neurons that learn by surrogate gradients, as frozen descriptions.

Nothing here needs torch; what runs them does. Such a network is a `Network` like any other, but
its neurons are snnTorch's `Leaky`, every neuron of a layer is connected to every neuron of the
next, a weight has a sign of its own, and awake it learns labels of images by gradient descent.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, ClassVar

from brian2 import ms

from ..errors import SpecError
from ..values.fields import Count, Positive, Time, number, one_of, place, refusal, specification
from ..values.frozen import default
from .equations import checks, settle
from .models import PlasticityRule, SpontaneousActivity, WeightProcess
from .spec import PRECISIONS, Network

#: Surrogates of a spike's derivative: functions of `snntorch.surrogate` by name, and what their
#: one number is called there.
SURROGATES = {"fast_sigmoid": "slope", "atan": "alpha", "sigmoid": "slope"}

#: What they are, for a membrane that is `x` above the threshold.
DERIVATIVES = {
    "fast_sigmoid": "1/(1 + slope*abs(x))**2",
    "atan": "alpha/2/(1 + (pi/2*alpha*x)**2)",
    "sigmoid": "slope*exp(-slope*x)/(1 + exp(-slope*x))**2",
}

#: Losses: two of `snntorch.functional`, and the second summed over steps, not averaged.
LOSSES = ("ce_count_loss", "ce_rate_loss", "ce_step_loss")


@specification("population '{name}': ")
class CurrentInput:
    """Inputs that inject a constant current for as long as an image is shown; they never spike.

    Parameters
    ----------
    name : str
        Lower-case name.
    size : int
        Number of inputs.
    gain : float
        Current at a rate of one spike a time step, in units of the threshold.
    """

    name: Annotated[str, checks.name("population")]
    size: Count
    gain: float = 1.0

    spikes = False
    activities: ClassVar[tuple[SpontaneousActivity, ...]] = ()

    @property
    def equations(self) -> str:
        """What it injects, in words of one line."""
        return f"current = {self.gain:g}*stimulus*dt"


@specification("population '{name}': ")
class LeakyPopulation:
    """Leaky integrate-and-fire neurons of snnTorch (`snntorch.Leaky`), without unit.

    A step is ``v = beta*v + current - v_threshold*spiked_before``; a spike is ``v > v_threshold``.
    Backwards, its derivative is that of a surrogate.

    Parameters
    ----------
    name : str
        Lower-case name.
    size : int
        Number of neurons.
    beta : float
        What a step leaves of the membrane, 0 to 1.
    v_threshold : float
        Threshold, and what a spike takes off in the step after.
    surrogate : {"fast_sigmoid", "atan", "sigmoid"}
        Derivative of a spike, from `snntorch.surrogate`.
    steepness : float
        Its slope (or alpha).
    activities : tuple of SpontaneousActivity
        Drives that gates switch on in sleep; they may use ``v``.
    activities_first : bool
        Whether they change ``v`` before the step, not after its leak and current. What they lift
        above the threshold is then reset in this step, and spikes only if it is still above it.
    """

    name: Annotated[str, checks.name("population")]
    size: Count
    beta: Annotated[float, number(0, 1, allowed="a number between 0 and 1")] = 0.95
    v_threshold: float = 1.0
    surrogate: Annotated[str, one_of(*SURROGATES)] = "fast_sigmoid"
    steepness: float = 5.0
    activities: tuple[SpontaneousActivity, ...] = ()
    activities_first: bool = False

    spikes = True

    def __post_init__(self):
        for activity in self.activities:
            own = activity.variables
            names = checks.dimensionless("v", f"{activity.name}_gate")
            names |= checks.constants_of(activity.parameters) | checks.variables_of(own)
            field = f"activities: {activity.name}: on_step (these neurons' v has no unit)"
            label = place(self, field)
            for name in sorted({"i", "t", "xi"} & checks.identifiers(activity.on_step)):
                raise SpecError(f"{label}: got '{name}'; expected v, its parameters, its variables")
            checks.check_statements(activity.on_step, names, label, writes={"v", *own})

    @property
    def equations(self) -> str:
        """The step of a neuron."""
        first = "activities change v first\n" if self.activities and self.activities_first else ""
        return (
            f"{first}v = {self.beta:g}*v + current - {self.v_threshold:g}*spiked_before\n"
            f"spike: v > {self.v_threshold:g}\n"
            f"derivative of a spike: {DERIVATIVES[self.surrogate]}, x = v - {self.v_threshold:g}, "
            f"{SURROGATES[self.surrogate]} = {self.steepness:g} "
            f"(snntorch.surrogate.{self.surrogate})"
        )


@specification("projection '{name}': ")
class DenseProjection:
    """All-to-all synapses from one layer to the next; each weight has its own sign.

    Weights start as torch's linear layers do, uniform between -1 and 1 over the root of the number
    of inputs. Gradient descent and plasticity rules change the signed weight (in a rule ``w_min``
    is -`w_max`); weight processes change its magnitude and leave the sign alone.

    Parameters
    ----------
    name : str
        Lower-case name.
    source, target : str
        Names of populations.
    scale : float
        Factor of the weights at the start.
    bias : bool
        Whether every target neuron has a bias: a constant current, awake, asleep and in the test.
        Biases start as weights do and are trained as they are; rules, weight processes and `w_max`
        leave them alone.
    w_max : float
        Hard bound of the magnitude.
    rules : tuple of PlasticityRule
        Plasticity in sleep, while the plasticity gate is open.
    processes : tuple of WeightProcess
        Weight processes, each with a gate of its own name.
    """

    name: Annotated[str, checks.name("projection")]
    source: str
    target: str
    scale: Positive = 1.0
    bias: bool = False
    w_max: Positive = 25.0
    rules: tuple[PlasticityRule, ...] = ()
    processes: tuple[WeightProcess, ...] = ()

    w_min = 0.0
    sign = 1

    def __post_init__(self):
        for rule in self.rules:
            own = {f"{name}_{role}" for role in ("pre", "post") for name in rule.traces(role)}
            own |= {"spiking_pre", "spiking_post"}
            used = checks.identifiers(rule.on_pre, rule.on_post) - set(rule.parameters) - own
            for name in sorted(n for n in used if n.endswith(("_pre", "_post"))):
                expected = f"only its own traces and who spikes: {', '.join(sorted(own))}"
                raise refusal(self, f"rule '{rule.name}' uses", f"'{name}'", expected)
            for label in ("equations", "on_step"):
                if code := getattr(rule, label).strip():
                    expected = "none: only the weight is a variable of a synapse here"
                    raise refusal(self, f"rule '{rule.name}': {label}", repr(code), expected)
            known = {"w", "w_min", "w_max", *rule.parameters, *own}
            self._check_known(f"rule '{rule.name}'", rule.codes, known)
        for process in self.processes:
            sums = {f"{name}_{end}" for name in process.sums for end in ("post", "total")}
            own = {name for name, eq in process.variables.items() if not eq.flags}
            known = {"w", "interval", *sums, *process.parameters, *own}
            codes = {**process.codes, **process.sums}
            self._check_known(f"weight process '{process.name}'", codes, known)

    def _check_known(self, what: str, codes: Mapping[str, str], known: set[str]) -> None:
        """Refuse names that only a network of Brian2 could know."""
        for code in codes.values():
            new = {name for name, _, _ in settle.read(settle.statements(code)) or ()}
            for name in sorted(checks.identifiers(code) - known - new - checks.RESERVED):
                expected = f"one of: {', '.join(sorted(known))}"
                raise refusal(self, f"{what} uses", f"'{name}'", expected)


@specification("network '{name}': ")
class SurrogateNetwork(Network):
    """A feed-forward network that learns labels by surrogate gradients awake, and sleeps.

    The optimiser is Adam with torch's defaults. A spike acts on the next layer within its time
    step, as in snnTorch, so a spike and the one that it causes are simultaneous: to a plasticity
    rule, which sees traces as they were before the spikes of a step, they are no pair, unless it
    asks for ``spiking_pre`` and ``spiking_post``. The input never spikes, so rules see nothing of
    it.

    Parameters
    ----------
    name : str
        Lower-case name.
    populations : tuple
        A `CurrentInput`, then layers of `LeakyPopulation`; the last has one neuron a class.
    projections : tuple of DenseProjection
        One from each population to the next, in order.
    learning_rate : float
        Step of Adam; scaled by the plasticity gate of wake.
    batch_size : int
        Images learned from together: they are shown side by side, in the time of one.
    loss : {"ce_count_loss", "ce_rate_loss", "ce_step_loss"}
        Cross-entropy of the output's spike counts with the label, or of its spikes in every step,
        averaged over steps (both of `snntorch.functional`) or summed over them.
    sleeping_copies : int
        Copies of the network that sleep in its place, side by side, each from rest and with noise
        of its own. Weights stay as they are meanwhile; at the end of the sleep (or of its stage, or
        where it is looked at) they change once, by the mean of what rules would have done in the
        copies, and then weight processes follow. Recorded is the first copy. 0: the network
        sleeps itself, and changes as it goes.
    dt : Quantity
        What a step stands for: the unit of the schedule, of rules and of processes.
    precision : {"float32", "float64"}
        Floating-point numbers.

    Raises
    ------
    SpecError
        If the layers do not form a chain, or names clash.

    References
    ----------
    Eshraghian et al. (2023), doi:10.1109/JPROC.2023.3308088: snnTorch. Neftci et al. (2019),
    doi:10.1109/MSP.2019.2931595: surrogate gradients.
    """

    name: Annotated[str, checks.name("network")]
    populations: tuple[CurrentInput | LeakyPopulation, ...]
    projections: tuple[DenseProjection, ...]
    learning_rate: float = 5e-4
    batch_size: Count = 128
    loss: Annotated[str, one_of(*LOSSES)] = "ce_count_loss"
    sleeping_copies: int = 0
    dt: Time = default(1 * ms)
    precision: Annotated[str, one_of(*PRECISIONS)] = "float32"
    references: tuple[str, ...] = ()

    kind = "surrogate-gradient"

    def __post_init__(self):
        self._check_names()
        self._check_chain()

    def _check_chain(self) -> None:
        layers = self.populations
        kinds = [CurrentInput, *[LeakyPopulation] * (len(layers) - 1)]
        if len(layers) < 2 or not all(map(isinstance, layers, kinds)):
            got = ", ".join(type(layer).__name__ for layer in layers)
            allowed = "a CurrentInput, then at least one LeakyPopulation"
            raise refusal(self, "populations", got, allowed)
        wanted = [(a.name, b.name) for a, b in itertools.pairwise(layers)]
        ends = [(p.source, p.target) for p in self.projections]
        if ends != wanted:
            got = ", ".join(f"{a} to {b}" for a, b in ends) or "none"
            allowed = ", ".join(f"{a} to {b}" for a, b in wanted)
            raise refusal(self, "projections", got, f"{allowed}, in this order")

    @property
    def hidden(self) -> tuple[LeakyPopulation, ...]:
        """The layers that spike, the output among them."""
        return tuple(layer for layer in self.populations if isinstance(layer, LeakyPopulation))

    @property
    def input(self) -> str:  # type: ignore[override]
        """Name of the population that takes the stimulus."""
        return self.populations[0].name

    @property
    def output(self) -> str:
        """Name of the population whose spikes are the network's decision, one neuron a class."""
        return self.populations[-1].name

    @property
    def plan(self) -> dict:
        """What every population does in a step, how it learns, and who sleeps, as text."""
        home = "" if self.loss == "ce_step_loss" else "snntorch.functional."
        trained = "weights and biases" if any(p.bias for p in self.projections) else "weights"
        learning = (
            f"Adam on {trained}, learning rate {self.learning_rate:g}, batches of "
            f"{self.batch_size}; loss: {home}{self.loss}"
        )
        changes = "their changes averaged and made at its end"
        copies = f"{self.sleeping_copies} copies from rest, {changes}"
        return {
            "populations": {p.name: p.equations for p in self.populations},
            "wake": learning,
            "sleep": copies if self.sleeping_copies else "the network itself",
        }
