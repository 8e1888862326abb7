"""Names and code: what a script calls things, in names that can be used here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from ..network.equations import checks, settle

#: A unit, and flags in brackets at its end.
_UNIT = re.compile(r"(:.*?)\s*(?:\(([a-z ,-]*)\))?")

_ENDINGS = ("_pre", "_post", "_gate", "_total")


def free(name: str, taken: Iterable[str], more: Iterable[str] = ()) -> str:
    """Return a name like `name` that is free: lower-case, and none that has another meaning."""
    taken = {*taken, *checks.RESERVED, *more}
    stem = re.sub(r"[^a-z0-9_]", "_", name.lower())
    stem = re.sub("__+", "_", stem).strip("_") or "x"
    stem = stem if stem[0].isalpha() else f"n{stem}"
    while stem.endswith(_ENDINGS):
        stem = stem.rpartition("_")[0]
    other, count = stem, 1
    while other in taken:
        other, count = (f"{stem}_own" if count == 1 else f"{stem}_own{count}"), count + 1
    return other


def renamed(code: str, names: Mapping[str, str]) -> str:
    """Replace names in code, all at once; not in comments."""
    shown = settle.blanked(code)

    def other(match: re.Match) -> str:
        return names.get(match[0], match[0])

    pieces, at = [], 0
    for match in re.finditer(r"(?<![\w.])[A-Za-z_]\w*", shown):
        pieces += [code[at : match.start()], other(match)]
        at = match.end()
    return "".join([*pieces, code[at:]])


def laid_out(text: str) -> str:
    """Lay out code of several lines as it stands in the file of a study."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if len(lines) < 2:
        return lines[0] if lines else ""
    return "\n" + "".join(f"    {line}\n" for line in lines) + "    "


def in_equations(text: str, change: Callable[[str], str]) -> str:
    """Change the code in equations: all but units, flags and comments."""
    pieces, at, shown = [], 0, settle.blanked(text)
    for match in re.finditer(r":[^\n;]*", shown):
        end = match.start() + len(match[0].rstrip())
        pieces += [change(text[at : match.start()]), text[match.start() : end]]
        at = end
    return "".join([*pieces, change(text[at:])])


def renamed_equations(text: str, names: Mapping[str, str]) -> str:
    """Replace names in equations; not in units, flags and comments."""

    def change(code: str) -> str:
        rates = {f"d{name}": f"d{other}" for name, other in names.items()}
        code = re.sub(
            r"(?<![\w.])d([A-Za-z_]\w*)(\s*/\s*dt\s*=)",
            lambda m: rates.get(f"d{m[1]}", f"d{m[1]}") + m[2],
            code,
        )
        # the left side of a rate is renamed already: hide it
        parts = re.split(r"((?<![\w.])d[A-Za-z_]\w*\s*/\s*dt\s*=)", code)
        return "".join(p if k % 2 else renamed(p, names) for k, p in enumerate(parts))

    return in_equations(text, change)


def with_flags(text: str, name: str, change: Callable[[set[str]], set[str]]) -> str:
    """Change the flags of the equation of a variable."""
    shown = settle.blanked(text)
    pattern = rf"(?m)(?:^|(?<=[;\n]))\s*(?:d{name}\s*/\s*dt\s*=|{name}\s*(?:=|:))"
    begin = re.search(pattern, shown)
    if not begin:
        return text
    colon = shown.index(":", begin.end() - 1)
    end = min(
        (k for k in (shown.find("\n", colon), shown.find(";", colon)) if k >= 0), default=len(shown)
    )
    match = _UNIT.fullmatch(shown[colon:end].rstrip())
    flags = (
        {flag.strip() for flag in (match[2] or "").split(",") if flag.strip()} if match else set()
    )
    unit = match[1] if match else shown[colon:end].rstrip()
    new = sorted(change(flags))
    words = f" ({', '.join(new)})" if new else ""
    return text[:colon] + unit.rstrip() + words + text[colon + len(shown[colon:end].rstrip()) :]


def without(text: str, name: str) -> str:
    """Take the declaration of a variable out of equations."""
    shown = settle.blanked(text)
    begin = re.search(rf"(?m)(?:^|(?<=[;\n]))[ \t]*{name}\s*:[^\n;]*", shown)
    return text[: begin.start()] + text[begin.end() :] if begin else text
