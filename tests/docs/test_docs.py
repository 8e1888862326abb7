"""The documentation: built as `make docs` does, and what must be in it."""

import re
import shlex
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import Browser, find_browser

from brainsleep.experiment.stages import SleepStage
from brainsleep.files.load import load_module, shipped
from brainsleep.network.models import Model
from brainsleep.network.spec import Network

ROOT = Path(__file__).parents[2]
PARTS = "furo myst_nb numpydoc sphinx sphinx_copybutton sphinx_design sphinx_gallery".split()
MISSING = [name for name in PARTS if find_spec(name) is None]
TORCH = find_spec("torch") is not None and find_spec("snntorch") is not None

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: extra 'docs'"),
]


def command(folder):
    """The command of `make docs`, with this Python, into another folder."""
    makefile = (ROOT / "Makefile").read_text()
    (line,) = re.findall(r"^\t(.*-m sphinx .*)$", makefile, flags=re.MULTILINE)
    words = shlex.split(line)
    assert words[0] == ".venv/bin/python" and words[-2:] == ["docs", "docs/_build/html"]
    assert {"-W", "-n"} <= set(words)
    return [sys.executable, *words[1:-1], str(folder)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "html"
    done = subprocess.run(command(folder), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-8000:]
    return folder


#: For every formula within a text: whether it is on the line of the words that it stands between.
#: Lines are as long as their texts, so that no formula is alone on one because there is no room.
ON_ITS_LINE = """
document.querySelector("article").style.whiteSpace = "nowrap";
[...document.querySelectorAll("span.math > math")].flatMap(math => {
  const text = math.closest("p, td, li, dd, figcaption"), words = [];
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.closest("math") && node.data.trim()) words.push(node);
  }
  const range = document.createRange(), box = math.getBoundingClientRect();
  const rows = words.flatMap(node => {
    range.selectNodeContents(node);
    return [...range.getClientRects()];
  });
  return rows.length ? [rows.every(row => row.top < box.bottom && box.top < row.bottom)] : [];
})
"""


class Page(HTMLParser):
    """Links, images and ids of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.images, self.ids = [], [], set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found["id"]} if "id" in found else set()
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "img":
            self.images.append(found.get("src", ""))


def objects():
    """Every object of the model files: (file, name, object)."""
    for file in shipped("model"):
        module = load_module(file, "model")
        for name, value in vars(module).items():
            defined = re.search(rf"^{name}\b.*=", Path(module.__file__).read_text(), re.MULTILINE)
            if isinstance(value, (Model, Network, SleepStage)) and defined and name[0] != "_":
                yield file, name, value


def section(page, name):
    """The HTML of an object's section."""
    parts = re.split(r'(?=<dt class="sig sig-object py" id=")', page.text)
    (found,) = [part for part in parts if f'id="{name}"' in part[:200]]
    return found


@pytest.mark.parametrize("file", shipped("model"))
def test_every_model_has_its_section(site, file):
    page = Page(site / "models" / f"{file}.html")
    here = [(name, value) for where, name, value in objects() if where == file]
    assert here
    for name, value in here:
        found = section(page, f"brainsleep.models.{file}.{name}")
        for reference in getattr(value, "references", ()):
            kind, _, number = reference.partition(":")
            address = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}[kind]
            assert f'href="{address}{number}"' in found, (name, reference)
        if type(value).__name__ != "SurrogateNetwork" or TORCH:
            picture = re.search(rf'<img[^>]*src="[^"]*{file}-{name}-', found)
            assert picture or "There is no figure: " in found, name
        if isinstance(value, Model):
            assert "<math" in found or not value.parameters, name
            assert all(f">{parameter}</span>" in found for parameter in value.parameters), name


def test_parameters_come_with_symbol_value_and_meaning(site):
    page = Page(site / "models" / "adex.html")
    found = section(page, "brainsleep.models.adex.ADEX_BURSTING")
    text = " ".join(re.sub(r"<[^>]+>", " ", found).split())
    assert "c_m 200 pF membrane capacitance" in text  # the comment stands in ADEX
    assert "tau_syn 30 ms decay of the synaptic input" in text


def test_figures_of_models_are_pictures(site):
    from matplotlib.image import imread

    pictures = list((site / "_images").glob("lif-*.png"))
    assert len(pictures) == 3
    for path in pictures:
        assert imread(path).std() > 0.05  # not an empty canvas


@pytest.mark.skipif(find_browser() is None, reason="needs a Chromium: apt-get install chromium")
def test_formulas_within_a_text_are_on_its_line(site):
    with Browser() as browser:
        for page in ("metrics.html", "howto/own_rule.html", "models/index.html"):
            browser.open(site / page)
            found = browser.evaluate(ON_ITS_LINE)
            assert len(found) >= 3 and all(found), (page, found)


def test_every_page_is_reached_from_the_first(site):
    seen, waiting = set(), ["index.html"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for link in Page(site / name).links:
            target = link.partition("#")[0]
            if target.endswith(".html") and "://" not in target:
                waiting.append(
                    str((site / name).parent.joinpath(target).resolve().relative_to(site))
                )
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    made = ("_", "sg_", "examples/sg_", "genindex", "py-modindex", "search.")  # not pages of ours
    own = {name for name in pages if not name.startswith(made)}
    assert own <= seen


def test_links_within_the_site_resolve(site):
    pages = {path: Page(path) for path in site.rglob("*.html")}
    wrong = []
    for path, page in pages.items():
        for link in (*page.links, *page.images):
            target, _, anchor = link.partition("#")
            if "://" in target or link.startswith(("mailto:", "data:")) or not link.strip("#"):
                continue
            where = path.parent.joinpath(target).resolve() if target else path
            if not where.exists() or (anchor and where in pages and anchor not in pages[where].ids):
                wrong.append(f"{path.relative_to(site)}: {link}")
    assert not wrong, "\n".join(wrong[:40])


def test_other_projects_resolve_with_or_without_a_network(site):
    page = Page(site / "api" / "brainsleep.tasks.images.encoders.html")
    text = "".join(Page(path).text for path in (site / "api").glob("*.html"))
    assert page.links
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    names = zlib.decompress(inventory).decode()
    for name in ("brainsleep.run.simulate.simulate", "brainsleep.models.lif.LIF"):
        assert f"{name} py:" in names
    assert "https://docs.python.org/3/" in text and "https://brian2.readthedocs.io/" in text


def test_every_command_is_described(site):
    import typer

    from brainsleep.cli.app import app

    text = re.sub(r"<[^>]+>", "", Page(site / "command_line.html").text)
    commands = typer.main.get_command(app).commands
    assert {"run", "sweep", "table"} <= set(commands)
    for name, each in commands.items():
        assert f"brainsleep {name}" in text
        options = [p for p in each.params if p.param_type_name == "option" and not p.hidden]
        assert all(option.opts[0] in text for option in options), name


def test_a_model_of_a_user_gets_a_page(tmp_path, monkeypatch):
    """A file with a comment, a rule of its own and no partner nearby, by the extension itself."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    model_reference = pytest.importorskip("model_reference")
    file = tmp_path / "mine.py"
    file.write_text(
        '"""Mine."""\n'
        "from brainsleep.models.stdp import STDP_NEAREST\n"
        "#: Stronger than *any* other.\n"
        "STRONG = STDP_NEAREST.with_parameters(lr=0.1)  # ten per cent\n"
    )
    module = load_module(str(file), "model")
    figures = set()
    page = "\n".join(model_reference._page(module, tmp_path / "figures", figures))
    assert "Stronger than *any* other." in page
    assert "ten per cent" in page and "0.1" in page and "doi.org" in page
    assert "window of potentiation" in page  # said in the file that the rule comes from
    assert [path.stat().st_size > 5000 for path in figures] == [True]
