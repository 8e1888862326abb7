"""A live Brian2 network as a protocol."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import brian2
from brian2 import Quantity

from ..errors import AdoptError, explain
from ..experiment.protocol import Protocol
from ..values.quantities import check_time
from .build import protocol_of
from .places import users_frame
from .recorder import Recorder, _namespace

log = logging.getLogger("brainsleep")


def adopt(
    network: Any = None,
    *,
    duration: Quantity,
    name: str = "adopted",
    namespace: Mapping[str, Any] | None = None,
) -> Protocol:
    """Turn a Brian2 network, before its first run, into a protocol.

    Its equations, values and wiring are taken as they are; constants that its equations take from
    outside become parameters. Its random numbers are others than in Brian2: a script that draws
    while it runs has the same statistics, and not the same spikes.

    Parameters
    ----------
    network : brian2.Network, optional
        The network; by default all Brian2 objects that ``run()`` would take where this is called.
    duration : Quantity
        How long it runs.
    name : str
        Name of the protocol.
    namespace : mapping of str to object, optional
        What names in equations stand for; by default variables where this is called.

    Returns
    -------
    Protocol
        What `simulate` runs; `brainsleep.adoption.monitored` returns what its monitors saw.

    Raises
    ------
    AdoptError
        If the network holds something that cannot be taken: nothing is taken in part.

    Examples
    --------
    >>> protocol = adopt(net, duration=1 * second)  # doctest: +SKIP
    """
    check_time(duration, "adopt: duration", AdoptError)
    frame = users_frame()
    space = _namespace(frame) if namespace is None else dict(namespace)
    if network is None:
        network = brian2.Network(brian2.collect(level=1))
    if not isinstance(network, brian2.Network):
        got = f"a {type(network).__name__}"
        raise AdoptError(explain("adopt: network", got, "a Network of Brian2"))
    recorder = Recorder(name)
    recorder.note_names(_namespace(frame))
    recorder.run(_AtRest(network), duration, space)
    for note in recorder.notes:
        log.warning("adopt: %s", note)
    return finished(recorder, name, "adopted from a Brian2 network")


def finished(recorder: Recorder, name: str, description: str) -> Protocol:
    """Return the protocol of a script or network whose runs are known."""
    assert recorder.network is not None
    return protocol_of(recorder.network, recorder.runs, recorder.called, name, description)


class _AtRest:
    """A network whose time is not moved on."""

    def __init__(self, network: brian2.Network):
        self.objects, self.t, self.t_ = network.objects, network.t, network.t_
        self.schedule = network.schedule
