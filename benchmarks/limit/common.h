// What the hand-written programs share: their scalar type, reading a network's file, and random
// bits by number. `-DREAL=double` computes in double precision.

#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#ifndef REAL
#define REAL float
#endif
using Real = REAL;

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

// Reads numbers of double precision without holding them all.
inline std::vector<Real> read_reals(FILE* file) {
    std::vector<Real> values(read_one<int64_t>(file));
    double piece[4096];
    for (size_t done = 0; done < values.size();) {
        const size_t left = values.size() - done, n = left < 4096 ? left : 4096;
        if (fread(piece, sizeof(double), n, file) != n) { fprintf(stderr, "truncated\n"); exit(2); }
        for (size_t k = 0; k < n; k++) values[done + k] = Real(piece[k]);
        done += n;
    }
    return values;
}

inline uint32_t mixed(uint32_t x) {
    x ^= x >> 16; x *= 0x7feb352dU;
    x ^= x >> 15; x *= 0x846ca68bU;
    return x ^ (x >> 16);
}
