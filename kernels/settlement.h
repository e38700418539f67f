// Step 4: settlement. All payments of a period clear at once, rank by rank: the greatest fixed point of the ratios.
// Sources: Eisenberg and Noe (2001); Elsinger (2009), seniority; Rogers and Veraart (2013), default costs.
#pragma once
#include "finish.h"
#include "state.h"
#include "team.h"

constexpr double SHORT_TOLERANCE = 1e-9;   // who lacks less than this share of what is due is not short
constexpr double RATIO_TOLERANCE = 1e-12;  // the updates rest once none lowers a ratio by more
constexpr int PLAIN_UPDATES = 256;         // what still moves after so many is finished exactly

// Paid / due: in full or pro rata, 1 where nothing is due. `inverse` is 1 / due: one division a period, not one an update.
GPUSTRESS_FUNCTION real share_paid(real funds, real due, real inverse) {
    return select(funds < due, funds * inverse, all_lanes(1.0));
}

struct Ratios {
    real of[RANKS];
    mask is_short;
};

// An entity's ratios, given its receipts.
GPUSTRESS_FUNCTION Ratios ratios_from(const Program& p, const State& s, int i, real receipts) {
    const real operating = s.due[3 * i], debt = s.due[3 * i + 1], discretionary = s.due[3 * i + 2];
    const real liquid = s.own[i] + receipts;
    Ratios r;
    r.is_short = liquid < (1.0 - SHORT_TOLERANCE) * (operating + debt);
    const real funds = select(r.is_short, fused(all_lanes(p.alpha), s.own[i], p.beta * receipts), liquid);
    r.of[OPERATING] = share_paid(funds, operating, s.inverse_due[3 * i]);
    real left = larger(all_lanes(0.0), funds - operating);
    r.of[DEBT] = share_paid(left, debt, s.inverse_due[3 * i + 1]);
    left = larger(all_lanes(0.0), left - debt - p.reserve[i]);
    r.of[DISCRETIONARY] = share_paid(left, discretionary, s.inverse_due[3 * i + 2]);
    return r;
}

// Sum of billed * ratio over the flows that an entity receives; who has stopped receives nothing.
GPUSTRESS_FUNCTION real received(const Program& p, const State& s, int i, int t, bool in_full) {
    real sum = all_lanes(0.0);
    for (index32 e = p.receipts_start[i]; e < p.receipts_start[i + 1]; ++e) {
        const index32 flow = p.receipts_column[e];
        sum = in_full ? sum + s.billed[flow] : fused(s.billed[flow], s.ratio[3 * p.payer[flow] + p.rank[flow]], sum);
    }
    return select(s.stops_at[i] > (double)t, sum, all_lanes(0.0));
}

struct Counts {
    integer exact, updates;
};

// Lower the ratios to the greatest fixed point. A lane that has come to rest is left as it is, so that its neighbours in
// the vector can't move it.
GPUSTRESS_FUNCTION void fixed_point(const Team& team, const Program& p, const State& s, int t, int lanes, double* scratch, Counts& counts) {
    mask moving = all_lanes(0.0) == all_lanes(0.0);
    for (int update = 0; update < PLAIN_UPDATES; ++update) {
        for (int lane = 0; lane < lanes; ++lane) counts.updates += lane_of(moving, lane);
        mask moves = no_lane();
        team.each(p.entities, [&](int i) {
            const Ratios target = ratios_from(p, s, i, s.receipts[i] = received(p, s, i, t, false));
            for (int rank = 0; rank < RANKS; ++rank) {
                const real now = s.ratio[3 * i + rank], lower = smaller(now, target.of[rank]);
                moves = moves | (now - lower > RATIO_TOLERANCE);
                s.next_ratio[3 * i + rank] = select(moving, lower, now);
            }
            s.is_short[i] = select(moving, select(target.is_short, all_lanes(1.0), all_lanes(0.0)), s.is_short[i]);
        });
        team.each(3 * p.entities, [&](int r) { s.ratio[r] = s.next_ratio[r]; });
        moving = moving & team.across(moves);
        if (!some_lane(moving)) return;
    }
    for (int lane = 0; lane < lanes; ++lane)
        if (lane_of(moving, lane)) {
            if (team.leads()) finish_exactly(p, s, t, lane, scratch);
            ++counts.exact;
        }
    team.wait();
}

GPUSTRESS_FUNCTION void settle(const Team& team, const Program& p, const State& s, int scenario, int t, int effects, int lanes, double* scratch, Counts& counts) {
    const double* credit_line = p.credit_line + (integer)scenario * p.entities;
    team.each(p.entities, [&](int i) {
        const mask going = s.stops_at[i] > (double)t;
        const real nothing = all_lanes(0.0), cash = s.cash[i];
        s.opening[i] = cash;
        s.deposit[i] = select(going, p.deposit_rate[i] * larger(cash, nothing), nothing);
        s.line_interest[i] = select(going, p.line_rate[i] * larger(-cash, nothing), nothing);
        s.own[i] = larger(nothing, cash + s.deposit[i] + credit_line[i]);
        for (int rank = 0; rank < RANKS; ++rank)
            s.due[3 * i + rank] = select(going, row_sum(p.dues_start, p.dues_column, s.billed, 3 * i + rank), nothing);
        s.due[3 * i + DEBT] = s.due[3 * i + DEBT] + s.line_interest[i];
        for (int rank = 0; rank < RANKS; ++rank) {
            // Not used where nothing is due; of what is next to nothing, nothing is paid, lest the inverse overflow.
            const real due = s.due[3 * i + rank];
            s.inverse_due[3 * i + rank] = select(due >= 0x1p-1000, 1.0 / due, nothing);
            s.ratio[3 * i + rank] = all_lanes(1.0);
        }
        s.is_short[i] = nothing;
    });
    if (effects == FULL)
        fixed_point(team, p, s, t, lanes, scratch, counts);
    else if (effects == FIRST_ROUND) {
        team.each(p.entities, [&](int i) {
            const Ratios own = ratios_from(p, s, i, received(p, s, i, t, true));
            // Without gates, it is here that who has stopped pays nothing.
            const mask going = s.stops_at[i] > (double)t;
            for (int rank = 0; rank < RANKS; ++rank) s.ratio[3 * i + rank] = select(going, own.of[rank], all_lanes(0.0));
            s.is_short[i] = select(own.is_short, all_lanes(1.0), all_lanes(0.0));
        });
        counts.updates += lanes;
    }
    team.each(p.entities, [&](int i) {
        s.receipts[i] = received(p, s, i, t, effects != FULL);
        const real operating = s.due[3 * i] * s.ratio[3 * i], debt = s.due[3 * i + 1] * s.ratio[3 * i + 1];
        s.payments[i] = operating + debt + s.due[3 * i + 2] * s.ratio[3 * i + 2];
        real cash = s.opening[i] + s.deposit[i] + s.receipts[i] - s.payments[i];
        // Takes off rounding; what is not a number stays so, and is an error later.
        if (effects != NO_EFFECTS) cash = select(cash < -credit_line[i], all_lanes(-credit_line[i]), cash);
        s.cash[i] = cash + 0.0;  // one zero, not two
    });
    team.each(p.flows, [&](int flow) { s.paid[flow] = s.billed[flow] * s.ratio[3 * p.payer[flow] + p.rank[flow]]; });
}
