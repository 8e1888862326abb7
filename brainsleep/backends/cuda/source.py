"""From the statements of a network's objects to one CUDA kernel that runs whole segments.

``docs/gpu.md`` says how threads share the work. Synapses lie in the order of their postsynaptic
neurons; the CUDA around the statements is in the templates ``kernel.cuh`` and ``objects.cuh``.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.core.clocks import Clock

from ...errors import BackendError
from ...network.spec import NetworkSpec
from .code import UNIVERSAL, Piece
from .memory import ALIGNED, BUFFERS, WARP, Array, words
from .text import drawn, indexed, kept_in_registers, literal, with_names

#: The most warps of a block (threads of more would have fewer registers), and words of spikes that
#: are kept in its own memory.
MAX_WARPS, MAX_SHARED = 16, 8192

#: The C type that has a bit for every neuron of a share.
_BITS = {8: "unsigned char", 16: "unsigned short", 32: "unsigned"}

#: Variables that are numbers of neurons.
_INDICES = ("i", "_synaptic_pre", "_synaptic_post")

#: Names of results that the code around the statements asks for.
_RESULTS = ("_cond", "_synaptic_var", "_to_record_spike_count")

#: Statements that declare a constant: type, name, value.
_CONSTANT = re.compile(r"const (\w+) (\w+) = (.*);$")

TEMPLATES = Path(__file__).parent / "templates"
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


@dataclass(frozen=True)
class Part:
    """The code of one object: for the shares that a warp owns, between what all threads do."""

    population: str
    looks: bool  # at neurons that other warps own
    before: str
    inside: str
    after: str
    once: bool  # `before` or `after` must be carried out whatever the warp owns


def _share(size: int) -> int:
    """Return how many neurons of a network of `size` neurons a warp owns together.

    As many as a warp has threads, if one block is enough; else few, so that there are many warps to
    hide each other's waiting for memory.
    """
    return WARP if size <= 2 * MAX_WARPS * WARP else 8


def _c_type(dtype: Any) -> str:
    """Return the C type of an array's values."""
    name = np.dtype(dtype).name
    return f"{name}_t" if name.startswith("uint") else c_data_type(np.dtype(dtype))


def _firsts(sizes: dict[str, int]) -> dict[str, int]:
    """Return where each of some parts begins that come one after the other."""
    return dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))


class Source:
    """The kernel of a network.

    `pieces` are its objects in the order they run, with their clocks' names; `functions` are the
    names of what looks up values of slots, by TimedArray. Of `arrays`, offsets that depend on the
    number of slots or synapses are given to the kernel by the place here.
    """

    def __init__(
        self, spec: NetworkSpec, pieces: list[tuple[str, Piece]], functions: dict[str, str]
    ):
        self.spec, self.pieces = spec, pieces
        self.sizes = {p.name: p.size for p in spec.populations}
        self.projections = {p.name: p for p in spec.projections}
        share = _share(sum(self.sizes.values()))
        shares = {name: -(-size // share) for name, size in self.sizes.items()}
        n_words = {name: words(size) for name, size in self.sizes.items()}
        self.n_shares, self.n_words = sum(shares.values()), sum(n_words.values())
        self.arrays: list[Array] = []
        self.sizes_known = dict.fromkeys(BUFFERS, 0)
        self._pointers: dict[str, str] = {}  # declarations of arrays, by name
        self._constants: list[str] = []  # what is computed before the steps
        self._each_step: list[str] = []
        processes = [f"{p}_{moment}" for p in spec.process_names for moment in ("onset", "update")]
        self._lists, self._flags = ["slot", *processes], ["raster", *spec.activity_names]
        if len(clocks := [*self._lists, *self._flags]) > WARP:
            raise BackendError(
                f"backend cuda: network '{spec.name}' has {len(clocks)} clocks, of its "
                f"activities and weight processes; expected at most {WARP}; use --backend cpp"
            )
        self._context: dict[str, Any] = {
            **{"share": share, "bits": _BITS[share], "sizes": self.sizes, "shares": shares},
            **{"words": n_words, "n_words": self.n_words, "n_inputs": self.sizes[spec.input]},
            **{"first_share": _firsts(shares), "first_word": _firsts(n_words)},
            **{"n_shared": min(max(1, self.n_words), MAX_SHARED), "dt": repr(float(spec.dt))},
            **{"clocks": clocks, "lists": self._lists, "functions": functions},
            "warps": min(MAX_WARPS, self.n_shares),
        }
        self._objects: Any = _ENVIRONMENT.get_template("objects.cuh").make_module(self._context)
        self._memory(functions)
        self._fixed_in_a_segment = self._parameters()
        self._steps = self._body()

    def layout(self) -> dict:
        """Return what the backend must know of the program, as plain data."""
        return {
            "arrays": [asdict(array) for array in self.arrays],
            "sizes_known": self.sizes_known,
            "parameters": self.parameters,
            "shares": self.n_shares,
            "warps": self._context["warps"],
            "flags": [*([""] * len(self._lists)), *self._flags],
        }

    def text(self) -> str:
        """Return the kernel in CUDA."""
        support = dict.fromkeys([*UNIVERSAL, *(s for _, p in self.pieces for s in p.support)])
        watched = [p for p in self.spec.projections if p.processes]
        targets = dict.fromkeys(p.target for p in watched)
        return _ENVIRONMENT.get_template("kernel.cuh").render(
            **self._context,
            objects=self._objects,
            n_arrays=len(self.arrays),
            support="\n".join(support),
            pointers=self._pointers.values(),
            constants=self._constants,
            each_step=self._each_step,
            watched={t: [p.name for p in watched if p.target == t] for t in targets},
            steps=self._steps,
        )

    # -- memory --------------------------------------------------------------------------------

    def _declare(self, name: str, array: Array, kind: str = "") -> None:
        """Take up an array and give the kernel a pointer to it; the place of one row is known."""
        if array.rows:
            offset = f"offsets[{len(self.arrays)}]"
        else:
            start = self.sizes_known[array.buffer]
            size = array.columns * np.dtype(array.dtype).itemsize
            self.sizes_known[array.buffer] += -(-size // ALIGNED) * ALIGNED
            array, offset = replace(array, offset=start), str(start)
        self.arrays.append(array)
        kind = kind or _c_type(array.dtype)
        kind = f"const {kind}" if array.buffer in ("fixed", "segment") else kind
        place = f"({kind}*)({array.buffer}_memory + {offset})"
        self._pointers[name] = f"{kind}* const {name} = {place};"

    def _memory(self, functions: dict[str, str]) -> None:
        """Take up the arrays that every network has."""
        lanes = max(1, self.n_shares) * WARP
        for name, dtype, buffer, rows, columns in (
            ("settings", "uint64", "segment", "", 3),
            ("flags", "uint32", "segment", "slots", 1),
            ("above", "float64", "segment", "slots", 1),
            ("team_spikes", "uint32", "record", "", max(1, self.n_words)),
            ("lane_sums", "float64", "record", "", lanes),
            ("slots_run", "int32", "record", "", 1),
        ):
            self._declare(name, Array(name, dtype, buffer, rows, columns))
        for name in self._lists:
            times = Array(f"times:{name}", "int32", "segment", f"times:{name}")
            self._declare(f"times_{name}", times)
        for name in functions:
            columns = self.sizes[self.spec.input] if name == "stimulus_by_slot" else 1
            self._declare(name, Array(f"slots:{name}", "float64", "segment", "slots", columns))
        for name in (p.name for p in self.spec.populations if p.spikes):
            size = self.sizes[name]
            counts = Array(f"counts:{name}", "int32", "record", "slots", size)
            self._declare(f"counts_{name}", counts)
            raster = Array(f"raster:{name}", "uint32", "record", "raster", words(size))
            self._declare(f"raster_{name}", raster)
        for name, p in self.projections.items():
            n_post, blocks = self.sizes[p.target], words(self.sizes[p.source])
            self._declare(f"first_{name}", Array(f"first:{name}", "int32", "fixed", "", n_post + 1))
            self._declare(f"pre_{name}", Array(f"pre:{name}", "int32", "fixed", f"synapses:{name}"))
            incoming = Array(f"incoming:{name}", "uint64", "fixed", "", blocks * n_post)
            self._declare(f"incoming_{name}", incoming, "uint2")

    def _parameters(self) -> set[str]:
        """Take up parameters and time step; return the names of their pointers."""
        plans: tuple[Any, ...] = (*self.spec.plan.groups, *self.spec.plan.synapses)
        parameters = {f"{plan.name}.{name}" for plan in plans for name in plan.parameters}
        arrays = {k: v for _, piece in self.pieces for k, v in piece.arrays.items()}
        keys = {pointer: f"{v.owner.name}.{v.name}" for pointer, v in arrays.items()}
        used = {pointer: key for pointer, key in keys.items() if key in parameters}
        self.parameters = names = sorted(set(used.values()))
        array = Array("parameters", self.spec.precision, "segment", "", max(1, len(names)))
        self._declare("parameters", array)
        for pointer, name in used.items():
            place = f"parameters + {names.index(name)}"
            self._pointers[pointer] = f"const {_c_type(array.dtype)}* const {pointer} = {place};"
        clocks = {k for k, v in arrays.items() if isinstance(v.owner, Clock) and v.name == "dt"}
        for pointer in sorted(clocks):
            self._pointers[pointer] = f"const double {pointer}[1] = {{{self._context['dt']}}};"
        return {*used, *clocks}

    def _variable(self, pointer: str, variable) -> None:
        """Declare the array behind `pointer` where the kernel has not met it."""
        if pointer in self._pointers:
            return
        owner, name, kind = variable.owner, variable.name, _c_type(variable.dtype)
        if isinstance(owner, Clock):
            value = {"t": "_now", "timestep": "(start + step)"}[name]
            self._pointers[pointer] = ""
            self._each_step.append(f"const {kind} {pointer}[1] = {{{value}}};")
        elif variable.scalar:
            start = -1 if name == "slot_index" else 0
            self._pointers[pointer] = f"{kind} {pointer}[1] = {{{start}}};"
        else:
            many = owner.name in self.projections
            rows, columns = (f"synapses:{owner.name}", 1) if many else ("", self.sizes[owner.name])
            dtype = np.dtype(variable.dtype).name
            self._declare(pointer, Array(f"{owner.name}.{name}", dtype, "state", rows, columns))

    # -- steps ---------------------------------------------------------------------------------

    def _body(self) -> list[str]:
        """Write what a step does, and where a team waits for all of its warps."""
        self._check_order()
        parts = [
            self._part(number, clock.removesuffix("_clock"), piece)
            for number, (clock, piece) in enumerate(self.pieces)
        ]
        lines, looked = [], False
        for looks, group in groupby(filter(None, parts), key=lambda part: part.looks):
            lines += ["TEAM_SYNC"] if looks != looked else []
            lines += self._joined(list(group))
            looked = looks
        return [*lines, "TEAM_SYNC"] if looked else lines

    def _joined(self, parts: list[Part]) -> list[str]:
        """Join parts that need not wait for each other: population by population, in one loop each.

        This rests on what models are allowed (`brainsleep.network.models`): but for statements at
        spikes, code reads and writes what belongs to one population or to the synapses onto it.
        """
        lines: list[str] = []
        for population in dict.fromkeys(part.population for part in parts):
            loop = self._objects.owned(population)
            mine = (part for part in parts if part.population == population)
            for once, group in groupby(mine, key=lambda part: part.once):
                if not once:
                    lines += [loop, *(f"{p.before}\n{p.inside}}}" for p in group), "}"]
                for part in group if once else ():
                    inside = [loop, part.inside, "}"] if part.inside else []
                    lines += [part.before, *inside, part.after, "}"]
        return lines

    def _check_order(self) -> None:
        """Refuse what would depend on the order in which warps come to a spike."""
        read, written = set(), set()
        for _, piece in self.pieces:
            if piece.kind == "synapses":
                read |= set(re.findall(r"(_ptr\w+)\[_presynaptic_idx\]", piece.code))
                written |= set(re.findall(r"(_ptr\w+)\[_postsynaptic_idx\] =", piece.code))
        if both := sorted(read & written):
            raise BackendError(
                f"backend cuda: spikes change {both[0].removeprefix('_ptr_array_')} of a neuron "
                "and read it of another in the same step, so the result depends on their order; "
                "use two variables, or --backend cpp"
            )

    def _part(self, number: int, due: str, piece: Piece) -> Part | None:
        """Write the code of one object."""
        if piece.kind == "synapses_push_spikes":  # without delays nothing is under way
            return None
        for pointer, variable in piece.arrays.items():
            if pointer in piece.code and variable.name not in _INDICES:
                self._variable(pointer, variable)
        scalar, vector = self._hoisted(number, piece)
        scalar, vector = drawn(scalar, indexed(vector, piece))
        code = "\n".join((*scalar, *vector))
        head = "" if due == "step" else f"if (due & due_{due}) "
        before = [f"{head}{{  // {piece.kind} of {piece.given['owner'].name}"]
        if "_draws." in code:
            before.append(f"const brainsleep::Draws _draws(seed, step, {number});")
        for name, variable in piece.constants.items():
            if re.search(rf"\b{name}\b", code):
                before.append(f"const {_c_type(variable.dtype)} {name} = {literal(variable)};")
        if any("_vectorisation_idx" in line for line in scalar):
            before.append("const int _vectorisation_idx = -1;")
        once = any(re.match(r"_ptr\w+\[0\] = ", line) for line in scalar)
        population, inside, after = self._object(number, piece, vector)
        if not (inside or once):
            return None
        looks = piece.kind == "synapses" or "_presynaptic_idx" in piece.code
        before_text = "\n".join([*before, *scalar])
        return Part(population, looks, before_text, inside, after, once or bool(after))

    def _object(self, number: int, piece: Piece, code: list[str]) -> tuple[str, str, str]:
        """Write an object by its kind.

        Returns the population whose neurons own what it does, the code for a share of them, and
        what all threads do after.
        """
        owner, write = piece.given["owner"], self._objects
        if piece.kind in ("statemonitor", "spikemonitor"):
            owner = owner.source
        name = population = owner.name
        if projection := self.projections.get(name):
            population = projection.target

        def pointer_to(variable) -> str:
            pointer = next(p for p, v in piece.arrays.items() if v is variable)
            self._variable(pointer, variable)
            return pointer

        match piece.kind:
            case "stateupdate" if not code:
                return population, "", ""
            case "stateupdate" if projection:
                return population, write.synaptic_update(name, population, code), ""
            case "stateupdate" | "reset" | "statemonitor":
                return population, getattr(write, piece.kind)(population, code), ""
            case "spikemonitor":
                return population, write.spikemonitor(population), ""
            case "threshold":
                refractory = []
                if piece.given["_uses_refractory"]:
                    names = (piece.given[each] for each in ("not_refractory", "lastspike"))
                    refractory = [pointer_to(piece.arrays[each]) for each in names]
                return population, write.threshold(population, code, refractory), ""
            case "synapses" if projection and piece.given["pathway"].prepost == "pre":
                load, code, store = kept_in_registers(code)
                given = (name, projection.source, population, load, code, store)
                return population, write.at_presynaptic_spikes(*given), ""
            case "synapses":
                gate = pointer_to(piece.given["variables"][piece.given["pathway"]._gate])
                return population, write.at_postsynaptic_spikes(name, population, code, gate), ""
            case "summed_variable":
                target = piece.given["_target_var"]
                kind, pointer = _c_type(target.dtype), pointer_to(target)
                into, after = pointer, ""
                if target.scalar:
                    into, size = f"sums_{number}", self.sizes[population]
                    dtype = np.dtype(target.dtype).name
                    self._declare(into, Array(f"sums:{number}", dtype, "record", "", size))
                    after = write.total(population, kind, into, pointer)
                return population, write.summed_variable(name, population, code, kind, into), after
        raise BackendError(f"backend cuda: cannot run a {piece.kind}; use --backend cpp")

    def _hoisted(self, number: int, piece: Piece) -> tuple[list[str], list[str]]:
        """Move what depends on parameters alone to before the steps, under a name of its own."""
        renamed: dict[str, str] = {}

        def left_of(lines: list[str]) -> list[str]:
            left = []
            for line in lines:
                new, declared = with_names(line, renamed), _CONSTANT.match(line)
                name = declared[2] if declared and declared[2] not in _RESULTS else ""
                if name in renamed:  # once more, for the elements
                    continue
                if declared and name and self._is_constant(with_names(declared[3], renamed)):
                    renamed[name] = own = f"_constant_{number}_{name}"
                    value = new.partition(" = ")[2]
                    self._constants.append(f"const {declared[1]} {own} = {value}")
                elif line.strip():
                    left.append(new)
            return left

        scalar = left_of(piece.scalar)
        return scalar, left_of(piece.vector)

    def _is_constant(self, value: str) -> bool:
        """Tell whether an expression has the same value in all steps and for all elements."""
        return all(
            name in self._fixed_in_a_segment
            or name.startswith(("_constant_", "_brian_", "_timestep"))
            for name in re.findall(r"\b[A-Za-z_]\w*", value)
        )
