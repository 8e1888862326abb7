"""What a script reads between runs: it decides nothing, or the script is refused."""

import pytest

from brainsleep.adoption import adopt_script
from brainsleep.errors import AdoptError

BEGIN = """\
from brian2 import *
seed(3)
G = NeuronGroup(5, '''dv/dt = (I - v)/(10*ms) : 1 (unless refractory)
                      I : 1
                      n : integer
                      b : boolean
                      level = v**2 : 1
                      held = 2*v : 1 (constant over dt)
                      total : 1''',
                threshold='v > 1', reset='v = 0; n += 1; b = True', refractory='1*ms')
G.I = '1.1 + 0.2*i'
S = Synapses(G, G, 'w : 1\\ntotal_post = w*v_pre : 1 (summed)',
             on_pre='v_post += w*0.1; w = w + 0.01')
S.connect('i != j')
S.w = '0.1 + 0.05*i + 0.02*j'
M = SpikeMonitor(G)
run(20*ms)
"""
LINES = len(BEGIN.splitlines())
AGAIN = "\nrun(20*ms)\n"
THEN = ":\n    G.I = 3" + AGAIN

#: Code after a first run that reads what only a simulation knows: its line, and what is named.
REFUSED = {
    "if": ("if G.v[0] > 0.5" + THEN, 1, "G.v"),
    "never so": ("if G.v[0] == 12345" + THEN, 1, "G.v"),
    "always so": ("if max(G.v) < 1e6" + THEN, 1, "G.v"),
    "while": ("while mean(S.w) < 0.4:\n    run(5*ms)\n", 1, "S.w"),
    "break": ("for k in range(5):\n    if G.v[1] > 0.9:\n        break\n    run(5*ms)\n", 2, "G.v"),
    "whole number": ("if int(G.n[0]) > 0" + THEN, 1, "G.n"),
    "whole numbers set": ("G.I = 1 + 0.1*array(G.n)" + AGAIN, 1, "G.n"),
    "boolean": ("if any(G.b)" + THEN, 1, "G.b"),
    "without units": ("if G.v_[0] > 0.5" + THEN, 1, "G.v"),
    "array": ("if asarray(G.v).sum() > 2" + THEN, 1, "G.v"),
    "slice": ("if G.v[:].mean() > 0.1" + THEN, 1, "G.v"),
    "rounded": ("G.I = round(float(G.v[0])) + 1.5" + AGAIN, 1, "G.v"),
    "part": ("if G[0:2].v[0] > 0.5" + THEN, 1, "G.v"),
    "end of synapses": ("if S.v_post[0] > 0.5" + THEN, 1, "v_post"),
    "computed": ("if G.level[0] > 0.5" + THEN, 1, "level"),
    "computed once a step": ("if G.held[0] > 0.5" + THEN, 1, "G.held"),
    "summed": ("if G.total[0] > 0.5" + THEN, 1, "G.total"),
    "states": ("if G.get_states(['v'])['v'][0] > 0.5" + THEN, 1, "G.v"),
    "states of all": ("if magic_network.get_states()" + THEN, 1, "read between runs"),
    "variable": ("if G.variables['v'].get_value()[0] > 0.5" + THEN, 1, "G.v"),
    "last spikes": ("if G.lastspike[0] > 15*ms" + THEN, 1, "G.lastspike"),
    "last spikes set": ("G.lastspike = 0*ms" + AGAIN, 1, "lastspike"),
    "who spikes": ("if len(G.spikes) > 3" + THEN, 1, "G"),
    "tried": ("try:\n    assert G.v[0] < 0.01\nexcept Exception:\n    G.I = 3" + AGAIN, 2, "G.v"),
    "duration": ("run((1 + 5*G.v[0])*ms)\n", 1, "G.v"),
    "condition": ("G.I['v > 0.5'] = 3" + AGAIN, 1, "G.v"),
    "condition of itself": ("S.w['w > 0.2'] = 0.1" + AGAIN, 1, "S.w"),
    "condition read": ("G.I = len(G.I['v > 0.5'])" + AGAIN, 1, "G.v"),
    "expression": ("S.w = 'w*0.5'" + AGAIN, 1, "S.w"),
    "normalised": ("S.w *= 10/sum(S.w)" + AGAIN, 1, "S.w"),
    "in place": ("S.w[:] *= 0.5" + AGAIN, 1, "S.w"),
    "bounded": ("S.w = clip(S.w, 0, 0.2)" + AGAIN, 1, "S.w"),
    "variable in place": ("x = S.w[:]\nx *= 0.5" + AGAIN, 1, "S.w"),
    "part of a variable": ("x = G.v[:]\nx[0] = 0.9" + AGAIN, 1, "G.v"),
    "out": ("x = multiply(S.w[:], 0.5, S.w[:])" + AGAIN, 1, "S.w"),
    "own function": ("def f(w):\n    G.I = 1 + w[0]\nx = f(S.w)" + AGAIN, 2, "S.w"),
    "by another name": ("x = S.w[:]\ny = x\nif y[0] > 0" + THEN, 1, "S.w"),
    "list": ("x = []\ny = x\nx.append(M.num_spikes)\nif y[0] > 3" + THEN, 3, "M"),
    "list in a function": (
        "x = []\ndef f():\n    G.I = 1 + x[0]\nx.append(float(G.v[0]))\nf()" + AGAIN, 4, "G.v",
    ),
    "name in code": ("k_now = float(S.w[0])\nG.I = 'k_now + 1'" + AGAIN, 1, "S.w"),
    "run by another name": ("r, k = run, float(G.v[0])\nr(k*50*ms)\n", 1, "G.v"),
    "spikes": ("if M.num_spikes > 3" + THEN, 1, "M"),
    "spikes set": ("G.I = 1.2 + 0.1*bincount(M.i, minlength=5)" + AGAIN, 1, "M"),
}  # fmt: skip

#: Code after a first run that a simulation does not decide, and what is the same.
ADOPTED = {
    "kept": ("x = S.w[:]\nn = M.count[0]" + AGAIN + "print(x.mean(), n)\nG.I = x[0]\n", AGAIN),
    "kept in lists": (
        "x, n = [], []\nfor k in range(2):\n    G.I = k\n    run(10*ms)\n"
        "    x.append(array(S.w))\n    n.append(M.num_spikes)\nprint(mean(x), sum(n))\n",
        "G.I = 0\nrun(10*ms)\nG.I = 1\nrun(10*ms)\n",
    ),
    "kept by key": (
        "x, n = {}, zeros(2)\nfor k in range(2):\n    run(10*ms)\n"
        "    x[k], n[k] = array(G.v), mean(G.v)\nprint(x, n)\n",
        "run(10*ms)\nrun(10*ms)\n",
    ),
    "in a function": (
        "def f():\n    x = array(S.w)\n    return 3\nG.I = f()" + AGAIN, "G.I = 3" + AGAIN,
    ),
    "printed": ("print(G.v[0], M.num_spikes)" + AGAIN, AGAIN),
    "set before": ("G.v = 0.3\nif G.v[0] == 0.3" + THEN, "G.v = 0.3\nG.I = 3" + AGAIN),
    "set as a whole": ("G.variables['v'].set_value(0)" + AGAIN, "G.v = 0" + AGAIN),
    "time": ("G.I = 1 + 10*float(G.t/second)" + AGAIN, "G.I = 1 + 10*0.02" + AGAIN),
    "what stays": ("G.I = 2*G.I[:]\nG.I['i > 3'] = 'I + i'" + AGAIN,
                   "G.I = '2*(1.1 + 0.2*i)'\nG.I[4] += 4" + AGAIN),
}  # fmt: skip


def adopted(folder, code):
    path = folder / "one.py"
    path.write_text(BEGIN + code)
    return adopt_script(path)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_decides_is_refused(kind, tmp_path):
    code, line, name = REFUSED[kind]
    with pytest.raises(AdoptError) as caught:
        adopted(tmp_path, code)
    assert f"one.py:{LINES + line}:" in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("kind", ADOPTED)
def test_what_decides_nothing_is_adopted(kind, tmp_path):
    code, same = ADOPTED[kind]
    assert adopted(tmp_path, code).describe() == adopted(tmp_path, same).describe()
