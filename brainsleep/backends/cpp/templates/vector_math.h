// Tell the compiler that the C library has vector forms of these functions (glibc's libmvec), so
// that loops that call them can be vectorised. They are accurate to 4 units in the last place.

#ifndef BRAINSLEEP_VECTOR_MATH_H
#define BRAINSLEEP_VECTOR_MATH_H
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define BRAINSLEEP_VECTOR __attribute__((simd("notinbranch")))
extern "C" {
BRAINSLEEP_VECTOR double exp(double) noexcept;
BRAINSLEEP_VECTOR double log(double) noexcept;
BRAINSLEEP_VECTOR double sin(double) noexcept;
BRAINSLEEP_VECTOR double cos(double) noexcept;
BRAINSLEEP_VECTOR double pow(double, double) noexcept;
BRAINSLEEP_VECTOR float expf(float) noexcept;
BRAINSLEEP_VECTOR float logf(float) noexcept;
BRAINSLEEP_VECTOR float sinf(float) noexcept;
BRAINSLEEP_VECTOR float cosf(float) noexcept;
BRAINSLEEP_VECTOR float powf(float, float) noexcept;
}
#undef BRAINSLEEP_VECTOR
#endif

namespace brainsleep {

// One of two values, without a branch: for those that no processor foresees.
template <class T> inline T chosen(bool first, T one, T other) { return first ? one : other; }
template <class T, class Bits> inline T chosen_by_bits(bool first, T one, T other) {
    Bits a, b;
    std::memcpy(&a, &one, sizeof(T));
    std::memcpy(&b, &other, sizeof(T));
    b ^= (a ^ b) & -(Bits)first;
    std::memcpy(&other, &b, sizeof(T));
    return other;
}
inline double chosen(bool first, double one, double other) { return chosen_by_bits<double, uint64_t>(first, one, other); }
inline float chosen(bool first, float one, float other) { return chosen_by_bits<float, uint32_t>(first, one, other); }

// x**y by way of the logarithm and without branches: in a loop nearly twice as fast as the library's
// vector pow. Its relative error grows with the exponent of the result, to 3e-13 at 1e300. A whole
// power of a whole number is exact as long as the error is too small to hide which number it is:
// what packs spikes into bits with 2**k takes the floor of it.
template <class X, class Y> inline auto power(X x, Y y) -> decltype(std::pow(x, y)) {
    typedef decltype(std::pow(x, y)) T;
    const T base = x, exponent = y, half = exponent / 2;
    const T most = T(1e-3) / std::numeric_limits<T>::epsilon();
    const T close = std::exp(exponent * std::log(std::fabs(base)));
    const bool whole = std::floor(exponent) == exponent, even = std::floor(half) == half;
    const T large = close < 1 ? 1 / close : close, number = std::rint(large);
    const bool exact = whole && std::floor(base) == base && large < most;
    const T size = exact ? (close < 1 ? 1 / number : number) : close;
    const T of_negative = whole ? (even ? size : -size) : std::numeric_limits<T>::quiet_NaN();
    return exponent == 0 ? T(1) : base < 0 ? of_negative : size;
}

template <class X, class Y>
using whole_numbers = std::integral_constant<bool, std::is_integral<X>::value && std::is_integral<Y>::value>;

// floor(x/y) as in Python, of whole numbers and of others. Compilers multiply by 1/y, so that 49/7
// may come out just below 7.
template <class T> inline T floor_ratio(T x, T y, std::true_type) {
    const T ratio = x / y;
    return ratio - ((x % y != 0) && ((x < 0) != (y < 0)));
}
template <class T> inline double floor_ratio(T x, T y, std::false_type) {
    const double near = std::floor(1.0 * x / y), left = x - near * y, rest = y < 0 ? -left : left;
    return rest >= std::fabs(double(y)) ? near + 1 : rest < 0 ? near - 1 : near;
}
template <class X, class Y> inline auto floor_divide(X x, Y y) -> typename std::common_type<X, Y>::type {
    typedef typename std::common_type<X, Y>::type T;
    return floor_ratio<T>(x, y, whole_numbers<X, Y>());
}
template <class X, class Y> inline auto modulo(X x, Y y) -> typename std::common_type<X, Y>::type {
    typedef typename std::common_type<X, Y>::type T;
    return x - y * floor_ratio<T>(x, y, whole_numbers<X, Y>());
}

} // namespace brainsleep

// An exponent that is known when compiling, such as 2, is left to the compiler.
#define BRAINSLEEP_POWER(x, y) \
    (__builtin_constant_p(y) ? std::pow((x), (y)) : brainsleep::power((x), (y)))
#endif
