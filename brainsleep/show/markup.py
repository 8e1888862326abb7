"""HTML: pages and notebook displays from templates that escape all they are given.

Results are data and may come from anyone. Everything is escaped by Jinja2 but the MathML that is
made here, of which only elements and attributes known to be harmless are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, singledispatch
from typing import Any
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ..errors import BrainsleepError, SpecError
from ..experiment.protocol import Protocol
from ..experiment.start import SavedWeights
from ..network.models import KINDS, Model
from ..network.spec import Network
from ..results.result import Result
from ..values.displayed import Displayed
from ..values.plain import plain
from . import facts, health, stored_models
from .typeset import Block, blocks, mathml, symbol

_NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"

#: MathML that equations are made of.
_ELEMENTS = frozenset(
    """
    math mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover
    mpadded mphantom mstyle mtable mtr mtd
    """.split()
)
_ATTRIBUTES = frozenset(
    """
    display mathvariant stretchy fence form lspace rspace minsize maxsize linethickness width
    height depth displaystyle scriptlevel accent movablelimits symmetric
    """.split()
)


@cache
def environment() -> Environment:
    """Return the templates; what they are filled with is escaped, and must be there."""
    found = Environment(
        loader=PackageLoader("brainsleep.show", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["short"] = short
    return found


def render(template: str, **values: Any) -> str:
    """Fill a template of the package."""
    return environment().get_template(template).render(**values)


def short(value: Any) -> str:
    """Give a number with four digits, an interval by its ends, None as a dash; escape nothing."""
    if isinstance(value, list | tuple):
        return " to ".join(map(short, value))
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    return str(value)


# -- mathematics ---------------------------------------------------------------------------------


def mathematics(latex: str, display: str = "block") -> Markup:
    """Return LaTeX as MathML with nothing in it but mathematics.

    Raises
    ------
    SpecError
        If it holds anything else, such as a link, or cannot be read.
    """
    try:
        root = ElementTree.fromstring(mathml(latex, display))
    except (ElementTree.ParseError, ValueError, IndexError, RecursionError) as error:
        raise SpecError(f"typeset: cannot make MathML of {latex!r}") from error
    except Exception as error:  # latex2mathml has errors of its own kinds
        raise SpecError(f"typeset: cannot read {latex!r}") from error
    return Markup(f'<math xmlns="{_NAMESPACE[1:-1]}"{_element(root)[5:]}')


def _element(element: ElementTree.Element) -> str:
    """Write an element; letters of one upright word become one identifier."""
    name = element.tag.removeprefix(_NAMESPACE)
    if name not in _ELEMENTS or not _ATTRIBUTES.issuperset(element.attrib):
        raise SpecError(f"typeset: got <{name} {element.attrib}>; expected mathematics")
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in element.attrib.items())
    inside = str(escape((element.text or "").strip())) + "".join(map(_element, element))
    inside = _LETTERS.sub(_word, inside)
    return f"<{name}{attributes}>{inside}</{name}>"


_LETTERS = re.compile(r'(?:<mi mathvariant="normal">[^<>&]</mi>(?:<mn>\d+</mn>)?){2,}')


def _word(letters: re.Match[str]) -> str:
    return f"<mi>{re.sub('<[^<>]*>', '', letters[0])}</mi>"


# -- models --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A model as it is shown.

    Parameters
    ----------
    kind, name : str
        What it is.
    users : str
        Populations and projections that have it.
    blocks : tuple of (Block, tuple of Markup)
        Source and typeset lines; no lines where they cannot be typeset.
    parameters : tuple of (str, Markup or str, str)
        Name, symbol and value.
    references : tuple of str
        Where it comes from.
    """

    kind: str
    name: str
    users: str
    blocks: tuple[tuple[Block, tuple[Markup, ...]], ...]
    parameters: tuple[tuple[str, Markup | str, str], ...]
    references: tuple[str, ...]


def part(model: Model, users: Sequence[str] = ()) -> Part:
    """Return a model as it is shown."""
    try:
        found = blocks(model)
    except (BrainsleepError, RecursionError, MemoryError):  # code that no one could simulate
        found = [Block("source", stored_models.source(model), ())]
    typeset = tuple((block, _lines(block)) for block in found)
    values = tuple(
        (name, _symbol(name), facts.text(value)) for name, value in model.parameters.items()
    )
    return Part(KINDS[type(model)], model.name, ", ".join(users), typeset, values, model.references)


def parts(network: Network, plan: dict[str, Any]) -> list[Part]:
    """Return all different models of a network, as they are shown.

    Parameters
    ----------
    network : Network
        What they are of.
    plan : dict
        Description of its final source: of layers, which have no model, it has what they do in
        every step.
    """
    layers = [
        Part("layer", str(name), "", ((Block("every step", str(code), ()), ()),), (), ())
        for name, code in plan.get("populations", {}).items()
    ]
    return [*layers, *(part(model, users) for model, users in stored_models.models(network))]


def _lines(block: Block) -> tuple[Markup, ...]:
    try:
        return tuple(mathematics(line) for line in block.lines)
    except SpecError:
        return ()


def _symbol(name: str) -> Markup | str:
    try:
        return mathematics(symbol(name), "inline")
    except SpecError:
        return name


# -- notebooks -----------------------------------------------------------------------------------


@singledispatch
def display(shown: Displayed) -> str:
    """Return what a notebook displays of a model, a network, a protocol or a result."""
    raise NotImplementedError(type(shown).__name__)


@display.register
def _of_model(model: Model) -> str:
    """Return equations, parameters, source."""
    return render("display.html", view="model", part=part(model))


@display.register
def _of_network(network: Network) -> str:
    """Return populations, projections, and every model on demand."""
    shown = _network(network, plain(network.plan))
    return render("display.html", view="network", name=network.name, **shown)


@display.register
def _of_protocol(protocol: Protocol) -> str:
    """Return its network, its schedule, and its settings on demand."""
    shown = _network(protocol.network, protocol.equations(), protocol.initial_weights)
    shown["tables"] += facts.schedule(protocol)
    shown |= {"description": protocol.description, "references": protocol.references}
    shown["settings"] = facts.settings(protocol.describe())
    return render("display.html", view="protocol", name=protocol.name, **shown)


@display.register
def _of_result(result: Result) -> str:
    """Return headline, alarms, metrics on demand."""
    return render(
        "display.html",
        view="result",
        headline=facts.headline(result),
        tiles=facts.tiles(result),
        alarms=health.alarms(result),
        tables=facts.metrics(result),
    )


def _network(
    network: Network, plan: dict[str, Any], start: SavedWeights | None = None
) -> dict[str, Any]:
    return {
        "tables": [facts.populations(network), facts.projections(network, start)],
        "models": parts(network, plan),
        "description": "",
        "references": getattr(network, "references", ()),
        "settings": None,
    }
