"""Kill commands anywhere, look at what is left, and let the same command come to its end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .commands import STUDY, Fault, Process
from .state import cache_problems, leftovers, outcomes, phase, problems

#: Commands that are killed, and how many of 20 kills are theirs.
SHARES = {"run numpy": 7, "run cpp": 4, "run --force": 3, "build": 4, "sweep": 2}

#: Kills in a row before the command is left alone.
IN_A_ROW = 3


@dataclass
class Tally:
    """What came of it.

    Parameters
    ----------
    kills : Counter of (str, str)
        By command, and by how far it was.
    ends : int
        Commands that were left to come to their end afterwards.
    problems : list of str
        Whatever was not as promised.
    """

    kills: Counter = field(default_factory=Counter)
    ends: int = 0
    problems: list[str] = field(default_factory=list)


class Trials:
    """Commands, each with its undisturbed result.

    Parameters
    ----------
    root : Path
        An empty folder.
    seed : int
        Of the random points.
    """

    def __init__(self, root: Path, seed: int = 0):
        self.root, self.random, self.tally = root, random.Random(seed), Tally()
        self.study = root / "study.py"
        self.study.write_text(STUDY)
        self.cache = root / "cache"
        self._n = 0
        self._known: dict[str, tuple[dict[str, str], float, int]] = {}

    # -- commands ------------------------------------------------------------------------------

    def words(self, kind: str, out: Path) -> list[str]:
        """Return the arguments of a command."""
        backend = "cpp" if kind in ("run cpp", "build") else "numpy"
        if kind == "build":
            return ["build", str(self.study), "--backend", backend]
        if kind == "sweep":
            over = ["--over", "schedule.sleep.fraction=0.25,0.5", "--seeds", "2"]
            more = ["--workers", "2", "--retries", "9"]
            words = ["sweep", "run", str(self.study), *over, *more]
            return [*words, "--backend", "numpy", "--out", str(out)]
        force = ["--force"] if kind == "run --force" else []
        return ["run", str(self.study), "--backend", backend, "--seed", "1", *force,
                "--out", str(out)]  # fmt: skip

    def folder(self) -> Path:
        """Make a folder for one trial."""
        self._n += 1
        made = self.root / f"trial{self._n}"
        made.mkdir()
        return made

    def undisturbed(self, kind: str) -> tuple[dict[str, str], float, int]:
        """Return what a command finds if nothing happens, its seconds and file operations."""
        if kind not in self._known:
            place = self.folder()
            cache = place / "cache" if kind == "build" else self.cache
            if kind == "run cpp":  # the program is there: compiling is another command's part
                Process(self.words("build", place), place, cache).end()
            process = Process(self.words(kind, place / "out"), place, cache)
            code, text = process.end()
            assert code == 0, text
            seconds = time.monotonic() - process.begun
            self._known[kind] = outcomes(place / "out"), seconds, process.operations
            shutil.rmtree(place)
        return self._known[kind]

    # -- trials --------------------------------------------------------------------------------

    def run(self, kills: int) -> Tally:
        """Kill so many times."""
        whole = sum(SHARES.values())
        for kind, share in SHARES.items():
            wanted = round(kills * share / whole)
            while (done := self.killed(kind)) < wanted:
                self.trial(kind, min(IN_A_ROW, wanted - done))
        return self.tally

    def killed(self, kind: str) -> int:
        """Return how often a command was killed so far."""
        return sum(n for (command, _), n in self.tally.kills.items() if command == kind)

    def trial(self, kind: str, most: int) -> None:
        """Kill a command up to `most` times in one folder, then let it come to its end."""
        place = self.folder()
        out = place / "out"
        cache = place / "cache" if kind == "build" else self.cache
        expected, *_ = self.undisturbed("run numpy" if kind == "run --force" else kind)
        finished: set[str] = set()
        if kind == "run --force":
            Process(self.words("run numpy", out), place, cache).end()
            finished = set(expected)
        for _ in range(self.random.randint(1, most)):
            if not self._kill(kind, place, out, cache):
                continue
            self.tally.kills[kind, self._phase(kind, out, cache)] += 1
            self._look(kind, out, cache, expected, finished)
            finished |= set(outcomes(out)) if out.is_dir() else set()
        code, text = self._end(kind, place, out, cache)
        self.tally.ends += 1
        if code or "Traceback" in text:
            self.tally.problems.append(f"{kind}: ended with {code}: {text}")
        self._look(kind, out, cache, expected, set(expected))
        if out.is_dir() and (left := leftovers(out)):
            self.tally.problems.append(f"{kind}: left behind {left}")
        if kind == "build":
            self._run_what_was_built(place, cache)
        shutil.rmtree(place, ignore_errors=True)

    def _kill(self, kind: str, place: Path, out: Path, cache: Path) -> bool:
        """Kill a command after a random time or at a random file operation; tell whether it was."""
        words = self.words(kind, out)
        if kind == "sweep":
            return _kill_sweep(words, place, cache, self.random)
        _, seconds, operations = self.undisturbed(kind)
        if self.random.random() < 0.5:
            return Process(words, place, cache).kill_after(self.random.uniform(0, seconds))
        process = Process(words, place, cache, Fault(self.random.randint(1, operations), "kill"))
        process.end()
        return process.killed

    def _end(self, kind: str, place: Path, out: Path, cache: Path) -> tuple[int, str]:
        words = self.words(kind, out)
        if kind != "sweep":
            return Process(words, place, cache).end()
        done = _start(words, cache)
        text, _ = done.communicate(timeout=300)
        return done.returncode, text

    def _phase(self, kind: str, out: Path, cache: Path) -> str:
        if kind == "sweep":
            stored = len(list(out.glob("[0-9a-f]*/result.json")))
            return f"{stored} of 4 rows stored"
        if kind == "build":
            compiled = any(len(path.name) == 20 for path in cache.glob("programs/*"))
            return "stored" if compiled else phase(out, cache)
        return "over an older result" if kind == "run --force" else phase(out, cache)

    def _look(self, kind: str, out: Path, cache: Path, expected: dict, finished: set) -> None:
        found = problems(out, expected, finished) + cache_problems(cache)
        self.tally.problems += [f"{kind}: {problem}" for problem in found]

    def _run_what_was_built(self, place: Path, cache: Path) -> None:
        """Run a program that was built after kills: it must find what the undisturbed one does."""
        expected, *_ = self.undisturbed("run cpp")
        before = {p: p.stat().st_mtime_ns for p in cache.glob("programs/*/main")}
        code, text = Process(self.words("run cpp", place / "ran"), place, cache).end()
        if code or outcomes(place / "ran") != expected:
            self.tally.problems.append(f"build: its program finds something else: {text}")
        if before != {p: p.stat().st_mtime_ns for p in cache.glob("programs/*/main")}:
            self.tally.problems.append("build: what was built is not used")


def _start(words: list[str], cache: Path) -> subprocess.Popen:
    """Start a command as a user would, in a session of its own."""
    script = [sys.executable, "-c", "from brainsleep.cli.app import main; main()", *words]
    return subprocess.Popen(
        script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "BRAINSLEEP_CACHE": str(cache)},
    )


def _kill_sweep(words: list[str], place: Path, cache: Path, chosen: random.Random) -> bool:
    """Kill the process of a sweep, or all it started, after some of its rows are stored."""
    process = _start(words, cache)
    rows, deadline = chosen.randint(0, 3), time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if len(list(place.glob("out/[0-9a-f]*/result.json"))) >= rows:
            break
        time.sleep(0.02)
    time.sleep(chosen.uniform(0, 2))
    running = process.poll() is None
    if running and chosen.random() < 0.5:
        os.killpg(process.pid, signal.SIGKILL)
    elif running:
        process.kill()
    process.stdout.close()
    process.wait()
    for _ in _members(process.pid):  # workers without their sweep end by themselves
        time.sleep(0.2)
    return running


def _members(group: int, seconds: float = 60) -> Iterator[None]:
    """Go on until a group of processes is gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        yield
    os.killpg(group, signal.SIGKILL)
