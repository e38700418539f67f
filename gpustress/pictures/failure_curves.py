"""Who has failed by when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes

from ..amounts import counted
from ..dependent_estimates import curve_shares
from ..estimates import run_place
from ..result import check_result
from ..sampling import CONFIDENCE, binomial_error
from .arguments import check_kind
from .style import (
    GREY,
    known_places,
    label_ends,
    line_of,
    name_of,
    percent_axis,
    period_axis,
    plain_axes,
    run_title,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..result import Result

MOST: Final = 10  # curves, unless the caller names more


def failure_curves(
    run: Result, ax: Axes, *, scenario: str | None = None, entities: Sequence[str] | None = None
) -> Axes:
    """Draw the probability of having failed by the end of each period, with 95 % bands.

    Parameters
    ----------
    run : Result
    ax : matplotlib Axes
    scenario : str, optional
        A run or a scenario; by default the first.
    entities : sequence of str, optional
        Whom to draw; by default the most likely to fail, at most 10.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The scenario or an entity is unknown.
    """
    check_result(run)
    check_kind(Axes, ax=ax)
    place = run_place(run, scenario)
    sample = run.sample(place)
    if sample.is_plain:
        curves = run.failure_counts[place].sum(axis=1).cumsum(axis=1) / run.paths
        error = binomial_error(curves, run.paths)
    else:
        curves, error = curve_shares(run, place)
    final = curves[:, -1]
    if entities is None:
        order = [int(i) for i in np.argsort(-final, kind="stable") if final[i] > 0.0]
        chosen = order[:MOST]
    else:
        order = chosen = known_places("entities", entities, run.entities)
    period = np.arange(run.periods)
    reach = sample.deviate(CONFIDENCE) * np.nan_to_num(error)  # one scramble alone has no error
    for number, i in enumerate(chosen):
        line = line_of(number)
        ax.fill_between(period, np.maximum(curves[i] - reach[i], 0.0), np.minimum(curves[i] + reach[i], 1.0),
                        color=line["color"], alpha=0.18, linewidth=0)  # fmt: skip
        ax.plot(
            period, curves[i], label=name_of(run.entities[i]), markevery=max(1, run.periods // 10), **line
        )
    plain_axes(ax)
    period_axis(ax, run.system.settings)
    percent_axis(ax.yaxis, "failed by the end of the period, % of paths")
    top = max((float(curves[i, -1] + reach[i, -1]) for i in chosen), default=0.0)
    ax.set_ylim(0.0, min(1.0, 1.05 * top) if top else 1.0)
    ends = [
        (float(final[i]), f"{name_of(run.entities[i])} {100 * final[i]:.3g} %", str(line_of(number)["color"]))
        for number, i in enumerate(chosen)
    ]
    label_ends(ax, ends, at=run.periods - 1)
    ax.set_title(f"Who fails by when: {run_title(run, place)}", loc="left")
    if not chosen:
        ax.text(
            0.5,
            0.5,
            f"Nobody fails in {counted(run.paths, 'path')}",
            transform=ax.transAxes,
            ha="center",
            color=GREY,
        )
    elif len(order) > len(chosen):
        ax.text(0.01, 0.98, f"{len(order) - len(chosen)} more fail less often", transform=ax.transAxes, va="top",
                color=GREY, fontsize=8)  # fmt: skip
    return ax
