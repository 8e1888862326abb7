"""Brian2 scripts as protocols, and protocols as Brian2 scripts."""

from .as_brian2 import as_brian2

__all__ = ["as_brian2"]
