"""Models as mathematics: their equations and statements in LaTeX, in the order they are used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..errors import SpecError
from ..network.equations.settle import tidy
from ..network.equations.text import left_side
from ..network.models import (
    Model,
    NeuronModel,
    PlasticityRule,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)
from .latex import expression, latex_unit, mathml, statements, symbol, value_text

__all__ = ["Block", "blocks", "latex_unit", "mathml", "parameters", "symbol", "value_text"]


class Block(NamedTuple):
    """Some lines of a model that are carried out together.

    Parameters
    ----------
    title : str
        When they are, such as ``"every step"``.
    code : str
        Brian2 source, one equation or statement a line.
    lines : tuple of str
        The same in LaTeX, without what only declares a variable.
    """

    title: str
    code: str
    lines: tuple[str, ...]


def blocks(part: Model) -> list[Block]:
    """Return the equations and statements of a model in the order they are carried out.

    Parameters
    ----------
    part : Model
        A neuron, synapse, plasticity rule, activity or weight process.

    Returns
    -------
    list of Block
        Those that are not empty.

    Raises
    ------
    SpecError
        If `part` is no model.
    """
    for kind, split in _KINDS.items():
        if isinstance(part, kind):
            return [block for block in split(part) if block.code]
    raise SpecError(f"typeset: got a {type(part).__name__}; expected a model")


def parameters(part: Model) -> list[tuple[str, str, str]]:
    """Return name, LaTeX symbol and value with unit of every parameter of a model."""
    return [(name, symbol(name), value_text(value)) for name, value in part.parameters.items()]


# -- models ----------------------------------------------------------------------------------------


def _neuron(model: NeuronModel) -> Iterator[Block]:
    yield _equations("equations", model.equations)
    yield _statements("at the start of a slot", model.on_slot)
    yield _statements("every step", model.on_step)
    yield _expression("a spike when", model.threshold)
    yield Block("a spike when", "spike trains say so" if model.spike_trains else "", ())
    yield _expression("refractory for", model.refractory)
    yield _statements("after a spike", model.reset)
    for event in model.events:
        yield _expression(f"event {event.name} when", event.condition)
        yield _statements(f"after event {event.name}", event.code)


def _synapse(model: SynapseModel) -> Iterator[Block]:
    yield _equations("variables of a synapse", model.equations)
    yield _statements("presynaptic spike", model.on_pre)
    yield _statements("postsynaptic spike", model.on_post)
    for path in model.pathways:
        yield _statements(f"{path.end}synaptic {path.event}, pathway {path.name}", path.code)
    yield _statements("every step, at every synapse", model.on_step)


def _rule(model: PlasticityRule) -> Iterator[Block]:
    for role, end in (("presynaptic", "pre"), ("postsynaptic", "post")):
        yield _equations(f"{role} trace", getattr(model, f"{end}_equations"))
        yield _statements(f"trace at a {role} spike", getattr(model, f"{end}_spike"))
    yield _equations("variables of a synapse", model.equations)
    yield _statements("presynaptic spike", model.on_pre)
    yield _statements("postsynaptic spike", model.on_post)
    yield _statements("every step, at every synapse", model.on_step)


def _activity(model: SpontaneousActivity) -> Iterator[Block]:
    yield _equations("variables of a neuron", model.equations)
    yield _statements(f"every step, gate {model.name} open", model.on_step)


def _process(model: WeightProcess) -> Iterator[Block]:
    yield _equations("variables of a synapse", model.equations)
    sums = "\n".join(f"{name} = sum({code})" for name, code in model.sums.items())
    lines = (
        rf"{symbol(name)} = \sum_{{\mathrm{{synapses}}}} {expression(code, factor=True)}"
        for name, code in model.sums.items()
    )
    yield Block("sums over the synapses of a neuron", sums, tuple(lines))
    yield _statements(f"when gate {model.name} opens", model.on_onset)
    yield _statements(f"every {value_text(model.period)}, gate {model.name} open", model.on_update)
    yield _statements("after every change of w", model.on_change)


_KINDS: dict[type[Model], Callable[[Any], Iterator[Block]]] = {
    NeuronModel: _neuron,
    SynapseModel: _synapse,
    PlasticityRule: _rule,
    SpontaneousActivity: _activity,
    WeightProcess: _process,
}

#: A differential equation or a subexpression: name, right side, and what follows: unit, flags.
_EQUATION = re.compile(rf"(?m)^\s*{left_side()}\s*=\s*([^:]+):(?=([^=]*))")

#: Marks an equation that does not act while a neuron is refractory.
_HELD = r" \quad \mathrm{(unless\ refractory)}"


def _equations(title: str, text: str) -> Block:
    """Typeset equations; units are left out, and not read: Brian2's parser would evaluate them."""
    lines = []
    for found in _EQUATION.finditer(re.sub(r"#.*", "", text)):
        rate, name, code, after = found.groups()
        left = rf"\frac{{\mathrm{{d}}{symbol(rate)}}}{{\mathrm{{d}}t}}" if rate else symbol(name)
        held = _HELD if re.search(r"\bunless\s+refractory\b", after) else ""
        summed = re.search(r"\(\s*summed\s*\)", after)
        value = expression(" ".join(code.split()), factor=bool(summed))
        total = r"\sum_{\mathrm{synapses}} " if summed else ""
        lines.append(f"{left} = {total}{value}{held}")
    return Block(title, tidy(text), tuple(lines))


def _statements(title: str, code: str) -> Block:
    return Block(title, tidy(code), tuple(statements(code)))


def _expression(title: str, code: str) -> Block:
    return Block(title, tidy(code), (expression(code),) if code.strip() else ())
