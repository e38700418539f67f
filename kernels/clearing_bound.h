// A bound of the error of a group's payments (docs/networks.md, "Exactness"), once they rest.
#pragma once
#include "clearing_state.h"

constexpr double ACCURACY = 1e-12;     // of the largest total that a node owes: what a bound has to show
constexpr double ROUNDOFF = 0x1p-53;
constexpr double NEARLY_SHORT = 1e-9;  // who has less than this share to spare is taken to pass errors on

// How far roundings can move what a node does not pay, on the way from what others don't.
GPUSTRESS_FUNCTION real rounding_of(const Network& n, const ClearingState& s, int i) {
    const double total = n.total[i], edges = n.in_start[i + 1] - n.in_start[i];
    const real has = all_lanes(total) - s.lack[i];
    return fused(all_lanes(ROUNDOFF * (edges + 6.0)), s.loss[i], all_lanes(6.0 * ROUNDOFF) * (has + all_lanes(total)));
}

// Which of its obligations a change of a node's payments falls on.
GPUSTRESS_FUNCTION void pass_error(const Network& n, const ClearingState& s, int i, real error, Lanes<real> passed) {
    const index32 begin = n.first[i], end = n.first[i + 1], places = places_of(n, s.open, i);
    for (index32 k = begin; k < end; ++k) {
        const real unpaid = s.unpaid[places + k], nothing = all_lanes(0.0), due = all_lanes(n.due[k]);
        const mask last = k + 1 == end ? unpaid <= nothing : no_lane(), first = k == begin ? unpaid >= due : no_lane();
        passed[places + k] = select(((unpaid > nothing) & (unpaid < due)) | last | first, error, nothing);
    }
}

GPUSTRESS_FUNCTION real rate_of(const Clearing& job, const ClearingState& s, int i) {
    return select(mask_of(s.fails[i]), all_lanes(job.beta), all_lanes(1.0));
}
GPUSTRESS_FUNCTION real unpaid_by(const Network& n, const ClearingState& s, int i) {
    real sum = all_lanes(0.0);
    const index32 places = places_of(n, s.open, i);
    for (index32 k = n.first[i]; k < n.first[i + 1]; ++k) sum = sum + s.unpaid[places + k];
    return sum;
}

// A lane's payments have an error of at most y, from those that solve the equations with the same defaults, where g + A y <= y: g is the last
// change and the roundings, A what nodes that do not pay in full pass on (the update is monotone). First try y in proportion
// to what nodes pay, which holds unless somebody lives on next to nothing but what others in default pay. Lanes in which it does.
template <class Crowd>
GPUSTRESS_STEP mask bound_by_payments(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s,
                                      Course& course) {
    constexpr double LEAST_SHARE = 0x1p-20;  // of what a node pays: what it has of others than those
    const real nothing = all_lanes(0.0);
    crowd.each(n.nodes, [&](int i) {
        const real lack = s.lack[i] + s.loss[i];
        const mask passes = n.total[i] > 0.0 ? mask_of(s.fails[i]) | (lack > all_lanes(-NEARLY_SHORT * n.total[i])) : no_lane();
        s.passes[i] = lane_bits(passes);
        s.error[i] = nothing;
        if (!crowd.some(passes)) return;
        if (!is_open(n, s.open, i)) {
            open_node(crowd, n, s.open, i);
            pay_in_full(n, s, i);
            s.need[s.open.place[n.first[i]]] = s.lack[i];
        }
    });
    gather_more(crowd, n, s.open, course.gathered);
    each_open(crowd, n, s.open, [&](const OpenRow& row) {
        const int i = row.node;
        const real unpaid = unpaid_by(n, s, i), gap = size_of(lacking_of(n, job, s, i, s.loss[i]) - unpaid);
        const mask passes = mask_of(s.passes[i]);
        s.own_error[i] = select(passes, gap + rounding_of(n, s, i), nothing);
        s.error[i] = select(passes, all_lanes((1.0 + 0x1p-10) * n.total[i]) - unpaid, nothing);
        pass_error(n, s, i, s.error[i], s.passed);
    });
    real factor = nothing;
    mask fails = no_lane();
    each_open(crowd, n, s.open, [&](const OpenRow& row) {
        const int i = row.node;
        const mask passes = mask_of(s.passes[i]);
        const real rest = s.error[i] - rate_of(job, s, i) * reaching(s.open, s.passed, row);
        const mask holds = rest > all_lanes(LEAST_SHARE) * s.error[i];
        fails = fails | (passes & !holds);
        factor = larger(factor, select(passes & holds, s.own_error[i] / rest, nothing));
    });
    factor = all_lanes(1.0 + 0x1p-20) * crowd.largest(factor);
    each_open(crowd, n, s.open, [&](const OpenRow& row) {
        const int i = row.node;
        s.error[i] = factor * s.error[i];
        pass_error(n, s, i, s.error[i], s.passed);
    });
    return !crowd.across(fails);
}

// The same for some lanes by y = g + A y, updated until twice that is such a y.
template <class Crowd>
GPUSTRESS_STEP mask bound_by_updates(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, mask lanes) {
    mask moving = lanes;
    const real two = all_lanes(2.0);
    const auto pass = [&](int i, real error) {
        s.error[i] = error;
        pass_error(n, s, i, error, s.passed);
    };
    each_open(crowd, n, s.open, [&](const OpenRow& row) { pass(row.node, select(moving, s.own_error[row.node], s.error[row.node])); });
    for (int update = 1; update <= MOST_UPDATES && crowd.some(moving); ++update) {
        each_open(crowd, n, s.open, [&](const OpenRow& row) {
            const int i = row.node;
            const real after = fused(rate_of(job, s, i), reaching(s.open, s.passed, row), s.own_error[i]);
            s.error[i] = select(moving & mask_of(s.passes[i]), after, s.error[i]);
        });
        each_open(crowd, n, s.open, [&](const OpenRow& row) { pass(row.node, s.error[row.node]); });
        if (update & (update - 1)) continue;  // it is looked at now and then
        mask exceeds = no_lane();
        each_open(crowd, n, s.open, [&](const OpenRow& row) {
            const int i = row.node;
            const real received = two * reaching(s.open, s.passed, row);
            const mask within = s.own_error[i] + rate_of(job, s, i) * received <= two * s.error[i];
            exceeds = exceeds | (mask_of(s.passes[i]) & !within);
        });
        const mask found = moving & !crowd.across(exceeds);
        each_open(crowd, n, s.open, [&](const OpenRow& row) {
            const int i = row.node;
            pass(i, select(found, two * s.error[i], s.error[i]));
        });
        moving = moving & !found;
    }
    return lanes & !moving;
}

// What such a y shows: the largest error of a payment, or infinity where within y somebody else would default, or not, or
// meet another rank.
template <class Crowd>
GPUSTRESS_STEP real shown_bound(const Crowd& crowd, const Network& n, const ClearingState& s) {
    reach_all(crowd, n, s.open, s.passed, s.reach);
    const real nothing = all_lanes(0.0);
    mask decides = no_lane();
    real largest = nothing;
    crowd.each(n.nodes, [&](int i) {
        if (n.total[i] == 0.0) return;
        const real reach = s.reach[i] + rounding_of(n, s, i), bound = s.error[i], spare = -(s.lack[i] + s.loss[i]);
        decides = decides | !(mask_of(s.passes[i]) | (spare >= reach));
        decides = decides | !(size_of(spare + all_lanes(DEFAULT_TOLERANCE * n.total[i])) > reach);
        largest = larger(largest, bound);
        if (!is_open(n, s.open, i)) return;
        for (index32 k = n.first[i]; k + 1 < n.first[i + 1]; ++k)  // where another rank begins
            decides = decides | !((size_of(unpaid_by(n, s, i) - all_lanes(n.junior[k])) > bound) | (bound == nothing));
    });
    return select(crowd.across(decides), all_lanes(infinity()), crowd.largest(largest) + all_lanes(ROUNDOFF * n.largest));
}

template <class Crowd>
GPUSTRESS_FUNCTION real bound_of_error(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, mask settled,
                                       Course& course) {
    mask holds = settled & bound_by_payments(crowd, n, job, s, course);
    real bound = select(holds, shown_bound(crowd, n, s), all_lanes(infinity()));
    const mask enough = bound <= all_lanes(ACCURACY * n.largest), again = settled & !enough;
    if (!crowd.some(again)) return bound;
    holds = bound_by_updates(crowd, n, job, s, again);
    return select(enough, bound, select(holds, shown_bound(crowd, n, s), all_lanes(infinity())));
}
