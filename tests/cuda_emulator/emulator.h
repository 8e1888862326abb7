// Enough of CUDA to run a program on one CPU core, slowly, where there is no GPU: every CUDA thread is
// a fibre that goes on until it waits for others. Compile with
//     g++ -x c++ -std=c++17 -include emulator.h segments.cu

#ifndef EMULATOR_H
#define EMULATOR_H
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <ucontext.h>
#include <vector>

#define __device__
#define __host__
#define __global__
#define __constant__ static
#define __shared__ static
#define __launch_bounds__(...)
using std::max;
using std::min;

struct dim3 {
    unsigned x;
    dim3(unsigned x = 1) : x(x) {}
};

namespace emulator {

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    unsigned block, index;
    unsigned in_block = 0, in_warp = 0;  // how many times it has waited for its block, its warp
    bool vote = false, done = false;
};

inline ucontext_t main_context;
inline std::vector<Thread> threads;
inline Thread* current;
inline unsigned block_size;
inline std::function<void()> body;

inline void yield() { swapcontext(&current->context, &main_context); }

template <class Same, class Count> void wait(Same same, Count count)
{
    const unsigned goal = ++(current->*count);
    for (;;) {
        bool all = true;
        for (Thread& t : threads) all = all && (!same(t) || t.done || t.*count >= goal);
        if (all) return;
        yield();
    }
}

inline bool my_block(const Thread& t) { return t.block == current->block; }
inline bool my_warp(const Thread& t) { return my_block(t) && t.index / 32 == current->index / 32; }

inline void enter()
{
    body();
    current->done = true;
    yield();
}

// Blocks that wait for each other run at the same time, others one after the other.
inline void run(unsigned first, unsigned last)
{
    threads = std::vector<Thread>((last - first) * block_size);
    for (size_t k = 0; k < threads.size(); k++) {
        Thread& t = threads[k];
        t.block = first + k / block_size;
        t.index = k % block_size;
        t.stack.reset(new char[1 << 17]);
        getcontext(&t.context);
        t.context.uc_stack.ss_sp = t.stack.get();
        t.context.uc_stack.ss_size = 1 << 17;
        t.context.uc_link = &main_context;
        makecontext(&t.context, enter, 0);
    }
    for (bool left = true; left;) {
        left = false;
        for (Thread& t : threads)
            if (!t.done) {
                current = &t;
                swapcontext(&main_context, &t.context);
                left = true;
            }
    }
}

struct Index {
    unsigned Thread::*member;
    operator unsigned() const { return current->*member; }
};

}  // namespace emulator

inline struct { emulator::Index x{&emulator::Thread::index}; } threadIdx;
inline struct { emulator::Index x{&emulator::Thread::block}; } blockIdx;
inline struct {
    struct { operator unsigned() const { return emulator::block_size; } } x;
} blockDim;

inline void __syncthreads() { emulator::wait(emulator::my_block, &emulator::Thread::in_block); }
inline void __syncwarp() { emulator::wait(emulator::my_warp, &emulator::Thread::in_warp); }
inline void __threadfence() { emulator::yield(); }
inline unsigned __ballot_sync(unsigned, bool vote)
{
    emulator::current->vote = vote;
    __syncwarp();
    unsigned bits = 0;
    for (emulator::Thread& t : emulator::threads)
        if (emulator::my_warp(t)) bits |= (unsigned)t.vote << (t.index % 32);
    __syncwarp();
    return bits;
}
struct uint2 { unsigned x, y; };
template <class T> T __ldg(const T* at) { return *at; }
inline unsigned atomicAdd(unsigned* at, unsigned value) { return (*at += value) - value; }
inline int __ffs(unsigned x) { return __builtin_ffs(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline double cospi(double x) { return cos(3.14159265358979323846 * x); }
#define WAIT_A_LITTLE emulator::yield()

// -- the runtime's functions ------------------------------------------------------------------

typedef int cudaError_t;
enum { cudaSuccess, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
struct cudaDeviceProp { int multiProcessorCount; };
inline const char* cudaGetErrorString(cudaError_t) { return "emulator"; }
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) { p->multiProcessorCount = 4; return 0; }
template <class F> cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* n, F, int, int) { *n = 1; return 0; }
template <class T> cudaError_t cudaMalloc(T** at, size_t size) { *at = (T*)malloc(size); memset(*at, 0xa5, size); return 0; }
template <class T> cudaError_t cudaMallocHost(T** at, size_t size) { return cudaMalloc(at, size); }
inline cudaError_t cudaFree(void* at) { free(at); return 0; }
inline cudaError_t cudaFreeHost(void* at) { free(at); return 0; }
inline cudaError_t cudaMemcpy(void* to, const void* from, size_t size, int) { memcpy(to, from, size); return 0; }
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size, int) { memcpy(to, from, size); return 0; }
template <class T> cudaError_t cudaMemcpyToSymbol(T& to, const void* from, size_t size) { memcpy(&to, from, size); return 0; }
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t size) { memset(to, value, size); return 0; }
inline cudaError_t cudaDeviceSynchronize() { return 0; }

template <class Job> cudaError_t launch(void (*kernel)(Job), dim3 grid, dim3 size, void** arguments, bool together)
{
    emulator::block_size = size.x;
    const Job job = *(Job*)arguments[0];
    emulator::body = [=]() { kernel(job); };
    for (unsigned block = 0; block < grid.x; block += together ? grid.x : 1)
        emulator::run(block, together ? grid.x : block + 1);
    return 0;
}
struct Job;
inline cudaError_t cudaLaunchKernel(void* kernel, dim3 grid, dim3 size, void** arguments, int, int);
inline cudaError_t cudaLaunchCooperativeKernel(void* kernel, dim3 grid, dim3 size, void** arguments, int, int);
#define cudaLaunchKernel(kernel, ...) launch((void (*)(const Job))(kernel), EMULATOR_FIRST4(__VA_ARGS__), false)
#define cudaLaunchCooperativeKernel(kernel, ...) launch((void (*)(const Job))(kernel), EMULATOR_FIRST4(__VA_ARGS__), true)
#define EMULATOR_FIRST4(grid, size, arguments, ...) grid, size, arguments
#endif
