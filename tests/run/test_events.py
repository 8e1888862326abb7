"""Events besides spikes, and events recorded with values: as in Brian2, whatever the cut."""

import dataclasses

import brian2
import numpy as np
import pytest
from brian2 import ms
from conftest import BACKENDS, needs_compiler

from brainsleep import (
    Event,
    NetworkSpec,
    NeuronModel,
    OneToOne,
    Pathway,
    Population,
    Projection,
    Protocol,
    Record,
    SynapseModel,
    Timeline,
    asleep,
    awake,
)
from brainsleep.backends.base import make_backend
from brainsleep.errors import BackendError, DataError, ProtocolError, SpecError, StoreError
from brainsleep.experiment.monitors import Monitor
from brainsleep.experiment.protocol import run_id
from brainsleep.run import loop as run_module
from brainsleep.run.observers import growing
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.simulate import simulate, simulate_many
from brainsleep.run.state import initial_state

#: Neurons that climb by 1 a step and spike at 5 or more. `half` happens at each multiple of 3,
#: while they are refractory, too.
CLIMBING = NeuronModel(
    name="climbing",
    equations="""
    x : 1
    y : 1
    n_half : integer
    free = int(not_refractory) : 1
    """,
    on_step="x += 1",
    threshold="x >= 5",
    reset="x = 0",
    refractory="t_ref",
    parameters={"t_ref": 4 * ms},
    events=(Event(name="half", condition="int(x) % 3 == 0", code="n_half += 1; y = x"),),
)

#: Counts what arrives.
READER = NeuronModel(name="reader", equations="s : 1\nh : 1")

#: `half` of the source arrives at its reader.
HEARING = SynapseModel(
    name="hearing",
    on_pre="s_post += 1",
    pathways=(Pathway(name="hears", code="h_post += 1", event="half"),),
)


def network(delay=0 * ms, n=3):
    return NetworkSpec(
        name="eventful",
        populations=(
            Population(name="e", size=n, model=CLIMBING, values={"x": "i"}),
            Population(name="r", size=n, model=READER),
        ),
        projections=(
            Projection(
                name="er",
                source="e",
                target="r",
                synapse=HEARING,
                connectivity=OneToOne(),
                weights=1.0,
                delay=delay,
            ),
        ),
        input="",
    )


def protocol(delay=0 * ms, *, slot=None, record=None, periods=None):
    record = record or Record(
        events={"e.half": ("x", "n_half", "free"), "e.spike": ("x",)},
        states={"r.h": "all", "r.s": "all"},
    )
    more = {"slot": slot} if slot is not None else {}
    return Protocol(
        name="eventful",
        network=network(delay),
        schedule=Timeline(periods=periods or (awake(30 * ms),), **more),
        record=record,
    )


def by_hand(steps, n=3):
    """Neurons in plain Python: each event with step, neuron and values before what it does."""
    x, n_half = np.arange(n, dtype=float), np.zeros(n, int)
    last, halves, spikes = np.full(n, -100), [], []
    for step in range(steps):
        free = step - last >= 4
        x += 1
        spiking = (x >= 5) & free
        last[spiking] = step
        for k in range(n):
            if spiking[k]:
                spikes.append((step, k, x[k]))
        half = x % 3 == 0
        for k in range(n):
            if half[k]:
                halves.append((step, k, x[k], n_half[k], float(free[k] and not spiking[k])))
        x[spiking] = 0
        n_half[half] += 1
    return np.array(halves), np.array(spikes)


@pytest.mark.parametrize("backend", BACKENDS)
def test_events_have_the_values_computed_by_hand(backend, tmp_path):
    halves, spikes = by_hand(30)
    result = simulate(protocol(), backend=backend, out=tmp_path)
    found = result.events("e.half")
    assert result.noted == ("e.half", "e.spike")
    assert np.array_equal(found.steps, halves[:, 0]) and np.array_equal(found.neurons, halves[:, 1])
    for column, name in enumerate(("x", "n_half", "free"), 2):
        assert np.array_equal(np.asarray(found.values[name]), halves[:, column]), name
    assert len(set(halves[:, 4])) == 2  # some while refractory, some not
    at_spikes = result.events("e.spike")
    assert np.array_equal(at_spikes.steps, spikes[:, 0])
    assert np.array_equal(np.asarray(at_spikes.values["x"]), spikes[:, 2])
    assert np.all(np.asarray(at_spikes.values["x"]) >= 5)  # before the reset
    assert np.allclose(np.asarray(at_spikes.times), spikes[:, 0] * 1e-3)
    some = found.between(10 * ms, 20 * ms)
    assert len(some) == np.sum((halves[:, 0] >= 10) & (halves[:, 0] < 20)) == len(some.values["x"])
    table = some.to_pandas()
    assert list(table) == ["time_s", "neuron", "x", "n_half", "free"] and len(table) == len(some)


@pytest.mark.parametrize("delay", [0, 1, 4])
@pytest.mark.parametrize("backend", BACKENDS)
def test_synapses_react_to_an_event_after_their_delay(backend, delay, tmp_path):
    halves, spikes = by_hand(30)
    result = simulate(protocol(delay * ms), backend=backend, out=tmp_path)
    for name, events in (("h", halves), ("s", spikes)):
        for neuron in range(3):
            at = events[events[:, 1] == neuron, 0] + delay  # it arrives in that step
            expected = [np.sum(at < step) for step in range(30)]
            assert np.array_equal(
                np.asarray(result.states(f"r.{name}").values)[:, neuron], expected
            )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_in_slots_is_the_same(backend, tmp_path):
    """What is under way at the end of a segment arrives in the next."""
    whole = simulate(protocol(4 * ms), backend=backend, out=tmp_path / "whole")
    spec = protocol(4 * ms).network
    wanted = {"e.half": ("x",)}
    made = make_backend(backend, spec, capacity=Capacity(8, 64), traced=("r.h",), events=wanted)
    state, steps, values = initial_state(spec, 0), [], []
    for first in range(0, 30, 3):
        segment = Segment(
            steps=np.array([3]),
            stimulus=np.zeros((1, 0)),
            gates={name: np.zeros(1) for name in spec.gates},
            onset=np.zeros(1, bool),
            phase=np.array(["wake"]),
            raster=np.ones(1, bool),
            start=first,
        )
        state, recording = made.advance(state, segment, first)
        steps += (recording.events["e.half"].steps + first).tolist()
        values += recording.events["e.half"].values["x"].tolist()
    found = whole.events("e.half")
    assert steps == found.steps.tolist() and values == np.asarray(found.values["x"]).tolist()
    assert state.arrays["e.half_history"].shape == (4, 3)
    ended = whole.arrays
    assert np.array_equal(state.arrays["r.h"], ended["state/r.h"])


def test_the_same_as_brian2(tmp_path):
    """Where in a time step it is looked, what it does and in which order: Brian2's own."""
    brian2.prefs.codegen.target = "numpy"
    clock = brian2.Clock(1 * ms)
    group = brian2.NeuronGroup(
        3,
        CLIMBING.equations,
        threshold="x >= 5",
        reset="x = 0",
        refractory=4 * ms,
        events={"half": "int(x) % 3 == 0"},
        clock=clock,
    )
    group.x = "i"
    group.run_regularly("x += 1", when="groups", order=2, clock=clock)
    group.run_on_event("half", "n_half += 1; y = x")
    halves = brian2.EventMonitor(group, "half", variables=["x", "n_half", "free"])
    spikes = brian2.SpikeMonitor(group, variables=["x"])
    brian2.Network(group, halves, spikes).run(30 * ms)
    result = simulate(protocol(), backend="numpy", out=tmp_path)
    for monitor, name in ((halves, "e.half"), (spikes, "e.spike")):
        found = result.events(name)
        assert len(found) > 10 and np.array_equal(found.neurons, monitor.i)
        assert np.allclose(found.steps, np.asarray(monitor.t / ms))
        for variable, values in found.values.items():
            assert np.array_equal(np.asarray(values), np.asarray(getattr(monitor, variable)))


def test_windows_and_silent_events(tmp_path):
    record = Record(
        events={"e.half": ("x",), "e.spike": ()},
        windows=((3 * ms, 6 * ms), (20 * ms, 21 * ms)),
    )
    halves, spikes = by_hand(30)
    result = simulate(protocol(record=record), backend="numpy", out=tmp_path)

    def inside(steps):
        return ((steps >= 3) & (steps < 6)) | ((steps >= 20) & (steps < 21))

    assert np.array_equal(result.events("e.half").steps, halves[inside(halves[:, 0]), 0])
    assert np.array_equal(result.events("e.spike").steps, spikes[inside(spikes[:, 0]), 0])
    assert not result.spikes  # which are recorded by their own name
    never = Record(events={"e.half": ("x",)}, windows=((29 * ms, 30 * ms),))
    short = protocol(record=never, periods=(awake(10 * ms),))
    nothing = simulate(short, backend="numpy", out=tmp_path)
    assert len(nothing.events("e.half")) == 0
    assert nothing.events("e.half").values["x"].shape == (0,)


def test_recording_them_changes_nothing(tmp_path):
    plain = Record(states={"r.h": "all"})
    with_events = Record(states={"r.h": "all"}, events={"e.half": ("x",)})
    one, other = (
        simulate(protocol(record=each), backend="numpy", out=tmp_path)
        for each in (plain, with_events)
    )
    assert one.run_id != other.run_id
    assert np.array_equal(np.asarray(one.states("r.h").values), other.states("r.h").values)
    assert np.array_equal(one.counts["e"], other.counts["e"])


def test_much_goes_to_disk_and_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    given = protocol(slot=5 * ms, periods=tuple(awake(10 * ms) for _ in range(4)))
    whole = simulate(given, backend="numpy", out=tmp_path / "whole")
    monkeypatch.setattr(growing, "LIMIT", 64)
    spilled = simulate(given, backend="numpy", out=tmp_path / "spilled")

    class EndedError(Exception):
        pass

    advance, calls = run_module.Run._advance, []

    def stops(self, last):
        calls.append(last)
        if len(calls) == 3:
            self.save_checkpoint()
            raise EndedError
        yield from advance(self, last)

    with monkeypatch.context() as patch:
        patch.setattr(run_module.Run, "_advance", stops)
        with pytest.raises(EndedError):
            simulate(given, backend="numpy", out=tmp_path / "stopped")
    resumed = simulate(given, backend="numpy", out=tmp_path / "stopped")
    for result in (spilled, resumed):
        for name in ("e.half", "e.spike"):
            one, other = whole.events(name), result.events(name)
            assert np.array_equal(one.steps, other.steps)
            assert np.array_equal(one.neurons, other.neurons)
            for variable in one.values:
                assert np.array_equal(np.asarray(one.values[variable]), other.values[variable])


@pytest.mark.standalone
@needs_compiler
def test_replicas_record_what_each_asks_for(tmp_path):
    one = protocol()
    other = protocol(record=Record(events={"e.half": ("y",)}))
    runs = simulate_many([one, other], seeds=[1, 1], backend="cpp", out=tmp_path)
    assert runs[0].noted == ("e.half", "e.spike") and runs[1].noted == ("e.half",)
    assert [*runs[1].events("e.half").values] == ["y"]
    assert np.array_equal(runs[0].events("e.half").steps, runs[1].events("e.half").steps)


def test_a_sleep_and_an_event_of_neurons_that_never_spike(tmp_path):
    """Events are looked at in every step, asleep too; a neuron without a threshold has some."""
    model = NeuronModel(
        name="slow",
        equations="dx/dt = 1/(1*ms) : 1\nn : integer",
        events=(Event(name="tick", condition="x >= 9.5", code="x = 0; n += 1"),),
    )
    network = NetworkSpec(
        name="slow", populations=(Population(name="s", size=2, model=model),), input=""
    )
    record = Record(events={"s.tick": ("n",)}, spikes=())
    periods = (awake(20 * ms), asleep(20 * ms))
    made = Protocol(name="slow", network=network, schedule=Timeline(periods=periods), record=record)
    found = simulate(made, backend="numpy", out=tmp_path).events("s.tick")
    assert found.steps.tolist() == [9, 9, 19, 19, 29, 29, 39, 39]
    assert np.asarray(found.values["n"]).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_what_decides_is_in_the_run_id():
    def model_with(**changes):
        event = dataclasses.replace(CLIMBING.events[0], **changes)
        return with_model(dataclasses.replace(CLIMBING, events=(event,)))

    def with_model(model):
        given = protocol()
        e = dataclasses.replace(given.network.populations[0], model=model)
        populations = (e, *given.network.populations[1:])
        return dataclasses.replace(
            given, network=dataclasses.replace(given.network, populations=populations)
        )

    changes = [
        {},
        {"condition": "int(x) % 3 == 1"},
        {"code": "n_half += 2; y = x"},
        {"when": "end"},
        {"order": 1},
    ]
    ids = {run_id(model_with(**change), 0, "numpy", "x") for change in changes}
    spikes = dataclasses.replace(HEARING.pathways[0], event="spike")
    given = protocol()
    projection = dataclasses.replace(
        given.network.projections[0],
        synapse=dataclasses.replace(HEARING, pathways=(spikes,)),
    )
    network = dataclasses.replace(given.network, projections=(projection,))
    ids.add(run_id(dataclasses.replace(given, network=network), 0, "numpy", "x"))
    record = Record(events={"e.half": ("x",)})
    ids.add(run_id(protocol(record=record), 0, "numpy", "x"))
    assert len(ids) == len(changes) + 2
    assert Protocol.from_dict(given.describe()) == given


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Event(name="spike", condition="x > 1"), "event name: got 'spike'"),
        (lambda: Event(name="Half", condition="x > 1"), "write 'half'"),
        (lambda: Event(name="half", condition="x > 1", when="often"), "event 'half': when"),
        (
            lambda: dataclasses.replace(CLIMBING, events=(Event(name="a", condition="x + 1"),)),
            "condition of event 'a'",
        ),
        (
            lambda: dataclasses.replace(CLIMBING, events=(Event(name="a", condition="z > 1"),)),
            "z",
        ),
        (
            lambda: dataclasses.replace(
                CLIMBING, events=(Event(name="a", condition="x > 1", code="z = 1; t_ref = 1*ms"),)
            ),
            "event 'a'",
        ),
        (
            lambda: dataclasses.replace(CLIMBING, events=(*CLIMBING.events, *CLIMBING.events)),
            "events",
        ),
    ],
)
def test_a_faulty_event_is_refused(make, words):
    with pytest.raises(SpecError) as caught:
        make()
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_pathway_of_an_event_that_is_not_there():
    given = network()
    path = dataclasses.replace(HEARING.pathways[0], event="halv")
    synapse = dataclasses.replace(HEARING, pathways=(path,))
    projection = dataclasses.replace(given.projections[0], synapse=synapse)
    with pytest.raises(SpecError, match=r"'e' has no event 'halv'.*did you mean 'half'"):
        dataclasses.replace(given, projections=(projection,))


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ({"e.halv": ()}, "no event 'halv'"),
        ({"x.half": ()}, "'x'"),
        ({"e.half": ("z",)}, "no variable 'z'"),
        ({"r.spike": ()}, "neurons of 'r' have none"),
        ({"e": ()}, "events and variables"),
        ({"e.half": "x"}, "events and variables"),
        ("e.half", "events and variables"),
    ],
)
def test_what_cannot_be_recorded_is_refused(events, words):
    with pytest.raises((ProtocolError, SpecError)) as caught:
        protocol(record=Record(events=events))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_monitor_of_what_is_not_recorded_says_what_to_write():
    monitor = Monitor(name="m", kind="events", of="e", event="half", variables={"X": "e.x"})
    with pytest.raises(ProtocolError) as caught:
        protocol(record=Record(monitors=(monitor,)))
    assert "write events={'e.half': ('x',)} in the record" in str(caught.value)
    protocol(record=Record(monitors=(monitor,), events={"e.half": ("x",)}))


def test_text_sets_events():
    given = protocol().override({"record.events": "{'e.half': ('x', 'y')}"})
    assert given.record.events == {"e.half": ("x", "y")}


def test_what_was_not_recorded_says_so(tmp_path):
    result = simulate(protocol(), backend="numpy", out=tmp_path)
    with pytest.raises(DataError, match=r"no events 'e\.quarter'"):
        result.events("e.quarter")
    again = simulate(protocol(record=Record(events={"e.spike": ()})), backend="numpy", out=tmp_path)
    with pytest.raises(
        DataError, match=r'set record\.events to {"e\.half": \(\)} and run it again'
    ):
        again.events("e.half")
    done = simulate(again.protocol.override({"record.events": {"e.half": ()}}),
                    backend="numpy", out=tmp_path)  # fmt: skip
    assert len(done.events("e.half")) == len(result.events("e.half"))
    (result.path / "events" / "e.half.x.npy").write_bytes(b"nothing")
    with pytest.raises(StoreError, match="missing or damaged"):
        result.events("e.half")


def test_a_gpu_refuses_them_in_words():
    features = network().plan.features
    assert "events besides spikes" in features
    from brainsleep.backends.cuda.backend import CudaBackend

    assert "events besides spikes" in CudaBackend.lacks
    with pytest.raises(BackendError, match=r"events e\.spike.*--backend cpp"):
        CudaBackend("cuda", network(), Capacity(), {}, print, (), {"e.spike": ("x",)})
