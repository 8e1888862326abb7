{# The main loop. Brian2's keeps clocks in sets that it searches for every object at every step;
   here every object knows its clock, and a step costs one comparison an object. Before an object
   begins, loops that wait for others are done, unless it has such a loop itself. #}
{% macro cpp_file() %}
#include "network.h"
#include <algorithm>

double Network::_last_run_time = 0.0;
double Network::_last_run_completed_fraction = 0.0;
bool Network::_globally_stopped = false;
bool Network::_globally_running = false;

Network::Network() : t(0.0) {}

void Network::clear()
{
    objects.clear();
}

void Network::add(BaseClock* clock, codeobj_func func, bool joins)
{
    objects.push_back({clock, func, joins});
}

void Network::run(const double duration,
                  void (*)(const double, const double, const double, const double), const double)
{
    const double t_start = t, t_end = t + duration;
    std::vector<BaseClock*> clocks;
    std::vector<size_t> clock_of;
    for (auto& object : objects) {
        auto found = std::find(clocks.begin(), clocks.end(), object.clock);
        clock_of.push_back(found - clocks.begin());
        if (found == clocks.end()) clocks.push_back(object.clock);
    }
    for (BaseClock* clock : clocks) clock->set_interval(t_start, t_end);

    const size_t n_clocks = clocks.size(), n_objects = objects.size();
    std::vector<char> due(n_clocks);
    _globally_running = true;
    _globally_stopped = false;
    while (n_clocks && !_globally_stopped) {
        BaseClock* first = clocks[0];
        for (BaseClock* clock : clocks)
            if (clock->t[0] < first->t[0]) first = clock;
        if (!first->running()) break;
        const double now = t = first->t[0], horizon = now + 1e-14;
        for (size_t k = 0; k < n_clocks; k++) due[k] = clocks[k]->t[0] <= horizon;
        for (size_t k = 0; k < n_objects; k++) {
            if (!due[clock_of[k]] || !objects[k].func) continue;
#ifdef BRAINSLEEP_THREADS_H
            if (!objects[k].joins) brainsleep::threads.finish();
#endif
            objects[k].func();
        }
#ifdef BRAINSLEEP_THREADS_H
        brainsleep::threads.finish();
#endif
        for (size_t k = 0; k < n_clocks; k++)
            if (due[k]) clocks[k]->tick();
    }
    _globally_running = false;
    if (!_globally_stopped) t = t_end;
}
{% endmacro %}

{% macro h_file() %}
#ifndef _BRIAN_NETWORK_H
#define _BRIAN_NETWORK_H
#include <vector>
#include "brianlib/clocks.h"

typedef void (*codeobj_func)();

class Network
{
public:
    struct Object
    {
        BaseClock* clock;
        codeobj_func func;
        bool joins;
    };
    std::vector<Object> objects;
    double t;
    static double _last_run_time;
    static double _last_run_completed_fraction;
    static bool _globally_stopped;
    static bool _globally_running;

    Network();
    void clear();
    void add(BaseClock* clock, codeobj_func func, bool joins = false);
    void run(const double duration,
             void (*report)(const double, const double, const double, const double),
             const double report_period);
};
#endif
{% endmacro %}
