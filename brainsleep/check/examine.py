"""All mistakes of a models or protocol file, for ``brainsleep check``: nothing is built or run.

The file's top-level statements are carried out one by one. One that fails is set aside with the
names it would have defined, and so is what needs them; everything else is still looked at.
Specifications with mistakes are made nevertheless (`brainsleep.mistakes`), so that one
wrong equation does not hide the next.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, ModuleType

from .. import mistakes
from ..errors import BrainsleepError, Details, ProtocolError, closest, nearest
from ..experiment.protocol import Protocol
from ..files.load import SHIPPED, shipped
from ..files.userfiles import forget, imports_neighbours, module_name, own_package
from ..mistakes import first_causes
from ..network.assemble import exact_update
from ..network.models import NeuronModel, PlasticityRule
from ..sweep.grid import Grid
from .locate import Region, Source, source_text
from .python_code import bound, future_flags, read
from .python_errors import python_details
from .remarks import Remark, remarks
from .summary import summary

#: The argument that a message such as "schedule.period: got ..." is about.
_ARGUMENT = re.compile(r"([a-z]\w*): got ")


@dataclass(frozen=True)
class Finding:
    """A mistake or remark, and its place.

    Parameters
    ----------
    path : Path
        The file.
    place : Region
        Where in it.
    lines : tuple of str
        The lines of the place, as they stand in the file.
    text : str
        What is wrong.
    details : Details
        What was found, expected, and the fix.
    """

    path: Path
    place: Region
    lines: tuple[str, ...]
    text: str
    details: Details


@dataclass
class Report:
    """What `examine` found.

    Parameters
    ----------
    path : Path
        The file looked at.
    mistakes, remarks : list of Finding
        What is wrong, and what is only doubtful, in the order of the file.
    summary : list of str
        What the file defines, in words.
    skipped : list of str
        Names that were not looked at, since what they need has mistakes.
    """

    path: Path
    mistakes: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def examine(source: str) -> Report:
    """Look for all mistakes in a file.

    Parameters
    ----------
    source : str
        Path of a ``.py`` file, name of a shipped module, or either with ``:NAME``.

    Returns
    -------
    Report
        The mistakes and remarks, with their places.

    Raises
    ------
    ProtocolError
        If there is no such file, module, or object in it.
    """
    where, _, name = source.rpartition(":") if ":" in source else (source, "", "")
    path = _path_of(where)
    looked = _Looking(path)
    looked.run()
    if name:
        looked.check_name(name)
    return looked.report(name)


def _path_of(source: str) -> Path:
    if source.endswith(".py"):
        path = Path(source).expanduser()
        if not path.is_file():
            raise ProtocolError(f"check: no file {path}; give the path of an existing .py file")
        return path
    names = {name: kind for kind in ("model", "protocol") for name in shipped(kind)}
    if source not in names:
        raise ProtocolError(
            f"check: unknown '{source}'; {nearest(source, names)}; or the path of a .py file"
        )
    found = importlib.util.find_spec(f"{SHIPPED[names[source]]}.{source}")
    return Path(str(found and found.origin))


class _Looking:
    """One file being looked at: what it defines and what was found so far."""

    def __init__(self, path: Path):
        self.path = path
        self.folder = path.resolve().parent
        self.sources: dict[Path, Source] = {}
        self.found: list[tuple[BrainsleepError, Path, Region | None]] = []
        self.package = own_package(self.folder)
        self.module = ModuleType(module_name(self.package, path))
        self.module.__file__ = str(path.resolve())
        imports_neighbours(self.module)
        self.regions: dict[str, Region] = {}
        self.own: set[str] = set()
        self.aside: set[str] = set()

    def run(self) -> None:
        """Carry out the file, statement by statement, and look at what it made."""
        source = self._source(self.path.resolve())
        if source is None:
            return
        future = future_flags(source.tree)
        with self._importable(), mistakes.collecting(self._notice):
            for node in source.tree.body:
                names = bound(node)
                self.regions.update(dict.fromkeys(names, source.region(node)))
                if not isinstance(node, ast.Import | ast.ImportFrom):
                    self.own |= names
                if read(node) & self.aside or not self._carry_out(node, future):
                    self.aside |= names - set(vars(self.module))
            self._exact()
            self._protocols()
            self._grids()

    def _source(self, path: Path) -> Source | None:
        if path not in self.sources:
            try:
                self.sources[path] = Source(path)
            except SyntaxError as error:
                self._note_syntax(path, error)
                return None
            except (OSError, UnicodeDecodeError, ValueError) as error:
                raise ProtocolError(f"check: {path}: cannot be read ({error})") from error
        return self.sources[path]

    def _note_syntax(self, path: Path, error: SyntaxError) -> None:
        line, column = error.lineno or 1, error.offset or 1
        end_line, end_column = error.end_lineno or line, error.end_offset or column + 1
        region = Region(line, column, end_line, max(end_column, column + 1))
        details = python_details(error, {})
        self.found.append((ProtocolError(str(error.msg), details), path, region))

    @contextlib.contextmanager
    def _importable(self) -> Iterator[None]:
        """Let its neighbours import the file, too, and forget all of them afterwards."""
        sys.modules[self.module.__name__] = self.module
        try:
            yield
        finally:
            forget(self.package)

    def _is_users(self, file: str) -> bool:
        """Tell whether mistakes are to be shown in a file: the one given, or one beside it."""
        path = Path(file)
        if path == self.path.resolve():
            return True
        engine = Path(__file__).parents[1]
        inside = path.is_relative_to(self.folder) and path.suffix == ".py"
        return inside and not path.is_relative_to(engine) and "site-packages" not in path.parts

    def _carry_out(self, node: ast.stmt, future: int) -> bool:
        """Carry out one statement; tell whether that was possible."""
        file = str(self.path.resolve())
        code: CodeType = compile(ast.Module([node], []), file, "exec", future, dont_inherit=True)
        before = len(self.found)
        try:
            exec(code, vars(self.module))
        except BrainsleepError as error:
            self._note(error, inspect.trace(0))
        except (Exception, SystemExit) as error:
            frames = inspect.trace(0)
            consequence = getattr(error, "name", "") in self.aside
            inside = not frames or not self._is_users(frames[-1].filename)
            if consequence or (inside and (len(self.found) > before or self._uses_faulty(node))):
                return False
            self._note_python(error, frames)
        else:
            return True
        return False

    def _uses_faulty(self, node: ast.stmt) -> bool:
        """Tell whether a statement uses a specification in which there are mistakes."""
        names = (vars(self.module).get(name) for name in read(node))
        return any(mistakes.is_faulty(value) for value in names)

    def _note_python(self, error: BaseException, frames: Sequence[inspect.FrameInfo]) -> None:
        if isinstance(error, SyntaxError) and error.filename and self._is_users(error.filename):
            self._note_syntax(Path(error.filename), error)
            return
        details = python_details(error, vars(self.module))
        self._note(ProtocolError(details.brief, details), frames)

    def _notice(self, error: BrainsleepError) -> None:
        self._note(error, inspect.stack(0)[::-1])

    def _note(self, error: BrainsleepError, frames: Sequence[inspect.FrameInfo]) -> None:
        """Keep a mistake with the place in the user's files that led to it."""
        for frame in reversed(frames):
            if self._is_users(frame.filename):
                path = Path(frame.filename)
                source, place = self._source(path), frame.positions
                region = source.of_call(place) if source and place else None
                self.found.append((error, path, region))
                return
        self.found.append((error, self.path.resolve(), None))

    def _exact(self) -> None:
        """Look for what cannot be integrated exactly: neurons that ask for it, and all traces."""
        for name in sorted(self.own & set(vars(self.module))):
            rule = vars(self.module)[name]
            if isinstance(rule, NeuronModel) and not mistakes.is_faulty(rule):
                try:
                    rule.solve()
                except BrainsleepError as error:
                    self._at(name, error)
            if not isinstance(rule, PlasticityRule) or mistakes.is_faulty(rule):
                continue
            for role in ("pre", "post"):
                try:
                    exact_update(rule.traces(role), rule, {})
                except BrainsleepError as error:
                    details = Details(word=f"{role}_equations")
                    # said of a network as well, which is not the place to mend it
                    self.found = [f for f in self.found if str(error) not in str(f[0])]
                    self._at(name, ProtocolError(str(error), details))

    def _protocols(self) -> None:
        """Look at what only shows in a whole protocol: its conditions, models and schedule."""
        protocol = vars(self.module).get("PROTOCOL")
        if protocol is not None and not isinstance(protocol, Protocol):
            error = ProtocolError("PROTOCOL is not a Protocol", Details(word="PROTOCOL"))
            self._at("PROTOCOL", error)
        if not isinstance(protocol, Protocol) or self.found:
            return
        changes = {f"condition '{c.name}'": c.changes for c in self._conditions()}
        models = vars(self.module).get("MODELS", {})
        for label, change in {"": {}, **changes, **models}.items():
            where = "MODELS" if label in models else "CONDITIONS" if label else "PROTOCOL"
            found = _wrong(protocol, change)
            for wrong in found:
                self._at(where, wrong, f"{label}: " if label else "")
            if found and not label:  # it is wrong under every condition
                return

    def _grids(self) -> None:
        """Look at every setting that the grids of the file vary or change."""
        grids = vars(self.module).get("GRIDS", ())
        listed = isinstance(grids, tuple | list)
        if not listed or not all(isinstance(grid, Grid) for grid in grids):
            error = ProtocolError("GRIDS is not a list of Grid", Details(word="GRIDS"))
            self._at("GRIDS", error)
        elif not self.found:
            for grid in grids:
                for wrong in _wrong_in_grid(grid):
                    self._at("GRIDS", wrong)

    def _conditions(self) -> list:
        from ..run.compare import Condition

        found = vars(self.module).get("CONDITIONS", ())
        listed = found if isinstance(found, tuple | list) else ()
        return [condition for condition in listed if isinstance(condition, Condition)]

    def _at(self, name: str, error: BrainsleepError, prefix: str = "") -> None:
        """Keep a mistake of the statement that defines a name."""
        if prefix:
            error = ProtocolError(f"{prefix}{error}", error.details)
        self.found.append((error, self.path.resolve(), self.regions.get(name)))

    def check_name(self, name: str) -> None:
        """Note a mistake if the file does not define `name`, though all of it was carried out."""
        if name in vars(self.module) or name in self.aside or not self.sources:
            return
        names = [n for n in vars(self.module) if n.isupper()]
        details = Details(word=name, close=closest(name, names))
        message = f"{self.path.name}: no '{name}' in it; {nearest(name, names)}"
        raise ProtocolError(message, details)

    def report(self, name: str) -> Report:
        """Put together what was found."""
        report = Report(self.path, skipped=sorted(self.aside - {"_"}))
        seen = set()
        causes = first_causes([error for error, _, _ in self.found])
        for error, path, region in self.found:
            if error not in causes:
                continue
            finding = self._finding(error, path, region)
            key = (finding.path, finding.place, finding.text)
            if key not in seen:
                seen.add(key)
                report.mistakes.append(finding)
        report.mistakes.sort(key=lambda f: (f.path != self.path, f.place.line, f.place.column))
        source = self.sources.get(self.path.resolve())
        if source and not report.mistakes:
            everything = vars(self.module)
            own = {n: everything[n] for n in self.regions if n in self.own and n in everything}
            own = {name: everything[name]} if name else own
            report.summary = summary(own)
            for remark in remarks(own, self._conditions(), source.tree):
                report.remarks.append(self._remark(remark))
        return report

    def _remark(self, remark: Remark) -> Finding:
        error = ProtocolError(remark.text, remark.details)
        return self._finding(error, self.path.resolve(), self.regions.get(remark.name))

    def _finding(self, error: BrainsleepError, path: Path, region: Region | None) -> Finding:
        details, source = error.details, self.sources.get(path)
        place = region or Region(1, 1, 1, 2)
        if source is not None:
            guess = _ARGUMENT.search(str(error))
            place = source.place(details, region, guess[1] if guess else "")
            lines = source.lines
        else:  # a file that cannot be parsed
            lines = source_text(path, strict=False).split("\n")
        lines = lines[place.line - 1 : place.end_line]
        text = ": ".join(filter(None, (details.where, details.brief)))
        text = text if details.brief else str(error)
        if details.close and not details.fix:
            details = replace(details, fix=f"did you mean '{details.close}'?")
        shown = self.path if path == self.path.resolve() else path
        return Finding(shown, place, tuple(lines), text, details)


def _noted(look: Callable[[], object]) -> list[BrainsleepError]:
    """Return the mistakes that `look` finds, each once."""
    found: dict[str, BrainsleepError] = {}

    def note(error: BrainsleepError) -> None:
        found.setdefault(str(error), error)

    with mistakes.collecting(note):
        try:
            look()
        except BrainsleepError as error:
            note(error)
    return list(found.values())


def _wrong(protocol: Protocol, changes: Mapping) -> list[BrainsleepError]:
    """Return what is wrong with changes of a protocol, or with its schedule under them."""
    found = _noted(lambda: protocol.override(changes)) if changes else []
    return found or _noted(lambda: protocol.override(changes).nominal_slots())


def _wrong_in_grid(grid: Grid) -> list[BrainsleepError]:
    """Return what is wrong with the settings of a grid, one value at a time."""
    values = [{key: (value,)} for key, each in grid.over.items() for value in each]
    found = (_noted(replace(grid, over=over, seeds=1).rows) for over in [{}, *values])
    return list({str(error): error for errors in found for error in errors}.values())
