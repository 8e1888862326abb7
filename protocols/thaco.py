"""Slow oscillations of a thalamus and a cortex, and what they do to memories (Capone et al. 2019).

Nine images, three of each of three classes, are shown once, each together with a signal to cortical
cells of its own. Then the network sleeps for a minute: assemblies go up one after the other, and
their synapses shrink. Before and after, the images are shown without the signal::

    brainsleep run thaco

The images are those of 8x8 pixels that come with scikit-learn, and sleep is as in the paper's runs
of thirty images; these are `thirty`, three of each digit and 250 others to be tested on, and take
some minutes and an hour of sleep about as long. `learn_and_sleep` takes features of any images,
such as those in the authors' repository.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from brian2 import Hz, kHz, ms, pA, second
from scipy.ndimage import zoom

from brainsleep import (
    Alarms,
    Condition,
    Metric,
    Observer,
    Protocol,
    Record,
    Timeline,
    UpStates,
    asleep,
    awake,
)
from brainsleep.models.thaco import ASLEEP, thalamus_and_cortex
from brainsleep.tasks.images.datasets import load_dataset

#: Cortical cells of an image.
GROUP = 20


def features(images: np.ndarray) -> np.ndarray:
    """Return binary features of images: shape (n, 324), of which 81 are 1.

    Histograms of gradients by direction (nine bins of 20 degrees) in nine squares of 14x14 pixels
    that overlap by half. A bin is one of four levels, by its part of the largest in its square. As
    the paper describes it; its levels are not known. Other images than of 28x28 pixels are scaled.
    """
    factors = (1, *(28 / side for side in images.shape[1:]))
    scaled = zoom(np.asarray(images, float), factors, order=1)
    down, right = np.gradient(scaled, axis=(1, 2))
    size, turn = np.hypot(down, right), np.degrees(np.arctan2(down, right)) % 180
    bins = np.minimum((turn // 20).astype(int), 8)
    cells = []
    for top in (0, 7, 14):
        for left in (0, 7, 14):
            inside = np.s_[:, top : top + 14, left : left + 14]
            cells.append(
                [np.where(bins[inside] == k, size[inside], 0).sum((1, 2)) for k in range(9)]
            )
    found = np.array(cells)  # of squares, bins, images
    share = found / np.maximum(found.max(axis=1, keepdims=True), 1e-12)
    level = np.minimum((4 * share).astype(int), 3)
    return (level[..., None] == np.arange(4)).transpose(2, 0, 1, 3).reshape(len(images), -1)


@dataclass(frozen=True)
class Recall(Observer):
    """What the cortex answers to images, and weights among its cells, before and after sleep.

    The answer to an image is the class of the cell that spikes most. `tests` are the slots in which
    images are shown, before sleep and after it; `classes` those of the training set, `labels` those
    of the images.
    """

    tests: tuple[tuple[int, ...], ...]
    classes: tuple[int, ...]
    labels: tuple[int, ...]
    name = "recall"
    metrics = (
        Metric("observed", "recall_(?P<time>before|after)", "fraction", "right answers"),
        Metric(
            "observed",
            "w_(?P<what>same_image|same_class|different)_(?P<time>before|after)",
            "nS",
            "mean weight among cortical cells",
        ),
    )

    def slots(self, table):
        """Look before sleep and after it."""
        asleep_ = np.flatnonzero(table.phase == "sleep")
        return (int(asleep_[0]), int(asleep_[-1]) + 1)

    def look(self, view):
        """Take mean weights among cells of an image, of a class, and of different classes."""
        pre, post = (each // GROUP for each in view.state.synapses["cx_cx"])
        w, kind = view.state.weights("cx_cx"), np.array(self.classes)
        image = pre == post
        same = (kind[pre] == kind[post]) & ~image
        return {"w": np.array([w[each].mean() for each in (image, same, ~(image | same))])}

    def measure(self, seen):
        """Give answers and weights."""
        counts = seen.recorder.arrays()["counts/cx"]
        found = {}
        for time, slots, weights in zip(
            ("before", "after"), self.tests, seen.series("recall", "w"), strict=True
        ):
            best = counts[list(slots)].argmax(axis=1) // GROUP
            answers = np.array(self.classes)[best]
            found[f"recall_{time}"] = float((answers == np.array(self.labels)).mean())
            for what, w in zip(("same_image", "same_class", "different"), weights, strict=True):
                found[f"w_{what}_{time}"] = float(w)
        return found


def _drive(cells: np.ndarray, th, cx: float, inh: float, n_inh: int) -> dict:
    """Return rates of random spikes: of thalamic cells by features, of some cortical cells."""
    return {"th": th * 30 * kHz, "cx": cells * cx * kHz, "inh": np.full(n_inh, inh) * kHz}


def learn_and_sleep(
    train: np.ndarray,
    classes: Sequence[int],
    test: np.ndarray,
    labels: Sequence[int],
    *,
    name: str = "thaco",
    sleep=60 * second,
    shown=400 * ms,
    settle=8 * second,
    sleeping=ASLEEP,
    **network,
) -> Protocol:
    """Make a protocol: images are learned, tested, slept on, and tested again.

    Parameters
    ----------
    train, test : np.ndarray
        Features of images to learn, and to be tested on, shape (n, n_features).
    classes, labels : sequence of int
        Their classes.
    sleep : Quantity
        How long it sleeps.
    shown : Quantity
        How long an image to learn is shown.
    settle : Quantity
        How long it is quiet before a test.
    sleeping : mapping
        Signals asleep.
    network
        What `thalamus_and_cortex` is told.
    """
    classes, labels = (tuple(int(kind) for kind in each) for each in (classes, labels))
    n, spec = len(train), thalamus_and_cortex(len(train), n_features=train.shape[1], **network)
    n_cx, n_inh = GROUP * n, spec.population("inh").size
    none, dark = np.zeros(n_cx), np.zeros(train.shape[1])
    periods = []
    for place, image in enumerate(train):
        own = np.arange(n_cx) // GROUP == place
        periods.append(awake(shown, inputs=_drive(own, image, 2, 10, n_inh)))
        quiet = _drive(none, dark, 0, 40, n_inh)
        periods.append(awake(400 * ms, inputs=quiet, plasticity=0))
    tests = []
    for again in (False, True):
        if again:
            periods.append(asleep(sleep, signals=sleeping))
        periods.append(awake(settle, inputs=_drive(none, dark, 0, 40, n_inh), plasticity=0))
        before = [max(1, -(-float(p.duration) // 1)) for p in periods]
        tests.append(tuple(int(sum(before)) + 2 * k for k in range(len(test))))
        for image in test:
            periods.append(awake(200 * ms, inputs=_drive(none, image, 0, 0, n_inh), plasticity=0))
            gap = _drive(none, dark, 0, 20, n_inh)
            periods.append(awake(400 * ms, inputs=gap, plasticity=0))
    return Protocol(
        name=name,
        description="Slow oscillations of a thalamus and a cortex that have learned images",
        network=spec,
        schedule=Timeline(periods=tuple(periods)),
        record=Record(
            spikes=("cx",),
            observers=(
                UpStates(),
                Recall(tests=tuple(tests), classes=classes, labels=labels),
            ),
            alarms=Alarms(runaway=1000 * Hz, saturation=1.0),
        ),
        references=("doi:10.1038/s41598-019-45525-0",),
    )


def of_each(labels: np.ndarray, classes: Sequence[int], n: int, skip: int = 0) -> np.ndarray:
    """Return which images are `n` of each of some classes, after the first `skip`."""
    return np.concatenate([np.flatnonzero(labels == kind)[skip:][:n] for kind in classes])


def thirty(source: str = "mnist", subset: int = 0, n_test: int = 250, **more) -> Protocol:
    """Make the paper's classification: three images of each digit, tested on others, and asleep.

    Parameters
    ----------
    source : str
        A data set, as of `Data`.
    subset : int
        Which three images: the first, the next, and so on.
    n_test : int
        Images of the test set, or of the last if there is none.
    more
        What `learn_and_sleep` is told: ``sleep=300*second``; the paper's sleep is 3000 s.
    """
    data = load_dataset(source)
    chosen = of_each(data.labels, range(10), 3, 3 * subset)
    if data.test_images is not None:
        test, labels = data.test_images[:n_test], data.test_labels[:n_test]
    else:
        test, labels = data.images[-n_test:], data.labels[-n_test:]
    given = {"sleep": 100 * second, **more}
    return learn_and_sleep(
        features(data.images[chosen]), data.labels[chosen], features(test), labels, **given
    )


def nine(source: str = "digits", **more) -> Protocol:
    """Make a run of nine images, the first three of the digits 0, 1 and 2, and tested on them."""
    data = load_dataset(source)
    chosen = of_each(data.labels, range(3), 3)
    shown, classes = features(data.images[chosen]), data.labels[chosen]
    return learn_and_sleep(shown, classes, shown, classes, **{"settle": 1.6 * second, **more})


PROTOCOL = nine()

FIGURE = "raster"

_SLEEP = next(k for k, p in enumerate(PROTOCOL.schedule.periods) if p.kind == "sleep")
_SIGNALS = f"schedule.periods.{_SLEEP}.signals"

CONDITIONS = (
    Condition(name="slow oscillations"),
    Condition(name="thalamus off", changes={f"{_SIGNALS}.feedback": 0.0}),
    Condition(name="no plasticity", changes={f"schedule.periods.{_SLEEP}.gates.plasticity": 0}),
    Condition(name="no adaptation", changes={f"{_SIGNALS}.b": 0.01 * pA}),
)
