// Runs segments of many replicas of a network on a GPU. brainsleep/backends/cuda/source.py writes kernel.cuh,
// brainsleep/backends/cuda/backend.py the files that are exchanged.

#include <chrono>
#include <csignal>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>
#include "random.cuh"

struct Job {
    int blocks;  // of a replica
    char *fixed, *state, *segment, *record;
    long long fixed_size, state_size, segment_size, record_size;  // of a replica
    unsigned* waiting;  // of a replica, 32 apart
};

#ifndef WAIT_A_LITTLE
#define WAIT_A_LITTLE
#endif

// Wait for all warps of a replica, with everything they have written.
__device__ inline void wait_for_team(const Job& job, unsigned* waiting, unsigned& goal)
{
    __syncthreads();
    if (job.blocks == 1) return;
    goal += job.blocks;
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(waiting, 1u);
        while ((int)(*(volatile unsigned*)waiting - goal) < 0) { WAIT_A_LITTLE; }
        __threadfence();
    }
    __syncthreads();
}

#define PLACE_IN_TEAM \
    const int replica = blockIdx.x / job.blocks, rank = blockIdx.x % job.blocks; \
    const int lane = threadIdx.x % 32, n_warps = blockDim.x / 32 * job.blocks; \
    const int warp = threadIdx.x / 32 * job.blocks + rank; \
    char* const fixed_memory = job.fixed + replica * job.fixed_size; \
    char* const state_memory = job.state + replica * job.state_size; \
    char* const segment_memory = job.segment + replica * job.segment_size; \
    char* const record_memory = job.record + replica * job.record_size; \
    unsigned* const waiting = job.waiting + replica * 32; \
    unsigned goal = 0;
#define TEAM_SYNC wait_for_team(job, waiting, goal);

#include "kernel.cuh"

namespace {

void check(cudaError_t error, const char* what)
{
    if (error == cudaSuccess) return;
    std::cerr << what << ": " << cudaGetErrorString(error) << std::endl;
    std::_Exit(6);
}

struct File {
    FILE* handle;
    // Files are written over the pages of the last one.
    File(const std::string& path, bool writing) : handle(fopen(path.c_str(), writing ? "r+b" : "rb"))
    {
        if (!handle && writing) handle = fopen(path.c_str(), "wb");
        if (!handle) fail("cannot open", path);
    }
    static void fail(const char* what, const std::string& path)
    {
        std::cerr << what << " " << path << std::endl;
        std::_Exit(3);
    }
    void read(void* target, size_t size)
    {
        if (size && fread(target, 1, size, handle) != size) fail("truncated:", "segment.bin");
    }
    void write(const void* source, size_t size)
    {
        if (size && fwrite(source, 1, size, handle) != size) fail("cannot write (disk full?)", "state.bin");
    }
    void close()
    {
        if (fclose(handle)) fail("cannot write", "state.bin");
    }
};

// Memory on the GPU and, pinned, on the host; it grows and never shrinks.
struct Memory {
    char *device = nullptr, *host = nullptr;
    size_t room = 0;
    void grow(size_t size, const char* what)
    {
        if (size <= room) return;
        if (room) {
            check(cudaFree(device), what);
            check(cudaFreeHost(host), what);
        }
        check(cudaMalloc(&device, size), what);
        check(cudaMallocHost(&host, size), what);
        room = size;
    }
    void upload(File& file, size_t size, const char* what)
    {
        grow(size, what);
        file.read(host, size);
        check(cudaMemcpyAsync(device, host, size, cudaMemcpyHostToDevice), what);
    }
    void download(File& file, size_t size, const char* what)
    {
        check(cudaMemcpy(host, device, size, cudaMemcpyDeviceToHost), what);
        file.write(host, size);
    }
};

}  // namespace

// The files begin with numbers: replicas, blocks and threads of a replica, whether connectivity is
// given (or is still that of the last segment), sizes of the four buffers of a replica, offsets.
int main(int argc, char** argv)
{
    std::string folder = argc == 3 && std::string(argv[1]) == "--results_dir" ? argv[2] : "";
    if (folder.empty()) File::fail("usage: main --results_dir", "FOLDER/");
    signal(SIGPIPE, SIG_IGN);  // whoever started it may be gone: then there is still to clean up
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, 0), "CUDA");
    check(cudaFree(nullptr), "CUDA");  // now, and not within the first segment
    int resident = 0;
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, run_segments, max_threads, 0), "kernel");
    std::cout << properties.multiProcessorCount << " " << resident << std::endl;

    Memory fixed, state, segment, record;
    unsigned* waiting = nullptr;
    long long waiting_for = 0;
    constexpr int n_offsets = sizeof(offsets) / sizeof(offsets[0]);
    for (std::string line; std::getline(std::cin, line);) {
        File given(folder + "segment.bin", false);
        long long header[8];
        given.read(header, sizeof(header));
        const long long replicas = header[0];
        std::vector<long long> at(n_offsets);
        given.read(at.data(), n_offsets * sizeof(long long));
        check(cudaMemcpyToSymbol(offsets, at.data(), n_offsets * sizeof(long long)), "offsets");
        if (header[3]) fixed.upload(given, replicas * header[4], "memory for connectivity");
        state.upload(given, replicas * header[5], "memory for states");
        segment.upload(given, replicas * header[6], "memory for stimuli");
        record.grow(replicas * header[7], "memory for recordings");
        fclose(given.handle);
        if (replicas > waiting_for) {
            if (waiting) check(cudaFree(waiting), "memory");
            check(cudaMalloc(&waiting, replicas * 128), "memory");
            waiting_for = replicas;
        }
        check(cudaMemsetAsync(waiting, 0, replicas * 128), "memory");
        Job job{(int)header[1], fixed.device, state.device, segment.device, record.device,
                header[4], header[5], header[6], header[7], waiting};
        void* arguments[] = {&job};
        check(cudaDeviceSynchronize(), "upload");
        const auto begun = std::chrono::steady_clock::now();
        const dim3 grid((unsigned)(replicas * header[1])), threads((unsigned)header[2]);
        if (header[1] > 1)  // blocks of a replica wait for each other: all must run
            check(cudaLaunchCooperativeKernel((void*)run_segments, grid, threads, arguments, 0, 0), "launch");
        else
            check(cudaLaunchKernel((void*)run_segments, grid, threads, arguments, 0, 0), "launch");
        check(cudaDeviceSynchronize(), "segment");
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun;
        File out(folder + "state.bin", true);
        state.download(out, replicas * header[5], "state");
        record.download(out, replicas * header[7], "recording");
        out.close();
        std::cout << "0 " << seconds.count() << std::endl;
    }
    for (const char* name : {"segment.bin", "state.bin", "errors.txt"}) remove((folder + name).c_str());
    remove(folder.c_str());
    std::_Exit(0);
}
