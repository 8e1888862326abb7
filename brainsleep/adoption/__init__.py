"""Brian2 networks and scripts as protocols, and what their monitors saw."""

from .adopt import adopt
from .monitored import Monitored, monitored
from .script import adopt_script

__all__ = ["Monitored", "adopt", "adopt_script", "monitored"]
