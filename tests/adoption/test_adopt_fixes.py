"""What errors of adoption say to do is done, and is right."""

import dataclasses

import brian2
import pytest
from brian2 import ms

import brainsleep
from brainsleep.adoption import adopt_script
from brainsleep.errors import AdoptError, BrainsleepError

RUN = "\nrun(1*ms)\n"
MORE = "threshold='v > 1', reset='v = 0', method='exact'"
ONE = f"G = NeuronGroup(3, 'dv/dt = -v/(5*ms) : 1', {MORE})\n"
SYNAPSES = "S = Synapses(G, G, 'w : 1', on_pre='v += w')\nS.connect()\n"
LATE = "S = Synapses(G, G, on_pre='v += 1', delay=1*ms)\nS.connect()\n"

LINKED = "H = NeuronGroup(3, 'x : 1 (linked)')\n"

#: A function, what is before it, and neurons that call it.
CPP = "CODE = 'double f(double x) { return 2*x; }'\nDECORATED\ndef f(x):\n    return 2*x\n"
MARKED = "@implementation('cpp', CODE)\n@check_units(x=1, result=1)"
CALLS = "G = NeuronGroup(2, 'dv/dt = (f(1) - v)/(5*ms) : 1', method='euler')\nrun(1*ms)\n"

EVENTS = "G.run_on_event('a', 'v = 1')\nG.run_on_event('Z', 'v = 0')\n"
LOWER = EVENTS.replace("Z", "z")

#: A fix, a script that says it, and the same after it.
FIXES = [
    (
        "write @check_units",
        CPP.replace("DECORATED", "@implementation('cpp', CODE)\n@check_units(result=1)") + CALLS,
        CPP.replace("DECORATED", MARKED) + CALLS,
    ),
    (
        "write @implementation('cpp', '...') above it",
        CPP.replace("DECORATED", "@check_units(x=1, result=1)") + CALLS,
        CPP.replace("DECORATED", MARKED) + CALLS,
    ),
    (
        "write its numbers into the code, or give them as a TimedArray",
        CPP.replace("DECORATED", MARKED.replace("CODE", "CODE, namespace={'a': array([1.0])}"))
        + CALLS,
        CPP.replace("DECORATED", MARKED) + CALLS,
    ),
    (
        "give it as an argument, or write it within the function",
        CPP.replace("DECORATED", MARKED).replace("2*x", "len(table)*x")
        + "table = [1, 2]\n"
        + CALLS,
        CPP.replace("DECORATED", MARKED).replace("2*x", "factor*x") + "factor = 2\n" + CALLS,
    ),
    (
        "write it with def",
        "CODE = 'double f(double x) { return 2*x; }'\n"
        "f = implementation('cpp', CODE)(check_units(x=1, result=1)(lambda x: 2*x))\n" + CALLS,
        CPP.replace("DECORATED", MARKED) + CALLS,
    ),
    (
        "write it out",
        CPP.replace("DECORATED", MARKED) + "f.implementations.add_dynamic_implementation("
        "'cpp', lambda group: CODE)\n" + CALLS,
        CPP.replace("DECORATED", MARKED) + CALLS,
    ),
    (
        "draw in the equations",
        CPP.replace("DECORATED", MARKED) + "f.stateless = False\n" + CALLS,
        CPP.replace("DECORATED", MARKED) + CALLS,
    ),
    (
        "write them in lower case",
        ONE.replace("method", "events={'a': 'v < 0', 'Z': 'v > 2'}, method") + EVENTS + RUN,
        ONE.replace("method", "events={'a': 'v < 0', 'z': 'v > 2'}, method") + LOWER + RUN,
    ),
    (
        "record the whole group, and leave 'when' and 'order' out",
        ONE + "M = SpikeMonitor(G, variables='v', when='end')" + RUN,
        ONE + "M = SpikeMonitor(G, variables='v')" + RUN,
    ),
    (
        "record the whole group, and leave 'when' and 'order' out",
        ONE.replace("method", "events={'a': 'v < 0'}, method")
        + "M = EventMonitor(G[1:], 'a')"
        + RUN,
        ONE.replace("method", "events={'a': 'v < 0'}, method") + "M = EventMonitor(G, 'a')" + RUN,
    ),
    (
        "leave 'when' and 'order' out",
        ONE + "M = StateMonitor(G, 'v', record=True, when='end')" + RUN,
        ONE + "M = StateMonitor(G, 'v', record=True)" + RUN,
    ),
    (
        "choose a dt that is a multiple",
        ONE + "M = StateMonitor(G, 'v', record=True, dt=0.25*ms)" + RUN,
        ONE + "M = StateMonitor(G, 'v', record=True, dt=0.2*ms)" + RUN,
    ),
    (
        "leave it out, or copy it into a variable of the group",
        ONE + SYNAPSES + "M = StateMonitor(S, 'v_post', record=True)" + RUN,
        ONE + SYNAPSES + "M = StateMonitor(S, 'w', record=True)" + RUN,
    ),
    (
        "leave it out, or copy it into a variable of the group",
        ONE + LINKED + "H.x = linked_var(G, 'v')\nM = StateMonitor(H, 'x', record=True)" + RUN,
        ONE + "H = NeuronGroup(3, 'x : 1 (linked)\\ny = x : 1')\nH.x = linked_var(G, 'v')\n"
        "M = StateMonitor(H, 'y', record=True)" + RUN,
    ),
    (
        "make a Network with a NeuronGroup",
        "net = Network()\nnet.run(1*ms)\n",
        ONE + "net = Network(G)\nnet.run(1*ms)\n",
    ),
    (
        "connect groups of neurons that are in the network",
        ONE + SYNAPSES + "H = NeuronGroup(1, 'v : 1')\nNetwork(H, S).run(1*ms)\n",
        ONE + SYNAPSES + "H = NeuronGroup(1, 'v : 1')\nNetwork(G, H, S).run(1*ms)\n",
    ),
    (
        "connect groups of neurons that are in the network",
        ONE + SYNAPSES + "T = Synapses(G, S, on_pre='w += 1')\nT.connect(j='i')" + RUN,
        ONE + SYNAPSES + "T = Synapses(G, G, on_pre='v += 1')\nT.connect(j='i')" + RUN,
    ),
    (
        "link to a variable of another whole group",
        "G = NeuronGroup(3, 'v : 1\\nx : 1 (linked)')\nG.x = linked_var(G, 'v', index=[2, 1, 0])"
        + RUN,
        ONE + LINKED + "H.x = linked_var(G, 'v', index=[2, 1, 0])" + RUN,
    ),
    (
        "link a variable of the neurons, and read that, such as 'x_post'",
        ONE + "H = NeuronGroup(1, 'y : 1')\nS = Synapses(G, G, 'x : 1 (linked)', on_pre='v += x')\n"
        "S.connect()\nS.x = linked_var(H, 'y')" + RUN,
        f"G = NeuronGroup(3, 'dv/dt = -v/(5*ms) : 1\\nx : 1 (linked)', {MORE})\n"
        "H = NeuronGroup(1, 'y : 1')\nG.x = linked_var(H, 'y')\n"
        "S = Synapses(G, G, on_pre='v += x_post')\nS.connect()" + RUN,
    ),
    (
        "leave it to the simulation",
        "G = NeuronGroup(1, 'v : 1', threshold='v > 1', refractory=1*ms)\nG.lastspike = 0*ms" + RUN,
        "G = NeuronGroup(1, 'v : 1', threshold='v > 1', refractory=1*ms)" + RUN,
    ),
    (
        "leave it to the simulation",
        "G = NeuronGroup(1, 'v : 1', threshold='v > 1', refractory=1*ms)"
        + RUN
        + "G.lastspike = 0*ms"
        + RUN,
        "G = NeuronGroup(1, 'v : 1', threshold='v > 1', refractory=1*ms)" + RUN + RUN,
    ),
    (
        "link to a group of one neuron",
        "G = NeuronGroup(2, 'y : 1 (shared)')\nG.run_regularly('y += 1')\n"
        + LINKED
        + "H.x = linked_var(G, 'y')"
        + RUN,
        "G = NeuronGroup(1, 'y : 1')\nG.run_regularly('y += 1')\n"
        + LINKED
        + "H.x = linked_var(G, 'y')"
        + RUN,
    ),
    (
        "write n.x = linked_var(...)",
        "n = NeuronGroup(1, 'x : 1 (linked)', name='n')" + RUN,
        ONE + "n = NeuronGroup(3, 'x : 1 (linked)', name='n')\nn.x = linked_var(G, 'v')" + RUN,
    ),
    (
        "link to a variable of each, and choose among them in the equations",
        ONE + "H = NeuronGroup(2, 'x : 1 (linked)\\nk : integer')\n"
        "H.run_regularly('k = 1 - k')\nH.x = linked_var(G, 'v', index='k')" + RUN,
        ONE + "H = NeuronGroup(2, 'a : 1 (linked)\\nb : 1 (linked)\\nk : integer\\n"
        "x = a*(1 - k) + b*k : 1')\nH.run_regularly('k = 1 - k')\n"
        "H.a = linked_var(G, 'v', index=[0, 0])\nH.b = linked_var(G, 'v', index=[1, 1])" + RUN,
    ),
    (
        "give both groups the same namespace",
        "G = NeuronGroup(1, 'v = k*t/ms : 1', namespace={'k': 2})\n"
        "H = NeuronGroup(3, 'x : 1 (linked)', namespace={'k': 3})\n"
        "H.x = linked_var(G, 'v')" + RUN,
        "G = NeuronGroup(1, 'v = k*t/ms : 1', namespace={'k': 2})\n"
        "H = NeuronGroup(3, 'x : 1 (linked)', namespace={'k': 2})\n"
        "H.x = linked_var(G, 'v')" + RUN,
    ),
    (
        "leave the schedule out",
        ONE + "net = Network(G)\nnet.schedule = ['start', 'synapses', 'groups', 'thresholds',"
        " 'resets', 'end']\nnet.run(1*ms)\n",
        ONE + "net = Network(G)\nnet.run(1*ms)\n",
    ),
    (
        "set values that do not depend on a simulation before",
        ONE + "M = SpikeMonitor(G)\nrun(1*ms)\nif M.num_spikes < 4:\n    G.v = 1" + RUN,
        ONE + "M = SpikeMonitor(G)\nrun(1*ms)\nG.v = 1\nprint(M.num_spikes)" + RUN,
    ),
    (
        "set values that do not depend on a simulation before",
        ONE + "M = SpikeMonitor(G)\nrun(1*ms)\nrun(M.t[-1] + 1*ms)\n",
        ONE + "M = SpikeMonitor(G)\nrun(1*ms)" + RUN + "print(M.num_spikes)\n",
    ),
    (
        "write it as run_regularly, or as code of a group",
        ONE + "@network_operation(dt=1*ms)\ndef f():\n    G.v += 1\n" + RUN,
        ONE + "G.run_regularly('v += 1', dt=1*ms)" + RUN,
    ),
    (
        "use point neurons",
        "m = Cylinder(length=9*um, diameter=1*um, n=2)\n"
        "G = SpatialNeuron(m, 'Im = 0*amp/meter**2 : amp/meter**2')" + RUN,
        ONE + RUN,
    ),
    (
        "call run_regularly of the whole group, with a condition on i",
        ONE + "H = G[:2]\nH.run_regularly('v += 1', dt=1*ms)" + RUN,
        ONE + "G.run_regularly('v += int(i < 2)', dt=1*ms)" + RUN,
    ),
    (
        "leave it out of the network, or set its rate or weights to 0",
        ONE + "P = PoissonGroup(1, 5*Hz)\nP.active = False" + RUN,
        ONE + "P = PoissonGroup(1, 0*Hz)" + RUN,
    ),
    (
        "monitors may have others",
        ONE + "H = NeuronGroup(1, 'v : 1', dt=1*ms)" + RUN,
        ONE + "H = NeuronGroup(1, 'v : 1')\nM = StateMonitor(H, 'v', record=True, dt=1*ms)" + RUN,
    ),
    (
        "give it a dt, and have a TimedArray say when",
        ONE + "G.run_regularly('v += 1', clock=EventClock([0.3, 0.7]*ms))" + RUN,
        ONE + "kick = TimedArray([0, 1, 0], dt=0.3*ms)\n"
        "G.run_regularly('v += kick(t)', dt=0.3*ms)" + RUN,
    ),
    (
        "write it as text",
        "G = NeuronGroup(1, 'v : 1', threshold='v > 1', refractory=True)" + RUN,
        "G = NeuronGroup(1, 'v : 1', threshold='v > 1', refractory='v > 1')" + RUN,
    ),
    (
        "define it before the network is run",
        "G = NeuronGroup(1, 'dv/dt = -v/tau_m : 1')" + RUN,
        "tau_m = 5*ms\nG = NeuronGroup(1, 'dv/dt = -v/tau_m : 1')" + RUN,
    ),
    (
        "give run_regularly an order",
        ONE
        + "G.run_regularly('v += 1', name='b')\nA = StateMonitor(G, 'v', record=True, name='a')\n"
        "C = StateMonitor(G, 'v', record=True, name='c')" + RUN,
        ONE + "G.run_regularly('v += 1', name='b', order=1)\n"
        "A = StateMonitor(G, 'v', record=True, name='a')\n"
        "C = StateMonitor(G, 'v', record=True, name='c')" + RUN,
    ),
    (
        "several need a script each",
        "for k in range(2):\n    G = NeuronGroup(1, 'v : 1')\n    run(1*ms)\n",
        "G = NeuronGroup(1, 'v : 1')\nfor k in range(2):\n    run(1*ms)\n",
    ),
    (
        "call store() in the script",
        ONE + "run(1*ms)\nrestore()" + RUN,
        ONE + "store()\nrun(1*ms)\nrestore()" + RUN,
    ),
    (
        "adopt a script of each run, without restore()",
        ONE + "n = []\nstore()\nfor v in (1, 2):\n    restore()\n    G.v = v\n    run(1*ms)\n"
        "    n.append(float(G.v[0]))\nprint(n)\n",
        ONE + "n = []\nG.v = 1\nrun(1*ms)\nn.append(float(G.v[0]))\nprint(n)\n",
    ),
    (
        "set values that do not depend on a simulation before",
        ONE + "run(1*ms)\nG.v = G.v + 1" + RUN,
        ONE + "run(1*ms)\nG.v = 1" + RUN,
    ),
    (
        "several need a script each",
        ONE + LATE + "run(1*ms)\nS.connect()" + RUN,
        ONE + LATE + "S.connect()\nrun(1*ms)" + RUN,
    ),
    (
        "leave one of them out, or choose a shorter dt",
        "G = SpikeGeneratorGroup(2, [0, 0], [0.11, 0.12]*ms)" + RUN,
        "G = SpikeGeneratorGroup(2, [0], [0.11]*ms)" + RUN,
    ),
    (
        "write its equation in place of it, or give its values as a TimedArray",
        "drawn = BinomialFunction(9, 0.5)\n"
        "G = NeuronGroup(2, 'v : 1')\nG.run_regularly('v = drawn()')" + RUN,
        "G = NeuronGroup(2, 'v : 1')\nG.run_regularly('v = poisson(4.5)')" + RUN,
    ),
    ("mend the script: it must run in Brian2", "x = 1/0\n" + ONE + RUN, ONE + RUN),
    (
        "run it once more without what reads results between runs, or after the last run",
        ONE + "run(1*ms)\nargmax([])" + RUN,
        ONE + "run(1*ms)" + RUN + "argmax([])\n",
    ),
    ("call run(), or give the network to brainsleep.adopt", ONE, ONE + RUN),
    (
        "rename it, so that its name comes after '{}'",
        "G = NeuronGroup(2, 'dv/dt = -v/(5*ms) : 1', name='nerves')\n"
        "S = Synapses(G, G, 'ds/dt = (v_pre - s)/ms : 1 (clock-driven)', name='ends')\n"
        "S.connect()" + RUN,
        "G = NeuronGroup(2, 'dv/dt = -v/(5*ms) : 1', name='nerves')\n"
        "S = Synapses(G, G, 'ds/dt = (v_pre - s)/ms : 1 (clock-driven)', name='rends')\n"
        "S.connect()" + RUN,
    ),
    (
        "name one of Brian2's",
        "def no(equations, variables, options=None):\n    return ''\n"
        "G = NeuronGroup(1, 'dv/dt = -v/(5*ms) : 1', method=no)" + RUN,
        "G = NeuronGroup(1, 'dv/dt = -v/(5*ms) : 1', method=euler)" + RUN,
    ),
    (
        "write two Synapses",
        "A = NeuronGroup(2, 'dv/dt = (s - v)/(5*ms) : 1\\ns : 1', name='a')\n"
        "B = NeuronGroup(2, 'dv/dt = (s - v)/(5*ms) : 1\\ns : 1', name='b')\n"
        "S = Synapses(A[:2], B, 's_pre = v_post : 1 (summed)\\n'\n"
        "             's_post = v_pre : 1 (summed)')\n"
        "S.connect()" + RUN,
        "A = NeuronGroup(2, 'dv/dt = (s - v)/(5*ms) : 1\\ns : 1', name='a')\n"
        "B = NeuronGroup(2, 'dv/dt = (s - v)/(5*ms) : 1\\ns : 1', name='b')\n"
        "S = Synapses(A[:2], B, 's_pre = v_post : 1 (summed)')\n"
        "T = Synapses(A[:2], B, 's_post = v_pre : 1 (summed)')\n"
        "S.connect()\nT.connect()" + RUN,
    ),
    (
        "leave method_options out",
        "G = NeuronGroup(1, 'dv/dt = -v/(5*ms) : 1', method='exact',\n"
        "                method_options={'simplify': False})" + RUN,
        "G = NeuronGroup(1, 'dv/dt = -v/(5*ms) : 1', method='exact')" + RUN,
    ),
    (
        "make a monitor for each of the times",
        ONE + "M = SpikeMonitor(G)\nnet = Network(G, M)\nnet.run(1*ms)\nM.active = False\n"
        "net.run(1*ms)\nM.active = True\nnet.run(1*ms)\n",
        ONE + "M = SpikeMonitor(G)\nnet = Network(G, M)\nnet.run(1*ms)\nM.active = False\n"
        "net.run(1*ms)\nN = SpikeMonitor(G)\nnet.add(N)\nnet.run(1*ms)\n",
    ),
    (
        "record what is in the network",
        ONE + "H = NeuronGroup(1, 'v : 1')\nM = StateMonitor(G, 'v', record=True)\n"
        "Network(H, M).run(1*ms)\n",
        ONE + "M = StateMonitor(G, 'v', record=True)\nNetwork(G, M).run(1*ms)\n",
    ),
]


@pytest.mark.parametrize(("fix", "wrong", "mended"), FIXES, ids=[row[0][:40] for row in FIXES])
def test_what_errors_say_is_done(fix, wrong, mended, tmp_path):
    path = tmp_path / "one.py"
    path.write_text("from brian2 import *\n" + wrong)
    with pytest.raises(AdoptError) as caught:
        adopt_script(path)
    assert all(part in str(caught.value) for part in fix.split("{}")), str(caught.value)
    path.write_text("from brian2 import *\n" + mended)
    adopt_script(path)


def test_a_network_that_has_run():
    group = brian2.NeuronGroup(1, "v : 1")
    net = brian2.Network(group)
    net.run(1 * ms)
    with pytest.raises(AdoptError, match="adopt it before its first run"):
        brainsleep.adopt(net, duration=1 * ms)
    brainsleep.adopt(brian2.Network(brian2.NeuronGroup(1, "v : 1")), duration=1 * ms)


def test_sleep_says_what_to_name(tmp_path):
    path = tmp_path / "one.py"
    declared = "'dv/dt = (u - v)/(5*ms) : 1\\nu : 1\\nz : 1'"
    path.write_text(f"from brian2 import *\nG = NeuronGroup(1, {declared})" + RUN)
    protocol = adopt_script(path)
    for name, fix in (("g", "name what drives it"), ("g.z", "name what an equation reads")):
        with pytest.raises(BrainsleepError, match=fix):
            protocol.with_sleep(1 * ms, silent=name)
    protocol.with_sleep(1 * ms, silent="g.u")


def test_what_specifications_say_is_done(tmp_path):
    path = tmp_path / "one.py"
    path.write_text("from brian2 import *\n" + ONE + "M = SpikeMonitor(G)\n"
                    "T = StateMonitor(G, 'v', record=True)" + RUN)  # fmt: skip
    protocol = adopt_script(path)
    for field, empty in (("spikes", ()), ("states", {})):
        with pytest.raises(BrainsleepError, match=f"write {field}="):
            dataclasses.replace(
                protocol, record=dataclasses.replace(protocol.record, **{field: empty})
            )
    model = protocol.network.populations[0].model
    for every, fits in ((0.15 * ms, False), (0.2 * ms, True)):
        code = brainsleep.Regular(name="more", code="v += 1", every=every)
        changes = {"network.populations.g.model": dataclasses.replace(model, regular=(code,))}
        if fits:
            protocol.override(changes)
            continue
        with pytest.raises(BrainsleepError, match="choose another dt or period"):
            protocol.override(changes)
    demo = brainsleep.load_protocol("demo")
    with pytest.raises(
        BrainsleepError, match=r"a Schedule has a sleep of its own: schedule\.sleep"
    ):
        demo.with_sleep(1 * ms)
    demo.override({"schedule.sleep.fraction": 0.1})
