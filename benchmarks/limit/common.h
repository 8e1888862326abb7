// What the hand-written programs share: reading a network's file, and random bits by number.

#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

template <class T> T read_one(FILE* file) {
    T value;
    if (fread(&value, sizeof(T), 1, file) != 1) { fprintf(stderr, "truncated\n"); exit(2); }
    return value;
}

template <class T> std::vector<T> read_many(FILE* file) {
    std::vector<T> values(read_one<int64_t>(file));
    if (!values.empty() && fread(values.data(), sizeof(T), values.size(), file) != values.size()) {
        fprintf(stderr, "truncated\n");
        exit(2);
    }
    return values;
}

inline uint32_t mixed(uint32_t x) {
    x ^= x >> 16; x *= 0x7feb352dU;
    x ^= x >> 15; x *= 0x846ca68bU;
    return x ^ (x >> 16);
}
