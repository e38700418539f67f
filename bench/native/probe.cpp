// The kernel with a tally of its steps, for ctypes: of operations where COUNT_OPERATIONS is defined, of time else.
#ifdef COUNT_OPERATIONS
#include "counted.h"
#else
#include "stages.h"
#endif
#define GPUSTRESS_STAGE(step) enter_stage(STAGE_##step)
#include "period.h"

extern "C" {

// In the order in which `simulate` gives them.
const char* stage_names() {
#define X(name) #name " "
    return STAGES(X);
#undef X
}

// Doubles of memory that a thread needs.
integer memory_of(const Program* p) { return state_size(*p) * GPUSTRESS_LANES + finish_size(*p); }

int lanes() { return GPUSTRESS_LANES; }

// Simulate groups of paths first to last - 1 in the calling thread. Ticks and operations are arrays (groups, stages).
void simulate(const Program* p, const Job* job, integer first, integer last, double* memory, integer* exact,
              integer* updates, integer* ticks, integer* operations) {
    const State state = state_in(reinterpret_cast<real*>(memory), *p);
    double* scratch = memory + state_size(*p) * GPUSTRESS_LANES;
    const integer groups = (job->paths + GPUSTRESS_LANES - 1) / GPUSTRESS_LANES;
    for (integer group = first; group < last; ++group) {
        const int scenario = (int)(group / groups);
        const integer path = group % groups * GPUSTRESS_LANES, left = job->paths - path;
        const int lanes = left < GPUSTRESS_LANES ? (int)left : GPUSTRESS_LANES;
        tally = Tally{};
        tally.since = clock_now();
        const Counts counts = simulate_path(Team{}, *p, *job, state, scratch, scenario, path, lanes);
        enter_stage(STAGE_opening);
        exact[scenario] += counts.exact;
        updates[scenario] += counts.updates;
        for (int stage = 0; stage < STAGE_COUNT; ++stage) {
            ticks[group * STAGE_COUNT + stage] = tally.ticks[stage];
            operations[group * STAGE_COUNT + stage] = tally.operations[stage];
        }
    }
}
}
