r"""A protocol, a network or a model as LaTeX for the methods section of a paper.

What is written needs the packages ``amsmath`` and ``booktabs``, and is to be put into a document
with ``\input``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..experiment.protocol import Protocol
from ..experiment.saved_state import SavedState
from ..experiment.start import SavedWeights
from ..network.layers import SURROGATES, LeakyPopulation, SurrogateNetwork
from ..network.models import KINDS, Model
from ..network.spec import Network
from ..tasks.environment import Environment as Looped
from ..tasks.images.readout import CLASSIFIERS
from ..tasks.images.task import Images
from ..tasks.relu.task import ReluTasks
from ..values.plain import plain
from . import facts
from .latex import latex_unit, symbol, value_text
from .schedule_text import listed, schedule_text
from .stored_models import models
from .table import Table
from .typeset import blocks

#: Rendered characters of an equation beyond which it is broken before a plus or minus.
WIDTH = 75
#: Columns beyond which a table is set in smaller letters.
WIDE = 5

_ESCAPES = {letter: "\\" + letter for letter in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "–": "--",
    "→": r"$\to$",
    "±": r"$\pm$",
    "µ": r"$\mu$",
}
_RELATION = re.compile(r" (=|\\leftarrow) ")


@cache
def _environment() -> Environment:
    """Return the templates, in which ``<<value>>`` and ``<% if ... %>`` stand between LaTeX."""
    templates = Environment(
        loader=PackageLoader("brainsleep.show", "templates"),
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(aligned=aligned, code=_code, tex=escaped, text=facts.text)
    templates.filters.update(unit=latex_unit, symbols=_symbols, tabular=_tabular)
    templates.filters["listed"] = lambda words: listed(list(words))
    templates.filters["percent"] = lambda value: f"{100 * value:g}"
    templates.globals |= {"classifiers": CLASSIFIERS, "surrogates": SURROGATES}
    templates.globals |= {"typeset": _typeset, "kind": lambda m: KINDS[type(m)].capitalize()}
    return templates


def methods(what: Protocol | Network | Model) -> str:
    """Describe a protocol, network or model in LaTeX: paragraphs, equations and tables."""
    protocol = what if isinstance(what, Protocol) else None
    network: Any = protocol.network if protocol else what
    if isinstance(network, Model):
        shown: list[tuple[Model, list[str]]] = [(network, [])]
        values: dict[str, Any] = {"network": None}
    else:
        shown = list(models(network))
        values = _network(network, protocol.start if protocol else None)
    if protocol:
        values |= _experiment(protocol)
    cited = [reference for model, _ in shown for reference in model.references]
    cited[:0] = protocol.references if protocol else ()
    values |= {"protocol": protocol, "models": shown, "references": list(dict.fromkeys(cited))}
    return _environment().get_template("methods.tex").render(values)


# -- filters ---------------------------------------------------------------------------------------


def escaped(words: object) -> str:
    """Return text in which every letter stands for itself."""
    return "".join(_ESCAPES.get(letter, letter) for letter in str(words))


def aligned(lines: Iterable[str]) -> str:
    """Write equations and statements below each other."""
    body = " \\\\\n".join(f"    {row}" for line in lines for row in _rows(line))
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _rows(line: str) -> Iterator[str]:
    """Align an equation at its relation; break a long one before plus and minus signs."""
    match = _RELATION.search(line)
    begin = f"{line[: match.start()]} &{match[0].rstrip()} " if match else "& "
    rest = line[match.end() :] if match else line
    if len(re.sub(r"\\[a-zA-Z]+|[{}_^\\, ]", "", line)) <= WIDTH:
        yield begin + rest
        return
    first, *more = _terms(rest)
    yield begin + first
    for term in more:
        yield rf"& \quad {{}} {term}"


def _terms(code: str) -> list[str]:
    r"""Split LaTeX before the plus and minus signs outside of braces and ``\left``-``\right``."""
    depth, start, terms = 0, 0, []
    for token in re.finditer(r"\\left\b|\\right\b|[{}]| [-+] ", code):
        if token[0] in (r"\left", "{"):
            depth += 1
        elif token[0] in (r"\right", "}"):
            depth -= 1
        elif depth == 0:
            terms.append(code[start : token.start()])
            start = token.start() + 1
    return [*terms, code[start:]]


def tabulated(columns: Iterable[str], rows: Iterable[Iterable[str]], caption: str = "") -> str:
    """Write a table; the cells are LaTeX already."""
    columns = list(columns)
    head = " & ".join(escaped(column) for column in columns)
    body = "\n".join(f"{' & '.join(row)} \\\\" for row in rows)
    tabular = (
        f"\\begin{{tabular}}{{{'l' * len(columns)}}}\n\\toprule\n{head} \\\\\n\\midrule\n"
        f"{body}\n\\bottomrule\n\\end{{tabular}}"
    )
    if not caption:
        return f"\\begin{{center}}\n{tabular}\n\\end{{center}}"
    title = rf"\caption{{{escaped(caption)}.}}"
    wide = r"\scriptsize\setlength{\tabcolsep}{3pt}" if len(columns) > WIDE else r"\footnotesize"
    begin = f"\\begin{{table}}[ht]\n\\centering{wide}\n"
    return f"{begin}{title}\n{tabular}\n\\end{{table}}"


def _code(name: object) -> str:
    return rf"\texttt{{{escaped(name)}}}"


def _tabular(table: Table) -> str:
    return tabulated(table.columns, [map(escaped, row) for row in table.rows], table.title)


def _symbols(parameters: Mapping[str, Any]) -> str:
    rows = [(f"${symbol(k)}$", f"${latex_unit(v)}$", _code(k)) for k, v in parameters.items()]
    return tabulated(("symbol", "value", "parameter"), rows)


def _typeset(model: Model) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield when lines of a model are carried out, and the lines."""
    for block in blocks(model):
        title = block.title.replace("a spike when", "a spike is emitted when")
        if block.lines:
            yield title[:1].upper() + title[1:], block.lines


# -- what is said of a network and of an experiment ------------------------------------------------


def _network(network: Network, start: SavedWeights | SavedState | None) -> dict[str, Any]:
    values: dict[str, Any] = {"network": network, "layers": None}
    values["tables"] = [facts.populations(network), facts.projections(network, start)]
    values["tables"] += facts.values(network)
    values["tables"] += facts.signals(network)
    if isinstance(network, SurrogateNetwork):
        biased = [p.name for p in network.projections if p.bias]
        sizes = [(p, network.population(p.source).size) for p in network.projections]
        gain = getattr(network.populations[0], "gain", None)
        values |= {"layers": _layers(network), "gain": gain, "projections": sizes, "biased": biased}
    return values


def _layers(network: SurrogateNetwork) -> list[tuple[LeakyPopulation, list[str], bool, bool]]:
    """Return layers, the names of all that are alike, whether activities come first, and biases."""
    alike: dict[tuple, tuple[LeakyPopulation, list[str], bool, bool]] = {}
    for layer, projection in zip(network.hidden, network.projections, strict=False):
        first = bool(layer.activities) and layer.activities_first
        bias = projection.bias
        key = (layer.beta, layer.v_threshold, layer.surrogate, layer.steepness, first, bias)
        alike.setdefault(key, (layer, [], first, bias))[1].append(layer.name)
    return list(alike.values())


def _experiment(protocol: Protocol) -> dict[str, Any]:
    start, task = protocol.start, protocol.task
    schedule: Any = protocol.schedule
    values: dict[str, Any] = {
        "schedule": list(schedule_text(schedule).values()),
        "phases": list(_phases(protocol)),
        "start": start,
        "run": Path(start.result).name,
        "output": protocol.network.output,
        **{"task": None, "data": None, "tasks": None, "loop": None, "relu": None},
    }
    if isinstance(task, Looped):
        values |= {"loop": task, "codes": _codes(task), "slot": value_text(schedule.slot)}
    if isinstance(task, ReluTasks):
        values |= {"relu": task, "classes": _classes(task), "rate": value_text(task.rate)}
    if isinstance(task, Images):
        encoder = {f"encoder.{k}": v for k, v in plain(task.encoder).items() if k != "kind"}
        rows = [(key, facts.text(value)) for key, value in encoder.items()]
        values |= {"task": task, "data": task.data, "tasks": task.tasks}
        values["classes"] = _classes(task)
        values["encoder"] = Table("Encoder", ("setting", "value"), rows)
    return values


def _classes(task: Images | ReluTasks) -> str:
    return "; ".join(listed(list(map(str, each))) for each in task.tasks.classes)


def _codes(task: Looped) -> Table:
    """Tabulate how observations become rates, and spikes an action."""
    rows = []
    for part in ("encode", "decode"):
        code = getattr(task, part)
        described = plain(code) if hasattr(code, "__rules__") else {}
        rows.append((part, described.get("kind") or getattr(code, "__name__", "a function")))
        rows += [(f"{part}.{k}", facts.text(v)) for k, v in described.items() if k != "kind"]
    return Table("Observations and actions", ("setting", "value"), rows)


def _phases(protocol: Protocol) -> Iterator[tuple[str, list[str]]]:
    """Yield every phase in words, and the gates that are open in it."""
    for phase, gates in protocol.schedule.phase_gates().items():
        kind, _, stage = phase.partition(": ")
        name = f"the stage {stage} of sleep" if stage else "the test" if kind == "test" else kind
        opened = [(_code(gate), value) for gate, value in gates.items() if value]
        yield name, [gate if value == 1 else f"{gate} (at {value:g})" for gate, value in opened]
