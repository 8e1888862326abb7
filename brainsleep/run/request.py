"""Replicas: several runs of one kind of network, handed to a backend in one call.

A run asks for one thing only, again and again: that a network be advanced. As a generator it yields
each `Request` and is sent the answer, so whoever drives it can collect what many runs ask for. A
backend answers all of them in ``advance_batch``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BackendError, BrainsleepError, explain
from .segment import Recording, Segment
from .state import State


@dataclass(frozen=True, eq=False)
class Request:
    """What a run asks a backend for: the arguments of ``advance``."""

    state: State
    segment: Segment
    seed: int


#: State at the end of a segment, and what was recorded in it.
Answer = tuple[State, Recording]

#: A run, or a part of it, that asks for what it needs and comes to a value `T`.
type Steps[T] = Generator[Request, Answer, T]


def one(backend: Any, state: State, segment: Segment, seed: int) -> Answer:
    """Advance a single replica as a batch of one; raise what went wrong with it."""
    (answer,) = backend.advance_batch([state], [segment], [seed])
    if isinstance(answer, BrainsleepError):
        raise answer
    return answer


def one_by_one(
    advance: Callable[[State, Segment, int], Answer],
    states: Sequence[State],
    segments: Sequence[Segment],
    seeds: Sequence[int],
) -> list[Answer | BrainsleepError]:
    """Advance replicas one after the other: what ``advance_batch`` of every backend does.

    Parameters
    ----------
    advance : callable
        Advances one.
    states : sequence of State
        States at the start, not changed. Replicas differ in arrays, parameters and connectivity,
        not in the structure of the network.
    segments : sequence of Segment
        What to run, one a replica, as different as they like.
    seeds : sequence of int
        Seeds, one a replica.

    Returns
    -------
    list of (State, Recording) or BrainsleepError
        For every replica what ``advance`` returns, or the error that it raises: a replica that
        fails takes nothing from the others.
    """
    answers: list[Answer | BrainsleepError] = []
    for each in zip(states, segments, seeds, strict=True):
        try:
            answers.append(advance(*each))
        except BrainsleepError as error:
            answers.append(error)
    return answers


def check_batch(
    states: Sequence[State],
    segments: Sequence[Segment],
    seeds: Sequence[int],
    hooks: Mapping | None = None,
) -> None:
    """Raise `BackendError` if these are not the states, segments and seeds of replicas."""
    numbers = tuple(len(given) for given in (states, segments, seeds))
    if len(set(numbers)) > 1:
        got = "{} states, {} segments and {} seeds".format(*numbers)
        raise BackendError(explain("batch", got, "as many of each, one a replica"))
    if hooks and len(states) > 1:
        raise BackendError(
            explain(
                "batch",
                f"Python hooks ({', '.join(sorted(hooks))})",
                "none",
                "a hook is for one network; run the replicas one by one with advance",
            )
        )
