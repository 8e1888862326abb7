"""C++ by which a standalone program reads segments and writes states.

The program reads ``synapses.bin`` from its results folder, once, and for every segment
``segment.bin``; it writes ``state.bin`` there: arrays one after the other in a fixed order (the
layout), each as a 64-bit count and its values. Brian2's own writing of every array to a file of
its own is skipped.
"""

from __future__ import annotations

import numpy as np

from ...network.plan import GroupPlan, SynapsePlan
from ..brian.network import BrianNetwork

_PROLOGUE = """
FILE* given = nullptr;
auto open_given = [&](const char* name) {
    given = fopen((brian::results_dir + name).c_str(), "rb");
    if (!given) { std::cerr << "cannot open " << name << std::endl; std::_Exit(3); }
};
auto read_count = [&]() -> size_t {
    int64_t count = -1;
    if (fread(&count, sizeof(count), 1, given) != 1 || count < 0) {
        std::cerr << "the file given is truncated" << std::endl; std::_Exit(3);
    }
    return (size_t)count;
};
auto read_values = [&](void* target, size_t size, size_t count) {
    if (count && fread(target, size, count, given) != count) {
        std::cerr << "the file given is truncated" << std::endl; std::_Exit(3);
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

# After the connectivity is read: wait for lines, and let a copy of the process run each segment.
_WAIT = """
signal(SIGPIPE, SIG_IGN);  // whoever started it may be gone: then there is still to clean up
for (std::string line;;) {
    if (!std::getline(std::cin, line)) {  // nobody is there any more
        for (const char* name : {"synapses.bin", "segment.bin", "state.bin", "errors.txt"})
            unlink((brian::results_dir + name).c_str());
        rmdir(brian::results_dir.c_str());
        std::_Exit(0);
    }
    const pid_t copy = fork();
    if (copy == 0) break;
    int status = 0;
    while (copy > 0 && waitpid(copy, &status, 0) < 0 && errno == EINTR) {}
    const int code = copy < 0 ? 5 : WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    std::cout << code << std::endl;
}
open_given("segment.bin");
"""

_STOP = """
network.add(&step_clock, []() {
    if (step_clock.timestep[0] + 1 >= run_settings[1]) Network::_globally_stopped = true;
});
"""

_SAVE_PROLOGUE = """
{
using namespace brian;
FILE* state_file = fopen((results_dir + "state.bin").c_str(), "r+b");  // over the last one's pages
if (!state_file) state_file = fopen((results_dir + "state.bin").c_str(), "wb");
if (!state_file) { std::cerr << "cannot write state.bin" << std::endl; std::_Exit(4); }
auto write_some = [&](const void* source, size_t size, size_t count) {
    if (count && fwrite(source, size, count, state_file) != count) {
        std::cerr << "cannot write state.bin (disk full?)" << std::endl; std::_Exit(4);
    }
};
auto write_count = [&](size_t count) {
    const int64_t header = (int64_t)count;
    write_some(&header, sizeof(header), 1);
};
auto write_values = [&](const void* source, size_t size, size_t count) {
    write_count(count);
    write_some(source, size, count);
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
        ``synapses``, ``inputs``, ``outputs``: lists of (key, dtype) in the order of the files.
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
    for part in network.plan.synapses:
        _synapses(files, network, part)
    for name, clock in network.event_clocks.items():
        files.inputs.append((f"clock:{name}", "float64"))
        files.load.append(f"read_times({clock.name});")
    for name, array in network.slot_values.items():
        files.inputs.append((f"slots:{name}", "float64"))
        files.load.append(f'read_fixed({name}_values, {array.values.size}, false, "{name}");')
    files.load.append("fclose(given);")
    files.save.append(_SAVE_EPILOGUE)
    layout = {"synapses": files.synapses, "inputs": files.inputs, "outputs": files.outputs}
    load = [_PROLOGUE, *files.connect, "fclose(given);", _WAIT, *files.load]
    return layout, "\n".join(load), _STOP, "\n".join(files.save)


class _Files:
    """The C++ of all files as it is put together, and the order of what is in them."""

    def __init__(self, device):
        self._device = device
        self.synapses: list[tuple[str, str]] = []
        self.inputs: list[tuple[str, str]] = [("run", "int64")]
        self.outputs: list[tuple[str, str]] = [("steps", "int64")]
        self.connect = ['open_given("synapses.bin");']
        self.load = [
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

    def read_connectivity(self, key: str, variable) -> None:
        """Read an array of indices, once for all segments."""
        self.synapses.append((key, np.dtype(variable.dtype).name))
        self.connect.append(f"read_vector({self.name_of(variable)});")

    def read_vector(self, key: str, variable) -> None:
        """Read an array of any size."""
        self.inputs.append((key, np.dtype(variable.dtype).name))
        self.load.append(f"read_vector({self.name_of(variable)});")

    def write_fixed(self, key: str, variable, size: int) -> None:
        """Write an array of a size that is compiled in."""
        self._write(key, variable, self.name_of(variable), str(size))

    def write_vector(self, key: str, variable) -> None:
        """Write an array of any size."""
        vector = self.name_of(variable)
        self._write(key, variable, f"{vector}.data()", f"{vector}.size()")

    def write_rows(self, key: str, variable) -> None:
        """Write a two-dimensional array of any size, whose rows lie apart."""
        self.outputs.append((key, np.dtype(variable.dtype).name))
        rows = self.name_of(variable)
        self.save.append(
            f"write_count((size_t){rows}.n*{rows}.m); "
            f"for (int r = 0; r < {rows}.n; r++) "
            f"write_some(&{rows}(r, 0), sizeof({rows}(r, 0)), {rows}.m);"
        )

    def _write(self, key: str, variable, pointer: str, count: str) -> None:
        self.outputs.append((key, np.dtype(variable.dtype).name))
        self.save.append(f"write_values({pointer}, sizeof(*({pointer})), {count});")


def _recordings(files: _Files, network: BrianNetwork, plan: GroupPlan) -> None:
    count = network.groups[plan.name].variables["spike_count"]
    files.write_fixed(f"{plan.name}.spike_count", count, plan.size)
    recorded = network.counters[plan.name].variables["spike_count"]
    files.write_rows(f"{plan.name}:counts", recorded)
    raster = network.rasters[plan.name].variables
    for name in ("i", "t"):
        files.write_vector(f"{plan.name}:{name}", raster[name])


def _synapses(files: _Files, network: BrianNetwork, plan: SynapsePlan) -> None:
    variables = network.groups[plan.name].variables
    for name in plan.parameters:
        files.read_fixed(f"{plan.name}.{name}", variables[name], 1)
    for name in ("_synaptic_pre", "_synaptic_post"):
        files.read_connectivity(f"{plan.name}.{name}", variables[name])
    for name in plan.state:
        files.read_vector(f"{plan.name}.{name}", variables[name])
    pre, post = (files.name_of(variables[f"_synaptic_{end}"]) for end in ("pre", "post"))
    outgoing, incoming = (files.name_of(variables[f"N_{end}"]) for end in ("outgoing", "incoming"))
    files.connect += [
        f'check_order({pre}, {post}, "{plan.name}");',
        f"{files.name_of(variables['N'])}[0] = {pre}.size();",
        f"std::fill({outgoing}.begin(), {outgoing}.end(), 0);",
        f"std::fill({incoming}.begin(), {incoming}.end(), 0);",
        f"for (int k : {pre}) {outgoing}[k]++;",
        f"for (int k : {post}) {incoming}[k]++;",
    ]
    for path in network.groups[plan.name]._pathways:
        files.connect.append(f"{path.name}.count();")
        if path.prepost == "post":
            files.connect.append(f"{path.name}.list({pre});")
    if "zero_index" in variables:
        files.connect.append(f"{files.name_of(variables['zero_index'])}.assign({pre}.size(), 0);")
    for name in plan.state:
        files.write_vector(f"{plan.name}.{name}", variables[name])
