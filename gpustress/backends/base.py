"""The seam: what a backend gets, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

import numpy as np

from ..drawing import AS_CONTRACTED, Drawing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..exposures import EquityShocks, Exposures
    from ..obligations import Obligations
    from ..program import Program

Solution = Literal["greatest", "least"]
Rule = Literal["threshold", "once", "linear"]
SeriesKind = Literal["cash", "flow", "measure", "factor", "estate"]
_PART: Final = 1 << 17  # cells of an outcome that are looked at together


@dataclass(frozen=True)
class Series:
    """A time series to keep: of an entity's cash, a flow's payments, a measure, a factor, or the estate (item 0)."""

    kind: SeriesKind
    item: int


@dataclass(frozen=True)
class Block:
    """What one kernel call does: a range of paths, under every scenario of the program.

    Attributes
    ----------
    seed : int
        0 <= seed < 2^64.
    first_path, paths : int
    factor_paths : mapping of int to ndarray (paths, T)
        By factor: values that stand in for link(y).
    drawing : Drawing
    """

    seed: int
    first_path: int
    paths: int
    factor_paths: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    drawing: Drawing = AS_CONTRACTED

    def only(self, scenario: int) -> Block:
        """The same for a program of one of the scenarios."""
        return replace(self, drawing=self.drawing.only(scenario))


@dataclass(frozen=True)
class Outcome:
    """What a block gives, for S scenarios, P paths of the block, N entities, M measures, R recorded series.

    Attributes
    ----------
    failed_at : ndarray (S, P, N) of int16
        Period; T: survived.
    cause : ndarray (S, P, N) of int8
        Index into schema.CAUSES.
    lowest_liquidity, final_cash : ndarray (S, P, N)
        Currency.
    total, npv, trough : ndarray (S, P, M)
        Currency.
    payback : ndarray (S, P, M) of int16
        Period; T: never.
    series : ndarray (S, P, R, T)
    exact_finishes : ndarray (S,) of int64
        Path-periods whose settlement was finished exactly.
    updates : ndarray (S,) of int64
        Settlement updates, summed over path-periods.
    weight : ndarray (S, P, W)
        What a path weighs, W = 1; where all weigh the same, W = 0.
    """

    failed_at: NDArray[np.int16]
    cause: NDArray[np.int8]
    lowest_liquidity: NDArray[np.float64]
    final_cash: NDArray[np.float64]
    total: NDArray[np.float64]
    npv: NDArray[np.float64]
    trough: NDArray[np.float64]
    payback: NDArray[np.int16]
    series: NDArray[np.float64]
    exact_finishes: NDArray[np.int64]
    updates: NDArray[np.int64]
    weight: NDArray[np.float64]

    @staticmethod
    def empty(program: Program, paths: int, series: int, drawing: Drawing = AS_CONTRACTED) -> Outcome:
        """Arrays of the right shapes, not yet filled."""
        scenarios = len(program.scenarios)
        entities, measures = program.entity_count, program.measure_count
        by_entity, by_measure = (scenarios, paths, entities), (scenarios, paths, measures)
        return Outcome(
            failed_at=np.empty(by_entity, dtype=np.int16),
            cause=np.empty(by_entity, dtype=np.int8),
            lowest_liquidity=np.empty(by_entity),
            final_cash=np.empty(by_entity),
            total=np.empty(by_measure),
            npv=np.empty(by_measure),
            trough=np.empty(by_measure),
            payback=np.empty(by_measure, dtype=np.int16),
            series=np.empty((scenarios, paths, series, program.periods)),
            exact_finishes=np.zeros(scenarios, dtype=np.int64),
            updates=np.zeros(scenarios, dtype=np.int64),
            weight=np.empty((scenarios, paths, int(drawing.tilt is not None))),
        )

    def only(self, first: int, paths: int) -> Outcome:
        """A range of its paths, as views; what is counted over all of them is 0."""
        place = slice(first, first + paths)
        by_path = (
            "failed_at",
            "cause",
            "lowest_liquidity",
            "final_cash",
            "total",
            "npv",
            "trough",
            "payback",
            "series",
            "weight",
        )
        none = np.zeros_like(self.exact_finishes)
        return Outcome(
            **{name: getattr(self, name)[:, place] for name in by_path}, exact_finishes=none, updates=none
        )


def outcome_bytes(program: Program, series: int) -> int:
    """Bytes of one path's outcome, under all scenarios."""
    of_path = 19 * program.entity_count + 26 * program.measure_count + 8 * series * program.periods
    return len(program.scenarios) * of_path


@dataclass(frozen=True)
class Trace:
    """Everything that happened on the paths of a block, by name: arrays (S, P, T) or (S, P, T, items)."""

    arrays: dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Hardware:
    """A device beside the processor that a backend computes on.

    Attributes
    ----------
    name : str
    memory_bytes : int
    driver : str
        The version of its driver.
    """

    name: str
    memory_bytes: int
    driver: str


class Backend(Protocol):
    """An object with a name, a device, and one method per kernel.

    To make one raises ImportError where what it stands on is missing (a library, a device). Anything else that it
    raises is a fault.
    """

    @property
    def name(self) -> str:
        """As `backend=` names it."""

    @property
    def device(self) -> str:
        """What it computes on, for people."""

    def block_paths(self, program: Program, memory: int) -> int:
        """How many paths a block should have: as many as suit the device and fit into `memory` bytes; at least 1."""

    def block_bytes(self, program: Program, paths: int, series: int) -> int:
        """Bytes that a block of so many paths takes while it is computed, its outcome included."""

    def simulate(self, program: Program, block: Block, series: tuple[Series, ...] = ()) -> Outcome:
        """Steps 1 to 7 of the model, for the paths of a block under every scenario."""

    def trace(self, program: Program, block: Block, scenario: int) -> Trace:
        """The same for one scenario, with everything that happened on the way; the same bits."""


@runtime_checkable
class Described(Protocol):
    """What a backend may tell of itself besides."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of what lies behind it, by name."""

    @property
    def hardware(self) -> tuple[Hardware, ...]:
        """The devices that it computes on, but for the processor."""


@dataclass(frozen=True)
class ClearingOutcome:
    """What clearing gives, for S shocks on N nodes.

    Attributes
    ----------
    payments, equity : ndarray (S, N)
        What a node pays in all, and what is left to its owners: 0 in default.
    round : ndarray (S, N) of int32
        Round in which a node's default was found, from 1; 0: it does not default.
    rounds : ndarray (S,) of int32
    error_bound : ndarray (S,)
        Of a payment, currency; infinite where nothing can be said.
    """

    payments: NDArray[np.float64]
    equity: NDArray[np.float64]
    round: NDArray[np.int32]
    rounds: NDArray[np.int32]
    error_bound: NDArray[np.float64]

    @staticmethod
    def empty(shocks: int, nodes: int) -> ClearingOutcome:
        """Arrays of the right shapes, not yet filled: no default, and nothing shown of an error."""
        by_node = (shocks, nodes)
        return ClearingOutcome(
            payments=np.empty(by_node),
            equity=np.empty(by_node),
            round=np.zeros(by_node, dtype=np.int32),
            rounds=np.zeros(shocks, dtype=np.int32),
            error_bound=np.full(shocks, np.inf),
        )


@runtime_checkable
class ClearsNetworks(Protocol):
    """What a backend that clears static networks has besides."""

    def clear(
        self,
        obligations: Obligations,
        external_assets: NDArray[np.float64],
        costs: tuple[float, float],
        solution: Solution,
        memory: int,
    ) -> ClearingOutcome:
        """A clearing vector for each row of `external_assets` (S, N), by the fixed point.

        Whoever has less than it owes pays out of the shares `costs` (alpha, beta) of its external assets and of its
        receipts. Beyond what it gives this takes at most `memory` bytes, or the least that it can do with.
        """


@dataclass(frozen=True)
class SpreadOutcome:
    """What comes of S shocks whose losses are passed on, for the R nodes that they reach, all shocks together.

    Attributes
    ----------
    nodes : int
        N.
    start : ndarray (S + 1,) of int64
        Shock s reaches the nodes from start[s] to before start[s + 1]; who is not there has lost nothing.
    node : ndarray (R,) of int32
        Ascending within a shock.
    value : ndarray (R,)
        All losses, currency, by the rule "threshold"; else distress, 0 to 1.
    other : ndarray (R,)
        "threshold": the round in which it failed and 1 more, 0 where it did not. "linear": the share of its debts that
        it has passed on. Else 0.
    moving : ndarray (S,) of bool
        "linear": whether the shock was not at rest after the last round.
    """

    nodes: int
    start: NDArray[np.int64]
    node: NDArray[np.int32]
    value: NDArray[np.float64]
    other: NDArray[np.float64]
    moving: NDArray[np.bool_]

    @property
    def shock(self) -> NDArray[np.int64]:
        """The shock of each of the R."""
        return np.repeat(np.arange(len(self.moving)), np.diff(self.start))

    def parts(self) -> Iterator[tuple[int, int]]:
        """Ranges of shocks, from one to before another, that reach so few nodes together that a cache holds them."""
        first, count = 0, len(self.moving)
        while first < count:
            most = np.searchsorted(self.start, self.start[first] + _PART, side="right") - 1
            end = min(count, max(first + 1, int(most)))
            yield first, end
            first = end

    def dense(self, values: NDArray[Any], elsewhere: float = 0.0) -> NDArray[Any]:
        """`values` (R,) by shock and node, (S, N)."""
        array = np.full((len(self.moving), self.nodes), elsewhere, dtype=values.dtype)
        array[self.shock, self.node] = values
        return array


@runtime_checkable
class TellsLeast(Protocol):
    """What a backend has besides that tells how little memory it can do with on static networks."""

    def clearing_bytes(self, obligations: Obligations) -> int:
        """Bytes that `ClearsNetworks.clear` takes at least, beyond what it gives."""

    def spreading_bytes(self, exposures: Exposures) -> int:
        """Bytes that `SpreadsLosses.spread` takes at least, beyond what it gives."""


@runtime_checkable
class SpreadsLosses(Protocol):
    """What a backend that lets losses spread has besides."""

    def spread(
        self, exposures: Exposures, shocks: EquityShocks, rule: Rule, rounds: int, memory: int, most: int
    ) -> SpreadOutcome:
        """Pass losses on round by round until nothing more is written off; by "linear" for so many rounds at most.

        "threshold": who has lost more than its equity fails (Furfine 2003). "once": who becomes distressed passes that
        on, once (Battiston et al. 2012). "linear": who loses a further share of its equity passes on just that share
        (Bardoscia et al. 2015). Beyond what it gives this takes at most `memory` bytes, or the least that it can do
        with.

        Raises
        ------
        MemoryError
            The shocks together reach more than `most` nodes.
        """
