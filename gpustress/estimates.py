"""Tables of estimates, made from counts and figures of paths: the same for a result in memory and for a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pyarrow as pa

from .arguments import one_of
from .errors import bad_argument, nearest
from .result_schema import RESULT_SCHEMAS
from .sampling import binomial_error, difference_error
from .schema import CAUSES, EFFECTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .system import System

FIGURES: Final = ("total", "npv", "trough", "payback")
QUANTILES: Final = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
ANY_CAUSE: Final = "any"


@dataclass(frozen=True)
class ScenarioRun:
    """One scenario under one set of effects.

    Attributes
    ----------
    name : str
        Unique: the scenario's, or NAME/EFFECTS where several effects were asked for.
    scenario : str
        The scenario's own name.
    effects : str
        "none", "first_round" or "full".
    """

    name: str
    scenario: str
    effects: str


class Sample(Protocol):
    """What estimates are made of: so many paths of each run."""

    @property
    def runs(self) -> tuple[ScenarioRun, ...]:
        """Scenarios x effects."""

    @property
    def coordinates(self) -> pa.Table | None:
        """Of a grid."""

    @property
    def entities(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def periods(self) -> int:
        """T."""

    @property
    def paths(self) -> int:
        """Of each run."""


class Named:
    """Names of what was run, for whoever holds a system and its runs."""

    system: System
    runs: tuple[ScenarioRun, ...]

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the runs: the first axis of every array."""
        return tuple(run.name for run in self.runs)

    @property
    def entities(self) -> tuple[str, ...]:
        """Names of the entities: the last axis of arrays that have one."""
        return self.system.entity_names

    @property
    def periods(self) -> int:
        """Number of periods, T."""
        return self.system.settings.periods


def scenario_names(sample: Sample) -> tuple[str, ...]:
    """Names of the runs."""
    return tuple(run.name for run in sample.runs)


def run_place(sample: Sample, scenario: str | None) -> int:
    """Place in `sample.runs` of a run's or a scenario's name; of a scenario, its run with the most effects.

    Parameters
    ----------
    sample : Sample
    scenario : str or None
        None: the first scenario.

    Raises
    ------
    InputError
        There is none of that name.
    """
    names = scenario_names(sample)
    if scenario is not None and one_of(scenario, names):
        return names.index(scenario)
    scenarios = [one.scenario for one in sample.runs]
    wanted = scenarios[0] if scenario is None else scenario
    if not one_of(wanted, scenarios):
        raise bad_argument("scenario", scenario, "is no scenario of this run", nearest(str(wanted), names))
    found = [place for place, name in enumerate(scenarios) if name == wanted]
    return max(found, key=lambda place: EFFECTS.index(sample.runs[place].effects))


def failures_table(sample: Sample, by_cause: NDArray[np.int64]) -> pa.Table:
    """The table `failures`, from counts (S, N, causes, T) in the order of CAUSES without "none"."""
    counts = np.concatenate([by_cause.sum(axis=2, keepdims=True), by_cause], axis=2)  # (S, N, 1 + causes, T)
    failed = counts.sum(axis=3)
    share = failed / sample.paths
    with np.errstate(invalid="ignore"):
        mean_period = counts @ np.arange(sample.periods, dtype=np.float64) / failed
    return failures_of_shares(sample, share, binomial_error(share, sample.paths), mean_period)


def failures_of_shares(
    sample: Sample,
    share: NDArray[np.float64],
    error: NDArray[np.float64],
    mean_period: NDArray[np.float64],
) -> pa.Table:
    """The table `failures`, from arrays (S, N, 1 + causes): any cause first."""
    run, entity, cause = _places(share.shape)
    columns = {
        "scenario": (scenario_names(sample), run),
        "entity": (sample.entities, entity),
        "cause": ((ANY_CAUSE, *CAUSES[1:]), cause),
        "probability": share,
        "standard_error": error,
        "mean_period": mean_period,
    }
    return result_table("failures", sample, run, columns)


def failure_curve_table(sample: Sample, by_cause: NDArray[np.int64]) -> pa.Table:
    """The table `failure_curve`, from the same counts."""
    share = by_cause.sum(axis=2).cumsum(axis=2) / sample.paths
    return failure_curve_of_shares(sample, share, binomial_error(share, sample.paths))


def failure_curve_of_shares(
    sample: Sample, share: NDArray[np.float64], error: NDArray[np.float64]
) -> pa.Table:
    """The table `failure_curve`, from arrays (S, N, T)."""
    run, entity, period = _places(share.shape)
    columns = {
        "scenario": (scenario_names(sample), run),
        "entity": (sample.entities, entity),
        "period": period,
        "probability": share,
        "standard_error": error,
    }
    return result_table("failure_curve", sample, run, columns)


def contagion_pairs(runs: Sequence[ScenarioRun]) -> list[tuple[int, int]]:
    """Places in `runs` of first_round and full, for each scenario that ran with both."""
    place = {(run.scenario, run.effects): i for i, run in enumerate(runs)}
    scenarios = dict.fromkeys(run.scenario for run in runs)
    return [
        (place[name, "first_round"], place[name, "full"])
        for name in scenarios
        if (name, "first_round") in place and (name, "full") in place
    ]


def check_contagion(runs: Sequence[ScenarioRun]) -> None:
    """Refuse contagion where no scenario ran with both effects."""
    if not contagion_pairs(runs):
        raise bad_argument(
            "effects",
            sorted({run.effects for run in runs}),
            "contagion is the difference between two runs, and no scenario ran with both effects",
            'Simulate with effects=["first_round", "full"].',
        )


def contagion_table(
    sample: Sample, counts: Mapping[str, NDArray[np.int64]], pairs: Sequence[tuple[int, int]]
) -> pa.Table:
    """The table `contagion`.

    Parameters
    ----------
    sample : Sample
    counts : mapping of str to ndarray (pairs, N)
        ``first_round``, ``full``, ``added``, ``spared``: on how many paths it fails alone, with all effects, with all
        effects only, alone only.
    pairs : sequence of (int, int)
        As of `contagion_pairs`.
    """
    shares = {name: counts[name] / sample.paths for name in ("first_round", "full", "added", "spared")}
    error = difference_error(shares["added"], shares["spared"], sample.paths)
    return contagion_of_shares(sample, shares, error, pairs)


def contagion_of_shares(
    sample: Sample,
    shares: Mapping[str, NDArray[np.float64]],
    error: NDArray[np.float64],
    pairs: Sequence[tuple[int, int]],
) -> pa.Table:
    """The table `contagion`, from shares instead of counts, and the paired error (pairs, N)."""
    alone, full, added, spared = (shares[name] for name in ("first_round", "full", "added", "spared"))
    pair, entity = np.indices(full.shape)
    run = np.array([second for _, second in pairs])[pair]
    columns = {
        "scenario": (tuple(one.scenario for one in sample.runs), run),
        "entity": (sample.entities, entity),
        "first_round": alone,
        "full": full,
        "difference": np.where(np.isnan(added), full - alone, added - spared),
        "standard_error": error,
        "added": added,
        "spared": spared,
    }
    return result_table("contagion", sample, run, columns)


def rows_table(name: str, sample: Sample, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """A table from rows; each begins with its run's place, the others are the schema's columns after `scenario`."""
    names = [column.name for column in RESULT_SCHEMAS[name].columns[1:]]
    run, *values = zip(*rows, strict=True) if rows else [()] * (1 + len(names))
    place = np.array(run, dtype=np.intp)
    arrays: dict[str, Any] = {"scenario": (scenario_names(sample), place)}
    for column, held in zip(names, values, strict=True):
        is_text = bool(held) and isinstance(held[0], str)
        arrays[column] = list(held) if is_text else np.array(held, dtype=np.float64)
    return result_table(name, sample, place, arrays)


def result_table(name: str, sample: Sample, run: NDArray[np.intp], columns: Mapping[str, Any]) -> pa.Table:
    """An Arrow table of results by its schema, with the coordinates of each row's scenario.

    Parameters
    ----------
    name : str
        Of the schema in ``RESULT_SCHEMAS``.
    sample : Sample
    run : ndarray of int
        Each row's place in ``sample.runs``.
    columns : mapping
        By name: an array (nan stands for null), a list of strings, or a pair of names and an array that says
        which of them each row holds.
    """
    coordinates = sample.coordinates
    addresses = (
        [] if coordinates is None else [column for column in coordinates.column_names if column != "scenario"]
    )
    schema = RESULT_SCHEMAS[name].arrow(addresses)
    arrays = {column: _column(values, schema.field(column).type) for column, values in columns.items()}
    if coordinates is not None and addresses:
        place = {scenario: row for row, scenario in enumerate(coordinates["scenario"].to_pylist())}
        of_run = np.array([place[run.scenario] for run in sample.runs], dtype=np.int64)
        rows = pa.array(of_run[np.ravel(run)])
        arrays |= {address: coordinates[address].combine_chunks().take(rows) for address in addresses}
    return pa.Table.from_arrays([arrays[field.name] for field in schema], schema=schema)


def _places(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], ...]:
    """Of every cell of an array its place along each axis."""
    return tuple(np.indices(shape))


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, tuple):
        names, which = values
        return pa.array(list(names), type=kind).take(pa.array(np.ravel(which)))
    if isinstance(values, np.ndarray):
        return pa.array(np.ravel(values), type=kind, from_pandas=True)
    return pa.array(values, type=kind)
