"""Brian2's equations as CUDA statements, by way of brian2cuda's code generator.

Statements are kept as they are (`Piece`), not put into Brian2's templates. Importing this module
needs brian2cuda, which pins the version of Brian2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import brian2cuda  # noqa: F401  registers the preferences that its generator reads
from brian2.core.functions import DEFAULT_FUNCTIONS, Function
from brian2.core.variables import ArrayVariable, Constant, DynamicArrayVariable
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import all_devices
from brian2.input.timedarray import TimedArray
from brian2cuda import cuda_generator
from brian2cuda.cuda_generator import CUDACodeGenerator

from ...errors import BackendError
from ..cpp.standalone import divided

#: Name of the device for Brian2's `set_device`.
NAME = "brainsleep_cuda"

#: Functions of brian2cuda that draw with cuRAND's states, which this package does not keep.
_MISSING = ("poisson", "binomial")

#: What the code of any object may use: remainders and powers as in Python.
UNIVERSAL = (
    cuda_generator._hightype_support_code,
    cuda_generator._mod_support_code,
    cuda_generator._floordiv_support_code,
    cuda_generator._pow_support_code,
)


@dataclass(frozen=True)
class Piece:
    """The statements of one Brian2 object of a kind, ``"stateupdate"``, ``"threshold"``...

    `scalar` statements are carried out once, `vector` for every element. They use `arrays` by the
    names of their pointers, numbers (`constants`), and functions in CUDA (`support`). `given` is
    what else Brian2 hands to a template.
    """

    kind: str
    scalar: list[str]
    vector: list[str]
    arrays: dict[str, ArrayVariable]
    constants: dict[str, Constant]
    support: list[str]
    given: dict[str, Any]

    @property
    def code(self) -> str:
        """All statements as one text."""
        return "\n".join([*self.scalar, *self.vector])


class SegmentCodeGenerator(CUDACodeGenerator):
    """brian2cuda's generator; the functions that an object calls are handed on one by one."""

    def translate_expression(self, expr: str) -> str:
        """Translate an expression; see Brian2's `CodeGenerator`."""
        return divided(super().translate_expression(expr))

    def determine_keywords(self):
        """Return ``support``: the source of the functions that the statements call."""
        support: list[str] = []
        added: set = set()
        for name, variable in list(self.variables.items()):
            if not isinstance(variable, Function):
                continue
            if name in _MISSING:
                raise BackendError(
                    f"backend cuda: {name}() in '{self.owner.name}' has no implementation; draw "
                    "with rand() or randn(), or use --backend cpp"
                )
            defines, _, code, _, _ = self._add_user_function(name, variable, added)
            support += [text for text in (*code, *defines) if text.strip()]
        return {"support": support}


class _Frame:
    """Stands where Brian2 has a template: keeps what the template would be filled with."""

    def __init__(self, template):
        self.template_source = template.template_source
        self.variables, self.iterate_all = template.variables, template.iterate_all
        self.writes_read_only = template.writes_read_only
        self.allows_scalar_write = template.allows_scalar_write

    def __call__(self, scalar_code, vector_code, **given) -> dict:
        return {"scalar": scalar_code[None], "vector": vector_code[None], **given}


class _Frames:
    """Frames for everything that Brian2's C++ standalone has a template for."""

    def __getattr__(self, name: str) -> _Frame:
        return _Frame(getattr(CPPStandaloneCodeObject.templater, name))


class SegmentCudaCodeObject(CPPStandaloneCodeObject):
    """An object's statements."""

    templater = _Frames()
    generator_class = SegmentCodeGenerator

    def run_block(self, block):
        """Do nothing before and after the run, and once: connectivity is read at run time."""


class SegmentCudaDevice(CPPStandaloneDevice):
    """Brian2's standalone device, asked for statements in CUDA."""

    def code_object_class(self, codeobj_class=None, fallback_pref=None):
        """Return the class of code objects."""
        return codeobj_class or SegmentCudaCodeObject

    def get_array_name(self, var, access_data=True, prefix=None):
        """Return the name of a variable's array; `prefix` as brian2cuda's generator gives it."""
        return (prefix or "") + super().get_array_name(var, access_data)

    def pieces(self) -> list[tuple[str, Piece]]:
        """Return the objects of the network in the order they run, with their clocks' names."""
        lines = next(given[1] for kind, given in self.main_queue if kind == "run_network")
        added = re.findall(r"^\w+\.add\(&(\w+), _run_(\w+)\);", "\n".join(lines), re.MULTILINE)
        return [(clock, self._piece(name)) for clock, name in added]

    def _piece(self, name: str) -> Piece:
        code_object = self.code_objects[name]
        given, variables = code_object.code, code_object.variables
        arrays = {
            SegmentCodeGenerator.get_array_name(v): v
            for v in variables.values()
            if isinstance(v, ArrayVariable)
            and not (isinstance(v, DynamicArrayVariable) and v.ndim > 1)
        }
        constants = {k: v for k, v in variables.items() if isinstance(v, Constant)}
        scalar, vector, support = _lines(given["scalar"]), _lines(given["vector"]), given["support"]
        kind = code_object.template_name
        return Piece(kind, scalar, vector, arrays, constants, support, given)


def _lines(code: str | list[str]) -> list[str]:
    return code.splitlines() if isinstance(code, str) else list(code)


def slot_function(array: TimedArray) -> str:
    """Let statements look up `array` by the function of the returned name."""
    name = f"_slots_{array.name}"
    array.implementations.add_implementation(SegmentCudaCodeObject, code="", name=name)
    return name


for _name in ("rand", "randn"):  # `text.drawn` puts draws that know their place there
    DEFAULT_FUNCTIONS[_name].implementations.add_implementation(
        SegmentCudaCodeObject, code="", name=f"_{_name}"
    )

# As in C++ (brainsleep.backends.cpp.standalone): two comparisons, no branches; what is not a number
# stays so.
DEFAULT_FUNCTIONS["clip"].implementations.add_implementation(
    SegmentCudaCodeObject,
    code="""
    template <typename T, typename L, typename H>
    __host__ __device__ static inline T _brian_clip(const T value, const L low, const H high)
    {{
        const T raised = T(low) > value ? T(low) : value;
        return T(high) < raised ? T(high) : raised;
    }}
    """,  # the generator formats it
    name="_brian_clip",
)

all_devices[NAME] = SegmentCudaDevice()
