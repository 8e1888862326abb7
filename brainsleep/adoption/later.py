"""What comes in a script after a line: whether the network may be run again."""

from __future__ import annotations

import ast
import functools
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from .places import is_users

#: What runs the script.
_EXECUTES = str(Path(__file__).with_name("script.py"))

#: Functions that print or draw; a statement that is only such a call decides nothing.
_LOOKING = frozenset(
    {"print", "plot", "scatter", "hist", "bar", "step", "imshow", "pcolormesh", "axhline",
     "axvline", "fill_between", "vlines", "hlines", "eventplot", "errorbar", "title", "text",
     "set_title", "info", "debug"}
)  # fmt: skip

#: Methods that keep what they are given.
_KEEPING = {"append", "extend", "update", "add", "insert", "setdefault"}

#: File and line of each call that led somewhere, the innermost last.
Frames = Sequence[tuple[str, int]]


def frames_now() -> Frames:
    """Return the lines of the script that are being run."""
    stack = traceback.extract_stack()
    begin = max((k for k, f in enumerate(stack) if f.filename == _EXECUTES), default=len(stack))
    return _of_users(stack[begin:])


def frames_of(error: BaseException) -> Frames:
    """Return the lines of the script that led to an error."""
    return _of_users(traceback.extract_tb(error.__traceback__))


def _of_users(frames: Sequence[traceback.FrameSummary]) -> Frames:
    return [(f.filename, f.lineno or 0) for f in frames if is_users(f.filename)]


def tree_of(file: str) -> ast.Module | None:
    """Return the code of a file; None if it is not a script that runs a network."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        return _parsed(text) if "run" in text else None
    except (OSError, ValueError, SyntaxError):
        return None


_parsed = functools.lru_cache(maxsize=64)(ast.parse)


def only_looked_at() -> bool:
    """Tell whether the statement that is being run only prints or draws."""
    frames = frames_now()
    tree = tree_of(frames[-1][0]) if frames else None
    if tree is None:
        return False
    around = statements_at(tree, frames[-1][1])
    return bool(around) and all(is_looking(tree, each) for each in around)


def statements_at(tree: ast.Module, line: int) -> list[ast.stmt]:
    """Return the statements on a line; not those around them that begin before."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    found = []
    for node in around:
        body = [each for each in ast.walk(node) if each is not node and each in around]
        if not body or min(each.lineno for each in body) <= node.lineno:
            found.append(node)
    return found


def is_looking(tree: ast.Module, statement: ast.stmt) -> bool:
    """Tell whether a statement only prints or draws."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or _called(call) not in _LOOKING:
        return False
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)} | _KEEPING
    parts = list(ast.walk(call))
    return not any(isinstance(n, ast.NamedExpr) for n in parts) and not own & {
        _called(n) for n in parts if isinstance(n, ast.Call)
    }


def may_run_again(frames: Frames, failed: bool = False) -> bool:
    """Tell whether code that follows, in the calls that led here, runs a network.

    With an error, also what the innermost statement itself had still to do counts.
    """
    for place, (file, line) in enumerate(frames):
        tree = tree_of(file)
        if tree is not None and runs_after(tree, line, failed and place == len(frames) - 1):
            return True
    return False


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def runs_after(tree: ast.Module, line: int, this: bool) -> bool:
    """Tell whether code after a line, or in `this` statement, too, runs a network."""
    functions, names = functions_of(tree), _running(tree)
    inside = [f for f in functions if f.lineno <= line <= (f.end_lineno or 0)]
    scope = min(inside, key=lambda f: (f.end_lineno or 0) - f.lineno, default=tree)
    others = {id(n) for f in functions if f is not scope and f not in inside for n in ast.walk(f)}
    runs = [each for each in _runs(scope, names) if id(each) not in others]
    if any(each.lineno > line or (this and (each.end_lineno or 0) >= line) for each in runs):
        return True
    loops = [n for n in ast.walk(scope) if isinstance(n, ast.For | ast.While)]
    around = [n for n in loops if n.lineno <= line <= (n.end_lineno or 0)]
    return any(id(each) not in others for loop in around for each in _runs(loop, names))


def is_known_run(frames: Frames) -> bool:
    """Tell whether the calls that led to a run are seen to be that, each in its file."""
    for file, line in frames:
        tree = tree_of(file)
        names = _running(tree) if tree is not None else set()
        if tree is None or not any(_any_run(s, names) for s in statements_at(tree, line)):
            return False
    return True


def _any_run(statement: ast.stmt, names: set[str]) -> bool:
    return any(True for _ in _runs(statement, names))


def _running(tree: ast.Module) -> set[str]:
    """Return the names of functions that run a network."""
    names = {"run"}
    functions = functions_of(tree)
    for _ in functions:  # each round finds functions that call those found before
        names |= {f.name for f in functions if any(_runs(f, names))}
    return names


def functions_of(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return all functions that a file defines."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [n for n in ast.walk(tree) if isinstance(n, kinds)]


def _runs(node: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    """Yield the calls in code that run a network."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and _called(each) in names:
            yield each
