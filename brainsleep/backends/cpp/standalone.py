"""Brian2's C++ standalone device, with templates of its own for the parts that cost time.

Those are the main loop, synapses (an index by neuron in place of queues), thresholds, and the frame
that lets all code be compiled as one file: ``docs/performance.md`` says what each is worth.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import prefs
from brian2.codegen.generators.cpp_generator import CPPCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import all_devices

from ...network.synaptic import GATE
from ..brian.network import LARGE
from .later import (
    arrays_of_synapses,
    by_row,
    kept_by_row,
    put_off_at,
    reads_own_part,
    scalar_exp,
    shareable,
    to_be_done_later,
)

TEMPLATES = Path(__file__).parent / "templates"

#: A variable of a synapse is mixed with what it was before; by an open gate it stays as it is.
_RESTORES = re.compile(rf"\s*(\w+) = \({GATE} \* \1\) \+ \(_lio_\d+ \* \1_before\);")

#: Name of the device for Brian2's `set_device`.
NAME = "brainsleep"


def is_large(owner: Any) -> bool:
    """Tell whether a loop over all elements of an object may be worth sharing out."""
    groups = (owner.source, owner.target) if hasattr(owner, "_pathways") else (owner,)
    return max(int(group.N) for group in groups) >= LARGE


def has_one_period(owner: Any) -> bool:
    """Tell whether neurons are refractory for the same time, as those wait in their order."""
    updater = getattr(owner, "state_updater", None)
    return bool((getattr(updater, "template_kwds", None) or {}).get("one_refractory_period"))


def has_conditions_by_block(
    owner: Any, variables: Any, name_of: Any, scalar: list[str], code: list[str]
) -> bool:
    """Tell whether threads may look at the conditions for spikes, a block of neurons at a time."""
    drawn, _ = drawn_before(code)
    own = reads_own_part(variables, name_of, [owner], code)
    return is_large(owner) and not drawn and shareable(scalar, code) and own


def without_branch(lines: list[str]) -> list[str]:
    """Choose between two values, where a neuron may be refractory, in place of a jump."""
    whole = "\n".join(lines)
    added = re.compile(r"^( *)if\(not_refractory\)\n *(\w+) ([-+])= (.*);$", re.M)
    chosen = r"\1\2 = brainsleep::chosen(not_refractory, \2 \3 (\4), \2);"
    return added.sub(chosen, whole).split("\n")


def without_guard(lines: list[str]) -> tuple[str, list[str]]:
    """Take out the question whether a neuron is refractory, where its answer can come after.

    That is where a loop changes one variable of such neurons, and uses it for nothing else. Returns
    the array of that variable, or "", and the loop.
    """
    load = re.compile(r"\s*const char not_refractory = (\w+)\[_postsynaptic_idx\];")
    guards = [k for k, line in enumerate(lines) if line.strip() == "if(not_refractory)"]
    if len(guards) != 1 or sum("not_refractory" in line for line in lines) != 2:
        return "", lines
    changed = re.match(r"\s*(\w+) [-+*/]?= (.*);", lines[guards[0] + 1])
    name = changed[1] if changed else ""
    store = re.compile(rf"\s*(\w+)\[_postsynaptic_idx\] = {name};")
    arrays = [found[1] for line in lines if (found := store.fullmatch(line.rstrip()))]
    # it is loaded, changed and stored: no more than that
    if len(arrays) != 1 or sum(bool(re.search(rf"\b{name}\b", line)) for line in lines) != 3:
        return "", lines
    kept = [line for k, line in enumerate(lines) if k not in guards and not load.fullmatch(line)]
    return arrays[0], kept


def counted(lines: list[str]) -> tuple[str, list[str]]:
    """Turn a loop over synapses that do the same into one over neurons, done so often at each.

    Each synapse must change one variable of its neuron by nothing but this variable and what is the
    same for all. Returns the array of that variable, or "", and the loop, which has the neurons'
    values in ``_some.x[_k]``, and how often in ``_some.times[_k]``.
    """
    code = [line for line in lines if not re.match(r"\s*const int32_t _\w+synaptic_idx =", line)]
    text = "\n".join(code)
    load = re.findall(r"^\s*\w+ (\w+) = (\w+)\[_postsynaptic_idx\];$", text, re.M)
    name, array = load[0] if len(load) == 1 else ("", "")
    store = f"{array}[_postsynaptic_idx] = {name};"
    others = text.replace(f"{array}[_postsynaptic_idx]", "")
    if not name or text.count(store) != 1 or re.search(r"synaptic_idx|_idx\b", others):
        return "", lines
    text = text.replace(store, f"_some.x[_k] = _now < _some.times[_k] ? {name} : _some.x[_k];")
    return array, text.replace(f"{array}[_postsynaptic_idx]", "_some.x[_k]").split("\n")


def may_count(
    path: Any, variables: Any, name_of: Any, scalar: list[str], lines: list[str]
) -> tuple[str, list[str]]:
    """Return what `counted` makes of a pathway's loop, where its weights are fixed."""
    delay = getattr(path, "_delay", "one")
    fixed = hasattr(path, "_fixed_weights") and hasattr(path, "_shared") and "w" in variables
    fit = fixed and path.prepost == "pre" and delay == "one"
    if not fit or not shareable(scalar, lines):
        return "", lines
    _, plain = without_guard(lines)
    return counted(with_weight_outside(plain, name_of(variables["w"]))[1])


def far_ends(path: Any) -> str:
    """Return the list of a pathway with the neurons at the far end, of numbers that hold them."""
    return f"{path.name}.{'near_far' if hasattr(path, '_narrow') else 'far'}"


def looked_up(lines: list[str], far: str, place: str, neuron: str = "_neuron") -> list[str]:
    """Take a synapse's ends from where they are at hand, the neuron that spiked, and a list.

    `far` is the end ("pre" or "post") that `place` stands for in C++. Either is "" if it is not at
    hand.
    """
    places = {far: place, "pre" if far == "post" else "post": neuron}
    for end, value in ((end, value) for end, value in places.items() if value):
        index = re.compile(rf"^(\s*const int32_t _{end}synaptic_idx =).*")
        lines = [index.sub(rf"\1 {value};", line) for line in lines]
    return lines


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


def poisson_of_one_mean(
    scalar: list[str], lines: list[str], kinds: list[str]
) -> tuple[str, bool, list[str]]:
    """Turn the one call of poisson() in a loop, of a mean for all, into a look at what was drawn.

    Returns the mean in C++, or "" if there is no such call; whether only neurons that are not
    refractory draw; and the loop, which finds the next number in ``_drawn[_place]``.
    """
    call = re.compile(r"\b_poisson\((\w+), _vectorisation_idx\)")
    calls = [(place, found) for place, line in enumerate(lines) for found in call.finditer(line)]
    if len(calls) != 1 or kinds:
        return "", False, lines
    place, found = calls[0]
    branches = [line.strip() for line in lines[:place] if re.match(r"\s*(if|else)\b", line)]
    before = lines[place - 1].strip() if place else ""
    if_free = before == "if(not_refractory)"
    known = any(re.match(rf"\s*const \w+ {found[1]} =", line) for line in scalar)
    own = any(re.search(r"_not_refractory\[_idx\] = ", line) for line in lines)
    if not known or own or len(branches) != if_free or "?" in lines[place]:
        return "", False, lines
    few = call.sub("_drawn[_place]", lines[place])
    step = "_place += not_refractory;" if if_free else "_place++;"
    return found[1], if_free, without_branch([*lines[:place], few, step, *lines[place + 1 :]])


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
    """Read one weight for all synapses where they are the same, as nothing sets them."""
    return [line.replace(f"{array}[_idx]", f"{array}[_idx & _each]") for line in lines]


def with_weight_outside(lines: list[str], array: str) -> tuple[str, list[str]]:
    """Take the weight out of a loop over synapses that have the same: its declaration, the loop.

    Then every loop does the same with it, to the last bit.
    """
    load = re.compile(rf"\s*const (\w+) w = {re.escape(array)}\[_idx\];")
    kinds = [found[1] for line in lines if (found := load.fullmatch(line))]
    if len(kinds) != 1:
        return "", lines
    declared = f"const {kinds[0]} w = _numw ? {array}[0] : 0;"
    return declared, [line for line in lines if not load.fullmatch(line)]


def by_gate(versions: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Leave out of loops over synapses what a gate restores, in a version for where it is open.

    `versions` are conditions in C++, tried in this order ("" for any), with loops.
    """
    found = []
    for condition, lines in versions:
        opened = [line for line in lines if not _RESTORES.fullmatch(line)]
        if opened != lines:
            is_open = f"{GATE} == 1"
            found.append((f"{condition} && {is_open}" if condition else is_open, opened))
        found.append((condition, lines))
    return found


def unless_open(lines: list[str]) -> list[str]:
    """Let a loop restore what a gate restores unless a number in C++, ``_open``, is true."""
    return [f"if (!_open) {line}" if _RESTORES.fullmatch(line) else line for line in lines]


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
            "is_large": is_large,
            "shareable": shareable,
            "reads_own_part": reads_own_part,
            "has_one_period": has_one_period,
            "has_conditions_by_block": has_conditions_by_block,
            "looked_up": looked_up,
            "far_ends": far_ends,
            "to_be_done_later": to_be_done_later,
            "scalar_exp": scalar_exp,
            "by_row": by_row,
            "kept_by_row": kept_by_row,
            "arrays_of_synapses": arrays_of_synapses,
            "put_off_at": put_off_at,
            "without_branch": without_branch,
            "without_guard": without_guard,
            "may_count": may_count,
            "drawn_before": drawn_before,
            "poisson_of_one_mean": poisson_of_one_mean,
            "without_periods": without_periods,
            "gate": GATE,
            "by_gate": by_gate,
            "unless_open": unless_open,
            "with_one_weight": with_one_weight,
            "with_weight_outside": with_weight_outside,
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
        joining = [
            f"_run_{name});"
            for name, code in self.code_objects.items()
            if "brainsleep::threads.joins(" in code.code.cpp_file
        ]
        lines[:] = [
            line.replace(");", ", true);") if line.endswith((*joining,)) else line
            for line in lines
            if not re.search(r"_push_spikes(_\d+)?\);$", line)
        ]

    def write_units(self, folder: Path) -> None:
        """Write the two files that are compiled: code that runs at every step, and the rest."""
        hot = {f"code_objects/{name}.cpp" for name in self.code_objects} | {"network.cpp"}
        once = re.compile(r"_(create_array_codeobject|push_spikes)(_\d+)?\.cpp$")
        hot = {file for file in hot if not once.search(file)}
        cold = sorted(f for f in self.writer.source_files - hot if f != "brianlib/spikequeue.cpp")
        ours = "random parts eight threads later reach hand_over vector_math aligned_new"
        for name in ours.split():
            (folder / f"{name}.h").write_text((TEMPLATES / f"{name}.h").read_text())
        names = "algorithm cstring cmath climits ctime fstream iostream string cerrno csignal"
        headers = [f"<{name}>" for name in (*names.split(), "sys/wait.h", "unistd.h")]
        headers += ['"objects.h"', '"synapses_classes.h"', '"random.h"', '"eight.h"']
        threads = any("brainsleep::threads." in (folder / file).read_text() for file in hot)
        headers += ['"threads.h"', '"later.h"'] if threads else []  # they take time to compile
        headers += [f'"brianlib/{name}.h"' for name in ("common_math", "stdint_compat", "clocks")]
        for unit, files in (("hot", sorted(hot)), ("cold", cold)):
            more = ['"hand_over.h"'] * (unit == "cold")
            lines = [f"#include {name}" for name in headers + more] + ["using namespace std;"]
            for name in files:
                once_only = name == "objects.cpp"  # what it has is not worth being made fast
                lines += ["#pragma GCC push_options", '#pragma GCC optimize("O0")'] * once_only
                lines.append(f'#include "{name}"')
                lines += ["#pragma GCC pop_options"] * once_only
            if unit == "cold":
                lines.append('#include "aligned_new.h"')
                lines.append("brainsleep::Random brainsleep::random_numbers;")
                lines += ["brainsleep::Threads brainsleep::threads;"] if threads else []
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
