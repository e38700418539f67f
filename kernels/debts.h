// How kernels on static networks go along debts, a group of shocks at a time.
#pragma once
#include "network.h"
#include "team.h"

// Nodes are updated a chunk at a time: those of one from the same values, so that threads may share it and get the same bits, those
// of the next from what came out. That takes about half as many updates as all from the same values.
constexpr int CHUNKS = 16;
GPUSTRESS_FUNCTION int chunk_nodes(const Network& n) { return (n.nodes + CHUNKS - 1) / CHUNKS; }

// The debts among those whose payments may change: rows of `in`, each at its place, without the columns that pay in full. Who
// pays in full leaves nothing unpaid, and to add nothing changes no bit of a sum: so a sum over these columns is one over all.
// Rows are filled up to whole STEPs with an obligation that does not exist, number K, of which nothing is unpaid.
constexpr int STEP = 4;
struct OpenDebts {
    code8* is_open;      // (K,)
    index32* nodes;      // those with open obligations, of each chunk from where its nodes begin
    index32* count;      // (CHUNKS,) of them
    index32* row_size;   // (N,)
    index32* column;     // (open_size,)
    double* share;       // (open_size,)
};
GPUSTRESS_FUNCTION integer open_size(const Network& n) { return n.edges + (integer)(STEP - 1) * n.nodes; }
GPUSTRESS_FUNCTION integer open_row(const Network& n, int i) { return n.in_start[i] + (integer)(STEP - 1) * i; }

// Nothing is open.
template <class Crowd>
GPUSTRESS_FUNCTION void close_all(const Crowd& crowd, const Network& n, const OpenDebts& debts) {
    crowd.each(CHUNKS, [&](int chunk) { if (crowd.first_lane()) debts.count[chunk] = 0; });
    crowd.each(n.obligations, [&](int k) { if (crowd.first_lane()) debts.is_open[k] = 0; });
}

// Whether a node that owes has open obligations.
GPUSTRESS_FUNCTION bool is_open(const Network& n, const OpenDebts& debts, int i) { return debts.is_open[n.first[i]]; }

// Open the obligations of a node that has none that are; all lanes have to ask for it.
template <class Crowd>
GPUSTRESS_FUNCTION void open_node(const Crowd& crowd, const Network& n, const OpenDebts& debts, int i) {
    crowd.meet();
    if (!crowd.first_lane()) return;
    const int chunk = i / chunk_nodes(n);
    debts.nodes[chunk * chunk_nodes(n) + crowd.take_place(debts.count + chunk)] = i;
    for (index32 k = n.first[i]; k < n.first[i + 1]; ++k) debts.is_open[k] = 1;
}

// body(i) for the open nodes of a chunk.
template <class Crowd, class Body>
GPUSTRESS_FUNCTION void each_open(const Crowd& crowd, const Network& n, const OpenDebts& debts, int chunk, Body body) {
    const index32* nodes = debts.nodes + chunk * chunk_nodes(n);
    crowd.each(debts.count[chunk], [&](int place) { body(nodes[place]); });
}
template <class Crowd, class Body>
GPUSTRESS_FUNCTION void each_open(const Crowd& crowd, const Network& n, const OpenDebts& debts, Body body) {
    for (int chunk = 0; chunk < CHUNKS; ++chunk) each_open(crowd, n, debts, chunk, body);
}

template <class Crowd>
GPUSTRESS_STEP void gather_open(const Crowd& crowd, const Network& n, const OpenDebts& debts) {
    if constexpr (Crowd::ALONE) {  // in their order: memory is read ahead
        for (int chunk = 0; chunk < CHUNKS; ++chunk) {
            const int begin = chunk * chunk_nodes(n), end = begin + chunk_nodes(n);
            index32* next = debts.nodes + begin;
            for (int i = begin; i < end && i < n.nodes; ++i)
                if (n.first[i] < n.first[i + 1] && debts.is_open[n.first[i]]) *next++ = i;
        }
    }
    each_open(crowd, n, debts, [&](int i) {
        if (!crowd.first_lane()) return;
        const integer begin = open_row(n, i);
        integer end = begin;
        for (index32 e = n.in_start[i]; e < n.in_start[i + 1]; ++e) {
            debts.column[end] = n.in_column[e];
            debts.share[end] = n.in_share[e];
            end += debts.is_open[n.in_column[e]];
        }
        for (; (end - begin) % STEP != 0; ++end) {
            debts.column[end] = n.obligations;
            debts.share[end] = 0.0;
        }
        debts.row_size[i] = (index32)(end - begin);
    });
}

// What reaches a node with open obligations of `values` (K + 1,), by its shares.
GPUSTRESS_FUNCTION real reaching(const Network& n, const OpenDebts& debts, Lanes<real> values, int i) {
    real sum = all_lanes(0.0);
    const integer begin = open_row(n, i);
    const index32* column = debts.column + begin;
    const double* share = debts.share + begin;
    for (index32 e = 0; e < debts.row_size[i]; e += STEP)
        for (int j = 0; j < STEP; ++j) sum = fused(all_lanes(share[e + j]), values[column[e + j]], sum);
    return sum;
}

// The same for all nodes, into `sums`. A sum's terms are in the order of the obligations either way.
template <class Crowd>
GPUSTRESS_FUNCTION void reach_all(const Crowd& crowd, const Network& n, const OpenDebts& debts, Lanes<real> values, Lanes<real> sums) {
    if constexpr (Crowd::ALONE) {  // along the debts of who pays less than all, which may be few
        for (index32 i = 0; i < n.nodes; ++i) sums[i] = all_lanes(0.0);
        for (index32 k = 0; k < n.obligations; ++k) {
            if (!debts.is_open[k]) continue;
            const real value = values[k];
            for (index32 e = n.out_start[k]; e < n.out_start[k + 1]; ++e) {
                const index32 i = n.out_column[e];
                sums[i] = fused(all_lanes(n.out_share[e]), value, sums[i]);
            }
        }
    } else {
        crowd.each(n.nodes, [&](int i) {
            real sum = all_lanes(0.0);
            for (index32 e = n.in_start[i]; e < n.in_start[i + 1]; ++e)
                if (debts.is_open[n.in_column[e]]) sum = fused(all_lanes(n.in_share[e]), values[n.in_column[e]], sum);
            sums[i] = sum;
        });
    }
}
