"""Backends whose network is a standalone program, compiled once, that waits for segments.

It reads the connectivity, and makes a copy of itself (a fork) for every segment, which starts from
what it is given and from nothing that happened before: start and indexing of synapses is paid once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BackendError, SimulationError, explain
from ...run.state import same_synapses
from ..base import Backend
from . import cache, mapped

#: Free bytes a memory-backed folder must have to be used for the files of a program.
_ROOM = 2**28

#: Values that are compared at a time.
_CHUNK = 2**18

#: How the number of values of an array stands before them.
_COUNT = struct.Struct("=q")

Synapses = Mapping[str, tuple[np.ndarray, np.ndarray]]

#: Name, type and number of values of arrays in a file; -1 where the number stands before them, as
#: minus that of the presynaptic neurons if there is one value for all synapses of a neuron.
Order = Iterable[tuple[str, Any, int]]


class CompiledBackend(Backend):
    """A standalone program: `directory` holds ``main``, compiled once for a network."""

    no_hooks = (
        "a standalone program cannot call Python; use --backend cython or numpy, or write the hook "
        "as equations"
    )

    def _build(self) -> None:
        """Find the program in the cache, or compile it."""
        started = time.perf_counter()
        self.directory = self._obtain()
        self.build_seconds += time.perf_counter() - started
        self._layout = cache.layout(self.directory)

    def _obtain(self) -> Path:
        """Return the folder of the program."""
        raise NotImplementedError

    def _check_whole(self) -> None:
        """Compile the program again if somebody cleared the cache meanwhile."""
        if not cache.is_whole(self.directory):
            CompiledBackend._build(self)


class Process:
    """A program that was started once in its folder and takes segments one after the other.

    Raises `SimulationError` if it cannot be started, ends before its time, or files are in trouble.
    """

    def __init__(self, backend: str, directory: Path, environment: Mapping[str, str] | None = None):
        self.backend, self.directory = backend, directory
        self._owner = os.getpid()
        with self._files(), contextlib.ExitStack() as undone:
            self._folder = tempfile.mkdtemp(prefix="brainsleep-", dir=_scratch())
            undone.callback(shutil.rmtree, self._folder, ignore_errors=True)
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
            undone.pop_all()
        assert process.stdin and process.stdout  # they are pipes
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.close = weakref.finalize(self, _end, process, self._folder, self._owner)

    def _prepare(self) -> None:
        """Write what the program reads when it starts."""

    @property
    def running(self) -> bool:
        """Whether it runs, for this process."""
        return self.close.alive and self._owner == os.getpid() and self._process.poll() is None

    def begin(self, parts: Iterable[Any]) -> None:
        """Write a segment and let it run; `end` follows, others may be begun before."""
        with self._whole():
            self._write("segment.bin", parts)
            self._say(b"\n")

    def _say(self, line: bytes) -> None:
        """Tell the program something; that it has ended is seen in `end`."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(line)
            self._stdin.flush()

    def end(self, order: Order) -> dict[str, np.ndarray]:
        """Wait for the end of the segment that was begun, and return its arrays."""
        with self._whole():
            answer = self._stdout.readline().split()
            self.said = answer[1:]
            code = int(answer[0] if answer else self._process.wait())  # negative for a signal
            if code == -signal.SIGINT:
                raise KeyboardInterrupt
            if code or os.path.getsize(self._path("errors.txt")):
                raise self._error(code)
            return self._read("state.bin", order)

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

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _write(self, name: str, parts: Iterable[Any]) -> None:
        """Write a file over its last pages."""
        path = self._path(name)
        with open(path, "r+b" if os.path.exists(path) else "w+b") as file:
            mapped.write(file, list(parts), cores())

    def _read(self, name: str, order: Order) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        self.by_neuron: set[str] = set()
        n_threads = cores()
        with open(self._path(name), "rb") as file:
            content, at = mapped.content(file), 0
        for key, dtype, number in order:
            if number < 0 and at + _COUNT.size <= content.size:
                number = _COUNT.unpack_from(content, at)[0]
                at += _COUNT.size
                if number < 0:
                    number = -number
                    self.by_neuron.add(key)
            size = number * np.dtype(dtype).itemsize
            if not 0 <= size <= content.size - at:
                what = f"truncated output at '{key}' (disk full?)"
                raise SimulationError(f"{self.backend}: {what}")
            arrays[key] = np.empty(number, dtype)
            mapped.copy(content[at : at + size], arrays[key].view(np.uint8), n_threads)
            at += size
        return arrays

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
    """A C++ standalone program with the connectivity of a network."""

    def __init__(self, directory: Path, layout: dict, synapses: Synapses):
        self.synapses, self._layout = synapses, layout
        self._fixed: dict[str, np.ndarray] = {}
        super().__init__("cpp", directory, {"BRAINSLEEP_CORES": str(cores())})

    def _prepare(self) -> None:
        ends = {
            f"{name}.{end}": indices
            for name, pair in self.synapses.items()
            for end, indices in zip(("_synaptic_pre", "_synaptic_post"), pair, strict=True)
        }
        self._write("synapses.bin", self._counted("synapses", ends))

    def serves(self, synapses: Synapses) -> bool:
        """Tell whether it runs, for this process, with these synapses."""
        return self.running and same_synapses(synapses, self.synapses)

    def has(self, given: Mapping[str, np.ndarray]) -> bool:
        """Tell whether these are the arrays that it was given last of those no segment changes."""
        return all(given[key] is self._fixed.get(key) for key, _ in self._layout["fixed"])

    def begin_with(self, given: Mapping[str, np.ndarray], by_neuron: Collection[str] = ()) -> None:
        """Hand over the arrays of a segment and let it run.

        Those that no segment changes are handed over if they are not what is in their file. Those
        that are `by_neuron` have one value for all synapses of a presynaptic neuron.
        """
        fixed = {key: given[key] for key, _ in self._layout["fixed"]}
        with self._whole():
            if fixed and not (
                self._fixed and self._holds("fixed.bin", self._counted("fixed", fixed, by_neuron))
            ):
                self._write("fixed.bin", self._counted("fixed", fixed, by_neuron))
                self._say(b"fixed\n")
            self._fixed = fixed
        self.begin(self._counted("inputs", given, by_neuron))

    def _holds(self, name: str, parts: Iterable[Any]) -> bool:
        """Tell whether a file begins with these bytes."""
        with open(self._path(name), "rb") as file:
            content, at = mapped.content(file), 0
        for part in parts:
            values = np.frombuffer(part, np.uint8)
            for begin in range(0, values.size, _CHUNK):
                some = values[begin : begin + _CHUNK]
                if not np.array_equal(content[at : at + some.size], some):
                    return False
                at += some.size
        return True

    def arrays_at_end(self) -> dict[str, np.ndarray]:
        """Wait for the end of the segment, and take back its arrays.

        Those in the attribute `by_neuron` have one value for all synapses of a presynaptic neuron.
        """
        return self.end((key, dtype, -1) for key, dtype in self._layout["outputs"])

    def _counted(
        self, file: str, given: Mapping[str, np.ndarray], by_neuron: Collection[str] = ()
    ) -> Iterator[Any]:
        """Give arrays as they lie in a file of the layout, each after the number of its values.

        Of arrays that are `by_neuron` it is minus this number; of fixed ones that have one value
        everywhere, too, and this value follows once.
        """
        for key, dtype in self._layout[file]:
            values = np.ascontiguousarray(given[key])
            may_be_one = file == "fixed" and key not in by_neuron and values.size > 1
            is_one = may_be_one and not n_changes(values.view(f"u{values.itemsize}"), 0)
            yield _COUNT.pack(-values.size if is_one or key in by_neuron else values.size)
            if values.size:
                yield np.ascontiguousarray(values[:1] if is_one else values, dtype).data


def n_changes(values: np.ndarray, most: int) -> int:
    """Count how often a value is another than the one before it, up to more than `most`."""
    found = 0
    for at in range(0, values.size - 1, _CHUNK):
        some = values[at : at + _CHUNK + 1]
        found += int(np.count_nonzero(some[1:] != some[:-1]))
        if found > most:
            break
    return found


def cores() -> int:
    """Return how many programs may be at work at once: ``BRAINSLEEP_CORES``, or those to be had.

    Raises `BackendError` if that is not a whole number of at least 1.
    """
    given = os.environ.get("BRAINSLEEP_CORES", "")
    if given and not (given.isdigit() and int(given)):
        raise BackendError(explain("BRAINSLEEP_CORES", repr(given), "a whole number of at least 1"))
    if hasattr(os, "sched_getaffinity"):
        return int(given or len(os.sched_getaffinity(0)))
    return int(given or os.cpu_count() or 1)


def _end(process: subprocess.Popen, folder: str, owner: int) -> None:
    """End a program and remove its files; a fork of the process that started it leaves it alone."""
    if os.getpid() != owner:
        return
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in filter(None, (process.stdin, process.stdout)):
        with contextlib.suppress(OSError):
            pipe.close()
    shutil.rmtree(folder, ignore_errors=True)


def _scratch() -> str | None:
    """Memory-backed folder for the files of a program if there is one with room; else None."""
    shm = "/dev/shm"
    chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    usable = os.path.isdir(shm) and os.access(shm, os.W_OK)
    return shm if usable and shutil.disk_usage(shm).free > _ROOM and not chosen else None
