// The entries on the GPU that clear networks: a block is a crowd, which takes one group of shocks after the other.
#include "clearing.h"

// Doubles of the state of a group of 1, 2, 4, ... 32 lanes.
extern "C" __global__ void __launch_bounds__(1, 1) gpustress_clearing_memory(Network n, integer* doubles) {
    for (int lanes = 1; lanes <= 32; lanes *= 2) *doubles++ = clearing_lane_size(n) * lanes + clearing_shared_size(n, lanes);
}

// Of shared memory it wants a double for each thread.
extern "C" __global__ void __launch_bounds__(256, 2)
gpustress_clear(Network n, Clearing job, double* memory, integer group_doubles) {
    extern __shared__ double shared[];
    const Crowd crowd = crowd_of_block(shared);
    const ClearingState state = clearing_state_in(crowd, memory + (integer)blockIdx.x * group_doubles, n);
    const integer stride = (integer)gridDim.x * crowd.lanes;
    for (integer first = (integer)blockIdx.x * crowd.lanes; first < job.shocks; first += stride) {
        const bool is_own = crowd.lane < job.shocks - first;
        const Shocks shocks = {job.order, is_own ? first + crowd.lane : first, is_own ? 1 : 0};
        clear_shocks(crowd, n, job, state, shocks);
    }
}
