// What Python calls, and what the kernels call back.
#include <mutex>

#include "entry.h"
#include "fibres.h"

using standin::ENTRIES, standin::Entry, standin::Launch;

dim3 threadIdx, blockIdx, blockDim, gridDim;
extern "C" {
alignas(128) double shared[standin::MOST_SHARED / sizeof(double)];
}

namespace {

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

#define EXPORT extern "C" __attribute__((visibility("default")))

// How many bytes each parameter of a kernel takes: as many as there is room for in `bytes`; `count` says how many there are.
EXPORT int gpustress_standin_parameters(const char* kernel, std::size_t* bytes, std::size_t room, std::size_t* count, char* error, std::size_t error_size) {
    return attempt(error, error_size, [&] {
        const Entry& entry = entry_named(kernel);
        *count = entry.parameter_bytes.size();
        std::copy_n(entry.parameter_bytes.begin(), std::min(room, *count), bytes);
    });
}

// Run a kernel to its end. `arguments` points to the value of each parameter; `order` is one of standin::Order.
EXPORT int gpustress_standin_launch(const char* kernel, unsigned grid[3], unsigned block[3], std::size_t shared_bytes, void** arguments, int order, unsigned long long seed, char* error, std::size_t error_size) {
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    return attempt(error, error_size, [&] {
        const Entry& entry = entry_named(kernel);
        const unsigned long long threads = (unsigned long long)block[0] * block[1] * block[2];
        if (threads == 0 || grid[0] == 0 || grid[1] == 0 || grid[2] == 0) throw std::runtime_error("an empty grid or block");
        if (threads > entry.most_threads) throw std::runtime_error("more threads in a block than the launch bounds of " + std::string(kernel));
        if (shared_bytes > standin::MOST_SHARED) throw std::runtime_error("more shared memory than a block can have");
        Launch([&] { entry.call(arguments); }, {grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, shared_bytes, (standin::Order)order, seed).run();
    });
}

bool standin::wait(const char* function, unsigned mask, bool is_barrier, bool brings) {
    return Launch::wait(function, mask, is_barrier, brings);
}

unsigned long long atomicAdd(unsigned long long* sum, unsigned long long value) {
    Launch::access(sum, standin::ATOMIC);
    return std::exchange(*sum, *sum + value);
}

void standin::wait_for_block(const char* function) { Launch::wait_for_block(function); }

int atomicAdd(int* sum, int value) {
    Launch::access(sum, standin::ATOMIC);
    return std::exchange(*sum, *sum + value);
}

int atomicExch(int* place, int value) {
    Launch::access(place, standin::ATOMIC);
    return std::exchange(*place, value);
}

unsigned long long atomicOr(unsigned long long* bits, unsigned long long value) {
    Launch::access(bits, standin::ATOMIC);
    return std::exchange(*bits, *bits | value);
}

// What -fsanitize=thread calls at each access.
#define ACCESSES(bytes) \
    extern "C" void __tsan_read##bytes(void* memory) { Launch::access(memory, standin::READ); } \
    extern "C" void __tsan_write##bytes(void* memory) { Launch::access(memory, standin::WRITE); } \
    extern "C" void __tsan_unaligned_read##bytes(void* memory) { Launch::access(memory, standin::READ); } \
    extern "C" void __tsan_unaligned_write##bytes(void* memory) { Launch::access(memory, standin::WRITE); }
ACCESSES(1) ACCESSES(2) ACCESSES(4) ACCESSES(8) ACCESSES(16)
extern "C" void __tsan_read_range(void* memory, std::size_t) { Launch::access(memory, standin::READ); }
extern "C" void __tsan_write_range(void* memory, std::size_t) { Launch::access(memory, standin::WRITE); }
extern "C" void __tsan_vptr_update(void**, void*) {}
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
