"""A program, a block and what is traced, as the arrays and numbers that the compiled kernels want by name."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from ..drawing import AS_CONTRACTED, MIXTURE, Drawing
from ..program import Rows
from ..schema import EFFECTS, RANKS
from .base import Block, Outcome, Series, SeriesKind, Trace
from .kernel_source import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..program import Program

    Arrays = dict[str, NDArray[np.generic]]

_SERIES_KINDS: Final = get_args(SeriesKind)


def sizes(program: Program, drawing: Drawing = AS_CONTRACTED) -> dict[str, Any]:
    """The numbers of a program, and of what its paths' draws take besides."""
    tilts = 0 if drawing.tilt is None else program.factor_count + program.entity_count
    return {
        "components": 0 if drawing.points is None else 4 * -(-program.periods // 4),
        "tilts": tilts,
        "scenarios": len(program.scenarios),
        "periods": program.periods,
        "entities": program.entity_count,
        "factors": program.factor_count,
        "flows": program.flow_count,
        "loans": len(program.borrower),
        "capex_count": len(program.capex),
        "measures_count": program.measure_count,
        "depths": len(program.driven.start) - 1,
        "triggers": int(np.count_nonzero(program.solvency_trigger)),
        "period_years": program.period_years,
        "alpha": program.default_costs[0],
        "beta": program.default_costs[1],
        "powers": len(program.powers.start) - 1,
    }


def arrays(program: Program) -> Arrays:
    """The arrays of a program that kernels see, sparse rows as NAME_start and NAME_column."""
    outside = program.entity_count

    def by_entity(entity: NDArray[np.int32]) -> Rows:
        return Rows.group(np.where(entity == outside, -1, entity).astype(np.int32), outside)

    rows = {
        "lent": by_entity(program.lender),
        "borrowed": by_entity(program.borrower),
        "held": by_entity(program.holder),
        "issued": by_entity(np.where(program.exposure_is_loan, program.issuer, outside)),
        "book": by_entity(program.payer[program.capex]),
        "billing": _billing_lists(program),
    }
    named: Arrays = {
        "has_sensitivity": np.isin(np.arange(program.factor_count), program.sensitivity_factor).view(np.int8),
        "power_start": program.powers.start,
        "power_factor": program.powers.factor,
        "power_elasticity": program.powers.elasticity,
        "flow_power": program.powers.of_flow,
        "hazard_power": program.powers.of_hazard,
        "payer_bits": _payer_bits(program),
        "receipts_paid_at": (len(RANKS) * program.payer + program.rank)[program.receipts.column],
        "effects": np.array([EFFECTS.index(effect) for effect in program.effects], dtype=np.int8),
    }
    for field in fields(program):
        value = getattr(program, field.name)
        if isinstance(value, Rows):
            rows[field.name] = value
        elif isinstance(value, np.ndarray):
            named[field.name] = value.view(np.int8) if value.dtype == bool else value
    for name, row in rows.items():
        named |= {f"{name}_start": row.start, f"{name}_column": row.column}
    named |= _measures(program)
    named["amount"] = program.amount.T  # a period's amounts lie side by side
    return {
        name: np.ascontiguousarray(named[name]) for _, name in listed("program.h", "GPUSTRESS_PROGRAM_ARRAYS")
    }


def _billing_lists(program: Program) -> Rows:
    """Flows by what billing does to them, as BillingList in kernels/program.h has it."""
    outside, discretionary = program.entity_count, program.rank == RANKS.index("discretionary")
    by_payer = ~discretionary & (program.payer != outside)
    parties = (program.payer, program.receiver, program.tenant)
    lists = [
        np.flatnonzero(among)
        for among in (
            np.diff(program.flow_sensitivities.start) > 0,
            program.index >= 0,
            program.drawn_loan >= 0,
            discretionary & np.any([party != outside for party in parties], axis=0),
            by_payer & (program.relet_price > 0.0),
            by_payer & (program.relet_price == 0.0),
        )
    ]
    start = np.cumsum([0, *map(len, lists)])
    return Rows(start.astype(np.int32), np.concatenate(lists).astype(np.int32))


def _measures(program: Program) -> Arrays:
    """Lines and weights of the measures, row by row: first those that add, from `loss` on those that take away."""
    start, column = program.measures.start, program.measures.column
    measure, losing = (
        np.repeat(np.arange(len(start) - 1), np.diff(start)),
        program.measure_weight[column] < 0.0,
    )
    column = column[np.lexsort((losing, measure))]
    return {
        "measures_loss": (start[:-1] + np.bincount(measure[~losing], minlength=len(start) - 1)).astype(
            np.int32
        ),
        "measures_line": program.measure_line[column],
        "measures_weight": program.measure_weight[column],
    }


def _payer_bits(program: Program) -> NDArray[np.uint64]:
    """By entity, a bit for each entity that pays it, in words of 64."""
    receipts, entities = program.receipts, program.entity_count
    bits = np.zeros((entities, 64 * -(-entities // 64)), dtype=np.uint8)
    payers = program.payer[receipts.column]
    receivers = np.repeat(np.arange(entities), np.diff(receipts.start))
    inside = payers < entities
    bits[receivers[inside], payers[inside]] = 1
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def request(program: Program, block: Block, series: tuple[Series, ...]) -> dict[str, Any]:
    """What a block asks for."""
    given = np.full(program.factor_count, -1, dtype=np.int32)
    given[list(block.factor_paths)] = np.arange(len(block.factor_paths))
    factor_paths = [np.ascontiguousarray(values, dtype=np.float64) for values in block.factor_paths.values()]
    return _drawn(block.drawing) | {
        "seed": block.seed,
        "first_path": block.first_path,
        "paths": block.paths,
        "series_count": len(series),
        "series_kind": np.array([_SERIES_KINDS.index(one.kind) for one in series], dtype=np.int32),
        "series_item": np.array([one.item for one in series], dtype=np.int32),
        "given": given,
        "factor_paths": np.stack(factor_paths)
        if factor_paths
        else np.zeros((0, block.paths, program.periods)),
    }


def _drawn(drawing: Drawing) -> dict[str, Any]:
    """How the draws of a block are made."""
    points, tilt = drawing.points, drawing.tilt
    named: dict[str, Any] = {
        "antithetic": int(drawing.antithetic),
        "dimensions": 0 if points is None else len(points.directions),
        "point_bits": 0 if points is None else points.directions.shape[1],
        "scramble_bits": 0 if points is None else points.scrambles.bit_length() - 1,
        "mixture": 0 if tilt is None else MIXTURE,
    }
    for name, dtype in (
        ("directions", np.uint64),
        ("shifts", np.uint64),
        ("normal_dimension", np.int32),
        ("credit_dimension", np.int32),
        ("bridge", np.float64),
    ):
        array = np.zeros(0) if points is None else getattr(points, name)
        named[name] = np.ascontiguousarray(array, dtype=dtype)
    none = np.zeros(0)
    twist = none if tilt is None else np.ascontiguousarray(tilt.twist)
    drift = none if tilt is None else np.ascontiguousarray(tilt.drift)
    return named | {"drift": drift, "twist": twist, "log_twist": np.log(twist)}


def by_name(outcome: Outcome) -> Arrays:
    """The arrays of an outcome."""
    return {field.name: getattr(outcome, field.name) for field in fields(outcome)}


def empty_trace(program: Program, paths: int) -> Arrays:
    """What a trace is written to: arrays (P, T, items), and the estate (P, T)."""
    counts, shape = sizes(program), (paths, program.periods)
    traced = listed("program.h", "GPUSTRESS_TRACE_ARRAYS")
    empty: Arrays = {name: np.empty((*shape, counts[count])) for name, count in traced}
    return empty | {"estate": np.empty(shape)}


def trace_of(written: Arrays) -> Trace:
    """The trace that a kernel has written, in the seam's form."""
    ratio = np.stack([written[f"ratio_{rank}"] for rank in RANKS], axis=2)
    kept = {name: array for name, array in written.items() if not name.startswith("ratio_")}
    return Trace(
        kept
        | {
            "ratio": ratio,
            "failed_at": written["failed_at"].astype(np.int32),
            "cause": written["cause"].astype(np.int8),
        }
    )
