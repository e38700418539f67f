// What a CUDA device can do at most: fused multiply-adds in registers, and a triad over memory.

constexpr int CHAINS = 8;  // independent: more than the latency of a double's fused multiply-add, with many warps

extern "C" __global__ void multiply_add(double* sink, double a, double b, long long rounds) {
    double x[CHAINS];
    for (int i = 0; i < CHAINS; ++i) x[i] = threadIdx.x + i;
    for (long long round = 0; round < rounds; ++round)
#pragma unroll
        for (int i = 0; i < CHAINS; ++i) x[i] = fma(x[i], a, b);
    double sum = 0.0;
    for (int i = 0; i < CHAINS; ++i) sum += x[i];
    sink[(long long)blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// a = b + scale * c
extern "C" __global__ void triad(double* a, const double* b, const double* c, double scale, long long count) {
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (long long)gridDim.x * blockDim.x)
        a[i] = b[i] + scale * c[i];
}
