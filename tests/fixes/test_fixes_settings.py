"""The fixes of wrong settings: protocols, schedules, tasks, readouts, segments, grids, batches."""

import dataclasses
import functools
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, ms, second
from conftest import QUICK, TINY, lone_neurons, make_segment
from fix_table import carry_out, command, rows

import brainsleep.run.compare
from brainsleep.backends.base import make_backend
from brainsleep.experiment.observer import Observer
from brainsleep.experiment.protocol import load_protocol
from brainsleep.experiment.record import Record
from brainsleep.experiment.schedule import Schedule, sleep
from brainsleep.experiment.stages import SleepStage, nrem, rem
from brainsleep.experiment.start import SavedWeights
from brainsleep.experiment.timeline import Timeline, asleep, awake
from brainsleep.models.lif import LIF
from brainsleep.run.compare import Condition, match_rate, value_at
from brainsleep.run.replicas import check_alike
from brainsleep.run.segment import Batch, Capacity, check_segment, timing
from brainsleep.run.simulate import simulate, simulate_many
from brainsleep.run.state import initial_state
from brainsleep.sweep.grid import Grid, addressed, read_grids
from brainsleep.sweep.run import SweepRun
from brainsleep.tasks.images.continual import Tasks
from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.tasks.images.readout import Readout, classify

TWO_TASKS = ((0, 1), (2, 3))
SHORT = TINY.override({"data.n_train": 2, "data.n_readout": 0, "data.n_test": 0})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def tiny(**changes):
    """`TINY` with settings changed, ``__`` for a dot."""
    return TINY.override({key.replace("__", "."): value for key, value in changes.items()})


def without_processes(**changes):
    return tiny(
        network__projections__ie__processes=(),
        network__projections__ei__processes=(),
        network__projections__ee__processes=(),
        network__projections__input_e__processes=(),
        schedule__sleep__gates__decay=None,
        **changes,
    )


def laid_out(**changes):
    return tiny(**changes).nominal_slots()


FREE = Timeline(periods=(awake(20 * ms, rate=10 * Hz), asleep(10 * ms)))


def untasked(schedule=FREE, task=None):
    return dataclasses.replace(tiny(), schedule=schedule, task=task)


def long_timeline(slot):
    network = tiny().network
    timeline = Timeline(periods=(awake(1e4 * second, rate=10 * Hz),), slot=slot)
    return timeline.compile(network.gates, network.dt)


def named(name):
    """An observer's class of this name."""
    return type("Mine", (Observer,), {"name": name})


def layered(**changes):
    """The paper's surrogate-gradient network, which needs no torch to be described."""
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    return load_protocol("paper", "sg_snn").override(changes)


def written(name, text):
    Path(name).write_text(text, encoding="utf-8")
    return name


def setting(text):
    """What follows "such as" in the error of a value, given to the key."""
    return re.sub("^values? such as |^a value such as ", "", text).partition(" or ")[0]


def fitted(readout, labels):
    labels = np.array(labels)
    counts = np.random.default_rng(1).normal(size=(len(labels), 8)) + 3 * labels[:, None]
    return classify(counts, labels, counts, readout)


def order(classes, labels):
    return Tasks(classes=classes).order(np.array(labels), 1, np.random.default_rng(0))


MACHINE = "sklearn.svm.LinearSVC(max_iter={})"


class Nearest:
    """A classifier of the user's."""


def asked(readout="", n_readout=20):
    """Ask a network that has learned about an image."""
    merging = (Readout(name="merging", merge=True),)
    protocol = tiny(
        data__n_train=2,
        data__n_readout=n_readout,
        data__n_test=10 * bool(n_readout),
        more_readouts=merging,
    )
    result = simulate(protocol, backend="numpy", out="results")
    result.predict(np.full((1, 8, 8), 200), readout=readout)


def of_tasks(**changes):
    """What a run looks at on its way through two tasks."""
    protocol = tiny(tasks__classes=TWO_TASKS, data__n_train=40, **changes)
    protocol.course(0, protocol.open({}))


def segment(network, n, **more):
    return make_segment(network, np.zeros((n, network.population(network.input).size)), **more)


def too_long(n):
    network = lone_neurons(LIF)
    timing(network, Capacity(slots=4, steps=100), segment(network, n))


def learned_from(labels):
    """A slot awake of a network that learns labels, with a batch of images and labels."""
    network = layered().network
    slot = segment(network, 1)
    if labels is not None:
        images = np.zeros((len(labels), network.population(network.input).size))
        slot = dataclasses.replace(slot, batch=Batch(images, np.array(labels)))
    check_segment(network, slot)


def hook(groups, t):
    pass


def hooked(**changes):
    return dataclasses.replace(tiny(**changes), hooks={"on_wake": hook})


def layered_backend(hooks):
    pytest.importorskip("snntorch")
    network = layered().network
    return make_backend("torch", network, hooks=hooks)


def together(n, hooks):
    network = lone_neurons(LIF)
    states = [initial_state(network, 0)] * n
    backend = make_backend("numpy", network, hooks=hooks)
    backend.advance_replicas(states, [segment(network, 1)] * n, [0] * n)


def holding(held):
    """A grid's protocol with a hook that holds something that no id can tell."""

    def held_by(groups, t):
        return held

    def made_within(groups, t):
        return open

    hooks = {"on_wake": made_within if held is None else held_by}
    protocol = dataclasses.replace(tiny(data__n_train=2), hooks=hooks)
    addressed(Grid(name="g", protocol=protocol, backend="numpy").rows())


def matched(target):
    """Match a rate that is twice the weight that is scaled."""
    key = "encoder.total"
    with pytest.MonkeyPatch.context() as patch:
        rate = lambda protocol, *_: 2 * value_at(protocol, key)  # noqa: E731
        patch.setattr(brainsleep.run.compare, "measure_rate", rate)
        found = match_rate(TINY, key, target, seed=0, backend=QUICK)
    assert value_at(found, key) == pytest.approx(target / 2, rel=0.01)


@functools.cache
def finished():
    """A short run, kept for all rows."""
    return simulate(SHORT, backend=QUICK, out=tempfile.mkdtemp())


def scaled(projections, key="network.projections.input_e.weights.low"):
    start = SavedWeights(result=str(finished().path), projections=projections)
    return value_at(dataclasses.replace(TINY, saved_weights=start), key)


def squeezed(size):
    rows, columns = size
    encoder = RateEncoder(size=size, total=14.0)
    changes = {"network.populations.input.size": rows * columns, "encoder.size": size}
    assert TINY.override(changes).task.encoder.size == encoder.size
    return encoder.squeezed(30, 40)


def grid_file(text):
    return read_grids(written("grid.toml", text))


def sized(text):
    return tuple(map(int, text.strip("()").split(",")))


def rows_of(grid):
    return Grid(name="g", protocol="demo", backend="numpy", **grid).rows()


def matched_row():
    """The second row of a file whose second condition has the rate of the first."""
    key = "network.projections.input_e.weights.low"
    written(
        "mine.py",
        f"""
from conftest import TINY as PROTOCOL
from brainsleep.run.compare import Condition
CONDITIONS = (Condition(name="a"), Condition(name="b", match_rate="a", scale="{key}"))
""",
    )
    return Grid(name="g", protocol="mine.py", conditions="all", backend="numpy").rows()[1]


def carry_over():
    changes = {"saved_weights.result": str(finished().path), "saved_weights.projections": "ee"}
    return TINY.override(changes)


def renamed(taken):
    """Take the weights of a network whose projections have other names."""
    network = TINY.network
    projections = tuple(
        dataclasses.replace(p, name="recurrent") if p.name == "ee" else p
        for p in network.projections
    )
    network = dataclasses.replace(network, projections=projections)
    start = SavedWeights(result=str(finished().path), projections=taken)
    return dataclasses.replace(TINY, network=network, saved_weights=start)


OF_A_CONDITION = (Condition(name="a", changes={"data.n_train": 3}),)
ONE_STAGE = (SleepStage("one", 1.0, {"noise": 1}),)

FIXES = [
    # settings by key
    *(
        ("write {}", lambda key=key: TINY.override({key: "soon"}),
         lambda text, key=key: TINY.override({key: setting(text)}))
        for key in ("schedule.period", "data.n_train", "schedule.sleep.fraction",
                    "network.populations.e.model.v_rest",
                    "network.projections.ee.weights.incoming_sum", "encoder.size",
                    "network.projections.*.rules.*.lr", "record.alarms.runaway")
    ),
    ("write True or False", lambda: TINY.override({"record.weights_at_phases": "soon"}),
     lambda: TINY.override({"record.weights_at_phases": "False"})),
    (
        "name one as FILE.py:NAME or set one of its fields",
        lambda: tiny(network__projections__ee__rules__stdp_nearest_reversed=3),
        lambda: (
            tiny(**{"network__projections__ee__rules__*__lr": 0.1}),
            written("mine.py", "from brainsleep.models.stdp import STDP_NEAREST as MINE"),
            tiny(**{"network__projections__ee__rules__*": "mine.py:MINE"}),
        ),
    ),
    ("define PROTOCOL in it",
     lambda: load_protocol(written("mine.py", "from conftest import TINY")),
     lambda: load_protocol(written("my.py", "from conftest import TINY as PROTOCOL"))),
    ("or a network as FILE.py:NAME", lambda: load_protocol("paper", "nothing_like_it"),
     lambda: (written("mine.py", "from brainsleep.models.massey2026 import PAPER as MINE"),
              load_protocol("paper", "mine.py:MINE"))),
    ("or the path of a .py file", lambda: load_protocol("nothing_like_it"),
     lambda: load_protocol(written("mine.py", "from conftest import TINY as PROTOCOL"))),
    ("give the path of an existing .py file", lambda: load_protocol("missing.py"),
     lambda: load_protocol(written("mine.py", "from conftest import TINY as PROTOCOL"))),
    # sleep
    ("for {} % write {}", lambda: sleep(20), lambda percent, text: sleep(float(text))),
    ("set sleep.duration first, or sleep.cadence to 'time'",
     lambda: tiny(schedule__sleep__cadence="images"),
     lambda: (tiny(schedule__sleep__duration="100*ms", schedule__sleep__cadence="images"),
              tiny(schedule__sleep__cadence="time"))),
    ("leave the stage out instead of giving it nothing",
     lambda: sleep(0.2, stages=(nrem(0), rem(1))), lambda: sleep(0.2, stages=(rem(1),))),
    ("write ({},) for one", lambda: sleep(0.2, stages=nrem()),
     lambda part: (sleep(0.2, stages=(nrem(0.8), rem(0.2))), sleep(0.2, stages=(nrem(),)))),
    ("give one another name",
     lambda: sleep(0.2, stages=(nrem(), rem(), nrem())),
     lambda: (sleep(0.2, stages=(nrem(), rem()), cycles=2),
              sleep(0.2, stages=(nrem(), rem(), dataclasses.replace(nrem(), name="late"))))),
    ("set sleep.stages first", lambda: sleep(0.2, cycles=3),
     lambda: sleep(0.2, stages=(nrem(), rem()), cycles=3)),
    # schedules
    ("set data.n_train, n_readout or n_test above 0",
     lambda: laid_out(data__n_train=0, data__n_readout=0, data__n_test=0),
     lambda: [laid_out(**({"data__n_train": 0, "data__n_readout": 0, "data__n_test": 0} | {k: 4}))
              for k in ("data__n_train", "data__n_readout", "data__n_test")]),
    ("show each for a shorter time", lambda: laid_out(schedule__period="20*ms"),
     lambda: laid_out(schedule__period="20*ms", schedule__image_duration="10*ms")),
    ("show fewer images or epochs, or sleep less often, in fewer pieces",
     lambda: laid_out(schedule__epochs=170_000),
     lambda: laid_out(schedule__epochs=10)),
    ("show fewer images or epochs, or sleep less often, in fewer pieces",
     lambda: laid_out(data__n_train=2_100_000, schedule__sleep__fraction=0),
     lambda: laid_out(data__n_train=100)),
    ("show fewer images or epochs, or sleep less often, in fewer pieces",
     lambda: laid_out(data__n_train=4000, schedule__period="50*ms",
                      schedule__sleep__stages=ONE_STAGE,
                      schedule__sleep__cycles=900),
     lambda: (laid_out(data__n_train=4000, schedule__period="200*second",
                       schedule__sleep__stages=ONE_STAGE,
                       schedule__sleep__cycles=900),
              laid_out(data__n_train=4000, schedule__period="50*ms",
                       schedule__sleep__stages=ONE_STAGE,
                       schedule__sleep__cycles=2))),
    ("write sleep(...)", lambda: Schedule(sleep=0.2), lambda: Schedule(sleep=sleep(0.2))),
    # timelines
    ("make slots longer", lambda: long_timeline(1 * ms), lambda: long_timeline(100 * ms)),
    ("or give it a task, such as task=Images(...), to sleep between images",
     lambda: untasked(schedule=tiny().schedule),
     lambda: (untasked(), untasked(schedule=tiny().schedule, task=tiny().task))),
    ("or leave the task out", lambda: untasked(task=tiny().task), untasked),
    # observers
    ("write name = ... in it, none of: {}", lambda: Record(observers=(named("weights")(),)),
     lambda taken: Record(observers=(named(f"my {taken.split(', ')[0]}")(),))),
    # early stopping, tasks
    ("set early_stopping.patience above 0", lambda: tiny(data__n_validation=4),
     lambda: tiny(data__n_validation=4, early_stopping__patience=1)),
    ("leave out tasks.classes, or set early_stopping.patience to 0",
     lambda: tiny(data__n_validation=4, early_stopping__patience=2, tasks__classes=TWO_TASKS),
     lambda: (tiny(data__n_validation=4, early_stopping__patience=2),
              tiny(early_stopping__patience=0, tasks__classes=TWO_TASKS))),
    ("set tasks.classes first", lambda: tiny(tasks__mixed=True),
     lambda: tiny(tasks__classes=TWO_TASKS, tasks__mixed=True)),
    ("set only one of them", lambda: Tasks(classes=TWO_TASKS, mixed=True, rehearsal=0.5),
     lambda: (Tasks(classes=TWO_TASKS, mixed=True), Tasks(classes=TWO_TASKS, rehearsal=0.5))),
    ("raise data.n_train or leave the task out", lambda: order(TWO_TASKS, [0, 1, 1]),
     lambda: (order(TWO_TASKS, [0, 1, 1, 2]), order(((0, 1),), [0, 1, 1]))),
    ("raise data.n_{}", lambda: of_tasks(data__n_test=1),
     lambda part: of_tasks(**{f"data__n_{part}": 40})),
    ("raise data.n_{}", lambda: of_tasks(data__n_readout=1),
     lambda part: of_tasks(**{f"data__n_{part}": 40})),
    # readouts
    ("write ({},) for one", lambda: Readout(label_counts=50),
     lambda count: Readout(label_counts=(int(count),))),
    ("set readout.fit_last to 0", lambda: layered(readout__fit_last=5),
     lambda: layered(readout__fit_last=0)),
    ("leave them out, or tasks.classes",
     lambda: tiny(tasks__classes=TWO_TASKS, readout__fit_last=5),
     lambda: (tiny(tasks__classes=TWO_TASKS), tiny(readout__fit_last=5))),
    ("raise data.n_readout", lambda: fitted(Readout(), [1, 1, 1]),
     lambda: fitted(Readout(), [1, 1, 1, 0, 2])),
    ("raise readout.max_iter", lambda: fitted(Readout(max_iter=1), [0, 1, 2] * 9),
     lambda: fitted(Readout(max_iter=1000), [0, 1, 2] * 9)),
    ("fit it on more images", lambda: fitted(Readout(classifier="quadratic"), [0, 1, 1, 1]),
     lambda: fitted(Readout(classifier="quadratic"), [0, 1] * 20)),
    ("raise its max_iter", lambda: fitted(Readout(classifier=MACHINE.format(1)), [0, 1, 2] * 9),
     lambda: fitted(Readout(classifier=MACHINE.format(1000)), [0, 1, 2] * 9)),
    ("write sklearn.svm.LinearSVC(C=0.1), say", lambda: Readout(classifier=3),
     lambda: Readout(classifier="sklearn.svm.LinearSVC(C=0.1)")),
    ("for one of your own give a function that returns it",
     lambda: Readout(classifier=Nearest()), lambda: Readout(classifier=Nearest)),
    ("choose another readout", lambda: asked("merging"), lambda: asked("network")),
    ("set data.n_readout", lambda: asked(n_readout=0), lambda: asked(n_readout=20)),
    # images and neurons
    ("encoder.size={} and as many input neurons would keep them", lambda: squeezed((8, 8)),
     lambda size: squeezed(sized(size))),
    ("raise p or the sizes",
     lambda: initial_state(tiny(network__projections__ee__connectivity__p=1e-9).network, 0),
     lambda: initial_state(tiny(network__projections__ee__connectivity__p=0.5).network, 0)),
    # segments and replicas
    ("cut it in parts", lambda: too_long(6), lambda: [too_long(3) for _ in range(2)]),
    ("give it images and labels", lambda: learned_from(None), lambda: learned_from([0, 1])),
    ("remove them", lambda: layered_backend({"on_wake": hook}), lambda: layered_backend(None)),
    ("use --backend cython or numpy, or write the hook as equations",
     lambda: make_backend("cpp", TINY.network, hooks={"on_wake": hook}),
     lambda: make_backend("numpy", TINY.network, hooks={"on_wake": hook})),
    ("run it with simulate", lambda: check_alike([hooked(), TINY]),
     lambda: check_alike([hooked()])),
    ("networks of replicas differ in parameter values only: run each kind by itself",
     lambda: check_alike([TINY, tiny(network__populations__e__size=20)]),
     lambda: (check_alike([TINY, tiny(network__populations__e__model__v_rest="-71*mV")]),
              check_alike([tiny(network__populations__e__size=20)] * 2))),
    ("run the replicas one by one with advance", lambda: together(2, {"on_wake": hook}),
     lambda: [together(1, {"on_wake": hook}) for _ in range(2)]),
    ("several need simulate_many", lambda: simulate([TINY], backend="numpy", out="results"),
     lambda: simulate_many([SHORT], backend="numpy", out="results")),
    # grids
    ("leave one of them out",
     lambda: rows_of({"over": {"data.n_train": (1, 2)}, "conditions": OF_A_CONDITION}),
     lambda: (rows_of({"conditions": OF_A_CONDITION}),
              rows_of({"over": {"data.n_train": (1, 2)}}))),
    ("name = ... in each",
     lambda: grid_file('[[grid]]\nprotocol = "demo"\n[[grid]]\nprotocol = "paper"\n'),
     lambda: grid_file('[[grid]]\nname = "a"\nprotocol = "demo"\n'
                       '[[grid]]\nname = "b"\nprotocol = "paper"\n')),
    ('write protocol = "demo" at its top', lambda: grid_file("seeds = 3\n"),
     lambda: grid_file('protocol = "demo"\nseeds = 3\n')),
    ("make it within the hook, or use simulate", lambda: holding(object()),
     lambda: holding(None)),
    ("use 'brainsleep sweep run'", lambda: matched_row().command("results"),
     lambda: command("sweep", "plan", "mine.py", "--conditions", "all")),
    ("write 'brainsleep sweep run {}'", lambda: command("sweep", "demo"),
     lambda name: command("sweep", "plan", name)),
    ("write 'brainsleep sweep status DIR'", lambda: command("sweep", "--status", "swept"),
     lambda: (SweepRun(Grid(name="g", protocol=TINY, backend="numpy").rows(), "swept"),
              command("sweep", "status", "swept"))),
    # sleep that waits for weights
    ("add one, or set schedule.sleep.{} to {}",
     lambda: without_processes(schedule__sleep__until_initial=True),
     lambda name, value: without_processes(**{f"schedule__sleep__{name}": value})),
    # comparisons
    ("match another condition or scale another number", lambda: matched(1e9),
     lambda: matched(3.0)),
    ("scale another number, or leave the projection out of saved_weights.projections",
     lambda: scaled(()),
     lambda: (scaled(("ee",)), scaled((), "network.projections.ee.w_max"))),
    ("set saved_weights.result to the folder of a finished run",
     lambda: tiny(saved_weights__projections="ee"),
     carry_over),
    ("name those to take as saved_weights.projections", lambda: renamed(()),
     lambda: renamed(("input_e", "ei", "ie"))),
]  # fmt: skip


@pytest.mark.parametrize("fix, broken, mended", rows(FIXES))
def test_fix(fix, broken, mended):
    carry_out(fix, broken, mended)
