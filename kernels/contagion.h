// Losses that are passed on round by round, under a group of shocks, one a lane (docs/networks.md, "Cascades of failures" and
// "DebtRank"; gpustress/backends/numpy/contagion.py). What reaches nobody in a lane is 0 there, and to add that changes no bit.
#pragma once
#include "reach.h"

constexpr double THRESHOLD_TOLERANCE = 1e-9;  // a loss that exceeds equity by a smaller share of it is no failure
constexpr double REST = 1e-13;                // of equity: what all later rounds together may still add at the end

// arrived: losses that reach a node in a round; value: all of them, or distress; share: of its debts, what is written off in this
// round; other: the round in which it failed and 1 more, or what it has passed on. All are 0 before a group and after it.
struct ContagionState {
    Lanes<real> arrived, value, share, other;  // (N,)
    OwnReach own;        // of a thread that is alone
    SharedReach shared;  // of others
};

// Doubles of a group's state: of each lane, and of what all lanes share.
GPUSTRESS_FUNCTION integer contagion_lane_size(const Exposures& n) { return 4 * ((integer)n.nodes + GUARD); }
GPUSTRESS_FUNCTION integer contagion_shared_size(const Exposures& n) { return Crowd::ALONE ? own_reach_size(n) : shared_reach_size(n); }

template <class Crowd>
GPUSTRESS_FUNCTION ContagionState contagion_state_in(const Crowd& crowd, double* memory, const Exposures& n) {
    ContagionState s = {};
    real* of_lane = reinterpret_cast<real*>(memory);
    s.arrived = crowd.array(of_lane, n.nodes);
    s.value = crowd.array(of_lane, n.nodes);
    s.share = crowd.array(of_lane, n.nodes);
    s.other = crowd.array(of_lane, n.nodes);
    double* of_all = reinterpret_cast<double*>(of_lane);
    if constexpr (Crowd::ALONE) s.own = own_reach_in(of_all, n);
    else s.shared = shared_reach_in(of_all, n);
    return s;
}

// The shocks of a group: lane l has shock number first + l; lanes from `lanes` on have none.
struct ShockLanes {
    integer first;
    int lanes;
};

// body(i) for those whom something reaches in a round.
template <class Crowd, class Body>
GPUSTRESS_FUNCTION void each_hit(const Crowd& crowd, const Exposures& n, const ContagionState& s, int round, Body body) {
    if constexpr (Crowd::ALONE) {
        each_member(s.own.hit, n.nodes, body);
    } else {
        const index32* nodes = list_of(n, s.shared, round);
        crowd.each(listed(s.shared, round), [&](int number) { body(nodes[number]); });
    }
}

// What arrives in round 0.
template <class Crowd>
GPUSTRESS_STEP void begin_contagion(const Crowd& crowd, const Exposures& n, const Contagion& job, const ContagionState& s,
                                    const ShockLanes& shocks) {
    for (int lane = 0; lane < GPUSTRESS_LANES; ++lane) {
        const integer shock = shocks.first + lane, begin = lane < shocks.lanes ? job.start[shock] : 0;
        crowd.each(lane < shocks.lanes ? (int)(job.start[shock + 1] - begin) : 0, [&](int e) {
            const index32 i = job.node[begin + e];
            set_lane(s.arrived[i], lane, job.loss[begin + e]);
            if (job.imposed) set_lane(s.other[i], lane, 1.0);
            if constexpr (Crowd::ALONE) add(s.own.hit, i);
            else list(crowd, n, s.shared, 0, i);
        });
    }
}

// Furfine (2003): who has lost more than its equity fails, and a share of its debts is written off.
template <class Crowd>
GPUSTRESS_STEP mask fail(const Crowd& crowd, const Exposures& n, const ContagionState& s, int round) {
    mask sends = no_lane();
    each_hit(crowd, n, s, round, [&](int i) {
        const real losses = s.value[i] + s.arrived[i], nothing = all_lanes(0.0);
        const mask failed = s.other[i] > nothing, exceeds = losses > all_lanes((1.0 + THRESHOLD_TOLERANCE) * n.equity[i]);
        const mask fails = round == 0 ? failed | exceeds : exceeds & !failed;
        s.value[i] = losses;
        s.share[i] = select(fails, all_lanes(n.written_off[i]), nothing);
        s.other[i] = select(fails, all_lanes(round + 1.0), s.other[i]);
        sends = sends | (s.share[i] > nothing);
    });
    return crowd.across(sends);
}

// Battiston et al. (2012): who becomes distressed passes that on, once.
template <class Crowd>
GPUSTRESS_STEP mask distress_once(const Crowd& crowd, const Exposures& n, const ContagionState& s, int round) {
    mask sends = no_lane();
    each_hit(crowd, n, s, round, [&](int i) {
        const real nothing = all_lanes(0.0), before = s.value[i], lost = s.arrived[i] / all_lanes(n.equity[i]);
        s.value[i] = smaller(all_lanes(1.0), before + lost);
        s.share[i] = select(before == nothing, s.value[i], nothing);
        sends = sends | (s.share[i] > nothing);
    });
    return crowd.across(sends);
}

// Bardoscia et al. (2015): who loses a further share of its equity passes on just that. A lane is at rest once each node's gain is
// at most q < 1 times the one before, so that all later ones add no more than q / (1 - q) of it, and that is at most REST.
template <class Crowd>
GPUSTRESS_STEP mask distress_further(const Crowd& crowd, const Exposures& n, const ContagionState& s, int round, mask& moving,
                                     bool last) {
    const real nothing = all_lanes(0.0), one = all_lanes(1.0);
    real largest = nothing, rate = nothing;
    each_hit(crowd, n, s, round, [&](int i) {
        const real lost = s.arrived[i] / all_lanes(n.equity[i]), room = one - s.value[i], gain = smaller(lost, room);
        s.value[i] = select(lost < room, s.value[i] + lost, one);
        s.arrived[i] = gain;
        largest = larger(gain, largest);
        rate = larger(select(gain > nothing, gain / s.share[i], nothing), rate);
    });
    largest = crowd.largest(largest);
    rate = crowd.largest(rate);
    const mask slows = (rate < one) & (largest * rate / (one - rate) <= all_lanes(REST));
    moving = moving & !((rate == nothing) | slows);
    const mask goes_on = last ? no_lane() : moving;
    each_hit(crowd, n, s, round, [&](int i) {
        s.share[i] = select(goes_on, s.arrived[i], nothing);
        s.other[i] = s.other[i] + s.share[i];
    });
    return goes_on;
}

// What reaches a creditor, by debtor in their order.
GPUSTRESS_FUNCTION real reaching(const Exposures& n, Lanes<real> share, int i) {
    real sum = all_lanes(0.0);
    for (index32 e = n.in_start[i]; e < n.in_start[i + 1]; ++e) sum = sum + all_lanes(n.in_amount[e]) * share[n.in_column[e]];
    return sum;
}

// What is written off reaches the creditors: along the debts of who passes something on. Where these are many, to read all is
// faster than to single some out, and the sums are the same.
constexpr int MANY = 4;  // a part of all debts
GPUSTRESS_STEP void pass_on_alone(const Exposures& n, const ContagionState& s) {
    index32 debts = 0;
    take_members(s.own.hit, n.nodes, [&](int i) {
        s.arrived[i] = all_lanes(0.0);
        add(s.own.reached, i);
        if (!some_lane(s.share[i] > all_lanes(0.0))) return;
        add(s.own.sends, i);
        debts += n.out_start[i + 1] - n.out_start[i];
    });
    if (debts > n.out_start[n.nodes] / MANY) {
        take_members(s.own.sends, n.nodes, [](int) {});
        for (int i = 0; i < n.nodes; ++i) {
            s.arrived[i] = reaching(n, s.share, i);
            if (some_lane((s.arrived[i] > all_lanes(0.0)) | (s.share[i] > all_lanes(0.0)))) add(s.own.hit, i);
        }
        return;
    }
    take_members(s.own.sends, n.nodes, [&](int i) {
        const real share = s.share[i];
        add(s.own.hit, i);
        for (index32 e = n.out_start[i]; e < n.out_start[i + 1]; ++e) {
            const index32 creditor = n.out_column[e];
            s.arrived[creditor] = s.arrived[creditor] + all_lanes(n.out_amount[e]) * share;
            add(s.own.hit, creditor);
        }
    });
}

// Threads that share the nodes list first whom it reaches, and sum then what reaches each.
template <class Crowd>
GPUSTRESS_STEP void pass_on_together(const Crowd& crowd, const Exposures& n, const ContagionState& s, int round) {
    each_hit(crowd, n, s, round, [&](int i) {
        if (!crowd.some(s.share[i] > all_lanes(0.0)) || !crowd.first_lane()) return;
        list(crowd, n, s.shared, round + 1, i);
        crowd.take_places(&debts_passed_on(s.shared), n.out_start[i + 1] - n.out_start[i]);
    });
    if (debts_passed_on(s.shared) > n.out_start[n.nodes] / MANY) {
        crowd.each(n.nodes, [&](int i) {
            s.arrived[i] = reaching(n, s.share, i);
            if (crowd.some(s.arrived[i] > all_lanes(0.0)) && crowd.first_lane()) list(crowd, n, s.shared, round + 1, i);
        });
    } else {
        each_hit(crowd, n, s, round, [&](int i) {
            if (!crowd.some(s.share[i] > all_lanes(0.0))) return;
            crowd.each_by_lane(n.out_start[i], n.out_start[i + 1],
                               [&](index32 e) { list(crowd, n, s.shared, round + 1, n.out_column[e]); });
        });
        each_hit(crowd, n, s, round + 1, [&](int i) { s.arrived[i] = reaching(n, s.share, i); });
    }
    unlist(crowd, n, s.shared, round);
    if (crowd.leads()) debts_passed_on(s.shared) = 0;
}

template <class Crowd>
GPUSTRESS_FUNCTION void pass_on(const Crowd& crowd, const Exposures& n, const ContagionState& s, int round) {
    if constexpr (Crowd::ALONE) pass_on_alone(n, s);
    else pass_on_together(crowd, n, s, round);
}

// Pass losses on until nothing more is written off. Lanes that have not come to rest.
template <class Crowd>
GPUSTRESS_FUNCTION mask spread_losses(const Crowd& crowd, const Exposures& n, const Contagion& job, const ContagionState& s,
                                      const ShockLanes& shocks) {
    begin_contagion(crowd, n, job, s, shocks);
    mask moving = every_lane();
    for (int round = 0;; ++round) {
        mask sends;
        if (job.rule == THRESHOLD) sends = fail(crowd, n, s, round);
        else if (job.rule == ONCE) sends = distress_once(crowd, n, s, round);
        else sends = distress_further(crowd, n, s, round, moving, round == job.rounds);
        if (!crowd.some(sends)) break;
        pass_on(crowd, n, s, round);
    }
    return job.rule == LINEAR ? moving : no_lane();
}

// Lanes in which a node has lost something or failed.
GPUSTRESS_FUNCTION word cell_lanes(const ContagionState& s, int i) {
    return lane_bits((s.value[i] > all_lanes(0.0)) | (s.other[i] > all_lanes(0.0)));
}

// Nothing has happened to a node.
GPUSTRESS_FUNCTION void forget(const ContagionState& s, int i) {
    s.arrived[i] = s.value[i] = s.share[i] = s.other[i] = all_lanes(0.0);
}

// What a thread that is alone leaves: how many cells each shock has, and in all.
GPUSTRESS_FUNCTION integer count_cells(const Exposures& n, const Contagion& job, const ContagionState& s, const ShockLanes& shocks) {
    integer count[GPUSTRESS_LANES] = {}, all = 0;
    take_members(s.own.hit, n.nodes, [&](int i) { add(s.own.reached, i); });
    each_member(s.own.reached, n.nodes, [&](int i) {
        for (word lanes = cell_lanes(s, i); lanes != 0; ++all) ++count[take_lowest(lanes)];
    });
    for (int lane = 0; lane < shocks.lanes; ++lane) job.cells[shocks.first + lane] = count[lane];
    return all;
}

// Write them, and leave 0 behind.
GPUSTRESS_STEP void collect_cells(const Exposures& n, const Contagion& job, const ContagionState& s, const ShockLanes& shocks,
                                  const Cells& cells) {
    integer next[GPUSTRESS_LANES] = {};
    for (int lane = 1; lane < shocks.lanes; ++lane) next[lane] = next[lane - 1] + job.cells[shocks.first + lane - 1];
    take_members(s.own.reached, n.nodes, [&](int i) {
        for (word lanes = cell_lanes(s, i); lanes != 0;) {
            const int lane = take_lowest(lanes);
            const integer place = next[lane]++;
            cells.node[place] = i;
            cells.value[place] = lane_of(s.value[i], lane);
            cells.other[place] = lane_of(s.other[i], lane);
        }
        forget(s, i);
    });
}

// The same by threads that share the nodes: each row takes some that are neighbours. A shock's cells lie together, in whatever
// order the shocks are done; where there is no room for them they are only counted.
template <class Crowd>
GPUSTRESS_STEP void leave_cells(const Crowd& crowd, const Exposures& n, const Contagion& job, const ContagionState& s,
                                const ShockLanes& shocks, const CellRoom& room) {
    const int first = crowd.share_of(n.nodes, crowd.row), end = crowd.share_of(n.nodes, crowd.row + 1);
    integer count = 0;
    each_member_between(s.shared.reached, first, end, [&](int i) { count += cell_lanes(s, i) != 0; });
    const integer before = crowd.before(count);
    integer place = 0;
    if (crowd.last_row() && shocks.lanes > 0) {
        const integer all = before + count, taken = crowd.take_room(room.taken, all);
        place = taken + all <= room.cells ? taken : -1;
        job.cells[shocks.first] = all;
        room.place[shocks.first] = place;
    }
    place = crowd.of_last_row(place);
    integer next = place + before;
    each_member_between(s.shared.reached, first, end, [&](int i) {
        if (place >= 0 && cell_lanes(s, i) != 0) {
            room.node[next] = i;
            room.value[next] = s.value[i];
            room.other[next++] = s.other[i];
        }
        forget(s, i);
        if (crowd.first_lane()) s.shared.round[i] = 0;
    });
    unlist(crowd, n, s.shared, 0);
    unlist(crowd, n, s.shared, 1);
    crowd.each(words_for(n.nodes), [&](int at) { if (crowd.first_lane()) s.shared.reached[at] = 0; });
}
