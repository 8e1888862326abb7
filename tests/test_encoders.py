import dataclasses
import re

import numpy as np
import pytest
from brian2 import Hz, kHz, ms, mV
from PIL import Image

from brainsleep.datasets import load_dataset
from brainsleep.encoders import RateEncoder
from brainsleep.errors import DataError, ProtocolError


@pytest.fixture(scope="module")
def images():
    """Noise on a gradient, 28x28, the mean brightness of MNIST."""
    gradient = np.linspace(0, 60, 28)[None, None, :]
    noise = np.random.default_rng(0).random((20, 28, 28)) * 30
    return (gradient + noise).astype(np.uint8)


def test_defaults_are_those_of_the_paper():
    encoder = RateEncoder()
    assert encoder.size == (15, 15)
    assert encoder.n_inputs == 225
    assert encoder.total == pytest.approx(0.1 * 225)
    assert encoder.max_rate == 1 * kHz
    assert encoder == RateEncoder(max_rate=1 * kHz)


def test_spike_probabilities_sum_to_total(images):
    rates = RateEncoder().rates(images)
    assert rates.shape == (20, 225)
    assert rates.dtype == np.float64
    assert type(rates) is np.ndarray
    probability = rates * 1e-3  # per millisecond
    assert probability.max() < 1  # nothing clipped here
    np.testing.assert_allclose(probability.sum(axis=1), 22.5)


def test_values_are_clipped(images):
    """A few bright pixels cannot carry the whole sum."""
    spot = np.zeros((1, 15, 15), np.uint8)
    spot[0, 7, 5:9] = 200
    spot[0, 8, 5] = 10
    rates = RateEncoder().rates(spot)
    assert rates.max() == 1000
    assert (rates == 1000).sum() == 4
    assert rates[0, 8 * 15 + 5] == pytest.approx(1000 * 10 * 22.5 / 810)
    assert rates.sum() < 22.5e3


def test_brightness_does_not_matter_with_total(images):
    size = images.shape[1:]
    bright, dark = (RateEncoder(size=size).rates(images // 2 * k) for k in (1, 2))
    np.testing.assert_allclose(bright, dark)
    bright, dark = (RateEncoder(size=size, total=None).rates(images // 2 * k) for k in (1, 2))
    np.testing.assert_allclose(2 * bright, dark)


@pytest.mark.parametrize("total", [22.5, None])
def test_black_image_is_silent(images, total):
    batch = np.concatenate([images[:1], np.zeros((1, 28, 28), np.uint8)])
    rates = RateEncoder(total=total).rates(batch)
    assert np.all(rates[1] == 0)
    assert rates[0].sum() > 0
    assert np.isfinite(rates).all()


def test_competitive_network_input(images):
    encoder = RateEncoder(size=(28, 28), total=None, max_rate=128 * Hz)
    np.testing.assert_allclose(encoder.rates(images), images.reshape(20, 784) / 255 * 128)
    white = np.full((1, 28, 28), 255, np.uint8)
    np.testing.assert_allclose(encoder.rates(white), 128)


def test_pixels_do_not_depend_on_rates(images):
    pixels = RateEncoder().pixels(images)
    assert pixels.shape == (20, 225)
    assert 0 <= pixels.min() <= pixels.max() <= 1
    np.testing.assert_array_equal(pixels, RateEncoder(total=None, max_rate=1 * Hz).pixels(images))


def test_resize_is_antialiased_bilinear(images):
    expected = Image.fromarray(images[3]).resize((15, 15), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(
        RateEncoder().pixels(images)[3].reshape(15, 15), np.asarray(expected) / 255
    )
    # fine stripes average to grey; without antialiasing they would alias to black or white
    stripes = np.zeros((1, 30, 30), np.uint8)
    stripes[:, :, ::2] = 255
    inner = RateEncoder(size=(10, 10)).pixels(stripes).reshape(10, 10)[:, 1:-1]
    assert np.all(np.abs(inner - 0.5) < 0.15)


def test_height_and_width(images):
    """Rows stay rows: size is (height, width)."""
    encoder = RateEncoder(size=(4, 10), total=None)
    assert encoder.n_inputs == 40
    rows = np.zeros((1, 8, 20), np.uint8)
    rows[:, :2] = 255
    pixels = encoder.pixels(rows).reshape(4, 10)
    assert np.all(pixels[0] > 0.8)
    assert np.all(pixels[2:] == 0)


@pytest.mark.parametrize(
    ("images", "size"),
    [((28, 28), (15, 15)), ((8, 8), (15, 15)), ((27, 28), (15, 15)), ((20, 30), (10, 15)),
     ((20, 30), (15, 22)), ((30, 20), (22, 15)), ((20, 30), (20, 30))],
)  # fmt: skip
def test_proportions_kept(images, size):
    assert not RateEncoder(size=size).squeezed(*images)


@pytest.mark.parametrize("images", [(20, 30), (30, 20), (28, 32), (1, 100), (100, 1)])
def test_proportions_lost(images):
    """Both shapes are named, and the size that is given keeps the proportions."""
    text = RateEncoder().squeezed(*images)
    assert "{}x{} pixels are squeezed to 15x15".format(*images) in text
    (size,) = re.findall(r"encoder\.size=\((\d+), (\d+)\)", text)
    assert not RateEncoder(size=tuple(map(int, size))).squeezed(*images)


def test_images_may_be_views_or_read_only():
    digits = load_dataset("digits").images
    encoder = RateEncoder()
    for view in (digits[5:8], digits[::-300], digits.transpose(0, 2, 1)[:3]):
        np.testing.assert_array_equal(encoder.rates(view), encoder.rates(view.copy()))


def test_no_images():
    assert RateEncoder().rates(np.zeros((0, 28, 28), np.uint8)).shape == (0, 225)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 8, 8)), np.zeros((8, 8), np.uint8), np.zeros((2, 0, 8), np.uint8), [], None],
)
def test_bad_images(images):
    with pytest.raises(DataError, match="expected uint8 of shape"):
        RateEncoder().rates(images)


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("size", [(0, 15), (15,), (15, 15, 1), 15, (15.0, 15), (-1, 2), None, "15"]),
        ("total", [0, -1, float("nan"), float("inf"), "22.5"]),
        (
            "max_rate",
            [1000, 5 * ms, 3 * mV, 0 * Hz, -1 * Hz, np.nan * Hz, np.inf * Hz, [1, 2] * Hz, None],
        ),
    ],
)
def test_bad_settings(setting, values):
    for value in values:
        with pytest.raises(ProtocolError, match=f"encoder.{setting}: got .*; expected"):
            RateEncoder(**{setting: value})


def test_settings_can_be_replaced_but_not_changed():
    encoder = RateEncoder(size=[8, 8])
    assert encoder.size == (8, 8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        encoder.total = 1
    assert dataclasses.replace(encoder, total=None).total is None


def test_a_total_is_a_number_and_the_same_however_it_is_written():
    assert RateEncoder(total=22) == RateEncoder(total=22.0)
    assert type(RateEncoder(total=22).total) is float
    with pytest.raises(ProtocolError, match=r"encoder\.total: got True"):
        RateEncoder(total=True)
