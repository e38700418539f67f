"""How much a book loses, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.axes import Axes

from ..amounts import counted, with_interval
from ..book import check_horizon, path_losses, read_book
from ..dates import within
from ..estimates import run_place
from ..result import check_result
from ..risk import sample_expected_shortfall, sample_value_at_risk
from .arguments import check_kind
from .style import COLOURS, INK, amount_axis, percent_axis, plain_axes, readable, run_title, title

if TYPE_CHECKING:
    from ..result import Result
    from ..risk import RiskEstimate

BINS: Final = 40


def loss_distribution(
    run: Result,
    ax: Axes,
    positions: Any = None,
    *,
    scenario: str | None = None,
    level: float = 0.99,
    horizon: float | None = None,
) -> Axes:
    """Draw how often a book loses how much, with its value at risk and expected shortfall.

    The bars are shares of the paths, by what each weighs, on a logarithmic axis, for it is the rare large losses that
    matter.

    Parameters
    ----------
    run : Result
    ax : matplotlib Axes
    positions : anything that speaks Arrow, optional
        Rows of the table ``positions``; None for the system's own.
    scenario : str, optional
        A run or a scenario; by default the first.
    level : float
        Of the value at risk and the expected shortfall.
    horizon : float, optional
        Years, as of `losses`.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The positions, the scenario, the level or the horizon are not as they have to be.
    """
    check_result(run)
    check_kind(Axes, ax=ax)
    check_horizon(horizon)
    place = run_place(run, scenario)
    settings = run.system.settings
    table = read_book(run.system, positions).loss_by_entity(settings, len(run.entities), horizon)
    loss = path_losses(table, run.failed_at[place])
    sample = run.sample(place)
    at_risk = sample_value_at_risk(sample, loss, level)
    shortfall = sample_expected_shortfall(sample, loss, level)
    share = sample.each_weighs / sample.each_weighs.sum()
    low, high = float(loss.min()), float(loss.max())
    edges = np.linspace(low, high, BINS + 1) if high > low else np.array([low - 0.5, low + 0.5])
    ax.hist(loss, bins=list(edges), weights=share, color=COLOURS[5], edgecolor="white",
            linewidth=0.4)  # fmt: skip
    ax.set_yscale("log")
    plain_axes(ax)
    unit = amount_axis(ax.xaxis, (low, high, float(shortfall)), settings.currency)
    ax.set_xlabel(f"discounted loss{within(horizon)}, {ax.get_xlabel()}")
    percent_axis(ax.yaxis, "% of paths (logarithmic)")
    ax.set_ylim(0.5 * share.min(), 2.0)
    none = sample.mean(loss == 0.0)[0]
    lines = ((at_risk, f"VaR {100 * level:g} %", COLOURS[1], "--", 0.97),
             (shortfall, f"ES {100 * level:g} %", COLOURS[0], "-", 0.87))  # fmt: skip
    left = float(at_risk) > low + 0.55 * (high - low)
    for estimate, name, colour, dashes, height in lines:
        _mark(ax, estimate, colour, dashes)
        ax.annotate(
            f"{name} {with_interval(_plain(estimate), unit)}",
            (float(at_risk) if left else float(shortfall), height),
            (-5 if left else 5, 0),
            xycoords=ax.get_xaxis_transform(),
            textcoords="offset points",
            ha="right" if left else "left",
            va="top",
            color=readable(colour),
            fontsize=8.5,
        )
    mean = sample.mean(loss)[0]
    ax.plot([mean], [0.0], marker="^", markersize=9, color=INK, clip_on=False, zorder=5,
            transform=ax.get_xaxis_transform(), linestyle="none", label="mean")  # fmt: skip
    note = f"▲ mean; no loss in {100 * none:.3g} % of {counted(run.paths, 'path')}"
    title(ax, f"Loss of the book: {run_title(run, place)}", note)
    return ax


def _mark(ax: Axes, estimate: RiskEstimate, colour: str, dashes: str) -> None:
    ax.axvline(float(estimate), color=colour, linestyle=dashes, linewidth=1.6)
    low, high = float(np.asarray(estimate.low)), float(np.asarray(estimate.high))
    if np.isfinite(low) and np.isfinite(high) and high > low:
        ax.axvspan(low, high, color=colour, alpha=0.15, linewidth=0)


def _plain(estimate: RiskEstimate) -> dict[str, float | None]:
    numbers = {"value": estimate.value, "standard_error": estimate.standard_error, "low": estimate.low,
               "high": estimate.high}  # fmt: skip
    return {name: float(value) if np.isfinite(value) else None for name, value in numbers.items()}
