{# How a program reads segments and writes states: brainsleep.backends.cpp.exchange.

   A file holds arrays one after the other in a fixed order (the layout), each as a 64-bit count and
   its values. After minus their number stands one value for all, or, of arrays that are the same at
   all synapses of a presynaptic neuron, one for each neuron. Files are synapses, what no segment
   changes, and what a segment starts from. The parts stand in `main` after the network is set up,
   before and after the run. #}
{% macro row_of(array) %}{{ array.owner }}_row_of_{{ array.key.partition(".")[2] }}{% endmacro %}

{% macro declared_rows(array) %}
extern bool {{ array.owner }}_by_row;
extern std::vector<std::decay<decltype({{ array.name }}[0])>::type> {{ row_of(array) }};
{% endmacro %}

{% macro read(arrays) %}
{% for array in arrays %}
{% if array.owner %}
{
{{ declared_rows(array) }}
{{ array.owner }}_by_row &= read_rows({{ array.name }}, {{ row_of(array) }}, {{ array.owner }}_pre);
}
{% elif array.size %}
read_fixed({{ array.name }}, {{ array.size }}, true, "{{ array.key }}");
{% else %}
read_vector({{ array.name }});
{% endif %}
{% endfor %}
{% endmacro %}

{% macro load() %}
FILE* given = nullptr;
auto open_given = [&](const char* name) {
    given = fopen((brian::results_dir + name).c_str(), "rb");
    if (!given) { std::cerr << "cannot open " << name << std::endl; std::_Exit(3); }
};
auto refuse = []() { std::cerr << "the file given is truncated" << std::endl; std::_Exit(3); };
auto read_number = [&]() -> int64_t {
    int64_t number = 0;
    if (fread(&number, sizeof(number), 1, given) != 1) refuse();
    return number;
};
auto read_count = [&]() -> size_t {
    const int64_t count = read_number();
    if (count < 0) refuse();
    return (size_t)count;
};
auto read_values = [&](void* target, size_t size, size_t count) {
    if (count && !brainsleep::read_bytes(given, target, size*count)) refuse();
};
{# After minus their number there is one value for all. #}
auto read_or_fill = [&](auto* target, int64_t number) {
    read_values(target, sizeof(*target), number < 0 ? 1 : number);
    if (number < 0) std::fill_n(target, -number, typename std::decay<decltype(*target)>::type(*target));
};
auto read_fixed = [&](auto* target, size_t room, bool exactly, const char* name) {
    const int64_t number = read_number();
    const size_t count = std::abs(number);
    if (exactly ? count != room : count > room) {
        std::cerr << name << ": got " << count << " values, room for " << room << std::endl;
        std::_Exit(3);
    }
    read_or_fill(target, number);
};
auto read_vector = [&](auto& target) {
    const int64_t number = read_number();
    brainsleep::make_room(target, std::abs(number));
    read_or_fill(target.data(), number);
};
{# Of an array that is the same at all synapses of a neuron: once a neuron. Else, false, all of it. #}
auto read_rows = [&](auto& all, auto& rows, const auto& path) -> bool {
    const int64_t count = read_number();
    const bool by_row = count == -path.n_neurons;
    if (!by_row && count < 0) refuse();
    brainsleep::make_room(all, by_row ? 0 : count);
    rows.resize(path.n_neurons);
    auto& given = by_row ? rows : all;
    read_values(given.data(), sizeof(given[0]), given.size());
    return by_row;
};
auto read_times = [&](auto& clock) {
    const size_t count = read_count();
    double* times = new double[count + 1];
    read_values(times, sizeof(double), count);
    times[count] = INFINITY;
    clock.times = times;
    clock.n_times = count + 1;
};
auto check_order = [&](const auto& pre, const auto& post, const char* name, bool repeats) {
    for (size_t k = 1; k < pre.size(); k++)
        if (pre[k] < pre[k - 1] || (pre[k] == pre[k - 1] && post[k] < post[k - 1] + !repeats)) {
            std::cerr << name << ": synapses are not in the order of their neurons" << std::endl;
            std::_Exit(3);
        }
};
static int64_t run_settings[4];  // seed, first step, the step at which it is over, and threads
const char* given_cores = getenv("BRAINSLEEP_CORES");
const int cores = std::max(1, std::min(brainsleep::most_threads, given_cores ? atoi(given_cores) : 1));

open_given("synapses.bin");
{% for plan in network.plan.synapses %}
{% set synapses, pre, post = network.groups[plan.name], c_name(plan.name ~ "._synaptic_pre"), c_name(plan.name ~ "._synaptic_post") %}
{% set outgoing, incoming = c_name(plan.name ~ ".N_outgoing"), c_name(plan.name ~ ".N_incoming") %}
read_vector({{ pre }});
read_vector({{ post }});
check_order({{ pre }}, {{ post }}, "{{ plan.name }}", {{ "true" if plan.repeats else "false" }});
{{ c_name(plan.name ~ ".N") }}[0] = {{ pre }}.size();
std::fill({{ outgoing }}.begin(), {{ outgoing }}.end(), 0);
std::fill({{ incoming }}.begin(), {{ incoming }}.end(), 0);
for (int k : {{ pre }}) {{ outgoing }}[k]++;
for (int k : {{ post }}) {{ incoming }}[k]++;
{% endfor %}
{% for target, paths in large_pathways.items() %}
const std::vector<int32_t> first_of_{{ target }} = SynapticPathway::cut_into(SynapticPathway::shares(cores, {
    {%- for path in paths -%}&{{ path.name }}, {% endfor -%}
}), {
    {%- for plan in network.plan.synapses if plan.target == target -%}&{{ c_name(plan.name ~ ".N_incoming") }}, {% endfor -%}
}, {{ paths[0].target.N }});
{% endfor %}
{% for plan in network.plan.synapses %}
{% set synapses, pre, post = network.groups[plan.name], c_name(plan.name ~ "._synaptic_pre"), c_name(plan.name ~ "._synaptic_post") %}
{% for path in synapses._pathways %}
{% set each = path._delay is defined and path._delay == "each" %}
{% if path.prepost == "post" %}
{{ path.name }}.count();
{{ path.name }}.list({{ pre }}, {{ far_ends(path) }});
{% else %}
{% if path._shared is defined %}
extern const bool {{ path.name }}_in_parts;
{{ path.name }}.cut({{ post }}, {{ path.name }}_in_parts ? first_of_{{ plan.target }} : std::vector<int32_t>{0, {{ path.target.N }}}, {{ "false" if each else path.name ~ "_in_parts" }});
{% else %}
{{ path.name }}.count();
{% endif %}
{% if path._narrow is defined and not each %}
{{ path.name }}.near_far.assign({{ post }}.begin(), {{ post }}.end());
{% endif %}
{% endif %}
{% endfor %}
{% if "zero_index" in synapses.variables %}
{{ c_name(plan.name ~ ".zero_index") }}.assign({{ pre }}.size(), 0);
{% endif %}
{% endfor %}
fclose(given);
unlink((brian::results_dir + "synapses.bin").c_str());  // it takes memory, too

const auto read_what_is_fixed = [&]() {
    open_given("fixed.bin");
    {{ read(fixed) }}
    fclose(given);
    {% for path, weights in fixed_weights %}
    {{ path.name }}.weights_differ = !std::equal({{ weights }}.begin() + !{{ weights }}.empty(), {{ weights }}.end(), {{ weights }}.begin());
    {% if path._shared is defined and path.prepost == "pre" %}
    extern const bool {{ path.name }}_counts;
    if ({{ path.name }}_counts && !{{ path.name }}.weights_differ)
        {{ path.name }}.reach.make({{ c_name(path.synapses.name ~ "._synaptic_pre") }}, {{ c_name(path.synapses.name ~ "._synaptic_post") }}, {{ path.source.N }}, {{ path.target.N }});
    else
        {{ path.name }}.reach = brainsleep::Reach();
    {% endif %}
    {% endfor %}
    {% for _, path, delay, _ in pathways %}
    {% if path._delay != "changing" %}
    {{ path.name }}.set_{{ "delays" if path._delay == "each" else "delay" }}({{ delay }}, step_clock.dt[0]);
    {% if path._delay == "each" %}
    {{ path.name }}.list_ends({{ c_name(path.synapses.name ~ "._synaptic_" ~ ("post" if path.prepost == "pre" else "pre")) }}, {{ far_ends(path) }});
    {% endif %}
    {% endif %}
    {% endfor %}
};

{# Wait for lines, and let a copy of the process run each segment. #}
signal(SIGPIPE, SIG_IGN);  // whoever started it may be gone: then there is still to clean up
for (std::string line;;) {
    if (!std::getline(std::cin, line)) {  // nobody is there any more
        for (const char* name : {"synapses.bin", "fixed.bin", "segment.bin", "state.bin", "errors.txt"})
            unlink((brian::results_dir + name).c_str());
        rmdir(brian::results_dir.c_str());
        std::_Exit(0);
    }
    if (line == "fixed") {
        read_what_is_fixed();
        continue;
    }
    const pid_t copy = fork();
    if (copy == 0) break;
    int status = 0;
    while (copy > 0 && waitpid(copy, &status, 0) < 0 && errno == EINTR) {}
    const int code = copy < 0 ? 5 : WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    std::cout << code << std::endl;
}
open_given("segment.bin");

read_fixed(run_settings, 4, true, "run");
#ifdef BRAINSLEEP_THREADS_H
brainsleep::threads.n = std::max<int64_t>(1, std::min<int64_t>(cores, run_settings[3]));
brainsleep::threads.choice.begin_segment();
#endif
for (size_t k = 0; k < _random_generators.size(); k++) _random_generators[k].seed((unsigned long)run_settings[0] + k);
brainsleep::random_numbers.seed(run_settings[0]);
{{ read(inputs) }}
{% for plan in network.plan.groups %}
{{ c_name(plan.name ~ ".slot_index") }}[0] = -1;
{% endfor %}
{% for clock in network.event_clocks.values() %}
read_times({{ clock.name }});
{% endfor %}
{% for name, array in network.slot_values.items() %}
read_fixed({{ name }}_values, {{ array.values.size }}, false, "{{ name }}");
{% endfor %}
{% for place in range(histories) %}
std::vector<uint8_t> history_{{ place }};
read_vector(history_{{ place }});
{% endfor %}
{% for name in changed_delays %}
std::vector<uint16_t> sent_{{ name }};
read_vector(sent_{{ name }});
{% endfor %}
{% for history, path, delay, most in pathways %}
{% set each = path._delay == "each" %}
{% if path._delay == "changing" %}
{{ path.name }}.take_sent({{ delay }}, history_{{ history }}, {{ most }});
{% if path.name == path._first.name %}
{{ path.name }}.sent = {{ delay }};
{% endif %}
{% else %}
{{ path.name }}.take_{{ "spans" if each else "spikes" }}(history_{{ history }});
{% endif %}
{% endfor %}
fclose(given);
{% for name in put_off %}
void {{ name }}_take_rows();
{{ name }}_take_rows();
{% endfor %}
{% endmacro %}

{% macro stop() %}
step_clock.timestep[0] = run_settings[1];
network.t = step_clock.t[0] = run_settings[1]*step_clock.dt[0];
network.add(&step_clock, []() {
#ifdef BRAINSLEEP_THREADS_H
    if (brainsleep::threads.n > 1) brainsleep::threads.choice.step();
#endif
    if (step_clock.timestep[0] + 1 >= run_settings[2]) Network::_globally_stopped = true;
});
{% endmacro %}

{% macro save() %}
{
{% for name in put_off %}
void {{ name }}_carry_out_late();
{{ name }}_carry_out_late();
{% endfor %}
using namespace brian;
FILE* state_file = fopen((results_dir + "state.bin").c_str(), "r+b");  // over the last one's pages
if (!state_file) state_file = fopen((results_dir + "state.bin").c_str(), "w+b");
if (!state_file) { std::cerr << "cannot write state.bin" << std::endl; std::_Exit(4); }
auto write_some = [&](const void* source, size_t size, size_t count) {
    if (count && !brainsleep::write_bytes(state_file, source, size*count)) {
        std::cerr << "cannot write state.bin (disk full?)" << std::endl; std::_Exit(4);
    }
};
auto write_number = [&](int64_t number) { write_some(&number, sizeof(number), 1); };
auto write_values = [&](const void* source, size_t size, size_t count) {
    write_number(count);
    write_some(source, size, count);
};

write_values(step_clock.timestep, sizeof(int64_t), 1);
{% for array in outputs %}
{% if array.owner %}
{
{{ declared_rows(array) }}
if ({{ array.owner }}_by_row) {
    const auto& rows = {{ row_of(array) }};
    write_number(-(int64_t)rows.size());
    write_some(rows.data(), sizeof(rows[0]), rows.size());
}
else write_values({{ array.name }}.data(), sizeof({{ array.name }}[0]), {{ array.name }}.size());
}
{% elif array.size %}
write_values({{ array.name }}, sizeof(*({{ array.name }})), {{ array.size }});
{% elif ":counts." in array.key or ":trace_" in array.key %}{# two-dimensional, and its rows lie apart #}
write_number((int64_t){{ array.name }}.n*{{ array.name }}.m);
{% if ":trace_" in array.key %}
if ({{ array.name }}.m)
{% endif %}
for (int r = 0; r < {{ array.name }}.n; r++) write_some(&{{ array.name }}(r, 0), sizeof({{ array.name }}(r, 0)), {{ array.name }}.m);
{% else %}
write_values({{ array.name }}.data(), sizeof(*({{ array.name }}.data())), {{ array.name }}.size());
{% endif %}
{% endfor %}

if (fclose(state_file)) { std::cerr << "cannot write state.bin" << std::endl; std::_Exit(4); }
std::cout << std::flush;
std::_Exit(0);
}
{% endmacro %}
