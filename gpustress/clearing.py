"""Clearing of a static network: who can pay how much when everybody's payments depend on everybody else's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
import pyarrow as pa

from .backends import AUTO, get_backend
from .backends.base import ClearsNetworks, Solution, Solver
from .errors import LISTED_ROWS, AccuracyError, InputError, Problem, bad_argument, nearest, shown
from .network import Network
from .network_schema import LARGEST
from .obligations import ACCURACY, Obligations
from .result_schema import CLEARING, CLEARING_SUMMARY

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

METHODS: Final = ("eisenberg_noe", "rogers_veraart")
CLEARS: Final = ("numpy",)  # the backends that have the kernel, the one that `auto` prefers last


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
    round : ndarray (S, N) of int64
        Round of fictitious defaults in which it defaults: 1 for who has less than it owes when all others pay in
        full, 2 for who has less when those pay what they can, ...; 0 for who does not default. In the least vector
        all who default do so in round 1: there everybody starts in default.
    rounds : ndarray (S,) of int64
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
    round: NDArray[np.int64]
    rounds: NDArray[np.int64]
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
        due = Obligations.of(self.network).total.high
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
        due = Obligations.of(self.network).total.high
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
        ``numpy``, or ``auto`` for the best that clears networks.

    Returns
    -------
    Clearing
        Of one shock (N,) as of a batch of one.

    Raises
    ------
    InputError
        For bad input, with every fault of the shocks.
    AccuracyError
        A payment can't be shown to be exact to 1e-12 of the largest total that a node owes.

    Notes
    -----
    Eisenberg and Noe, "Systemic risk in financial systems", Management Science 47 (2001); Rogers and Veraart, "Failure
    and rescue in an interbank network", Management Science 59 (2013); seniority: Elsinger, "Financial networks, cross
    holdings, and limited liability", OeNB working paper 156 (2009). See docs/networks.md.
    """
    if not isinstance(net, Network):
        raise bad_argument("net", net, "is no Network", "Make one with Network(edges, nodes).")
    costs = _costs(method, alpha, beta)
    for argument, value, known in (
        ("solution", solution, get_args(Solution)),
        ("solver", solver, get_args(Solver)),
    ):
        if value not in known:
            raise bad_argument(argument, value, f"is no {argument}", nearest(str(value), known))
    shocks = _shocks(net, external_assets)
    chosen = _backend(backend)
    owed = Obligations.of(net)
    outcome = chosen.clear(owed, shocks, costs, solution, solver)
    _check_accuracy(outcome.error_bound, ACCURACY * owed.largest, solver)
    spare = np.maximum(outcome.resources - owed.total.high, 0.0)
    equity = np.where(outcome.round > 0, 0.0, spare)
    return Clearing(
        network=net,
        external_assets=shocks,
        costs=costs,
        solution=solution,  # type: ignore[arg-type]
        payments=outcome.payments,
        equity=equity,
        round=outcome.round,
        rounds=outcome.rounds,
        error_bound=outcome.error_bound,
        backend=chosen.name,
    )


def _backend(name: str) -> Any:
    chosen = get_backend(CLEARS[-1] if name == AUTO else name)
    if not isinstance(chosen, ClearsNetworks):
        raise bad_argument("backend", name, "does not clear networks", nearest(name, (AUTO, *CLEARS)))
    return chosen


def _costs(method: str, alpha: float, beta: float) -> tuple[float, float]:
    if method not in METHODS:
        raise bad_argument("method", method, "is no method", nearest(str(method), METHODS))
    problems = []
    for name, value in (("alpha", alpha), ("beta", beta)):
        is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not is_number or not 0.0 <= value <= 1.0:
            remedy = "Give a number from 0 to 1: 1 for no costs."
            problems.append(Problem(name, None, None, shown(value), "is no share", remedy))
        elif method == "eisenberg_noe" and value != 1.0:
            remedy = 'Leave it out, or take method="rogers_veraart".'
            problems.append(
                Problem(name, None, None, shown(value), "is a default cost, which this has not", remedy)
            )
    if problems:
        raise InputError(problems)
    return float(alpha), float(beta)


def _shocks(net: Network, given: ArrayLike | None) -> NDArray[np.float64]:
    """The external assets of each shock, (S, N), an array of one's own."""
    argument, nodes = "external_assets", len(net.names)
    try:
        array = np.array(net.external_assets if given is None else given, dtype=np.float64, ndmin=2)
    except (TypeError, ValueError) as error:
        remedy = f"Give a row of {nodes} numbers for each shock."
        raise bad_argument(
            argument, type(given).__name__, f"is no array of numbers: {error}", remedy
        ) from error
    if array.ndim != 2 or array.shape[1] != nodes or len(array) == 0:
        remedy = f"Give a row of {nodes} numbers, one for each node, for each shock."
        raise bad_argument(argument, array.shape, "has the wrong shape", remedy)
    return _checked(net, argument, array)


def _checked(net: Network, argument: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    faults = (
        (~np.isfinite(array), "is not a finite number", "Write a number of at least 0."),
        (array < 0.0, "is negative", "Write 0, and what is owed among the external liabilities."),
        ((array > LARGEST) & np.isfinite(array), "is too large", f"Write at most {LARGEST:g}."),
    )
    problems = []
    for at_fault, message, remedy in faults:
        places = np.argwhere(at_fault)
        for shock, node in places[:LISTED_ROWS].tolist():
            value = shown(float(array[shock, node]))
            problems.append(Problem(argument, shock, net.names[node], value, message, remedy))
        if (more := len(places) - LISTED_ROWS) > 0:
            problems.append(Problem(argument, None, None, "", f"{more} more: {message}", remedy))
    if problems:
        raise InputError(problems)
    return array


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
