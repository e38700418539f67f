// The Python module gpustress.backends.native._kernels: a thin door to the levels.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "native.h"
#include "program.h"

namespace nb = nanobind;

#define GPUSTRESS_JOIN(a, b) a##b
#define X(level) extern const Level GPUSTRESS_JOIN(gpustress_level_, level);
GPUSTRESS_LEVELS(X)
#undef X

namespace {

constexpr std::size_t ALIGNMENT = 128;
constexpr auto SIGNAL_INTERVAL = std::chrono::milliseconds(50);  // between looks for Ctrl-C

const Level* const LEVELS[] = {
#define X(level) &GPUSTRESS_JOIN(gpustress_level_, level),
    GPUSTRESS_LEVELS(X)
#undef X
};

bool runs_here(const std::string& name) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    if (name.rfind("v4", 0) == 0) return v4;
    if (name.rfind("v3", 0) == 0) return v3;
#endif
    return true;
}

std::vector<std::string> levels() {
    std::vector<std::string> names;
    for (const Level* level : LEVELS)
        if (runs_here(level->name)) names.push_back(level->name);
    return names;
}

const Level& level_named(const std::string& name) {
    for (const Level* level : LEVELS)
        if (name == level->name && runs_here(name)) return *level;
    throw std::invalid_argument("no level " + name + " here");
}

template <class T>
const T* pointer(nb::dict arrays, const char* name) {
    auto array = nb::cast<nb::ndarray<const T, nb::c_contig, nb::device::cpu>>(arrays[name], false);
    return array.data();
}

template <class T>
T* writable(nb::dict arrays, const char* name) {
    auto array = nb::cast<nb::ndarray<T, nb::c_contig, nb::device::cpu>>(arrays[name], false);
    return array.data();
}

// What the size of a path's state depends on.
Program sizes_of(nb::dict sizes) {
    Program p{};
    p.periods = nb::cast<int>(sizes["periods"]);
    p.entities = nb::cast<int>(sizes["entities"]);
    p.factors = nb::cast<int>(sizes["factors"]);
    p.flows = nb::cast<int>(sizes["flows"]);
    p.loans = nb::cast<int>(sizes["loans"]);
    p.capex_count = nb::cast<int>(sizes["capex_count"]);
    p.measures_count = nb::cast<int>(sizes["measures_count"]);
    return p;
}

Program program_of(nb::dict arrays, nb::dict sizes) {
    Program p = sizes_of(sizes);
    p.scenarios = nb::cast<int>(sizes["scenarios"]);
    p.depths = nb::cast<int>(sizes["depths"]);
    p.triggers = nb::cast<int>(sizes["triggers"]);
    p.period_years = nb::cast<double>(sizes["period_years"]);
    p.alpha = nb::cast<double>(sizes["alpha"]);
    p.beta = nb::cast<double>(sizes["beta"]);
#define X(type, name) p.name = pointer<type>(arrays, #name);
    GPUSTRESS_PROGRAM_ARRAYS(X)
#undef X
    return p;
}

// A thread's memory, set aside before it starts.
struct Memory {
    double* start;
    explicit Memory(integer64 doubles)
        : start(static_cast<double*>(::operator new(std::max<integer64>(doubles, 1) * sizeof(double),
                                                    std::align_val_t(ALIGNMENT)))) {}
    Memory(const Memory&) = delete;
    ~Memory() { ::operator delete(start, std::align_val_t(ALIGNMENT)); }
};

// Threads over groups of paths; the main thread looks for Ctrl-C meanwhile. What a thread computes does not depend on
// which groups it gets.
void run_groups(const Level& level, const Program& program, const Job& job, int threads) {
    const integer64 groups = (job.paths + level.lanes - 1) / level.lanes * program.scenarios;
    threads = static_cast<int>(std::min<integer64>(threads, groups));
    std::vector<std::unique_ptr<Memory>> memory;
    for (int i = 0; i < threads; ++i) memory.push_back(std::make_unique<Memory>(level.memory(program)));
    std::vector<integer64> counts(2 * static_cast<std::size_t>(threads) * program.scenarios, 0);

    std::atomic<integer64> next{0};
    std::atomic<bool> cancelled{false};
    std::mutex mutex;
    std::condition_variable done;
    int running = threads;
    std::vector<std::thread> workers;
    for (int i = 0; i < threads; ++i)
        workers.emplace_back([&, i] {
            integer64* exact = counts.data() + 2 * static_cast<std::size_t>(i) * program.scenarios;
            integer64* updates = exact + program.scenarios;
            for (;;) {
                const integer64 group = next.fetch_add(1);
                if (group >= groups || cancelled) break;
                level.simulate(program, job, group, group + 1, memory[i]->start, exact, updates);
            }
            const std::lock_guard<std::mutex> lock(mutex);
            --running;
            done.notify_one();
        });
    bool interrupted = false;
    {
        std::unique_lock<std::mutex> lock(mutex);
        while (running > 0) {
            done.wait_for(lock, SIGNAL_INTERVAL);
            if (running == 0 || interrupted) continue;
            lock.unlock();
            {
                const nb::gil_scoped_acquire acquired;
                interrupted = PyErr_CheckSignals() != 0;
            }
            if (interrupted) cancelled = true;
            lock.lock();
        }
    }
    for (std::thread& worker : workers) worker.join();
    if (interrupted) {
        const nb::gil_scoped_acquire acquired;
        throw nb::python_error();
    }
    for (int i = 0; i < threads; ++i)
        for (int s = 0; s < program.scenarios; ++s) {
            job.exact_finishes[s] += counts[(2 * static_cast<std::size_t>(i)) * program.scenarios + s];
            job.updates[s] += counts[(2 * static_cast<std::size_t>(i) + 1) * program.scenarios + s];
        }
}

void simulate(const std::string& level_name, nb::dict arrays, nb::dict sizes, nb::dict block, nb::dict outcome,
              nb::object trace_arrays, int threads) {
    const Level& level = level_named(level_name);
    const Program program = program_of(arrays, sizes);
    Job job{};
    job.seed = nb::cast<unsigned long long>(block["seed"]);
    job.first_path = nb::cast<long long>(block["first_path"]);
    job.paths = nb::cast<long long>(block["paths"]);
    job.series_count = nb::cast<int>(block["series_count"]);
    job.series_kind = pointer<index32>(block, "series_kind");
    job.series_item = pointer<index32>(block, "series_item");
    job.given = pointer<index32>(block, "given");
    job.factor_paths = pointer<double>(block, "factor_paths");
    job.failed_at = writable<short>(outcome, "failed_at");
    job.cause = writable<code8>(outcome, "cause");
    job.lowest_liquidity = writable<double>(outcome, "lowest_liquidity");
    job.final_cash = writable<double>(outcome, "final_cash");
    job.total = writable<double>(outcome, "total");
    job.npv = writable<double>(outcome, "npv");
    job.trough = writable<double>(outcome, "trough");
    job.payback = writable<short>(outcome, "payback");
    job.series = writable<double>(outcome, "series");
    job.exact_finishes = writable<integer>(outcome, "exact_finishes");
    job.updates = writable<integer>(outcome, "updates");
    Trace trace{};
    if (!trace_arrays.is_none()) {
        const nb::dict given = nb::cast<nb::dict>(trace_arrays);
#define X(name, count) trace.name = writable<double>(given, #name);
        GPUSTRESS_TRACE_ARRAYS(X)
#undef X
        trace.estate = writable<double>(given, "estate");
        job.trace = &trace;
    }
    const nb::gil_scoped_release released;
    run_groups(level, program, job, threads);
}

std::size_t memory_bytes(const std::string& level_name, nb::dict sizes) {
    return static_cast<std::size_t>(level_named(level_name).memory(sizes_of(sizes))) * sizeof(double);
}

using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using NewDoubles = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using NumbersOf64 = nb::ndarray<const unsigned long long, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void elementary(const std::string& level_name, int function, Doubles in, NewDoubles out) {
    if (in.shape(0) != out.shape(0)) throw std::invalid_argument("in and out have to be of one length");
    level_named(level_name).elementary(function, in.data(), out.data(), static_cast<integer64>(in.shape(0)));
}

std::vector<unsigned long long> philox_words(const std::string& level_name, NumbersOf64 counter, NumbersOf64 key) {
    if (counter.shape(0) != 4 || key.shape(0) != 2) throw std::invalid_argument("a counter of 4 and a key of 2 words");
    std::vector<unsigned long long> out(4);
    level_named(level_name).philox(counter.data(), key.data(), out.data());
    return out;
}

int lanes(const std::string& level_name) { return level_named(level_name).lanes; }

}  // namespace

NB_MODULE(_kernels, module) {
    module.doc() = "The kernels, compiled for the levels of this processor.";
    module.def("levels", &levels, "Levels that run here, the best last.");
    module.def("lanes", &lanes, nb::arg("level"), "Paths in a vector.");
    module.def("elementary", &elementary, nb::arg("level"), nb::arg("function"), nb::arg("values"), nb::arg("out"),
               "0 exponential, 1 logarithm, 2 inverse normal of values, elementwise; for tests of their errors.");
    module.def("philox", &philox_words, nb::arg("level"), nb::arg("counter"), nb::arg("key"),
               "Words of Philox4x64-10; for known-answer tests.");
    module.def("memory_bytes", &memory_bytes, nb::arg("level"), nb::arg("sizes"), "Bytes of one thread.");
    module.def("simulate", &simulate, nb::arg("level"), nb::arg("arrays"), nb::arg("sizes"), nb::arg("block"),
               nb::arg("outcome"), nb::arg("trace").none(), nb::arg("threads"), "Fill the outcome's arrays of a block.");
}
