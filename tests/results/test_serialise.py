"""Protocols made of their descriptions: the same again, and nothing that a forged one could do."""

import contextlib
import copy
import json
import pickle

import numpy as np
import pytest
from brian2 import Quantity, mV, second
from conftest import QUICK, TINY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brainsleep.errors import BrainsleepError, SpecError
from brainsleep.experiment.protocol import Protocol, load_protocol, run_id
from brainsleep.experiment.schedule import Phase, SleepPhase, sleep, wake
from brainsleep.experiment.stages import nrem, rem
from brainsleep.files.load import load_module, shipped
from brainsleep.network.models import KINDS, Model
from brainsleep.network.spec import Network
from brainsleep.results.table import flatten
from brainsleep.run.simulate import simulate
from brainsleep.values.plain import from_plain, outlined, plain
from brainsleep.values.quantities import read_quantity

#: Whose environment is seen and acted in by functions of its own, which are not data.
OWN_FUNCTIONS = ("foraging",)

SHIPPED = [
    (name, model)
    for name in shipped("protocol")
    if name not in OWN_FUNCTIONS
    for model in ["", *getattr(load_module(name, "protocol"), "MODELS", {})]
]
#: Those that are not made of a million spikes, which take seconds to describe.
SMALL = [(name, model) for name, model in SHIPPED if name != "masquelier"]
few = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


def stored(protocol):
    """The description of a protocol as it comes back from a file."""
    return json.loads(json.dumps(protocol.describe()))


def assert_same(protocol):
    there = stored(protocol)
    made = Protocol.from_dict(there)
    assert made == protocol == Protocol.outlined(there)
    assert made.describe() == protocol.describe()
    assert run_id(made, 0, "numpy", "x") == run_id(protocol, 0, "numpy", "x")


@pytest.mark.parametrize(("name", "model"), SHIPPED)
def test_shipped_protocols_come_back(name, model):
    assert_same(load_protocol(name, model))


@pytest.mark.parametrize(("name", "model"), SMALL)
def test_a_worker_gives_a_shipped_protocol_the_same_id(name, model):
    """What was worked out of it before goes along, and whole numbers lose their type."""
    protocol = load_protocol(name, model)
    before = run_id(protocol, 0, "numpy", "x")
    assert run_id(pickle.loads(pickle.dumps(protocol)), 0, "numpy", "x") == before


@few
@given(st.data())
def test_changed_protocols_come_back(data):
    protocol = load_protocol(*data.draw(st.sampled_from(SMALL)))
    flat = flatten(protocol.describe())
    for key in data.draw(st.lists(st.sampled_from(sorted(flat)), max_size=4, unique=True)):
        number = flat[key] if isinstance(flat[key], int | float) else None
        with contextlib.suppress(SpecError):  # a hash of equations may begin like a quantity
            number = read_quantity(flat[key]) if isinstance(flat[key], str) else number
        new = data.draw(st.sampled_from([not flat[key], None, "none", "()"]))
        if number is not None:
            factor = data.draw(st.floats(0, 2))
            new = number * (1 if isinstance(number, bool) else factor)
        try:
            protocol = protocol.override({key: new})
        except BrainsleepError:  # what cannot be set so
            continue
    assert_same(protocol)


def test_parts_of_every_kind_come_back():
    seen = set()
    for name in shipped("model"):
        for value in vars(load_module(name, "model")).values():
            if isinstance(value, Model | Network):
                seen.add(type(value))
                there = json.loads(json.dumps(plain(value)))
                assert from_plain(type(value), there) == value
                base = Model if isinstance(value, Model) else Network
                assert from_plain(base, there) == value == outlined(base, there)
    assert set(KINDS) <= seen and len(seen) == len(KINDS) + 2
    staged = sleep(0.3, stages=(nrem(0.8, decay=0.5), rem()), cycles=3, duration=0.1 * second)
    assert from_plain(Phase, plain(staged)) == staged
    assert type(from_plain(Phase, plain(wake(noise=0.5)))) is Phase
    assert from_plain(SleepPhase, plain(staged)) == staged
    array = np.arange(3) * 0.1
    assert np.array_equal(from_plain(np.ndarray, plain(array)), array)
    assert from_plain(Quantity, plain(-55 * mV)) == -55 * mV


def test_weights_of_another_run_come_back_if_they_are_what_they_were(tmp_path):
    tiny = TINY.override({"data.n_train": 2, "data.n_readout": 0, "data.n_test": 0})
    result = simulate(tiny, backend=QUICK, out=tmp_path)
    protocol = tiny.override({"saved_weights": str(result.path)})
    assert_same(protocol)
    there = stored(protocol)
    there["saved_weights"]["content"] = "0" * 64
    with pytest.raises(BrainsleepError, match=r"saved_weights\.content"):
        Protocol.from_dict(there)


def test_functions_and_what_is_unknown_are_refused():
    there = stored(TINY)
    for change, said in (
        ({"hooks": {"on_wake": {"kind": "function", "source": "def f(): pass"}}}, "hooks.on_wake"),
        ({"colour": "red"}, "there is no 'colour'"),
        ({"data": {**there["data"], "n_train": "4"}}, "data.n_train: got '4'"),
        ({"data": {**there["data"], "n_train": True}}, "data.n_train: got True"),
        ({"network": {**there["network"], "dt": "1.0 volt"}}, "dt"),
        ({"network": {**there["network"], "dt": "1.0 day"}}, "dt"),
        ({"network": {**there["network"], "kind": "os.system"}}, "kind: got os.system"),
        ({"network": there["data"]}, "kind: got Data"),
        ({"network": None}, "network: got None; expected Network"),
    ):
        with pytest.raises(BrainsleepError, match=said) as error:
            Protocol.from_dict(there | change)
        assert "\n" not in str(error.value)
    older = {key: value for key, value in there.items() if key not in ("tasks", "saved_weights")}
    assert Protocol.from_dict(older) == TINY


JUNK = [None, True, -1, 10**400, float("nan"), "", "x", "1.0 volt", "__import__('os').abort()",
        [], [[]], {}, {"kind": "function"}, {"kind": []}]  # fmt: skip


def places(value, path=()):
    """Where something is in plain data."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inside:
        yield (*path, key)
        if isinstance(each, dict | list):
            yield from places(each, (*path, key))


@few
@given(st.data())
def test_a_forged_description_is_an_error_or_a_protocol(data):
    there = stored(TINY)
    places_ = sorted(places(there), key=str)
    for path in data.draw(st.lists(st.sampled_from(places_), min_size=1, max_size=3)):
        found = copy.deepcopy(there)
        inner = found
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = data.draw(st.sampled_from(JUNK))
        try:
            made = Protocol.from_dict(found)
        except BrainsleepError as error:
            assert "\n" not in str(error)
        else:
            assert_same(made)
        if found.get("kind") == "Protocol":
            assert isinstance(Protocol.outlined(found), Protocol)
        else:
            with pytest.raises(SpecError, match=r"kind: got .*; expected Protocol"):
                Protocol.outlined(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7),
        ("0.03 second", 0.03 * second),
        ("30*ms", 0.03 * second),
        ("1.5 metre**2*kilogram*second**-3*amp**-1", Quantity(1.5, dim=(1 * mV).dim)),
        ("2.0 second**0.5", 2 * second**0.5),
        ("1.0 second**9**9**9", None),
        ("2 * 3", None),
        ("1" + " " * 10**6, None),
        ("words", None),
        ("2.0 __import__", None),
    ],
)
def test_quantities_are_read_and_never_evaluated(text, expected):
    found = read_quantity(text)
    assert found == expected and type(found) is type(expected)


def test_an_unknown_unit_is_named():
    with pytest.raises(SpecError, match="got unit 'furlong'"):
        read_quantity("2.0 furlong")


def test_a_class_is_that_of_the_same_code():
    """A file that is loaded twice leaves two classes of a name, maybe of different code."""
    module = load_module("tagging", "protocol")
    described = json.loads(json.dumps(module.PROTOCOL.describe()))
    for body in ({}, {"slots": lambda self, table: ()}):  # of other code
        type("Kept", (type(module.PROTOCOL.record.observers[0]),), body)
    again = Protocol.from_dict(described)
    assert again == module.PROTOCOL
    assert type(again.record.observers[0]) is type(module.PROTOCOL.record.observers[0])


def test_a_users_class_does_not_take_the_place_of_ours():
    ours = type(TINY.task.encoder)

    class RateEncoder(ours):
        def told(self):
            return "theirs"

    again = Protocol.from_dict(stored(TINY))
    assert again == TINY and type(again.task.encoder) is ours
    changed = TINY.override({"encoder": RateEncoder(size=(8, 8))})
    assert type(Protocol.from_dict(stored(changed)).task.encoder) is RateEncoder
