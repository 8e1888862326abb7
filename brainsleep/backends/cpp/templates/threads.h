// Threads that share the work of a loop, and whether they should.
//
// A loop is cut into parts that write nothing in common, so that its results do not depend on how
// many threads there are, nor on whether they are used. That is decided by measuring whole steps. A
// thread that waits for work looks for it all the time at first, and sleeps if none comes.

#ifndef BRAINSLEEP_THREADS_H
#define BRAINSLEEP_THREADS_H
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <numeric>
#include <sys/mman.h>
#include <thread>
#include <type_traits>
#include <vector>
#include "parts.h"

namespace brainsleep {

inline double seconds_now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline void rest_a_moment()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

// Pieces of work of which each thread has more parts than one.
constexpr uint64_t much = 1 << 17;

// What a program has learnt about its own speed. Its copies, which run one segment each, share it.
template <class T> T& learnt()
{
    void* const room = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return *(room == MAP_FAILED ? new T() : new (room) T());
}

// Of trials of several ways to do the same: the next one comes after so many steps at the earliest, and
// they take this fraction of the time at most.
constexpr uint64_t soon = 8192;
constexpr double fraction = 0.02;

// In the middle of what trials found: others may use the machine for a while.
inline double median(double* found, int n)
{
    std::sort(found, found + n);
    return (found[(n - 1)/2] + found[n/2])/2;
}

// How much work a loop must have to be shared. Each choice is tried in turns, some steps at a time, and
// in every other round in reverse order, as steps may take more and more time at first. What counts is how
// long a piece of work took, in the middle of what was found. It is a mean with what it took before, if
// that was less: a trial may go wrong if others use the machine. Of the choices that took about as little
// as the best the first is kept to: what a trial finds differs by so much. The second one
// follows soon, as memory may have been cold; from then on trials take a fiftieth of the time at most.
class Choice
{
    const uint64_t choices[4] = {UINT64_MAX, 8192, 1024, 65536};
    static constexpr int n_choices = 4, rounds = 6, trial = 32, least = 6, first = 8;
    static constexpr double enough = 5e-3;  // seconds that are enough to tell
    static constexpr double about = 1.05;   // times the least
    int choice = 0, turn = 0;
    uint64_t steps = 0;          // of this turn, or since there was a choice
    int ignored = first;         // steps that do not count: memory is new, or threads are asleep
    bool trying = true, is_first = true;
    uint64_t pieces = 0, counted = 0;  // of work; and those of steps that count
    double begun = 0, spent = 0, all_spent = 0;  // in this turn, and in all of a trial
    double tried[n_choices][rounds], took[n_choices] = {};

    void next_turn()
    {
        const double each = spent/(1 + pieces);
        if (!trying) {
            took[choice] = (took[choice] + each)/2;
            trying = true;
            turn = all_spent = 0;
        } else {
            tried[choice][turn/n_choices] = each;
            all_spent += spent;
            turn++;
        }
        if (turn == n_choices*rounds) choose();
        else choice = turn/n_choices % 2 ? n_choices - 1 - turn % n_choices : turn % n_choices;
        steps = 0;
        ignored = 2;
        pieces = counted = 0;
        spent = 0;
    }

    void choose()
    {
        for (int k = 0; k < n_choices; k++) {
            const double found = median(tried[k], rounds);
            took[k] = took[k] && took[k] < found ? (took[k] + found)/2 : found;
        }
        const double best = *std::min_element(took, took + n_choices);
        choice = std::find_if(took, took + n_choices, [&](double each) { return each <= about*best; }) - took;
        trying = false;
        if (is_first) all_spent = 0;
        is_first = false;
    }

public:
    void begin_segment() { ignored = first; }

    bool shares(uint64_t items)
    {
        pieces += items;
        return items >= choices[choice];
    }

    // At the end of a step.
    void step()
    {
        const double now = seconds_now(), last = begun;
        begun = now;
        if (ignored) {
            ignored--;
            pieces = counted;
            return;
        }
        spent += now - last;
        counted = pieces;
        steps++;
        if (trying ? steps >= trial || (steps >= least && spent > enough) : steps >= soon && fraction*spent >= all_spent) next_turn();
    }
};

// Elements of what the parts of a loop are: none reads or writes anything of another part. Where spikes
// arrive after a delay, the parts of a loop over synapses may be those of loops over the neurons they reach.
enum class Parts { neurons, arriving, synapses, notes };

class Threads
{
    // A function to be called later, kept in place: there is one for every loop in every step.
    template <class... Given> class Call
    {
        alignas(16) unsigned char room[128];
        void (*call)(const void*, Given...) = nullptr;

    public:
        Call(std::nullptr_t) {}
        template <class What> Call(const What& what)
            : call([](const void* kept, Given... given) { (*(const What*)kept)(given...); })
        {
            static_assert(sizeof(What) <= sizeof(room) && std::is_trivially_destructible<What>::value, "small and plain");
            memcpy((void*)room, &what, sizeof(What));
        }

        explicit operator bool() const { return call; }
        void operator()(Given... given) const { call(room, given...); }
    };
    struct Loop
    {
        uint64_t items;
        const char* of;  // what has the elements
        Call<int, int> work;
        Call<double> after;
        bool is_timed;
    };
    std::vector<Loop> waiting;   // to be done together: nobody waits between one and the next
    std::vector<Loop> prepared;  // and before all of them
    std::vector<double> took;  // seconds, by loop and part
    Parts kind = Parts::neurons;
    int most = parts_each;     // parts that a thread may have of what waits
    static constexpr double awake = 2e-4;  // seconds that a thread looks for work before it sleeps
    struct alignas(64) Begun { std::atomic<int> parts{0}; };
    std::vector<std::thread> others;
    std::atomic<uint64_t> turn{0};  // of the work that is to be done
    std::atomic<int> left{0};       // threads that have not come to its end
    Begun begun[most_threads];      // of the parts of each thread
    int each = 1;                   // how many it has
    std::atomic<int> asleep{0};
    std::mutex door;
    std::condition_variable bell;
    void (*call)(const void*, int, int) = nullptr;
    const void* work = nullptr;

    template <class Which> bool is_waiting(const Which& which) const { return std::any_of(waiting.begin(), waiting.end(), which); }

    void do_all(std::vector<Loop>& loops, int most)
    {
        uint64_t items = 0;
        for (const Loop& loop : loops) items += loop.items;
        took.assign(loops.size()*n*parts_each, 0);
        together(items, [&](int part, int parts) {
            for (size_t k = 0; k < loops.size(); k++)
                if (!loops[k].is_timed) loops[k].work(part, parts);
                else timed([&] { loops[k].work(part, parts); }, [&](double seconds) { took[k*n*parts_each + part] = seconds; });
        }, most);
        for (size_t k = 0; k < loops.size(); k++)
            if (loops[k].after)
                loops[k].after(std::accumulate(&took[k*n*parts_each], &took[(k + 1)*n*parts_each], 0.0)/n);
        loops.clear();
    }

    void do_parts(int thread)
    {
        for (int k = 0; k < n; k++) {
            const int owner = (thread + k) % n;
            for (int part; (part = begun[owner].parts.fetch_add(1, std::memory_order_relaxed)) < each;)
                call(work, owner*each + part, n*each);
        }
    }

    void serve(int thread, uint64_t done)
    {
        for (;;) {
            double until = 0;
            for (int looks = 1; turn.load(std::memory_order_acquire) == done; looks++) {
                rest_a_moment();
                if (looks % 1024) continue;
                const double now = seconds_now();
                if (!until) until = now + awake;
                if (now < until) continue;
                std::unique_lock<std::mutex> lock(door);
                asleep++;
                bell.wait(lock, [&] { return turn.load() != done; });
                asleep--;
            }
            done++;
            do_parts(thread);
            left.fetch_sub(1, std::memory_order_release);
        }
    }

    template <class Work> static void timed(const Work& work, std::nullptr_t) { work(); }
    template <class Work, class After> static void timed(const Work& work, const After& after)
    {
        const double begun = seconds_now();
        work();
        after(seconds_now() - begun);
    }

public:
    int n = 1;  // with the one that asks
    Choice& choice = learnt<Choice>();

    // Before a loop that may wait for others, over parts of this kind. If its object does something at
    // once that loops over some elements would notice, these are done first. A thread may have so many
    // parts of it.
    void joins(Parts parts, const char* noticed_by = "", int most_each = parts_each)
    {
        const bool fits = parts == kind || (parts == Parts::arriving && kind != Parts::notes);
        if (!fits || (*noticed_by && is_waiting([&](const Loop& loop) { return !strcmp(loop.of, noticed_by); }))) finish();
        most = waiting.empty() ? most_each : std::min(most, most_each);
        if (waiting.empty() || kind != Parts::synapses) kind = parts;
    }

    // Has a loop over parts of some elements wait, or does it if it is not to be shared out; then says
    // how long it took, if that is asked for: work(part, n_parts), after(seconds). What comes after may
    // change these elements: another loop over them waits for it.
    template <class Work> void add(uint64_t items, const char* of, const Work& work) { add(items, of, work, nullptr, false); }
    template <class Work, class After> void add(uint64_t items, const char* of, const Work& work, const After& after, bool is_timed = true)
    {
        settle(of);
        const bool alone = n == 1 || (!choice.shares(items) && waiting.empty() && prepared.empty());
        if (alone) timed([&] { work(0, 1); }, after);
        else waiting.push_back({items, of, work, after, is_timed});
    }

    // Before something at once that notices what comes after loops over some elements.
    void settle(const char* of)
    {
        if (is_waiting([&](const Loop& loop) { return loop.after && !strcmp(loop.of, of); })) finish();
    }

    // Has a loop done before the one that is added next.
    template <class Work, class After> void prepare(uint64_t items, const Work& work, const After& after)
    {
        if (n > 1 && (choice.shares(items) || !prepared.empty())) prepared.push_back({items, "", work, after, true});
        else timed([&] { work(0, 1); }, after);
    }

    // Does all that waits. Every object does so before it begins, but for those that join.
    void finish()
    {
        if (waiting.empty()) return;
        if (!prepared.empty()) do_all(prepared, parts_each);
        do_all(waiting, most);
    }

    // Does `items` pieces of work at once, by one thread or by all: work(part, n_parts).
    template <class Work> void run(uint64_t items, const Work& work) { run(items, work, nullptr); }
    template <class Work, class After> void run(uint64_t items, const Work& work, const After& after)
    {
        timed([&] { n == 1 || !choice.shares(items) ? work(0, 1) : together(items, work); }, after);
    }

    // Has all parts of so much work done: work(part, n_parts).
    template <class Work> void together(uint64_t items, const Work& todo, int most_each = parts_each)
    {
        each = items < much ? 1 : most_each;
        for (int thread = others.size() + 1; thread < n; thread++)
            others.emplace_back(&Threads::serve, this, thread, turn.load());
        work = &todo;
        call = [](const void* what, int part, int parts) { (*(const Work*)what)(part, parts); };
        for (int thread = 0; thread < n; thread++) begun[thread].parts.store(0, std::memory_order_relaxed);
        left.store(n - 1, std::memory_order_relaxed);
        turn.fetch_add(1);  // in this order: a thread that goes to sleep sees it, or is seen
        if (asleep.load()) {
            { std::lock_guard<std::mutex> lock(door); }
            bell.notify_all();
        }
        do_parts(0);
        for (int looks = 1; left.load(std::memory_order_acquire); looks++) {
            rest_a_moment();
            if (looks % 4096 == 0) std::this_thread::yield();
        }
    }
};

extern Threads threads;

// What refractory neurons have, while it is changed with that of all others; each part keeps that of
// the neurons that it changes.
template <class T> class alignas(64) Kept
{
    std::vector<int32_t> neurons;
    std::vector<T> values;

public:
    // Of the neurons `k` to `n`.
    void keep(const T* from, const char* is_free, int k, int n)
    {
        neurons.clear();
        values.clear();
        const auto look = [&](int neuron) {
            neurons.push_back(neuron);
            values.push_back(from[neuron]);
        };
        for (; k + 8 <= n; k += 8) {
            uint64_t eight;
            memcpy(&eight, is_free + k, 8);
            for (eight = ~eight & 0x0101010101010101; eight; eight &= eight - 1) look(k + __builtin_ctzll(eight)/8);
        }
        for (; k < n; k++)
            if (!is_free[k]) look(k);
    }

    void give_back(T* to) const
    {
        for (size_t k = 0; k < neurons.size(); k++) to[neurons[k]] = values[k];
    }
};

} // namespace brainsleep
#endif
