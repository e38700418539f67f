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

// A crowd works on a group of shocks, one a lane: on the CPU one thread on a vector of them, on the GPU a block of threads. There
// a thread has one lane, and threads that have it in common share the nodes; those that look at the same nodes in the lanes of
// a group, a row of the crowd, lie side by side in a warp and go the same way. Lanes<T> is an array with a T for each lane.
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)

template <class T>
struct Lanes {
    T* first;  // of this thread's lane
    int lanes;

    GPUSTRESS_METHOD T& operator[](integer i) const { return first[i * lanes]; }
};

struct Crowd {
    static constexpr bool ALONE = false;

    int lane, lanes, row, rows;
    unsigned threads;   // of the row, in its warp
    double* exchanged;  // (rows, lanes), in memory that the block shares

    // Every row of threads takes some of the items. All see what was written when it is done.
    template <class Body>
    GPUSTRESS_METHOD void each(int count, Body body) const {
        for (int i = row; i < count; i += rows) body(i);
        wait();
    }
    GPUSTRESS_METHOD void wait() const { __syncthreads(); }
    // body(i) from first to before end; every lane of a row takes some of them.
    template <class Body>
    GPUSTRESS_METHOD void each_by_lane(int first, int end, Body body) const {
        for (int i = first + lane; i < end; i += lanes) body(i);
    }
    GPUSTRESS_METHOD bool leads_lane() const { return row == 0; }
    GPUSTRESS_METHOD bool last_row() const { return row == rows - 1; }
    GPUSTRESS_METHOD bool first_lane() const { return lane == 0; }
    GPUSTRESS_METHOD bool leads() const { return leads_lane() && first_lane(); }
    // Where a row's items begin, of so many that the rows share as neighbours.
    GPUSTRESS_METHOD int share_of(int count, int of_row) const { return (int)((integer)count * of_row / rows); }
    // What the lanes of a row have read was read before one of them goes on to write.
    GPUSTRESS_METHOD void meet() const { __syncwarp(threads); }
    // Where the condition holds for any lane; asked by all lanes of a row.
    GPUSTRESS_METHOD bool some(mask m) const { return __any_sync(threads, m); }
    // The largest of what the rows bring, lane by lane, not below 0; and where the condition holds for any.
    GPUSTRESS_METHOD real largest(real x) const {
        exchanged[row * lanes + lane] = x;
        wait();
        real found = 0.0;
        for (int i = 0; i < rows; ++i) found = larger(exchanged[i * lanes + lane], found);
        wait();
        return found;
    }
    GPUSTRESS_METHOD mask across(mask m) const { return largest(m ? 1.0 : 0.0) > 0.0; }
    // Lane by lane, the sum of what the rows before this one bring; and what the last row brings.
    GPUSTRESS_METHOD integer before(integer count) const {
        exchanged[row * lanes + lane] = (double)count;
        wait();
        integer sum = 0;
        for (int i = 0; i < row; ++i) sum += (integer)exchanged[i * lanes + lane];
        wait();
        return sum;
    }
    GPUSTRESS_METHOD integer of_last_row(integer x) const {
        if (last_row()) exchanged[lane] = (double)x;
        wait();
        const integer found = (integer)exchanged[lane];
        wait();
        return found;
    }
    // The first of so many places, which nobody else gets.
    GPUSTRESS_METHOD int take_places(int* taken, int count) const { return atomicAdd(taken, count); }
    GPUSTRESS_METHOD integer take_room(integer* taken, integer count) const { return (integer)atomicAdd((word*)taken, (word)count); }
    // Write a number, and give what was there; set bit i of words that the crowd shares.
    GPUSTRESS_METHOD int exchange(int* place, int value) const { return atomicExch(place, value); }
    GPUSTRESS_METHOD void set_bit(word* words, int i) const { atomicOr(words + i / 64, (word)1 << i % 64); }
    // An array of so many items for each lane, at `place`, which then lies behind it.
    template <class T>
    GPUSTRESS_METHOD Lanes<T> array(T*& place, integer count) const {
        const Lanes<T> made = {place + lane, lanes};
        place += count * lanes;
        return made;
    }
};

// The crowd that a block of threads is: blockDim.x lanes, a power of 2 and at most a warp, and blockDim.y rows.
GPUSTRESS_FUNCTION Crowd crowd_of_block(double* exchanged) {
    const int lane = threadIdx.x, lanes = blockDim.x, row = threadIdx.y, in_warp = row * lanes % 32;
    const unsigned threads = lanes == 32 ? 0xffffffffu : ((1u << lanes) - 1u) << in_warp;
    return {lane, lanes, row, (int)blockDim.y, threads, exchanged};
}

#else

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
    GPUSTRESS_METHOD void meet() const {}
    GPUSTRESS_METHOD bool some(mask m) const { return some_lane(m); }
    GPUSTRESS_METHOD real largest(real x) const { return x; }
    GPUSTRESS_METHOD mask across(mask m) const { return m; }
    GPUSTRESS_METHOD int take_places(int* taken, int count) const {
        const int first = *taken;
        *taken += count;
        return first;
    }
    template <class T>
    GPUSTRESS_METHOD Lanes<T> array(T*& place, integer count) const {
        const Lanes<T> made = place;
        place = guarded(place + count);
        return made;
    }
};

#endif
