// Step 2: credit events and imposed failures.
#pragma once
#include "factors.h"

// E of every entity that has a hazard: exponential(1), drawn once a path.
GPUSTRESS_FUNCTION void draw_limits(const Team& team, const Program& p, const Job& job, const State& s, int scenario, word path) {
    team.each(p.entities, [&](int i) {
        if (!(p.hazard[(integer)scenario * p.entities + i] > 0.0)) return;
        const bool is_point = p.components != 0 && job.credit_dimension[i] >= 0;
        const real u = is_point ? point_uniforms(job, job.credit_dimension[i], path)
                                : draw_uniforms(job, p.entity_ids[i], path, 0, CREDIT_STREAM).u[0];
        s.limit[i] = -logarithm(u);
        if (p.tilts == 0) return;
        const mask tilted = tilted_lanes(job, path) > 0.0;
        s.limit[i] = select(tilted, s.limit[i] / job.twist[(integer)scenario * p.entities + i], s.limit[i]);
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

// Twisted, E is exponential with the rate `twist`. ln of how much likelier a path is for that, behind the period's credit events:
// of who lives on, that E is above what is gathered; of who is hit, E itself. What nobody looks at does not count.
GPUSTRESS_STEP void tilt_credit(const Team& team, const Program& p, const Job& job, const State& s, int scenario, int t) {
    const integer row = (integer)scenario * p.entities;
    team.each(p.entities, [&](int i) {
        if (!(p.hazard[row + i] > 0.0)) return;
        const double excess = 1.0 - job.twist[row + i];
        const mask hit = (s.failed_at[i] == (double)t) & (s.cause[i] == (double)CREDIT);
        const real tilt = select(s.failed_at[i] >= (double)p.periods, excess * s.gathered[i], s.tilt[p.factors + i]);
        s.tilt[p.factors + i] = select(hit, fused(all_lanes(excess), s.limit[i], all_lanes(job.log_twist[row + i])), tilt);
    });
}
