r"""A protocol, a network or a model as LaTeX for the methods section of a paper.

What is written needs the packages ``amsmath`` and ``booktabs``, and is to be put into a document
with ``\input``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..experiment.protocol import Protocol
from ..experiment.start import SavedWeights
from ..network.layers import SurrogateNetwork
from ..network.models import KINDS, Model
from ..network.spec import Network
from ..tasks.images.continual import Tasks
from ..tasks.images.readout import CLASSIFIERS, Readout
from ..tasks.images.task import Data, Images
from ..values.plain import plain
from . import facts
from .facts import text
from .latex import latex_unit, symbol
from .latex_text import aligned, escaped, tabulated
from .layers_text import layers
from .schedule_text import listed, schedule_text
from .stored_models import models
from .typeset import blocks


def methods(what: Protocol | Network | Model) -> str:
    """Describe a protocol, network or model in LaTeX.

    Parameters
    ----------
    what : Protocol, Network or Model
        What to describe.

    Returns
    -------
    str
        Paragraphs, equations and tables.
    """
    parts = ["% Needs \\usepackage{amsmath,booktabs}."]
    if isinstance(what, Model):
        parts += _model(what, ())
        references: Iterable[str] = what.references
    elif isinstance(what, Protocol):
        parts += _network(what.network, what.initial_weights)
        parts += [*_schedule(what), *_data(what)]
        references = [*what.references, *_cited(what.network)]
    else:
        parts += _network(what)
        references = _cited(what)
    if found := list(dict.fromkeys(references)):
        items = "\n".join(rf"\item \texttt{{{escaped(reference)}}}" for reference in found)
        begin, end = r"\begin{itemize}", r"\end{itemize}"
        parts.append(f"\\paragraph{{References.}}\n{begin}\n{items}\n{end}")
    return "\n\n".join(parts) + "\n"


def _cited(network: Network) -> Iterator[str]:
    for model, _ in models(network):
        yield from model.references


# -- network -----------------------------------------------------------------------------------


def _network(network: Network, start: SavedWeights | None = None) -> Iterator[str]:
    yield rf"\subsection*{{Network \texttt{{{escaped(network.name)}}}}}"
    yield f"The time step is {text(network.dt)}."
    for table in (facts.populations(network), facts.projections(network, start)):
        rows = [[escaped(cell) for cell in row] for row in table.rows]
        yield tabulated(table.columns, rows, table.title)
    if isinstance(network, SurrogateNetwork):
        yield from layers(network)
    for model, users in models(network):
        yield from _model(model, users)


def _model(model: Model, users: Iterable[str]) -> Iterator[str]:
    used = ", ".join(rf"\texttt{{{escaped(user)}}}" for user in users)
    of = f" ({used})" if used else ""
    yield rf"\paragraph{{{KINDS[type(model)].capitalize()} \texttt{{{escaped(model.name)}}}{of}.}}"
    for block in blocks(model):
        if block.lines:
            yield f"{_sentence(block.title)}:\n{aligned(block.lines)}"
    rows = [
        (f"${symbol(name)}$", f"${latex_unit(value)}$", rf"\texttt{{{escaped(name)}}}")
        for name, value in model.parameters.items()
    ]
    if rows:
        yield tabulated(("symbol", "value", "parameter"), rows)


def _sentence(title: str) -> str:
    title = {"a spike when": "a spike is emitted when"}.get(title, title)
    return escaped(title[:1].upper() + title[1:])


# -- schedule and data -------------------------------------------------------------------------


def _schedule(protocol: Protocol) -> Iterator[str]:
    plan = protocol.schedule
    yield r"\subsection*{Schedule}"
    yield escaped(" ".join(schedule_text(plan).values()))
    if isinstance(protocol.task, Images) and len(protocol.task.tasks):
        yield " ".join(_said_of_tasks(protocol.task.tasks))
    if protocol.initial_weights.result:
        yield _said_of_start(protocol.initial_weights)
    sentences = []
    for phase, gates in plan.phase_gates().items():
        kind, _, stage = phase.partition(": ")
        name = f"the stage {stage} of sleep" if stage else "the test" if kind == "test" else kind
        opened = [_gate(gate, value) for gate, value in gates.items() if value]
        sentences.append(
            f"In {escaped(name)} {listed(opened) or 'no gate'} "
            + ("is open." if len(opened) < 2 else "are open.")
        )
    yield " ".join(sentences) + " All other gates are closed."


def _gate(name: str, value: float) -> str:
    return rf"\texttt{{{escaped(name)}}}" + (f" (at {value:g})" if value != 1 else "")


def _said_of_tasks(tasks: Tasks) -> Iterator[str]:
    classes = "; ".join(listed([str(label) for label in task]) for task in tasks.classes)
    count = len(tasks)
    if tasks.mixed:
        yield f"The images of the classes of {count} tasks ({classes}) are shown mixed."
        yield f"What is called a task is one of {count} equal parts of them, in random order."
        return
    yield f"Classes are learned in {count} tasks, one after the other: {classes}."
    if tasks.rehearsal:
        yield (
            f"From the second task on, {tasks.rehearsal:g} images of earlier tasks are replayed "
            f"for each new one, drawn from {tasks.stored} stored images of every class and "
            "shown at random places among the new ones."
        )


def _said_of_start(saved: SavedWeights) -> str:
    names = [rf"\texttt{{{escaped(name)}}}" for name in saved.projections]
    of = f"of {listed(names)}" if names else "of all projections"
    run, snapshot = escaped(Path(saved.result).name), escaped(saved.snapshot)
    return (
        f"Connections and weights {of} start as those of run \\texttt{{{run}}} "
        f"(snapshot \\texttt{{{snapshot}}})."
    )


def _said_of_readout(readout: Readout, data: Data, scored: str) -> str:
    """Say how a readout classifies, what it is fitted on and what it is scored on."""
    one = "population" if len(readout.populations) == 1 else "populations"
    said = (
        f" {CLASSIFIERS[readout.classifier]} on standardised spike counts of {one} "
        f"{listed(list(readout.populations))}, reduced to the principal components of "
        f"{100 * readout.variance:g} % of their variance, was fitted on "
    )
    if readout.fit_last:
        share = f"{100 * readout.fit_share:g} % of " if readout.fit_share < 1 else ""
        said += f"{share}the responses to the last {readout.fit_last} training images as learned"
    else:
        said += f"the responses to {data.n_readout} held-out training images"
    if readout.score_last:
        scored = f"the last {readout.score_last} of {scored}"
    said += f" and scored on {scored}."
    if readout.merge:
        said += " Images of one class that follow each other without sleep are one sample of it."
    return said


def _data(protocol: Protocol) -> Iterator[str]:
    task, output = protocol.task, protocol.network.output
    if not isinstance(task, Images):
        return
    data, readout = task.data, task.readout
    yield r"\subsection*{Data and readout}"
    held_out = f"{data.n_test} test images, with weights frozen"
    said = f"The network learned from {data.n_train} images of {data.source}."
    if output:
        said += (
            f" Its decision on an image is the class whose neuron of population {output} spikes "
            f"most often; its accuracy is that of these decisions on {held_out}. Besides, a"
        )
    else:
        said += " A"
    said += _said_of_readout(readout, data, "the same test images" if output else held_out)
    for other in task.more_readouts:
        said += " Another readout is a" + _said_of_readout(other, data, "test images")
    if task.early_stopping:
        said += (
            f" After every epoch a copy of the network was shown {data.n_validation} validation "
            "images; training ended when the accuracy on them had not risen for "
            f"{task.early_stopping.patience} epochs, and the weights of the best epoch were "
            "put back" + (" then." if task.early_stopping.restore != "always" else ".")
        )
    yield escaped(said)
    if len(task.tasks):
        yield (
            "After every task, readout and test images were shown to a copy of the network with "
            "frozen weights, and the accuracy on every task so far was taken of a readout fitted "
            "then on the classes so far (refitted), and of one fitted after the task in question "
            "on its classes only (fixed)"
            + (", and of the decisions of the output neurons (own)." if output else ".")
        )
    rows = []
    for name, value in plain(task.encoder).items():
        if name != "kind":
            rows.append((escaped(f"encoder.{name}"), escaped(text(value))))
    yield tabulated(("setting", "value"), rows, "Encoder")
