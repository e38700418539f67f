"""Clearing of a static network: who can pay how much when everybody's payments depend on everybody else's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
import pyarrow as pa

from ..arguments import one_of, rows_at_a_time, whole_number
from ..backends import AUTO, get_backend
from ..backends.base import ClearingOutcome, ClearsNetworks, Solution, TellsLeast
from ..errors import AccuracyError, bad_argument, nearest
from ..memory import budget, check_least
from ..obligations import ACCURACY, Obligations
from .clearing_arguments import read_costs, read_external_assets
from .fictitious_default import FictitiousDefault, UnsettledError
from .network import check_network
from .result_schema import CLEARING, CLEARING_SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from .network import Network

Solver = Literal["auto", "fixed_point", "fictitious_default"]
_SHOCK_BYTES: Final = (
    48  # a node of a shock in a block: its assets, its result, and its part of a table of one block
)


@dataclass(frozen=True, eq=False, repr=False)
class Clearing:
    """Clearing vectors of S shocks on a network of N nodes; arrays are read-only.

    Attributes
    ----------
    network : Network
    external_assets : ndarray (S, N)
        The shocks: what each node holds beside its claims, currency.
    costs : (float, float)
        alpha and beta.
    solution : str
        "greatest" or "least".
    payments : ndarray (S, N)
        What a node pays in all, in the network and outside, currency.
    equity : ndarray (S, N)
        What is left to its owners, currency, never negative.
    round : ndarray (S, N) of int32
        Round of fictitious defaults in which it defaults: 1 for who has less than it owes when all others pay in
        full, 2 for who has less when those pay what they can, ...; 0 for who does not default. In the least vector
        all who default do so in round 1: there everybody starts in default.
    rounds : ndarray (S,) of int32
        How many rounds there were: of new defaults, or for the least vector of passes in which nodes were saved.
    error_bound : ndarray (S,)
        No payment is farther than this from the exact one, currency; at most 1e-12 of the largest total that a node
        owes.
    backend : str
    """

    network: Network
    external_assets: NDArray[np.float64]
    costs: tuple[float, float]
    solution: Solution
    payments: NDArray[np.float64]
    equity: NDArray[np.float64]
    round: NDArray[np.int32]
    rounds: NDArray[np.int32]
    error_bound: NDArray[np.float64]
    backend: str

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for name in ("external_assets", "payments", "equity", "round", "rounds", "error_bound"):
            array = getattr(self, name).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        """Say in a line what was cleared."""
        shocks, nodes = self.payments.shape
        return f"<Clearing: {shocks} shocks on {nodes} nodes, {self.solution} vector, costs {self.costs}>"

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes: the last axis of the arrays."""
        return self.network.names

    @cached_property
    def defaulted(self) -> NDArray[np.bool_]:
        """Who has less than it owes (by more than 1e-12 of it), (S, N)."""
        return self.round > 0

    @cached_property
    def recovery(self) -> NDArray[np.float64]:
        """What a node pays as a share of what it owes, (S, N); 1 where it owes nothing."""
        due = self.network.obligations.total.high
        return np.where(due > 0.0, self.payments / np.where(due > 0.0, due, 1.0), 1.0)

    def table(self) -> pa.Table:
        """A row for each shock and node.

        Returns
        -------
        pyarrow.Table
            shock, node, external_assets, payments, recovery, equity, defaulted, round.
        """
        shocks, nodes = self.payments.shape
        columns = {
            "shock": np.repeat(np.arange(shocks), nodes),
            "node": pa.array(self.nodes * shocks, pa.string()),
        } | {
            name: getattr(self, name).reshape(-1)
            for name in ("external_assets", "payments", "recovery", "equity", "defaulted", "round")
        }
        return pa.table(columns, schema=CLEARING.arrow())

    def summary(self) -> pa.Table:
        """A row for each shock.

        Returns
        -------
        pyarrow.Table
            shock, defaults, rounds, unpaid (currency), error_bound.
        """
        due = self.network.obligations.total.high
        columns = {
            "shock": np.arange(len(self.payments)),
            "defaults": self.defaulted.sum(axis=1),
            "rounds": self.rounds,
            "unpaid": (due - self.payments).sum(axis=1),
            "error_bound": self.error_bound,
        }
        return pa.table(columns, schema=CLEARING_SUMMARY.arrow())


def clear(
    net: Network,
    external_assets: ArrayLike | None = None,
    method: str = "eisenberg_noe",
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    solution: str = "greatest",
    solver: str = "auto",
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> Clearing:
    """Clear a network under a batch of shocks to the nodes' external assets.

    Everybody pays what it owes in full, or all that it has: first its lower ranks, within a rank pro rata. External
    liabilities take part in the rank that the network says, by default the most senior (0), which is the edges'
    default too, so that without ranks all debts are equal.

    Parameters
    ----------
    net : Network
    external_assets : array_like (S, N) or (N,), optional
        A row for each shock, currency, not negative; by default the network's own.
    method : {"eisenberg_noe", "rogers_veraart"}
    alpha, beta : float
        rogers_veraart: shares of its external assets and of its receipts that a node in default pays out, 0 to 1.
    solution : {"greatest", "least"}
        Where several vectors clear the network. All lie between these two.
    solver : {"auto", "fixed_point", "fictitious_default"}
        Both give the same to 1e-12 of the largest total that a node owes. ``fixed_point`` updates all shocks
        together, and fails where circles leak little; ``fictitious_default`` solves sparse linear systems, a shock
        at a time; ``auto`` does the former, and the latter for those shocks that need it.
    backend : str
        The name of a backend, or ``auto`` for the best that clears networks.
    threads : int, optional
        At most so many threads of the processor; by default the environment variable GPUSTRESS_THREADS, or as many as
        the process has processors. ``numpy`` takes one, whatever is allowed.
    devices : sequence of int, optional
        CUDA devices that share the work, for a backend that has some.
    memory : str or int, optional
        What clearing may take beyond the shocks and the result, e.g. ``"4GB"``; by default a quarter of what is free.
        No number depends on it to more than rounding. For more shocks than fit: `clear_blocks`.

    Returns
    -------
    Clearing
        Of one shock (N,) as of a batch of one.

    Raises
    ------
    InputError
        For bad input, with every fault of the shocks; or the memory is less than one shock takes.
    AccuracyError
        A payment can't be shown to be exact to 1e-12 of the largest total that a node owes.

    Notes
    -----
    Eisenberg and Noe, "Systemic risk in financial systems", Management Science 47 (2001); Rogers and Veraart, "Failure
    and rescue in an interbank network", Management Science 59 (2013); seniority: Elsinger, "Financial networks, cross
    holdings, and limited liability", OeNB working paper 156 (2009). See docs/networks.md.
    """
    check_network(net)
    shocks = read_external_assets(net, external_assets)
    clearer = _Clearer.of(net, method, alpha, beta, solution, solver, backend, threads, devices, memory)
    clearer.check_memory()
    return clearer.clear(shocks)


def clear_blocks(
    net: Network,
    external_assets: ArrayLike | Iterable[ArrayLike],
    method: str = "eisenberg_noe",
    *,
    shocks: int | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    solution: str = "greatest",
    solver: str = "auto",
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> Iterator[Clearing]:
    """Clear a network under more shocks than fit into memory, a block of shocks at a time.

    Parameters
    ----------
    external_assets : array_like (S, N), or iterable of array_like (s, N)
        One array, such as a ``numpy.memmap``, is cut into blocks. Of an iterable, a generator say, each item is one.
    shocks : int, optional
        How many shocks a block has; by default as many as `memory` allows. Not with an iterable.
    memory : str or int, optional
        What a block, its result and a table of it may take, e.g. ``"4GB"``; by default a quarter of what is free.
    net, method, alpha, beta, solution, solver, backend, threads, devices
        As of `clear`.

    Yields
    ------
    Clearing
        Of each block, in order; its row 0 is the block's first shock. What came before is not kept. The numbers are
        those that `clear` gives for all shocks together, to the bit where the backend is not ``numpy``.

    Raises
    ------
    InputError, AccuracyError
        As of `clear`; those about the shocks when their block has its turn, with rows of the block.
    """
    check_network(net)
    clearer = _Clearer.of(net, method, alpha, beta, solution, solver, backend, threads, devices, memory)
    if shocks is not None:
        size = whole_number(shocks)
        if size is None or size < 1:
            raise bad_argument(
                "shocks", shocks, "is no number of shocks", "Give a whole number of at least 1."
            )
        clearer.check_memory()
    else:
        # Half is for two blocks, of which the caller may still hold one, half for clearing one.
        clearer.check_memory(2)
        half = clearer.memory // 2
        clearer = replace(clearer, memory=half)
        size = max(1, half // (2 * _SHOCK_BYTES * len(net.names)))
    whole = hasattr(external_assets, "__array__") or isinstance(external_assets, list | tuple)
    if not whole and shocks is not None:
        remedy = "Leave it out: each item of `external_assets` is a block."
        raise bad_argument("shocks", shocks, "means nothing where blocks are given", remedy)
    if not whole and not isinstance(external_assets, Iterable):
        remedy = "Give a row of assets for each shock, or an iterable of such blocks."
        raise bad_argument("external_assets", external_assets, "is no array of numbers", remedy)
    blocks: Iterable[Any] = (
        rows_at_a_time("external_assets", external_assets, size) if whole else external_assets  # type: ignore[assignment]
    )
    return (clearer.clear(read_external_assets(net, block)) for block in blocks)


@dataclass(frozen=True)
class _Clearer:
    """How to clear whatever block of shocks."""

    net: Network
    owed: Obligations
    costs: tuple[float, float]
    solution: Solution
    solver: Solver
    backend: Any
    memory: int

    @staticmethod
    def of(
        net: Network,
        method: str,
        alpha: float,
        beta: float,
        solution: str,
        solver: str,
        backend: str,
        threads: int | None,
        devices: Sequence[int] | None,
        memory: str | int | None,
    ) -> _Clearer:
        costs = read_costs(method, alpha, beta)
        for argument, value, known in (
            ("solution", solution, get_args(Solution)),
            ("solver", solver, get_args(Solver)),
        ):
            if not one_of(value, known):
                raise bad_argument(argument, value, f"is no {argument}", nearest(str(value), known))
        chosen = get_backend(backend, threads=threads, devices=devices, protocol=ClearsNetworks)
        if not isinstance(chosen, ClearsNetworks):
            remedy = f"Take another, or {AUTO} for the best that does."
            raise bad_argument("backend", chosen.name, "does not clear networks", remedy)
        return _Clearer(
            net=net,
            owed=net.obligations,
            costs=costs,
            solution=solution,  # type: ignore[arg-type]
            solver=solver,  # type: ignore[arg-type]
            backend=chosen,
            memory=budget(memory),
        )

    def check_memory(self, share: int = 1) -> None:
        """Refuse memory of which one in `share` parts is less than the backend can do with, where it tells that."""
        if isinstance(self.backend, TellsLeast) and self.solver != "fictitious_default":
            least = share * self.backend.clearing_bytes(self.owed)
            check_least(least, self.memory, f"one shock to {self.owed.nodes:,} nodes")

    def clear(self, shocks: NDArray[np.float64]) -> Clearing:
        """Clear a block of checked shocks (S, N)."""
        if self.solver == "fictitious_default":
            outcome = ClearingOutcome.empty(*shocks.shape)
        else:
            outcome = self.backend.clear(self.owed, shocks, self.costs, self.solution, self.memory)
        allowed = ACCURACY * self.owed.largest
        if self.solver != "fixed_point":
            self._solve_exactly(shocks, outcome, np.flatnonzero(~(outcome.error_bound <= allowed)))
        _check_accuracy(outcome.error_bound, allowed, self.solver)
        return Clearing(
            network=self.net,
            external_assets=shocks,
            costs=self.costs,
            solution=self.solution,
            payments=outcome.payments,
            equity=outcome.equity,
            round=outcome.round,
            rounds=outcome.rounds,
            error_bound=outcome.error_bound,
            backend=self.backend.name,
        )

    def _solve_exactly(
        self, shocks: NDArray[np.float64], outcome: ClearingOutcome, rows: NDArray[np.intp]
    ) -> None:
        """Put in the place of these rows of the outcome what fictitious defaults give."""
        algorithm = FictitiousDefault(self.owed, self.costs)
        one = algorithm.greatest if self.solution == "greatest" else algorithm.least
        for row in rows:
            try:
                cleared = one(shocks[row])
            except UnsettledError:
                outcome.error_bound[row] = np.inf
                continue
            spare = np.maximum(cleared.resources - self.owed.total.high, 0.0)
            outcome.payments[row] = cleared.payments
            outcome.equity[row] = np.where(cleared.round > 0, 0.0, spare)
            outcome.round[row], outcome.rounds[row] = cleared.round, cleared.rounds
            outcome.error_bound[row] = cleared.error_bound


def _check_accuracy(bound: NDArray[np.float64], allowed: float, solver: str) -> None:
    bad = np.flatnonzero(~(bound <= allowed))
    if len(bad):
        remedy = (
            "solver='auto' solves them exactly"
            if solver == "fixed_point"
            else (
                "payments go round in circles that leak next to nothing: put debts that cancel out against each other"
            )
        )
        raise AccuracyError(
            f"{len(bad)} of {len(bound)} shocks, the first is row {bad[0] + 1}, can't be cleared to {ACCURACY:g} of "
            f"the largest liability (error bound {bound[bad[0]]:g}, allowed {allowed:g}): {remedy}"
        )
