"""The page for developers names modules and what is in them as they are."""

import importlib
import re
from pathlib import Path

import pytest
from test_architecture import ROOMS

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "brainsleep"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PATH = re.compile(r"\w+/[\w/]*(\.py)?|\w+\.py")
WORD = re.compile(r"[A-Za-z_]\w*")


def items(text):
    """List items, rows of tables and paragraphs: each with the code in it."""
    for part in re.split(r"\n\n+|\n(?=\d+\. |- |\| )", text):
        yield part, re.findall(r"`([^`]+)`", " ".join(part.split()))


def place(path, before=()):
    """The file or folder that a path means: of the engine, beside it, or in one of `before`."""
    for folder in (ENGINE, ROOT, *before):
        if (folder / path).exists():
            return folder / path
    return None


def has(file, dotted):
    """Whether a module has a name, or its class the attribute or field."""
    value = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    for name in dotted.split("."):
        if not hasattr(value, name):
            kinds = getattr(value, "__mro__", ())
            return any(name in vars(kind).get("__annotations__", {}) for kind in kinds)
        value = getattr(value, name)
    return True


def wrong(text):
    """What the code of a page names that is not there."""
    everything = "\n".join(path.read_text("utf-8") for path in ENGINE.rglob("*.py"))
    words, problems = set(WORD.findall(everything)), []
    for part, spans in items(text):
        paths, names = [s for s in spans if PATH.fullmatch(s)], []
        folders = [each for each in map(place, paths) if each and each.is_dir()]
        problems += [path for path in paths if place(path, folders) is None]
        names = [span for span in spans if span not in paths]
        files = [each for each in map(place, paths) if each and each.suffix == ".py"]
        own = {word for file in files for word in WORD.findall(file.read_text("utf-8"))}
        listed = part.lstrip().startswith(("- ", *"123456789"))
        for name in names:
            inside = own if files and listed and " " not in name else words
            problems += [word for word in WORD.findall(name) if word not in inside]
            head, dot, _ = name.partition(".")
            homes = [file for file in files if has(file, head)] if WORD.fullmatch(head) else []
            if dot and homes and not any(has(file, name) for file in homes):
                problems.append(name)
    return problems


def test_what_the_page_names_is_there():
    assert not wrong(PAGE)


def test_a_name_that_is_gone_is_seen():
    assert wrong("1. `run/loop.py`: `Run._segment`, `Run._gone`") == ["_gone", "Run._gone"]
    assert wrong("- `experiment/slots.py`: `Run`") == ["Run"]
    assert wrong("| `running/` | `plan.py` |") == ["running/", "plan.py"]
    assert wrong("1. `run/segment.py`: `Segment.stimulus`, `Segment.steps`") == []


@pytest.mark.parametrize("way", ["an image", "`schedule.sleep.fraction`", "a delay"])
def test_ways_are_short_and_in_the_order_of_folders(way):
    text = PAGE.partition(f"## The way of {way}\n")[2].partition("\n## ")[0]
    hops = re.findall(r"^\d+\. `(\w+)/", text, flags=re.MULTILINE)
    assert 5 < len(hops) <= 14
    assert hops == sorted(hops, key=ROOMS.index)
