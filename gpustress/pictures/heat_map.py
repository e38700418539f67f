"""Scenarios against entities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes

from ..amounts import counted
from ..result import check_result
from .arguments import check_kind
from .style import luminance, name_of, percent_text

if TYPE_CHECKING:
    from ..result import Result

EFFECTS: Final = ("full", "first_round", "none")
HALF_WAY: Final = 0.179  # luminance at which black and white letters stand out alike
WRITTEN: Final = 480  # cells at most that hold their figure; of more it could not be read


def heat_map(run: Result, ax: Axes) -> Axes:
    """Draw the probability of failing, a row for each scenario and a column for each entity that fails in any.

    Of a scenario that ran with several effects, the run with the most.

    Parameters
    ----------
    run : Result
    ax : matplotlib Axes

    Returns
    -------
    Axes
    """
    check_result(run)
    check_kind(Axes, ax=ax)
    runs = _one_a_scenario(run)
    share = np.stack([run.sample(place).share(run.failed_at[place] < run.periods)[0] for place in runs])
    fails = np.flatnonzero(share.any(axis=0))
    columns = fails if fails.size else np.arange(len(run.entities))
    columns = columns[np.argsort(-share[:, columns].mean(axis=0), kind="stable")]
    shown = 100.0 * share[:, columns]
    top = max(1.0, float(shown.max()))
    image = ax.imshow(shown, aspect="auto", cmap="Blues", vmin=0.0, vmax=top)
    rows, width = shown.shape
    size = float(np.clip(160.0 / max(rows, 1), 5.0, 9.0))
    ax.set_xticks(range(width), [name_of(run.entities[i], 18) for i in columns], rotation=35, ha="right",
                  rotation_mode="anchor", fontsize=9)  # fmt: skip
    ax.set_yticks(range(rows), [name_of(run.runs[i].scenario) for i in runs], fontsize=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if shown.size <= WRITTEN:
        for (row, column), value in np.ndenumerate(shown):
            dark = luminance([float(c) for c in image.to_rgba(np.array(value))]) < HALF_WAY
            text = "·" if value == 0.0 else percent_text(value / 100.0)
            ax.text(
                column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else "black"
            )
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02)
    bar.set_label("fails, % of paths")
    bar.outline.set_visible(False)
    safe = len(run.entities) - fails.size
    title = (
        "Who fails in which scenario"
        if fails.size
        else f"Nobody fails in {counted(run.paths, 'path')} of any scenario"
    )
    ax.set_title(title, loc="left")
    if safe and fails.size:
        ax.set_xlabel(f"{safe} more fail{'s' if safe == 1 else ''} in none", fontsize=9)
    return ax


def _one_a_scenario(run: Result) -> list[int]:
    best: dict[str, int] = {}
    for place, one in enumerate(run.runs):
        held = best.setdefault(one.scenario, place)
        if EFFECTS.index(one.effects) < EFFECTS.index(run.runs[held].effects):
            best[one.scenario] = place
    return list(best.values())
