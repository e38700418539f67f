"""What holds for a whole system: its name, its calendar, its discount rate. Kept in `system.toml`."""

from __future__ import annotations

import datetime
import json
import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Final

from .arguments import has_utf8
from .errors import Problem, nearest, shown
from .schema import REQUIRED, SETTINGS, Column

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS_FILE: Final = SETTINGS.name


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What holds for a whole system.

    Attributes
    ----------
    name, currency : str
    start : str or None
        First day of the first period, YYYY-MM-DD.
    periods : int
        T.
    periods_per_year : float
    discount_rate : float
        A year.
    default_costs : (float, float)
        Shares of own funds and of receipts that an entity which falls short pays out (alpha, beta).
    """

    name: str
    periods: int
    periods_per_year: float
    discount_rate: float = 0.0
    default_costs: tuple[float, float] = (1.0, 1.0)
    currency: str = ""
    start: str | None = None

    @property
    def period_years(self) -> float:
        """Years in a period, D."""
        return 1.0 / self.periods_per_year


def conform_settings(values: Mapping[str, object], problems: list[Problem], source: str) -> Settings | None:
    """Check settings against their schema.

    Parameters
    ----------
    values : mapping of str to object
        Keys of SETTINGS; one that is left out, or None, takes its default.
    problems : list of Problem
        Grows by what is wrong.
    source : str
        Where the values come from, as problems name it.

    Returns
    -------
    Settings or None
        None where something is wrong.
    """
    before = len(problems)
    known = tuple(SETTINGS.by_name)
    for key in values:
        if key not in SETTINGS.by_name:
            problems.append(Problem(source, None, key, "", "there is no such key", nearest(key, known)))
    good: dict[str, object] = {}
    for column in SETTINGS.columns:
        value = values.get(column.name)
        if value is None:
            if column.default is REQUIRED:
                remedy = f"Write {column.allowed}: {column.doc}."
                problems.append(Problem(source, None, column.name, "", "is missing", remedy))
            good[column.name] = column.default
            continue
        read = _read(column, value)
        if read is None:
            remedy = f"Write {column.allowed}."
            problems.append(Problem(source, None, column.name, shown(value), _fault(column, value), remedy))
        good[column.name] = read
    if len(problems) > before:
        return None
    settings = Settings(**good)  # type: ignore[arg-type]
    _check_discounting(settings, problems, source)
    return settings if len(problems) == before else None


def _read(column: Column, value: object) -> object | None:
    """Read the value as its type; None where it is not of that type, or out of bounds."""
    if column.type == "pair":
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
            return None
        pair = tuple(_number(column, part) for part in value)
        return None if None in pair else pair
    if column.type == "date":
        return _date(value)
    if column.type == "string":
        return (
            value if isinstance(value, str) and has_utf8(value) and (value or column.default == "") else None
        )
    number = _number(column, value)
    if number is None or column.type == "float":
        return number
    return int(number) if number.is_integer() else None


def _number(column: Column, value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and column.holds(number) else None


def _date(value: object) -> str | None:
    if isinstance(value, datetime.datetime):
        return None
    if isinstance(value, datetime.date):
        return value.isoformat()
    try:
        return datetime.date.fromisoformat(value).isoformat() if isinstance(value, str) else None
    except ValueError:
        return None


def _fault(column: Column, value: object) -> str:
    if column.type == "string":
        return "is empty" if value == "" else "is not text"
    if column.type in ("date", "pair"):
        return f"is not {column.allowed}"
    if isinstance(value, bool) or not isinstance(value, Real):
        return "is not a number"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    return f"is not {column.noun}" if column.type == "integer" and value % 1 else "is out of range"


def _check_discounting(settings: Settings, problems: list[Problem], source: str) -> None:
    """Add a problem where (1 + discount_rate)^-(T D) leaves the range of doubles."""
    exponent = -settings.periods * settings.period_years * math.log1p(settings.discount_rate)
    if not exponent < math.log(sys.float_info.max):
        message = f"discounting over {settings.periods} periods overflows"
        remedy = "Write a discount rate closer to 0, or fewer periods."
        problems.append(
            Problem(source, None, "discount_rate", shown(settings.discount_rate), message, remedy)
        )


def from_toml(path: Path, problems: list[Problem]) -> Settings | None:
    """Read `system.toml`; what is wrong with it is added to `problems`, and None is returned then."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}"
        problems.append(Problem(path.name, None, None, "", message, "Save it as UTF-8."))
        return None
    except OSError as error:
        message = f"can't be read: {error.strerror}"
        problems.append(Problem(path.name, None, None, "", message, "Make it a file that may be read."))
        return None
    except tomllib.TOMLDecodeError as error:
        problems.append(
            Problem(path.name, None, None, "", f"is not TOML: {error}", "Write lines of key = value.")
        )
        return None
    except (ValueError, RecursionError) as error:
        problems.append(_beyond(path, error))
        return None
    try:
        return conform_settings(values, problems, path.name)
    except (ValueError, RecursionError) as error:  # a number too long to be shown
        problems.append(_beyond(path, error))
        return None


def _beyond(path: Path, error: Exception) -> Problem:
    deep = isinstance(error, RecursionError)
    message = "nests its brackets too deep" if deep else "holds a number that has too many digits"
    return Problem(path.name, None, None, "", message, "Write lines of key = value.")


def to_toml(settings: Settings) -> str:
    """Write the text of a `system.toml` from which the same settings are read."""
    lines = []
    for column in SETTINGS.columns:
        value = getattr(settings, column.name)
        if value is not None:
            lines.append(f"{column.name} = {_toml_value(value)}\n")
    return "".join(lines)


def _toml_value(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace(
            "\x7f", "\\u007f"
        )  # TOML alone forbids a bare DEL
    if isinstance(value, tuple):
        return f"[{', '.join(map(repr, value))}]"
    return repr(value)
