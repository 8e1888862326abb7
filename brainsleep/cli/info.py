"""The command ``brainsleep info``: what a result is, or what this installation is."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from ..errors import StoreError, explain
from .console import rich_table, stdout

#: Packages whose versions a report of a bug needs; those that are not installed are said to be so.
_PACKAGES = (
    *("brainsleep", "brian2", "numpy", "scipy", "scikit-learn", "sympy", "cython", "pandas"),
    *("matplotlib", "distributed", "statsmodels", "torch", "snntorch", "brian2cuda"),
)


def info(
    result: Annotated[Path | None, typer.Argument(metavar="RESULT", help="its folder")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="all metrics, and where data and code come from")
    ] = False,
    system: Annotated[
        bool,
        typer.Option("--system", help="versions of this installation, for reports of bugs"),
    ] = False,
) -> None:
    """Print what a stored result is, what was changed, what was measured, and its alarms."""
    if (result is None) != system:
        got = "neither RESULT nor --system" if result is None else "both RESULT and --system"
        raise StoreError(explain("info", got, "one of them"))
    if result is None:
        stdout.print(rich_table(("what", "version"), _installed()))
        return
    from ..results.store import as_stored, read_result
    from ..show import facts
    from ..show.summary import of_stored

    stored = read_result(result)
    with as_stored(stored):
        for piece in of_stored(stored):
            if not full or not str(piece).startswith("--full"):
                stdout.print(piece)
        if full:
            stdout.print(facts.provenance(stored))
            stdout.print(rich_table(("metric", "value"), stored.metrics.items()))


def _installed() -> list[tuple[str, str]]:
    """Return what this installation is made of."""
    from ..backends.cpp.build import describe_compiler, find_compiler
    from ..backends.cpp.process import cores
    from ..backends.cuda.toolkit import describe_nvcc

    rows = [("system", platform.platform()), ("cores", str(cores()))]
    rows.append(("python", f"{platform.python_version()} ({platform.python_implementation()})"))
    for name in _PACKAGES:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, "not installed"))
    rows.append(("C++ compiler", describe_compiler() if find_compiler() else "none"))
    return [*rows, ("CUDA compiler", describe_nvcc() or "none")]
