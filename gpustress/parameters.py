"""The system's parameters under each scenario: every address applied, and every rule checked that has to hold then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from .errors import Problem, nearest, shown
from .loans import generated_flow_names
from .schema import KIND_PREFIX, RANK_OF_KIND
from .tables import floats, integers, strings

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .settings import Settings

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


@dataclass
class _State:
    """One scenario's values while its rows are applied."""

    scalars: dict[str, NDArray[np.float64]]
    timed: dict[tuple[str, int], NDArray[np.float64]] = field(default_factory=dict)
    touched: dict[tuple[str, int], int] = field(default_factory=dict)
    stress: float = 0.0
    effects: str | None = None


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


_DEFAULTS: Final = {"shift": 0.0, "value_scale": 1.0, "value_add": 0.0, "scale": 1.0}


def evaluate(
    settings: Settings, tables: Mapping[str, pa.Table], scenarios: pa.Table, problems: list[Problem]
) -> Parameters | None:
    """Apply a scenarios table to a system's tables.

    The tables have passed their own checks; what is wrong with the scenarios, or with the system under one of them,
    is added to `problems`, and None is returned then.

    Parameters
    ----------
    settings : Settings
    tables : mapping of str to pyarrow.Table
        Every input table, as its schema has it.
    scenarios : pyarrow.Table
        Rows of the scenarios schema; without rows the system as it is, named `base`.
    problems : list of Problem
        Grows by what was found.
    """
    from .bounds import check_bounds

    faults = Faults(problems)
    factors, entities = tables["factors"], tables["entities"]
    flows = Flows(tables)
    base = {name: floats(factors, name) for name in ("drift", "volatility", "mean", "reversion")}
    base["mean"] = np.where(np.isnan(base["mean"]), floats(factors, "initial"), base["mean"])
    base |= {name: floats(entities, name) for name in ("cash", "credit_line", "hazard")}
    base["fail_at"] = np.full(entities.num_rows, float(NEVER))
    index = {
        "factor": {str(name): i for i, name in enumerate(strings(factors, "name"))},
        "entity": {str(name): i for i, name in enumerate(strings(entities, "name"))},
        "flow": flows.index,
    }
    states: dict[str, _State] = {}
    apply = _Rows(settings.periods, flows, index, faults)
    columns = (strings(scenarios, "scenario"), strings(scenarios, "parameter"), strings(scenarios, "op"),
               strings(scenarios, "effects"))  # fmt: skip
    starts, ends, values = (
        integers(scenarios, "start"),
        integers(scenarios, "end"),
        floats(scenarios, "value"),
    )
    for row, (name, parameter, op, effects) in enumerate(zip(*columns, strict=True)):
        state = states.setdefault(str(name), _State({key: value.copy() for key, value in base.items()}))
        state.effects = effects or state.effects
        if parameter is not None:
            apply(state, row, parameter, str(op), float(values[row]), int(starts[row]), int(ends[row]))
    if not states:
        states[BASE] = _State(base)
    if faults.count:
        return None

    curves = _Curves(settings.periods)
    touched = Touched()
    touched.rows = [state.touched for state in states.values()]
    counts = {"shift": factors.num_rows, "value_scale": factors.num_rows, "value_add": factors.num_rows}
    counts["scale"] = len(flows.names)
    timed = {
        name: np.full((len(states), count), curves.constant(_DEFAULTS[name]), dtype=np.int32)
        for name, count in counts.items()
    }
    for scenario, state in enumerate(states.values()):
        for (name, item), curve in state.timed.items():
            timed[name][scenario, item] = curves.row(curve)
    stacked = {name: np.stack([state.scalars[name] for state in states.values()]) for name in base}
    parameters = Parameters(
        names=tuple(states),
        effects=tuple(state.effects for state in states.values()),
        curves=curves.table(),
        stress=np.array([state.stress for state in states.values()]),
        **timed,
        **{name: values for name, values in stacked.items() if name != "fail_at"},  # type: ignore[arg-type]
        fail_at=stacked["fail_at"].astype(np.int32),
    )
    check_bounds(settings, tables, parameters, flows, touched, faults)
    return None if faults.count else parameters


class _Curves:
    """Distinct curves over time, each kept once."""

    def __init__(self, periods: int):
        self._periods = periods
        self._rows: dict[bytes, int] = {}

    def row(self, curve: NDArray[np.float64]) -> int:
        return self._rows.setdefault((curve + 0.0).tobytes(), len(self._rows))  # + 0.0: one zero, not two

    def constant(self, value: float) -> int:
        return self.row(np.full(self._periods, value))

    def table(self) -> NDArray[np.float64]:
        return np.frombuffer(b"".join(self._rows), dtype=np.float64).reshape(len(self._rows), self._periods)


_OPERATE: Final[dict[str, Callable[[float, float], float]]] = {
    "set": lambda old, value: value,
    "scale": lambda old, value: old * value,
    "add": lambda old, value: old + value,
}


class _Rows:
    """Applies one row of the scenarios table to a scenario's state."""

    def __init__(self, periods: int, flows: Flows, index: dict[str, dict[str, int]], faults: Faults):
        self._periods = periods
        self._flows = flows
        self._index = index
        self._faults = faults
        self._of_kind = lru_cache(maxsize=None)(flows.of_kind)
        self._targets = lru_cache(maxsize=None)(self._find)

    def __call__(
        self, state: _State, row: int, parameter: str, op: str, value: float, start: int, end: int
    ) -> None:
        address, items, fault = self._targets(parameter)
        if fault:
            self._faults.add("scenarios", row, "parameter", parameter, *fault)
            return
        assert address is not None
        misuse = self._misused(address, op, value, start, end)
        if misuse:
            self._faults.add("scenarios", row, *misuse)
            return
        periods = slice(max(start, 0), self._periods if end < 0 else end + 1)
        for item in items:
            state.touched[address.field, item] = row
            if address.field == "stress":
                state.stress = _OPERATE[op](state.stress, value)
                if not 0.0 <= state.stress <= 1.0:
                    self._faults.add(
                        "scenarios",
                        row,
                        "value",
                        value,
                        f"makes the stress {state.stress:g}",
                        "A correlation stress lies between 0 (none) and 1 (all correlations 1).",
                    )
            elif address.field == "value":
                scale, add = self._curve(state, "value_scale", item), self._curve(state, "value_add", item)
                if op != "add":
                    scale[periods] = scale[periods] * value if op == "scale" else 0.0
                    add[periods] = add[periods] * value if op == "scale" else value
                else:
                    add[periods] += value
            elif address.field in TIMED_FIELDS:
                curve = self._curve(state, address.field, item)
                curve[periods] = _OPERATE[op](curve[periods], value)  # type: ignore[arg-type]
            else:
                field_values = state.scalars[address.field]
                field_values[item] = _OPERATE[op](float(field_values[item]), value)

    def _curve(self, state: _State, name: str, item: int) -> NDArray[np.float64]:
        return state.timed.setdefault((name, item), np.full(self._periods, _DEFAULTS[name]))

    def _find(self, parameter: str) -> tuple[Address | None, tuple[int, ...], tuple[str, str] | None]:
        """The items that an address names, or what is wrong with it and the remedy."""
        address = parse_address(parameter)
        if address is None:
            return None, (), ("is not an address", _address_remedy(parameter))
        if address.subject == "correlation":
            return address, (0,), None
        if address.subject == "flow" and address.name.startswith(KIND_PREFIX):
            kind = address.name.removeprefix(KIND_PREFIX)
            if kind not in RANK_OF_KIND:
                return None, (), (f"names no kind of flow: {shown(kind)}", nearest(kind, tuple(RANK_OF_KIND)))
            hit = tuple(self._of_kind(kind))
            return (
                address,
                hit,
                None
                if hit
                else (
                    "names a kind of which the system has no flow that can be scaled",
                    "Take the row out, or name a kind that the system has.",
                ),
            )
        known = self._index[address.subject]
        item = known.get(address.name)
        if item is None:
            return (
                None,
                (),
                (f"names no {address.subject}: {shown(address.name)}", nearest(address.name, tuple(known))),
            )
        if address.subject == "flow" and not self._flows.scalable(item):
            return (
                None,
                (),
                ("scales a loan's principal", "Scale its draw or its interest; principal is never scaled."),
            )
        return address, (item,), None

    def _misused(
        self, address: Address, op: str, value: float, start: int, end: int
    ) -> tuple[str, object, str, str] | None:
        """Column, value, message and remedy of a row whose operation does not fit its address."""
        if address.field not in TIMED_FIELDS and (start >= 0 or end >= 0):
            column, period = ("start", start) if start >= 0 else ("end", end)
            return column, period, f"`{address.field}` holds for the whole run", "Leave start and end empty."
        if address.field == "fail_at":
            if op != "set":
                return "op", op, "a date of failure can only be set", "Write op `set` and a period as value."
            if value != int(value) or not 0 <= value < self._periods:
                return (
                    "value",
                    value,
                    "is not a period",
                    f"Write a whole number from 0 to {self._periods - 1}.",
                )
        return None


def _address_remedy(parameter: str) -> str:
    forms = [f"factor.NAME.{name}" for name in FACTOR_FIELDS] + ["flow.NAME.scale", "flow.kind:KIND.scale"]
    forms += [f"entity.NAME.{name}" for name in ENTITY_FIELDS] + ["correlation.stress"]
    subject, last = parameter.partition(".")[0], parameter.rpartition(".")[2]
    return f"{nearest(f'{subject}.NAME.{last}', forms)} The forms are {', '.join(forms)}."
