"""The names that `brainsleep` itself gives."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import brainsleep

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", brainsleep.__all__)
def test_a_name_is_what_its_module_calls_so(name):
    given = getattr(brainsleep, name)
    assert given.__name__ == name
    assert given.__module__ == f"brainsleep.{brainsleep._HOMES[name]}"
    assert inspect.getdoc(given) and name in dir(brainsleep)


def test_every_name_is_documented():
    page = (ROOT / "docs" / "api.rst").read_text("utf-8")
    for name, module in brainsleep._HOMES.items():
        assert f"   ~brainsleep.{module}.{name}\n" in page
        assert f"   brainsleep.{module}\n" in page  # the page that it is described on


def test_type_checkers_see_the_same_names():
    tree = ast.parse(inspect.getsource(brainsleep))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == brainsleep._HOMES


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Protocoll'"):
        brainsleep.Protocoll  # noqa: B018
    with pytest.raises(ImportError):
        from brainsleep import Protocoll  # noqa: F401


def test_the_import_loads_no_other_package():
    code = "import sys, brainsleep; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"brian2", "numpy", "matplotlib", "brainsleep.errors"} & set(done.stdout.split())
