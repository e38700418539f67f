// Races: two threads touch the same memory, one of them writes, and no barrier of their team or block lies between. The compiler calls
// a function at each access (-fsanitize=thread); those here stand in for ThreadSanitizer's, which know nothing of warps.
// Votes are no barriers: CUDA says that they order no memory.
#pragma once
#include <algorithm>
#include <cstdint>
#include <unordered_map>

namespace standin {

// A thread between two of its barriers. Threads that were let go together have the same interval: since a barrier of their team
// or of their block, and since the last one of their block. Later ones are larger.
struct Place {
    unsigned long long block = 0;
    unsigned number = 0;  // in the block
    unsigned team = 0;    // its lanes of the warp
    unsigned long long interval = 0, block_interval = 0;

    unsigned lane() const { return 1u << number % 32; }
    bool same_warp(const Place& other) const { return block == other.block && number / 32 == other.number / 32; }
    // Whether what was done there is seen here.
    bool is_behind(const Place& earlier) const {
        if (block != earlier.block) return false;
        if (number == earlier.number || block_interval != earlier.block_interval) return true;
        return same_warp(earlier) && (team & earlier.lane()) && interval != earlier.interval;
    }
};

enum Access { READ, WRITE, ATOMIC };

class Races {
   public:
    // Where the earlier access was with which this one races, if there is such a one.
    const Place* access(std::uint64_t address, Access kind, const Place& here) {
        Cell& cell = cells_[address];
        const bool both_atomic = kind == ATOMIC && cell.atomic;
        if (cell.written && !both_atomic && !here.is_behind(cell.write)) return &cell.write;
        if (kind == READ) {
            cell.reads.add(here);
            return nullptr;
        }
        if (!cell.reads.are_before(here)) return &cell.reads.last;
        cell.write = here, cell.written = true, cell.atomic = kind == ATOMIC;
        return nullptr;
    }

   private:
    // Those since the last that is behind all before it.
    struct Reads {
        bool any = false, by_blocks = false, by_warps = false;
        Place last;
        unsigned lanes = 0;               // of its warp
        unsigned long long interval = 0;  // the last of them

        bool are_before(const Place& here) const {
            if (!any) return true;
            if (by_blocks || last.block != here.block) return false;
            if (last.block_interval != here.block_interval) return true;
            const unsigned others = lanes & ~here.lane();
            return !by_warps && here.same_warp(last) && (!others || ((others & ~here.team) == 0 && interval < here.interval));
        }
        void add(const Place& here) {
            if (are_before(here)) *this = {};
            by_blocks |= any && last.block != here.block;
            by_warps |= any && !here.same_warp(last);
            any = true, last = here, lanes |= here.lane();
            interval = std::max(interval, here.interval);
        }
    };
    struct Cell {
        Place write;
        bool written = false, atomic = false;
        Reads reads;
    };
    std::unordered_map<std::uint64_t, Cell> cells_;
};

}  // namespace standin
