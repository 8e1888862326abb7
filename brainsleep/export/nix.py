"""A result as a `neo.Block`, and from it as a NIX file.

A file has a data array a channel of a Neo signal. That is right for the few statistics of weights,
not for the weights (2000 of them took 30 s): in a NIX file all that has a column a synapse or a
neuron is a plain data array beside the Neo objects, in the block that Neo reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..results.result import Result
from ..results.trace import Trace
from .columns import columns, described, packages
from .spiketrains import recorded_trains

if TYPE_CHECKING:
    import neo

#: What the error is about, and what is imported.
_NEO = "export", "neo", "neo", "quantities"


def to_block(result: Result) -> neo.Block:
    """Return a result as a Neo block of one segment.

    Parameters
    ----------
    result : Result
        A stored run.

    Returns
    -------
    neo.Block
        Annotated with what the result is (run, protocol, seed, units). Its segment has the spike
        trains that were recorded; analog signals ``trace NAME``, one a window (a channel a neuron
        or synapse; array annotations ``number``, ``pre`` and ``post``); an epoch a slot, with what
        was shown as array annotations; signals ``counts NAME`` (spikes a slot, a channel a neuron),
        ``statistics NAME`` (of the weights of a projection over time; array annotation
        ``statistic``) and ``weights NAME`` (a channel a synapse; array annotations ``pre`` and
        ``post``, annotation ``snapshots``).

    Raises
    ------
    MissingExtraError
        If `neo` is not installed.
    """
    neo, pq = packages(*_NEO)
    block = _narrow(neo, pq, result)
    signals = block.segments[0].irregularlysampledsignals
    starts = result.slot_times[:-1]
    for name, counts in result.counts.items():
        signals.append(_signal(neo, pq, f"counts {name}", starts, counts, population=name))
    for name, each in result.weights.items():
        pre, post = each.synapses.T
        more: dict[str, Any] = {"array_annotations": {"pre": pre, "post": post}}
        more |= {"projection": name, "source": each.source, "target": each.target}
        more |= {"sign": each.sign, "snapshots": each.names}
        signals.append(_signal(neo, pq, f"weights {name}", each.times, each.w, **more))
    return block


def write(result: Result, path: Path) -> None:
    """Write a NIX file; to be read with `neo.io.NixIO` or `nixio`.

    Besides what `to_block` has, it has data arrays ``counts_NAME`` (slots, neurons),
    ``weights_NAME`` (snapshots, synapses) and ``synapses_NAME`` (synapses; pre, post), in the
    block's ``data_arrays``. Those of weights have the snapshots' names as labels.

    Raises
    ------
    MissingExtraError
        If `neo` and `nixio` are not installed.
    """
    (neo, pq), (nixio,) = packages(*_NEO), packages("export", "nixio", "nixio")
    with neo.io.NixIO(str(path), "ow") as file:
        file.write_block(_narrow(neo, pq, result))
    with_arrays = nixio.File.open(str(path), nixio.FileMode.ReadWrite)
    try:
        block = with_arrays.blocks[0]
        for name, counts in result.counts.items():
            array = block.create_data_array(f"counts_{name}", "brainsleep.counts", data=counts)
            starts = np.asarray(result.slot_times[:-1]).tolist()
            array.append_range_dimension(starts, label="time", unit="s")
            array.append_set_dimension()
        for name, each in result.weights.items():
            array = block.create_data_array(f"weights_{name}", "brainsleep.weights", data=each.w)
            times = zip(each.names, np.asarray(each.times).tolist(), strict=True)
            array.append_set_dimension(labels=[f"{n} at {t!r} s" for n, t in times])
            array.append_set_dimension()
            array.label = f"w from {each.source} to {each.target}, {each.sign_in_words}"
            pairs = block.create_data_array(
                f"synapses_{name}", "brainsleep.synapses", data=each.synapses
            )
            pairs.append_set_dimension()
            pairs.append_set_dimension(labels=["pre", "post"])
    finally:
        with_arrays.close()


def _narrow(neo: Any, pq: Any, result: Result) -> Any:
    """Make the block without what has a column a synapse or a neuron."""
    protocol = result.stored_protocol
    description = protocol.description or protocol.name
    block = neo.Block(name=result.run_id, description=description, **described(result))
    segment = neo.Segment(name="run")
    block.segments.append(segment)
    for population in result.spikes:
        segment.spiketrains.extend(recorded_trains(result, population))
    table = columns(result)
    start, duration = table.pop("start_s"), table.pop("duration_s")
    segment.epochs.append(
        neo.Epoch(
            times=start * pq.s,
            durations=duration * pq.s,
            labels=table["phase"].astype(str),
            name="slots",
            array_annotations=table,
        )
    )
    for trace in map(result.states, result.traced):
        segment.analogsignals.extend(list(_analog(neo, pq, trace)))
    measured = {"statistic": np.array(result.weight_statistics)}
    for name, values in result.statistics.items():
        more = {"projection": name, "array_annotations": measured}
        signal = _signal(neo, pq, f"statistics {name}", result.statistics_times, values, **more)
        segment.irregularlysampledsignals.append(signal)
    block.check_relationships()
    return block


def _analog(neo: Any, pq: Any, trace: Trace) -> Iterator[Any]:
    """Make signals of a trace, one for every stretch of time that was recorded without a gap."""
    times, values = np.asarray(trace.times), np.asarray(trace.values)
    period = float(np.min(np.diff(times))) if len(times) > 1 else 1.0
    pieces = np.split(np.arange(len(times)), 1 + np.flatnonzero(np.diff(times) > 1.5 * period))
    channels: dict[str, Any] = {"number": trace.indices}
    if trace.pairs is not None:
        channels |= {"pre": trace.pairs[:, 0], "post": trace.pairs[:, 1]}
    for piece in filter(len, pieces):
        yield neo.AnalogSignal(
            values[piece],
            units="dimensionless" if trace.unit == "1" else trace.unit,
            t_start=times[piece[0]] * pq.s,
            sampling_period=period * pq.s,
            name=f"trace {trace.name}",
            array_annotations=channels,
            variable=trace.name,
        )


def _signal(neo: Any, pq: Any, name: str, times: Any, values: np.ndarray, **more: Any) -> Any:
    """Make a signal without unit at `times` in s, a row each."""
    return neo.IrregularlySampledSignal(
        np.asarray(times) * pq.s, values, units="dimensionless", name=name, **more
    )
