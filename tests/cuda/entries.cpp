// The entries of STANDIN_SOURCE, as STANDIN_ENTRIES(X) lists them: X(name, threads a block may have).
#include "standin.h"
#include STANDIN_SOURCE

#include "entry.h"

#define X(name, most_threads) {#name, most_threads, name},
const std::vector<standin::Entry> standin::ENTRIES = {STANDIN_ENTRIES(X)};
#undef X
