// What GPUSTRESS_STAGE in kernels/period.h does here: a tally of every step of the model, one a thread.
#pragma once
#ifndef __x86_64__
#include <chrono>
#endif

#define STAGES(X) X(opening) X(draws) X(factors) X(credit) X(billing) X(settlement) X(books) X(measures) X(record)

enum Stage {
#define X(name) STAGE_##name,
    STAGES(X)
#undef X
    STAGE_COUNT
};

struct Tally {
    long long ticks[STAGE_COUNT];       // of the clock
    long long operations[STAGE_COUNT];  // floating-point, of values of the counted type
    int stage;
    long long since;
};

inline thread_local Tally tally;

inline long long clock_now() {
#ifdef __x86_64__
    return (long long)__builtin_ia32_rdtsc();
#else
    return std::chrono::steady_clock::now().time_since_epoch().count();
#endif
}

inline void enter_stage(int stage) {
    const long long now = clock_now();
    tally.ticks[tally.stage] += now - tally.since;
    tally.since = now;
    tally.stage = stage;
}
