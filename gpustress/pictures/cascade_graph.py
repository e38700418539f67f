"""Who takes whom along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from ..estimates import run_place
from ..failure_order import failure_links
from ..result import check_result
from .arguments import check_kind, check_most
from .style import COLOURS, GREY, INK, name_of, percent_text, run_title

if TYPE_CHECKING:
    from ..result import Result

MOST: Final = 20  # links drawn
BEND: Final = 0.18  # of an arrow's length
LABELS_AT: Final = (0.5, 0.4, 0.6, 0.3, 0.7)  # of its length; the first that is far enough from other labels
FAR: Final = 0.45


def cascade_graph(run: Result, ax: Axes, *, scenario: str | None = None, most: int = MOST) -> Axes:
    """Draw the links of `failure_links`: an arrow from who has failed to who then fails only because of others.

    A row for each entity, in the order in which they start cascades; a dot is as large as the entity's probability of
    failing, an arrow as wide as the share of paths that it stands for, which is written beside it.

    Parameters
    ----------
    run : Result
        Simulated with ``effects=["first_round", "full"]``.
    ax : matplotlib Axes
    scenario : str, optional
        A run or a scenario; by default the first.
    most : int
        Links drawn, the most likely ones.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The scenario is unknown or did not run with first_round and full.
    """
    check_result(run)
    check_kind(Axes, ax=ax)
    check_most(most)
    place = run_place(run, scenario)
    table = failure_links(run)
    links = table.filter(pc.equal(table["scenario"], run.scenarios[place])).sort_by(
        [("probability", "descending"), ("source", "ascending"), ("target", "ascending")]
    )
    shown = links.slice(0, min(most, links.num_rows)).to_pylist()
    ax.set_axis_off()
    title = f"Who takes whom along: {run_title(run, place)}"
    if not shown:
        ax.set_title(title, loc="left")
        ax.text(0.5, 0.5, "Nobody fails because of others", ha="center", color=GREY, transform=ax.transAxes)
        return ax
    names = {name for link in shown for name in (link["source"], link["target"])}
    fails = dict(zip(run.entities, run.failure_counts[place].sum(axis=(1, 2)) / run.paths, strict=True))
    sends = {name: sum(link["probability"] * (1 if link["source"] == name else -1)
                       for link in shown if name in (link["source"], link["target"])) for name in names}  # fmt: skip
    order = sorted(names, key=lambda name: (-sends[name], -fails[name], name))
    where = dict(zip(order, _places(len(order)), strict=True))
    strongest = shown[0]["probability"]
    taken: list[tuple[float, float]] = []
    for link in reversed(shown):
        ends = where[link["source"]], where[link["target"]]
        _arrow(ax, *ends, link["probability"], strongest)
        _label(ax, *ends, link["probability"], taken)
    for name in order:
        x, y = where[name]
        ax.plot([x], [y], marker="o", markersize=9 + 22 * np.sqrt(fails[name]), color=COLOURS[0], linestyle="none",
                markeredgecolor="white", zorder=3, label=name_of(name))  # fmt: skip
        side = "left" if x > 0.15 else "right" if x < -0.15 else "center"
        text = f"{name_of(name, 22)}\n{100 * fails[name]:.3g} %"
        level = "bottom" if y > 0.8 else "top" if y < -0.8 else "center"
        ax.annotate(text, (x, y), (20 * x, 18 * y), textcoords="offset points", ha=side, va=level, fontsize=9,
                    color=INK, zorder=4)  # fmt: skip
    ax.set_xlim(-1.9, 1.9)
    ax.set_ylim(-1.4, 1.4)
    ax.set_title(title, loc="left")
    more = links.num_rows - len(shown)
    note = "dot: fails, % of paths · arrow: target fails only because of others, after the source, % of paths"
    ax.text(0.0, -0.02, note + (f" · {more} rarer links left out" if more else ""), transform=ax.transAxes, fontsize=8,
            color=GREY, va="top")  # fmt: skip
    return ax


def _places(count: int) -> list[tuple[float, float]]:
    """Places on a circle, clockwise from the top."""
    angles = np.pi / 2 - 2.0 * np.pi * np.arange(count) / max(count, 1)
    return [(float(np.cos(angle)), float(np.sin(angle))) for angle in angles]


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], probability: float, strongest: float
) -> None:
    width = 0.6 + 5.0 * probability / strongest
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=f"arc3,rad={BEND}",
            arrowstyle=f"-|>,head_length={3 + width},head_width={1.5 + 0.7 * width}",
            linewidth=width,
            color=COLOURS[1],
            alpha=0.75,
            shrinkA=12,
            shrinkB=16,
            zorder=2,
        )
    )


def _label(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    probability: float,
    taken: list[tuple[float, float]],
) -> None:
    """Write an arrow's share on it, at the place that is farthest from those that are taken."""
    (x0, y0), (x1, y1) = start, end
    # matplotlib's arc3 is a quadratic Bezier whose control point is off by bend times the distance.
    bend_x, bend_y = (x0 + x1) / 2 + BEND * (y1 - y0), (y0 + y1) / 2 - BEND * (x1 - x0)
    places = [
        (
            (1 - t) ** 2 * x0 + 2 * t * (1 - t) * bend_x + t**2 * x1,
            (1 - t) ** 2 * y0 + 2 * t * (1 - t) * bend_y + t**2 * y1,
        )
        for t in LABELS_AT
    ]
    x, y = max(places, key=lambda place: min((_apart(place, other) for other in taken), default=FAR))
    taken.append((x, y))
    ax.text(x, y, f"{percent_text(probability)} %", fontsize=8, ha="center", va="center", color=INK, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8})  # fmt: skip


def _apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Distance of two labels, in which a line's height counts for as much as its width; FAR is enough."""
    return min(FAR, float(np.hypot(one[0] - other[0], 2.0 * (one[1] - other[1]))))
