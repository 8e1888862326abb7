"""From the statements of a network's objects to one CUDA kernel that runs whole segments.

A kernel launch and a wait for it cost more than a time step of a thousand neurons. Here a segment
is one launch. Every replica of the network has a team of thread blocks, one for small networks,
that goes through the time steps by itself, with clocks, gates and stimuli of its own:

- A warp owns shares of populations, 8 or 32 neurons each, and the synapses onto them. What is
  done to neurons, at spikes and by weight processes touches what the warp owns, and besides reads
  traces and spikes of presynaptic neurons. So a step has two points where a team waits for all of
  its warps: after the thresholds and before the resets.
- Spikes of a step are one bit a neuron. A thread goes through the presynaptic spikes of its neuron
  in their order, as C++ does: sums of input are the same on any number of threads, without atomic
  operations.
- Shared variables (gates, intervals) are kept by every thread, and what depends on parameters alone
  is computed once a segment.
- A random number is a function of seed, step, place in the code and element: nothing is drawn that
  is not used.

Synapses lie in the order of their postsynaptic neurons; `brainsleep.backends.cuda.backend` puts
them there. (The module is long because every kind of Brian2 object has its place in one kernel, and
the order of these places is what makes it right: it is to be read in one piece.)
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from brian2.core.clocks import Clock

from ...errors import BackendError
from ...network.spec import NetworkSpec
from .code import UNIVERSAL, Piece, c_type
from .memory import ALIGNED, BUFFERS, WARP, Array, words
from .objects import INDICES, Objects
from .text import Part, drawn, indexed, joined, literal, with_names

#: The most warps of a block (threads of more would have fewer registers), and words of spikes that
#: are kept in its own memory.
MAX_WARPS, MAX_SHARED = 16, 8192

#: Names of results that the code around the statements asks for.
_RESULTS = ("_cond", "_synaptic_var", "_to_record_spike_count")

#: Statements that declare a constant: type, name, value.
_CONSTANT = re.compile(r"const (\w+) (\w+) = (.*);$")


def _share(size: int) -> int:
    """Return how many neurons of a network of `size` neurons a warp owns together.

    As many as a warp has threads, if one block is enough; else few, so that there are many warps to
    hide each other's waiting for memory.
    """
    return WARP if size <= 2 * MAX_WARPS * WARP else 8


class Source(Objects):
    """The kernel of a network.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    pieces : list of (str, Piece)
        Its objects in the order they run, with their clocks' names.
    functions : dict of str to str
        Names of the functions that look up values of slots, by TimedArray.

    Attributes
    ----------
    arrays : list of Array
        What a replica's memory holds; offsets that depend on the number of slots or synapses are
        given to the kernel by the place here.
    """

    def __init__(
        self, spec: NetworkSpec, pieces: list[tuple[str, Piece]], functions: dict[str, str]
    ):
        self.spec, self.pieces = spec, pieces
        self.sizes = {p.name: p.size for p in spec.populations}
        self.projections = {p.name for p in spec.projections}
        self.share = _share(sum(self.sizes.values()))
        self.first_word, total = {}, 0
        for name, size in self.sizes.items():
            self.first_word[name], total = total, total + words(size)
        self.n_words = total
        self.first_share, total = {}, 0
        for name, size in self.sizes.items():
            self.first_share[name], total = total, total + self.shares(size)
        self.n_shares = total
        self.arrays: list[Array] = []
        self.sizes_known = dict.fromkeys(BUFFERS, 0)
        self._top: list[str] = []  # before the steps
        self._each: list[str] = []  # at the start of every step
        self._pointers: set[str] = set()
        self._constant = self._parameters()
        self._lists = ["slot"]
        self._flags = ["raster", *spec.activity_names]
        for name in spec.process_names:
            self._lists += [f"{name}_onset", f"{name}_update"]
        self._settings()
        self._clocks()
        self._slots(functions)
        self._watch()
        for projection in spec.projections:
            self._connectivity(projection)
        self._steps = self._body()

    def layout(self) -> dict:
        """Return what the backend must know of the program, as plain data."""
        return {
            "arrays": [asdict(array) for array in self.arrays],
            "sizes_known": self.sizes_known,
            "parameters": self.parameters,
            "shares": self.n_shares,
            "warps": min(MAX_WARPS, self.n_shares),
            "flags": [*([""] * len(self._lists)), *self._flags],
        }

    def text(self) -> str:
        """Return the kernel in CUDA."""
        support = list(dict.fromkeys([*UNIVERSAL, *(s for _, p in self.pieces for s in p.support)]))
        return "\n".join(
            [
                f"constexpr int max_threads = {WARP * min(MAX_WARPS, self.n_shares)};",
                f"__constant__ long long offsets[{len(self.arrays)}];",
                *support,
                "__global__ void __launch_bounds__(max_threads) run_segments(const Job job)",
                "{",
                "PLACE_IN_TEAM",
                *self._shared(),
                *self._top,
                f"for (int k = threadIdx.x; k < {self.n_words}; k += blockDim.x) spikes[k] = 0;",
                "TEAM_SYNC",
                "bool stopped = false;",
                "for (int step = 0; step < n_steps; step++) {",
                *self._each,
                *self._stop(),
                *self._steps,
                "}",
                "if (warp == 0 && lane == 0) slots_run[0] = slot + !stopped;",
                "}",
            ]
        )

    def _shared(self) -> list[str]:
        """Keep the spikes of a step in the memory of a block, if it has one alone and they fit."""
        lines = [f"__shared__ unsigned shared_spikes[{min(max(1, self.n_words), MAX_SHARED)}];"]
        fits = str(self.n_words <= MAX_SHARED).lower()
        choice = f"job.blocks == 1 && {fits} ? shared_spikes : (unsigned*){self._spikes}"
        return [*lines, f"unsigned* const spikes = {choice};"]

    # -- memory --------------------------------------------------------------------------------

    def _place(self, array: Array) -> str:
        """Take up an array; return where it begins as a C++ expression."""
        where = f"{array.buffer}_memory + "
        if array.rows:
            self.arrays.append(array)
            return f"({where}offsets[{len(self.arrays) - 1}])"
        offset = self.sizes_known[array.buffer]
        self.arrays.append(replace(array, offset=offset))
        size = array.columns * np.dtype(array.dtype).itemsize
        self.sizes_known[array.buffer] = offset + -(-size // ALIGNED) * ALIGNED
        return f"({where}{offset})"

    def declare(self, kind: str, name: str, array: Array, constant: bool = False) -> None:
        """Take up an array and give the kernel a pointer to it."""
        kind = f"const {kind}" if constant else kind
        self._top.append(f"{kind}* const {name} = ({kind}*){self._place(array)};")

    def _parameters(self) -> set[str]:
        """Take up the parameters; return the names of their pointers."""
        names, pointers = [], {}
        for _, piece in self.pieces:
            for pointer, variable in piece.arrays.items():
                owner = getattr(variable.owner, "name", "")
                plans: tuple[Any, ...] = (*self.spec.plan.groups, *self.spec.plan.synapses)
                if any(p.name == owner and variable.name in p.parameters for p in plans):
                    pointers[pointer] = f"{owner}.{variable.name}"
        names = sorted(set(pointers.values()))
        self.parameters = names
        real = "double" if self.spec.precision == "float64" else "float"
        array = Array("parameters", self.spec.precision, "segment", "", max(1, len(names)))
        self.declare(real, "parameters", array, constant=True)
        for pointer, name in pointers.items():
            self._top.append(f"const {real}* const {pointer} = parameters + {names.index(name)};")
        clocks = {
            pointer
            for _, piece in self.pieces
            for pointer, v in piece.arrays.items()
            if isinstance(v.owner, Clock) and v.name == "dt"
        }
        for pointer in sorted(clocks):
            self._top.append(f"const double {pointer}[1] = {{{float(self.spec.dt)!r}}};")
        self._pointers |= {*pointers, *clocks}
        return {*pointers, *clocks}

    def _settings(self) -> None:
        self.declare(
            "unsigned long long", "settings", Array("settings", "uint64", "segment", "", 2), True
        )
        self._top += [
            "const unsigned long long seed = settings[0];",
            "const int n_steps = (int)settings[1];",
        ]
        self._spikes = self._place(Array("spikes", "uint32", "record", "", max(1, self.n_words)))
        for name, first in self.first_share.items():
            self._top += [
                f"const int own_{name} = (warp + n_warps - {first} % n_warps) % n_warps;",
                f"unsigned* const spikes_{name} = spikes + {self.first_word[name]};",
                f"{self.kind}* const shares_{name} = ({self.kind}*)spikes_{name};",
            ]

    def _clocks(self) -> None:
        """Let every clock say whether it is due in a step: a bit of `due` each."""
        clocks = [*self._lists, *self._flags]
        if len(clocks) > WARP:
            raise BackendError(
                f"backend cuda: network '{self.spec.name}' has {len(clocks)} clocks, of its "
                f"activities and weight processes; expected at most {WARP}; use --backend cpp"
            )
        self._top += [f"constexpr unsigned due_{name} = {1 << k};" for k, name in enumerate(clocks)]
        self.declare("unsigned", "flags", Array("flags", "uint32", "segment", "slots"), True)
        self._top.append("int slot = -1, _raster_row = -1;")
        self._top.append("unsigned in_slot = 0;  // what is due at every step of the slot")
        soonest = "INT_MAX"
        news = []
        for name in self._lists:
            array = Array(f"times:{name}", "int32", "segment", f"times:{name}")
            self.declare("int", f"times_{name}", array, True)
            self._top.append(f"int at_{name} = 0, next_{name} = times_{name}[0];")
            news.append(f"if (step == next_{name}) {{")
            if name == "slot":
                news.append("in_slot = due = flags[++slot];")
            news += [f"due |= due_{name};", f"next_{name} = times_{name}[++at_{name}];", "}"]
            soonest = f"min({soonest}, next_{name})"
        self._top.append(f"int soonest = {soonest};")
        self._each += [
            f"const double _now = step*{float(self.spec.dt)!r};",
            "unsigned due = in_slot;",
            "if (step == soonest) {",
            *news,
            f"soonest = {soonest};",
            "}",
            "if (due & due_raster) _raster_row++;",
        ]

    def _slots(self, functions: dict[str, str]) -> None:
        """Let statements look up the values of a slot."""
        for name, function in functions.items():
            many = name == "stimulus_by_slot"
            columns = self.sizes[self.spec.input] if many else 1
            self.declare("double", f"values{function}", Array(f"slots:{name}", "float64",
                          "segment", "slots", columns), True)  # fmt: skip
            column, at = (", int i", f"*{columns}LL + i") if many else ("", "")
            self._top.append(
                f"auto {function} = [=](double t{column}) "
                f"{{ return values{function}[(int)(t + 0.5){at}]; }};"
            )

    def _connectivity(self, projection) -> None:
        name, n_post = projection.name, self.sizes[projection.target]
        blocks = words(self.sizes[projection.source])
        for what, kind, dtype, rows, columns in (
            ("first", "int", "int32", "", n_post + 1),
            ("pre", "int", "int32", f"synapses:{name}", 1),
            ("incoming", "uint2", "uint64", "", blocks * n_post),
        ):
            array = Array(f"{what}:{name}", dtype, "fixed", rows, columns)
            self.declare(kind, f"{what}_{name}", array, constant=True)

    def variable(self, pointer: str, variable) -> None:
        """Declare the array behind `pointer` where the kernel has not met it."""
        if pointer in self._pointers:
            return
        self._pointers.add(pointer)
        owner, name, kind = variable.owner, variable.name, c_type(variable)
        if isinstance(owner, Clock):
            value = {"t": "_now", "timestep": "step"}[name]
            self._each.append(f"const {kind} {pointer}[1] = {{{value}}};")
        elif variable.scalar:
            start = -1 if name == "slot_index" else 0
            self._top.append(f"{kind} {pointer}[1] = {{{start}}};")
        else:
            many = owner.name in self.projections
            rows = f"synapses:{owner.name}" if many else ""
            columns = 1 if many else self.sizes[owner.name]
            key = f"{owner.name}.{name}"
            array = Array(key, np.dtype(variable.dtype).name, "state", rows, columns)
            self.declare(kind, pointer, array)

    def _watch(self) -> None:
        """Take up what `_stop` needs."""
        lanes = max(1, self.n_shares) * WARP
        self.declare("double", "above", Array("above", "float64", "segment", "slots"), True)
        self.declare("double", "lane_sums", Array("lane_sums", "float64", "record", "", lanes))
        self.declare("int", "slots_run", Array("slots_run", "int32", "record", "", 1))

    def _stop(self) -> list[str]:
        """End the segment before a slot where the summed weight is not above what is given.

        Every thread adds up what its place in a word is given, and all of these in their order: a
        sum does not depend on the number of warps.
        """
        watched = [p for p in self.spec.projections if p.processes]
        lines = ["if ((due & due_slot) && slot > 0 && above[slot] > 0) {"]
        for target in dict.fromkeys(p.target for p in watched):
            place = f"lane_sums[({self.first_share[target]} + _share)*{WARP} + lane]"
            lines += [
                self._owned(target),
                "double _sum = 0;",
                f"const int _end = min({self.sizes[target]}, (_share + 1)*{self.share});",
                f"for (int _post = _share*{self.share}; _post < _end; _post++) {{",
            ]
            for p in (p for p in watched if p.target == target):
                weight = f"_sum += fabs((double)_ptr_array_{p.name}_w[_idx]);"
                lines += self._synapses_of(p.name, [weight])
            lines += ["}", f"{place} = _sum;", "}"]
        lines += ["TEAM_SYNC", "double _total = 0;"]
        for target in dict.fromkeys(p.target for p in watched):
            first = self.first_share[target] * WARP
            last = first + self.shares(self.sizes[target]) * WARP
            lines.append(f"for (int k = {first}; k < {last}; k++) _total += lane_sums[k];")
        lines += ["TEAM_SYNC", "stopped = _total <= above[slot];", "if (stopped) break;", "}"]
        return lines if watched else []

    # -- steps ---------------------------------------------------------------------------------

    def _body(self) -> list[str]:
        """Write what a step does, and where a team waits for all of its warps."""
        lines: list[str] = []
        parts: list[Part] = []
        looks = False  # whether these parts look at other neurons
        for number, (clock, piece) in enumerate(self.pieces):
            part = self._part(number, clock.removesuffix("_clock"), piece)
            if part is None:
                continue
            if part.looks != looks:
                lines += [*joined(parts), "TEAM_SYNC"]
                parts, looks = [], part.looks
            parts.append(part)
        lines += joined(parts)
        self._check_order()
        return [*lines, "TEAM_SYNC"] if looks else lines

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
        write = getattr(self, f"_{piece.kind}", None)
        if write is None:  # spike queues: without delays there is nothing under way
            return None
        for pointer, variable in piece.arrays.items():
            if pointer in piece.code and variable.name not in INDICES:
                self.variable(pointer, variable)
        scalar, vector = self._hoisted(number, piece)
        vector = indexed(vector, piece)
        scalar, vector = drawn(scalar, vector)
        before = []
        if any("_draws." in line for line in (*scalar, *vector)):
            before.append(f"const brainsleep::Draws _draws(seed, step, {number});")
        for name, variable in piece.constants.items():
            if re.search(rf"\b{name}\b", "\n".join((*scalar, *vector))):
                before.append(f"const {c_type(variable)} {name} = {literal(variable)};")
        if any("_vectorisation_idx" in line for line in scalar):
            before.append("const int _vectorisation_idx = -1;")
        once = any(re.match(r"_ptr\w+\[0\] = ", line) for line in scalar)
        population, inside, after = write(number, piece, vector)
        if not (inside or once):
            return None
        looks = piece.kind == "synapses" or "_presynaptic_idx" in piece.code
        head = "" if due == "step" else f"if (due & due_{due}) "
        what = f"// {piece.kind} of {piece.given['owner'].name}"
        return Part(population, self._owned(population), looks, f"{head}{{  {what}",
                     [*before, *scalar], inside, after, once or bool(after))  # fmt: skip

    def _owned(self, population: str) -> str:
        """Go through the shares of a population that this warp owns."""
        n_shares = self.shares(self.sizes[population])
        return f"for (int _share = own_{population}; _share < {n_shares}; _share += n_warps) {{"

    def _hoisted(self, number: int, piece: Piece) -> tuple[list[str], list[str]]:
        """Move what depends on parameters alone to before the steps, under a name of its own."""
        renamed: dict[str, str] = {}

        def kept(lines: list[str]) -> list[str]:
            left = []
            for line in lines:
                new, found = with_names(line, renamed), _CONSTANT.match(line)
                own = found if found and found[2] not in _RESULTS else None
                if own and own[2] in renamed:  # once more, for the elements
                    continue
                if own and self._is_constant(with_names(own[3], renamed)):
                    renamed[own[2]] = name = f"_constant_{number}_{own[2]}"
                    value = new.partition(" = ")[2]
                    self._top.append(f"const {own[1]} {name} = {value}")
                elif line.strip():
                    left.append(new)
            return left

        scalar = kept(piece.scalar)
        return scalar, kept(piece.vector)

    def _is_constant(self, value: str) -> bool:
        """Tell whether an expression has the same value in all steps and for all elements."""
        names = set(re.findall(r"\b[A-Za-z_]\w*", value))
        return all(
            name in self._constant or name.startswith(("_constant_", "_brian_", "_timestep"))
            for name in names
        )
