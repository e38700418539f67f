"""Which parameters move a figure most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes

from ..errors import bad_argument
from ..networks.contagion_arguments import numbers
from ..sampling import CONFIDENCE, normal_deviate
from .arguments import check_finite, check_kind, check_most
from .style import COLOURS, INK, amount_axis, name_of, plain_axes, title

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST: Final = 20  # bars
_FORMS: Final = (
    "Give the columns parameter, low and high (and low_error, high_error), or parameter, slope and "
    "standard_error."
)


def tornado(
    table: Any,
    ax: Axes,
    *,
    base: float = 0.0,
    what: str = "figure",
    currency: str = "",
    ends: tuple[str, str] = ("parameter at its low end", "parameter at its high end"),
    most: int = MOST,
) -> Axes:
    """Draw sensitivities, the largest first.

    Parameters
    ----------
    table : anything that speaks Arrow, or a mapping of columns
        ``parameter``; and ``low`` and ``high``, the figure with the parameter at its low and its high end (with
        ``low_error`` and ``high_error``, standard errors, where there are any); or ``slope`` and
        ``standard_error``, its change for a unit of change of the parameter (``derivative`` is another name for it).
    ax : matplotlib Axes
    base : float
        The figure as it is, where the bars begin; of slopes 0.
    what : str
        Name of the figure.
    currency : str
        Of the figure; "" where it is no amount.
    ends : (str, str)
        What is said of the bars of ``low`` and of ``high``.
    most : int
        Bars drawn.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The table has neither set of columns, no rows, or a cell that is not as it has to be; or another argument.
    """
    check_kind(Axes, ax=ax)
    check_finite(base=base)
    check_kind(str, what=what, currency=currency)
    _check_ends(ends)
    check_most(most)
    parameters, figures, errors = _read(table)
    reach = normal_deviate(CONFIDENCE)
    size = np.abs(figures - base).max(axis=0)
    order = np.argsort(-size, kind="stable")[:most]
    slopes = len(figures) == 1
    for end, (values, error) in enumerate(zip(figures, errors, strict=True)):
        colour, hatch = (COLOURS[0], "") if end == len(figures) - 1 else (COLOURS[4], "///")
        label = "slope" if slopes else ends[end]
        ax.barh(range(len(order)), values[order] - base, left=base, height=0.62, color=colour, hatch=hatch,
                edgecolor="white", linewidth=0.5, label=label)  # fmt: skip
        bars = np.where(np.isfinite(error[order]), reach * error[order], 0.0)
        if bars.any():
            ax.errorbar(
                values[order],
                range(len(order)),
                xerr=bars,
                fmt="none",
                ecolor=INK,
                elinewidth=1.0,
                capsize=2.5,
            )
    ax.axvline(base, color=INK, linewidth=0.9)
    ax.set_yticks(range(len(order)), [name_of(parameters[i], 40) for i in order])
    ax.invert_yaxis()
    plain_axes(ax)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    ax.tick_params(axis="y", length=0)
    unit = amount_axis(ax.xaxis, [base, *figures[:, order].ravel()], currency)
    change = f"change of {name_of(what)} for a change of 1" if slopes else name_of(what)
    ax.set_xlabel(change + name_of(unit.name))
    if not slopes:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False, fontsize=8.5)
    more = len(size) - len(order)
    title(ax, f"What moves the {name_of(what, 48)}", f"{more} more move it less" if more else "")
    return ax


def _check_ends(ends: Any) -> None:
    pair = isinstance(ends, tuple | list) and len(ends) == 2
    if not pair or not all(isinstance(end, str) for end in ends):
        raise bad_argument("ends", ends, "has to be two texts", "Say what the low and the high end are.")


def _read(table: Any) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Parameters, and figures and errors with a row for each end, or one of slopes.

    Raises
    ------
    InputError
    """
    try:
        columns = pa.table(table).to_pydict()
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as fault:
        raise bad_argument("table", table, "is no table of sensitivities", _FORMS) from fault
    if "derivative" in columns:
        columns.setdefault("slope", columns["derivative"])
    rows = len(next(iter(columns.values()), []))
    if {"parameter", "low", "high"} <= columns.keys():
        of_figures, of_errors = ["low", "high"], ["low_error", "high_error"]
        columns = {name: [0.0] * rows for name in of_errors} | columns
    elif {"parameter", "slope", "standard_error"} <= columns.keys():
        of_figures, of_errors = ["slope"], ["standard_error"]
    else:
        raise bad_argument("table", sorted(columns), "does not hold the columns of sensitivities", _FORMS)
    if rows == 0:
        raise bad_argument("table", "no rows", "has nothing to draw", _FORMS)
    for parameter in columns["parameter"]:
        check_kind(str, parameter=parameter)
    figures = np.array([numbers(name, columns[name]) for name in of_figures])
    errors = np.array([numbers(name, columns[name]) for name in of_errors])
    for name, values in zip(of_figures, figures, strict=True):
        if not np.isfinite(values).all():
            raise bad_argument(name, columns[name], "has to hold finite numbers", "Leave those rows out.")
    for name, values in zip(of_errors, errors, strict=True):
        if (values < 0.0).any():
            raise bad_argument(name, columns[name], "holds a negative error", "Write standard errors.")
    return columns["parameter"], figures, errors
