"""The command line in processes of its own, in which something goes wrong at a chosen moment."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

STUDY = """
from brian2 import ms

from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.models.massey2026 import recurrent_network
from brainsleep.experiment.protocol import Protocol
from brainsleep.tasks.images.task import Data, Images
from brainsleep.experiment.schedule import Schedule, sleep

PROTOCOL = Protocol(
    name="study",
    network=recurrent_network(n_inputs=64, n_excitatory=10, n_inhibitory=4),
    task=Images(
        data=Data(n_train=8, n_readout=30, n_test=30),
        encoder=RateEncoder(size=(8, 8), total=14.0),
    ),
    schedule=Schedule(image_duration=10 * ms, period=40 * ms, sleep=sleep(0.5, noise=1, decay=1)),
).override({"network.projections.input_e.weights.low": 2.0})
"""

#: What can happen instead of a file operation.
ERRORS = {"no space": errno.ENOSPC, "no permission": errno.EACCES, "input/output": errno.EIO}

#: Events of Python's audit hooks that change a file system or start a program.
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "subprocess.Popen")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


#: What the process that all others are forked from has loaded.
_LOADED = """
brainsleep.analysis.effects brainsleep.backends.cpp.backend brainsleep.cli.app
brainsleep.models.massey2026 brainsleep.results.table brainsleep.run.replicas
brainsleep.run.simulate
brainsleep.tasks.images.datasets brainsleep.tasks.images.measure
rich.live rich.progress scipy.stats sklearn.decomposition sklearn.linear_model
sklearn.preprocessing
""".split()


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a process: at its file operation `at` (from 1), ``"kill"`` or an error."""

    at: int
    kind: str


def child(
    words: list[str], cache: str, log: str, fault: Fault | None, limit: int, user: int
) -> None:
    """Run the command line in this process, output to the file `log`.

    The number of file operations is written to ``log.count`` if it ends by itself. With a `limit`
    no file can have more bytes; with a `user` it belongs to that one.
    """
    import resource

    os.environ["BRAINSLEEP_CACHE"] = cache
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    sys.stdout, sys.stderr = (os.fdopen(k, "w", closefd=False) for k in (1, 2))
    from brainsleep.cli import app as cli
    from brainsleep.run import replicas

    replicas.CHECKPOINT_EVERY = replicas.CHECKPOINT_SPARING = 0.0
    sys.argv = ["brainsleep", *words]
    count = [0]

    def watch(event: str, args: tuple) -> None:
        if event == "open":
            mine = isinstance(args[0], str | os.PathLike) and str(args[0]).startswith(_root(log))
            if not mine or str(args[0]).startswith(log) or not (args[2] or 0) & _WRITES:
                return
        elif event not in _CHANGES:
            return
        count[0] += 1
        if fault is not None and count[0] == fault.at:
            if fault.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(ERRORS[fault.kind], os.strerror(ERRORS[fault.kind]), "injected")

    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    sys.addaudithook(watch)
    try:
        cli.main()
    finally:
        seen = count[0]
        sys.stdout.flush()
        sys.stderr.flush()
        if not limit and not user:
            Path(f"{log}.count").write_text(str(seen))


def _root(log: str) -> str:
    return os.path.dirname(log)


class Process:
    """A command that runs in a process forked from one that has imported everything.

    Parameters
    ----------
    words : list of str
        Arguments of ``brainsleep``.
    folder : Path
        Everything it writes is below; its output is in ``log``.
    cache : Path
        Folder of compiled programs.
    fault : Fault, optional
        What goes wrong.
    limit : int
        Most bytes of a file; 0 for no limit.
    user : int
        Whose process it is; 0 for whoever starts it.
    """

    def __init__(
        self,
        words: list[str],
        folder: Path,
        cache: Path,
        fault: Fault | None = None,
        limit: int = 0,
        user: int = 0,
    ):
        self.log = folder / "log"
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(_LOADED)
        given = (list(map(str, words)), str(cache), str(self.log), fault, limit, user)
        self._process = server.Process(target=child, args=given)
        self.begun = time.monotonic()
        self._process.start()

    def kill_after(self, seconds: float) -> bool:
        """Kill it after some time; tell whether it was still running."""
        self._process.join(max(0.0, self.begun + seconds - time.monotonic()))
        self._process.kill()
        self._process.join()
        return self.killed

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self._process.exitcode == -signal.SIGKILL

    def end(self) -> tuple[int, str]:
        """Wait for its end; return exit code and output."""
        self._process.join(300)
        if self._process.is_alive():
            self._process.kill()
            raise TimeoutError(f"a command does not end: {self.log.read_text()}")
        return self._process.exitcode, self.log.read_text(errors="replace")

    @property
    def operations(self) -> int:
        """How many file operations it had, if it ended by itself."""
        return int(Path(f"{self.log}.count").read_text())
