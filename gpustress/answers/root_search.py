"""Where a statistic, as a function of one number on common random numbers, meets a target."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from .schema import REVERSE_STRESS
from .statistic import paired_error

if TYPE_CHECKING:
    from .statistic import Estimate

SURE: Final = 3.0  # standard errors beyond which a rise or a fall is no noise
FINEST: Final = 1e-9  # of the bounds' width: where the search ends at the latest
OF_ERROR: Final = 0.02  # of the root's standard error: nearer is no nearer to the truth
REACHES: Final = (0.5, 1.0, 2.0)  # half widths of the interval as guessed, at which its ends are looked for


@dataclass(frozen=True)
class Found:
    """A root and its interval; root None where there is none."""

    root: float | None
    low: float | None
    high: float | None


class Search:
    """A statistic as a function of one number, and where it meets a target.

    Parameters
    ----------
    evaluate : function of a list of points to a list of Estimate
        On common random numbers.
    target : float
    bounds : (float, float)
    integral : bool
        Whether points are whole numbers.

    Attributes
    ----------
    target, bounds
        As given.
    monotone : bool
        Whether no two neighbouring points show a sure rise and two others a sure fall.
    known : dict of float to Estimate
        Every point that was evaluated.
    brackets : list of (float, float)
    """

    def __init__(
        self,
        evaluate: Callable[[list[float]], list[Estimate]],
        target: float,
        bounds: tuple[float, float],
        integral: bool = False,
    ):
        self._evaluate = evaluate
        self.target = target
        self.bounds = bounds
        self._integral = integral
        self.known: dict[float, Estimate] = {}
        self.brackets: list[tuple[float, float]] = []
        self.monotone = True

    def run(self, points: int, reference: float) -> Found:
        """Evaluate the first points, narrow the brackets nearest to `reference`, and find the root's interval."""
        low, high = self.bounds
        grid = [*np.linspace(low, high, points)]
        if self._integral:
            grid = [float(x) for x in np.unique(np.rint(grid)) if low <= x <= high]
        if low <= reference <= high:
            grid.append(reference)
        self._know(grid)
        self.monotone = self._is_monotone()
        start = min(max(low, reference), high)
        self.brackets = self._crossings(start)
        left = [pair for pair in self.brackets if pair[1] <= start]
        right = [pair for pair in self.brackets if pair[0] >= start]
        roots = [self._narrowed(*ends) for ends in ((left[-1][::-1],) if left else ())]
        roots += [self._narrowed(*right[0])] if right else []
        if self.known[start].value == self.target:
            roots.append(start)
        if not roots:
            return Found(None, None, None)
        root = min(roots, key=lambda x: abs(x - start))
        return Found(root, *self._interval(root))

    def _know(self, points: Sequence[float]) -> None:
        new = [x for x in dict.fromkeys(map(float, points)) if x not in self.known]
        if new:
            self.known.update(zip(new, self._evaluate(new), strict=True))

    def _gap(self, x: float) -> float:
        self._know([x])
        return self.known[x].value - self.target

    def _is_monotone(self) -> bool:
        ordered = [self.known[x] for x in sorted(self.known)]
        rises = falls = False
        for before, after in pairwise(ordered):
            difference, error = after.value - before.value, paired_error(before, after)
            sure = abs(difference) > (0.0 if math.isnan(error) else SURE * error)
            rises |= sure and difference > 0.0
            falls |= sure and difference < 0.0
        return not (rises and falls)

    def _crossings(self, start: float) -> list[tuple[float, float]]:
        """Neighbours of which only the one farther from `start`, or each on its side, meets the target."""
        found = []
        ordered = sorted(self.known)
        for a, b in pairwise(ordered):
            near, far = (a, b) if a >= start else (b, a)
            first, second = self._gap(near), self._gap(far)
            if first != 0.0 and first * second <= 0.0:
                found.append((a, b))
        return found

    def _narrowed(self, near: float, far: float) -> float:
        """The point nearest to `near` at which the target is met, within the search's tolerance."""
        from scipy.optimize import brentq

        side = math.copysign(1.0, self._gap(near))

        def gap(x: float) -> float:
            value = self._gap(float(np.rint(x)) if self._integral else float(x))
            return value if value != 0.0 else -side * math.ulp(0.0)  # met there; perhaps nearer already

        width = abs(far - near)
        slope = abs(self._gap(far) - self._gap(near)) / width
        error = self.known[far].standard_error
        finest = FINEST * (self.bounds[1] - self.bounds[0])
        if math.isfinite(error) and slope > 0.0:
            finest = max(finest, OF_ERROR * error / slope)
        finest = min(finest, 1e-3 * width)
        if self._integral:
            finest = 0.25
        brentq(gap, near, far, xtol=finest)
        within = [x for x in self.known if min(near, far) <= x <= max(near, far)]
        met = [
            x
            for x in within
            if side * self._gap(x) <= max(0.0, OF_ERROR * np.nan_to_num(self.known[x].standard_error))
        ]
        return min(met, key=lambda x: abs(x - near))

    def _interval(self, root: float) -> tuple[float, float]:
        """Where the statistic's interval begins and ceases to hold the target, around `root`."""
        low, high = self.bounds
        if self._integral:
            self._know([x for x in (root - 1.0, root + 1.0) if low <= x <= high])
        here = self.known[root]
        others = [x for x in self.known if x != root]
        if others and math.isfinite(here.low) and math.isfinite(here.high):
            # The slope over the nearest points that are far enough for it not to be the noise of rounding.
            apart = sorted(others, key=lambda x: abs(x - root))
            beyond = [
                x for x in apart if abs(self.known[x].value - here.value) > (here.high - here.low) / 4.0
            ]
            if beyond and here.high > here.low:
                other = self.known[beyond[0]]
                half = 0.5 * (here.high - here.low) * abs((beyond[0] - root) / (other.value - here.value))
                guessed = [root + sign * reach * half for sign in (-1.0, 1.0) for reach in REACHES]
                if self._integral:
                    guessed = [float(np.rint(x)) for x in guessed]
                self._know([x for x in guessed if low <= x <= high])
        ordered = sorted(self.known)
        place = ordered.index(root)
        return self._end(ordered[place::-1], -math.inf), self._end(ordered[place:], math.inf)

    def _end(self, outward: list[float], nowhere: float) -> float:
        inside = outward[0]
        # Beyond a root among whole numbers, which misses the target, another may be as near to it.
        if not any(map(self._holds, outward[: 1 + self._integral])):
            return inside  # a jump across the target
        for x in outward[1:]:
            here, before = self.known[x], self.known[inside]
            if not self._holds(x):
                first, second = (before.low, here.low) if here.low > self.target else (before.high, here.high)
                if not math.isfinite(first + second) or first == second:
                    return x
                way = (x - inside) * (self.target - first) / (second - first)
                return inside + (math.trunc(way) if self._integral else way)
            inside = x
        return nowhere

    def _holds(self, x: float) -> bool:
        """Whether the statistic's own interval at a point holds the target."""
        return self.known[x].low <= self.target <= self.known[x].high

    def table(self) -> pa.Table:
        """Every point that was evaluated."""
        points = sorted(self.known)
        columns = {name: [getattr(self.known[x], name) for x in points]
                   for name in ("value", "standard_error", "low", "high")}  # fmt: skip
        schema = REVERSE_STRESS.arrow()
        arrays = {"point": points, **columns}
        return pa.Table.from_arrays(
            [
                pa.array(np.asarray(arrays[field.name], dtype=np.float64), from_pandas=True)
                for field in schema
            ],
            schema=schema,
        )
