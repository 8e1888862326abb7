// Give every array a cache line of its own to begin at: vector loads do not straddle two. Large ones
// ask for large pages, where a system has them: what spikes touch lies all over the weights, and a
// processor remembers where a few thousand pages are. A quarter of such a page is large enough.

#include <cstdlib>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>
#endif

void* operator new(std::size_t size) {
    constexpr std::size_t page = 2 << 20;
    const std::size_t unit = size >= page / 4 ? page : 64;
    const std::size_t room = (size + unit - 1) / unit * unit + (size == 0) * unit;
    void* memory = aligned_alloc(unit, room);
    if (!memory) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (unit == page) madvise(memory, room, MADV_HUGEPAGE);
#endif
    return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
