"""Shipped protocols: they load, their conditions can be made, and each differs from the others."""

import pytest

from brainsleep.experiment.protocol import load_protocol, run_id
from brainsleep.files.load import load_module, shipped
from brainsleep.show.describe import describe


@pytest.mark.parametrize("name", shipped("protocol"))
def test_protocol_and_its_conditions(name):
    protocol = load_protocol(name)
    assert protocol.name == name and protocol.description and protocol.references
    assert len(list(describe(protocol))) > 5
    module = load_module(name, "protocol")
    conditions = module.CONDITIONS
    assert getattr(module, "FIGURE", name) in shipped("figure")
    names = [condition.name for condition in conditions]
    assert len(set(names)) == len(names) > 1
    ids = {
        run_id(protocol.override(c.changes), 0, "cpp", "data")
        for c in conditions
        if not c.match_rate
    }
    assert len(ids) == sum(not c.match_rate for c in conditions)
    for place, condition in enumerate(conditions):
        assert not condition.match_rate or condition.match_rate in names[:place]


def test_controls_differ_only_in_what_they_name():
    protocol = load_protocol("controls")
    gates = {
        c.name: protocol.override(c.changes).schedule.sleep.gates
        for c in load_module("controls", "protocol").CONDITIONS
    }
    assert dict(gates["sleep"]) == {"input": 0, "plasticity": 1, "noise": 1, "decay": 1}
    assert gates["rest: no decay"] == {**gates["sleep"], "decay": 0}
    assert gates["no membrane noise"] == {**gates["sleep"], "noise": 0}
    paper = load_protocol("paper")
    assert paper.network.projection("ie").weights.low == 0.5 and paper.schedule.sleep.until_initial


def test_stages_sleep_equally_long_and_decay_as_their_docstring_says():
    protocol = load_protocol("stages")
    asleep, decay, apart = {}, {}, {}
    for condition in load_module("stages", "protocol").CONDITIONS:
        if condition.match_rate:
            continue
        one = protocol.override(condition.changes)
        slots = one.schedule.compile(35, 0, 0, one.network.gates, one.network.dt)
        asleep[condition.name] = int(slots.steps[slots.phase == "sleep"].sum())
        decay[condition.name] = int(slots.steps[slots.gates["decay"] > 0].sum())
        both = (slots.gates["decay"] > 0) & (slots.gates["plasticity"] > 0)
        apart[condition.name] = not both.any()
    assert asleep.pop("no sleep") == 0 and asleep.pop("uniform sleep, 16 %") == 5600
    assert set(asleep.values()) == {7000}
    whole = {"no sleep": 0, "REM only": 0, "uniform sleep": 7000, "NREM only": 7000}
    assert {name: decay.pop(name) for name in whole} == whole
    assert len(decay) == 5 and set(decay.values()) == {5600}
    assert {name for name in apart if not apart[name]} == {"uniform sleep", "uniform sleep, 16 %"}


def test_textbook_orientation_is_one_override_away():
    key = "network.projections.*.rules.stdp_released"
    textbook = load_protocol("paper").override({key: "stdp:STDP_NEAREST"})
    assert {r.name for p in textbook.network.projections for r in p.rules} == {"stdp_nearest"}
