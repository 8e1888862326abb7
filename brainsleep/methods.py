r"""A protocol, a network or a model as LaTeX for the methods section of a paper.

What is written needs the packages ``amsmath`` and ``booktabs``, and is to be put into a document
with ``\input``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import described, facts
from .facts import text
from .latex import latex_unit, symbol
from .model import Model
from .plain import plain
from .protocol import Protocol
from .spec import Network
from .typeset import Block, blocks

#: Rendered characters of an equation beyond which it is broken before a plus or minus.
WIDTH = 75

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


def escaped(words: object) -> str:
    """Return text in which every letter stands for itself."""
    return "".join(_ESCAPES.get(letter, letter) for letter in str(words))


def methods(what: Protocol | Network | Model) -> str:
    """Describe a protocol, network or model in LaTeX.

    Parameters
    ----------
    what : Protocol, Network or Model
        What to describe.

    Returns
    -------
    str
        Paragraphs, equations and tables.
    """
    parts = ["% Needs \\usepackage{amsmath,booktabs}."]
    if isinstance(what, Model):
        parts += _model(what, ())
        references: Iterable[str] = what.references
    elif isinstance(what, Protocol):
        parts += _network(plain(what.network), plain(what.initial_weights))
        parts += [*_schedule(plain(what)), *_data(plain(what))]
        references = [*what.references, *_cited(plain(what.network))]
    else:
        parts += _network(plain(what))
        references = _cited(plain(what))
    if found := list(dict.fromkeys(references)):
        items = "\n".join(rf"\item \texttt{{{escaped(reference)}}}" for reference in found)
        begin, end = r"\begin{itemize}", r"\end{itemize}"
        parts.append(f"\\paragraph{{References.}}\n{begin}\n{items}\n{end}")
    return "\n\n".join(parts) + "\n"


def _cited(network: Mapping[str, Any]) -> Iterator[str]:
    for model, _ in described.models(dict(network)):
        yield from model.get("references", ())


# -- network -----------------------------------------------------------------------------------


def _network(network: dict[str, Any], start: dict[str, Any] | None = None) -> Iterator[str]:
    yield rf"\subsection*{{Network \texttt{{{escaped(network['name'])}}}}}"
    yield f"The time step is {text(network['dt'])}."
    for table in (facts.populations(network), facts.projections(network, start)):
        rows = [[escaped(cell) for cell in row] for row in table.rows]
        yield _table(table.columns, rows, table.title)
    for model, users in described.models(network):
        yield from _model(described.model(model), users)


def _model(model: Model, users: Iterable[str]) -> Iterator[str]:
    kind = described.KINDS[type(model).__name__][1]
    used = ", ".join(rf"\texttt{{{escaped(user)}}}" for user in users)
    of = f" ({used})" if used else ""
    yield rf"\paragraph{{{kind.capitalize()} \texttt{{{escaped(model.name)}}}{of}.}}"
    for block in blocks(model):
        if block.lines:
            yield f"{_sentence(block.title)}:\n{_aligned(block)}"
    rows = [
        (f"${symbol(name)}$", f"${latex_unit(value)}$", rf"\texttt{{{escaped(name)}}}")
        for name, value in model.parameters.items()
    ]
    if rows:
        yield _table(("symbol", "value", "parameter"), rows)


def _sentence(title: str) -> str:
    title = {"a spike when": "a spike is emitted when"}.get(title, title)
    return escaped(title[:1].upper() + title[1:])


def _aligned(block: Block) -> str:
    lines = " \\\\\n".join(f"    {row}" for line in block.lines for row in _rows(line))
    return f"\\begin{{align*}}\n{lines}\n\\end{{align*}}"


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


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]], caption: str = "") -> str:
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
    begin = "\\begin{table}[ht]\n\\centering\\footnotesize\n"
    return f"{begin}{title}\n{tabular}\n\\end{{table}}"


# -- schedule and data -------------------------------------------------------------------------


def _schedule(protocol: dict[str, Any]) -> Iterator[str]:
    plan = protocol["schedule"]
    yield r"\subsection*{Schedule}"
    yield " ".join(_said_of_sleep(plan))
    phases = {"wake": plan["wake"]["gates"], "sleep": plan["sleep"]["gates"]}
    for stage in plan["sleep"]["stages"]:
        phases[f"the stage {stage['name']} of sleep"] = plan["sleep"]["gates"] | stage["gates"]
    phases["the test"] = plan["test"]["gates"]
    if not plan["sleep"]["fraction"]:
        phases = {name: gates for name, gates in phases.items() if "sleep" not in name}
    elif plan["sleep"]["stages"]:
        del phases["sleep"]
    sentences = []
    for name, gates in phases.items():
        opened = [_gate(gate, value) for gate, value in gates.items() if value]
        sentences.append(
            f"In {escaped(name)} {_listed(opened) or 'no gate'} "
            + ("is open." if len(opened) < 2 else "are open.")
        )
    yield " ".join(sentences) + " All other gates are closed."


def _gate(name: str, value: float) -> str:
    return rf"\texttt{{{escaped(name)}}}" + (f" (at {value:g})" if value != 1 else "")


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _said_of_sleep(plan: dict[str, Any]) -> Iterator[str]:
    sleep = plan["sleep"]
    epochs = f", in {plan['epochs']} epochs" if plan["epochs"] > 1 else ""
    yield escaped(f"Each image is shown for {text(plan['image_duration'])}{epochs}.")
    if not sleep["fraction"]:
        yield "There is no sleep."
        return
    percent = f"{100 * sleep['fraction']:g} %"
    most = f"at most {text(sleep['max_duration'])}"
    if sleep["duration"] is not None:
        said = f"Each sleep lasts {text(sleep['duration'])}, {percent} of the wake before it"
    else:
        wake = text(plan["period"])
        said = f"After every {wake} of wake comes a sleep of {percent} of that time, {most}"
    yield escaped(said + ".")
    if sleep["trigger"]:
        said = f"It comes only if summed weights exceed {sleep['trigger']:g} times their start."
        yield escaped(said)
    if sleep["until_initial"]:
        yield "It ends early once summed weights are back at their start."
    if sleep["stages"]:
        whole = sum(stage["share"] for stage in sleep["stages"])
        stages = [f"{s['name']} ({100 * s['share'] / whole:.3g} %)" for s in sleep["stages"]]
        times = f", {sleep['cycles']} times over" if sleep["cycles"] > 1 else ""
        yield escaped(f"It goes through {_listed(stages)}{times}.")


def _data(protocol: dict[str, Any]) -> Iterator[str]:
    data, readout = protocol["data"], protocol["readout"]
    yield r"\subsection*{Data and readout}"
    yield escaped(
        f"The network learned from {data['n_train']} images of {data['source']}. A logistic "
        "regression on standardised spike counts of population "
        f"{readout['population']}, reduced to the principal components of "
        f"{100 * readout['variance']:g} % of their variance, was fitted on the responses to "
        f"{data['n_readout']} held-out training images and scored on {data['n_test']} test "
        "images, with weights frozen."
    )
    rows = []
    for name, value in protocol["encoder"].items():
        if name != "kind":
            rows.append((escaped(f"encoder.{name}"), escaped(text(value))))
    yield _table(("setting", "value"), rows, "Encoder")
