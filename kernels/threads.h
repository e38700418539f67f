// Threads over groups of paths, for whoever calls the kernels.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "native.h"
#include "program.h"

constexpr std::size_t ALIGNMENT = 128;
constexpr auto LOOK_INTERVAL = std::chrono::milliseconds(50);  // between looks for a wish to stop

// A thread's memory, set aside before it starts.
struct Memory {
    double* start;
    explicit Memory(integer64 doubles)
        : start(static_cast<double*>(::operator new(std::max<integer64>(doubles, 1) * sizeof(double),
                                                    std::align_val_t(ALIGNMENT)))) {}
    Memory(const Memory&) = delete;
    ~Memory() { ::operator delete(start, std::align_val_t(ALIGNMENT)); }
};

// Simulate a block. The calling thread asks stop() now and then; false: the block is not done, because stop() was true.
// What is computed does not depend on which groups a thread gets.
template <class Stop>
bool run_groups(const Level& level, const Program& program, const Job& job, int threads, Stop stop) {
    const integer64 groups = (job.paths + level.lanes - 1) / level.lanes * program.scenarios;
    threads = static_cast<int>(std::min<integer64>(threads, groups));
    std::vector<std::unique_ptr<Memory>> memory;
    for (int i = 0; i < threads; ++i) memory.push_back(std::make_unique<Memory>(level.memory(program)));
    std::vector<integer64> counts(2 * static_cast<std::size_t>(threads) * program.scenarios, 0);

    std::atomic<integer64> next{0};
    std::atomic<bool> stopped{false};
    std::mutex mutex;
    std::condition_variable done;
    int running = threads;
    std::vector<std::thread> workers;
    const auto work = [&](int i) {
        integer64* exact = counts.data() + 2 * static_cast<std::size_t>(i) * program.scenarios;
        integer64* updates = exact + program.scenarios;
        for (;;) {
            const integer64 group = next.fetch_add(1);
            if (group >= groups || stopped) break;
            level.simulate(program, job, group, group + 1, memory[i]->start, exact, updates);
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
    if (stopped) return false;
    for (int i = 0; i < threads; ++i)
        for (int s = 0; s < program.scenarios; ++s) {
            job.exact_finishes[s] += counts[(2 * static_cast<std::size_t>(i)) * program.scenarios + s];
            job.updates[s] += counts[(2 * static_cast<std::size_t>(i) + 1) * program.scenarios + s];
        }
    return true;
}
