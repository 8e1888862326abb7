"""What is shipped and what is pinned."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
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
def wheel_names(wheel) -> set[str]:
    """Names of the files in the wheel."""
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


# --- (c2) the recipe for conda, and what it is cited by ----------------------------------------


def names_and_limits(requirements):
    """Requirements by name, with their limits, as pip and conda write them."""
    pairs = (re.fullmatch(r"([\w-]+)\s*(.*)", each).groups() for each in requirements)
    return {name.removesuffix("-base"): limits for name, limits in pairs}


def test_the_recipe_is_of_this_package():
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert recipe["context"]["version"] == project["version"]
    assert f">={recipe['context']['python_min']}" == project["requires-python"]
    wanted = names_and_limits(project["dependencies"])
    ran = names_and_limits(recipe["requirements"]["run"])
    assert ran.pop("python").startswith(">=") and ran.pop("cxx-compiler") == ""
    assert ran == wanted
    (command,) = recipe["build"]["python"]["entry_points"]
    assert project["scripts"] == dict([command.split(" = ")])


def test_every_reference_of_the_paper_is_in_its_list():
    text = (ROOT / "paper" / "paper.md").read_text(encoding="utf-8")
    listed = re.findall(r"^@\w+\{(\w+),", (ROOT / "paper" / "paper.bib").read_text(), re.MULTILINE)
    assert set(re.findall(r"@(\w+)", text)) == set(listed)
    assert 500 < len(text.split()) < 1300


def test_what_it_is_cited_by_has_the_version_of_the_package():
    yaml = pytest.importorskip("yaml")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])


# --- (d) nothing of the machine it was written on ---------------------------------------------


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
