// Everything that a compiler forces on us, and nothing else.
//
// A kernel is written once for the value type `real`: on the GPU a double, on the CPU a vector of GPUSTRESS_LANES doubles,
// one path a lane. `mask` is what a comparison of two reals gives. select(mask, a, b) stands for a branch on data.
#pragma once

typedef unsigned long long word;
typedef long long integer;
struct Product {
    word high, low;
};

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)

#define GPUSTRESS_FUNCTION __device__ __forceinline__
#define GPUSTRESS_METHOD __device__ __forceinline__
#ifndef GPUSTRESS_STEP
#define GPUSTRESS_STEP GPUSTRESS_FUNCTION
#endif
// In front of a loop that is rare: unrolled, it would take registers from all that it is inlined into.
#define GPUSTRESS_ROLLED _Pragma("unroll 1")
#define GPUSTRESS_LANES 1
typedef double real;
typedef bool mask;
typedef integer whole;

// On the device marked, so that a test can tell it from one that the compiler made by contraction.
GPUSTRESS_FUNCTION double fused(double a, double b, double c) {
#ifdef __CUDA_ARCH__
    double result;
    asm("fma.rn.f64 %0, %1, %2, %3; // explicit" : "=d"(result) : "d"(a), "d"(b), "d"(c));
    return result;
#else
    return __fma_rn(a, b, c);
#endif
}
GPUSTRESS_FUNCTION double root(double x) { return __dsqrt_rn(x); }
GPUSTRESS_FUNCTION double infinity() { return __longlong_as_double(0x7ff0000000000000LL); }
GPUSTRESS_FUNCTION whole bits_of(double x) { return __double_as_longlong(x); }
GPUSTRESS_FUNCTION double of_bits(whole x) { return __longlong_as_double(x); }
GPUSTRESS_FUNCTION Product product(word a, word b) { return {__umul64hi(a, b), a * b}; }
GPUSTRESS_FUNCTION int lowest_bit(word bits) { return __ffsll((integer)bits) - 1; }

#else

#define GPUSTRESS_FUNCTION static inline __attribute__((always_inline))
#define GPUSTRESS_METHOD inline __attribute__((always_inline))
// A step of the model is a function of its own: all in one, the registers run out and a path takes a tenth longer.
#define GPUSTRESS_STEP static __attribute__((noinline))
#define GPUSTRESS_ROLLED
#ifndef GPUSTRESS_LANES
#define GPUSTRESS_LANES 8
#endif

GPUSTRESS_FUNCTION double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }
GPUSTRESS_FUNCTION double root(double x) { return __builtin_sqrt(x); }
GPUSTRESS_FUNCTION double infinity() { return __builtin_huge_val(); }
GPUSTRESS_FUNCTION Product product(word a, word b) {
    const unsigned __int128 both = (unsigned __int128)a * b;
    return {(word)(both >> 64), (word)both};
}
GPUSTRESS_FUNCTION int lowest_bit(word bits) { return __builtin_ctzll(bits); }
#if GPUSTRESS_LANES == 1
#ifdef GPUSTRESS_REAL
typedef GPUSTRESS_REAL real;  // in place of a double: one that counts its operations (bench/native/counted.h)
#else
typedef double real;
#endif
typedef bool mask;
typedef integer whole;
GPUSTRESS_FUNCTION whole bits_of(real x) { return __builtin_bit_cast(whole, x); }
GPUSTRESS_FUNCTION real of_bits(whole x) { return __builtin_bit_cast(real, x); }
#else
#include "lanes.h"
#endif

#endif

// One lane of a value, and a value that is the same in all lanes.
#if GPUSTRESS_LANES == 1
GPUSTRESS_FUNCTION double lane_of(real x, int) { return (double)x; }
GPUSTRESS_FUNCTION bool lane_of(mask m, int) { return m; }
GPUSTRESS_FUNCTION void set_lane(real& x, int, double value) { x = value; }
GPUSTRESS_FUNCTION real all_lanes(double x) { return x; }
GPUSTRESS_FUNCTION whole all_lanes_whole(integer x) { return x; }
GPUSTRESS_FUNCTION unsigned lane_bits(mask m) { return m; }
GPUSTRESS_FUNCTION mask mask_of(word bits) { return bits != 0; }
GPUSTRESS_FUNCTION mask no_lane() { return false; }
GPUSTRESS_FUNCTION real select(mask m, real a, real b) { return m ? a : b; }
#endif
GPUSTRESS_FUNCTION bool some_lane(mask m) { return lane_bits(m) != 0; }
GPUSTRESS_FUNCTION mask every_lane() { return !no_lane(); }
// How many of the first `lanes` lanes.
GPUSTRESS_FUNCTION int lanes_in(mask m, int lanes) {
    int count = 0;
    for (unsigned bits = lane_bits(m) & ((1u << lanes) - 1); bits != 0; bits &= bits - 1) ++count;
    return count;
}

// Where AddressSanitizer watches, items that nobody may touch follow each array in a path's memory: else it would see no
// index that leaves one array for the next. `guarded` gives the place behind them.
#ifdef __SANITIZE_ADDRESS__
constexpr int GUARD = 8;
extern "C" void __asan_poison_memory_region(const volatile void*, __SIZE_TYPE__);
template <class T>
GPUSTRESS_FUNCTION T* guarded(T* end) {
    __asan_poison_memory_region(end, GUARD * sizeof(T));
    return end + GUARD;
}
#else
constexpr int GUARD = 0;
template <class T>
GPUSTRESS_FUNCTION T* guarded(T* end) {
    return end;
}
#endif

GPUSTRESS_FUNCTION real magnitude(real x) { return of_bits(bits_of(x) & all_lanes_whole(0x7fffffffffffffffLL)); }
GPUSTRESS_FUNCTION real larger(real a, real b) { return select(a > b, a, b); }
GPUSTRESS_FUNCTION real smaller(real a, real b) { return select(a < b, a, b); }
GPUSTRESS_FUNCTION real size_of(real a) { return larger(a, -a); }
