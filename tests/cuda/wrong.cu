// Kernels that do wrong, one each, for tests of the stand-in.

// Each passes its number on to its neighbour in a team of 8; right if it `waits`.
extern "C" __global__ void __launch_bounds__(64) pass_on(double* out, int waits) {
    extern __shared__ double shared[];
    shared[threadIdx.x] = threadIdx.x;
    if (waits) __syncwarp(0xffu << threadIdx.x / 8 * 8);
    out[threadIdx.x] = shared[threadIdx.x / 8 * 8 + (threadIdx.x + 1) % 8];
}

// Each passes its number on to the other warp of a block of 64; right if the block waits (1), not if the warps do alone (2).
extern "C" __global__ void __launch_bounds__(64) pass_to_the_other_warp(double* out, int waits) {
    extern __shared__ double shared[];
    shared[threadIdx.x] = threadIdx.x;
    if (waits == 1) __syncthreads();
    if (waits == 2) __syncwarp(0xffffffff);
    out[threadIdx.x] = shared[(threadIdx.x + 32) % 64];
}

// All read what the first then writes, which is right once all have waited for each other; 2: once each warp has for itself.
extern "C" __global__ void __launch_bounds__(64) write_what_all_have_read(double* out, int waits) {
    out[1 + threadIdx.x] = out[0];
    if (waits == 1) __syncthreads();
    if (waits == 2) __syncwarp(0xffffffff);
    if (threadIdx.x == 63) out[0] = 1.0;
}

extern "C" __global__ void __launch_bounds__(64) leave_the_block_waiting() {
    if (threadIdx.x == 3) return;
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(64) wait_for_block_and_warp() {
    if (threadIdx.x == 3)
        __syncwarp(0xff);
    else
        __syncthreads();
}

extern "C" __global__ void __launch_bounds__(64) leave_others_waiting() {
    if (threadIdx.x == 3) return;
    __syncwarp(0xff);
}

extern "C" __global__ void __launch_bounds__(64) wait_at_two_places() {
    if (threadIdx.x == 3)
        __any_sync(0xff, true);
    else
        __syncwarp(0xff);
}

extern "C" __global__ void __launch_bounds__(64) wait_as_a_stranger() {
    __syncwarp(0x7f);
}

extern "C" __global__ void __launch_bounds__(64) wait_for_nobody() {
    __syncwarp(0x1ff);
}

extern "C" __global__ void __launch_bounds__(64) write_behind_shared(int doubles) {
    extern __shared__ double shared[];
    shared[doubles] = 1.0;
}

extern "C" __global__ void __launch_bounds__(64) read_unset(double* out) {
    extern __shared__ double shared[];
    out[threadIdx.x] = shared[threadIdx.x];
}

// Right where all threads add as one step, not the first `plain` of a block.
extern "C" __global__ void __launch_bounds__(64) count(unsigned long long* sum, int plain) {
    if (threadIdx.x < plain)
        *sum += 1;
    else
        atomicAdd(sum, 1);
}

// Whether thread 9 of the block is in its team of 8.
extern "C" __global__ void __launch_bounds__(64) vote(double* out) {
    const unsigned number = threadIdx.y * blockDim.x + threadIdx.x;
    out[blockIdx.x * blockDim.x * blockDim.y + number] = __any_sync(0xffu << number % 32 / 8 * 8, number == 9);
}
