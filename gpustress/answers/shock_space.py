"""The space of all shocks of the factors, and the scenario run at its points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..backends import get_backend
from ..backends.base import Block
from ..errors import bad_argument
from ..factor_paths import FactorPaths, check_factor_paths
from ..job import parse_record, prepare
from ..memory import budget
from ..simulation import ResultArrays, check_finite, plan, result_bytes
from .experiment import scenario_rows
from .factor_shocks import FactorShocks, factor_values, symmetric_root

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..result import Result
    from ..system import System

CROSSED: Final = 4  # factors up to which all combinations of signs are tried
RANDOM: Final = 16  # directions a factor that are tried of more
WINDOWS: Final = (
    0.125,
    0.25,
    0.5,
    0.75,
)  # of the horizon: how long shocks go on, from the start or to the end
AT_ONCE: Final = 8192  # paths of one run at most


class ShockSpace:
    """The shocks of the factors that move, K' x T of them as one vector, and paths that have them."""

    def __init__(
        self,
        system: System,
        scenarios: Any,
        scenario: str | None,
        effects: str,
        backend: str,
        threads: int | None,
        devices: Sequence[int] | None,
        memory: str | int | None,
    ):
        rows = scenario_rows(system, scenarios, scenario)
        # A hazard of 0: nobody fails by a draw of its own.
        rows += [
            {"parameter": f"entity.{name}.hazard", "op": "set", "value": 0.0} for name in system.entity_names
        ]
        names = ("parameter", "start", "end", "op", "value")
        table = {"scenario": ["asked"] * len(rows)} | {n: [row.get(n) for row in rows] for n in names}
        self.scenarios = pa.table(table)
        self._job = prepare(system, self.scenarios, effects, None)
        self._backend = get_backend(backend, threads=threads, devices=devices)
        self.program = self._job.program
        self.system = system
        self.root = symmetric_root(self.program, 0)
        felt = (self.root != 0.0) & (self.program.deviation[0] > 0.0)[:, None]
        self.moved = np.flatnonzero(felt.any(axis=0))
        if not len(self.moved):
            raise bad_argument(
                "system", system.settings.name, "has no factor that moves", "Give one a volatility."
            )
        self.size = len(self.moved) * self.program.periods
        room = budget(memory)
        fitting = max(1, min(AT_ONCE, room // 2 // result_bytes(self.program, 1, 0)))
        self.at_once = plan(self.program, self._backend, fitting, 0, room)

    def shocks(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (P, K' x T) as the shocks w of all factors, (K, T, P)."""
        shocks = np.zeros((self.program.factor_count, self.program.periods, len(points)))
        shocks[self.moved] = points.T.reshape(len(self.moved), self.program.periods, -1)
        return shocks

    def factor_values(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """What points give for `simulate(factors=...)`, (K, T, P)."""
        own = self.shocks(points)
        return factor_values(self.program, 0, FactorShocks(own, np.broadcast_to(0.0, own.shape)))

    def run(self, points: NDArray[np.float64], record: Sequence[str] = ()) -> Result:
        """The scenario on a path for each of at most `at_once` points: `simulate`, compiled once for all of them."""
        values = FactorPaths(dict(enumerate(np.moveaxis(self.factor_values(points), 2, 1))), "")
        check_factor_paths(self.system, self.program, values)
        series = parse_record(self.system, record)
        block = Block(0, 0, len(points), values.values)
        outcome = self._backend.simulate(self.program, block, tuple(series.values()))
        check_finite(self._job, outcome, 0)
        arrays = ResultArrays(self.program, len(points), len(series))
        arrays.put(0, outcome)
        return arrays.result(self._job, 0, self._backend.name, tuple(series))

    def rays(self) -> NDArray[np.float64]:
        """Directions of length 1: shocks that stay the same from the start on or to the end, of one factor or more."""
        count, periods = len(self.moved), self.program.periods
        if count <= CROSSED:
            signs = np.array(list(product((-1.0, 0.0, 1.0), repeat=count)))
            signs = signs[signs.any(axis=1)]
        else:
            axes = np.concatenate([np.eye(count), -np.eye(count)])
            signs = np.concatenate([axes, np.random.default_rng(0).normal(size=(RANDOM * count, count))])
        lengths = sorted({math.ceil(share * periods) for share in WINDOWS} - {periods})
        time = np.arange(periods)
        windows = [time >= 0, *(time < n for n in lengths), *(time >= periods - n for n in lengths)]
        rays = (signs[:, None, :, None] * np.array(windows, dtype=np.float64)[None, :, None]).reshape(
            -1, self.size
        )
        return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))

    def deviations(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far each factor's y is moved, in its own standard deviations of that period, (K, T); 0 without any."""
        eps = self.root @ self.shocks(point[None])[:, :, 0].reshape(self.program.factor_count, -1)
        moved, variance = np.zeros_like(eps), np.zeros_like(eps)
        b, s = self.program.persistence[0], self.program.deviation[0]
        for t in range(
            self.program.periods
        ):  # before the first period stands what the last one still holds: 0
            moved[:, t] = b * moved[:, t - 1] + s * eps[:, t]
            variance[:, t] = b**2 * variance[:, t - 1] + s**2
        return np.asarray(moved / np.sqrt(np.where(variance > 0.0, variance, 1.0)))
