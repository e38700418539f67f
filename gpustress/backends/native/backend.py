"""The compiled backend: kernels/ for this processor, threads over groups of paths, one path a lane."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from ...errors import bad_argument
from ...program import Rows
from ...schema import EFFECTS, RANKS
from ..base import Block, Outcome, Series, SeriesKind, Trace

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from ...program import Program

THREADS_VARIABLE: Final = "GPUSTRESS_THREADS"
BLOCK_BYTES: Final = (
    64 << 20
)  # of outcome: large enough that threads seldom wait, small enough to look for Ctrl-C often
_SERIES_KINDS: Final = get_args(SeriesKind)
# As GPUSTRESS_TRACE_ARRAYS in kernels/program.h has them, with what each counts.
_TRACED: Final = {
    "y": "factors", "factor": "factors", "gathered_hazard": "entities", "billed": "flows", "paid": "flows",
    "opening_cash": "entities", "deposit_interest": "entities", "line_interest": "entities", "receipts": "entities",
    "payments": "entities", "closing_cash": "entities", "ratio_operating": "entities", "ratio_debt": "entities",
    "ratio_discretionary": "entities", "balance": "loans", "share_drawn": "loans", "book": "capex_count",
    "depreciation": "capex_count", "impairment": "capex_count", "measure": "measures_count", "failed_at": "entities",
    "cause": "entities",
}  # fmt: skip


def default_threads() -> int:
    """Threads of a run: GPUSTRESS_THREADS, or as many as the process may use.

    Raises
    ------
    InputError
        The variable is no positive whole number.
    """
    wanted = os.environ.get(THREADS_VARIABLE, "")
    if not wanted:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not re.fullmatch(r"0*[1-9][0-9]{0,3}", wanted, re.ASCII):
        raise bad_argument(
            THREADS_VARIABLE, wanted, "is no number of threads", "Write a whole number from 1 to 9999."
        )
    return int(wanted)


def compiled_kernels() -> ModuleType:
    """The compiled module.

    Raises
    ------
    ImportError
        It was not built when gpustress was installed, or does not load.
    """
    name = f"{__package__}._kernels"
    if importlib.util.find_spec(name) is None:
        raise ImportError("the kernels were not compiled at install")
    return importlib.import_module(name)


class NativeBackend:
    """The kernels compiled by the C++ compiler.

    Parameters
    ----------
    level : str, optional
        A level that `levels()` lists; by default the best of this processor.
    threads : int, optional
        By default GPUSTRESS_THREADS, or as many as the process may use.
    """

    name = "native"

    def __init__(self, level: str | None = None, threads: int | None = None):
        self._kernels = compiled_kernels()
        self.level = level or self._kernels.levels()[-1]
        self.threads = threads or default_threads()

    @property
    def device(self) -> str:
        """The machine's processor, the level of the kernels, and how many threads."""
        lanes = self._kernels.lanes(self.level)
        return f"CPU ({platform.machine()}), kernels {self.level} ({lanes} paths a vector), {self.threads} threads"

    def block_paths(self, program: Program, memory: int) -> int:
        """As many paths as give an outcome of BLOCK_BYTES, and fit into `memory`; at least 1."""
        fixed = self.block_bytes(program, 0, 0)
        per_path = max(1, self.block_bytes(program, 1, 0) - fixed)
        return int(max(1, min(BLOCK_BYTES // per_path, (memory - fixed) // per_path)))

    def block_bytes(self, program: Program, paths: int, series: int) -> int:
        """The threads' states, and the outcome."""
        outcome = 19 * program.entity_count + 26 * program.measure_count + 8 * series * program.periods
        states = self.threads * int(self._kernels.memory_bytes(self.level, _sizes(program)))
        return states + paths * len(program.scenarios) * outcome

    def simulate(self, program: Program, block: Block, series: tuple[Series, ...] = ()) -> Outcome:
        """Steps 1 to 7 of the model, for the paths of a block under every scenario."""
        outcome = Outcome.empty(program, block.paths, len(series))
        self._run(program, block, series, outcome, None)
        return outcome

    def trace(self, program: Program, block: Block, scenario: int) -> Trace:
        """One scenario, with everything that happened on the way."""
        alone = program.only(scenario)
        sizes = _sizes(alone)
        shape = (block.paths, alone.periods)
        arrays: dict[str, NDArray[np.generic]] = {
            name: np.empty((*shape, int(sizes[count]))) for name, count in _TRACED.items()
        }
        arrays["estate"] = np.empty(shape)
        self._run(alone, block, (), Outcome.empty(alone, block.paths, 0), arrays)
        arrays["ratio"] = np.stack([arrays.pop(f"ratio_{rank}") for rank in RANKS], axis=2)
        arrays |= {
            "failed_at": arrays["failed_at"].astype(np.int32),
            "cause": arrays["cause"].astype(np.int8),
        }
        return Trace(arrays)

    def _run(
        self,
        program: Program,
        block: Block,
        series: tuple[Series, ...],
        outcome: Outcome,
        trace: dict[str, NDArray[np.generic]] | None,
    ) -> None:
        given = np.full(program.factor_count, -1, dtype=np.int32)
        given[list(block.factor_paths)] = np.arange(len(block.factor_paths))
        factor_paths = [
            np.ascontiguousarray(values, dtype=np.float64) for values in block.factor_paths.values()
        ]
        request = {
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
        result = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
        self._kernels.simulate(
            self.level, _arrays(program), _sizes(program), request, result, trace, self.threads
        )


def levels() -> tuple[str, ...]:
    """Levels of the kernels that run on this processor, the best last."""
    return tuple(compiled_kernels().levels())


def _sizes(program: Program) -> dict[str, Any]:
    return {
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
    }


def _arrays(program: Program) -> dict[str, NDArray[np.generic]]:
    """The program's arrays by name, as the kernels want them."""
    outside = program.entity_count

    def by_entity(entity: NDArray[np.int32]) -> Rows:
        return Rows.group(np.where(entity == outside, -1, entity).astype(np.int32), outside)

    rows = {
        "lent": by_entity(program.lender),
        "borrowed": by_entity(program.borrower),
        "held": by_entity(program.holder),
        "issued": by_entity(np.where(program.exposure_is_loan, program.issuer, outside)),
        "book": by_entity(program.payer[program.capex]),
    }
    arrays: dict[str, NDArray[np.generic]] = {
        "has_sensitivity": np.isin(np.arange(program.factor_count), program.sensitivity_factor).view(np.int8),
        "payer_bits": _payer_bits(program),
        "paid_at": len(RANKS) * program.payer + program.rank,
        "effects": np.array([EFFECTS.index(effect) for effect in program.effects], dtype=np.int8),
    }
    for field in fields(program):
        value = getattr(program, field.name)
        if isinstance(value, Rows):
            rows[field.name] = value
        elif isinstance(value, np.ndarray):
            arrays[field.name] = value.view(np.int8) if value.dtype == bool else value
    for name, row in rows.items():
        arrays |= {f"{name}_start": row.start, f"{name}_column": row.column}
    arrays["amount"] = program.amount.T  # a period's amounts lie side by side
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _payer_bits(program: Program) -> NDArray[np.uint64]:
    """By entity, a bit for each entity that pays it, in words of 64."""
    receipts = program.receipts
    bits = np.zeros((program.entity_count, 64 * -(-program.entity_count // 64)), dtype=np.uint8)
    payers = program.payer[receipts.column]
    receivers = np.repeat(np.arange(program.entity_count), np.diff(receipts.start))
    inside = payers < program.entity_count
    bits[receivers[inside], payers[inside]] = 1
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)
