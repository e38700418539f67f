"""Many changes of one scenario on the same draws, and the statistic under each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..arguments import one_of
from ..errors import InputError, Problem, bad_argument, nearest
from ..evaluation import evaluate
from ..job import check_paths, check_system, make_scenarios, prepare
from ..memory import budget
from ..parameters import NEVER, Address, Flows, Parameters, parse_address
from ..scenarios import Scenarios
from ..schema import EFFECTS, KIND_PREFIX
from ..simulation import result_bytes, simulate
from ..tables import floats

if TYPE_CHECKING:
    from ..result import Result
    from ..system import System
    from .statistic import Estimate, Statistic

_ROW: Final = pa.schema(
    [("scenario", pa.string()), ("parameter", pa.string()), ("start", pa.int64()), ("end", pa.int64()),
     ("op", pa.string()), ("value", pa.float64())]
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One row of a scenario: an address, what is done with it, and in which periods.

    Attributes
    ----------
    parameter, op : str
    value : float
    start, end : int or None
    """

    parameter: str
    op: str
    value: float
    start: int | None = None
    end: int | None = None


COLUMNS: Final = tuple(field.name for field in dataclasses.fields(Change))  # of the table of scenarios


@dataclass(frozen=True)
class RunOptions:
    """How a run is made; the arguments of `simulate`.

    Attributes
    ----------
    paths, seed, effects, backend, threads, devices, memory, factors
        As of `simulate`, but one kind of effects.
    """

    paths: int | None
    seed: int
    effects: str
    backend: str
    threads: int | None
    devices: Sequence[int] | None
    memory: str | int | None
    factors: Any


class Experiment:
    """A scenario, changed in many ways; every change sees the same draws.

    Parameters
    ----------
    system : System
    scenarios : Scenarios, anything that speaks Arrow, or None
        Where `scenario` stands; None: the system's own.
    scenario : str or None
        What is changed; None: the only one of `scenarios`, or without these the system as it is.
    statistic : Statistic
    options : RunOptions
    confidence : float
        Of the estimates' intervals.

    Attributes
    ----------
    system : System
    options : RunOptions
        As given.
    program : Program
        The scenario without any change.
    given_factors : frozenset of int
        Places of the factors whose paths `options.factors` gives.
    paths : int
        How many there are.
    backend : str
        Name of the backend; "" before anything was run.
    """

    def __init__(
        self,
        system: System,
        scenarios: Any,
        scenario: str | None,
        statistic: Statistic,
        options: RunOptions,
        confidence: float,
    ):
        check_one_effect(options.effects)
        self.system = system
        self.options = options
        self._statistic = statistic
        self._confidence = confidence
        self._base = scenario_rows(system, scenarios, scenario)
        job = prepare(system, self._table([()]), options.effects, options.factors)
        self.program = job.program
        self.given_factors = frozenset(job.factors.values)
        self.paths = check_paths(options.paths, job.factors)
        self.backend = ""
        self._bytes = result_bytes(self.program, self.paths, 0)

    def check(self, changes: Sequence[Sequence[Change]], arguments: Mapping[str, str]) -> None:
        """Compile the scenario under each of some changes.

        Parameters
        ----------
        changes : sequence of sequence of Change
        arguments : mapping of str to str
            What is blamed for what can't be: an argument for each of COLUMNS.

        Raises
        ------
        InputError
        """
        try:
            prepare(self.system, self._table(changes), self.options.effects, None)
        except InputError as error:
            own = len(self._base)
            blamed = dict.fromkeys(
                dataclasses.replace(
                    problem, table=arguments[problem.column or "value"], row=None, column=None
                )
                if problem.table == "scenarios" and problem.row is not None and problem.row >= own
                else problem
                for problem in error.problems
            )
            raise InputError(blamed) from error

    def estimates(self, changes: Sequence[Sequence[Change]]) -> list[Estimate]:
        """The statistic under each change: one run, or several where one would not fit into the memory."""
        size = max(1, budget(self.options.memory) // 2 // max(1, self._bytes))
        found: list[Estimate] = []
        for first in range(0, len(changes), size):
            part = changes[first : first + size]
            run = simulate(self.system, self._table(part), **self._arguments())
            self.backend = run.backend
            found += [self._statistic.estimate(run, row, self._confidence) for row in range(len(part))]
        return found

    def run(self, record: Sequence[str]) -> Result:
        """The scenario without any change, with time series kept."""
        run = simulate(self.system, self._table([()]), record=record, **self._arguments())
        self.backend = run.backend
        return run

    def current(self, change: Change) -> float | None:
        """The value that a change with `set` would replace; None where it is not one number.

        Of `factor.NAME.value` it is the factor's initial value, where no scenario has set it.
        """
        problems: list[Problem] = []
        table = Scenarios(self._table([()])).table
        parameters = evaluate(self.system.settings, self.system.tables, table, problems)
        address = parse_address(change.parameter)
        if parameters is None or address is None:
            raise InputError(problems)
        periods = slice(
            change.start or 0, self.system.settings.periods if change.end is None else change.end + 1
        )
        return _current(self.system, parameters, address, periods)

    def _arguments(self) -> dict[str, Any]:
        return {field.name: getattr(self.options, field.name) for field in dataclasses.fields(self.options)}

    def _table(self, changes: Sequence[Sequence[Change]]) -> pa.Table:
        """A scenario for each of `changes`, the base's own rows first."""
        rows: list[dict[str, object]] = []
        for number, moved in enumerate(changes):
            own = [*self._base, *map(dataclasses.asdict, moved)]
            rows += [{**row, "scenario": f"change {number}"} for row in own or [{}]]
        return pa.Table.from_pylist(rows, schema=_ROW)


def check_one_effect(effects: str) -> None:
    """Refuse what is not one kind of effects.

    Raises
    ------
    InputError
    """
    if not one_of(effects, EFFECTS):
        raise bad_argument("effects", effects, "is no kind of effects", nearest(str(effects), EFFECTS))


def scenario_rows(system: System, scenarios: Any, scenario: str | None) -> list[dict[str, Any]]:
    """The rows of one scenario, without its name and effects; none for the system as it is.

    Without a name it is the system as it is, or the only one of the `scenarios` that are given.

    Raises
    ------
    InputError
        There is no such scenario, or several are given and none is named.
    """
    check_system(system)
    if scenarios is None and scenario is None:
        return []
    known = make_scenarios(system, scenarios)
    if scenario is None:
        if len(known) > 1:
            message = f"does not say which of {len(known)} that `scenarios` has"
            raise bad_argument("scenario", scenario, message, nearest("", known.names))
        scenario = known.names[0] if known.names else ""
    elif not one_of(scenario, known.names):
        raise bad_argument("scenario", scenario, "is no scenario", nearest(str(scenario), known.names))
    return [
        {name: row[name] for name in ("parameter", "start", "end", "op", "value")}
        for row in known.table.to_pylist()
        if row["scenario"] == scenario and row["parameter"] is not None
    ]


def _current(system: System, parameters: Parameters, address: Address, periods: slice) -> float | None:
    if address.subject == "correlation":
        return float(parameters.stress[0])
    if address.subject == "entity":
        item = system.entity_names.index(address.name)
        value = float(getattr(parameters, address.field)[0, item])
        return None if address.field == "fail_at" and value == NEVER else value
    curves = parameters.curves
    if address.subject == "flow":
        flows = Flows(system.tables)
        kind = address.name.removeprefix(KIND_PREFIX)
        items = flows.of_kind(kind) if kind != address.name else [flows.index[address.name]]
        return _only(curves[parameters.scale[0, items]][:, periods])
    item = system.factor_names.index(address.name)
    if address.field == "shift":
        return _only(curves[parameters.shift[0, item]][periods])
    if address.field == "value":
        scale = _only(curves[parameters.value_scale[0, item]][periods])
        add = _only(curves[parameters.value_add[0, item]][periods])
        if scale is None or add is None:
            return None
        return scale * float(floats(system.factors, "initial")[item]) + add
    value = float(getattr(parameters, address.field)[0, item])
    return None if np.isnan(value) else value


def _only(values: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    distinct = np.unique(values)
    return float(distinct[0]) if len(distinct) == 1 else None
