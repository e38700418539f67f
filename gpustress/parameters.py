"""What scenarios can change of a system, how it is addressed, and whom to blame for a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from .errors import Problem, shown
from .loans import generated_flow_names
from .tables import integers, strings

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

BASE: Final = "base"  # the name of the system as it is
NEVER: Final = -1  # `fail_at` of an entity that no scenario makes fail

FACTOR_FIELDS: Final = ("shift", "value", "drift", "volatility", "mean", "reversion")
ENTITY_FIELDS: Final = ("cash", "credit_line", "hazard", "fail_at")
TIMED_FIELDS: Final = ("shift", "value", "scale")  # only these take start and end


@dataclass(frozen=True)
class Parameters:
    """What scenarios can change, for S scenarios, K factors, F flows (loan flows too), N entities, T periods.

    Attributes
    ----------
    names : tuple of str, length S
        Scenarios in the order in which the table first names them.
    effects : tuple of (str or None), length S
        The scenario's own effects; None: the run's.
    drift, volatility, mean, reversion : ndarray (S, K)
        As in the factors table; a null mean is `initial`; reversion is nan where the process has none.
    curves : ndarray (U, T)
        Every distinct curve over time that a scenario needs.
    shift, value_scale, value_add : ndarray (S, K) of int32
        Rows of `curves`: X = clip(link(y + shift)) * value_scale + value_add.
    scale : ndarray (S, F) of int32
        Row of `curves` that multiplies a flow.
    stress : ndarray (S,)
        s of `correlation.stress`: c becomes c + s (1 - c).
    cash, credit_line, hazard : ndarray (S, N)
    fail_at : ndarray (S, N) of int32
        Period of an imposed failure, or NEVER.
    """

    names: tuple[str, ...]
    effects: tuple[str | None, ...]
    drift: NDArray[np.float64]
    volatility: NDArray[np.float64]
    mean: NDArray[np.float64]
    reversion: NDArray[np.float64]
    curves: NDArray[np.float64]
    shift: NDArray[np.int32]
    value_scale: NDArray[np.int32]
    value_add: NDArray[np.int32]
    scale: NDArray[np.int32]
    stress: NDArray[np.float64]
    cash: NDArray[np.float64]
    credit_line: NDArray[np.float64]
    hazard: NDArray[np.float64]
    fail_at: NDArray[np.int32]


@dataclass(frozen=True)
class Address:
    """A scenario's `parameter`, taken apart: factor, flow, entity or correlation; a name or kind:KIND; a field."""

    subject: str
    name: str
    field: str


def parse_address(text: str) -> Address | None:
    """Take an address apart; None where it has not the form of one. Names may hold dots."""
    if text == "correlation.stress":
        return Address("correlation", "", "stress")
    subject, _, rest = text.partition(".")
    name, _, field_name = rest.rpartition(".")
    fields = {"factor": FACTOR_FIELDS, "flow": ("scale",), "entity": ENTITY_FIELDS}.get(subject, ())
    return Address(subject, name, field_name) if name and field_name in fields else None


class Flows:
    """Names, kinds and drivers of all flows: those of the flows table, then those that the loans give."""

    def __init__(self, tables: Mapping[str, pa.Table]):
        flows, loans = tables["flows"], tables["loans"]
        self.names: list[str] = list(strings(flows, "name"))  # type: ignore[arg-type]
        self.kinds: list[str] = list(strings(flows, "kind"))  # type: ignore[arg-type]
        self.own = len(self.names)
        for loan, draw in zip(strings(loans, "name"), integers(loans, "draw"), strict=True):
            generated = generated_flow_names(str(loan), draw >= 0)
            self.names += generated
            self.kinds += ("interest", "principal", "funding")[: len(generated)]
        self.index = {name: i for i, name in enumerate(self.names)}
        drivers = strings(flows, "driver")
        self.driver = np.full(len(self.names), -1, dtype=np.int32)
        for i, name in enumerate(drivers):
            if name is not None:
                self.driver[i] = self.index[name]

    def scalable(self, flow: int) -> bool:
        """What a scenario scales of a loan is its draw and its interest, never its principal."""
        return flow < self.own or self.kinds[flow] != "principal"

    def of_kind(self, kind: str) -> list[int]:
        """The flows that a row for a kind hits: not those whose driver, at any remove, it already hits."""
        candidates = {i for i, k in enumerate(self.kinds) if k == kind and self.scalable(i)}
        return [i for i in sorted(candidates) if not any(d in candidates for d in self.drivers_of(i))]

    def drivers_of(self, flow: int) -> Iterator[int]:
        """The flow's driver, that one's driver, and so on."""
        while (flow := int(self.driver[flow])) >= 0:
            yield flow

    def driver_first(self) -> list[int]:
        """All flows, each after its driver, otherwise in order."""
        depth = [sum(1 for _ in self.drivers_of(i)) for i in range(len(self.names))]
        return sorted(range(len(self.names)), key=lambda i: depth[i])


class Faults:
    """Problems found while scenarios are applied; each place is blamed once."""

    def __init__(self, problems: list[Problem]):
        self._problems = problems
        self._places: set[tuple[object, ...]] = set()

    def add(
        self, table: str, row: int | None, column: str | None, value: object, message: str, remedy: str
    ) -> None:
        """Note a problem, unless its place was blamed for the same already."""
        place = (table, row, column, message)
        if place not in self._places:
            self._places.add(place)
            self._problems.append(
                Problem(table, row, column, "" if value is None else shown(value), message, remedy)
            )

    @property
    def count(self) -> int:
        """How many problems there are."""
        return len(self._places)


class Touched:
    """Which row of the scenarios table last set a parameter of a scenario, so that a fault can name it."""

    def __init__(self) -> None:
        self.rows: list[dict[tuple[str, int], int]] = []

    def place(
        self, scenario: int, fields: tuple[str, ...], item: int, table: str, column: str
    ) -> tuple[str, int | None, str]:
        """Table, row and column to blame for the value of `fields` of `item`."""
        row = max((self.rows[scenario].get((name, item), -1) for name in fields), default=-1)
        return ("scenarios", row, "value") if row >= 0 else (table, item, column)
