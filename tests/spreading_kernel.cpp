// kernels/contagion.h alone, quick to compile: for copies with a fault.
#include <cstdlib>
#include <cstring>

#include "contagion.h"

// value and other: (S, N), to be filled.
extern "C" void spread_dense(const Exposures* exposures, const Contagion* contagion, double* value, double* other) {
    const Exposures& n = *exposures;
    const Contagion& job = *contagion;
    const integer doubles = contagion_lane_size(n) * GPUSTRESS_LANES + contagion_shared_size(n);
    double* memory = static_cast<double*>(std::aligned_alloc(128, (doubles * sizeof(double) + 127) / 128 * 128));
    for (integer first = 0; first < job.shocks; first += GPUSTRESS_LANES) {
        const integer left = job.shocks - first;
        const ShockLanes shocks = {first, left < GPUSTRESS_LANES ? (int)left : GPUSTRESS_LANES};
        std::memset(memory, 0, doubles * sizeof(double));
        const ContagionState state = contagion_state_in(Crowd{}, memory, n);
        const mask moving = spread_losses(Crowd{}, n, job, state, shocks);
        for (int lane = 0; lane < shocks.lanes; ++lane) {
            job.moving[first + lane] = lane_of(moving, lane);
            for (int i = 0; i < n.nodes; ++i) {
                value[(first + lane) * n.nodes + i] = lane_of(state.value[i], lane);
                other[(first + lane) * n.nodes + i] = lane_of(state.other[i], lane);
            }
        }
    }
    std::free(memory);
}
