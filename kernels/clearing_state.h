// What the clearing of a group of shocks, one a lane, keeps: what is updated is what is not paid, which is 0 but where somebody is
// short (docs/networks.md, "Exactness").
#pragma once
#include "debts.h"

constexpr int MOST_UPDATES = 512;  // within a set of defaults; what moves after them leaks little
constexpr double DEFAULT_TOLERANCE = 1e-12;

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

// Payments of lanes on their way to a clearing vector.
struct Course {
    mask moving;     // they are still updated
    mask probing;    // who else defaults is asked before they rest
    real updates;    // since somebody new defaulted
    real remaining;  // of what a node owes: how much more of it may yet be left unpaid; 0 at rest, infinity: not known
    int gathered;    // open obligations whose debts were gathered
};
