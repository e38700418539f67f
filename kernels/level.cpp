// The kernel for one level of the processor: compiled several times, each with its own flags, GPUSTRESS_LANES and
// GPUSTRESS_LEVEL. Everything but the entry stays inside this object.
#if defined(__AVX512DQ__)
#include <immintrin.h>
#endif

#include "native.h"

namespace {

#include "clearing.h"
#include "contagion.h"
#include "period.h"

integer64 memory_of(const ::Program& program) {
    const Program& p = reinterpret_cast<const Program&>(program);
    return state_size(p) * GPUSTRESS_LANES + finish_size(p);
}

void simulate_groups(const ::Program& program, const ::Job& in_job, integer64 first, integer64 last, double* memory,
                     integer64* exact, integer64* updates) {
    const Program& p = reinterpret_cast<const Program&>(program);
    const Job& job = reinterpret_cast<const Job&>(in_job);
    const State state = state_in(reinterpret_cast<real*>(memory), p);
    double* scratch = memory + state_size(p) * GPUSTRESS_LANES;
    const integer groups = (job.paths + GPUSTRESS_LANES - 1) / GPUSTRESS_LANES;
    for (integer group = first; group < last; ++group) {
        const int scenario = (int)(group / groups);
        const integer path = group % groups * GPUSTRESS_LANES;
        const integer left = job.paths - path;
        const int lanes = left < GPUSTRESS_LANES ? (int)left : GPUSTRESS_LANES;
        const Counts counts = simulate_path(Team{}, p, job, state, scratch, scenario, path, lanes);
        exact[scenario] += counts.exact;
        updates[scenario] += counts.updates;
    }
}

void apply_elementary(int function, const double* in, double* out, integer64 count) {
    for (integer first = 0; first < count; first += GPUSTRESS_LANES) {
        const int lanes = count - first < GPUSTRESS_LANES ? (int)(count - first) : GPUSTRESS_LANES;
        real x = all_lanes(0.5);
        for (int lane = 0; lane < lanes; ++lane) set_lane(x, lane, in[first + lane]);
        const real y = function == 0 ? exponential(x) : function == 1 ? logarithm(x) : inverse_normal(x);
        for (int lane = 0; lane < lanes; ++lane) out[first + lane] = lane_of(y, lane);
    }
}

void apply_philox(const word* counter, const word* key, word* out) {
    const Words drawn = philox(Words{{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
    for (int i = 0; i < 4; ++i) out[i] = drawn.w[i];
}

integer64 clearing_memory_of(const ::Network& network) {
    const Network& n = reinterpret_cast<const Network&>(network);
    return clearing_lane_size(n) * GPUSTRESS_LANES + clearing_shared_size(n, 1);
}

void clear_group(const ::Network& network, const ::Clearing& in_job, integer64 group, double* memory) {
    const Network& n = reinterpret_cast<const Network&>(network);
    const Clearing& job = reinterpret_cast<const Clearing&>(in_job);
    const integer first = group * GPUSTRESS_LANES, left = job.shocks - first;
    const Shocks shocks = {job.order, first, left < GPUSTRESS_LANES ? (int)left : GPUSTRESS_LANES};
    clear_shocks(Crowd{}, n, job, clearing_state_in(Crowd{}, memory, n), shocks);
}

double severity_of_shock(const ::Network& network, const ::Clearing& job, integer64 shock) {
    return severity_of(reinterpret_cast<const Network&>(network), reinterpret_cast<const Clearing&>(job), shock);
}

integer64 contagion_memory_of(const ::Exposures& exposures) {
    const Exposures& n = reinterpret_cast<const Exposures&>(exposures);
    return contagion_lane_size(n) * GPUSTRESS_LANES + contagion_shared_size(n);
}

ShockLanes shock_lanes(const Contagion& job, integer64 group) {
    const integer first = group * GPUSTRESS_LANES, left = job.shocks - first;
    return {first, left < GPUSTRESS_LANES ? (int)left : GPUSTRESS_LANES};
}

integer64 spread_group(const ::Exposures& exposures, const ::Contagion& in_job, integer64 group, double* memory) {
    const Exposures& n = reinterpret_cast<const Exposures&>(exposures);
    const Contagion& job = reinterpret_cast<const Contagion&>(in_job);
    const ShockLanes shocks = shock_lanes(job, group);
    const ContagionState state = contagion_state_in(Crowd{}, memory, n);
    const mask moving = spread_losses(Crowd{}, n, job, state, shocks);
    for (int lane = 0; lane < shocks.lanes; ++lane) job.moving[shocks.first + lane] = lane_of(moving, lane);
    return count_cells(n, job, state, shocks);
}

void collect_group(const ::Exposures& exposures, const ::Contagion& in_job, integer64 group, double* memory, const ::Cells& cells) {
    const Exposures& n = reinterpret_cast<const Exposures&>(exposures);
    const Contagion& job = reinterpret_cast<const Contagion&>(in_job);
    collect_cells(n, job, contagion_state_in(Crowd{}, memory, n), shock_lanes(job, group), reinterpret_cast<const Cells&>(cells));
}

}  // namespace

#define GPUSTRESS_TEXT(x) #x
#define GPUSTRESS_NAME(x) GPUSTRESS_TEXT(x)
#define GPUSTRESS_JOIN(a, b) a##b
#define GPUSTRESS_SYMBOL(level) GPUSTRESS_JOIN(gpustress_level_, level)

extern const Level GPUSTRESS_SYMBOL(GPUSTRESS_LEVEL) = {GPUSTRESS_NAME(GPUSTRESS_LEVEL), GPUSTRESS_LANES, memory_of,
                                                       simulate_groups, apply_elementary, apply_philox,
                                                       clearing_memory_of, severity_of_shock, clear_group,
                                                       contagion_memory_of, spread_group, collect_group};
