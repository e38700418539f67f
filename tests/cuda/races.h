// Races: two threads touch the same memory, one of them writes, and no barrier of their team lies between. The compiler calls
// a function at each access (-fsanitize=thread); those here stand in for ThreadSanitizer's, which know nothing of warps.
// Votes are no barriers: CUDA says that they order no memory.
#pragma once
#include <cstdint>
#include <unordered_map>

namespace standin {

// A thread between two of its barriers. Threads that were let go together have the same interval.
struct Place {
    unsigned long long block = 0;
    unsigned number = 0;  // in the block
    unsigned team = 0;    // its lanes of the warp
    unsigned long long interval = 0;

    bool same_thread(const Place& other) const { return block == other.block && number == other.number; }
    bool same_team(const Place& other) const {
        return block == other.block && number / 32 == other.number / 32 && (team >> other.number % 32 & 1);
    }
    // Whether what was done there is seen here.
    bool is_behind(const Place& earlier) const {
        return same_thread(earlier) || (same_team(earlier) && interval != earlier.interval);
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
            if (cell.was_read && !here.is_behind(cell.read))
                (here.same_team(cell.read) ? cell.read_by_several : cell.read_by_teams) = true;
            else
                cell.read = here, cell.was_read = true, cell.read_by_several = false;
            return nullptr;
        }
        const bool read_now = cell.read_by_several && cell.read.interval == here.interval;
        if (cell.was_read && (read_now || cell.read_by_teams || !here.is_behind(cell.read))) return &cell.read;
        cell.write = here, cell.written = true, cell.atomic = kind == ATOMIC;
        return nullptr;
    }

   private:
    struct Cell {
        Place write, read;
        bool written = false, was_read = false, atomic = false;
        bool read_by_several = false;  // of a team, since their last barrier
        bool read_by_teams = false;
    };
    std::unordered_map<std::uint64_t, Cell> cells_;
};

}  // namespace standin
