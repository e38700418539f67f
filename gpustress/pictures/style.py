"""What all pictures share: colours, names, axes of periods and amounts, labels beside what they name."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import FuncFormatter, NullFormatter

from ..amounts import unit_of
from ..arguments import names_in, one_of
from ..dates import period_label
from ..errors import bad_argument, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ..amounts import Unit
    from ..result import Result
    from ..settings import Settings

# Okabe and Ito, "Color universal design" (2008), without the yellow, which is too pale for a line on paper.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: Final = ("-", "--", "-.", ":")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
INK: Final = "#222222"
GREY: Final = "#6B6B6B"
LONGEST: Final = 28  # characters of a name that are shown
CONTRAST: Final = 4.5  # of letters against what is behind them
TICKS: Final = 8  # on an axis of periods, at most


def readable(colour: str) -> str:
    """A colour, darkened until letters in it stand out from white by 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    red, green, blue = to_rgb(colour)
    while 1.05 / (luminance((red, green, blue)) + 0.05) < CONTRAST:
        red, green, blue = 0.95 * red, 0.95 * green, 0.95 * blue
    return to_hex((red, green, blue))


def luminance(rgb: Sequence[float]) -> float:
    """Relative luminance of a colour, 0 for black and 1 for white (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def name_of(name: str, longest: int = LONGEST) -> str:
    """A name as a picture shows it: no markup, no control characters, its middle left out where it is long."""
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name
    )
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    if len(text) + wide > longest:
        keep = longest // 2 if wide > len(text) // 2 else longest  # letters twice as wide as others
        head = (keep - 1) // 2
        text = f"{text[:head]}…{text[head + 1 - keep :]}"
    return text.replace("$", r"\$")


def line_of(place: int) -> dict[str, Any]:
    """Colour, dashes and marker of the line at a place: of the first 28 no two share dashes and marker."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": DASHES[place % len(DASHES)],
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 4,
        "linewidth": 1.6,
    }


def run_title(run: Result, place: int) -> str:
    """A run's scenario; its full name where the scenario ran with no more than lesser effects."""
    one = run.runs[place]
    return name_of(one.scenario if one.effects == "full" else one.name)


def known(argument: str, name: str, names: Sequence[str]) -> int:
    """The place of a name among others.

    Raises
    ------
    InputError
        It is not among them.
    """
    if not one_of(name, names):
        raise bad_argument(argument, name, "is not known here", nearest(str(name), names))
    return names.index(name)


def known_places(argument: str, given: Any, names: Sequence[str]) -> list[int]:
    """The places of one name or several among others.

    Raises
    ------
    InputError
        They are no names, or none, or one is not among the others.
    """
    places = [known(argument, name, names) for name in names_in(argument, given)]
    if not places:
        raise bad_argument(argument, given, "names nobody", nearest("", names))
    return places


def recorded(run: Result, series: str, scenario: int) -> NDArray[np.float64]:
    """A recorded series of one run, shape (P, T).

    Raises
    ------
    InputError
        It was not recorded, or holds what is no finite number.
    """
    if series not in run.series:
        raise bad_argument(
            "record", sorted(run.series), f"does not hold `{series}`", f"Simulate with record=[{series!r}]."
        )
    values: NDArray[np.float64] = run.series[series][scenario]
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        path, period = map(int, bad[0])
        message = f"holds no finite number in `{series}`, path {path}, period {period}"
        raise bad_argument("run", float(values[path, period]), message, "Simulate it again: a run has none.")
    return values


def title(ax: Axes, text: str, note: str = "", colour: str = GREY) -> None:
    """A picture's title, and below it in small letters what else has to be said."""
    ax.set_title(text, loc="left", pad=18 if note else 6)
    if note:
        ax.text(0.0, 1.015, note, transform=ax.transAxes, va="bottom", fontsize=8.5, color=readable(colour))


def percent_text(share: float) -> str:
    """A share in percent, with two digits that count."""
    return f"{100 * share:.2g}" if share < 0.0995 else f"{100 * share:.0f}"


def plain_axes(ax: Axes) -> None:
    """Take away what shows no data, and draw a faint grid of values."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)


def period_axis(ax: Axes, settings: Settings) -> None:
    """An x axis of periods, with labels at whole years where periods are parts of one."""
    periods = settings.periods
    step = 1
    if settings.periods_per_year >= 1 and float(settings.periods_per_year).is_integer():
        step = int(settings.periods_per_year)
    base, count = (1, periods) if periods < step * 3 else (step, -(-periods // step))
    ticks = range(0, periods, base * -(-count // TICKS))
    ax.set_xticks(list(ticks), [period_label(settings, period).removeprefix("period ") for period in ticks])
    margin = 0.02 * periods
    ax.set_xlim(-margin, max(periods - 1, 0.5) + margin)
    ax.set_xlabel("period" if settings.start is None else "")


def amount_axis(axis: Any, values: Iterable[float], currency: str) -> Unit:
    """Label an axis of amounts in a unit that fits them; returns the unit."""
    finite = [float(value) for value in values if np.isfinite(value)]
    unit = unit_of(finite, currency)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit.size + 0.0:,.6g}"))
    axis.set_label_text(name_of(unit.name.removeprefix(", ")) or "amount")
    return unit


def percent_axis(axis: Any, label: str) -> None:
    """Show shares as percentages."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(label)


def label_ends(
    ax: Axes, ends: Sequence[tuple[float, str, str]], at: float | None = None, size: float = 8.5
) -> None:
    """Write each line's name to the right of the axes, as near to its end as the others allow.

    Parameters
    ----------
    ax : Axes
        With its final limits.
    ends : sequence of (y, text, colour)
    at : float, optional
        x of the lines' ends; by default where the axes end.
    size : float
        Of the letters, points.
    """
    if not ends:
        return
    order = sorted(range(len(ends)), key=lambda i: ends[i][0])
    height = ax.get_window_extent().height * 72.0 / ax.figure.dpi
    gap = 1.25 * size / height
    low, high = ax.get_ylim()
    wanted = np.array([(ends[i][0] - low) / (high - low) for i in order])
    placed = _spread(wanted, gap)
    x = ax.get_xlim()[1] if at is None else at
    for i, y in zip(order, placed, strict=True):
        value, text, colour = ends[i]
        ax.annotate(
            text,
            xy=(x, value),
            xycoords="data",
            xytext=(1.025, y),
            textcoords="axes fraction",
            color=readable(colour),
            fontsize=size,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 1},
        )


def _spread(wanted: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Ascending places at least `gap` apart, in clusters about the mean of what each wants."""
    clusters: list[list[float]] = []  # [sum of (wanted - offset), count]
    for value in wanted:
        clusters.append([float(value), 1.0])
        while len(clusters) > 1 and _top(clusters[-2], gap) + gap > _bottom(clusters[-1], gap):
            total, count = clusters.pop()
            clusters[-1][0] += total
            clusters[-1][1] += count
    return np.array([_bottom(cluster, gap) + gap * k for cluster in clusters for k in range(int(cluster[1]))])


def _bottom(cluster: list[float], gap: float) -> float:
    return cluster[0] / cluster[1] - gap * (cluster[1] - 1.0) / 2.0


def _top(cluster: list[float], gap: float) -> float:
    return cluster[0] / cluster[1] + gap * (cluster[1] - 1.0) / 2.0
