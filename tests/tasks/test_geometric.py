import numpy as np
import pytest

from brainsleep.errors import DataError
from brainsleep.tasks.images.datasets import load_dataset, split
from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.tasks.images.geometric import FIGURES, make_geometric
from brainsleep.tasks.images.readout import Readout, classify


def test_default():
    dataset = load_dataset("geometric")
    assert dataset.images.shape == (2000, 15, 15)
    assert dataset.images.dtype == np.uint8
    assert dataset.name == "geometric"
    assert not dataset.official_split
    np.testing.assert_array_equal(np.bincount(dataset.labels), [500] * 4)
    # whatever changes this changes the identity of every result on this set
    assert dataset.fingerprint.startswith("0c5d612638fe42b7")


def test_settings():
    default = load_dataset("geometric").images
    larger = load_dataset("Geometric: n=6000, seed=0").images
    np.testing.assert_array_equal(larger[:2000], default)
    assert len(np.unique(larger, axis=0)) == 6000
    for other in ("geometric:seed=1", "geometric:noise=0.3"):
        assert (load_dataset(other).images != default).any(axis=(1, 2)).all()
    assert "noise=0.3" in load_dataset("geometric:noise=0.3").source
    assert load_dataset("geometric:").images.shape == default.shape


@pytest.mark.parametrize("seed", range(3))
def test_neither_trivial_nor_hopeless(seed):
    dataset = load_dataset(f"geometric:seed={seed}")
    parts = split(dataset, 0, 1000, 1000, np.random.default_rng(0))
    pixels = RateEncoder().pixels
    fit = pixels(parts.readout.images), parts.readout.labels
    answers, _ = classify(*fit, pixels(parts.test.images), Readout())
    assert 0.85 < np.mean(answers == parts.test.labels) < 0.97


def test_figures():
    """Without noise: as bright as each other, and of the symmetries their names say."""
    images, labels = make_geometric(n=8000, noise=0)
    means = np.stack([images[labels == label].mean(axis=0) for label in range(len(FIGURES))])
    assert np.ptp(means.mean(axis=(1, 2))) < 0.05 * means.mean()
    circle, square, triangle, cross = means
    for mean in (circle, square, cross):
        assert np.abs(mean - np.rot90(mean)).max() < 20
    assert np.abs(triangle - triangle[:, ::-1]).max() < 20
    assert triangle[10, 3] > 10 * triangle[4, 3]  # point up
    assert square[4, 4] > circle[4, 4] > 2 * cross[4, 4]  # corners
    assert cross[7, 2] > 2 * circle[7, 2] > 4 * square[7, 2]  # arms


def test_noise():
    flat, _ = make_geometric(n=400, noise=0)
    noisy, _ = make_geometric(n=400, noise=0.1)
    grey = (flat > 100) & (flat < 155)  # where nothing is clipped
    difference = noisy[grey].astype(float) - flat[grey]
    assert difference.std() == pytest.approx(25.5, rel=0.1)
    assert difference.mean() == pytest.approx(0, abs=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("n=10", "n: got 10; expected a multiple of 4 from 4"),
        ("n=0", "n: got 0"),
        ("n=4e3", "n: got '4e3'; expected a whole number"),
        ("n=4000000000", "n: got 4000000000"),
        ("noise=-1", "noise: got -1.0; expected a number from 0 to 10"),
        ("noise=nan", "noise: got nan"),
        ("noise=loud", "noise: got 'loud'; expected a number"),
        ("noise", "noise: got ''"),
        ("seed=-1", "seed: got -1; expected a whole number of at least 0"),
        ("size=3", "'size=3'; expected each of n, noise, seed once at most"),
        ("seed=1,seed=2", "'seed=2'; expected each"),
        ("n=4,", "got ''; expected each"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(DataError, match=message) as error:
        load_dataset(f"geometric:{settings}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "bad",
    [{"n": 4.0}, {"n": True}, {"noise": True}, {"noise": "0.2"}, {"seed": 1.5}, {"seed": None}],
)
def test_bad_arguments(bad):
    with pytest.raises(DataError, match=f"geometric: {next(iter(bad))}"):
        make_geometric(**bad)
