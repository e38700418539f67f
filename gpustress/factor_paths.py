"""Factor paths of one's own: a table that stands in for the factors' processes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError, Problem, shown
from .schema import Column, Schema
from .tables import conform, floats, integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .program import Program
    from .system import System

TABLE = "factors="
PATH, PERIOD = "path", "period"
LARGEST = 1e100  # of a value
LOG_POWER = 200.0  # of a power: 1e86


@dataclass(frozen=True)
class FactorPaths:
    """Values of some factors on paths 0 to P - 1.

    Attributes
    ----------
    values : dict of int to ndarray (P, T)
        By factor; they stand in for link(y).
    digest : str
        32 hex digits; "" where no factor is given.
    """

    values: dict[int, NDArray[np.float64]]
    digest: str

    @property
    def paths(self) -> int | None:
        """How many paths the table holds; None without a table."""
        return next((len(values) for values in self.values.values()), None)

    def of(self, first_path: int, paths: int) -> dict[int, NDArray[np.float64]]:
        """The values of a range of paths."""
        return {k: values[first_path : first_path + paths] for k, values in self.values.items()}


NONE = FactorPaths({}, "")


def read_factor_paths(system: System, data: Any) -> FactorPaths:
    """Take a table of path, period and a column for each factor given.

    Parameters
    ----------
    system : System
    data : anything that speaks Arrow, or None
        Paths are numbered from 0 without gaps; each has every period once.

    Raises
    ------
    InputError
        A column is missing or unknown, or a value is null or not finite, or a (path, period) is missing or twice there.
    """
    if data is None:
        return NONE
    problems: list[Problem] = []
    names, periods = system.factor_names, system.settings.periods
    for name in {PATH, PERIOD}.intersection(names):
        remedy = "Rename the factor: a table of factor paths has a column of that name already."
        raise InputError(
            [Problem("factors", names.index(name), "name", shown(name), "can't be given", remedy)]
        )
    table = conform(_schema(names, periods), data, problems)
    if table is None or problems:
        raise InputError(problems)
    given = [name for name in names if table[name].null_count < table.num_rows]
    if not given:
        problems.append(
            Problem(TABLE, None, None, "", "gives no factor", "Add a column with a factor's name.")
        )
    for name in given:
        empty = np.flatnonzero(np.isnan(floats(table, name)))
        if len(empty):
            remedy = "Give the factor a number in every period of every path, or leave its column out."
            problems.append(
                Problem(TABLE, int(empty[0]), name, "", f"{len(empty)} values are missing", remedy)
            )
    order = _places(integers(table, PATH), integers(table, PERIOD), periods, problems)
    if problems:
        raise InputError(problems)
    values = {names.index(name): floats(table, name)[order].reshape(-1, periods) for name in given}
    hasher = hashlib.blake2b(digest_size=16)
    for k in sorted(values):
        hasher.update(f"{names[k]}:{values[k].shape};".encode())
        hasher.update(values[k].astype("<f8", copy=False).tobytes())
    return FactorPaths({k: values[k] for k in sorted(values)}, hasher.hexdigest())


def _schema(factors: tuple[str, ...], periods: int) -> Schema:
    """The table's columns: a path, a period, and any of the factors."""
    path = Column(PATH, "integer", "number of the path, from 0 without gaps", minimum=0)
    period = Column(PERIOD, "integer", "period", minimum=0, maximum=periods - 1)
    values = (Column(name, "float", "value of the factor", None) for name in factors)
    return Schema(TABLE, "Factor paths of one's own.", (path, period, *values), key=(PATH, PERIOD))


def _places(
    path: NDArray[np.int64], period: NDArray[np.int64], periods: int, problems: list[Problem]
) -> NDArray[np.intp]:
    """The rows in the order of path and period; every pair has to be there once."""
    order = np.lexsort((period, path))
    place = (path * periods + period)[order]
    expected = np.arange(-(-len(order) // periods) * periods)
    wrong = np.flatnonzero(place != expected[: len(place)])
    first = int(wrong[0]) if len(wrong) else len(place)
    if len(order) == 0 or first < len(expected):
        twice = 0 < first < len(place) and place[first] == place[first - 1]
        at = first - 1 if twice else first
        fault = (
            f"path {at // periods}, period {at % periods} {'stands there twice' if twice else 'is missing'}"
        )
        remedy = f"Number paths from 0 without gaps, and give each of them periods 0 to {periods - 1} once."
        problems.append(Problem(TABLE, int(order[first]) if twice else None, PATH, "", fault, remedy))
    return order


def check_factor_paths(system: System, program: Program, given: FactorPaths) -> None:
    """Refuse values that make powers of zero or of negative numbers, or numbers too large to compute with.

    Raises
    ------
    InputError
        Under some scenario a factor that a sensitivity names is not positive, after clip and `value`; or the
        factor, or a sensitivity's power of it, is beyond what amounts can be multiplied with.
    """
    problems = []
    for k, values in given.values.items():
        ends = np.clip(np.stack([values.min(axis=0), values.max(axis=0)]), program.floor[k], program.cap[k])
        scale, add = program.curves[program.value_scale[:, k]], program.curves[program.value_add[:, k]]
        observed = ends[:, None, :] * scale + add  # (2, S, T)
        low, high = float(observed.min()), float(observed.max())
        name = system.factor_names[k]
        elasticity = np.abs(program.sensitivity_elasticity[program.sensitivity_factor == k])
        if len(elasticity) and low <= 0.0:
            fault = "a factor that a sensitivity names has to stay positive"
            problems.append(
                Problem(TABLE, None, name, shown(low), fault, "Give positive values, or a floor above 0.")
            )
            continue
        power = 0.0
        if len(elasticity):
            power = float(elasticity.max() * np.abs(np.log(np.array([low, high]) / program.initial[k])).max())
        if power > LOG_POWER or max(abs(low), abs(high)) > LARGEST:
            worst = high if abs(high) >= 1.0 else low
            fault = "the factor, or a sensitivity's power of it, makes amounts overflow"
            problems.append(
                Problem(TABLE, None, name, shown(worst), fault, "Give values nearer to `initial`.")
            )
    if problems:
        raise InputError(problems)
