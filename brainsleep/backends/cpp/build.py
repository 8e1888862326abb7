"""The C++ compiler, and what a program that it makes depends on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

from ...errors import BackendError
from ...network.spec import Network
from ...run.segment import Capacity

#: Compilers use half of the widest vectors that an x86 processor has if nobody asks, and then find
#: loops with conditions not worth it.
WIDEST = ("-mprefer-vector-width=512",) if platform.machine() in ("x86_64", "AMD64") else ()

#: Compiler flags of standalone programs. Without the alignment the speed of the shortest loops
#: hangs by 15 % on what code happens to stand before them.
FLAGS = (
    *("-w", "-O3", "-ffast-math", "-fno-finite-math-only", "-march=native", "-std=c++14"),
    *("-falign-functions=64", "-falign-loops=32", "-pthread", *WIDEST),
)


#: Modules that turn a plan into a program.
_GENERATING = (
    *("brian/context", "brian/names", "brian/network", "brian/objects", "brian/queues"),
    *("brian/subexpressions", "brian/alike", "cpp/exchange", "cpp/later", "cpp/standalone"),
)


def find_compiler() -> str | None:
    """Return the path of the C++ compiler, or None."""
    name = os.environ.get("CXX", "").split(" ")[0] or "g++"
    return shutil.which(name) or shutil.which("c++") or shutil.which("clang++")


def need_compiler(backend: str = "cpp") -> str:
    """Return the path of the C++ compiler; raise `BackendError` if there is none."""
    compiler = find_compiler()
    if not compiler:
        raise BackendError(
            f"backend {backend}: no C++ compiler found (looked for $CXX, g++, c++, clang++); "
            "install one (Debian: apt install g++, macOS: xcode-select --install) "
            "or use --backend numpy"
        )
    return compiler


def describe_compiler() -> str:
    """Return the first line of the C++ compiler's version, or an empty text without one."""
    compiler = find_compiler()
    return _first_line([compiler, "--version"]) if compiler else ""


def code_of(spec: Network) -> dict:
    """Return what of a network is in the code of its program; parameter values are not."""
    plan = asdict(spec.plan)
    for group in plan["groups"]:
        group["parameters"] = sorted(group["parameters"])
        del group["initial"]
    for synapses in plan["synapses"]:
        synapses["parameters"] = sorted(synapses["parameters"])
        del synapses["initial"], synapses["repeats"], synapses["signed"]
        for process in synapses["processes"]:
            del process["period"]
    return {
        "plan": plan,
        "dt": repr(float(spec.dt)),
        "input": spec.input,
        "precision": spec.precision,
    }


def build_key(
    spec: Network,
    capacity: Capacity,
    tool: Mapping | None = None,
    *,
    traced: Collection[str] = (),
    events: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Hash everything a compiled program depends on, `traced` variables and `events` included.

    `tool` says what besides the network: by default generator, compiler, flags, processor of C++.
    """
    tool = tool or {
        "numpy": version("numpy"),
        "generator": generator(*_GENERATING),
        "compiler": describe_compiler() + _first_line([need_compiler(), "-dumpmachine"]),
        "flags": FLAGS,
        "cpu": cpu(),
    }
    content = {**code_of(spec), "slots": capacity.slots, "brian2": version("brian2"), **tool}
    if traced:
        content["traced"] = sorted(traced)
    if events:
        content["events"] = {name: sorted(variables) for name, variables in events.items()}
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def generator(*modules: str) -> str:
    """Hash the parts of this package that turn a plan into code: `modules` and the templates."""
    here = Path(__file__).parents[1]
    files = [here / f"{name}.py" for name in modules]
    files += sorted(here.glob("*/templates/*.[ch]*"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else ""


def cpu() -> str:
    """Describe the processor, since programs are compiled for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    keep = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(keep)}))


def compile_program(folder: Path) -> None:
    """Compile the two units side by side, code that runs once with less effort, and link them.

    Raises `BackendError` if the code does not compile.
    """
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
        for more in (["-static"], []) if _has_threads_in_libc() else ([],):  # static: starts sooner
            command = [compiler, *FLAGS, *more, *objects, "-o", "main"]
            link = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if not link.returncode:
                for name in objects:
                    (folder / name).unlink()
                return
        errors = [link.stderr]
    raise cannot_compile("cpp", "C++", "\n".join(errors), "numpy")


def _has_threads_in_libc() -> bool:
    """Tell whether a static program may have threads: glibc before 2.34 left half of them out."""
    name, release = platform.libc_ver()
    numbers = [int(number) for number in release.split(".")[:2] if number.isdigit()]
    return name != "glibc" or numbers >= [2, 34]


def cannot_compile(backend: str, language: str, said: str, other: str) -> BackendError:
    """Return the error for generated code that a compiler refuses, with the first thing it said."""
    first = next((line for line in said.splitlines() if "error" in line.lower()), "no message")
    return BackendError(
        f"backend {backend}: the generated {language} does not compile ({first}); check the "
        f"equations, or try --backend {other}"
    )
