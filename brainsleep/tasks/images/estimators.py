"""Classifiers of scikit-learn as text, such as ``sklearn.svm.LinearSVC(C=0.1)``.

Text is data: it is compared, hashed and stored, and nothing in it is executed but the making of
classes of scikit-learn from values.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from ...errors import BrainsleepError, ProtocolError, explain, one_line

#: What a text begins with.
PACKAGE = "sklearn."

#: Numbers that Python writes as names.
_NAMES = {"inf": np.inf, "nan": np.nan}

_EXAMPLE = "write sklearn.svm.LinearSVC(C=0.1), say"


def written(estimator: Any, where: str, error: type[BrainsleepError] = ProtocolError) -> str:
    """Return a classifier of scikit-learn as text, with the parameters that are not defaults.

    A ``random_state`` that is None is 0. Raise `error` if it is none of scikit-learn's, or a
    parameter is no plain value.
    """
    if isinstance(estimator, bool | int | float | None):
        raise error(explain(where, repr(estimator), "a name or a classifier", _EXAMPLE))
    return _written(made(_written(estimator, where, error), where, error), where, error)


def _written(value: Any, where: str, error: type[BrainsleepError]) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, list | tuple):
        parts = [_written(each, where, error) for each in value]
        inside = ", ".join(parts) + ("," if isinstance(value, tuple) and len(parts) == 1 else "")
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    if isinstance(value, Mapping):
        parts = [f"{key!r}: {_written(each, where, error)}" for key, each in value.items()]
        return f"{{{', '.join(parts)}}}"
    kind = type(value)
    if not kind.__module__.startswith(PACKAGE) or not hasattr(value, "get_params"):
        allowed = "a classifier of scikit-learn whose parameters are plain values"
        fix = "for one of your own give a function that returns it"
        got = f"a {kind.__name__}" if kind.__module__ != "builtins" else repr(value)
        raise error(explain(where, got, allowed, fix))
    defaults = inspect.signature(kind.__init__).parameters
    changed = [
        f"{name}={_written(each, where, error)}"
        for name, each in sorted(value.get_params(deep=False).items())
        if not _same(each, defaults[name].default)
    ]
    public = ".".join(part for part in kind.__module__.split(".") if not part.startswith("_"))
    return f"{public}.{kind.__name__}({', '.join(changed)})"


def _same(value: Any, default: Any) -> bool:
    plain = isinstance(value, type(None) | bool | int | float | str | tuple)
    return value is default or (plain and type(value) is type(default) and value == default)


def made(text: str, where: str, error: type[BrainsleepError] = ProtocolError) -> Any:
    """Make the classifier that a text says.

    Raise `error` if the text is of something else, or scikit-learn does not take it.
    """
    from sklearn.base import is_classifier

    try:
        estimator = _made(ast.parse(text, mode="eval").body)
        classifies = is_classifier(estimator)
    except (SyntaxError, ValueError, TypeError, AttributeError, ImportError) as reason:
        allowed = f"a class of scikit-learn with values ({one_line(reason)})"
        raise error(explain(where, repr(text), allowed, _EXAMPLE)) from reason
    if not classifies:
        raise error(explain(where, repr(text), "a classifier", _EXAMPLE))
    states = {
        name: 0
        for name, each in estimator.get_params().items()
        if name.split("__")[-1] == "random_state" and each is None
    }
    return estimator.set_params(**states)


def _made(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and not node.args:
        kind = _kind(ast.unparse(node.func))
        return kind(**{str(each.arg): _made(each.value) for each in node.keywords})
    if isinstance(node, ast.List):
        return [_made(each) for each in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_made(each) for each in node.elts)
    if isinstance(node, ast.Dict) and all(node.keys):
        return {_made(k): _made(v) for k, v in zip(node.keys, node.values, strict=True) if k}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_made(node.operand)
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.Constant):
        return node.value
    raise ValueError(f"not '{ast.unparse(node)}'")


def _kind(name: str) -> type:
    """Return a class of scikit-learn by module and name; `ValueError` for anything else."""
    module, _, last = name.rpartition(".")
    parts = module.split(".")
    if not name.startswith(PACKAGE) or any(part.startswith("_") for part in (*parts, last)):
        raise ValueError(f"not '{name}'")
    kind = getattr(import_module(module), last)
    if not isinstance(kind, type) or not kind.__module__.startswith(PACKAGE):
        raise ValueError(f"'{name}' is no class of scikit-learn")
    from sklearn.base import BaseEstimator

    if not issubclass(kind, BaseEstimator):
        raise ValueError(f"'{name}' is no estimator")
    return kind
