// The levels that are built in, which GPUSTRESS_LEVELS lists, best last; and those of them that run on this processor.
#pragma once
#include <stdexcept>
#include <string>

#include "native.h"

#define GPUSTRESS_LEVEL_SYMBOL(level) gpustress_level_##level
#define X(level) extern const Level GPUSTRESS_LEVEL_SYMBOL(level);
GPUSTRESS_LEVELS(X)
#undef X

static const Level* const LEVELS[] = {
#define X(level) &GPUSTRESS_LEVEL_SYMBOL(level),
    GPUSTRESS_LEVELS(X)
#undef X
};

static inline bool runs_here(const std::string& name) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    if (name.rfind("v4", 0) == 0) return v4;
    if (name.rfind("v3", 0) == 0) return v3;
#endif
    return true;
}

static inline const Level& level_named(const std::string& name) {
    for (const Level* level : LEVELS)
        if (name == level->name && runs_here(name)) return *level;
    throw std::invalid_argument("no level " + name + " here");
}
