"""``brainsleep build`` and ``brainsleep cache``: compiled programs."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BackendError, explain
from .console import ModelName, Settings, Source, protocol_with, rich_table, stderr, stdout

programs = typer.Typer(help="Compiled programs: what is kept, and how to be rid of it.")


def build(
    protocol: Source,
    backend: Annotated[str, typer.Option("--backend", help="cpp or cuda")] = "cuda",
    capability: Annotated[
        str | None,
        typer.Option(
            "--compute-capability",
            metavar="MAJOR.MINOR",
            help="of the GPU it is to run on, such as 9.0 (default: that of the GPU here)",
        ),
    ] = None,
    settings: Settings = None,
    model: ModelName = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="folder for the program (default: the cache); copy it to another machine and set "
            "BRAINSLEEP_CACHE to it there",
        ),
    ] = None,
) -> None:
    """Compile the program of a protocol without running it; its folder is the last line printed.

    A program for CUDA can be compiled without a GPU, and run where there is no compiler.
    """
    from ..backends.base import BACKENDS
    from ..run.segment import Capacity

    chosen = protocol_with(protocol, settings, None, model)
    if backend not in ("cpp", "cuda"):
        fix = "others compile nothing beforehand"
        raise BackendError(explain("build: backend", repr(backend), "cpp or cuda", fix))
    if backend == "cpp" and capability is not None:
        allowed = "none with --backend cpp"
        raise BackendError(explain("build: --compute-capability", capability, allowed))
    if chosen.network.kind != BACKENDS[backend].kind:
        raise BackendError(f"build: '{chosen.network.name}' runs on torch: nothing to compile")
    if out is not None:
        os.environ["BRAINSLEEP_CACHE"] = str(out.resolve())

    if backend == "cuda":
        from ..backends.cuda import backend as cuda_backend
        from ..backends.cuda import toolkit as cuda_toolkit

        capability = capability or cuda_toolkit.gpu()[1]
        print(cuda_backend.build(chosen.network, capability, stderr.print))
    else:
        from ..backends.cpp import backend as cpp_backend

        print(cpp_backend.build(chosen.network, Capacity(), stderr.print, chosen.record.states))


@programs.command("list")
def list_programs() -> None:
    """List the compiled programs, the one used last first."""
    from ..backends.cpp import cache

    entries = [(e, f"{e.size / 1e6:.1f}") for e in cache.entries()]
    rows = [(e.path.name, e.network, mb, _when(e.built), _when(e.used)) for e, mb in entries]
    stdout.print(rich_table(("program", "network", "MB", "compiled", "last used"), rows))
    total = sum(entry.size for entry, _ in entries) / 1e6
    stdout.print(f"{total:.1f} MB of at most {cache.limit() / 1e6:g} MB in {cache.programs()}")


@programs.command("clear")
def clear_programs(
    unused_for: Annotated[
        float, typer.Option("--unused-for", metavar="DAYS", help="only those not used for so long")
    ] = 0.0,
) -> None:
    """Remove compiled programs; a run that still needs one compiles it again."""
    from ..backends.cpp import cache

    gone = cache.clear(unused_for * cache.A_DAY)
    stdout.print(f"removed {len(gone)} programs, {sum(e.size for e in gone) / 1e6:.1f} MB")


def _when(seconds: float) -> str:
    """Give a time since the epoch as local date and time, if there is such a date."""
    try:
        return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):
        return "?"
