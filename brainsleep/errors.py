"""Errors a user can act on: each says what, what was got, what is allowed, and the fix.

Every error raised on purpose by this package derives from `BrainsleepError`; the command
line prints its one-line message and exits with code 2.
"""

import difflib
import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Details:
    """What ``brainsleep check`` says of a mistake besides the message, and where it marks it."""

    #: "undefined" or "unused" of a name, which may follow from another mistake; "missing" of what a
    #: part does not have, whoever asks for it.
    kind: str = ""
    where: str = ""  #: the part it is in
    brief: str = ""  #: what is wrong, without the code; by default the whole message
    code: str = ""  #: the equations or statements the mistake is in, as they were given
    span: tuple[int, int] | None = None  #: first wrong character in `code`, and one after the last
    word: str = ""  #: name the mistake is about
    found: str = ""  #: what is there, for example its unit
    expected: str = ""  #: what should be
    fix: str = ""  #: what would mend it
    close: str = ""  #: known name that `word` was probably meant to be
    #: Names that the wrong code defines or uses: that they are missing is no second mistake.
    defines: tuple[str, ...] = ()


class BrainsleepError(Exception):
    """Base of all errors that bad input or a bad environment can cause.

    Parameters
    ----------
    message : str
        What, got, allowed, fix.
    details : Details, optional
        The same in parts, and the place.
    """

    def __init__(self, message: str = "", details: Details | None = None):
        super().__init__(message)
        self.details = details or Details()
        _say_ours_plainly()


def _say_ours_plainly() -> None:
    """Have Python print errors of this package that end a program as it prints others.

    Brian2, wherever a program imports it, would ask to report them as a bug of Brian2's.
    """
    brians = sys.excepthook

    def hook(kind, error, traceback):
        ours = issubclass(kind, BrainsleepError)
        (sys.__excepthook__ if ours else brians)(kind, error, traceback)

    if getattr(brians, "__module__", "") == "brian2.utils.logger":
        sys.excepthook = hook


class SpecError(BrainsleepError):
    """A neuron, synapse, plasticity, population or projection is not well defined."""


class ScheduleError(BrainsleepError):
    """A phase or schedule cannot be carried out."""


class ProtocolError(BrainsleepError):
    """A protocol is unknown, cannot be loaded, or is given an unknown setting."""


class AdoptError(BrainsleepError):
    """A Brian2 network or script holds something that cannot be taken over."""


class DataError(BrainsleepError):
    """A data set is unknown, missing, damaged or inconsistent."""


class BackendError(BrainsleepError):
    """A backend is unknown, cannot be built here, or cannot do what is asked."""


class MissingExtraError(BrainsleepError):
    """An optional dependency is not installed."""


class SimulationError(BrainsleepError):
    """A simulation failed or produced values that are not numbers."""


class NotFiniteError(SimulationError):
    """A simulation produced values that are not finite numbers.

    `values` says how many of which array (``"3 of 200 values of e.v"``), `where` of which
    population or projection, and `advice` when they were found, and what may help.
    """

    def __init__(self, values: str, where: str, count: int, advice: str = ""):
        super().__init__(f"{values} are not finite{advice}")
        self.values, self.where, self.count, self.advice = values, where, count, advice


class ReplicaError(BrainsleepError):
    """Some replicas failed; `results` are what became of every one, in order."""

    def __init__(self, message: str, results: list):
        super().__init__(message)
        self.results = results


class StoreError(BrainsleepError):
    """A result cannot be written, read or trusted."""


class SweepError(BrainsleepError):
    """A grid is not well defined, or there is nothing to run it on."""


class FigureError(BrainsleepError):
    """A figure is unknown or cannot be drawn from the results given."""


def explain(what: str, got: object, allowed: object, fix: str = "") -> str:
    """Compose the one-line message ``what: got ...; expected ...; fix``."""
    text = f"{what}: got {got}; expected {allowed}"
    return " ".join((f"{text}; {fix}" if fix else text).split())


def closest(name: str, choices: Iterable[str]) -> str:
    """Give the choice that is most like `name`, or an empty text if none is."""
    return next(iter(difflib.get_close_matches(name, sorted(choices), n=1)), "")


def nearest(name: str, choices: Iterable[str]) -> str:
    """List the choices, the closest match first as a suggestion."""
    names = sorted(choices)
    hint = f"did you mean '{match}'? " if (match := closest(name, names)) else ""
    return f"{hint}one of: {', '.join(names)}" if names else "nothing can be named here"


def one_line(error: BaseException) -> str:
    """Give the message of an error in one line, or its kind if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
