"""Values that a script reads between runs and only keeps: for what comes after its last run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from .later import (
    frames_now,
    functions_of,
    is_looking,
    may_run_again,
    runs_after,
    statements_at,
    tree_of,
)
from .places import users_frame

#: Functions of Python, and methods, that give a value and change nothing.
_FUNCTIONS = frozenset(
    {"abs", "bool", "dict", "enumerate", "float", "int", "len", "list", "max", "min", "range",
     "round", "sorted", "str", "sum", "tuple", "zip"}
)  # fmt: skip
_METHODS = frozenset(
    {"all", "any", "argmax", "argmin", "astype", "copy", "count", "cumsum", "flatten", "format",
     "item", "items", "keys", "max", "mean", "min", "nonzero", "ravel", "reshape", "smooth_rate",
     "spike_trains", "std", "sum", "tolist", "transpose", "values", "var"}
)  # fmt: skip

#: Modules whose functions change nothing that they are given.
_MODULES = ("numpy", "brian2.units", "math", "statistics", "copy")

#: Containers of values.
_PLAIN = (list, dict, np.ndarray)

#: What makes a new container.
_MAKES = ("dict", "empty", "full", "list", "ones", "zeros")

#: What adds to a container, and nothing else.
_ADDS = ("append", "extend")


def kept_names() -> set[str] | None:
    """Return the names under which the statement that is being run only keeps a value.

    None if it may do something else with it, or if a network may run after these names are used.
    """
    frames, frame = frames_now(), users_frame()
    tree = tree_of(frames[-1][0]) if frames else None
    if tree is None or frame is None:
        return None
    space = {**frame.f_globals, **frame.f_locals}
    names = set[str]()
    for statement in statements_at(tree, frames[-1][1]):
        found = _keeps(statement, space)
        if found is None:
            return None
        names |= found
    again = may_run_again(frames[:-1])
    only = names and _are_only_kept(tree, frames[-1][1], names, space, again)
    return names if only else None


def _keeps(statement: ast.stmt, space: Mapping[str, Any]) -> set[str] | None:
    """Return the names under which a statement keeps values; None if it does something else."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        method, given = call.func, [*call.args, *(k.value for k in call.keywords)]
        if not isinstance(method, ast.Attribute) or method.attr not in _ADDS:
            return None
        targets: list[ast.expr] = [ast.Subscript(method.value, ast.Constant(0), ast.Store())]
    elif isinstance(statement, ast.Assign):
        targets, given = statement.targets, [statement.value]
    elif isinstance(statement, ast.AnnAssign) and statement.value:
        targets, given = [statement.target], [statement.value]
    else:
        return None
    names = [_name(target, space) for target in targets]
    if None in names or not all(_only_computes(value, space) for value in given):
        return None
    return set().union(*names)  # type: ignore[arg-type]


def _name(target: ast.expr, space: Mapping[str, Any]) -> set[str] | None:
    """Return the names that an assignment gives a value; None if it changes something else."""
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Tuple | ast.List):
        parts = [_name(each, space) for each in target.elts]
        return None if None in parts else set().union(*parts)  # type: ignore[arg-type]
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        plain = type(space.get(target.value.id)) in _PLAIN
        return {target.value.id} if plain and _only_computes(target.slice, space) else None
    return None


def _only_computes(code: ast.expr, space: Mapping[str, Any]) -> bool:
    """Tell whether an expression gives a value and changes nothing."""
    for each in ast.walk(code):
        if isinstance(each, ast.NamedExpr | ast.Lambda | ast.Await | ast.Yield | ast.YieldFrom):
            return False
        if isinstance(each, ast.Call) and not _changes_nothing(each, space):
            return False
    return True


def _changes_nothing(call: ast.Call, space: Mapping[str, Any]) -> bool:
    if any(each.arg in (None, "out") for each in call.keywords):
        return False
    function = call.func
    if isinstance(function, ast.Attribute):
        owner = _module(function.value, space)
        if owner is None:
            return function.attr in _METHODS
        found = getattr(owner, function.attr, None)
    elif isinstance(function, ast.Name):
        if function.id not in space:
            return function.id in _FUNCTIONS
        found = space[function.id]
    else:
        return False
    if isinstance(found, np.ufunc):
        return len(call.args) <= found.nin
    home = getattr(found, "__module__", None) or ""
    return callable(found) and any(home == m or home.startswith(f"{m}.") for m in _MODULES)


def _module(code: ast.expr, space: Mapping[str, Any]) -> ModuleType | None:
    """Return the module that code names, such as `np` or `np.linalg`."""
    if isinstance(code, ast.Name):
        found = space.get(code.id)
    elif isinstance(code, ast.Attribute):
        found = getattr(_module(code.value, space), code.attr, None)
    else:
        found = None
    return found if isinstance(found, ModuleType) else None


# -- what becomes of it ----------------------------------------------------------------------------


def _are_only_kept(
    tree: ast.Module, line: int, names: set[str], space: Mapping[str, Any], again: bool
) -> bool:
    """Tell whether names, and what is made of them, are used only where no network runs after.

    It may run `again` once the function that the line is in has returned.
    """
    here, scopes = _scope(tree, line), functions_of(tree)
    before = [
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.stmt)
        and (
            again
            or _scope(tree, each.lineno) is not here
            or runs_after(tree, each.lineno, this=True)
        )
    ]
    names = _made_of(before, names, space)
    for statement in before:
        own = _scope(tree, statement.lineno)
        used = names & _used(statement)
        if own is not here and own in scopes:
            used -= _locals(own)
        if here in scopes and not _is_within(statement, here):
            used -= _locals(here)
        if not used or is_looking(tree, statement):
            continue
        if _keeps(statement, space) is not None and not _changes(tree, statement, used):
            continue
        return False
    return True


def _changes(tree: ast.Module, statement: ast.stmt, names: set[str]) -> bool:
    """Tell whether a statement changes what names stand for, which may be a group's own array."""
    got = {n for targets, _ in _given(statement) for each in targets for n in _inner(each)}
    if isinstance(statement, ast.Expr):
        got |= {n for part in ast.walk(statement) for t, _ in _given(part) for n in _roots(t[0])}
    values = [
        value
        for each in ast.walk(tree)
        for targets, value in _given(each)
        if isinstance(each, ast.Assign) and (got & names) & {n for t in targets for n in _plain(t)}
    ]
    return not all(map(_is_new, values))


def _plain(target: ast.expr) -> Iterator[str]:
    """Yield the names that an assignment itself gives a value."""
    if isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _plain(each)
    elif isinstance(target, ast.Name):
        yield target.id


def _inner(target: ast.expr) -> set[str]:
    """Return the names of what an assignment changes a part of."""
    return set(_roots(target)) - set(_plain(target))


def _is_new(value: ast.expr) -> bool:
    """Tell whether a value is a new container."""
    if isinstance(value, ast.Tuple):
        return all(map(_is_new, value.elts))
    if isinstance(value, ast.Call):
        return getattr(value.func, "attr", getattr(value.func, "id", "")) in _MAKES
    return isinstance(value, ast.List | ast.Dict | ast.ListComp | ast.DictComp)


def _is_within(statement: ast.stmt, function: Any) -> bool:
    return bool(function.lineno <= statement.lineno <= function.end_lineno)


def _scope(tree: ast.Module, line: int) -> ast.AST:
    """Return the innermost function around a line, or the whole file."""
    around = [f for f in functions_of(tree) if f.lineno <= line <= f.end_lineno]  # type: ignore
    return min(around, key=lambda f: f.end_lineno - f.lineno, default=tree)  # type: ignore


def _locals(function: Any) -> set[str]:
    """Return the names that are a function's own."""
    shared = {n for each in ast.walk(function) if isinstance(each, ast.Global) for n in each.names}
    given = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    stored = (n for n in ast.walk(function) if isinstance(n, ast.Name))
    return (given | {n.id for n in stored if isinstance(n.ctx, ast.Store)}) - shared


def _made_of(statements: list[ast.stmt], names: set[str], space: Mapping[str, Any]) -> set[str]:
    """Return names, those that get what is made of them, and those that are the same object."""
    names = set(names)
    while True:
        more = set[str]()
        for each in (part for statement in statements for part in ast.walk(statement)):
            for targets, value in _given(each):
                got = {n for target in targets for n in _roots(target)}
                read = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
                more |= got if read & names else set()
                if got & names and _is_same(value):
                    more |= {n for n in read if type(space.get(n, [])) in _PLAIN}
        if more <= names:
            return names
        names |= more


def _given(node: ast.AST) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    """Yield what gets a value, and the value."""
    if isinstance(node, ast.Assign):
        yield node.targets, node.value
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value:
        yield [node.target], node.value
    elif isinstance(node, ast.For | ast.comprehension):
        yield [node.target], node.iter
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        for value in node.args if node.func.attr in _ADDS else ():
            yield [node.func.value], value


def _roots(target: ast.expr) -> Iterator[str]:
    """Yield the names of what an assignment changes."""
    if isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _roots(each)
        return
    while isinstance(target, ast.Attribute | ast.Subscript | ast.Starred):
        target = target.value
    if isinstance(target, ast.Name):
        yield target.id


def _is_same(value: ast.expr) -> bool:
    """Tell whether a value may be, or hold, the objects that it names: then it is no call."""
    return not any(isinstance(n, ast.Call | ast.BinOp | ast.Compare) for n in ast.walk(value))


def _used(statement: ast.stmt) -> set[str]:
    """Return the names that a statement itself reads or changes, not those within it."""
    found, waiting = set[str](), list(ast.iter_child_nodes(statement))
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.stmt | ast.ExceptHandler | ast.match_case):
            waiting += [n for n in ast.iter_child_nodes(each) if not isinstance(each, ast.stmt)]
            continue
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            found.add(each.id)
        waiting += ast.iter_child_nodes(each)
    if isinstance(statement, ast.AugAssign):
        found |= set(_roots(statement.target))
    return found
