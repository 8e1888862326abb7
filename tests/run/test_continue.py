"""A run that goes on from the whole state of a stored one."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms
from conftest import QUICK, TINY, needs_compiler

from brainsleep.errors import ProtocolError, StoreError
from brainsleep.experiment.protocol import Protocol, run_id
from brainsleep.experiment.record import Record
from brainsleep.experiment.saved_state import SavedState
from brainsleep.experiment.start import SavedWeights
from brainsleep.experiment.timeline import Timeline, asleep, awake
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.spec import InitialWeights, NetworkSpec, Population, Projection
from brainsleep.run import loop as run_module
from brainsleep.run.simulate import simulate

TARGETS = [
    "numpy",
    pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler]),
]


def of_small(small_network, times, noise=0.0, rate=1000 * Hz, **more):
    """Wake and sleep of the small network; without noise, and spikes at every step, no chance."""
    periods = (awake(100 * ms, rate=rate), asleep(50 * ms, noise=noise, decay=1))
    return Protocol(
        name="small",
        network=small_network,
        schedule=Timeline(periods=periods, times=times, slot=10 * ms),
        record=Record(states={"e.v": (0, 7), "ee.w": (0, 1, 2)}, spikes=("e",)),
        **more,
    )


def state_of(result):
    before = SavedState(result=str(result.path)).before()
    return {k: v.tobytes() for k, v in before.arrays.items()} | {
        f"{name}/{end}": getattr(each, end).tobytes()
        for name, each in before.synapses.items()
        for end in ("pre", "post")
    }


def joined(read, *results):
    """What several runs, one after the other, recorded, with the times of one run."""
    offsets = np.cumsum([0, *(float(r.slot_times[-1]) for r in results[:-1])])
    return np.concatenate([read(r, offset) for r, offset in zip(results, offsets, strict=True)])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("noise", [0.0, 0.5], ids=["deterministic", "noisy"])
def test_a_run_is_the_same_when_it_is_stored_and_goes_on(small_network, tmp_path, target, noise):
    whole = of_small(small_network, 3, noise)
    whole = whole.override({"record.snapshots": (15,)})  # a cut, as random numbers follow segments
    reference = simulate(whole, seed=2, backend=target, out=tmp_path)
    first = simulate(of_small(small_network, 1, noise), seed=2, backend=target, out=tmp_path)
    rest = of_small(small_network, 2, noise, saved_state=SavedState(result=str(first.path)))
    second = simulate(rest, seed=2, backend=target, out=tmp_path)
    assert state_of(second) == state_of(reference) != state_of(first)
    assert second.info["had"] == reference.info["had"] == {"steps": 450, "slots": 45}
    for name in ("e", "i"):
        counts = joined(lambda r, _, name=name: r.counts[name], first, second)
        np.testing.assert_array_equal(counts, reference.counts[name])
    for name in reference.traced:
        values = joined(lambda r, _, name=name: np.asarray(r.states(name).values), first, second)
        assert values.tobytes() == np.asarray(reference.states(name).values).tobytes()
    times = joined(lambda r, offset: np.asarray(r.spikes["e"].times) + offset, first, second)
    np.testing.assert_allclose(times, np.asarray(reference.spikes["e"].times), atol=1e-9)
    again = simulate(replace(rest, saved_state=SavedState()), seed=2, backend=target, out=tmp_path)
    assert again.run_id != second.run_id and state_of(again) != state_of(second)


def test_three_pieces_and_another_timeline(small_network, tmp_path):
    results = []
    for k in range(3):
        saved = SavedState(result=str(results[-1].path)) if k else SavedState()
        protocol = of_small(small_network, 1, saved_state=saved)
        results.append(simulate(protocol, seed=2, backend=QUICK, out=tmp_path))
    whole = simulate(of_small(small_network, 3), seed=2, backend=QUICK, out=tmp_path)
    assert state_of(results[-1]) == state_of(whole)
    other = Timeline(periods=(asleep(30 * ms),), slot=10 * ms)
    protocol = replace(of_small(small_network, 1), schedule=other,
                       saved_state=SavedState(result=str(whole.path)))  # fmt: skip
    rested = simulate(protocol, seed=2, backend=QUICK, out=tmp_path)
    start = SavedState(result=str(whole.path)).before().arrays["e.v"]
    np.testing.assert_array_equal(np.asarray(rested.states("e.v").values)[0], start[[0, 7]])


def test_more_images_for_a_network_that_learned(tmp_path):
    first = simulate(TINY, seed=1, backend=QUICK, out=tmp_path)
    more = TINY.override({"saved_state": SavedState(result=str(first.path))})
    second = simulate(more, seed=5, backend=QUICK, out=tmp_path)
    for name in ("ee", "input_e"):
        one, other = first.synapses(name), second.synapses(name, "initial")
        for end in ("pre", "post", "w"):
            np.testing.assert_array_equal(getattr(one, end), getattr(other, end))
    assert second.metrics["growth"] != first.metrics["growth"]


def test_an_interrupted_run_goes_on(small_network, tmp_path, monkeypatch):
    first = simulate(of_small(small_network, 1), seed=2, backend=QUICK, out=tmp_path)
    rest = of_small(small_network, 2, saved_state=SavedState(result=str(first.path)))
    reference = simulate(rest, seed=2, backend=QUICK, out=tmp_path / "reference")
    original, calls = run_module.Run._segment, []

    def segment(run, *slots):
        calls.append(slots)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return original(run, *slots)

    with monkeypatch.context() as patch:
        patch.setattr(run_module.Run, "_segment", segment)
        with pytest.raises(KeyboardInterrupt):
            simulate(rest, seed=2, backend=QUICK, out=tmp_path)
    result = simulate(rest, seed=2, backend=QUICK, out=tmp_path)
    assert state_of(result) == state_of(reference)


def test_content_and_not_place_is_in_the_id(small_network, tmp_path):
    first = simulate(of_small(small_network, 1), seed=2, backend=QUICK, out=tmp_path / "a")
    (tmp_path / "b").mkdir()
    moved = first.path.rename(tmp_path / "b" / "elsewhere")
    protocol = of_small(small_network, 1, saved_state=SavedState(result=str(moved)))
    assert Protocol.from_dict(protocol.describe()) == protocol
    named = protocol.override({"saved_state": str(moved)})
    assert named == protocol
    moved = moved.rename(tmp_path / "c")
    there = of_small(small_network, 1, saved_state=SavedState(result=str(moved)))
    assert run_id(there, 0, "cpp", "") == run_id(protocol, 0, "cpp", "")
    anew = there.override({"saved_state.restart_time": True})
    assert run_id(anew, 0, "cpp", "") != run_id(there, 0, "cpp", "")
    with pytest.raises(StoreError, match="saved_state: no result in"):
        protocol.saved_state.before()


def test_time_goes_on_or_begins_anew(small_network, tmp_path):
    first = simulate(of_small(small_network, 1), seed=2, backend="numpy", out=tmp_path)
    for restart, wanted in ((False, 0.15), (True, 0.0)):
        times = []
        saved = SavedState(result=str(first.path), restart_time=restart)
        hooks = {"on_wake": lambda groups, t, times=times: times.append(float(t))}
        protocol = of_small(small_network, 1, saved_state=saved, hooks=hooks)
        result = simulate(protocol, seed=2, backend="numpy", out=tmp_path)
        assert times == pytest.approx([wanted])
        assert result.info["had"]["steps"] == 150 + round(wanted * 1e3)
        assert float(result.slot_times[0]) == 0


def test_what_does_not_fit_is_refused(small_network, tmp_path):
    first = simulate(of_small(small_network, 1), seed=2, backend=QUICK, out=tmp_path)
    saved = SavedState(result=str(first.path))
    good = of_small(small_network, 1, saved_state=saved)
    with pytest.raises(ProtocolError, match=r"saved_state: dt: got 0\.001; expected 0\.0005"):
        quiet = tuple(replace(p, activities=()) for p in small_network.populations)
        saved.check(replace(small_network, dt=0.5 * ms, populations=quiet))
    with pytest.raises(ProtocolError, match="saved_state: size of 'i': got 5; expected 6"):
        good.override({"network.populations.i.size": 6})
    with pytest.raises(ProtocolError, match="one of saved_weights and saved_state"):
        replace(good, saved_weights=SavedWeights(result=str(first.path)))
    with pytest.raises(ProtocolError, match="saved_state: 'input_e' from, to"):
        fewer = replace(small_network, projections=small_network.projections[1:])
        replace(good, record=Record(), network=fewer)
    with pytest.raises(ProtocolError, match="a result to take the state from"):
        of_small(small_network, 1, saved_state=SavedState(restart_time=True))
    changed = replace(STDP_NEAREST, name="another")
    own = tuple(replace(p, rules=(changed,)) for p in small_network.projections)
    other = replace(good, network=replace(small_network, projections=own))
    with pytest.raises(ProtocolError, match=r"variable e.another_.*none in the result"):
        simulate(other, seed=2, backend=QUICK, out=tmp_path)


def test_a_result_of_before_holds_no_state(tmp_path, small_network, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "stored_state", lambda state, arrays: {})
        first = simulate(of_small(small_network, 1), seed=2, backend=QUICK, out=tmp_path)
    with pytest.raises(ProtocolError, match=r"holds no state.*saved_weights"):
        SavedState(result=str(first.path))
    assert SavedWeights(result=str(first.path)).weights()
    again = simulate(of_small(small_network, 1), seed=2, backend=QUICK, out=tmp_path, force=True)
    assert SavedState(result=str(again.path)).before().arrays


def test_delays_and_values_of_neurons_go_on(tmp_path):
    """What is under way arrives, though another seed would draw other delays and values."""
    model = replace(LIF, parameters={**LIF.parameters, "tau_syn": 5 * ms})
    drawn = "-55*mV + 2*mV*rand()"
    spec = NetworkSpec(
        name="delayed",
        populations=(
            Population(name="input", size=3, model=POISSON),
            Population(name="e", size=8, model=model, values={"v_threshold": drawn}),
        ),
        projections=(
            Projection(
                name="input_e", source="input", target="e", synapse=CURRENT,
                weights=InitialWeights(low=8.0), w_max=20.0, delay="2*ms + 20*ms*rand()",
            ),
        ),
    )  # fmt: skip

    def protocol(times, **more):
        periods = (awake(30 * ms, rate=1000 * Hz),)
        record = Record(states={"e.v": "all"})
        timeline = Timeline(periods=periods, times=times, slot=10 * ms)
        return Protocol(name="delayed", network=spec, schedule=timeline, record=record, **more)

    whole = simulate(protocol(2), seed=2, backend="numpy", out=tmp_path)
    first = simulate(protocol(1), seed=2, backend="numpy", out=tmp_path)
    rest = protocol(1, saved_state=SavedState(result=str(first.path)))
    second = simulate(rest, seed=3, backend="numpy", out=tmp_path)
    assert state_of(second) == state_of(whole)
    assert np.ptp(np.asarray(second.states("e.v").values)) > 1e-3
    with pytest.raises(ProtocolError, match="'e': got another specification"):
        rest.override({"network.populations.e.model.tau_m": 10 * ms})
