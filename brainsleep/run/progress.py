"""How far long work is: a bar in a notebook, nothing in a script."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from typing import Any

#: Told how far something is: parts done, parts in all (0 if that is not known yet), and what it is
#: doing.
ProgressCallback = Callable[[float, float, str], None]

#: Shortest time in s between two updates of a bar.
_EVERY = 0.2


def usual(name: str) -> ProgressCallback:
    """Return what shows how far `name` is: a bar in a notebook, nothing elsewhere."""
    return NotebookBar(name) if in_notebook() else lambda done, total, text: None


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


class NotebookBar:
    """A bar in the output of a cell, with the time that is left.

    It is HTML that the notebook shows by itself: no widget has to be installed.
    """

    def __init__(self, name: str):
        self._name, self._handle = name, None
        self._begun = self._told = time.monotonic()

    def __call__(self, done: float, total: float, text: str) -> None:
        """Show how far it is, unless that was shown just before."""
        now = time.monotonic()
        over = total > 0 and done >= total
        if self._handle is not None and not over and now - self._told < _EVERY:
            return
        self._told = now
        data = {"text/html": self._html(done, total, text), "text/plain": self._text(done, total)}
        if self._handle is None:
            display: Any = sys.modules["IPython"].display.display
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def _html(self, done: float, total: float, text: str) -> str:
        bar = f'<progress style="width:20em" max="1" value="{done / total:.3f}"></progress>'
        if not total:
            bar = '<progress style="width:20em"></progress>'
        name, doing = html.escape(self._name), html.escape(text)
        return f"<div>{name} {bar} {html.escape(self._text(done, total))} {doing}</div>"

    def _text(self, done: float, total: float) -> str:
        """Return the part that is done, and the time it took, or is left."""
        share, took = done / total if total else 0.0, self._told - self._begun
        if share >= 1:
            return f"done in {took:.0f} s"
        left = f", about {took / share - took:.0f} s left" if share > 0.02 else ""
        return f"{100 * share:.0f} %{left}"
