"""Python code of a user's file: names that its statements bind and read."""

from __future__ import annotations
import __future__ as future

import ast


def future_flags(tree: ast.Module) -> int:
    """Give the compiler flags that a file's imports from ``__future__`` ask for."""
    names = [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    ]
    flags = 0
    for name in names:
        flags |= getattr(future, name).compiler_flag
    return flags


def bound(node: ast.stmt) -> set[str]:
    """Names a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def read(node: ast.stmt) -> set[str]:
    """Names a top-level statement needs when it is carried out."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Load)}
