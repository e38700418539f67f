"""Small networks and holdings through which losses spread."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import gpustress as gs

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
