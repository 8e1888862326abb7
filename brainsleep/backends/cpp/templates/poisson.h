// Poisson numbers of the segment's random numbers. A small mean: the inverse of the distribution, of
// one number. A large one: transformed rejection with squeeze, PTRS (W. Hoermann 1993,
// doi:10.1016/0167-6687(93)90997-4), as in NumPy.
inline int32_t _poisson(const double mean, const int)
{
    if (!(mean > 0)) return 0;
    if (mean < 10) {
        // The distribution up to the largest number so far; most neurons ask for the same mean. If it
        // is asked for often, `least` has the least number by the first eight bits of u.
        constexpr int32_t often = 1000;
        static double known = -1, p, upto[201];
        static int32_t filled, asked;
        static uint8_t least[256];
        const double u = brainsleep::random_numbers.uniform();
        if (mean != known) {
            known = mean;
            upto[0] = p = std::exp(-mean);
            filled = 1;
            asked = 0;
        }
        if (asked >= often) {
            int32_t k = least[(int32_t)(256*u)];
            while (k < filled && u >= upto[k]) k++;
            if (k < filled) return k;
        }
        for (; u >= upto[filled - 1] && filled < 201; filled++)  // beyond, p is 0 to the last bit
            upto[filled] = upto[filled - 1] + (p *= mean/filled);
        int32_t k = 0;
        for (int32_t j = 0; j < filled; j++) k += u >= upto[j];
        if (asked < often && ++asked == often)
            for (int32_t bits = 0, j = 0; bits < 256; bits++) {
                while (j < filled && upto[j] <= bits/256.0) j++;
                least[bits] = j;
            }
        return k;
    }
    const double root = std::sqrt(mean), b = 0.931 + 2.53*root, a = -0.059 + 0.02483*b;
    const double inverse_alpha = 1.1239 + 1.1328/(b - 3.4), squeeze = 0.9277 - 3.6224/(b - 2);
    const double log_mean = std::log(mean);
    for (;;) {
        const double u = brainsleep::random_numbers.uniform() - 0.5;
        const double v = brainsleep::random_numbers.uniform(), distance = 0.5 - std::fabs(u);
        const double k = std::floor((2*a/distance + b)*u + mean + 0.43);
        if (k > 2147483647.0) continue;  // what the type holds
        if (distance >= 0.07 && v <= squeeze) return (int32_t)k;
        if (k < 0 || (distance < 0.013 && v > distance)) continue;
        const double accepted = std::log(v) + std::log(inverse_alpha) - std::log(a/(distance*distance) + b);
        if (accepted <= k*log_mean - mean - std::lgamma(k + 1)) return (int32_t)k;
    }
}

// The same for many that have one small mean, of the bits of numbers in [0, 1).
class _Poisson {
    static constexpr int at_once = 1024, places = 4096, unsure = 255;
    double known = -1;
    uint64_t upto[202];      // in units of 2**-53
    uint8_t least[places];   // by the first bits
    uint8_t found[places];   // the same, where they are enough to know

public:
    static bool takes(double mean) { return mean > 0 && mean < 10; }

    void set(double mean) {
        if (mean == known) return;
        known = mean;
        double p = std::exp(-mean), sum = p;
        for (int32_t k = 0; k < 201; k++) {
            upto[k] = (uint64_t)std::ceil(sum*9007199254740992.0);
            if (p > 0) sum += p *= mean/(k + 1);
        }
        upto[201] = ~(uint64_t)0;
        for (uint64_t bits = 0, k = 0; bits < places; bits++) {
            while (upto[k] <= bits << 41) k++;
            least[bits] = k;
            found[bits] = upto[k] >= (bits + 1) << 41 ? k : unsure;
        }
    }

    // Draws so many, `at_once` at most.
    void fill(brainsleep::Sequence& numbers, int32_t* out, int n) const {
        uint64_t bits[at_once];
        brainsleep::Sequence ahead = numbers;
        for (int j = 0; j < n; j++) bits[j] = ahead.bits();  // a loop that a compiler can vectorise
        numbers = ahead;
        for (int j = 0; j < n; j++) {
            int32_t k = found[bits[j] >> 52];
            if (__builtin_expect(k == unsure, 0)) {
                k = least[bits[j] >> 52];
                while (bits[j] >> 11 >= upto[k]) k++;
            }
            out[j] = k;
        }
    }
};
