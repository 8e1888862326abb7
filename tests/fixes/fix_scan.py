"""Every fix that the package's source can print, found by its text, wherever a module lies."""

import ast
import functools
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import brainsleep.figures
import brainsleep.models
import brainsleep.protocols

#: What is computed when a fix is printed.
HOLE = "{}"

#: Arguments, variables and fields that hold fixes.
_NAMES = {"fix", "advice", "hint"}

#: Functions whose fourth argument is a fix.
_WITH_FIX = {"explain", "data_error"}

_VERBS = """
add adjust ask check choose close compare convert cut delete divide download draw fit free give
import install keep leave let look lower make match mend move multiply name open pass put raise
read remove rename replace rescale resize reshape run save say scale set shorten show start switch
take try unset update upgrade use wait write
"""

#: A fix within a message: after a semicolon, or the whole text.
_FIX = re.compile(
    rf"(?:or )?(?:{'|'.join(_VERBS.split())}) (?!of |id$|aside )"
    r"|did you mean|such as|the same command|let them|or (?:a network|the path)|--job takes"
    r"|every fraction|more seeds|encoder\.size="
)

#: What is a fix wherever it stands in a message.
_ANYWHERE = re.compile(
    r"pip install|: give |^[^:]*: remove |, give \S+:"
    r"|\bbrainsleep (?:run|build|sweep|check|show|new) "
)


@functools.cache
def printed_fixes() -> dict[str, str]:
    """Map every fix, its holes as ``{}``, to where it stands in the source."""
    found = dict[str, str]()
    packages = (brainsleep, brainsleep.figures, brainsleep.models, brainsleep.protocols)
    roots = [Path(package.__file__ or "").parent for package in packages]
    for path in dict.fromkeys(path for root in roots for path in sorted(root.rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        silent = set(_silent(tree))
        for node in ast.walk(tree):
            for text in _given(node):
                fix = clean(text.split("; ")[-1])
                if fix.replace(HOLE, "").strip(" ,;?:"):
                    found.setdefault(fix, f"{path.name}:{getattr(node, 'lineno', 0)}")
        for node in _strings(tree):
            if id(node) not in silent:
                for fix in itertools.chain.from_iterable(map(_in_message, texts(node))):
                    found.setdefault(fix, f"{path.name}:{node.lineno}")
    return found


def clean(text: str) -> str:
    """Write the fields of a text for `str.format` as those of an f-string."""
    text = re.sub(r"(?<!\{)\{[a-z]+\}(?!\})", HOLE, text).replace("{{", "{").replace("}}", "}")
    return " ".join(text.split())


def _in_message(text: str) -> Iterator[str]:
    if "\n" in text.strip():
        return
    for number, part in enumerate(text.split("; ")):
        part = part.strip()
        starts = _FIX.match(part) and (number or not re.match(r"\w+: ", part))
        if " " in part and (starts or _ANYWHERE.search(part)):
            yield clean(part)


def texts(node: ast.AST) -> list[str]:
    """List what a string expression may be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return _joined([texts(part) for part in node.values])
    if isinstance(node, ast.FormattedValue):
        return texts(node.value)
    if isinstance(node, ast.IfExp):
        return texts(node.body) + texts(node.orelse)
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in texts(value)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([texts(node.left), texts(node.right)])
    return [HOLE]


def _joined(parts: list[list[str]]) -> list[str]:
    return ["".join(chosen) for chosen in itertools.product(*parts)]


def _given(node: ast.AST) -> Iterator[str]:
    """Yield what is given as a fix: an argument, or a variable, called so."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in _WITH_FIX and len(node.args) > 3:
            yield from texts(node.args[3])
        for keyword in node.keywords:
            if keyword.arg in _NAMES:
                yield from texts(keyword.value)
    if isinstance(node, ast.Assign):
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for one, value in pairs:
                if isinstance(one, ast.Name) and one.id in _NAMES:
                    yield from texts(value)


def _strings(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield whole strings, not the parts of them."""
    for child in ast.iter_child_nodes(tree):
        sides = [child]
        if isinstance(child, ast.BinOp) and isinstance(child.op, ast.Add):
            sides = [child.left, child.right]
        if any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in sides):
            yield child
        else:
            yield from _strings(child)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _silent(tree: ast.AST) -> Iterator[int]:
    """Yield the strings that no error prints: docstrings, and the help of commands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            yield id(node.value)
        if isinstance(node, ast.Call):
            yield from (id(k.value) for k in node.keywords if k.arg in ("help", "metavar"))
