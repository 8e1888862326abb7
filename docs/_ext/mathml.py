"""Sphinx extension: formulas as MathML, which browsers show without a script or a network."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from brainsleep.show.typeset import mathml

logger = logging.getLogger(__name__)


def _convert(node: nodes.Element, display: str) -> str:
    """Return the MathML of a formula; a warning and its LaTeX if that cannot be read."""
    try:
        return mathml(node.astext(), display)
    except Exception as error:  # latex2mathml has no common base class of errors
        logger.warning("cannot convert %r: %s", node.astext(), error, location=node)
        return nodes.literal(text=node.astext()).astext()


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(f'<span class="math">{_convert(node, "inline")}</span>')
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, with its number if it has a label."""
    number = ""
    if node["number"]:
        number = f'<span class="eqno">({get_node_equation_number(self, node)})</span>'
    formula = _convert(node, "block")
    self.body.append(f"{self.starttag(node, 'div', CLASS='math')}{number}{formula}</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the way formulas are written."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
