"""From a mistake to its place in a Python file: line, first and last column."""

from __future__ import annotations

import ast
import bisect
import itertools
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Details

_QUOTES = re.compile(r"""[A-Za-z]*('''|\"\"\"|'|")""")

_NAMED = (
    *((ast.Constant, "value"), (ast.keyword, "arg"), (ast.Name, "id")),
    *((ast.Attribute, "attr"), (ast.alias, "name"), (ast.ImportFrom, "module")),
)

#: What a message is about: a part of a network, or what a period gives.
_PART = re.compile(r"(population|projection) '(\w+)': ")
_GIVEN = re.compile(r"timeline\.periods: [^:]*: (inputs|signals): (\w+): ")

#: First letter of a text that is meant, from 0, and the one after the last.
Span = tuple[int, int]


@dataclass(frozen=True)
class Region:
    """A stretch of source: from line and column (both from 1) to just before the last ones."""

    line: int
    column: int
    end_line: int
    end_column: int


class Source:
    """A Python file and its syntax tree, or the `error` of one that cannot be parsed.

    Raises `OSError` or `ValueError` if it cannot be read.
    """

    def __init__(self, path: Path):
        self.text = path.read_text("utf-8", errors="replace")
        self.tree, self.error = ast.Module([], []), None
        try:
            with tokenize.open(path) as file:
                self.text = file.read()
            self.tree = ast.parse(self.text, str(path))
        except SyntaxError as error:
            self.error = error
        self.lines = self.text.split("\n")
        self._starts = [*itertools.accumulate((len(line) + 1 for line in self.lines), initial=0)]
        constants = [node for node in ast.walk(self.tree) if isinstance(node, ast.Constant)]
        self._texts = [(node, node.value) for node in constants if isinstance(node.value, str)]

    def span(self, node: ast.stmt | ast.expr | ast.keyword | ast.alias) -> Span:
        """Give the place of a node of the tree."""
        last, byte = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self._at(node.lineno, node.col_offset), self._at(last, byte)

    def _at(self, line: int, byte: int) -> int:
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        letters = len(text.encode()[:byte].decode(errors="replace"))
        return self._starts[min(line - 1, len(self.lines))] + letters

    def of_call(self, positions: Any) -> Span | None:
        """Give the place that Python keeps for an instruction."""
        if not positions or None in positions or positions.end_lineno > len(self.lines):
            return None
        begin = self._at(positions.lineno, positions.col_offset)
        return begin, self._at(positions.end_lineno, positions.end_col_offset)

    def of_part(self, message: str, within: Span | None) -> Span | None:
        """Give the call that makes the population or projection a message is about, if it is one.

        Of a message about what a period gives it is that value.
        """
        nodes: list[Any] = list(ast.walk(self.tree))
        made: list[Any] = []
        if about := _PART.match(message):
            kind, name = about[1].capitalize(), about[2]
            calls = [node for node in nodes if isinstance(node, ast.Call)]
            made = [call for call in calls if _called(call) == kind and _has_name(call, name)]
        elif about := _GIVEN.match(message):
            given = [n.value for n in nodes if isinstance(n, ast.keyword) and n.arg == about[1]]
            made = [each for value in given for each in _keyed(value, about[2])]
        return self.span(self._closest(made, within)) if made else None

    def of_error(self, error: SyntaxError) -> Span:
        """Give the place of a syntax error, which is at least one letter."""
        line, column = error.lineno or 1, error.offset or 1
        end_line, end_column = error.end_lineno or line, error.end_offset or column + 1
        lines = [min(each - 1, len(self.lines) - 1) for each in (line, end_line)]
        begin, end = (self._starts[each] - 1 for each in lines)
        return begin + column, max(end + end_column, begin + column + 1)

    def place(self, details: Details, within: Span | None, guess: str = "") -> Region:
        """Find what `details` mark; where nothing can be found, the first line of `within`.

        The object with the mistake is made `within`, which is looked through first. `guess` is an
        argument that is probably wrong, if the details say nothing.
        """
        span = within if self.error else None  # in a file that cannot be parsed
        if details.code and details.span:
            span = self._in_code(details.code, *details.span, within)
        if span is None and details.word:
            span = self._word(details.word, within)
        span = span or self._argument(guess, within) or self._first_line(within)
        return Region(*self._position(span[0]), *self._position(span[1]))

    def _position(self, at: int) -> tuple[int, int]:
        line = bisect.bisect(self._starts, at)
        return line, at - self._starts[line - 1] + 1

    def _argument(self, name: str, within: Span | None) -> Span | None:
        """Find an argument of a call inside a place by its name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.keyword) and node.arg == name and within:
                begin = self.span(node)[0]
                if _holds(within, (begin, begin + len(name))):
                    return begin, begin + len(name)
        return None

    def _first_line(self, within: Span | None) -> Span:
        first = self.lines[0]
        begin, end = within or (len(first) - len(first.lstrip()), len(first))
        line = self.text[begin:end].partition("\n")[0].rstrip()
        return begin, begin + max(len(line), 1)

    def _closest[Node: ast.expr](self, nodes: list[Node], within: Span | None) -> Node:
        """Choose a node inside a place, else in its statement, else the nearest one."""
        begin = within[0] if within else 0
        statements = map(self.span, self.tree.body)
        around = next((place for place in statements if place[0] <= begin < place[1]), (0, 0))

        def distance(node: ast.expr) -> Span:
            place = self.span(node)
            if not within or _holds(within, place):
                return 0, place[0]
            return (1, place[0]) if _holds(around, place) else (2, abs(place[0] - begin))

        return min(nodes, key=distance)

    def _in_code(self, code: str, begin: int, end: int, within: Span | None) -> Span | None:
        """Find a part of an equation string: in the same string, by its line, or by itself."""
        if same := [node for node, value in self._texts if value == code]:
            return self._in_text(self._closest(same, within), begin, end)
        first = code.rfind("\n", 0, begin) + 1  # of a network: put together from several parts
        line = code[first:].partition("\n")[0]
        indent = len(line) - len(line.lstrip())
        parts = [node for node, value in self._texts if line.strip() and line.strip() in value]
        if parts:
            node = self._closest(parts, within)
            at = str(node.value).index(line.strip()) + begin - first - indent
            return self._in_text(node, at, at + end - begin)
        return self._mentioned(code[begin:end], within)

    def _mentioned(self, piece: str, within: Span | None) -> Span | None:
        """Find a name or a piece of code inside a string."""
        derivative = r"(?:d(?=\w+\s*/\s*dt))?" if piece.isidentifier() else ""
        pattern = re.compile(rf"(?<!\w){derivative}({re.escape(piece)})(?!\w)")
        places = {node: m.span(1) for node, value in self._texts if (m := pattern.search(value))}
        if not piece or not places:
            return None
        node = self._closest(list(places), within)
        return self._in_text(node, *places[node])

    def _in_text(self, node: ast.Constant, begin: int, end: int) -> Span:
        """Turn a place in a string's value into one in the file."""
        place, value = self.span(node), str(node.value)
        raw = self.text[slice(*place)]
        quotes = _QUOTES.match(raw)
        offset = quotes.end() if quotes else 0
        if raw[offset : len(raw) - (len(quotes[1]) if quotes else 0)] != value:
            piece = value[begin:end]  # of several strings in a row, or with escapes
            begin, offset = raw.find(piece) if piece else -1, 0
            if begin < 0:
                return self._first_line(place)
            end = begin + len(piece)
        return place[0] + offset + begin, place[0] + offset + end

    def _word(self, word: str, within: Span | None) -> Span | None:
        """Find a name as a text, the name of an argument, a variable or an attribute."""
        named: list[Any] = [node for node in ast.walk(self.tree) if _spells(node, word)]
        if not named:
            return self._mentioned(word, within)
        node = self._closest(named, within)
        begin, end = self.span(node)
        if isinstance(node, ast.Constant):
            return begin, end
        if isinstance(node, ast.Attribute):
            return end - len(word), end
        begin = max(begin, self.text.find(word, begin, end))
        return begin, begin + len(word)


def _holds(span: Span, other: Span) -> bool:
    return span[0] <= other[0] and other[1] <= span[1]


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _has_name(call: ast.Call, name: str) -> bool:
    values = [k.value for k in call.keywords if k.arg == "name"]
    return any(isinstance(value, ast.Constant) and value.value == name for value in values)


def _keyed(value: ast.expr, name: str) -> list[ast.expr]:
    """Return what ``{"e": ...}`` or ``dict(e=...)`` has by a name."""
    if isinstance(value, ast.Dict):
        pairs = zip(value.keys, value.values, strict=True)
        return [v for key, v in pairs if isinstance(key, ast.Constant) and key.value == name]
    keywords = value.keywords if isinstance(value, ast.Call) else []
    return [each.value for each in keywords if each.arg == name]


def _spells(node: ast.AST, word: str) -> bool:
    """Tell whether a node of the tree is of a kind that has a name, and that is `word`."""
    return any(isinstance(node, kind) and getattr(node, label) == word for kind, label in _NAMED)
