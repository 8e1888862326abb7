"""Which module may import or create what, how long it may be, and what the checkers say."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

import brainsleep

ROOT = Path(__file__).resolve().parents[2]
#: Folder in the tree, and the package that it imports as.
PACKAGES = {
    "brainsleep": "brainsleep",
    "models": "brainsleep.models",
    "protocols": "brainsleep.protocols",
    "figures": "brainsleep.figures",
}
BESIDE = ("models", "protocols", "figures")

#: Rooms of the engine, each built on those before it. `run` drives the backends through what it
#: defines for them, so they come after it.
ROOMS = """
    errors mistakes files values
    network experiment run backends parts tasks analysis results sweep show check export
    adoption cli
""".split()

#: From which rooms another one is imported in spite of that.
AGAINST = {
    ("experiment", "results"),  # a stored run gives the weights to start with
    ("experiment", "tasks"),  # a protocol has images, an encoder and readouts
    ("results", "sweep"),  # a table of the rows of a grid
    ("run", "analysis"),  # alarms measure
    ("run", "backends"),  # a run makes its backend
    ("run", "results"),  # a run stores its result
    ("run", "tasks"),  # a run shows images and measures the readout
    ("tasks", "analysis"),  # measures of responses
}

#: Lines of a module that need no reason.
LONG = 400

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
#: Modules that may name them: one makes them, the others read those that a user made.
OF_BRIAN2 = {
    "brainsleep/backends/brian/network.py",
    *(
        f"brainsleep/adoption/{name}.py"
        for name in "build live network recorder recording runs".split()
    ),
}
DEVICE_FUNCTIONS = {"set_device", "get_device"}
SPEC_MODULES = {
    *("brainsleep.errors", "brainsleep.experiment.schedule", "brainsleep.experiment.stages"),
    *("brainsleep.network.layers", "brainsleep.network.models", "brainsleep.network.spec"),
    *("brainsleep.network.strength", "brainsleep.network.wiring"),
}
BASIC_PACKAGES = {"brian2", "numpy"} | set(sys.stdlib_module_names)


def modules(folder: str) -> list[Path]:
    """All Python files of a package; not caches and the figures of the study."""
    found = sorted((ROOT / folder).rglob("*.py"))
    return [p for p in found if "__pycache__" not in p.parts and p.parent.name != "paper"]


def package_of(path: Path, folder: str) -> str:
    """Dotted name of the package that a module lies in; of an `__init__`, its own."""
    return ".".join([PACKAGES[folder], *path.parent.relative_to(ROOT / folder).parts])


def under(name: str, packages: set[str]) -> bool:
    """Whether a dotted name is one of the packages or lies in one of them."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def nodes(tree: ast.AST, typing: bool) -> Iterator[ast.AST]:
    """All parts of a program; without `typing` not those that only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if typing or not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from nodes(node, typing)


def imported(source: str, package: str, typing: bool = True) -> set[str]:
    """Dotted names that a module's import statements may load, anywhere in it.

    ``from a import b`` gives ``a.b``, since b may be a module; relative imports are resolved
    against `package`, the dotted name of the package that the module lies in. A name that
    `brainsleep` itself gives is where it comes from.
    """
    names = set()
    for node in nodes(ast.parse(source), typing):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            given = brainsleep._HOMES if base == "brainsleep" else {}
            names |= {
                f"{base}.{given[alias.name]}.{alias.name}"
                if alias.name in given
                else f"{base}.{alias.name}"
                for alias in node.names
            }
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
    allowed = BASIC_PACKAGES | SPEC_MODULES | {"brainsleep.models", "scipy.stats"}
    return {name for name in imported(source, package) if not under(name, allowed)}


def figure_violations(source: str, package: str = "brainsleep.figures") -> set[str]:
    banned = {f"brainsleep.{name}" for name in ("run", "backends", "sweep")} | {"brian2"}
    return {name for name in imported(source, package) if under(name, banned)}


def creator_violations(source: str, path: str) -> set[str]:
    names = called(source)
    names |= {name.rpartition(".")[2] for name in imported(source, "") if under(name, {"brian2"})}
    banned = set()
    if path not in OF_BRIAN2:
        banned |= BRIAN2_OBJECTS
    if path != "brainsleep/backends/brian/context.py":
        banned |= DEVICE_FUNCTIONS
    return names & banned


def test_import_direction_and_creators():
    problems = []
    for folder in PACKAGES:
        for path in modules(folder):
            source = path.read_text(encoding="utf-8")
            place = path.relative_to(ROOT).as_posix()
            package_name = package_of(path, folder)
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
        (figure_violations, "from brainsleep import simulate", "brainsleep.run.simulate.simulate"),
        (figure_violations, "from brainsleep.run import loop", "brainsleep.run.loop"),
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
    source = "from brian2 import ms\nimport numpy as np\nfrom brainsleep import NeuronModel"
    assert not model_violations(source)
    assert not model_violations("from ..network.spec import NetworkSpec")
    assert not engine_violations("from .network import spec\nimport sklearn")
    assert not creator_violations(
        "from brian2 import NeuronGroup", "brainsleep/backends/brian/network.py"
    )


# --- cycles, length, types, style -------------------------------------------------------------


def dotted(path: Path) -> str:
    """Name of a module of the engine without `brainsleep.`; of a package, that of its folder."""
    parts = path.relative_to(ROOT / "brainsleep").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def loaded(source: str, package: str, names: Collection[str]) -> set[str]:
    """Which of `names` a module of a package loads, at once or in a function."""
    found = set()
    for module in imported(source, package, typing=False):
        parts = module.split(".")[1:] if under(module, {"brainsleep"}) else []
        found |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & set(names)
    return found


def engine_graph() -> dict[str, set[str]]:
    """Modules of the engine, and what each imports."""
    paths = {dotted(path): path for path in modules("brainsleep")}
    return {
        name: loaded(path.read_text("utf-8"), package_of(path, "brainsleep"), paths)
        for name, path in paths.items()
    }


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Every chain of imports that comes back to where it began."""
    found, done = [], set()

    def follow(module: str, chain: list[str]) -> None:
        if module in chain:
            found.append([*chain[chain.index(module) :], module])
        elif module not in done:
            for other in sorted(graph.get(module, ())):
                follow(other, [*chain, module])
            done.add(module)

    for module in sorted(graph):
        follow(module, [])
    return found


def against(graph: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Rooms, and others that they import though these are built on them."""
    rank = {name: n for n, name in enumerate(ROOMS)}
    pairs = {
        (top(module), top(other)) for module, others in graph.items() for other in others if module
    }
    return {(room, other) for room, other in pairs if rank[room] < rank[other]}


def top(module: str) -> str:
    return module.partition(".")[0]


def test_modules_of_the_engine_import_each_other_in_one_direction():
    graph = engine_graph()
    assert len(graph["run.simulate"]) > 5 and "show.facts" in graph["show.report"]
    assert not cycles(graph)


def test_rooms_are_built_on_those_before_them():
    found = against(engine_graph())
    assert not found - AGAINST, "an import against the order of rooms"
    assert not AGAINST - found, "no longer so: take it off the list"


def test_a_cycle_is_seen():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c", "b"]]
    source = "if TYPE_CHECKING:\n    from .a import x\ndef f():\n    from .b import y"
    assert loaded(source, "brainsleep", "ab") == {"b"}


@pytest.mark.parametrize(
    ("source", "package", "found"),
    [
        ("from ..spec import A", "brainsleep.cuda", {"spec"}),
        ("from . import memory", "brainsleep.cuda", {"cuda", "cuda.memory"}),
        ("from .memory import A", "brainsleep.cuda", {"cuda", "cuda.memory"}),
        ("from .cuda import memory, numpy", "brainsleep", {"cuda", "cuda.memory"}),
        ("import brainsleep.cuda.memory", "brainsleep", {"cuda", "cuda.memory"}),
        ("import spec", "brainsleep.cuda", set()),
        ("from brainsleep import Population, cuda", "brainsleep", {"network.spec", "cuda"}),
    ],
)
def test_imports_are_resolved(source, package, found):
    assert loaded(source, package, ["spec", "network.spec", "cuda", "cuda.memory"]) == found


def test_an_import_against_the_order_is_seen():
    graph = {"network.spec": {"show.facts"}, "show.facts": {"network.spec"}, "cli.app": {"errors"}}
    assert against(graph) == {("network", "show")}


def test_a_long_module_says_why():
    paths = [path for folder in PACKAGES for path in modules(folder)]
    sources = {path: path.read_text(encoding="utf-8") for path in paths}
    long = {path: text for path, text in sources.items() if text.count("\n") > LONG}
    without = [
        path.relative_to(ROOT).as_posix()
        for path, text in long.items()
        if "module is long because"
        not in " ".join((ast.get_docstring(ast.parse(text)) or "").split())
    ]
    assert not without, f"over {LONG} lines and no reason in the docstring: {without}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        pytest.param("mypy", marks=pytest.mark.long, id="mypy"),
        pytest.param("ruff check .", id="ruff"),
        pytest.param("ruff format --check .", id="format"),
    ],
)
def test_checkers_find_nothing(command):
    tool, *rest = command.split()
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"needs {tool}: pip install 'brainsleep[dev]'")
    done = subprocess.run(
        [sys.executable, "-m", tool, *rest], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
