"""What a sweep runs, and where, as the command line is given it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from ..errors import SweepError, explain
from .console import (
    BackendName,
    ModelName,
    Out,
    Settings,
    StopOn,
    import_brian2,
    key_values,
    protocol_names,
    split_values,
    stopping,
)

if TYPE_CHECKING:
    from ..sweep.grid import Grid, Row

Retries = Annotated[
    int, typer.Option("--retries", min=0, help="how often a row that fails is tried again")
]


@dataclass(frozen=True, kw_only=True)
class What:
    """The rows of a sweep."""

    PANEL: ClassVar = "What to run"

    source: Annotated[
        str,
        typer.Argument(
            metavar="GRID.toml|PROTOCOL",
            help="grid file, shipped name or .py file",
            autocompletion=protocol_names,
        ),
    ]
    over: Annotated[
        list[str] | None,
        typer.Option("--over", metavar="KEY=V1,V2", help="values to try; may be repeated"),
    ] = None
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="how many, or which: 5 is 0 to 4; 3,7 are these")
    ] = None
    settings: Settings = None
    data: Annotated[
        str | None, typer.Option("--data", help="data sets, with commas: names, files or folders")
    ] = None
    conditions: Annotated[
        str | None,
        typer.Option(
            "--conditions",
            help="all, or names in the protocol's file; one with a comma in double quotes",
        ),
    ] = None
    model: ModelName = ""
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="GRID", help="one grid of the file")
    ] = None
    backend: BackendName = None
    stop_on: StopOn = None

    def rows(self) -> list[Row]:
        """Lay out the rows."""
        import_brian2()
        fixed = key_values(self.settings or (), "--set") | stopping(self.stop_on)
        varied: dict[str, Sequence] = {
            key: split_values(text) for key, text in key_values(self.over or (), "--over").items()
        }
        if self.data is not None and len(sources := split_values(self.data)) > 1:
            varied["data.source"] = sources
        elif self.data is not None:
            fixed["data.source"] = self.data
        return [row for grid in self._grids(fixed, varied) for row in grid.rows()]

    def _grids(self, fixed: Mapping[str, Any], varied: Mapping[str, Sequence]) -> list[Grid]:
        """Read the grids, choose among them, and apply what the command line says to each."""
        from ..errors import nearest
        from ..sweep.grid import read_grids

        grids, only = read_grids(self.source), self.only or ()
        names = [grid.name for grid in grids]
        for name in only:
            if name not in names:
                raise SweepError(f"--only: no grid '{name}'; {nearest(name, names)}")
        changes: dict[str, Any] = {"backend": self.backend, "model": self.model or None}
        if self.conditions is not None:
            every = self.conditions == "all"
            changes["conditions"] = "all" if every else split_values(self.conditions)
        if self.seeds is not None:
            changes["seeds"] = _seeds(self.seeds)
        return [
            dataclasses.replace(
                grid,
                changes={**grid.changes, **fixed},
                over={**{k: v for k, v in grid.over.items() if k not in fixed}, **varied},
                **{key: value for key, value in changes.items() if value is not None},
            )
            for grid in grids
            if not only or grid.name in only
        ]

    def asked(self) -> dict[str, Any]:
        """Return what was given, to be written down."""
        return {key: value for key, value in vars(self).items() if value}

    @classmethod
    def from_asked(cls, asked: Mapping[str, Any], folder: Path) -> What:
        """Return what was written down in a folder of results, or raise `SweepError`.

        Files in that folder are not read: what a folder of results holds is data, and runs no code.
        """
        kinds = {field.name: str(field.type) for field in dataclasses.fields(cls)}
        kinds["settings"] = kinds["stop_on"] = "list"
        for key, value in asked.items():
            texts = value if isinstance(value, list) else [value]
            fits = isinstance(value, list) == ("list" in kinds.get(key, ""))
            if key not in kinds or not fits or not all(isinstance(text, str) for text in texts):
                got = f"'{key}', which no sweep writes"
                raise SweepError(explain(f"sweep retry {folder}", got, "what was asked for"))
            for text in texts:
                for word in re.split(r"[=,()\[\]\s]+|(?<=\.py):", text):
                    path = Path(word)
                    if path.suffix and folder.resolve() in path.resolve().parents:
                        fix = "give it to 'brainsleep sweep run' if you trust it"
                        allowed = "none from a folder of results, which is data"
                        raise SweepError(explain("sweep retry: file", path, allowed, fix))
        if "source" not in asked:
            raise SweepError(explain(f"sweep retry {folder}", "no source", "what was asked for"))
        return cls(**asked)


def _seeds(text: str) -> int | list[int]:
    parts = split_values(text)
    if not parts or not all(part.isdigit() for part in parts):
        raise SweepError(explain("--seeds", f"'{text}'", "a number, or numbers with commas"))
    return [int(part) for part in parts] if "," in text else int(text)


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The queue of a cluster, and what its jobs ask for."""

    PANEL: ClassVar = "Where it runs"

    slurm: Annotated[bool, typer.Option("--slurm", help="short for --queue slurm")] = False
    queue: Annotated[
        str | None,
        typer.Option("--queue", help="jobs of slurm, pbs, sge, lsf, oar, moab or htcondor"),
    ] = None
    job: Annotated[
        list[str] | None,
        typer.Option("--job", metavar="KEY=VALUE", help="of a job, such as walltime=01:00:00"),
    ] = None

    @property
    def name(self) -> str | None:
        """The queue, if one was asked for."""
        return "slurm" if self.slurm and self.queue is None else self.queue

    def options(self) -> dict[str, Any]:
        """Return what a job asks for."""
        from ..sweep import cluster

        pairs = (pair for text in self.job or () for pair in key_values([text], "--job").items())
        return cluster.job_options(pairs)


@dataclass(frozen=True, kw_only=True)
class Where(Queue):
    """Where a sweep runs."""

    jobs: Annotated[int, typer.Option("--jobs", min=1, help="jobs in the queue")] = 1
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="processes of this machine (default: one a core)"),
    ] = None
    replicas: Annotated[
        int,
        typer.Option(
            "--replicas",
            metavar="R",
            min=1,
            help="rows of one network that a worker runs together: "
            "pays on a GPU (cuda); on cpp they use the worker's share of the cores",
        ),
    ] = 1
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="a Dask scheduler that runs already"),
    ] = None
    dashboard: Annotated[
        str | None,
        typer.Option(
            "--dashboard",
            metavar="[HOST]:PORT",
            help="Dask's dashboard, on loopback unless a host is named (default: none)",
        ),
    ] = None
    tls_ca_file: Annotated[
        str | None, typer.Option("--tls-ca-file", help="of a tls:// scheduler")
    ] = None
    tls_cert: Annotated[str | None, typer.Option("--tls-cert", help="of this client")] = None
    tls_key: Annotated[str | None, typer.Option("--tls-key", help="of this client")] = None

    def check(self) -> None:
        """Raise `SweepError` if it says more than one place."""
        if sum(given is not None for given in (self.workers, self.scheduler, self.name)) > 1:
            raise SweepError(
                "sweep: --workers, --scheduler and --queue exclude each other; give one"
            )

    def client(self, tasks: int) -> Any:
        """Return what gives a client for so many tasks."""
        from ..sweep import cluster

        if self.scheduler:
            files = ("ca_file", self.tls_ca_file), ("client_cert", self.tls_cert)
            tls = dict((*files, ("client_key", self.tls_key)))
            return cluster.scheduler(self.scheduler, {k: v for k, v in tls.items() if v})
        if self.name:
            return cluster.queue(self.name, self.jobs, self.options(), self.dashboard)
        return cluster.local(tasks, self.workers, self.dashboard)


@dataclass(frozen=True, kw_only=True)
class How:
    """How often rows are tried, and where their results go."""

    PANEL: ClassVar = "How"

    out: Out = Path("results")
    retries: Retries = 2
