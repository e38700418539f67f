"""Valuation of a network: everybody's equity when claims are worth what their debtors' equity says.

Source: Barucca, Bardoscia, Caccioli, D'Errico, Visentin, Caldarelli and Battiston, "Network valuation in financial
systems", Mathematical Finance 30 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import numpy as np
import pyarrow as pa
from scipy import sparse

from ..arguments import is_number, one_of
from ..backends.base import Solution
from ..errors import AccuracyError, InputError, Problem, bad_argument, nearest, shown
from ..obligations import DEFAULT_TOLERANCE
from .contagion_arguments import batch_of, numbers
from .network import check_network
from .result_schema import VALUATION, VALUATION_SUMMARY
from .schema import LARGEST
from .valuations import VALUATIONS, EisenbergNoe, Exact, Floats, Valuation, Worth

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from .network import Network

TOLERANCE: Final = 1e-12
PLAIN_UPDATES: Final = 512  # after which a valuation that can be solved in another way is
MOST_UPDATES: Final = (
    10_000  # besides one for each node, so that a chain is passed through; then it is an error
)
BOUND_UPDATES: Final = 1024  # towards a bound; it is tried after 1, 2, 4, ... of them
TERMS: Final = 16  # are added up at once, then their sums: keeps roundings few where a node has many debtors
WORTH_ROUNDINGS: Final = 16  # that a worth may be off by, of what the debtor has and owes at face value
ROUNDOFF: Final = 2.0**-53
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
    map_ = _Map(net, _worth(chosen, net))
    size, found = max(1, BLOCK_CELLS // len(net.names)), []
    with np.errstate(over="ignore"):  # shares of what is next to nothing, which are cut to 1
        for start in range(0, len(shocks), size):
            block = np.ascontiguousarray(shocks[start : start + size].T)
            found.append(_solve(map_, net, chosen, block, solution, tolerance))
    equity, worth, bound, updates = (
        np.ascontiguousarray(np.concatenate(part, axis=-1).T) for part in zip(*found, strict=True)
    )
    _check_accuracy(bound, tolerance * _scale(map_, shocks.T), tolerance)
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
        raise _bad_valuation(worth, "has a method `on` that gives no function")
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
        raise _bad_valuation(given, "gives no array of numbers") from error
    if share.shape != shape:
        raise _bad_valuation(share.shape, f"gives another shape than {whose}, {shape}")
    outside = ~((share >= 0.0) & (share <= 1.0))
    if outside.any():
        raise _bad_valuation(float(share[outside][0]), "gives a worth that is not from 0 to 1")
    return share


def _bad_valuation(value: object, message: str) -> InputError:
    remedy = "Give the worth of each node's debts, 0 to 1, never falling where equity rises."
    return bad_argument("valuation", value, message, remedy)


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


class _Map:
    """From equities (N, S) to equities: external assets and what claims are worth, less debts at face value."""

    def __init__(self, net: Network, worth: Worth):
        owed = net.obligations
        self.worth = worth
        self._sums, terms = _in_steps(owed.shares)
        self._due = owed.due.high[:, None]
        self.debts = owed.total.high[:, None]
        self._debtor = owed.debtor
        self.claims = self._received(np.ones_like(self._due))
        self._terms = terms

    def start(self, external_assets: Floats, greatest: bool) -> Floats:
        """Where all claims are worth their face value, or nothing."""
        return external_assets + (self.claims if greatest else 0.0) - self.debts

    def __call__(self, equity: Floats, external_assets: Floats) -> Floats:
        return external_assets + self._received(self.worth(equity, external_assets)) - self.debts

    def of_nodes(self, worth: Floats) -> Floats:
        """The worth (N, S) of all debts of a node, as a share of them."""
        value = np.zeros((len(self.debts), worth.shape[1]))
        np.add.at(value, self._debtor, worth * self._due)
        owing = self.debts > 0.0
        share = np.minimum(value / np.where(owing, self.debts, 1.0), 1.0)
        return np.asarray(np.where(owing, share, 1.0))

    def rounding(self, external_assets: Floats) -> Floats:
        """By how much equities (N, S) may be off by rounding alone."""
        scale = external_assets + self.claims + self.debts
        of_worth = self._received(np.minimum(WORTH_ROUNDINGS * scale[self._debtor] / self._due, LARGEST))
        rounding: Floats = ROUNDOFF * (4.0 * scale + self._terms * self.claims + of_worth)
        return rounding

    def _received(self, worth: Floats) -> Floats:
        amounts = worth * self._due
        for sums in self._sums:
            amounts = sums @ amounts
        return np.asarray(amounts)


def _in_steps(shares: sparse.csr_array) -> tuple[list[sparse.csr_array], int]:
    """Matrices whose product is `shares`, none with more than TERMS entries in a row; roundings of a sum."""
    steps: list[sparse.csr_array] = []
    matrix = shares
    while len(matrix.data) and (entries := np.diff(matrix.indptr)).max() > TERMS:
        pieces = -(-entries // TERMS)
        ends = np.concatenate([[0], np.cumsum(pieces)])
        place = np.arange(ends[-1]) - np.repeat(ends[:-1], pieces)
        starts = np.repeat(matrix.indptr[:-1], pieces) + TERMS * place
        pointer = np.append(starts, len(matrix.data))
        steps.append(
            sparse.csr_array((matrix.data, matrix.indices, pointer), shape=(ends[-1], matrix.shape[1]))
        )
        ones, columns = np.ones(ends[-1]), np.arange(ends[-1])
        matrix = sparse.csr_array((ones, columns, ends), shape=(matrix.shape[0], ends[-1]))
    steps.append(matrix)
    return steps, 2 + sum(int(np.diff(step.indptr).max(initial=0)) for step in steps)


def _scale(map_: _Map, external_assets: Floats) -> Floats:
    """The most that any node has or owes, (S,)."""
    most: Floats = np.maximum(external_assets + map_.claims, map_.debts).max(axis=0)
    return most


def _solve(
    map_: _Map, net: Network, valuation: Valuation, own: Floats, solution: str, tolerance: float
) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Equity and worth (N, S), error bounds and updates (S,)."""
    greatest = solution == "greatest"
    towards = -1.0 if greatest else 1.0
    rounding, allowed = map_.rounding(own), tolerance * _scale(map_, own)
    equity = map_.start(own, greatest) - towards * rounding
    bound, updates = np.full(own.shape[1], np.inf), np.zeros(own.shape[1], dtype=np.int64)
    next_look = np.ones(own.shape[1], dtype=np.int64)  # for a bound, after so many updates
    step = np.full(own.shape, np.inf)
    moving, can_be_exact = np.arange(own.shape[1]), isinstance(valuation, Exact)
    for update in count(1):
        mine, slack = own[:, moving], rounding[:, moving]
        before, after = equity[:, moving], map_(equity[:, moving], mine)
        if (towards * (after - before) < -2.0 * slack).any():
            raise _bad_valuation(valuation, "gives less worth to more equity")
        # Away from the solution by what rounding may have taken, so that all iterates stay on this side of it.
        after = after - towards * slack
        after = np.minimum(before, after) if greatest else np.maximum(before, after)
        gain = np.abs(after - before)
        later = _later_gains(gain, step[:, moving], slack)
        equity[:, moving], step[:, moving], updates[moving] = after, gain, update
        at_rest = ~gain.any(axis=0)
        chosen = moving[at_rest | ((later <= allowed[moving] / 4.0) & (next_look[moving] <= update))]
        if len(chosen):
            inputs = (own[:, chosen], rounding[:, chosen], allowed[chosen])
            bound[chosen] = _bound(map_, equity[:, chosen], *inputs, (towards,))
            next_look[chosen] = update + 1 + update // 2
            moving = moving[~(at_rest | (bound[moving] <= allowed[moving]))]
        if not len(moving) or update >= MOST_UPDATES + len(own) or (can_be_exact and update >= PLAIN_UPDATES):
            break
    final = map_(equity, own)
    left = np.flatnonzero(~(bound <= allowed))
    if len(left) and isinstance(valuation, Exact):
        inputs = (own[:, left], rounding[:, left], allowed[left])
        _hand_over(map_, valuation, net, solution, inputs, (final, bound), left)
    return final, map_.of_nodes(map_.worth(final, own)), bound, updates


def _later_gains(gain: Floats, before: Floats, slack: Floats) -> Floats:
    """Guess what all later updates move a node by, (S,): a node's gains go on falling at their last rate."""
    real = np.where(gain > 4.0 * slack, gain, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(real > 0.0, real / before, 0.0).max(axis=0, initial=0.0)
        later = real.max(axis=0, initial=0.0) * rate / (1.0 - rate)
    return np.where(rate == 0.0, real.max(axis=0, initial=0.0), np.where(rate < 1.0, later, np.inf))


def _bound(
    map_: _Map, equity: Floats, own: Floats, rounding: Floats, allowed: Floats, sides: tuple[float, ...]
) -> Floats:
    """How far the solution may be from these equities (N, S), to these sides of them (-1 below, 1 above), (S,).

    With y = equity - distance and map(y) >= y, the greatest solution is at least y. Such a distance is looked for by
    updates, distance = gap + map(equity) - map(equity - distance), and then twice that is tried. So for the other side.
    """
    bound = np.zeros(own.shape[1])
    for side in sides:
        found = np.full(own.shape[1], np.inf)
        looking = np.arange(own.shape[1])  # each shock until it has a bound, or can't have a small one
        after = map_(equity, own)
        distance = gap = np.maximum(side * (after - equity), 0.0) + 2.0 * rounding
        for update in range(1, BOUND_UPDATES + 1):
            here, mine, slack = equity[:, looking], own[:, looking], rounding[:, looking]
            passed_on = side * (map_(here + side * distance, mine) - after[:, looking])
            distance = np.maximum(distance, gap[:, looking] + passed_on)
            goes_on = distance.max(axis=0) <= allowed[looking]
            if update & (update - 1) == 0:
                tried = here + 2.0 * side * distance
                holds = (side * (tried - map_(tried, mine)) >= slack).all(axis=0)
                found[looking[holds]] = (2.0 * distance + slack).max(axis=0)[holds]
                goes_on &= ~holds
            looking, distance = looking[goes_on], distance[:, goes_on]
            if not len(looking):
                break
        bound = np.maximum(bound, found)
    return bound


def _hand_over(
    map_: _Map,
    valuation: Exact,
    net: Network,
    solution: str,
    inputs: tuple[Floats, Floats, Floats],
    results: tuple[Floats, Floats],
    shocks: NDArray[np.intp],
) -> None:
    """Solve these shocks in the valuation's other way, and put equity and bound into the results."""
    own, rounding, allowed = inputs
    equity, bound = results
    solved = valuation.exact(net, own, solution)
    if solved is None:
        return
    equity[:, shocks], error = solved
    if np.isnan(error).any():
        bound[shocks] = _bound(map_, equity[:, shocks], own, rounding, allowed, (-1.0, 1.0))
    else:
        bound[shocks] = (error + rounding).max(axis=0)


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
