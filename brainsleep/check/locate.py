"""From a mistake to its place in a Python file: line, first and last column."""

from __future__ import annotations

import ast
import re
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import Details

_QUOTES = re.compile(r"""[A-Za-z]*('''|\"\"\"|'|")""")

_NAMED = (
    *((ast.Constant, "value"), (ast.keyword, "arg"), (ast.Name, "id")),
    *((ast.Attribute, "attr"), (ast.alias, "name"), (ast.ImportFrom, "module")),
)


@dataclass(frozen=True)
class Region:
    """A stretch of source: from line and column (both from 1) to just before the last ones."""

    line: int
    column: int
    end_line: int
    end_column: int

    def holds(self, other: Region) -> bool:
        """Tell whether `other` lies within."""
        begin, end = (self.line, self.column), (self.end_line, self.end_column)
        return begin <= (other.line, other.column) and (other.end_line, other.end_column) <= end


def source_text(path: Path, *, strict: bool = True) -> str:
    """Read a Python file in the encoding that it declares, as Python does.

    Parameters
    ----------
    path : Path
        The file.
    strict : bool
        Whether letters that cannot be read are an error, or are replaced.

    Raises
    ------
    SyntaxError, OSError, UnicodeDecodeError
        If it cannot be read; if not `strict`, only OSError.
    """
    try:
        with path.open("rb") as file:
            encoding, _ = tokenize.detect_encoding(file.readline)
    except SyntaxError:
        if strict:
            raise
        encoding = "utf-8"
    return path.read_text(encoding=encoding, errors="strict" if strict else "replace")


class Source:
    """A Python file and its syntax tree.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    SyntaxError, OSError, UnicodeDecodeError
        If it cannot be read or parsed.
    """

    def __init__(self, path: Path):
        self.path = path
        self.text = source_text(path)
        self.lines = self.text.split("\n")
        self.tree = ast.parse(self.text, str(path))

    def region(self, node: ast.stmt | ast.expr) -> Region:
        """Give the place of a node of the tree."""
        begin, end = node.lineno, node.end_lineno or node.lineno
        last = node.end_col_offset or node.col_offset
        return Region(begin, self._column(begin, node.col_offset), end, self._column(end, last))

    def _column(self, line: int, byte: int) -> int:
        """Turn a column in bytes, from 0, into one in letters, from 1."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return len(text.encode()[:byte].decode(errors="replace")) + 1

    def of_call(self, positions: tuple) -> Region | None:
        """Give the place that Python keeps for an instruction."""
        line, end_line, column, end_column = positions
        if None in positions or end_line > len(self.lines):
            return None
        begin, end = self._column(line, column), self._column(end_line, end_column)
        return Region(line, begin, end_line, end)

    def statement(self, line: int) -> Region | None:
        """Give the top-level statement that a line belongs to."""
        regions = (self.region(node) for node in self.tree.body)
        return next((r for r in regions if r.line <= line <= r.end_line), None)

    def place(self, details: Details, within: Region | None, guess: str = "") -> Region:
        """Find what `details` mark.

        Parameters
        ----------
        details : Details
            Code and span, or a word.
        within : Region or None
            Where the object with the mistake is made; looked through first.
        guess : str
            Name of the argument that is probably wrong, if `details` say nothing.

        Returns
        -------
        Region
            The place; where nothing can be found, the first line of `within`.
        """
        found = None
        if details.code and details.span:
            found = self._in_code(details.code, *details.span, within)
        if found is None and details.word:
            found = self._word(details.word, within)
        return found or self._argument(guess, within) or self._first_line(within)

    def _argument(self, name: str, within: Region | None) -> Region | None:
        """Find an argument of a call inside a region by its name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.keyword) and node.arg == name and within:
                line, column = node.lineno, self._column(node.lineno, node.col_offset)
                place = Region(line, column, line, column + len(name))
                if within.holds(place):
                    return place
        return None

    def _first_line(self, within: Region | None) -> Region:
        line = within.line if within else 1
        text = self.lines[line - 1]
        begin = within.column if within else len(text) - len(text.lstrip()) + 1
        end = within.end_column if within and within.end_line == line else len(text.rstrip()) + 1
        return Region(line, begin, line, max(end, begin + 1))

    @cached_property
    def _texts(self) -> list[tuple[ast.Constant, str]]:
        """All strings of the file, with their values."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, ast.Constant)]
        return [(node, node.value) for node in nodes if isinstance(node.value, str)]

    def _closest[Node: ast.expr](self, nodes: list[Node], within: Region | None) -> Node:
        """Choose a node inside a region, else in its statement, else the one with the next line."""
        around = within and self.statement(within.line)

        def distance(node: ast.expr) -> tuple[int, int]:
            if not within:
                return 0, node.lineno
            place = self.region(node)
            ring = 0 if within.holds(place) else 1 if around and around.holds(place) else 2
            return ring, node.lineno if ring < 2 else abs(node.lineno - within.line)

        return min(nodes, key=distance)

    def _in_code(self, code: str, begin: int, end: int, within: Region | None) -> Region | None:
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

    def _mentioned(self, piece: str, within: Region | None) -> Region | None:
        """Find a name or a piece of code inside a string."""
        derivative = r"(?:d(?=\w+\s*/\s*dt))?" if piece.isidentifier() else ""
        pattern = re.compile(rf"(?<!\w){derivative}({re.escape(piece)})(?!\w)")
        found = {node: m for node, value in self._texts if (m := pattern.search(value))}
        if not piece or not found:
            return None
        node = self._closest(list(found), within)
        return self._in_text(node, *found[node].span(1))

    def _in_text(self, node: ast.Constant, begin: int, end: int) -> Region:
        """Turn a place in a string's value into one in the file."""
        place = self.region(node)
        raw = ast.get_source_segment(self.text, node) or ""
        quotes = _QUOTES.match(raw)
        offset = quotes.end() if quotes else 0
        value = str(node.value)
        inner = raw[offset : len(raw) - (len(quotes[1]) if quotes else 0)]
        if inner != value:  # escapes, or several strings in a row
            piece = value[begin:end]
            at = raw.find(piece) if piece else -1
            if at < 0:
                return self._first_line(place)
            begin, end, offset = at, at + len(piece), 0
        before = raw[: offset + begin]
        line = place.line + before.count("\n")
        column = len(before.rpartition("\n")[2]) + (place.column if line == place.line else 1)
        marked = raw[offset + begin : offset + end]
        end_line = line + marked.count("\n")
        tail = marked.rpartition("\n")[2]
        end_column = len(tail) + (column if end_line == line else 1)
        return Region(line, column, end_line, end_column)

    def _word(self, word: str, within: Region | None) -> Region | None:
        """Find a name as a text, the name of an argument, a variable or an attribute."""
        named: list[Any] = [node for node in ast.walk(self.tree) if _spelt(node) == word]
        if not named:
            return self._mentioned(word, within)
        node = self._closest(named, within)
        place = self.region(node)
        if isinstance(node, ast.Constant):
            return place
        if isinstance(node, ast.Attribute):
            begin = place.end_column - len(word)
            return Region(place.end_line, begin, place.end_line, place.end_column)
        begin = self.lines[place.line - 1].find(word, place.column - 1) + 1 or place.column
        return Region(place.line, begin, place.line, begin + len(word))


def _spelt(node: ast.AST) -> object:
    """Give the name that a node of the tree spells, if it spells one."""
    for kind, label in _NAMED:
        if isinstance(node, kind):
            return getattr(node, label)
    return None
