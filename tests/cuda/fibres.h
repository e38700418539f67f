// A launch: its threads run as fibres, one at a time. A fibre runs until it waits for others or leaves; which one goes on
// then is the caller's choice, so that a result that hangs on the order (a barrier is missing) shows.
#pragma once
#include <sanitizer/asan_interface.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "races.h"
#include "standin.h"

namespace standin {

constexpr unsigned WARP = 32;
constexpr std::size_t RESIDENT = 4;       // blocks side by side; the next starts when one has ended
constexpr std::size_t STACK = 256 << 10;  // bytes of a fibre
constexpr unsigned char UNSET = 0xff;     // every byte that nobody has written: as a double, not a number

constexpr unsigned WHOLE_BLOCK = 0;  // in the place of lanes

enum Order { FORWARD, REVERSE, RANDOM };

struct Block;

struct Thread {
    Block* block;
    unsigned number;  // in its block, as warps count
    std::unique_ptr<char[]> stack;
    ucontext_t context;
    bool left;
    Place place;  // since its last barrier
    // Where it waits, null where it can go on; for which lanes of its warp, 0: for its block; what it brings there and takes away.
    const char* waits_at;
    unsigned mask;
    bool is_barrier, brings, takes;

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
        : kernel_(std::move(kernel)), grid_(grid), block_(block), shared_bytes_(shared_bytes), order_(order), random_(seed) {
        running_ = this;
        last_ = order == FORWARD ? -1 : 0;
        gridDim = grid_, blockDim = block_;
        std::memset(shared, UNSET, sizeof shared);
        ASAN_POISON_MEMORY_REGION(behind_shared(), sizeof shared - shared_bytes_);
    }
    Launch(const Launch&) = delete;
    ~Launch() {
        ASAN_UNPOISON_MEMORY_REGION(shared, sizeof shared);
        running_ = nullptr;
    }

    // Raises std::runtime_error with what the kernel did wrong.
    void run() {
        for (;;) {
            while (resident_.size() < RESIDENT && admitted_ < (unsigned long long)grid_.x * grid_.y * grid_.z) admit();
            if (resident_.empty()) return;
            Thread& thread = next();
            resume(thread);
            if (!error_.empty()) throw std::runtime_error(error_);
            thread.left ? end_of(*thread.block) : release(thread);
        }
    }

    // Of the fibre that runs, if one does: it reads or writes memory.
    static void access(const void* memory, Access kind) {
        if (!running_ || !running_->in_kernel_) return;
        running_->check(reinterpret_cast<std::uintptr_t>(memory), kind);
    }

    // Of the fibre that runs: wait for all lanes of `mask`, with the same mask at the same function. Whether any brings true.
    static bool wait(const char* function, unsigned mask, bool is_barrier, bool brings = false) {
        Launch& launch = *running_;
        Thread& thread = *launch.current_;
        launch.in_kernel_ = false;
        const std::size_t in_warp = std::min<std::size_t>(WARP, thread.block->threads.size() - (thread.number - thread.lane()));
        if (!(mask >> thread.lane() & 1)) launch.fail(function, " with a mask that does not hold it");
        if ((unsigned long long)mask >> in_warp) launch.fail(function, " with a mask that holds threads which the block does not have");
        thread.waits_at = function, thread.mask = mask, thread.is_barrier = is_barrier, thread.brings = brings;
        swapcontext(&thread.context, &launch.scheduler_);
        return thread.takes;
    }

    // Of the fibre that runs: wait for all threads of its block.
    static void wait_for_block(const char* function) {
        Launch& launch = *running_;
        Thread& thread = *launch.current_;
        launch.in_kernel_ = false;
        thread.waits_at = function, thread.mask = WHOLE_BLOCK, thread.is_barrier = true, thread.brings = false;
        swapcontext(&thread.context, &launch.scheduler_);
    }

   private:
    inline static Launch* running_;

    const std::function<void()> kernel_;
    const dim3 grid_, block_;
    const std::size_t shared_bytes_;
    const Order order_;
    std::mt19937_64 random_;
    unsigned long long admitted_ = 0;
    std::size_t last_;  // place of the fibre that ran last, among the resident
    std::vector<std::unique_ptr<Block>> resident_;
    Block* in_shared_ = nullptr;  // whose shared memory lies in `shared`
    Thread* current_ = nullptr;
    bool in_kernel_ = false;
    unsigned long long intervals_ = 0;
    Races races_;
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
            thread.place = {number, thread.number};
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
        running_->in_kernel_ = false;
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

    // Which fibre goes on: up or down through all that can, over and over, or from anywhere.
    Thread& next() {
        const std::size_t in_block = resident_[0]->threads.size(), all = resident_.size() * in_block;
        if (order_ == RANDOM) last_ = random_() % all;
        for (std::size_t tried = 0; tried < all; ++tried) {
            last_ = (last_ + (order_ == REVERSE ? all - 1 : 1)) % all;
            Thread& thread = resident_[last_ / in_block]->threads[last_ % in_block];
            if (!thread.left && !thread.waits_at) return thread;
        }
        throw std::runtime_error(deadlock());
    }

    void resume(Thread& thread) {
        if (in_shared_ != thread.block) {
            auto* bytes = reinterpret_cast<unsigned char*>(shared);
            if (in_shared_) std::copy_n(bytes, shared_bytes_, in_shared_->shared.begin());
            in_shared_ = thread.block;
            std::copy_n(in_shared_->shared.begin(), shared_bytes_, bytes);
        }
        current_ = &thread;
        threadIdx = index_of(thread), blockIdx = thread.block->index;
        in_kernel_ = true;
        swapcontext(&scheduler_, &thread.context);
        in_kernel_ = false;
    }

    // Those for whom a thread waits, by their lanes.
    static std::vector<Thread*> awaited_by(const Thread& thread) {
        std::vector<Thread*> awaited;
        if (thread.mask == WHOLE_BLOCK)
            for (Thread& other : thread.block->threads) awaited.push_back(&other);
        for (unsigned lanes = thread.mask; lanes; lanes &= lanes - 1)
            awaited.push_back(&thread.block->threads[thread.number - thread.lane() + std::countr_zero(lanes)]);
        return awaited;
    }

    // Let all go on that wait for each other, if none is missing.
    void release(const Thread& last) {
        const std::vector<Thread*> team = awaited_by(last);
        if (!std::all_of(team.begin(), team.end(), [&](const Thread* other) { return other->waits_with(last); })) return;
        const bool any = std::any_of(team.begin(), team.end(), [](const Thread* other) { return other->brings; });
        if (last.is_barrier) ++intervals_;
        for (Thread* other : team) {
            if (last.is_barrier) {
                other->place.interval = intervals_;
                if (last.mask == WHOLE_BLOCK)
                    other->place.block_interval = intervals_;
                else
                    other->place.team = other->mask;
            }
            other->takes = any, other->waits_at = nullptr;
        }
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

    // The stack of a fibre is its own; every block has the addresses of shared memory for itself.
    void check(std::uintptr_t address, Access kind) {
        in_kernel_ = false;
        const auto stack = reinterpret_cast<std::uintptr_t>(current_->stack.get());
        const bool in_shared = address - reinterpret_cast<std::uintptr_t>(shared) < sizeof shared;
        const Place& here = current_->place;
        if (address - stack >= STACK)
            if (const Place* other = races_.access(address ^ (in_shared ? (here.block + 1) << 48 : 0), kind, here)) {
                const std::string earlier = "thread " + std::to_string(other->number) + " of block " + std::to_string(other->block);
                fail(kind == READ ? "a read" : "a write", " without a barrier behind an access of " + earlier);
            }
        in_kernel_ = true;
    }

    // Of the fibre that runs, which goes on no more.
    void fail(const std::string& what, const std::string& fault) {
        error_ = name(*current_) + ": " + what + fault;
        swapcontext(&current_->context, &scheduler_);
    }
};

}  // namespace standin
