"""The command that makes a result again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import suppress

from ..errors import BrainsleepError
from ..experiment.protocol import Protocol, load_protocol
from ..files.load import load_module, shipped
from ..results.result import Result
from ..results.table import flatten

#: Settings that decide nothing.
_SAID = ("name", "description")


def command(result: Result) -> tuple[str, bool]:
    """Return the command that makes a result again, and whether it surely does.

    Nothing in the result is run: only protocols that come with the package are tried, with the
    settings of the result, until one has its settings and equations.

    It does not if none of the package's protocols has the settings and equations of the result:
    it is of one of the user's own, or of another version.
    """
    name = str(result.described["name"])
    for model in _models(name):
        with suppress(BrainsleepError, TypeError, ValueError):  # such as parts that are not there
            changes = _changes(load_protocol(name, model), result)
            if changes is not None:
                return _written(name, model, changes, result), True
    source = result.described.get("data", {}).get("source")
    changes = {} if source is None else {"data.source": str(source)}
    return _written("MY_PROTOCOL.py", "", changes, result), False


def shipped_model(result: Result) -> str | None:
    """Return which network of the shipped protocol a result is of; None if of none as it is."""
    name = str(result.described["name"])
    for model in _models(name):
        with suppress(BrainsleepError, TypeError, ValueError):
            if _changes(load_protocol(name, model), result) is not None:
                return model
    return None


def _models(name: str) -> Iterator[str]:
    """Yield the networks that a shipped protocol has: its own, then those by name."""
    if name in shipped("protocol"):
        yield ""
        yield from getattr(load_module(name, "protocol"), "MODELS", {})


def _changes(protocol: Protocol, result: Result) -> dict[str, str] | None:
    """Return as text the settings by which a protocol becomes that of a result; None if it cannot.

    A key that both do not have says nothing, and the content of start weights follows from where
    they lie. A setting that names an object of a file is refused: a result is data, and loads no
    code.
    """
    base = flatten(protocol.describe())
    wanted = {k: v for k, v in flatten(result.described).items() if k not in _SAID}
    changes = {k: str(v) for k, v in wanted.items() if k in base and base[k] != v}
    for start in ("saved_weights", "saved_state"):
        changes.pop(f"{start}.content", None)
    if any(":" in value for key, value in changes.items() if key != "data.source"):
        return None
    changed = protocol.override(changes)
    settings = flatten(changed.describe())
    same = all(settings.get(key) == value for key, value in wanted.items())
    same = same and json.loads(json.dumps(changed.equations())) == result.equations
    return changes if same else None


def _written(protocol: str, model: str, changes: dict[str, str], result: Result) -> str:
    words = ["brainsleep", "run", protocol]
    words += ["--model", model] if model else []
    for key, value in changes.items():
        words += ["--data", value] if key == "data.source" else ["--set", f"{key}={value}"]
    words += ["--seed", str(result.seed), "--backend", str(result.backend)]
    return shlex.join(words)
