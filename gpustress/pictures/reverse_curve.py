"""What it takes until a figure meets a target."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from ..answers.reverse import ReverseStress, interval_in_words
from .arguments import check_finite, check_kind
from .style import COLOURS, GREY, INK, amount_axis, name_of, percent_axis, plain_axes, title


def reverse_curve(
    found: ReverseStress,
    ax: Axes,
    *,
    what: str = "",
    parameter: str = "",
    shift: float = 0.0,
    share: bool = False,
    currency: str = "",
) -> Axes:
    """Draw a statistic against the parameter, its 95 % band, the target, and where it is met.

    Parameters
    ----------
    found : ReverseStress
        As `reverse_stress` gives it.
    ax : matplotlib Axes
    what, parameter : str
        Names of the statistic and of what is moved; by default those of `found`.
    shift : float
        Added to the parameter on its axis: 1 shows an amount along a direction of `scale` as a multiple.
    share : bool
        Whether the statistic is a share of the paths, to be shown in percent.
    currency : str
        Of the statistic; "" where it is no amount.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        An argument is of another kind.
    """
    check_kind(ReverseStress, found=found)
    check_kind(Axes, ax=ax)
    check_kind(str, what=what, parameter=parameter, currency=currency)
    check_finite(shift=shift)
    check_kind(bool, share=share)
    columns = {name: np.asarray(found.evaluations[name], dtype=np.float64)
               for name in ("point", "value", "low", "high")}  # fmt: skip
    x = columns["point"] + shift
    ax.fill_between(x, columns["low"], columns["high"], color=COLOURS[0], alpha=0.2, linewidth=0)
    ax.plot(x, columns["value"], color=COLOURS[0], marker="o", markersize=3.5, linewidth=1.6)
    ax.axhline(found.target, color=INK, linestyle="--", linewidth=1.0)
    plain_axes(ax)
    ax.margins(x=0.02)
    name = name_of(what or found.statistic, 60)
    if share:
        ax.set_ylim(bottom=0.0)
        percent_axis(ax.yaxis, "% of paths")
        target = f"{100 * found.target:.3g} %"
    else:
        unit = amount_axis(ax.yaxis, [*columns["value"], found.target], currency)
        target = f"{found.target / unit.size:,.4g}"
    ax.annotate(f"target {target}", (1.0, found.target), (0, 3), xycoords=ax.get_yaxis_transform(),
                textcoords="offset points", ha="right", fontsize=8.5, color=INK)  # fmt: skip
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    ax.set_xlabel(name_of(parameter or found.moved, 60))
    if found.root is None:
        title(ax, name, "the target is not met within these bounds")
        return ax
    low, high = (found.root if end is None else end for end in (found.low, found.high))
    shown = (min(max(end + shift, x[0]), x[-1]) for end in (low, high))
    ax.axvspan(*shown, color=COLOURS[1], alpha=0.2, linewidth=0)
    ax.axvline(found.root + shift, color=COLOURS[1], linewidth=1.4)
    if found.unstressed is not None and x[0] <= found.unstressed + shift <= x[-1]:
        ax.axvline(found.unstressed + shift, color=GREY, linestyle=":", linewidth=1.4)
    interval = f", {interval_in_words(low + shift, high + shift, found.confidence, 4)}" if high > low else ""
    title(
        ax, name, f"the target is met at {found.root + shift:.4g}{interval}; dotted: as assumed", COLOURS[1]
    )
    return ax
