"""Brian2 objects that are given something new before every segment."""

from __future__ import annotations

from typing import Any

import brian2
import numpy as np
from brian2.core.clocks import BaseClock
from brian2.groups.group import CodeRunner

from ...errors import BackendError


class EventClock(brian2.EventClock):
    """A Brian2 event clock with room for `capacity` times that can be set before every run.

    Brian2's templates recognise event clocks by this class name.
    """

    def __init__(self, capacity: int, name: str):
        BaseClock.__init__(self, name=name)
        self._times = np.full(capacity + 1, np.inf)
        self.variables.add_array(
            "times",
            dimensions=brian2.second.dim,
            size=capacity + 1,
            values=self._times,
            dtype=np.float64,
            read_only=True,
        )
        self.variables["t"].set_value(np.inf)

    def set_times(self, times: np.ndarray) -> None:
        """Set the times in seconds (ascending)."""
        self._times[:] = np.inf
        self._times[: len(times)] = times


class TraceMonitor(brian2.StateMonitor):
    """A state monitor of a standalone program, which is given whom it records at run time."""

    def __init__(self, *args: Any, **kwds: Any):
        super().__init__(*args, **kwds)
        del self.variables._variables["_indices"]
        self.variables.add_dynamic_array("_indices", size=1, dtype=np.int32)


class PreparedNetwork(brian2.Network):
    """A Brian2 network that generates its code before the first run only.

    Nothing that code depends on changes between segments: sizes, equations and namespaces are
    fixed. What is in queues of spikes is set before every segment.
    """

    prepared = False

    def before_run(self, run_namespace):
        """Generate code the first time; afterwards just clear the stop flags."""
        if self.prepared:
            self._stopped = brian2.Network._globally_stopped = False
        else:
            super().before_run(run_namespace)
            self._check_compiled()
            self.prepared = True

    def _check_compiled(self) -> None:
        """Raise `BackendError` for code that Cython refused: Brian2 would pass it over in a run."""
        for owner in self.sorted_objects:
            for code in owner.code_objects:
                for block, compiled in code.compiled_code.items():
                    source = getattr(code.code, block, "").strip()
                    if compiled is None and source and "EMPTY_CODE_BLOCK" not in source:
                        raise BackendError(
                            f"Brian2 could not compile the code of '{owner.name}' ({block}); "
                            "Cython's messages are above; use --backend numpy"
                        )


def spike_by_trains(group: Any, clock: Any) -> None:
    """Have neurons spike when they are told, in place of a threshold.

    The code is that of Brian2's `SpikeGeneratorGroup`: steps without spikes cost little.
    """
    variables = group.variables
    for name, dtype in (("neuron_index", np.int32), ("_timebins", np.int64)):
        variables.add_dynamic_array(name, size=0, dtype=dtype, needs_reference_update=True)
    for name in ("_period_bins", "_lastindex"):  # no period: spikes do not come again
        variables.add_array(name, size=1, values=0, dtype=np.int32, scalar=True)
    needed = ["_spikespace", "neuron_index", "_timebins", "_period_bins", "_lastindex"]
    told = CodeRunner(
        group,
        "spikegenerator",
        code="",
        needed_variables=needed,
        clock=clock,
        when="thresholds",
        name=f"{group.name}_spike_trains",
    )
    group.contained_objects.remove(group.thresholder["spike"])
    group.contained_objects.append(told)
    group.thresholder["spike"] = told
