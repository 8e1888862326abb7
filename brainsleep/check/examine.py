"""All mistakes of a models or protocol file, for ``brainsleep check``: nothing is built or run.

The file's top-level statements are carried out one by one. One that fails is set aside with the
names it would have defined, and so is what needs them. Specifications with mistakes are made
nevertheless (`brainsleep.mistakes`), so that one wrong equation does not hide the next.
"""

from __future__ import annotations

import ast
import codeop
import contextlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType

from .. import mistakes
from ..errors import BrainsleepError, Details, ProtocolError, closest, nearest
from ..experiment.protocol import Protocol
from ..files.load import SHIPPED, shipped
from ..files.userfiles import forget, imports_neighbours, module_name, own_package
from ..mistakes import first_causes
from ..network.assemble import exact_update
from ..network.models import NeuronModel, PlasticityRule
from ..run.compare import Condition
from ..sweep.grid import Grid
from .locate import Region, Source, Span
from .python_errors import python_details
from .remarks import remarks, summary

#: The argument that a message such as "schedule.period: got ..." is about.
_ARGUMENT = re.compile(r"([a-z]\w*): got ")

#: How a message begins that is about a part of a network.
_OF_NETWORK = re.compile(r"(?:network|population|projection) '\w+': ")


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
    examination = _Examination(path)
    examination.run()
    if name:
        examination.check_name(name)
    return examination.report(name)


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
    module = importlib.util.find_spec(f"{SHIPPED[names[source]]}.{source}")
    return Path(str(module and module.origin))


def _bound(node: ast.stmt) -> set[str]:
    """Names a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return _names(node, ast.Store)


def _read(node: ast.stmt) -> set[str]:
    """Names a top-level statement needs when it is carried out."""
    function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return set() if function else _names(node, ast.Load)


def _names(node: ast.stmt, use: type[ast.expr_context]) -> set[str]:
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, use)}


class _Examination:
    """One file: what it defines, and the mistakes in it with their files and places."""

    def __init__(self, path: Path):
        self.path, self.file = path, path.resolve()
        self.sources: dict[Path, Source] = {}
        self.errors: list[tuple[BrainsleepError, Path, Span | None]] = []
        self.package = own_package(self.file.parent)
        self.module = ModuleType(module_name(self.package, path))
        self.module.__file__ = str(self.file)
        imports_neighbours(vars(self.module), self.package)
        self.names = vars(self.module)
        self.compile = codeop.Compile()  # which remembers imports from __future__
        self.places: dict[str, Span] = {}
        self.own: set[str] = set()
        self.aside: set[str] = set()

    def run(self) -> None:
        """Carry out the file, statement by statement, and look at what it made."""
        source = self._source(self.file)
        if source.error:
            return

        def notice(error: BrainsleepError) -> None:
            self._note(error, inspect.stack(0)[::-1])

        with contextlib.ExitStack() as stack:
            sys.modules[self.module.__name__] = self.module  # for neighbours that import it
            stack.callback(forget, self.package)
            stack.enter_context(mistakes.collecting(notice))
            for node in source.tree.body:
                names = _bound(node)
                self.places.update(dict.fromkeys(names, source.span(node)))
                if not isinstance(node, ast.Import | ast.ImportFrom):
                    self.own |= names
                if _read(node) & self.aside or not self._carry_out(node):
                    self.aside |= names - set(self.names)
            self._exact()
            self._protocols()
            self._grids()

    def _source(self, path: Path) -> Source:
        """Read a file, and note why Python cannot if so."""
        if path not in self.sources:
            try:
                source = self.sources[path] = Source(path)
            except (OSError, ValueError) as error:
                raise ProtocolError(f"check: {path}: cannot be read ({error})") from error
            if source.error:
                self._note_syntax(source.error, path)
        return self.sources[path]

    def _note_syntax(self, error: SyntaxError, path: Path) -> None:
        mistake = ProtocolError(str(error.msg), python_details(error, {}))
        self.errors.append((mistake, path, self.sources[path].of_error(error)))

    def _is_users(self, file: str) -> bool:
        """Tell whether mistakes are to be shown in a file: the one given, or one beside it."""
        path = Path(file)
        if path == self.file:
            return True
        engine = Path(__file__).parents[1]
        inside = path.is_relative_to(self.file.parent) and path.suffix == ".py"
        return inside and not path.is_relative_to(engine) and "site-packages" not in path.parts

    def _carry_out(self, node: ast.stmt) -> bool:
        """Carry out one statement; tell whether that was possible."""
        code = self.compile(ast.Module([node], []), str(self.file), "exec")  # type: ignore[arg-type]
        try:
            exec(code, self.names)
        except BrainsleepError as error:
            self._note(error, inspect.trace(0))
        except (Exception, SystemExit) as error:
            frames = inspect.trace(0)
            consequence = getattr(error, "name", "") in self.aside
            inside = not frames or not self._is_users(frames[-1].filename)
            faulty = any(mistakes.is_faulty(self.names.get(name)) for name in _read(node))
            if not consequence and not (inside and (self.errors or faulty)):
                self._note_python(error, frames)
        else:
            return True
        return False

    def _note_python(self, error: BaseException, frames: Sequence[inspect.FrameInfo]) -> None:
        if isinstance(error, SyntaxError) and error.filename and self._is_users(error.filename):
            path = Path(error.filename)
            if not self._source(path).error:
                self._note_syntax(error, path)
            return
        details = python_details(error, self.names)
        self._note(ProtocolError(details.brief, details), frames)

    def _note(self, error: BrainsleepError, frames: Sequence[inspect.FrameInfo]) -> None:
        """Keep a mistake with the place in the user's files that led to it."""
        for frame in reversed(frames):
            if self._is_users(frame.filename):
                path = Path(frame.filename)
                self.errors.append((error, path, self._source(path).of_call(frame.positions)))
                return
        self.errors.append((error, self.file, None))

    def _at(self, name: str, error: BrainsleepError) -> None:
        """Keep a mistake of the statement that defines a name."""
        self.errors.append((error, self.file, self.places.get(name)))

    def _exact(self) -> None:
        """Look for what cannot be integrated exactly: neurons that ask for it, and all traces."""
        for name in sorted(self.own & set(self.names)):
            model = self.names[name]
            if mistakes.is_faulty(model):
                continue
            if isinstance(model, NeuronModel):
                for error in _mistakes_of(model.solve):
                    self._at(name, error)
            elif isinstance(model, PlasticityRule):
                for role in ("pre", "post"):
                    update = partial(exact_update, model.traces(role), model, {})
                    for error in _mistakes_of(update):
                        # said of a network as well, which is not the place to mend it
                        self.errors = [e for e in self.errors if str(error) not in str(e[0])]
                        details = Details(word=f"{role}_equations")
                        self._at(name, ProtocolError(str(error), details))

    def _protocols(self) -> None:
        """Look at what only shows in a whole protocol: its conditions, models and schedule."""
        protocol = self.names.get("PROTOCOL")
        if protocol is not None and not isinstance(protocol, Protocol):
            details = Details(word="PROTOCOL")
            self._at("PROTOCOL", ProtocolError("PROTOCOL is not a Protocol", details))
        if not isinstance(protocol, Protocol) or self.errors:
            return
        variants: list[tuple[str, str, Mapping]] = [("PROTOCOL", "", {})]
        for condition in self._conditions():
            variants.append(("CONDITIONS", f"condition '{condition.name}': ", condition.changes))
        for name, changes in self.names.get("MODELS", {}).items():
            variants.append(("MODELS", f"{name}: ", changes))
        for where, label, changes in variants:
            wrong = _wrong(protocol, changes)
            for error in wrong:
                self._at(where, ProtocolError(f"{label}{error}", error.details))
            if wrong and not label:  # it is wrong under every condition
                return

    def _grids(self) -> None:
        """Look at every setting that the grids of the file vary or change."""
        grids = self.names.get("GRIDS", ())
        listed = isinstance(grids, tuple | list)
        if not listed or not all(isinstance(grid, Grid) for grid in grids):
            details = Details(word="GRIDS")
            self._at("GRIDS", ProtocolError("GRIDS is not a list of Grid", details))
        elif not self.errors:
            for error in (error for grid in grids for error in _wrong_in_grid(grid)):
                self._at("GRIDS", error)

    def _conditions(self) -> list[Condition]:
        listed = self.names.get("CONDITIONS", ())
        listed = listed if isinstance(listed, tuple | list) else ()
        return [condition for condition in listed if isinstance(condition, Condition)]

    def check_name(self, name: str) -> None:
        """Raise an error if the file does not define `name`, though all of it was carried out."""
        if name in self.names or name in self.aside or self.sources[self.file].error:
            return
        names = [n for n in self.names if n.isupper()]
        details = Details(word=name, close=closest(name, names))
        message = f"{self.path.name}: no '{name}' in it; {nearest(name, names)}"
        raise ProtocolError(message, details)

    def report(self, name: str) -> Report:
        """Put together what was found, of one name if it is given."""
        report = Report(self.path, skipped=sorted(self.aside - {"_"}))
        causes = first_causes([error for error, _, _ in self.errors])
        distinct: dict[object, Finding] = {}
        for error, path, within in self.errors:
            if error in causes:
                finding = self._finding(error, path, within)
                of_network = _OF_NETWORK.match(finding.text)  # said again where it is used
                place = None if of_network else finding.place
                distinct.setdefault((finding.path, place, finding.text), finding)
        report.mistakes = sorted(
            distinct.values(), key=lambda f: (f.path != self.path, f.place.line, f.place.column)
        )
        if not report.mistakes:
            own = {n: self.names[n] for n in self.places if n in self.own and n in self.names}
            own = {name: self.names[name]} if name else own
            report.summary = summary(own)
            tree = self.sources[self.file].tree
            for about, doubt in remarks(own, self._conditions(), tree):
                report.remarks.append(self._finding(doubt, self.file, self.places.get(about)))
        return report

    def _finding(self, error: BrainsleepError, path: Path, within: Span | None) -> Finding:
        details, source = error.details, self.sources[path]
        guess = _ARGUMENT.search(str(error))
        within = source.of_part(str(error), within) or within
        place = source.place(details, within, guess[1] if guess else "")
        lines = tuple(source.lines[place.line - 1 : place.end_line])
        text = ": ".join(filter(None, (details.where, details.brief)))
        text = text if details.brief else str(error)
        if details.close and not details.fix:
            details = replace(details, fix=f"did you mean '{details.close}'?")
        return Finding(self.path if path == self.file else path, place, lines, text, details)


def _mistakes_of(look: Callable[[], object]) -> list[BrainsleepError]:
    """Return the mistakes that `look` finds, each once."""
    errors: dict[str, BrainsleepError] = {}

    def note(error: BrainsleepError) -> None:
        errors.setdefault(str(error), error)

    with mistakes.collecting(note), mistakes.going_on():
        look()
    return list(errors.values())


def _wrong(protocol: Protocol, changes: Mapping) -> list[BrainsleepError]:
    """Return what is wrong with changes of a protocol, or with its schedule under them."""
    wrong = _mistakes_of(lambda: protocol.override(changes)) if changes else []
    return wrong or _mistakes_of(lambda: protocol.override(changes).nominal_slots())


def _wrong_in_grid(grid: Grid) -> list[BrainsleepError]:
    """Return what is wrong with the settings of a grid, one value at a time."""
    values = [{key: (value,)} for key, each in grid.over.items() for value in each]
    errors = (_mistakes_of(replace(grid, over=over, seeds=1).rows) for over in [{}, *values])
    return list({str(error): error for each in errors for error in each}.values())
