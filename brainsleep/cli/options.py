"""Options that commands share, in dataclasses: a command takes few of those."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_type_hints

from typer.models import OptionInfo


def spread(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the fields of its parameters that are dataclasses as options of its own.

    In its help they stand under the ``PANEL`` of their class.
    """
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for given in inspect.signature(command, eval_str=True).parameters.values():
        if not dataclasses.is_dataclass(given.annotation):
            parameters.append(given.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[given.name] = given.annotation
        hints = get_type_hints(given.annotation, include_extras=True)
        panel = groups[given.name].PANEL
        for field in dataclasses.fields(given.annotation):
            missing = field.default is dataclasses.MISSING
            default = inspect.Parameter.empty if missing else field.default
            parameters.append(
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=default,
                    annotation=_under(panel, hints[field.name]),
                )
            )

    def called(**options: Any) -> Any:
        for name, kind in groups.items():
            fields = [field.name for field in dataclasses.fields(kind)]
            options[name] = kind(**{field: options.pop(field) for field in fields})
        return command(**options)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called


def _under(panel: str, hint: Any) -> Any:
    """Put an option under a heading; an argument has its own."""
    kind, info = get_args(hint)
    if isinstance(info, OptionInfo):
        info = copy.copy(info)
        info.rich_help_panel = panel
    return Annotated[kind, info]
