// A team works on one value of `real`: on the CPU one thread on a vector of paths, on the GPU a warp or a part of one on one
// path, with the state in memory that its threads share.
#pragma once
#include "compiler.h"

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)

struct Team {
    int rank, size;
    unsigned threads;  // of the warp

    template <class Body>
    GPUSTRESS_METHOD void each(int count, Body body) const {
        for (int i = rank; i < count; i += size) body(i);
        wait();
    }
    // What one thread has written is seen by all behind this.
    GPUSTRESS_METHOD void wait() const { __syncwarp(threads); }
    GPUSTRESS_METHOD bool leads() const { return rank == 0; }
    // Set bit i of words that the team shares.
    GPUSTRESS_METHOD void set_bit(word* words, int i) const { atomicOr(words + i / 64, (word)1 << i % 64); }
    // Where the condition holds for any thread of the team.
    GPUSTRESS_METHOD mask across(mask m) const { return __any_sync(threads, m); }
};

#else

struct Team {
    template <class Body>
    GPUSTRESS_METHOD void each(int count, Body body) const {
        for (int i = 0; i < count; ++i) body(i);
    }
    GPUSTRESS_METHOD void wait() const {}
    GPUSTRESS_METHOD bool leads() const { return true; }
    GPUSTRESS_METHOD void set_bit(word* words, int i) const { words[i / 64] |= (word)1 << i % 64; }
    GPUSTRESS_METHOD mask across(mask m) const { return m; }
};

#endif

// A crowd works on a group of shocks, one a lane: on the CPU one thread on a vector of them. Lanes<T> is an array with a T for
// each lane.
#if !defined(__CUDACC__) && !defined(__CUDACC_RTC__)

template <class T>
using Lanes = T*;

struct Crowd {
    static constexpr bool ALONE = true;  // one thread: no other adds to what it adds to

    template <class Body>
    GPUSTRESS_METHOD void each(int count, Body body) const {
        for (int i = 0; i < count; ++i) body(i);
    }
    GPUSTRESS_METHOD bool leads_lane() const { return true; }
    GPUSTRESS_METHOD bool first_lane() const { return true; }
    GPUSTRESS_METHOD bool some(mask m) const { return some_lane(m); }
    GPUSTRESS_METHOD mask across(mask m) const { return m; }
    GPUSTRESS_METHOD real largest(real x) const { return x; }
    GPUSTRESS_METHOD int take_place(int* count) const { return (*count)++; }
};

#endif
