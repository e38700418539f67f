// Step 5: books and write-offs: balances of loans, book values, impairments, and failures by solvency.
#pragma once
#include "credit.h"

constexpr double RESIDUE = 1e-12;  // of all that was capitalised or lent: less is what rounding left when it was written down or repaid
constexpr double SOLVENCY_TOLERANCE = 1e-9;  // assets may lie below liabilities by this share

GPUSTRESS_FUNCTION void open_books(const Team& team, const Program& p, const State& s) {
    team.each(p.loans, [&](int l) {
        s.balance[l] = all_lanes(p.opening_balance[l]);
        s.share_drawn[l] = all_lanes(p.draw_flow[l] < 0 ? 1.0 : 0.0);
    });
    team.each(p.capex_count, [&](int c) {
        s.book[c] = s.opening_left[c] = all_lanes(p.capex_opening_book[c]);
        s.impaired[c] = s.capitalised[c] = all_lanes(0.0);
    });
}

// A balance falls by the principal repaid and rises by draws; without gates draws are received in full.
GPUSTRESS_STEP void lend(const Team& team, const Program& p, const State& s, int t, int effects) {
    team.each(p.loans, [&](int l) {
        const real left = s.balance[l] - s.paid[p.principal_flow[l]];
        s.balance[l] = select(size_of(left) < RESIDUE * p.principal[l], all_lanes(0.0), left);
        const index32 flow = p.draw_flow[l];
        if (flow < 0 || !(p.amount[(integer)t * p.flows + flow] > 0.0)) return;
        const real drawn = effects == FIRST_ROUND ? s.as_billed[flow] : s.paid[flow];
        s.share_drawn[l] = drawn / p.principal[l];
        s.balance[l] = s.balance[l] + drawn;
    });
}

// Straight-line write-down, from the period after the payment; then what was paid in this period is capitalised.
// capitalised[t] is the sum of all payments before period t, so what is written down are n periods of it.
GPUSTRESS_STEP void write_down_and_capitalise(const Team& team, const Program& p, const State& s, int t) {
    team.each(p.capex_count, [&](int c) {
        const integer life = p.capex_life[c], since = t > life ? t - life : 0;
        const real before = s.capitalised[t * p.capex_count + c];
        real worn = (before - s.capitalised[since * p.capex_count + c]) / (double)life;
        if (t < p.capex_opening_life[c]) worn = worn + s.opening_left[c] / (double)p.capex_opening_life[c];
        const real paid = s.paid[p.capex[c]];
        s.depreciation[c] = worn;
        s.impairment[c] = all_lanes(0.0);
        const real left = s.book[c] - worn;
        s.book[c] = select(left < RESIDUE * (s.opening_left[c] + before), all_lanes(0.0), left) + paid;
        s.capitalised[(t + 1) * p.capex_count + c] = before + paid;
    });
}

// Impair, once, the flows whose tenant has failed: book value and all amounts capitalised so far.
GPUSTRESS_STEP void impair(const Team& team, const Program& p, const State& s, int t) {
    team.each(p.capex_count, [&](int c) {
        const index32 flow = p.capex[c], tenant = p.tenant[flow];
        if (s.marks[tenant].failed == 0) return;
        const mask hit = (s.failed_at[tenant] < (double)p.periods) & (s.impaired[c] == 0.0);
        if (!some_lane(hit)) return;
        const real kept = select(hit, all_lanes(p.relet_price[flow]), all_lanes(1.0));
        s.impairment[c] = fused(s.book[c], 1.0 - kept, s.impairment[c]);
        s.book[c] = s.book[c] * kept;
        s.opening_left[c] = s.opening_left[c] * kept;
        GPUSTRESS_ROLLED
        for (int before = 0; before <= t + 1; ++before)
            s.capitalised[before * p.capex_count + c] = s.capitalised[before * p.capex_count + c] * kept;
        s.impaired[c] = select(hit, all_lanes(1.0), s.impaired[c]);
    });
}

// Whether an entity's assets, claims on the failed written off, lie below its liabilities.
GPUSTRESS_FUNCTION mask is_insolvent(const Program& p, const State& s, int i) {
    const real nothing = all_lanes(0.0);
    // What is left of a claim of 1.
    const auto kept = [&](index32 issuer, double recovery) {
        const mask failed = s.failed_at[issuer] < (double)p.periods;
        return s.marks[issuer].failed ? select(failed, all_lanes(recovery), all_lanes(1.0)) : all_lanes(1.0);
    };
    real assets = larger(s.cash[i], nothing) + p.other_assets[i];
    real liabilities = larger(-s.cash[i], nothing) + p.other_debt[i];
    assets = assets + row_sum(p.book_start, p.book_column, s.book, i);
    GPUSTRESS_ROLLED
    for (index32 e = p.held_start[i]; e < p.held_start[i + 1]; ++e) {
        const index32 x = p.held_column[e];
        assets = fused(kept(p.issuer[x], p.exposure_recovery[x]), all_lanes(p.exposure[x]), assets);
    }
    GPUSTRESS_ROLLED
    for (index32 e = p.lent_start[i]; e < p.lent_start[i + 1]; ++e) {
        const index32 l = p.lent_column[e];
        assets = fused(kept(p.borrower[l], p.loan_recovery[l]), s.balance[l], assets);
    }
    liabilities = liabilities + row_sum(p.borrowed_start, p.borrowed_column, s.balance, i);
    for (index32 e = p.issued_start[i]; e < p.issued_start[i + 1]; ++e)
        liabilities = liabilities + p.exposure[p.issued_column[e]];
    return assets < (1.0 - SOLVENCY_TOLERANCE) * liabilities;
}

// Rounds of impairments and failures by solvency, until one adds no failure.
GPUSTRESS_STEP void write_off(const Team& team, const Program& p, const State& s, int t) {
    for (;;) {
        impair(team, p, s, t);
        if (p.triggers == 0) return;
        mask found = no_lane();
        team.each(p.entities, [&](int i) {
            s.marks[i].insolvent = 0;
            if (!p.solvency_trigger[i]) return;
            const mask may_fail = s.failed_at[i] >= (double)p.periods;
            if (!some_lane(may_fail)) return;
            const mask fails = may_fail & is_insolvent(p, s, i);
            s.marks[i].insolvent = lane_bits(fails);
            found = found | fails;
        });
        if (!some_lane(team.across(found))) return;
        team.each(p.entities, [&](int i) {
            if (s.marks[i].insolvent) note_failure(s, i, mask_of(s.marks[i].insolvent), t, t + 1, SOLVENCY);
        });
    }
}
