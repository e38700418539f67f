// A double that counts its operations, in place of kernels/compiler.h's `real`.
//
// The convention: + - * / and sqrt are one operation, a fused multiply-add is two; comparisons, selections, changes of sign,
// conversions and moves of bits are none. Only what is done to a path's own values is counted: not what is computed from
// the program alone, not the integer arithmetic of the draws and the two operations that make a word a uniform, and not
// the exact finish, which computes with doubles. One lane: no neighbour makes it go on when it has come to rest.
#pragma once
#include "stages.h"

struct Counted {
    double value;

    Counted() = default;
    Counted(double x) : value(x) {}
    explicit operator double() const { return value; }
};

inline Counted counted(double value, int operations) {
    tally.operations[tally.stage] += operations;
    return value;
}

inline Counted operator+(Counted a, Counted b) { return counted(a.value + b.value, 1); }
inline Counted operator-(Counted a, Counted b) { return counted(a.value - b.value, 1); }
inline Counted operator*(Counted a, Counted b) { return counted(a.value * b.value, 1); }
inline Counted operator/(Counted a, Counted b) { return counted(a.value / b.value, 1); }
inline Counted root(Counted a) { return counted(__builtin_sqrt(a.value), 1); }
inline Counted fused(Counted a, Counted b, Counted c) { return counted(__builtin_fma(a.value, b.value, c.value), 2); }

inline Counted operator-(Counted a) { return -a.value; }
inline bool operator<(Counted a, Counted b) { return a.value < b.value; }
inline bool operator>(Counted a, Counted b) { return a.value > b.value; }
inline bool operator<=(Counted a, Counted b) { return a.value <= b.value; }
inline bool operator>=(Counted a, Counted b) { return a.value >= b.value; }
inline bool operator==(Counted a, Counted b) { return a.value == b.value; }
inline bool operator!=(Counted a, Counted b) { return a.value != b.value; }

#define GPUSTRESS_REAL Counted
