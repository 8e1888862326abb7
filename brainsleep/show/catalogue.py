"""What comes with the package, file by file: what it is, where it is from, what of it is verified.

All of it is read from the files: the first sentence of their docstrings, the ``#:`` comments above
their objects, the references of those, and ``VERIFIED``. This maps a heading of
``docs/published.md``, or the path of another page or test, to what was compared there with what.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from ..experiment.protocol import Protocol
from ..experiment.stages import SleepStage
from ..files.load import load_module, shipped
from ..network.layers import SurrogateNetwork
from ..network.models import KINDS, Model
from ..network.spec import Network, NetworkSpec

#: What objects of model files are called.
WORDS: dict[type, str] = {
    **KINDS,
    SleepStage: "stage of sleep",
    NetworkSpec: "network",
    SurrogateNetwork: "surrogate-gradient network",
}

_OBJECT = re.compile(r"(?m)((?:^#:.*\n)*)^([A-Z][A-Z\d_]*)(?:: [^=\n]*)? =")


class Entry(NamedTuple):
    """An object of a file."""

    name: str
    #: What kind of object it is.
    kind: str
    #: What it is, in a sentence.
    text: str


class Family(NamedTuple):
    """A file of models or of protocols."""

    name: str
    #: What it is, in a sentence.
    text: str
    references: tuple[str, ...]
    #: What was compared with what, by where that is.
    verified: Mapping[str, str]
    entries: tuple[Entry, ...]

    @property
    def checks(self) -> list[str]:
        """What is verified and where, a line each."""
        return [f"{text} ({place(where)})" for where, text in self.verified.items()]


def place(where: str) -> str:
    """Return where something is verified: a path as it is, a heading with its page."""
    return where if "/" in where else f"docs/published.md, {where}"


def models() -> list[Family]:
    """Return the files of models that define something."""
    families = []
    for name in shipped("model"):
        module = load_module(name, "model")
        found = _objects(module, (Model, Network, SleepStage))
        entries = tuple(
            Entry(each, WORDS.get(type(value), type(value).__name__), text)
            for each, (value, text) in found.items()
        )
        if entries:
            verified = getattr(module, "VERIFIED", {})
            references = _references(value for value, _ in found.values())
            families.append(Family(name, _title(module), references, verified, entries))
    return families


def protocols() -> list[Family]:
    """Return the protocols; what is verified of models of the same name is of theirs, too."""
    same = {name: load_module(name, "model") for name in shipped("model")}
    families = []
    for name in shipped("protocol"):
        module = load_module(name, "protocol")
        found = _objects(module, (Protocol,))
        entries = tuple(Entry(each, "protocol", text) for each, (_, text) in found.items())
        verified = getattr(module, "VERIFIED", getattr(same.get(name), "VERIFIED", {}))
        protocol = module.PROTOCOL
        references = _references([protocol, protocol.network])
        text = protocol.description or _title(module)
        families.append(Family(name, text, references, verified, entries))
    return families


def _title(module: ModuleType) -> str:
    """Return the first sentence of a file's docstring."""
    return " ".join((module.__doc__ or module.__name__).strip().partition("\n\n")[0].split())


def _objects(module: ModuleType, kinds: tuple[type, ...]) -> dict[str, tuple[Any, str]]:
    """Return what a file defines, in its order, with the first sentence of the comment above."""
    found = {}
    for comment, name in _OBJECT.findall(inspect.getsource(module)):
        value = getattr(module, name, None)
        if isinstance(value, kinds):
            text = " ".join(line.removeprefix("#:").strip() for line in comment.splitlines())
            found[name] = value, text.partition(". ")[0].rstrip(".")
    return found


def _references(parts: Iterable[Any]) -> tuple[str, ...]:
    """Return the references of all parts, each once."""
    return tuple(dict.fromkeys(each for part in parts for each in getattr(part, "references", ())))
