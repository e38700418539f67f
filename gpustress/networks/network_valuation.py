"""Valuation of a network: everybody's equity when claims are worth what their debtors' equity says.

Source: Barucca, Bardoscia, Caccioli, D'Errico, Visentin, Caldarelli and Battiston, "Network valuation in financial
systems", Mathematical Finance 30 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import numpy as np
import pyarrow as pa

from ..arguments import is_number, one_of
from ..backends.base import Solution
from ..errors import AccuracyError, InputError, Problem, bad_argument, nearest, shown
from ..obligations import DEFAULT_TOLERANCE
from .contagion_arguments import batch_of, numbers
from .equity_iteration import EquityMap, solve
from .network import check_network
from .result_schema import VALUATION, VALUATION_SUMMARY
from .schema import LARGEST
from .valuations import VALUATIONS, EisenbergNoe, Floats, Valuation, Worth, bad_valuation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from .network import Network

TOLERANCE: Final = 1e-12
BLOCK_CELLS: Final = 2**21  # nodes x shocks that are updated together


@dataclass(frozen=True, eq=False, repr=False)
class NetworkValuation:
    """What S shocks leave of the equity of N nodes; arrays are read-only.

    Attributes
    ----------
    network : Network
    external_assets : ndarray (S, N)
        The shocks: what each node holds beside its claims, currency.
    valuation : Valuation
    solution : str
        "greatest" or "least".
    equity : ndarray (S, N)
        External assets and the worth of claims, less all that is owed at face value, currency; negative in default.
    worth : ndarray (S, N)
        What all debts of a node are worth, as a share of their face value, 0 to 1; 1 where it owes nothing.
    error_bound : ndarray (S,)
        No equity is farther than this from the exact one, currency; at most the tolerance.
    updates : ndarray (S,) of int64
        Of all equities, until the bound held.
    """

    network: Network
    external_assets: NDArray[np.float64]
    valuation: Any
    solution: Solution
    equity: NDArray[np.float64]
    worth: NDArray[np.float64]
    error_bound: NDArray[np.float64]
    updates: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for name in ("external_assets", "equity", "worth", "error_bound", "updates"):
            array = getattr(self, name).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        """Say in a line what was valued."""
        shocks, nodes = self.equity.shape
        name = type(self.valuation).__name__
        return f"<NetworkValuation: {shocks} shocks on {nodes} nodes, {self.solution} solution, {name}>"

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes: the last axis of the arrays."""
        return self.network.names

    @cached_property
    def insolvent(self) -> NDArray[np.bool_]:
        """Whose equity is below 0 (by more than 1e-12 of what it owes), (S, N)."""
        below: NDArray[np.bool_] = self.equity < -DEFAULT_TOLERANCE * self.network.obligations.total.high
        return below

    def table(self) -> pa.Table:
        """A row for each shock and node.

        Returns
        -------
        pyarrow.Table
            shock, node, external_assets, equity, worth, insolvent.
        """
        shocks, nodes = self.equity.shape
        columns = {
            "shock": np.repeat(np.arange(shocks), nodes),
            "node": pa.array(self.nodes * shocks, pa.string()),
        } | {
            name: getattr(self, name).reshape(-1)
            for name in ("external_assets", "equity", "worth", "insolvent")
        }
        return pa.table(columns, schema=VALUATION.arrow())

    def summary(self) -> pa.Table:
        """A row for each shock.

        Returns
        -------
        pyarrow.Table
            shock, insolvent, written_down (currency), equity (currency), error_bound, updates.
        """
        owed = self.network.obligations.total.high
        columns = {
            "shock": np.arange(len(self.equity)),
            "insolvent": self.insolvent.sum(axis=1),
            "written_down": ((1.0 - self.worth) * owed).sum(axis=1),
            "equity": self.equity.sum(axis=1),
            "error_bound": self.error_bound,
            "updates": self.updates,
        }
        return pa.table(columns, schema=VALUATION_SUMMARY.arrow())


def value_network(
    net: Network,
    external_assets: ArrayLike | None = None,
    valuation: Valuation | Callable[[Any, Any], Any] | None = None,
    *,
    solution: str = "greatest",
    tolerance: float = TOLERANCE,
) -> NetworkValuation:
    """Value the equity of all nodes under a batch of shocks, each claim being worth what its debtor's equity says.

    Parameters
    ----------
    net : Network
    external_assets : array_like (S, N) or (N,), optional
        A row for each shock, currency, not negative; by default the network's own.
    valuation : Valuation or callable, optional
        `EisenbergNoe()` (the default), `RogersVeraart(alpha, beta)`, `Furfine(recovery)`, `LinearDebtRank(equity,
        recovery)`, `Merton(volatility, maturity, recovery)`, `BlackCox(volatility, maturity, recovery)`; or a function
        of equity and external assets, both (S, N), that gives the worth of what each node owes as a share of its face
        value, (S, N): from 0 to 1, never falling where equity rises, each shock for itself, and right to 16 roundings
        of what the node has and owes.
    solution : {"greatest", "least"}
        Where there are several. All lie between these two.
    tolerance : float
        Of the error of an equity, as a share of the most that any node has or owes at face value under that shock;
        above 0, at most 1e-3.

    Returns
    -------
    NetworkValuation
        Of one shock (N,) as of a batch of one.

    Raises
    ------
    InputError
        For bad input, with every fault of the shocks; the valuation gives something else than is asked for.
    AccuracyError
        An equity can't be shown to be exact to the tolerance.

    Notes
    -----
    Barucca et al., "Network valuation in financial systems", Mathematical Finance 30 (2020). The bound is shown, not
    estimated: an equity y below the iterates that the valuation does not lower lies below the greatest solution
    (Tarski's theorem). See docs/networks.md.
    """
    check_network(net)
    chosen = _valuation(valuation)
    shocks = _read(net, external_assets, solution, tolerance)
    map_ = EquityMap(net, _worth(chosen, net))
    size, found = max(1, BLOCK_CELLS // len(net.names)), []
    with np.errstate(over="ignore"):  # shares of what is next to nothing, which are cut to 1
        for start in range(0, len(shocks), size):
            block = np.ascontiguousarray(shocks[start : start + size].T)
            found.append(solve(map_, net, chosen, block, solution, tolerance))
    equity, worth, bound, updates = (
        np.ascontiguousarray(np.concatenate(part, axis=-1).T) for part in zip(*found, strict=True)
    )
    _check_accuracy(bound, tolerance * map_.scale(shocks.T), tolerance)
    return NetworkValuation(
        network=net,
        external_assets=shocks,
        valuation=EisenbergNoe() if valuation is None else valuation,
        solution=cast("Solution", solution),
        equity=equity,
        worth=worth,
        error_bound=bound,
        updates=updates,
    )


class _Custom:
    """A function of a user's, (S, N), as a valuation."""

    def __init__(self, function: Callable[[Any, Any], Any]):
        self._function = function

    def on(self, net: Network) -> Worth:
        debtor = net.obligations.debtor

        def worth(equity: Floats, external_assets: Floats) -> Floats:
            # copies, always: the transpose of one shock is contiguous, so that the function would write into the state
            given = self._function(np.array(equity.T, order="C"), np.array(external_assets.T, order="C"))
            share = _shares(given, equity.T.shape, "equity has")
            return np.ascontiguousarray(share.T)[debtor]

        return worth


def _worth(valuation: Valuation, net: Network) -> Worth:
    """What a valuation gives for a network; of one that is not of this package each time looked at."""
    worth = valuation.on(net)
    if not callable(worth):
        raise bad_valuation(worth, "has a method `on` that gives no function")
    if type(valuation) in (_Custom, *VALUATIONS):
        return worth
    obligations = len(net.obligations.debtor)

    def looked_at(equity: Floats, external_assets: Floats) -> Floats:
        shape = obligations, equity.shape[1]
        return _shares(worth(equity.copy(), external_assets.copy()), shape, "(obligations, S) is")

    return looked_at


def _shares(given: Any, shape: tuple[int, ...], whose: str) -> Floats:
    """What a valuation gave, once it is an array of that shape of numbers from 0 to 1."""
    try:
        share = numbers("valuation", given)
    except InputError as error:
        raise bad_valuation(given, "gives no array of numbers") from error
    if share.shape != shape:
        raise bad_valuation(share.shape, f"gives another shape than {whose}, {shape}")
    outside = ~((share >= 0.0) & (share <= 1.0))
    if outside.any():
        raise bad_valuation(float(share[outside][0]), "gives a worth that is not from 0 to 1")
    return share


def _valuation(given: Any) -> Valuation:
    if given is None:
        return EisenbergNoe()
    if callable(getattr(given, "on", None)) and not isinstance(given, type):
        return cast("Valuation", given)
    if callable(given) and not isinstance(given, type):
        return _Custom(given)
    remedy = "Give a valuation made with its parameters, or a function of equity and external assets."
    raise bad_argument("valuation", given, "is no valuation", remedy)


def _read(net: Network, given: Any, solution: str, tolerance: float) -> Floats:
    """The shocks (S, N), an array of one's own, and every fault of the arguments."""
    problems: list[Problem] = []
    remedy = "Write a number of at least 0; what is owed belongs to the external liabilities."
    assets = net.external_assets if given is None else given
    shocks = np.empty((0, 0))
    try:
        shocks = batch_of(
            "external_assets", assets, net.names, lambda own: (own >= 0.0) & (own <= LARGEST), remedy
        )
    except InputError as error:
        problems.extend(error.problems)
    if not one_of(solution, known := get_args(Solution)):
        advice = nearest(str(solution), known)
        problems.append(Problem("solution", None, None, shown(solution), "is no solution", advice))
    if not is_number(tolerance) or not 0.0 < tolerance <= 1e-3:
        advice = "Write a number above 0, at most 1e-3."
        problems.append(Problem("tolerance", None, None, shown(tolerance), "is out of range", advice))
    if problems:
        raise InputError(problems)
    return shocks


def _check_accuracy(bound: Floats, allowed: Floats, tolerance: float) -> None:
    bad = np.flatnonzero(~(bound <= allowed))
    if len(bad):
        remedy = (
            "losses go round in circles that leak next to nothing, or an equity lies where the worth jumps; "
            "ask for a greater tolerance"
        )
        raise AccuracyError(
            f"{len(bad)} of {len(bound)} shocks, the first is row {bad[0] + 1}, can't be valued to {tolerance:g} of "
            f"the most that a node has or owes (error bound {bound[bad[0]]:g}, allowed {allowed[bad[0]]:g}): {remedy}"
        )
