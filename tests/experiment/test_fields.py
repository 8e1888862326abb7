"""One rule for every count, and one for the fields of every specification."""

import dataclasses
import doctest
from typing import Annotated

import numpy as np
import pytest
from brian2 import Hz, Quantity, ms, second
from conftest import TINY

from brainsleep import mistakes
from brainsleep.cli import app as cli
from brainsleep.errors import BrainsleepError, ProtocolError, ScheduleError, SpecError, SweepError
from brainsleep.experiment.early_stopping import EarlyStopping
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.record import Alarms, Record
from brainsleep.experiment.schedule import Phase, Schedule, sleep
from brainsleep.experiment.stages import SleepStage, nrem
from brainsleep.models.lif import LIF
from brainsleep.models.massey2026 import PAPER
from brainsleep.models.sg_snn import SG_SNN
from brainsleep.network.spec import NeuronModel, Population, Projection
from brainsleep.run.state import stream
from brainsleep.sweep.grid import Grid
from brainsleep.tasks.images.continual import Tasks
from brainsleep.tasks.images.datasets import Dataset, split
from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.tasks.images.geometric import make_geometric
from brainsleep.tasks.images.readout import Readout
from brainsleep.tasks.images.task import Data, Probes
from brainsleep.values import fields
from brainsleep.values.fields import (
    Count,
    Gates,
    Time,
    fields_of,
    number,
    one_of,
    positive,
    refusal,
    specification,
    whole,
)
from brainsleep.values.frozen import default

BLANK = Dataset("blank", np.zeros((9, 4, 4), np.uint8), np.arange(9) % 2)

#: Everything that takes a count, as a function of it.
COUNTS = {
    "population.size": lambda n: Population(name="e", size=n, model=LIF).size,
    "layer.size": lambda n: dataclasses.replace(SG_SNN.populations[-1], size=n).size,
    "input.size": lambda n: dataclasses.replace(SG_SNN.populations[0], size=n).size,
    "batch_size": lambda n: dataclasses.replace(SG_SNN, batch_size=n).batch_size,
    "sleeping_copies": lambda n: dataclasses.replace(SG_SNN, sleeping_copies=n).sleeping_copies,
    "epochs": lambda n: Schedule(epochs=n).epochs,
    "cycles": lambda n: sleep(stages=(nrem(),), cycles=n).cycles,
    **{
        f"data.{name}": lambda n, name=name: getattr(Data(**{name: n}), name)
        for name in ("n_train", "n_readout", "n_test", "n_validation", "split_seed")
    },
    **{
        f"record.{name}": lambda n, name=name: getattr(Record(**{name: n}), name)
        for name in ("weights_every",)
    },
    **{
        f"probes.{name}": lambda n, name=name: getattr(Probes(**{name: n}), name)
        for name in ("images", "every")
    },
    "record.snapshots": lambda n: Record(snapshots=(n,)).snapshots[0],
    **{
        f"readout.{name}": lambda n, name=name: getattr(Readout(**{name: n}), name)
        for name in ("max_iter", "label_draws", "fit_last", "score_last")
    },
    "readout.label_counts": lambda n: Readout(label_counts=(n,)).label_counts[0],
    "tasks.stored": lambda n: Tasks(stored=n).stored,
    "tasks.classes": lambda n: Tasks(classes=((n,),)).classes[0][0],
    "patience": lambda n: EarlyStopping(patience=n).patience,
    "encoder.size": lambda n: RateEncoder(size=(n, 15)).size[0],
    "split": lambda n: len(split(BLANK, n, 1, 1, np.random.default_rng(0)).train),
    "geometric.seed": lambda n: make_geometric(n=4, seed=n) and n,
    "grid.seeds": lambda n: len(Grid(name="g", protocol="demo", seeds=n).seeds),
    "grid.seeds listed": lambda n: Grid(name="g", protocol="demo", seeds=[n]).seeds[0],
    "seed": lambda n: stream(n, "data") and n,
}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", [int, np.int64, np.uint8])
def test_every_count_takes_every_kind_of_whole_number(count, kind):
    found = COUNTS[count](kind(3))
    assert found == 3
    assert isinstance(found, int) or "seed" in count  # a specification has one address


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("wrong", [True, np.True_, 3.0, 2.5, "3", None, -3, np.float64(3)])
def test_no_count_takes_anything_else(count, wrong):
    with pytest.raises(BrainsleepError):
        COUNTS[count](wrong)


@pytest.mark.parametrize("wrong", [50, None, "50", 2.5])
def test_label_counts_are_a_tuple(wrong):
    with pytest.raises(ProtocolError, match=r"readout\.label_counts: got .*write \(50,\) for one"):
        Readout(label_counts=wrong)
    assert Readout(label_counts=(50,)).label_counts == (50,)


# -- fields ----------------------------------------------------------------------------------------

WRONG = {  # what is called wrongly, and what the message says
    "missing": (
        lambda: Population(name="e", size=3),
        SpecError,
        "Population needs model; write mo",
    ),
    "two missing": (
        lambda: Population(name="e"),
        SpecError,
        r"size and model; write size=\.\.\., m",
    ),
    "unknown": (lambda: Population(nam="e"), SpecError, "takes no 'nam'; did you mean 'name'"),
    "unnamed": (lambda: Population("e", 3, LIF), SpecError, r"by name; write name=\.\.\., size="),
    "model": (lambda: NeuronModel(), SpecError, "NeuronModel needs name"),
    "projection": (lambda: Projection(name="a"), SpecError, "needs source and target and synapse"),
    "network": (lambda: type(PAPER)(name="a"), SpecError, "NetworkSpec needs populations"),
    "layers": (lambda: type(SG_SNN)(), SpecError, "SurrogateNetwork needs name and populations"),
    "protocol": (lambda: Protocol(name="a"), ProtocolError, "Protocol needs network"),
    "data": (lambda: Data(n_trian=3), ProtocolError, "Data takes no 'n_trian'; did you mean 'n_tr"),
    "readout": (
        lambda: Readout(3),
        ProtocolError,
        r"Readout takes its values by name; write name=",
    ),
    "alarms": (lambda: Alarms(silent=3), ProtocolError, "Alarms takes no 'silent'"),
    "encoder": (lambda: RateEncoder((8, 8), size=3), ProtocolError, "by name; write size="),
    "phase": (lambda: Phase(kind="wake"), ScheduleError, "Phase needs gates; write gates="),
    "schedule": (lambda: Schedule(perod=1 * ms), ScheduleError, "did you mean 'period'"),
    "stage": (lambda: SleepStage("rem"), ScheduleError, "SleepStage needs share"),
    "grid": (lambda: Grid(name="g"), SweepError, "Grid needs protocol; write protocol="),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_fields_are_said(case):
    make, error, message = WRONG[case]
    with pytest.raises(error, match=message) as caught:
        make()
    assert "\n" not in str(caught.value) and "__init__" not in str(caught.value)


# -- what a value may be ---------------------------------------------------------------------------


@specification("nap.", ScheduleError)
class Nap:
    name: str
    share: Annotated[float, number(above=0, most=1)] = 1.0
    dreams: Annotated[int, whole(1, 9)] | None = None
    lengths: tuple[Count, ...] = ()
    size: tuple[int, int] = (1, 2)
    gates: Gates = dataclasses.field(default_factory=dict)
    after: Time = default(1 * second)
    rate: Annotated[Quantity, positive(Hz)] = default(1 * Hz)
    stage: Annotated[str, one_of("light", "deep", "rem")] = "rem"
    place: Annotated[str, one_of("a bed", "a sofa")] = "a bed"

    def __post_init__(self):
        if self.dreams and self.stage != "rem":
            raise refusal(self, "dreams", self.dreams, "None but in rem", "leave it out")


def test_values_are_converted():
    nap = Nap(
        name="short",
        share=np.float32(1),
        dreams=np.int64(3),
        lengths=[np.uint8(1), 2],
        gates={"noise": np.int64(1)},
        stage=np.str_("rem"),
    )
    assert nap == Nap(name="short", dreams=3, lengths=(1, 2), gates={"noise": 1.0})
    kinds = [type(each) for each in (nap.share, nap.dreams, nap.lengths[0], nap.stage)]
    assert kinds == [float, int, int, str]
    with pytest.raises(TypeError, match="frozen"):
        nap.gates["noise"] = 2


@pytest.mark.parametrize(
    ("field", "wrong", "message"),
    [
        ("name", 3, "nap.name: got 3; expected text"),
        ("share", 0, "nap.share: got 0; expected a number of more than 0 and at most 1"),
        ("share", True, "nap.share: got True; expected a number of more than 0 and at most 1"),
        ("dreams", 0, "nap.dreams: got 0; expected a whole number of at least 1"),
        ("dreams", 10, "nap.dreams: got 10; expected at most 9"),
        ("lengths", 3, "expected a tuple of whole numbers; write (50,) for one"),
        ("lengths", (0,), "nap.lengths: got 0; expected a whole number of at least 1"),
        ("size", (1, 2, 3), "nap.size: got (1, 2, 3); expected a tuple of 2 whole numbers"),
        ("gates", 3, "nap.gates: got 3; expected {name: value}"),
        ("gates", {"a": 2}, "nap.gates.a: got 2; expected a number of at least 0 and at most 1"),
        ("after", 3, "nap.after: got 3 (no unit); expected a time such as 300*ms"),
        ("rate", 3 * ms, "nap.rate: got 3. ms; expected a finite value in hertz, such as 1*Hz"),
        ("rate", 0 * Hz, "nap.rate: got 0. Hz; expected more than 0. Hz"),
        (
            "stage",
            "dep",
            "nap.stage: got 'dep'; expected light, deep or rem; did you mean 'deep'?",
        ),
        ("place", "desk", "nap.place: got 'desk'; expected 'a bed' or 'a sofa'"),
    ],
)
def test_what_a_field_does_not_take_is_said(field, wrong, message):
    with pytest.raises(ScheduleError) as caught:
        Nap(**{"name": "short", field: wrong})
    assert message in str(caught.value)


def test_rules_between_fields_follow():
    with pytest.raises(ScheduleError) as caught:
        Nap(name="short", dreams=1, stage="deep")
    assert str(caught.value) == "nap.dreams: got 1; expected None but in rem; leave it out"


def test_all_mistakes_can_be_noted():
    found = []
    with mistakes.collecting(lambda error: found.append(str(error))):
        Nap(name=3, share=2, stage="deep", dreams=1)
        Nap(name="short", share=2, stage="deep", dreams=1)
    assert [text.partition(":")[0] for text in found] == [
        *("nap.name", "nap.share"),  # rules between fields need all of them
        *("nap.share", "nap.dreams"),
    ]


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("name", "long", "long"),
        ("share", "1e-1", 0.1),
        ("dreams", "2.0", 2),
        ("dreams", "none", None),
        ("lengths", "1, 2", (1, 2)),
        ("size", "(3,4)", (3, 4)),
        ("after", "300 ms", 300 * ms),
        ("stage", "deep", "deep"),
    ],
)
def test_text_is_read_as_the_field_says(field, text, value):
    known = fields_of(Nap)[field]
    assert known.read(text, getattr(Nap(name="short"), field), "key") == value


def test_the_example_of_the_module():
    assert doctest.testmod(fields).failed == 0


def test_a_type_error_within_a_specification_stays_one():
    class Broken(str):
        def __eq__(self, other):
            raise TypeError("mine")

        __hash__ = None

    with pytest.raises(TypeError, match=r"mine|unhashable"):
        dataclasses.replace(TINY.schedule.wake, kind=Broken("wake"))


def test_specifications_can_still_be_copied_and_given_in_order():
    assert SleepStage("rem", 0.2) == SleepStage(name="rem", share=0.2)
    assert dataclasses.replace(PAPER, name="mine").populations == PAPER.populations


def test_a_missing_field_on_the_command_line(tmp_path, capsys, monkeypatch):
    path = tmp_path / "study.py"
    path.write_text(
        "from brainsleep.network.spec import Population\n"
        "E = Population(name='e', size=3)\nPROTOCOL = E\n"
    )
    for command in (["check", str(path)], ["run", str(path)]):
        monkeypatch.setattr("sys.argv", ["brainsleep", *command])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = " ".join(" ".join(capsys.readouterr()).split())
        assert stopped.value.code == 2
        assert "Population needs model" in printed and "write model=..." in printed
        assert "Traceback" not in printed
