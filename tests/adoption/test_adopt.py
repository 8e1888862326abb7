"""Scripts of Brian2, as users write them, give here what they give there."""

import json
import runpy

import brian2
import numpy as np
import pytest

import brainsleep
from brainsleep.adoption import adopt_script, monitored
from brainsleep.adoption.recording import fresh_brian
from brainsleep.adoption.study import write_study
from brainsleep.errors import AdoptError, DataError, ProtocolError
from brainsleep.experiment.protocol import run_id

HEAD = "from brian2 import *\n"

#: Names in capitals, a unit on the weight, delays, several runs, code that runs regularly.
NETWORK = """
El = -60*mV
tau = 10*ms   # membrane
G = NeuronGroup(8, '''dv/dt = (El - v + I)/tau : volt (unless refractory)  # membrane potential
I : volt''', threshold='v > -50*mV', reset='v = El', refractory=2*ms, method='exact')
G.v = 'El + i*mV'
G.I = '(8 + i)*mV'
G.run_regularly('I += 0.1*mV', dt=5*ms)
S = Synapses(G[:6], G[2:], 'w : volt', on_pre='v_post += w*int(j > 0)')
S.connect(condition='i != j')
S.w = '(1 + i)*0.1*mV'
S.delay = '(i + 1)*0.25*ms'
spikes = [SpikeMonitor(G), SpikeMonitor(G[3:5])]
states = StateMonitor(G, ['v', 'I'], record=[5, 1], dt=0.2*ms)
rate = PopulationRateMonitor(G)
net = Network(collect(), spikes)
for gain in range(3):
    tau = (10 + gain)*ms
    G.I[2:4] = 14*mV
    net.run(20*ms)
"""

#: Traces at spikes, a generator, another pathway, and writing at both ends.
PLASTIC = """
times = arange(40)*1.3*ms + 0.3*ms
source = SpikeGeneratorGroup(5, arange(40) % 5, times)
out = NeuronGroup(3, 'dv/dt = -v/(10*ms) : 1\\nn_seen : 1', threshold='v > 1', reset='v = 0',
                  method='exact')
S = Synapses(source, out, '''w : 1
    dApre/dt = -Apre/(20*ms) : 1 (event-driven)
    dApost/dt = -Apost/(20*ms) : 1 (event-driven)''',
    on_pre={'sends': 'v_post += w', 'learns': '''Apre += 0.05
                                                 w = clip(w + Apost, 0, 1)'''},
    on_post='''Apost -= 0.06
               w = clip(w + Apre, 0, 1)
               n_seen_post += 1''')
S.connect()
S.w = '0.3 + 0.1*i + 0.05*j'
weights = StateMonitor(S, 'w', record=True)
spikes = SpikeMonitor(out)
states = StateMonitor(out, ['v', 'n_seen'], record=True)
run(50*ms)
"""

#: Values over time, a condition of refractoriness, sums and links.
VARIOUS = """
defaultclock.dt = 0.05*ms
stim = TimedArray([0, 1, 3, 2], dt=4*ms)
each = TimedArray([[1, 2, 3], [3, 2, 1]], dt=6*ms)
slow = NeuronGroup(1, 'dz/dt = -z/(50*ms) : 1', method='exact')
slow.z = 1
G = NeuronGroup(3, '''dv/dt = (stim(t) + each(t, i) + gap + x - v)/(5*ms) : 1 (unless refractory)
gap : 1
x : 1 (linked)
rising = v > 0.5 : boolean''', threshold='v > 2', refractory='v > 1', method='euler')
G.x = linked_var(slow, 'z')
S = Synapses(G, G, 'gap_post = 0.2*(v_pre - v_post) : 1 (summed)')
S.connect(condition='i != j')
states = StateMonitor(G, ['v', 'gap'], record=True)
spikes = SpikeMonitor(G)
run(15*ms)
"""


#: Events that come before and after a reset, with delays of their own, of neurons with links.
EVENTFUL = """
slow = NeuronGroup(1, 'du/dt = (1 - u)/(40*ms) : 1', method='exact', name='a_slow')
G = NeuronGroup(6, '''dv/dt = (1.3 + 0.1*i - v)/(8*ms) : 1 (unless refractory)
                      u : 1 (linked)
                      z = 2*v + u : 1
                      Above : integer
                      n_over : integer''',
                threshold='v > 1', reset='v = 0', refractory=4*ms, method='euler',
                events={'Above': 'z > 1.5', 'over': 'v > 0.5 and v < 0.7',
                        'Rest': 'not_refractory'})
G.u = linked_var(slow, 'u')
G.run_on_event('Above', 'Above += 1; v -= 0.0005*u', when='resets', order=-1)
G.run_on_event('over', 'n_over += 1', when='before_synapses')
H = NeuronGroup(6, 'dx/dt = -x/(9*ms) : 1\\ny : 1', method='exact',
                events={'spike': 'x > 2'}, name='h')
S = Synapses(G, H, on_pre={'up': 'x_post += 0.05', 'down': 'x_post *= 0.9',
                           'same': 'x_post += 0.1'},
             on_post={'back': 'v_pre -= 0.001', 'more': 'n_over_pre += 10'},
             on_event={'up': 'Above', 'down': 'spike', 'same': 'over'},
             delay={'up': 1.3*ms, 'down': 0.5*ms, 'back': 0.7*ms})
S.connect(j='i')
T = Synapses(G, H, on_pre='y_post += 0.01', on_event='Rest', delay=2*ms)
T.connect(j='i')
above = EventMonitor(G, 'Above', variables=['z', 'Above', 'v'])
over = EventMonitor(G, 'over', variables='n_over')
counted = EventMonitor(G, 'Rest')
spikes = SpikeMonitor(G, variables=['z', 'v'])
plain = SpikeMonitor(G)
part = SpikeMonitor(G[1:5], variables='z')
at_h = EventMonitor(H, 'spike', variables=['x'])
states = StateMonitor(G, ['v', 'n_over'], record=True)
x = StateMonitor(H, ['x', 'y'], record=True)
run(30*ms)
G.n_over = 0
run(25*ms)
"""


TEXTS = {"network": NETWORK, "plastic": PLASTIC, "various": VARIOUS, "eventful": EVENTFUL}


@pytest.fixture
def script(tmp_path):
    def write(text, name="one.py"):
        path = tmp_path / name
        path.write_text(HEAD + text)
        return path

    return write


def in_brian(path):
    """What a script leaves in Brian2, with the names that objects have in a process of its own."""
    with fresh_brian():
        return runpy.run_path(str(path), run_name="__main__")


def check_same(protocol, path, out, backend="numpy"):
    result = brainsleep.simulate(protocol, seed=1, backend=backend, out=out)
    own = in_brian(path)
    for monitor in protocol.record.monitors:
        theirs, ours = eval(monitor.name, own), monitored(result, monitor.name)
        if monitor.kind in ("spikes", "events"):
            assert len(ours.i)
            np.testing.assert_array_equal(ours.i, theirs.i)
        if monitor.kind == "rate":
            np.testing.assert_allclose(ours.rate, np.asarray(theirs.rate), rtol=1e-9)
        for name, values in ours.values.items():
            np.testing.assert_allclose(values, getattr(theirs, f"{name}_"), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(ours.t, np.asarray(theirs.t), atol=1e-9)


@pytest.mark.parametrize("text", TEXTS.values(), ids=[*TEXTS])
def test_the_same_spikes_and_states(text, script, tmp_path):
    path = script(text)
    check_same(adopt_script(path), path, tmp_path)


@pytest.mark.standalone
@pytest.mark.parametrize("text", TEXTS.values(), ids=[*TEXTS])
def test_the_same_in_a_compiled_program(text, script, tmp_path):
    path = script(text)
    check_same(adopt_script(path), path, tmp_path, "cpp")


def test_a_folder_of_a_study_is_the_same_protocol(script, tmp_path):
    protocol = adopt_script(script(NETWORK))
    write_study(protocol, tmp_path / "study", "one.py")
    read = brainsleep.load_protocol(str(tmp_path / "study" / "one.py"))
    assert read.describe() == protocol.describe()
    assert run_id(read, 1, "numpy", "") == run_id(protocol, 1, "numpy", "")
    assert "# membrane potential" in (tmp_path / "study" / "one_models.py").read_text()
    json.dumps(protocol.describe())
    with pytest.raises(AdoptError, match="choose another name"):
        write_study(protocol, tmp_path / "study")


def test_constants_are_parameters(script):
    protocol = adopt_script(script(NETWORK))
    model = protocol.network.population("g").model
    assert float(model.parameters["el"]) == -0.06
    changed = protocol.override({"network.populations.g.model.el": "-61*mV"})
    assert float(changed.network.population("g").model.parameters["el"]) == -0.061


def test_what_draws_has_the_same_rates(script, tmp_path):
    path = script("""
seed(7)
P = PoissonGroup(100, rates='(50 + 50*int(t > 0.5*second))*Hz')
G = NeuronGroup(100, 'dv/dt = -v/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
drive = PoissonInput(G, 'v', N=200, rate=20*Hz, weight=0.02)
S = Synapses(P, G, on_pre='v += 0.2')
S.connect('i == j')
spikes = [SpikeMonitor(P), SpikeMonitor(G)]
net = Network(P, G, drive, S, spikes)
net.run(1*second)
""")
    protocol, own = adopt_script(path), in_brian(path)
    result = brainsleep.simulate(protocol, seed=3, backend="numpy", out=tmp_path)
    for place in (0, 1):
        ours = len(monitored(result, f"spikes[{place}]").i)
        theirs = own["spikes"][place].num_spikes
        assert abs(ours - theirs) < 5 * np.sqrt(ours + theirs)


def test_a_live_network():
    tau = 5 * brian2.ms
    group = brian2.NeuronGroup(2, "dv/dt = -v/tau : 1", method="exact")
    group.v = [1, 2]
    seen = brian2.StateMonitor(group, "v", record=True)
    protocol = brainsleep.adopt(brian2.Network(group, seen), duration=2 * brian2.ms)
    assert protocol.record.monitors[0].name == "seen"
    assert float(protocol.network.populations[0].model.parameters["tau"]) == float(tau)
    assert protocol.schedule.periods[0].duration == 2 * brian2.ms


def test_sleep_in_five_lines(script, tmp_path):
    protocol = adopt_script(script(PLASTIC))
    night = 20 * brian2.ms
    asleep = protocol.with_sleep(night, processes={"s": "sleep:DECAY_GROUP"})
    awake = brainsleep.simulate(protocol, seed=1, backend="numpy", out=tmp_path)
    result = brainsleep.simulate(asleep, seed=1, backend="numpy", out=tmp_path)
    before, after = (monitored(each, "weights").values["w"] for each in (awake, result))
    np.testing.assert_array_equal(after[:, : before.shape[1]], before)
    assert np.ptp(after[:, -1]) < np.ptp(before[:, -1])
    assert not len(monitored(result, "spikes").t[monitored(result, "spikes").t > 0.06])


def test_inputs_fall_silent(script, tmp_path):
    text = """
rate_in = 100*Hz
P = PoissonGroup(50, rates='rate_in')
G = NeuronGroup(5, 'dv/dt = (I - v)/(10*ms) : 1\\nI : 1', threshold='v > 1', reset='v = 0')
G.I = 1.5
spikes = [SpikeMonitor(P), SpikeMonitor(G)]
net = Network(P, G, spikes)
net.run(100*ms)
"""
    protocol = adopt_script(script(text))
    asleep = protocol.with_sleep(100 * brian2.ms, silent=("p", "g.i_own"), cycles=2)
    result = brainsleep.simulate(asleep, seed=1, backend="numpy", out=tmp_path)
    for place in (0, 1):
        t = monitored(result, f"spikes[{place}]").t
        counts = np.histogram(t, np.arange(5) * 0.1 - 1e-6)[0]
        assert counts[0] and counts[2] and not counts[1] and not counts[3], (place, counts)
    with pytest.raises(ProtocolError, match="no population 'q'"):
        protocol.with_sleep(1 * brian2.second, silent="q")
    with pytest.raises(DataError, match="no monitor"):
        monitored(result, "other")


#: Scripts that cannot be taken whole, and what is said.
REFUSED = {
    "network_operation": (
        "G = NeuronGroup(1, 'v : 1')\n@network_operation()\ndef f():\n    pass\nrun(1*ms)\n",
        ("NetworkOperation", "run_regularly"),
    ),
    "multicompartment": (
        "m = Cylinder(length=100*um, diameter=1*um, n=2)\n"
        "G = SpatialNeuron(m, 'Im = 0*amp/meter**2 : amp/meter**2')\nrun(1*ms)\n",
        ("SpatialNeuron", "one.py:3"),
    ),
    "two networks": (
        "for k in range(2):\n    G = NeuronGroup(1, 'v : 1')\n    run(1*ms)\n",
        ("one.py:4", "another network|other objects"),
    ),
    "state read between runs": (
        "G = NeuronGroup(1, 'dv/dt = -v/(5*ms) : 1', method='exact')\n"
        "run(1*ms)\nG.v = G.v + 1\nrun(1*ms)\n",
        ("one.py:4", "read between runs"),
    ),
    "an expression of a state": (
        "G = NeuronGroup(1, 'dv/dt = -v/(5*ms) : 1', method='exact')\n"
        "run(1*ms)\nG.v = 'v + 1'\nrun(1*ms)\n",
        ("one.py:4", "read between runs"),
    ),
    "restore": (
        "G = NeuronGroup(1, 'v : 1')\nrun(1*ms)\nrestore('x')\nrun(1*ms)\n",
        ("one.py:4", "restore"),
    ),
    "no run": ("G = NeuronGroup(1, 'v : 1')\n", ("no run()",)),
    "an error": ("G = NeuronGroup(1, 'v : 1')\nx = 1/0\nrun(1*ms)\n", ("one.py:3", "division")),
    "an error between runs": (
        "G = NeuronGroup(1, 'v : 1')\nrun(1*ms)\nx = 1/0\nrun(1*ms)\n",
        ("one.py:4", "before the last run"),
    ),
    "an event that is looked at elsewhere": (
        "G = NeuronGroup(1, 'v : 1', events={'up': 'v > 1'})\n"
        "G.set_event_schedule('up', when='end')\nrun(1*ms)\n",
        ("when='end'", "one.py:2"),
    ),
    "code of an event that comes before it": (
        "G = NeuronGroup(1, 'v : 1', events={'up': 'v > 1'})\n"
        "G.run_on_event('up', 'v = 0', when='thresholds')\nrun(1*ms)\n",
        ("event 'up'", "when", "before_synapses", "one.py:2"),
    ),
    "a record of events that is made elsewhere": (
        "G = NeuronGroup(1, 'v : 1', events={'up': 'v > 1'})\n"
        "M = EventMonitor(G, 'up', variables='v', when='end')\nrun(1*ms)\n",
        ("when='end'", "right after the event", "one.py:3"),
    ),
    "another clock": (
        "G = NeuronGroup(1, 'v : 1')\nH = NeuronGroup(1, 'v : 1', dt=1*ms)\nrun(1*ms)\n",
        ("one.py:3", "dt"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_is_named_with_its_line(name, script):
    text, parts = REFUSED[name]
    with pytest.raises(AdoptError) as caught:
        adopt_script(script(text))
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert any(each in message for each in part.split("|")), message


def test_what_is_only_looked_at_between_runs_is_no_harm(script, tmp_path):
    path = script("""
G = NeuronGroup(2, 'dv/dt = (2 - v)/(5*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
M = SpikeMonitor(G)
for k in range(3):
    run(5*ms)
    print(G.v[:], M.num_spikes, mean(G.v))
    G.v[0] = 0.5
""")
    check_same(adopt_script(path), path, tmp_path)


def test_an_error_after_the_last_run_is_a_note(script, caplog):
    path = script("G = NeuronGroup(1, 'v : 1')\nM = SpikeMonitor\nrun(1*ms)\nargmax([])\n")
    adopt_script(path)
    assert "one.py:5" in caplog.text and "after its last run" in caplog.text


def test_brian2_is_as_before(script):
    brian2.defaultclock.dt = 0.2 * brian2.ms
    group = brian2.NeuronGroup(1, "v : 1")
    try:
        adopt_script(script("defaultclock.dt = 1*ms\nG = NeuronGroup(1, 'v : 1')\nrun(3*ms)\n"))
        assert brian2.defaultclock.dt == 0.2 * brian2.ms
    finally:
        brian2.defaultclock.dt = 0.1 * brian2.ms
    net = brian2.Network(group)
    net.run(0.3 * brian2.ms)
    assert float(net.t) > 0


def test_pathways_of_several_synapses_come_by_order_and_name(script, tmp_path):
    path = script("""
source = SpikeGeneratorGroup(1, zeros(6, int), (arange(6)*3 + 1)*ms)
G = NeuronGroup(1, 'v : 1')
G.v = 1
one = Synapses(source, G, on_pre={'b': 'v_post *= 2', 'a': 'v_post += 1'})
two = Synapses(source, G, on_pre='v_post = 0.5*v_post + 3')
three = Synapses(source, G, on_pre={'up': 'v_post -= 2', 'late': 'v_post /= 3'})
three.late.order = 5
for each in (one, two, three):
    each.connect()
states = StateMonitor(G, 'v', record=True)
run(20*ms)
""")
    check_same(adopt_script(path), path, tmp_path)
