"""Whether a backend agrees with the oracle: amounts to 1e-9 of what is at stake, decisions but for ties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import build
import gpustress
import oracle
from build import Tables
from gpustress import Result
from gpustress.schema import CAUSES

AMOUNTS = 1e-9  # relative to the entity's largest cash, line or receipts
ROUNDING = 1e-12  # of what a measure could have come to
NEAR_TIE = 1e-11  # a tie of nice numbers lies 1e-9 away from a threshold with a tolerance of 1e-9: no excuse

FactorPaths = dict[int, dict[str, list[float]]]


@dataclass
class Tally:
    """What was compared, and how close it came.

    Attributes
    ----------
    decisions, excused : int
        Periods of failure, causes and paybacks; how many of them belong to paths excused as near ties.
    error : float
        The largest of an amount, relative.
    causes : ndarray (5,)
        Failures by cause.
    exact_finishes : int
    """

    decisions: int = 0
    excused: int = 0
    error: float = 0.0
    causes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(CAUSES), dtype=np.int64))
    exact_finishes: int = 0


@dataclass(frozen=True)
class Case:
    """A question put to both: a system, its effects, a seed, paths, and perhaps factor paths of one's own."""

    settings: dict[str, Any]
    tables: Tables
    effects: str | tuple[str, ...]
    seed: int
    paths: int
    factor_paths: FactorPaths | None = None

    def factor_table(self) -> pa.Table | None:
        """The factor paths as `factors=` takes them."""
        if not self.factor_paths or not self.factor_paths[0]:
            return None
        periods = self.settings["periods"]
        return pa.table(
            {
                "path": np.repeat(np.arange(self.paths), periods),
                "period": np.tile(np.arange(periods), self.paths),
                **{
                    name: [value for path in range(self.paths) for value in self.factor_paths[path][name]]
                    for name in self.factor_paths[0]
                },
            }
        )

    def run(self, package: ModuleType = gpustress, backend: str = "auto") -> Result:
        """Simulate with every series recorded."""
        made = build.system(self.settings, self.tables, package)
        result: Result = package.simulate(
            made,
            paths=self.paths,
            seed=self.seed,
            backend=backend,
            effects=self.effects,
            record=build.every_series(made),
            factors=self.factor_table(),
        )
        return result

    def expected(self) -> list[tuple[str, int, dict[str, Any]]]:
        """What the oracle says: run name, path, everything that happened on it."""
        scenarios = oracle.scenario_names(self.tables) or [None]
        tables, outcomes = self.tables, []
        several = not isinstance(self.effects, str)
        if several:  # then every scenario runs under each, whatever it says itself
            rows = [{k: v for k, v in row.items() if k != "effects"} for row in tables.get("scenarios", [])]
            tables = tables | {"scenarios": rows}
        for scenario in scenarios:
            for effect in self.effects if several else (self.effects,):
                name = scenario or "base"
                for path in range(self.paths):
                    given = self.factor_paths[path] if self.factor_paths else None
                    happened = oracle.simulate_path(
                        self.settings, tables, scenario, str(effect), path, self.seed, given
                    )
                    outcomes.append((f"{name}/{effect}" if several else name, path, happened))
        return outcomes


def disagreements(
    case: Case, result: Result, expected: Sequence[tuple[str, int, dict[str, Any]]], tally: Tally
) -> list[str]:
    """Every way in which a result differs from what the oracle says, in words."""
    wrong = []
    tally.causes += np.bincount(result.cause.ravel(), minlength=len(CAUSES))
    tally.exact_finishes += int(result.exact_finishes.sum())
    names = list(dict.fromkeys(name for name, _, _ in expected))
    if list(result.scenarios) != names:
        return [f"scenarios {result.scenarios} instead of {names}"]
    for name, path, happened in expected:
        s = result.scenarios.index(name)
        where = f"{name}, path {path}"
        if result.runs[s].effects != happened["effects"]:
            wrong.append(f"{where}: runs with effects {result.runs[s].effects}")
        scales = Scales(case, happened)
        decisions = list(_decisions(result, s, path, happened, scales))
        tally.decisions += len(decisions)
        differing = [(what, ours, theirs) for what, ours, theirs in decisions if ours != theirs]
        if differing and min(happened["margins"].values()) < NEAR_TIE:
            tally.excused += len(decisions)
            continue
        wrong += [f"{where}: {what} is {ours}, not {theirs}" for what, ours, theirs in differing]
        for what, ours, theirs, scale in _amounts(result, s, path, happened, scales):
            error = np.abs(np.asarray(ours) - np.asarray(theirs)).max(initial=0.0)
            tally.error = max(tally.error, float(error / scale) if scale else 0.0)
            if not error <= AMOUNTS * scale:
                wrong.append(
                    f"{where}: {what} is {ours}, not {theirs} ({error / scale if scale else error:.1e})"
                )
    return wrong


class Scales:
    """What errors of amounts on one path are held against.

    Attributes
    ----------
    entity, flow, factor, measure : dict of str to float
        The largest cash, line or receipts; what is billed, or that of its parties; the largest level; the sum
        of |weight * paid|, unless rounding is all that it holds.
    estate : float
    noise : set of str
        Measures of nothing but rounding: of an asset written down to 0 that is impaired later, or of payments
        that a circle without means has worn down to 0. They pay back, or not, by chance.
    """

    def __init__(self, case: Case, happened: dict[str, Any]):
        tables = case.tables
        flows = {row["name"]: (row.get("payer"), row.get("receiver")) for row in tables.get("flows", [])}
        for loan in tables.get("loans", []):
            ends = loan["borrower"], loan.get("lender")
            flows |= {f"{loan['name']}.interest": ends, f"{loan['name']}.principal": ends}
            flows[f"{loan['name']}.draw"] = ends[::-1]
        self.entity = {}
        for row in tables["entities"]:
            receipts = np.zeros(case.settings["periods"])
            for name, billed in happened["billed"].items():
                if flows[name][1] == row["name"]:
                    receipts += billed
            cash = np.abs([row["cash"], *happened["cash"][row["name"]]]).max()
            self.entity[row["name"]] = max(cash, row.get("credit_line") or 0.0, receipts.max())
        self.flow = {
            name: max(float(np.max(billed)), *(self.entity.get(end, 0.0) for end in flows[name]))
            for name, billed in happened["billed"].items()
        }
        self.estate = max(sum(self.entity.values()), float(np.abs(happened["estate"]).max()))
        self.factor = {}
        for row in tables.get("factors", []):
            levels = [row.get("initial", 1.0), row.get("mean") or 0.0, row.get("floor") or 0.0]
            self.factor[row["name"]] = np.abs([*levels, *happened["factor"][row["name"]]]).max()
        at_stake = dict.fromkeys(happened["measures"], 0.0)
        for row in tables.get("measures", []):
            weight = abs(row.get("weight") or 0.0) if "weight" in row else 1.0
            at_stake[row["measure"]] += weight * self._line(case, row["flow"], happened)
        gross = {name: figures["gross"] for name, figures in happened["measures"].items()}
        self.measure = {name: max(gross[name], 1e-5 * at_stake[name]) for name in gross}
        self.noise = {name for name in gross if 0.0 < gross[name] < ROUNDING * at_stake[name]}

    def _line(self, case: Case, line: str, happened: dict[str, Any]) -> float:
        """What a line of a measure could have come to."""
        if line.startswith("kind:"):
            return sum(self.flow.values())
        name, _, book = line.partition(":")
        if not book:
            return self.flow[name]
        (opening,) = (row.get("opening_book", 0.0) for row in case.tables["flows"] if row["name"] == name)
        return float(opening + sum(happened["paid"][name]))


def _decisions(
    result: Result, s: int, path: int, happened: dict[str, Any], scales: Scales
) -> Iterator[tuple[str, int, int]]:
    for i, name in enumerate(result.entities):
        yield f"failed_at of {name}", int(result.failed_at[s, path, i]), happened["failed_at"][name]
        yield f"cause of {name}", int(result.cause[s, path, i]), happened["cause"][name]
    for name, figures in happened["measures"].items():
        if name not in scales.noise:
            yield f"payback of {name}", int(result.measures[name].payback[s, path]), figures["payback"]


def _amounts(
    result: Result, s: int, path: int, happened: dict[str, Any], scales: Scales
) -> Iterator[tuple[str, Any, Any, float]]:
    """What, ours, theirs, and the amount at stake."""
    for kind, lines, scale in (
        ("cash", happened["cash"], scales.entity),
        ("flow", happened["paid"], scales.flow),
        ("factor", happened["factor"], scales.factor),
        ("measure", happened["measure"], scales.measure),
    ):
        for name, values in lines.items():
            yield f"{kind}:{name}", result.series[f"{kind}:{name}"][s, path], values, scale[name]
    yield "estate", result.series["estate"][s, path], happened["estate"], scales.estate
    for i, name in enumerate(result.entities):
        for figure in ("lowest_liquidity", "final_cash"):
            ours = getattr(result, figure)[s, path, i]
            yield f"{figure} of {name}", ours, happened[figure][name], scales.entity[name]
    for name, figures in happened["measures"].items():
        for figure in ("total", "npv", "trough"):
            ours = getattr(result.measures[name], figure)[s, path]
            yield f"{figure} of {name}", ours, figures[figure], scales.measure[name]
