// The exact finish of a settlement that plain updates approach too slowly, one path alone.
//
// In outer rounds an entity only ever becomes short, and its marginal rank (the first that is not met, paid pro rata) only
// ever moves to a more senior one. Within a round the marginal payments solve x = max(0, c + A x), the least solution: from
// 0 upward, those whose right side is positive join, none leaves, each time one solve by elimination without pivoting,
// which is stable for an M-matrix. Who joins is eliminated after those who have: their factors stay as they are. Then plain
// updates from there find who else is short, until they find nobody new.
#pragma once
#include "state.h"

constexpr double MET_TOLERANCE = 1e-9;  // a rank counts as met from this share below its due on
constexpr double SINGULAR = 2.220446049250313e-16;

// How many doubles of scratch it takes.
GPUSTRESS_FUNCTION integer finish_size(const Program& p) {
    const integer n = p.entities;
    return 2 * (n * n + GUARD) + 9 * (n + GUARD);
}

struct Finish {
    const Program& p;
    const State& s;
    int t, lane, n;
    double *transfer, *matrix, *constant, *x, *right, *receipts, *funds;
    double *marginal, *is_short, *joined, *order;  // small whole numbers

    GPUSTRESS_METHOD Finish(const Program& program, const State& state, int period, int of_lane, double* scratch)
        : p(program), s(state), t(period), lane(of_lane), n(program.entities) {
        transfer = scratch, scratch = guarded(scratch + (integer)n * n);
        matrix = scratch, scratch = guarded(scratch + (integer)n * n);
        double** vectors[] = {&constant, &x, &right, &receipts, &funds, &marginal, &is_short, &joined, &order};
        for (double** vector : vectors) *vector = scratch, scratch = guarded(scratch + n);
    }

    GPUSTRESS_METHOD double due(int i, int rank) const { return lane_of(s.due[3 * i + rank], lane); }
    GPUSTRESS_METHOD double own(int i) const { return lane_of(s.own[i], lane); }

    // What has to be met, or kept, before a rank is paid.
    GPUSTRESS_METHOD double senior(int i, int rank) const {
        double sum = 0.0;
        for (int earlier = 0; earlier < rank; ++earlier) sum += due(i, earlier);
        return rank == DISCRETIONARY ? sum + p.reserve[i] : sum;
    }

    // Update short and marginal from the receipts; whether anything changed.
    GPUSTRESS_METHOD bool judge() {
        bool changed = false;
        for (int i = 0; i < n; ++i) {
            const double liquid = own(i) + receipts[i];
            if (is_short[i] == 0.0 && liquid < (1.0 - MET_TOLERANCE) * (due(i, OPERATING) + due(i, DEBT))) {
                is_short[i] = 1.0;
                changed = true;
            }
            funds[i] = is_short[i] != 0.0 ? fused(p.alpha, own(i), p.beta * receipts[i]) : liquid;
            for (int rank = 0; rank < (int)marginal[i]; ++rank) {
                const bool met = due(i, rank) == 0.0 || funds[i] - senior(i, rank) >= (1.0 - MET_TOLERANCE) * due(i, rank);
                if (!met) {
                    marginal[i] = rank;
                    changed = true;
                    break;
                }
            }
        }
        return changed;
    }

    // What each can pay in its marginal rank out of its receipts.
    GPUSTRESS_METHOD void pay_marginal() {
        for (int i = 0; i < n; ++i) {
            if ((int)marginal[i] >= RANKS) continue;
            const double left = funds[i] - senior(i, (int)marginal[i]), most = due(i, (int)marginal[i]);
            x[i] = left < 0.0 ? 0.0 : left > most ? most : left;
        }
    }

    // What reaches receiver i of a flow's billed amount; `x` pays the marginal rank, ranks before it are paid in full.
    GPUSTRESS_METHOD void add_receipts(bool with_x) {
        for (int i = 0; i < n; ++i) {
            double sum = 0.0;
            const bool going = lane_of(s.stops_at[i], lane) > (double)t;
            for (index32 e = p.receipts_start[i]; going && e < p.receipts_start[i + 1]; ++e) {
                const index32 flow = p.receipts_column[e], payer = p.payer[flow];
                const double billed = lane_of(s.billed[flow], lane);
                if (payer == n || p.rank[flow] < (int)marginal[payer])
                    sum += billed;
                else if (with_x && p.rank[flow] == (int)marginal[payer])
                    sum += billed / due(payer, p.rank[flow]) * x[payer];
            }
            receipts[i] = sum;
        }
    }

    // transfer(i, j): what i can pay in its marginal rank of each unit that j pays in its own.
    GPUSTRESS_METHOD void fill_transfer() {
        for (integer e = 0; e < (integer)n * n; ++e) transfer[e] = 0.0;
        for (int i = 0; i < n; ++i) {
            const double weight = is_short[i] != 0.0 ? p.beta : 1.0;
            if (!(lane_of(s.stops_at[i], lane) > (double)t)) continue;
            for (index32 e = p.receipts_start[i]; e < p.receipts_start[i + 1]; ++e) {
                const index32 flow = p.receipts_column[e], payer = p.payer[flow];
                if (payer < n && (int)marginal[payer] < RANKS && (int)marginal[i] < RANKS && p.rank[flow] == (int)marginal[payer])
                    transfer[(integer)i * n + payer] += weight * (lane_of(s.billed[flow], lane) / due(payer, p.rank[flow]));
            }
        }
    }

    GPUSTRESS_METHOD void solve() {
        add_receipts(false);
        fill_transfer();
        for (int i = 0; i < n; ++i) {
            x[i] = joined[i] = constant[i] = 0.0;
            if ((int)marginal[i] >= RANKS) continue;
            const bool poor = is_short[i] != 0.0;
            const double fixed = poor ? fused(p.alpha, own(i), p.beta * receipts[i]) : own(i) + receipts[i];
            constant[i] = fixed - senior(i, (int)marginal[i]);
        }
        int size = 0;
        bool leaks = true;
        for (;;) {
            bool joins = false;
            for (int i = 0; i < n; ++i) {
                if (joined[i] != 0.0 || (int)marginal[i] >= RANKS) continue;
                double side = constant[i];
                GPUSTRESS_ROLLED for (int j = 0; j < size; ++j)
                    side = fused(transfer[(integer)i * n + (int)order[j]], x[(int)order[j]], side);
                if (side > 0.0) {
                    joined[i] = 2.0;  // from the next solve on
                    joins = true;
                }
            }
            if (!joins) return;
            for (int i = 0; i < n; ++i)
                if (joined[i] == 2.0) {
                    joined[i] = 1.0;
                    order[size] = i;
                    leaks = leaks && border(i, size);
                    ++size;
                }
            if (leaks)
                substitute(size);
            else
                eliminate();
            for (int i = 0; i < n; ++i)
                if (joined[i] != 0.0 && x[i] > due(i, (int)marginal[i])) x[i] = due(i, (int)marginal[i]);
        }
    }

    // Lower and upper factors of I - transfer, rows and columns in the order in which their entities joined.
    GPUSTRESS_METHOD double& factor(int row, int column) const { return matrix[(integer)row * n + column]; }

    // Add entity i to the factors of the first `size`, and eliminate in its right side. False where rounding leaves no
    // positive pivot.
    GPUSTRESS_METHOD bool border(int i, int size) {
        for (int k = 0; k < size; ++k) {
            const int earlier = (int)order[k];
            double above = -transfer[(integer)earlier * n + i], before = -transfer[(integer)i * n + earlier];
            GPUSTRESS_ROLLED for (int j = 0; j < k; ++j) {
                above = fused(-factor(k, j), factor(j, size), above);
                before = fused(-factor(size, j), factor(j, k), before);
            }
            factor(k, size) = above;
            factor(size, k) = before / factor(k, k);
        }
        double pivot = 1.0 - transfer[(integer)i * n + i], side = constant[i];
        GPUSTRESS_ROLLED for (int j = 0; j < size; ++j) {
            pivot = fused(-factor(size, j), factor(j, size), pivot);
            side = fused(-factor(size, j), right[j], side);
        }
        factor(size, size) = pivot;
        right[size] = side;
        return pivot > SINGULAR;
    }

    // x of those who have joined, from their factors.
    GPUSTRESS_METHOD void substitute(int size) {
        for (int k = size - 1; k >= 0; --k) {
            double side = right[k];
            GPUSTRESS_ROLLED for (int j = k + 1; j < size; ++j) side = fused(-factor(k, j), x[(int)order[j]], side);
            x[(int)order[k]] = side / factor(k, k);
        }
    }

    // The same where a pivot has no positive value, in the order of the entities: it belongs to a ring out of which nothing
    // leaks, and its last member then pays what is due.
    GPUSTRESS_METHOD void eliminate() {
        for (int i = 0; i < n; ++i) {
            right[i] = constant[i];
            GPUSTRESS_ROLLED for (int j = 0; j < n; ++j) matrix[(integer)i * n + j] = (i == j ? 1.0 : 0.0) - transfer[(integer)i * n + j];
        }
        for (int k = 0; k < n; ++k) {
            if (joined[k] == 0.0) continue;
            double* row = matrix + (integer)k * n;
            if (row[k] <= SINGULAR) {
                GPUSTRESS_ROLLED for (int j = 0; j < n; ++j) row[j] = 0.0;
                row[k] = 1.0;
                right[k] = due(k, (int)marginal[k]);
            }
            for (int i = k + 1; i < n; ++i) {
                if (joined[i] == 0.0) continue;
                double* other = matrix + (integer)i * n;
                const double factor = other[k] / row[k];
                if (factor == 0.0) continue;
                GPUSTRESS_ROLLED for (int j = k; j < n; ++j)
                    if (joined[j] != 0.0) other[j] = fused(-factor, row[j], other[j]);
                right[i] = fused(-factor, right[k], right[i]);
            }
        }
        for (int k = n - 1; k >= 0; --k) {
            if (joined[k] == 0.0) continue;
            double side = right[k];
            GPUSTRESS_ROLLED for (int j = k + 1; j < n; ++j)
                if (joined[j] != 0.0) side = fused(-matrix[(integer)k * n + j], x[j], side);
            x[k] = side / matrix[(integer)k * n + k];
        }
    }
};

GPUSTRESS_FUNCTION void finish_exactly(const Program& p, const State& s, int t, int lane, double* scratch) {
    Finish f(p, s, t, lane, scratch);
    for (int i = 0; i < f.n; ++i) {
        f.receipts[i] = lane_of(s.receipts[i], lane);  // of the last plain update
        f.is_short[i] = (double)(s.marks[i].is_short >> lane & 1);
        f.marginal[i] = RANKS;
    }
    f.judge();
    for (bool solved = false; !solved;) {
        f.solve();
        f.add_receipts(true);
        for (solved = true; f.judge(); solved = false) {  // who pays whom less makes others short without a solve
            f.pay_marginal();
            f.add_receipts(true);
        }
    }
    for (int i = 0; i < f.n; ++i) {
        s.marks[i].is_short = (s.marks[i].is_short & ~((word)1 << lane)) | (word)f.is_short[i] << lane;
        s.marks[i].fallen = ALL_RANKS;
        GPUSTRESS_ROLLED
        for (int rank = 0; rank < RANKS; ++rank) {
            const double due = f.due(i, rank);
            double ratio = 1.0;
            if (due > 0.0 && rank > (int)f.marginal[i]) ratio = 0.0;
            if (due > 0.0 && rank == (int)f.marginal[i]) ratio = f.x[i] < due ? f.x[i] / due : 1.0;
            set_lane(s.ratio[3 * i + rank], lane, ratio);
        }
    }
}
