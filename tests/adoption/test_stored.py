"""Scripts that store a state and go back to it: what is left is the way that leads to the end."""

import logging

import pytest

from brainsleep.adoption import adopt_script
from brainsleep.errors import AdoptError

BEGIN = """\
from brian2 import *
seed(3)
tau = 10*ms
G = NeuronGroup(5, '''dv/dt = (I - v)/tau : 1
                      I : 1''', threshold='v > 1', reset='v = 0', method='euler')
G.I = '1.1 + 0.2*i'
M = SpikeMonitor(G)
"""

#: A script, and one that leads to the same end without going back.
SAME = {
    "to the start": (
        "store()\nrun(20*ms)\nrestore()\nG.I = 2\nrun(10*ms)\n",
        "G.I = 1.1\nrun(0*ms)\nG.I = 2\nrun(10*ms)\n",
    ),
    "to the middle": (
        "run(20*ms)\nstore('a')\nG.I[2] = 3\nG.v = 0\nrun(5*ms)\nrestore('a')\nrun(10*ms)\n",
        "run(20*ms)\nrun(10*ms)\n",
    ),
    "what was set before it is stored": (
        "run(20*ms)\nG.I[2] = 3\nG.v = 0.5\nstore('a')\nrun(5*ms)\nG.I = 9\nrestore('a')\n"
        "run(10*ms)\n",
        "run(20*ms)\nG.I[2] = 3\nG.v = 0.5\nrun(10*ms)\n",
    ),
    "several times": (
        "run(20*ms)\nstore()\nfor k in range(3):\n    restore()\n    G.I = k\n    run(5*ms)\n"
        "print(M.num_spikes)\n",
        "run(20*ms)\nG.I = 2\nrun(5*ms)\n",
    ),
    "two states": (
        "run(20*ms)\nstore('a')\nrun(7*ms)\nstore('b')\nrun(8*ms)\nrestore('a')\nrun(1*ms)\n"
        "restore('b')\nrun(5*ms)\n",
        "run(20*ms)\nrun(7*ms)\nrun(5*ms)\n",
    ),
    "two states again": (
        "run(20*ms)\nstore('a')\nrun(7*ms)\nstore('b')\nrestore('a')\nrestore('b')\nrun(5*ms)\n",
        "run(20*ms)\nrun(7*ms)\nrun(5*ms)\n",
    ),
    "a constant": (
        "run(20*ms)\nstore()\ntau = 20*ms\nrun(7*ms)\nrestore()\nrun(8*ms)\n",
        "run(20*ms)\ntau = 20*ms\nrun(8*ms)\n",
    ),
}


def adopted(folder, code):
    path = folder / "one.py"
    path.write_text(BEGIN + code)
    return adopt_script(path)


@pytest.mark.parametrize("kind", SAME)
def test_what_is_undone_is_left_out(kind, tmp_path, caplog):
    code, same = SAME[kind]
    with caplog.at_level(logging.WARNING, "brainsleep"):
        protocol = adopted(tmp_path, code)
    assert ("restore() undoes what these ran" in caplog.text) == (kind != "two states again")
    expected = adopted(tmp_path, same)
    if kind == "to the start":  # the undone run began with other values
        first = protocol.schedule.periods[0].settings
        assert {name: float(each.values) for name, each in first.items()} == {"g.i_own": 2}
        assert len(protocol.schedule.periods) == 1
        return
    assert protocol.schedule == expected.schedule and protocol.record == expected.record
    assert protocol.network == expected.network


REFUSED = {
    "another script's": ("run(1*ms)\nrestore('a')\nrun(1*ms)\n", 2, "restore('a')"),
    "a file": ("store('a')\nrun(1*ms)\nrestore('a', 'a.npz')\nrun(1*ms)\n", 3, "restore('a')"),
    "results of each": (
        "store()\nn = []\nfor k in range(3):\n    restore()\n    G.I = k\n    run(5*ms)\n"
        "    n.append(M.num_spikes)\nprint(n)\n",
        7,
        "'M' of a run that restore() undoes",
    ),
    "results that decide": (
        "store()\nrun(5*ms)\nif M.num_spikes > 3:\n    restore()\nrun(5*ms)\n", 3, "'M' is read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_left_out_is_refused(kind, tmp_path):
    code, line, words = REFUSED[kind]
    with pytest.raises(AdoptError) as caught:
        adopted(tmp_path, code)
    line += len(BEGIN.splitlines())
    assert f"one.py:{line}:" in str(caught.value) and words in str(caught.value)
