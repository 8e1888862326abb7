"""Unsupervised learning of digits by the network of Diehl & Cook (2015), as in their code.

Images of 28x28 pixels are shown for 350 ms, up to 63.75 Hz, each followed by 150 ms without input;
weights are normalised before every presentation. Then neurons are assigned to the classes for which
they spike most, and vote. `PROTOCOL` is smaller than any published network: 100 neurons and 2000
images, to see that it learns. The published one of 400 neurons takes hours::

    brainsleep run diehl_cook:FULL

and others ``--set network.populations.e.size=1600 --set network.populations.i.size=1600``, say. It
learns from 50 000 images of MNIST three times, and neurons are assigned by 10 000 others.

One thing is not as in their code in these: an image to which the network responds with less than
five spikes is not shown again with more contrast. In `repeated` it is: `REPEATED` and
`FULL_REPEATED` are the same two networks in a closed loop, in which a presentation depends on the
response to the one before. (How many presentations there are is fixed, and not how many images.)
"""

import dataclasses
from functools import cache
from typing import Any

import numpy as np
from brian2 import Hz, ms, second

from brainsleep import (
    Condition,
    Data,
    Environment,
    Images,
    Metric,
    NetworkSpec,
    Observer,
    Protocol,
    RateEncoder,
    Readout,
    Record,
    Schedule,
    Timeline,
    awake,
    sleep,
    wake,
)
from brainsleep.models.diehl_cook import DIEHL_COOK_2015, two_layers
from brainsleep.tasks.images.datasets import Samples, load_dataset, split
from brainsleep.tasks.images.readout import votes

FULL = Protocol(
    name="diehl_cook, as published",
    description="Network of Diehl & Cook 2015 with 400 excitatory neurons, three epochs of MNIST",
    network=DIEHL_COOK_2015,
    task=Images(
        data=Data(source="mnist", n_train=50_000, n_readout=10_000, n_test=10_000),
        encoder=RateEncoder(size=(28, 28), total=None, max_rate=63.75 * Hz),
        readout=Readout(classifier="assigned"),
    ),
    schedule=Schedule(
        image_duration=500 * ms,  # of which the image is shown for 350
        wake=wake(normalise=1),
        sleep=sleep(0.0),
        epochs=3,
    ),
    record=Record(weights_every=1000, weights_at_phases=False),
    references=("doi:10.3389/fncom.2015.00099",),
)

PROTOCOL = dataclasses.replace(
    FULL.override(
        {"schedule.epochs": 1, "data.n_train": 2000, "data.n_readout": 1000, "data.n_test": 500}
    ),
    name="diehl_cook",
    description="Network of Diehl & Cook 2015, smaller: 100 excitatory neurons, 2000 images",
    network=two_layers("diehl_cook_small", 100),
)

FIGURE = "receptive_fields"

CONDITIONS = (
    Condition(name="100 neurons, 2000 images"),
    Condition(name="no learning", changes={"schedule.wake.gates.plasticity": 0}),
)


# -- images shown again ------------------------------------------------------------------------

#: Spikes below which an image is shown again, and contrast of the first time: pixel/8 Hz a unit.
LEAST, CONTRAST = 5, 2


@cache
def _samples(source: str) -> tuple[Samples, Samples]:
    """Return the images to learn from, and to test with: a sixth, where a data set does not say."""
    data = load_dataset(source)
    n_train, test = len(data.images), data.test_images
    n_test = n_train // 6 if test is None else len(test)
    n_train -= n_test if test is None else 0
    parts = split(data, n_train, 0, n_test, np.random.default_rng(0))
    return parts.train, parts.test


class Presenter:
    """An environment that shows images: `trained`, then `labelled`, then `tested` times.

    An observation is whether the image is one to test with, its number, and its contrast; an action
    is how many spikes there were. The reward is 1 if those were enough.
    """

    def __init__(self, source: str, trained: int, labelled: int, tested: int):
        self.sizes = [len(samples) for samples in _samples(source)]
        self.ends = trained, trained + labelled
        self.presented = 0

    def reset(self, seed: int | None = None):
        """Draw in which order images are shown."""
        rng = np.random.default_rng(seed)
        self.orders = [rng.permutation(size) for size in self.sizes]
        self.place, self.contrast = 0, CONTRAST
        return self.now, {}

    @property
    def now(self) -> np.ndarray:
        """What is shown next."""
        test = self.presented >= self.ends[1]
        order = self.orders[test]
        return np.array([test, order[self.place % len(order)], self.contrast])

    def step(self, spikes: int):
        """Go on to the next image, or show the same again with more contrast."""
        enough = spikes >= LEAST
        self.presented += 1
        self.place, self.contrast = (
            (self.place + 1, CONTRAST) if enough else (self.place, self.contrast + 1)
        )
        if self.presented in self.ends:
            self.contrast = CONTRAST
        return self.now, float(enough), False, False, {}


@dataclasses.dataclass(frozen=True)
class Contrast:
    """Rates of an observation."""

    source: str

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        """Return pixel/8 Hz times the contrast."""
        test, number, contrast = map(int, seen)
        images = _samples(self.source)[test].images[number : number + 1]
        pixels = RateEncoder(size=(28, 28)).pixels(images)[0]
        return 255 * pixels / 8 * contrast


def spikes_of_e(counts: dict[str, np.ndarray], rng: np.random.Generator) -> int:
    """Return how many spikes of excitatory neurons there were."""
    return int(counts["e"].sum())


@dataclasses.dataclass(frozen=True)
class Votes(Observer):
    """The accuracy of neurons that vote, of images that were answered."""

    source: str
    trained: int
    labelled: int

    name = "votes"
    metrics = (
        Metric("observed", "votes_accuracy", "fraction", "accuracy of neurons that vote"),
        Metric("observed", "votes_repeated", "fraction", "presentations that were not answered"),
    )

    def measure(self, seen: Any) -> dict[str, float]:
        """Assign neurons to classes and have them vote."""
        (learned, held), counts = _samples(self.source), seen.recorder.counts["e"]
        answered, shown = seen.series("loop", "reward") > 0, seen.series("loop", "seen")
        number = shown[:, 1].astype(int)
        place, ends = np.arange(len(shown)), (self.trained, self.trained + self.labelled)
        fit, test = (
            np.flatnonzero(answered & there)
            for there in ((place >= ends[0]) & (place < ends[1]), place >= ends[1])
        )
        if not len(fit) or not len(test):
            return {}
        chosen = votes(counts[fit], learned.labels[number[fit]], counts[test])
        right = chosen == held.labels[number[test]]
        return {
            "votes_accuracy": float(right.mean()),
            "votes_repeated": float(1 - answered.mean()),
        }


def repeated(
    network: NetworkSpec, trained: int, labelled: int, tested: int, source: str = "mnist"
) -> Protocol:
    """Show images again to which there is no answer, in so many presentations."""
    numbers = {"trained": trained, "labelled": labelled}
    return Protocol(
        name="diehl_cook, images shown again",
        description="Network of Diehl & Cook 2015, images without an answer shown again",
        network=network,
        task=Environment(
            env=Presenter,
            settings={"source": source, "tested": tested, **numbers},
            encode=Contrast(source),
            decode=spikes_of_e,
            reward="",
        ),
        schedule=Timeline(
            periods=(
                awake(trained * 0.5 * second, normalise=1),
                awake(labelled * 0.5 * second, plasticity=0),
                awake(tested * 0.5 * second, plasticity=0),
            ),
            slot=500 * ms,
        ),
        record=Record(weights_at_phases=False, observers=(Votes(source, **numbers),)),
        references=FULL.references,
    )


FULL_REPEATED = repeated(DIEHL_COOK_2015, 180_000, 10_000, 10_000)
REPEATED = repeated(PROTOCOL.network, 2000, 1000, 500)
