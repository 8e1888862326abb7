"""Brian2 networks and scripts as protocols, and what their monitors saw; and the reverse."""

from ..errors import AdoptError
from .adopt import adopt
from .as_brian2 import as_brian2
from .monitored import Monitored, monitored
from .script import adopt_script

__all__ = ["AdoptError", "Monitored", "adopt", "adopt_script", "as_brian2", "monitored"]
