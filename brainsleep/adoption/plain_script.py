"""The reverse of adoption: a protocol as a plain Brian2 script, for who wants nothing to trust.

The script has the final equations of every object, as the runtime backend is given them, the values
and the wiring of one seed, and the run as calls of ``net.run`` with what changes in between. It
needs Brian2 alone. With NumPy code it gives the same spikes, drawn numbers among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import second

from .. import __version__
from ..errors import ProtocolError, explain
from ..experiment.protocol import Protocol
from ..experiment.task import Course
from ..network.plan import GroupPlan, SynapsePlan
from ..network.spec import NetworkSpec
from ..run.loop import Run
from ..run.segment import Segment
from ..run.state import stream
from .objects_text import ObjectsText
from .run_text import RunText
from .script_text import Values, number
from .slot_values import pieces_of

#: Fields of plans that a script says.
KNOWN = frozenset(
    """name size equations method threshold reset refractory on_slot on_step on_spike activities
    parameters initial state gates constants delayed signals spike_trains links regular tables
    source target on_pre on_post processes pathways steps updates on_post_always delays repeats
    signed events functions""".split()
)


def as_brian2(protocol: Protocol, seed: int = 0) -> str:
    """Write a protocol as a plain Brian2 script.

    Parameters
    ----------
    protocol : Protocol
        What to write. Of a task only what the network is given: no readout, and nothing that
        depends on how the network responds.
    seed : int
        Seed of the run: values and wiring are those that it draws.

    Returns
    -------
    str
        A Python script that imports Brian2 and NumPy alone. It ends with the run done, and
        ``NAME_spikes`` a `SpikeMonitor` of each population.

    Raises
    ------
    ProtocolError
        For what such a script cannot say, such as a task that responds to the network.
    """
    network = protocol.network
    if not isinstance(network, NetworkSpec):
        raise _unsayable("network", f"a {network.kind} network", "a network of Brian2")
    _check_parts(protocol, network)
    material = protocol.open({})
    run = Run(protocol, seed, "numpy", material, "", Path(), lambda *told: None)
    _check_course(protocol, run)
    table, cuts = run.table, _cuts(run)
    segment = _whole(run, [*cuts, len(table)])
    seeds = {first: int(stream(seed, "dynamics", first).integers(2**32)) for first in cuts}
    pieces = pieces_of(network, segment, run.state, seeds, run.course.settings)
    values = Values()
    objects = ObjectsText(network, run.state, segment, pieces, values)
    parts = [objects.text(), objects.monitors(protocol.record, run.sampling.indices)]
    parts += [RunText(pieces, table.phase, objects.tellers, values).text(), objects.closing()]
    return "\n\n".join([_head(protocol, network, seed), values.text(), *parts]).rstrip() + "\n"


def _unsayable(what: str, got: object, allowed: str, fix: str = "") -> ProtocolError:
    return ProtocolError(explain(f"as a Brian2 script: {what}", got, allowed, fix))


def _check_parts(protocol: Protocol, network: NetworkSpec) -> None:
    """Raise `ProtocolError` for parts that have no equivalent in a plain script."""
    if protocol.hooks:
        raise _unsayable("hooks", ", ".join(protocol.hooks), "none, as they are Python functions")
    if protocol.saved_state.result:
        raise _unsayable("saved_state", protocol.saved_state.result, "a run from its beginning")
    parts: list[GroupPlan | SynapsePlan] = [*network.plan.groups, *network.plan.synapses]
    for part in parts:
        for name in {each.name for each in fields(part)} - KNOWN:
            if value := getattr(part, name):
                allowed = "what a script can say"
                raise _unsayable(f"'{part.name}': {name}", f"{value}"[:60], allowed)
    for part in network.plan.synapses:
        if any(delay.most for delay in part.delays):
            allowed = "delays that stay as they are"
            raise _unsayable(f"projection '{part.name}'", "delays that change", allowed)
        for process in part.processes:
            if process.sums and _sets_before(process.on_onset, "w"):
                got = "weights set on_onset, and sums of them"
                raise _unsayable(f"process '{process.name}' of '{part.name}'", got, "one of both")


def _sets_before(code: str, name: str) -> bool:
    return any(line.split()[0] == name for line in code.splitlines())


def _check_course(protocol: Protocol, run: Run) -> None:
    """Raise `ProtocolError` for a run that depends on how the network responds."""
    course, kind = run.course, type(protocol.task).__name__
    if course.changes:
        raise _unsayable("task", f"{kind}, which sets values of the network", "one that does not")
    if type(course).follow is not Course.follow:
        raise _unsayable("task", f"{kind}, which responds to the network", "one that does not")
    if getattr(protocol.task, "early_stopping", None):
        raise _unsayable("early_stopping", "on", "off, as it looks at how the network responds")
    if np.any(run.table.above) or np.any(run.table.within):
        got = "a sleep that ends when weights say so"
        raise _unsayable("schedule", got, "periods whose length is known")


def _cuts(run: Run) -> list[int]:
    """Return the slots with which the segments of a run begin."""
    cuts, boundaries = [], run._boundaries()
    while run.position < len(run.table):
        cuts.append(run.position)
        run._at = (run._end_of_segment(boundaries), run.state, run.kept)
    return cuts


def _whole(run: Run, cuts: Sequence[int]) -> Segment:
    """Return a run as one segment."""
    table, course = run.table, run.course
    parts = [(course.stimulus(*ends), course.given(*ends)) for ends in pairwise(cuts)]
    whole: dict[str, Any] = {"inputs": {}, "signals": {}, "trains": {}}
    for kind in ("inputs", "signals"):
        for name in parts[0][1].get(kind, ()):
            whole[kind][name] = np.concatenate([given[kind][name] for _, given in parts])
    for name in parts[0][1].get("trains", ()):
        trains = [given["trains"][name] for _, given in parts]
        steps = [t[0] + table.starts[first] for t, first in zip(trains, cuts[:-1], strict=True)]
        whole["trains"][name] = np.concatenate(steps), np.concatenate([t[1] for t in trains])
    stimulus = np.concatenate([stimulus for stimulus, _ in parts])
    return Segment.of(table, slice(0, len(table)), stimulus, **whole)


def _head(protocol: Protocol, network: NetworkSpec, seed: int) -> str:
    """Write what the script is, and what it needs."""
    about = [f"{protocol.name}, seed {seed}: a plain Brian2 script."]
    about += [line for line in (protocol.description, *protocol.references) if line]
    about += [f"Written by brainsleep {__version__}; needs Brian2 2.10 or newer, and nothing else."]
    lines = ['"""' + "\n\n".join(line.replace("\\", "/") for line in about) + '\n"""']
    lines += ["import numpy as np", "from brian2 import *"]
    lines += ["", 'prefs.codegen.target = "numpy"  # with "cython" it draws other random numbers']
    if network.precision == "float32":
        lines += ["prefs.core.default_float_dtype = np.float32"]
    lines += [f"defaultclock.dt = {number(float(network.dt), second)}"]  # to the last bit
    return "\n".join(lines)
