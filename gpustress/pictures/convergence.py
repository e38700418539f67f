"""How a figure settles as paths are added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from ..arguments import one_of
from ..errors import bad_argument
from ..networks.contagion_arguments import numbers
from ..risk import expected_shortfall, value_at_risk
from ..sampling import CONFIDENCE, check_share, mean_with_error, normal_deviate
from .arguments import check_kind
from .style import COLOURS, amount_axis, label_ends, name_of, percent_axis, plain_axes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

POINTS: Final = 60
LEAST: Final = 10  # paths that a figure has to rest on to be drawn

Statistic = Literal["mean", "value_at_risk", "expected_shortfall"]


def convergence(
    values: ArrayLike,
    ax: Axes,
    *,
    statistic: Statistic = "mean",
    level: float = 0.99,
    what: str = "figure",
    currency: str = "",
) -> Axes:
    """Draw a figure of the first n paths against n, with its 95 % interval.

    Parameters
    ----------
    values : array_like, shape (P,)
        One number a path: losses, a measure's npv, or whether an entity fails.
    ax : matplotlib Axes
    statistic : {"mean", "value_at_risk", "expected_shortfall"}
    level : float
        Of the last two.
    what : str
        Name of the figure.
    currency : str
        Of the figure; "" where it is no amount. The mean of zeros and ones without a currency is a share, in percent.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The values are not one finite number a path, the statistic is unknown or its level is not between 0 and 1.
    """
    check_kind(Axes, ax=ax)
    check_kind(str, what=what, currency=currency)
    sample = numbers("values", values)
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise bad_argument("values", f"shape {sample.shape}", "has to hold one finite number a path",
                           "Give e.g. a row of `losses`.")  # fmt: skip
    if not one_of(statistic, ("mean", "value_at_risk", "expected_shortfall")):
        raise bad_argument(
            "statistic", statistic, "is not known", "Take mean, value_at_risk or expected_shortfall."
        )
    if statistic != "mean":
        check_share("level", level)
    tail = 1.0 if statistic == "mean" else 1.0 - level  # the share of the paths that the figure rests on
    first = min(int(np.ceil(LEAST / tail)), sample.size)
    counts = np.unique(np.geomspace(first, sample.size, POINTS).astype(int))
    rows = np.array([_figure(sample[:count], statistic, level) for count in counts])
    share = statistic == "mean" and not currency and bool(np.isin(sample, (0.0, 1.0)).all())
    if share:
        rows = np.clip(rows, 0.0, 1.0)
    value, low, high = rows.T
    ax.fill_between(counts, low, high, color=COLOURS[0], alpha=0.2, linewidth=0, label="95 % interval")
    ax.plot(
        counts, value, color=COLOURS[0], linewidth=1.8, marker="o", markersize=3, markevery=[len(counts) - 1]
    )
    ax.axhline(value[-1], color=COLOURS[1], linestyle="--", linewidth=1.0)
    if counts.size > 1:
        ax.set_xscale("log")
        ax.set_xlim(counts[0], counts[-1])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    plain_axes(ax)
    ax.set_xlabel("paths")
    if share:
        percent_axis(ax.yaxis, f"{name_of(what)}, % of paths")
        size, end = 0.01, " %"
    else:
        unit = amount_axis(ax.yaxis, rows.ravel(), currency)
        ax.set_ylabel(name_of(what) + name_of(unit.name))
        size, end = unit.size, ""
    settled = rows[counts >= counts[-1] ** 0.25]
    ends = settled[:, 1:][np.isfinite(settled[:, 1:])]
    if ends.size and ends.max() > ends.min():
        room = 0.05 * (ends.max() - ends.min())
        ax.set_ylim(ends.min() - room, ends.max() + room)
    label_ends(ax, [(float(value[-1]), f"{value[-1] / size:,.4g}{end}", COLOURS[1])])
    ax.set_title(f"{name_of(what)}, as paths are added", loc="left")
    return ax


def _figure(sample: NDArray[np.float64], statistic: Statistic, level: float) -> tuple[float, float, float]:
    if statistic == "mean":
        value, error = mean_with_error(sample)
        reach = normal_deviate(CONFIDENCE) * error
        return value, value - reach, value + reach
    estimate = (value_at_risk if statistic == "value_at_risk" else expected_shortfall)(sample, level)
    ends = (float(np.asarray(end)) for end in (estimate.low, estimate.high))
    low, high = (end if np.isfinite(end) else np.nan for end in ends)
    return float(estimate), low, high
