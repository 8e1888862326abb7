"""What the source of a model file says besides the objects: their comments, and their parameters'.

A comment above an object (``#:``) describes it, one behind a parameter's value says what the
parameter is. A model made from another one (``LIF.parameters``, ``ADEX.with_parameters(...)``)
inherits the comments of what its definition names, also from other files.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from sphinx.pycode import ModuleAnalyzer

from brainsleep.experiment.stages import SleepStage
from brainsleep.files.load import load_module, shipped
from brainsleep.network.models import Model
from brainsleep.network.spec import Network

#: What is shown in the reference: parts of networks, networks, and stages of sleep.
SHOWN = (Model, Network, SleepStage)


@dataclass(frozen=True)
class Definition:
    """An object that a model file defines.

    Parameters
    ----------
    module : ModuleType
        The file.
    name : str
        Its name there.
    value : Model, Network or SleepStage
        The object.
    comment : str
        The comment above it, reStructuredText.
    notes : dict of str to str
        What is said about each of its parameters.
    """

    module: ModuleType
    name: str
    value: Any
    comment: str
    notes: dict[str, str]

    @property
    def reference(self) -> str:
        """Its dotted name."""
        return f"{self.module.__name__}.{self.name}"


@cache
def definitions(module: ModuleType) -> tuple[Definition, ...]:
    """Return what a module defines, in the order of its source; names with ``_`` are private."""
    comments = ModuleAnalyzer.for_module(module.__name__)
    comments.analyze()
    found = []
    for name in _definitions(module):
        value = getattr(module, name, None)
        if isinstance(value, SHOWN) and not name.startswith("_"):
            lines = comments.attr_docs.get(("", name), [])
            found.append(
                Definition(module, name, value, "\n".join(lines).strip(), _notes(module, name))
            )
    return tuple(found)


def everything() -> Iterator[Definition]:
    """Go through what all shipped model files define."""
    for name in shipped("model"):
        yield from definitions(load_module(name, "model"))


def by_nearness(module: ModuleType) -> list[Definition]:
    """Return all definitions to choose a partner from: own file, what it imports, most used first.

    A file that many others import comes before one that few do.
    """
    files = {m.__name__: m for m in (load_module(name, "model") for name in shipped("model"))}
    uses = {name: {source for source, _ in _imported(m).values()} for name, m in files.items()}
    own = {source for source, _ in _imported(module).values()}
    users = {name: sum(name in used for used in uses.values()) for name in files}
    others = sorted(files, key=lambda name: (name not in own, -users[name], name))
    modules = [module, *(files[name] for name in others if files[name] is not module)]
    return [definition for each in modules for definition in definitions(each)]


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _definitions(module: ModuleType) -> dict[str, ast.stmt]:
    """Return the top-level assignments and functions of a module by name."""
    found: dict[str, ast.stmt] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = node
    return found


def _imported(module: ModuleType) -> dict[str, tuple[str, str]]:
    """Return module and name of everything imported with ``from MODULE import NAME``."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in _tree(module).body
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }


@cache
def _trailing_comments(module: ModuleType) -> dict[int, str]:
    """Return comments behind code by line number."""
    lines = io.StringIO(inspect.getsource(module)).readline
    return {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(lines)
        if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip()
    }


def _notes(module: ModuleType, name: str, seen: frozenset = frozenset()) -> dict[str, str]:
    """Return comments by parameter: behind its value, or where the value comes from."""
    node, place = _definitions(module).get(name), (module.__name__, name)
    if place in seen:
        return {}
    if node is None:
        source, original = _imported(module).get(name, ("", ""))
        if not source.startswith(("brainsleep.", "brainsleep_user")):
            return {}
        return _notes(importlib.import_module(source), original, seen | {place})
    inherited: dict[str, str] = {}
    for used in ast.walk(node):
        if isinstance(used, ast.Name) and isinstance(used.ctx, ast.Load):
            inherited |= _notes(module, used.id, seen | {place})
    comments = _trailing_comments(module)
    own = {key: comments[line] for key, line in _values(node) if line in comments}
    return {**inherited, **own}


def _values(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Go through keys of dictionaries and keyword arguments, with the line where the value ends."""
    for part in ast.walk(node):
        if isinstance(part, ast.Dict):
            for key, value in zip(part.keys, part.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value.end_lineno or 0
        elif isinstance(part, ast.keyword) and part.arg:
            yield part.arg, part.value.end_lineno or 0
