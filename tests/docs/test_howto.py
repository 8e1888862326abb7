"""The how-to pages, followed literally in an empty folder with the installed wheel.

A fenced block of Python or TOML whose first line is a comment with a file name is that file. In a
``console`` block, lines that begin with ``$`` are commands, and what follows must appear in what
they print: line by line in this order, ``...`` for anything, however much space there is. A
command whose first line of output is an ``error:`` must fail with exit code 2.
"""

import os
import re
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import ROOT, needs_compiler

from brainsleep.cli import app
from brainsleep.experiment.protocol import load_protocol
from brainsleep.files.load import load

HOWTO = ROOT / "docs" / "howto"

#: Pages whose commands are not run here, and why.
NOT_RUN = {
    "index": "a list of the others",
    "cluster": "needs a queue",
    "gpu": "needs a GPU",
}
PAGES = sorted(page.stem for page in HOWTO.glob("*.md") if page.stem not in NOT_RUN)

#: The page that every run of the tests follows. The others are followed by the continuous
#: integration: there is a test of its own for what they show, and each takes half a minute.
ALWAYS = ("background",)
REQUEST = "BRAINSLEEP_PAGES"


def read(page):
    return (HOWTO / f"{page}.md").read_text(encoding="utf-8")


#: Pages on which files are checked, and mistakes in them shown.
WITH_CHECKS = [page for page in PAGES if "$ brainsleep check " in read(page)]

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# ([\w/]+\.\w+)\n")


@dataclass
class Command:
    """A line to type, and the lines it must print."""

    text: str
    prints: list[str] = field(default_factory=list)

    @property
    def fails(self):
        return bool(self.prints) and re.search(r"(^|: )error:", self.prints[0]) is not None


def steps(page):
    """Yield, in the order of a page, files (name, text) and commands."""
    for kind, text in BLOCK.findall(page):
        if kind in ("python", "toml"):
            name = FILE.match(text)
            assert name, f"a block of {kind} without a file name: {text[:60]!r}"
            yield name[1], text
        elif kind == "console":
            yield from commands(text)


def write(step, folder):
    """Write the file of a page to a folder."""
    name, text = step
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def commands(text):
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:]))
        elif line.strip():
            found[-1].prints.append(line)
    return found


def assert_prints(command, printed):
    """Assert that all lines of `command` are in `printed`, in order."""
    rest = " ".join(printed.split())
    for line in command.prints:
        parts = [re.escape(" ".join(part.split())) for part in line.split("...")]
        match = re.search(".*?".join(parts), rest)
        assert match, (
            f"$ {command.text}\nshould print {line!r}; what is left of its output:\n{rest}"
        )
        rest = rest[match.end() :]


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """Environment variables of a shell in which the wheel is installed, and no checkout is."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    # dependencies come from here; path files there are not read, so an editable install is not
    # seen, but neither is setuptools' own, with which Python 3.12 has distutils
    lines = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    lines += ["import _distutils_hack; _distutils_hack.add_shim()"]
    (site / "dependencies.pth").write_text("\n".join(lines))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    subprocess.run([*pip, "--no-index", "--quiet", str(wheel)], check=True)
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"PATH": f"{python.parent}:{os.environ['PATH']}", "COLUMNS": "200"}
    where = subprocess.run(
        [python, "-c", "import brainsleep.models; print(brainsleep.models.__file__)"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(where).is_relative_to(site), f"not the wheel's: {where}"
    return environment


@pytest.mark.slow
@pytest.mark.standalone
@needs_compiler
@pytest.mark.parametrize("page", PAGES)
def test_page_works_as_written(page, installed, tmp_path):
    if page not in ALWAYS and os.environ.get(REQUEST) != "all":
        pytest.skip(f"on request: {REQUEST}=all")
    found = list(steps(read(page)))
    assert any(isinstance(step, Command) for step in found)
    for step in found:
        if isinstance(step, tuple):
            write(step, tmp_path)
            continue
        done = subprocess.run(
            ["bash", "-c", step.text], cwd=tmp_path, env=installed, capture_output=True, text=True
        )
        printed = done.stdout + done.stderr
        wanted = 2 if step.fails else 0
        assert done.returncode == wanted, f"$ {step.text}\n{printed}"
        assert "Traceback" not in printed, printed
        assert_prints(step, printed)


@pytest.mark.parametrize("page", WITH_CHECKS)
def test_what_check_says_on_a_page(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for step in steps(read(page)):
        if isinstance(step, tuple):
            write(step, tmp_path)
        elif step.text.startswith("sed "):
            subprocess.run(["bash", "-c", step.text], check=True)
        elif step.text.startswith("brainsleep check "):
            monkeypatch.setattr(sys, "argv", step.text.split())
            with pytest.raises(SystemExit) as end:
                app.main()
            assert (end.value.code or 0) == (2 if step.fails else 0), step.text
            assert_prints(step, capsys.readouterr().out)


def test_files_of_getting_started_are_sound(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "getting_started.md").read_text(encoding="utf-8")
    for step in steps(page):
        write(step, tmp_path)
    rule = load("my_rule.py:SOFT")
    changed = {"network.projections.*.rules.stdp_released": "my_rule.py:SOFT"}
    network = load_protocol("demo").override(changed).network
    assert all(projection.rules == (rule,) for projection in network.projections)
    study = load_protocol("my_study.py")
    assert float(study.schedule.sleep_duration) == 4.0
    conditions = load("my_study.py:CONDITIONS", "protocol")
    assert [study.override(c.changes).schedule.sleep.fraction for c in conditions] == [0, 0.2, 0.2]


def test_what_a_block_is():
    page = (
        "```python\n# a.py\nx = 1\n```\n```console\n$ one \\\n  two\nprints  this\n$ three\n```\n"
        "```text\nnothing\n```\n"
    )
    assert list(steps(page)) == [
        ("a.py", "# a.py\nx = 1\n"),
        Command("one    two", ["prints  this"]),
        Command("three"),
    ]


def test_what_a_command_must_print():
    command = Command("x", ["one ... three", "four"])
    assert_prints(command, "zero one  two\nthree\n\nfour five")
    for printed in ("one two three", "four one two three", ""):
        with pytest.raises(AssertionError, match="should print"):
            assert_prints(command, printed)


def test_every_page_is_run_or_says_why_not():
    assert {page.stem for page in HOWTO.glob("*.md")} == {*PAGES, *NOT_RUN}
    index = read("index")
    for page in [*PAGES, *NOT_RUN]:
        assert page == "index" or f"({page}.md)" in index, f"{page} is not in the index"
