"""One rule for every count, and one for the fields of every specification."""

import dataclasses

import numpy as np
import pytest
from brian2 import ms
from conftest import TINY

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
from brainsleep.tasks.images.task import Data

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
        for name in ("weights_every", "probe_images", "probe_every")
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
