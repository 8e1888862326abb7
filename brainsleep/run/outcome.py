"""From a run that is over to what its result holds: metrics and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..experiment.early_stopping import EarlyStopping
from ..tasks.images.measure import (
    rate_metrics,
    response_metrics,
    scores,
    task_metrics,
    weight_metrics,
)

if TYPE_CHECKING:
    from .loop import Run

STAGES = ("train", "readout", "test")


def outcome(run: Run) -> tuple[dict, dict[str, np.ndarray]]:
    """Measure what a run recorded.

    Parameters
    ----------
    run : Run
        A run that is over, or was stopped.

    Returns
    -------
    metrics : dict
        By name.
    arrays : dict of str to ndarray
        What is stored beside them.
    """
    protocol, last = run.protocol, run.position  # the end, unless it was stopped
    table, recorder = run.table.until(last), run.recorder.until(last)
    dt = float(protocol.network.dt)
    looked = run.probes.course(recorder, dt)
    inner = ("probes/", "best/", "saturated")  # what follows from these is kept
    arrays = {k: v for k, v in recorder.arrays().items() if not k.startswith(inner)}
    arrays |= looked
    arrays |= {
        "slots/steps": recorder.ran,
        "slots/image": table.image,
        "slots/stage": table.stage,
        "slots/phase": table.phase,
        "slots/sleep_stage": table.sleep_stage,
        "slots/n_images": table.n_images,
        "slots/task": table.task,
    }
    arrays["stat_times_s"] = arrays.pop("stat_steps") * dt
    for p in protocol.network.projections:
        pre, post = run.state.synapses[p.name]
        arrays[f"synapses/{p.name}"] = np.column_stack([pre, post])
    for stage in STAGES:
        arrays[f"labels/{stage}"] = getattr(run.split, stage).labels
    metrics = weight_metrics(protocol, recorder, run.state)
    metrics |= rate_metrics(protocol, recorder, table)
    metrics |= response_metrics(protocol, recorder, table, run.split, run.seed)
    if validated := run.probes.scores(recorder, last):
        metrics["epochs_trained"] = len(validated)
        metrics["best_epoch"] = 1 + EarlyStopping.best(validated)
        metrics["validation_accuracy"] = max(validated)
        arrays["validation"] = np.array(validated)
    if _can_score(run):
        found, few = scores(protocol, recorder, table, run.split, run.seed)
        metrics |= few
        for name, score in found.items():
            metrics[f"{name}_accuracy"] = score.accuracy
            metrics[f"{name}_interval"] = list(score.interval)
            metrics[f"{name}_components"] = score.components
            arrays[f"correct/{name}"] = score.correct
        accuracies, represented = run.probes.after_tasks(recorder)
        metrics |= task_metrics(accuracies)
        arrays |= {f"tasks/{name}": R for name, R in accuracies.items()}
        arrays |= {f"tasks/representation/{name}": v for name, v in represented.items()}
    return metrics, arrays


def _can_score(run: Run) -> bool:
    """Return whether there are images to fit every readout on, and images to score it on."""
    data = run.protocol.data
    fits = all(data.n_readout or readout.fit_last for readout in run.protocol.readouts)
    return bool(data.n_test and fits and not run.watch.stopped)
