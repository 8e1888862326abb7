"""A stored run: what made it, what was measured, and what was recorded, each under one name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import Quantity, second

from ..errors import BrainsleepError, DataError, StoreError, nearest, one_line
from ..files.npz import read_npz
from ..values.displayed import Displayed
from ..values.quantities import check_time
from .description import RENAMED, read_description, reading
from .events import Events, events_of
from .names import Name, names_in
from .parts import Arrays, Sleeps, SynapseArrays, UsedData, Weights, protocols, weights_of
from .trace import Spikes, Trace, spike_windows, spilled, trace_of

if TYPE_CHECKING:
    import pandas

    from ..experiment.protocol import Protocol


@dataclass(frozen=True, eq=False)
class Result(Displayed):
    """A stored run.

    What a result holds is data and may come from anyone: nothing in it is executed.

    Parameters
    ----------
    path : Path
        Its folder.
    info : dict
        What ``result.json`` holds, as it is there.
    """

    path: Path
    info: dict

    # -- what made it ----------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        """Hash of all that decides the outcome; name of the folder."""
        return self.info["run_id"]

    @property
    def seed(self) -> int:
        """Seed of all random numbers."""
        return self.info["seed"]

    @property
    def backend(self) -> str:
        """What simulated it, such as ``"cpp"``."""
        return self.info["backend"]

    @property
    def compiler(self) -> str:
        """Compiler and its version; "" if nothing was compiled."""
        return self.info.get("compiler") or ""

    @property
    def made(self) -> str:
        """When it was finished, in UTC; "" of results before that was stored."""
        return str(self.info.get("made") or "").replace("T", " ").replace("+00:00", " UTC")

    @property
    def machine(self) -> str:
        """Operating system, processor and, if it was used, GPU."""
        return self.info.get("machine") or ""

    @property
    def versions(self) -> dict[str, str]:
        """Versions of Python and of packages by name."""
        return self.info["versions"]

    @property
    def timings(self) -> dict[str, float]:
        """Wall times, and the time that was simulated, in s by name."""
        return self.info["timings"]

    @property
    def data(self) -> UsedData:
        """The data set."""
        stored = self.info["data"]
        more = (str(stored.get(name) or "") for name in UsedData._fields[1:])
        return UsedData(stored["name"], *more)

    @cached_property
    def described(self) -> dict[str, Any]:
        """The protocol as plain data, from `Protocol.describe`.

        Raises
        ------
        StoreError
            If its arrays cannot be read.
        """
        return read_description(self.path, self.info)

    @property
    def equations(self) -> dict[str, Any]:
        """The final source of the network as plain data, from `Protocol.equations`."""
        return self.info["equations"]

    @cached_property
    def protocol(self) -> Protocol:
        """The protocol, to be changed and run again.

        Raises
        ------
        StoreError
            If this version cannot make it: it is of another version, or has hooks. It can be read
            as `stored_protocol` all the same.
        """
        try:
            return protocols().Protocol.from_dict(self.described)
        except BrainsleepError as error:
            raise StoreError(
                f"result {self.path}: its protocol cannot be made by this version "
                f"({one_line(error)}); read it as stored_protocol"
            ) from error

    @cached_property
    def stored_protocol(self) -> Protocol:
        """The protocol to be read, never to be run: nothing in it is checked.

        It is there for results of any version. A field that the result does not have has its
        default; a value that does not fit its field is as in `described`.
        """
        return protocols().Protocol.outlined(self.described)

    @property
    def label(self) -> str:
        """What figures call it: its own name, or that of its condition; else ""."""
        named = (name.condition for name in self.names if name.named)
        return str(self.info.get("label") or next(named, ""))

    @property
    def names(self) -> tuple[Name, ...]:
        """What it is called in the grids and comparisons that its folder knows."""
        return names_in(self.path.parent).get(str(self.info.get("run_id")), ())

    # -- what was measured -----------------------------------------------------------------------

    @property
    def metrics(self) -> dict[str, Any]:
        """Measured values by name."""
        return self.info["metrics"]

    @property
    def alarms(self) -> list[dict]:
        """What went wrong while it ran, see `brainsleep.run.observers.alarms.Alarm`."""
        return self.info.get("alarms", [])

    @property
    def stopped(self) -> dict | None:
        """The alarm that ended the run early; its ``at_s`` says when. None for a whole run."""
        return self.info.get("stopped")

    # -- what a readout answered -----------------------------------------------------------------

    def confusion(self, readout: str = "network") -> pandas.DataFrame:
        """Return how often each class was taken for which in the test.

        Parameters
        ----------
        readout : str
            Name of the readout, such as ``"network"`` or ``"pixels"``.

        Returns
        -------
        pandas.DataFrame
            Numbers of test samples, shape (n_classes, n_classes): a row a true class, a column a
            predicted one.

        Raises
        ------
        DataError
            If there is no such readout, or its answers were not kept: the result is of an earlier
            version.
        """
        import pandas
        from sklearn.metrics import confusion_matrix

        predicted = self._read("predicted/")
        if readout not in predicted:
            what = f"result {self.path}: no answers of a readout '{readout}'"
            fix = nearest(readout, predicted) if predicted else "run it again with --force"
            raise DataError(f"{what}; {fix}")
        true, answers = self._read("true/")[readout], predicted[readout]
        classes = np.union1d(true, answers)
        counts = confusion_matrix(true, answers, labels=classes)
        index, columns = (
            pandas.Index(classes, name="class"),
            pandas.Index(classes, name="taken for"),
        )
        return pandas.DataFrame(counts, index=index, columns=columns)

    def predict(
        self, images: np.ndarray, *, readout: str = "", seed: int = 0, backend: str = ""
    ) -> np.ndarray:
        """Show images to the network as it is at the end of the run, and say what they are.

        It is as in the test. The readout is fitted on responses that the run stored; output
        neurons, if there are any, decide by themselves.

        Parameters
        ----------
        images : array, shape (n_images, height, width)
            Grey values: integers from 0 to 255, or floats from 0 to 1.
        readout : str
            Name of the readout; by default the first.
        seed : int
            Seed of the random numbers of the simulation.
        backend : str
            What simulates it; by default what the run was simulated with.

        Returns
        -------
        array, shape (n_images,)
            Predicted classes.

        Raises
        ------
        DataError
            If images are no grey values, there is no such readout, or nothing to fit it on.
        ProtocolError
            If the run was not about images.
        StoreError
            If its protocol or its state cannot be made by this version.

        Examples
        --------
        >>> result.predict(images)  # doctest: +SKIP
        array([3, 8, 8])
        """
        predict = import_module("brainsleep.tasks.images.predict").predict
        return predict(self, images, readout, seed, backend)

    # -- what was recorded -----------------------------------------------------------------------

    @property
    def dt(self) -> Quantity:
        """Time step."""
        dt = self.stored_protocol.network.dt
        check_time(dt, f"result {self.path}: network.dt", StoreError)
        return dt

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, read from disk."""
        return self._read("")

    @cached_property
    def slots(self) -> dict[str, np.ndarray]:
        """What every slot was, by name: ``steps``, ``phase``, ``image`` and so on."""
        return self._read("slots/")

    @property
    def slot_times(self) -> Quantity:
        """When slots begin and the last one ends, shape (n_slots + 1,)."""
        return np.concatenate([[0], np.cumsum(self.slots["steps"])]) * float(self.dt) * second

    @property
    def sleeps(self) -> Sleeps:
        """When the network slept; sleeps that took no time are left out."""
        asleep = np.concatenate([[0], (self.slots["phase"] == "sleep").astype(int), [0]])
        edges, times = np.diff(asleep), self.slot_times
        onsets, ends = times[edges == 1], times[edges == -1]
        return Sleeps(onsets[ends > onsets], ends[ends > onsets])

    @property
    def counts(self) -> dict[str, np.ndarray]:
        """Spikes of every neuron in every slot by population, shape (n_slots, n_neurons)."""
        return {name: counts for name, counts in self._read("counts/").items() if len(counts)}

    @property
    def spikes(self) -> dict[str, Spikes]:
        """Single spikes by population, if any were recorded."""
        record, network = self.stored_protocol.record, self.stored_protocol.network
        if not record.raster and not record.spikes:
            return {}
        spikes = self._read("spikes/")
        names = [p.name for p in network.populations if p.name in spikes]
        if not record.raster or record.raster[0] >= len(self.slot_times) - 1:
            names = [name for name in names if name in record.spikes]
        return {name: Spikes(spikes[name][:, 0], spikes[name][:, 1], self.dt) for name in names}

    def spike_windows(self, population: str) -> Quantity:
        """Return when single spikes of a population were recorded, shape (n_windows, 2)."""
        return spike_windows(self, population)

    @property
    def weights(self) -> dict[str, Weights]:
        """All weights that were kept, by projection."""
        return weights_of(self, self._read("snapshots/"), self._read("synapses/"))

    def synapses(self, projection: str, snapshot: str = "") -> SynapseArrays:
        """Return a projection as plain arrays.

        Parameters
        ----------
        projection : str
            Its name.
        snapshot : str
            Which of its weights, one of the names of `weights`; by default the last.

        Raises
        ------
        DataError
            If there is no such projection or snapshot.
        """
        kept = self.weights
        if projection not in kept:
            raise DataError(f"no projection '{projection}'; {nearest(projection, kept)}")
        each = kept[projection]
        snapshot = snapshot or each.names[-1]
        if snapshot not in each.names:
            raise DataError(f"no snapshot '{snapshot}'; {nearest(snapshot, each.names)}")
        pre, post = each.synapses.T
        return SynapseArrays(pre, post, each.w[each.names.index(snapshot)])

    @property
    def traced(self) -> tuple[str, ...]:
        """Names of the variables whose traces were recorded."""
        return tuple(self.info.get("traces", ()))

    def states(self, name: str) -> Trace:
        """Return the trace of a variable.

        Parameters
        ----------
        name : str
            Such as ``"e.v"``, one of `traced`.

        Raises
        ------
        DataError
            If it was not recorded.
        StoreError
            If its file is missing or damaged.
        """
        return trace_of(self, name)

    @property
    def noted(self) -> tuple[str, ...]:
        """Names of the events that were recorded, such as ``"e.spike"``."""
        return tuple(self.info.get("events", ()))

    def events(self, name: str) -> Events:
        """Return recorded events, with values of variables.

        Parameters
        ----------
        name : str
            One of `noted`.

        Raises
        ------
        DataError, StoreError
            If they were not recorded; if a file of theirs is missing or damaged.
        """
        return events_of(self, name)

    @property
    def weight_statistics(self) -> list[str]:
        """What was measured of weights: the columns of `statistics`."""
        return self.info.get("weight_statistics", [])

    @property
    def statistics(self) -> dict[str, np.ndarray]:
        """Statistics of weights over time by projection, shape (n_times, n_statistics)."""
        return self._read("stats/")

    @property
    def statistics_times(self) -> Quantity:
        """When `statistics` were taken, shape (n_times,)."""
        return self._read("stat_times_s")[""] * second

    def _read(self, start: str) -> dict[str, np.ndarray]:
        """Read the arrays whose names begin so, by the rest of their names."""
        with reading(self.path / "arrays.npz"):
            arrays = read_npz(self.path / "arrays.npz", start)
        if "spikes/".startswith(start) or start.startswith("spikes/"):
            arrays |= {f"spikes/{name}": each for name, each in spilled(self).items()}
        now = {RENAMED.get(name, name): array for name, array in arrays.items()}
        named = Arrays({name.removeprefix(start): array for name, array in now.items()})
        named.start = start
        return named

    def __repr__(self) -> str:
        return f"<Result {self.run_id} of protocol '{self.described['name']}'>"
