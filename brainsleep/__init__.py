"""Sleep in plastic spiking networks: edit equations, schedule wake and sleep, get a result.

These are the names that a study is written with: what a network is made of, what it is shown and
when it sleeps, what runs it, and what comes out. Each is loaded when it is used. Models and
experiments to copy and edit are in `brainsleep.models` and `brainsleep.protocols`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names again, for editors and type checkers
    # ruff: noqa: F401
    from .adoption.live import adopt
    from .errors import BrainsleepError
    from .experiment.early_stopping import EarlyStopping
    from .experiment.inputs import Rates, SpikeTrains, Values
    from .experiment.monitors import Monitor
    from .experiment.observer import Metric, Observer
    from .experiment.protocol import Protocol, load_protocol
    from .experiment.record import Alarms, Record
    from .experiment.saved_state import SavedState
    from .experiment.schedule import Schedule, sleep, wake
    from .experiment.settings import Setting
    from .experiment.stages import SleepStage, nrem, rem
    from .experiment.start import SavedWeights
    from .experiment.timeline import Timeline, asleep, awake, cycles
    from .network.events import Event
    from .network.functions import OwnFunction
    from .network.models import (
        NeuronModel,
        Pathway,
        PlasticityRule,
        SpontaneousActivity,
        SynapseModel,
        WeightProcess,
    )
    from .network.regular import Regular
    from .network.spec import NetworkSpec, Population, Projection
    from .network.strength import InitialWeights
    from .network.tables import Table
    from .network.wiring import Connectivity, FixedInDegree, FixedOutDegree, OneToOne, Pairs
    from .results.result import Result
    from .results.store import read_result
    from .results.table import tabulate
    from .run.compare import Condition, compare
    from .run.observers.rates import Firing, UpStates
    from .run.simulate import simulate, simulate_many
    from .sweep.grid import Grid
    from .tasks.codes import MostSpikes, OneHot, TuningCurves
    from .tasks.environment import Environment
    from .tasks.images.continual import Tasks
    from .tasks.images.encoders import RateEncoder
    from .tasks.images.readout import Readout
    from .tasks.images.task import Data, Images, Probes
    from .tasks.patterns import Patterns
    from .tasks.relu.task import ReluTasks

__version__ = "0.1.0"

#: What each module gives, in the order in which a study meets it.
_GIVEN = {
    "network.models": "NeuronModel SynapseModel Pathway PlasticityRule SpontaneousActivity "
    "WeightProcess",
    "network.events": "Event",
    "network.functions": "OwnFunction",
    "network.regular": "Regular",
    "network.tables": "Table",
    "network.spec": "NetworkSpec Population Projection",
    "network.strength": "InitialWeights",
    "network.wiring": "Connectivity FixedInDegree FixedOutDegree OneToOne Pairs",
    "experiment.protocol": "Protocol load_protocol",
    "experiment.timeline": "Timeline awake asleep cycles",
    "experiment.inputs": "Rates Values SpikeTrains",
    "experiment.schedule": "Schedule wake sleep",
    "experiment.stages": "SleepStage nrem rem",
    "experiment.start": "SavedWeights",
    "experiment.saved_state": "SavedState",
    "experiment.early_stopping": "EarlyStopping",
    "experiment.settings": "Setting",
    "experiment.record": "Record Alarms",
    "experiment.monitors": "Monitor",
    "experiment.observer": "Observer Metric",
    "tasks.images.task": "Images Data Probes",
    "tasks.images.encoders": "RateEncoder",
    "tasks.images.readout": "Readout",
    "tasks.images.continual": "Tasks",
    "run.observers.rates": "Firing UpStates",
    "tasks.environment": "Environment",
    "tasks.patterns": "Patterns",
    "tasks.codes": "TuningCurves OneHot MostSpikes",
    "tasks.relu.task": "ReluTasks",
    "run.simulate": "simulate simulate_many",
    "run.compare": "Condition compare",
    "sweep.grid": "Grid",
    "results.result": "Result",
    "results.store": "read_result",
    "results.table": "tabulate",
    "adoption.live": "adopt",
    "errors": "BrainsleepError",
}
_HOMES = {name: module for module, names in _GIVEN.items() for name in names.split()}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
