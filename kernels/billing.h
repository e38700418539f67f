// Step 3: billing. What every flow should pay in a period.
#pragma once
#include "factors.h"

// For each flow of one of the lists of billing, in any order.
template <class Body>
GPUSTRESS_FUNCTION void each_of(const Team& team, const Program& p, BillingList list, Body body) {
    const index32 first = p.billing_start[list];
    team.each(p.billing_start[list + 1] - first, [&](int e) { body(p.billing_column[first + e]); });
}

GPUSTRESS_FUNCTION void bill_scheduled(const Team& team, const Program& p, const State& s, int scenario, int t) {
    const double* amount = p.amount + (integer)t * p.flows;
    const index32* scale = p.scale + (integer)scenario * p.flows;
    team.each(p.flows, [&](int flow) {
        s.billed[flow] = all_lanes(p.curves[(integer)scale[flow] * p.periods + t] * amount[flow]);
    });
    each_of(team, p, SENSITIVE, [&](int flow) { s.billed[flow] = s.billed[flow] * s.power[p.flow_power[flow]]; });
    each_of(team, p, INDEXED, [&](int flow) {
        s.billed[flow] = s.billed[flow] * larger(all_lanes(0.0), p.spread[flow] + s.observed[p.index[flow]]);
    });
    each_of(team, p, DRAWN, [&](int flow) { s.billed[flow] = s.billed[flow] * s.share_drawn[p.drawn_loan[flow]]; });
}

// The gate: 1 while payer and receiver go on.
GPUSTRESS_FUNCTION void gate(const Team& team, const Program& p, const State& s, int t) {
    each_of(team, p, ENDED_BY_ANYBODY, [&](int flow) {
        s.billed[flow] = s.billed[flow] * (s.going[p.payer[flow]] * s.going[p.receiver[flow]] * s.going[p.tenant[flow]]);
    });
    each_of(team, p, ENDED_BY_PAYER, [&](int flow) { s.billed[flow] = s.billed[flow] * s.going[p.payer[flow]]; });
    each_of(team, p, RELET, [&](int flow) {
        const index32 payer = p.payer[flow];
        const mask relet = s.stops_at[payer] + (double)p.relet_lag[flow] <= (double)t;
        const real after = select(relet, all_lanes(p.relet_price[flow]), all_lanes(0.0));
        s.billed[flow] = s.billed[flow] * select(s.going[payer] > 0.0, all_lanes(1.0), after);
    });
}

GPUSTRESS_STEP void bill(const Team& team, const Program& p, const State& s, int scenario, int t, int effects) {
    bill_scheduled(team, p, s, scenario, t);
    if (effects == FULL) gate(team, p, s, t);
    for (int depth = 0; depth < p.depths; ++depth) {
        const index32 first = p.driven_start[depth];
        team.each(p.driven_start[depth + 1] - first, [&](int e) {
            const index32 flow = p.driven_column[first + e];
            s.billed[flow] = s.billed[flow] * s.billed[p.driver[flow]];
        });
    }
}
