"""What a notebook displays as HTML."""

from importlib import import_module


class Displayed:
    """Has a display, which is loaded, from `brainsleep.show`, when a notebook asks for it."""

    def _repr_html_(self) -> str:
        """Display it in a notebook."""
        return import_module("brainsleep.show.markup").display(self)
