"""Small networks and holdings through which losses spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import gpustress as gs
from bits import differing_arrays
from gpustress.backends.base import Rule, SpreadsLosses
from gpustress.exposures import EquityShocks, Exposures

HELD = np.array([[60.0, 40.0, 10.0], [20.0, 80.0, 0.0]])
EQUITY = np.array([22.0, 15.0])
IMPACT = np.array([1e-3, 5e-4, 0.0])


def owes(names: str, *debts: tuple[str, str, float]) -> gs.Network:
    """A network of nodes with names of one letter."""
    columns = zip(*debts, strict=True) if debts else ([], [], [])
    edges = dict(zip(("debtor", "creditor", "amount"), map(list, columns), strict=True))
    return gs.Network(edges, {"name": list(names)})


def random_network(seed: int, heavy: float = 1.0) -> tuple[gs.Network, NDArray, NDArray]:
    """A network, equity, and five shocks in losses."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 13))
    debts = rng.random((count, count)) * (rng.random((count, count)) < rng.choice([0.15, 0.3, 0.6])) * heavy
    np.fill_diagonal(debts, 0.0)
    equity = rng.random(count) + 0.2
    shocks = rng.random((5, count)) * (rng.random((5, count)) < 0.3) * rng.choice([0.1, 1.0])
    return gs.Network.from_scipy(debts), equity, shocks


def market(held: NDArray = HELD, equity: Any = EQUITY, impact: Any = IMPACT) -> tuple[Any, Any, Any]:
    """The tables of holdings, holders and assets."""
    holders, assets = list("abcdefgh"[: held.shape[0]]), list("xyzuvw"[: held.shape[1]])
    rows = {
        "holder": np.repeat(holders, held.shape[1]),
        "asset": np.tile(assets, held.shape[0]),
        "amount": held.ravel(),
    }
    return rows, {"name": holders, "equity": equity}, {"name": assets, "impact": impact}


def sales(
    shocks: Any, held: NDArray = HELD, equity: Any = EQUITY, impact: Any = IMPACT, **more: Any
) -> gs.FireSales:
    return gs.fire_sales(*market(held, equity, impact), shocks, **more)


def batch(size: int = 150, shocks: int = 45, bears: float = 1.0) -> tuple[gs.Network, NDArray, NDArray]:
    """Shocks of which some stay small, some reach everybody, and some are nothing."""
    rng = np.random.default_rng(size)
    debts = rng.random((size, size)) * (rng.random((size, size)) < 6.0 / size)
    np.fill_diagonal(debts, 0.0)
    equity = bears * (debts.sum(axis=0) * rng.uniform(0.2, 1.1, size) + 0.01)
    hit = rng.random((shocks, size)) < rng.choice([0.0, 0.01, 0.2], (shocks, 1))
    return gs.Network.from_scipy(debts), equity, hit * rng.random((shocks, size)) * 2.0 * equity


@dataclass(frozen=True)
class SpreadingCase:
    """Exposures, shocks to them, and how many rounds linear DebtRank has."""

    exposures: Exposures
    shocks: EquityShocks
    rounds: int = 256


def hit(size: int = 60, shocks: int = 21, bears: float = 1.0, imposed: bool = False) -> SpreadingCase:
    """A batch whose debtors do not lose all; with `imposed` whom a shock hits fails."""
    net, equity, losses = batch(size, shocks, bears)
    written_off = np.random.default_rng(size).random(size)
    exposures = Exposures.of(net.claims, equity, written_off)
    return SpreadingCase(exposures, EquityShocks.of(sparse.csr_array(losses), equity if imposed else None))


def in_chains(nodes: int = 260, shocks: int = 13) -> SpreadingCase:
    """Failures of single nodes that reach a few others, of many: next to none of the debts are passed on."""
    chain = np.arange(nodes - 1)[np.arange(1, nodes) % 6 > 0]
    claims = sparse.csr_array((np.full(len(chain), 1.5), (chain + 1, chain)), shape=(nodes, nodes))
    failing = np.linspace(0, nodes - 1, shocks).astype(int)
    losses = sparse.csr_array((np.ones(shocks), (np.arange(shocks), failing)), shape=(shocks, nodes))
    equity = np.ones(nodes)
    return SpreadingCase(Exposures.of(claims, equity), EquityShocks.of(losses, equity))


def then_far(size: int = 60) -> SpreadingCase:
    """Nodes alone, and as many in a ring; twice as many shocks hit the former, and then each of the latter is hit."""
    ring = np.arange(size, 2 * size)
    claims = sparse.csr_array((np.full(size, 2.0), (np.roll(ring, -1), ring)), shape=(2 * size, 2 * size))
    failing = np.concatenate([np.arange(2 * size) % size, ring])
    lost = np.linspace(0.2, 0.9, 3 * size)
    losses = sparse.csr_array((lost, (np.arange(3 * size), failing)), shape=(3 * size, 2 * size))
    return SpreadingCase(Exposures.of(claims, np.ones(2 * size)), EquityShocks.of(losses))


def slow_ring(shocks: int = 5) -> SpreadingCase:
    """A ring of which so little leaks that some shocks still move in the end."""
    claims = np.roll(np.eye(6), 1, axis=0)
    claims[0, 5] = 1.0 - 1e-6
    losses = np.zeros((shocks, 6))
    losses[::2, 0], losses[1::2, 2] = 1e-7, 2.0
    exposures = Exposures.of(sparse.csr_array(claims), np.ones(6))
    return SpreadingCase(exposures, EquityShocks.of(sparse.csr_array(losses)), rounds=20)


def spreading_cases() -> dict[str, SpreadingCase]:
    """Shocks that reach all, some, a few and nobody."""
    return {
        "far": hit(bears=0.5),
        "not far": hit(40, bears=2.0, imposed=True),
        "in chains": in_chains(),
        "slow ring": slow_ring(),
    }


def differing_spreads(case: SpreadingCase, one: SpreadsLosses, other: SpreadsLosses) -> list[str]:
    """What is not the same to the bit in what two backends give, by every rule."""
    found = []
    for rule in get_args(Rule):
        ours, theirs = (
            each.spread(case.exposures, case.shocks, rule, case.rounds, 1 << 24, 1 << 40)
            for each in (one, other)
        )
        found += [f"{rule}: {name}" for name in differing_arrays(ours, theirs)]
    return found
