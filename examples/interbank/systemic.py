"""Who is systemic, if only each bank's totals are known: reconstruct an ensemble, clear it under shocks, rank it.

python examples/interbank/systemic.py [--samples N] [--shocks N] [--picture FILE]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyarrow import csv

import gpustress as gs

FOLDER = Path(__file__).parent
SEED = 7
DENSITY = 0.15  # of all links that there could be
SAMPLES = 100  # plausible networks
SHOCKS = 500
MEAN_LOSS = 0.03  # of external assets
COMMON = 0.6  # correlation of the banks' losses
COSTS = 0.7  # of what a bank in default has, its creditors get this share
SPREAD = 0.7  # standard deviation of a loss's logarithm
HEAD = """\
| bank | assets | impact, median (5 to 95 %) | vulnerability | defaults | only by contagion |
|---|--:|--:|--:|--:|--:|"""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Findings:
    """What an ensemble of G networks of N banks shows, under S shocks.

    Attributes
    ----------
    networks : list of Network
    shocks : ndarray (S, N)
        External assets that are left, billion.
    impact, vulnerability : ndarray (G, N)
        DebtRank of each bank's failure; share of its equity that a bank loses on average by another one's failure.
    defaults, by_contagion : ndarray (G, N)
        Share of the shocks in which a bank defaults, and in which it does so only because others do.
    """

    networks: list[gs.Network]
    shocks: Floats
    impact: Floats
    vulnerability: Floats
    defaults: Floats
    by_contagion: Floats

    @property
    def assets(self) -> Floats:
        """Each bank's total assets, billion, (N,)."""
        net = self.networks[0]
        return np.asarray(net.external_assets + net.claims.sum(axis=1))


def losses(count: int, banks: int, seed: int) -> Floats:
    """Shares of external assets that are lost, (S, N): lognormal, with a factor that all have in common."""
    draws = np.random.Generator(np.random.Philox(key=seed))
    common, own = draws.standard_normal((count, 1)), draws.standard_normal((count, banks))
    logarithm = np.sqrt(COMMON) * common + np.sqrt(1.0 - COMMON) * own
    return np.minimum(1.0, MEAN_LOSS * np.exp(SPREAD * logarithm - SPREAD**2 / 2.0))


def find(samples: int = SAMPLES, shocks: int = SHOCKS) -> Findings:
    """Reconstruct, rank and clear."""
    totals = csv.read_csv(FOLDER / "totals.csv")
    networks = gs.reconstruct(totals, "fitness", seed=SEED, samples=samples, density=DENSITY)
    networks = networks if isinstance(networks, list) else [networks]
    own = networks[0].external_assets
    left = own * (1.0 - losses(shocks, len(own), SEED))
    ranks = [gs.debtrank(net, None, "each") for net in networks]
    cleared = [gs.clear(net, left, "rogers_veraart", alpha=COSTS, beta=COSTS) for net in networks]
    return Findings(
        networks=networks,
        shocks=left,
        impact=np.array([rank.impact for rank in ranks]),
        vulnerability=np.array([rank.vulnerability for rank in ranks]),
        defaults=np.array([result.defaulted.mean(axis=0) for result in cleared]),
        by_contagion=np.array([(result.round > 1).mean(axis=0) for result in cleared]),
    )


def row(found: Findings, bank: int) -> str:
    """What was found about a bank, as a line of Markdown: assets, impact, vulnerability, defaults, by contagion."""
    low, middle, high = np.quantile(found.impact[:, bank], [0.05, 0.5, 0.95])
    shares = (found.vulnerability, found.defaults, found.by_contagion)
    percent = " | ".join(f"{share[:, bank].mean():.1%}" for share in shares)
    name, assets = found.networks[0].names[bank], found.assets[bank]
    return f"| {name} | {assets:,.0f} | {middle:.3f} ({low:.3f} to {high:.3f}) | {percent} |"


def report(found: Findings) -> str:
    """A table of the banks, the most systemic first."""
    order = np.argsort(-np.median(found.impact, axis=0))
    return "\n".join([HEAD, *(row(found, bank) for bank in order)])


def main() -> None:
    """Print the table, and draw the picture where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=SAMPLES, metavar="N", help="networks")
    parser.add_argument("--shocks", type=int, default=SHOCKS, metavar="N")
    parser.add_argument("--picture", metavar="FILE", help="a PNG, SVG or PDF; needs gpustress[pictures]")
    arguments = parser.parse_args()
    found = find(arguments.samples, arguments.shocks)
    print(report(found))
    if arguments.picture:
        from picture import draw

        draw(found, arguments.picture)


if __name__ == "__main__":
    main()
