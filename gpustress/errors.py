"""What is wrong with an input, said so that a person can mend it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

LISTED_ROWS: Final = 10  # of one fault in one column; how many more there are is said in one line


@dataclass(frozen=True, order=True)
class Problem:
    """One fault of an input.

    Attributes
    ----------
    table : str
        The table or file that holds the fault, or the argument's name.
    row : int or None
        Data row as Arrow counts, the first is 0 (in print it is 1); None where the fault is not one row's.
    column : str or None
        Column, or the key in `system.toml`.
    value : str
        The offending value as it was given; "" where there is none.
    message : str
        What is wrong.
    remedy : str
        What would be right.
    """

    table: str
    row: int | None
    column: str | None
    value: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"`{self.table}`"
        if self.row is not None:
            place += f", row {row_number(self.row)}"
        if self.column is not None:
            place += f", column `{self.column}`"
        value = f" (value {self.value})" if self.value else ""
        return printable(f"{place}: {self.message}{value}. {self.remedy}")


class InputError(ValueError):
    """Bad input: carries every problem that was found, not the first alone.

    Attributes
    ----------
    problems : tuple of Problem
    """

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        rows = any(problem.row is not None for problem in self.problems)
        counted = " (data rows count from 1, below the header)" if rows else ""
        listed = [f"  {problem}" for problem in self.problems]
        super().__init__("\n".join([f"{head} in the input{counted}:", *listed]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Make a copy of the problems: an exception would make it of its text, as another process hands it over."""
        return type(self), (self.problems,), self.__dict__


class InputWarning(UserWarning):
    """Input that is taken as it says, and most often means that something else was meant."""


class AccuracyError(ArithmeticError):
    """A result can't be had to the accuracy that it is promised to."""


class BackendWarning(RuntimeWarning):
    """A better backend should work here and does not, so that ``backend="auto"`` takes the next."""


def row_number(row: int) -> int:
    """Count a data row as people do: the first is 1, which in a CSV file without blank lines is line 2."""
    return row + 1


def report_rows(
    problems: list[Problem],
    table: str,
    column: str,
    rows: Sequence[int] | NDArray[np.intp],
    values: Callable[[int], object] | None,
    *,
    message: str | Callable[[int], str],
    remedy: str | Callable[[int], str],
) -> None:
    """Add one fault of many rows to `problems`: the first rows one by one, then how many more there are.

    Parameters
    ----------
    problems : list of Problem
        Grows by at most LISTED_ROWS + 1.
    table, column : str
    rows : sequence of int
        All rows that have the fault, in order, the first row of the table being 0.
    values : function of a row, or None
        What stands in the cell; a null is not shown.
    message, remedy : str, or function of a row
    """
    for row in map(int, rows[:LISTED_ROWS]):
        value = values(row) if values else None
        problems.append(
            Problem(
                table,
                row,
                column,
                "" if value is None else shown(value),
                message if isinstance(message, str) else message(row),
                remedy if isinstance(remedy, str) else remedy(row),
            )
        )
    more = len(rows) - LISTED_ROWS
    if more > 0:
        rest = f"{more} more row{'s are' if more > 1 else ' is'} at fault"
        if isinstance(message, str):
            rest += f": {message}"
        again = remedy if isinstance(remedy, str) else "Mend the rows above first."
        problems.append(Problem(table, None, column, "", rest, again))


def bad_argument(argument: str, value: object, message: str, remedy: str) -> InputError:
    """Make the error for one bad argument of a function."""
    return InputError([Problem(argument, None, None, shown(value), message, remedy)])


def shown(value: object) -> str:
    """`value` as an error prints it: short, on one line."""
    try:
        text = repr(value)
    except ValueError:  # Python does not print integers of more than some thousand digits
        text = f"a {type(value).__name__} too long to print"
    text = " ".join(line.strip() for line in text.splitlines())  # an array or a table prints several
    return text if len(text) <= 60 else text[:57] + "..."


def printable(text: str) -> str:
    """A text with a mark for each character that can't be seen: to a terminal it may be a command."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def nearest(name: str, known: Sequence[str]) -> str:
    """Find a remedy for an unknown `name`: the nearest of the `known` names, or all of a few."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean `{close[0]}`?"
    if not known:
        return "There is none to name."
    listed = ", ".join(f"`{item}`" for item in known[:8])
    return f"Known: {listed}{', ...' if len(known) > 8 else ''}."
