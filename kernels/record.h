// Step 7: record. What is kept of every path.
#pragma once
#include "elementary.h"
#include "state.h"
#include "team.h"

// The failed lose their cash to their estate; liquidity is noted.
GPUSTRESS_STEP void close_period(const Team& team, const Program& p, const State& s, int scenario, int t) {
    if (team.leads()) {
        real estate = all_lanes(0.0);
        for (int i = 0; i < p.entities; ++i)
            estate = estate + select(s.failed_at[i] == (double)t, s.cash[i], all_lanes(0.0));
        s.estate[0] = estate;
    }
    team.wait();  // nobody clears cash before it is added up
    team.each(p.entities, [&](int i) {
        const mask failed = s.failed_at[i] < (double)p.periods;
        const real nothing = all_lanes(0.0);
        s.cash[i] = select(failed, nothing, s.cash[i]);
        const real liquidity = s.cash[i] + p.credit_line[(integer)scenario * p.entities + i];
        s.lowest[i] = smaller(s.lowest[i], select(failed, nothing, liquidity));
    });
}

GPUSTRESS_FUNCTION real series_value(const State& s, int kind, int item) {
    switch (kind) {
        case CASH_SERIES: return s.cash[item];
        case FLOW_SERIES: return s.paid[item];
        case MEASURE_SERIES: return s.measures[item].value;
        case FACTOR_SERIES: return s.observed[item];
        default: return s.estate[0];
    }
}

GPUSTRESS_FUNCTION void put_lanes(real value, double* first, integer stride, int lanes) {
    for (int lane = 0; lane < lanes; ++lane) first[lane * stride] = lane_of(value, lane);
}

GPUSTRESS_STEP void record_series(const Team& team, const Program& p, const Job& job, const State& s, int scenario, int t, integer path, int lanes) {
    const integer stride = (integer)job.series_count * p.periods;
    team.each(job.series_count, [&](int r) {
        double* first = job.series + ((integer)scenario * job.paths + path) * stride + (integer)r * p.periods + t;
        put_lanes(series_value(s, job.series_kind[r], job.series_item[r]), first, stride, lanes);
    });
}

GPUSTRESS_STEP void record_trace(const Team& team, const Program& p, const Job& job, const State& s, int t, integer path, int lanes) {
    const Trace& trace = *job.trace;
    const auto put = [&](double* array, int count, const real* values, int step) {
        team.each(count, [&](int i) {
            put_lanes(values[i * step], array + (path * p.periods + t) * count + i, (integer)p.periods * count, lanes);
        });
    };
    put(trace.y, p.factors, s.y, 1);
    put(trace.factor, p.factors, s.observed, 1);
    put(trace.gathered_hazard, p.entities, s.gathered, 1);
    put(trace.billed, p.flows, s.as_billed, 1);
    put(trace.paid, p.flows, s.paid, 1);
    put(trace.opening_cash, p.entities, s.statement + OPENING_CASH, STATEMENT);
    put(trace.deposit_interest, p.entities, s.deposit, 1);
    put(trace.line_interest, p.entities, s.statement + LINE_INTEREST, STATEMENT);
    put(trace.receipts, p.entities, s.receipts, 1);
    put(trace.payments, p.entities, s.statement + PAYMENTS, STATEMENT);
    put(trace.closing_cash, p.entities, s.cash, 1);
    put(trace.ratio_operating, p.entities, s.ratio, 3);
    put(trace.ratio_debt, p.entities, s.ratio + 1, 3);
    put(trace.ratio_discretionary, p.entities, s.ratio + 2, 3);
    put(trace.balance, p.loans, s.balance, 1);
    put(trace.share_drawn, p.loans, s.share_drawn, 1);
    put(trace.book, p.capex_count, s.book, 1);
    put(trace.depreciation, p.capex_count, s.depreciation, 1);
    put(trace.impairment, p.capex_count, s.impairment, 1);
    put(trace.measure, p.measures_count, &s.measures->value, sizeof(Measured) / sizeof(real));
    put(trace.estate, 1, s.estate, 1);
    put(trace.failed_at, p.entities, s.failed_at, 1);
    put(trace.cause, p.entities, s.cause, 1);
}

// What a path weighs: how likely it is as the contract draws it, over how likely among the paths of its group, one drawn so and
// the others tilted (the balance heuristic: Veach and Guibas 1995). At most the size of the group.
GPUSTRESS_STEP void record_weight(const Program& p, const Job& job, const State& s, integer row, int lanes) {
    real log_ratio = all_lanes(0.0);
    GPUSTRESS_ROLLED
    for (int i = 0; i < p.tilts; ++i) log_ratio = log_ratio + s.tilt[i];
    const double plain = 1.0 / job.mixture;
    put_lanes(1.0 / fused(all_lanes(1.0 - plain), exponential(log_ratio), all_lanes(plain)), job.weight + row, 1, lanes);
}

GPUSTRESS_STEP void record_path(const Team& team, const Program& p, const Job& job, const State& s, int scenario, integer path, int lanes) {
    const integer row = (integer)scenario * job.paths + path;
    if (p.tilts != 0 && team.leads()) record_weight(p, job, s, row, lanes);
    team.each(p.entities, [&](int i) {
        for (int lane = 0; lane < lanes; ++lane) {
            job.failed_at[(row + lane) * p.entities + i] = (short)lane_of(s.failed_at[i], lane);
            job.cause[(row + lane) * p.entities + i] = (code8)lane_of(s.cause[i], lane);
        }
        put_lanes(s.lowest[i], job.lowest_liquidity + row * p.entities + i, p.entities, lanes);
        put_lanes(s.cash[i], job.final_cash + row * p.entities + i, p.entities, lanes);
    });
    team.each(p.measures_count, [&](int m) {
        const integer place = row * p.measures_count + m;
        put_lanes(s.measures[m].total, job.total + place, p.measures_count, lanes);
        put_lanes(s.measures[m].npv, job.npv + place, p.measures_count, lanes);
        put_lanes(s.measures[m].trough, job.trough + place, p.measures_count, lanes);
        for (int lane = 0; lane < lanes; ++lane)
            job.payback[place + (integer)lane * p.measures_count] = (short)lane_of(s.measures[m].payback, lane);
    });
}
