"""Objects by name: ``file.py:NAME`` from a user's file, ``module:NAME`` from what is shipped."""

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ..errors import Details, ProtocolError, closest, nearest
from .userfiles import UserFile, forget, module_name, own_package

#: Packages of shipped parts, by kind. Named here and imported only when asked for.
SHIPPED = {
    "model": "brainsleep.models",
    "protocol": "brainsleep.protocols",
    "figure": "brainsleep.figures",
}


def shipped(kind: str) -> list[str]:
    """List the names of shipped modules of a kind: ``"model"``, ``"protocol"``, ``"figure"``."""
    package = importlib.import_module(SHIPPED[kind])
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_")


def load_module(source: str, kind: str) -> ModuleType:
    """Import a shipped module by name or a user's ``.py`` file by path.

    Raise `ProtocolError` if there is none, or it fails on import.
    """
    if source.endswith(".py"):
        return _load_file(Path(source).expanduser(), kind)
    names = shipped(kind)
    if source not in names:
        raise ProtocolError(
            f"{kind}: unknown '{source}'; {nearest(source, names)}; or the path of a .py file"
        )
    return importlib.import_module(f"{SHIPPED[kind]}.{source}")


def _load_file(path: Path, kind: str) -> ModuleType:
    if not path.is_file():
        raise ProtocolError(f"{kind}: no file {path}; give the path of an existing .py file")
    package = own_package(path.resolve().parent)
    name = module_name(package, path)
    if name in sys.modules:  # read before in this command
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, loader=UserFile(name, path))
    assert spec is not None and spec.loader is not None  # it is given
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look modules up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        forget(package)
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == module.__file__]
        if isinstance(error, SyntaxError) and error.filename == module.__file__:
            lines = [error.lineno]
        where = f"{kind}: {path}, line {lines[-1]}" if lines and lines[-1] else f"{kind}: {path}"
        reason = " ".join(str(error).split()).replace(f"{package}.", "")
        raise ProtocolError(f"{where}: {type(error).__name__}: {reason}") from error
    return module


def load(reference: str, kind: str = "model"):
    """Return an object by reference.

    Parameters
    ----------
    reference : str
        ``"my_models.py:MY_LIF"`` (a user's file) or ``"lif:ADAPTIVE_LIF"`` (a shipped module).
    kind : {"model", "protocol", "figure"}
        Where to look for shipped modules.

    Returns
    -------
    object
        The object; specifications were validated when they were made.

    Raises
    ------
    ProtocolError
        If the reference has no such form, or file, module or name do not exist.
    """
    source, _, name = reference.rpartition(":")
    if not source or not name:
        raise ProtocolError(
            f"reference: got '{reference}'; expected FILE.py:NAME or MODULE:NAME, "
            "such as my_models.py:MY_LIF"
        )
    module = load_module(source, kind)
    if not hasattr(module, name):
        names = [n for n in vars(module) if n.isupper()]
        details = Details(word=name, close=closest(name, names))
        raise ProtocolError(f"{source}: no '{name}' in it; {nearest(name, names)}", details)
    return getattr(module, name)
