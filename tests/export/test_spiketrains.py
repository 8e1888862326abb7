"""Spike trains as neo objects; known answers of their statistics."""

import sys

import numpy as np
import pytest
from conftest import TINY

from brainsleep.errors import DataError, MissingExtraError
from brainsleep.export.spiketrains import fano_factor, isi_cv, to_neo, trials
from brainsleep.results.store import write_result
from brainsleep.run.simulate import simulate


def stored(out, spikes, raster=(1, 4), dt="0.0005 second"):
    """Four images of 100 steps, a sleep cut to 20 steps in slot 2; three neurons."""
    info = {
        "protocol": {
            "name": "made up",
            "network": {"dt": dt, "populations": [{"name": "e", "size": 3}]},
            "record": {"raster": list(raster)},
        }
    }
    arrays = {
        "spikes/e": np.array(spikes, np.int64).reshape(-1, 2),
        "slots/steps": np.array([100, 100, 20, 100, 100]),
        "slots/image": np.array([0, 1, -1, 2, 0]),
        "slots/part": np.array(["train", "train", "train", "train", "test"]),
        "labels/train": np.array([7, 8, 8]),
        "labels/test": np.array([8]),
    }
    return write_result(out, "0" * 16, info, arrays)


# steps 100 to 320 are recorded; neuron 1 is silent
SPIKES = [(100, 0), (110, 0), (199, 2), (120, 0), (130, 0), (210, 2), (220, 0), (319, 2)]


@pytest.mark.parametrize("call", [lambda r: to_neo(r, "e"), lambda r: trials(r, "e", 8), isi_cv])
def test_without_the_extra_the_error_says_what_to_install(call, tmp_path, monkeypatch):
    for name in ("neo", "elephant", "elephant.statistics", "quantities"):
        monkeypatch.setitem(sys.modules, name, None)
    result = stored(tmp_path, SPIKES)
    with pytest.raises(
        MissingExtraError, match=r"needs elephant: pip install 'brainsleep\[analysis\]'"
    ):
        call(result)


@pytest.fixture
def elephant():
    pytest.importorskip("neo")
    return pytest.importorskip("elephant.statistics")


def test_to_neo(elephant, tmp_path):
    trains = to_neo(stored(tmp_path, SPIKES), "e")
    assert [len(train) for train in trains] == [5, 0, 3]
    assert {str(train.units.dimensionality) for train in trains} == {"ms"}
    assert trains[0].magnitude.tolist() == [50, 55, 60, 65, 110]  # a step is half a ms
    assert trains[2].magnitude.tolist() == [99.5, 105, 159.5]
    assert all(train.t_start == 50 and train.t_stop == 160 for train in trains)
    assert trains[2].name == "e[2]"
    assert trains[2].annotations == {"population": "e", "neuron": 2, "slots": (1, 4)}


def test_to_neo_of_some_slots(elephant, tmp_path):
    result = stored(tmp_path, SPIKES)
    trains = to_neo(result, "e", slots=(2, 3))  # the sleep: steps 200 to 219
    assert [train.magnitude.tolist() for train in trains] == [[], [], [105]]
    assert trains[0].t_start == 100 and trains[0].t_stop == 110
    for slots in ((0, 2), (1, 5), (3, 3), (3, 2)):
        with pytest.raises(DataError, match=r"expected within the slots \(1, 4\)"):
            to_neo(result, "e", slots=slots)


def test_window_beyond_the_run_ends_with_it(elephant, tmp_path):
    (train, *_) = to_neo(stored(tmp_path, SPIKES, raster=(3, 99)), "e")
    assert train.t_start == 110 and train.t_stop == 210


def test_no_spike_at_all(elephant, tmp_path):
    trains = to_neo(stored(tmp_path, []), "e")
    assert [len(train) for train in trains] == [0, 0, 0]
    assert np.isnan(isi_cv(trains)).all()


def test_what_was_not_recorded_is_an_error(elephant, tmp_path):
    with pytest.raises(DataError, match="no population 'i'; one of: e"):
        to_neo(stored(tmp_path, SPIKES), "i")
    with pytest.raises(DataError, match=r"recorded none; set record\.raster"):
        to_neo(stored(tmp_path, [], raster=()), "e")
    with pytest.raises(DataError, match=r"class 7: got none recorded; expected one of \[8\]"):
        trials(stored(tmp_path, SPIKES), "e", 7)


def test_trials_are_the_slots_of_a_class(elephant, tmp_path):
    found = trials(stored(tmp_path, SPIKES), "e", 8)  # slots 1 and 3
    assert [[len(train) for train in neuron] for neuron in found] == [[4, 1], [0, 0], [1, 1]]
    # counts 4 and 1: mean 2.5, variance 2.25; silent; equal counts
    np.testing.assert_allclose(fano_factor(found), [0.9, np.nan, 0])
    assert np.isnan(fano_factor([neuron[:1] for neuron in found])).all()


def test_cv_of_regular_and_of_two_intervals(elephant, tmp_path):
    spikes = [(100 + 10 * k, 0) for k in range(9)] + [(100, 1), (110, 1), (140, 1), (150, 2)]
    # intervals of neuron 1: 5 and 15 ms, mean 10, sd 5
    found = isi_cv(to_neo(stored(tmp_path, spikes), "e"))
    np.testing.assert_allclose(found, [0, 0.5, np.nan], atol=1e-12)


def test_poisson_trains(elephant):
    import neo

    rng = np.random.default_rng(0)
    counts = rng.poisson(20, size=(3, 400))
    many = [
        [neo.SpikeTrain(np.sort(rng.random(n)), units="s", t_stop=1.0) for n in neuron]
        for neuron in counts
    ]
    np.testing.assert_allclose(fano_factor(many), counts.var(axis=1) / counts.mean(axis=1))
    assert abs(fano_factor(many).mean() - 1) < 5 * np.sqrt(2 / 1200)
    times = np.cumsum(rng.exponential(size=5000))
    (cv,) = isi_cv([neo.SpikeTrain(times, units="s", t_stop=times[-1] + 1)])
    assert abs(cv - 1) < 5 / np.sqrt(5000)


def test_trains_of_a_run_have_its_counts(elephant, tmp_path):
    result = simulate(TINY, seed=1, backend="numpy", out=tmp_path)
    arrays = result.arrays
    for population in ("e", "i"):
        trains = to_neo(result, population)
        counts = arrays[f"counts/{population}"][3:6].sum(axis=0)
        assert [len(train) for train in trains] == counts.tolist()
        assert trains[0].t_start == 150 and trains[0].t_stop == 350
    inputs = to_neo(result, "input", slots=(3, 4))
    assert sum(map(len, inputs)) == arrays["totals/input"][3]
    label = int(arrays["labels/train"][arrays["slots/image"][3]])
    shown = trials(result, "e", label)
    assert [len(neuron[0]) for neuron in shown] == arrays["counts/e"][3].tolist()
