// Random numbers of a segment: a counter, its bits mixed under a key that comes from the seed.
//
// The mixing is that of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195) with a
// second key between its two multiplications, so that two seeds give two different sequences and
// not two places in one. Normal numbers: the ziggurat of Marsaglia and Tsang (2000,
// doi:10.18637/jss.v005.i08), here with 53 random bits.

#ifndef BRAINSLEEP_RANDOM_H
#define BRAINSLEEP_RANDOM_H
#include <cmath>
#include <cstdint>

namespace brainsleep {

class Random {
    uint64_t counter = 0, key = 0;
    // Layers of equal area under exp(-x*x/2): right edges and heights.
    static constexpr int layers = 256;
    static constexpr double tail = 3.6541528853610088, area = 0.00492867323399;
    double edge[layers + 1], height[layers + 1];

    static uint64_t folded(uint64_t x, int shift) { return x ^ (x >> shift); }

    double beyond() { // Marsaglia's method for the tail
        double x, y;
        do {
            x = -std::log(1 - uniform()) / tail;
            y = -std::log(1 - uniform());
        } while (2 * y < x * x);
        return tail + x;
    }

public:
    Random() {
        edge[0] = area / std::exp(-tail * tail / 2); // the base layer: a box and the tail
        edge[1] = tail;
        height[0] = 0;
        height[1] = std::exp(-tail * tail / 2);
        for (int k = 1; k < layers; k++) {
            height[k + 1] = height[k] + area / edge[k];
            edge[k + 1] = k + 1 < layers ? std::sqrt(-2 * std::log(height[k + 1])) : 0;
        }
    }

    void seed(uint64_t value) {
        key = 0;
        counter = value;
        counter = bits();
        key = bits();
    }

    uint64_t bits() {
        uint64_t x = counter += 0x9e3779b97f4a7c15ULL;
        x = folded(x, 30) * 0xbf58476d1ce4e5b9ULL ^ key;
        x = folded(x, 27) * 0x94d049bb133111ebULL;
        return folded(x, 31);
    }

    // In [0, 1).
    double uniform() { return (bits() >> 11) * (1.0 / 9007199254740992.0); }

    double normal() {
        for (;;) {
            const uint64_t drawn = bits();
            const int layer = drawn & 255;
            const double x = (int64_t(drawn) >> 11) * (1.0 / 4503599627370496.0) * edge[layer];
            if (std::fabs(x) < edge[layer + 1]) return x;
            if (layer == 0) return x < 0 ? -beyond() : beyond();
            const double y = height[layer] + uniform() * (height[layer + 1] - height[layer]);
            if (y < std::exp(-x * x / 2)) return x;
        }
    }
};

extern Random random_numbers;

} // namespace brainsleep
#endif
