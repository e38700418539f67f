// What a kernel sees: the arrays of gpustress.program.Program, by the same names, and what a block asks for and gives.
#pragma once
#include "compiler.h"

typedef int index32;
typedef signed char code8;

// type, name: the binding fills each from the attribute of this name (a sparse row's are NAME_start and NAME_column).
#define GPUSTRESS_PROGRAM_ARRAYS(X) \
    X(double, discount) X(double, curves) X(word, factor_ids) X(code8, link) X(double, initial) X(code8, has_sensitivity) X(double, start) \
    X(double, floor) X(double, cap) X(double, constant_term) X(double, persistence) X(double, deviation) \
    X(double, jump_probability) X(double, jump_mean) X(double, jump_volatility) \
    X(index32, shift) X(index32, value_scale) X(index32, value_add) X(double, cholesky) X(index32, cholesky_of) \
    X(word, entity_ids) X(double, cash) X(double, credit_line) X(double, hazard) X(index32, fail_at) \
    X(double, reserve) X(double, deposit_rate) X(double, line_rate) X(double, other_assets) X(double, other_debt) \
    X(code8, solvency_trigger) X(index32, payer) X(index32, receiver) X(index32, tenant) X(code8, rank) \
    X(double, amount) X(index32, scale) X(index32, index) X(double, spread) X(index32, driver) \
    X(index32, driven_start) X(index32, driven_column) X(index32, relet_lag) X(double, relet_price) \
    X(index32, drawn_loan) X(index32, billing_start) X(index32, billing_column) \
    X(index32, power_start) X(index32, power_factor) X(double, power_elasticity) \
    X(index32, flow_power) X(index32, hazard_power) \
    X(index32, capex) X(integer, capex_life) \
    X(integer, capex_opening_life) X(double, capex_opening_book) X(index32, borrower) X(index32, lender) \
    X(index32, principal_flow) X(index32, draw_flow) X(double, principal) \
    X(double, opening_balance) X(double, loan_recovery) X(index32, holder) X(index32, issuer) X(double, exposure) \
    X(double, exposure_recovery) X(code8, exposure_is_loan) X(index32, measures_start) X(index32, measures_loss) X(index32, measures_line) \
    X(double, measures_weight) X(index32, receipts_start) X(index32, receipts_column) X(index32, receipts_paid_at) X(word, payer_bits) \
    X(index32, dues_start) X(index32, dues_column) X(code8, effects) \
    X(index32, lent_start) X(index32, lent_column) X(index32, borrowed_start) X(index32, borrowed_column) \
    X(index32, held_start) X(index32, held_column) X(index32, issued_start) X(index32, issued_column) \
    X(index32, book_start) X(index32, book_column)

// type, name: counts (`triggers` of entities with a solvency trigger, `powers` of distinct rows of sensitivities, `components`
// that are kept of a factor's normals, `tilts` that are kept of a path), and rates.
#define GPUSTRESS_PROGRAM_NUMBERS(X) \
    X(index32, scenarios) X(index32, periods) X(index32, entities) X(index32, factors) X(index32, flows) X(index32, loans) \
    X(index32, capex_count) X(index32, measures_count) X(index32, depths) X(index32, triggers) X(index32, powers) \
    X(index32, components) X(index32, tilts) \
    X(double, period_years) X(double, alpha) X(double, beta)

struct Program {
#define X(type, name) type name;
    GPUSTRESS_PROGRAM_NUMBERS(X)
#undef X
#define X(type, name) const type* name;
    GPUSTRESS_PROGRAM_ARRAYS(X)
#undef X
};

enum Effects { NO_EFFECTS, FIRST_ROUND, FULL };
enum Link { IDENTITY, EXPONENTIAL_LINK, LOGISTIC };
enum Rank { OPERATING, DEBT, DISCRETIONARY, RANKS };
constexpr word ALL_RANKS = (1 << RANKS) - 1;  // as bits
// Lists of flows that billing goes through, rows of `billing`: those with sensitivities, with an index, of a drawn loan; then,
// by what is left of them when a party stops: of rank discretionary, re-let once the payer has stopped, ended with the payer.
enum BillingList { SENSITIVE, INDEXED, DRAWN, ENDED_BY_ANYBODY, RELET, ENDED_BY_PAYER };
enum Cause { NO_CAUSE, CREDIT, LIQUIDITY, SOLVENCY, IMPOSED };
enum SeriesKind { CASH_SERIES, FLOW_SERIES, MEASURE_SERIES, FACTOR_SERIES, ESTATE_SERIES };

// What everything of a traced path is written to: arrays (P, T, items), or null.
#define GPUSTRESS_TRACE_ARRAYS(X) \
    X(y, factors) X(factor, factors) X(gathered_hazard, entities) X(billed, flows) X(paid, flows) \
    X(opening_cash, entities) X(deposit_interest, entities) X(line_interest, entities) X(receipts, entities) \
    X(payments, entities) X(closing_cash, entities) X(ratio_operating, entities) X(ratio_debt, entities) \
    X(ratio_discretionary, entities) X(balance, loans) X(share_drawn, loans) X(book, capex_count) \
    X(depreciation, capex_count) X(impairment, capex_count) X(measure, measures_count) X(failed_at, entities) \
    X(cause, entities)

struct Trace {
#define X(name, count) double* name;
    GPUSTRESS_TRACE_ARRAYS(X)
#undef X
    double* estate;  // (P, T)
};

// type, name: how the draws of a path are made (gpustress/drawing.py). All 0: as the contract on draws has it. Antithetic
// pairs; quasi-random points of `dimensions` with 2^scramble_bits scrambles; tilted draws on all paths of a group of `mixture`
// but the first.
#define GPUSTRESS_DRAWING_NUMBERS(X) \
    X(index32, antithetic) X(index32, dimensions) X(index32, point_bits) X(index32, scramble_bits) X(index32, mixture)
#define GPUSTRESS_DRAWING_ARRAYS(X) \
    X(word, directions) X(word, shifts) X(index32, normal_dimension) X(index32, credit_dimension) X(double, bridge) \
    X(double, drift) X(double, twist) X(double, log_twist)

// A block: paths first_path to first_path + paths - 1 of every scenario, and where its outcome goes. Shapes as in
// gpustress.backends.base.Outcome.
struct Job {
#define X(type, name) type name;
    GPUSTRESS_DRAWING_NUMBERS(X)
#undef X
#define X(type, name) const type* name;
    GPUSTRESS_DRAWING_ARRAYS(X)
#undef X
    word seed;
    integer first_path, paths;
    index32 series_count;
    const index32* series_kind;  // (R,)
    const index32* series_item;  // (R,)
    const index32* given;        // (K,) place of the factor among factor_paths, -1 for none
    const double* factor_paths;  // (given factors, P, T)
    short* failed_at;
    code8* cause;
    double *lowest_liquidity, *final_cash, *total, *npv, *trough;
    short* payback;
    double* series;
    double* weight;
    integer *exact_finishes, *updates;  // (S,)
    const Trace* trace;  // null, but for a replay
};
