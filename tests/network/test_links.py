"""Variables and signals that are those of other neurons: as worked out, however a run is cut."""

import contextlib
import dataclasses

import numpy as np
import pytest
from brian2 import ms, mV
from conftest import BACKENDS, advanced, assert_same_bits

from brainsleep.backends.base import make_backend
from brainsleep.errors import BackendError, BrainsleepError
from brainsleep.experiment.protocol import Protocol, run_id
from brainsleep.experiment.record import Record
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.network.spec import (
    Connectivity,
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.network.tables import Table
from brainsleep.run.simulate import simulate
from brainsleep.show.describe import describe

#: One a neuron, which two populations share.
SLOW = NeuronModel(
    name="slow",
    equations="dx/dt = (sin(2*pi*t/period) - x)/tau : 1",
    parameters={"tau": 20 * ms, "period": 50 * ms},
    initial={"x": "0.3*i"},
)
#: One for all, which spikes raise: `spiking` is set back in the step after.
VTA = NeuronModel(
    name="vta",
    equations="dd/dt = (u - d)/tau : 1\ndu/dt = (1 - u)/rise : 1",
    threshold="u > 0.4",
    reset="u = 0; d += 0.2",
    parameters={"tau": 70 * ms, "rise": 30 * ms},
)
#: A neuron that reads another, and computes something of that.
SLOW_READER = NeuronModel(
    name="slow_reader",
    equations="dv/dt = (drive - v)/tau : 1\ndrive : 1 (linked)",
    parameters={"tau": 10 * ms},
)
LIF_READER = dataclasses.replace(
    SLOW_READER, equations="dv/dt = (level - v)/tau : 1\ndrive : 1 (linked)\nlevel = 2*drive : 1"
)
LIF = NeuronModel(
    name="lif",
    equations="""
    dv/dt = (2*drive + dopamine + level - v)/tau : 1
    drive : 1 (linked)
    level = drive**2 : 1
    """,
    threshold="v > 1 + 0.1*drive",
    reset="v = -0.1*drive",
    on_step="v = v + 0.001*dopamine",
    parameters={"tau": 10 * ms},
    signals={"dopamine": 1},
)
PUSH = SynapseModel(
    name="push", on_pre="v_post += w*dopamine*(0.2 + drive_post)", signals={"dopamine": 1}
)
RULE = PlasticityRule(
    name="third",
    pre_equations="da/dt = -a/tau_a : 1",
    pre_spike="a += 1",
    on_post="w = clip(w + 0.002*a_pre*dopamine + 0.0005*drive_pre, w_min, w_max)",
    parameters={"tau_a": 15 * ms},
    signals={"dopamine": 1},
)


def linked_network(order=("slow", "vta", "e"), **changes):
    """Neurons `e` of which each has the drive of one of `slow`, and all have that of `vta`."""
    populations = {
        "slow": Population(name="slow", size=5, model=SLOW),
        "vta": Population(name="vta", size=1, model=VTA),
        "e": Population(name="e", size=5, model=LIF),
    }
    ee = Projection(
        name="ee",
        source="e",
        target="e",
        synapse=PUSH,
        rules=(RULE,),
        connectivity=Connectivity(p=1.0),
        weights=0.1,
    )
    settings = {
        "name": "linked",
        "populations": tuple(populations[name] for name in order),
        "projections": (ee,),
        "links": {"e.drive": "slow.x", "dopamine": "vta.d"},
        "dt": 0.1 * ms,
    }
    return NetworkSpec(**(settings | changes))


def by_hand(n_steps, *, late=False):
    """The same, step by step, with arrays; `late` if neurons read what was a step before."""
    dt, x, u, d = 0.1, 0.3 * np.arange(5), 0.0, 0.0
    v, a, w, count = np.zeros(5), np.zeros(5), np.full((5, 5), 0.1), np.zeros(5, int)
    for step in range(n_steps):
        x_before, d_before = x, d
        x = x + dt * (np.sin(2 * np.pi * step * dt / 50) - x) / 20
        d, u = d + dt * (u - d) / 70, u + dt * (1 - u) / 30
        drive, dopamine = (x_before, d_before) if late else (x, d)
        v = v + dt * (2 * drive + dopamine + drive**2 - v) / 10
        a = a * np.exp(-dt / 15)
        v = v + 0.001 * d
        spiking = v > 1 + 0.1 * x
        for pre, post in np.argwhere(spiking[:, None] & ~np.eye(5, dtype=bool)):
            v[post] += w[pre, post] * d * (0.2 + x[post])
        learned = np.clip(w + 0.002 * a[:, None] * d + 0.0005 * x[:, None], 0, 1)
        w = np.where(spiking, learned, w)
        if u > 0.4:
            u, d = 0.0, d + 0.2
        v = np.where(spiking, -0.1 * x, v)
        a, count = a + spiking, count + spiking
    return {"slow.x": x, "vta.d": np.array([d]), "e.v": v, "e.third_pre_a": a, "w": w}, count


@pytest.mark.parametrize("backend", BACKENDS)
def test_linked_variables_are_those_of_the_other_neurons(backend):
    state, count = advanced(linked_network(), backend, 3000, plasticity=1)
    expected, spikes = by_hand(3000)
    pre, post = state.synapses["ee"]
    weights = expected.pop("w")[pre, post]
    assert count["e"].tolist() == spikes.tolist() and spikes.min() > 5
    assert np.ptp(weights) > 0.01 and weights.max() < 1
    np.testing.assert_allclose(state.arrays["ee.w"], weights, rtol=1e-9)
    for name, values in expected.items():
        np.testing.assert_allclose(state.arrays[name], values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", *BACKENDS[2:]])
def test_one_segment_is_any_cut_of_it(backend):
    network = linked_network()
    whole, _ = advanced(network, backend, 1400, plasticity=1)
    for pieces in ([600, 800], [200] * 7):
        assert_same_bits(advanced(network, backend, *pieces, plasticity=1)[0], whole)


@pytest.mark.parametrize("backend", ["numpy", *BACKENDS[2:]])
def test_populations_that_come_later_are_read_as_they_were(backend):
    state, count = advanced(linked_network(("e", "slow", "vta")), backend, 1000, plasticity=1)
    expected, spikes = by_hand(1000, late=True)
    assert count["e"].tolist() == spikes.tolist()
    np.testing.assert_allclose(state.arrays["e.v"], expected["e.v"], rtol=1e-9, atol=1e-12)
    early, _ = by_hand(1000)
    assert np.abs(early["e.v"] - expected["e.v"]).max() > 1e-6


def test_the_names_of_populations_do_not_matter():
    state, _ = advanced(linked_network(), "numpy", 500, plasticity=1)
    populations = [
        dataclasses.replace(p, name={"slow": "zz", "vta": "z"}.get(p.name, p.name))
        for p in linked_network().populations
    ]
    links = {"e.drive": "zz.x", "dopamine": "z.d"}
    other = linked_network(populations=tuple(populations), links=links)
    np.testing.assert_array_equal(
        state.arrays["e.v"], advanced(other, "numpy", 500, plasticity=1)[0].arrays["e.v"]
    )


#: Computed of what it keeps and of the time; and by a name of its own, of another computed one.
COMPUTED = NeuronModel(
    name="computed",
    equations="""
    dx/dt = (sin(2*pi*t/period) - x)/tau : 1
    level = gain*x**2 + t/period : 1
    twice = 2*level : 1
    """,
    parameters={"tau": 20 * ms, "period": 50 * ms, "gain": 3.0},
    initial={"x": "0.3*i"},
)
READER = NeuronModel(
    name="reader",
    equations="""
    dv/dt = (drive + own - v)/tau : 1
    drive : 1 (linked)
    own : 1 (linked)
    partner : integer (constant)
    """,
    threshold="v > drive",
    reset="v = 0.1*own",
    on_step="v += 0.001*drive",
    parameters={"tau": 10 * ms},
)
PARTNERS = np.array([2, 2, 0, 1, 0])


def network_of_readers(links=None, partners=PARTNERS, model=READER, projections=()):
    readers = Population(name="e", size=5, model=model, values={"partner": partners})
    populations = (Population(name="slow", size=3, model=COMPUTED), readers)
    links = links or {"e.drive": "slow.twice[partner]", "e.own": "slow.x[partner]"}
    return NetworkSpec(
        name="indexed", populations=populations, projections=projections, links=links, dt=0.1 * ms
    )


def readers_by_hand(n_steps):
    dt, x, v, count = 0.1, 0.3 * np.arange(3), np.zeros(5), np.zeros(5, int)
    for step in range(n_steps):
        t = step * dt
        x = x + dt * (np.sin(2 * np.pi * t / 50) - x) / 20
        drive, own = (2 * (3 * x**2 + t / 50))[PARTNERS], x[PARTNERS]
        v = v + dt * (drive + own - v) / 10 + 0.001 * drive * np.ones(5)
        spiking = v > drive
        v, count = np.where(spiking, 0.1 * own, v), count + spiking
    return v, count


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_reads_the_neuron_of_a_number_and_what_that_computes(backend):
    state, count = advanced(network_of_readers(), backend, 1000)
    v, spikes = readers_by_hand(1000)
    assert count["e"].tolist() == spikes.tolist() and spikes.sum() > 5
    np.testing.assert_allclose(state.arrays["e.v"], v, rtol=1e-9, atol=1e-12)
    whole = state
    cut, _ = advanced(network_of_readers(), backend, 300, 700)
    assert_same_bits(cut, whole)


@pytest.mark.parametrize("backend", BACKENDS)
def test_synapses_and_signals_read_what_is_computed(backend):
    """As they read a variable of that value which a population keeps."""
    computing = NeuronModel(
        name="computing",
        equations="dx/dt = (1 - x)/tau : 1\nlevel = x**2 : 1",
        parameters={"tau": 20 * ms},
    )
    keeping = dataclasses.replace(
        computing, equations="dx/dt = (1 - x)/tau : 1\nlevel : 1", on_step="level = x**2"
    )
    cells = NeuronModel(
        name="cells",
        equations="dv/dt = (2 - v)/tau : 1\ndrive : 1 (linked)",
        threshold="v > 1",
        reset="v = 0",
        parameters={"tau": 10 * ms},
        initial={"v": "0.1*i"},
    )

    def final(model):
        one, five = (Population(name=n, size=k, model=model) for n, k in (("vta", 1), ("slow", 5)))
        ee = Projection(name="ee", source="e", target="e", synapse=PUSH, weights=0.1)
        spec = NetworkSpec(
            name="computed",
            populations=(one, five, Population(name="e", size=5, model=cells)),
            projections=(ee,),
            links={"e.drive": "slow.level", "dopamine": "vta.level"},
            dt=0.1 * ms,
        )
        state, count = advanced(spec, backend, 1000)
        assert count["e"].min() > 5
        return state.arrays["e.v"]

    np.testing.assert_allclose(final(computing), final(keeping), rtol=1e-12)


NOT_THERE = {
    "too large": ([0, 1, 2, 3, 0], "got neuron 3; expected neurons 0 to 2 of 'slow'"),
    "negative": ([0, 1, -1, 0, 0], "got neuron -1; expected neurons 0 to 2 of 'slow'"),
}


@pytest.mark.parametrize("kind", NOT_THERE)
def test_neurons_that_are_not_there_are_not_read(kind):
    partners, message = NOT_THERE[kind]
    with pytest.raises(BrainsleepError, match=message):
        advanced(network_of_readers(partners=partners), "numpy", 1)
    periods = (awake(10 * ms), awake(10 * ms, settings={"e.partner": partners}))
    schedule = Timeline(periods=periods)
    protocol = Protocol(name="x", network=network_of_readers(), schedule=schedule)
    with pytest.raises(BrainsleepError, match=message):
        simulate(protocol, seed=1, backend="numpy")


def test_periods_may_set_whom_neurons_read(tmp_path):
    periods = (awake(10 * ms), awake(20 * ms, settings={"e.partner": [0, 0, 0, 0, 0]}))
    protocol = Protocol(name="x", network=network_of_readers(), schedule=Timeline(periods=periods))
    protocol = dataclasses.replace(protocol, record=Record(spikes=("e",)))
    other = dataclasses.replace(protocol, schedule=Timeline(periods=(awake(30 * ms),)))
    results = [simulate(each, seed=1, out=tmp_path) for each in (protocol, other)]
    counts = [len(np.asarray(each.spikes["e"].steps)) for each in results]
    assert counts[0] != counts[1]


WRONG_INDEX = {
    "no variable": ("partner : integer (constant)", "v : 1", "index: got 'partner'"),
    "not whole": ("partner : integer", "partner : 1", "index: got 'partner'"),
    "changes": ("partner : integer (constant)", "partner : integer", "index: got 'partner'"),
}


@pytest.mark.parametrize("kind", WRONG_INDEX)
def test_an_index_is_a_whole_number_that_stays(kind):
    old, new, message = WRONG_INDEX[kind]
    text = READER.equations.replace(old, "" if kind == "no variable" else new)
    with pytest.raises(BrainsleepError, match=message):
        network_of_readers(model=dataclasses.replace(READER, equations=text))


def test_what_is_computed_from_links_or_tables_is_not_linked_to():
    table = dataclasses.replace(
        COMPUTED,
        equations="dx/dt = -x/tau : 1\nlevel = given(t) : 1",
        parameters={"tau": 20 * ms},
        tables={"given": Table([0, 1], every=10 * ms)},
    )
    reader = dataclasses.replace(SLOW_READER, name="third")
    for source, variable, message in (
        (table, "level", "is computed from 'given'"),
        (LIF_READER, "level", "is computed from 'drive'"),
    ):
        populations = [Population(name="slow", size=5, model=SLOW)]
        populations += [Population(name="mid", size=5, model=source)]
        populations += [Population(name="e", size=5, model=reader)]
        links = {"e.drive": f"mid.{variable}"}
        links |= {"mid.drive": "slow.x"} if source is LIF_READER else {}
        with pytest.raises(BrainsleepError, match=message):
            NetworkSpec(name="n", populations=tuple(populations), links=links, dt=0.1 * ms)


def test_synapses_follow_no_index():
    push = SynapseModel(name="push", on_pre="v_post += w*drive_post")
    ee = Projection(name="ee", source="e", target="e", synapse=push, weights=0.1)
    with pytest.raises(BrainsleepError, match="'drive_post' is a link with an index"):
        network_of_readers(projections=(ee,))


def test_synapses_do_not_change_an_index():
    push = SynapseModel(name="push", on_pre="v_post += w\npartner_post = 1")
    ee = Projection(name="ee", source="e", target="e", synapse=push, weights=0.1)
    with pytest.raises(BrainsleepError, match="partner_post"):
        network_of_readers(projections=(ee,))


def test_an_index_is_part_of_a_run():
    schedule = Timeline(periods=(awake(10 * ms),))
    protocol = Protocol(name="x", network=network_of_readers(), schedule=schedule)
    assert Protocol.from_dict(protocol.describe()) == protocol
    ids = {run_id(protocol, 0, "numpy", "x")}
    for change in (
        {"network.links.e.own": "slow.x"},
        {"network.populations.e.values.partner": "2 - i % 3"},
    ):
        with contextlib.suppress(BrainsleepError):  # five neurons cannot read three one by one
            ids.add(run_id(protocol.override(change), 0, "numpy", "x"))
    assert len(ids) == 2


MISTAKES = {
    "nothing": ({"dopamine": "vta.d"}, "'e.drive' is linked to nothing"),
    "no population": ({"e.drive": "fast.x"}, "no population 'fast'"),
    "no variable": ({"e.drive": "slow.y"}, "'slow' has no variable 'y'"),
    "no dot": ({"e.drive": "slow"}, "got 'slow'; expected 'population.variable'"),
    "not linked": ({"e.v": "slow.x"}, "got 'e.v'; expected a linked variable"),
    "index of a signal": ({"dopamine": "vta.d[i]"}, "expected a population of one neuron"),
    "itself": ({"e.drive": "e.v"}, "expected another population"),
    "signal of many": ({"dopamine": "slow.x"}, "'slow' of 5 neurons; expected a population of one"),
    "unused signal": ({"serotonin": "vta.d"}, "signal 'serotonin' is used by no equation"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_links_that_do_not_fit_are_refused(kind):
    links, message = MISTAKES[kind]
    right = {"e.drive": "slow.x", "dopamine": "vta.d"} if kind != "nothing" else {}
    with pytest.raises(BrainsleepError) as raised:
        linked_network(links=right | links)
    assert message in str(raised.value)


def test_sizes_and_units_must_fit():
    few = Population(name="slow", size=3, model=SLOW)
    rest = linked_network().populations[1:]
    with pytest.raises(BrainsleepError, match="3 neurons; expected a population of 1 or 5 neurons"):
        linked_network(populations=(few, *rest))
    volts = NeuronModel(name="volts", equations="dx/dt = -x/(5*ms) : volt", initial={"x": 1 * mV})
    with pytest.raises(BrainsleepError, match="unit volt; expected 1"):
        linked_network(populations=(Population(name="slow", size=5, model=volts), *rest))


def test_a_signal_has_one_source():
    with pytest.raises(BrainsleepError, match="'dopamine' is a signal that periods give, too"):
        linked_network(signals={"dopamine": 0.0})
    gives = Timeline(periods=(awake(10 * ms, signals={"dopamine": 1}),))
    with pytest.raises(BrainsleepError, match="signal 'dopamine'"):
        Protocol(name="x", network=linked_network(), schedule=gives)


def test_linked_variables_are_not_set():
    with pytest.raises(BrainsleepError, match="drive"):
        dataclasses.replace(LIF, reset="v = 0; drive = 0")
    with pytest.raises(BrainsleepError, match="drive"):
        dataclasses.replace(LIF, initial={"drive": 1})
    with pytest.raises(BrainsleepError, match="drive"):
        Population(name="e", size=5, model=LIF, values={"drive": 1}) and linked_network(
            populations=(
                *linked_network().populations[:2],
                Population(name="e", size=5, model=LIF, values={"drive": 1}),
            )
        )


def test_links_are_described_and_read_again():
    schedule = Timeline(periods=(awake(10 * ms),))
    protocol = Protocol(name="x", network=linked_network(), schedule=schedule)
    assert Protocol.from_dict(protocol.describe()) == protocol
    assert protocol.override({"network.links.dopamine": "vta.u"}) != protocol
    shown = "\n".join(str(part) for part in describe(protocol))
    assert "dopamine" in shown and "vta.d" in shown


def test_cuda_refuses_links():
    with pytest.raises(BackendError, match="links"):
        make_backend("cuda", linked_network())
