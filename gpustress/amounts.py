"""Estimates in words: rounded as their errors say, amounts in a unit that a reader can take in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .sampling import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DIGITS: Final = 4  # of an amount, in the unit of its table
EXACT_DECIMALS: Final = 3  # of a figure that has neither a unit nor an error
UNITS: Final = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand"))


def never_seen(paths: int) -> str:
    """What a failure that was never seen can still have as probability: (1 - p)^P = 5 %."""
    bound = -math.expm1(math.log(1.0 - CONFIDENCE) / paths)
    return f"below {100 * bound:.2g} % with {CONFIDENCE:.0%} confidence".replace("95%", "95 %")


@dataclass(frozen=True)
class Unit:
    """What the amounts of a table are divided by, and how many decimals they have at most."""

    size: float = 1.0
    decimals: int | None = None
    name: str = ""


def counted(number: int, what: str) -> str:
    """A number of things, of which what one is called is told."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def unit_of(values: Iterable[float | None], currency: str) -> Unit:
    """The unit in which the largest amount has one to three digits before the point, and four in all."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    size, word = next(((size, word) for size, word in UNITS if largest >= size), (1.0, ""))
    whole_digits = len(str(int(largest / size)))
    name = " ".join(part for part in (word, currency) if part)
    return Unit(size, max(0, DIGITS - whole_digits), f", {name}" if name else "")


PLAIN: Final = Unit()
PERCENT: Final = Unit(0.01)


def plus_minus(estimate: Mapping[str, Any], unit: Unit = PLAIN) -> str:
    """Value and error, both to the error's second digit; the value alone where all its digits are sure."""
    value, error = estimate["value"], estimate["standard_error"]
    decimals = _decimals(estimate, unit, 2)
    if value is None or decimals is None or error / unit.size < 0.5 * 10.0**-decimals:
        return sure(estimate, unit)
    return f"{rounded(value / unit.size, decimals)} ± {rounded(error / unit.size, decimals)}"


def sure(estimate: Mapping[str, Any], unit: Unit = PLAIN) -> str:
    """Value to the first digit that its error touches."""
    value = estimate["value"]
    if value is None:
        return "-"
    decimals = _decimals(estimate, unit, 1)
    if decimals is not None:
        return rounded(value / unit.size, decimals)
    if value == 0.0:
        return "0"
    exact = rounded(value / unit.size, EXACT_DECIMALS if unit.decimals is None else unit.decimals)
    return exact.rstrip("0").rstrip(".") if "." in exact and float(exact.replace(",", "")) else exact


def rounded(value: float, decimals: int) -> str:
    """A number with so many decimals, at least none, and commas between thousands."""
    return f"{round(value, decimals) + 0.0:,.{max(decimals, 0)}f}"  # + 0.0: no -0


def _decimals(estimate: Mapping[str, Any], unit: Unit, significant: int) -> int | None:
    """Decimals that show so many digits of the error; None where there is none, or no more than rounding."""
    value, error = estimate["value"], estimate["standard_error"]
    if not error or value is None or error <= 1e-12 * abs(value):
        return None
    decimals = significant - 1 - math.floor(math.log10(error / unit.size))
    return decimals if unit.decimals is None else min(decimals, unit.decimals)


def with_interval(estimate: Mapping[str, Any], unit: Unit) -> str:
    """Value and its interval."""
    return f"{sure(estimate, unit)} {between(*ends_of(estimate, unit))}"


def ends_of(estimate: Mapping[str, Any], unit: Unit) -> tuple[str | None, str | None]:
    """The ends of an interval as they are written; None for one that it has not."""
    low, high = (
        None if estimate[end] is None else sure({**estimate, "value": estimate[end]}, unit)
        for end in ("low", "high")
    )
    return low, high


def between(low: str | None, high: str | None) -> str:
    """An interval, open on a side that has no end."""
    return ("(-∞" if low is None else "[" + low) + ", " + ("∞)" if high is None else high + "]")


def percent(estimate: Mapping[str, Any], with_error: bool = True, sign: str = "") -> str:
    """A share in percent; the sign stands before what is above 0."""
    form = plus_minus if with_error else sure
    text = form(estimate, PERCENT)
    return sign + text if estimate["value"] > 0 else text
