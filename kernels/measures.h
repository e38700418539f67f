// Step 6: measures. Weighted sums of payments and of capex's non-cash lines.
#pragma once
#include "state.h"
#include "team.h"

constexpr double PAYBACK_TOLERANCE = 1e-9;  // of the sum so far of |weight * paid|

GPUSTRESS_STEP void measure(const Team& team, const Program& p, const State& s, int t) {
    team.each(p.measures_count, [&](int m) {
        real value = all_lanes(0.0), gross = s.gross[m];
        for (index32 e = p.measures_start[m], last = p.measures_start[m + 1]; e < last; ++e) {
            const real term = p.measures_weight[e] * s.lines[p.measures_line[e]];
            value = value + term;
            gross = gross + magnitude(term);
        }
        s.measured[m] = value;
        s.gross[m] = gross;
        s.total[m] = s.total[m] + value;
        s.npv[m] = fused(value, all_lanes(p.discount[t]), s.npv[m]);
        s.trough[m] = smaller(s.trough[m], s.total[m]);
        // The running total is negative in t: it pays back in t + 1 at the earliest.
        s.payback[m] = select(s.total[m] < -PAYBACK_TOLERANCE * gross, all_lanes((double)(t + 1)), s.payback[m]);
    });
}
