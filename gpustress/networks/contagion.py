"""Contagion of losses on whichever backend, by the rules of `backends/numpy/contagion.py`, and its exact finish."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order
from scipy.sparse.linalg import spsolve

from ..backends import AUTO, get_backend
from ..backends.base import SpreadOutcome, SpreadsLosses, TellsLeast
from ..errors import bad_argument
from ..exposures import EquityShocks, Exposures
from ..memory import budget, check_least, free_memory
from .contagion_arguments import CELL_BYTES, ShockRows, is_batch, read_block, read_shocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..backends.base import Rule

Answer = TypeVar("Answer")
MOST_INVERSE: Final = 1e200  # of equity: times the largest claim it is still finite, and 0 times it is 0
PLAIN_ROUNDS: Final = 256  # after which what still moves is solved exactly


@dataclass(frozen=True)
class Spreader:
    """How to let losses spread, whatever the shocks.

    Attributes
    ----------
    backend : Backend
        One that spreads losses.
    memory : int
        Bytes that it may take beside what it gives.
    """

    backend: Any
    memory: int

    @staticmethod
    def of(
        backend: str, threads: int | None, devices: Sequence[int] | None, memory: str | int | None
    ) -> Spreader:
        """Read the options that every kind of contagion has.

        Raises
        ------
        InputError
        """
        chosen = get_backend(backend, threads=threads, devices=devices, protocol=SpreadsLosses)
        if not isinstance(chosen, SpreadsLosses):
            remedy = f"Take another, or {AUTO} for the best that does."
            raise bad_argument("backend", chosen.name, "does not let losses spread", remedy)
        return Spreader(chosen, budget(memory))

    def check_memory(self, exposures: Exposures, share: int = 1) -> None:
        """Refuse memory of which one in `share` parts is less than the backend can do with, where it tells that.

        Raises
        ------
        InputError
        """
        if isinstance(self.backend, TellsLeast):
            least = share * self.backend.spreading_bytes(exposures)
            check_least(least, self.memory, f"one shock to {exposures.nodes:,} nodes")

    def spread(
        self, exposures: Exposures, shocks: EquityShocks, rule: Rule, rounds: int | None = None
    ) -> SpreadOutcome:
        """What comes of every shock; without `rounds`, at rest.

        Raises
        ------
        InputError
            The memory is less than one shock takes.
        MemoryError
            The shocks reach more nodes than memory holds.
        """
        self.check_memory(exposures)
        try:
            return self._spread(exposures, shocks, rule, rounds, free_memory() // CELL_BYTES)
        except MemoryError as fault:
            raise _reach_too_many(len(shocks)) from fault

    def blocks(
        self, exposures: Exposures, shocks: Any, names: Sequence[str], rule: Rule, block: int | None
    ) -> Iterator[tuple[EquityShocks, SpreadOutcome]]:
        """The same for blocks of so many shocks, or of as many as fit; see `cascade_blocks`.

        Half of the memory is for two blocks, of which the caller may still hold one, half for the work on one. Where
        shocks reach few nodes a block grows; one that reaches more than fit is halved and done again.
        """
        if not is_batch(shocks):
            for item in shocks:
                given = read_shocks(item, names, exposures.equity)
                yield given, self.spread(exposures, given, rule)
            return
        half = replace(self, memory=self.memory // 2)
        batch, most = ShockRows.of(shocks, names, exposures.equity), half.memory // (2 * CELL_BYTES)
        fits = max(1, most // max(1, exposures.nodes))  # even where they reach every node
        size, first = block or fits, 0
        while first < batch.count:
            given = batch.rows(first, min(first + size, batch.count))
            try:
                allowed = free_memory() // CELL_BYTES if block or size <= fits else most
                outcome = half._spread(exposures, given, rule, None, allowed)
            except MemoryError as fault:
                if size == 1 or block:
                    raise _reach_too_many(len(given)) from fault
                size = max(1, size // 2)
                continue
            yield given, outcome
            first += len(given)
            if not (block or batch.takes_memory) and 4 * len(outcome.node) < most:
                size *= 2

    def _spread(
        self, exposures: Exposures, shocks: EquityShocks, rule: Rule, rounds: int | None, most: int
    ) -> SpreadOutcome:
        plain = PLAIN_ROUNDS if rounds is None else rounds
        outcome: SpreadOutcome = self.backend.spread(exposures, shocks, rule, plain, self.memory, most)
        if rounds is None:
            outcome = _finished(exposures, shocks, outcome)
        if len(outcome.node) > most:
            raise MemoryError
        return outcome


@dataclass(frozen=True)
class Asked(Generic[Answer]):
    """What is asked of a network at rest, whatever the shocks.

    Attributes
    ----------
    names : tuple of str, length N
    exposures : Exposures
    rule : Rule
    spreader : Spreader
    answer : function of (EquityShocks, SpreadOutcome)
        Makes of shocks and what comes of them what the user gets.
    """

    names: tuple[str, ...]
    exposures: Exposures
    rule: Rule
    spreader: Spreader
    answer: Callable[[EquityShocks, SpreadOutcome], Answer]

    def under(self, shocks: Any) -> Answer:
        """Under all shocks together, as `read_shocks` takes them."""
        given = read_shocks(shocks, self.names, self.exposures.equity)
        return self.answer(given, self.spreader.spread(self.exposures, given, self.rule))

    def blocks(self, shocks: Any, block: int | None) -> Iterator[Answer]:
        """The same for blocks of so many shocks, or of as many as fit."""
        size = read_block(block, shocks)
        self.spreader.check_memory(self.exposures, 2 if is_batch(shocks) else 1)
        found = self.spreader.blocks(self.exposures, shocks, self.names, self.rule, size)
        return (self.answer(*one) for one in found)


def _reach_too_many(shocks: int) -> MemoryError:
    remedy = "take fewer at a time, as cascade_blocks and debtrank_blocks do"
    return MemoryError(f"{shocks} shocks reach more nodes than memory holds: {remedy}")


def linear_debtrank(
    claims: sparse.csr_array, equity: NDArray[np.float64], first: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distress (N, S) of the linear DebtRank at rest, from the losses (N, S) of round 0, by the reference."""
    shocks = EquityShocks.of(sparse.csr_array(first.T))
    outcome = Spreader.of("numpy", None, None, None).spread(Exposures.of(claims, equity), shocks, "linear")
    return outcome.dense(outcome.value).T


def _finished(exposures: Exposures, shocks: EquityShocks, outcome: SpreadOutcome) -> SpreadOutcome:
    """The outcome with what `_at_rest` gives for the shocks that still move."""
    moving = np.flatnonzero(outcome.moving)
    if len(moving) == 0:
        return outcome
    with np.errstate(over="ignore"):
        inverse = np.minimum(1.0 / exposures.equity, MOST_INVERSE)
    relative = sparse.csr_array(sparse.diags_array(inverse) @ exposures.claims)
    kept = ~outcome.moving[outcome.shock]
    shock, node = [outcome.shock[kept]], [outcome.node[kept]]
    value, other = [outcome.value[kept]], [outcome.other[kept]]
    for row in moving.tolist():
        first = shocks.rows(row, row + 1).dense()[0]
        with np.errstate(over="ignore"):
            share = np.minimum(1.0, first / exposures.equity)
        distress = _at_rest(relative, share)
        reached = np.flatnonzero(distress)
        shock.append(np.full(len(reached), row))
        node.append(reached.astype(np.int32))
        value.append(distress[reached])
        other.append(distress[reached])  # all of it, in the end
    by_shock = np.concatenate(shock)
    order = np.argsort(by_shock, kind="stable")
    return SpreadOutcome(
        nodes=outcome.nodes,
        start=np.searchsorted(by_shock[order], np.arange(len(shocks) + 1)),
        node=np.concatenate(node)[order],
        value=np.concatenate(value)[order],
        other=np.concatenate(other)[order],
        moving=np.zeros_like(outcome.moving),
    )


def _at_rest(relative: sparse.csr_array, first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve h = min(1, first + relative h), the least solution, to which the rounds rise.

    The map is concave, and at 0 some power of it is positive at every node that the shock reaches: on those nodes it
    has one solution alone. So it can be approached from above, from 1 everywhere: who stays below 1 with the others
    at 1 leaves the cap, and who has left is a linear function of who has not. Among those who have left the spectral
    radius is below 1, since each of them is fed from outside, if only through others of them.
    """
    reached = _reached(relative, first > 0.0)
    capped, distress = reached.copy(), reached.astype(np.float64)
    while True:
        leaving = capped & (first + relative @ distress < 1.0)
        if not leaving.any():
            return distress
        capped &= ~leaving
        free = np.flatnonzero(reached & ~capped)
        inside = relative[free]
        fed = first[free] + inside @ capped.astype(np.float64)
        matrix = sparse.eye_array(len(free), format="csr") - inside[:, free]
        solution = spsolve(matrix.tocsc(), fed)
        distress[free] = np.clip(solution, 0.0, 1.0)  # takes off rounding


def _reached(relative: sparse.csr_array, shocked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Who is shocked, or has a claim, at any remove, on who is."""
    source = sparse.csr_array(shocked[None].astype(np.float64))
    graph = sparse.block_array(
        [[None, source], [sparse.csr_array((len(shocked), 1)), relative.T]], format="csr"
    )
    order = breadth_first_order(graph, 0, return_predecessors=False)
    reached = np.zeros(len(shocked) + 1, dtype=bool)
    reached[order] = True
    return reached[1:]
