// Step 3: billing. What every flow should pay in a period.
#pragma once
#include "factors.h"

// What is left of a flow: 1 while payer and receiver go on.
GPUSTRESS_FUNCTION real gate(const Program& p, const State& s, int flow, int t) {
    const index32 payer = p.payer[flow];
    if (p.rank[flow] == DISCRETIONARY) return s.going[payer] * s.going[p.receiver[flow]] * s.going[p.tenant[flow]];
    if (p.relet_price[flow] == 0.0) return s.going[payer];
    const mask relet = s.stops_at[payer] + (double)p.relet_lag[flow] <= (double)t;
    return select(s.going[payer] != 0.0, all_lanes(1.0), select(relet, all_lanes(p.relet_price[flow]), all_lanes(0.0)));
}

GPUSTRESS_STEP void bill(const Team& team, const Program& p, const State& s, int scenario, int t, int effects) {
    team.each(p.flows, [&](int flow) {
        const double scale = p.curves[(integer)p.scale[(integer)scenario * p.flows + flow] * p.periods + t];
        const double scheduled = scale * p.amount[(integer)t * p.flows + flow];
        if (scheduled == 0.0) {
            s.billed[flow] = all_lanes(0.0);
            return;
        }
        real billed = scheduled * power_product(p, s, p.flow_sensitivities_start, p.flow_sensitivities_column, flow);
        if (p.index[flow] >= 0) billed = billed * larger(all_lanes(0.0), p.spread[flow] + s.observed[p.index[flow]]);
        if (p.drawn_loan[flow] >= 0) billed = billed * s.share_drawn[p.drawn_loan[flow]];
        if (effects == FULL) billed = billed * gate(p, s, flow, t);
        s.billed[flow] = billed;
    });
    for (int depth = 0; depth < p.depths; ++depth) {
        const index32 first = p.driven_start[depth];
        team.each(p.driven_start[depth + 1] - first, [&](int e) {
            const index32 flow = p.driven_column[first + e];
            s.billed[flow] = s.billed[flow] * s.billed[p.driver[flow]];
        });
    }
}
