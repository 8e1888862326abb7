// Random numbers that are functions of their place: seed, step, object, call and element. So they do
// not depend on the number of threads, and nothing is drawn where nothing is used. The mixing is that
// of random.h (SplitMix64 with a second key); normal numbers are those of Box and Muller.

#ifndef BRAINSLEEP_RANDOM_CUH
#define BRAINSLEEP_RANDOM_CUH
#include <cstdint>

namespace brainsleep {

class Draws {
    uint64_t key, second;

    static __device__ uint64_t mixed(uint64_t x, uint64_t key)
    {
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL ^ key;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
        return x ^ (x >> 31);
    }

    __device__ uint64_t bits(int call, int element) const
    {
        const uint64_t place = (uint64_t)(call + 1) << 32 | (uint32_t)element;
        return mixed(key + place * 0x9e3779b97f4a7c15ULL, second);
    }

    static __device__ double scaled(uint64_t bits)
    {
        return (int64_t)(bits >> 11) * (1.0 / 9007199254740992.0);
    }

public:
    __device__ Draws(uint64_t seed, int step, int object)
    {
        const uint64_t place = (uint64_t)(object + 1) << 32 | (uint32_t)step;
        key = mixed(seed * 0x9e3779b97f4a7c15ULL + 0x632be59bd9b4e019ULL, place * 0xd1342543de82ef95ULL);
        second = mixed(key + 0x9e3779b97f4a7c15ULL, seed);
    }

    // In [0, 1).
    __device__ double uniform(int call, int element) const { return scaled(bits(2 * call, element)); }

    __device__ double normal(int call, int element) const
    {
        const double radius = sqrt(-2 * log(1 - scaled(bits(2 * call, element))));
        return radius * cospi(2 * scaled(bits(2 * call + 1, element)));
    }
};

}  // namespace brainsleep
#endif
