// Reading and writing the arrays of a file that is handed over. Large ones are copied by all threads,
// from the pages of the file and to them.

#ifndef BRAINSLEEP_HAND_OVER_H
#define BRAINSLEEP_HAND_OVER_H
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#if !defined(MAP_POPULATE)
#define MAP_POPULATE 0
#endif

namespace brainsleep {

constexpr size_t page = 4096, large = 4 << 20;  // bytes

// Has all threads do a part of some bytes each: work(begin, end).
template <class Work> void of_bytes(size_t n, const Work& work)
{
#ifdef BRAINSLEEP_THREADS_H
    threads.together(much, [&](int part, int parts) { work(n/parts*part, part + 1 == parts ? n : n/parts*(part + 1)); });
#else
    work(0, n);
#endif
}

// Where a file is now, so many bytes of it in memory; null if it cannot be. It goes on after them.
class Pages
{
    char* begin = nullptr;
    size_t size = 0;

public:
    char* bytes = nullptr;

    Pages(FILE* file, size_t n, int allowed)
    {
        const long at = ftell(file), before = at % page;
        void* const found = mmap(nullptr, size = n + before, allowed, MAP_SHARED | MAP_POPULATE, fileno(file), at - before);
        if (found == MAP_FAILED) return;
        begin = (char*)found;
        bytes = begin + before;
        fseek(file, at + n, SEEK_SET);
    }
    ~Pages() { if (begin) munmap(begin, size); }
    Pages(const Pages&) = delete;
};

inline bool read_bytes(FILE* file, void* target, size_t n)
{
    if (n < large) return fread(target, 1, n, file) == n;
    struct stat is;
    if (fstat(fileno(file), &is) || (size_t)is.st_size < ftell(file) + n) return false;
    const Pages from(file, n, PROT_READ);
    if (!from.bytes) return false;
    of_bytes(n, [&](size_t begin, size_t end) { memcpy((char*)target + begin, from.bytes + begin, end - begin); });
    return true;
}

inline bool write_bytes(FILE* file, const void* source, size_t n)
{
    if (n < large) return fwrite(source, 1, n, file) == n;
    if (fflush(file)) return false;
#if defined(__linux__)
    if (posix_fallocate(fileno(file), ftell(file), n)) return false;
#else
    if (ftruncate(fileno(file), ftell(file) + n)) return false;
#endif
    const Pages to(file, n, PROT_READ | PROT_WRITE);
    if (!to.bytes) return false;
    of_bytes(n, [&](size_t begin, size_t end) { memcpy(to.bytes + begin, (const char*)source + begin, end - begin); });
    return true;
}

// Makes room for some values; the system gives each thread some of the memory.
template <class T> void make_room(std::vector<T>& values, size_t n)
{
    const bool touch = n*sizeof(T) >= large && n > values.capacity();
    values.reserve(n);
    if (touch)
        of_bytes(n*sizeof(T), [&](size_t begin, size_t end) {
            for (size_t at = begin; at < end; at += page) ((volatile char*)values.data())[at] = 0;
        });
    values.resize(n);
}

} // namespace brainsleep
#endif
