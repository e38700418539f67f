// Step 4: settlement. All payments of a period clear at once, rank by rank: the greatest fixed point of the ratios.
// Sources: Eisenberg and Noe (2001); Elsinger (2009), seniority; Rogers and Veraart (2013), default costs.
#pragma once
#include "finish.h"
#include "state.h"
#include "team.h"

constexpr double SHORT_TOLERANCE = 1e-9;   // who lacks less than this share of what is due is not short
constexpr double RATIO_TOLERANCE = 1e-12;  // the updates rest once none lowers a ratio by more
constexpr int PLAIN_UPDATES = 256;         // what still moves after so many is finished exactly
constexpr double COVERED = 1.0 + 1e-12;    // who has this much of all dues and the reserve pays in full, rounding and all

// What an entity owes and has besides its receipts. Who has stopped neither pays nor receives.
GPUSTRESS_STEP void open_settlement(const Team& team, const Program& p, const State& s, int scenario) {
    const double* credit_line = p.credit_line + (integer)scenario * p.entities;
    team.each(p.entities, [&](int i) {
        const real nothing = all_lanes(0.0), cash = s.cash[i], going = s.going[i];
        s.opening[i] = cash;
        s.deposit[i] = p.deposit_rate[i] * larger(cash, nothing) * going;
        s.line_interest[i] = p.line_rate[i] * larger(-cash, nothing) * going;
        s.own[i] = larger(nothing, cash + s.deposit[i] + credit_line[i]);
        for (int rank = 0; rank < RANKS; ++rank) {
            s.due[3 * i + rank] = row_sum(p.dues_start, p.dues_column, s.billed, 3 * i + rank) * going;
            s.ratio[3 * i + rank] = all_lanes(1.0);
        }
        s.due[3 * i + DEBT] = s.due[3 * i + DEBT] + s.line_interest[i];
        const real senior = s.due[3 * i] + s.due[3 * i + DEBT], all = senior + s.due[3 * i + DISCRETIONARY];
        s.short_below[i] = (1.0 - SHORT_TOLERANCE) * senior;
        s.covered_from[i] = select(all > nothing, COVERED * (all + p.reserve[i]), nothing);
        s.is_short[i] = nothing;
    });
}

// Sum of billed * ratio over the flows that an entity receives.
GPUSTRESS_FUNCTION real received(const Program& p, const State& s, int i, bool in_full) {
    real sum = all_lanes(0.0);
    for (index32 e = p.receipts_start[i]; e < p.receipts_start[i + 1]; ++e) {
        const index32 flow = p.receipts_column[e];
        sum = in_full ? sum + s.billed[flow] : fused(s.billed[flow], s.ratio[p.paid_at[flow]], sum);
    }
    return sum * s.going[i];
}

// Whether a payer of this entity has changed a ratio in the last update: else it receives what it did.
GPUSTRESS_FUNCTION bool receives_otherwise(const Program& p, const State& s, int i) {
    const int words = bit_words(p.entities);
    word otherwise = 0;
    for (int w = 0; w < words; ++w) otherwise |= p.payer_bits[(integer)i * words + w] & s.changed[w];
    return otherwise != 0;
}

// What an entity pays by, given its receipts. pay(rank, unmet, left, due) is called for each rank that some lane can't pay
// in full, with what it has left for it; the others are paid in full. Gives where it is short.
template <class Pay>
GPUSTRESS_FUNCTION mask pay_by_rank(const Program& p, const State& s, int i, real receipts, Pay pay) {
    const real* due = s.due + 3 * i;
    const real own = s.own[i], liquid = own + receipts, nothing = all_lanes(0.0);
    const mask is_short = liquid < s.short_below[i];
    real left = select(is_short, fused(all_lanes(p.alpha), own, p.beta * receipts), liquid);
    for (int rank = 0; rank < RANKS; ++rank) {
        if (rank == DISCRETIONARY) left = larger(nothing, left - p.reserve[i]);
        const mask unmet = left < due[rank];
        if (some_lane(unmet)) pay(rank, unmet, left, due[rank]);
        left = larger(nothing, left - due[rank]);
    }
    return is_short;
}

struct Counts {
    integer exact, updates;
};

// Lower the ratios to the greatest fixed point. A lane that has come to rest is left as it is, so that its neighbours in
// the vector can't move it. An entity is looked at again only if somebody who pays it has changed a ratio.
GPUSTRESS_STEP void fixed_point(const Team& team, const Program& p, const State& s, int t, int lanes, double* scratch, Counts& counts) {
    mask moving = every_lane();
    for (int update = 0; update < PLAIN_UPDATES; ++update) {
        counts.updates += lanes_in(moving, lanes);
        real drop = all_lanes(0.0);
        team.each(p.entities, [&](int i) {
            s.falls[i] = 0;
            if (update > 0 && !receives_otherwise(p, s, i)) return;
            const real receipts = s.receipts[i] = received(p, s, i, update == 0);
            if (!some_lane(s.own[i] + receipts < s.covered_from[i])) return;
            const mask is_short = pay_by_rank(p, s, i, receipts, [&](int rank, mask unmet, real left, real due) {
                const real now = s.ratio[3 * i + rank];
                const real lower = select(moving & unmet, smaller(now, left / due), now);
                s.next_ratio[3 * i + rank] = lower;
                drop = larger(drop, now - lower);
                s.falls[i] |= (word)1 << rank;
            });
            s.is_short[i] = select(moving, select(is_short, all_lanes(1.0), all_lanes(0.0)), s.is_short[i]);
        });
        team.each(bit_words(p.entities), [&](int w) { s.changed[w] = 0; });
        team.each(p.entities, [&](int i) {
            if (s.falls[i] == 0) return;
            bool changed = false;
            for (int rank = 0; rank < RANKS; ++rank)
                if (s.falls[i] >> rank & 1) {
                    changed |= some_lane(s.next_ratio[3 * i + rank] < s.ratio[3 * i + rank]);
                    s.ratio[3 * i + rank] = s.next_ratio[3 * i + rank];
                }
            if (changed) team.set_bit(s.changed, i);
        });
        moving = moving & team.across(drop > RATIO_TOLERANCE);
        if (!some_lane(moving)) break;
    }
    bool finished = false;
    for (int lane = 0; lane < lanes; ++lane)
        if (lane_of(moving, lane)) {
            if (team.leads()) finish_exactly(p, s, t, lane, scratch);
            finished = true;
            ++counts.exact;
        }
    team.wait();
    // Receipts are those at the ratios of the last update.
    team.each(p.entities, [&](int i) {
        if (finished || receives_otherwise(p, s, i)) s.receipts[i] = received(p, s, i, false);
    });
}

// Everybody alone, as if all others paid in full. Without gates, it is here that who has stopped pays nothing.
GPUSTRESS_FUNCTION void judge_alone(const Team& team, const Program& p, const State& s) {
    team.each(p.entities, [&](int i) {
        for (int rank = 0; rank < RANKS; ++rank) s.ratio[3 * i + rank] = s.going[i];
        const mask is_short = pay_by_rank(p, s, i, s.receipts[i], [&](int rank, mask unmet, real left, real due) {
            s.ratio[3 * i + rank] = select(unmet, left / due, s.ratio[3 * i + rank]);
        });
        s.is_short[i] = select(is_short, all_lanes(1.0), all_lanes(0.0));
    });
}

GPUSTRESS_STEP void close_settlement(const Team& team, const Program& p, const State& s, int scenario, int effects) {
    const double* credit_line = p.credit_line + (integer)scenario * p.entities;
    team.each(p.entities, [&](int i) {
        const real operating = s.due[3 * i] * s.ratio[3 * i], debt = s.due[3 * i + 1] * s.ratio[3 * i + 1];
        s.payments[i] = operating + debt + s.due[3 * i + 2] * s.ratio[3 * i + 2];
        real cash = s.opening[i] + s.deposit[i] + s.receipts[i] - s.payments[i];
        // Takes off rounding; what is not a number stays so, and is an error later.
        if (effects != NO_EFFECTS) cash = select(cash < -credit_line[i], all_lanes(-credit_line[i]), cash);
        s.cash[i] = cash + 0.0;  // one zero, not two
    });
    team.each(p.flows, [&](int flow) { s.paid[flow] = s.billed[flow] * s.ratio[p.paid_at[flow]]; });
}

GPUSTRESS_FUNCTION void settle(const Team& team, const Program& p, const State& s, int scenario, int t, int effects, int lanes, double* scratch, Counts& counts) {
    open_settlement(team, p, s, scenario);
    if (effects == FULL)
        fixed_point(team, p, s, t, lanes, scratch, counts);
    else {
        team.each(p.entities, [&](int i) { s.receipts[i] = received(p, s, i, true); });
        if (effects == FIRST_ROUND) {
            judge_alone(team, p, s);
            counts.updates += lanes;
        }
    }
    close_settlement(team, p, s, scenario, effects);
}
