// Clearing of a group of shocks, one a lane (docs/networks.md, "Exactness"; gpustress/backends/numpy/clearing_fixed_point.py): the fixed
// point by monotone updates within each set of defaults, with a bound of the error. What is updated is what is not paid: it is 0
// but where somebody is short. A lane that rests is left as it is, so that its neighbours can't move it.
#pragma once
#include "debts.h"

constexpr int MOST_UPDATES = 512;       // within a set of defaults; what moves after them leaks little
constexpr double ACCURACY = 1e-12;      // of the largest total that a node owes: what a bound has to show
constexpr int PROBE = 8;                // updates after which it is asked whether it is certain by now who defaults
constexpr double UNSURE = 0x1p-44;      // of what is due: what roundings may do to that answer
constexpr double AT_REST = 0x1p-51;     // of what is due: an update that moves no payment by more is the last
constexpr double ROUNDOFF = 0x1p-53;
constexpr double DEFAULT_TOLERANCE = 1e-12;
constexpr double NEARLY_SHORT = 1e-9;   // who has less than this share to spare is taken to pass errors on

#define GPUSTRESS_CLEARING_ARRAYS(X) \
    X(lack, n.nodes) X(need, n.obligations) X(loss, n.nodes) X(own_error, n.nodes) X(error, n.nodes) X(reach, n.nodes) \
    X(unpaid, n.obligations + 1) X(passed, n.obligations + 1) X(fresh, n.most_in_chunk)

// lack: what a node has less than it owes while all others pay in full, negative: to spare; need: the same once its default costs
// are taken off, of open nodes, at the place of their first obligation; loss: what it does not get of its claims; unpaid: of each open obligation, at its place; error: a bound of
// the error of a node's payments, of which `passed` falls on each obligation; fresh: what a chunk of nodes comes to.
struct ClearingState {
#define X(name, count) Lanes<real> name;
    GPUSTRESS_CLEARING_ARRAYS(X)
#undef X
    Lanes<unsigned> fails, varies, passes;  // (N,) lanes, as bits: is in default; pays what it has; passes errors on
    OpenDebts open;
};

// Doubles of a group's state: of each lane, and of what all lanes share, with so many words for the bits of all lanes.
GPUSTRESS_FUNCTION integer clearing_lane_size(const Network& n) {
    integer size = 0;
#define X(name, count) size += (integer)(count) + GUARD;
    GPUSTRESS_CLEARING_ARRAYS(X)
#undef X
    return size;
}
GPUSTRESS_FUNCTION integer clearing_shared_size(const Network& n, int lane_words) {
    const integer rows = (integer)CHUNKS * chunk_nodes(n) + GUARD;
    const integer words = open_size(n) + rows + CHUNKS + 1 + n.obligations + 3 * (integer)lane_words * n.nodes + 6 * GUARD;
    return open_size(n) + GUARD + (integer)sizeof(OpenRow) / 8 * rows + (words + 1) / 2;
}

template <class Crowd>
GPUSTRESS_FUNCTION ClearingState clearing_state_in(const Crowd& crowd, double* memory, const Network& n) {
    ClearingState s;
    real* of_lane = reinterpret_cast<real*>(memory);
#define X(name, count) s.name = crowd.array(of_lane, count);
    GPUSTRESS_CLEARING_ARRAYS(X)
#undef X
    s.open.share = reinterpret_cast<double*>(of_lane);
    s.open.rows = reinterpret_cast<OpenRow*>(guarded(s.open.share + open_size(n)));
    s.open.column = reinterpret_cast<index32*>(guarded(s.open.rows + (integer)CHUNKS * chunk_nodes(n)));
    s.open.nodes = guarded(s.open.column + open_size(n));
    s.open.count = guarded(s.open.nodes + (integer)CHUNKS * chunk_nodes(n));
    s.open.place = guarded(s.open.count + CHUNKS + 1);
    unsigned* bits = reinterpret_cast<unsigned*>(guarded(s.open.place + n.obligations));
    s.fails = crowd.array(bits, n.nodes);
    s.varies = crowd.array(bits, n.nodes);
    s.passes = crowd.array(bits, n.nodes);
    return s;
}

// The shocks of a group: lane l has shock number order[first + l], and those from `lanes` on do what lane 0 does.
struct Shocks {
    const index32* order;
    integer first;
    int lanes;

    GPUSTRESS_METHOD integer row(int lane) const { return order[first + (lane < lanes ? lane : 0)]; }
};
GPUSTRESS_FUNCTION integer place_of(const Clearing& job, const Shocks& shocks, int lane, int i) {
    return shocks.row(lane) * job.shock_stride + i * job.node_stride;
}
GPUSTRESS_FUNCTION real own_of(const Clearing& job, const Shocks& shocks, int i) {
    real own = all_lanes(0.0);
    for (int lane = 0; lane < GPUSTRESS_LANES; ++lane) set_lane(own, lane, job.external_assets[place_of(job, shocks, lane, i)]);
    return own;
}

GPUSTRESS_FUNCTION mask lacks_much(const Network& n, int i, real lack) { return lack > all_lanes(DEFAULT_TOLERANCE * n.total[i]); }
GPUSTRESS_FUNCTION real between(real x, double top) { return smaller(larger(x, all_lanes(0.0)), all_lanes(top)); }

// What a node does not pay, given what it does not get. Who is short and not (yet) in default pays in full, unless it is by less
// than makes a default.
GPUSTRESS_FUNCTION real lacking_of(const Network& n, const Clearing& job, const ClearingState& s, int i, real loss) {
    const mask fails = mask_of(s.fails[i]);
    const real lacks = fused(select(fails, all_lanes(job.beta), all_lanes(1.0)), loss, s.need[s.open.place[n.first[i]]]);
    return select(!fails & lacks_much(n, i, lacks), all_lanes(0.0), between(lacks, n.total[i]));
}
// Of this, what falls on an obligation, the most junior first.
GPUSTRESS_FUNCTION real part_of(const Network& n, index32 k, real lacking) { return between(lacking - all_lanes(n.junior[k]), n.due[k]); }

// Nothing that an open node owes is unpaid.
GPUSTRESS_FUNCTION void pay_in_full(const Network& n, const ClearingState& s, int i) {
    const index32 places = places_of(n, s.open, i);
    for (index32 k = n.first[i]; k < n.first[i + 1]; ++k) s.unpaid[places + k] = all_lanes(0.0);
}

// Set what an open node needs, as its lanes have defaulted or not: without default costs what it lacks, to the bit.
GPUSTRESS_FUNCTION void set_need(const Network& n, const Clearing& job, const ClearingState& s, const Shocks& shocks, int i) {
    real needs = s.lack[i];
    if (job.alpha != 1.0 || job.beta != 1.0)
        needs = all_lanes(n.total[i]) - fused(all_lanes(job.alpha), own_of(job, shocks, i), all_lanes(job.beta * n.claims[i]));
    const real as_it_is = select(mask_of(s.varies[i]), s.lack[i], all_lanes(-infinity()));
    s.need[s.open.place[n.first[i]]] = select(mask_of(s.fails[i]), needs, as_it_is);
}

template <class Crowd>
GPUSTRESS_STEP void begin_clearing(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, const Shocks& shocks) {
    close_all(crowd, n, s.open);
    if (crowd.leads_lane()) s.unpaid[n.obligations] = s.passed[n.obligations] = all_lanes(0.0);
    crowd.each(n.nodes, [&](int i) {
        const bool starts_in_default = job.least && n.total[i] > 0.0;
        s.fails[i] = s.varies[i] = starts_in_default ? lane_bits(every_lane()) : 0;
        s.loss[i] = all_lanes(0.0);
        s.lack[i] = all_lanes(n.total[i]) - (own_of(job, shocks, i) + all_lanes(n.claims[i]));
        if (!starts_in_default) return;
        open_node(crowd, n, s.open, i);
        set_need(n, job, s, shocks, i);
        const index32 places = places_of(n, s.open, i);
        for (index32 k = n.first[i]; k < n.first[i + 1]; ++k) s.unpaid[places + k] = all_lanes(n.due[k]);
    });
}

// Payments of lanes on their way to a clearing vector.
struct Course {
    mask moving;     // they are still updated
    mask probing;    // who else defaults is asked before they rest
    real updates;    // since somebody new defaulted
    real remaining;  // of what a node owes: how much more of it may yet be left unpaid; 0 at rest, infinity: not known
    int gathered;    // open obligations whose debts were gathered
};

// Find who is short, given what all others pay, and may yet not pay: lanes in which somebody new is, and those in which that is
// not certain, where nobody is taken for short as yet.
struct Found {
    mask defaults, near_defaults, uncertain;
};
template <class Crowd>
GPUSTRESS_STEP Found find_defaults(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, mask lanes,
                                   real remaining, real rounds, const Shocks& shocks) {
    const mask rests = remaining == all_lanes(0.0);
    Found found = {no_lane(), no_lane(), no_lane()};
    crowd.each(n.nodes, [&](int i) {
        const real lack = s.lack[i] + s.loss[i], most = fused(remaining, all_lanes(n.claims[i]), lack);
        const mask lacks = lanes & (most > all_lanes(0.0));
        s.passes[i] = 0;
        if (!crowd.some(lacks)) return;
        const mask is_short = lacks_much(n, i, lack), fails = mask_of(s.fails[i]);
        const mask defaults = lacks & is_short & !fails;
        const mask near = lacks & rests & !is_short & !mask_of(s.varies[i]);
        found.defaults = found.defaults | defaults;
        found.near_defaults = found.near_defaults | near;
        found.uncertain = found.uncertain | (lacks & !rests & !is_short & !fails);
        s.passes[i] = lane_bits(defaults | near);
    });
    found.uncertain = crowd.across(found.uncertain);
    found.defaults = crowd.across(found.defaults) & !found.uncertain;
    found.near_defaults = crowd.across(found.near_defaults) & !found.uncertain;
    if (!crowd.some(found.defaults | found.near_defaults)) return found;
    crowd.each(n.nodes, [&](int i) {
        const mask varies = mask_of(s.passes[i]) & !found.uncertain;
        if (!crowd.some(varies)) return;
        const mask defaults = varies & lacks_much(n, i, s.lack[i] + s.loss[i]);
        s.fails[i] |= lane_bits(defaults);
        s.varies[i] |= lane_bits(varies);
        for (int lane = 0; lane < shocks.lanes; ++lane)
            if (lane_of(defaults, lane)) job.round[place_of(job, shocks, lane, i)] = (index32)lane_of(rounds, lane) + 1;
        if (!is_open(n, s.open, i)) {
            open_node(crowd, n, s.open, i);
            pay_in_full(n, s, i);
        }
        set_need(n, job, s, shocks, i);
    });
    return found;
}

// Whoever was in default and lacks nothing now is saved: lanes in which somebody is.
template <class Crowd>
GPUSTRESS_STEP mask save(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, mask going, const Shocks& shocks) {
    mask changed = no_lane();
    crowd.each(n.nodes, [&](int i) {
        const mask saved = going & mask_of(s.fails[i]) & !lacks_much(n, i, s.lack[i] + s.loss[i]);
        if (!crowd.some(saved)) return;
        changed = changed | saved;
        s.fails[i] &= ~lane_bits(saved);
        set_need(n, job, s, shocks, i);
    });
    return crowd.across(changed);
}

// What an update does about how far it moves what is not paid: nothing, keep it (in `passed`), or compare it with what was kept.
enum Look { NOT, KEEP, COMPARE };

// Update the payments of lanes that move. Those in which something still moves. RANKED: nodes have several obligations.
// COMPARE, for each lane: by how much something moves farther than half as far as before, and the farthest move, of what a node owes.
template <bool RANKED, Look LOOK, class Crowd>
GPUSTRESS_FUNCTION mask update_payments(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, mask moving,
                                        real& slow, real& farthest) {
    const real beta = all_lanes(job.beta);
    real beyond = all_lanes(0.0);  // what is rest
    for (int chunk = 0; chunk < CHUNKS; ++chunk) {
        const Lanes<real> fresh = s.fresh;
        const index32 base = n.first[chunk * chunk_nodes(n) < n.nodes ? chunk * chunk_nodes(n) : n.nodes];
        each_open(crowd, n, s.open, chunk, [&](const OpenRow& row) {
            const int i = row.node;
            const real loss = reaching(s.open, s.unpaid, row), least = all_lanes(AT_REST * row.total);
            const real lacking = crowd.some(mask_of(s.fails[i] ^ s.varies[i]))
                                     ? lacking_of(n, job, s, i, loss)
                                     : between(fused(beta, loss, s.need[row.places + row.first]), row.total);
            const index32 begin = row.first, end = RANKED ? n.first[i + 1] : begin + 1;
            for (index32 k = begin; k < end; ++k) {
                // Who has one obligation leaves so much of it unpaid as it lacks.
                const real before = s.unpaid[row.places + k], after = RANKED ? part_of(n, k, lacking) : lacking;
                const real move = size_of(after - before);
                beyond = larger(move - least, beyond);
                fresh[k - base] = select(moving, after, before);
                if constexpr (LOOK == KEEP) s.passed[row.places + k] = move;
                if constexpr (LOOK == COMPARE) {
                    slow = larger(move - fused(all_lanes(0.5), s.passed[row.places + k], least), slow);
                    farthest = larger(farthest, move / all_lanes(row.total));
                }
            }
        });
        each_open(crowd, n, s.open, chunk, [&](const OpenRow& row) {
            const index32 begin = row.first, end = RANKED ? n.first[row.node + 1] : begin + 1;
            for (index32 k = begin; k < end; ++k) s.unpaid[row.places + k] = fresh[k - base];
        });
    }
    return moving & (crowd.largest(beyond) > all_lanes(0.0));
}

// Update payments until they rest, or where lanes are probed, PROBE times. Lanes that do not still move after MOST_UPDATES.
//
// Who is in default lacks something, so that an update is monotone and linear until somebody pays nothing, and moves no more: each
// moves by at most what those before it moved, passed on. So once it moves each by at most half as far as the one before,
// all that follow together move each by no more than it did. Ranks, and who nearly defaults, bend that line.
template <bool RANKED, class Crowd>
GPUSTRESS_STEP mask settle_payments(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, Course& course) {
    gather_more(crowd, n, s.open, course.gathered);
    const bool probes = !RANKED && crowd.some(course.probing);
    mask rest = every_lane();
    real slow = all_lanes(0.0), farthest = slow;
    for (int update = 1; crowd.some(course.moving); ++update) {
        const mask moving = course.moving;
        if (probes && update + 1 == PROBE)
            course.moving = update_payments<false, KEEP>(crowd, n, job, s, moving, slow, farthest);
        else if (probes && update == PROBE)
            course.moving = update_payments<false, COMPARE>(crowd, n, job, s, moving, slow, farthest);
        else
            course.moving = update_payments<RANKED, NOT>(crowd, n, job, s, moving, slow, farthest);
        course.updates = course.updates + all_lanes(1.0);
        rest = rest & !(course.moving & (course.updates >= all_lanes(MOST_UPDATES)));
        course.moving = course.moving & rest;
        if (probes && update == PROBE) break;
    }
    real remaining = all_lanes(infinity());
    if (probes) {
        const mask known = course.probing & (crowd.largest(slow) <= all_lanes(0.0));
        remaining = select(known, crowd.largest(farthest) + all_lanes(UNSURE), remaining);
    }
    course.remaining = select(course.moving, remaining, all_lanes(0.0));
    return rest;
}

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

template <class Crowd>
GPUSTRESS_STEP void write_clearing(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, real rounds, real bound,
                                   const Shocks& shocks) {
    crowd.each(n.nodes, [&](int i) {
        const mask fails = mask_of(s.fails[i]), varies = mask_of(s.varies[i]);
        const real total = all_lanes(n.total[i]), equity = select(fails, all_lanes(0.0), larger(-(s.lack[i] + s.loss[i]), all_lanes(0.0)));
        real pays = total;
        if (crowd.some(varies)) {  // from what it has, which may be much less than what it owes
            const real own = own_of(job, shocks, i), receipts = larger(all_lanes(n.claims[i]) - s.loss[i], all_lanes(0.0));
            const real reduced = fused(all_lanes(job.beta), receipts, all_lanes(job.alpha) * own);
            pays = select(varies, smaller(select(fails, reduced, own + receipts), total), total);
        }
        for (int lane = 0; lane < shocks.lanes; ++lane) {
            const integer place = place_of(job, shocks, lane, i);
            job.payments[place] = lane_of(pays, lane);
            job.equity[place] = lane_of(equity, lane);
            if (job.least && lane_of(fails, lane)) job.round[place] = 1;
        }
    });
    if (!crowd.leads_lane()) return;
    for (int lane = 0; lane < shocks.lanes; ++lane) {
        job.rounds[shocks.row(lane)] = (index32)lane_of(rounds, lane);
        job.error_bound[shocks.row(lane)] = lane_of(bound, lane);
    }
}

// The greatest clearing vector, round by round of defaults, which are counted. Lanes whose payments come to rest.
template <bool RANKED, class Crowd>
GPUSTRESS_FUNCTION mask find_greatest(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s,
                                      const Shocks& shocks, Course& course, real& rounds) {
    const real nothing = all_lanes(0.0);
    mask asking = every_lane(), near = no_lane(), settled = every_lane();
    for (;;) {
        const mask asked = asking & (course.remaining < all_lanes(infinity()));
        course.probing = no_lane();
        if (crowd.some(asked)) {
            const Found found = find_defaults(crowd, n, job, s, asked, course.remaining, rounds, shocks);
            const mask more = found.defaults | found.near_defaults;
            asking = (asking & !asked) | found.uncertain | more;
            near = near | found.near_defaults;
            rounds = select(found.defaults, rounds + all_lanes(1.0), rounds);
            course.updates = select(more, nothing, course.updates);
            course.moving = course.moving | more;
            if constexpr (!RANKED) course.probing = more & !near;
        }
        if (!crowd.some(course.moving)) return settled;
        const mask rest = settle_payments<RANKED>(crowd, n, job, s, course);
        settled = settled & rest;
        asking = asking & rest;
        reach_all(crowd, n, s.open, s.unpaid, s.loss);
    }
}

// The least one: all who owe are in default, but for those that are saved by what others pay.
template <bool RANKED, class Crowd>
GPUSTRESS_FUNCTION mask find_least(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, const Shocks& shocks,
                                   Course& course, real& rounds) {
    mask going = every_lane(), settled = every_lane();
    while (crowd.some(going)) {
        rounds = select(going, rounds + all_lanes(1.0), rounds);
        course.moving = going;
        course.updates = all_lanes(0.0);
        const mask rest = settle_payments<RANKED>(crowd, n, job, s, course);
        settled = settled & rest;
        reach_all(crowd, n, s.open, s.unpaid, s.loss);
        // Without costs nobody that is saved saves others.
        going = save(crowd, n, job, s, going & rest, shocks) & (job.alpha * job.beta < 1.0 ? every_lane() : no_lane());
    }
    return settled;
}

template <bool RANKED, class Crowd>
GPUSTRESS_FUNCTION void clear_by_rank(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s,
                                      const Shocks& shocks) {
    real rounds = all_lanes(0.0);
    Course course = {no_lane(), no_lane(), rounds, rounds, -1};
    const mask settled = job.least ? find_least<RANKED>(crowd, n, job, s, shocks, course, rounds)
                                   : find_greatest<RANKED>(crowd, n, job, s, shocks, course, rounds);
    write_clearing(crowd, n, job, s, rounds, bound_of_error(crowd, n, job, s, settled, course), shocks);
}

template <class Crowd>
GPUSTRESS_FUNCTION void clear_shocks(const Crowd& crowd, const Network& n, const Clearing& job, const ClearingState& s, const Shocks& shocks) {
    begin_clearing(crowd, n, job, s, shocks);
    if (n.most_ranks > 1) clear_by_rank<true>(crowd, n, job, s, shocks);
    else clear_by_rank<false>(crowd, n, job, s, shocks);
}

// How hard a shock hits: how many lack something while all others pay in full. Shocks beside each other should have much in common.
GPUSTRESS_FUNCTION double severity_of(const Network& n, const Clearing& job, integer shock) {
    integer count = 0;
    for (int i = 0; i < n.nodes; ++i)
        count += job.external_assets[shock * job.shock_stride + i * job.node_stride] < n.total[i] - n.claims[i];
    return (double)count;
}
