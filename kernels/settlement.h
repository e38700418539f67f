// Step 4: settlement. All payments of a period clear at once, rank by rank: the greatest fixed point of the ratios.
// Sources: Eisenberg and Noe (2001); Elsinger (2009), seniority; Rogers and Veraart (2013), default costs.
#pragma once
#include "finish.h"
#include "state.h"
#include "team.h"

constexpr double SHORT_TOLERANCE = 1e-9;   // who lacks less than this share of what is due is not short
constexpr double RATIO_TOLERANCE = 1e-12;  // the updates rest once none lowers a ratio by more
constexpr int PLAIN_UPDATES = 256;         // what still moves after so many is finished exactly
constexpr double CASH_RESIDUE = 1e-12;     // of what an entity had and received: less is what rounding left of cash paid out
constexpr double LINE_RESIDUE = 0x1p-48;   // of its credit line, which is added to cash and taken off again
constexpr double COVERED = 1.0 + 1e-12;    // who has this much of all dues and the reserve pays in full, rounding and all

// Sum of billed * ratio over the flows that an entity receives. Who has stopped neither pays nor receives.
GPUSTRESS_FUNCTION real received(const Program& p, const State& s, int i) {
    real sum = all_lanes(0.0);
    for (index32 e = p.receipts_start[i], last = p.receipts_start[i + 1]; e < last; ++e)
        sum = fused(s.billed[p.receipts_column[e]], s.ratio[p.receipts_paid_at[e]], sum);
    return sum * s.going[i];
}

// What an entity owes and has, its receipts as if everybody paid in full.
GPUSTRESS_STEP void open_settlement(const Team& team, const Program& p, const State& s, int scenario, bool traced) {
    const double* credit_line = p.credit_line + (integer)scenario * p.entities;
    team.each(p.entities, [&](int i) {
        const real nothing = all_lanes(0.0), cash = s.cash[i], going = s.going[i];
        const real line_interest = p.line_rate[i] * larger(-cash, nothing) * going;
        s.deposit[i] = p.deposit_rate[i] * larger(cash, nothing) * going;
        s.own[i] = larger(nothing, cash + s.deposit[i] + credit_line[i]);
        for (int rank = 0; rank < RANKS; ++rank) {
            const real due = row_sum(p.dues_start, p.dues_column, s.billed, 3 * i + rank) * going;
            s.due[3 * i + rank] = rank == DEBT ? due + line_interest : due;
            if (s.marks[i].fallen >> rank & 1) s.ratio[3 * i + rank] = all_lanes(1.0);
        }
        s.receipts[i] = row_sum(p.receipts_start, p.receipts_column, s.billed, i) * going;
        s.marks[i].fallen = s.marks[i].is_short = 0;
        if (traced) {
            s.statement[STATEMENT * i + OPENING_CASH] = cash;
            s.statement[STATEMENT * i + LINE_INTEREST] = line_interest;
        }
    });
}

// Whether a payer of this entity has changed a ratio in the last update: else it receives what it did.
GPUSTRESS_FUNCTION bool receives_otherwise(const Program& p, const State& s, int i) {
    const int words = bit_words(p.entities);
    word otherwise = 0;
    for (int w = 0; w < words; ++w) otherwise |= p.payer_bits[(integer)i * words + w] & s.changed[w];
    return otherwise != 0;
}

// Whether, in every lane, all dues and the reserve are covered with a margin for rounding: every rank is paid in full then.
GPUSTRESS_FUNCTION bool is_covered(const Program& p, const State& s, int i) {
    const real due = s.due[3 * i] + s.due[3 * i + DEBT] + s.due[3 * i + DISCRETIONARY];
    return !some_lane((s.own[i] + s.receipts[i] < COVERED * (due + p.reserve[i])) & (due > 0.0));
}

// What an entity pays by. pay(rank, unmet, left, due) is called for each rank that some lane can't pay in full, with what it
// has left for it; the others are paid in full. Gives the lanes that are short.
template <class Pay>
GPUSTRESS_FUNCTION word pay_by_rank(const Program& p, const State& s, int i, Pay pay) {
    const real* due = s.due + 3 * i;
    const real own = s.own[i], receipts = s.receipts[i], liquid = own + receipts, nothing = all_lanes(0.0);
    const mask is_short = liquid < (1.0 - SHORT_TOLERANCE) * (due[OPERATING] + due[DEBT]);
    real left = select(is_short, fused(all_lanes(p.alpha), own, p.beta * receipts), liquid);
    for (int rank = 0; rank < RANKS; ++rank) {
        if (rank == DISCRETIONARY) left = larger(nothing, left - p.reserve[i]);
        const mask unmet = left < due[rank];
        if (some_lane(unmet)) pay(rank, unmet, left, due[rank]);
        left = larger(nothing, left - due[rank]);
    }
    return lane_bits(is_short);
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
            s.marks[i].falls = 0;
            if (update > 0) {
                if (!receives_otherwise(p, s, i)) return;
                s.receipts[i] = received(p, s, i);
            }
            if (is_covered(p, s, i)) return;
            const word is_short = pay_by_rank(p, s, i, [&](int rank, mask unmet, real left, real due) {
                const real now = s.ratio[3 * i + rank];
                const real lower = select(moving & unmet, smaller(now, left / due), now);
                s.next_ratio[3 * i + rank] = lower;
                drop = larger(drop, now - lower);
                s.marks[i].falls |= 1 << rank;
            });
            s.marks[i].is_short = (is_short & lane_bits(moving)) | (s.marks[i].is_short & ~(word)lane_bits(moving));
        });
        team.each(bit_words(p.entities), [&](int w) { s.changed[w] = 0; });
        team.each(p.entities, [&](int i) {
            if (s.marks[i].falls == 0) return;
            bool changed = false;
            for (int rank = 0; rank < RANKS; ++rank)
                if (s.marks[i].falls >> rank & 1) {
                    changed |= some_lane(s.next_ratio[3 * i + rank] < s.ratio[3 * i + rank]);
                    s.ratio[3 * i + rank] = s.next_ratio[3 * i + rank];
                }
            s.marks[i].fallen |= s.marks[i].falls;
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
        if (finished || receives_otherwise(p, s, i)) s.receipts[i] = received(p, s, i);
    });
}

// Everybody alone, as if all others paid in full. Without gates, it is here that who has stopped pays nothing.
GPUSTRESS_STEP void judge_alone(const Team& team, const Program& p, const State& s) {
    team.each(p.entities, [&](int i) {
        if (s.marks[i].failed) {
            for (int rank = 0; rank < RANKS; ++rank) s.ratio[3 * i + rank] = s.going[i];
            s.marks[i].fallen = ALL_RANKS;
        }
        s.marks[i].is_short = pay_by_rank(p, s, i, [&](int rank, mask unmet, real left, real due) {
            s.ratio[3 * i + rank] = select(unmet, left / due, s.ratio[3 * i + rank]);
            s.marks[i].fallen |= 1 << rank;
        });
    });
}

// Cash moves, and what is billed becomes what is paid; a copy of it is kept for who asks later.
GPUSTRESS_STEP void close_settlement(const Team& team, const Program& p, const State& s, int scenario, int effects, bool traced) {
    const double* credit_line = p.credit_line + (integer)scenario * p.entities;
    team.each(p.entities, [&](int i) {
        const real operating = s.due[3 * i] * s.ratio[3 * i], debt = s.due[3 * i + 1] * s.ratio[3 * i + 1];
        const real payments = operating + debt + s.due[3 * i + 2] * s.ratio[3 * i + 2];
        real cash = s.cash[i] + s.deposit[i] + s.receipts[i] - payments;
        // Takes off rounding; what is not a number stays so, and is an error later.
        if (effects != NO_EFFECTS) cash = select(cash < -credit_line[i], all_lanes(-credit_line[i]), cash);
        // Lest rounding decide who is solvent.
        const real residue = fused(all_lanes(CASH_RESIDUE), size_of(s.cash[i]) + s.receipts[i], all_lanes(LINE_RESIDUE * credit_line[i]));
        s.cash[i] = select(size_of(cash) < residue, all_lanes(0.0), cash) + 0.0;  // one zero, not two
        if (traced) s.statement[STATEMENT * i + PAYMENTS] = payments;
    });
    if (traced || effects == FIRST_ROUND) team.each(p.flows, [&](int flow) { s.as_billed[flow] = s.billed[flow]; });
    team.each(p.entities, [&](int i) {
        for (int rank = 0; rank < RANKS; ++rank) {
            if (!(s.marks[i].fallen >> rank & 1)) continue;
            GPUSTRESS_ROLLED
            for (index32 e = p.dues_start[3 * i + rank], last = p.dues_start[3 * i + rank + 1]; e < last; ++e)
                s.paid[p.dues_column[e]] = s.billed[p.dues_column[e]] * s.ratio[3 * i + rank];
        }
    });
}

GPUSTRESS_FUNCTION void settle(const Team& team, const Program& p, const State& s, int scenario, int t, int effects, int lanes, bool traced, double* scratch, Counts& counts) {
    open_settlement(team, p, s, scenario, traced);
    if (effects == FULL) fixed_point(team, p, s, t, lanes, scratch, counts);
    if (effects == FIRST_ROUND) {
        judge_alone(team, p, s);
        counts.updates += lanes;
    }
    close_settlement(team, p, s, scenario, effects, traced);
}
