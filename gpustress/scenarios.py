"""Scenarios: named changes to a system's parameters, from a table or made as grids and samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa

from .arguments import is_name, is_number, one_of
from .check import check_scenarios
from .errors import InputError, Problem, bad_argument, shown
from .parameters import BASE
from .result_schema import RESULT_SCHEMAS
from .schema import OPERATIONS
from .tables import conform

if TYPE_CHECKING:
    from numpy.typing import NDArray

Operation = Literal["set", "scale", "add"]

MOST: Final = 1_000_000  # scenarios of a grid or a sample
_TAKEN: Final = {  # columns of results beside which coordinates are put
    column.name for schema in RESULT_SCHEMAS.values() if schema.coordinates for column in schema.columns
} - {"scenario"}
_SIGNS: Final = {"set": "=", "scale": "*=", "add": "+="}
_ADDRESS_REMEDY: Final = 'Name what is changed, e.g. "factor.ai_demand.shift" or "flow.kind:capex.scale".'


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Scenarios:
    """Scenarios to simulate; immutable.

    Parameters
    ----------
    table : anything that speaks Arrow
        Rows of the input table ``scenarios``: scenario, parameter, start, end, op, value, effects, source.
    coordinates : anything that speaks Arrow, optional
        ``scenario`` and a column of numbers for each address: where each scenario lies. The tables of a
        result carry them as columns. Grids and samples have them by themselves.

    Attributes
    ----------
    table : pyarrow.Table
        With every column of the schema.
    names : tuple of str
        In the order in which the table first names them, which is the order of the result.
    coordinates : pyarrow.Table or None
        One row for each of `names`; null where a scenario leaves the address as it is.

    Raises
    ------
    InputError
        With every problem that the tables show by themselves. What an address names is checked against the
        system, when the scenarios are run.
    """

    table: pa.Table
    names: tuple[str, ...]
    coordinates: pa.Table | None

    def __init__(self, table: Any, *, coordinates: Any = None):
        problems: list[Problem] = []
        conformed = conform("scenarios", table, problems)
        if conformed is not None:
            check_scenarios(conformed, problems)
        if problems or conformed is None:
            raise InputError(problems)
        names = tuple(dict.fromkeys(conformed["scenario"].to_pylist()))
        placed = None if coordinates is None else _conform_coordinates(coordinates, names)
        for name, value in (("table", conformed), ("names", names), ("coordinates", placed)):
            object.__setattr__(self, name, value)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the table, so that a system takes scenarios as it takes any table."""
        return self.table.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        """Return the number of scenarios."""
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        """Two are equal if their tables and coordinates are."""
        if not isinstance(other, Scenarios):
            return NotImplemented
        if (self.coordinates is None) != (other.coordinates is None) or not self.table.equals(other.table):
            return False
        return self.coordinates is None or bool(self.coordinates.equals(other.coordinates))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Name the first few."""
        listed = ", ".join(repr(name) for name in self.names[:3])
        return f"<Scenarios: {len(self)}: {listed}{', ...' if len(self) > 3 else ''}>"

    @classmethod
    def grid(cls, axes: Mapping[str, Sequence[float]], *, op: Operation = "set") -> Scenarios:
        """Every combination of the values of some parameters; the last axis varies fastest.

        Parameters
        ----------
        axes : mapping of str to sequence of float
            Values by address, e.g. ``{"factor.ai_demand.shift": [-0.5, 0.0], "flow.kind:capex.scale": [0.7,
            1.0]}``.
        op : {"set", "scale", "add"}
            What is done with the values. A shift begins as 0 and a scale as 1, so ``set`` is what these
            mostly want.

        Raises
        ------
        InputError
            No axis, an axis without values, a value that is not finite or comes twice.
        """
        points = _checked_axes(axes)
        _check_operation(op)
        if (count := math.prod(map(len, points.values()))) > MOST:
            raise bad_argument("axes", count, "are too many scenarios", f"Combine at most {MOST:,} points.")
        changes = [dict(zip(points, values, strict=True)) for values in product(*points.values())]
        return _from_changes([_named(change, op) for change in changes], changes, tuple(points), op)

    @classmethod
    def one_at_a_time(cls, axes: Mapping[str, Sequence[float]], *, op: Operation = "set") -> Scenarios:
        """The system as it is, named ``base``, then each value of each parameter by itself.

        Parameters and errors are those of `grid`.
        """
        points = _checked_axes(axes)
        _check_operation(op)
        changes: list[dict[str, float]] = [{}]
        changes += [{address: value} for address, values in points.items() for value in values]
        names = [BASE, *(_named(change, op) for change in changes[1:])]
        return _from_changes(names, changes, tuple(points), op)

    @classmethod
    def latin_hypercube(
        cls, bounds: Mapping[str, tuple[float, float]], count: int, *, seed: int = 0, op: Operation = "set"
    ) -> Scenarios:
        """A Latin hypercube: each parameter takes one value in each of `count` equal parts of its range.

        Parameters
        ----------
        bounds : mapping of str to (float, float)
            Least and greatest value by address.
        count : int
            How many scenarios.
        seed : int
            The same seed gives the same sample (with the same version of scipy).
        op : {"set", "scale", "add"}
            What is done with the values.

        Raises
        ------
        InputError
            No parameter, bounds that are not finite or not in order, a count or seed out of range.

        Notes
        -----
        McKay, Beckman and Conover, Technometrics 21 (1979); made by `scipy.stats.qmc`.
        """
        from scipy.stats import qmc

        low, high = _checked_sample(bounds, count, seed, op)
        unit = qmc.LatinHypercube(d=len(low), rng=np.random.default_rng(seed)).random(count)
        return _from_sample(tuple(bounds), low + unit * (high - low), op)

    @classmethod
    def sobol(
        cls, bounds: Mapping[str, tuple[float, float]], count: int, *, seed: int = 0, op: Operation = "set"
    ) -> Scenarios:
        """The first `count` points of a scrambled Sobol sequence; powers of two fill the space most evenly.

        Parameters and errors are those of `latin_hypercube`.

        Notes
        -----
        Sobol (1967), directions of Joe and Kuo (2008), scrambled after Owen; made by `scipy.stats.qmc`.
        """
        from scipy.stats import qmc

        low, high = _checked_sample(bounds, count, seed, op)
        if len(low) > qmc.Sobol.MAXDIM:
            raise bad_argument(
                "bounds",
                len(low),
                "are more parameters than a Sobol sequence has dimensions",
                f"Give at most {qmc.Sobol.MAXDIM}, or take a Latin hypercube.",
            )
        sequence = qmc.Sobol(d=len(low), rng=np.random.default_rng(seed))
        unit = sequence.random_base2(max(0, math.ceil(math.log2(count))))[:count]
        return _from_sample(tuple(bounds), low + unit * (high - low), op)


def _checked_axes(axes: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The values of each axis as floats."""
    if not isinstance(axes, Mapping) or not axes:
        raise bad_argument("axes", axes, "has to map addresses to values", _ADDRESS_REMEDY)
    problems: list[Problem] = []
    points: dict[str, list[float]] = {}
    for address, values in axes.items():
        listed = list(values) if isinstance(values, Iterable) and not isinstance(values, str) else []
        numbers = [number for value in listed if (number := _finite(value)) is not None]
        if not is_name(address):
            problems.append(Problem("axes", None, None, shown(address), "is not an address", _ADDRESS_REMEDY))
        elif not numbers or len(numbers) < len(listed):
            bad = next((value for value in listed if _finite(value) is None), values)
            problems.append(
                Problem(
                    "axes",
                    None,
                    address,
                    shown(bad),
                    "has to hold finite numbers, one or more",
                    "Write a list of numbers, e.g. [-0.5, 0.0].",
                )
            )
        elif len(set(numbers)) < len(numbers):
            twice = next(value for value in numbers if numbers.count(value) > 1)
            problems.append(
                Problem("axes", None, address, shown(twice), "comes twice", "List every value once.")
            )
        else:
            points[address] = numbers
    if problems:
        raise InputError(problems)
    return points


def _checked_sample(
    bounds: Mapping[str, tuple[float, float]], count: int, seed: int, op: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest value of each parameter."""
    _check_operation(op)
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise bad_argument(
            "count", count, "has to be a whole number of at least 1", "Say how many scenarios to make."
        )
    if count > MOST:
        raise bad_argument("count", count, "are too many scenarios", f"Make at most {MOST:,}.")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise bad_argument(
            "seed", seed, "has to be a whole number of at least 0", "Write a number such as 7."
        )
    if not isinstance(bounds, Mapping) or not bounds:
        raise bad_argument("bounds", bounds, "has to map addresses to pairs of bounds", _ADDRESS_REMEDY)
    problems: list[Problem] = []
    pairs: list[tuple[float, float]] = []
    for address, pair in bounds.items():
        numbers = [_finite(value) for value in pair] if isinstance(pair, (tuple, list, np.ndarray)) else []
        if not is_name(address):
            problems.append(
                Problem("bounds", None, None, shown(address), "is not an address", _ADDRESS_REMEDY)
            )
        elif (
            len(numbers) != 2
            or numbers[0] is None
            or numbers[1] is None
            or not 0.0 < numbers[1] - numbers[0] < math.inf
        ):
            problems.append(
                Problem(
                    "bounds",
                    None,
                    address,
                    shown(pair),
                    "has to be two finite numbers in order",
                    "Write the least and the greatest value, e.g. (-0.5, 0.5).",
                )
            )
        else:
            pairs.append((numbers[0], numbers[1]))
    if problems:
        raise InputError(problems)
    low, high = np.array(pairs).T
    return low, high


def _check_operation(op: str) -> None:
    if not one_of(op, OPERATIONS):
        raise bad_argument("op", op, "is not an operation", "Write one of " + ", ".join(OPERATIONS) + ".")


def check_addresses(argument: str, addresses: Iterable[object], remedy: str) -> list[str]:
    """Texts that can be addresses, each there once.

    Raises
    ------
    InputError
        With every one that can't be, or is there twice.
    """
    problems, found = [], list[str]()
    for address in addresses:
        if not is_name(address):
            problems.append(Problem(argument, None, None, shown(address), "is not an address", remedy))
        elif address in found:
            problems.append(
                Problem(argument, None, None, shown(address), "stands there twice", "Name it once.")
            )
        else:
            found.append(address)
    if problems:
        raise InputError(problems)
    return found


def _finite(value: Any) -> float | None:
    """`value` as a float, or None where it is not a finite number."""
    return float(value) + 0.0 if is_number(value) else None  # one zero, not two


def _from_sample(addresses: tuple[str, ...], values: NDArray[np.float64], op: str) -> Scenarios:
    width = len(str(len(values) - 1))
    changes = [dict(zip(addresses, map(float, row), strict=True)) for row in values]
    names = [f"sample {i:0{width}d}: {_named(change, op, '.6g')}" for i, change in enumerate(changes)]
    return _from_changes(names, changes, addresses, op)


def _from_changes(
    names: list[str], changes: list[dict[str, float]], addresses: tuple[str, ...], op: str
) -> Scenarios:
    rows = [
        {"scenario": name, "parameter": address, "op": op if address else None, "value": value}
        for name, change in zip(names, changes, strict=True)
        for address, value in (change.items() or ((None, None),))
    ]
    types = {"scenario": pa.string(), "parameter": pa.string(), "op": pa.string(), "value": pa.float64()}
    table = pa.Table.from_pylist(rows, schema=pa.schema(types.items()))
    where = {
        address: pa.array([change.get(address) for change in changes], pa.float64()) for address in addresses
    }
    return Scenarios(table, coordinates=pa.table({"scenario": pa.array(names, pa.string()), **where}))


def _named(change: Mapping[str, float], op: str, form: str = "") -> str:
    """What a scenario changes, e.g. ``factor.ai_demand.shift=-0.5, flow.kind:capex.scale=0.7``."""
    return ", ".join(
        f"{address}{_SIGNS[op]}{format(value, form) if form else repr(value).removesuffix('.0')}"
        for address, value in change.items()
    )


def _conform_coordinates(data: Any, names: tuple[str, ...]) -> pa.Table:
    """Coordinates as a table of names and float64 columns, a row for each of `names`, in their order."""
    try:
        table = pa.table(data)
        columns = {
            name: table[name].cast(pa.string() if name == "scenario" else pa.float64()).combine_chunks()
            for name in table.column_names
        }
        found = columns["scenario"].to_pylist()
    except (TypeError, ValueError, OverflowError, KeyError, pa.ArrowException) as fault:
        raise bad_argument(
            "coordinates",
            data,
            f"is no table of coordinates ({fault})",
            "Give a column `scenario` and a column of numbers for each address.",
        ) from fault
    if len(columns) < table.num_columns or tuple(found) != names:
        raise bad_argument(
            "coordinates",
            found,
            "does not hold each scenario once, in the table's order",
            "Give one row for each scenario, and each column once.",
        )
    if taken := sorted(_TAKEN & columns.keys()):
        raise bad_argument(
            "coordinates", taken[0], "is the name of a column of results", "Give that column another name."
        )
    return pa.table({"scenario": columns.pop("scenario"), **columns})
