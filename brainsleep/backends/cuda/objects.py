"""The CUDA code of every kind of Brian2 object, of which `source` makes one kernel.

A method ``_KIND`` (number, piece, code) writes a kind of object and returns the population whose
neurons own what it does, the code for a share of them (``_share``), and what all threads do after.
"""

from __future__ import annotations

import numpy as np

from ...network.spec import NetworkSpec
from .code import Piece, c_type
from .memory import WARP, Array, words
from .text import ends, held

#: Variables that are numbers of neurons.
INDICES = ("i", "_synaptic_pre", "_synaptic_post")

#: Population, code for a share of its neurons, code after that.
Written = tuple[str, list[str], list[str]]


class Objects:
    """Writes objects; `brainsleep.backends.cuda.source.Source` knows the memory."""

    spec: NetworkSpec
    sizes: dict[str, int]
    projections: set[str]
    share: int

    def shares(self, size: int) -> int:
        """Return how many shares `size` neurons are."""
        return -(-size // self.share)

    @property
    def kind(self) -> str:
        """The C type that has a bit for every neuron of a share."""
        return {8: "unsigned char", 16: "unsigned short", 32: "unsigned"}[self.share]

    def declare(self, kind: str, name: str, array: Array, constant: bool = False) -> None:
        """Take up an array and give the kernel a pointer to it."""
        raise NotImplementedError

    def variable(self, pointer: str, variable) -> None:
        """Take up the array of a Brian2 variable where the kernel has not met it."""
        raise NotImplementedError

    def _neurons(self, name: str, code: list[str]) -> list[str]:
        """Carry out `code` for the neuron that this thread owns."""
        return [
            f"const int _idx = _share*{self.share} + lane, _vectorisation_idx = _idx;",
            f"if (lane < {self.share} && _idx < {self.sizes[name]}) {{",
            *code,
            "}",
        ]

    def _synapses_of(self, name: str, code: list[str]) -> list[str]:
        """Go through the synapses onto neuron `_post`, lanes side by side."""
        return [
            f"for (int _idx = __ldg(first_{name} + _post) + lane, "
            f"_last = __ldg(first_{name} + _post + 1); _idx < _last; _idx += {WARP}) {{",
            "const int _vectorisation_idx = _idx;",
            *ends(code, f"__ldg(pre_{name} + _idx)"),
            "}",
        ]

    def _stateupdate(self, number: int, piece: Piece, code: list[str]) -> Written:
        owner = piece.given["owner"]
        if owner.name not in self.projections:
            return owner.name, self._neurons(owner.name, code) if code else [], []
        post = self.spec.projection(owner.name).target
        inside = [
            "__syncwarp();",
            f"const int _end = min({self.sizes[post]}, (_share + 1)*{self.share});",
            f"for (int _post = _share*{self.share}; _post < _end; _post++)",
            *self._synapses_of(owner.name, code),
            "__syncwarp();",
        ]
        return post, inside if code else [], []

    def _threshold(self, number: int, piece: Piece, code: list[str]) -> Written:
        name = piece.given["owner"].name
        fired = ["_fired = _cond;"]
        if piece.given["_uses_refractory"]:
            arrays = [piece.given[variable] for variable in ("not_refractory", "lastspike")]
            for pointer in arrays:
                self.variable(pointer, piece.arrays[pointer])
            fired.append(f"if (_cond) {{ {arrays[0]}[_idx] = false; {arrays[1]}[_idx] = _now; }}")
        inside = [
            "bool _fired = false;",
            *self._neurons(name, [*code, *fired]),
            "const unsigned _bits = __ballot_sync(~0u, _fired);",
            f"if (lane == 0) shares_{name}[_share] = _bits;",
            "__syncwarp();",
        ]
        return name, inside, []

    def _reset(self, number: int, piece: Piece, code: list[str]) -> Written:
        name = piece.given["owner"].name
        spiked = [f"if (shares_{name}[_share] >> lane & 1) {{", *code, "}"]
        return name, self._neurons(name, spiked), []

    def _statemonitor(self, number: int, piece: Piece, code: list[str]) -> Written:
        name = next(v.owner.name for v in piece.arrays.values() if v.name == "spike_count")
        array = Array(f"counts:{name}", "int32", "record", "slots", self.sizes[name])
        self.declare("int", f"counts_{name}", array)
        record = f"counts_{name}[slot*{self.sizes[name]}LL + _idx] = _to_record_spike_count;"
        return name, self._neurons(name, [*code, record]), []

    def _spikemonitor(self, number: int, piece: Piece, code: list[str]) -> Written:
        name = piece.given["owner"].source.name
        n_words = words(self.sizes[name])
        array = Array(f"raster:{name}", "uint32", "record", "raster", n_words)
        self.declare("unsigned", f"raster_{name}", array)
        row = f"(({self.kind}*)(raster_{name} + _raster_row*{n_words}LL))[_share]"
        return name, [f"if (lane == 0) {row} = shares_{name}[_share];"], []

    def _synapses(self, number: int, piece: Piece, code: list[str]) -> Written:
        name = piece.given["owner"].name
        projection, pathway = self.spec.projection(name), piece.given["pathway"]
        if pathway.prepost == "pre":
            return projection.target, self._at_presynaptic_spikes(projection, code), []
        inside = [
            "__syncwarp();",
            f"unsigned _spikes = shares_{projection.target}[_share];",
            "while (_spikes) {",
            f"const int _post = _share*{self.share} + __ffs(_spikes) - 1;",
            "_spikes &= _spikes - 1;",
            *self._synapses_of(name, code),
            "}",
        ]
        variable = piece.given["variables"][pathway._gate]  # all of it is gated
        pointer = next(p for p, v in piece.arrays.items() if v is variable)
        inside = [f"if ({pointer}[0] != 0) {{", *inside, "}"]
        return projection.target, inside, []

    def _at_presynaptic_spikes(self, projection, code: list[str]) -> list[str]:
        """Let every thread go through the spikes that reach the neuron that it owns."""
        name, source, n_post = projection.name, projection.source, self.sizes[projection.target]
        n_words = words(self.sizes[source])
        load, code, store = held(code)
        return [
            f"const int _post = _share*{self.share} + lane;",
            f"const bool _is = lane < {self.share} && _post < {n_post};",
            "const int _postsynaptic_idx = _is ? _post : 0;",
            *load,
            f"for (int _part = 0; _part < {n_words}; _part += {WARP}) {{",
            f"const unsigned _mine = _part + lane < {n_words} ? spikes_{source}[_part + lane] : 0;",
            "unsigned _some = __ballot_sync(~0u, _mine != 0);",
            f"const uint2* const _table = incoming_{name} + _part*{n_post} + _postsynaptic_idx;",
            f"uint2 _next = __ldg(_table + max(0, __ffs(_some) - 1)*{n_post});",
            "while (_some) {",
            "const int _at = __ffs(_some) - 1;",
            "_some &= _some - 1;",
            "const uint2 _known = _next;",
            f"_next = __ldg(_table + max(0, __ffs(_some) - 1)*{n_post});  // under way meanwhile",
            f"unsigned _spikes = spikes_{source}[_part + _at] & _known.x;",
            "while (_spikes && _is) {",
            "const int _bit = __ffs(_spikes) - 1;",
            "_spikes &= _spikes - 1;",
            f"const int _pre = (_part + _at)*{WARP} + _bit;",
            "const int _idx = _known.y + __popc(_known.x & ((1u << _bit) - 1));",
            "const int _vectorisation_idx = _idx;",
            *ends(code, "_pre"),
            "}",
            "}",
            "}",
            *(["if (_is) {", *store, "}"] if store else []),
        ]

    def _summed_variable(self, number: int, piece: Piece, code: list[str]) -> Written:
        name = piece.given["owner"].name
        target, post = piece.given["_target_var"], self.spec.projection(name).target
        kind, n_post = c_type(target), self.sizes[post]
        pointer = next(p for p, v in piece.arrays.items() if v is target)
        self.variable(pointer, target)
        into, after = pointer, []
        if target.scalar:  # over all neurons, in their order
            into = f"sums_{number}"
            array = Array(f"sums:{number}", np.dtype(target.dtype).name, "record", "", n_post)
            self.declare(kind, into, array)
            after = [
                "TEAM_SYNC",
                f"{kind} _total = 0;",
                f"for (int _post = 0; _post < {n_post}; _post++) _total += {into}[_post];",
                f"{pointer}[0] = _total;",
                "TEAM_SYNC",
            ]
        inside = [
            "__syncwarp();",
            f"const int _post = _share*{self.share} + lane;",
            f"if (lane < {self.share} && _post < {n_post}) {{",
            f"{kind} _sum = 0;",
            f"for (int _idx = first_{name}[_post]; _idx < first_{name}[_post + 1]; _idx++) {{",
            "const int _vectorisation_idx = _idx;",
            *ends(code, f"__ldg(pre_{name} + _idx)"),
            "_sum += _synaptic_var;",
            "}",
            f"{into}[_post] = _sum;",
            "}",
            "__syncwarp();",
        ]
        return post, inside, after
