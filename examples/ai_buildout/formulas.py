"""The example's arithmetic: figures by key, formulas over them, rows whose numbers come from formulas."""

from __future__ import annotations

import ast
import csv
import operator
from pathlib import Path
from typing import TYPE_CHECKING

from gpustress.schema import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FIGURES = Path(__file__).parent / "figures"
GIVEN_FILES = ("facts.csv", "assumptions.csv", "choices.csv")

Row = dict[str, str]
Tables = dict[str, list[Row]]

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_CALLS: dict[str, Callable[..., float]] = {"min": min, "max": max}


def evaluate(formula: str, figures: Mapping[str, float]) -> float:
    """The value of `formula`: numbers, keys of `figures`, + - * / ** ( ), min and max, and nothing else."""

    def value(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return number
            case ast.Name(id=key):
                if key not in figures:
                    raise ValueError(f"`{key}` in the formula `{formula}` is no key of the figures")
                return figures[key]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
                return _BINARY[type(sign)](value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _CALLS:
                return _CALLS[name](*(value(argument) for argument in arguments))
        raise ValueError(f"the formula `{formula}` holds what is neither arithmetic nor a key")

    return value(ast.parse(formula, mode="eval").body)


def formulas(source: str) -> dict[str, str]:
    """The formulas that a row's `source` holds, by column."""
    text = source.split(" -- ", 1)[0]
    pairs = (part.split(" = ", 1) for part in text.split("; ") if " = " in part)
    return {column.strip(): formula.strip() for column, formula in pairs}


def read_given(folder: Path = FIGURES) -> dict[str, float]:
    """The figures that are given as numbers: facts, assumptions and choices, by key."""
    given: dict[str, float] = {}
    for name in GIVEN_FILES:
        with (folder / name).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["key"] in given:
                    raise ValueError(f"the key `{row['key']}` stands twice in the figures")
                if row["value"] and row["unit"] != "list":
                    given[row["key"]] = float(row["value"])
    return given


def with_derived(given: Mapping[str, float], folder: Path = FIGURES) -> dict[str, float]:
    """`given` and what derived.csv makes of it, in the order of its rows."""
    figures = dict(given)
    with (folder / "derived.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            figures[row["key"]] = evaluate(row["formula"], figures)
    return figures


class Builder:
    """Collects rows, whose number cells are computed from the very text of their `source`."""

    def __init__(self, figures: Mapping[str, float]):
        self.figures = figures
        self.tables: Tables = {}

    def add(self, table: str, source: str, **cells: str) -> None:
        """One row: `cells` are its texts, the formulas in `source` give its numbers."""
        columns = SCHEMAS[table].by_name
        row: Row = dict(cells)
        for column, formula in formulas(source).items():
            number = evaluate(formula, self.figures)
            whole = columns[column].type == "integer"
            if whole and number != int(number):
                raise ValueError(f"`{table}`, column `{column}`: `{formula}` is {number}, not a whole number")
            row[column] = str(int(number)) if whole else repr(float(number))
        row["source"] = source
        self.tables.setdefault(table, []).append(row)

    def flow(self, way: str, kind: str, source: str, **cells: str) -> None:
        """A row of the flows table; `way` is "NAME: PAYER > RECEIVER"."""
        name, _, parties = way.partition(": ")
        payer, _, receiver = ("" if party == "outside" else party for party in parties.partition(" > "))
        self.add("flows", source, name=name, payer=payer, receiver=receiver, kind=kind, **cells)

    def memo(self, name: str, source: str, **cells: str) -> None:
        """A flow that nobody pays: measures and driven flows see it; nothing else is of kind `fee`."""
        self.add("flows", source, name=name, payer="", receiver="", kind="fee", **cells)

    def schedule(self, flow: str, period: int, amount: str) -> None:
        """The amount of a flow in one period."""
        self.add("schedules", f"period = {period}; amount = {amount}", flow=flow)

    def sensitivity(self, target: str, **elasticities: str) -> None:
        """The elasticities of a flow or a hazard, by factor."""
        for factor, elasticity in elasticities.items():
            self.add("sensitivities", f"elasticity = {elasticity}", target=target, factor=factor)

    def measure(self, measure: str, plus: Sequence[str], minus: Sequence[str] = ()) -> None:
        """A measure: some flows added, some subtracted."""
        for weight, flows in ((1, plus), (-1, minus)):
            for flow in flows:
                self.add("measures", f"weight = {weight}", measure=measure, flow=flow)
