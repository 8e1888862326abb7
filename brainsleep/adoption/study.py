"""A protocol as a folder of a study: models and protocol as Python, arrays as data beside it."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import Quantity, get_dimensions
from brian2.core.namespace import DEFAULT_UNITS
from brian2.units.fundamentalunits import DIMENSIONLESS

from ..errors import AdoptError, explain, one_line
from ..experiment.protocol import Protocol
from ..experiment.settings import Setting
from ..experiment.timeline import Period
from ..files.atomic import written_folder
from ..network.models import Model
from ..network.spec import NetworkSpec
from ..values.arrays import Array
from ..values.units import unit_name

#: Most numbers of an array, or of a tuple, that are written out.
_MOST = 8
_WIDE = 100


class _Code:
    """Writes specifications as Python, and notes what it imports and which arrays it reads."""

    def __init__(self, models: Mapping[int, str]):
        self._models = models
        self.units, self.kinds, self.named = set[str](), set[str](), set[str]()
        self.data: dict[str, np.ndarray] = {}

    def value(self, value: Any, label: str, indent: int = 0) -> str:
        """Return a value as code; `label` names the data that it is kept in."""
        if id(value) in self._models:
            self.named.add(self._models[id(value)])
            return self._models[id(value)]
        if isinstance(value, Array):
            return self._array(value, label)
        if isinstance(value, Quantity):
            return self.quantity(value)
        if isinstance(value, Setting) and not value.who.numbers.size:
            return self.value(value.values, label, indent)
        if isinstance(value, Period):
            return self._period(value, label, indent)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self.spec(value, label, indent)
        if isinstance(value, Mapping):
            parts = [
                f"{json.dumps(key)}: {self.value(each, f'{label}.{key}', indent + 4)}"
                for key, each in value.items()
            ]
            return _bracketed("{", parts, "}", indent)
        if isinstance(value, tuple):
            return self._tuple(value, label, indent)
        if isinstance(value, str) and "\n" in value and '"""' not in value and "\\" not in value:
            return f'"""{value}"""'
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)

    def spec(self, value: Any, label: str, indent: int = 0) -> str:
        """Return a specification as code: what is not as by default."""
        self.kinds.add(type(value).__name__)
        parts = []
        for item in dataclasses.fields(value):
            each = getattr(value, item.name)
            if item.init and not _is_default(item, each):
                words = self.value(each, f"{label}.{item.name}", indent + 4)
                parts.append(f"{item.name}={words}")
        return _bracketed(f"{type(value).__name__}(", parts, ")", indent)

    def _period(self, value: Period, label: str, indent: int) -> str:
        """Return a period as a call of `awake` or `asleep`."""
        name = "awake" if value.kind == "wake" else "asleep"
        self.kinds.add(name)
        usual = {"input": 1.0 if name == "awake" else 0.0, "plasticity": 1.0}
        parts = [self.quantity(value.duration)]
        if float(value.rate):
            parts.append(f"rate={self.quantity(value.rate)}")
        for item in ("inputs", "signals", "settings"):
            if getattr(value, item):
                words = self.value(getattr(value, item), f"{label}.{item}", indent + 4)
                parts.append(f"{item}={words}")
        parts += [f"{k}={v:g}" for k, v in value.gates.items() if usual.get(k) != v]
        return _bracketed(f"{name}(", parts, ")", indent)

    def _tuple(self, value: tuple, label: str, indent: int) -> str:
        numbers = all(type(each) is int for each in value)
        if numbers and len(value) > _MOST:
            if value == tuple(range(value[0], value[-1] + 1)):
                return f"tuple(range({value[0]}, {value[-1] + 1}))"
            return f"tuple({self._kept(label, np.array(value))}.tolist())"
        parts = [
            self.value(each, f"{label}.{getattr(each, 'name', k)}", indent + 4)
            for k, each in enumerate(value)
        ]
        parts = [f"{parts[0]},"] if len(parts) == 1 else parts
        return _bracketed("(", parts, ")", indent)

    def _array(self, value: Array, label: str) -> str:
        whole = value.dtype == "int32"
        if value.numbers.size <= _MOST and value.numbers.size and value.numbers.ndim == 1:
            words = repr(value.numbers.tolist())
            words = f"np.array({words})" if value.dim is not DIMENSIONLESS else words
        else:
            numbers = value.numbers if whole else value.numbers.astype(float)
            words = self._kept(label, numbers)
        return words if value.dim is DIMENSIONLESS else f"{words} * {self._unit(value.dim)}"

    def _kept(self, label: str, numbers: np.ndarray) -> str:
        name = re.sub(r"\.(connectivity|values|network|populations|projections)\b", "", label)
        name = re.sub(r"^(network|protocol)\.", "", name)
        self.data[name] = numbers
        return f'DATA["{name}"]'

    def quantity(self, value: Quantity) -> str:
        """Return a quantity as code that gives the same number, in a unit that suits it."""
        number, dim = float(np.asarray(value)), get_dimensions(value)
        if dim is DIMENSIONLESS:
            return repr(int(number)) if number.is_integer() and abs(number) < 1e9 else repr(number)
        found = [(f"{number!r} * {self._unit(dim)}", "")]
        shorts = {str(Quantity(number, dim=dim).get_best_unit())} if number else set()
        shorts |= {"ms", "mV", "nA", "nS", "pF", "second", "volt", "Hz"}
        for short in shorts:
            unit = DEFAULT_UNITS.get(short)
            if unit is not None and unit.dim is dim and short.isidentifier():
                words = _times(number, float(unit))
                found += [(f"{words} * {short}", short)] if words else []
        text, unit_used = min(found, key=lambda each: (len(each[0]), each))
        self.units |= {unit_used} - {""}
        return text

    def _unit(self, dim: Any) -> str:
        name = unit_name(dim)
        self.units |= set(re.findall(r"[a-z]+", name))
        return name if name.isidentifier() else f"({name})"


def _times(number: float, size: float) -> str:
    """Return how often a unit of some size a number is, if that gives it to the bit."""
    for digits in range(1, 18):
        written = float(f"{number / size:.{digits}g}")
        if written * size == number:
            return (
                str(int(written)) if written.is_integer() and abs(written) < 1e9 else f"{written}"
            )
    return ""


def _bracketed(begin: str, parts: list[str], end: str, indent: int) -> str:
    """Write parts in brackets: in one line if they fit, else one a line."""
    line = begin + ", ".join(parts) + end
    if "\n" not in line and len(line) + indent < _WIDE - 10:
        return line.replace(",,", ",")
    pad = " " * (indent + 4)
    rows = "".join(f"{pad}{part.rstrip(',')},\n" for part in parts)
    return f"{begin}\n{rows}{' ' * indent}{end}"


def _is_default(item: dataclasses.Field, value: Any) -> bool:
    if item.default is not dataclasses.MISSING:
        return bool(value is item.default or value == item.default)
    if item.default_factory is dataclasses.MISSING:
        return False
    usual = item.default_factory()
    if isinstance(usual, Quantity) and isinstance(value, Quantity):
        return usual.dim is value.dim and float(usual) == float(value)
    return type(usual) in (type(value), dict, tuple) and bool(usual == value)


def write_study(protocol: Protocol, folder: str | Path, source: str = "") -> list[Path]:
    """Write a protocol as a folder of a study; return its files.

    `source` is what it was made of. Raises `AdoptError` if the folder is there and not empty, or
    cannot be written.
    """
    folder, name = Path(folder).expanduser(), protocol.name
    network = protocol.network
    assert isinstance(network, NetworkSpec)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        got = f"'{folder}', which exists and is not an empty folder"
        raise AdoptError(explain("adopt: folder", got, "a new one", "choose another name"))
    models: dict[int, str] = {}
    for population in network.populations:
        models[id(population.model)] = f"{population.name.upper()}_NEURON"
    for projection in network.projections:
        models[id(projection.synapse)] = f"{projection.name.upper()}_SYNAPSE"
    told = f" of {source}" if source else ""
    written = {
        f"{name}_models.py": _models(network, models, told),
        f"{name}.py": _protocol(protocol, models, told),
    }
    data = {f"{name}.npz": code.data for code, _ in [written[f"{name}.py"]]}
    data[f"{name}_models.npz"] = written[f"{name}_models.py"][0].data
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with written_folder(folder.resolve()) as work:
            for file, (_, text) in written.items():
                (work / file).write_text(text, encoding="utf-8")
            for file, arrays in data.items():
                if arrays:
                    (work / file).write_bytes(_packed(arrays))
    except OSError as error:
        reason = error.strerror or one_line(error)
        fix = "choose another place"
        raise AdoptError(explain(f"adopt: folder {folder}", reason, "a new one", fix)) from error
    return sorted(path for path in folder.iterdir())


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    given: Any = dict(arrays)
    np.savez_compressed(file, **given)
    return file.getvalue()


def _models(network: NetworkSpec, models: Mapping[int, str], told: str) -> tuple[_Code, str]:
    code, parts = _Code({}), []
    chosen: list[Model] = [population.model for population in network.populations]
    chosen += [projection.synapse for projection in network.projections]
    for model in chosen:
        parts.append(f"{models[id(model)]} = {code.spec(model, model.name)}")
    head = f'"""Neurons and synapses{told}, as equations."""'
    return code, _file(head, code, parts, f"{network.name}_models")


def _protocol(protocol: Protocol, models: Mapping[int, str], told: str) -> tuple[_Code, str]:
    code = _Code(models)
    network = code.spec(protocol.network, "network")
    whole = _Code({**models, id(protocol.network): "NETWORK"})
    text = whole.spec(protocol, "protocol")
    whole.units |= code.units
    whole.kinds |= code.kinds
    whole.data |= code.data
    names = sorted(code.named)
    more = f"from {protocol.name}_models import {', '.join(names)}\n"
    if len(more) > _WIDE:
        rows = "".join(f"    {each},\n" for each in names)
        more = f"from {protocol.name}_models import (\n{rows})\n"
    parts = [f"NETWORK = {network}", f"PROTOCOL = {text}"]
    head = f'"""The network{told}, when it is awake and asleep, and what is recorded."""'
    return whole, _file(head, whole, parts, protocol.name, more)


def _file(head: str, code: _Code, parts: list[str], name: str, more: str = "") -> str:
    text = "\n\n".join(parts)
    lines = [head, ""]
    reads = bool(code.data)
    arrays = "np." in re.sub(r'""".*?"""|"[^"\n]*"', "", text, flags=re.DOTALL)
    if reads:
        lines += ["from pathlib import Path", ""]
    if reads or arrays:
        lines.append("import numpy as np")
    used = {unit for unit in code.units if re.search(rf"\b{unit}\b", text)}
    if used:
        lines.append(_import("brian2", used))
    lines += ["", _import("brainsleep", code.kinds)]
    lines += [more.rstrip()] if more else []
    if reads:
        lines += ["", f'DATA = np.load(Path(__file__).with_name("{name}.npz"))']
    return "\n".join(lines) + "\n\n" + text + "\n"


def _import(module: str, names: set[str]) -> str:
    line = f"from {module} import {', '.join(sorted(names))}"
    if len(line) <= _WIDE:
        return line
    rows = "".join(f"    {name},\n" for name in sorted(names))
    return f"from {module} import (\n{rows})"
