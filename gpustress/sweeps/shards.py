"""The grid of a sweep: ranges of scenarios x ranges of paths, fixed by the question and never by the machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Of a shard, in entity- and flow-periods of one path and scenario: a few seconds of two cores. Few and large, so that
# neither a scheduler nor a file system has too many of them; small enough that little is lost with one.
SHARD_WORK: Final = 4 * 10**9
MOST_SHARDS: Final = 4096  # of a sweep, unless its scenarios are many and their paths few
SCENARIOS_TOGETHER: Final = 4  # runs (scenarios x effects) of a shard where paths make it large enough
MOST_TOGETHER: Final = 8  # runs of a shard at all: what is kept of them has to fit into any memory
SKETCHES_TOGETHER: Final = 256  # runs x figures with sketches of a shard, for the same reason
STEP: Final = 4096  # a shard's paths are a multiple of it, so that a tally's units are whole
ROUNDS: Final = 16  # at least, where a sweep may stop early


@dataclass(frozen=True)
class Shard:
    """One part of a sweep.

    Attributes
    ----------
    number : int
        Its place in the grid.
    first_path, paths : int
    first_scenario, scenarios : int
        Of the table's scenarios, each of which may run under several effects.
    """

    number: int
    first_path: int
    paths: int
    first_scenario: int
    scenarios: int


@dataclass(frozen=True)
class Grid:
    """Every shard of a sweep: those of the first paths under all scenarios come first.

    Attributes
    ----------
    paths, scenarios : int
        Of the sweep.
    shard_paths, shard_scenarios : int
        Of a shard; the last of each has what is left.
    """

    paths: int
    scenarios: int
    shard_paths: int
    shard_scenarios: int

    @property
    def path_ranges(self) -> int:
        """How many ranges of paths: the rounds of a sweep that may stop early."""
        return -(-self.paths // self.shard_paths)

    @property
    def scenario_ranges(self) -> int:
        """How many ranges of scenarios."""
        return -(-self.scenarios // self.shard_scenarios)

    def __len__(self) -> int:
        """Return the number of shards."""
        return self.path_ranges * self.scenario_ranges

    def shard(self, number: int) -> Shard:
        """The shard of a number."""
        path_range, scenario_range = divmod(number, self.scenario_ranges)
        first_path, first_scenario = path_range * self.shard_paths, scenario_range * self.shard_scenarios
        return Shard(
            number,
            first_path,
            min(self.shard_paths, self.paths - first_path),
            first_scenario,
            min(self.shard_scenarios, self.scenarios - first_scenario),
        )

    def round(self, number: int) -> list[Shard]:
        """The shards of one range of paths, under all scenarios."""
        first = number * self.scenario_ranges
        return [self.shard(first + i) for i in range(self.scenario_ranges)]

    def shards(self) -> list[Shard]:
        """All of them."""
        return [self.shard(number) for number in range(len(self))]

    def paths_until(self, rounds: int) -> int:
        """How many paths the first rounds have."""
        return min(self.paths, rounds * self.shard_paths)


def make_grid(
    work: int, effects: int, scenarios: int, paths: int, *, sketches: int = 0, early: bool = False
) -> Grid:
    """The grid of a sweep.

    Parameters
    ----------
    work : int
        Of one path under one scenario and one set of effects, see `path_work`.
    effects : int
        Under how many sets of effects each scenario runs.
    scenarios, paths : int
    sketches : int
        Figures of a run of which quantiles are kept.
    early : bool
        Whether the sweep may stop early: it then has at least ROUNDS ranges of paths, where paths are enough.
    """
    whole = work * effects * scenarios * paths
    target = max(SHARD_WORK, -(-whole // MOST_SHARDS))
    together = min(scenarios, max(1, SCENARIOS_TOGETHER // effects))
    few_paths = -(-target // (work * effects * paths))
    together = min(scenarios, max(together, min(few_paths, MOST_TOGETHER // effects)))
    together = min(together, max(1, SKETCHES_TOGETHER // max(1, sketches * effects)))
    wanted = -(-target // (work * effects * together))
    if early:
        wanted = min(wanted, -(-paths // ROUNDS))
    return Grid(paths, scenarios, min(paths, STEP * math.ceil(wanted / STEP)), together)


def path_work(periods: int, entities: int, flows: int) -> int:
    """What one path under one scenario takes, in entity- and flow-periods."""
    return periods * (entities + flows)


def scenario_ranges(names: Sequence[str], grid: Grid) -> list[tuple[str, ...]]:
    """The names of each range of scenarios."""
    return [tuple(names[i : i + grid.shard_scenarios]) for i in range(0, len(names), grid.shard_scenarios)]
