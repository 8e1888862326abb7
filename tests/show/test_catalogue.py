"""The catalogue of models and protocols: all that there is, and what of it is verified where."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

from brainsleep.files.load import shipped
from brainsleep.show import catalogue

MODELS = {family.name: family for family in catalogue.models()}
PROTOCOLS = {family.name: family for family in catalogue.protocols()}
HEADINGS = re.findall(r"(?m)^## (.*)$", (ROOT / "docs/published.md").read_text(encoding="utf-8"))


def test_everything_is_in_it():
    assert sorted(MODELS) == shipped("model") and sorted(PROTOCOLS) == shipped("protocol")
    graupner = MODELS["graupner"]
    assert graupner.text.startswith("The calcium-based rule")
    assert graupner.references[0] == "doi:10.1073/pnas.1109359109"
    entry = graupner.entries[0]
    assert entry == ("GRAUPNER", "plasticity rule", entry.text)
    assert entry.text.startswith('Set of parameters "DP" of the paper')
    assert [each.name for each in PROTOCOLS["graupner"].entries] == ["PROTOCOL", "FULL", "FULL_DPD"]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_verified_is_where_it_says(name):
    for where, text in MODELS[name].verified.items():
        assert where in HEADINGS or (ROOT / where).is_file(), where
        assert text and not text.endswith(".")


def test_published_numbers_are_in_the_catalogue():
    claimed = {where for family in MODELS.values() for where in family.verified}
    assert set(HEADINGS) <= claimed
    for test in (ROOT / "tests/published").glob("test_*.py"):
        name = test.stem.removeprefix("test_")
        assert PROTOCOLS[name].verified and MODELS[name].verified, name


def test_protocols_have_what_is_verified_of_their_models():
    assert PROTOCOLS["graupner"].verified == MODELS["graupner"].verified
    assert "docs/reproduction.md" in PROTOCOLS["paper"].verified
    assert not PROTOCOLS["demo"].verified
    (line,) = PROTOCOLS["graupner"].checks
    assert line.endswith("(docs/published.md, Graupner & Brunel (2012))")
