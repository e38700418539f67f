// What the kernels on static networks see: networks, and batches of shocks. One shock a lane.
#pragma once
#include "program.h"

// Of gpustress.backends.network_layout. N nodes, K obligations, E edges; `in` has a row for each creditor, with the obligations of
// which it gets a share; `out` one for each obligation, with its creditors.
#define GPUSTRESS_NETWORK_ARRAYS(X) \
    X(double, total) X(double, claims) X(index32, first) X(double, due) X(double, junior) \
    X(index32, in_start) X(index32, in_column) X(double, in_share) X(index32, out_start) X(index32, out_column) X(double, out_share)
// most_ranks: obligations of a node at most; most_in_chunk: of a chunk of nodes (debts.h).
#define GPUSTRESS_NETWORK_NUMBERS(X) X(index32, nodes) X(index32, obligations) X(index32, edges) \
    X(index32, most_ranks) X(index32, most_in_chunk) X(double, largest)

struct Network {
#define X(type, name) type name;
    GPUSTRESS_NETWORK_NUMBERS(X)
#undef X
#define X(type, name) const type* name;
    GPUSTRESS_NETWORK_ARRAYS(X)
#undef X
};

// Shocks to clear a network under, and where their outcome goes. Item (shock, node) lies at shock * shock_stride + node * node_stride.
struct Clearing {
    double alpha, beta;
    index32 least;  // whether the least vector is asked for
    integer shocks, shock_stride, node_stride;
    const double* external_assets;
    const index32* order;   // (S,) of the shocks: those that are cleared together are neighbours in it
    double *payments, *equity;
    index32* round;         // 0 throughout at first
    index32* rounds;        // (S,)
    double* error_bound;    // (S,)
};
