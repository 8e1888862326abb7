"""Mistakes in specifications: raised one at a time, or all noted inside `collecting`.

So the same checks give the one message of a command that cannot go on, and the full list of
``brainsleep check``. A specification made in spite of mistakes only exists inside `collecting`.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from .errors import BrainsleepError

Notice = Callable[[BrainsleepError], None]


class _Collection:
    """What is told of mistakes, and the specifications that have some."""

    def __init__(self, notice: Notice):
        self.notice = notice
        self.count = 0
        self.faulty: list[object] = []


_current: ContextVar[_Collection | None] = ContextVar("collection", default=None)


@contextmanager
def collecting(notice: Notice) -> Iterator[None]:
    """Tell `notice` of every mistake in the block instead of raising it."""
    token = _current.set(_Collection(notice))
    try:
        yield
    finally:
        _current.reset(token)


def report(error: BrainsleepError) -> None:
    """Raise `error`, or note it."""
    collection = _current.get()
    if collection is None:
        raise error
    collection.count += 1
    collection.notice(error)


@contextmanager
def going_on() -> Iterator[None]:
    """Let what follows the block be checked too where mistakes are noted."""
    try:
        yield
    except BrainsleepError as error:
        report(error)


@contextmanager
def checking(part: object) -> Iterator[None]:
    """Check `part` in the block, and remember it if there is a mistake in it."""
    collection = _current.get()
    before = collection.count if collection else 0
    with going_on():
        yield
    if collection and collection.count > before:
        collection.faulty.append(part)


def is_faulty(part: object) -> bool:
    """Tell whether a mistake was noted in `part` itself."""
    collection = _current.get()
    return collection is not None and any(part is one for one in collection.faulty)


def raise_all(errors: Sequence[BrainsleepError]) -> None:
    """Raise the first of `errors`; where mistakes are noted, note all and raise the last."""
    for error in errors[:-1]:
        report(error)
    if errors:
        raise errors[-1]


def first_causes(errors: Sequence[BrainsleepError]) -> list[BrainsleepError]:
    """Leave out what only follows from other mistakes.

    A name is not defined because its definition is wrong; a parameter is not used because it is
    misspelt where it should be. The name there then suggests this parameter. An undefined name is
    nothing that something could depend on. What a part does not have is said once.
    """
    broken = {name for error in errors for name in error.details.defines}
    undefined = {e.details.word for e in errors if e.details.kind == "undefined"}
    idle = [e for e in errors if e.details.kind == "unused" and e.details.word not in broken]
    kept: list[BrainsleepError] = []
    meant, missing = set(), set()
    for error in errors:
        details = error.details
        if details.kind == "undefined":
            words = [e.details.word for e in idle if _part(e) == _part(error)]
            likely = difflib.get_close_matches(details.word, words, n=1)
            if likely:
                fix = f"did you mean '{likely[0]}'?"
                error.details = details = replace(details, close=likely[0], fix=fix)
        meant.add((_part(error), details.close))
        if details.kind == "missing" and (_part(error), details.word) in missing:
            continue
        missing |= {(_part(error), details.word)} if details.kind == "missing" else set()
        follows = details.kind in ("undefined", "unused") and details.word in broken
        if not follows and not any(f"depends on '{n}'" in details.brief for n in undefined):
            kept.append(error)
    return [
        e for e in kept if e.details.kind != "unused" or (_part(e), e.details.word) not in meant
    ]


def _part(error: BrainsleepError) -> str:
    """Give the specification that a mistake is in, such as ``neuron 'my_lif'``."""
    return error.details.where.partition(":")[0]
