// CUDA's language and device functions on the host, for tests alone: no more of them than kernels/ uses.
#pragma once
#include <bit>
#include <cmath>
#include <cstddef>

#define __CUDACC__
#define __device__
#define __global__
#define __shared__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define GPUSTRESS_STEP static __attribute__((noinline))  // all in one, a compiler takes a minute

struct dim3 {
    unsigned x, y, z;
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;  // of the fibre that runs

namespace standin {

constexpr std::size_t MOST_SHARED = 227 << 10;  // bytes of a block, on compute capability 9.0

// Wait for all lanes of `mask`, with the same mask at the same function; whether any brings true.
bool wait(const char* function, unsigned mask, bool is_barrier, bool brings);
// Wait for all threads of the block.
void wait_for_block(const char* function);

}  // namespace standin

extern "C" {
// `extern __shared__ double shared[]` of a kernel: the shared memory of the block whose fibre runs.
extern double shared[standin::MOST_SHARED / sizeof(double)];
}

unsigned long long atomicAdd(unsigned long long* sum, unsigned long long value);
unsigned long long atomicOr(unsigned long long* bits, unsigned long long value);
int atomicAdd(int* sum, int value);
int atomicExch(int* place, int value);
inline void __syncthreads() { standin::wait_for_block("__syncthreads"); }
inline void __syncwarp(unsigned mask) { standin::wait("__syncwarp", mask, true, false); }
inline bool __any_sync(unsigned mask, bool condition) { return standin::wait("__any_sync", mask, false, condition); }
inline int __ffsll(long long bits) { return __builtin_ffsll(bits); }
inline double __dsqrt_rn(double x) { return std::sqrt(x); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned __int128)a * b >> 64; }
