// What the machine can do at most: fused multiply-adds in registers, and a triad over memory. Compiled for this very
// machine; each call works in the calling thread.
#if defined(__AVX512F__)
#define WIDTH 8
#elif defined(__AVX__)
#define WIDTH 4
#else
#define WIDTH 2
#endif

typedef double vector __attribute__((vector_size(8 * WIDTH)));

constexpr int CHAINS = 12;  // independent: more than latency times units of any core, and few enough for 16 registers

extern "C" {

int width() { return WIDTH; }

// Floating-point operations of `rounds` rounds.
double multiply_add(long long rounds, double* sink) {
    vector x[CHAINS];
    for (int i = 0; i < CHAINS; ++i) x[i] = vector{} + (double)i;
    vector a = vector{} + 0.999, b = vector{} + 1e-3;
    asm volatile("" : "+m"(a), "+m"(b));  // no constants to the compiler
    for (long long round = 0; round < rounds; ++round)
        for (int i = 0; i < CHAINS; ++i) x[i] = x[i] * a + b;  // contracted: -ffp-contract=fast
    vector sum{};
    for (int i = 0; i < CHAINS; ++i) sum += x[i];
    *sink = sum[0];
    return 2.0 * WIDTH * CHAINS * (double)rounds;
}

// a = b + scale * c; McCalpin's STREAM counts three doubles of traffic an element.
void triad(double* __restrict a, const double* __restrict b, const double* __restrict c, double scale, long long count) {
    for (long long i = 0; i < count; ++i) a[i] = b[i] + scale * c[i];
}
}
