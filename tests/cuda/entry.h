// An entry of a CUDA source, to be called with pointers to its arguments.
#pragma once
#include <cstddef>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

namespace standin {

struct Entry {
    const char* name;
    unsigned most_threads;  // of a block
    std::vector<std::size_t> parameter_bytes;
    std::function<void(void**)> call;

    template <class... Parameters>
    Entry(const char* entry, unsigned most, void (*kernel)(Parameters...))
        : name(entry), most_threads(most), parameter_bytes{sizeof(Parameters)...},
          call([kernel](void** arguments) {
              [&]<std::size_t... I>(std::index_sequence<I...>) { kernel(from_bytes<Parameters>(arguments[I])...); }
              (std::index_sequence_for<Parameters...>());
          }) {}

    template <class Parameter>
    static Parameter from_bytes(const void* bytes) {
        Parameter value;
        std::memcpy(&value, bytes, sizeof value);
        return value;
    }
};

extern const std::vector<Entry> ENTRIES;

}  // namespace standin
