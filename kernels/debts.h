// How kernels on static networks go along debts, a group of shocks at a time.
#pragma once
#include "network.h"
#include "team.h"

// The debts among those whose payments may change: rows of `in`, each at its place, without the columns that pay in full. Who
// pays in full leaves nothing unpaid, and to add nothing changes no bit of a sum: so a sum over these columns is one over all.
struct OpenDebts {
    code8* is_open;      // (K,)
    index32* nodes;      // those with open obligations, in any order
    index32* count;      // of them
    index32* row_end;    // (N,)
    index32* column;     // (E,)
    double* share;       // (E,)
};

// Nothing is open.
template <class Crowd>
GPUSTRESS_FUNCTION void close_all(const Crowd& crowd, const Network& n, const OpenDebts& debts) {
    if (crowd.leads()) *debts.count = 0;
    crowd.each(n.obligations, [&](int k) { if (crowd.first_lane()) debts.is_open[k] = 0; });
}

// Open the obligations of a node that owes. All lanes of its thread of the crowd are here.
template <class Crowd>
GPUSTRESS_FUNCTION void open_node(const Crowd& crowd, const Network& n, const OpenDebts& debts, int i) {
    if (crowd.some(mask_of(debts.is_open[n.first[i]]))) return;
    if (!crowd.first_lane()) return;
    debts.nodes[crowd.take_place(debts.count)] = i;
    for (index32 k = n.first[i]; k < n.first[i + 1]; ++k) debts.is_open[k] = 1;
}

template <class Crowd>
GPUSTRESS_FUNCTION void gather_open(const Crowd& crowd, const Network& n, const OpenDebts& debts) {
    if constexpr (Crowd::ALONE) {  // in their order: memory is read ahead
        index32* next = debts.nodes;
        for (int i = 0; i < n.nodes; ++i) {
            *next = i;
            next += n.first[i] < n.first[i + 1] && debts.is_open[n.first[i]];
        }
    }
    crowd.each(*debts.count, [&](int place) {
        if (!crowd.first_lane()) return;
        const int i = debts.nodes[place];
        index32 end = n.in_start[i];
        for (index32 e = n.in_start[i]; e < n.in_start[i + 1]; ++e) {
            debts.column[end] = n.in_column[e];
            debts.share[end] = n.in_share[e];
            end += debts.is_open[n.in_column[e]];
        }
        debts.row_end[i] = end;
    });
}

// What reaches a node with open obligations of `values` (K,), by its shares.
GPUSTRESS_FUNCTION real reaching(const Network& n, const OpenDebts& debts, Lanes<real> values, int i) {
    real sum = all_lanes(0.0);
    for (index32 e = n.in_start[i]; e < debts.row_end[i]; ++e)
        sum = fused(all_lanes(debts.share[e]), values[debts.column[e]], sum);
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
