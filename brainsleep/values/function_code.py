"""The code of Python functions: its text, and what it reads and imports when it runs."""

import dis
import hashlib
import inspect
import json
import sys
import types
from typing import Any

from ..errors import ProtocolError, explain
from ..files.userfiles import UserFile


def text_of(what: Any, function: Any) -> str:
    """Return the source text of code or of a class."""
    try:
        if getattr(what, "co_filename", "") == "<string>":
            raise OSError("made by exec()")  # Python may find the source of something else
        if lines := _lines_as_read(what, function):
            return "".join(inspect.getblock(lines[what.co_firstlineno - 1 :]))
        return inspect.getsource(what)
    except (OSError, TypeError) as error:
        raise ProtocolError(
            explain(f"hook {function!r}", "no source code", "a function defined in a file")
        ) from error


def _lines_as_read(code: Any, function: Any) -> list[str]:
    """Return the lines of a user's file as they were when code was read from it, if known."""
    loader = getattr(sys.modules.get(function.__module__), "__loader__", None)
    if isinstance(loader, UserFile) and loader.path == getattr(code, "co_filename", ""):
        return [f"{line}\n" for line in loader.text.split("\n")]  # it may have been edited
    return []


def is_in_text(code: types.CodeType, function: Any) -> bool:
    """Tell whether the file that code is from still is what the code was made from."""
    try:
        lines = _lines_as_read(code, function) or inspect.findsource(code)[0]
        whole = compile("".join(lines), code.co_filename, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return False
    codes = [whole]
    for each in codes:
        codes += _inner(each)
    return code in codes


def fingerprint(code: types.CodeType) -> str:
    """Hash code, the same in every process."""

    def written(constant: Any) -> str:
        if isinstance(constant, types.CodeType):
            return fingerprint(constant)
        return repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)

    names = [code.co_names, code.co_varnames, code.co_freevars]
    return hash_of([code.co_code.hex(), list(map(written, code.co_consts)), names])


def globals_read(code: types.CodeType) -> set[tuple[str, ...]]:
    """Return the global names that code reads, and what it reads of them: a, a.b, a.b.c."""
    names: set[tuple[str, ...]] = set()
    chain: tuple[str, ...] = ()
    for each in dis.get_instructions(code):
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            chain = (each.argval,)
        elif chain and each.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain = (*chain, each.argval)
        elif each.opname not in ("CACHE", "PUSH_NULL", "EXTENDED_ARG"):
            chain = ()
        names |= {chain} - {()}
    return names.union(*map(globals_read, _inner(code)))


def imports(code: types.CodeType) -> set[tuple[str, tuple[str, ...]]]:
    """Return what code imports when it runs: modules, and names from them."""
    names: set[tuple[str, tuple[str, ...]]] = set()
    before: list[Any] = [None, None]
    for each in dis.get_instructions(code):
        if each.opname == "IMPORT_NAME" and not before[0]:  # not from its own package
            names.add((each.argval, tuple(before[1] or ())))
        before = [before[1], each.argval]
    return names.union(*map(imports, _inner(code)))


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]


def hash_of(value: Any) -> str:
    """Hash plain data."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
