// The value type on the CPU: GPUSTRESS_LANES doubles, one path each, in as many of the processor's vectors as they fill. Two
// vectors hide the latency of each other's operations, and halve what is done once for all lanes.
#pragma once

#if defined(__AVX512DQ__)
#include <immintrin.h>  // level.cpp has it first, outside its namespace
constexpr int REGISTER = 8;
#elif defined(__AVX__)
constexpr int REGISTER = 4;
#else
constexpr int REGISTER = 2;
#endif
constexpr int WIDTH = GPUSTRESS_LANES < REGISTER ? GPUSTRESS_LANES : REGISTER;
constexpr int PARTS = GPUSTRESS_LANES / WIDTH;
static_assert(PARTS * WIDTH == GPUSTRESS_LANES && GPUSTRESS_LANES < 32, "a power of 2, and bits for all lanes in a word");

typedef double doubles __attribute__((vector_size(8 * WIDTH)));
typedef integer integers __attribute__((vector_size(8 * WIDTH)));

struct whole {
    integers part[PARTS];

    whole() = default;
    GPUSTRESS_METHOD whole(integer x) {
        for (int i = 0; i < PARTS; ++i) part[i] = x - integers{};
    }
};

struct real {
    doubles part[PARTS];

    real() = default;
    GPUSTRESS_METHOD real(double x) {
        for (int i = 0; i < PARTS; ++i) part[i] = x - doubles{};  // in all lanes, also -0
    }
};

// result.part[i] = expression for each part.
#define EACH_PART(type, expression) \
    type result; \
    for (int i = 0; i < PARTS; ++i) result.part[i] = expression; \
    return result

#define OPERATION(type, op) \
    GPUSTRESS_FUNCTION type operator op(type a, type b) { EACH_PART(type, a.part[i] op b.part[i]); }
OPERATION(real, +)
OPERATION(real, -)
OPERATION(real, *)
OPERATION(real, /)
OPERATION(whole, +)
OPERATION(whole, -)
OPERATION(whole, &)
#undef OPERATION
GPUSTRESS_FUNCTION real operator-(real a) { EACH_PART(real, -a.part[i]); }
GPUSTRESS_FUNCTION whole operator<<(whole a, int by) { EACH_PART(whole, a.part[i] << by); }
GPUSTRESS_FUNCTION whole operator>>(whole a, int by) { EACH_PART(whole, a.part[i] >> by); }
GPUSTRESS_FUNCTION whole bits_of(real a) { EACH_PART(whole, (integers)a.part[i]); }
GPUSTRESS_FUNCTION real of_bits(whole a) { EACH_PART(real, (doubles)a.part[i]); }

GPUSTRESS_FUNCTION real fused(real a, real b, real c) {
    real result;
    for (int i = 0; i < PARTS; ++i)
        for (int lane = 0; lane < WIDTH; ++lane)
            result.part[i][lane] = __builtin_fma(a.part[i][lane], b.part[i][lane], c.part[i][lane]);
    return result;
}
GPUSTRESS_FUNCTION real root(real a) {
    real result;
    for (int i = 0; i < PARTS; ++i)
        for (int lane = 0; lane < WIDTH; ++lane) result.part[i][lane] = __builtin_sqrt(a.part[i][lane]);
    return result;
}

#if defined(__AVX512DQ__) && GPUSTRESS_LANES % 8 == 0

struct mask {
    unsigned bits;  // bit i is set where lane i is
};
#define COMPARISON(op, predicate) \
    GPUSTRESS_FUNCTION mask operator op(real a, real b) { \
        mask result = {0}; \
        for (int i = 0; i < PARTS; ++i) \
            result.bits |= (unsigned)_mm512_cmp_pd_mask((__m512d)a.part[i], (__m512d)b.part[i], predicate) << i * WIDTH; \
        return result; \
    }
COMPARISON(<, _CMP_LT_OQ)
COMPARISON(<=, _CMP_LE_OQ)
COMPARISON(>, _CMP_GT_OQ)
COMPARISON(>=, _CMP_GE_OQ)
COMPARISON(==, _CMP_EQ_OQ)
COMPARISON(!=, _CMP_NEQ_UQ)
#undef COMPARISON
GPUSTRESS_FUNCTION mask mask_of(word bits) { return {(unsigned)bits}; }
GPUSTRESS_FUNCTION unsigned lane_bits(mask m) { return m.bits; }
GPUSTRESS_FUNCTION mask operator&(mask a, mask b) { return {a.bits & b.bits}; }
GPUSTRESS_FUNCTION mask operator|(mask a, mask b) { return {a.bits | b.bits}; }
GPUSTRESS_FUNCTION mask operator!(mask a) { return {~a.bits & ((1u << GPUSTRESS_LANES) - 1)}; }
GPUSTRESS_FUNCTION real select(mask m, real a, real b) {
    EACH_PART(real, (doubles)_mm512_mask_blend_pd((__mmask8)(m.bits >> i * WIDTH), (__m512d)b.part[i], (__m512d)a.part[i]));
}

#else

struct mask {
    integers part[PARTS];  // -1 where a lane is set, else 0
};
#define COMPARISON(op) \
    GPUSTRESS_FUNCTION mask operator op(real a, real b) { EACH_PART(mask, (integers)(a.part[i] op b.part[i])); }
COMPARISON(<)
COMPARISON(<=)
COMPARISON(>)
COMPARISON(>=)
COMPARISON(==)
COMPARISON(!=)
#undef COMPARISON
GPUSTRESS_FUNCTION mask operator&(mask a, mask b) { EACH_PART(mask, a.part[i] & b.part[i]); }
GPUSTRESS_FUNCTION mask operator|(mask a, mask b) { EACH_PART(mask, a.part[i] | b.part[i]); }
GPUSTRESS_FUNCTION mask operator!(mask a) { EACH_PART(mask, ~a.part[i]); }
GPUSTRESS_FUNCTION real select(mask m, real a, real b) { EACH_PART(real, m.part[i] ? a.part[i] : b.part[i]); }
GPUSTRESS_FUNCTION mask mask_of(word bits) {
    whole own;
    for (int lane = 0; lane < GPUSTRESS_LANES; ++lane) own.part[lane / WIDTH][lane % WIDTH] = 1LL << lane;
    EACH_PART(mask, (integers)((whole((integer)bits).part[i] & own.part[i]) != 0));
}
// Which lanes of a vector are set, as bits.
#if defined(__AVX__) && GPUSTRESS_LANES % 4 == 0
GPUSTRESS_FUNCTION unsigned set_in(integers part) { return (unsigned)__builtin_ia32_movmskpd256((doubles)part); }
#elif defined(__SSE2__)
GPUSTRESS_FUNCTION unsigned set_in(integers part) { return (unsigned)__builtin_ia32_movmskpd((doubles)part); }
#else
GPUSTRESS_FUNCTION unsigned set_in(integers part) { return (unsigned)((part[0] & 1) | (part[1] & 2)); }
#endif
GPUSTRESS_FUNCTION unsigned lane_bits(mask m) {
    unsigned bits = 0;
    for (int i = 0; i < PARTS; ++i) bits |= set_in(m.part[i]) << i * WIDTH;
    return bits;
}

#endif

#undef EACH_PART

GPUSTRESS_FUNCTION bool lane_of(mask m, int lane) { return lane_bits(m) >> lane & 1; }
GPUSTRESS_FUNCTION double lane_of(real x, int lane) { return x.part[lane / WIDTH][lane % WIDTH]; }
GPUSTRESS_FUNCTION void set_lane(real& x, int lane, double value) { x.part[lane / WIDTH][lane % WIDTH] = value; }
GPUSTRESS_FUNCTION real all_lanes(double x) { return x; }
GPUSTRESS_FUNCTION whole all_lanes_whole(integer x) { return x; }
GPUSTRESS_FUNCTION mask no_lane() { return mask_of(0); }
