// The door to the entries of a CUDA source, built for the host with standin.h: STANDIN_SOURCE, and STANDIN_ENTRIES(X) with
// X(name, threads a block may have).
#include "standin.h"
#include STANDIN_SOURCE

#include <mutex>

namespace {

template <class Parameter>
Parameter from_bytes(const void* bytes) {
    Parameter value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

struct Entry {
    const char* name;
    unsigned most_threads;
    std::vector<std::size_t> parameter_bytes;
    std::function<void(void**)> call;

    template <class... Parameters>
    Entry(const char* entry, unsigned most, void (*kernel)(Parameters...))
        : name(entry), most_threads(most), parameter_bytes{sizeof(Parameters)...},
          call([kernel](void** arguments) {
              [&]<std::size_t... I>(std::index_sequence<I...>) { kernel(from_bytes<Parameters>(arguments[I])...); }
              (std::index_sequence_for<Parameters...>());
          }) {}
};

const Entry ENTRIES[] = {
#define X(name, most_threads) {#name, most_threads, name},
    STANDIN_ENTRIES(X)
#undef X
};

const Entry& entry_named(const std::string& name) {
    for (const Entry& entry : ENTRIES)
        if (name == entry.name) return entry;
    throw std::runtime_error("no entry " + name);
}

// Do it; 0, or 1 and what went wrong.
template <class Action>
int attempt(char* error, std::size_t error_size, Action action) {
    try {
        action();
        return 0;
    } catch (const std::exception& raised) {
        std::strncpy(error, raised.what(), error_size - 1);
        error[error_size - 1] = 0;
        return 1;
    }
}

}  // namespace

#define STANDIN_EXPORT extern "C" __attribute__((visibility("default")))

// How many bytes each parameter of a kernel takes: as many as there is room for in `bytes`; `count` says how many there are.
STANDIN_EXPORT int gpustress_standin_parameters(const char* kernel, std::size_t* bytes, std::size_t room, std::size_t* count, char* error, std::size_t error_size) {
    return attempt(error, error_size, [&] {
        const Entry& entry = entry_named(kernel);
        *count = entry.parameter_bytes.size();
        std::copy_n(entry.parameter_bytes.begin(), std::min(room, *count), bytes);
    });
}

// Run a kernel to its end. `arguments` points to the value of each parameter; `order` is one of standin::Order.
STANDIN_EXPORT int gpustress_standin_launch(const char* kernel, unsigned grid[3], unsigned block[3], std::size_t shared_bytes, void** arguments, int order, unsigned long long seed, char* error, std::size_t error_size) {
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    return attempt(error, error_size, [&] {
        const Entry& entry = entry_named(kernel);
        const unsigned long long threads = (unsigned long long)block[0] * block[1] * block[2];
        if (threads == 0 || grid[0] == 0 || grid[1] == 0 || grid[2] == 0) throw std::runtime_error("an empty grid or block");
        if (threads > entry.most_threads) throw std::runtime_error("more threads in a block than the launch bounds of " + std::string(kernel));
        if (shared_bytes > standin::MOST_SHARED) throw std::runtime_error("more shared memory than a block can have");
        standin::Launch([&] { entry.call(arguments); }, {grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, shared_bytes, (standin::Order)order, seed).run();
    });
}
