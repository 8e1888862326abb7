"""Answers of a readout: kept, counted in a confusion matrix, and given for new images."""

import numpy as np
import pytest
from conftest import QUICK, TINY
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from brainsleep import Protocol, Readout, simulate
from brainsleep.errors import DataError, ProtocolError
from brainsleep.tasks.images.datasets import load_dataset
from brainsleep.tasks.images.readout import classify

READ = TINY.override({"data.n_train": 10, "data.n_readout": 60, "data.n_test": 40})


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return simulate(READ, seed=1, backend=QUICK, out=tmp_path_factory.mktemp("answers"))


def samples(n, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return rng.poisson(4 + 3 * np.eye(3)[labels] @ np.ones((3, 9)).cumsum(axis=1) / 9), labels


# -- what is kept --------------------------------------------------------------------------------


def test_answers_are_kept(result):
    arrays = result.arrays
    for who in ("network", "pixels"):
        predicted, true = arrays[f"predicted/{who}"], arrays[f"true/{who}"]
        assert np.array_equal(true, arrays["labels/test"])
        assert np.array_equal(predicted == true, arrays[f"correct/{who}"])
        assert np.isin(predicted, arrays["labels/readout"]).all()


def test_confusion_counts_every_answer_once(result):
    matrix = result.confusion()
    counted = np.zeros((10, 10), int)
    for true, answer in zip(
        result.arrays["true/network"], result.arrays["predicted/network"], strict=True
    ):
        counted[true, answer] += 1
    assert np.array_equal(matrix.to_numpy(), counted[np.ix_(matrix.index, matrix.columns)])
    right = np.trace(matrix.to_numpy()) / matrix.to_numpy().sum()
    assert right == result.metrics["network_accuracy"]
    assert (matrix.index.name, matrix.columns.name) == ("class", "taken for")
    with pytest.raises(DataError, match=r"no answers of a readout 'pixel'; did you mean 'pixels'"):
        result.confusion("pixel")


# -- classifiers of scikit-learn -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (LinearSVC(C=0.1), "sklearn.svm.LinearSVC(C=0.1, random_state=0)"),
        (SVC(C=np.float64(2), random_state=3), "sklearn.svm.SVC(C=2.0, random_state=3)"),
        (KNeighborsClassifier(3), "sklearn.neighbors.KNeighborsClassifier(n_neighbors=3)"),
        (LinearSVC(C=1e5, class_weight={1: 2.0}, random_state=1),
         "sklearn.svm.LinearSVC(C=100000.0, class_weight={1: 2.0}, random_state=1)"),
        (make_pipeline(RobustScaler(quantile_range=(10.0, 90.0)), MLPClassifier((20,))),
         "sklearn.pipeline.Pipeline(steps=[('robustscaler', sklearn.preprocessing.RobustScaler("
         "quantile_range=(10.0, 90.0))), ('mlpclassifier', sklearn.neural_network.MLPClassifier("
         "hidden_layer_sizes=(20,), random_state=0))])"),
    ],
)  # fmt: skip
def test_a_classifier_is_kept_as_text(given, text):
    readout = Readout(classifier=given)
    assert readout.classifier == text
    assert Readout(classifier=text) == readout


@pytest.mark.parametrize(
    "given",
    [
        RandomForestClassifier(n_estimators=10, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.5)),
        KNeighborsClassifier(5),
    ],
)
def test_a_classifier_is_scikit_learns(given):
    (x, labels), (z, _) = samples(60, 1), samples(45, 2)
    predicted, components = classify(x, labels, z, Readout(classifier=given))
    assert np.array_equal(predicted, given.fit(x, labels).predict(z))
    assert components is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Ridge(), "expected a classifier; write sklearn.svm.LinearSVC"),
        (make_pipeline(FunctionTransformer(np.log1p), LinearSVC()), "parameters are plain values"),
        (3, "expected a name or a classifier"),
        ("sklearn.svm.LinearSVC(K=1)", "unexpected keyword argument 'K'"),
        ("sklearn.svm.LinearSVC(0.1)", "expected a class of scikit-learn with values"),
        ("sklearn.utils.os.system('ls')", "expected a class of scikit-learn with values"),
        ("sklearn.svm.SVC(C=open('x'))", r"not 'open\('x'\)'"),
        ("sklearn.datasets.load_digits()", "no class of scikit-learn"),
        ("sklearn.no.LinearSVC()", "No module named 'sklearn.no'"),
        ("lda", "expected logistic, quadratic, assigned or sklearn"),
    ],
)
def test_what_is_no_classifier_is_refused(given, expected):
    with pytest.raises(ProtocolError, match=rf"readout\.classifier: got .*{expected}"):
        Readout(classifier=given)


def own():
    return KNeighborsClassifier(1)


def test_a_function_may_return_a_classifier_of_the_users():
    (x, labels), (z, _) = samples(60, 1), samples(45, 2)
    predicted, _ = classify(x, labels, z, Readout(classifier=own))
    assert np.array_equal(predicted, own().fit(x, labels).predict(z))


def test_a_classifier_decides_the_run_and_comes_back(result, tmp_path):
    text = "sklearn.neighbors.KNeighborsClassifier(n_neighbors=3)"
    other = READ.override({"readout.classifier": text})
    assert Protocol.from_dict(other.describe()) == other
    found = simulate(other, seed=1, backend=QUICK, out=tmp_path)
    assert found.run_id != result.run_id
    assert "network_components" not in found.metrics
    counts, part = found.counts["e"], found.slots["part"]
    fit, test = (counts[part == each].astype(float) for each in ("readout", "test"))
    model = KNeighborsClassifier(3).fit(fit, found.arrays["labels/readout"])
    assert np.array_equal(model.predict(test), found.arrays["predicted/network"])


# -- new images ----------------------------------------------------------------------------------


def test_predict_repeats_itself_and_fits_what_was_stored(result):
    images = load_dataset("digits").images[:5]
    once = result.predict(images, seed=3)
    assert once.shape == (5,)
    assert np.isin(once, result.arrays["labels/readout"]).all()
    assert np.array_equal(once, result.predict(images, seed=3))


def test_predict_scores_like_the_test(tmp_path):
    """The test images again, with other input spikes: as often right, within three errors."""
    protocol = READ.override({"data.n_readout": 200, "data.n_test": 100})
    result = simulate(protocol, seed=2, backend=QUICK, out=tmp_path)
    parts = protocol.course(2, protocol.open({})).parts
    again = np.mean(result.predict(parts.test.images) == parts.test.labels)
    p = result.metrics["network_accuracy"]
    assert p > 0.2  # far above chance
    assert abs(again - p) < 3 * np.sqrt(2 * p * (1 - p) / 100)


def test_predict_refuses(result, tmp_path):
    images = load_dataset("digits").images[:2]
    with pytest.raises(DataError, match="no readout 'pixels'"):
        result.predict(images, readout="pixels")
    with pytest.raises(DataError, match=r"predict: images: got values from .* to 510"):
        result.predict(2 * images.astype(int))
    merging = READ.override(
        {"more_readouts": (Readout(name="merging", merge=True),), "data.n_test": 20}
    )
    found = simulate(merging, seed=1, backend=QUICK, out=tmp_path)
    with pytest.raises(DataError, match="merges neighbours; expected one a sample"):
        found.predict(images, readout="merging")
