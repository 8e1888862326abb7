"""Where a sweep runs: Dask on this machine, at a scheduler that is given, or in jobs of a queue.

The engine is `distributed`; queues are those that `dask-jobqueue` knows. This module is all that
knows them, and they are imported only when they are used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from multiprocessing import resource_tracker
from typing import Any

from ..backends.cpp.process import cores
from ..errors import MissingExtraError, SweepError, explain, nearest, one_line

#: Seconds to wait for a scheduler that is given; after which a worker of this machine that is away
#: is replaced; and between looks for jobs of a queue that have ended.
TIMEOUT, LOST, JOBS_EVERY = 20, 10, 30

#: Classes of dask-jobqueue by the name of the queue.
QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
}

#: What workers of this machine begin with: Ctrl-C is for the process that they belong to. Until
#: then they do not get it, see `_no_interrupt`.
_DEAF = """
import signal
signal.signal(signal.SIGINT, lambda *_: None)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
"""

#: What a job asks for unless told otherwise: one row at a time needs little.
JOB = {"cores": 1, "processes": 1, "memory": "2GB", "job_name": "brainsleep"}

#: Options of a job that are lists: given several times, each adds a line.
_LISTS = ("job_extra_directives", "job_script_prologue", "worker_extra_args")


def needed(name: str) -> Any:
    """Import a package of the extra ``cluster``; `MissingExtraError` if it is not there."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"sweep: needs {error.name or name}: pip install 'brainsleep[cluster]'"
        ) from error


#: Dask has C's allocator give memory back at once: arrays of a batch of images are then mapped
#: anew in every step, and a surrogate-gradient network takes twice as long.
_OWN_MEMORY = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}


@contextlib.contextmanager
def local(
    tasks: int = sys.maxsize, workers: int | None = None, dashboard: str | None = None
) -> Iterator[Any]:
    """Start processes on this machine, one task and one thread each, and yield their client.

    There are as many as `workers`, or as cores that this process may use, and no more than `tasks`.
    The programs that replicas run side by side get the worker's share of the cores. `dashboard` is
    the address of Dask's, see `loopback`.
    """
    distributed, dask = needed("distributed"), needed("dask")
    n_workers = min(workers or dask.system.CPU_COUNT, tasks)
    share = max(1, cores() // max(1, n_workers))
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(_OWN_MEMORY))
        with _no_interrupt():
            cluster = distributed.LocalCluster(
                n_workers=0,  # they are asked for below: one that dies while it starts is no error
                threads_per_worker=1,
                memory_limit=0,  # a row's memory is not Dask's to count
                host="127.0.0.1",
                dashboard_address=loopback(dashboard),
                preload=_DEAF,
                env={"BRAINSLEEP_CORES": str(share)},
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
        client = stack.enter_context(distributed.Client(cluster))
        last_complete = time.monotonic()

        def replace_lost() -> None:
            """Start others: Dask does for a process that died, not for one that dies at its start.

            Nor does its `adapt`, which counts that one as a worker to come.
            """
            nonlocal last_complete
            missing = n_workers - len(client.scheduler_info(n_workers=-1)["workers"])
            overdue = time.monotonic() - last_complete > LOST
            if missing > 0 and overdue:
                cluster.scale(len(cluster.worker_spec) + missing)
            if missing <= 0 or overdue:
                last_complete = time.monotonic()

        cluster.scale(n_workers)
        with _every(1.0, replace_lost):
            yield client


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Hold back Ctrl-C, also from the threads begun meanwhile and the processes that they start.

    Those are the workers: interrupted while they import, they print a traceback each.
    """
    resource_tracker.ensure_running()  # it would let signals through again once it has started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _every(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    """Do something every so many seconds, in a thread of its own."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(seconds):
            with contextlib.suppress(Exception):  # a scheduler that is gone is seen by the sweep
                action()

    thread = threading.Thread(target=repeat, name="brainsleep-workers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def scheduler(address: str, tls: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Connect to a scheduler that runs already, and goes on, or raise `SweepError`.

    Of `tls`, files ``ca_file``, ``client_cert``, ``client_key``, what is not given is taken from
    Dask's settings (``distributed.comm.tls``).
    """
    distributed = needed("distributed")
    _hush()
    security = {}
    if tls or address.startswith("tls:"):
        for name, file in (tls or {}).items():
            if not os.access(file, os.R_OK):
                raise SweepError(explain(f"TLS {name}", file, "a file that can be read"))
        files = {f"tls_{name}": file for name, file in (tls or {}).items()}
        security["security"] = distributed.Security(require_encryption=True, **files)
    try:
        client = distributed.Client(address, timeout=TIMEOUT, **security)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise SweepError(
            f"scheduler {address}: cannot connect ({one_line(error)}); start one with "
            "'dask scheduler' and workers with 'dask worker ADDRESS --nthreads 1'"
        ) from error
    with client:
        yield client


def _hush() -> None:
    """Keep the loggers of `distributed` quiet, each of which has a level of its own.

    Workers and schedulers that are lost are noticed, and said, by the sweep.
    """
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def queue(
    name: str, jobs: int, options: Mapping[str, Any], dashboard: str | None = None
) -> Iterator[Any]:
    """Start jobs in a queue and wait for none of them: rows begin when the first job does.

    `options` are what the class of dask-jobqueue takes (``walltime``, ``account``, ...), and
    ``host``, the address that the scheduler listens at. A job that ends, as at its wall time, is
    followed by another; at the end they are cancelled. `SweepError` if it is not said where the
    scheduler may listen, or the queue refuses.
    """
    if not {"interface", "host"} & set(options):
        raise SweepError(
            f"queue {name}: its jobs must reach the scheduler in this process, which listens on "
            "loopback unless told otherwise; name the network with --job interface=ib0 (see "
            "'ip link') or the address with --job host=ADDRESS"
        )
    distributed = needed("distributed")
    try:
        with _cluster(name, options, dashboard) as cluster:
            _hush()
            cluster.scale(jobs=jobs)
            replacing = _every(JOBS_EVERY, lambda: cluster.scale(jobs=jobs))
            with distributed.Client(cluster) as client, replacing:
                yield client
    except (OSError, RuntimeError) as error:
        raise SweepError(f"queue {name}: {one_line(error)}") from error


def job_script(name: str, options: Mapping[str, Any]) -> str:
    """Return the script that every job of a `queue` would be given; nothing is submitted."""
    with _cluster(name, {"host": "127.0.0.1", **options}, None) as cluster:
        return cluster.job_script()


def _cluster(name: str, options: Mapping[str, Any], dashboard: str | None) -> Any:
    if name not in QUEUES:
        raise SweepError(f"queue: unknown '{name}'; {nearest(name, QUEUES)}")
    kind = getattr(needed("dask_jobqueue"), QUEUES[name])
    given = {**JOB, **options}
    listen = {"dashboard_address": loopback(dashboard)}
    listen |= {key: given[key] for key in ("host", "interface") if key in given}
    given.pop("host", None)
    try:
        return kind(**given, scheduler_options=listen, silence_logs=logging.CRITICAL)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise SweepError(
            f"queue {name}: {one_line(error)}; --job takes what dask_jobqueue.{QUEUES[name]} takes"
        ) from error


def job_options(texts: Iterable[Iterable[str]]) -> dict[str, Any]:
    """Read options of a job, pairs of texts; those that are lists may come several times."""
    options: dict[str, Any] = {}
    for key, text in texts:
        if key in _LISTS:
            options.setdefault(key, []).append(text)
        else:
            options[key] = int(text) if text.isdigit() else text
    return options


def loopback(address: str | None) -> str:
    """Complete the address of a dashboard: ``":8787"`` or ``"8787"`` is on loopback.

    Without one Dask's web server, which it always starts, takes any port of loopback. What is no
    port, nor host and port, is a `SweepError`.
    """
    host, _, port = (address or "0").rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise SweepError(explain("dashboard", address, "a port or HOST:PORT", "such as :8787"))
    return f"{host or '127.0.0.1'}:{port}"
