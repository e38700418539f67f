// Losses that are passed on round by round, under a group of shocks, one a lane (docs/networks.md, "Cascades of failures" and
// "DebtRank"; gpustress/backends/numpy/contagion.py). A thread that is alone looks at those nodes only that something
// reaches: a shock that stays small costs little, however many nodes there are. What reaches nobody in a lane is 0 there, and
// to add that changes no bit.
#pragma once
#include "exposures.h"
#include "team.h"

constexpr double THRESHOLD_TOLERANCE = 1e-9;  // a loss that exceeds equity by a smaller share of it is no failure
constexpr double REST = 1e-13;                // of equity: what all later rounds together may still add at the end

// A set of nodes, a bit each, and one for each word with some: who goes through it in order goes along its members alone.
constexpr int WORD_BITS = 64;
struct NodeSet {
    word* bits;
    word* words;
};
GPUSTRESS_FUNCTION int words_for(int items) { return (items + WORD_BITS - 1) / WORD_BITS; }
GPUSTRESS_FUNCTION void add(const NodeSet& set, int i) {
    set.bits[i / WORD_BITS] |= (word)1 << i % WORD_BITS;
    const int at = i / WORD_BITS;
    set.words[at / WORD_BITS] |= (word)1 << at % WORD_BITS;
}
GPUSTRESS_FUNCTION int take_lowest(word& bits) {
    const int place = lowest_bit(bits);
    bits &= bits - 1;
    return place;
}
// body(i) for the members, in their order. It may add to other sets.
template <class Body>
GPUSTRESS_FUNCTION void each_member(const NodeSet& set, int nodes, Body body) {
    for (int top = 0; top < words_for(words_for(nodes)); ++top)
        for (word words = set.words[top]; words != 0;) {
            const int at = top * WORD_BITS + take_lowest(words);
            for (word bits = set.bits[at]; bits != 0;) body(at * WORD_BITS + take_lowest(bits));
        }
}
// The same, and they are taken out.
template <class Body>
GPUSTRESS_FUNCTION void take_members(const NodeSet& set, int nodes, Body body) {
    for (int top = 0; top < words_for(words_for(nodes)); ++top)
        for (; set.words[top] != 0;) {
            const int at = top * WORD_BITS + take_lowest(set.words[top]);
            for (word bits = set.bits[at]; bits != 0;) body(at * WORD_BITS + take_lowest(bits));
            set.bits[at] = 0;
        }
}

// arrived: losses that reach a node in a round; value: all of them, or distress; share: of its debts, what is written off in this
// round; other: the round in which it failed and 1 more, or what it has passed on. All are 0 before a group and after it.
struct ContagionState {
    Lanes<real> arrived, value, share, other;  // (N,)
    NodeSet hit, sends, reached;  // who something reaches or has just passed something on; passes something on; lost something
};

// Doubles of a group's state: of each lane, and of what all lanes share.
GPUSTRESS_FUNCTION integer contagion_lane_size(const Exposures& n) { return 4 * ((integer)n.nodes + GUARD); }
GPUSTRESS_FUNCTION integer contagion_shared_size(const Exposures& n) {
    return 3 * (words_for(n.nodes) + words_for(words_for(n.nodes)) + 2 * (integer)GUARD);
}

GPUSTRESS_FUNCTION NodeSet node_set_in(double*& memory, const Exposures& n) {
    const NodeSet set = {reinterpret_cast<word*>(memory), guarded(reinterpret_cast<word*>(memory) + words_for(n.nodes))};
    memory = reinterpret_cast<double*>(guarded(set.words + words_for(words_for(n.nodes))));
    return set;
}
template <class Crowd>
GPUSTRESS_FUNCTION ContagionState contagion_state_in(const Crowd& crowd, double* memory, const Exposures& n) {
    ContagionState s;
    real* of_lane = reinterpret_cast<real*>(memory);
    s.arrived = crowd.array(of_lane, n.nodes);
    s.value = crowd.array(of_lane, n.nodes);
    s.share = crowd.array(of_lane, n.nodes);
    s.other = crowd.array(of_lane, n.nodes);
    double* shared = reinterpret_cast<double*>(of_lane);
    s.hit = node_set_in(shared, n);
    s.sends = node_set_in(shared, n);
    s.reached = node_set_in(shared, n);
    return s;
}

// The shocks of a group: lane l has shock number first + l; lanes from `lanes` on have none.
struct ShockLanes {
    integer first;
    int lanes;
};

template <class Crowd>
GPUSTRESS_FUNCTION void mark(const Crowd&, const NodeSet& set, int i) {
    if constexpr (Crowd::ALONE) add(set, i);
}
// body(i) for those whom something reaches; threads that share the nodes look at all, which is the same.
template <class Crowd, class Body>
GPUSTRESS_FUNCTION void each_hit(const Crowd& crowd, const Exposures& n, const ContagionState& s, Body body) {
    if constexpr (Crowd::ALONE) {
        each_member(s.hit, n.nodes, body);
    } else {
        crowd.each(n.nodes, body);
    }
}

// What arrives in round 0.
template <class Crowd>
GPUSTRESS_STEP void begin_contagion(const Crowd& crowd, const Contagion& job, const ContagionState& s, const ShockLanes& shocks) {
    for (int lane = 0; lane < GPUSTRESS_LANES; ++lane) {
        const integer shock = shocks.first + lane, begin = lane < shocks.lanes ? job.start[shock] : 0;
        crowd.each(lane < shocks.lanes ? (int)(job.start[shock + 1] - begin) : 0, [&](int e) {
            const index32 i = job.node[begin + e];
            set_lane(s.arrived[i], lane, job.loss[begin + e]);
            if (job.imposed) set_lane(s.other[i], lane, 1.0);
            mark(crowd, s.hit, i);
        });
    }
}

// Furfine (2003): who has lost more than its equity fails, and a share of its debts is written off.
template <class Crowd>
GPUSTRESS_STEP mask fail(const Crowd& crowd, const Exposures& n, const ContagionState& s, int round) {
    mask sends = no_lane();
    each_hit(crowd, n, s, [&](int i) {
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
GPUSTRESS_STEP mask distress_once(const Crowd& crowd, const Exposures& n, const ContagionState& s) {
    mask sends = no_lane();
    each_hit(crowd, n, s, [&](int i) {
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
GPUSTRESS_STEP mask distress_further(const Crowd& crowd, const Exposures& n, const ContagionState& s, mask& moving, bool last) {
    const real nothing = all_lanes(0.0), one = all_lanes(1.0);
    real largest = nothing, rate = nothing;
    each_hit(crowd, n, s, [&](int i) {
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
    each_hit(crowd, n, s, [&](int i) {
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

// What is written off reaches the creditors. A thread that is alone goes along the debts of who passes something on; where these
// are many, to read all is faster than to add to some, and the sums are the same.
template <class Crowd>
GPUSTRESS_STEP void pass_on(const Crowd& crowd, const Exposures& n, const ContagionState& s) {
    constexpr int MANY = 4;  // a part of all debts
    if constexpr (Crowd::ALONE) {
        index32 debts = 0;
        take_members(s.hit, n.nodes, [&](int i) {
            s.arrived[i] = all_lanes(0.0);
            add(s.reached, i);
            if (!some_lane(s.share[i] > all_lanes(0.0))) return;
            add(s.sends, i);
            debts += n.out_start[i + 1] - n.out_start[i];
        });
        if (debts > n.out_start[n.nodes] / MANY) {
            take_members(s.sends, n.nodes, [](int) {});
            for (int i = 0; i < n.nodes; ++i) {
                s.arrived[i] = reaching(n, s.share, i);
                if (some_lane((s.arrived[i] > all_lanes(0.0)) | (s.share[i] > all_lanes(0.0)))) add(s.hit, i);
            }
            return;
        }
        take_members(s.sends, n.nodes, [&](int i) {
            const real share = s.share[i];
            add(s.hit, i);
            for (index32 e = n.out_start[i]; e < n.out_start[i + 1]; ++e) {
                const index32 creditor = n.out_column[e];
                s.arrived[creditor] = s.arrived[creditor] + all_lanes(n.out_amount[e]) * share;
                add(s.hit, creditor);
            }
        });
    } else {
        crowd.each(n.nodes, [&](int i) { s.arrived[i] = reaching(n, s.share, i); });
    }
}

// Pass losses on until nothing more is written off. Lanes that have not come to rest.
template <class Crowd>
GPUSTRESS_FUNCTION mask spread_losses(const Crowd& crowd, const Exposures& n, const Contagion& job, const ContagionState& s,
                                      const ShockLanes& shocks) {
    begin_contagion(crowd, job, s, shocks);
    mask moving = every_lane();
    for (int round = 0;; ++round) {
        mask sends;
        if (job.rule == THRESHOLD) sends = fail(crowd, n, s, round);
        else if (job.rule == ONCE) sends = distress_once(crowd, n, s);
        else sends = distress_further(crowd, n, s, moving, round == job.rounds);
        if (!crowd.some(sends)) break;
        pass_on(crowd, n, s);
    }
    return job.rule == LINEAR ? moving : no_lane();
}

// Lanes in which a node has lost something or failed.
GPUSTRESS_FUNCTION word cell_lanes(const ContagionState& s, int i) {
    return lane_bits((s.value[i] > all_lanes(0.0)) | (s.other[i] > all_lanes(0.0)));
}

// What a thread that is alone leaves: how many cells each shock has, and in all.
GPUSTRESS_FUNCTION integer count_cells(const Exposures& n, const Contagion& job, const ContagionState& s, const ShockLanes& shocks) {
    integer count[GPUSTRESS_LANES] = {}, all = 0;
    take_members(s.hit, n.nodes, [&](int i) { add(s.reached, i); });
    each_member(s.reached, n.nodes, [&](int i) {
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
    take_members(s.reached, n.nodes, [&](int i) {
        for (word lanes = cell_lanes(s, i); lanes != 0;) {
            const int lane = take_lowest(lanes);
            const integer place = next[lane]++;
            cells.node[place] = i;
            cells.value[place] = lane_of(s.value[i], lane);
            cells.other[place] = lane_of(s.other[i], lane);
        }
        s.arrived[i] = s.value[i] = s.share[i] = s.other[i] = all_lanes(0.0);
    });
}
