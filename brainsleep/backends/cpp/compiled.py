"""What backends with a standalone program have in common."""

from __future__ import annotations

import time
from pathlib import Path

from ..base import Backend
from . import cache


class CompiledBackend(Backend):
    """A standalone program: `directory` holds ``main``, compiled once for a network."""

    no_hooks = (
        "a standalone program cannot call Python; use --backend cython or numpy, or write the hook "
        "as equations"
    )

    def _build(self) -> None:
        """Find the program in the cache, or compile it."""
        started = time.perf_counter()
        self.directory = self._obtain()
        self.build_seconds += time.perf_counter() - started
        self._layout = cache.layout(self.directory)

    def _obtain(self) -> Path:
        """Return the folder of the program."""
        raise NotImplementedError

    def _check_whole(self) -> None:
        """Compile the program again if somebody cleared the cache meanwhile."""
        if not cache.is_whole(self.directory):
            CompiledBackend._build(self)
