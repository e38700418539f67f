// What the kernel on contagion sees: who loses what when whose debts are written off, and batches of shocks. One shock a lane.
#pragma once
#include "program.h"

// Of gpustress.backends.network_layout. N nodes; `in` has a row for each creditor, with its debtors and what it loses of each;
// `out` one for each debtor, with its creditors. written_off: of the debts of who has failed, a share.
#define GPUSTRESS_EXPOSURES_ARRAYS(X) X(double, equity) X(double, written_off) \
    X(index32, in_start) X(index32, in_column) X(double, in_amount) \
    X(index32, out_start) X(index32, out_column) X(double, out_amount)
#define GPUSTRESS_EXPOSURES_NUMBERS(X) X(index32, nodes)

struct Exposures {
#define X(type, name) type name;
    GPUSTRESS_EXPOSURES_NUMBERS(X)
#undef X
#define X(type, name) const type* name;
    GPUSTRESS_EXPOSURES_ARRAYS(X)
#undef X
};

// By which rule a node passes on what it lost (gpustress.backends.base.RULES).
enum Rule { THRESHOLD, ONCE, LINEAR };

// Shocks whose losses are passed on. Shock s hits node[e] with loss[e], start[s] <= e < start[s + 1].
struct Contagion {
    index32 rule;
    index32 rounds;         // LINEAR: after which it ends
    index32 imposed;        // THRESHOLD: whom a shock hits fails, whatever it loses
    integer shocks;
    const integer* start;   // (S + 1,)
    const index32* node;
    const double* loss;
    integer* cells;         // (S,) to be written: how many nodes a shock reaches
    code8* moving;          // (S,) to be written: it has not come to rest
};

// What comes of shocks: nodes that have lost something or failed, those of one shock after those of the one before, in their
// order. value: losses, or distress; other: the round in which it failed and 1 more, or 0; of LINEAR what it passed on.
struct Cells {
    index32* node;
    double* value;
    double* other;
};

// The same on the GPU, where shocks take room as they are done.
struct CellRoom {
    integer cells;    // that there is room for
    integer* taken;   // 0 at first: by how many, those included for which there was no room
    integer* place;   // (S,) to be written: of a shock's first cell, below 0 where there was no room
    index32* node;
    double *value, *other;
};
