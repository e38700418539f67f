"""The picture of who is systemic: impact against size, a plausible network, and defaults under shocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from systemic import Findings

# Okabe and Ito's colours and cividis: told apart by people who are colour-blind, and in grey.
OWN, CONTAGION, POINT = "#0072B2", "#E69F00", "#0072B2"
COLOURS = mpl.colormaps["cividis"]
NAMED = 4  # banks that have a label beside their point


def draw(found: Findings, file: str) -> None:
    """Draw the picture into a file."""
    figure = Figure(figsize=(11.0, 9.0), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.35, 1.0))
    impact = np.median(found.impact, axis=0)
    _impact_against_size(figure.add_subplot(grid[0, 0]), found, impact)
    _network(figure.add_subplot(grid[0, 1]), found, impact)
    _defaults(figure.add_subplot(grid[1, :]), found, impact)
    figure.savefig(file, dpi=90)


def _impact_against_size(axes: Axes, found: Findings, impact: NDArray[np.float64]) -> None:
    low, high = np.quantile(found.impact, [0.05, 0.95], axis=0)
    error = np.array([impact - low, high - impact])
    axes.errorbar(found.assets, impact, error, fmt="o", color=POINT, markersize=5, elinewidth=1.2, capsize=2)
    names, size = found.networks[0].names, np.log(found.assets)
    trend = np.polyfit(size, np.log(impact), 1)
    axes.annotate(
        "more than their size says", (0.03, 0.93), xycoords="axes fraction", color="#555555", style="italic"
    )
    axes.annotate(
        "less than their size says", (0.97, 0.06), xycoords="axes fraction", color="#555555", style="italic",
        ha="right",
    )  # fmt: skip
    ends = np.array([size.min(), size.max()])
    axes.plot(np.exp(ends), np.exp(np.polyval(trend, ends)), "--", color="#999999", linewidth=1.0, zorder=1)
    for rank, bank in enumerate(np.argsort(-impact)[:NAMED]):
        ahead = rank < np.count_nonzero(
            found.assets > found.assets[bank]
        )  # of a larger one: to the left of it
        axes.annotate(
            names[bank], (found.assets[bank], impact[bank]), (-7 if ahead else 7, 0),
            textcoords="offset points", va="center", ha="right" if ahead else "left",
        )  # fmt: skip
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="Total assets, billion (made up)",
        ylabel="DebtRank: share of interbank claims\nthat the bank's failure distresses",
        title=f"Impact against size: median, 5 to 95 % of {len(found.networks)} networks",
    )
    axes.set_xlim(right=2.2 * found.assets.max())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    axes.set_xticks([50, 100, 200, 500, 1000])
    axes.set_yticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)


def _network(axes: Axes, found: Findings, impact: NDArray[np.float64]) -> None:
    """One of the networks: banks in a circle by size, lines as wide as the debts."""
    net = found.networks[0]
    place = np.empty(len(net.names), dtype=int)
    place[np.argsort(-found.assets)] = np.arange(len(net.names))
    angle = np.pi / 2.0 - 2.0 * np.pi * place / len(net.names)
    at = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    widest = net.amount.max()
    for debtor, creditor, amount in zip(net.debtor, net.creditor, net.amount, strict=True):
        arrow = {
            "arrowstyle": "-|>", "linewidth": 0.4 + 4.0 * amount / widest, "color": "#555555", "alpha": 0.45,
            "connectionstyle": "arc3,rad=0.12", "shrinkA": 6, "shrinkB": 8, "mutation_scale": 9,
        }  # fmt: skip
        axes.annotate("", at[creditor], at[debtor], arrowprops=arrow)
    size = 30.0 + 450.0 * found.assets / found.assets.max()
    norm = mpl.colors.LogNorm(impact.min(), impact.max())
    dots = axes.scatter(*at.T, s=size, c=impact, cmap=COLOURS, norm=norm, edgecolors="black", zorder=3)
    for name, (x, y), of, area in zip(net.names, at, angle, size, strict=True):
        away = 1.05 + 0.0065 * np.sqrt(area)
        turn = np.degrees(of) % 360.0
        flipped = 90.0 < turn < 270.0
        axes.text(
            away * x, away * y, name, rotation=turn - 180.0 if flipped else turn, rotation_mode="anchor",
            ha="right" if flipped else "left", va="center", fontsize=9,
        )  # fmt: skip
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.65, 1.65), aspect="equal")
    axes.set_title(f"One of them: {len(net.amount)} debts, from debtor to creditor", pad=16)
    axes.axis("off")
    bar = axes.figure.colorbar(dots, ax=axes, shrink=0.7, label="DebtRank (median)", format="{x:g}")
    bar.set_ticks([0.02, 0.05, 0.1, 0.2])
    bar.ax.minorticks_off()


def _defaults(axes: Axes, found: Findings, impact: NDArray[np.float64]) -> None:
    order = np.argsort(-impact)
    total, contagion = (100.0 * part.mean(axis=0)[order] for part in (found.defaults, found.by_contagion))
    low, high = 100.0 * np.quantile(found.defaults[:, order], [0.05, 0.95], axis=0)
    place = np.arange(len(order))
    axes.bar(place, total - contagion, color=OWN, label="by its own losses")
    axes.bar(place, contagion, bottom=total - contagion, color=CONTAGION, hatch="//", edgecolor="white",
             label="because others default")  # fmt: skip
    error = np.maximum([total - low, high - total], 0.0)
    axes.errorbar(place, total, error, fmt="none", color="black", elinewidth=1.2, capsize=3,
                  label="5 to 95 % of the networks")  # fmt: skip
    axes.set_xticks(place, [found.networks[0].names[bank] for bank in order], rotation=45, ha="right")
    axes.set(
        ylabel="Defaults, % of shocks",
        xlim=(-0.7, len(order) - 0.3),
        title=f"Who defaults under {len(found.shocks)} shocks to external assets (most systemic first)",
    )
    axes.legend(loc="upper left", frameon=False, ncols=3)
    axes.set_ylim(top=1.25 * high.max())
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
