"""NVIDIA's compiler and GPUs: where they are, what fits, and what to do if something is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from ...errors import BackendError, MissingExtraError, explain
from ..cpp.build import cannot_compile

#: Flags of every compilation. Arithmetic is IEEE's: no fast mathematics.
FLAGS = ("-O3", "-std=c++17", "-w", "--expt-relaxed-constexpr", "-Xcompiler", "-fPIC")

#: Programs count GPUs as nvidia-smi does.
ENVIRONMENT = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

_SEARCHED = "CUDA_PATH, PATH, /usr/local/cuda"
_ELSEWHERE = (
    "or build for another machine: brainsleep build PROTOCOL --backend cuda "
    "--compute-capability 9.0"
)


def check_extra() -> None:
    """Raise `MissingExtraError` unless brian2cuda is installed, with the Brian2 it needs."""
    if find_spec("brian2cuda") is None:
        raise MissingExtraError(
            "backend cuda: needs brian2cuda: pip install 'brainsleep[cuda]', or a program that was "
            "built on another machine (brainsleep build --out FOLDER, BRAINSLEEP_CACHE=FOLDER here)"
        )


def find_nvcc() -> str | None:
    """Return the path of NVIDIA's compiler, or None."""
    roots = [os.environ.get("CUDA_PATH"), os.environ.get("CUDA_HOME")]
    places = [shutil.which(str(Path(root) / "bin" / "nvcc")) for root in roots if root]
    places += [shutil.which("nvcc"), shutil.which("/usr/local/cuda/bin/nvcc")]
    return next((place for place in places if place), None)


def need_nvcc() -> str:
    """Return the path of NVIDIA's compiler; raise `BackendError` if there is none."""
    nvcc = find_nvcc()
    if nvcc is None:
        raise BackendError(
            f"backend cuda: no CUDA compiler nvcc found (looked at {_SEARCHED}); install NVIDIA's "
            "CUDA toolkit or set CUDA_PATH to its folder, build on another machine (brainsleep "
            "build --out FOLDER, and BRAINSLEEP_CACHE=FOLDER here), or use --backend cpp"
        )
    return nvcc


def describe_nvcc() -> str:
    """Return the line of the compiler's version that says its release, or an empty text."""
    if not (nvcc := find_nvcc()):
        return ""
    done = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=False)
    line = re.search(r".*\brelease\b.*", done.stdout)
    return f"nvcc: {line[0].strip()}" if line else "nvcc"


def gpu() -> tuple[str, str]:
    """Return the name and compute capability of the GPU that programs run on.

    It is the first of ``CUDA_VISIBLE_DEVICES``, or the first of the machine, in the order of
    nvidia-smi (`ENVIRONMENT` makes it that of programs). Raises `BackendError` if there is none.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    ask = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    ask += [f"--id={visible}"] if visible else []
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(
            "backend cuda: no NVIDIA driver (nvidia-smi does not run); install the driver of the "
            f"GPU, {_ELSEWHERE}"
        ) from error
    first = re.search(r"^\s*(.*\S)\s*,\s*(\d+\.\d)\s*$", done.stdout, re.MULTILINE)
    if done.returncode or not first:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise BackendError(
            f"backend cuda: the driver finds no GPU ({said[0] if said else 'nvidia-smi failed'}); "
            f"look at nvidia-smi, {_ELSEWHERE}"
        )
    return first[1], first[2]


def check_capability(capability: str) -> None:
    """Raise `BackendError` if `capability` is not a compute capability such as ``"9.0"``."""
    if not re.fullmatch(r"\d+\.\d", capability):
        raise BackendError(
            explain("compute capability", repr(capability), "MAJOR.MINOR such as 9.0")
        )


def architecture(capability: str) -> str:
    """Return nvcc's number of a compute capability, ``"90"`` for ``"9.0"``.

    Raises `BackendError` if there is no compiler, or it cannot compile for it.
    """
    ask = [need_nvcc(), "--list-gpu-arch"]
    listed = subprocess.run(ask, capture_output=True, text=True, check=False).stdout
    choices = re.findall(r"compute_(\d+)\b", listed)
    number = capability.replace(".", "")
    if choices and number not in choices:
        release = re.search(r"release [\d.]+", describe_nvcc())
        numbers = ", ".join(f"{n[:-1]}.{n[-1]}" for n in choices)
        allowed = f"one that nvcc {release[0] if release else ''} compiles for: {numbers}"
        fix = "use another toolkit for other GPUs"
        raise BackendError(explain("compute capability", capability, allowed, fix))
    return number


def compile_program(folder: Path, number: str) -> None:
    """Compile ``segments.cu`` in `folder` to ``main``; raise `BackendError` if that fails.

    The program holds machine code for the capability with nvcc's `number`.
    """
    target = ["-gencode", f"arch=compute_{number},code=sm_{number}"]
    command = [need_nvcc(), *FLAGS, *target, "segments.cu", "-o", "main"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise cannot_compile("cuda", "CUDA", done.stderr + done.stdout, "cpp")
