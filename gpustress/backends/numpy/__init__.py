"""The reference backend: the model's steps in NumPy, vectorised over paths, written to be read."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

import numpy as np

from ..base import Block, ClearingOutcome, Hardware, Outcome, Series, SpreadOutcome, Trace, outcome_bytes
from .credit import thresholds
from .factors import Drivers
from .margins import Margins
from .period import Plan, Simulation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...exposures import EquityShocks, Exposures
    from ...obligations import Obligations
    from ...program import Program
    from ..base import Rule, Solution

_CACHE: Final = 4 << 20  # bytes of cache that a block's arrays of one period should fit
_MOST_PATHS: Final = 4096


class NumpyBackend:
    """Vectorised NumPy over blocks of paths that fit the cache."""

    name = "numpy"

    @property
    def device(self) -> str:
        """The machine's processor."""
        return f"CPU ({platform.machine()}), 1 thread"

    @property
    def versions(self) -> dict[str, str]:
        """The libraries behind it."""
        import scipy

        return {"numpy": np.__version__, "scipy": scipy.__version__}

    @property
    def hardware(self) -> tuple[Hardware, ...]:
        """None beside the processor."""
        return ()

    def block_paths(self, program: Program, memory: int) -> int:
        """As many paths as fit the cache, and `memory`; at least 1."""
        per_path = 8 * (4 * program.flow_count + 16 * program.entity_count + program.factor_count)
        fitting = memory // max(1, self.block_bytes(program, 1, 0))
        return int(max(1, min(_MOST_PATHS, max(64, _CACHE // max(1, per_path)), fitting)))

    def block_bytes(self, program: Program, paths: int, series: int) -> int:
        """Draws and capitalised payments of all periods, some twenty arrays of a period, and the outcome."""
        of_run = program.periods * (5 * program.factor_count + len(program.capex) + series)
        of_period = 6 * program.flow_count + 40 * program.entity_count + 10 * program.measure_count
        return paths * (8 * (of_run + of_period) + outcome_bytes(program, series))

    def simulate(self, program: Program, block: Block, series: tuple[Series, ...] = ()) -> Outcome:
        """Steps 1 to 7 of the model, for the paths of a block under every scenario."""
        outcome = Outcome.empty(program, block.paths, len(series), block.drawing)
        plan, drivers, limits = Plan(program), Drivers(program, block), thresholds(program, block)
        for scenario in range(len(program.scenarios)):
            simulation = Simulation(program, plan, scenario, block, drivers, limits, series)
            with np.errstate(
                over="ignore", invalid="ignore"
            ):  # whoever asked looks for amounts that overflowed
                for t in range(program.periods):
                    simulation.period(t)
            simulation.write(outcome)
        return outcome

    def trace(self, program: Program, block: Block, scenario: int) -> Trace:
        """One scenario, with everything that happened on the way.

        The reference's trace also holds `margin` (P, T): how near the path has come so far to another decision,
        relative (`Margins`). Where that is next to nothing, another backend may decide otherwise.
        """
        drivers, limits, margins = Drivers(program, block), thresholds(program, block), Margins(block.paths)
        simulation = Simulation(program, Plan(program), scenario, block, drivers, limits, (), margins)
        periods = []
        for t in range(program.periods):
            simulation.period(t)
            periods.append(simulation.snapshot() | {"margin": margins.nearest.copy()})
        arrays = {name: np.stack([period[name] for period in periods]) for name in periods[0]}
        # (T, items, P) or (T, P) -> (P, T, items) or (P, T)
        return Trace({name: np.moveaxis(array, -1, 0).copy() for name, array in arrays.items()})

    def clear(
        self,
        obligations: Obligations,
        external_assets: NDArray[np.float64],
        costs: tuple[float, float],
        solution: Solution,
        memory: int,
    ) -> ClearingOutcome:
        """A clearing vector for each row of `external_assets` (S, N), by the fixed point."""
        from .clearing import clear

        return clear(obligations, external_assets, costs, solution, memory)

    def spread(
        self, exposures: Exposures, shocks: EquityShocks, rule: Rule, rounds: int, memory: int, most: int
    ) -> SpreadOutcome:
        """Pass losses on round by round, as `SpreadsLosses` says."""
        from .contagion import spread

        return spread(exposures, shocks, rule, rounds, memory, most)

    def clearing_bytes(self, obligations: Obligations) -> int:
        """What one shock takes while it is cleared."""
        from .clearing import shock_bytes

        return shock_bytes(obligations)

    def spreading_bytes(self, exposures: Exposures) -> int:
        """What one shock takes while its losses are passed on."""
        from .contagion import shock_bytes

        return shock_bytes(exposures)
