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
// Rows are filled up to whole STEPs with an obligation that does not exist, of which nothing is unpaid.
//
// Numbers that are kept of open obligations lie at their places, in the order in which they were opened, the one that does not
// exist at K: so what an update looks at lies close together, however many nodes there are.
constexpr int STEP = 4;
// What an update wants to know of an open node, besides what differs by lane.
struct OpenRow {
    integer begin;          // of its columns
    double total;           // that it owes
    index32 node, columns;
    index32 first, places;  // its obligations; what to add to one for its place
};
struct OpenDebts {
    index32* place;      // (K,) below 0: not open; a node's are neighbours
    index32* nodes;      // those with open obligations, of each chunk from where its nodes begin
    index32* count;      // (CHUNKS + 1,) of them, and of the open obligations
    OpenRow* rows;       // as nodes, in whatever order within a chunk
    index32* column;     // (open_size,) places
    double* share;       // (open_size,)
};
GPUSTRESS_FUNCTION integer open_size(const Network& n) { return n.edges + (integer)(STEP - 1) * n.nodes; }

// Nothing is open.
template <class Crowd>
GPUSTRESS_FUNCTION void close_all(const Crowd& crowd, const Network& n, const OpenDebts& debts) {
    crowd.each(CHUNKS + 1, [&](int chunk) { if (crowd.first_lane()) debts.count[chunk] = 0; });
    crowd.each(n.obligations, [&](int k) { if (crowd.first_lane()) debts.place[k] = -1; });
}

// Whether a node that owes has open obligations.
GPUSTRESS_FUNCTION bool is_open(const Network& n, const OpenDebts& debts, int i) { return debts.place[n.first[i]] >= 0; }

// Where the numbers of an open node's obligations begin, less where its obligations do.
GPUSTRESS_FUNCTION index32 places_of(const Network& n, const OpenDebts& debts, int i) { return debts.place[n.first[i]] - n.first[i]; }

// Open the obligations of a node that has none that are; all lanes have to ask for it.
template <class Crowd>
GPUSTRESS_FUNCTION void open_node(const Crowd& crowd, const Network& n, const OpenDebts& debts, int i) {
    crowd.meet();
    if (crowd.first_lane()) {
        const int chunk = i / chunk_nodes(n);
        const index32 begin = n.first[i], ranks = n.first[i + 1] - begin;
        debts.nodes[chunk * chunk_nodes(n) + crowd.take_places(debts.count + chunk, 1)] = i;
        const index32 first = crowd.take_places(debts.count + CHUNKS, ranks);
        for (index32 j = 0; j < ranks; ++j) debts.place[begin + j] = first + j;
    }
    crowd.meet();
}

// body(row) for the open nodes of a chunk, and of all.
template <class Crowd, class Body>
GPUSTRESS_FUNCTION void each_open(const Crowd& crowd, const Network& n, const OpenDebts& debts, int chunk, Body body) {
    const OpenRow* rows = debts.rows + (integer)chunk * chunk_nodes(n);
    crowd.each(debts.count[chunk], [&](int number) { body(rows[number]); });
}
template <class Crowd, class Body>
GPUSTRESS_FUNCTION void each_open(const Crowd& crowd, const Network& n, const OpenDebts& debts, Body body) {
    for (int chunk = 0; chunk < CHUNKS; ++chunk) each_open(crowd, n, debts, chunk, body);
}

// Gather the columns of an open node that are open, from `begin` on.
GPUSTRESS_FUNCTION OpenRow gathered(const Network& n, const OpenDebts& debts, int i, integer begin) {
    integer end = begin;
    for (index32 e = n.in_start[i]; e < n.in_start[i + 1]; ++e) {
        const index32 place = debts.place[n.in_column[e]];
        debts.column[end] = place;
        debts.share[end] = n.in_share[e];
        end += place >= 0;
    }
    for (; (end - begin) % STEP != 0; ++end) {
        debts.column[end] = n.obligations;
        debts.share[end] = 0.0;
    }
    return {begin, n.total[i], i, (index32)(end - begin), n.first[i], places_of(n, debts, i)};
}

template <class Crowd>
GPUSTRESS_STEP void gather_open(const Crowd& crowd, const Network& n, const OpenDebts& debts) {
    integer end = 0;
    for (int chunk = 0; chunk < CHUNKS; ++chunk) {
        const index32* nodes = debts.nodes + (integer)chunk * chunk_nodes(n);
        OpenRow* rows = debts.rows + (integer)chunk * chunk_nodes(n);
        const int count = debts.count[chunk];
        if constexpr (Crowd::ALONE) {
            // One behind the other, so that memory is read ahead; those of like length together, so that where a row ends is
            // seldom a surprise.
            constexpr int LENGTHS = 16;
            int next[LENGTHS + 1] = {};
            const auto length = [&](index32 i) {
                const index32 steps = (n.in_start[i + 1] - n.in_start[i]) / STEP;
                return steps < LENGTHS ? (int)steps : LENGTHS - 1;
            };
            for (int number = 0; number < count; ++number) ++next[length(nodes[number]) + 1];
            for (int l = 0; l < LENGTHS; ++l) next[l + 1] += next[l];
            for (int number = 0; number < count; ++number) rows[next[length(nodes[number])]++].node = nodes[number];
            for (int number = 0; number < count; ++number) {
                rows[number] = gathered(n, debts, rows[number].node, end);
                end += rows[number].columns;
            }
        } else {  // where there is room for all of them, whatever is open
            crowd.each(count, [&](int number) {
                const int i = nodes[number];
                if (crowd.first_lane()) rows[number] = gathered(n, debts, i, n.in_start[i] + (integer)(STEP - 1) * i);
            });
        }
    }
}

// The same where nodes have been opened since; gathered: how many obligations were open then.
template <class Crowd>
GPUSTRESS_FUNCTION void gather_more(const Crowd& crowd, const Network& n, const OpenDebts& debts, int& gathered) {
    const int open = debts.count[CHUNKS];
    if (open != gathered) gather_open(crowd, n, debts);
    gathered = open;
}

// What reaches an open node of `values` (K + 1,), which lie at their places, by its shares.
GPUSTRESS_FUNCTION real reaching(const OpenDebts& debts, Lanes<real> values, const OpenRow& row) {
    real sum = all_lanes(0.0);
    const index32* column = debts.column + row.begin;
    const double* share = debts.share + row.begin;
    for (index32 e = 0; e < row.columns; e += STEP)
        for (int j = 0; j < STEP; ++j) sum = fused(all_lanes(share[e + j]), values[column[e + j]], sum);
    return sum;
}

// The same for all nodes, into `sums`. A sum's terms are in the order of the obligations either way.
template <class Crowd>
GPUSTRESS_FUNCTION void reach_all(const Crowd& crowd, const Network& n, const OpenDebts& debts, Lanes<real> values, Lanes<real> sums) {
    if constexpr (Crowd::ALONE) {  // along the debts of who pays less than all, which may be few
        for (index32 i = 0; i < n.nodes; ++i) sums[i] = all_lanes(0.0);
        for (index32 k = 0; k < n.obligations; ++k) {
            if (debts.place[k] < 0) continue;
            const real value = values[debts.place[k]];
            for (index32 e = n.out_start[k]; e < n.out_start[k + 1]; ++e) {
                const index32 i = n.out_column[e];
                sums[i] = fused(all_lanes(n.out_share[e]), value, sums[i]);
            }
        }
    } else {
        crowd.each(n.nodes, [&](int i) {
            real sum = all_lanes(0.0);
            for (index32 e = n.in_start[i]; e < n.in_start[i + 1]; ++e) {
                const index32 place = debts.place[n.in_column[e]];
                if (place >= 0) sum = fused(all_lanes(n.in_share[e]), values[place], sum);
            }
            sums[i] = sum;
        });
    }
}
