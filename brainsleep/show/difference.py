"""What differs between two protocols or stored results, in any mix, for ``brainsleep diff``.

Both sides are looked at as plain data, which is what a result stores. Settings are named by
the keys that ``--set`` takes; equations are compared line by line as Brian2 gets them.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from brian2 import Quantity

from ..errors import ProtocolError, SpecError
from ..experiment.identity import deciding
from ..experiment.protocol import Protocol, load_protocol
from ..results.result import Result
from ..results.store import as_stored, read_result
from ..results.table import flatten
from ..values.quantities import read_quantity
from .facts import text
from .sources import sources

#: Sections of settings, by how their keys begin; the first that fits.
_SECTIONS = {"schedule.": "schedule", "hooks": "hooks"}
_SECTIONS |= dict.fromkeys(("data.", "encoder.", "tasks."), "data")
_SECTIONS |= dict.fromkeys(("readout.", "record."), "readout and record") | {"": "network"}
_ORDER = "equations,parameters,network,schedule,data,readout and record,run,hooks".split(",")
#: Settings that are the hash of a model's equations.
_HASHED = (".equations",)
_OF_MODELS = (".model.", ".synapse.", ".rules.", ".processes.", ".activities.")


@dataclass(frozen=True)
class Side:
    """One of the two things compared, as plain data.

    Parameters
    ----------
    label : str
        What the user called it.
    described, equations : dict
        Of the protocol.
    facts : dict
        What else decides the outcome of a run: seed, backend, data. Empty for a protocol.
    circumstances, metrics : dict
        Of a result: versions and the like, and what was measured.
    """

    label: str
    described: dict[str, Any]
    equations: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    circumstances: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A value that differs.

    Parameters
    ----------
    section, key : str
        Where it belongs, and what it is.
    a, b : object
        The values; None where there is no such thing.
    """

    section: str
    key: str
    a: Any
    b: Any

    def texts(self) -> tuple[str, str]:
        """Return both values as text, with as many digits as it takes to see that they differ."""
        for digits in range(4 if self.section == "metrics" else 6, 17):
            a, b = (text(_rounded(value, digits)) for value in (self.a, self.b))
            if a != b:
                return a, b
        return str(self.a), str(self.b)


@dataclass(frozen=True)
class CodeChange:
    """Code of one part that differs.

    Parameters
    ----------
    part, label : str
        The population or projection, and which code of it.
    lines : tuple of str
        Its lines, beginning with ``-`` (only in the first), ``+`` (only in the second) or a space.
    """

    part: str
    label: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """All that differs.

    Parameters
    ----------
    same : bool
        Whether nothing differs that decides the outcome of a run.
    code : tuple of CodeChange
        Equations and statements.
    changes : tuple of Change
        Everything else that decides the outcome, by section.
    aside : tuple of Change
        What does not decide it: names, versions, metrics.
    """

    same: bool
    code: tuple[CodeChange, ...]
    changes: tuple[Change, ...]
    aside: tuple[Change, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        code = [{"part": c.part, "code": c.label, "lines": list(c.lines)} for c in self.code]
        changes, aside = ([vars(c) for c in each] for each in (self.changes, self.aside))
        return {"same": self.same, "equations": code, "changes": changes, "aside": aside}


def side(
    source: str, settings: Mapping[str, str] | None = None, base: Protocol | None = None
) -> Side:
    """Read one of the two things to compare.

    Parameters
    ----------
    source : str
        Folder of a result, or a protocol: shipped name, file, or ``FILE.py:NAME``.
    settings : mapping of str to str, optional
        Changes of a protocol, by key.
    base : Protocol, optional
        The protocol, if it has been loaded.

    Returns
    -------
    Side
        It as plain data.

    Raises
    ------
    ProtocolError, StoreError
        If there is no such thing, or settings are given for a result.
    """
    path = Path(source)
    if base is not None:
        return Side(source, base.describe(), base.equations())
    if not (path.is_dir() or path.name == "result.json"):
        protocol = load_protocol(source).override(settings or {})
        return Side(source, protocol.describe(), protocol.equations())
    if settings:
        raise ProtocolError(f"diff: {source} is a result, whose settings are what they were")
    result = read_result(path)
    with as_stored(result):
        stored = of_result(source, result)
        difference(stored, replace(stored, facts={}))  # what looks at it later finds all of it
    return stored


def of_result(source: str, result: Result) -> Side:
    """Return a stored result as one of the two things to compare."""
    facts = {"seed": result.seed, "backend": result.backend}
    facts["fingerprint"] = result.data.fingerprint
    aside = {"compiler": result.compiler, "machine": result.machine, "stopped": result.stopped}
    around = {key: value for key, value in aside.items() if value}
    source = f"{source} ({result.label})" if result.label else source
    around |= {f"version of {name}": value for name, value in result.versions.items()}
    return Side(source, result.described, result.equations, facts, around, dict(result.metrics))


def difference(a: Side, b: Side) -> Difference:
    """Compare two sides.

    Parameters
    ----------
    a, b : Side
        From `side`.

    Returns
    -------
    Difference
        `same` as the ids of their runs would be, as far as both sides say what decides them.
    """
    code = tuple(_code_changes(a.equations, b.equations))
    settings = (flatten(deciding(each.described)) for each in (a, b))
    hidden = _HASHED if code else ()  # they are shown themselves
    changes = [_placed(c) for c in _differing("", *settings) if not c.key.endswith(hidden)]
    names = ({key: each.described.get(key) for key in ("name", "description")} for each in (a, b))
    aside = [change for change in _differing("names", *names) if change.a and change.b]
    if a.facts and b.facts:
        changes += _differing("run", a.facts, b.facts)
    else:  # nobody has looked at the data: the names must do
        data = (each.described.get("data", {}) for each in (a, b))
        changes += _differing("data", *({"data.source": each.get("source")} for each in data))
    if a.circumstances and b.circumstances:
        aside += _differing("versions", a.circumstances, b.circumstances)
    if a.metrics and b.metrics:
        aside += _differing("metrics", a.metrics, b.metrics)
    same = deciding(a.described) == deciding(b.described) and not (code or changes)
    changes.sort(key=lambda change: _ORDER.index(change.section))
    return Difference(same, code, tuple(changes), tuple(aside))


def _rounded(value: Any, digits: int) -> Any:
    """Round the numbers in a value, and quantities that are text, to so many digits."""
    if isinstance(value, list | tuple):
        return [_rounded(part, digits) for part in value]
    if isinstance(value, dict):
        return {key: _rounded(part, digits) for key, part in value.items()}
    if isinstance(value, str):
        with suppress(SpecError):
            value = read_quantity(value)
    if isinstance(value, Quantity):
        return Quantity(float(f"{float(value):.{digits}g}"), dim=value.dim)
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _same(a: Any, b: Any, closeness: float = 0.0) -> bool:
    """Tell whether values are the same: NaN is, and what is as close as rounding makes numbers."""
    if isinstance(a, list) and isinstance(b, list):
        pairs = zip(a, b, strict=False)
        return len(a) == len(b) and all(_same(x, y, closeness) for x, y in pairs)
    if isinstance(a, float) and isinstance(b, float):
        both_nan = a != a and b != b
        return a == b or both_nan or math.isclose(a, b, rel_tol=closeness, abs_tol=0.0)
    return bool(a == b)


def _differing(section: str, a: Mapping, b: Mapping) -> list[Change]:
    keys = dict.fromkeys([*a, *b])
    close = 1e-12 if section == "metrics" else 0.0  # they decide nothing
    pairs = ((key, a.get(key), b.get(key)) for key in keys)
    return [Change(section, k, x, y) for k, x, y in pairs if not _same(x, y, close)]


def _placed(change: Change) -> Change:
    """Give a setting its section; say of equations that no line of them differs."""
    if change.key.endswith(_HASHED):
        text = "other spacing, comments or unused code"
        return Change("equations", change.key, None, text)
    section = next(name for start, name in _SECTIONS.items() if change.key.startswith(start))
    if section == "network" and any(part in change.key for part in _OF_MODELS):
        section = "parameters"
    return Change(section, change.key, change.a, change.b)


def _code_changes(a: dict[str, Any], b: dict[str, Any]) -> Iterator[CodeChange]:
    """Compare the final source of two networks, part by part."""
    parts = [{source.name: source.code for source in sources(each)} for each in (a, b)]
    for part in dict.fromkeys([*parts[0], *parts[1]]):
        codes = [side.get(part, {}) for side in parts]
        for label in dict.fromkeys([*codes[0], *codes[1]]):
            before, after = (code.get(label, "").splitlines() for code in codes)
            if before != after:
                lines = difflib.unified_diff(before, after, n=1, lineterm="")
                shown = [line for line in lines if line[:3] not in ("---", "+++", "@@ ")]
                yield CodeChange(part, label, tuple(shown))
