// The entries on the GPU that pass losses on: a block is a crowd, which takes one group of shocks after the other.
#include "contagion.h"

// Doubles of the state of a group of 1, 2, 4, ... 32 lanes.
extern "C" __global__ void __launch_bounds__(1, 1) gpustress_contagion_memory(Exposures n, integer* doubles) {
    for (int lanes = 1; lanes <= 32; lanes *= 2) *doubles++ = contagion_lane_size(n) * lanes + contagion_shared_size(n);
}

// The memory has to be 0, and is 0 again afterwards. Of shared memory it wants a double for each thread.
extern "C" __global__ void __launch_bounds__(256, 2)
gpustress_spread(Exposures n, Contagion job, CellRoom room, double* memory, integer group_doubles) {
    extern __shared__ double shared[];
    const Crowd crowd = crowd_of_block(shared);
    const ContagionState state = contagion_state_in(crowd, memory + (integer)blockIdx.x * group_doubles, n);
    const integer stride = (integer)gridDim.x * crowd.lanes;
    for (integer first = (integer)blockIdx.x * crowd.lanes; first < job.shocks; first += stride) {
        const ShockLanes shocks = {first + crowd.lane, crowd.lane < job.shocks - first ? 1 : 0};
        const mask moving = spread_losses(crowd, n, job, state, shocks);
        if (crowd.leads_lane() && shocks.lanes > 0) job.moving[shocks.first] = moving;
        leave_cells(crowd, n, job, state, shocks, room);
    }
}
