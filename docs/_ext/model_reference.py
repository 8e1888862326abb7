"""Sphinx extension: the reference of all models, written from the model objects themselves.

For every file of models there is a page: its docstring, and for every object the comment above it,
equations, Brian2 source, parameters with the comments behind their values, a figure that is
simulated, and where it comes from. A new model needs nothing but to be there.
"""

from __future__ import annotations

import gc
import hashlib
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import brian2
import response_figures
from model_sources import Definition, by_nearness, definitions
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging

import brainsleep
from brainsleep.errors import BrainsleepError
from brainsleep.experiment.stages import SleepStage
from brainsleep.figures._style import STYLE
from brainsleep.files.load import load_module, shipped
from brainsleep.network.models import Model, NeuronModel, SpontaneousActivity, SynapseModel
from brainsleep.network.spec import Network, NetworkSpec
from brainsleep.show import catalogue, typeset
from brainsleep.show.catalogue import Family

logger = logging.getLogger(__name__)

KINDS = {kind.__name__: word for kind, word in catalogue.WORDS.items()}

INTRODUCTION = """\
Models
======

What there is to build with, file by file, as it is in ``models/``. Every page is written from the
model objects when this site is built, and every figure is simulated then, so both show the code
as it is. Copy what you want to change into a file of your own.

In the equations an arrow is an assignment; a superscript pre or post says at which end of a
synapse a variable lives; brackets around a condition are 1 where it holds and 0 elsewhere; an
unadorned :math:`w` is the magnitude of a weight, between :math:`w_{\\mathrm{min}}` and
:math:`w_{\\mathrm{max}}`.
"""


def write_pages(app: Sphinx) -> None:
    """Write the pages and figures into the folder ``models`` of the sources."""
    gc.freeze()  # Brian2 collects garbage before every run: let it not go through all of Sphinx
    folder = Path(app.srcdir, "models")
    modules = [load_module(name, "model") for name in shipped("model")]
    modules = [module for module in modules if definitions(module)]
    figures: set[Path] = set()
    names = ["index.rst"]
    families = {family.name: family for family in catalogue.models()}
    for module in modules:
        verified = _checks(families[_short(module)])
        text = "\n".join(_page(module, folder / "figures", figures, verified))
        names.append(f"{_short(module)}.rst")
        _write(folder / names[-1], text)
    _write(folder / "index.rst", "\n".join(_index(modules, families.values())))
    for path in (*folder.glob("*.rst"), *(folder / "figures").glob("*.png")):
        if path.name not in names and path not in figures:
            path.unlink()


def _write(path: Path, text: str) -> None:
    """Write a page if it has changed, so that Sphinx need not read it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _short(module: ModuleType) -> str:
    return Path(module.__file__ or module.__name__).stem


def _kind(value: Any) -> str:
    return KINDS.get(type(value).__name__, type(value).__name__)


def _index(modules: Iterable[ModuleType], families: Iterable[Family]) -> Iterator[str]:
    """Yield the lines of the page with tables of all files and of all objects."""
    yield INTRODUCTION
    rows = [
        (
            f":ref:`{family.name} <models-{family.name}>`",
            " ".join([family.text, ", ".join(map(_link, family.references))]).strip(),
            "; ".join(_checks(family)),
        )
        for family in families
    ]
    yield from _heading("Files", "-")
    yield from _table(("file", "what it is", "what is verified"), rows)
    yield ""
    yield from _heading("Objects", "-")
    rows = []
    for module in modules:
        for d in definitions(module):
            sentence = " ".join(d.comment.split()).partition(". ")[0].rstrip(".")
            rows.append(
                (
                    f":ref:`{_short(module)} <models-{_short(module)}>`",
                    f":py:obj:`{d.name} <{d.reference}>`",
                    _kind(d.value),
                    sentence,
                )
            )
    yield from _table(("file", "object", "kind", "what it is"), rows)
    yield from ("", ".. toctree::", "   :hidden:", "")
    yield from (f"   {_short(module)}" for module in modules)


def _page(
    module: ModuleType, folder: Path, figures: set[Path], verified: Iterable[str] = ()
) -> Iterator[str]:
    """Yield the lines of the page of a file."""
    title, _, rest = (module.__doc__ or _short(module)).strip().partition("\n\n")
    yield f".. _models-{_short(module)}:\n"
    yield from _heading(_short(module), "=")
    yield f".. py:module:: {module.__name__}\n"
    yield " ".join(title.split()) + "\n"
    yield textwrap.dedent(rest) + "\n"
    for text in verified:
        yield f"*Verified:* {text}.\n"
    for definition in definitions(module):
        yield from _heading(definition.name, "-")
        yield f".. py:data:: {definition.name}"
        kind = type(definition.value)
        yield f"   :type: ~{kind.__module__}.{kind.__name__}\n"
        yield textwrap.indent("\n".join(_section(definition, folder, figures)), "   ")


def _checks(family: Family) -> Iterator[str]:
    """Yield what is verified, with links to where that is."""
    for where, text in family.verified.items():
        text = text.replace("`", "``")
        if where.startswith("tests/"):
            yield f"{text} (``{where}``)"
        elif where.startswith("docs/"):
            yield f"{text} (:doc:`/{where.removeprefix('docs/').removesuffix('.md')}`)"
        else:
            yield f"{text} (:doc:`{where} </published>`)"


def _heading(text: str, line: str) -> Iterator[str]:
    yield text
    yield line * len(text) + "\n"


def _section(definition: Definition, folder: Path, figures: set[Path]) -> Iterator[str]:
    """Yield the lines that describe an object."""
    value = definition.value
    yield f"{definition.comment}\n"
    if isinstance(value, Model):
        yield from _equations(value)
    elif isinstance(value, Network):
        yield from _network(value)
    elif isinstance(value, SleepStage):
        rows = [(f"``{gate}``", f"{opened:g}") for gate, opened in value.gates.items()]
        yield from _table(("gate", "value"), rows)
        yield f"\nIts share of a sleep is {value.share:g}, relative to those of other stages.\n"
    if parameters := getattr(value, "parameters", {}):
        yield from _parameters(value, definition.notes, parameters)
    yield from _figure(definition, folder, figures)
    if references := getattr(value, "references", ()):
        yield ".. rubric:: References\n"
        yield from (f"- {_link(reference)}" for reference in references)
        yield ""


def _equations(model: Model) -> Iterator[str]:
    """Yield the blocks of a model, typeset, and its source."""
    blocks = typeset.blocks(model)
    for block in blocks:
        if block.lines:
            yield f"*{block.title.capitalize()}:*\n"
            for line in block.lines:
                yield f".. math:: {line}\n"
    yield ".. dropdown:: Brian2 source\n"
    yield "   .. code-block:: text\n"
    for block in blocks:
        yield textwrap.indent(f"# {block.title}\n{block.code}\n", " " * 6)
    if isinstance(model, NeuronModel):
        yield f"      # integration\n      {model.method}\n"


def _parameters(value: Any, notes: dict[str, str], parameters: Any) -> Iterator[str]:
    """Yield the table of parameters."""
    rows = [
        (f":math:`{symbol}`", f"``{name}``", text, notes.get(name, ""))
        for name, symbol, text in typeset.parameters(value)
    ]
    yield ".. rubric:: Parameters\n"
    yield from _table(("symbol", "name", "value", "meaning"), rows)
    yield ""


def _network(network: Network) -> Iterator[str]:
    """Yield tables of populations and projections."""
    yield ".. rubric:: Populations\n"
    rows = []
    for p in network.populations:
        model = p.model.name if isinstance(network, NetworkSpec) else type(p).__name__
        activities = ", ".join(f"``{a.name}``" for a in p.activities)
        rows.append((f"``{p.name}``", str(p.size), f"``{model}``", activities))
    yield from _table(("name", "neurons", "model", "activities"), rows)
    yield "\n.. rubric:: Projections\n"
    rows = []
    for p in network.projections:
        parts = [
            ", ".join(f"``{part.name}``" for part in group) for group in (p.rules, p.processes)
        ]
        extra = ("", "")
        if isinstance(network, NetworkSpec):
            drawn, bounds = p.connectivity, f"{p.w_min:g} to {p.w_max:g}"
            p_drawn = getattr(drawn, "p", None)
            said = f"{p_drawn:g}" if isinstance(p_drawn, float) else drawn.words()
            extra = (said, bounds)
        sign = "signed" if getattr(p, "sign", None) is None else f"{p.sign:+d}"
        rows.append((f"``{p.name}``", f"{p.source} → {p.target}", *extra, sign, *parts))
    columns = ("name", "between", "p", "bounds of w", "sign", "rules", "processes")
    yield from _table(columns, rows)
    yield f"\nGates: {', '.join(f'``{gate}``' for gate in network.gates)}.\n"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a table; columns without any entry are left out."""
    rows = list(rows)
    kept = [k for k in range(len(columns)) if any(row[k] for row in rows)]
    yield ".. list-table::"
    yield "   :header-rows: 1\n"
    for row in (columns, *rows):
        for k, column in enumerate(kept):
            yield f"   {'* -' if not k else '  -'} {row[column]}"


def _link(reference: str) -> str:
    """Return a link to a DOI or an arXiv number; other references as they are."""
    kind, _, number = reference.partition(":")
    address = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}.get(kind)
    return f"`{reference} <{address}{number}>`__" if address else reference


# -- figures -----------------------------------------------------------------------------------


def _figure(definition: Definition, folder: Path, figures: set[Path]) -> Iterator[str]:
    """Yield the figure of an object, drawn unless it is there already."""
    draw = response_figures.DRAWINGS.get(type(definition.value))
    if draw is None:
        return
    partners = by_nearness(definition.module)
    name = f"{_short(definition.module)}-{definition.name}-{_digest(definition, partners)}.png"
    path = folder / name
    if not path.exists():
        logger.info("simulating %s", definition.reference)
        try:
            made, caption = draw(definition.value, partners)
        except BrainsleepError as error:
            yield f"*There is no figure: {error}.*\n"
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        incomplete = path.with_suffix(".part")
        made.savefig(incomplete, format="png", metadata={"Description": caption})
        incomplete.replace(path)
    figures.add(path)
    with Image.open(path) as image:
        caption = image.text["Description"]
    yield f".. figure:: figures/{name}"
    yield f"   :alt: Response of {definition.name}\n"
    yield f"   {caption}\n"


#: Kinds whose figure also shows another object of the model files.
_WITH_PARTNER = (NeuronModel, SynapseModel, SpontaneousActivity, SleepStage)


def _digest(definition: Definition, partners: list[Definition]) -> str:
    """Hash all that a figure is made from: objects, drawing code, engine, style."""
    digest = hashlib.sha256(repr((brian2.__version__, definition.value)).encode())
    if isinstance(definition.value, _WITH_PARTNER):
        digest.update(repr([(d.reference, d.value) for d in partners]).encode())
    engine = Path(brainsleep.__file__).parent
    code = [*engine.glob("*.py"), *Path(__file__).parent.glob("*.py"), STYLE]
    for path in sorted(path for path in code if not path.name.startswith("cli")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for sources."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
