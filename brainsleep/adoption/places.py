"""Where in a script something was made, and the errors that say so."""

from __future__ import annotations

import functools
import re
import sys
import sysconfig
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import brian2

from ..errors import AdoptError

_FILE = re.compile(r"File '(.+)', line (\d+), in (\S+)")
_OWN = Path(__file__).parent
_BRIANS = Path(brian2.__file__).parent
_PYTHONS = Path(sysconfig.get_path("stdlib"))


def made_at(made: Any) -> str:
    """Return file and line at which a Brian2 object was made; '' if that is not known."""
    found = _FILE.findall(getattr(made, "_full_creation_stack", ""))
    own = not type(made).__module__.startswith("brian2.")  # then where it is made, not its class
    last = [
        (file, line)
        for file, line, function in found
        if is_users(file) and not (own and function == "__init__")
    ]
    return f"{Path(last[-1][0]).name}:{last[-1][1]}" if last else ""


@functools.lru_cache(maxsize=1024)
def is_users(file: str) -> bool:
    """Tell whether a file is neither of Python, of an installed package, nor of this one."""
    path = Path(file)
    return not file.startswith("<f") and not (
        {_OWN, _BRIANS, _PYTHONS} & set(path.parents)
        or {"site-packages", "dist-packages"} & set(path.parts)
    )


def users_frame() -> FrameType | None:
    """Return the frame of the script: the innermost one that is the user's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def line_now() -> str:
    """Return file and line of the script that is being run; '' if there is none."""
    for frame in reversed(traceback.extract_stack()):
        if is_users(frame.filename):
            return f"{Path(frame.filename).name}:{frame.lineno}"
    return ""


def refused(what: str, got: str, allowed: str, fix: str, made: Any = None) -> AdoptError:
    """Return the error of what cannot be taken over, with the place where it was made."""
    place = made if isinstance(made, str) else made_at(made)
    where = f"{place}: " if place else ""
    return AdoptError(f"adopt: {where}{what}: got {got}; expected {allowed}; {fix}")


def named(made: Any) -> str:
    """Name a Brian2 object by its class and name."""
    return f"{type(made).__name__} '{made.name}'"
