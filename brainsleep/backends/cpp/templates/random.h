// Random numbers of a segment: a counter, its bits mixed under a key that comes from the seed.
//
// The mixing is that of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195) with a
// second key between its two multiplications, so that two seeds give two different sequences and
// not two places in one. A number depends on its place in the sequence alone: loops that draw many
// can be vectorised. Normal numbers are those of Box and Muller (1958,
// doi:10.1214/aoms/1177706645).

#ifndef BRAINSLEEP_RANDOM_H
#define BRAINSLEEP_RANDOM_H
#include <cstdint>
#include <cstring>
#include "vector_math.h"

namespace brainsleep {

// A place in the sequence of a key.
class Sequence {
    uint64_t counter = 0, key = 0;

    static uint64_t mixed(uint64_t x, uint64_t key) {
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL ^ key;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
        return x ^ (x >> 31);
    }

    static double scaled(uint64_t bits) { return int64_t(bits >> 11) * (1.0 / 9007199254740992.0); }

public:
    void seed(uint64_t value) {
        key = 0;
        counter = value;
        counter = bits();
        key = bits();
    }

    uint64_t bits() {
        counter += 0x9e3779b97f4a7c15ULL;
        return mixed(counter, key);
    }

    // In [0, 1).
    double uniform() { return scaled(bits()); }

    void skip(uint64_t n) { counter += n * 0x9e3779b97f4a7c15ULL; }

    void fill_uniform(double* __restrict out, int n) {
        const uint64_t from = counter, with = key;
        for (int k = 0; k < n; k++) out[k] = scaled(mixed(from + (k + 1) * 0x9e3779b97f4a7c15ULL, with));
        skip(n);
    }
};

class Random : public Sequence {
    static constexpr int block = 256; // normal numbers made at a time, in pairs
    double ready[block];
    int used = block;

    void make_block(double* __restrict out) {
        constexpr int pairs = block / 2;
        double u[block], radius[pairs];
        fill_uniform(u, block);
        for (int k = 0; k < pairs; k++) radius[k] = std::sqrt(-2 * ::log(1 - u[k]));
        for (int k = pairs; k < block; k++) u[k] *= 6.283185307179586;
        for (int k = 0; k < pairs; k++) out[k] = radius[k] * ::cos(u[pairs + k]);
        for (int k = 0; k < pairs; k++) out[pairs + k] = radius[k] * ::sin(u[pairs + k]);
    }

public:
    void seed(uint64_t value) {
        Sequence::seed(value);
        used = block;
    }

    double normal() {
        if (used == block) {
            make_block(ready);
            used = 0;
        }
        return ready[used++];
    }

    void fill_normal(double* __restrict out, int n) {
        while (n > 0) {
            if (used == block) {
                make_block(ready);
                used = 0;
            }
            const int some = n < block - used ? n : block - used;
            std::memcpy(out, ready + used, some * sizeof(double));
            out += some;
            used += some;
            n -= some;
        }
    }
};

extern Random random_numbers;

} // namespace brainsleep
#endif
