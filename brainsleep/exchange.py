"""C++ by which a standalone program reads a segment and writes a state.

The program reads ``segment.bin`` from its results folder and writes ``state.bin`` there: arrays
one after the other in a fixed order (the layout), each as a 64-bit count and its values. Brian2's
own writing of every array to a file of its own is skipped.
"""

from __future__ import annotations

import numpy as np

from .network import BrianNetwork
from .plan import GroupPlan, SynapsePlan

_PROLOGUE = """
FILE* segment_file = fopen((brian::results_dir + "segment.bin").c_str(), "rb");
if (!segment_file) { std::cerr << "cannot open segment.bin" << std::endl; std::_Exit(3); }
auto read_count = [&]() -> size_t {
    int64_t count = -1;
    if (fread(&count, sizeof(count), 1, segment_file) != 1 || count < 0) {
        std::cerr << "segment.bin is truncated" << std::endl; std::_Exit(3);
    }
    return (size_t)count;
};
auto read_values = [&](void* target, size_t size, size_t count) {
    if (count && fread(target, size, count, segment_file) != count) {
        std::cerr << "segment.bin is truncated" << std::endl; std::_Exit(3);
    }
};
auto read_fixed = [&](auto* target, size_t room, bool exactly, const char* name) {
    const size_t count = read_count();
    if (exactly ? count != room : count > room) {
        std::cerr << name << ": got " << count << " values, room for " << room << std::endl;
        std::_Exit(3);
    }
    read_values(target, sizeof(*target), count);
};
auto read_vector = [&](auto& target) {
    target.resize(read_count());
    read_values(target.data(), sizeof(target[0]), target.size());
};
auto read_times = [&](auto& clock) {
    const size_t count = read_count();
    double* times = new double[count + 1];
    read_values(times, sizeof(double), count);
    times[count] = INFINITY;
    clock.times = times;
    clock.n_times = count + 1;
};
auto check_order = [&](const auto& pre, const auto& post, const char* name) {
    for (size_t k = 1; k < pre.size(); k++)
        if (pre[k] < pre[k - 1] || (pre[k] == pre[k - 1] && post[k] <= post[k - 1])) {
            std::cerr << name << ": synapses are not in the order of their neurons" << std::endl;
            std::_Exit(3);
        }
};
static int64_t run_settings[2];  // seed, number of steps
"""

_STOP = """
network.add(&step_clock, []() {
    if (step_clock.timestep[0] + 1 >= run_settings[1]) Network::_globally_stopped = true;
});
"""

_SAVE_PROLOGUE = """
{
using namespace brian;
FILE* state_file = fopen((results_dir + "state.bin").c_str(), "wb");
if (!state_file) { std::cerr << "cannot write state.bin" << std::endl; std::_Exit(4); }
auto write_values = [&](const void* source, size_t size, size_t count) {
    const int64_t header = (int64_t)count;
    if (fwrite(&header, sizeof(header), 1, state_file) != 1
        || (count && fwrite(source, size, count, state_file) != count)) {
        std::cerr << "cannot write state.bin (disk full?)" << std::endl; std::_Exit(4);
    }
};
"""

_SAVE_EPILOGUE = """
if (fclose(state_file)) { std::cerr << "cannot write state.bin" << std::endl; std::_Exit(4); }
std::cout << std::flush;
std::_Exit(0);
}
"""


def code(network: BrianNetwork, device) -> tuple[dict, str, str, str]:
    """Write the C++ for a network.

    Parameters
    ----------
    network : BrianNetwork
        The network, made on the standalone device.
    device : Device
        Brian2's C++ standalone device.

    Returns
    -------
    layout : dict
        ``inputs`` and ``outputs``: lists of (key, dtype) in the order of the files.
    load, before_run, save : str
        C++ for the places ``main`` (after the network is set up), ``before_network_run`` and
        ``before_end``.
    """
    files = _Files(device)
    for plan in network.plan.groups:
        variables = network.groups[plan.name].variables
        for name in plan.parameters:
            files.read_fixed(f"{plan.name}.{name}", variables[name], 1)
        for name in plan.state:
            files.read_fixed(f"{plan.name}.{name}", variables[name], plan.size)
            files.write_fixed(f"{plan.name}.{name}", variables[name], plan.size)
        files.load.append(f"{files.name_of(variables['slot_index'])}[0] = -1;")
        if plan.threshold:
            _recordings(files, network, plan)
    for plan in network.plan.synapses:
        _synapses(files, network, plan)
    for name, clock in network.event_clocks.items():
        files.inputs.append((f"clock:{name}", "float64"))
        files.load.append(f"read_times({clock.name});")
    for name, array in network.slot_values.items():
        files.inputs.append((f"slots:{name}", "float64"))
        files.load.append(f'read_fixed({name}_values, {array.values.size}, false, "{name}");')
    files.load.append("fclose(segment_file);")
    files.save.append(_SAVE_EPILOGUE)
    layout = {"inputs": files.inputs, "outputs": files.outputs}
    return layout, "\n".join(files.load), _STOP, "\n".join(files.save)


class _Files:
    """The C++ of both files as it is put together, and the order of what is in them."""

    def __init__(self, device):
        self._device = device
        self.inputs: list[tuple[str, str]] = [("run", "int64")]
        self.outputs: list[tuple[str, str]] = [("steps", "int64")]
        self.load = [
            _PROLOGUE,
            'read_fixed(run_settings, 2, true, "run");',
            "for (size_t k = 0; k < _random_generators.size(); k++) "
            "_random_generators[k].seed((unsigned long)run_settings[0] + k);",
            "brainsleep::random_numbers.seed(run_settings[0]);",
        ]
        self.save = [_SAVE_PROLOGUE, "write_values(step_clock.timestep, sizeof(int64_t), 1);"]

    def name_of(self, variable) -> str:
        """Name a variable's array in C++."""
        return self._device.get_array_name(variable, access_data=False)

    def read_fixed(self, key: str, variable, size: int, exactly: bool = True) -> None:
        """Read an array of a size that is compiled in, or at most that size."""
        self.inputs.append((key, np.dtype(variable.dtype).name))
        name = self.name_of(variable)
        self.load.append(f'read_fixed({name}, {size}, {str(exactly).lower()}, "{key}");')

    def read_vector(self, key: str, variable) -> None:
        """Read an array of any size."""
        self.inputs.append((key, np.dtype(variable.dtype).name))
        self.load.append(f"read_vector({self.name_of(variable)});")

    def write_fixed(self, key: str, variable, size: int) -> None:
        """Write an array of a size that is compiled in."""
        self._write(key, variable, self.name_of(variable), str(size))

    def write_vector(self, key: str, variable, vector: str = "") -> None:
        """Write an array of any size, or the C++ `vector` that holds a copy of it."""
        vector = vector or self.name_of(variable)
        self._write(key, variable, f"{vector}.data()", f"{vector}.size()")

    def _write(self, key: str, variable, pointer: str, count: str) -> None:
        self.outputs.append((key, np.dtype(variable.dtype).name))
        self.save.append(f"write_values({pointer}, sizeof(*({pointer})), {count});")


def _recordings(files: _Files, network: BrianNetwork, plan: GroupPlan) -> None:
    count = network.groups[plan.name].variables["spike_count"]
    files.write_fixed(f"{plan.name}.spike_count", count, plan.size)
    recorded = network.counters[plan.name].variables["spike_count"]
    rows, block = files.name_of(recorded), f"{plan.name}_rows"
    files.save.append(  # rows of a DynamicArray2D lie apart: copy them into one block
        f"std::vector<int32_t> {block}; "
        f"for (int r = 0; r < {rows}.n; r++) for (int c = 0; c < {rows}.m; c++) "
        f"{block}.push_back({rows}(r, c));"
    )
    files.write_vector(f"{plan.name}:counts", recorded, block)
    raster = network.rasters[plan.name].variables
    for name in ("i", "t"):
        files.write_vector(f"{plan.name}:{name}", raster[name])


def _synapses(files: _Files, network: BrianNetwork, plan: SynapsePlan) -> None:
    variables = network.groups[plan.name].variables
    for name in plan.parameters:
        files.read_fixed(f"{plan.name}.{name}", variables[name], 1)
    for name in ("_synaptic_pre", "_synaptic_post", *plan.state):
        files.read_vector(f"{plan.name}.{name}", variables[name])
    pre, post = (files.name_of(variables[f"_synaptic_{end}"]) for end in ("pre", "post"))
    outgoing, incoming = (files.name_of(variables[f"N_{end}"]) for end in ("outgoing", "incoming"))
    files.load += [
        f'check_order({pre}, {post}, "{plan.name}");',
        f"{files.name_of(variables['N'])}[0] = {pre}.size();",
        f"std::fill({outgoing}.begin(), {outgoing}.end(), 0);",
        f"std::fill({incoming}.begin(), {incoming}.end(), 0);",
        f"for (int k : {pre}) {outgoing}[k]++;",
        f"for (int k : {post}) {incoming}[k]++;",
    ]
    if "zero_index" in variables:
        files.load.append(f"{files.name_of(variables['zero_index'])}.assign({pre}.size(), 0);")
    for name in plan.state:
        files.write_vector(f"{plan.name}.{name}", variables[name])
