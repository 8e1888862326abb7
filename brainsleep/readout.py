"""How well a classifier reads the label from responses: the field's usual frozen readout."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from . import mistakes
from .errors import DataError, ProtocolError, explain
from .quantities import is_number

# scikit-learn and scipy.stats take longer to import than a program to start: they are imported
# where a readout is fitted, after the simulation.


@dataclass(frozen=True, kw_only=True)
class Readout:
    """Standardise, whitened PCA, multinomial logistic regression.

    Parameters
    ----------
    population : str
        Whose spike counts are read.
    variance : float
        Fraction of the variance that the principal components kept explain.
    max_iter : int
        Iterations of the logistic regression.
    resamples : int
        Bootstrap resamples of an accuracy's interval.
    label_counts : tuple of int
        Besides all samples of the readout stage, fit on random subsets of these sizes.
    label_draws : int
        Subsets of each size; their mean accuracy is reported.
    """

    population: str = "e"
    variance: float = 0.95
    max_iter: int = 2000
    resamples: int = 2000
    label_counts: tuple[int, ...] = ()
    label_draws: int = 10

    @mistakes.checked
    def __post_init__(self):
        if not is_number(self.variance) or not 0 < self.variance < 1:
            raise ProtocolError(explain("readout.variance", repr(self.variance), "between 0 and 1"))
        for name, least in (("max_iter", 1), ("resamples", 100), ("label_draws", 1)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < least:
                allowed = f"a whole number of at least {least}"
                raise ProtocolError(explain(f"readout.{name}", repr(value), allowed))
        object.__setattr__(self, "label_counts", tuple(self.label_counts))
        for count in self.label_counts:
            if not isinstance(count, int) or count < 2:
                allowed = "whole numbers of at least 2, such as (50, 100)"
                raise ProtocolError(explain("readout.label_counts", self.label_counts, allowed))


@dataclass(frozen=True)
class Score:
    """Accuracy of a readout on test samples.

    Parameters
    ----------
    accuracy : float
        Fraction correct.
    interval : (float, float)
        95 % bootstrap interval over test samples.
    correct : ndarray of bool, shape (n_test,)
        Which samples were right; two readouts of the same samples can be compared in pairs.
    components : int
        Principal components used (0: responses did not vary, the commonest label was guessed).
    """

    accuracy: float
    interval: tuple[float, float]
    correct: np.ndarray
    components: int


def fit_score(
    fit: np.ndarray,
    fit_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    readout: Readout,
    rng: np.random.Generator,
) -> Score:
    """Fit the readout on one set of responses and score it on another.

    Parameters
    ----------
    fit, fit_labels, test, test_labels, readout
        As in `classify`.
    rng : numpy.random.Generator
        Draws the bootstrap resamples.

    Returns
    -------
    Score
        Accuracy with its interval.
    """
    correct, components = classify(fit, fit_labels, test, test_labels, readout)
    return Score(
        accuracy=float(correct.mean()),
        interval=interval(correct, readout.resamples, rng),
        correct=correct,
        components=components,
    )


def classify(
    fit: np.ndarray,
    fit_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    readout: Readout,
) -> tuple[np.ndarray, int]:
    """Fit the readout on one set of responses and classify another.

    Parameters
    ----------
    fit, test : ndarray, shape (n_samples, n_features)
        Responses: spike counts, or pixels.
    fit_labels, test_labels : ndarray, shape (n_samples,)
        Classes.
    readout : Readout
        Settings.

    Returns
    -------
    correct : ndarray of bool, shape (n_test,)
        Which samples were classified right.
    components : int
        Principal components used.

    Raises
    ------
    DataError
        If there are fewer than two classes to fit, nothing to score, or the arrays do not fit
        together.
    """
    for what, x, labels in (("fit", fit, fit_labels), ("score", test, test_labels)):
        if np.ndim(x) != 2 or len(x) != len(labels) or not len(x) or x.shape[1] != fit.shape[1]:
            raise DataError(
                explain(
                    f"readout: samples to {what}",
                    f"responses {np.shape(x)} and {len(labels)} labels",
                    "(n_samples, n_features), a label each, at least one sample",
                )
            )
        if not np.all(np.isfinite(x)):
            raise DataError(f"readout: samples to {what}: got NaN or infinity; expected numbers")
    if len(np.unique(fit_labels)) < 2:
        raise DataError(
            f"readout: got {len(np.unique(fit_labels))} class in {len(fit_labels)} samples to fit "
            "on; expected at least 2; raise data.n_readout"
        )
    from sklearn.decomposition import PCA
    from sklearn.dummy import DummyClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    varies = np.std(fit, axis=0).max(initial=0) > 0
    if varies:
        model = make_pipeline(
            StandardScaler(),
            PCA(n_components=readout.variance, whiten=True, svd_solver="full"),
            LogisticRegression(max_iter=readout.max_iter),
        )
    else:
        model = DummyClassifier(strategy="most_frequent")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(fit.astype(float), fit_labels)
        except ConvergenceWarning as error:
            raise DataError(
                f"readout: logistic regression did not converge in {readout.max_iter} iterations; "
                "raise readout.max_iter"
            ) from error
    correct = model.predict(test.astype(float)) == test_labels
    return correct, int(model[1].n_components_) if varies else 0


def interval(
    values: np.ndarray, resamples: int, rng: np.random.Generator, level: float = 0.95
) -> tuple[float, float]:
    """Bootstrap interval of the mean of `values` (percentile method; Efron, 1979)."""
    from scipy.stats import bootstrap

    values = np.asarray(values, dtype=float)
    if len(values) < 2 or np.ptp(values) == 0:
        return float(values.mean()), float(values.mean())
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        confidence_level=level,
        method="percentile",
        rng=rng,
    ).confidence_interval
    return float(found.low), float(found.high)
