"""A folder to begin a study in: models to edit, a protocol that uses them, what to type."""

from __future__ import annotations

import errno
from pathlib import Path
from string import Template

from ..errors import ProtocolError, SpecError, explain, one_line
from ..files.atomic import written_folder
from ..network.equations import checks

_TEMPLATES = Path(__file__).parent / "templates"
#: What is written, by the template it is made from.
_FILES = {
    "study_models.py.txt": "{name}_models.py",
    "study_protocol.py.txt": "{name}.py",
    "study_readme.md": "README.md",
}
#: Modules that a study of the same name would hide.
_IMPORTED = frozenset({"brian2", "brainsleep", "numpy", "scipy", "matplotlib", "models", "input"})


def new_study(folder: str | Path) -> list[Path]:
    """Write a small study and return its files; the folder appears whole or not at all.

    The last part of its path is the name of the study. Raises `ProtocolError` if that cannot be the
    name of a Python module and a model, the folder is not empty, or it cannot be written.
    """
    folder = Path(folder).expanduser()
    name = folder.resolve().name
    try:
        checks.check_name(name, "new: study")
    except SpecError as error:
        raise ProtocolError(str(error), error.details) from error
    if name in _IMPORTED:
        allowed = "a name that is no Python package the study imports"
        raise ProtocolError(explain("new: study name", repr(name), allowed))
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        got = f"'{folder}', which exists and is not an empty folder"
        raise ProtocolError(explain("new: folder", got, "a new one", "choose another name"))
    files = {template: file.format(name=name) for template, file in _FILES.items()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with written_folder(folder.resolve()) as work:
            for template, file in files.items():
                text = Template((_TEMPLATES / template).read_text(encoding="utf-8"))
                (work / file).write_text(text.substitute(name=name), encoding="utf-8")
    except OSError as error:
        taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
        reason = "another process made it" if taken else error.strerror or one_line(error)
        fix = "choose another place"
        raise ProtocolError(explain(f"new: folder {folder}", reason, "a new one", fix)) from error
    return [folder / file for file in files.values()]
