{# The kernel of a network: brainsleep.backends.cuda.source says what it does, and fills it in. #}
constexpr int max_threads = {{ 32 * warps }};
__constant__ long long offsets[{{ n_arrays }}];
{{ support }}
__global__ void __launch_bounds__(max_threads) run_segments(const Job job)
{
PLACE_IN_TEAM
{{ objects.lines(pointers) }}
// Spikes of a step are kept in the memory of a block, if it has one alone and they fit.
__shared__ unsigned shared_spikes[{{ n_shared }}];
unsigned* const spikes = job.blocks == 1 && {{ n_words }} <= {{ n_shared }} ? shared_spikes : team_spikes;
const unsigned long long seed = settings[0];
const int n_steps = (int)settings[1];
const long long start = (long long)settings[2];  // steps that the run has had
{% for name in sizes %}
const int own_{{ name }} = (warp + n_warps - {{ first_share[name] }} % n_warps) % n_warps;
unsigned* const spikes_{{ name }} = spikes + {{ first_word[name] }};
{{ bits }}* const shares_{{ name }} = ({{ bits }}*)spikes_{{ name }};
{% endfor %}
{% for name in clocks %}
constexpr unsigned due_{{ name }} = {{ 2 ** loop.index0 }};
{% endfor %}
int slot = -1, _raster_row = -1;
unsigned in_slot = 0;  // what is due at every step of the slot
{% macro find_soonest() %}
soonest = INT_MAX;
{% for name in lists %}
soonest = min(soonest, next_{{ name }});
{% endfor %}
{% endmacro %}
{% for name in lists %}
int at_{{ name }} = 0, next_{{ name }} = times_{{ name }}[0];
{% endfor %}
int soonest;
{{ find_soonest() }}
{% for name, function in functions.items() %}
{% if name == "stimulus_by_slot" %}
auto {{ function }} = [=](double t, int i) { return {{ name }}[(int)(t + 0.5)*{{ n_inputs }}LL + i]; };
{% else %}
auto {{ function }} = [=](double t) { return {{ name }}[(int)(t + 0.5)]; };
{% endif %}
{% endfor %}
{{ objects.lines(constants) }}
for (int k = threadIdx.x; k < {{ n_words }}; k += blockDim.x) spikes[k] = 0;
TEAM_SYNC
bool stopped = false;
for (int step = 0; step < n_steps; step++) {
const double _now = (start + step)*{{ dt }};
{{ objects.lines(each_step) }}
unsigned due = in_slot;
if (step == soonest) {
{% for name in lists %}
if (step == next_{{ name }}) {
{% if name == "slot" %}
in_slot = due = flags[++slot];
{% endif %}
due |= due_{{ name }};
next_{{ name }} = times_{{ name }}[++at_{{ name }}];
}
{% endfor %}
{{ find_soonest() }}
}
if (due & due_raster) _raster_row++;
{# The segment ends before a slot where the summed weight is not above what is given. Every thread
   adds up what its place in a word is given, and all of these in their order: a sum does not depend
   on the number of warps. #}
{% if watched %}
if ((due & due_slot) && slot > 0 && above[slot] > 0) {
{% for target, projections in watched.items() %}
{{ objects.owned(target) }}
double _sum = 0;
{{ objects.each_post(target) }}
{% for name in projections %}
{{ objects.synapses_of(name, ["_sum += fabs((double)_ptr_array_" ~ name ~ "_w[_idx]);"]) }}
{% endfor %}
}
lane_sums[({{ first_share[target] }} + _share)*32 + lane] = _sum;
}
{% endfor %}
TEAM_SYNC
double _total = 0;
{% for target in watched %}
for (int k = {{ 32 * first_share[target] }}; k < {{ 32 * (first_share[target] + shares[target]) }}; k++) _total += lane_sums[k];
{% endfor %}
TEAM_SYNC
stopped = _total <= above[slot];
if (stopped) break;
}
{% endif %}
{{ objects.lines(steps) }}
}
if (warp == 0 && lane == 0) slots_run[0] = slot + !stopped;
}
