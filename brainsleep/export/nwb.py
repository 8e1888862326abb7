"""A result as a file of Neurodata Without Borders (NWB).

Written with pynwb, not through Neo, which would leave out who is connected to whom, the slots and
what was shown in them.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..results.result import Result
from .columns import columns, described, packages

#: What the columns of the slots hold.
_COLUMNS = {
    "slot": "number of the slot",
    "part": "train, readout or test",
    "phase": "wake, sleep or test",
    "sleep_stage": "stage of sleep, if sleep has stages",
    "task": "task that is learned; -1 after training",
    "n_images": "images shown side by side",
    "image": "number of the image among the images of the part; -1 for none",
    "label": "class of the image; -1 for none or a batch",
}


def write(result: Result, path: Path) -> None:
    """Write an NWB file.

    The file has ``units`` (spike times in s, ``population``, ``neuron``) of what was recorded; time
    intervals ``slots``; in the acquisition time series ``weights_NAME`` (snapshots, synapses) and
    ``statistics_NAME`` (times, statistics) of every projection, and ``counts_NAME`` (slots,
    neurons) of every population, and ``trace_NAME_VARIABLE`` (times, recorded) of every trace, in
    its SI unit; in the processing module ``network`` tables ``synapses_NAME``
    (``pre``, ``post``); in ``notes`` what the result is, as JSON. Weights have no unit: "1". The
    session starts when the result was written.

    Raises
    ------
    MissingExtraError
        If `pynwb` is not installed.
    """
    (pynwb,) = packages("export", "pynwb", "pynwb")
    protocol = result.stored_protocol
    written = (result.path / "result.json").stat().st_mtime
    file = pynwb.NWBFile(
        session_description=protocol.description or protocol.name,
        identifier=result.run_id,
        session_start_time=datetime.datetime.fromtimestamp(written, datetime.UTC),
        protocol=protocol.name,
        notes=json.dumps(described(result), sort_keys=True),
    )
    _units(file, result)
    _slots(file, result)
    _weights(file, result)
    for trace in map(result.states, result.traced):
        whose = trace.indices if trace.pairs is None else trace.pairs
        what = f"{trace.name} of {whose.tolist()}"
        name, values = f"trace_{trace.name.replace('.', '_')}", np.asarray(trace.values)
        _series(file, name, np.asarray(trace.times), values, what, trace.unit)
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)


def _units(file: Any, result: Result) -> None:
    """Add the spikes of every neuron that were recorded."""
    spikes, protocol = result.spikes, result.stored_protocol
    if not spikes:
        return
    file.add_unit_column("population", "population of the neuron")
    file.add_unit_column("neuron", "its number there")
    for name, (times, neurons) in spikes.items():
        windows = np.asarray(result.spike_windows(name))
        order = np.lexsort((times, neurons))
        size = protocol.network.population(name).size
        cuts = np.searchsorted(neurons[order], np.arange(1, size))
        for k, own in enumerate(np.split(np.asarray(times)[order], cuts)):
            file.add_unit(spike_times=own, obs_intervals=windows, population=name, neuron=k)


def _slots(file: Any, result: Result) -> None:
    """Add when each slot was and what was shown in it, and the spikes of every neuron there."""
    from hdmf.common import VectorData
    from pynwb.epoch import TimeIntervals

    table = columns(result)
    start, duration = table.pop("start_s"), table.pop("duration_s")
    if len(start):
        table = {"start_time": start, "stop_time": start + duration, **table}
        made = [
            VectorData(
                name=name,
                description=_COLUMNS.get(name, name),
                data=data.tolist() if data.dtype.kind == "U" else data,
            )
            for name, data in table.items()
        ]
        about = "what was shown when; spikes_NAME: spikes of a population"
        file.add_time_intervals(TimeIntervals(name="slots", description=about, columns=made))
    for name, counts in result.counts.items():
        _series(file, f"counts_{name}", start, counts, f"spikes of every neuron of {name} a slot")


def _weights(file: Any, result: Result) -> None:
    """Add weights, their statistics, and who is connected to whom."""
    from hdmf.common import DynamicTable, VectorData

    module = file.create_processing_module("network", "who is connected to whom")
    names, values = ", ".join(result.weight_statistics), result.statistics
    for name, each in result.weights.items():
        ends = f"from {each.source} to {each.target}"
        what = f"weights {ends}, {each.sign_in_words}: {', '.join(each.names)}"
        _series(file, f"weights_{name}", np.asarray(each.times), each.w, what)
        times, what = np.asarray(result.statistics_times), f"of the weights {ends}: {names}"
        _series(file, f"statistics_{name}", times, values[name], what)
        pairs = [
            VectorData(name=role, description=f"{role}synaptic neuron", data=each.synapses[:, k])
            for k, role in enumerate(("pre", "post"))
        ]
        about = f"synapses {ends}, as the columns of weights_{name}"
        module.add(DynamicTable(name=f"synapses_{name}", description=about, columns=pairs))


def _series(
    file: Any, name: str, times: np.ndarray, data: np.ndarray, what: str, unit: str = "1"
) -> None:
    from pynwb import TimeSeries

    file.add_acquisition(
        TimeSeries(name=name, data=data, timestamps=times, unit=unit, description=what)
    )
