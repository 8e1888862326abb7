"""What every metric of a result means: definition and unit by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..experiment.observer import Metric
from ..run.observers.operations import Operations
from ..run.observers.rates import Rates
from ..run.observers.weights import WeightStatistics
from ..tasks.environment import Loop
from ..tasks.images.observers import Responses, TaskProbe, Validation
from ..tasks.patterns import Recall
from ..tasks.relu.course import Learned

#: Groups of metrics in the order in which they are shown.
GROUPS = (
    *("accuracy", "tasks", "weights", "rates", "representation"),
    *("time", "operations", "observed"),
)

_OBSERVERS = (
    *(TaskProbe, Validation, Responses, Learned, Loop, Recall),
    *(WeightStatistics, Rates, Operations),
)

#: All metrics that observers of this package give; the first pattern that matches counts.
METRICS: tuple[Metric, ...] = tuple(
    metric for observer in _OBSERVERS for metric in observer.metrics
)


def definition(
    name: str, protocol: Mapping[str, Any] | None = None, more: Iterable[Metric] = ()
) -> Metric | None:
    """Return what a metric means, its text filled in; None if the name is not known.

    The description of the protocol that was run tells a stage of sleep from the beginning of a
    population's name, and how much variance the readout keeps; `more` is of a user's observers.

    Examples
    --------
    >>> definition("rate_wake_e_hz").text
    'mean firing rate a neuron in wake'
    >>> definition("network_accuracy_50").text
    'accuracy of the readout of network fitted on 50 labels, mean over random choices of them'
    """
    for each in (*more, *METRICS):
        if found := re.fullmatch(each.pattern, name):
            words = {"variance": "a share", "stage": ""} | found.groupdict()
            if protocol is not None:
                if "readout" in protocol:
                    words["variance"] = f"{100 * protocol['readout']['variance']:.6g} %"
                words["stage"] = _stage(words.get("where") or "", protocol)
            return replace(each, text=each.text.format(**words))
    return None


def _stage(where: str, protocol: Mapping[str, Any]) -> str:
    """Say the stage of sleep that stands before the name of a population, as in "nrem_e"."""
    populations = {p["name"] for p in protocol["network"]["populations"]}
    stages = [stage["name"] for stage in protocol["schedule"].get("sleep", {}).get("stages") or ()]
    if where in populations:
        return ""
    fitting = (s for s in stages if where.removeprefix(f"{s}_") in populations)
    return next((f", stage {stage}" for stage in fitting), "")
