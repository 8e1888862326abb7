"""C++ by which a standalone program reads segments and writes states.

A file holds arrays one after the other in a fixed order (the layout), each as a 64-bit count and
its values. Brian2's own writing of every array to a file of its own is skipped.
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
    """Write the C++ for a network, made on Brian2's C++ standalone device.

    Returns the layout, (key, dtype) in the order of the files ``synapses``, ``inputs`` and
    ``outputs``, and C++ for ``main`` (after the network is set up), ``before_network_run`` and
    ``before_end``.
    """
    files = _Files(network, device)
    for plan in network.plan.groups:
        files.add_group(plan)
    for part in network.plan.synapses:
        files.add_synapses(part)
    for name, clock in network.event_clocks.items():
        files.inputs.append((f"clock:{name}", "float64"))
        files.load.append(f"read_times({clock.name});")
    for name, array in network.slot_values.items():
        files.inputs.append((f"slots:{name}", "float64"))
        files.load.append(f'read_fixed({name}_values, {array.values.size}, false, "{name}");')
    layout = {"synapses": files.synapses, "inputs": files.inputs, "outputs": files.outputs}
    load = [_PROLOGUE, *files.connect, "fclose(given);", _WAIT, *files.load, "fclose(given);"]
    return layout, "\n".join(load), _STOP, "\n".join([*files.save, _SAVE_EPILOGUE])


class _Files:
    """The C++ of all files as it is put together, and the order of what is in them."""

    def __init__(self, network: BrianNetwork, device):
        self._network, self._device = network, device
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

    def _array(self, key: str) -> str:
        """Name an array in C++."""
        return self._device.get_array_name(self._network.variable(key), access_data=False)

    def _typed(self, key: str) -> tuple[str, str]:
        return key, np.dtype(self._network.variable(key).dtype).name

    def _read(self, key: str, size: int | None) -> None:
        """Read an array of a size that is compiled in, or of any."""
        self.inputs.append(self._typed(key))
        target = self._array(key)
        fixed = f'read_fixed({target}, {size}, true, "{key}");'
        self.load.append(f"read_vector({target});" if size is None else fixed)

    def _write(self, key: str, size: int | None) -> None:
        """Write an array of a size that is compiled in, or of any."""
        self.outputs.append(self._typed(key))
        pointer, count = self._array(key), str(size)
        if size is None:
            pointer, count = f"{pointer}.data()", f"{pointer}.size()"
        self.save.append(f"write_values({pointer}, sizeof(*({pointer})), {count});")

    def add_group(self, plan: GroupPlan) -> None:
        """Exchange the arrays of neurons, and what is recorded of them."""
        for name in plan.parameters:
            self._read(f"{plan.name}.{name}", 1)
        for name in plan.state:
            self._read(f"{plan.name}.{name}", plan.size)
            self._write(f"{plan.name}.{name}", plan.size)
        self.load.append(f"{self._array(f'{plan.name}.slot_index')}[0] = -1;")
        if not plan.threshold:
            return
        self._write(f"{plan.name}.spike_count", plan.size)
        key = f"{plan.name}:counts.spike_count"  # two-dimensional, and its rows lie apart
        self.outputs.append(self._typed(key))
        rows = self._array(key)
        self.save.append(
            f"write_count((size_t){rows}.n*{rows}.m); "
            f"for (int r = 0; r < {rows}.n; r++) "
            f"write_some(&{rows}(r, 0), sizeof({rows}(r, 0)), {rows}.m);"
        )
        for name in ("i", "t"):
            self._write(f"{plan.name}:raster.{name}", None)

    def add_synapses(self, plan: SynapsePlan) -> None:
        """Read the connectivity, once for all segments; exchange the arrays of synapses."""
        for name in plan.parameters:
            self._read(f"{plan.name}.{name}", 1)
        for name in plan.state:
            self._read(f"{plan.name}.{name}", None)
            self._write(f"{plan.name}.{name}", None)
        ends = [f"{plan.name}._synaptic_{end}" for end in ("pre", "post")]
        pre, post = map(self._array, ends)
        self.synapses += map(self._typed, ends)
        self.connect += [f"read_vector({pre});", f"read_vector({post});"]
        outgoing, incoming, number = (
            self._array(f"{plan.name}.{name}") for name in ("N_outgoing", "N_incoming", "N")
        )
        self.connect += [
            f'check_order({pre}, {post}, "{plan.name}");',
            f"{number}[0] = {pre}.size();",
            f"std::fill({outgoing}.begin(), {outgoing}.end(), 0);",
            f"std::fill({incoming}.begin(), {incoming}.end(), 0);",
            f"for (int k : {pre}) {outgoing}[k]++;",
            f"for (int k : {post}) {incoming}[k]++;",
        ]
        synapses = self._network.groups[plan.name]
        for path in synapses._pathways:
            self.connect.append(f"{path.name}.count();")
            if path.prepost == "post":
                self.connect.append(f"{path.name}.list({pre});")
        if "zero_index" in synapses.variables:
            index = self._array(f"{plan.name}.zero_index")
            self.connect.append(f"{index}.assign({pre}.size(), 0);")
