"""Modules in the files of users: each imports what lies beside it, and no other's neighbours.

The files of a folder are the modules of a package of its own: two studies may each have a
``helper.py``. It lasts as long as a command (`reading_once`), or else for one file that is read.
"""

import builtins
import hashlib
import importlib
import importlib.util
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

#: How the names of packages begin that stand for folders of users.
PREFIX = "brainsleep_user_"

#: Folders of packages that are installed.
_INSTALLED = ("site-packages", "dist-packages")

_numbers = itertools.count(1)
_current: ContextVar[dict[Path, str] | None] = ContextVar("packages", default=None)


@contextmanager
def reading_once() -> Iterator[dict[Path, str]]:
    """Read every file of a user once in the block, whoever asks for it; give folders' packages."""
    packages = _current.get()
    packages = {} if packages is None else packages
    token = _current.set(packages)
    try:
        yield packages
    finally:
        _current.reset(token)


def own_package(folder: Path) -> str:
    """Return the name of the package that stands for a folder: a new one for every command."""
    packages = _current.get()
    if packages is not None and folder in packages:
        return packages[folder]
    name = f"{PREFIX}{next(_numbers)}"
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[name] = importlib.util.module_from_spec(spec)
    if packages is not None:
        packages[folder] = name
    return name


def forget(package: str) -> None:
    """Remove what was read as a part of a package."""
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        del sys.modules[name]
    packages = _current.get() or {}
    for folder in [folder for folder, name in packages.items() if name == package]:
        del packages[folder]


def module_name(package: str, path: Path) -> str:
    """Return the name of a file as a module of the package that stands for its folder."""
    stem = path.resolve().stem
    if not stem.isidentifier():  # it may have dots
        stem = f"file_{hashlib.sha256(stem.encode()).hexdigest()[:8]}"
    return f"{package}.{stem}"


def imports_neighbours(names: dict[str, Any], package: str) -> None:
    """Let code with these global names, also that which runs later, import from a package."""
    names["__builtins__"] = {**vars(builtins), "__import__": partial(_import, package)}


@cache
def is_installed(file: str | None) -> bool:
    """Tell whether a file belongs to Python, to an installed package or to this one."""
    if not file or file.startswith("<frozen"):
        return True
    path = Path(file)
    roots = (Path(os.__file__).parent, Path(__file__).parents[1])
    return any(map(path.is_relative_to, roots)) or not set(_INSTALLED).isdisjoint(path.parts)


def belongs_to_user(module: ModuleType) -> bool:
    """Tell whether a module is none of Python's, of an installed package, or of this one."""
    file = getattr(module, "__file__", None)
    places = [file] if file else list(getattr(module, "__path__", []))
    if places:
        return not all(map(is_installed, places))
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    built_in = module.__name__ in sys.builtin_module_names or origin in ("built-in", "frozen")
    return not built_in  # but a notebook, or made by hand


class UserFile(SourceFileLoader):
    """Loads a file as it is now, never as it was compiled before, and keeps the text of it."""

    def __init__(self, fullname: str, path: str | Path):
        super().__init__(fullname, str(Path(path).absolute()))
        self.text = ""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the file."""
        data = self.get_data(self.path)
        code = self.source_to_code(data, self.path)  # which says what is wrong, and where
        self.text = importlib.util.decode_source(data)
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Carry it out, with its neighbours in reach."""
        imports_neighbours(vars(module), module.__name__.partition(".")[0])
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the modules of packages that stand for folders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is; None if it is not in such a package."""
        if path is None or not fullname.startswith(PREFIX):
            return None
        for folder in path:
            spec = FileFinder(folder, (UserFile, [".py"])).find_spec(fullname)
            if spec is not None and spec.loader is not None:
                return spec
        return PathFinder.find_spec(fullname, path)  # a folder without __init__.py


sys.meta_path.insert(0, _Finder())


def _import(
    package: str,
    name: str,
    globals: Any = None,
    locals: Any = None,
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> ModuleType:
    """Import as Python does, but what lies in the folder of `package` as a part of it."""
    top = name.partition(".")[0]
    if level or not _is_neighbour(Path(sys.modules[package].__path__[0]), top):
        return __import__(name, globals, locals, fromlist, level)
    module = __import__(f"{package}.{name}", globals, locals, fromlist, 0)
    return module if fromlist else sys.modules[f"{package}.{top}"]


def _is_neighbour(folder: Path, name: str) -> bool:
    """Tell whether a file in a folder means what lies beside it; what is installed comes first."""
    if name == "brainsleep" or name in sys.stdlib_module_names:
        return False
    if not (folder / f"{name}.py").is_file() and not any((folder / name).glob("*.py")):
        return False
    installed = [place for place in sys.path if Path(place).name in _INSTALLED]
    return PathFinder.find_spec(name, installed) is None
