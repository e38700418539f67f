"""Figures as HTML: the rounded text that people read, with the unrounded value that machines do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ..amounts import PERCENT, PLAIN, between, ends_of, plus_minus, sure, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..amounts import Unit


def data(value: float | None, text: str, scale: float = 1.0) -> Markup:
    """A figure: `text` times `scale` is the rounded `value`."""
    if value is None:
        return Markup("{}").format(text)
    return Markup('<data value="{}" data-scale="{}">{}</data>').format(repr(value), repr(scale), text)


def estimate(figure: Mapping[str, Any], unit: Unit = PLAIN) -> Markup:
    """Value ± standard error, rounded as the error says."""
    value, _, error = plus_minus(figure, unit).partition(" ± ")
    shown = data(figure["value"], value, unit.size)
    return (
        shown
        if not error
        else shown + Markup("&nbsp;±&nbsp;") + data(figure["standard_error"], error, unit.size)
    )


def rounded(figure: Mapping[str, Any], unit: Unit = PLAIN) -> Markup:
    """Value to the first digit that its error touches."""
    return data(figure["value"], sure(figure, unit), unit.size)


def percent(figure: Mapping[str, Any]) -> Markup:
    """A share ± its standard error, in percent."""
    return estimate(figure, PERCENT)


def interval(figure: Mapping[str, Any], unit: Unit = PLAIN) -> Markup:
    """Value [low, high], open on a side that has no end."""
    low, high = (
        None if text is None else data(figure[end], text, unit.size)
        for end, text in zip(("low", "high"), ends_of(figure, unit), strict=True)
    )
    return rounded(figure, unit) + " " + between(low, high)


def digits(value: float) -> Markup:
    """A number of unknown error, to four digits."""
    return data(value, f"{value:.4g}")


def span(low: float | None, high: float | None) -> Markup:
    """An interval to four digits, open on a side that has no end, or an infinite one."""
    return Markup() + between(
        *(None if end is None or math.isinf(end) else digits(end) for end in (low, high))
    )


def exact(value: float) -> Markup:
    """A number that has no error."""
    return rounded({"value": value, "standard_error": None})


def count(value: int) -> Markup:
    """A whole number."""
    return data(value, f"{value:,}")


def unit_for(figures: Iterable[Mapping[str, Any]], currency: str) -> Unit:
    """One unit for the amounts of a table."""
    return unit_of([figure["value"] for figure in figures], currency)
