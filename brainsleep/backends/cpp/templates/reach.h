// Which neurons a neuron reaches, one bit each. Where all synapses do the same, it is enough to count
// how many of the neurons that spiked reach a neuron, and to do it so often: nothing depends on their
// order, to the last bit. Counts are kept by binary digit, one word for the digits of 64 neurons, as
// additions of many words are then a few operations on bits (carry-save adders).

#ifndef BRAINSLEEP_REACH_H
#define BRAINSLEEP_REACH_H
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace brainsleep {

class Reach
{
public:
    static constexpr int first_at = 256, at_once = 2048;  // neurons: where counts may begin, and how many
    static constexpr int most = 248;                      // spikes that are counted together

private:
    typedef uint64_t Wide __attribute__((vector_size(32), aligned(8), may_alias));
    static constexpr int wide = 4, digits = 8, together = 8;
    typedef Wide Digit[at_once/first_at];
    size_t words = 0;  // of a neuron
    std::vector<uint64_t> bits;

    // Adds three digits: the sum stays, the carry is given back.
    static Wide add(Wide& sum, const Wide a, const Wide b)
    {
        const Wide either = sum ^ a, carry = (sum & a) | (either & b);
        sum = either ^ b;
        return carry;
    }

    // Eight bits as the lowest of eight bytes each.
    struct Spread
    {
        uint64_t of[256];
        Spread()
        {
            for (int byte = 0; byte < 256; byte++) {
                of[byte] = 0;
                for (int bit = 0; bit < 8; bit++) of[byte] |= (uint64_t)(byte >> bit & 1) << 8*bit;
            }
        }
    };

    // The numbers of so many digits, of so many times eight neurons.
    template <int n_digits> static void numbers(const Digit* digit, size_t eights, uint8_t* out)
    {
        static const Spread spread;
        for (size_t eight = 0; eight < eights; eight++) {
            uint64_t sum = 0;
            for (int d = 0; d < n_digits; d++) sum += spread.of[((const uint8_t*)digit[d])[eight]] << d;
            memcpy(out + 8*eight, &sum, 8);
        }
    }

public:
    bool made() const { return !bits.empty(); }

    // Of synapses in the order of both ends, if that takes little memory beside these.
    void make(const std::vector<int32_t>& pre, const std::vector<int32_t>& post, size_t n_pre, size_t n_post)
    {
        words = (n_post + first_at - 1)/first_at*wide;
        bits.clear();
        if (words*n_pre*sizeof(uint64_t) > 4*pre.size()) return;
        bits.assign(words*n_pre, 0);
        for (size_t k = 0; k < pre.size(); k++) {
            uint64_t& word = bits[pre[k]*words + post[k]/64];
            const uint64_t bit = (uint64_t)1 << post[k] % 64;
            if (word & bit) {  // two synapses between the same neurons
                bits.clear();
                return;
            }
            word |= bit;
        }
    }

    // How many of these neurons, `most` at most, reach each of the neurons from `first` on, before `last`
    // or a few more; they are `at_once` at most.
    void count(const int32_t* neurons, int n_neurons, size_t first, size_t last, uint8_t* counts) const
    {
        static const uint64_t none[at_once/64] = {};
        const size_t word = first/64, n_words = (std::min<size_t>(at_once, last - first) + first_at - 1)/first_at*wide;
        Digit digit[digits] = {};
        for (int begin = 0; begin < n_neurons; begin += together) {
            const uint64_t* row[together];
            for (int k = 0; k < together; k++)
                row[k] = begin + k < n_neurons ? &bits[neurons[begin + k]*words + word] : none;
            for (int k = 0; k < together && begin + together + k < n_neurons; k++)
                for (size_t ahead = 0; ahead < n_words; ahead += 8)
                    __builtin_prefetch(&bits[neurons[begin + together + k]*words + word + ahead]);
            for (size_t k = 0; k < n_words/wide; k++) {
                const auto of = [&](int which) { return *(const Wide*)(row[which] + k*wide); };
                Wide two = add(digit[0][k], of(0), of(1)), other_two = add(digit[0][k], of(2), of(3));
                const Wide four = add(digit[1][k], two, other_two);
                two = add(digit[0][k], of(4), of(5));
                other_two = add(digit[0][k], of(6), of(7));
                const Wide other_four = add(digit[1][k], two, other_two);
                Wide carry = add(digit[2][k], four, other_four);
                for (int d = 3; d < digits; d++) {
                    const Wide next = digit[d][k] & carry;
                    digit[d][k] ^= carry;
                    carry = next;
                }
            }
        }
        int n_digits = 1;
        for (int d = 1; d < digits; d++) {
            Wide any = {};
            for (size_t k = 0; k < n_words/wide; k++) any |= digit[d][k];
            if (any[0] | any[1] | any[2] | any[3]) n_digits = d + 1;
        }
        static void (*const put_together[])(const Digit*, size_t, uint8_t*) = {
            numbers<1>, numbers<2>, numbers<3>, numbers<4>, numbers<5>, numbers<6>, numbers<7>, numbers<8>};
        put_together[n_digits - 1](digit, 8*n_words, counts);
    }
};

// The values of some neurons, and how often something is to happen to each: not at all to those that
// are refractory, if there are such.
template <class Number> struct Some
{
    static constexpr int n = 32;
    Number x[n], times[n];
    int size;
    uint8_t rounds = 0;

    Some(const Number* values, const uint8_t* counts, const char* is_free, int size) : size(size)
    {
        uint8_t often[n] = {};
        if (size < n) memset(x, 0, sizeof(x));
        copy(x, values);
        copy(often, counts);
        if (is_free) {
            char free[n] = {};
            copy(free, is_free);
            for (int k = 0; k < n; k++) often[k] &= -free[k];  // all bits, or none
        }
        for (int k = 0; k < n; k++) rounds = often[k] > rounds ? often[k] : rounds;
        for (int k = 0; k < n; k++) times[k] = often[k];
    }

    void give_back(Number* to) const { copy(to, x); }

private:
    // Mostly all of them: a compiler then knows how many.
    template <class Value> void copy(Value* to, const Value* from) const
    {
        if (size == n) memcpy(to, from, n*sizeof(Value));
        else memcpy(to, from, size*sizeof(Value));
    }
};

} // namespace brainsleep
#endif
