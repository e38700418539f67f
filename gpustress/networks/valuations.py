"""Valuation functions: what a debt is worth, as a share of its face value, given the equity of who owes it.

A valuation has a method `on(net)`, which reads its own parameters and gives the function that the valuation of a
network iterates: from the equity of all nodes and their external assets, both (N, S), to the worth of each obligation
(a node's debts in one rank), (K, S), from 0 to 1 and never falling where equity rises. Where its iteration can be slow
and another way is exact, it has a method `exact` besides.

Source: Barucca, Bardoscia, Caccioli, D'Errico, Visentin, Caldarelli and Battiston, "Network valuation in financial
systems", Mathematical Finance 30 (2020).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..errors import InputError, Problem, bad_argument
from ..obligations import DEFAULT_TOLERANCE
from .clearing import clear
from .contagion import linear_debtrank
from .contagion_arguments import by_node

if TYPE_CHECKING:
    from .network import Network

Floats: TypeAlias = NDArray[np.float64]
Worth: TypeAlias = Callable[[Floats, Floats], Floats]


class Valuation(Protocol):
    """What a valuation of a network is made with."""

    def on(self, net: Network) -> Worth:
        """The worth (K, S) of the obligations of `net`, of equity and external assets (N, S).

        Raises
        ------
        InputError
            With every problem of the parameters.
        """


@runtime_checkable
class Exact(Protocol):
    """A valuation whose fixed points can be had in another way than by iteration."""

    def exact(self, net: Network, external_assets: Floats, solution: str) -> tuple[Floats, Floats] | None:
        """Equity and a bound of its error, both (N, S), of external assets (N, S); None: not for this solution.

        A bound that is not a number stands for: this is the only solution, but how exact it is has to be found out.
        """


@dataclass(frozen=True)
class RogersVeraart:
    """Ex post, with default costs: a node in default pays alpha of its external assets and beta of its claims' worth.

    Parameters
    ----------
    alpha, beta : float
        0 to 1.

    Notes
    -----
    Rogers and Veraart, "Failure and rescue in an interbank network", Management Science 59 (2013). Greatest and least
    solution are those of `clear`, with ranks as without.
    """

    alpha: float = 1.0
    beta: float = 1.0

    def on(self, net: Network) -> Worth:
        """As of `Valuation`."""
        given = _Parameters(net)
        alpha, beta = (given.share(name, getattr(self, name)) for name in ("alpha", "beta"))
        given.check()
        owed = _Columns(net)

        def worth(equity: Floats, external_assets: Floats) -> Floats:
            funds = equity + owed.total
            reduced = alpha * external_assets + beta * np.maximum(funds - external_assets, 0.0)
            return owed.met(np.where(owed.defaults(equity), reduced, funds))

        return worth

    def exact(self, net: Network, external_assets: Floats, solution: str) -> tuple[Floats, Floats]:
        """Clear the network."""
        cleared = clear(
            net, external_assets.T, "rogers_veraart", alpha=self.alpha, beta=self.beta, solution=solution
        )
        owed, obligations = _Columns(net), net.obligations
        paid = owed.due * owed.met(np.ascontiguousarray(cleared.payments.T))
        equity = external_assets + obligations.shares @ paid - owed.total
        received = obligations.shares.sum(axis=1)[:, None]
        return equity, received * cleared.error_bound


@dataclass(frozen=True)
class EisenbergNoe:
    """Ex post, without costs: a node pays what it owes, or all that it has.

    Notes
    -----
    Eisenberg and Noe, "Systemic risk in financial systems", Management Science 47 (2001); with ranks, Elsinger (2009).
    """

    def on(self, net: Network) -> Worth:
        """As of `Valuation`."""
        owed = _Columns(net)
        return lambda equity, _: owed.met(equity + owed.total)

    def exact(self, net: Network, external_assets: Floats, solution: str) -> tuple[Floats, Floats]:
        """Clear the network."""
        return RogersVeraart().exact(net, external_assets, solution)


@dataclass(frozen=True, eq=False)
class Furfine:
    """Contagion on default: claims on a node whose equity is below 0 are worth their recovery.

    Parameters
    ----------
    recovery : float or array_like (N,)
        0 to 1.

    Notes
    -----
    Furfine, "Interbank exposures: quantifying the risk of contagion", Journal of Money, Credit and Banking 35 (2003).
    The greatest solution is that of `cascade`.
    """

    recovery: Any = 0.0

    def on(self, net: Network) -> Worth:
        """As of `Valuation`."""
        given = _Parameters(net)
        recovery = given.share("recovery", self.recovery)
        given.check()
        owed = _Columns(net)
        return lambda equity, _: np.where(owed.defaults(equity), recovery, 1.0)[owed.debtor]


@dataclass(frozen=True, eq=False)
class LinearDebtRank:
    """Claims on a node are worth the share that it still has of its reference equity, and at default their recovery.

    Parameters
    ----------
    equity : array_like (N,), optional
        The reference, currency, above 0; by default the network's `equity`.
    recovery : float or array_like (N,)
        0 to 1.

    Notes
    -----
    Bardoscia, Battiston, Caccioli and Caldarelli, "DebtRank: a microscopic foundation for shock propagation", PLoS ONE
    10 (2015); recovery: the same, "Pathways towards instability in financial networks", Nature Communications 8 (2017).
    The greatest solution is that of `debtrank`, distress being the share of the reference equity that is lost.
    """

    equity: Any = None
    recovery: Any = 0.0

    def on(self, net: Network) -> Worth:
        """As of `Valuation`."""
        reference, recovery = self._read(net)
        owed = _Columns(net)

        def worth(equity: Floats, _: Floats) -> Floats:
            lost = np.clip(1.0 - equity / reference, 0.0, 1.0)
            return (1.0 - (1.0 - recovery) * lost)[owed.debtor]

        return worth

    def exact(self, net: Network, external_assets: Floats, solution: str) -> tuple[Floats, Floats] | None:
        """Solve for distress where nobody has more than its reference equity: there it has one solution only."""
        reference, recovery = self._read(net)
        face = external_assets + (net.claims.sum(axis=1) - _Columns(net).total[:, 0])[:, None]
        lost = reference - face
        if solution != "greatest" or (lost < -DEFAULT_TOLERANCE * reference).any():
            return None
        written_off = net.claims.multiply(1.0 - recovery.T).tocsr()
        distress = linear_debtrank(written_off, reference[:, 0], np.maximum(lost, 0.0))
        return face - written_off @ distress, np.full(face.shape, np.nan)

    def _read(self, net: Network) -> tuple[Floats, Floats]:
        given = _Parameters(net)
        reference = net.equity if self.equity is None else self.equity
        capital = given.read("equity", reference, lambda value: value > 0.0, "Write a number above 0.")
        recovery = given.share("recovery", self.recovery)
        given.check()
        return capital, recovery


@dataclass(frozen=True, eq=False)
class Merton:
    """Ex ante, default at maturity: what Eisenberg and Noe pay is expected over the external assets at maturity.

    External assets follow a geometric Brownian motion without drift: today's amount is the expectation. The worth of
    the node's own claims does not move with them (the paper's valuation of each debtor taken alone).

    Parameters
    ----------
    volatility : float or array_like (N,)
        Of external assets, a year, at least 0.
    maturity : float or array_like (N,)
        Years, at least 0.
    recovery : float or array_like (N,)
        Share of what the node then has that its creditors get if it defaults, 0 to 1.

    Notes
    -----
    Barucca et al. (2020), section 4; Merton, "On the pricing of corporate debt: the risk structure of interest rates",
    Journal of Finance 29 (1974). Of a node's ranks each is a tranche. Without volatility, or with maturity 0, and
    recovery 1 this is `EisenbergNoe`.
    """

    volatility: Any
    maturity: Any = 1.0
    recovery: Any = 1.0

    def on(self, net: Network) -> Worth:
        """As of `Valuation`."""
        deviation, recovery = _ex_ante(net, self)
        owed = _Columns(net)
        spread, kept = deviation[owed.debtor], recovery[owed.debtor]

        def worth(equity: Floats, external_assets: Floats) -> Floats:
            assets = external_assets[owed.debtor]
            has = (equity + owed.total)[owed.debtor]
            # By how much assets have to rise for all of this rank to be met, and for any of it.
            through = owed.senior + owed.due - has
            lost = (_put(assets, through, spread) - _put(assets, owed.senior - has, spread)) / owed.due
            tranche = np.clip(1.0 - lost, 0.0, 1.0)
            default = _below(external_assets, -equity, deviation, owed.defaults(equity))[owed.debtor]
            return np.clip(kept * tranche + (1.0 - kept) * (1.0 - default), 0.0, 1.0)

        return worth


@dataclass(frozen=True, eq=False)
class BlackCox:
    """Ex ante, default at any time until maturity: once external assets have fallen by all of today's equity.

    External assets follow a geometric Brownian motion without drift.

    Parameters
    ----------
    volatility : float or array_like (N,)
        Of external assets, a year, at least 0.
    maturity : float or array_like (N,)
        Years, at least 0.
    recovery : float or array_like (N,)
        Share of the face value that creditors get at default, 0 to 1.

    Notes
    -----
    Bardoscia, Barucca, Brinley Codd and Hill, "Forward-looking solvency contagion", Journal of Economic Dynamics and
    Control 108 (2019); Black and Cox, "Valuing corporate securities", Journal of Finance 31 (1976). Without volatility,
    or with maturity 0, this is `Furfine`.
    """

    volatility: Any
    maturity: Any = 1.0
    recovery: Any = 0.0

    def on(self, net: Network) -> Worth:
        """As of `Valuation`."""
        deviation, recovery = _ex_ante(net, self)
        owed = _Columns(net)

        def worth(equity: Floats, external_assets: Floats) -> Floats:
            default = _ever_below(external_assets, -equity, deviation, owed.defaults(equity))
            return np.clip(1.0 - (1.0 - recovery) * default, 0.0, 1.0)[owed.debtor]

        return worth


VALUATIONS: Final = (RogersVeraart, EisenbergNoe, Furfine, LinearDebtRank, Merton, BlackCox)


class _Parameters:
    """Reads the parameters of a valuation as columns (N, 1), and reports what is wrong with all of them."""

    def __init__(self, net: Network):
        self._names, self._problems = net.names, list[Problem]()

    def read(
        self, name: str, value: Any, in_range: Callable[[Floats], NDArray[np.bool_]], remedy: str
    ) -> Floats:
        try:
            return by_node(name, value, self._names, in_range, remedy, scalar=True)[:, None]
        except InputError as error:
            self._problems.extend(error.problems)
            return np.ones((len(self._names), 1))

    def share(self, name: str, value: Any) -> Floats:
        return self.read(
            name, value, lambda part: (part >= 0.0) & (part <= 1.0), "Write a number from 0 to 1."
        )

    def check(self) -> None:
        if self._problems:
            raise InputError(self._problems)


class _Columns:
    """A network's obligations as columns: (N, 1) and (K, 1)."""

    def __init__(self, net: Network):
        owed = net.obligations
        self.debtor = owed.debtor
        self.total = owed.total.high[:, None]
        self.due, self.senior = owed.due.high[:, None], owed.senior.high[:, None]

    def defaults(self, equity: Floats) -> NDArray[np.bool_]:
        """Who lacks more than 1e-12 of what it owes, (N, S), as clearing has it."""
        lacks: NDArray[np.bool_] = equity < -DEFAULT_TOLERANCE * self.total
        return lacks

    def met(self, funds: Floats) -> Floats:
        """The share (K, S) of each obligation that funds (N, S) meet, the more senior ones first."""
        return np.clip((funds[self.debtor] - self.senior) / self.due, 0.0, 1.0)


def _ex_ante(net: Network, valuation: Merton | BlackCox) -> tuple[Floats, Floats]:
    """The standard deviation of the logarithm of external assets at maturity, and recovery, (N, 1)."""
    given = _Parameters(net)
    volatility, maturity = (
        given.read(
            name, getattr(valuation, name), lambda value: value >= 0.0, "Write a number of at least 0."
        )
        for name in ("volatility", "maturity")
    )
    recovery = given.share("recovery", valuation.recovery)
    given.check()
    return np.asarray(volatility * np.sqrt(maturity)), recovery


# Below, assets (a, above 0 where it matters) times exp(-d^2 / 2 + d z), z normal, d the deviation, are held against
# a + rise. scipy's functions treat each element alone, so that a batch has the bits of its shocks one at a time.


def _log_ratio(assets: Floats, rise: Floats) -> Floats:
    """ln((a + rise) / a), -inf where that is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(assets > 0.0, np.maximum(rise / assets, -1.0), -1.0)
        return np.asarray(special.log1p(ratio))


def _put(assets: Floats, rise: Floats, deviation: Floats) -> Floats:
    """What is expected to be lacking to a + rise."""
    strike, random = assets + rise, (deviation > 0.0) & (assets > 0.0)
    apart = _log_ratio(assets, rise) / np.where(deviation > 0.0, deviation, 1.0)
    expected = strike * special.ndtr(apart + deviation / 2.0) - assets * special.ndtr(apart - deviation / 2.0)
    expected = np.where(random, expected, rise)  # without randomness, what is lacking
    return np.where(strike > 0.0, np.maximum(expected, 0.0), 0.0)


def _below(assets: Floats, rise: Floats, deviation: Floats, now: NDArray[np.bool_]) -> Floats:
    """The probability of less than a + rise at maturity; without randomness, whether that is so `now`."""
    random = (deviation > 0.0) & (assets > 0.0)
    apart = _log_ratio(assets, rise) / np.where(deviation > 0.0, deviation, 1.0)
    return np.where(random, special.ndtr(apart + deviation / 2.0), now)


def _ever_below(assets: Floats, rise: Floats, deviation: Floats, now: NDArray[np.bool_]) -> Floats:
    """The probability of no more than a + rise at some time until maturity, by reflection of the Brownian motion."""
    random = (deviation > 0.0) & (assets > 0.0)
    barrier = np.minimum(_log_ratio(assets, rise), 0.0)
    apart, finite = barrier / np.where(deviation > 0.0, deviation, 1.0), np.isfinite(barrier)
    reflected = special.log_ndtr(apart - deviation / 2.0) - np.where(finite, barrier, 0.0)
    probability = special.ndtr(apart + deviation / 2.0) + np.where(finite, _exp(reflected), 0.0)
    return np.where(random, np.minimum(probability, 1.0), now)


def _exp(logarithm: Floats) -> Floats:
    """The exponential, element by element the same bits wherever it stands."""
    return np.asarray(special.expm1(logarithm) + 1.0)


def bad_valuation(value: object, message: str) -> InputError:
    """Make the error of a valuation that is none."""
    remedy = "Give the worth of each node's debts, 0 to 1, never falling where equity rises."
    return bad_argument("valuation", value, message, remedy)
