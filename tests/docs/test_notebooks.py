"""The notebooks of the documentation run from top to bottom, and say what they should."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def printed(notebook, *words):
    """Text of all outputs of the cells whose source has the words."""
    cells = [c for c in notebook.cells if all(word in c.source for word in words)]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    return "".join(
        str(output.get("text") or output.get("data", {}).get("text/plain", ""))
        for output in outputs
    )


def test_there_are_two():
    assert [path.stem for path in NOTEBOOKS] == ["own_rule", "sleep_sweep"]


@pytest.mark.slow
@pytest.mark.standalone
@pytest.mark.parametrize("name", ["own_rule", pytest.param("sleep_sweep", marks=pytest.mark.long)])
def test_runs(name, tmp_path):
    (path,) = (path for path in NOTEBOOKS if path.stem == name)
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # made when the site is built
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    bars = [
        output.data["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "<progress" in output.get("data", {}).get("text/html", "")
    ]
    assert bars and all('value="1.000"' in bar for bar in bars)
    if name == "sleep_sweep":
        assert "(9, {})" in printed(notebook, "progress.finished")
        assert sum("image/png" in o.get("data", {}) for c in notebook.cells
                   for o in c.get("outputs", ())) == 2  # fmt: skip
    else:
        assert "undefined name 'x'" in printed(notebook, "except BrainsleepError")
        assert "20 % sleep" in printed(notebook, "accuracy")
