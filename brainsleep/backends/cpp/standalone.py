"""Brian2's C++ standalone device, with templates of its own for the parts that cost time.

Those are the main loop, synapses (an index by neuron in place of queues), thresholds, and the frame
that lets all code be compiled as one file: ``docs/performance.md`` says what each is worth.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from brian2 import prefs
from brian2.codegen.generators.cpp_generator import CPPCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import all_devices

TEMPLATES = Path(__file__).parent / "templates"

#: Name of the device for Brian2's `set_device`.
NAME = "brainsleep"


def listed(lines: list[str]) -> list[str]:
    """Take the presynaptic neuron from the pathway's list, where it lies next to the last one."""
    index = re.compile(r"^(\s*const int32_t _presynaptic_idx =).*")
    return [index.sub(r"\1 _other[_at];", line) for line in lines]


def drawn_before(lines: list[str]) -> tuple[list[str], list[str]]:
    """Turn every call of rand() and randn() in a loop into a look at what was drawn before it.

    Returns what to draw, ``"uniform"`` or ``"normal"``, one a call, and the C++ with
    ``_draws_0[_idx - _begin]`` for the first call and so on.
    """
    kinds = []

    def replace(match: re.Match) -> str:
        kinds.append("normal" if match[1] else "uniform")
        return f"_draws_{len(kinds) - 1}[_idx - _begin]"

    code = [re.sub(r"\b_rand(n?)\(_vectorisation_idx\)", replace, line) for line in lines]
    return kinds, code


def without_periods(lines: list[str]) -> tuple[str, list[str]]:
    """Take out of a loop the comparison of the time since each spike with a refractory period.

    Returns the name of that period in steps, or "" if nothing is taken out, and the loop without.
    """
    compare = re.compile(r"not_refractory = _timestep\(t - lastspike, dt\) >= (_lio_\d+);")
    periods = [match[1] for line in lines if (match := compare.fullmatch(line.strip()))]
    if len(periods) != 1:
        return "", lines
    kept = [line for line in lines if not compare.fullmatch(line.strip())]
    kept = [line for line in kept if not re.search(r"_not_refractory\[_idx\] = ", line)]
    if sum(bool(re.search(r"\blastspike\b", line)) for line in kept) == 1:
        kept = [line for line in kept if not re.search(r"\blastspike\b", line)]
    return periods[0], kept


def with_one_weight(lines: list[str], array: str) -> list[str]:
    """Read one weight for all synapses, where nothing sets them and all are the same."""
    return [line.replace(f"{array}[_idx]", f"{array}[_idx & _each]") for line in lines]


def divided(code: str) -> str:
    """Let whole numbers divide each other in double precision, where Brian2 writes a single one."""
    single = prefs["core.default_float_dtype"] is np.float32
    return code if single else code.replace("1.0f*", "1.0*")


class SegmentCodeGenerator(CPPCodeGenerator):
    """C++ as Brian2 writes it, but for divisions."""

    def translate_expression(self, expr: str) -> str:
        """Translate an expression; see Brian2's `CPPCodeGenerator`."""
        code = divided(super().translate_expression(expr))
        for name, ours in (("floordiv", "floor_divide"), ("mod", "modulo")):
            code = code.replace(f"_brian_{name}(", f"brainsleep::{ours}(")
        return code


class SegmentCodeObject(CPPStandaloneCodeObject):
    """Generated code in the frames of this package."""

    generator_class = SegmentCodeGenerator
    templater = CPPStandaloneCodeObject.templater.derive(
        "brainsleep.backends.cpp",
        env_globals={
            "listed": listed,
            "drawn_before": drawn_before,
            "without_periods": without_periods,
            "with_one_weight": with_one_weight,
        },
    )


class SegmentDevice(CPPStandaloneDevice):
    """Brian2's standalone device with `SegmentCodeObject` as its kind of code."""

    def code_object_class(self, codeobj_class=None, fallback_pref=None):
        """Return the class of code objects."""
        return codeobj_class or SegmentCodeObject

    def network_run(self, net, *args, **kwargs):
        """Lay out the run; pathways have no queue that would need a push at every step."""
        super().network_run(net, *args, **kwargs)
        lines = next(given[1] for kind, given in self.main_queue if kind == "run_network")
        lines[:] = [line for line in lines if not re.search(r"_push_spikes(_\d+)?\);$", line)]

    def write_units(self, folder: Path) -> None:
        """Write the two files that are compiled: code that runs at every step, and the rest."""
        hot = {f"code_objects/{name}.cpp" for name in self.code_objects} | {"network.cpp"}
        once = re.compile(r"_(create_array_codeobject|push_spikes)(_\d+)?\.cpp$")
        hot = {file for file in hot if not once.search(file)}
        cold = sorted(f for f in self.writer.source_files - hot if f != "brianlib/spikequeue.cpp")
        for name in ("random.h", "vector_math.h", "aligned_new.h"):
            (folder / name).write_text((TEMPLATES / name).read_text())
        names = "algorithm cstring cmath climits ctime fstream iostream string cerrno csignal"
        headers = [f"<{name}>" for name in (*names.split(), "sys/wait.h", "unistd.h")]
        headers += ['"objects.h"', '"synapses_classes.h"', '"random.h"']
        headers += [f'"brianlib/{name}.h"' for name in ("common_math", "stdint_compat", "clocks")]
        for unit, files in (("hot", sorted(hot)), ("cold", cold)):
            lines = [f"#include {name}" for name in headers] + ["using namespace std;"]
            lines += [f'#include "{name}"' for name in files]
            if unit == "cold":
                lines.append('#include "aligned_new.h"')
                lines.append("brainsleep::Random brainsleep::random_numbers;")
            (folder / f"{unit}.cpp").write_text("\n".join(lines) + "\n")


# Brian2's clip compares in double precision whatever it is given. In this order each comparison is
# one instruction, and what is not a number stays so.
_CLIP = """
template <typename T, typename L, typename H>
static inline T _clip(const T value, const L low, const H high)
{
    const T raised = T(low) > value ? T(low) : value;
    return T(high) < raised ? T(high) : raised;
}
"""
DEFAULT_FUNCTIONS["clip"].implementations.add_implementation(
    SegmentCodeObject, code=_CLIP, name="_clip"
)
for _name, _method in (("rand", "uniform"), ("randn", "normal")):
    DEFAULT_FUNCTIONS[_name].implementations.add_implementation(
        SegmentCodeObject,
        code=f"inline double _{_name}(const int) {{ "
        f"return brainsleep::random_numbers.{_method}(); }}",
        name=f"_{_name}",
    )
DEFAULT_FUNCTIONS["poisson"].implementations.add_implementation(
    SegmentCodeObject, code=(TEMPLATES / "poisson.h").read_text(), name="_poisson"
)

all_devices[NAME] = SegmentDevice()
