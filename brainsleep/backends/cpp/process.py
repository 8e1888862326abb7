"""A standalone program that waits for segments.

It is started once, reads the connectivity, and for every segment makes a copy of itself (a fork)
that reads ``segment.bin``, runs, writes ``state.bin`` and ends. A segment starts from what it is
given and from nothing that happened before; starting a process and indexing synapses is paid once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...errors import BackendError, SimulationError, explain
from ...run.state import same_synapses

#: Free bytes a memory-backed folder must have to be used for the files of a program.
_ROOM = 2**28

#: Names of the index arrays, by place in a pair.
_ENDS = ((0, "_synaptic_pre"), (1, "_synaptic_post"))

Synapses = Mapping[str, tuple[np.ndarray, np.ndarray]]


class Process:
    """A program that was started once and takes segments one after the other.

    Parameters
    ----------
    backend : str
        Name of the backend, for messages.
    directory : Path
        Folder with the program ``main``.
    environment : mapping of str to str, optional
        Environment variables that it gets besides those of this process.

    Raises
    ------
    SimulationError
        If it cannot be started or ends before its time.
    """

    def __init__(self, backend: str, directory: Path, environment: Mapping[str, str] | None = None):
        self.backend, self.directory = backend, directory
        self._owner = os.getpid()
        with self._files():
            self._folder = tempfile.mkdtemp(prefix="brainsleep-", dir=_scratch())
            try:
                self._prepare()
                with open(self._path("errors.txt"), "wb") as errors:
                    process = subprocess.Popen(
                        ["./main", "--results_dir", self._folder + os.sep],
                        cwd=directory,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        start_new_session=True,  # Ctrl-C reaches Python, which ends the program
                        env={**os.environ, **(environment or {})},
                    )
            except BaseException:
                shutil.rmtree(self._folder, ignore_errors=True)
                raise
        assert process.stdin and process.stdout  # they are pipes
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.close = weakref.finalize(self, _end, process, self._folder, self._owner)

    def _prepare(self) -> None:
        """Write what the program reads when it starts."""

    @property
    def running(self) -> bool:
        """Whether it runs, for this process."""
        return self.close.alive and self._owner == os.getpid() and self._process.poll() is None

    def begin(self, write: Callable[[], None]) -> None:
        """Write a segment with `write` and let it run; `end` follows, others may be begun before.

        Raises
        ------
        SimulationError
            If files cannot be written.
        """
        with self._whole():
            write()
            with contextlib.suppress(BrokenPipeError):  # that it has ended is seen in `end`
                self._stdin.write(b"\n")
                self._stdin.flush()

    def end[T](self, read: Callable[[], T]) -> T:
        """Wait for the end of the segment that was begun, and return what `read` finds.

        Raises
        ------
        SimulationError
            If the program fails, or files cannot be read.
        """
        with self._whole():
            code = self._wait()
            if code == -signal.SIGINT:
                raise KeyboardInterrupt
            if code or os.path.getsize(self._path("errors.txt")):
                raise self._error(code)
            return read()

    def fileno(self) -> int:
        """Return the file that can be read once a segment has ended, as `select` asks for it."""
        return self._stdout.fileno()

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """End the program if something happens: the next segment gets a new one."""
        try:
            with self._files():
                yield
        except BaseException:
            self.close()
            raise

    def _error(self, code: int) -> SimulationError:
        """Say how the program ended, with the first line it wrote about it."""
        errors = Path(self._path("errors.txt")).read_text(errors="replace").strip()
        first = f" ({errors.splitlines()[0]})" if errors else ""
        return SimulationError(
            f"{self.backend}: the standalone program ended with code {code}{first}"
        )

    def _wait(self) -> int:
        """Return the exit code of a segment, negative for a signal; keep what else is `said`."""
        answer = self._stdout.readline().split()
        self.said = answer[1:]
        return int(answer[0] if answer else self._process.wait())

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _overwrite(self, name: str) -> BinaryIO:
        """Open a file to be written over its last pages."""
        path = self._path(name)
        return open(path, "r+b" if os.path.exists(path) else "wb")

    def _values(self, file: BinaryIO, key: str, dtype: Any, count: int) -> np.ndarray:
        """Read an array; raise `SimulationError` if the file ends before."""
        values = np.fromfile(file, dtype=dtype, count=count)
        if values.size != count:
            raise SimulationError(f"{self.backend}: truncated output at '{key}' (disk full?)")
        return values

    @contextlib.contextmanager
    def _files(self):
        """Turn what can go wrong with files into an error that says what to do."""
        try:
            yield
        except OSError as error:
            raise SimulationError(
                f"{self.backend}: cannot exchange files with the program in {self.directory} "
                f"({error.strerror or error}); free some space in the temporary folder, or set "
                "TMPDIR to another"
            ) from error


class Program(Process):
    """A C++ standalone program with the connectivity of a network.

    Parameters
    ----------
    directory : Path
        Folder with the program ``main``.
    layout : dict
        Order and types of the arrays in its files.
    synapses : mapping of str to (ndarray, ndarray)
        Pre- and postsynaptic indices by projection.
    """

    def __init__(self, directory: Path, layout: dict, synapses: Synapses):
        self.synapses, self._layout = synapses, layout
        super().__init__("cpp", directory)

    def _prepare(self) -> None:
        given = {f"{n}.{end}": ends[k] for n, ends in self.synapses.items() for k, end in _ENDS}
        self._write("synapses.bin", self._layout["synapses"], given)

    def serves(self, synapses: Synapses) -> bool:
        """Tell whether it runs, for this process, with these synapses."""
        return self.running and same_synapses(synapses, self.synapses)

    def begin_with(self, given: Mapping[str, np.ndarray]) -> None:
        """Hand over the arrays of a segment and let it run."""
        self.begin(lambda: self._write("segment.bin", self._layout["inputs"], given))

    def arrays_at_end(self) -> dict[str, np.ndarray]:
        """Wait for the end of the segment, and take back its arrays."""
        return self.end(lambda: self._read("state.bin", self._layout["outputs"]))

    def _write(self, name: str, order: Iterable, given: Mapping[str, np.ndarray]) -> None:
        with self._overwrite(name) as file:
            for key, dtype in order:
                array = np.ascontiguousarray(given[key], dtype=dtype)
                file.write(np.int64(array.size).tobytes())
                file.write(array.data if array.size else b"")

    def _read(self, name: str, order: Iterable) -> dict[str, np.ndarray]:
        out = {}
        with open(self._path(name), "rb") as file:
            for key, dtype in order:
                size = int(np.frombuffer(file.read(8), dtype=np.int64)[0])
                out[key] = self._values(file, key, dtype, size)
        return out


@dataclass(frozen=True, eq=False)
class Job:
    """One segment for a program.

    Parameters
    ----------
    synapses : Synapses
        Connectivity of the network it is for.
    steps : int
        How long it is.
    given : callable
        ``given()`` makes the arrays that it starts from.
    taken : callable
        ``taken(arrays)`` makes an answer of those that it ends with.
    """

    synapses: Synapses
    steps: int
    given: Callable[[], Mapping[str, np.ndarray]]
    taken: Callable[[dict[str, np.ndarray]], Any]


class Programs:
    """Running programs of one network, for one connectivity or several.

    A program serves every job of its connectivity, one at a time; it is kept from one call of
    `run` to the next.
    """

    def __init__(self) -> None:
        self.idle: list[Program] = []

    def run(self, jobs: Sequence[Job], start: Callable[[Synapses], Program]) -> list[Any]:
        """Run jobs side by side, not more at once than there are `cores`, long ones first.

        Programs that serve none of the jobs are ended.

        Parameters
        ----------
        jobs : sequence of Job
            What to run.
        start : callable
            ``start(synapses)`` starts another program.

        Returns
        -------
        list
            The answer of every job, or the `SimulationError` that came instead. Anything else, an
            interrupt for example, ends all programs.
        """
        answers: list[Any] = [None] * len(jobs)
        waiting = deque(sorted(range(len(jobs)), key=lambda k: -jobs[k].steps))
        busy: dict[Program, int] = {}
        before, self.idle, room = self.idle, [], cores()
        try:
            while waiting or busy:
                if waiting and len(busy) < room:
                    k = waiting.popleft()
                    with _instead(answers, k):
                        program = self._serving(jobs[k].synapses, before, start)
                        busy[program] = k
                        program.begin_with(jobs[k].given())
                else:
                    ready: list[Any] = wait(list[Any](busy))
                    for program in ready:
                        k = busy[program]
                        with _instead(answers, k):
                            found = program.arrays_at_end()
                            self.idle.append(program)
                            answers[k] = jobs[k].taken(found)
                busy = {program: k for program, k in busy.items() if answers[k] is None}
        except BaseException:
            before += [*busy, *self.idle]
            self.idle = []
            raise
        finally:
            for program in before:
                program.close()
        return answers

    def _serving(
        self, synapses: Synapses, before: list[Program], start: Callable[[Synapses], Program]
    ) -> Program:
        """Return a program that has nothing to do, or a new one."""
        for programs in (self.idle, before):
            for place, program in enumerate(programs):
                if program.serves(synapses):
                    return programs.pop(place)
        return start(synapses)


@contextlib.contextmanager
def _instead(answers: list[Any], k: int) -> Iterator[None]:
    """Take an error of job `k` as its answer."""
    try:
        yield
    except SimulationError as error:
        answers[k] = error


def cores() -> int:
    """Return how many programs may be at work at once: the cores this process may use.

    ``BRAINSLEEP_CORES`` says another number.

    Raises
    ------
    BackendError
        If it is not a whole number of at least 1.
    """
    said = os.environ.get("BRAINSLEEP_CORES", "")
    if said and not (said.isdigit() and int(said)):
        raise BackendError(explain("BRAINSLEEP_CORES", repr(said), "a whole number of at least 1"))
    if said:
        return int(said)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _end(process: subprocess.Popen, folder: str, owner: int) -> None:
    """End a program and remove its files; a fork of the process that started it leaves it alone."""
    if os.getpid() != owner:
        return
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    shutil.rmtree(folder, ignore_errors=True)


def _scratch() -> str | None:
    """Memory-backed folder for the files of a program if there is one with room; else None."""
    shm = "/dev/shm"
    chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    usable = os.path.isdir(shm) and os.access(shm, os.W_OK)
    return shm if usable and shutil.disk_usage(shm).free > _ROOM and not chosen else None
