// Clearing of a group of shocks, one a lane (docs/networks.md, "Exactness"; gpustress/backends/numpy/clearing_fixed_point.py): the fixed
// point by monotone updates within each set of defaults, with a bound of the error. What is updated is what is not paid: it is 0
// but where somebody is short. A lane that rests is left as it is, so that its neighbours can't move it.
#pragma once
#include "debts.h"

constexpr int MOST_UPDATES = 512;       // within a set of defaults; what moves after them leaks little
constexpr double AT_REST = 0x1p-51;     // of what is due: an update that moves no payment by more is the last
constexpr double ROUNDOFF = 0x1p-53;
constexpr double DEFAULT_TOLERANCE = 1e-12;
constexpr double NEARLY_SHORT = 1e-9;   // who has less than this share to spare is taken to pass errors on

#define GPUSTRESS_CLEARING_ARRAYS(X) \
    X(own, n.nodes) X(loss, n.nodes) X(lacking, n.nodes) X(own_error, n.nodes) X(error, n.nodes) X(reaching_error, n.nodes) \
    X(unpaid, n.obligations) X(next_unpaid, n.obligations) X(passed, n.obligations) X(next_passed, n.obligations)

// loss: what a node does not get of its claims; lacking: what it does not pay, in all, and `unpaid` of each obligation;
// error: a bound of the error of its payments, of which `passed` falls on each obligation.
struct ClearingState {
#define X(name, count) Lanes<real> name;
    GPUSTRESS_CLEARING_ARRAYS(X)
#undef X
    Lanes<unsigned> fails, varies, passes;  // (N,) lanes, as bits: is in default; pays what it has; passes errors on
    OpenDebts open;
};

// Doubles of a group's state: of each lane, and of what all lanes share.
GPUSTRESS_FUNCTION integer clearing_lane_size(const Network& n) {
    integer size = 0;
#define X(name, count) size += (integer)(count) + GUARD;
    GPUSTRESS_CLEARING_ARRAYS(X)
#undef X
    return size;
}
GPUSTRESS_FUNCTION integer clearing_shared_size(const Network& n, int lane_words) {
    const integer words = 3 * (integer)lane_words * (n.nodes + GUARD) + 2 * (n.nodes + GUARD) + 1 + GUARD + n.edges + GUARD;
    return n.edges + GUARD + (words + 1) / 2 + (n.obligations + GUARD + 7) / 8 + 1;
}

GPUSTRESS_FUNCTION ClearingState clearing_state_in(double* memory, const Network& n) {
    ClearingState s;
    real* of_lane = reinterpret_cast<real*>(memory);
#define X(name, count) s.name = of_lane; of_lane = guarded(of_lane + (count));
    GPUSTRESS_CLEARING_ARRAYS(X)
#undef X
    s.open.share = reinterpret_cast<double*>(of_lane);
    index32* words = reinterpret_cast<index32*>(guarded(s.open.share + n.edges));
    s.open.column = words; words = guarded(words + n.edges);
    s.open.nodes = words; words = guarded(words + n.nodes);
    s.open.row_end = words; words = guarded(words + n.nodes);
    s.open.count = words; words = guarded(words + 1);
    unsigned* bits = reinterpret_cast<unsigned*>(words);
    s.fails = bits; bits = guarded(bits + n.nodes);
    s.varies = bits; bits = guarded(bits + n.nodes);
    s.passes = bits; bits = guarded(bits + n.nodes);
    s.open.is_open = reinterpret_cast<code8*>(bits);
    guarded(s.open.is_open + n.obligations);
    return s;
}

// What a node has, and what it pays with that.
struct Means {
    real resources, pays;
    mask is_short;
};
GPUSTRESS_FUNCTION Means means_of(const Network& n, const Clearing& job, int i, real own, real loss, mask fails) {
    const real total = all_lanes(n.total[i]), receipts = larger(all_lanes(0.0), all_lanes(n.claims[i]) - loss);
    const real resources = own + receipts;
    const mask is_short = total - resources > all_lanes(DEFAULT_TOLERANCE * n.total[i]);
    const real reduced = fused(all_lanes(job.beta), receipts, all_lanes(job.alpha) * own);
    // Who is short and not (yet) in default pays in full, unless it is by less than makes a default.
    const real funds = select(fails, reduced, select(is_short, total, resources));
    return {resources, smaller(funds, total), is_short};
}

// Spread what a node lacks over its obligations, the most junior first.
GPUSTRESS_FUNCTION void leave_unpaid(const Network& n, int i, real lacking, Lanes<real> unpaid) {
    for (index32 k = n.first[i]; k < n.first[i + 1]; ++k)
        unpaid[k] = smaller(larger(lacking - all_lanes(n.junior[k]), all_lanes(0.0)), all_lanes(n.due[k]));
}

template <class Crowd>
GPUSTRESS_STEP void begin_clearing(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, integer shock, int lanes) {
    const real nothing = all_lanes(0.0);
    close_all(crowd, n, s.open);
    crowd.each(n.obligations, [&](int k) { s.unpaid[k] = s.next_unpaid[k] = s.passed[k] = s.next_passed[k] = nothing; });
    crowd.each(n.nodes, [&](int i) {
        for (int lane = 0; lane < GPUSTRESS_LANES; ++lane) {
            const integer row = shock + (lane < lanes ? lane : 0);  // a lane that is not needed does what another does
            set_lane(s.own[i], lane, job.external_assets[row * job.shock_stride + i * job.node_stride]);
        }
        const bool owes = n.total[i] > 0.0, starts_in_default = job.least && owes;
        s.fails[i] = s.varies[i] = starts_in_default ? lane_bits(every_lane()) : 0;
        s.loss[i] = nothing;
        s.lacking[i] = starts_in_default ? all_lanes(n.total[i]) : nothing;
        if (!starts_in_default) return;
        open_node(crowd, n, s.open, i);
        leave_unpaid(n, i, s.lacking[i], s.unpaid);
    });
}

// Find who is short, given what all others pay: lanes in which somebody new is.
struct Found {
    mask defaults, near_defaults;
};
template <class Crowd>
GPUSTRESS_STEP Found find_defaults(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, mask going, real rounds,
                                   integer shock, int lanes) {
    Found found = {no_lane(), no_lane()};
    crowd.each(n.nodes, [&](int i) {
        if (n.total[i] == 0.0) return;
        const mask fails = mask_of(s.fails[i]);
        const Means has = means_of(n, job, i, s.own[i], s.loss[i], fails);
        const mask lacks = going & !fails & (has.resources < all_lanes(n.total[i]));
        if (!crowd.some(lacks)) return;
        const mask defaults = lacks & has.is_short, near = lacks & !has.is_short & !mask_of(s.varies[i]);
        if (!crowd.some(defaults | near)) return;
        found = {found.defaults | defaults, found.near_defaults | near};
        s.fails[i] |= lane_bits(defaults);
        s.varies[i] |= lane_bits(defaults | near);
        open_node(crowd, n, s.open, i);
        for (int lane = 0; lane < lanes; ++lane)
            if (lane_of(defaults, lane)) job.round[(shock + lane) * job.shock_stride + i * job.node_stride] = (index32)lane_of(rounds, lane) + 1;
    });
    return {crowd.across(found.defaults), crowd.across(found.near_defaults)};
}

// Whoever was in default and lacks nothing now is saved: lanes in which somebody is.
template <class Crowd>
GPUSTRESS_STEP mask save(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, mask going) {
    mask changed = no_lane();
    crowd.each(n.nodes, [&](int i) {
        const mask fails = mask_of(s.fails[i]);
        const mask saved = going & fails & !means_of(n, job, i, s.own[i], s.loss[i], fails).is_short;
        changed = changed | saved;
        s.fails[i] &= ~lane_bits(saved);
    });
    return crowd.across(changed);
}

// Update the payments of the lanes that go on until each rests. Lanes that do.
template <class Crowd>
GPUSTRESS_STEP mask settle_payments(const Crowd& crowd, const Network& n, const Clearing& job, ClearingState& s, mask going) {
    gather_open(crowd, n, s.open);
    mask moving = going;
    for (int update = 0; update < MOST_UPDATES && crowd.some(moving); ++update) {
        mask moves = no_lane();
        crowd.each(*s.open.count, [&](int place) {
            const int i = s.open.nodes[place];
            const real loss = reaching(n, s.open, s.unpaid, i), before = s.lacking[i];
            const real after = all_lanes(n.total[i]) - means_of(n, job, i, s.own[i], loss, mask_of(s.fails[i])).pays;
            const mask varies = moving & mask_of(s.varies[i]);
            moves = moves | (varies & (size_of(after - before) > all_lanes(AT_REST * n.total[i])));
            const real now = select(varies, after, before);
            s.lacking[i] = now;
            leave_unpaid(n, i, now, s.next_unpaid);
        });
        const Lanes<real> next = s.next_unpaid;
        s.next_unpaid = s.unpaid;
        s.unpaid = next;
        moving = crowd.across(moves);
    }
    return going & !moving;
}

// Which of its obligations a change of a node's payments falls on.
GPUSTRESS_FUNCTION void pass_error(const Network& n, const ClearingState& s, int i, real error, Lanes<real> passed) {
    const index32 begin = n.first[i], end = n.first[i + 1];
    for (index32 k = begin; k < end; ++k) {
        const real unpaid = s.unpaid[k], nothing = all_lanes(0.0), due = all_lanes(n.due[k]);
        const mask last = k + 1 == end ? unpaid <= nothing : no_lane(), first = k == begin ? unpaid >= due : no_lane();
        passed[k] = select(((unpaid > nothing) & (unpaid < due)) | last | first, error, nothing);
    }
}

// Bound the distance of a lane's payments from those that solve the equations with the same defaults.
//
// The update is monotone, and passes an error on as debtors' shares say. So y bounds it where g + A y <= y, g being the last
// change and the roundings, A what nodes that do not pay in full pass on. Infinite where no such y is found, or where within y
// somebody else would default, pay in full or meet another rank.
template <class Crowd>
GPUSTRESS_STEP real bound_of_error(const Crowd& crowd, const Network& n, const Clearing& job, ClearingState& s, mask settled) {
    const auto rounding_of = [&](int i) {  // on the way to what a node lacks of each obligation
        const double edges = n.in_start[i + 1] - n.in_start[i];
        return all_lanes(ROUNDOFF * (edges + 6.0)) * s.loss[i] + all_lanes(6.0 * ROUNDOFF) * (s.own[i] + all_lanes(n.claims[i] + n.total[i]));
    };
    const real nothing = all_lanes(0.0), beta = all_lanes(job.beta), one = all_lanes(1.0), two = all_lanes(2.0);
    crowd.each(n.nodes, [&](int i) {
        const mask fails = mask_of(s.fails[i]);
        const Means has = means_of(n, job, i, s.own[i], s.loss[i], fails);
        const mask passes = n.total[i] > 0.0 ? fails | (has.resources < all_lanes((1.0 + NEARLY_SHORT) * n.total[i])) : no_lane();
        const real gap = size_of(all_lanes(n.total[i]) - has.pays - s.lacking[i]);
        s.passes[i] = lane_bits(passes);
        s.error[i] = s.own_error[i] = select(passes, gap + rounding_of(i), nothing);
        if (!crowd.some(passes)) return;
        open_node(crowd, n, s.open, i);
        pass_error(n, s, i, s.error[i], s.passed);
    });
    gather_open(crowd, n, s.open);
    mask open = settled, holds = no_lane();
    for (int update = 1; update <= MOST_UPDATES && crowd.some(open); ++update) {
        crowd.each(*s.open.count, [&](int place) {
            const int i = s.open.nodes[place];
            const real rate = select(mask_of(s.fails[i]), beta, one);
            const real after = s.own_error[i] + rate * reaching(n, s.open, s.passed, i);
            s.error[i] = select(open & mask_of(s.passes[i]), after, s.error[i]);
            pass_error(n, s, i, s.error[i], s.next_passed);
        });
        const Lanes<real> next = s.next_passed;
        s.next_passed = s.passed;
        s.passed = next;
        if (update & (update - 1)) continue;  // whether twice that is such a y is looked at now and then
        mask exceeds = no_lane();
        crowd.each(*s.open.count, [&](int place) {
            const int i = s.open.nodes[place];
            const real rate = select(mask_of(s.fails[i]), beta, one), bound = two * s.error[i];
            const mask within = s.own_error[i] + rate * (two * reaching(n, s.open, s.passed, i)) <= bound;
            exceeds = exceeds | (mask_of(s.passes[i]) & !within);
        });
        const mask found = open & !crowd.across(exceeds);
        holds = holds | found;
        open = open & !found;
    }
    reach_all(crowd, n, s.open, s.passed, s.reaching_error);
    const bool costs = job.alpha * job.beta < 1.0;
    mask decides = no_lane();
    real largest = nothing;
    crowd.each(n.nodes, [&](int i) {
        if (n.total[i] == 0.0) return;
        const mask passes = mask_of(s.passes[i]);
        const real bound = two * s.error[i], reach = two * s.reaching_error[i] + rounding_of(i);
        const real spare = means_of(n, job, i, s.own[i], s.loss[i], no_lane()).resources - all_lanes(n.total[i]);
        decides = decides | !(passes | (spare >= reach));
        if (costs) decides = decides | !(size_of(spare + all_lanes(DEFAULT_TOLERANCE * n.total[i])) > reach);
        for (index32 k = n.first[i]; k + 1 < n.first[i + 1]; ++k)  // where another rank begins
            decides = decides | !((size_of(s.lacking[i] - all_lanes(n.junior[k])) > bound) | (bound == nothing));
        largest = larger(largest, bound);
    });
    holds = holds & !crowd.across(decides);
    return select(holds, crowd.largest(largest) + all_lanes(ROUNDOFF * n.largest), all_lanes(infinity()));
}

template <class Crowd>
GPUSTRESS_STEP void write_clearing(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, real rounds, real bound,
                                   integer shock, int lanes) {
    crowd.each(n.nodes, [&](int i) {
        const mask fails = mask_of(s.fails[i]);
        const Means has = means_of(n, job, i, s.own[i], s.loss[i], fails);
        const real spare = larger(has.resources - all_lanes(n.total[i]), all_lanes(0.0));
        const real equity = select(fails, all_lanes(0.0), spare);
        for (int lane = 0; lane < lanes; ++lane) {
            const integer place = (shock + lane) * job.shock_stride + i * job.node_stride;
            job.payments[place] = lane_of(has.pays, lane);
            job.equity[place] = lane_of(equity, lane);
            if (job.least && lane_of(fails, lane)) job.round[place] = 1;
        }
    });
    if (!crowd.leads_lane()) return;
    for (int lane = 0; lane < lanes; ++lane) {
        job.rounds[shock + lane] = (index32)lane_of(rounds, lane);
        job.error_bound[shock + lane] = lane_of(bound, lane);
    }
}

// Clear the shocks `shock` to `shock + lanes - 1`.
template <class Crowd>
GPUSTRESS_FUNCTION void clear_shocks(const Crowd& crowd, const Network& n, const Clearing& job, ClearingState s, integer shock, int lanes) {
    begin_clearing(crowd, n, job, s, shock, lanes);
    real rounds = all_lanes(0.0);
    mask going = every_lane(), settled = every_lane();
    const auto settle = [&] {
        const mask rest = settle_payments(crowd, n, job, s, going);
        settled = settled & (!going | rest);
        going = going & rest;
        reach_all(crowd, n, s.open, s.unpaid, s.loss);
    };
    if (job.least) {
        const bool costs = job.alpha * job.beta < 1.0;
        while (crowd.some(going)) {
            rounds = select(going, rounds + all_lanes(1.0), rounds);
            settle();
            going = going & save(crowd, n, job, s, going) & (costs ? every_lane() : no_lane());
        }
    } else {
        for (;;) {
            const Found found = find_defaults(crowd, n, job, s, going, rounds, shock, lanes);
            rounds = select(found.defaults, rounds + all_lanes(1.0), rounds);
            going = going & (found.defaults | found.near_defaults);
            if (!crowd.some(going)) break;
            settle();
        }
    }
    const real bound = bound_of_error(crowd, n, job, s, settled);
    write_clearing(crowd, n, job, s, rounds, bound, shock, lanes);
}
