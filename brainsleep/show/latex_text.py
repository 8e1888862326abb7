"""Text, equations and tables of a LaTeX document, to be read with ``amsmath`` and ``booktabs``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: Rendered characters of an equation beyond which it is broken before a plus or minus.
WIDTH = 75
#: Columns beyond which a table is set in smaller letters.
WIDE = 5

_ESCAPES = {letter: "\\" + letter for letter in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "–": "--",
    "→": r"$\to$",
    "±": r"$\pm$",
    "µ": r"$\mu$",
}
_RELATION = re.compile(r" (=|\\leftarrow) ")


def escaped(words: object) -> str:
    """Return text in which every letter stands for itself."""
    return "".join(_ESCAPES.get(letter, letter) for letter in str(words))


def aligned(lines: Iterable[str]) -> str:
    """Write equations and statements below each other."""
    body = " \\\\\n".join(f"    {row}" for line in lines for row in _rows(line))
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _rows(line: str) -> Iterator[str]:
    """Align an equation at its relation; break a long one before plus and minus signs."""
    match = _RELATION.search(line)
    begin = f"{line[: match.start()]} &{match[0].rstrip()} " if match else "& "
    rest = line[match.end() :] if match else line
    if len(re.sub(r"\\[a-zA-Z]+|[{}_^\\, ]", "", line)) <= WIDTH:
        yield begin + rest
        return
    first, *more = _terms(rest)
    yield begin + first
    for term in more:
        yield rf"& \quad {{}} {term}"


def _terms(code: str) -> list[str]:
    r"""Split LaTeX before the plus and minus signs outside of braces and ``\left``-``\right``."""
    depth, start, terms = 0, 0, []
    for token in re.finditer(r"\\left\b|\\right\b|[{}]| [-+] ", code):
        if token[0] in (r"\left", "{"):
            depth += 1
        elif token[0] in (r"\right", "}"):
            depth -= 1
        elif depth == 0:
            terms.append(code[start : token.start()])
            start = token.start() + 1
    return [*terms, code[start:]]


def tabulated(columns: Iterable[str], rows: Iterable[Iterable[str]], caption: str = "") -> str:
    """Write a table; the cells are LaTeX already."""
    columns = list(columns)
    head = " & ".join(escaped(column) for column in columns)
    body = "\n".join(f"{' & '.join(row)} \\\\" for row in rows)
    tabular = (
        f"\\begin{{tabular}}{{{'l' * len(columns)}}}\n\\toprule\n{head} \\\\\n\\midrule\n"
        f"{body}\n\\bottomrule\n\\end{{tabular}}"
    )
    if not caption:
        return f"\\begin{{center}}\n{tabular}\n\\end{{center}}"
    title = rf"\caption{{{escaped(caption)}.}}"
    wide = r"\scriptsize\setlength{\tabcolsep}{3pt}" if len(columns) > WIDE else r"\footnotesize"
    begin = f"\\begin{{table}}[ht]\n\\centering{wide}\n"
    return f"{begin}{title}\n{tabular}\n\\end{{table}}"
