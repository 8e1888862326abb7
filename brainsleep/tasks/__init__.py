"""What networks are given to do."""

from importlib import import_module
from pkgutil import iter_modules


def load_all() -> None:
    """Load every task: each is in a module here, or in the module `task` of a folder."""
    for found in iter_modules(__path__):
        import_module(f"{__name__}.{found.name}" + (".task" if found.ispkg else ""))
