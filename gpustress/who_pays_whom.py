"""A small drawing of who pays whom, as SVG made by hand: a notebook may lack matplotlib."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final

from .schema import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .system import System

MOST: Final = 16  # entities drawn, those with the most lines among each other
LONGEST: Final = 22  # characters of a name
WIDTH, HEIGHT, RADIUS = 620, 400, 150
INK, ARROW, DOT = "#222222", "#B24700", "#0072B2"
BEND: Final = 0.16  # of an arrow's length: there and back do not lie on each other


def payment_lines(system: System) -> dict[tuple[str, str], list[str]]:
    """Names of the flows and loans by payer and receiver; a loan's borrower pays.

    Parameters
    ----------
    system : System

    Returns
    -------
    dict
        From (payer, receiver) to names, in the order of the tables; what joins `outside` with itself is left out.
    """
    lines: dict[tuple[str, str], list[str]] = {}
    flows = (system.flows[column].to_pylist() for column in ("name", "payer", "receiver"))
    for name, payer, receiver in zip(*flows, strict=True):
        if payer is not None or receiver is not None:
            lines.setdefault((payer or OUTSIDE, receiver or OUTSIDE), []).append(name)
    loans = (system.loans[column].to_pylist() for column in ("name", "borrower", "lender"))
    for name, borrower, lender in zip(*loans, strict=True):
        lines.setdefault((borrower, lender or OUTSIDE), []).append(name)
    return lines


def who_pays_whom(lines: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """Draw the entities on a circle, and an arrow from who pays to who is paid.

    An arrow is as wide as the flows and loans that it stands for are many.

    Parameters
    ----------
    lines : mapping
        As of `payment_lines`; what `outside` pays and receives is not drawn.

    Returns
    -------
    str
        An SVG element without script, style and references; "" where no entity pays another.
    """
    inside = {pair: len(names) for pair, names in lines.items() if OUTSIDE not in pair and pair[0] != pair[1]}
    busy: dict[str, int] = {}
    for pair, count in inside.items():
        for name in pair:
            busy[name] = busy.get(name, 0) + count
    chosen = sorted(busy, key=lambda name: -busy[name])[:MOST]
    if not chosen:
        return ""
    place = {name: _on_circle(number, len(chosen)) for number, name in enumerate(chosen)}
    widest = max(inside.values())
    arrows = [
        _arrow(place[payer], place[receiver], 1.0 + 4.0 * count / widest, f"{payer} pays {receiver}: {count}")
        for (payer, receiver), count in sorted(inside.items(), key=lambda item: -item[1])
        if payer in place and receiver in place
    ]
    names = [_name(name, *place[name]) for name in chosen]
    more = f", {len(busy) - len(chosen)} more entities left out" if len(busy) > len(chosen) else ""
    title = f"Who pays whom: an arrow is as wide as its flows and loans are many{more}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12"><title>{title}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"></rect>'
        f'<text x="8" y="16" fill="{INK}">{title}</text>' + "".join(arrows) + "".join(names) + "</svg>"
    )


def _on_circle(number: int, count: int) -> tuple[float, float]:
    angle = 2.0 * math.pi * number / count - math.pi / 2.0
    return WIDTH / 2 + 1.25 * RADIUS * math.cos(angle), HEIGHT / 2 + 12 + RADIUS * math.sin(angle)


def _name(name: str, x: float, y: float) -> str:
    """A dot and its name, away from the middle."""
    side = (x > WIDTH / 2 + 1) - (x < WIDTH / 2 - 1)
    anchor = {1: "start", 0: "middle", -1: "end"}[side]
    x_of_name, y_of_name = x + 10 * side, y + 4 + (0 if side else 16 if y > HEIGHT / 2 else -14)
    head = (LONGEST - 1) // 2
    short = name if len(name) <= LONGEST else f"{name[:head]}…{name[head + 1 - LONGEST :]}"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{DOT}"></circle>'
        f'<text x="{x_of_name:.1f}" y="{y_of_name:.1f}" text-anchor="{anchor}" fill="{INK}">{escape(short)}</text>'
    )


def _arrow(start: tuple[float, float], end: tuple[float, float], width: float, title: str) -> str:
    """A curve to the right of the straight line, with its head before the dot."""
    (x0, y0), (x1, y1) = start, end
    bend_x, bend_y = (x0 + x1) / 2 - BEND * (y1 - y0), (y0 + y1) / 2 + BEND * (x1 - x0)
    length = math.hypot(x1 - bend_x, y1 - bend_y)
    way_x, way_y = (x1 - bend_x) / length, (y1 - bend_y) / length
    tip_x, tip_y = x1 - 7 * way_x, y1 - 7 * way_y
    head, half = 6.0 + 1.5 * width, 2.5 + width
    back_x, back_y = tip_x - head * way_x, tip_y - head * way_y
    corners = (
        (tip_x, tip_y),
        (back_x - half * way_y, back_y + half * way_x),
        (back_x + half * way_y, back_y - half * way_x),
    )
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return (
        f"<g><title>{escape(title)}</title>"
        f'<path d="M{x0:.1f},{y0:.1f} Q{bend_x:.1f},{bend_y:.1f} {back_x:.1f},{back_y:.1f}" '
        f'fill="none" stroke="{ARROW}" stroke-opacity="0.7" stroke-width="{width:.1f}"></path>'
        f'<polygon points="{points}" fill="{ARROW}"></polygon></g>'
    )
