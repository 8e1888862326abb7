"""Conditions compared seed by seed: differences and tests by hand, and what pairs with what."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from brainsleep.analysis.conditions import condition_effects, holm
from brainsleep.analysis.statistics import effect_size
from brainsleep.errors import DataError


def table(values, **more):
    """One row a run from values by condition, one a seed."""
    return pd.DataFrame(
        {"condition": name, "seed": seed, "score": value, **more}
        for name, found in values.items()
        for seed, value in enumerate(found)
    )


AWAKE, ASLEEP, FROZEN = [0.5, 0.6, 0.7, 0.5], [0.6, 0.8, 0.8, 0.7], [0.5, 0.5, 0.4, 0.5]


def test_every_condition_with_the_first():
    found = condition_effects(table({"awake": AWAKE, "asleep": ASLEEP, "frozen": FROZEN}), "score")
    assert list(zip(found["condition"], found["reference"], strict=True)) == [
        ("asleep", "awake"),
        ("frozen", "awake"),
    ]
    first = found.iloc[0]
    assert first["n"] == 4 and first["difference"] == pytest.approx(0.15)
    assert (first["mean"], first["mean_reference"]) == pytest.approx((0.725, 0.575))
    half = 3.1824463 * np.std([0.1, 0.2, 0.1, 0.2], ddof=1) / 2  # Student's t, 3 degrees
    assert (first["low"], first["high"]) == pytest.approx((0.15 - half, 0.15 + half))
    assert first["g"] == pytest.approx(effect_size(ASLEEP, AWAKE))
    p = [ttest_rel(each, AWAKE).pvalue for each in (ASLEEP, FROZEN)]
    assert found["p"].tolist() == pytest.approx(p)
    assert found["p_holm"].tolist() == pytest.approx(holm(p))


def test_a_pair_and_another_first():
    frame = table({"awake": AWAKE, "asleep": ASLEEP, "frozen": FROZEN})
    pair = condition_effects(frame, "score", ("frozen", "asleep"))
    assert len(pair) == 1 and pair["difference"][0] == pytest.approx(-0.25)
    assert pair["p"][0] == pair["p_holm"][0]
    other = condition_effects(frame, "score", first="frozen")
    assert set(other["reference"]) == {"frozen"} and len(other) == 2


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.03]).tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]).tolist() == pytest.approx([1.0, 1.0])
    found = holm([np.nan, 0.02])
    assert np.isnan(found[0]) and found[1] == 0.02  # what was not tested does not count


def test_nothing_is_said_where_nothing_can_be():
    one = condition_effects(table({"a": [0.5], "b": [0.7]}), "score").iloc[0]
    assert one["n"] == 1 and one["difference"] == pytest.approx(0.2)
    assert np.isnan(one[["low", "high", "g", "p", "p_holm"]].tolist()).all()
    same = condition_effects(table({"a": [0.5, 0.7, 0.6], "b": [0.6, 0.8, 0.7]}), "score").iloc[0]
    assert same["difference"] == pytest.approx(0.1) and np.isnan(same["p"])
    late = table({"b": [0.7, 0.7]}).assign(seed=[5, 6])
    none = condition_effects(pd.concat([table({"a": [0.5, 0.6]}), late]), "score").iloc[0]
    assert none["n"] == 0 and np.isnan(none["difference"])


def test_runs_pair_within_what_the_grid_varies():
    both = {"a": [0.5, 0.6], "b": [0.7, 0.9]}
    places = [("x", 1), ("x", 2), ("y", 1)]
    frame = pd.concat([table(both, data=data, **{"set.lr": lr}) for data, lr in places])
    found = condition_effects(frame, "score")
    assert list(found.columns[:2]) == ["data", "set.lr"] and len(found) == 3
    assert (found["n"] == 2).all() and found["difference"].tolist() == pytest.approx([0.25] * 3)


def test_what_a_condition_itself_sets_keeps_nothing_apart():
    """A weight that is matched to a rate is another one in every seed."""
    frame = table({"a": [0.5, 0.6, 0.7], "b": [0.7, 0.9, 0.8]})
    frame["set.w"] = [2.0, 2.0, 2.0, 1.9, 1.8, 2.1]
    found = condition_effects(frame, "score")
    assert "set.w" not in found and found["n"].tolist() == [3]


@pytest.mark.parametrize(
    ("frame", "pair", "message"),
    [
        (table({"a": [1.0, 2.0]}), None, "only 'a'"),
        (table({"a": [1.0], "b": [2.0]}), ("a", "c"), "no condition 'c'"),
        (table({"a": [1.0], "b": [2.0]}).drop(columns="condition"), None, "no column 'condition'"),
        (pd.concat([table({"a": [1.0], "b": [2.0]})] * 2), None, "several runs of 'b'"),
        (table({"a": ["x"], "b": ["y"]}), None, "finite numbers"),
        (table({"a": [1.0], "b": [2.0]}, stopped_s=0.5), None, "stopped by an alarm"),
        (
            pd.concat([table({"a": [1.0]}, grid="g"), table({"b": [2.0]}, grid="h")]),
            None,
            "",
        ),
    ],
)
def test_errors(frame, pair, message):
    if not message:  # two grids of one condition each: their seeds are still the same
        assert len(condition_effects(frame, "score", pair)) == 1
        return
    with pytest.raises(DataError, match=message):
        condition_effects(frame, "score", pair)
