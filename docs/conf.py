"""How the documentation is built: ``make docs``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

from inventories import fallback  # noqa: E402

import brainsleep  # noqa: E402

project = "brainsleep"
author = "The brainsleep authors"
copyright = f"2026, {author}"
version = release = brainsleep.__version__

extensions = [
    # written for this site, in docs/_ext
    "names",
    "root_files",
    "mathml",
    "command_line",
    "model_reference",
    # Sphinx's own, and others'
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_ext", "_templates", "gallery", "examples/*.ipynb", "**/*.part"]
nitpicky = True

# -- pages -------------------------------------------------------------------------------------

html_theme = "furo"
html_title = f"brainsleep {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

# -- notebooks ---------------------------------------------------------------------------------

nb_execution_mode = "cache"  # run when they have changed
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_execution_in_temp = True

# -- docstrings --------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections say more
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {
    "bool": "bool",
    "Axes": "matplotlib.axes.Axes",
    "Figure": "matplotlib.figure.Figure",
    "Quantity": "brian2.units.fundamentalunits.Quantity",
    "ndarray": "numpy.ndarray",
    "NetworkSpec": "brainsleep.network.spec.NetworkSpec",
    "Protocol": "brainsleep.experiment.protocol.Protocol",
    "Result": "brainsleep.results.result.Result",
    "Segment": "brainsleep.run.segment.Segment",
    "State": "brainsleep.run.state.State",
}
numpydoc_xref_ignore = {*"of or and to with a an one the shape from path optional".split()}

# -- other projects ----------------------------------------------------------------------------

# without a network, names are looked up in docs/inventories
_FALLBACKS = HERE / "_build" / "inventories"


def _other(name: str, address: str) -> tuple[str, tuple[str | None, ...]]:
    return address, (None, fallback(HERE / "inventories" / f"{name}.txt", _FALLBACKS))


intersphinx_mapping = {
    "brian2": _other("brian2", "https://brian2.readthedocs.io/en/stable"),
    "matplotlib": _other("matplotlib", "https://matplotlib.org/stable"),
    "numpy": _other("numpy", "https://numpy.org/doc/stable"),
    "pandas": _other("pandas", "https://pandas.pydata.org/docs"),
    "python": _other("python", "https://docs.python.org/3"),
}
intersphinx_timeout = 5

# -- examples ----------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": True,
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 5,
}
