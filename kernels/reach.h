// Whom losses reach, in a round and in all: nobody else is looked at, so that a shock that stays small costs little, however many
// nodes there are.
#pragma once
#include "exposures.h"
#include "team.h"

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

// The members from `first` to before `end`.
template <class Body>
GPUSTRESS_FUNCTION void each_member_between(const word* bits, int first, int end, Body body) {
    for (int at = first / WORD_BITS; at * WORD_BITS < end; ++at) {
        word members = bits[at];
        if (at * WORD_BITS < first) members &= ~(word)0 << (first - at * WORD_BITS);
        while (members != 0) {
            const int i = at * WORD_BITS + take_lowest(members);
            if (i >= end) break;
            body(i);
        }
    }
}

// Of a thread that is alone: who something reaches or has just passed something on; passes something on; lost something.
struct OwnReach {
    NodeSet hit, sends, reached;
};
// Of threads that share the nodes. All is 0 before a group and after it.
struct SharedReach {
    word* reached;   // a bit for each node
    index32* round;  // (N,) the last in which it was listed, and 1 more
    index32* nodes;  // (2 N,) who is hit in an even round, and who in an odd one, in whatever order
    index32* count;  // (3,) of both; debts of who passes something on
};

// Doubles that they take.
GPUSTRESS_FUNCTION integer own_reach_size(const Exposures& n) {
    return 3 * (words_for(n.nodes) + words_for(words_for(n.nodes)) + 2 * (integer)GUARD);
}
GPUSTRESS_FUNCTION integer shared_reach_size(const Exposures& n) { return words_for(n.nodes) + (3 * (integer)n.nodes + 4) / 2; }

GPUSTRESS_FUNCTION NodeSet node_set_in(double*& memory, const Exposures& n) {
    const NodeSet set = {reinterpret_cast<word*>(memory), guarded(reinterpret_cast<word*>(memory) + words_for(n.nodes))};
    memory = reinterpret_cast<double*>(guarded(set.words + words_for(words_for(n.nodes))));
    return set;
}
GPUSTRESS_FUNCTION OwnReach own_reach_in(double* memory, const Exposures& n) {
    OwnReach reach;
    reach.hit = node_set_in(memory, n);
    reach.sends = node_set_in(memory, n);
    reach.reached = node_set_in(memory, n);
    return reach;
}
GPUSTRESS_FUNCTION SharedReach shared_reach_in(double* memory, const Exposures& n) {
    SharedReach reach;
    reach.reached = reinterpret_cast<word*>(memory);
    reach.round = reinterpret_cast<index32*>(reach.reached + words_for(n.nodes));
    reach.nodes = reach.round + n.nodes;
    reach.count = reach.nodes + 2 * (integer)n.nodes;
    return reach;
}

// How many are listed as hit in a round, and who they are.
GPUSTRESS_FUNCTION index32& listed(const SharedReach& reach, int round) { return reach.count[round % 2]; }
GPUSTRESS_FUNCTION index32* list_of(const Exposures& n, const SharedReach& reach, int round) {
    return reach.nodes + (integer)(round % 2) * n.nodes;
}
GPUSTRESS_FUNCTION index32& debts_passed_on(const SharedReach& reach) { return reach.count[2]; }

// List a node as hit in a round, whoever else does.
template <class Crowd>
GPUSTRESS_FUNCTION void list(const Crowd& crowd, const Exposures& n, const SharedReach& reach, int round, int i) {
    const index32 before = crowd.exchange(reach.round + i, round + 1);
    if (before == round + 1) return;
    list_of(n, reach, round)[crowd.take_places(&listed(reach, round), 1)] = i;
    if (before == 0) crowd.set_bit(reach.reached, i);
}

// Nobody is listed in a round any more.
template <class Crowd>
GPUSTRESS_FUNCTION void unlist(const Crowd& crowd, const Exposures& n, const SharedReach& reach, int round) {
    index32* nodes = list_of(n, reach, round);
    crowd.each(listed(reach, round), [&](int number) { if (crowd.first_lane()) nodes[number] = 0; });
    if (crowd.leads()) listed(reach, round) = 0;
}
