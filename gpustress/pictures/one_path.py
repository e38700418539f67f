"""One path: the cash of who fails, and when each does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes

from ..settings import Settings
from ..single_path import Replay
from .arguments import check_kind
from .style import (
    INK,
    amount_axis,
    known_places,
    label_ends,
    line_of,
    name_of,
    period_axis,
    plain_axes,
    title,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST: Final = 6  # lines, unless the caller names more


def one_path(replay: Replay, ax: Axes, *, settings: Settings, entities: Sequence[str] | None = None) -> Axes:
    """Draw the cash of entities on one path, with a cross where one fails and why.

    Parameters
    ----------
    replay : Replay
    ax : matplotlib Axes
    settings : Settings
        Of the system.
    entities : sequence of str, optional
        Whose cash; by default that of those who fail, the earliest first, at most 6; where nobody fails, of those
        whose cash comes down to the least share of what they began with.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        An argument is of another kind, or an entity is unknown.
    """
    check_kind(Replay, replay=replay)
    check_kind(Axes, ax=ax)
    check_kind(Settings, settings=settings)
    names = np.asarray(replay.entities["entity"])
    cash = np.asarray(replay.entities["closing_cash"], dtype=np.float64)
    events = {event["entity"]: event for event in replay.events.to_pylist()}
    of = {name: cash[names == name] for name in dict.fromkeys(names.tolist())}
    if entities is None:
        opening = np.asarray(replay.entities["opening_cash"], dtype=np.float64)
        began = {name: abs(opening[names == name][0]) for name in of}
        low = sorted(of, key=lambda name: of[name].min() / max(began[name], 1e-300))
        chosen, more = (list(events) or low)[:MOST], max(0, len(events) - MOST)
    else:
        chosen, more = [list(of)[place] for place in known_places("entities", entities, list(of))], 0
    ends = []
    for number, name in enumerate(chosen):
        line, event = line_of(number), events.get(name)
        until = len(of[name]) if event is None else int(event["period"])
        periods = np.arange(until)
        ax.plot(
            periods, of[name][:until], label=name_of(name), markevery=max(1, settings.periods // 10), **line
        )
        if event is not None:
            ax.plot([until], [0.0], marker="X", markersize=9, color=line["color"], markeredgecolor="white",
                    linestyle="none", zorder=4, clip_on=False)  # fmt: skip
        ends.append((0.0 if event is not None else float(of[name][-1]),
                     name_of(name) + ("" if event is None else f": {event['cause']}"), str(line["color"])))  # fmt: skip
    plain_axes(ax)
    period_axis(ax, settings)
    ax.axhline(0.0, color=INK, linewidth=0.8)
    amount_axis(ax.yaxis, np.concatenate([of[name] for name in chosen]), settings.currency)
    label_ends(ax, ends, at=settings.periods - 1)
    note = "✕ fails; nothing is left then" + (f"; {more} more fail" if more else "")
    title(ax, f"Cash on path {replay.path}", note if events else "nobody fails")
    return ax
