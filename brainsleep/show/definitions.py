"""What every metric of a result means: definition and unit by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Groups of metrics in the order in which they are shown.
GROUPS = ("accuracy", "tasks", "weights", "rates", "representation", "time")


@dataclass(frozen=True)
class Definition:
    """What the metrics of one name mean.

    Parameters
    ----------
    group : str
        One of `GROUPS`.
    pattern : str
        Regular expression of their names; its groups are what the text names.
    unit : str
        Unit; "1" for a plain number, "fraction" for one between 0 and 1.
    text : str
        Definition.
    """

    group: str
    pattern: str
    unit: str
    text: str


_PLASTIC = " of all projections with a plasticity rule together"
_PLUGIN = ", not corrected for the finite number of samples"
_TASKS = {
    "refitted": "of a readout fitted after every task on the classes so far",
    "fixed": "of a readout fitted once after each task on its classes, then left alone",
    "own": "of the network's own output neurons",
}

#: All metrics that `brainsleep.tasks.images.measure` stores; the first pattern that matches counts.
DEFINITIONS = (
    Definition(
        "accuracy",
        r"network_accuracy",
        "fraction",
        "test images classified correctly, weights frozen: by the readout of the responses, or by "
        "the network's own output neurons if it has any",
    ),
    Definition(
        "accuracy",
        r"pixels_accuracy",
        "fraction",
        "accuracy of a readout of the raw pixels, fitted on as many images as that of spike counts",
    ),
    Definition(
        "accuracy",
        r"(?P<who>\w+)_accuracy_(?P<n>\d+)",
        "fraction",
        "accuracy of the readout of {who} fitted on {n} labels, mean over random choices of them",
    ),
    Definition(
        "accuracy", r"(?P<who>\w+)_interval", "fraction", "95 % bootstrap interval of the accuracy"
    ),
    Definition(
        "accuracy",
        r"(?P<who>\w+)_components",
        "1",
        "principal components that the readout of {who} kept ({variance} of the variance); 0 if "
        "responses did not vary, or if output neurons decided, which need no readout",
    ),
    *(
        Definition("tasks", rf"tasks_{kind}_{name}", "fraction", f"{text} {whose}")
        for kind, whose in _TASKS.items()
        for name, text in {
            "accuracy": "mean accuracy over all tasks after the last",
            "backward_transfer": "mean change of a task's accuracy from when it was learned to the "
            "end, over all tasks but the last,",
            "forgetting": "mean loss of a task's accuracy from its best to the end, over all tasks "
            "but the last,",
        }.items()
    ),
    Definition(
        "accuracy",
        r"(?P<who>\w+)_accuracy",
        "fraction",
        "accuracy of the readout of {who}'s spike counts",
    ),
    Definition(
        "weights",
        r"growth_per_s",
        "1/s",
        f"slope of a line through the summed weight{_PLASTIC}",
    ),
    Definition(
        "weights",
        r"growth_per_s_error",
        "1/s",
        "standard error of that slope; under sleep a lower bound",
    ),
    *(
        Definition("weights", pattern, unit, text.format(whose))
        for whole, part, unit, text in (
            ("saturated", "saturated", "fraction", "synapses{} within 1 % of the upper hard bound"),
            ("largest_weight", "largest", "1", "largest weight |w|{}"),
            ("growth", "growth", "1", "summed weight{}, at the end over the start"),
            ("weight_entropy", "entropy", "fraction", "entropy of the histogram of weights{} on a "
             "logarithmic axis, 1 if all bins are equally full"),
        )
        for pattern, whose in ((whole, _PLASTIC), (rf"{part}_(?P<where>\w+)", " of {where}"))
    ),
    Definition(
        "rates",
        r"rate_(?P<phase>wake|sleep|test)_(?P<where>\w+)_hz",
        "Hz",
        "mean firing rate a neuron in {phase}{stage}",
    ),
    Definition("rates", r"silent_(?P<where>\w+)", "fraction", "neurons silent in the test"),
    *(
        Definition("representation", rf"{pattern}_(?P<where>\w+)", unit, text)
        for pattern, unit, text in (
            ("participation_ratio_plugin", "1", f"participation ratio{_PLUGIN}"),
            ("participation_ratio", "1", "dimension of the test responses: (Σλ)² / Σλ² of their "
             "covariance's eigenvalues λ, corrected for the finite number of samples"),
            ("effective_rank_plugin", "1", f"effective rank{_PLUGIN}"),
            ("effective_rank", "1", "exponential of the entropy of the responses' "
             "singular values, cross-validated"),
            ("selectivity_adjusted", "1", "class selectivity s less chance: (s - s₀)/(1 - s₀), "
             "with s₀ that of shuffled labels"),
            ("selectivity", "1", "(μ - μ₀)/(μ + μ₀), with μ a neuron's mean response to its "
             "preferred class and μ₀ that to the others; mean over neurons"),
            ("phi", "fraction", "1 - within/total variance of the responses' PCA scores (η² of the "
             "classes)"),
            ("dead", "fraction", "neurons above 1 Hz in no test image"),
            ("similarity", "1", "mean correlation of the mean responses to two classes"),
        )
    ),
    Definition("time", r"sleep_s", "s", "biological time asleep"),
    Definition("time", r"wake_s", "s", "biological time awake"),
)  # fmt: skip


def definition(name: str, protocol: Mapping[str, Any] | None = None) -> Definition | None:
    """Return what a metric means, its text filled in; None if the name is not known.

    Parameters
    ----------
    name : str
        Name of the metric.
    protocol : dict, optional
        Description of the protocol that was run, which tells a stage of sleep from the beginning
        of a population's name, and how much variance the readout keeps.

    Examples
    --------
    >>> definition("rate_wake_e_hz").text
    'mean firing rate a neuron in wake'
    >>> definition("network_accuracy_50").text
    'accuracy of the readout of network fitted on 50 labels, mean over random choices of them'
    """
    for each in DEFINITIONS:
        if found := re.fullmatch(each.pattern, name):
            words = {"variance": "a share", "stage": ""} | found.groupdict()
            if protocol is not None:
                words["variance"] = f"{100 * protocol['readout']['variance']:.6g} %"
                words["stage"] = _stage(words.get("where") or "", protocol)
            return Definition(each.group, each.pattern, each.unit, each.text.format(**words))
    return None


def _stage(where: str, protocol: Mapping[str, Any]) -> str:
    """Say the stage of sleep that stands before the name of a population, as in "nrem_e"."""
    populations = {p["name"] for p in protocol["network"]["populations"]}
    stages = [stage["name"] for stage in protocol["schedule"]["sleep"].get("stages") or ()]
    if where in populations:
        return ""
    found = (s for s in stages if where.removeprefix(f"{s}_") in populations)
    return next((f", stage {stage}" for stage in found), "")
