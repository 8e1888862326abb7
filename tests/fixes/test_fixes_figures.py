"""Fixes of figures that results lack something for: run again as the error says, and draw."""

import dataclasses
import functools
import importlib
import tempfile

import matplotlib.pyplot as plt
import pytest
from brian2 import Hz, ms
from conftest import QUICK, ROOT, TINY
from fix_table import carry_out, rows

from brainsleep.experiment.timeline import Timeline, asleep, awake
from brainsleep.figures._read import metric
from brainsleep.run.simulate import simulate

#: A run that trains, sleeps and reads out, each for a moment.
BRIEF = TINY.override({
    "schedule.image_duration": "5*ms", "schedule.period": "20*ms", "record.raster": (),
    "record.snapshots": (), "readout.resamples": 100,
})  # fmt: skip


@functools.cache
def ran(**changes):
    """A run with settings changed, ``__`` for a dot, as after ``--set``."""
    changed = BRIEF.override({key.replace("__", "."): value for key, value in changes.items()})
    return simulate(changed, backend=QUICK, out=tempfile.mkdtemp())


def draw(name, *results, labels=None):
    module = importlib.import_module(f"brainsleep.figures.{name}")
    plt.close(module.draw(list(results), labels))


def imported(name):
    """What is said of a folder of the checkout that is imported by its own name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        with pytest.raises(ImportError) as caught:
            importlib.import_module(name)
    return str(caught.value)


@functools.cache
def untasked():
    """A run that is about no images."""
    timeline = Timeline(periods=(awake(20 * ms, rate=10 * Hz), asleep(10 * ms)))
    free = dataclasses.replace(BRIEF, task=None, schedule=timeline)
    return simulate(free, backend=QUICK, out=tempfile.mkdtemp())


def only_test():
    return ran(data__n_train=0)


FIXES = [
    ("run it with --set readout.label_counts={},{}", lambda: draw("labels", ran()),
     lambda one, two: draw("labels", ran(readout__label_counts=f"{one},{two}"))),
    ("give a result with data.n_train above 0", lambda: draw("weights", only_test()),
     lambda: draw("weights", ran())),
    ("give a result with data.n_train above 0", lambda: draw("sleep_rates", only_test()),
     lambda: draw("sleep_rates", ran())),
    ("give runs that sleep, with probes.images above 0",
     lambda: draw("representation", ran()),
     lambda: draw("representation", ran(probes__images=4))),
    ("give a run with data.n_test above 0", lambda: draw("classes", ran(data__n_test=0)),
     lambda: draw("classes", ran())),
    ("give each run once and every condition a label of its own",
     lambda: draw("labels", *[ran(readout__label_counts="10,20")] * 2),
     lambda: draw("labels", ran(readout__label_counts="10,20"))),
    ("give the folder of at least one finished run", lambda: draw("weights"),
     lambda: draw("weights", ran())),
    ("run it with data.n_readout and data.n_test above 0",
     lambda: metric(ran(data__n_test=0), "network_accuracy"),
     lambda: metric(ran(), "network_accuracy")),
    ("give runs that differ in one", lambda: draw("sensitivity", ran()),
     lambda: draw("sensitivity", ran(), ran(encoder__total=13.0))),
    ("give each setting a run of two arms or more with the same seed",
     lambda: draw("margins", ran(), ran(data__n_train=4), labels=["a / slept", "b / slept"]),
     lambda: draw("margins", ran(), ran(data__n_train=4), labels=["a / slept", "a / awake"])),
    ("give what else differs as --label",
     lambda: draw("sensitivity", ran(), ran(encoder__total=13.0, data__n_train=4)),
     lambda: draw("sensitivity", ran(), ran(encoder__total=13.0), ran(data__n_train=4),
                  labels=["twelve", "twelve", "four"])),
    ("draw them apart, or give each curve a label of its own",
     lambda: draw("sleep_sweep", ran(), ran(data__n_train=4), labels=["one", "one"]),
     lambda: (draw("sleep_sweep", ran()),
              draw("sleep_sweep", ran(), ran(data__n_train=4), labels=["twelve", "four"]))),
    ("draw another figure, such as weights or raster", lambda: draw("classes", untasked()),
     lambda: draw("weights", untasked())),
    ("run it again with --set \"record.states={'e.v': (0, 1)}\", or other variables of its network",
     lambda: draw("traces", ran()),
     lambda: draw("traces", ran(record__states="{'e.v': (0, 1)}"))),
    *(
        (f"import this package as 'brainsleep.{name}', not as '{name}'",
         lambda name=name: imported(name),
         lambda name=name: importlib.import_module(f"brainsleep.{name}"))
        for name in ("figures", "models", "protocols")
    ),
]  # fmt: skip


@pytest.mark.parametrize("fix, broken, mended", rows(FIXES))
def test_fix(fix, broken, mended):
    carry_out(fix, broken, mended)
