// CUDA's language and device functions on the host, for tests alone: the threads of a launch run as fibres, one at a time.
// A fibre runs until it waits for others or leaves; which one goes on then is the caller's choice, so that a result that
// hangs on the order (a barrier is missing) shows. Only what kernels/ uses is here.
#pragma once
#include <sanitizer/asan_interface.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#define __CUDACC__
#define __device__
#define __global__
#define __shared__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;  // of the fibre that runs

namespace standin {

constexpr unsigned WARP = 32;
constexpr std::size_t RESIDENT = 4;             // blocks side by side; the next starts when one has ended
constexpr std::size_t STACK = 256 << 10;        // bytes of a fibre
constexpr std::size_t MOST_SHARED = 227 << 10;  // bytes of a block, on compute capability 9.0
constexpr unsigned char UNSET = 0xff;           // every byte that nobody has written: as a double, not a number

}  // namespace standin

// `extern __shared__ double shared[]` of a kernel: the shared memory of the block whose fibre runs.
extern "C" {
alignas(128) double shared[standin::MOST_SHARED / sizeof(double)];
}

namespace standin {

enum Order { FORWARD, REVERSE, RANDOM };

struct Block;

struct Thread {
    Block* block;
    unsigned number;     // in its block, as warps count
    long long position;  // in the grid
    std::unique_ptr<char[]> stack;
    ucontext_t context;
    bool left;
    // Where it waits, null where it can go on; for which lanes of its warp; what it brings there and takes away.
    const char* waits_at;
    unsigned mask;
    bool brings, takes;

    unsigned lane() const { return number % WARP; }
    bool waits_with(const Thread& other) const { return waits_at && waits_at == other.waits_at && mask == other.mask; }
};

struct Block {
    dim3 index;
    std::vector<Thread> threads;
    std::vector<unsigned char> shared;  // while a fibre of another block runs
};

inline std::string text(const dim3& index) {
    return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) + ")";
}

class Launch {
   public:
    Launch(std::function<void()> kernel, dim3 grid, dim3 block, std::size_t shared_bytes, Order order, unsigned long long seed)
        : kernel_(std::move(kernel)), grid_(grid), block_(block), shared_bytes_(shared_bytes), order_(order), random_(seed) {}

    // Raises std::runtime_error with what the kernel did wrong.
    void run() {
        running_ = this;
        gridDim = grid_, blockDim = block_;
        std::memset(shared, UNSET, sizeof shared);
        ASAN_POISON_MEMORY_REGION(behind_shared(), sizeof shared - shared_bytes_);
        const std::unique_ptr<double, void (*)(double*)> unpoison(shared, [](double* all) { ASAN_UNPOISON_MEMORY_REGION(all, sizeof shared); });
        for (;;) {
            while (resident_.size() < RESIDENT && admitted_ < (unsigned long long)grid_.x * grid_.y * grid_.z) admit();
            if (resident_.empty()) return;
            Thread& thread = next();
            resume(thread);
            if (!error_.empty()) throw std::runtime_error(error_);
            thread.left ? end_of(*thread.block) : release(thread);
        }
    }

    // Of the fibre that runs: wait for all lanes of `mask`, with the same mask at the same function. Whether any brings true.
    static bool wait(const char* function, unsigned mask, bool brings = false) {
        Launch& launch = *running_;
        Thread& thread = *launch.current_;
        unsigned present = 0;
        for (const Thread* other : launch.warp_of(thread)) present |= 1u << other->lane();
        if (!(mask >> thread.lane() & 1)) launch.fail(function, " with a mask that does not hold it");
        if (mask & ~present) launch.fail(function, " with a mask that holds threads which the block does not have");
        thread.waits_at = function, thread.mask = mask, thread.brings = brings;
        swapcontext(&thread.context, &launch.scheduler_);
        return thread.takes;
    }

   private:
    inline static Launch* running_;

    const std::function<void()> kernel_;
    const dim3 grid_, block_;
    const std::size_t shared_bytes_;
    const Order order_;
    std::mt19937_64 random_;
    unsigned long long admitted_ = 0;
    long long last_ = -1;  // position of the fibre that ran
    std::vector<std::unique_ptr<Block>> resident_;  // in the order of their positions
    Block* in_shared_ = nullptr;  // whose shared memory lies in `shared`
    Thread* current_ = nullptr;
    ucontext_t scheduler_;
    std::string error_;

    unsigned char* behind_shared() const { return reinterpret_cast<unsigned char*>(shared) + shared_bytes_; }

    dim3 index_of(const Thread& thread) const {
        return {thread.number % block_.x, thread.number / block_.x % block_.y, thread.number / block_.x / block_.y};
    }

    std::string name(const Thread& thread) const {
        return "thread " + text(index_of(thread)) + " of block " + text(thread.block->index);
    }

    void admit() {
        auto block = std::make_unique<Block>();
        const unsigned long long number = admitted_++;
        block->index = {unsigned(number % grid_.x), unsigned(number / grid_.x % grid_.y), unsigned(number / grid_.x / grid_.y)};
        block->shared.assign(shared_bytes_, UNSET);
        block->threads = std::vector<Thread>(block_.x * block_.y * block_.z);
        for (Thread& thread : block->threads) {
            thread.block = block.get();
            thread.number = unsigned(&thread - block->threads.data());
            thread.position = (long long)(number * block->threads.size() + thread.number);
            thread.stack.reset(new char[STACK]);
            getcontext(&thread.context);
            thread.context.uc_stack.ss_sp = thread.stack.get();
            thread.context.uc_stack.ss_size = STACK;
            makecontext(&thread.context, enter, 0);
        }
        resident_.push_back(std::move(block));
    }

    static void enter() {
        running_->kernel_();
        running_->current_->left = true;
        swapcontext(&running_->current_->context, &running_->scheduler_);
    }

    void end_of(const Block& block) {
        if (!std::all_of(block.threads.begin(), block.threads.end(), [](const Thread& thread) { return thread.left; })) return;
#ifndef __SANITIZE_ADDRESS__
        if (std::any_of(behind_shared(), reinterpret_cast<unsigned char*>(shared) + sizeof shared, [](unsigned char byte) { return byte != UNSET; }))
            throw std::runtime_error("a write behind the " + std::to_string(shared_bytes_) + " bytes of shared memory, before the end of block " + text(block.index));
#endif
        in_shared_ = nullptr;
        std::erase_if(resident_, [&](const auto& one) { return one.get() == &block; });
    }

    // Which fibre goes on: up or down through all that can, over and over, or any.
    Thread& next() {
        std::vector<Thread*> able;
        for (const auto& block : resident_)
            for (Thread& thread : block->threads)
                if (!thread.left && !thread.waits_at) able.push_back(&thread);
        if (able.empty()) throw std::runtime_error(deadlock());
        if (order_ == RANDOM) return *able[random_() % able.size()];
        if (order_ == REVERSE) std::reverse(able.begin(), able.end());
        const auto comes = [&](const Thread* thread) { return order_ == FORWARD ? thread->position > last_ : thread->position < last_; };
        const auto found = std::find_if(able.begin(), able.end(), comes);
        Thread& thread = found == able.end() ? *able[0] : **found;
        last_ = thread.position;
        return thread;
    }

    void resume(Thread& thread) {
        if (in_shared_ != thread.block) {
            if (in_shared_) std::memcpy(in_shared_->shared.data(), shared, shared_bytes_);
            in_shared_ = thread.block;
            std::memcpy(shared, in_shared_->shared.data(), shared_bytes_);
        }
        current_ = &thread;
        threadIdx = index_of(thread), blockIdx = thread.block->index;
        swapcontext(&scheduler_, &thread.context);
    }

    std::vector<Thread*> warp_of(const Thread& thread) const {
        std::vector<Thread*> warp;
        for (Thread& other : thread.block->threads)
            if (other.number / WARP == thread.number / WARP) warp.push_back(&other);
        return warp;
    }

    std::vector<Thread*> awaited_by(const Thread& thread) const {
        std::vector<Thread*> awaited = warp_of(thread);
        std::erase_if(awaited, [&](const Thread* other) { return !(thread.mask >> other->lane() & 1); });
        return awaited;
    }

    // Let all go on that wait for each other, if none is missing.
    void release(const Thread& last) {
        const std::vector<Thread*> team = awaited_by(last);
        if (!std::all_of(team.begin(), team.end(), [&](const Thread* other) { return other->waits_with(last); })) return;
        const bool any = std::any_of(team.begin(), team.end(), [](const Thread* other) { return other->brings; });
        for (Thread* other : team) other->takes = any, other->waits_at = nullptr;
    }

    // Who waits for whom, where all wait: the first of them.
    std::string deadlock() const {
        for (const auto& block : resident_)
            for (const Thread& thread : block->threads)
                for (const Thread* other : thread.left ? std::vector<Thread*>() : awaited_by(thread))
                    if (!other->waits_with(thread))
                        return "deadlock: " + name(thread) + " waits at " + thread.waits_at + " for " + name(*other) + ", which " +
                               (other->left ? "has left" : std::string("waits for others at ") + other->waits_at);
        return "deadlock";
    }

    // Of the fibre that runs, which goes on no more.
    void fail(const char* function, const char* fault) {
        error_ = name(*current_) + " calls " + function + fault;
        swapcontext(&current_->context, &scheduler_);
    }
};

}  // namespace standin

inline void __syncwarp(unsigned mask) { standin::Launch::wait("__syncwarp", mask); }
inline bool __any_sync(unsigned mask, bool condition) { return standin::Launch::wait("__any_sync", mask, condition); }
inline unsigned long long atomicAdd(unsigned long long* sum, unsigned long long value) { return std::exchange(*sum, *sum + value); }
inline double __dsqrt_rn(double x) { return std::sqrt(x); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned __int128)a * b >> 64; }
