"""How well a classifier reads the label from responses, by default with weights frozen."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ...errors import BrainsleepError, DataError, ProtocolError, explain, one_line
from ...files.load import load
from ...network.equations import checks
from ...values.fields import Count, Field, number, one_of, refusal, specification, whole
from . import estimators

if TYPE_CHECKING:
    from ...network.spec import Network

# scikit-learn takes longer to import than a program to start: it is imported where a readout is
# fitted, after the simulation.

#: Classifiers by name.
CLASSIFIERS = {
    "logistic": "logistic regression",
    "quadratic": "quadratic discriminant analysis",
    "assigned": "the class whose neurons spike most, each assigned to the class it spikes most for",
}

_named = one_of(*CLASSIFIERS, "sklearn.svm.LinearSVC(C=0.1)")


def _check_classifier(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    """Take a name, a classifier of scikit-learn or its text, or a function that returns one."""
    if isinstance(value, str) and not value.startswith(estimators.PACKAGE):
        return _named(value, where, error)
    if isinstance(value, str):
        value = estimators.made(value, where, error)
    if callable(value):
        return value
    return estimators.written(value, where, error)


def _read_classifier(value: Any, old: Any, where: str) -> Any:
    """Read a name, the text of a classifier of scikit-learn, or ``FILE.py:NAME``."""
    is_file = isinstance(value, str) and ".py:" in value
    return _check_classifier(load(value) if is_file else value, where, ProtocolError)


_CLASSIFIER = Field(_check_classifier, _read_classifier, "classifiers")

#: Regularisation of the quadratic discriminant's covariances, as in the code of Massey et al.
_QDA_SHRINKAGE = 0.1


@specification("readout.", ProtocolError)
class Readout:
    """Standardise, whitened PCA, a classifier; or a vote of neurons that are assigned to classes.

    Parameters
    ----------
    name : str
        What its metrics begin with: ``network_accuracy``.
    population : str
        Whose spike counts are read.
    beside : tuple of str
        Further populations whose spike counts are read.
    classifier : {"logistic", "quadratic", "assigned"} or classifier of scikit-learn
        Multinomial logistic regression, or quadratic discriminant analysis; or, of the spike counts
        as they are, a vote as of Diehl & Cook (2015): a neuron stands for the class for which it
        spikes most on average, and that class is chosen whose neurons spike most on average.
        Or any classifier of scikit-learn, ``LinearSVC(C=0.1)``, or a pipeline of it: it reads the
        spike counts as they are, and is kept as text, ``"sklearn.svm.LinearSVC(C=0.1)"``. A
        ``random_state`` that is None is 0. Or a function that returns a classifier of your own.
    fit_last : int
        0 fits on the responses to ``data.n_readout`` held-out images, weights frozen. Above 0 fits
        on the responses to the last so many training images as they were while the network learned
        them: with plasticity, and whatever else was open awake.
    fit_share : float
        Share of these responses, drawn at random, that it is fitted on.
    score_last : int
        Score on the last so many test images; 0 on all.
    merge : bool
        Take images of one class that follow each other without sleep for one sample, the mean of
        their spike counts.
    variance : float
        Fraction of the variance that the principal components kept explain; those are of
        ``"logistic"`` and ``"quadratic"``.
    max_iter : int
        Iterations of ``"logistic"``.
    resamples : int
        Bootstrap resamples of an accuracy's interval.
    label_counts : tuple of int
        Besides all samples of the readout part, fit on random subsets of these sizes.
    label_draws : int
        Subsets of each size; their mean accuracy is reported.

    Examples
    --------
    >>> from sklearn.svm import LinearSVC
    >>> Readout(classifier=LinearSVC(C=0.1)).classifier
    'sklearn.svm.LinearSVC(C=0.1)'
    """

    name: Annotated[str, checks.name("readout", "pixels")] = "network"
    population: str = "e"
    beside: tuple[str, ...] = ()
    classifier: Annotated[str | Callable, _CLASSIFIER] = "logistic"
    fit_last: int = 0
    fit_share: Annotated[float, number(above=0, most=1)] = 1.0
    score_last: int = 0
    merge: bool = False
    variance: Annotated[float, number(above=0, below=1)] = 0.95
    max_iter: Count = 2000
    resamples: Annotated[int, whole(100)] = 2000
    label_counts: tuple[Annotated[int, whole(2)], ...] = ()
    label_draws: Count = 10

    def check(self, network: Network, shown: int, tested: int, tasks: int) -> None:
        """Raise `ProtocolError` unless this readout fits a protocol.

        So many images are `shown` while the network learns, epochs together, and `tested`; so many
        `tasks` are learned one after the other, 0 without any.
        """
        for name in self.populations:
            read = network.population(name, "readout.population")
            if not read.spikes or read.name in network.sources:
                got = f"'{read.name}', which has no threshold, or takes the stimulus"
                raise refusal(self, "population", got, "a population whose spikes are kept")
        if self.fit_last and network.batch_size:
            allowed, fix = "0 for a network that learns from batches", "set readout.fit_last to 0"
            raise refusal(self, "fit_last", self.fit_last, allowed, fix)
        if (self.fit_last or self.score_last or self.merge) and tasks:
            raise ProtocolError(
                "readout: fit_last, score_last and merge are for images that are learned mixed; "
                "leave them out, or tasks.classes"
            )
        for what, most in (("fit_last", shown), ("score_last", tested)):
            if getattr(self, what) > most:
                allowed = f"at most {most}, as many as are shown"
                raise refusal(self, what, getattr(self, what), allowed)

    @property
    def populations(self) -> tuple[str, ...]:
        """All populations whose spike counts are read."""
        return (self.population, *self.beside)


def classify(
    fit: np.ndarray, labels: np.ndarray, test: np.ndarray, readout: Readout
) -> tuple[np.ndarray, int | None]:
    """Fit the readout on one set of responses and classify another.

    Responses `fit` and `test`, shape (n_samples, n_features), are spike counts or pixels; `labels`
    are the classes of the first. Returns the classes that were predicted for the test, shape
    (n_test,), and how many principal components were used; None for a classifier of the user's. If
    there are fewer than two classes to fit, nothing to score, or arrays that do not fit together,
    it raises `DataError`.
    """
    for what, x in (("fit", fit), ("score", test)):
        where = f"readout: samples to {what}"
        if np.ndim(x) != 2 or not len(x) or x.shape[1] != fit.shape[1]:
            got = f"responses {np.shape(x)}"
            raise DataError(explain(where, got, "(n_samples, n_features), at least one sample"))
        if not np.all(np.isfinite(x)):
            raise DataError(explain(where, "NaN or infinity", "numbers"))
    if len(fit) != len(labels):
        got = f"responses {np.shape(fit)} and {len(labels)} labels"
        raise DataError(explain("readout: samples to fit", got, "a label each"))
    if (n_classes := len(np.unique(labels))) < 2:
        got = f"{n_classes} class in {len(labels)} samples to fit on"
        raise DataError(explain("readout", got, "at least 2", "raise data.n_readout"))
    if readout.classifier == "assigned":
        return votes(fit, labels, test), 0
    from sklearn.dummy import DummyClassifier

    varies = np.std(fit, axis=0).max(initial=0) > 0
    model = _model(readout) if varies else DummyClassifier(strategy="most_frequent")
    _fit(model, fit.astype(float), labels, readout)
    predicted = np.asarray(model.predict(test.astype(float)))
    if predicted.shape != test.shape[:1]:
        got = f"an answer of shape {predicted.shape}"
        raise DataError(explain("readout.classifier", got, f"one class a sample ({len(test)},)"))
    if readout.classifier not in CLASSIFIERS:
        return predicted, None
    return predicted, int(model[1].n_components_) if varies else 0


def _fit(model: Any, x: np.ndarray, labels: np.ndarray, readout: Readout) -> None:
    """Fit a classifier, or raise `DataError`."""
    from sklearn.exceptions import ConvergenceWarning

    own = readout.classifier not in CLASSIFIERS
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(x, labels)
        except ConvergenceWarning as error:
            got = f"logistic regression did not converge in {readout.max_iter} iterations"
            fix = "raise readout.max_iter"
            if own:
                got, fix = f"{type(model).__name__} did not converge", "raise its max_iter"
            raise DataError(f"readout: {got}; {fix}") from error
        except (ValueError, np.linalg.LinAlgError) as error:  # a class with one sample, say
            name = type(model).__name__ if own else CLASSIFIERS[str(readout.classifier)]
            got = f"{name} cannot be fitted ({one_line(error)})"
            raise DataError(f"readout: {got}; fit it on more images") from error


def votes(fit: np.ndarray, fit_labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Assign every neuron to the class for which it spikes most; return the class of each test.

    It is the one whose neurons spike most on average. A neuron without spikes stands for none.
    """
    classes = np.unique(fit_labels)
    means = np.array([np.mean(fit[fit_labels == each], axis=0) for each in classes])
    assigned = np.argmax(means, axis=0) == np.arange(len(classes))[:, None]
    assigned &= means.max(axis=0) > 0
    sizes = np.maximum(assigned.sum(axis=1), 1)
    return classes[np.argmax(test @ assigned.T / sizes, axis=1)]


def _model(readout: Readout) -> Any:
    """Make the classifier: of the user's, logistic regression, or a quadratic discriminant.

    The last two read whitened principal components. Covariances of a quadratic discriminant are
    regularised, of full rank in a small class, too. scikit-learn's own ``reg_param`` is the same
    where a class has more samples than there are features, and refuses any other.
    """
    if callable(readout.classifier):
        return readout.classifier()
    if readout.classifier not in CLASSIFIERS:
        return estimators.made(readout.classifier, "readout.classifier")
    from sklearn.covariance import EmpiricalCovariance
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    class Regularised(EmpiricalCovariance):
        def fit(self, X, y=None):
            super().fit(X)
            unit = np.eye(X.shape[1])
            self._set_covariance((1 - _QDA_SHRINKAGE) * self.covariance_ + _QDA_SHRINKAGE * unit)
            return self

    if readout.classifier == "logistic":
        classifier: Any = LogisticRegression(max_iter=readout.max_iter)
    else:
        given = Regularised()
        classifier = QuadraticDiscriminantAnalysis(solver="eigen", covariance_estimator=given)
    axes = PCA(n_components=readout.variance, whiten=True, svd_solver="full")
    return make_pipeline(StandardScaler(), axes, classifier)


def merged(
    counts: np.ndarray, labels: np.ndarray, slots: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take neighbours of one class for one sample, the mean of their counts; return it with labels.

    `counts` have shape (n_samples, n_neurons); `slots` are those of the samples, in order: samples
    whose slots do not follow each other are no neighbours.
    """
    if not len(labels):
        return np.asarray(counts, dtype=float), labels
    apart = (labels[1:] != labels[:-1]) | (np.diff(slots) > 1)
    begins = np.flatnonzero(np.append(True, apart))
    sizes = np.diff(np.append(begins, len(labels)))
    return np.add.reduceat(counts, begins).astype(float) / sizes[:, None], labels[begins]
