// Eight elements at a time, a byte each.

#ifndef BRAINSLEEP_EIGHT_H
#define BRAINSLEEP_EIGHT_H
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace brainsleep {
namespace eight {
constexpr uint64_t high = 0x8080808080808080, not_few = 0xf8f8f8f8f8f8f8f8;  // more than seven
constexpr int line = 64;  // elements that are read together

inline uint64_t from(const void* bytes)
{
    uint64_t all;
    memcpy(&all, bytes, 8);
    return all;
}

// Which are true, by bit.
inline int which(uint64_t true_or_not) { return true_or_not*0x0102040810204080 >> 56; }

// Which are at least `least`, one or more.
inline int which(uint64_t bytes, int least)
{
    const uint64_t found = (((bytes & ~high) + ~high - (least - 1)*(uint64_t)0x0101010101010101) | bytes) & high;
    return which(found >> 7);
}

// The places of those that are meant, one after the other.
struct Places
{
    uint16_t of[256][8] = {};

    constexpr Places()
    {
        for (int bits = 0; bits < 256; bits++)
            for (int k = 0, n = 0; k < 8; k++)
                if (bits >> k & 1) of[bits][n++] = k;
    }

    // Writes those of the eight from `first` on to a list that has room for eight more; returns how
    // many they are.
    template <class Number> int add(Number* list, int bits, int first) const
    {
        typedef uint16_t Row __attribute__((vector_size(16)));
        typedef Number Found __attribute__((vector_size(8*sizeof(Number))));
        Row row;
        memcpy(&row, of[bits], sizeof(row));
        const Found found = __builtin_convertvector(row, Found) + (Number)first;
        memcpy(list, &found, sizeof(found));
        return __builtin_popcount(bits);
    }
};
static constexpr Places places{};

// Writes those of the elements `from` to `upto` that are true to a list that has room for eight more;
// returns how many they are. There are elements up to the end of a line, and those are false.
inline int list_true(const char* true_or_not, int from, int upto, int32_t* list)
{
    int n = 0;
    for (int k = from; k < upto; k += line) {
        uint64_t any = 0;
        for (int j = k; j < k + line; j += 8) any |= eight::from(true_or_not + j);
        if (!any) continue;
        for (int j = k; j < k + line; j += 8) n += places.add(list + n, which(eight::from(true_or_not + j)), j);
    }
    return n;
}

// How many of so many elements are true.
inline size_t how_many(const char* true_or_not, size_t n)
{
    size_t sum = 0, k = 0;
    for (; k + 8 <= n; k += 8) sum += __builtin_popcountll(from(true_or_not + k));
    for (; k < n; k++) sum += true_or_not[k];
    return sum;
}
} // namespace eight
} // namespace brainsleep
#endif
