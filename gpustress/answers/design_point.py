"""Reverse stress in the space of all shocks: the likeliest path of the factors on which something happens."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..arguments import is_number
from ..backends import AUTO
from ..dates import period_label, within
from ..errors import InputError, bad_argument
from ..job import check_effects
from .experiment import check_one_effect
from .factor_shocks import factor_table
from .plain_data import fields_as_json
from .ray_search import nearest_point
from .schema import DESIGN_POINT, DESIGN_POINT_FACTORS, DESIGN_POINT_RAY, DESIGN_POINT_STEPS
from .shock_space import ShockSpace
from .statistic import FAILURE, MEAN, QUANTILE, check_figure, read_statistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..result import Result
    from ..result_columns import ResultSchema
    from ..system import System
    from .statistic import Statistic

REACH: Final = 6.0  # standard deviations: beyond it a first-order probability is below 1 in a billion
BEYOND: Final = 2.0  # times the reach: how far the first rays go, for the nearest point may lie off them all
TOLD: Final = 0.01  # of the squared distance: a factor with less is not told in words
RAY: Final = 16  # radii up to the point at which the figure is told; a quarter more beyond it


@dataclass(frozen=True, eq=False, repr=False)
class LikeliestPoint:
    """The likeliest path of the factors on which something happens.

    Attributes
    ----------
    event : str
        What happens, in words.
    distance : float or None
        Of the path from the one without shocks, in standard deviations: the norm of all its shocks (Mahalanobis's
        distance). 0 where it happens without any shock; None where no path within `reach` was found.
    probability : float or None
        Normal probability beyond that distance: the event's, to first order; see the notes of `likeliest_point`. None
        with a distance of 0 or None.
    reach : float
        How far was searched.
    target : float or None
        None of failures.
    central, value : float, float or None
        The figure without shocks and at the point; of failures 0 or 1.
    period : int or None
        Of the failure; of a measure and a loss the last one.
    failed : tuple of (str, int)
        Who has failed on the path by the end of that period, and when, in the order of periods.
    path : pyarrow.Table
        factor, period, shock, central, value: what each factor does on the path.
    factors : pyarrow.Table
        factor, share, period, central, value, deviations: what each factor does to bring it about.
    factor_paths, scenarios : pyarrow.Table
        As `simulate` and `replay` take them: path 0 is without shocks, path 1 the point; the scenario in question, with
        all hazards 0.
    ray : pyarrow.Table
        distance, value, failures: the figure on the straight way to the point, and a quarter beyond.
    steps : pyarrow.Table
        start, step, distance: the way of the search.
    candidates : int
        Paths that were run.
    backend : str
    answer : str
        The same in words.
    """

    event: str
    distance: float | None
    probability: float | None
    reach: float
    target: float | None
    central: float
    value: float | None
    period: int | None
    failed: tuple[tuple[str, int], ...]
    path: pa.Table
    factors: pa.Table
    factor_paths: pa.Table
    scenarios: pa.Table
    ray: pa.Table
    steps: pa.Table
    candidates: int
    backend: str
    answer: str

    def __repr__(self) -> str:
        """Say the answer in words."""
        return f"<LikeliestPoint: {self.answer}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, and how it was come by."""
        from ..notebook import answer_html

        return answer_html("Likeliest point", [self.answer], self.factors)

    def as_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return fields_as_json({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})


def likeliest_point(
    system: System,
    *,
    target: float | None = None,
    measure: str | None = None,
    figure: str = "npv",
    positions: Any = None,
    entity: str | Sequence[str] | None = None,
    horizon: float | None = None,
    scenarios: Any = None,
    scenario: str | None = None,
    reach: float = REACH,
    effects: str = "full",
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> LikeliestPoint:
    """Find the likeliest path of the factors on which somebody fails, or a measure or a loss meets a target.

    Parameters
    ----------
    system : System
    target : float, optional
        Of a measure or a loss: what it should come to, from the side on which it is without shocks.
    measure, figure : str, optional
        A measure and its ``total``, ``npv``, ``trough`` or ``payback``. None: the losses of a book.
    positions : anything that speaks Arrow, optional
        The book; None for the system's own.
    entity : str or sequence of str, optional
        Whose failure, instead of a target: one name, several of which one is enough, or ``"any"``.
    horizon : float, optional
        Years, of losses and failures.
    scenarios, scenario
        The scenario in question, as of `reverse_stress`.
    reach : float
        Standard deviations: how far is searched.
    effects, backend, threads, devices, memory
        As of `simulate`, with one kind of effects.

    Returns
    -------
    LikeliestPoint

    Raises
    ------
    InputError
        An argument is not as it has to be, no factor moves, or amounts overflow within twice the reach.

    Notes
    -----
    A path of the factors is a point w of K x T independent standard normals, eps = C^(1/2) w, with 0 for the path
    without shocks; its density falls with its norm, sqrt(sum over periods of eps' C^-1 eps). So the nearest point at
    which something happens is the likeliest one: the design point, or most probable failure point, of reliability
    (Hasofer and Lind 1974), in stress testing the most plausible scenario (Breuer et al. 2009; Glasserman, Kang and
    Kang 2015). Jumps and the entities' own credit events do not happen on it.

    Rays in many directions, along which shocks stay the same for a part of the horizon, are followed to where the
    event first happens. From the nearest of them, the iteration of Rackwitz and Fiessler (1978) goes on in all K x T
    dimensions, with the boundary's normal from differences of radii. What it ends in is a local minimum; that no other
    is nearer is not proved.

    `probability` is 1 - Phi(distance), that of the half-space beyond the boundary's tangent plane. It is too low where
    the boundary bends towards 0 or there are several such points (any of many failures in any of many periods), too
    high where it bends away, and knows no jumps and no credit events: a figure to rank scenarios by. For the
    probability itself, `simulate`.

    References
    ----------
    Hasofer and Lind, "Exact and invariant second-moment code format", Journal of the Engineering Mechanics Division
    100 (1974). Rackwitz and Fiessler, "Structural reliability under combined random load sequences", Computers &
    Structures 9 (1978). Breuer, Jandacka, Rheinberger and Summer, "How to find plausible, severe, and useful stress
    scenarios", International Journal of Central Banking 5 (2009). Glasserman, Kang and Kang, "Stress scenario selection
    by empirical likelihood", Quantitative Finance 15 (2015).
    """
    check_one_effect(effects)
    check_effects(system, effects)
    of = _figure(system, target, measure, figure, positions, entity, horizon)
    _check_number("reach", reach, 1e-6)
    space = ShockSpace(system, scenarios, scenario, effects, backend, threads, devices, memory)
    search = _Search(space, of, target, float(reach))
    if search.central_holds:
        return search.answered(np.zeros(space.size), 0.0, ())
    found = nearest_point(search.holds, space.rays(), BEYOND * reach)
    return search.answered(found.point, found.distance, found.steps)


def _figure(
    system: System,
    target: float | None,
    measure: str | None,
    figure: str,
    positions: Any,
    entity: str | Sequence[str] | None,
    horizon: float | None,
) -> Statistic:
    """Whose values on single paths are asked for."""
    check_figure(figure)
    if entity is None:
        _check_number("target", target, -math.inf)
        statistic = QUANTILE if figure == "payback" else MEAN  # only what they are of is looked at
    else:
        statistic = FAILURE
        if target is not None:
            remedy = "Leave it out, or leave out `entity`."
            raise bad_argument("target", target, "does not go with a failure, which happens or not", remedy)
    return read_statistic(system, statistic=statistic, measure=measure, figure=figure, positions=positions,
                          entity=entity, level=0.5, horizon=horizon)  # fmt: skip


def _check_number(name: str, value: float | None, least: float) -> None:
    if value is None or not is_number(value) or value < least:
        known = "a finite number" if least < 0.0 else "a positive, finite number"
        remedy = (
            "Write e.g. 6.0."
            if least > 0.0
            else "Write e.g. 0.0, or name an `entity` whose failure is asked."
        )
        raise bad_argument(name, value, f"has to be {known}", remedy)


class _Search:
    """Where the figure crosses the target."""

    def __init__(self, space: ShockSpace, of: Statistic, target: float | None, reach: float):
        self._space, self._of, self._target, self._reach = space, of, target, reach
        first = space.run(np.zeros((1, space.size)))
        self._backend = first.backend
        self._candidates = 1
        self._central = float(of.of_paths(first, 0)[0])
        self._at = 0.5 if target is None else float(target)
        self._side = -1.0 if self._central < self._at else 1.0
        self.central_holds = self._met(np.array([self._central]))[0]
        self._nearest = (abs(self._central - self._at), self._central, 0.0)  # gap, value, distance

    def _met(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self._target is None:
            return values > 0.0
        return self._side * (values - self._at) <= 0.0

    def holds(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether the event happens at points (P, size)."""
        size = self._space.at_once
        values = np.concatenate([self._values(points[i : i + size]) for i in range(0, len(points), size)])
        gaps = np.where(np.linalg.norm(points, axis=1) <= self._reach, np.abs(values - self._at), math.inf)
        best = int(np.argmin(gaps))
        if gaps[best] < self._nearest[0]:
            self._nearest = (float(gaps[best]), float(values[best]), float(np.linalg.norm(points[best])))
        return self._met(values)

    def _values(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        self._candidates += len(points)
        try:
            return self._of.of_paths(self._space.run(points), 0)
        except InputError as error:  # of what the run without shocks was not refused for
            remedy = "Search less far, e.g. with reach=3.0."
            message = f"so far off {error.problems[0].message}"
            raise bad_argument("reach", self._reach, message, remedy) from error

    def answered(
        self, point: NDArray[np.float64] | None, distance: float, steps: Sequence[tuple[int, int, float]]
    ) -> LikeliestPoint:
        """The answer, with the nearest point at which the event was seen."""
        space, system = self._space, self._space.system
        found = point is not None and distance <= self._reach
        ends = np.stack(
            [np.zeros(space.size), point if found and point is not None else np.zeros(space.size)]
        )
        run = space.run(ends, [f"factor:{name}" for name in system.factor_names])
        value = float(self._of.of_paths(run, 0)[1])
        period = system.settings.periods - 1
        if self._target is None:
            period = int(run.failed_at[0, 1, list(self._of.entities)].min())
        order = np.argsort(run.failed_at[0, 1], kind="stable")
        failed = tuple(
            (run.entities[i], int(run.failed_at[0, 1, i])) for i in order if run.failed_at[0, 1, i] <= period
        )
        path, factors, ray = [], [], []
        if found:
            path, factors = self._path(ends[1], run), self._factors(ends[1], run, period)
            ray = self._ray(ends[1], distance)
        return LikeliestPoint(
            event=self._event(),
            distance=distance if found else None,
            probability=NormalDist().cdf(-distance) if found and distance > 0.0 else None,
            reach=self._reach,
            target=None if self._target is None else self._at,
            central=self._central,
            value=value if found else None,
            period=period if found else None,
            failed=failed if found else (),
            path=_table(DESIGN_POINT, path),
            factors=_table(DESIGN_POINT_FACTORS, factors),
            factor_paths=factor_table(system.factor_names, space.factor_values(ends if found else ends[:1])),
            scenarios=space.scenarios,
            ray=_table(DESIGN_POINT_RAY, ray),
            steps=_table(DESIGN_POINT_STEPS, steps),
            candidates=self._candidates,
            backend=self._backend,
            answer=self._found(distance, period, failed, factors) if found else self._not_found(distance),
        )

    def _path(self, point: NDArray[np.float64], run: Result) -> list[tuple[Any, ...]]:
        shocks = self._space.shocks(point[None])[:, :, 0]
        return [
            (name, t, shocks[k, t], *run.series[f"factor:{name}"][0, :, t])
            for k, name in enumerate(self._space.system.factor_names)
            for t in range(run.periods)
        ]

    def _factors(self, point: NDArray[np.float64], run: Result, last: int) -> list[tuple[Any, ...]]:
        squares = np.square(self._space.shocks(point[None])[:, :, 0]).sum(axis=1)
        shares = squares / squares.sum() if squares.any() else np.full(len(squares), np.nan)
        moves = self._space.deviations(point)[:, : last + 1]
        rows = []
        for k, name in enumerate(self._space.system.factor_names):
            farthest = int(np.abs(moves[k]).argmax())
            values = run.series[f"factor:{name}"][0, :, farthest]
            rows.append((name, shares[k], farthest, *values, moves[k, farthest]))
        return rows

    def _ray(self, point: NDArray[np.float64], distance: float) -> list[tuple[Any, ...]]:
        radii = np.arange(RAY + RAY // 4 + 1) / RAY
        run = self._space.run(radii[:, None] * point)
        failures = (run.failed_at[0] < run.periods).sum(axis=1)
        return list(zip(radii * distance, self._of.of_paths(run, 0), failures, strict=True))

    def _event(self) -> str:
        if self._target is None:
            names = [self._space.system.entity_names[i] for i in self._of.entities]
            everybody = len(names) == len(self._space.system.entity_names) > 1
            text = f"{'somebody' if everybody else ' or '.join(names)} fails"
        else:
            what = f"{self._of.measure}'s {self._of.figure}" if self._of.measure else "the book's losses"
            verb = "fall" if self._side > 0.0 else "rise"
            text = f"{what} {verb}{'s' if self._of.measure else ''} to {self._at:.6g}"
        return text + within(self._of.horizon)

    def _found(
        self, distance: float, period: int, failed: Sequence[tuple[str, int]], factors: list[tuple[Any, ...]]
    ) -> str:
        if distance == 0.0:
            return f"Without any shock {self._event()}."
        text = (
            f"At {distance:.3g} standard deviations from the path without shocks, first-order probability "
            f"{NormalDist().cdf(-distance):.2g}, {self._event()}"
        )
        settings = self._space.system.settings
        if self._target is None:
            text += f", in {period_label(settings, period)}"
            asked = [self._space.system.entity_names[i] for i in self._of.entities]
            if len(asked) > 1:
                text += f" ({' and '.join(name for name, t in failed if t == period and name in asked)})"
        before = [f"{name} fails in {period_label(settings, t)}" for name, t in failed if t < period]
        text += f", after {', '.join(before)}" if before and self._target is None else ""
        parts = [
            f"{name} with {100 * share:.0f} % of the squared distance, at the farthest {value:.4g} instead of "
            f"{central:.4g} in {period_label(settings, t)} ({moves:+.2f} standard deviations)"
            for name, share, t, central, value, moves in sorted(factors, key=lambda row: -row[1])
            if share >= TOLD
        ]
        return f"{text}. It takes {'; '.join(parts)}."

    def _not_found(self, distance: float) -> str:
        text = (
            f"No path was found within {self._reach:g} standard deviations on which {self._event()}; "
            f"{self._candidates:,} were run."
        )
        if self._target is not None:
            _, value, radius = self._nearest
            text += (
                f" Without shocks it is {self._central:.6g}; the nearest seen is {value:.6g}, at {radius:.3g} standard "
                "deviations."
            )
        if math.isfinite(distance):
            text += f" Farther off there is one, at {distance:.3g}."
        return text


def _table(schema: ResultSchema, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema.columns)
    fields = schema.arrow()
    arrays = [pa.array([value.item() if isinstance(value, np.generic) else value for value in column], field.type,
                       from_pandas=True) for field, column in zip(fields, columns, strict=True)]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=fields)
