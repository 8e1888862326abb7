// Threads that share the work of a loop, and whether they should.
//
// A loop is cut into parts that write nothing in common, so that its results do not depend on how
// many threads there are, nor on whether they are used. That is decided by measuring: each loop
// tries both, for every order of magnitude of its work, and then keeps to what took less time. A
// thread that waits for work looks for it all the time at first, and sleeps if none comes.

#ifndef BRAINSLEEP_THREADS_H
#define BRAINSLEEP_THREADS_H
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

class Share
{
    static constexpr int least = 1024, trials = 4, again = 1024;
    struct Size { double took[2]; uint32_t tried[2]; uint32_t calls; } sizes[32] = {};

public:
    // Does `items` pieces of work, by one thread or by all: work(part, n_parts).
    template <class Work> void run(uint64_t items, const Work& work)
    {
        if (threads.n == 1 || items < least) {
            work(0, 1);
            return;
        }
        int order = 0;
        for (uint64_t rest = items; rest > 1 && order < 31; rest >>= 1) order++;
        Size& size = sizes[order];
        int how = size.took[1] < size.took[0];
        for (int k = 1; k >= 0; k--)
            if (size.tried[k] < trials) how = k;
        const bool other = ++size.calls % again == 0;
        if (other) how = !how;
        if (size.tried[how] >= trials && !other && size.calls % 16) {  // not timed
            if (how) threads.together(work);
            else work(0, 1);
            return;
        }
        const double begun = seconds_now();
        if (how) threads.together(work);
        else work(0, 1);
        const double each = (seconds_now() - begun)/items;
        if (size.tried[how]++ == 0) return;  // the first finds nothing in the cache
        double& took = size.took[how];
        took = !took ? each : each < took ? each : 0.9*took + 0.1*each;
    }
};

// What refractory neurons have, while it is changed with that of all others.
template <class T> class Kept
{
    std::vector<int32_t> neurons;
    std::vector<T> values;

public:
    void keep(const T* from, const char* is_free, int n)
    {
        neurons.clear();
        values.clear();
        int k = 0;
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
