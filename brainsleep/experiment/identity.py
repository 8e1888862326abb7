"""What of a protocol, as plain data, decides the outcome of a run."""

from typing import Any

from ..network.events import SPIKE
from ..tasks.images.continual import Tasks
from ..values.arrays import Array
from ..values.plain import plain
from .early_stopping import EarlyStopping
from .record import Alarms
from .saved_state import SavedState
from .start import SavedWeights

#: Settings that came later, by kind of specification as in `plain` (a phase says its own), and the
#: value that says it is as before: a run with that value keeps the id it had without the setting.
LATER: dict[str, dict[str, Any]] = {
    "NetworkSpec": {"precision": "float64", "signals": {}, "links": {}},
    "NeuronModel": {
        **{"stimulus_unit": "1.0 hertz", "spike_trains": False, "signals": {}},
        **{"regular": [], "tables": {}, "events": [], "functions": {}},
    },
    "Population": {"values": {}, "positions": {}},
    "Projection": {
        **{"values": {}, "delay": "0.0 second", "delay_post": "0.0 second"},
        **{"delay_max": "0.0 second", "path_delays": {}},
    },
    "DelayPlan": {"most": 0.0, "event": SPIKE},
    "LinkPlan": {"index": ""},
    "Pathway": {"own_delay": False, "event": SPIKE},
    "PathwayPlan": {"event": SPIKE},
    "WeightProcess": {"signed": False, "signals": {}},
    "wake": {"inputs": {}, "signals": {}, "settings": {}},
    "sleep": {
        **{"stages": [], "cycles": 1, "duration": None, "tolerance": 0.0, "cadence": "time"},
        **{"inputs": {}, "signals": {}, "settings": {}},
    },
    "SurrogateNetwork": {"sleeping_copies": 0},
    "LeakyPopulation": {"activities_first": False},
    "DenseProjection": {"bias": False},
    "SpontaneousActivity": {"equations": "", "signals": {}},
    "Schedule": {"epochs": 1, "identical_epochs": False},
    "Record": {
        "alarms": Alarms.deciding(plain(Alarms())),
        "observers": [],
        "states": {},
        "every": "0.0 second",
        "spikes": [],
        "windows": [],
        "monitors": [],
        "events": {},
    },
    "Probes": {"images": 0, "every": 1},
    "Data": {"n_validation": 0},
    "GroupPlan": {
        "on_spike": "",
        "constants": [],
        "delayed": False,
        **{"signals": [], "spike_trains": False, "links": [], "regular": [], "tables": {}},
        **{"events": [], "functions": {}},
    },
    "SynapseModel": {
        **{"equations": "", "initial": {}, "method": "euler"},
        **{"on_post": "", "on_step": "", "pathways": [], "signals": {}},
        **{"regular": [], "tables": {}, "summed": "before", "functions": {}},
    },
    "PlasticityRule": {
        **{"equations": "", "initial": {}, "method": "euler", "on_step": "", "signals": {}}
    },
    "SynapsePlan": {
        **{"constants": [], "delays": [], "repeats": False, "signed": False},
        **{"pathways": [], "steps": [], "initial": {}, "updates": [], "on_post_always": False},
        **{"regular": [], "tables": {}, "sums_after": False, "functions": {}},
    },
    "Readout": {
        "name": "network",
        "beside": [],
        "classifier": "logistic",
        "fit_last": 0,
        "fit_share": 1.0,
        "score_last": 0,
        "merge": False,
    },
    "Protocol": {
        "more_readouts": [],
        "early_stopping": plain(EarlyStopping()),
        "tasks": plain(Tasks()),
        "probes": {"kind": "Probes"},
        "saved_weights": SavedWeights.deciding(plain(SavedWeights())),
        "saved_state": SavedState.deciding(plain(SavedState())),
    },
}

#: Settings that refuse what does not fit, and decide nothing about what does.
REFUSING = {"SpontaneousActivity": {"dt"}, "Record": {"monitors"}}

#: Specifications that say themselves what of them, as plain data, decides the outcome of a run.
_SELECTED = {
    "Alarms": Alarms.deciding,
    "Array": Array.deciding,
    "SavedWeights": SavedWeights.deciding,
    "SavedState": SavedState.deciding,
}


def deciding(described: dict[str, Any]) -> dict[str, Any]:
    """Return what of a protocol, from `Protocol.describe`, decides the outcome of a run.

    Names, texts and paths do not, nor later settings that are as before.
    """
    content = without_later(described)
    for key in ("name", "description"):
        content.pop(key)
    for key in ("source", "root"):
        content.get("data", {}).pop(key, None)
    return content


def hashed(described: dict[str, Any]) -> dict[str, Any]:
    """Return what run ids are made of: what decides, by the names that it had at first."""
    content = deciding(described)
    if "saved_weights" in content:
        content["initial_weights"] = content.pop("saved_weights")
    probes = content.pop("probes", {})
    content["record"] |= {f"probe_{k}": v for k, v in probes.items() if k != "kind"}
    return content


def without_later(value: Any) -> Any:
    """Leave out what a specification, described as plain data, cites, and what is as before."""
    if isinstance(value, dict):
        kind = value.get("kind", "")
        drop = REFUSING.get(kind, set()) | ({"references"} if "kind" in value else set())
        parts = _SELECTED.get(kind, dict)(value).items()
        kept = {k: without_later(v) for k, v in parts if k not in drop}
        before = LATER.get(kind, {})
        return {k: v for k, v in kept.items() if k not in before or v != before[k]}
    return [without_later(v) for v in value] if isinstance(value, list) else value
