// Step 2: credit events and imposed failures.
#pragma once
#include "factors.h"

// E of every entity that has a hazard: exponential(1), drawn once a path.
GPUSTRESS_FUNCTION void draw_limits(const Team& team, const Program& p, const Job& job, const State& s, int scenario, word path) {
    team.each(p.entities, [&](int i) {
        if (p.hazard[(integer)scenario * p.entities + i] > 0.0)
            s.limit[i] = -logarithm(draw_uniforms(job, p.entity_ids[i], path, 0, CREDIT_STREAM).u[0]);
    });
}

GPUSTRESS_FUNCTION void note_failure(const State& s, int i, mask who, int t, double stops_at, int cause) {
    const unsigned lanes = lane_bits(who);
    if (lanes == 0) return;
    s.marks[i].failed |= lanes;
    s.failed_at[i] = select(who, all_lanes((double)t), s.failed_at[i]);
    s.cause[i] = select(who, all_lanes((double)cause), s.cause[i]);
    s.stops_at[i] = select(who, all_lanes(stops_at), s.stops_at[i]);
}

// H(t) = H(t-1) + h prod_k (X_k / initial_k)^gamma_k D; who has not failed fails once H >= E.
GPUSTRESS_STEP void credit_events(const Team& team, const Program& p, const State& s, int scenario, int t) {
    const integer row = (integer)scenario * p.entities;
    team.each(p.entities, [&](int i) {
        mask alive = s.failed_at[i] >= (double)p.periods;
        if (p.fail_at[row + i] == t) {
            note_failure(s, i, alive, t, t, IMPOSED);
            alive = no_lane();
        }
        if (p.hazard[row + i] > 0.0) {
            const real power = p.hazard_power[i] < 0 ? all_lanes(1.0) : s.power[p.hazard_power[i]];
            s.gathered[i] = fused(power, all_lanes(p.hazard[row + i] * p.period_years), s.gathered[i]);
            note_failure(s, i, alive & (s.gathered[i] >= s.limit[i]), t, t, CREDIT);
        }
        s.going[i] = select(s.stops_at[i] > (double)t, all_lanes(1.0), all_lanes(0.0));
    });
}
