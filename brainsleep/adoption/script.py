"""A script of Brian2 as a protocol: it is run, but not simulated."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brian2
import numpy as np

from ..errors import AdoptError, BrainsleepError, explain, one_line
from ..experiment.protocol import Protocol
from .later import frames_of, may_run_again
from .live import finished
from .names import free
from .recorder import Recorder, VaryingNumbersError, depends
from .recording import fresh_brian, recording

log = logging.getLogger("brainsleep")

_PACKAGE = Path(__file__).parents[1]


def adopt_script(path: str | Path, *, name: str = "") -> Protocol:
    """Turn a script of Brian2 into a protocol.

    The script is run, but nothing is simulated: the network is taken as it is at the first
    ``run()``. Later calls of ``run()``, with what was set in between, become periods; monitors
    become records, by the names of their variables. Figures are not shown.

    Parameters
    ----------
    path : path
        The script.
    name : str
        Name of the protocol; by default that of the file.

    Returns
    -------
    Protocol
        What `brainsleep.simulate` runs.

    Raises
    ------
    AdoptError
        If the script has an error before its last run, or something in it cannot be taken. Nothing
        is taken in part.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise AdoptError(explain("adopt: script", str(path), "a file of Python"))
    try:
        text = path.read_text(encoding="utf-8")
        code = compile(text, str(path.resolve()), "exec")
    except (OSError, ValueError, SyntaxError) as error:
        where = f"adopt: {path.name}:{getattr(error, 'lineno', None) or 1}"
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise AdoptError(explain(where, reason, "a script that Python reads")) from error
    name = name or free(path.stem, ())
    drawing = np.random.get_state()  # noqa: NPY002 - what Brian2 draws from

    def taken(guess: int) -> tuple[Protocol, Recorder]:
        return _taken(code, path, name, guess, drawing)

    protocol, recorder = taken(0)
    if recorder.guessed[0]:  # what was read must decide nothing: try with other values
        try:
            same = taken(1)[0].describe() == protocol.describe()
        except AdoptError:
            same = False
        if not same:
            raise depends(*recorder.guessed)
    for note in recorder.notes:
        log.warning("adopt: %s", note)
    return protocol


def _taken(code: Any, path: Path, name: str, guess: int, drawing: Any) -> tuple[Protocol, Recorder]:
    """Run a script, again as long as more numbers are found that are set between runs."""
    varying = set[tuple[str, str]]()
    while True:  # each time with more of the numbers that there are
        recorder = Recorder(name, varying, guess)
        try:
            with fresh_brian(), recording(recorder):
                np.random.set_state(drawing)  # noqa: NPY002
                _execute(code, path, recorder)
                return finished(recorder, name, f"adopted from {path.name}"), recorder
        except VaryingNumbersError as error:
            assert not error.numbers <= varying  # those are variables now
            varying |= error.numbers


def _execute(code: Any, path: Path, recorder: Recorder) -> None:
    """Run a script as a main program; decide what an error in it means."""
    space = {"__name__": "__main__", "__file__": str(path.resolve()), "__builtins__": __builtins__}
    try:
        with _as_program(path, recorder):
            exec(code, space)
    except (BrainsleepError, VaryingNumbersError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        if _PACKAGE in Path(traceback.extract_tb(error.__traceback__)[-1].filename).parents:
            raise  # a mistake of ours
        line = _line_of(error, path)
        where = f"{path.name}:{line}"
        if isinstance(error, SystemExit) and not error.code and recorder.runs:
            recorder.check_end()
            return
        reason = f"{type(error).__name__}: {one_line(error)}"
        if not recorder.runs:
            fix = "mend the script: it must run in Brian2"
            message = explain(f"adopt: {where}", reason, "a script that comes to a run()", fix)
            raise AdoptError(message) from error
        later = may_run_again(frames_of(error), failed=True)
        recorder.may_follow = recorder.may_follow or later
        recorder.check_end()
        if later:
            fix = "run it once more without what reads results between runs, or after the last run"
            message = explain(f"adopt: {where}", reason, "no error before the last run()", fix)
            raise AdoptError(message) from error
        recorder.notes.append(f"{where}: ended there ({reason}), after its last run()")
    finally:
        recorder.note_names(space)
    recorder.check_end()
    if not recorder.runs:
        fix = "call run(), or give the network to brainsleep.adopt"
        raise AdoptError(explain(f"adopt: {path.name}", "no run()", "one or more", fix))


def _line_of(error: BaseException, path: Path) -> int:
    """Return the last line of the script that led to an error."""
    lines = [
        frame.lineno or 0
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path.resolve()
    ]
    return lines[-1] if lines else 1


@contextlib.contextmanager
def _as_program(path: Path, recorder: Recorder) -> Iterator[None]:
    """Make a script's surroundings those of a program, without windows."""
    argv, where, folder = sys.argv, os.getcwd(), str(path.resolve().parent)
    show, devices = brian2.set_device, brian2.devices.device
    environment = os.environ.get("MPLBACKEND")
    os.environ["MPLBACKEND"] = "Agg"
    if "matplotlib" in sys.modules:
        import matplotlib

        backend = matplotlib.get_backend()
        matplotlib.use("Agg")

    def other_device(*given: Any, **more: Any) -> None:
        recorder.notes.append("set_device() was passed over: --backend says what runs it")

    places = [module for module in (brian2, devices) if hasattr(module, "set_device")]
    for module in places:
        module.set_device = other_device
    sys.argv = [str(path)]
    sys.path.insert(0, folder)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(where)
        sys.argv = argv
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
        for module in places:
            module.set_device = show
        if environment is None:
            os.environ.pop("MPLBACKEND", None)
        else:
            os.environ["MPLBACKEND"] = environment
        if "matplotlib" in sys.modules:
            import matplotlib.pyplot as plt

            plt.close("all")
            if "backend" in locals():
                with contextlib.suppress(Exception):
                    matplotlib.use(backend)
