// Step 6: measures. Weighted sums of payments and of capex's non-cash lines.
#pragma once
#include "state.h"
#include "team.h"

constexpr double PAYBACK_TOLERANCE = 1e-9;  // of the sum so far of |weight * paid|

GPUSTRESS_STEP void measure(const Team& team, const Program& p, const State& s, int t) {
    team.each(p.measures_count, [&](int m) {
        // No line is negative, so that the weights' signs alone tell value from gross.
        const auto weighted = [&](index32 first, index32 last) {
            real sum = all_lanes(0.0);
            GPUSTRESS_ROLLED
            for (index32 e = first; e < last; ++e) sum = fused(all_lanes(p.measures_weight[e]), s.lines[p.measures_line[e]], sum);
            return sum;
        };
        const real gained = weighted(p.measures_start[m], p.measures_loss[m]);
        const real lost = weighted(p.measures_loss[m], p.measures_start[m + 1]);
        Measured& so_far = s.measures[m];
        so_far.value = gained + lost;
        so_far.gross = so_far.gross + (gained - lost);
        so_far.total = so_far.total + so_far.value;
        so_far.npv = fused(so_far.value, all_lanes(p.discount[t]), so_far.npv);
        so_far.trough = smaller(so_far.trough, so_far.total);
        // The running total is negative in t: it pays back in t + 1 at the earliest.
        const mask negative = so_far.total < -PAYBACK_TOLERANCE * so_far.gross;
        so_far.payback = select(negative, all_lanes((double)(t + 1)), so_far.payback);
    });
}
