// The Python module gpustress.backends.native._kernels: a thin door to the levels.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "exposures.h"
#include "levels.h"
#include "network.h"
#include "program.h"
#include "threads.h"

namespace nb = nanobind;

#ifdef __clang__
#define GPUSTRESS_COMPILER __VERSION__  // names itself
#else
#define GPUSTRESS_COMPILER "GCC " __VERSION__
#endif

namespace {

std::vector<std::string> levels() {
    std::vector<std::string> names;
    for (const Level* level : LEVELS)
        if (runs_here(level->name)) names.push_back(level->name);
    return names;
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

Program numbers_of(nb::dict sizes) {
    Program p{};
#define X(type, name) p.name = nb::cast<type>(sizes[#name]);
    GPUSTRESS_PROGRAM_NUMBERS(X)
#undef X
    return p;
}

Program program_of(nb::dict arrays, nb::dict sizes) {
    Program p = numbers_of(sizes);
#define X(type, name) p.name = pointer<type>(arrays, #name);
    GPUSTRESS_PROGRAM_ARRAYS(X)
#undef X
    return p;
}

// Run work(stop) without the GIL; stop() is true once a signal's handler has raised an exception, which then goes on.
template <class Work>
void finish(Work work) {
    // Only the main thread is told of Ctrl-C; another must not ask for the GIL, which ends it when Python is ending.
    const nb::module_ threading = nb::module_::import_("threading");
    const bool is_main = threading.attr("current_thread")().is(threading.attr("main_thread")());
    bool interrupted;
    {
        const nb::gil_scoped_release released;
        interrupted = !work([is_main] {
            if (!is_main) return false;
            const nb::gil_scoped_acquire acquired;
            return PyErr_CheckSignals() != 0;
        });
    }
    if (interrupted) throw nb::python_error();
}

void simulate(const std::string& level_name, nb::dict arrays, nb::dict sizes, nb::dict block, nb::dict outcome,
              nb::object trace_arrays, int threads) {
    const Level& level = level_named(level_name);
    const Program program = program_of(arrays, sizes);
    Job job{};
#define X(type, name) job.name = nb::cast<type>(block[#name]);
    GPUSTRESS_DRAWING_NUMBERS(X)
#undef X
#define X(type, name) job.name = pointer<type>(block, #name);
    GPUSTRESS_DRAWING_ARRAYS(X)
#undef X
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
    job.weight = writable<double>(outcome, "weight");
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
    finish([&](auto stop) { return run_groups(level, program, job, threads, stop); });
}

Network network_of(nb::dict given) {
    Network n{};
#define X(type, name) n.name = nb::cast<type>(given[#name]);
    GPUSTRESS_NETWORK_NUMBERS(X)
#undef X
#define X(type, name) n.name = pointer<type>(given, #name);
    GPUSTRESS_NETWORK_ARRAYS(X)
#undef X
    return n;
}

void clear(const std::string& level_name, nb::dict given, nb::dict job_dict, int threads) {
    const Level& level = level_named(level_name);
    const Network network = network_of(given);
    Clearing job{};
    job.alpha = nb::cast<double>(job_dict["alpha"]);
    job.beta = nb::cast<double>(job_dict["beta"]);
    job.least = nb::cast<index32>(job_dict["least"]);
    job.shocks = nb::cast<integer>(job_dict["shocks"]);
    job.shock_stride = network.nodes;
    job.node_stride = 1;
    job.external_assets = pointer<double>(job_dict, "external_assets");
    job.payments = writable<double>(job_dict, "payments");
    job.equity = writable<double>(job_dict, "equity");
    job.round = writable<index32>(job_dict, "round");
    job.rounds = writable<index32>(job_dict, "rounds");
    job.error_bound = writable<double>(job_dict, "error_bound");
    finish([&](auto stop) { return clear_groups(level, network, job, threads, stop); });
}

std::size_t clearing_bytes(const std::string& level_name, nb::dict given) {
    return static_cast<std::size_t>(level_named(level_name).clearing_memory(network_of(given))) * sizeof(double);
}

Exposures exposures_of(nb::dict given) {
    Exposures n{};
#define X(type, name) n.name = nb::cast<type>(given[#name]);
    GPUSTRESS_EXPOSURES_NUMBERS(X)
#undef X
#define X(type, name) n.name = pointer<type>(given, #name);
    GPUSTRESS_EXPOSURES_ARRAYS(X)
#undef X
    return n;
}

// An array of Python's that holds these items.
template <class T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> array_of(std::unique_ptr<T[]> items, std::size_t count) {
    T* const start = items.release();
    const nb::capsule owner(start, [](void* held) noexcept { delete[] static_cast<T*>(held); });
    return nb::ndarray<nb::numpy, T, nb::ndim<1>>(start, {count}, owner);
}

nb::dict spread(const std::string& level_name, nb::dict given, nb::dict job_dict, integer64 most, int threads) {
    const Level& level = level_named(level_name);
    const Exposures exposures = exposures_of(given);
    Contagion job{};
    job.rule = nb::cast<index32>(job_dict["rule"]);
    job.rounds = nb::cast<index32>(job_dict["rounds"]);
    job.imposed = nb::cast<index32>(job_dict["imposed"]);
    job.shocks = nb::cast<integer>(job_dict["shocks"]);
    job.start = pointer<integer>(job_dict, "start");
    job.node = pointer<index32>(job_dict, "node");
    job.loss = pointer<double>(job_dict, "loss");
    job.cells = writable<integer>(job_dict, "cells");
    job.moving = writable<code8>(job_dict, "moving");
    std::vector<GroupCells> found;
    std::size_t count = 0;
    std::unique_ptr<index32[]> node;
    std::unique_ptr<double[]> value, other;
    finish([&](auto stop) {
        if (!spread_groups(level, exposures, job, most, threads, found, stop)) return false;
        for (const GroupCells& cells : found) count += cells.count;
        node = std::make_unique_for_overwrite<index32[]>(count);
        value = std::make_unique_for_overwrite<double[]>(count);
        other = std::make_unique_for_overwrite<double[]>(count);
        join(found, {node.get(), value.get(), other.get()});
        return true;
    });
    nb::dict cells;
    cells["node"] = array_of(std::move(node), count);
    cells["value"] = array_of(std::move(value), count);
    cells["other"] = array_of(std::move(other), count);
    return cells;
}

std::size_t contagion_bytes(const std::string& level_name, nb::dict given) {
    return static_cast<std::size_t>(level_named(level_name).contagion_memory(exposures_of(given))) * sizeof(double);
}

std::size_t memory_bytes(const std::string& level_name, nb::dict sizes) {
    return static_cast<std::size_t>(level_named(level_name).memory(numbers_of(sizes))) * sizeof(double);
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
    module.attr("COMPILER") = GPUSTRESS_COMPILER;
    module.def("levels", &levels, "Levels that run here, the best last.");
    module.def("lanes", &lanes, nb::arg("level"), "Paths in a vector.");
    module.def("elementary", &elementary, nb::arg("level"), nb::arg("function"), nb::arg("values"), nb::arg("out"),
               "0 exponential, 1 logarithm, 2 inverse normal of values, elementwise; for tests of their errors.");
    module.def("philox", &philox_words, nb::arg("level"), nb::arg("counter"), nb::arg("key"),
               "Words of Philox4x64-10; for known-answer tests.");
    module.def("memory_bytes", &memory_bytes, nb::arg("level"), nb::arg("sizes"), "Bytes of one thread.");
    module.def("simulate", &simulate, nb::arg("level"), nb::arg("arrays"), nb::arg("sizes"), nb::arg("block"),
               nb::arg("outcome"), nb::arg("trace").none(), nb::arg("threads"), "Fill the outcome's arrays of a block.");
    module.def("clearing_bytes", &clearing_bytes, nb::arg("level"), nb::arg("network"),
               "Bytes of one thread that clears a network.");
    module.def("clear", &clear, nb::arg("level"), nb::arg("network"), nb::arg("job"), nb::arg("threads"),
               "Clear a network under each shock, by the fixed point.");
    module.def("contagion_bytes", &contagion_bytes, nb::arg("level"), nb::arg("exposures"),
               "Bytes of one thread that passes losses on.");
    module.def("spread", &spread, nb::arg("level"), nb::arg("exposures"), nb::arg("job"), nb::arg("most"),
               nb::arg("threads"), "Pass losses on under each shock: node, value and other of all that it reaches, shock by shock.");
}
