"""Values that specifications are made of, and checks of their kind."""

import dataclasses
from dataclasses import field

from brian2 import Quantity

from ..errors import BrainsleepError, SpecError


def default(value: Quantity):
    """Make a dataclass field with a quantity as its default."""
    return field(default_factory=lambda: value)


class Frozen(dict):
    """A dictionary that cannot be changed after it is made."""

    def _refuse(self, *args, **kwargs):
        raise TypeError(
            "specifications are frozen; make a changed copy with .with_parameters(), or "
            "dataclasses.replace()"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse

    def __reduce__(self):
        # Brian2 pickles quantities without dimension as plain numbers, which they must not become
        quantities = {key for key, value in self.items() if isinstance(value, Quantity)}
        return _frozen, (dict(self), quantities)


def _frozen(content: dict, quantities: set) -> Frozen:
    """Make a frozen dictionary from what was pickled."""
    return Frozen({k: Quantity(v) if k in quantities else v for k, v in content.items()})


def show_value(value: object) -> str:
    """Name a value in an error message without spelling out a whole specification."""
    return f"a {type(value).__name__}" if dataclasses.is_dataclass(value) else repr(value)


def check_distinct(names: list[str], where: str, error: type[BrainsleepError] = SpecError) -> None:
    """Raise `error` if a name comes twice."""
    for name in names:
        if names.count(name) > 1:
            raise error(f"{where}: two parts are called '{name}'; give one another name")
