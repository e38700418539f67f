"""Who pays whom in one period of one path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from ..amounts import unit_of
from ..arguments import whole_number
from ..dates import period_label
from ..errors import bad_argument
from ..schema import OUTSIDE
from ..settings import Settings
from ..single_path import Replay
from .arguments import check_kind
from .style import COLOURS, GREY, INK, name_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP: Final = 0.022  # between two parties, as a share of the height
BAR: Final = 0.018  # width of a party's bar


@dataclass(frozen=True)
class Payments:
    """What each party pays each other in a period.

    Attributes
    ----------
    names : tuple of str
        Parties that pay or receive, the largest payers first, `outside` last.
    paid : ndarray (parties, parties)
        Row pays column, currency.
    """

    names: tuple[str, ...]
    paid: NDArray[np.float64]


def payments(replay: Replay, period: int, outside: bool = True) -> Payments:
    """Sum the flows of a period by payer and receiver; memo lines are left out.

    Raises
    ------
    InputError
        The replay has no such period.
    """
    check_kind(Replay, replay=replay)
    check_kind(bool, outside=outside)
    table = replay.flows.to_pydict()
    if whole_number(period) not in set(table["period"]):
        raise bad_argument("period", period, "is no period of this replay", "Give one from 0 on.")
    sums: dict[tuple[str, str], float] = {}
    rows = zip(table["period"], table["payer"], table["receiver"], table["paid"], strict=True)
    for when, payer, receiver, paid in rows:
        if (
            when == period
            and payer != receiver
            and paid > 0.0
            and (outside or OUTSIDE not in (payer, receiver))
        ):
            sums[payer, receiver] = sums.get((payer, receiver), 0.0) + paid
    total: dict[str, float] = {}
    for pair, paid in sums.items():
        for party in pair:
            total[party] = total.get(party, 0.0) + paid
    names = tuple(sorted(total, key=lambda name: (name == OUTSIDE, -total[name], name)))
    place = {name: i for i, name in enumerate(names)}
    amounts = np.zeros((len(names), len(names)))
    for (payer, receiver), paid in sums.items():
        amounts[place[payer], place[receiver]] = paid
    return Payments(names, amounts)


def payment_flows(
    replay: Replay, ax: Axes, period: int, *, settings: Settings | None = None, outside: bool = True
) -> Axes:
    """Draw who pays whom in a period: payers on the left, receivers on the right, ribbons as wide as what is paid.

    Parameters
    ----------
    replay : Replay
    ax : matplotlib Axes
    period : int
    settings : Settings, optional
        Of the system, for the currency and the period's name.
    outside : bool
        Whether to draw what is paid to and by `outside`.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        An argument is of another kind, or the replay has no such period.
    """
    check_kind(Axes, ax=ax)
    if settings is not None:
        check_kind(Settings, settings=settings)
    what = payments(replay, period, outside)
    ax.set_axis_off()
    ax.set_xlim(-0.42, 1.42)
    ax.set_ylim(1.02, -0.06)
    when = f"period {period}" if settings is None else period_label(settings, period)
    ax.set_title(f"Who pays whom in {when}: {name_of(replay.scenario)}, path {replay.path}", loc="left")
    total = float(what.paid.sum())
    if total == 0.0:
        ax.text(0.5, 0.5, "Nobody pays anybody", ha="center", color=GREY)
        return ax
    unit = unit_of([total], "" if settings is None else settings.currency)
    payers = [i for i in range(len(what.names)) if what.paid[i].any()]
    receivers = [i for i in range(len(what.names)) if what.paid[:, i].any()]
    scale = (1.0 - GAP * (max(len(payers), len(receivers)) - 1)) / total
    colour = {
        i: GREY if name == OUTSIDE else COLOURS[i % (len(COLOURS) - 1)] for i, name in enumerate(what.names)
    }
    left = _column(ax, what, payers, what.paid.sum(axis=1), 0.0, scale, colour, unit.size)
    right = _column(ax, what, receivers, what.paid.sum(axis=0), 1.0, scale, colour, unit.size)
    for payer in payers:
        for receiver in receivers:
            width = what.paid[payer, receiver] * scale
            if width > 0.0:
                _ribbon(ax, left[payer], right[receiver], width, colour[payer],
                        f"{what.names[payer]} to {what.names[receiver]}")  # fmt: skip
                left[payer] += width
                right[receiver] += width
    for x, text, side in ((0.0, "pays", "right"), (1.0, "receives", "left")):
        ax.text(x, -0.02, f"{text}{name_of(unit.name)}", ha=side, va="bottom", fontsize=8.5, color=GREY)
    return ax


def _column(
    ax: Axes,
    what: Payments,
    parties: list[int],
    amounts: NDArray[np.float64],
    x: float,
    scale: float,
    colour: dict[int, str],
    unit: float,
) -> dict[int, float]:
    """Draw the bars of one side from the top; returns where each begins."""
    begins: dict[int, float] = {}
    height = sum(float(amounts[i]) for i in parties) * scale + GAP * (len(parties) - 1)
    y = (1.0 - height) / 2.0
    size = 9.0 if len(parties) <= 16 else 6.5
    below = -np.inf
    for i in parties:
        tall = float(amounts[i]) * scale
        begins[i] = y
        start = x - BAR if x == 0.0 else x
        ax.add_patch(Rectangle((start, y), BAR, tall, color=colour[i], linewidth=0))
        text = f"{name_of(what.names[i])}  {amounts[i] / unit:,.3g}"
        below = max(y + tall / 2.0, below + 0.004 * size)
        ax.text(x - 2 * BAR if x == 0.0 else x + 2 * BAR, below, text, ha="right" if x == 0.0 else "left", va="center",
                fontsize=size, color=INK)  # fmt: skip
        y += tall + GAP
    return begins


def _ribbon(ax: Axes, left: float, right: float, width: float, colour: str, label: str) -> None:
    curve, line = Path.CURVE4, Path.LINETO
    points = [(0.0, left), (0.5, left), (0.5, right), (1.0, right), (1.0, right + width), (0.5, right + width),
              (0.5, left + width), (0.0, left + width), (0.0, left)]  # fmt: skip
    codes = [Path.MOVETO, curve, curve, curve, line, curve, curve, curve, Path.CLOSEPOLY]
    ax.add_patch(PathPatch(Path(points, codes), facecolor=colour, alpha=0.45, linewidth=0.3, edgecolor=colour,
                           label=label))  # fmt: skip
