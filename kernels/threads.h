// Threads over groups of paths or shocks, for whoever calls the kernels.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <system_error>
#include <thread>
#include <vector>

#include "exposures.h"
#include "native.h"
#include "network.h"
#include "program.h"

constexpr std::size_t ALIGNMENT = 128;
constexpr auto LOOK_INTERVAL = std::chrono::milliseconds(50);  // between looks for a wish to stop

// A thread's memory, set aside before it starts. Zeroed: pages that nobody touches cost nothing.
struct Memory {
    void* block;
    double* start;
    Memory(integer64 doubles, bool zeroed) {
        const std::size_t bytes = std::max<integer64>(doubles, 1) * sizeof(double) + ALIGNMENT;
        block = zeroed ? std::calloc(bytes, 1) : std::malloc(bytes);
        if (block == nullptr) throw std::bad_alloc();
        start = reinterpret_cast<double*>((reinterpret_cast<std::size_t>(block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    }
    Memory(const Memory&) = delete;
    ~Memory() { std::free(block); }
};

// Do groups of paths or shocks, work(thread, group, memory) each. The calling thread asks stop() now and then; false: not all are
// done, because stop() was true. What is computed must not depend on which groups a thread gets.
template <class Work, class Stop>
bool share_groups(integer64 groups, int threads, integer64 doubles, Work do_group, Stop stop, bool zeroed = false) {
    threads = static_cast<int>(std::min<integer64>(threads, groups));
    std::vector<std::unique_ptr<Memory>> memory;
    for (int i = 0; i < threads; ++i) memory.push_back(std::make_unique<Memory>(doubles, zeroed));

    std::atomic<integer64> next{0};
    std::atomic<bool> stopped{false};
    std::mutex mutex;
    std::condition_variable done;
    int running = threads;
    std::vector<std::thread> workers;
    const auto work = [&](int i) {
        for (;;) {
            const integer64 group = next.fetch_add(1);
            if (group >= groups || stopped) break;
            do_group(i, group, memory[i]->start);
        }
        const std::lock_guard<std::mutex> lock(mutex);
        --running;
        done.notify_one();
    };
    workers.reserve(threads);
    try {
        while (static_cast<int>(workers.size()) < threads) workers.emplace_back(work, static_cast<int>(workers.size()));
    } catch (const std::system_error&) {  // the machine grants no more: those that it has granted do it all
        if (workers.empty()) throw;
        const std::lock_guard<std::mutex> lock(mutex);
        running -= threads - static_cast<int>(workers.size());
    }
    {
        std::unique_lock<std::mutex> lock(mutex);
        while (running > 0) {
            done.wait_for(lock, LOOK_INTERVAL);
            if (running == 0 || stopped) continue;
            lock.unlock();
            if (stop()) stopped = true;
            lock.lock();
        }
    }
    for (std::thread& worker : workers) worker.join();
    return !stopped;
}

// Simulate a block; false: stop() was true.
template <class Stop>
bool run_groups(const Level& level, const Program& program, const Job& job, int threads, Stop stop) {
    const integer64 groups = (job.paths + level.lanes - 1) / level.lanes * program.scenarios;
    threads = static_cast<int>(std::min<integer64>(threads, groups));
    std::vector<integer64> counts(2 * static_cast<std::size_t>(threads) * program.scenarios, 0);
    const auto do_group = [&](int i, integer64 group, double* memory) {
        integer64* exact = counts.data() + 2 * static_cast<std::size_t>(i) * program.scenarios;
        level.simulate(program, job, group, group + 1, memory, exact, exact + program.scenarios);
    };
    if (!share_groups(groups, threads, level.memory(program), do_group, stop)) return false;
    for (int i = 0; i < threads; ++i)
        for (int s = 0; s < program.scenarios; ++s) {
            job.exact_finishes[s] += counts[(2 * static_cast<std::size_t>(i)) * program.scenarios + s];
            job.updates[s] += counts[(2 * static_cast<std::size_t>(i) + 1) * program.scenarios + s];
        }
    return true;
}

// Clear a network under all shocks, those that hit about as hard in one group; false: stop() was true.
template <class Stop>
bool clear_groups(const Level& level, const Network& network, Clearing job, int threads, Stop stop) {
    std::vector<double> severity(job.shocks);
    const auto look = [&](int, integer64 shock, double*) { severity[shock] = level.severity(network, job, shock); };
    if (!share_groups(job.shocks, threads, 0, look, stop)) return false;
    std::vector<index32> order(job.shocks);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](index32 a, index32 b) { return severity[a] > severity[b]; });
    job.order = order.data();
    const auto clear = [&](int, integer64 group, double* memory) { level.clear(network, job, group, memory); };
    return share_groups((job.shocks + level.lanes - 1) / level.lanes, threads, level.clearing_memory(network), clear, stop);
}

// What comes of a group of shocks.
struct GroupCells {
    std::size_t count = 0;
    std::unique_ptr<index32[]> node;
    std::unique_ptr<double[]> value, other;
};

// Pass losses on under all shocks; false: stop() was true. std::bad_alloc: they reach more than `most` nodes in all.
template <class Stop>
bool spread_groups(const Level& level, const Exposures& exposures, const Contagion& job, integer64 most, int threads,
                   std::vector<GroupCells>& found, Stop stop) {
    const integer64 groups = (job.shocks + level.lanes - 1) / level.lanes;
    found.resize(groups);
    std::atomic<integer64> left{most};
    std::atomic<bool> full{false};
    const auto spread = [&](int, integer64 group, double* memory) {
        if (full) return;
        const std::size_t count = level.spread(exposures, job, group, memory);
        if (left.fetch_sub(count) < static_cast<integer64>(count)) {
            full = true;
            return;
        }
        GroupCells cells{count, nullptr, nullptr, nullptr};
        try {
            cells.node = std::make_unique_for_overwrite<index32[]>(count);
            cells.value = std::make_unique_for_overwrite<double[]>(count);
            cells.other = std::make_unique_for_overwrite<double[]>(count);
        } catch (const std::bad_alloc&) {
            full = true;
            return;
        }
        level.collect(exposures, job, group, memory, {cells.node.get(), cells.value.get(), cells.other.get()});
        found[group] = std::move(cells);
    };
    const bool done = share_groups(groups, threads, level.contagion_memory(exposures), spread, stop, true);
    if (full) throw std::bad_alloc();
    return done;
}

// Their cells one after the other, which are then no longer here.
inline void join(std::vector<GroupCells>& found, Cells all) {
    for (GroupCells& cells : found) {
        all.node = std::copy_n(cells.node.get(), cells.count, all.node);
        all.value = std::copy_n(cells.value.get(), cells.count, all.value);
        all.other = std::copy_n(cells.other.get(), cells.count, all.other);
        cells = {};
    }
}
