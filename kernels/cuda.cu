// The entries on the GPU of the period loop: teams of blockDim.x threads, one path each, blockDim.y teams in a block.
#include "period.h"

// Doubles that a team needs: of state, and of scratch for the exact finish.
extern "C" __global__ void __launch_bounds__(1, 1) gpustress_memory(Program p, integer* doubles) {
    doubles[0] = state_size(p);
    doubles[1] = finish_size(p);
}

// The state lies in shared memory where `shared_state` says so, else behind the scratch.
extern "C" __global__ void __launch_bounds__(192, 2)
gpustress_simulate(Program p, Job job, double* memory, integer state_doubles, integer scratch_doubles, int shared_state) {
    extern __shared__ double shared[];
    const int size = blockDim.x, in_warp = (threadIdx.y * size) % 32;
    const unsigned threads = size == 32 ? 0xffffffffu : ((1u << size) - 1u) << in_warp;
    const Team team = {(int)threadIdx.x, size, threads};
    const integer teams = (integer)gridDim.x * blockDim.y, number = (integer)blockIdx.x * blockDim.y + threadIdx.y;
    double* scratch = memory + number * (scratch_doubles + (shared_state ? 0 : state_doubles));
    double* state_memory = shared_state ? shared + threadIdx.y * state_doubles : scratch + scratch_doubles;
    const State state = state_in(state_memory, p);
    for (integer group = number; group < (integer)p.scenarios * job.paths; group += teams) {
        const int scenario = (int)(group / job.paths);
        const Counts counts = simulate_path(team, p, job, state, scratch, scenario, group % job.paths, 1);
        if (team.leads()) {
            atomicAdd((word*)job.exact_finishes + scenario, (word)counts.exact);
            atomicAdd((word*)job.updates + scenario, (word)counts.updates);
        }
    }
}
