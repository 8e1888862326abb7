// Into how many parts loops are cut, and where.

#ifndef BRAINSLEEP_PARTS_H
#define BRAINSLEEP_PARTS_H

namespace brainsleep {

// Of much work each thread has some parts, not one: who has done its own takes of those of others.
constexpr int most_threads = 64, parts_each = 3;

// Neurons that are dealt with together, at most, and how many begin to be so at any place.
constexpr int block = 1024, grain = 256;

// How many grains so many neurons are, the last of which may have fewer.
constexpr int grains(int n) { return (n + grain - 1)/grain; }

// Before which of `n` neurons one of some parts begins: where a grain does, in every loop over them.
inline int neurons_upto(int n, int part, int n_parts)
{
    const int first = grain*(grains(n)*part/n_parts);
    return first < n ? first : n;
}

} // namespace brainsleep
#endif
