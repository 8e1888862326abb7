"""Poisson numbers: their mean and variance, on every backend, at any time step."""

import numpy as np
import pytest
from brian2 import Hz, ms, mV
from conftest import BACKENDS, make_segment, needs_compiler
from scipy import stats

from brainsleep.backends.base import make_backend
from brainsleep.backends.cuda.backend import CudaBackend
from brainsleep.errors import BackendError
from brainsleep.models.inputs import POISSON_BACKGROUND
from brainsleep.network.spec import NetworkSpec, NeuronModel, Population
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

#: Means on both sides of where the way to draw changes; many neurons of each.
MEANS, N = np.array([0, 0.01, 0.8, 9.99, 10.0, 37.0, 1e4, 1e9]), 4000
COUNTING = NeuronModel(
    name="counting",
    equations="mean : 1\nn : 1\nsum : 1\nsquares : 1",
    on_slot="mean = stimulus*second",
    on_step="""
    n = poisson(mean)
    sum += n - mean
    squares += (n - mean)**2
    """,
)
DRAWN = NetworkSpec(
    name="drawn",
    populations=(Population(name="input", size=N * len(MEANS), model=COUNTING),),
    dt=1 * ms,
)


@pytest.mark.parametrize("name", BACKENDS)
def test_mean_variance_and_distribution(name):
    stimulus = np.repeat(MEANS, N)[None]
    made = make_backend(name, DRAWN, capacity=Capacity(slots=2, steps=10))
    start = initial_state(DRAWN, 0)
    end, _ = made.advance(start, make_segment(DRAWN, stimulus, [10]), 5)
    values = {k: end.arrays[f"input.{k}"].reshape(len(MEANS), N) for k in ("n", "sum", "squares")}
    assert not values["n"][0].any()  # a mean of 0
    for mean, total, squares, n in zip(
        MEANS, values["sum"], values["squares"], values["n"], strict=True
    ):
        if not mean:
            continue
        draws = 10 * N
        assert abs(total.sum() / draws) < 5 * np.sqrt(mean / draws), mean
        spread = np.sqrt((mean + 2 * mean**2) / draws)  # of the squares of a Poisson number
        assert abs(squares.sum() / draws - mean) < 5 * spread, mean
        if mean < 100:
            counts = np.bincount(n.astype(int), minlength=1)
            expected = N * stats.poisson.pmf(np.arange(len(counts)), mean)
            large = expected > 5
            chi2 = np.sum((counts - expected)[large] ** 2 / expected[large])
            assert stats.chi2.sf(chi2, large.sum()) > 1e-4, mean
    again, _ = made.advance(start, make_segment(DRAWN, stimulus, [10]), 5)
    other, _ = made.advance(start, make_segment(DRAWN, stimulus, [10]), 6)
    assert np.array_equal(again.arrays["input.sum"], end.arrays["input.sum"])
    assert not np.array_equal(other.arrays["input.sum"], end.arrays["input.sum"])


@pytest.mark.standalone
@needs_compiler
def test_small_means_are_the_inverse_of_the_distribution():
    """Each is made of one uniform number, whether a mean is new or has been asked for often."""
    means = np.repeat([2.0, 0.1, 9.9, 3.0, 2.0], [6000, 6000, 6000, 500, 500])
    drawn = {}
    for code in ("poisson(mean)", "0*mean + rand()"):
        model = NeuronModel(
            name="drawing",
            equations="mean : 1\nn : 1",
            on_slot="mean = stimulus*second",
            on_step=f"n = {code}",
        )
        population = Population(name="input", size=len(means), model=model)
        spec = NetworkSpec(name="drawing", populations=(population,), dt=1 * ms)
        made = make_backend("cpp", spec, capacity=Capacity(slots=2, steps=10))
        end, _ = made.advance(initial_state(spec, 0), make_segment(spec, means[None], [3]), 5)
        drawn[code] = end.arrays["input.n"]
    n, u = drawn.values()
    np.testing.assert_array_equal(n, stats.poisson.ppf(u, means))
    assert n.max() > 15


FREE = NeuronModel(name="free", equations="v : volt")


@pytest.mark.parametrize("dt", [1 * ms, 0.1 * ms])
@pytest.mark.parametrize("name", BACKENDS[::2])
def test_a_background_is_the_same_at_any_time_step(name, dt):
    background = POISSON_BACKGROUND.with_parameters(rate=8 * Hz)
    population = Population(name="e", size=2000, model=FREE, activities=(background,))
    spec = NetworkSpec(name="behind", populations=(population,), dt=dt)
    steps = round(float(100 * ms / dt))
    made = make_backend(name, spec, capacity=Capacity(slots=2, steps=1000))
    segment = make_segment(spec, np.zeros((1, 0)), [steps], background=0.5)
    end, _ = made.advance(initial_state(spec, 0), segment, 2)
    spikes = end.arrays["e.v"] / float(0.1 * mV)
    expected = 0.5 * 1000 * 8 * 0.1  # gate, sources, Hz, s: mean and variance
    assert abs(spikes.mean() - expected) < 5 * np.sqrt(expected / 2000)
    assert spikes.var() == pytest.approx(expected, rel=5 * np.sqrt(2 / 2000))
    closed = make_segment(spec, np.zeros((1, 0)), [steps])
    assert not made.advance(initial_state(spec, 0), closed, 2)[0].arrays["e.v"].any()


def test_what_cuda_lacks_is_said():
    assert set(DRAWN.plan.features) == {"poisson()"} <= CudaBackend.lacks
    with pytest.raises(BackendError, match=r"poisson.*use --backend cpp"):
        CudaBackend("cuda", DRAWN, Capacity(), {}, print)
