// One path (one a lane) of one scenario: T periods of steps 1 to 7.
#pragma once
#include "billing.h"
#include "books.h"
#include "credit.h"
#include "factors.h"
#include "measures.h"
#include "record.h"
#include "settlement.h"

// Between the steps: what they cost is counted and timed by bench/; nothing elsewhere.
#ifndef GPUSTRESS_STAGE
#define GPUSTRESS_STAGE(step)
#endif

GPUSTRESS_FUNCTION void begin_path(const Team& team, const Program& p, const Job& job, const State& s, int scenario, integer path) {
    const word first = (word)(job.first_path + path);
    team.each(p.factors, [&](int k) { s.y[k] = all_lanes(p.start[k]); });
    team.each(p.entities + 1, [&](int i) {
        s.stops_at[i] = never();
        s.going[i] = all_lanes(1.0);
        s.marks[i].failed = 0;
        for (int rank = 0; rank < RANKS; ++rank) s.ratio[3 * i + rank] = all_lanes(1.0);
    });
    team.each(p.entities, [&](int i) {
        s.gathered[i] = s.cause[i] = all_lanes(0.0);
        s.failed_at[i] = all_lanes((double)p.periods);
        s.cash[i] = all_lanes(p.cash[(integer)scenario * p.entities + i]);
        s.lowest[i] = all_lanes(infinity());
        s.marks[i].fallen = 0;
    });
    team.each(p.measures_count, [&](int m) {
        const real nothing = all_lanes(0.0);
        s.measures[m] = {nothing, nothing, nothing, all_lanes(infinity()), nothing, nothing};
    });
    team.each(p.tilts, [&](int i) { s.tilt[i] = all_lanes(0.0); });
    open_books(team, p, s);
    draw_limits(team, p, job, s, scenario, first);
    if (p.components != 0) draw_components(team, p, job, s, scenario, first);
}

// Simulate the paths `path` to `path + lanes - 1` of the block under one scenario.
GPUSTRESS_FUNCTION Counts simulate_path(const Team& team, const Program& p, const Job& job, const State& s, double* scratch, int scenario, integer path, int lanes) {
    const int effects = p.effects[scenario];
    Counts counts = {0, 0};
    GPUSTRESS_STAGE(opening);
    begin_path(team, p, job, s, scenario, path);
    for (int t = 0; t < p.periods; ++t) {
        GPUSTRESS_STAGE(draws);
        draw_factors(team, p, job, s, scenario, t, (word)(job.first_path + path));
        GPUSTRESS_STAGE(factors);
        step_factors(team, p, job, s, scenario, t, path);
        raise_powers(team, p, s);
        GPUSTRESS_STAGE(credit);
        if (effects != NO_EFFECTS) credit_events(team, p, s, scenario, t);
        if (effects != NO_EFFECTS && p.tilts != 0) tilt_credit(team, p, job, s, scenario, t);
        GPUSTRESS_STAGE(billing);
        bill(team, p, s, scenario, t, effects);
        GPUSTRESS_STAGE(settlement);
        settle(team, p, s, scenario, t, effects, lanes, job.trace != nullptr, scratch, counts);
        team.each(p.entities, [&](int i) {
            if (s.marks[i].is_short) note_failure(s, i, mask_of(s.marks[i].is_short), t, t + 1, LIQUIDITY);
        });
        GPUSTRESS_STAGE(books);
        lend(team, p, s, t, effects);
        write_down_and_capitalise(team, p, s, t);
        if (effects == FULL) write_off(team, p, s, t);
        GPUSTRESS_STAGE(measures);
        measure(team, p, s, t);
        GPUSTRESS_STAGE(record);
        close_period(team, p, s, scenario, t);
        record_series(team, p, job, s, scenario, t, path, lanes);
        if (job.trace) record_trace(team, p, job, s, t, path, lanes);
    }
    GPUSTRESS_STAGE(record);
    record_path(team, p, job, s, scenario, path, lanes);
    return counts;
}
