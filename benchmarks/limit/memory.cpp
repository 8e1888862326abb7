// What memory gives a program: bytes a second where they are wanted one after the other, and the time
// of a change somewhere among them. The second is what a postsynaptic spike does to the weights of
// the synapses that reach it; the first, what a presynaptic one does.
//
//   memory MEGABYTES
//
// Prints gigabytes a second, read and written, and nanoseconds of a change.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

double now() {
    return std::chrono::duration<double>(
        std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline float bounded(float value) { return value < 0 ? 0 : value > 1 ? 1 : value; }

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) { fprintf(stderr, "usage: memory MEGABYTES\n"); return 2; }
    const size_t n = (size_t)atol(argv[1]) * (1 << 20) / sizeof(float);
    std::vector<float> weights(n, 0.5f);
    double best = 1e9, each = 1e9;
    for (int round = 0; round < 5; round++) {
        const double begun = now();
        for (size_t k = 0; k < n; k++) weights[k] = bounded(weights[k] + 1e-3f);
        const double took = now() - begun;
        best = took < best ? took : best;
    }
    const size_t changes = 1 << 21;
    std::vector<uint32_t> places(changes);
    uint64_t bits = 1;
    for (uint32_t& place : places) {
        bits = bits * 6364136223846793005ULL + 1442695040888963407ULL;
        place = (bits >> 33) % n;
    }
    for (int round = 0; round < 5; round++) {
        const double begun = now();
        for (uint32_t place : places) weights[place] = bounded(weights[place] - 1e-3f);
        const double took = (now() - begun) / changes;
        each = took < each ? took : each;
    }
    printf("%.6g %.6g\n", 2 * n * sizeof(float) / best / 1e9, 1e9 * each);
}
