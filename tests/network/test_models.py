import ast
import importlib
import inspect
import pkgutil
import re
from dataclasses import fields
from typing import get_type_hints

import pytest
from brian2.utils.stringtools import get_identifiers

import brainsleep.models
from brainsleep.network.spec import (
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)

MODELS = (NeuronModel, SynapseModel, PlasticityRule, SpontaneousActivity, WeightProcess)

#: Strings of equations and statements, by kind.
CODE = {
    NeuronModel: ("equations", "threshold", "reset", "refractory", "on_slot", "on_step"),
    SynapseModel: ("equations", "on_pre", "on_post", "on_step"),
    PlasticityRule: (
        *("pre_equations", "pre_spike", "post_equations", "post_spike", "on_pre", "on_post"),
        *("equations", "on_step"),
    ),
    SpontaneousActivity: ("equations", "on_step"),
    WeightProcess: ("equations", "on_change", "on_onset", "on_update"),
}

#: Definitions, not from the literature: Bernoulli spikes at a given rate, spikes as told.
WITHOUT_REFERENCE = {"inputs.POISSON", "inputs.SPIKE_SOURCE"}

#: 0, 1 and 2 define (a reset, a count, a square), and what lies half way between counts and steps;
#: other numbers are parameters.
DEFINING = {0, 1, 2, 0.5, 1.5}

#: Models with numbers in equations that nobody would tune: rates of channels as fitted once.
FITTED = {"vogels_abbott.COBA_HH"}


def everything():
    """All specifications of `brainsleep.models` by ``module.NAME``, where they are defined."""
    found = {}
    for info in pkgutil.iter_modules(brainsleep.models.__path__):
        module = importlib.import_module(f"brainsleep.models.{info.name}")
        tree = ast.parse(inspect.getsource(module))
        targets = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
        for name in (target.id for target in targets if isinstance(target, ast.Name)):
            value = getattr(module, name)
            if isinstance(value, (*MODELS, NetworkSpec)):
                found[f"{info.name}.{name}"] = value
    return found


SPECS = everything()
SINGLE = {name: spec for name, spec in SPECS.items() if isinstance(spec, MODELS)}
NETWORKS = {name: spec for name, spec in SPECS.items() if isinstance(spec, NetworkSpec)}


def codes(spec):
    kind = next(kind for kind in MODELS if isinstance(spec, kind))
    found = {label: getattr(spec, label) for label in CODE[kind]}
    if isinstance(spec, SynapseModel):
        found |= spec.codes
    if isinstance(spec, WeightProcess):
        found |= {f"sum {name}": code for name, code in spec.sums.items()}
    return {label: code for label, code in found.items() if code}


def literals(code):
    """All numbers in a piece of code, units of declarations left out."""
    lines = (
        line.split("#")[0].rpartition(":")[0] or line.split("#")[0] for line in code.splitlines()
    )
    return [
        float(number)
        for number in re.findall(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", "\n".join(lines))
    ]


def test_every_kind_is_found():
    assert {type(spec) for spec in SPECS.values()} == {*MODELS, NetworkSpec}
    assert {"lif.LIF", "stdp.STDP_NEAREST", "sleep.DECAY_STATIC", "massey2026.PAPER"} <= set(SPECS)


def test_every_code_field_is_listed():
    for kind, labels in CODE.items():
        text = {n for n, t in get_type_hints(kind).items() if t is str} - {
            "name",
            "method",
            "summed",
        }
        assert text == set(labels), kind


@pytest.mark.parametrize("name", SINGLE)
def test_references(name):
    references = SINGLE[name].references
    if name in WITHOUT_REFERENCE:
        assert not references
    else:
        assert references
        for reference in references:
            assert re.fullmatch(r"doi:10\.\d{4,9}/\S+|arXiv:\d{4}\.\d{4,5}", reference), reference


@pytest.mark.parametrize("name", SINGLE)
def test_no_tunable_number_in_equations(name):
    if name in FITTED:
        assert any(set(literals(code)) - DEFINING for code in codes(SINGLE[name]).values())
        return
    for label, code in codes(SINGLE[name]).items():
        numbers = set(literals(code)) - DEFINING
        assert not numbers, f"{label}: make parameters of {numbers}: {code}"


def test_literals_are_seen():
    assert literals("dv/dt = -v/(10*ms) : volt\nx2 = a1 + 1e-3*.5") == [10, 1e-3, 0.5]
    assert literals("w = w**2 + 1  # 7\nw_target : 1") == [2, 1]


@pytest.mark.parametrize("name", SINGLE)
def test_every_parameter_has_a_purpose(name):
    used = set().union(*(get_identifiers(code) for code in codes(SINGLE[name]).values()))
    used |= {v for v in getattr(SINGLE[name], "initial", {}).values() if isinstance(v, str)}
    assert set(SINGLE[name].parameters) <= used


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_use_the_shipped_models(name):
    spec = NETWORKS[name]
    used = [population.model for population in spec.populations]
    used += [a for population in spec.populations for a in population.activities]
    for projection in spec.projections:
        used += [projection.synapse, *projection.rules, *projection.processes]
    for model in used:  # as they are, or with other values of parameters
        assert any(
            type(model) is type(known)
            and known.parameters.keys() == model.parameters.keys()
            and all(
                getattr(known, item.name) == getattr(model, item.name)
                for item in fields(model)
                if item.name != "parameters"
            )
            for known in SINGLE.values()
        )
