// Give every array a cache line of its own to begin at: vector loads do not straddle two.

#include <cstdlib>
#include <new>

void* operator new(std::size_t size) {
    void* memory = aligned_alloc(64, (size + 63) / 64 * 64 + (size == 0) * 64);
    if (!memory) throw std::bad_alloc();
    return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
