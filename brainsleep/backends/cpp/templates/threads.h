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
#include <thread>
#include <vector>

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

constexpr int most_threads = 64;

// How much work a loop must have to be shared. Each choice is tried in turns, some steps at a time, and
// in every other round in reverse order, as steps may take more and more time at first. The best is kept
// to: that by which a piece of work took the least, in the middle of what was found. It is a mean with
// what it took before: a trial may promise what does not hold if others use the machine. The more often
// it was the best, the longer it is kept to.
class Choice
{
    const uint64_t choices[4] = {UINT64_MAX, 1024, 8192, 65536};
    static constexpr int n_choices = 4, rounds = 6, trial = 32, soon = 8192, late = 1 << 17;
    int choice = n_choices - 1, turn = 0, left = trial;  // steps until it is thought over; the first do not count
    int best = -1, keep = soon;  // the last choice, and for how many steps
    bool warm = false, trying = true;
    uint64_t pieces = 0;
    double begun = 0, tried[n_choices][rounds], took[n_choices] = {};

    void think()
    {
        const double now = seconds_now(), each = (now - begun)/(1 + pieces);
        begun = now;
        pieces = 0;
        if (!warm) warm = true;
        else if (!trying) {
            took[choice] = (took[choice] + each)/2;
            trying = true;
            turn = 0;
        } else {
            tried[choice][turn/n_choices] = each;
            if (++turn == n_choices*rounds) {
                choose();
                return;
            }
        }
        choice = turn/n_choices % 2 ? n_choices - 1 - turn % n_choices : turn % n_choices;
        left = trial;
    }

    void choose()
    {
        for (int k = 0; k < n_choices; k++) {
            std::sort(tried[k], tried[k] + rounds);
            const double found = (tried[k][rounds/2 - 1] + tried[k][rounds/2])/2;  // the median
            took[k] = took[k] ? (took[k] + found)/2 : found;
        }
        choice = std::min_element(took, took + n_choices) - took;
        keep = choice != best ? soon : 2*keep < late ? 2*keep : late;
        best = choice;
        trying = false;
        left = keep;
    }

public:
    bool shares(uint64_t items)
    {
        pieces += items;
        return items >= choices[choice];
    }

    // At the end of a step.
    void step()
    {
        if (--left == 0) think();
    }
};

class Threads
{
    static constexpr double awake = 2e-4;  // seconds that a thread looks for work before it sleeps
    std::vector<std::thread> others;
    std::atomic<uint64_t> turn{0};  // of the work that is to be done
    std::atomic<int> left{0};       // threads that have not done their part of it
    std::atomic<int> asleep{0};
    std::mutex door;
    std::condition_variable bell;
    void (*call)(const void*, int, int) = nullptr;
    const void* work = nullptr;

    void serve(int part, uint64_t done)
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
            call(work, part, n);
            left.fetch_sub(1, std::memory_order_release);
        }
    }

public:
    int n = 1;  // with the one that asks
    Choice choice;

    // Does `items` pieces of work, by one thread or by all: work(part, n_parts).
    template <class Work> void run(uint64_t items, const Work& work)
    {
        if (n == 1 || !choice.shares(items)) work(0, 1);
        else together(work);
    }

    // Has all parts of a piece of work done: work(part, n_parts).
    template <class Work> void together(const Work& todo)
    {
        for (int part = others.size() + 1; part < n; part++)
            others.emplace_back(&Threads::serve, this, part, turn.load());
        work = &todo;
        call = [](const void* what, int part, int parts) { (*(const Work*)what)(part, parts); };
        left.store(n - 1, std::memory_order_relaxed);
        turn.fetch_add(1);  // in this order: a thread that goes to sleep sees it, or is seen
        if (asleep.load()) {
            { std::lock_guard<std::mutex> lock(door); }
            bell.notify_all();
        }
        todo(0, n);
        for (int looks = 1; left.load(std::memory_order_acquire); looks++) {
            rest_a_moment();
            if (looks % 4096 == 0) std::this_thread::yield();
        }
    }
};

extern Threads threads;

// What refractory neurons have, while it is changed with that of all others; a thread keeps that of
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
        const auto look = [&](int end) {
            for (; k < end; k++)
                if (!is_free[k]) {
                    neurons.push_back(k);
                    values.push_back(from[k]);
                }
        };
        while (k + 8 <= n) {
            uint64_t eight;
            memcpy(&eight, is_free + k, 8);
            if (eight == 0x0101010101010101) k += 8;
            else look(k + 8);
        }
        look(n);
    }

    void give_back(T* to) const
    {
        for (size_t k = 0; k < neurons.size(); k++) to[neurons[k]] = values[k];
    }
};

} // namespace brainsleep
#endif
