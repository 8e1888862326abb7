"""Sphinx extension: what single backticks in docstrings mean: a link, else code.

Parameters, variables of equations and internal modules are not in the documentation, and links to
them are not broken. A dotted name of this package must exist, however.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.autosummary import ImportExceptionGroup, import_by_name


def plain(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Show a name that nothing is documented under as code; None lets Sphinx complain."""
    if node["reftype"] != "obj":
        return None
    target = node["reftarget"]
    return content if not target.startswith("brainsleep.") or _exists(target) else None


def _exists(name: str) -> bool:
    """Tell whether a dotted name is a module, or something in one."""
    try:
        import_by_name(name)
    except ImportExceptionGroup:
        return False
    return True


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the role the default, and mend what it cannot resolve after all others have tried."""
    app.config.default_role = "py:obj"
    app.connect("missing-reference", plain, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
