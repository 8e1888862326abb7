"""Sphinx extension: links to files beside the README lead to the pages that include them."""

from __future__ import annotations

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

PAGES = {
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "README.md": "index",
    "SECURITY.md": "security",
}


def redirect(app: Sphinx, document: nodes.document) -> None:
    """Turn links to these files into links to their pages."""
    for node in document.findall(addnodes.pending_xref):
        page = PAGES.get(node["reftarget"].removeprefix("../"))
        if node["reftype"] == "myst" and page:
            node.attributes |= {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}"}


def setup(app: Sphinx) -> dict[str, bool]:
    """Redirect what has been read, before links are looked up."""
    app.connect("doctree-read", redirect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
