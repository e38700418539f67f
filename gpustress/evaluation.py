"""Scenarios applied: every address of a scenarios table resolved, and the parameters that come out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from .bounds import check_bounds
from .errors import Problem, nearest, shown
from .parameters import (
    BASE,
    ENTITY_FIELDS,
    FACTOR_FIELDS,
    NEVER,
    TIMED_FIELDS,
    Address,
    Faults,
    Flows,
    Parameters,
    Touched,
    parse_address,
)
from .schema import KIND_PREFIX, RANK_OF_KIND
from .tables import floats, integers, strings

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .settings import Settings

_DEFAULTS: Final = {"shift": 0.0, "value_scale": 1.0, "value_add": 0.0, "scale": 1.0}


@dataclass
class _State:
    """One scenario's values while its rows are applied."""

    scalars: dict[str, NDArray[np.float64]]
    timed: dict[tuple[str, int], NDArray[np.float64]] = field(default_factory=dict)
    touched: dict[tuple[str, int], int] = field(default_factory=dict)
    stress: float = 0.0
    effects: str | None = None


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
