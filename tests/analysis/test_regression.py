"""What sleep changes: effects worked out by hand, coefficients that data were made with."""

import sys

import numpy as np
import pandas as pd
import pytest

from brainsleep.analysis.effects import beta_regression, sleep_effects
from brainsleep.analysis.statistics import effect_size
from brainsleep.errors import DataError, MissingExtraError


def table(values, data="mnist", model="m"):
    """One row a run from accuracies by fraction, one a seed."""
    return pd.DataFrame(
        {"model": model, "data": data, "seed": seed, "sleep_fraction": fraction,
         "network_accuracy": value}
        for fraction, found in values.items()
        for seed, value in enumerate(found)
    )  # fmt: skip


def test_effects_by_hand():
    effects = sleep_effects(table({0.0: [0.5, 0.6, 0.7], 0.2: [0.6, 0.8, 0.8]}))
    none, some = effects.iloc[0], effects.iloc[1]
    assert none["mean"] == pytest.approx(0.6) and np.isnan(none["difference"])
    assert none["differences"] == []
    assert some["n"] == 3 and some["mean"] == pytest.approx(2.2 / 3)
    assert some["differences"] == pytest.approx([0.1, 0.2, 0.1]) and some["seeds"] == [0, 1, 2]
    assert some["difference"] == pytest.approx(0.4 / 3)
    half = 4.302653 * np.std([0.1, 0.2, 0.1], ddof=1) / np.sqrt(3)  # Student's t, 2 degrees
    assert some["t_high"] - some["difference"] == pytest.approx(half, rel=1e-5)
    assert some["low"] == pytest.approx(0.1) and some["high"] == pytest.approx(0.2)
    assert some["g"] == pytest.approx(effect_size([0.6, 0.8, 0.8], [0.5, 0.6, 0.7]))


def test_effects_are_paired_by_seed_and_apart_by_data_and_model():
    one = table({0.0: [0.5, 0.6], 0.1: [0.6, 0.7, 0.9]})
    other = table({0.0: [0.2, 0.2], 0.1: [0.2, 0.1]}, data="fashion-mnist")
    third = table({0.1: [0.9, 0.9]}, model="without a reference")
    effects = sleep_effects(pd.concat([one, other, third])).set_index(
        ["model", "data", "sleep_fraction"]
    )
    assert effects.loc[("m", "mnist", 0.1), "differences"] == pytest.approx([0.1, 0.1])
    assert effects.loc[("m", "mnist", 0.1), "n"] == 3
    assert effects.loc[("m", "fashion-mnist", 0.1), "difference"] == pytest.approx(-0.05)
    assert np.isnan(effects.loc[("without a reference", "mnist", 0.1), "difference"])


def made(n_seeds, rng, precision=80.0):
    """Draw runs whose log odds are known: sleep +1 and +0.5, data -0.7, other model +0.4."""
    rows = []
    for model, plus in (("a", 0.0), ("b", 0.4)):
        for data, less in (("mnist", 0.0), ("fashion-mnist", -0.7)):
            for fraction, gain in ((0.0, 0.0), (0.1, 1.0), (0.2, 0.5)):
                mean = 1 / (1 + np.exp(-(0.3 + plus + less + gain)))
                found = rng.beta(mean * precision, (1 - mean) * precision, n_seeds)
                rows.append(table({fraction: found}, data, model))
    return pd.concat(rows, ignore_index=True)


def test_regression_finds_what_the_data_were_made_with():
    pytest.importorskip("statsmodels")
    fit = beta_regression(made(200, np.random.default_rng(3)))
    assert fit.formula == "accuracy ~ C(sleep_fraction) * C(model) + C(data)"
    assert fit.n == 2400 and fit.groups == 400 and fit.converged
    terms = fit.terms.set_index("term")
    expected = {
        "Intercept": 0.3 - 0.7,  # the levels are in alphabetical order: fashion-mnist first
        "C(sleep_fraction)[T.0.1]": 1.0,
        "C(sleep_fraction)[T.0.2]": 0.5,
        "C(model)[T.b]": 0.4,
        "C(data)[T.mnist]": 0.7,
        "C(sleep_fraction)[T.0.1]:C(model)[T.b]": 0.0,
        "C(sleep_fraction)[T.0.2]:C(model)[T.b]": 0.0,
        "precision": np.log(80.0),
    }
    assert set(terms.index) == set(expected)
    for name, value in expected.items():
        error = (terms.loc[name, "high"] - terms.loc[name, "low"]) / (2 * 1.96)
        assert abs(terms.loc[name, "estimate"] - value) < 3.5 * error, name
        assert error < 0.06
    assert terms.loc["C(sleep_fraction)[T.0.1]", "p"] < 1e-6
    assert "random intercepts" in fit.note and "too few" not in fit.note


def test_runs_of_a_seed_are_not_independent():
    pytest.importorskip("statsmodels")
    rng = np.random.default_rng(0)
    shift = rng.normal(0, 0.8, 30)  # what the runs of a seed share
    values = {f: 1 / (1 + np.exp(-(0.2 + f + shift + rng.normal(0, 0.05, 30)))) for f in (0.0, 0.5)}
    frame = table(values)
    clustered = beta_regression(frame).terms.set_index("term").loc["C(sleep_fraction)[T.0.5]"]
    alone = frame.assign(seed=np.arange(len(frame)))
    apart = beta_regression(alone).terms.set_index("term").loc["C(sleep_fraction)[T.0.5]"]
    assert clustered["estimate"] == pytest.approx(apart["estimate"])
    assert clustered["high"] - clustered["low"] < 0.5 * (apart["high"] - apart["low"])


def test_accuracies_of_0_and_1_can_be_fitted():
    pytest.importorskip("statsmodels")
    fit = beta_regression(table({0.0: [0.0, 0.1, 0.05], 0.1: [1.0, 0.95, 0.97]}))
    assert fit.terms.set_index("term").loc["C(sleep_fraction)[T.0.1]", "low"] > 0
    assert "too few" in fit.note


def test_two_seeds_give_no_p():
    pytest.importorskip("statsmodels")
    fit = beta_regression(table({0.0: [0.5, 0.52], 0.1: [0.6, 0.61], 0.2: [0.7, 0.74]}))
    assert fit.terms[["low", "high", "p"]].isna().all().all()
    assert fit.converged == fit.terms["estimate"].notna().all()
    assert "more seeds" in fit.note
    three = beta_regression(table({0.0: [0.5, 0.52, 0.5], 0.1: [0.6, 0.61, 0.63]}))
    assert three.terms.notna().all().all() and "too few" in three.note


def test_a_fit_that_did_not_converge_says_nothing(monkeypatch):
    betareg = pytest.importorskip("statsmodels.othermod.betareg")
    fit = betareg.BetaModel.fit

    def hurried(self, **options):
        return fit(self, maxiter=1, **options)

    monkeypatch.setattr(betareg.BetaModel, "fit", hurried)
    found = beta_regression(made(20, np.random.default_rng(3)))
    assert not found.converged and "NOT CONVERGED" in found.note
    assert found.terms.drop(columns="term").isna().all().all()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table({0.0: [0.5], 0.1: [0.6]}).drop(columns="seed"), "none called seed"),
        (table({0.0: [0.5, 0.6], 0.1: [0.6, 1.2]}), "values from 0 to 1"),
        (table({0.1: [0.5, 0.6, 0.7]}), "at least two"),
        (table({0.0: [0.5], 0.1: [0.6]}), "do not determine"),
        (table({0.0: [np.nan], 0.1: [np.nan]}), "no run has a value"),
        (pd.concat([table({0.0: [0.5, 0.6], 0.1: [0.6, 0.7]})] * 2), "more than one run"),
        (
            table({0.0: [0.5, 0.6], 0.1: [0.6, 0.7]}).assign(**{"set.a": [1, 1, 1, 2]}),
            "--where set.a=1",
        ),
    ],
)
def test_errors(frame, message):
    pytest.importorskip("statsmodels")
    with pytest.raises(DataError, match=message):
        beta_regression(frame)


def test_without_statsmodels(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.othermod.betareg", None)
    with pytest.raises(MissingExtraError, match=r"brainsleep\[analysis\]"):
        beta_regression(table({0.0: [0.5, 0.6], 0.1: [0.6, 0.7]}))
