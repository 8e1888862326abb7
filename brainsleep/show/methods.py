r"""A protocol, a network or a model as LaTeX for the methods section of a paper.

What is written needs the packages ``amsmath`` and ``booktabs``, and is to be put into a document
with ``\input``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..experiment.cadence import every_nth, scheduled
from ..experiment.protocol import Protocol
from ..network.layers import SurrogateNetwork
from ..network.models import Model
from ..network.spec import Network
from ..tasks.images.readout import CLASSIFIERS, Readout
from ..tasks.images.task import Data, Images
from ..values.plain import plain
from . import facts, stored_models
from .facts import end_of_sleep, text
from .latex import latex_unit, symbol
from .latex_text import aligned, escaped, tabulated
from .layers_text import layers
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
        parts += _network(what.network, plain(what.initial_weights))
        parts += [*_schedule(what.describe()), *_data(what)]
        references = [*what.references, *_cited(plain(what.network))]
    else:
        parts += _network(what)
        references = _cited(plain(what))
    if found := list(dict.fromkeys(references)):
        items = "\n".join(rf"\item \texttt{{{escaped(reference)}}}" for reference in found)
        begin, end = r"\begin{itemize}", r"\end{itemize}"
        parts.append(f"\\paragraph{{References.}}\n{begin}\n{items}\n{end}")
    return "\n\n".join(parts) + "\n"


def _cited(network: Mapping[str, Any]) -> Iterator[str]:
    for model, _ in stored_models.models(dict(network)):
        yield from model.get("references", ())


# -- network -----------------------------------------------------------------------------------


def _network(spec: Network, start: dict[str, Any] | None = None) -> Iterator[str]:
    network = plain(spec)
    yield rf"\subsection*{{Network \texttt{{{escaped(network['name'])}}}}}"
    yield f"The time step is {text(network['dt'])}."
    for table in (facts.populations(network), facts.projections(network, start)):
        rows = [[escaped(cell) for cell in row] for row in table.rows]
        yield tabulated(table.columns, rows, table.title)
    if isinstance(spec, SurrogateNetwork):
        yield from layers(spec)
    for model, users in stored_models.models(network):
        yield from _model(stored_models.model(model), users)


def _model(model: Model, users: Iterable[str]) -> Iterator[str]:
    kind = stored_models.KINDS[type(model).__name__][1]
    used = ", ".join(rf"\texttt{{{escaped(user)}}}" for user in users)
    of = f" ({used})" if used else ""
    yield rf"\paragraph{{{kind.capitalize()} \texttt{{{escaped(model.name)}}}{of}.}}"
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


def _schedule(protocol: dict[str, Any]) -> Iterator[str]:
    plan = protocol["schedule"]
    yield r"\subsection*{Schedule}"
    yield " ".join(_said_of_sleep(plan))
    if protocol["tasks"]["classes"]:
        yield " ".join(_said_of_tasks(protocol["tasks"]))
    if protocol["initial_weights"]["result"]:
        yield _said_of_start(protocol["initial_weights"])
    phases = {"wake": plan["wake"]["gates"], "sleep": plan["sleep"]["gates"]}
    for stage in plan["sleep"]["stages"]:
        phases[f"the stage {stage['name']} of sleep"] = plan["sleep"]["gates"] | stage["gates"]
    phases["the test"] = plan["test"]["gates"]
    if not plan["sleep"]["fraction"]:
        phases = {name: gates for name, gates in phases.items() if "sleep" not in name}
    elif plan["sleep"]["stages"]:
        del phases["sleep"]
    sentences = []
    for name, gates in phases.items():
        opened = [_gate(gate, value) for gate, value in gates.items() if value]
        sentences.append(
            f"In {escaped(name)} {_listed(opened) or 'no gate'} "
            + ("is open." if len(opened) < 2 else "are open.")
        )
    yield " ".join(sentences) + " All other gates are closed."


def _gate(name: str, value: float) -> str:
    return rf"\texttt{{{escaped(name)}}}" + (f" (at {value:g})" if value != 1 else "")


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _said_of_sleep(plan: dict[str, Any]) -> Iterator[str]:
    sleep = plan["sleep"]
    epochs = f", in {plan['epochs']} epochs" if plan["epochs"] > 1 else ""
    if epochs and plan["identical_epochs"]:
        epochs += " that are all alike: the same order, and the same times of sleep"
    yield escaped(f"Each image is shown for {text(plan['image_duration'])}{epochs}.")
    if not sleep["fraction"]:
        yield "There is no sleep."
        return
    asleep, awake = scheduled(plan)
    percent, length = f"{100 * sleep['fraction']:g} %", text(f"{asleep} second")
    most = f"at most {text(sleep['max_duration'])}"
    if sleep["cadence"] == "images":
        nth = every_nth(sleep["fraction"])
        every = "every one" if nth == 1 else f"every {nth} from there"
        said = f"A sleep of {length} comes after the first image (or batch) and after {every}"
    elif sleep["duration"] is not None:
        said = f"Each sleep lasts {length} and comes after {text(f'{awake} second')} of wake"
    else:
        wake = text(plan["period"])
        said = f"After every {wake} of wake comes a sleep of {percent} of that time, {most}"
    yield escaped(said + ".")
    if sleep["trigger"]:
        said = f"It comes only if summed weights exceed {sleep['trigger']:g} times their start."
        yield escaped(said)
    if sleep["until_initial"]:
        yield escaped(f"It ends early {end_of_sleep(sleep)}.")
    if sleep["stages"]:
        whole = sum(stage["share"] for stage in sleep["stages"])
        stages = [f"{s['name']} ({100 * s['share'] / whole:.3g} %)" for s in sleep["stages"]]
        times = f", {sleep['cycles']} times over" if sleep["cycles"] > 1 else ""
        yield escaped(f"It goes through {_listed(stages)}{times}.")


def _said_of_tasks(tasks: dict[str, Any]) -> Iterator[str]:
    classes = "; ".join(_listed([str(label) for label in task]) for task in tasks["classes"])
    count = len(tasks["classes"])
    if tasks["mixed"]:
        yield f"The images of the classes of {count} tasks ({classes}) are shown mixed."
        yield f"What is called a task is one of {count} equal parts of them, in random order."
        return
    yield f"Classes are learned in {count} tasks, one after the other: {classes}."
    if tasks["rehearsal"]:
        yield (
            f"From the second task on, {tasks['rehearsal']:g} images of earlier tasks are replayed "
            f"for each new one, drawn from {tasks['stored']} stored images of every class and "
            "shown at random places among the new ones."
        )


def _said_of_start(saved: dict[str, Any]) -> str:
    names = [rf"\texttt{{{escaped(name)}}}" for name in saved["projections"]]
    of = f"of {_listed(names)}" if names else "of all projections"
    run, snapshot = escaped(Path(saved["result"]).name), escaped(saved["snapshot"])
    return (
        f"Connections and weights {of} start as those of run \\texttt{{{run}}} "
        f"(snapshot \\texttt{{{snapshot}}})."
    )


def _said_of_readout(readout: Readout, data: Data, scored: str) -> str:
    """Say how a readout classifies, what it is fitted on and what it is scored on."""
    one = "population" if len(readout.populations) == 1 else "populations"
    said = (
        f" {CLASSIFIERS[readout.classifier]} on standardised spike counts of {one} "
        f"{_listed(list(readout.populations))}, reduced to the principal components of "
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
