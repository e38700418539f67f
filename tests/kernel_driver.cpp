// Simulates a block, clears a network or lets losses spread, as a file says, and writes the outcome to another: the kernels for
// another processor or under a sanitizer, where Python can't load them. kernel_driver.py writes the one and reads the other.
//
//     kernel_driver LEVEL THREADS QUESTION OUTCOME
//
// A file is a sequence of arrays, each a line "GROUP.NAME BYTES" and its bytes. Every array lies in memory of its own and
// of its very size, so that a sanitizer sees the first index beyond it.
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "exposures.h"
#include "levels.h"
#include "network.h"
#include "program.h"
#include "threads.h"

namespace {

// How Python writes a number that is a T here.
template <class T>
using stored = std::conditional_t<std::is_same_v<T, index32>, integer64, T>;

struct Array {
    std::size_t bytes;
    std::unique_ptr<char[]> start;
};

struct Question {
    std::map<std::string, Array> arrays;

    explicit Question(const char* path) {
        std::ifstream file(path, std::ios::binary);
        std::string name;
        std::size_t bytes;
        while (file >> name >> bytes) {
            file.get();  // the end of the line
            Array array{bytes, std::make_unique<char[]>(bytes)};
            if (!file.read(array.start.get(), static_cast<std::streamsize>(bytes))) throw std::runtime_error("too short");
            arrays.emplace(name, std::move(array));
        }
        if (!file.eof()) throw std::runtime_error("no array follows");
    }

    template <class T>
    T* pointer(const std::string& name) const {
        return reinterpret_cast<T*>(arrays.at(name).start.get());
    }

    template <class T>
    T number(const std::string& name) const {
        if (arrays.at(name).bytes != sizeof(T)) throw std::runtime_error(name + " is no such number");
        return *pointer<T>(name);
    }

    Program program() const {
        Program p{};
#define X(type, name) p.name = static_cast<type>(number<stored<type>>("sizes." #name));
        GPUSTRESS_PROGRAM_NUMBERS(X)
#undef X
#define X(type, name) p.name = pointer<type>("arrays." #name);
        GPUSTRESS_PROGRAM_ARRAYS(X)
#undef X
        return p;
    }

    Job job() const {
        Job j{};
#define X(type, name) j.name = static_cast<type>(number<stored<type>>("block." #name));
        GPUSTRESS_DRAWING_NUMBERS(X)
#undef X
#define X(type, name) j.name = pointer<type>("block." #name);
        GPUSTRESS_DRAWING_ARRAYS(X)
#undef X
        j.seed = number<word>("block.seed");
        j.first_path = number<integer64>("block.first_path");
        j.paths = number<integer64>("block.paths");
        j.series_count = static_cast<index32>(number<integer64>("block.series_count"));
#define X(type, name) j.name = pointer<type>("block." #name);
        X(index32, series_kind) X(index32, series_item) X(index32, given) X(double, factor_paths)
#undef X
#define X(type, name) j.name = pointer<type>("outcome." #name);
        X(short, failed_at) X(code8, cause) X(double, lowest_liquidity) X(double, final_cash) X(double, total) X(double, npv)
        X(double, trough) X(short, payback) X(double, series) X(double, weight) X(integer64, exact_finishes) X(integer64, updates)
#undef X
        return j;
    }

    bool has_network() const { return arrays.count("network.nodes") != 0; }

    Network network() const {
        Network n{};
#define X(type, name) n.name = static_cast<type>(number<stored<type>>("network." #name));
        GPUSTRESS_NETWORK_NUMBERS(X)
#undef X
#define X(type, name) n.name = pointer<type>("network." #name);
        GPUSTRESS_NETWORK_ARRAYS(X)
#undef X
        return n;
    }

    bool is_contagion() const { return arrays.count("exposures.nodes") != 0; }

    Exposures exposures() const {
        Exposures n{};
#define X(type, name) n.name = static_cast<type>(number<stored<type>>("exposures." #name));
        GPUSTRESS_EXPOSURES_NUMBERS(X)
#undef X
#define X(type, name) n.name = pointer<type>("exposures." #name);
        GPUSTRESS_EXPOSURES_ARRAYS(X)
#undef X
        return n;
    }

    Clearing clearing() const {
        Clearing c{};
        c.alpha = number<double>("job.alpha");
        c.beta = number<double>("job.beta");
        c.least = static_cast<index32>(number<integer64>("job.least"));
        c.shocks = number<integer64>("job.shocks");
        c.shock_stride = number<integer64>("network.nodes");
        c.node_stride = 1;
        c.external_assets = pointer<double>("job.external_assets");
#define X(type, name) c.name = pointer<type>("outcome." #name);
        X(double, payments) X(double, equity) X(index32, round) X(index32, rounds) X(double, error_bound)
#undef X
        return c;
    }

    Contagion contagion() const {
        Contagion j{};
#define X(name) j.name = static_cast<decltype(j.name)>(number<integer64>("job." #name));
        X(rule) X(rounds) X(imposed) X(shocks)
#undef X
        j.start = pointer<integer64>("job.start");
        j.node = pointer<index32>("job.node");
        j.loss = pointer<double>("job.loss");
        j.cells = pointer<integer64>("outcome.cells");
        j.moving = pointer<code8>("outcome.moving");
        return j;
    }

    template <class T>
    T* added(const std::string& name, std::size_t count) {
        arrays[name] = {count * sizeof(T), std::make_unique<char[]>(count * sizeof(T))};
        return pointer<T>(name);
    }

    bool is_traced() const { return arrays.count("trace.estate") != 0; }

    Trace trace() const {
        Trace t{};
#define X(name, count) t.name = pointer<double>("trace." #name);
        GPUSTRESS_TRACE_ARRAYS(X) X(estate, 1) X(failed_at, 1) X(cause, 1)
#undef X
        return t;
    }

    void write(const char* path) const {
        std::ofstream file(path, std::ios::binary);
        for (const auto& [name, array] : arrays) {
            if (name.rfind("outcome.", 0) != 0 && name.rfind("trace.", 0) != 0) continue;
            file << name << ' ' << array.bytes << '\n';
            file.write(array.start.get(), static_cast<std::streamsize>(array.bytes));
        }
        if (!file.flush()) throw std::runtime_error("the outcome can't be written");
    }
};

void spread(const Level& level, int threads, Question& question) {
    std::vector<GroupCells> found;
    const integer64 most = question.number<integer64>("job.most");
    spread_groups(level, question.exposures(), question.contagion(), most, threads, found, [] { return false; });
    std::size_t count = 0;
    for (const GroupCells& cells : found) count += cells.count;
    join(found, {question.added<index32>("outcome.node", count), question.added<double>("outcome.value", count),
                 question.added<double>("outcome.other", count)});
}

void clear(const Level& level, int threads, const Question& question) {
    clear_groups(level, question.network(), question.clearing(), threads, [] { return false; });
}

void simulate(const Level& level, int threads, const Question& question) {
    Job job = question.job();
    Trace trace{};
    if (question.is_traced()) {
        trace = question.trace();
        job.trace = &trace;
    }
    run_groups(level, question.program(), job, threads, [] { return false; });
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 5) return 2;
    Question question(arguments[3]);
    const Level& level = level_named(arguments[1]);
    const int threads = std::atoi(arguments[2]);
    if (question.is_contagion())
        spread(level, threads, question);
    else if (question.has_network())
        clear(level, threads, question);
    else
        simulate(level, threads, question);
    question.write(arguments[4]);
}
