"""HTML: pages and notebook displays from templates that escape all they are given.

Results are data and may come from anyone. Everything is escaped by Jinja2 but the MathML that is
made here, of which only elements and attributes known to be harmless are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ..errors import BrainsleepError, SpecError
from ..experiment.protocol import Protocol
from ..experiment.saved_state import SavedState
from ..experiment.start import SavedWeights
from ..network.models import KINDS, Model
from ..network.spec import Network
from ..results.result import Result
from ..values.displayed import Displayed
from ..values.plain import plain
from . import facts, health, stored_models
from .table import short
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
def _environment() -> Environment:
    """Return the templates; what they are filled with is escaped, and must be there."""
    templates = Environment(
        loader=PackageLoader("brainsleep.show", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["short"] = _short
    return templates


def render(template: str, **values: Any) -> str:
    """Fill a template of the package."""
    return _environment().get_template(template).render(**values)


def _short(value: Any) -> str:
    return short(value) if isinstance(value, str) else short(value).replace("-", "−")


# -- mathematics ---------------------------------------------------------------------------------


def _mathematics(latex: str, display: str = "block") -> Markup:
    """Return LaTeX as MathML with nothing in it but mathematics; else raise `SpecError`."""
    try:
        root = ElementTree.fromstring(mathml(latex, display))
    except Exception as error:  # latex2mathml has errors of its own kinds
        raise SpecError(f"typeset: cannot read {latex!r}") from error
    return Markup(f'<math xmlns="{_NAMESPACE[1:-1]}"{_element(root)[5:]}')


_LETTERS = re.compile(r'(?:<mi mathvariant="normal">[^<>&]</mi>(?:<mn>\d+</mn>)?){2,}')


def _element(element: ElementTree.Element) -> str:
    """Write an element; letters of one upright word become one identifier."""
    name = element.tag.removeprefix(_NAMESPACE)
    if name not in _ELEMENTS or not _ATTRIBUTES.issuperset(element.attrib):
        raise SpecError(f"typeset: got <{name} {element.attrib}>; expected mathematics")
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in element.attrib.items())
    inside = str(escape((element.text or "").strip())) + "".join(map(_element, element))
    inside = _LETTERS.sub(lambda word: f"<mi>{re.sub('<[^<>]*>', '', word[0])}</mi>", inside)
    return f"<{name}{attributes}>{inside}</{name}>"


# -- models --------------------------------------------------------------------------------------


class Part(NamedTuple):
    """A model as it is shown: code without lines of mathematics is what cannot be typeset."""

    kind: str
    name: str
    users: str
    blocks: list[tuple[Block, list[Markup]]]
    parameters: list[tuple[str, Markup | str, str]]
    references: tuple[str, ...]


def part(model: Model, users: Sequence[str] = ()) -> Part:
    """Return a model, which populations and projections have, as it is shown."""
    try:
        code = blocks(model)
    except (BrainsleepError, RecursionError, MemoryError):  # code that no one could simulate
        code = [Block("source", stored_models.source(model), ())]
    typeset = [(block, _lines(block)) for block in code]
    values = [(name, _symbol(name), facts.text(value)) for name, value in model.parameters.items()]
    return Part(KINDS[type(model)], model.name, ", ".join(users), typeset, values, model.references)


def parts(network: Network, plan: dict[str, Any]) -> list[Part]:
    """Return all different models of a network, as they are shown.

    Of layers, which have no model, it is what its final source as plain data says.
    """
    layers = [
        Part("layer", str(name), "", [(Block("every step", str(code), ()), [])], [], ())
        for name, code in plan.get("populations", {}).items()
    ]
    return [*layers, *(part(model, users) for model, users in stored_models.models(network))]


def _lines(block: Block) -> list[Markup]:
    try:
        return [_mathematics(line) for line in block.lines]
    except SpecError:
        return []


def _symbol(name: str) -> Markup | str:
    try:
        return _mathematics(symbol(name), "inline")
    except SpecError:
        return name


# -- notebooks -----------------------------------------------------------------------------------


def display(shown: Displayed) -> str:
    """Return what a notebook displays of a model, a network, a protocol or a result."""
    if isinstance(shown, Model):
        return render("display.html", view="model", part=part(shown))
    if isinstance(shown, Result):
        values: dict[str, Any] = {"headline": facts.headline(shown), "tiles": facts.tiles(shown)}
        values |= {"alarms": health.alarms(shown), "tables": facts.metrics(shown)}
        return render("display.html", view="result", **values)
    if isinstance(shown, Protocol):
        values = _network(shown.network, shown.start)
        values["tables"] += facts.schedule(shown)
        values |= {"name": shown.name, "description": shown.description}
        values |= {"references": shown.references, "settings": facts.settings(shown.describe())}
        return render("display.html", view="protocol", **values)
    return render("display.html", view="network", **_network(shown))


def _network(network: Any, start: SavedWeights | SavedState | None = None) -> dict[str, Any]:
    return {
        "name": network.name,
        "tables": [
            facts.populations(network),
            facts.projections(network, start),
            *facts.values(network),
            *facts.signals(network),
        ],
        "models": parts(network, plain(network.plan)),
        "description": "",
        "references": getattr(network, "references", ()),
        "settings": None,
    }
