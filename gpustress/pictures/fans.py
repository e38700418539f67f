"""Quantiles of a series over the paths, period by period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes

from ..dates import period_label
from ..estimates import run_place
from ..evaluation import evaluate
from ..result import check_result
from .arguments import check_kind
from .style import (
    COLOURS,
    GREY,
    INK,
    amount_axis,
    known,
    label_ends,
    name_of,
    period_axis,
    plain_axes,
    recorded,
    run_title,
    title,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..result import Result

LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_LINES: Final = {
    0.05: ":",
    0.25: "--",
    0.5: "-",
    0.75: "--",
    0.95: ":",
}  # so that the fan reads without colour


def cash_fan(
    run: Result, ax: Axes, entity: str, *, scenario: str | None = None, with_note: bool = True
) -> Axes:
    """Draw quantiles of an entity's cash at the end of each period; an entity that has failed holds 0.

    Parameters
    ----------
    run : Result
        Simulated with ``record=["cash:ENTITY"]``.
    ax : matplotlib Axes
    entity : str
    scenario : str, optional
        A run or a scenario; by default the first.
    with_note : bool
        Whether to say on which share of the paths it fails.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The entity or the scenario is unknown, or the cash was not recorded.
    """
    check_result(run)
    check_kind(Axes, ax=ax)
    place = run_place(run, scenario)
    number = known("entity", entity, run.entities)
    fan = _fan(run, ax, place, recorded(run, f"cash:{entity}", place))
    line = _credit_line(run, place, number)
    if line > 0.0 and fan.min() < 0.0:
        ax.axhline(-line, color=GREY, linestyle="-.", linewidth=0.9)
        ax.text(0.01, -line, "credit line drawn in full", transform=ax.get_yaxis_transform(), va="bottom",
                fontsize=8, color=GREY)  # fmt: skip
    failed = run.sample(place).mean(run.failed_at[place, :, number] < run.periods)[0]
    note = f"0 after a failure ({100 * failed:.3g} % of paths)" if failed and with_note else ""
    title(ax, f"Cash of {name_of(entity)}: {run_title(run, place)}", note)
    return ax


def _credit_line(run: Result, place: int, entity: int) -> float:
    """What an entity may draw in a run's scenario, which may change it."""
    parameters = evaluate(run.system.settings, run.system.tables, run.rows_of(place), [])
    assert parameters is not None  # it was run
    return float(parameters.credit_line[0, entity])


def measure_fan(
    run: Result, ax: Axes, measure: str, *, scenario: str | None = None, with_note: bool = True
) -> Axes:
    """Draw quantiles of a measure's running total, and the period by which half of the paths have paid back.

    Parameters
    ----------
    run : Result
        Simulated with ``record=["measure:NAME"]``.
    ax : matplotlib Axes
    measure : str
    scenario : str, optional
        A run or a scenario; by default the first.
    with_note : bool
        Whether to say, and mark, when the paths have paid back.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The measure or the scenario is unknown, or the measure was not recorded.
    """
    check_result(run)
    check_kind(Axes, ax=ax)
    place = run_place(run, scenario)
    known("measure", measure, tuple(run.measures))
    _fan(run, ax, place, np.cumsum(recorded(run, f"measure:{measure}", place), axis=1))
    heading = f"Running total of {name_of(measure)}: {run_title(run, place)}"
    if not with_note:
        title(ax, heading)
        return ax
    payback = run.measures[measure].payback[place]
    never = run.sample(place).mean(payback == run.periods)[0]
    median = int(run.sample(place).quantiles(payback[:, None], [0.5])[0, 0])
    if median < run.periods:
        ax.axvline(median, color=COLOURS[1], linestyle="--", linewidth=1.2)
        text = f"half have paid back by {period_label(run.system.settings, median)}"
        text += f"; {100 * never:.3g} % never do" if never else ""
    else:
        text = (
            "no path pays back"
            if never == 1.0
            else f"{100 * never:.{4 if never > 0.9995 else 3}g} % of the paths never pay back"
        )
    title(ax, heading, text, COLOURS[1])
    return ax


def _fan(run: Result, ax: Axes, place: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw the quantiles of the values (P, T) of one of the runs and return them."""
    fan = run.sample(place).quantiles(values, LEVELS)
    period = np.arange(run.periods)
    for outer, alpha in ((0, 0.18), (1, 0.30)):
        ax.fill_between(period, fan[outer], fan[-1 - outer], color=COLOURS[0], alpha=alpha, linewidth=0)
    for level, line in zip(LEVELS, fan, strict=True):
        ax.plot(period, line, color=COLOURS[0], linestyle=_LINES[level], linewidth=2.0 if level == 0.5 else 0.9,
                label=f"{level:.0%}")  # fmt: skip
    ax.axhline(0.0, color=INK, linewidth=0.8)
    plain_axes(ax)
    period_axis(ax, run.system.settings)
    amount_axis(ax.yaxis, fan.ravel(), run.system.settings.currency)
    low, high = min(0.0, float(fan.min())), max(0.0, float(fan.max()))
    room = 0.1 * ((high - low) or 1.0)
    ax.set_ylim(low - (room if low < 0.0 else 0.3 * room), high + room)
    names = ["median" if level == 0.5 else f"{100 * level:.0f} %" for level in LEVELS]
    label_ends(ax, [(float(line[-1]), name, COLOURS[0]) for name, line in zip(names, fan, strict=True)],
               at=run.periods - 1)  # fmt: skip
    return fan
