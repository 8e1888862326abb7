// Into how many parts loops are cut, and where.

#ifndef BRAINSLEEP_PARTS_H
#define BRAINSLEEP_PARTS_H

namespace brainsleep {

// Of much work each thread has some parts, not one: who has done its own takes of those of others.
constexpr int most_threads = 64, parts_each = 3;

// Neurons that are dealt with together.
constexpr int block = 1024;

// Before which of `n` neurons one of some parts begins: where a block does, in every loop over them.
inline int neurons_upto(int n, int part, int n_parts)
{
    const int n_blocks = (n + block - 1)/block, first = block*(n_blocks*part/n_parts);
    return first < n ? first : n;
}

} // namespace brainsleep
#endif
