"""Brian2 networks and scripts as protocols, and what their monitors saw; and the reverse."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names again, for editors and type checkers
    # ruff: noqa: F401
    from ..errors import AdoptError
    from .live import adopt
    from .plain_script import as_brian2
    from .script import adopt_script
    from .seen import Monitored, monitored

_HOMES = {
    "AdoptError": "..errors",
    "Monitored": ".seen",
    "adopt": ".live",
    "adopt_script": ".script",
    "as_brian2": ".plain_script",
    "monitored": ".seen",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
    return value
