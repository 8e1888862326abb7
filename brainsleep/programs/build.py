"""Compile standalone programs, addressed by what they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from ..errors import BackendError
from ..segment import Capacity
from ..spec import NetworkSpec
from . import cache

#: Compiler flags of standalone programs. Without the alignment the speed of the shortest loops
#: hangs by 15 % on what code happens to stand before them.
FLAGS = (
    *("-w", "-O3", "-ffast-math", "-fno-finite-math-only", "-march=native", "-std=c++14"),
    *("-falign-functions=64", "-falign-loops=32"),
)


def find_compiler() -> str | None:
    """Return the path of the C++ compiler, or None."""
    name = os.environ.get("CXX", "").split(" ")[0] or "g++"
    return shutil.which(name) or shutil.which("c++") or shutil.which("clang++")


def need_compiler(backend: str = "cpp") -> str:
    """Return the path of the C++ compiler, which `backend` cannot do without.

    Raises
    ------
    BackendError
        If there is none.
    """
    found = find_compiler()
    if not found:
        raise BackendError(
            f"backend {backend}: no C++ compiler found (looked for $CXX, g++, c++, clang++); "
            "install one (Debian: apt install g++, macOS: xcode-select --install) "
            "or use --backend numpy"
        )
    return found


def describe_compiler() -> str:
    """Return the first line of the C++ compiler's version, or an empty text without one."""
    compiler = find_compiler()
    return _first_line([compiler, "--version"]) if compiler else ""


def code_of(spec: NetworkSpec) -> dict:
    """Return what of a network is in the code of its program; parameter values are not."""
    plan = asdict(spec.plan)
    for group in plan["groups"]:
        group["parameters"] = sorted(group["parameters"])
        del group["initial"]
    for synapses in plan["synapses"]:
        synapses["parameters"] = sorted(synapses["parameters"])
        for process in synapses["processes"]:
            del process["period"]
    return {
        "plan": plan,
        "dt": repr(float(spec.dt)),
        "input": spec.input,
        "precision": spec.precision,
    }


def build_key(spec: NetworkSpec, capacity: Capacity, tool: Mapping | None = None) -> str:
    """Hash everything a compiled program depends on.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    capacity : Capacity
        Largest segment it must run.
    tool : mapping, optional
        What else it depends on: generator, compiler, flags, processor. Default: those of C++.
    """
    tool = tool or {
        "numpy": version("numpy"),
        "generator": generator("context", "network", "programs/exchange", "programs/standalone"),
        "compiler": describe_compiler() + _first_line([need_compiler(), "-dumpmachine"]),
        "flags": FLAGS,
        "cpu": _cpu(),
    }
    content = {
        **code_of(spec),
        "slots": capacity.slots,
        "brian2": version("brian2"),
        **tool,
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def generator(*modules: str) -> str:
    """Hash the parts of this package that turn a plan into code: `modules` and the templates."""
    here = Path(__file__).parents[1]
    files = [here / f"{name}.py" for name in modules]
    files += sorted((here / "templates").glob("*.[ch]*"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else ""


def _cpu() -> str:
    """Describe the processor, since programs are compiled for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    keep = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(keep)}))


def build(
    spec: NetworkSpec,
    capacity: Capacity,
    generate: Callable[[NetworkSpec, Capacity, Path], dict],
    report: Callable[[str], None] = lambda message: None,
) -> Path:
    """Compile the standalone program of `spec`, or find it in the cache.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    capacity : Capacity
        Largest segment it must run.
    generate : callable
        ``generate(spec, capacity, folder)`` writes the C++ sources and returns the layout of the
        files that the program exchanges.
    report : callable
        Told when something is compiled.

    Returns
    -------
    Path
        Folder with the program ``main`` and ``layout.json``.

    Raises
    ------
    BackendError
        If the code does not compile, or the cache cannot be written.
    """

    def make(folder: Path) -> dict:
        report(f"compiling network '{spec.name}' with {find_compiler()}")
        layout = generate(spec, capacity, folder)
        _compile(folder)
        return layout

    return cache.obtain(build_key(spec, capacity), make, spec.name, report)


def _compile(folder: Path) -> None:
    """Compile the two units side by side, code that runs once with less effort, and link them."""
    compiler = need_compiler()
    units = {"hot": FLAGS, "cold": (*FLAGS, "-O1")}
    running = [
        subprocess.Popen(
            [compiler, "-I.", *flags, "-c", f"{unit}.cpp", "-o", f"{unit}.o"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for unit, flags in units.items()
    ]
    try:
        errors = [process.communicate()[1] for process in running]
    finally:
        for process in running:
            process.kill()
    if not any(process.returncode for process in running):
        objects = [f"{unit}.o" for unit in units]
        for more in (["-static"], []):  # a static program starts sooner, where it can be linked
            command = [compiler, *FLAGS, *more, *objects, "-o", "main"]
            link = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if not link.returncode:
                for name in objects:
                    (folder / name).unlink()
                return
        errors = [link.stderr]
    lines = [line for text in errors for line in text.splitlines() if "error" in line.lower()]
    raise BackendError(
        f"backend cpp: the generated C++ does not compile ({(lines or ['no message'])[0]}); "
        "check the equations, or try --backend numpy"
    )
