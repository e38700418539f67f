"""Cascades of failures in a network: who loses more than its equity fails, and its creditors lose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..backends import AUTO
from ..exposures import EquityShocks, Exposures, sums_by
from .contagion import Asked, Spreader
from .contagion_arguments import by_node, read_equity
from .result_schema import CASCADE_FAILURES, CASCADE_SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ..backends.base import SpreadOutcome
    from .network import Network

NEVER: Final = -1


@dataclass(frozen=True, eq=False, repr=False)
class Cascade:
    """A cascade of failures under each of S shocks.

    Arrays (S, N) are made when they are asked for, and kept. `failures`, `summary` and `rounds` make none.

    Attributes
    ----------
    names : tuple of str, length N
    capital : ndarray (N,)
        Equity before the shock, currency.
    shocks : EquityShocks
    outcome : SpreadOutcome
        Of the nodes that lose something or fail, and of no other.
    backend : str
    """

    names: tuple[str, ...]
    capital: NDArray[np.float64]
    shocks: EquityShocks
    outcome: SpreadOutcome
    backend: str

    def __repr__(self) -> str:
        """Say in a line what was asked."""
        return f"<Cascade: {len(self.shocks)} shocks on {len(self.names)} nodes>"

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Who failed, (S, N)."""
        return self.outcome.dense(self._round != NEVER, elsewhere=False)

    @cached_property
    def round(self) -> NDArray[np.int32]:
        """In which a node failed, (S, N): 0 by the shock itself; -1 where it did not."""
        return self.outcome.dense(self._round, NEVER)

    @cached_property
    def initial(self) -> NDArray[np.float64]:
        """Losses by the shock, currency, (S, N)."""
        return self.shocks.dense()

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """All losses, the shock's included, currency, (S, N)."""
        return self.outcome.dense(self.outcome.value)

    @cached_property
    def equity(self) -> NDArray[np.float64]:
        """What is left, currency, (S, N): equity less losses.

        Below 0 it is what the node's own creditors outside the network lack.
        """
        return self.capital - self.losses

    @cached_property
    def rounds(self) -> NDArray[np.int32]:
        """The last round in which somebody failed, (S,); -1 where nobody did."""
        last = np.full(len(self.shocks), NEVER, dtype=np.int32)
        np.maximum.at(last, self.outcome.shock, self._round)
        return last

    @property
    def _round(self) -> NDArray[np.int32]:
        """That of each node of the outcome."""
        return self.outcome.other.astype(np.int32) + np.int32(NEVER)

    def failures(self) -> pa.Table:
        """Who failed: a row for each failure, by shock, then round, then node (docs/results.md)."""
        when = self._round
        cell = np.flatnonzero(when != NEVER)
        shock, node = self.outcome.shock[cell], self.outcome.node[cell]
        order = np.lexsort((node, when[cell], shock))
        cell, shock, node = cell[order], shock[order], node[order]
        loss = self.outcome.value[cell]
        columns = {
            "shock": shock,
            "node": pa.array(self.names, pa.string()).take(pa.array(node)),
            "round": when[cell],
            "loss": loss,
            "equity": self.capital[node] - loss,
        }
        return pa.table(columns, schema=CASCADE_FAILURES.arrow())

    def summary(self) -> pa.Table:
        """What each shock does: a row for each (docs/results.md)."""
        count, shock, when = len(self.shocks), self.outcome.shock, self._round
        columns = {
            "shock": np.arange(count),
            "rounds": self.rounds,
            "initial_failures": np.bincount(shock[when == 0], minlength=count),
            "failures": np.bincount(shock[when != NEVER], minlength=count),
            "initial_loss": self.shocks.total,
            "loss": sums_by(shock, self.outcome.value, count),
        }
        return pa.table(columns, schema=CASCADE_SUMMARY.arrow())


def cascade(
    net: Network,
    equity: Any,
    shocks: Any,
    recovery: Any = 0.0,
    *,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> Cascade:
    """Let failures cascade: who loses more than its equity fails, and its creditors lose what they don't recover.

    Parameters
    ----------
    net : Network
    equity : array_like (N,), or None
        Currency, at least 0; None for the network's own.
    shocks : array_like or sparse array of scipy's (S, N), or array_like (N,), or "each"
        Numbers: what each node loses, currency. Booleans: who fails, whatever its equity; it loses all of it.
        "each": N shocks, in each of which one node fails, in their order.
    recovery : float or array_like (N,)
        Share of its debts that is paid once the node has failed, 0 to 1.
    backend : str
        The name of a backend, or ``auto`` for the best that lets losses spread.
    threads : int, optional
        At most so many threads of the processor; by default the environment variable GPUSTRESS_THREADS, or as many as
        the process has processors. ``numpy`` takes one, whatever is allowed.
    devices : sequence of int, optional
        CUDA devices that share the work, for a backend that has some.
    memory : str or int, optional
        What the work may take beside the shocks and the result, e.g. ``"4GB"``; by default a quarter of what is free.
        No number depends on it. For more shocks than fit: `cascade_blocks`.

    Returns
    -------
    Cascade

    Raises
    ------
    InputError
        An argument has another shape, or a value out of range; or the memory is less than one shock takes.

    Notes
    -----
    Furfine, "Interbank exposures: quantifying the risk of contagion", Journal of Money, Credit and Banking 35 (2003):
    round by round, all creditors of who fails in one round lose in the next. Losses go on to be counted after a node
    has failed.
    """
    return _asked(net, equity, recovery, Spreader.of(backend, threads, devices, memory)).under(shocks)


def cascade_blocks(
    net: Network,
    equity: Any,
    shocks: Any,
    recovery: Any = 0.0,
    *,
    block: int | None = None,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> Iterator[Cascade]:
    """Let failures cascade under more shocks than fit into memory, a block of shocks at a time.

    Parameters
    ----------
    shocks : as of `cascade`, or an iterable of such
        An array, such as a ``numpy.memmap``, and "each" are cut into blocks. Of an iterable, a generator say, each item
        is one.
    block : int, optional
        How many shocks a block has; by default as many as `memory` allows. Not with an iterable.
    memory : str or int, optional
        What a block and its result may take, e.g. ``"4GB"``; by default a quarter of what is free. Arrays (S, N) that
        a block is asked for come on top.
    net, equity, recovery, backend, threads, devices
        As of `cascade`.

    Yields
    ------
    Cascade
        Of each block, in order; its row 0 is the block's first shock. What came before is not kept. The numbers are
        those that `cascade` gives for all shocks together, to the bit.

    Raises
    ------
    InputError
        As of `cascade`; those about the shocks when their block has its turn, with rows of the block.
    """
    asked = _asked(net, equity, recovery, Spreader.of(backend, threads, devices, memory))
    return asked.blocks(shocks, block)


def _asked(net: Network, equity: Any, recovery: Any, spreader: Spreader) -> Asked[Cascade]:
    capital = read_equity(net, equity, above=False)
    paid = by_node(
        "recovery",
        recovery,
        net.names,
        lambda share: (share >= 0.0) & (share <= 1.0),
        "Write a number from 0 to 1.",
        scalar=True,
    )

    def answer(shocks: EquityShocks, outcome: SpreadOutcome) -> Cascade:
        return Cascade(net.names, capital, shocks, outcome, spreader.backend.name)

    return Asked(net.names, Exposures.of(net.claims, capital, 1.0 - paid), "threshold", spreader, answer)
