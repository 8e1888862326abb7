"""How a table of fixes is carried out: break something, read the fix, do it, and see it accepted.

A row is the fix as the source has it, with ``{}`` for what is computed; what provokes it; and what
a user does who reads it, given the text at each ``{}``. Each is called in an empty folder.
"""

import contextlib
import io
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from brainsleep import cli
from brainsleep.checking.examine import examine
from brainsleep.errors import BrainsleepError

Row = tuple[str, Callable[[], Any], Callable[..., Any]]


def rows(table: list[Row]) -> list:
    """Give every row of a table an id of its own that is the same in every process."""
    seen: dict[str, int] = {}
    named = []
    for row in table:
        name = re.sub(r"[^a-zA-Z0-9]+", "-", row[0]).strip("-")[:60]
        seen[name] = seen.get(name, 0) + 1
        named.append(pytest.param(*row, id=f"{name}-{seen[name]}"))
    return named


def carry_out(fix: str, broken: Callable[[], Any], mended: Callable[..., Any]) -> None:
    """Assert that `broken` prints the fix, and that what it says helps."""
    found = find(fix, told(broken))
    assert found is not None, f"not printed: {fix}\n" + "\n".join(told(broken))
    again = mended(*found)
    if isinstance(again, str):
        assert find(fix, [again]) is None, f"still printed: {again}"
        assert "error: " not in again, again


def told(broken: Callable[[], Any]) -> list[str]:
    """List what is said of something broken: the fix in parts, the message, what is printed."""
    try:
        printed = broken()
    except BrainsleepError as error:
        return [error.details.fix, str(error)]
    except TypeError as error:  # of a specification that is changed
        return [str(error)]
    assert isinstance(printed, str), "it is accepted"
    return printed.splitlines()


def find(fix: str, said: list[str]) -> tuple[str, ...] | None:
    """Find a fix in what is said; give the texts at its holes, or None."""
    pattern = re.escape(fix).replace(re.escape("{}"), "(.*?)")
    for text in said:
        if match := re.fullmatch(pattern, text):
            return match.groups()
    pattern += r"(?=$|; )" if fix.endswith("{}") else ""
    for text in said:
        if match := re.search(pattern, text):
            return match.groups()
    return None


def command(*words: str) -> str:
    """Run a command in this process; return what it prints, stdout and stderr together."""
    printed = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        contextlib.suppress(SystemExit),
    ):
        patch.setattr(sys, "argv", ["brainsleep", *words])
        patch.setenv("COLUMNS", "10000")
        cli.main()
    return printed.getvalue()


def checked(text: str, name: str = "study.py") -> str:
    """Write a file, and return all fixes that ``brainsleep check`` has for it."""
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    report = examine(name)
    return "\n".join(f"{finding.details.fix}" for finding in (*report.mistakes, *report.remarks))
