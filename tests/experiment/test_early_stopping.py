"""Early stopping, and readouts fitted on what was shown while the network learned."""

import dataclasses

import numpy as np
import pytest
from conftest import QUICK, TINY
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from brainsleep.errors import BrainsleepError, DataError
from brainsleep.experiment.early_stopping import EarlyStopping
from brainsleep.experiment.protocol import run_id
from brainsleep.run.simulate import simulate
from brainsleep.tasks.images.datasets import load_dataset, split
from brainsleep.tasks.images.measure import Shown, samples_to_fit, samples_to_score
from brainsleep.tasks.images.readout import Readout, classify, merged

#: Weights that only grow, and a readout of the last epoch: what is best comes early.
STOPPING = TINY.override(
    {
        "data.n_train": 20,
        "data.n_validation": 30,
        "data.n_readout": 30,
        "data.n_test": 20,
        "schedule.epochs": 8,
        "schedule.sleep.fraction": 0.0,
        "network.projections.*.rules.stdp_nearest_reversed.lr": 0.05,
        "early_stopping.patience": 2,
        "record.raster": (),
        "record.snapshots": (),
    }
)


def test_when_training_ends():
    stopping = EarlyStopping(patience=2)
    assert not stopping.ends([]) and not stopping.ends([0.5]) and not stopping.ends([0.5, 0.4])
    assert stopping.ends([0.5, 0.4, 0.5])  # as good is no better
    assert not stopping.ends([0.5, 0.4, 0.6]) and stopping.best([0.5, 0.4, 0.6, 0.6]) == 2
    assert not EarlyStopping().ends([0.5] * 100) and not EarlyStopping() and stopping


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("stopping")
    kept = {"early_stopping.restore": "if stopped"}
    return {
        name: simulate(STOPPING.override(changes), seed=3, backend=QUICK, out=out)
        for name, changes in {
            "stopped": {},
            "patient, restored": {"early_stopping.patience": 8},
            "patient": {"early_stopping.patience": 8} | kept,
        }.items()
    }


def test_training_ends_after_epochs_that_are_no_better(runs):
    found, scores = runs["stopped"].metrics, runs["stopped"].arrays["validation"]
    best = int(np.argmax(scores))
    assert found["best_epoch"] == best + 1 and found["validation_accuracy"] == scores[best]
    assert found["epochs_trained"] == len(scores) == best + 3 < 8
    assert found["wake_s"] == pytest.approx(len(scores) * 20 * 0.05)
    whole = runs["patient"].arrays["validation"]  # the same run, but for its end
    assert len(whole) == 8 and np.array_equal(whole[: len(scores)], scores)


def test_the_best_weights_are_put_back(runs):
    """As they were after the best epoch: a run of so many epochs ends with the same."""
    for name, restored in (("stopped", True), ("patient, restored", True), ("patient", False)):
        epochs = runs[name].metrics["best_epoch"]
        shorter = STOPPING.override({"schedule.epochs": epochs, "early_stopping.patience": 100})
        until = simulate(shorter, seed=3, backend=QUICK, out=runs[name].path.parent)
        same = restored or epochs == 8
        one, other = (run.arrays["snapshots/trained/ee"] for run in (runs[name], until))
        assert np.array_equal(one, other) == same, name


def test_the_test_has_the_weights_that_were_put_back(runs):
    """Weights rest in the test, and the metrics are of those that were put back."""
    w = runs["stopped"].arrays["snapshots/trained/ee"]
    assert runs["stopped"].metrics["largest_ee"] == w.max()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.n_validation": 0}, "data.n_validation: got 0; expected at least 1 image"),
        ({"early_stopping.patience": 0}, "expected 0 without early stopping"),
        (
            {"early_stopping.patience": -1},
            "at least 0 (epochs; 0: no early stopping)",
        ),
        ({"early_stopping.restore": "never"}, "'always' or 'if stopped'"),
        ({"tasks.classes": ((0, 1), (2, 3))}, "expected one task"),
        ({"readout.fit_last": 161}, "at most 160, as many as are shown"),
        ({"readout.score_last": 21}, "at most 20"),
        ({"readout.classifier": "quadratik"}, "did you mean 'quadratic'"),
        ({"readout.fit_share": 0}, "more than 0 and at most 1"),
        ({"readout.beside": "(x)"}, "no population 'x'"),
        ({"readout.beside": "(input)"}, "takes the stimulus"),
        ({"schedule.sleep.tolerance": 1}, "at least 0 and less than 1"),
    ],
)
def test_what_does_not_fit_together_is_said(changes, message):
    with pytest.raises(BrainsleepError) as error:
        STOPPING.override(changes)
    assert message in str(error.value)


def test_two_readouts_need_names_of_their_own():
    with pytest.raises(Exception, match="two parts are called 'network'"):
        TINY.override({"more_readouts": (Readout(),)})


# -- readouts of what was shown while the network learned ----------------------------------------


def test_neighbours_of_one_class_are_one_sample():
    counts = np.arange(12).reshape(6, 2)
    labels, slots = np.array([1, 1, 1, 2, 1, 1]), np.array([0, 1, 3, 4, 5, 6])
    x, y = merged(counts, labels, slots)  # a sleep in slot 2 parts the first three
    assert y.tolist() == [1, 1, 2, 1]
    assert x.tolist() == [[1, 2], [4, 5], [6, 7], [9, 10]]
    assert merged(counts[:0], labels[:0], slots[:0])[0].shape == (0, 2)


def test_samples_are_the_last_of_the_training(tmp_path):
    """Counts of E and I in the last slots awake that were run, and a share of them."""
    protocol = TINY.override({"readout.fit_last": 8, "readout.beside": "(i)"})
    result = simulate(protocol, seed=1, backend=QUICK, out=tmp_path)
    arrays = result.arrays
    awake = np.flatnonzero(arrays["slots/phase"] == "wake")[-8:]
    expected = np.concatenate([arrays["counts/e"][awake], arrays["counts/i"][awake]], axis=1)
    parts = split(load_dataset("digits"), 12, 40, 40, np.random.default_rng(0))
    table = protocol.schedule.compile(12, 40, 40, protocol.network.gates, protocol.network.dt)
    counts = {name: arrays[f"counts/{name}"] for name in ("e", "i")}
    rng = np.random.default_rng(0)
    shown = Shown(table.part, table.image, arrays["slots/steps"])
    fit = samples_to_fit(protocol.task.readout, counts, shown, parts.labels, rng)
    assert np.array_equal(fit[0], expected)
    assert np.array_equal(fit[1], parts.train.labels[-8:])
    shared = dataclasses.replace(protocol.task.readout, fit_share=0.5)
    some, labels = samples_to_fit(shared, counts, shown, parts.labels, rng)
    assert len(some) == len(labels) == 4
    assert {tuple(row) for row in some} <= {tuple(row) for row in expected}
    last = dataclasses.replace(protocol.task.readout, score_last=5)
    tested = {name: each[table.part == "test"] for name, each in counts.items()}
    score = samples_to_score(last, tested, parts.test.labels)
    assert score[0].shape == (5, 40) and np.array_equal(score[1], parts.test.labels[-5:])


def test_quadratic_discriminant_is_scikit_learns():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    x = rng.poisson(5 + 2 * np.eye(3)[labels] @ rng.random((3, 20)))
    readout = Readout(classifier="quadratic")
    predicted, components = classify(x[:200], labels[:200], x[200:], readout)
    scaler = StandardScaler().fit(x[:200])
    pca = PCA(0.95, whiten=True, svd_solver="full").fit(scaler.transform(x[:200]))
    model = QuadraticDiscriminantAnalysis(reg_param=0.1)
    model.fit(pca.transform(scaler.transform(x[:200])), labels[:200])
    expected = model.predict(pca.transform(scaler.transform(x[200:])))
    assert np.array_equal(predicted, expected) and components == pca.n_components_
    linear, _ = classify(x[:200], labels[:200], x[200:], Readout())
    assert not np.array_equal(predicted, linear)


def test_quadratic_discriminant_of_a_small_class():
    """A class of 6 samples in 8 dimensions: by the formula, with numpy."""
    rng, readout = np.random.default_rng(0), Readout(classifier="quadratic", variance=0.9999999)
    labels = np.repeat([0, 1], [6, 100])
    x, z = (rng.normal(size=(n, 8)) + labels[:n, None] for n in (106, 106))
    predicted, components = classify(x, labels, z, readout)
    scaler = StandardScaler().fit(x)
    pca = PCA(readout.variance, whiten=True, svd_solver="full").fit(scaler.transform(x))
    fit, tested = (pca.transform(scaler.transform(each)) for each in (x, z))
    scores = []
    for k in (0, 1):
        own = fit[labels == k]
        cov = 0.9 * np.cov(own.T, bias=True) + 0.1 * np.eye(8)
        away = tested - own.mean(axis=0)
        distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(cov), away)
        scores.append(-0.5 * (distance + np.linalg.slogdet(cov)[1]) + np.log(len(own) / 106))
    assert components == 8
    assert np.array_equal(predicted, np.argmax(scores, axis=0))


def test_a_class_with_one_sample_has_no_covariance():
    x, labels = np.random.default_rng(0).poisson(5, (9, 4)), np.array([0] * 4 + [1] * 4 + [2])
    with pytest.raises(DataError, match="quadratic discriminant analysis cannot be fitted"):
        classify(x, labels, x, Readout(classifier="quadratic"))


def test_more_readouts_of_one_run(tmp_path):
    """The second reads the same responses, under its own name."""
    other = Readout(name="both", beside=("i",), variance=0.8)
    protocol = TINY.override({"more_readouts": (other,)})
    result = simulate(protocol, seed=1, backend=QUICK, out=tmp_path)
    alone = simulate(TINY.override({"readout": other}), seed=1, backend=QUICK, out=tmp_path)
    assert result.metrics["both_accuracy"] == alone.metrics["both_accuracy"]
    assert result.metrics["both_components"] != result.metrics["network_components"]
    assert np.array_equal(result.arrays["correct/both"], alone.arrays["correct/both"])


def test_every_setting_is_in_the_id_of_a_run():
    def address(**changes):
        base = {"schedule.sleep.until_initial": True, "readout.fit_last": 20}
        return run_id(STOPPING.override(base | changes), 0, "numpy", "data")

    found = [
        address(),
        address(**{"data.n_validation": 31}),
        address(**{"early_stopping.patience": 3}),
        address(**{"early_stopping.restore": "if stopped"}),
        address(**{"schedule.identical_epochs": True}),
        address(**{"schedule.sleep.tolerance": 0.01}),
        address(**{"readout.classifier": "quadratic"}),
        address(**{"readout.beside": "(i)"}),
        address(**{"readout.fit_last": 19}),
        address(**{"readout.fit_share": 0.9}),
        address(**{"readout.score_last": 19}),
        address(**{"readout.merge": True}),
        address(**{"more_readouts": (Readout(name="other"),)}),
    ]
    assert len(set(found)) == len(found)
