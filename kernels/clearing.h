// Clearing of a group of shocks, one a lane (docs/networks.md, "Exactness"; gpustress/backends/numpy/clearing_fixed_point.py): the fixed
// point by monotone updates within each set of defaults. A lane that rests is left as it is, so that its neighbours can't move it.
#pragma once
#include "clearing_bound.h"

constexpr int PROBE = 8;             // updates after which it is asked whether it is certain by now who defaults
constexpr double UNSURE = 0x1p-44;   // of what is due: what roundings may do to that answer
constexpr double AT_REST = 0x1p-51;  // of what is due: an update that moves no payment by more is the last

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
