"""C++ by which a standalone program reads a segment and writes a state.

The program reads ``segment.bin`` from its results folder and writes ``state.bin`` there: arrays
one after the other in a fixed order (the layout), each as a 64-bit count and its values. Brian2's
own writing of every array to a file of its own is skipped.
"""

from __future__ import annotations

import numpy as np

from .network import BrianNetwork

VERSION = 3  # change when the format or the code below changes: part of a build's key

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
    inputs: list[tuple[str, str]] = [("run", "int64")]
    outputs: list[tuple[str, str]] = [("steps", "int64")]
    load = [_PROLOGUE, 'read_fixed(run_settings, 2, true, "run");']
    load.append(
        "for (size_t k = 0; k < _random_generators.size(); k++) "
        "_random_generators[k].seed((unsigned long)run_settings[0] + k);"
    )
    save = [_SAVE_PROLOGUE, "write_values(step_clock.timestep, sizeof(int64_t), 1);"]

    def name_of(variable, access_data=False):
        return device.get_array_name(variable, access_data=access_data)

    def read_fixed(key, variable, size, exactly=True):
        inputs.append((key, np.dtype(variable.dtype).name))
        load.append(f'read_fixed({name_of(variable)}, {size}, {str(exactly).lower()}, "{key}");')

    def write(key, dtype, pointer, count):
        outputs.append((key, np.dtype(dtype).name))
        save.append(f"write_values({pointer}, sizeof(*({pointer})), {count});")

    for plan in network.plan.groups:
        variables = network.groups[plan.name].variables
        for name in plan.parameters:
            read_fixed(f"{plan.name}.{name}", variables[name], 1)
        for name in plan.state:
            read_fixed(f"{plan.name}.{name}", variables[name], plan.size)
            write(f"{plan.name}.{name}", variables[name].dtype, name_of(variables[name]), plan.size)
        load.append(f"{name_of(variables['slot_index'])}[0] = -1;")
        if plan.threshold:
            _write_recordings(network, plan, name_of, write, save)
    for plan in network.plan.synapses:
        _exchange_synapses(network, plan, name_of, inputs, outputs, load, save)
    for name, clock in network.event_clocks.items():
        times = clock.variables["times"]
        read_fixed(f"clock:{name}", times, times.size - 1, exactly=False)
    for name, array in network.slot_values.items():
        inputs.append((f"slots:{name}", "float64"))
        size = array.values.size
        load.append(f'read_fixed({name}_values, {size}, false, "{name}");')
    load.append("fclose(segment_file);")
    save.append(_SAVE_EPILOGUE)
    return {"inputs": inputs, "outputs": outputs}, "\n".join(load), _STOP, "\n".join(save)


def _write_recordings(network, plan, name_of, write, save) -> None:
    group = network.groups[plan.name]
    count = group.variables["spike_count"]
    write(f"{plan.name}.spike_count", count.dtype, name_of(count), plan.size)
    recorded = network.counters[plan.name].variables["spike_count"]
    rows, block = name_of(recorded), f"{plan.name}_rows"
    save.append(  # rows of a DynamicArray2D lie apart: copy them into one block
        f"std::vector<int32_t> {block}; "
        f"for (int r = 0; r < {rows}.n; r++) for (int c = 0; c < {rows}.m; c++) "
        f"{block}.push_back({rows}(r, c));"
    )
    write(f"{plan.name}:counts", recorded.dtype, f"{block}.data()", f"{block}.size()")
    raster = network.rasters[plan.name].variables
    for name in ("i", "t"):
        vector = name_of(raster[name])
        write(f"{plan.name}:{name}", raster[name].dtype, f"{vector}.data()", f"{vector}.size()")


def _exchange_synapses(network, plan, name_of, inputs, outputs, load, save) -> None:
    synapses = network.groups[plan.name]
    variables = synapses.variables
    for name in plan.parameters:
        inputs.append((f"{plan.name}.{name}", "float64"))
        load.append(f'read_fixed({name_of(variables[name])}, 1, true, "{plan.name}.{name}");')
    vectors = ["_synaptic_pre", "_synaptic_post", *plan.state]
    for name in vectors:
        inputs.append((f"{plan.name}.{name}", np.dtype(variables[name].dtype).name))
        load.append(f"read_vector({name_of(variables[name])});")
    pre, post = (name_of(variables[f"_synaptic_{end}"]) for end in ("pre", "post"))
    outgoing, incoming = (name_of(variables[f"N_{end}"]) for end in ("outgoing", "incoming"))
    load += [
        f"{name_of(variables['N'])}[0] = {pre}.size();",
        f"std::fill({outgoing}.begin(), {outgoing}.end(), 0);",
        f"std::fill({incoming}.begin(), {incoming}.end(), 0);",
        f"for (int k : {pre}) {outgoing}[k]++;",
        f"for (int k : {post}) {incoming}[k]++;",
    ]
    if "zero_index" in variables:
        load.append(f"{name_of(variables['zero_index'])}.assign({pre}.size(), 0);")
    for name in plan.state:
        vector = name_of(variables[name])
        outputs.append((f"{plan.name}.{name}", np.dtype(variables[name].dtype).name))
        save.append(f"write_values({vector}.data(), sizeof({vector}[0]), {vector}.size());")
