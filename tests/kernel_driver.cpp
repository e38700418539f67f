// Simulates a block, or clears a network, that a file holds and writes its outcome to another: the kernels for another
// processor or under a sanitizer, where Python can't load them. kernel_driver.py writes the one and reads the other.
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
        j.seed = number<word>("block.seed");
        j.first_path = number<integer64>("block.first_path");
        j.paths = number<integer64>("block.paths");
        j.series_count = static_cast<index32>(number<integer64>("block.series_count"));
#define X(type, name) j.name = pointer<type>("block." #name);
        X(index32, series_kind) X(index32, series_item) X(index32, given) X(double, factor_paths)
#undef X
#define X(type, name) j.name = pointer<type>("outcome." #name);
        X(short, failed_at) X(code8, cause) X(double, lowest_liquidity) X(double, final_cash) X(double, total) X(double, npv)
        X(double, trough) X(short, payback) X(double, series) X(integer64, exact_finishes) X(integer64, updates)
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

}  // namespace

int main(int count, char** arguments) {
    if (count != 5) return 2;
    const Level& level = level_named(arguments[1]);
    const int threads = std::atoi(arguments[2]);
    const Question question(arguments[3]);
    const auto never = [] { return false; };
    if (question.has_network()) {
        clear_groups(level, question.network(), question.clearing(), threads, never);
    } else {
        Job job = question.job();
        Trace trace{};
        if (question.is_traced()) {
            trace = question.trace();
            job.trace = &trace;
        }
        run_groups(level, question.program(), job, threads, never);
    }
    question.write(arguments[4]);
}
