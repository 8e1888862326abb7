"""What is shipped, what is pinned, and which module may import or create what."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# folder in the tree -> where its files lie in the wheel
SHIPPED = {
    "brainsleep": "brainsleep",
    "models": "brainsleep/models",
    "protocols": "brainsleep/protocols",
    "figures": "brainsleep/figures",
}
BESIDE = ("models", "protocols", "figures")
SKIPPED_FOLDERS = {"__pycache__", "build", "dist", "output", "results", "node_modules"}


def shipped_files(folder: str) -> Iterator[Path]:
    """All files of a shipped folder; not caches, hidden files, notes, nor figures/paper.

    The folder figures/paper holds the table and figures of the study, not code.
    """
    for path in sorted((ROOT / folder).rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if parts[:2] == ("figures", "paper"):
            continue
        if path.is_file() and not hidden and path.suffix not in {".md", ".pyc"}:
            yield path


def modules(folder: str) -> list[Path]:
    return [path for path in shipped_files(folder) if path.suffix == ".py"]


# --- (a) the wheel ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory) -> set[str]:
    """Names in a wheel built from a copy, so that no stale build folder can add to it."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in SHIPPED:
        shutil.copytree(
            ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, tree)
    out = tree / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--no-index", "--wheel-dir", str(out)], cwd=tree, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (wheel,) = out.glob("brainsleep-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.slow
def test_wheel_holds_every_file_of_the_packages(wheel_names):
    expected = {
        f"{SHIPPED[folder]}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder in SHIPPED
        for path in shipped_files(folder)
    }
    missing = sorted(expected - wheel_names)
    assert not missing, f"name them in pyproject.toml, [tool.setuptools]: {missing}"


@pytest.mark.slow
def test_wheel_holds_nothing_else(wheel_names):
    others = {name for name in wheel_names if not name.startswith("brainsleep/")}
    assert all(name.startswith("brainsleep-") and ".dist-info/" in name for name in others), others
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in others}


@pytest.mark.slow
def test_wheel_holds_the_style_sheet(wheel_names):
    assert any(re.fullmatch(r"brainsleep/figures/\w+\.mplstyle", name) for name in wheel_names)


# --- (b) one name per package -----------------------------------------------------------------


@pytest.mark.parametrize("name", BESIDE)
def test_top_level_import_is_refused(name):
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert f"ImportError: import this package as 'brainsleep.{name}'" in done.stderr


@pytest.mark.parametrize("name", BESIDE)
def test_import_as_subpackage_works(name, tmp_path):
    code = f"import brainsleep.{name} as package; print(package.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent.name == name


# --- (c) pins ---------------------------------------------------------------------------------


def test_constraints_are_pins_only():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wrong = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)]
    assert lines and not wrong
    names = [re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines]
    assert len(set(names)) == len(names)


# --- (d) import direction ---------------------------------------------------------------------

BRIAN2_OBJECTS = {
    "EventMonitor",
    "Network",
    "NeuronGroup",
    "PoissonGroup",
    "PoissonInput",
    "PopulationRateMonitor",
    "SpatialNeuron",
    "SpikeGeneratorGroup",
    "SpikeMonitor",
    "StateMonitor",
    "Synapses",
}
DEVICE_FUNCTIONS = {"set_device", "get_device"}
SPEC_MODULES = {f"brainsleep.{m}" for m in ("errors", "schedule", "spec", "surrogate")}
BASIC_PACKAGES = {"brian2", "numpy"} | set(sys.stdlib_module_names)


def under(name: str, packages: set[str]) -> bool:
    """Whether a dotted name is one of the packages or lies in one of them."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def imported(source: str, package: str) -> set[str]:
    """Dotted names that a module's import statements may load, anywhere in it.

    ``from a import b`` gives ``a.b``, since b may be a module; relative imports are resolved
    against `package`, the dotted name of the package that the module lies in.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def called(source: str) -> set[str]:
    """Last names of everything called, plus names that imports rename (`X as Y` gives X)."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                names.add(node.func.id)
            elif isinstance(node.func, ast.Attribute):
                names.add(node.func.attr)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names if alias.asname not in (None, alias.name)}
    return names


def engine_violations(source: str, package: str = "brainsleep") -> set[str]:
    banned = {f"brainsleep.{name}" for name in BESIDE} | set(BESIDE)
    return {name for name in imported(source, package) if under(name, banned)}


def model_violations(source: str, package: str = "brainsleep.models") -> set[str]:
    allowed = BASIC_PACKAGES | SPEC_MODULES | {"brainsleep.models"}
    return {name for name in imported(source, package) if not under(name, allowed)}


def figure_violations(source: str, package: str = "brainsleep.figures") -> set[str]:
    banned = {f"brainsleep.{name}" for name in ("simulate", "network", "backend")} | {"brian2"}
    return {name for name in imported(source, package) if under(name, banned)}


def creator_violations(source: str, path: str) -> set[str]:
    names = called(source)
    names |= {name.rpartition(".")[2] for name in imported(source, "") if under(name, {"brian2"})}
    banned = set()
    if path != "brainsleep/network.py":
        banned |= BRIAN2_OBJECTS
    if path != "brainsleep/context.py":
        banned |= DEVICE_FUNCTIONS
    return names & banned


def test_import_direction_and_creators():
    problems = []
    for folder, package in SHIPPED.items():
        for path in modules(folder):
            source = path.read_text(encoding="utf-8")
            place = path.relative_to(ROOT).as_posix()
            inside = path.parent.relative_to(ROOT / folder).parts
            package_name = ".".join([package.replace("/", "."), *inside])
            rule = {
                "brainsleep": engine_violations,
                "models": model_violations,
                "figures": figure_violations,
            }.get(folder)
            if rule:
                problems += [f"{place} imports {name}" for name in rule(source, package_name)]
            problems += [f"{place} uses {name}" for name in creator_violations(source, place)]
    assert not problems, "\n".join(sorted(problems))


@pytest.mark.parametrize(
    ("rule", "source", "found"),
    [
        (engine_violations, "def f():\n    from .models import lif", "brainsleep.models.lif"),
        (engine_violations, "from . import protocols", "brainsleep.protocols"),
        (engine_violations, "import figures.style", "figures.style"),
        (model_violations, "from ..protocols import paper", "brainsleep.protocols.paper"),
        (model_violations, "import matplotlib.pyplot as plt", "matplotlib.pyplot"),
        (figure_violations, "from brainsleep import simulate", "brainsleep.simulate"),
    ],
)
def test_forbidden_imports_are_seen(rule, source, found):
    assert rule(source) == {found}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import brian2\nbrian2.NeuronGroup(1, '')", "NeuronGroup"),
        ("from brian2 import Synapses as Connections", "Synapses"),
        ("from brian2 import get_device", "get_device"),
        ("import brian2 as b2\nb2.devices.device.set_device('runtime')", "set_device"),
    ],
)
def test_forbidden_uses_are_seen(source, found):
    assert creator_violations(source, "brainsleep/other.py") == {found}


def test_allowed_imports_pass():
    source = "from brian2 import ms\nimport numpy as np\nfrom ..spec import NeuronModel"
    assert not model_violations(source)
    assert not engine_violations("from .network import build\nimport sklearn")
    assert not creator_violations("from brian2 import NeuronGroup", "brainsleep/network.py")


# --- (e) nothing of the machine it was written on ---------------------------------------------


def text_files() -> Iterator[Path]:
    """Files that are or could be in version control: git's list, or all but the usual caches."""
    git = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if git.returncode == 0 and git.stdout:
        yield from (ROOT / name for name in git.stdout.split("\0") if name)
        return
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts[:-1]
        if not any(part in SKIPPED_FOLDERS or part.startswith(".venv") for part in parts):
            yield path


def test_no_machine_paths():
    # spelled apart, so that this file does not find itself
    pattern = re.compile(r"(?<![\w.~-])/(" + "|".join(["wo" + "rk", "ro" + "ot"]) + ")/")
    hits = []
    for path in text_files():
        if not path.is_file() or ".git" in path.relative_to(ROOT).parts[:-1]:
            continue
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        lines = content.decode("utf-8", errors="replace").splitlines()
        hits += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(lines, start=1)
            if pattern.search(line)
        ]
    assert not hits, "\n".join(hits)
