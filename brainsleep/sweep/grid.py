"""Grids: which runs a sweep consists of, laid out from TOML, a protocol or Python.

A grid is the product of settings, conditions and seeds. A row is one run of it, addressed by the
id of that run, so the same run in two grids is done once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

from brian2 import Quantity

from .. import mistakes
from ..backends.base import BACKENDS, backend_identity, default_backend
from ..errors import BrainsleepError, SweepError, explain, nearest, one_line
from ..experiment.protocol import Protocol, load_protocol, run_id
from ..files.load import load_module
from ..files.userfiles import reading_once
from ..results.names import in_words
from ..run.compare import Condition, value_at
from ..run.replicas import structure
from ..values.fields import one_of, specification
from ..values.frozen import Frozen
from ..values.functions import described, unlike
from ..values.plain import plain
from ..values.quantities import check_whole

#: Most rows of a grid.
MAX_ROWS = 1_000_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Row:
    """One run of a grid."""

    #: Where it belongs, as labels of tables.
    grid: str
    condition: str
    #: Value of everything that its grid varies, by key.
    settings: Mapping[str, str]
    seed: int
    backend: str
    #: Where the protocol was loaded from; '' for one made in Python.
    source: str
    #: The model it was loaded with; '' for the protocol's own network.
    model: str
    #: How it differs from the protocol loaded, by key.
    changes: Mapping[str, Any] = field(repr=False)
    #: What to run.
    protocol: Protocol = field(repr=False)
    #: A run to whose test rate this one is brought before it begins, by the number at `scale`.
    reference: Row | None = None
    scale: str = ""
    #: Address, from `addressed`: the id of the run; of a row with a reference, a hash of its own,
    #: as the id is not known before the rate is matched.
    run_id: str = ""

    @property
    def label(self) -> str:
        """What tells it from other rows, for people."""
        data = Path(self.protocol.source).stem
        return ", ".join(filter(None, (self.grid, self.condition, data, f"seed {self.seed}")))

    def command(self, out: str) -> str:
        """Return the command line that does this run, and nothing if it is done already.

        `SweepError` if a setting is an object without a name, or the row has a reference.
        """
        if self.reference is not None:
            raise SweepError(
                f"grid {self.grid}: '{self.condition}' is matched to the rate of another run, "
                "which no single command does; use 'brainsleep sweep run'"
            )
        if not self.source:
            raise SweepError(f"grid {self.grid}: its protocol is not in a file that can be named")
        words = ["brainsleep", "run", self.source, "--seed", str(self.seed)]
        words += ["--model", self.model] if self.model else []
        words += ["--backend", self.backend, "--out", str(out)]
        for key, value in self.changes.items():
            words += ["--set", f"{key}={as_text(value, key)}"]
        return shlex.join(words)


def _seeds(value: Any, where: str, error: type[BrainsleepError]) -> tuple[int, ...]:
    if isinstance(value, Iterable) and not isinstance(value, str):
        seeds = tuple(check_whole(seed, where, error) for seed in value)
    else:
        seeds = tuple(range(check_whole(value, where, error, most=MAX_ROWS)))
    if not seeds:
        raise error(explain(where, "none", "at least one"))
    return seeds


def _over(value: Any, where: str, error: type[BrainsleepError]) -> Frozen:
    """Keep the settings that have values."""
    if not isinstance(value, Mapping):
        raise error(explain(where, repr(value), "{key: values}"))
    where, over = where.removesuffix("over"), {}
    for key, values in value.items():
        with mistakes.going_on():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise error(explain(f"{where}{key}", repr(values), "a list of values"))
            over[key] = tuple(values)
            if not over[key]:
                raise error(explain(f"{where}{key}", "none", "at least one"))
    return Frozen(over)


def _conditions(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    if value == "all":
        return value
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise error(explain(where, repr(value), '"all" or a list'))
    for each in (conditions := tuple(value)):
        if not isinstance(each, str | Condition):
            allowed = "a name, or a table of name, set, match_rate, scale (in Python a Condition)"
            raise error(explain(where, repr(each), allowed))
    return conditions


@specification("grid {name}: ", SweepError)
class Grid:
    """Runs that differ in settings, conditions and seeds.

    Parameters
    ----------
    name : str
        Label of its rows.
    protocol : Protocol or str
        What is common to all: an object, a shipped name or a ``.py`` file.
    model : str
        Another network for it, see `brainsleep.experiment.protocol.load_protocol`.
    changes : mapping of str to object
        What differs from it in all rows, by key (see `Protocol.override`).
    over : mapping of str to sequence
        Values by key; every combination is run.
    conditions : sequence of Condition or str, or "all"
        Named sets of changes; names stand for those in the ``CONDITIONS`` of the protocol's file.
    seeds : int or sequence of int
        How many seeds from 0 on, or which.
    backend : {"cpp", "cuda", "cython", "numpy", "torch", "torch-cuda"}, optional
        Default: C++ standalone where there is a compiler; torch for surrogate-gradient networks.

    Raises
    ------
    SweepError
        For values of another kind, or nothing to run.
    """

    name: str
    protocol: Protocol | str
    model: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    over: Annotated[Mapping[str, Sequence], _over] = field(default_factory=dict)
    conditions: Annotated[Sequence[Condition | str] | str, _conditions] = ()
    seeds: Annotated[int | Sequence[int], _seeds] = 1
    backend: Annotated[str, one_of(*BACKENDS)] | None = None

    @reading_once()
    def rows(self) -> list[Row]:
        """Lay out the rows, seed by seed, so that whatever is finished is balanced.

        Returns
        -------
        list of Row
            Without addresses; no data is read.

        Raises
        ------
        BrainsleepError
            For a key, value or condition that does not exist.
        """
        given = self.protocol
        source = given if isinstance(given, str) else ""
        if self.model and not source:
            raise SweepError(f"grid {self.name}: model goes with the name or file of a protocol")
        base = load_protocol(given, self.model) if isinstance(given, str) else given
        conditions = self._conditions(source)
        seeds = cast(tuple[int, ...], self.seeds)  # since it was checked
        n_rows = len(seeds) * max(1, len(conditions))
        n_rows *= math.prod(len(values) for values in self.over.values())
        if n_rows > MAX_ROWS:
            raise SweepError(explain(f"grid {self.name}: rows", n_rows, f"at most {MAX_ROWS}"))
        for condition in conditions:
            if both := sorted(set(condition.changes) & set(self.over)):
                raise SweepError(
                    f"grid {self.name}: condition '{condition.name}' sets {both[0]}, which the "
                    "grid varies; leave one of them out"
                )
        variants = []
        for values, condition in itertools.product(
            itertools.product(*self.over.values()), conditions
        ):
            varied = dict(zip(self.over, values, strict=True))
            settings = {key: as_text(value, key) for key, value in varied.items()}
            changes = {**self.changes, **varied, **condition.changes}
            variants.append((settings, condition, changes, base.override(changes)))
        rows: dict[tuple, Row] = {}
        for seed, (settings, condition, changes, protocol) in itertools.product(seeds, variants):
            place, reference = (seed, *settings.values()), None
            if condition.match_rate:
                reference = rows.get((*place, condition.match_rate))
                if reference is None:
                    raise SweepError(
                        f"grid {self.name}: condition '{condition.name}' is matched to the rate of "
                        f"'{condition.match_rate}', which is not a condition before it"
                    )
                value_at(protocol, condition.scale)
            rows[(*place, condition.name)] = Row(
                grid=self.name,
                condition=in_words(settings) if conditions == _NONE else condition.name,
                settings=settings,
                seed=seed,
                backend=self.backend or default_backend(protocol.network),
                source=source,
                model=self.model,
                changes=changes,
                protocol=protocol,
                reference=reference,
                scale=condition.scale,
            )
        return list(rows.values())

    def _conditions(self, source: str) -> Sequence[Condition]:
        """Return the conditions with names looked up in the protocol's file."""
        if not self.conditions:
            return _NONE
        defined: dict[str, Condition] = {}
        if source:
            module = load_module(source.partition(":")[0], "protocol")
            defined = {c.name: c for c in getattr(module, "CONDITIONS", ())}
        if self.conditions == "all" and not defined:
            raise SweepError(f"grid {self.name}: its protocol's file defines no CONDITIONS")
        chosen = []
        for each in defined if self.conditions == "all" else self.conditions:
            if isinstance(each, str) and each not in defined:
                raise SweepError(
                    f"grid {self.name}: no condition '{each}' in the protocol's file; "
                    f"{nearest(each, defined)}"
                )
            chosen.append(defined[each] if isinstance(each, str) else each)
        if len({each.name for each in chosen}) < len(chosen):
            raise SweepError(f"grid {self.name}: two conditions have the same name")
        return tuple(chosen)


#: A grid without conditions: one that changes nothing.
_NONE = (Condition(name=""),)


def addressed(rows: Iterable[Row]) -> list[Row]:
    """Give every row its address; every data set is read once.

    `DataError` if one cannot be, `SweepError` if a hook holds something that no address can say.
    """
    opened: dict[Any, Any] = {}
    done: dict[int, Row] = {}

    def address(row: Row) -> Row:
        if id(row) in done:
            return done[id(row)]
        for name, hook in row.protocol.hooks.items():
            if kinds := unlike(described(hook)):
                allowed = "numbers, text, arrays, functions and modules, which tell runs apart"
                fix = "make it within the hook, or use simulate"
                where = f"grid {row.grid}: what hook {name} holds"
                raise SweepError(explain(where, f"a {kinds[0]}", allowed, fix))
        backend, material = backend_identity(row.backend), row.protocol.open(opened)
        own = run_id(row.protocol, row.seed, backend, material.fingerprint)
        reference = row.reference and address(row.reference)
        if reference:
            text = f"{own} {reference.run_id} {row.scale}"
            own = hashlib.sha256(text.encode()).hexdigest()[:16]
        done[id(row)] = dataclasses.replace(row, run_id=own, reference=reference)
        return done[id(row)]

    return [address(row) for row in rows]


def grouped(rows: Iterable[Row], size: int) -> list[list[Row]]:
    """Put rows that can go through a backend together into groups of at most `size`, in order.

    Rows of a group have one backend, and networks that differ in parameter values only. Rows with
    Python hooks are by themselves.
    """
    if size == 1:
        return [[row] for row in rows]
    kinds: dict[int, str] = {}  # rows of one grid share networks
    open_groups: dict[tuple[str, str], list[Row]] = {}
    groups: list[list[Row]] = []
    for row in rows:
        if row.protocol.hooks:
            groups.append([row])
            continue
        network = row.protocol.network
        if id(network) not in kinds:
            kinds[id(network)] = json.dumps(structure(network), sort_keys=True)
        kind = row.backend, kinds[id(network)]
        if len(open_groups.get(kind, ())) in (0, size):
            open_groups[kind] = []
            groups.append(open_groups[kind])
        open_groups[kind].append(row)
    return groups


def as_text(value: Any, key: str) -> str:
    """Return a value as ``--set`` reads it; `SweepError` for one without such a text, as a rule."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "(" + ",".join(as_text(part, key) for part in value) + ")"
    if isinstance(value, str | int | float | Quantity):
        return str(plain(value))
    got, allowed = f"a {type(value).__name__}", "a number, text or FILE.py:NAME"
    raise SweepError(explain(f"grid: {key}", got, allowed))


# -- files --------------------------------------------------------------------------------------


def read_grids(source: str) -> list[Grid]:
    """Return the grids that `source` defines, or raise `BrainsleepError`.

    It is a ``.toml`` file with one grid, or several as ``[[grid]]``; a ``.py`` file that defines
    ``GRIDS``; or a protocol, shipped or a ``.py`` file: a grid of one row.
    """
    if source.endswith(".toml"):
        return _read_toml(Path(source).expanduser())
    if source.endswith(".py"):
        grids = getattr(load_module(source, "protocol"), "GRIDS", None)
        if grids is not None:
            if not grids or not all(isinstance(grid, Grid) for grid in grids):
                raise SweepError(explain(f"{source}: GRIDS", repr(grids), "a list of Grid"))
            return list(grids)
    load_protocol(source)
    return [Grid(name=Path(source.partition(":")[0]).stem, protocol=source)]


def _read_toml(path: Path) -> list[Grid]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SweepError(f"grid {path}: cannot be read ({one_line(error)})") from error
    tables = content.get("grid", [content])
    if "grid" in content and (len(content) > 1 or not isinstance(tables, list) or not tables):
        raise SweepError(f"grid {path}: with [[grid]] tables, nothing may stand outside of them")
    try:
        grids = [_grid(table, path.stem) for table in tables]
    except BrainsleepError as error:
        raise SweepError(f"grid {path}: {error}") from error
    names = [grid.name for grid in grids]
    for name in names:
        if names.count(name) > 1:
            raise SweepError(f"grid {path}: two grids are called '{name}'; name = ... in each")
    return grids


def _grid(table: Any, name: str) -> Grid:
    """Make a grid of its table; what the values may be is checked there."""
    if not isinstance(table, dict):
        raise SweepError(explain("[[grid]]", repr(table), "a table"))
    if "protocol" not in table:
        raise SweepError('names no protocol; write protocol = "demo" at its top')
    fields = {"name": name, **_fields(table)}
    if isinstance(conditions := fields.get("conditions"), list):
        fields["conditions"] = [
            Condition(**_fields(each)) if isinstance(each, dict) else each for each in conditions
        ]
    return Grid(**fields)


def _fields(table: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a table into fields of a `Grid` or `Condition`: ``set`` is what they call `changes`."""
    return {
        "changes" if key == "set" else key: flat(value) if key in ("set", "over") else value
        for key, value in table.items()
    }


def flat(value: Any, prefix: str = "") -> Any:
    """Turn nested tables into dotted keys, as TOML nests ``a.b = 1`` if the key is not quoted."""
    if not isinstance(value, Mapping):
        return value
    dotted: dict[str, Any] = {}
    for key, part in value.items():
        nested = isinstance(part, Mapping)
        dotted |= flat(part, f"{prefix}{key}.") if nested else {f"{prefix}{key}": part}
    return dotted
