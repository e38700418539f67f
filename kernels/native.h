// What the host calls: one entry for each level of the processor and number of lanes that is built.
#pragma once
#include <cstddef>

typedef long long integer64;

struct Program;
struct Job;
struct Network;
struct Clearing;
struct Exposures;
struct Contagion;
struct Cells;

// One build of the kernel.
struct Level {
    const char* name;
    int lanes;
    // Doubles of memory that a thread needs; it has to be aligned to 128 bytes.
    integer64 (*memory)(const Program& program);
    // Simulate groups first to last - 1 (groups of `lanes` paths; all groups of scenario 0, then of 1, ...).
    // exact and updates are of the size of the scenarios; they are added to.
    void (*simulate)(const Program& program, const Job& job, integer64 first, integer64 last, double* memory,
                     integer64* exact, integer64* updates);
    // out = function(in), elementwise: 0 exponential, 1 logarithm, 2 inverse normal. For tests of their errors.
    void (*elementary)(int function, const double* in, double* out, integer64 count);
    // out[0..3] = the words of a counter and a key (known-answer tests).
    void (*philox)(const unsigned long long* counter, const unsigned long long* key, unsigned long long* out);
    // Doubles of memory for a thread that clears a network; how hard a shock hits; and clear one group of `lanes` shocks.
    integer64 (*clearing_memory)(const Network& network);
    double (*severity)(const Network& network, const Clearing& job, integer64 shock);
    void (*clear)(const Network& network, const Clearing& job, integer64 group, double* memory);
    // The same for a thread that passes losses on, whose memory has to be 0; do one group, which gives so many cells; and write
    // these, which leaves the memory 0.
    integer64 (*contagion_memory)(const Exposures& exposures);
    integer64 (*spread)(const Exposures& exposures, const Contagion& job, integer64 group, double* memory);
    void (*collect)(const Exposures& exposures, const Contagion& job, integer64 group, double* memory, const Cells& cells);
};
