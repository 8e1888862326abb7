"""The fields of a specification: what is missing, unknown or given without a name is said."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..errors import BrainsleepError, Details, SpecError, closest, nearest


def checked_fields[T](error: type[BrainsleepError] = SpecError) -> Callable[[type[T]], type[T]]:
    """Let a dataclass raise `error` where it is not given the fields it has; Python says less."""

    def change(kind: Any) -> Any:
        make = kind.__init__
        signature = inspect.signature(make)

        @wraps(make)
        def init(self: Any, *unnamed: Any, **given: Any) -> None:
            try:
                signature.bind(self, *unnamed, **given)
            except TypeError:
                raise _wrong(kind, unnamed, given, error) from None
            make(self, *unnamed, **given)

        kind.__init__ = init
        return kind

    return change


def _wrong(
    kind: Any, unnamed: tuple, given: dict[str, Any], error: type[BrainsleepError]
) -> BrainsleepError:
    """Say what is wrong with the arguments that a specification was given."""
    name, fields = kind.__name__, [f for f in dataclasses.fields(kind) if f.init]
    names = [f.name for f in fields]
    if unknown := [key for key in given if key not in names]:
        close = closest(unknown[0], names)
        details = Details(
            brief=f"{name} takes no '{unknown[0]}'",
            word=unknown[0],
            expected=f"one of: {', '.join(names)}",
            fix=f"did you mean '{close}'?" if close else "",
            close=close,
        )
        return error(f"{details.brief}; {nearest(unknown[0], names)}", details)
    absent = (dataclasses.MISSING, dataclasses.MISSING)
    needed = [f.name for f in fields if (f.default, f.default_factory) == absent]
    positional = [f.name for f in fields if not f.kw_only][: len(unnamed)]
    missing = [key for key in needed if key not in given and key not in positional]
    brief, wanted = f"{name} needs {' and '.join(missing)}", missing
    if len(unnamed) > len(positional) or set(positional) & set(given):
        brief, wanted = f"{name} takes its values by name", needed or names
    fix = f"write {', '.join(f'{key}=...' for key in wanted)}"
    return error(f"{brief}; {fix}", Details(brief=brief, word=name, fix=fix))
