"""What C++ programs leave out or do later: when that pays, and that nothing is missed."""

import subprocess

import numpy as np
import pytest
from conftest import needs_compiler

from brainsleep.backends.cpp.build import find_compiler
from brainsleep.backends.cpp.by_neuron import ByNeuron
from brainsleep.backends.cpp.standalone import TEMPLATES, by_gate, unless_open


def compiled(folder, text):
    """Return a function that runs a C++ program on some input and returns what it prints."""
    (folder / "one.cpp").write_text(text)
    command = [find_compiler(), "-std=c++14", "-O1", "-pthread", f"-I{TEMPLATES}", "one.cpp"]
    subprocess.run([*command, "-o", "one"], cwd=folder, check=True)

    def run(given):
        done = subprocess.run(
            ["./one"], cwd=folder, input=given, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return run


_EIGHT = """
#include "eight.h"
#include <cstdio>
int main() {
    uint8_t bytes[8];
    for (int least; scanf("%d", &least) == 1;) {
        for (uint8_t& byte : bytes) scanf("%hhu", &byte);
        uint16_t list[8];
        const int bits = brainsleep::eight::which(brainsleep::eight::from(bytes), least);
        const int n = brainsleep::eight::places.add(list, bits, 1000);
        for (int k = 0; k < n; k++) printf("%d ", list[k]);
        printf("\\n");
    }
}
"""


@pytest.mark.standalone
@needs_compiler
def test_which_of_eight_bytes_are_large_enough(tmp_path):
    rng = np.random.default_rng(3)
    rows = rng.choice([0, 0, 1, 2, 3, 127, 128, 254, 255], (400, 8))
    least = rng.integers(1, 3, 400)
    given = "\n".join(f"{k} {' '.join(map(str, row))}" for k, row in zip(least, rows, strict=True))
    found = [[int(word) for word in line.split()] for line in compiled(tmp_path, _EIGHT)(given)]
    expected = [
        (1000 + np.flatnonzero(row >= k)).tolist() for k, row in zip(least, rows, strict=True)
    ]
    assert found == expected


_LISTED = """
#include "eight.h"
#include <cstdio>
#include <vector>
int main() {
    for (int n, from; scanf("%d %d", &n, &from) == 2;) {
        std::vector<char> fired((n + 63)/64*64);
        for (int k = 0; k < n; k++) scanf("%hhd", &fired[k]);
        std::vector<int32_t> list(n + 8);
        const int found = brainsleep::eight::list_true(fired.data(), from, n, list.data());
        printf("%zu", brainsleep::eight::how_many(fired.data() + from, n - from));
        for (int k = 0; k < found; k++) printf(" %d", list[k]);
        printf("\\n");
    }
}
"""


@pytest.mark.standalone
@needs_compiler
def test_those_that_are_true_are_listed_and_counted(tmp_path):
    rng = np.random.default_rng(4)
    given, expected = [], []
    for n in (1, 7, 8, 63, 64, 65, 225, 1000):
        for p in (0, 0.01, 0.1, 0.5, 1):
            fired = rng.random(n) < p
            from_ = 64 * rng.integers(0, n // 64 + 1)
            given.append(f"{n} {from_} {' '.join(str(int(k)) for k in fired)}")
            listed = np.flatnonzero(fired[from_:]) + from_
            expected.append([listed.size, *listed])
    lines = compiled(tmp_path, _LISTED)("\n".join(given))
    assert [[int(word) for word in line.split()] for line in lines] == expected


_TRIAL = """
#include "later.h"
#include <cstdio>
#include <random>
brainsleep::Threads brainsleep::threads;
int main() {
    double now, late, cold, whole;
    while (scanf("%lf %lf %lf %lf", &now, &late, &cold, &whole) == 4) {
        brainsleep::Later later;
        std::mt19937 numbers(1);
        int on = 0, trials = 0;
        const int n_passes = 200000;
        for (int pass = 0; pass < n_passes; pass++) {
            const int next = later.next();
            if (next > 0) later.begin(4, 4, 16, 8);
            if (next < 0) {
                later.took(whole);
                later.stop();
            }
            trials += next > 0;
            on += later.on;
            const int spikes = 1 + numbers() % 2000;  // others in every pass
            const double slow = (pass < 50 ? cold : 1)*(numbers() % 10 ? 1 : 4);
            later.took(1e-9*(later.on ? late : now)*slow*spikes, spikes);
        }
        printf("%.4f %d\\n", (double)on/n_passes, trials);
    }
}
"""


@pytest.mark.standalone
@needs_compiler
def test_what_takes_less_time_is_chosen(tmp_path):
    """However much is to do in a pass, with cold memory at first, others at work now and then."""
    cases = {
        "1.5 1 1 0": (0.9, 1.0),
        "1 1.3 1 0": (0.0, 0.1),
        "1.1 1 1 0": (0.0, 0.1),  # too little to be sure
        "1 1.3 50 0": (0.0, 0.1),
        "1.5 1 40 0": (0.9, 1.0),
    }
    lines = compiled(tmp_path, _TRIAL)("\n".join([*cases, "50 1 1 0.01"]))
    for line, (least, most) in zip(lines, cases.values(), strict=False):
        share, trials = line.split()
        assert least < float(share) < most
        assert 2 <= int(trials) <= 200_000 / 8192 + 1
    share, trials = lines[-1].split()  # to try again takes 10 ms of 200: not twice
    assert float(share) > 0.99 and int(trials) == 1


def test_values_that_are_alike_are_handed_over_once_a_neuron():
    pre = np.repeat([0, 2, 3], [3, 1, 4])
    synapses = {"ee": (pre, np.arange(8)), "ei": (np.empty(0, int), np.empty(0, int))}
    rows = np.array([0.5, 0, -0.0, np.nan, 0])
    given = {
        "ee.x": rows[pre],
        "ee.y": np.where(np.arange(8) == 5, 0.25, rows[pre]),  # one of neuron 3
        "ee.z": np.array([0.0, -0.0, 0, 1, 2, 2, 2, 2]),  # of other bits, though equal
        "ee.k": pre.astype(np.int32),
        "ei.x": np.empty(0),
    }
    alike = ByNeuron({key: (key.partition(".")[0], 5) for key in given})
    found = alike.rows(given, synapses)
    assert [*found] == ["ee.x", "ee.k", "ei.x"]
    assert found["ee.x"].tobytes() == rows.tobytes()
    assert found["ee.k"].tolist() == [0, 0, 2, 3, 0] and found["ei.x"].tolist() == [0] * 5
    for key, values in found.items():
        back = alike.at_synapses(key, values, synapses)
        assert back.tobytes() == given[key].tobytes() and back.dtype == given[key].dtype
    other = {"ee": (np.zeros(8, int), np.arange(8)), "ei": synapses["ei"]}
    assert [*alike.rows(given, other)] == ["ei.x"]  # of other synapses


def test_an_open_gate_has_nothing_to_restore():
    mixed = "    w = (plasticity_gate_post * w) + (_lio_3 * w_before);"
    others = ["w = clip(w + a, 0, 1);", "u = (plasticity_gate_post * w) + (_lio_3 * w_before);"]
    lines = [others[0], mixed, others[1]]
    assert by_gate([("", lines)]) == [("plasticity_gate_post == 1", others), ("", lines)]
    assert by_gate([("_few", lines), ("", others)]) == [
        ("_few && plasticity_gate_post == 1", others),
        ("_few", lines),
        ("", others),
    ]
    assert unless_open(lines) == [others[0], f"if (!_open) {mixed}", others[1]]
