"""The source of users' functions and classes: as it was read, and what has come with them."""

import ast
import hashlib
import inspect
import json
import linecache
import sys
from types import CodeType, FunctionType
from typing import Any

from ..errors import ProtocolError, explain
from ..files.userfiles import UserFile

#: Attributes of what has come from another process: what `source_of` said of it there, and of a
#: class the order of its own attributes.
SOURCE, ORDER = "__brainsleep_source__", "__brainsleep_order__"


def source_of(what: Any) -> dict[str, str]:
    """Return what tells a user's function or class by itself; raise `ProtocolError` without source.

    That is its ``source``, and ``code`` of what its source does not tell. What has come from
    another process has it as its attribute `SOURCE`: its file may be gone, or be another one now.
    """
    function = getattr(what, "__func__", what)
    if sent := getattr(function, "__dict__", {}).get(SOURCE):
        return sent
    if isinstance(what, type):
        return {"source": _text_of_class(what)}
    code: Any = getattr(what, "__code__", what)
    content = {"source": _text_of(code, what)}
    if code.co_name == "<lambda>" or not is_in_text(code, what):
        content["code"] = _fingerprint(code)
    return content


def _text_of(code: Any, function: Any) -> str:
    """Return the source text of code."""
    try:
        if getattr(code, "co_filename", "") == "<string>":
            raise OSError("made by exec()")  # Python may find the source of something else
        if lines := _lines_as_read(getattr(code, "co_filename", ""), function):
            return "".join(inspect.getblock(lines[code.co_firstlineno - 1 :]))
        return inspect.getsource(code)
    except (OSError, TypeError) as error:
        raise _without_source(function) from error


def _text_of_class(kind: type) -> str:
    """Return the source text of a class as it was read; that of a notebook is in one of its cells.

    Python does not say which: one that its methods are in, or the last that has such a class.
    """
    module = sys.modules.get(kind.__module__)
    lines = _lines_as_read(getattr(module, "__file__", None) or "", kind)
    if not lines:
        try:
            return inspect.getsource(kind)
        except (OSError, TypeError):
            parts = [getattr(part, "__func__", part) for part in vars(kind).values()]
            codes = [part.__code__ for part in parts if isinstance(part, FunctionType)]
            files = [code.co_filename for code in codes if code.co_filename != "<string>"] or [
                file for file, entry in linecache.cache.items() if len(entry) > 2 and not entry[1]
            ]
    for text in [lines] if lines else map(linecache.getlines, reversed(files)):
        if first := _line_of_class(kind, text):
            return "".join(inspect.getblock(text[first - 1 :]))
    raise _without_source(kind)


def _line_of_class(kind: type, lines: list[str]) -> int:
    """Return the line that the definition of a class begins with, decorators included, or 0."""
    try:
        nodes = list(ast.walk(ast.parse("".join(lines))))
    except SyntaxError:
        return 0
    same = [each for each in nodes if isinstance(each, ast.ClassDef) and each.name == kind.__name__]
    firsts = [min([node.lineno, *(part.lineno for part in node.decorator_list)]) for node in same]
    told = vars(kind).get("__firstlineno__")  # from Python 3.13 on
    return max((first for first in firsts if told in (None, first)), default=0)


def _without_source(what: Any) -> ProtocolError:
    return ProtocolError(
        explain(f"hook {what!r}", "no source code", "a function defined in a file")
    )


def _lines_as_read(file: str, what: Any) -> list[str]:
    """Return the lines of a user's file as they were when something was read from it, if known."""
    loader = getattr(sys.modules.get(what.__module__), "__loader__", None)
    if isinstance(loader, UserFile) and loader.path == file:
        return [f"{line}\n" for line in loader.text.split("\n")]  # it may have been edited
    return []


def is_in_text(code: CodeType, function: Any) -> bool:
    """Tell whether the file that code is from still is what the code was made from."""
    try:
        lines = _lines_as_read(code.co_filename, function) or inspect.findsource(code)[0]
        whole = compile("".join(lines), code.co_filename, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return False
    codes = [whole]
    for each in codes:
        codes += inner(each)
    return code in codes


def _fingerprint(code: CodeType) -> str:
    """Hash code, the same in every process."""

    def written(constant: Any) -> str:
        if isinstance(constant, CodeType):
            return _fingerprint(constant)
        return repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)

    names = [code.co_names, code.co_varnames, code.co_freevars]
    return hash_of([code.co_code.hex(), list(map(written, code.co_consts)), names])


def inner(code: CodeType) -> list[CodeType]:
    """Return the code of what is defined within code."""
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def hash_of(value: Any) -> str:
    """Hash plain data."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
