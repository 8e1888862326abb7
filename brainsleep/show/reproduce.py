"""The command that makes a result again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from ..errors import BrainsleepError, ProtocolError
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
    wanted, name = flatten(result.described), str(result.described["name"])
    for model in _models(name):
        try:
            base = load_protocol(name, model)
            changes = _changes(flatten(base.describe()), wanted)
            if _gives(base, changes, result):
                return _written(name, model, changes, result), True
        except (BrainsleepError, TypeError, ValueError):
            continue  # such as a network without the parts that the settings are of
    source = {key: str(wanted[key]) for key in ("data.source",) if key in wanted}
    return _written("MY_PROTOCOL.py", "", source, result), False


def _models(name: str) -> Iterator[str]:
    """Yield the networks that a shipped protocol has: its own, then those by name."""
    if name in shipped("protocol"):
        yield ""
        yield from getattr(load_module(name, "protocol"), "MODELS", {})


def _changes(base: dict[str, Any], wanted: dict[str, Any]) -> dict[str, str]:
    """Return the settings that differ, as text; a key that both do not have says nothing.

    The content of the start weights follows from where they lie, and cannot be set.
    """
    return {
        key: str(value)
        for key, value in wanted.items()
        if key in base and base[key] != value and key not in (*_SAID, "initial_weights.content")
    }


def _gives(protocol: Protocol, changes: dict[str, str], result: Result) -> bool:
    """Tell whether a protocol, changed, has the settings and the equations of a result.

    Raises `ProtocolError` if a setting names an object of a file: a result is data, and loads no
    code.
    """
    for key, value in changes.items():
        if ":" in value and key != "data.source":  # as any name of an object has
            raise ProtocolError(f"result: its setting {key} is {value!r}, which names an object")
    changed = protocol.override(changes)
    settings, wanted = flatten(changed.describe()), flatten(result.described)
    same = all(settings.get(k) == v for k, v in wanted.items() if k not in _SAID)
    return same and json.loads(json.dumps(changed.equations())) == result.equations


def _written(protocol: str, model: str, changes: dict[str, str], result: Result) -> str:
    words = ["brainsleep", "run", protocol]
    words += ["--model", model] if model else []
    for key, value in changes.items():
        words += ["--data", value] if key == "data.source" else ["--set", f"{key}={value}"]
    words += ["--seed", str(result.seed), "--backend", str(result.backend)]
    return shlex.join(words)
