// Philox4x64-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011).
#pragma once
#include "compiler.h"

struct Words {
    word w[4];
};

GPUSTRESS_FUNCTION Words philox(Words counter, word key0, word key1) {
    for (int round = 0; round < 10; ++round) {
        const Product a = product(0xD2E7470EE14C6C93ULL, counter.w[0]), b = product(0xCA5A826395121157ULL, counter.w[2]);
        counter = Words{{b.high ^ counter.w[1] ^ key0, b.low, a.high ^ counter.w[3] ^ key1, a.low}};
        key0 += 0x9E3779B97F4A7C15ULL;  // the golden ratio
        key1 += 0xBB67AE8584CAA73BULL;  // sqrt(3) - 1
    }
    return counter;
}

// The contract on draws: the words of a name, a path, a block and a stream. numpy.random.Philox counts up before it
// draws, hence path + 1 (with a carry that no run reaches).
GPUSTRESS_FUNCTION Words draw_words(word seed, word identity, word path, word block, word stream) {
    return philox(Words{{path + 1, block, stream, 0}}, seed, identity);
}

// The middle of one of 2^52 equal cells of (0, 1): never 0, never 1, and exact.
GPUSTRESS_FUNCTION double uniform(word w) { return ((double)(integer)(w >> 12) + 0.5) * 0x1p-52; }
