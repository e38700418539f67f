// The state of one path (one lane each) while its periods are simulated: arrays in memory that the caller sets aside.
#pragma once
#include "program.h"

// What only some ways of drawing need comes last: where the others lie must not depend on it, or their addresses take more registers.
#define GPUSTRESS_STATE_ARRAYS(X) \
    X(normals, 4 * p.factors) X(jump, 2 * p.factors) X(y, p.factors) X(observed, p.factors) X(log_ratio, p.factors) X(power, p.powers) \
    X(gathered, p.entities) X(limit, p.entities) X(cash, p.entities) \
    X(stops_at, p.entities + 1) X(going, p.entities + 1) X(failed_at, p.entities) X(cause, p.entities) X(lowest, p.entities) \
    X(deposit, p.entities) X(own, p.entities) X(receipts, p.entities) \
    X(statement, STATEMENT * p.entities) X(due, 3 * p.entities) X(as_billed, p.flows) X(lines, p.flows + 2 * p.capex_count) \
    X(ratio, 3 * (p.entities + 1)) X(next_ratio, 3 * p.entities) \
    X(balance, p.loans) X(share_drawn, p.loans) \
    X(book, p.capex_count) X(opening_left, p.capex_count) X(impaired, p.capex_count) \
    X(capitalised, (p.periods + 1) * p.capex_count) X(estate, 1) \
    X(component, p.factors * p.components) X(tilt, p.tilts)

// What has become of a measure so far.
struct Measured {
    real value, total, npv, trough, payback, gross;  // value: of this period; gross: the sum of |weight * paid|
};

// What lanes share of an entity, as bits.
struct Marks {
    word is_short, insolvent, failed;  // lanes
    word falls, fallen;                // ranks whose ratio falls in this update, or has fallen in this period, in any lane
};

// Words for a bit each.
GPUSTRESS_FUNCTION int bit_words(int count) { return (count + 63) / 64; }

// What only a trace shows of an entity.
enum Statement { OPENING_CASH, LINE_INTEREST, PAYMENTS, STATEMENT };

struct State {
#define X(name, count) real* name;
    GPUSTRESS_STATE_ARRAYS(X)
#undef X
    // Parts of `lines`, of which measures are sums. What is billed becomes what is paid, in its place.
    real *billed, *paid, *depreciation, *impairment;
    Measured* measures;
    Marks* marks;   // of each entity and of `outside`
    word* changed;  // bits of the entities that have changed a ratio in the last update, in any lane
};

// How many reals a state takes.
GPUSTRESS_FUNCTION integer state_size(const Program& p) {
    integer size = 0;
#define X(name, count) size += (integer)(count) + GUARD;
    GPUSTRESS_STATE_ARRAYS(X)
#undef X
    size += (integer)(sizeof(Measured) / sizeof(real)) * (p.measures_count + GUARD);
    const integer marks = (integer)sizeof(Marks) / (integer)sizeof(word) * (p.entities + 1 + GUARD);
    return size + (marks + bit_words(p.entities) + GUARD + GPUSTRESS_LANES - 1) / GPUSTRESS_LANES;
}

GPUSTRESS_FUNCTION State state_in(real* memory, const Program& p) {
    State s;
#define X(name, count) s.name = memory; memory = guarded(memory + (count));
    GPUSTRESS_STATE_ARRAYS(X)
#undef X
    s.billed = s.paid = s.lines;
    s.depreciation = s.paid + p.flows;
    s.impairment = s.depreciation + p.capex_count;
    s.measures = reinterpret_cast<Measured*>(memory);
    s.marks = reinterpret_cast<Marks*>(guarded(s.measures + p.measures_count));
    s.changed = reinterpret_cast<word*>(guarded(s.marks + p.entities + 1));
    guarded(s.changed + bit_words(p.entities));
    return s;
}

// Later than any period with any lag; periods are kept as reals, so that comparing them gives a mask.
GPUSTRESS_FUNCTION real never() { return all_lanes(1073741824.0); }

// Sum of values over a sparse row, in the row's order.
GPUSTRESS_FUNCTION real row_sum(const index32* start, const index32* column, const real* values, int row) {
    real sum = all_lanes(0.0);
    GPUSTRESS_ROLLED
    for (index32 e = start[row]; e < start[row + 1]; ++e) sum = sum + values[column[e]];
    return sum;
}
