"""Replicas: several runs of one kind of network, handed to a backend in one call.

A run asks for one thing only, again and again: that a network be advanced. As a generator it yields
each `Request` and is sent the answer, so whoever drives it can collect what many runs ask for. A
backend answers all of them in ``advance_batch``.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

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
