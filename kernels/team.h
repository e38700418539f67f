// A team works on one value of `real` (a path, or a vector of them): on the CPU one thread, on the GPU the threads of a
// block's row, with the state in memory that they share.
#pragma once
#include "compiler.h"

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)

struct Team {
    int rank, size;

    template <class Body>
    GPUSTRESS_METHOD void each(int count, Body body) const {
        for (int i = rank; i < count; i += size) body(i);
        __syncthreads();
    }
    // Where the condition holds for any thread of the team; and whether it holds for any lane at all.
    GPUSTRESS_METHOD mask all_of(mask m) const { return __syncthreads_or(m); }
    GPUSTRESS_METHOD bool some(mask m) const { return m; }
    GPUSTRESS_METHOD bool leads() const { return rank == 0; }
};

#else

struct Team {
    template <class Body>
    GPUSTRESS_METHOD void each(int count, Body body) const {
        for (int i = 0; i < count; ++i) body(i);
    }
    mask all_of(mask m) const { return m; }
    bool some(mask m) const { return some_lane(m); }
    bool leads() const { return true; }
};

#endif
