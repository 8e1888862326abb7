"""What the code of one Brian2 group uses from outside: constants, tables, functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import sympy
from brian2 import Quantity, TimedArray
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, Function
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant

from ..network.equations import checks
from ..network.functions import OwnFunction
from ..network.tables import Table
from ..values.units import unit_name
from .functions import own_function
from .names import free, renamed, renamed_equations
from .places import named, refused

#: Names that code of neurons and synapses has here as in Brian2.
STANDARD = frozenset({"t", "dt", "i", "j", "lastspike", "not_refractory", "N_pre", "N_post"})

#: Functions that every backend has.
_KNOWN = frozenset(DEFAULT_FUNCTIONS) - {"timestep"}


#: Names that sympy, by which Brian2 reads equations, takes for its own: no variable can have them.
_SYMPYS = frozenset(name for name in vars(sympy) if name.islower())


class Scope:
    """Names of one group: those of its variables, and of what its code takes from outside.

    Attributes
    ----------
    names : dict of str to str
        What each variable of the group is called here.
    parameters : dict of str to Quantity
        Constants that code uses, by the names that they have here.
    tables : dict of str to Table
        The same of what is given over time.
    functions : dict of str to OwnFunction
        The same of functions of the script.
    variables : dict of str to Quantity
        The same of constants that are set between runs: variables of neurons or synapses here.
    """

    def __init__(self, group: Any, namespace: Mapping[str, Any], varying: Iterable[str] = ()):
        self.group, self.namespace = group, dict(namespace)
        #: Numbers that are set between runs, by the script's names; those that code uses, by ours.
        self.varying = set(varying)
        self.variables: dict[str, Quantity] = {}
        self.names: dict[str, str] = {}
        self.parameters: dict[str, Quantity] = {}
        self.tables: dict[str, Table] = {}
        self.functions: dict[str, OwnFunction] = {}
        #: Of linked variables with an index, our name of what says whom each neuron reads.
        self.partners: dict[str, str] = {}
        #: Names of variables that the group has here alone.
        self._own: set[str] = set()
        #: Names of Brian2's monitors of its states.
        self.watched: list[str] = []
        #: Names that nothing from outside may get.
        self.taken: set[str] = set()
        self._outside: dict[str, str] = {}

    def declare(self, name: str, other: str | None = None) -> str:
        """Give a variable of the group the name that it has here."""
        self.names[name] = free(name, self._used, _SYMPYS) if other is None else other
        return self.names[name]

    def parameter(self, name: str, value: Quantity) -> str:
        """Add a parameter that the script has no name for; return its name."""
        name = free(name, self._used)
        self.parameters[name] = value
        return name

    def own(self, name: str) -> str:
        """Add a variable that the script has no name for; return its name."""
        name = free(name, self._used)
        self._own.add(name)
        return name

    @property
    def _used(self) -> set[str]:
        own = {*self.names.values(), *self.parameters, *self.tables, *self.variables}
        own |= {*self.functions, *self._own}
        return own | self.taken

    def code(self, text: str) -> str:
        """Return code with the names of here; take up what it uses from outside."""
        return renamed(text, self._known(text))

    def equations(self, text: str, own: set[str]) -> str:
        """Return equations with the names of here; `own` are those that they define."""
        used = set[str]()
        for eq in checks.parse_equations(text, named(self.group)).values():
            used |= set(eq.identifiers)
        return renamed_equations(text, self._known(" ".join(sorted(used | own))))

    def declared(self) -> str:
        """Return equations that declare the numbers that are set between runs."""
        lines = (f"\n{name} : {unit_name(value)}" for name, value in self.variables.items())
        return "".join(lines)

    def named(self, name: str) -> str:
        """Return what a constant of the script is called here."""
        return self._outside[name]

    def outside(self, namespace: Mapping[str, Any]) -> dict[str, Quantity]:
        """Return the constants that code uses, by the script's names, from a namespace."""
        found = {}
        for name in self._outside:
            value = self.group._resolve_external(name, dict(namespace), user_identifier=False)
            if isinstance(value, Constant):
                found[name] = _quantity(value)
        return found

    def _known(self, text: str) -> dict[str, str]:
        names = {}
        for name in sorted(checks.identifiers(text)):
            if name in self.names:
                names[name] = self.names[name]
            elif name in STANDARD or name == "xi" or name.startswith("xi_"):
                continue
            elif (other := self._other(name)) is not None or (
                other := self._from_outside(name, text)
            ) is not None:
                names[name] = other
        return names

    def _other(self, name: str) -> str | None:
        """Return what stands for a name that is of the group, and no state variable."""
        if name == "N":
            return str(int(self.group.variables["N"].get_value()))
        return None

    def _from_outside(self, name: str, text: str) -> str | None:
        """Take up a constant, a table or a function; return its name here, None if as it is."""
        if name in self._outside:
            return self._outside[name]
        group = self.group
        if name in group.variables and name not in self.names:
            what = f"{named(group)}: its code uses '{name}'"
            raise refused(what, "a variable of Brian2's own", "others", "leave it out", group)
        try:
            found = group._resolve_external(name, self.namespace, user_identifier=False)
        except KeyError:
            if f"{name} =" in text or f"{name}=" in text:  # a name of the statements' own
                return None
            what, fix = f"{named(group)}: name '{name}'", "define it before the network is run"
            raise refused(what, "nothing", "a variable or constant", fix, group) from None
        if isinstance(found, Constant):
            if _is_standard(name, found):
                return None
            other = self._outside[name] = free(name, self._used)
            value = _quantity(found)
            (self.variables if name in self.varying else self.parameters)[other] = value
            return other
        if isinstance(found, TimedArray):
            other = self._outside[name] = free(name, self._used)
            values = Quantity(np.asarray(found.values), dim=found.dim)
            self.tables[other] = Table(values, Quantity(found.dt, dim=DEFAULT_UNITS["second"].dim))
            return other
        if isinstance(found, Function) and name in _KNOWN and found is DEFAULT_FUNCTIONS[name]:
            return None
        if type(found) is Function:
            other = free(name, self._used)
            self.functions[other] = own_function(found, name, other, named(group), group)
            self._outside[name] = other
            return other
        what = f"{named(group)}: '{name}'"
        fix = "write its equation in place of it, or give its values as a TimedArray"
        kind = f"a {type(found).__name__}"
        raise refused(what, kind, "constants, functions and TimedArray", fix, group)


def _quantity(constant: Constant) -> Quantity:
    """Return the value of a constant."""
    return Quantity(float(np.asarray(constant.get_value())), dim=constant.dim)


def _is_standard(name: str, found: Constant) -> bool:
    """Tell whether a name is what Brian2 and this package have by that name anyway."""
    for known in (DEFAULT_UNITS, DEFAULT_CONSTANTS):
        if name in known:
            value = known[name]
            value = value.get_value() if isinstance(value, Constant) else float(value)
            return float(np.asarray(found.get_value())) == float(value)
    return False
