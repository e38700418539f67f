"""Every kind of bad input gives one problem that names the table, row, column, value and remedy."""

from __future__ import annotations

import copy
import datetime
import math
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gpustress import check as check_module
from gpustress.check import check, check_positions, check_scenarios
from gpustress.correlation import nearest_correlation
from gpustress.errors import LISTED_ROWS, InputError, Problem
from gpustress.schema import SCHEMAS
from gpustress.settings import Settings
from gpustress.system import System
from gpustress.tables import conform

SETTINGS: dict[str, Any] = {"name": "good", "periods": 8, "periods_per_year": 4}

GOOD: dict[str, dict[str, list[Any]]] = {
    "entities": {"name": ["maker", "lab", "bank"], "cash": [10.0, 5.0, 50.0], "credit_line": [0.0, 5.0, 0.0],
                 "hazard": [0.0, 0.1, 0.0], "solvency_trigger": [False, True, False]},
    "factors": {"name": ["demand", "rate", "share", "fixed"],
                "process": ["gbm", "ou", "logit_ou", "constant"], "initial": [1.0, 0.05, 0.5, 2.0],
                "volatility": [0.2, 0.01, 0.3, 0.0],
                "mean": [None, 0.04, 0.6, None], "reversion": [None, 0.5, 1.0, None],
                "floor": [None, 0.0, None, None], "cap": [None, 0.2, None, None]},
    "correlations": {"factor_a": ["demand", "demand", "rate"], "factor_b": ["rate", "share", "share"],
                     "value": [0.3, 0.2, 0.1]},
    "flows": {"name": ["sales", "compute", "power", "build", "royalty"],
              "payer": [None, "lab", "maker", "maker", "lab"],
              "receiver": ["lab", "maker", None, None, "maker"],
              "kind": ["revenue", "opex", "power", "capex", "fee"], "amount": [40.0, 20.0, 0.2, 8.0, 0.1],
              "start": [0, 0, 0, 1, 0], "end": [None, 7, None, 6, None],
              "driver": [None, None, "compute", None, "sales"], "life": [None, None, None, 5.0, None],
              "opening_book": [0.0, 0.0, 0.0, 30.0, 0.0], "opening_life": [None, None, None, 3.0, None],
              "tenant": [None, None, None, "lab", None]},
    "schedules": {"flow": ["build", "build"], "period": [1, 2], "amount": [3.0, 4.0]},
    "sensitivities": {"target": ["sales", "lab"], "factor": ["demand", "share"], "elasticity": [1.0, -2.0]},
    "loans": {"name": ["term", "line"], "borrower": ["maker", "lab"], "lender": ["bank", None],
              "principal": [20.0, 5.0], "rate": [0.06, None], "index": [None, "rate"], "spread": [0.0, 0.02],
              "draw": [None, 2], "years": [5.0, 1.0], "amortisation": ["annuity", "bullet"]},
    "exposures": {"holder": ["bank", "bank"], "issuer": ["lab", "maker"], "amount": [10.0, 3.0]},
    "measures": {"measure": ["net", "net", "books"], "flow": ["sales", "kind:opex", "build:depreciation"],
                 "weight": [1.0, -1.0, 1.0]},
    "positions": {"name": ["loan", "hedge"], "entity": ["lab", "lab"], "exposure": [100.0, -20.0],
                  "maturity": [3.0, None], "amortisation": ["linear", "bullet"]},
    "scenarios": {"scenario": ["base", "slump", "slump"],
                  "parameter": [None, "factor.demand.shift", "flow.kind:capex.scale"],
                  "start": [None, 2, None], "end": [None, 4, None], "op": [None, "set", "scale"],
                  "value": [None, -0.5, 0.7],
                  "effects": [None, "full", None]},
}  # fmt: skip


def problems_of(settings: dict[str, Any] = SETTINGS, **tables: Any) -> list[Problem]:
    """What a system with these tables is told; [] if it is right."""
    try:
        System(**settings, **tables)
    except InputError as error:
        return list(error.problems)
    return []


def spoiled(cells: dict[str, dict[str, dict[int, Any]]]) -> dict[str, dict[str, list[Any]]]:
    """The good tables with other values in some cells: {table: {column: {row: value}}}."""
    tables = copy.deepcopy(GOOD)
    for table, columns in cells.items():
        height = len(next(iter(tables[table].values())))
        for column, values in columns.items():
            data = tables[table].setdefault(column, [None] * height)
            for row, value in values.items():
                data[row] = value
    return tables


@dataclass(frozen=True)
class Fault:
    """One cell changed, and what is to be said of it."""

    kind: str
    table: str
    column: str
    row: int
    value: Any
    says: str
    remedy: str
    at: tuple[str, int | None, str | None] | None = None
    also: dict[str, dict[str, dict[int, Any]]] = field(default_factory=dict)
    late: bool = False  # found once all else is right

    @property
    def place(self) -> tuple[str, int | None, str | None]:
        return self.at or (self.table, self.row, self.column)

    def spoil(self) -> dict[str, dict[str, list[Any]]]:
        cells = copy.deepcopy(self.also)
        cells.setdefault(self.table, {}).setdefault(self.column, {})[self.row] = self.value
        return spoiled(cells)


FAULTS = [
    # Unknown names.
    Fault("payer", "flows", "payer", 1, "labb", "names no entity", "`lab`"),
    Fault("outside spelt out", "flows", "payer", 0, "outside", "names no entity", "Leave the cell empty"),
    Fault("outside as a tenant", "flows", "tenant", 3, "outside", "names no entity", "Name an entity"),
    Fault("lender", "loans", "lender", 0, "bnk", "names no entity", "`bank`"),
    Fault("driver", "flows", "driver", 2, "compte", "names no flow", "`compute`"),
    Fault("index", "loans", "index", 1, "rates", "names no factor", "`rate`"),
    Fault("schedule of a loan's flow", "schedules", "flow", 0, "term.interest",
          "names no flow of the flows table", "one that a loan gives"),
    Fault("target", "sensitivities", "target", 0, "sale", "names neither an entity nor a flow", "`sales`"),
    Fault("measure's flow", "measures", "flow", 0, "sale", "names no flow", "`sales`"),
    Fault("measure's kind", "measures", "flow", 1, "kind:opx", "names no flow", "`opex`"),
    Fault("measure's line", "measures", "flow", 2, "build:write_off", "names no flow",
          "`build:depreciation`"),
    Fault("line of no capex", "measures", "flow", 2, "sales:depreciation", "names no flow",
          "only a capex flow"),
    Fault("position's entity", "positions", "entity", 1, "Lab", "names no entity", "`lab`"),
    Fault("exposure's issuer", "exposures", "issuer", 1, "outside", "names no entity", "outside is none"),
    Fault("kind", "flows", "kind", 1, "opx", "is not known", "`opex`"),
    Fault("process", "factors", "process", 0, "GBM", "is not known", "`constant`, `gbm`"),
    Fault("rank", "flows", "rank", 0, "senior", "is not known", "`operating`, `debt`"),
    # Names that can't be told apart, or that can't be names.
    Fault("entity twice", "entities", "name", 2, "lab", "is taken by row 2 of `entities`", "name of its own",
          also={"loans": {"lender": {0: None}}, "exposures": {"holder": {0: "maker", 1: "lab"}}}),
    Fault("flow named as an entity", "flows", "name", 4, "bank", "is taken by row 3 of `entities`",
          "name of its own"),
    Fault("flow named as a loan's flow", "loans", "name", 0, "x",
          "gives a flow `x.principal`, a name taken by row 5 " "of `flows`", "name of its own",
          also={"flows": {"name": {4: "x.principal"}}}),
    Fault("factor twice", "factors", "name", 3, "demand", "the same name as in row 1", "Keep one"),
    Fault("reserved name", "flows", "name", 4, "outside", "is the name of everybody else", "another name"),
    Fault("colon", "flows", "name", 4, "a:b", "holds a colon or a control character", "without them"),
    Fault("control character", "loans", "name", 0, "a\nb", "holds a colon or a control character",
          "without them"),
    Fault("colon in a factor", "factors", "name", 3, "a:b", "holds a colon or a control character",
          "without them"),
    Fault("blank name", "entities", "name", 0, "  ", "is blank", "without them",
          also={"flows": {"payer": {2: "bank", 3: "bank"}, "receiver": {1: None, 4: None}},
          "loans": {"borrower": {0: "lab"}}, "exposures": {"issuer": {1: "lab"}}}),
    # Duplicates.
    Fault("schedule", "schedules", "period", 1, 1, "the same flow and period as in row 1", "Keep one"),
    Fault("sensitivity", "sensitivities", "factor", 1, "demand", "the same target and factor", "Keep one",
          also={"sensitivities": {"target": {1: "sales"}}}),
    Fault("pair the other way round", "correlations", "factor_b", 2, "demand",
          "the same factor_a and factor_b", "Keep one"),
    Fault("position", "positions", "name", 1, "loan", "the same name as in row 1", "Keep one"),
    # Nulls, NaN and infinities, wrong types.
    Fault("null", "entities", "cash", 1, None, "is empty", "opening cash"),
    Fault("empty name", "factors", "name", 3, "", "is empty", "unique among factors"),
    Fault("NaN", "entities", "cash", 1, math.nan, "is not a finite number", "Write a number"),
    Fault("infinity", "flows", "amount", 0, math.inf, "is not a finite number", "at least 0"),
    Fault("text for a number", "entities", "cash", 1, "a lot", "is not a number", "Write a number"),
    Fault("number for a text", "entities", "role", 1, 5, "is not text", "text",
          also={"entities": {"role": {0: "a"}}}),
    Fault("fraction of a period", "flows", "start", 1, 1.5, "is not a whole number", "whole number"),
    Fault("number for a boolean", "entities", "solvency_trigger", 1, 2, "is not true or false",
          "true or false"),
    Fault("integer beyond all", "entities", "cash", 1, 10**400, "is not a number", "number"),
    # Ranges.
    Fault("negative volatility", "factors", "volatility", 0, -0.1, "is too small", "at least 0"),
    Fault("correlation beyond 1", "correlations", "value", 0, 1.1, "is too large", "from -1 to 1"),
    Fault("negative amount", "flows", "amount", 1, -1.0, "is too small", "at least 0"),
    Fault("negative scheduled amount", "schedules", "amount", 0, -1.0, "is too small", "at least 0"),
    Fault("growth of -1", "flows", "growth", 0, -1.0, "is too small", "above -1"),
    Fault("recovery above 1", "loans", "recovery", 0, 1.5, "is too large", "from 0 to 1"),
    Fault("negative life", "flows", "life", 3, -1.0, "is too small", "at least 0"),
    Fault("no reversion", "factors", "reversion", 1, 0.0, "is too small", "above 0"),
    Fault("negative period", "schedules", "period", 0, -1, "is too small", "at least 0"),
    Fault("period after the last", "schedules", "period", 1, 8, "lies after the last period", "from 0 to 7"),
    Fault("end after the last", "flows", "end", 1, 8, "lies after the last period", "from 0 to 7"),
    Fault("draw after the last", "loans", "draw", 1, 8, "lies after the last period", "from 0 to 7"),
    Fault("scenario after the last", "scenarios", "end", 1, 8, "lies after the last period", "from 0 to 7"),
    Fault("life beyond counting", "flows", "life", 3, 1e9, "is more than 1000000000 periods",
          "at most 2.5e+08"),
    Fault("term beyond counting", "loans", "years", 0, 1e300, "is more than 1000000000 periods", "years"),
    Fault("end before start", "flows", "end", 3, 0, "lies before the start", "from `start` on"),
    # Factors.
    Fault("initial of gbm", "factors", "initial", 0, 0.0, "has to be positive", "above 0"),
    Fault("initial of logit_ou", "factors", "initial", 2, 1.0, "strictly between 0 and 1", "0.5"),
    Fault("mean of logit_ou", "factors", "mean", 2, 0.0, "strictly between 0 and 1", "0.5"),
    Fault("mean of log_ou", "factors", "mean", 1, -0.1, "has to be positive", "above 0",
          also={"factors": {"process": {1: "log_ou"}}}),
    Fault("reversion missing", "factors", "reversion", 1, None, "is missing", "above 0, a year"),
    Fault("volatility of a constant", "factors", "volatility", 3, 0.1, "has to be 0", "another process"),
    Fault("jumps of a constant", "factors", "jump_rate", 3, 0.1, "has to be 0", "another process"),
    Fault("cap below floor", "factors", "cap", 1, -0.1, "lies below the floor", "at least the floor"),
    Fault("factor that can be negative", "sensitivities", "factor", 0, "rate", "not always positive",
          "floor"),
    Fault("factor capped at zero", "factors", "cap", 0, 0.0, "not always positive", "no cap of 0",
          at=("sensitivities", 0, "factor")),
    Fault("constant of zero", "factors", "initial", 3, 0.0, "not always positive", "`initial` above 0",
          at=("sensitivities", 0, "factor"), also={"sensitivities": {"factor": {0: "fixed"}}}),
    Fault("correlated with itself", "correlations", "factor_b", 0, "demand", "is factor_a as well",
          "Name two"),
    # Flows, loans, exposures, positions.
    Fault("pays itself", "flows", "receiver", 1, "lab", "is the payer as well", "two entities"),
    Fault("lends to itself", "loans", "lender", 0, "maker", "is the borrower as well", "two entities"),
    Fault("holds its own", "exposures", "issuer", 0, "bank", "is the holder as well", "two entities"),
    Fault("life of an expense", "flows", "life", 1, 5.0, "is for capex alone", "`capex`"),
    Fault("tenant of an expense", "flows", "tenant", 1, "lab", "is for capex alone", "`capex`"),
    Fault("book of an expense", "flows", "opening_book", 1, 5.0, "is for capex alone", "`capex`"),
    Fault("book without a life", "flows", "life", 3, None, "`opening_book` needs it", "Write the years"),
    Fault("annuity without a rate", "loans", "amortisation", 1, "annuity", "needs a `rate`", "Write a rate"),
    Fault("rate and index", "loans", "index", 0, "rate", "excludes `rate`", "one of the two"),
    Fault("neither rate nor index", "loans", "rate", 0, None, "is missing, and so is `index`", "Write a rate",
          also={"loans": {"amortisation": {0: "bullet"}}}),
    Fault("linear without a maturity", "positions", "maturity", 0, None, "`linear` needs it", "`bullet`"),
    # Drivers.
    Fault("driver of itself", "flows", "driver", 0, "sales", "sales -> sales", "amount of its own"),
    Fault("circle of drivers", "flows", "driver", 1, "power", "compute -> power -> compute",
          "amount of its own"),
    # Scenarios.
    Fault("no op", "scenarios", "op", 1, None, "is missing", "`set`"),
    Fault("no value", "scenarios", "value", 1, None, "is missing", "Write a number"),
    Fault("two effects", "scenarios", "effects", 2, "none", "differs from row 2", "one kind of effects"),
    Fault("address of no factor", "scenarios", "parameter", 1, "factor.demnd.shift", "names no factor",
          "`demand`"),
    Fault("no address", "scenarios", "parameter", 1, "demand", "is not an address", "factor.NAME"),
    Fault("kind of no flow", "scenarios", "parameter", 2, "flow.kind:rent.scale", "names a kind",
          "Take the row out", late=True),
    # What holds under each scenario.
    Fault("cash below the line", "entities", "cash", 1, -6.0, "below what the credit line allows",
          "-credit_line"),
    Fault("exponential", "factors", "volatility", 0, 500.0, "overflows", "Lower", late=True,
          also={"scenarios": {"parameter": {1: "factor.rate.shift"}}}),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_bad_cell_is_named_with_its_value_and_a_remedy(fault):
    problems = problems_of(**fault.spoil())
    assert [(found.table, found.row, found.column) for found in problems] == [fault.place], problems
    (found,) = problems
    assert fault.says in found.message
    assert fault.remedy in found.remedy
    if fault.at is None and fault.value not in (None, ""):
        assert found.value
    assert f"row {fault.place[1] + 1}, column `{fault.place[2]}`" in str(found)


def test_the_good_system_is_right():
    assert problems_of(**GOOD) == []


def test_all_problems_come_together_in_the_order_of_the_tables():
    alone = [fault for fault in FAULTS if not fault.also and fault.at is None and not fault.late]
    of_tables = {fault.table: fault for fault in alone if fault.column != "name"}
    cells: dict[str, dict[str, dict[int, Any]]] = {}
    for fault in of_tables.values():
        cells.setdefault(fault.table, {}).setdefault(fault.column, {})[fault.row] = fault.value
    problems = problems_of(**spoiled(cells), extra={"a": [1]})
    found = [(problem.table, problem.row, problem.column) for problem in problems]
    assert set(found) >= {fault.place for fault in of_tables.values()}
    assert found[0] == ("extra", None, None)
    places = [list(SCHEMAS).index(table) for table, _, _ in found[1:]]
    assert places == sorted(places)


def test_a_cell_has_one_problem():
    tables = spoiled({"flows": {"life": {3: "long"}}, "factors": {"reversion": {1: "fast"}}})
    found = [(problem.column, problem.message) for problem in problems_of(**tables)]
    assert found == [("reversion", "is not a number"), ("life", "is not a number")]


def test_many_bad_rows_are_counted_not_listed():
    rows = 1000
    flows = {"name": [f"f{i}" for i in range(rows)], "kind": ["fee"] * rows, "amount": [-1.0] * rows}
    problems = problems_of(entities=GOOD["entities"], flows=flows)
    assert [problem.row for problem in problems] == [*range(LISTED_ROWS), None]
    assert problems[-1].message == f"{rows - LISTED_ROWS} more rows are at fault: is too small"
    assert problems[-1].column == "amount"


def test_a_message_counts_rows_from_one():
    with pytest.raises(InputError) as caught:
        System(**SETTINGS, **spoiled({"entities": {"cash": {1: "a lot"}}}))
    text = str(caught.value)
    assert text.startswith("1 problem in the input (data rows count from 1, below the header):\n")
    assert "`entities`, row 2, column `cash`: is not a number (value 'a lot'). Write a number" in text


@pytest.mark.parametrize("table", ["entities", "flows"])
def test_a_required_table_is_missed(table):
    (problem,) = [
        found for found in problems_of(**GOOD | {table: None}) if found.message == "the table is missing"
    ]
    assert (problem.table, problem.row, problem.column) == (table, None, None)
    assert "name" in problem.remedy


def test_a_missing_table_spoils_nothing_else():
    for table in ("entities", "flows"):
        assert len(problems_of(**GOOD | {table: None})) == 1


def test_entities_are_at_least_one():
    (problem,) = problems_of(entities={"name": [], "cash": []}, flows={"name": [], "kind": [], "amount": []})
    assert (problem.table, problem.message) == ("entities", "has no rows")


@pytest.mark.parametrize(
    ("table", "column", "nearest"), [("entities", "csh", "`cash`"), ("flows", "amounts", "`amount`")]
)
def test_an_unknown_column_is_told_the_nearest(table, column, nearest):
    tables = copy.deepcopy(GOOD)
    tables[table][column] = [1.0] * len(tables[table]["name"])
    (problem,) = problems_of(**tables)
    assert (problem.table, problem.row, problem.column) == (table, None, column)
    assert problem.message == "there is no such column"
    assert nearest in problem.remedy


def test_a_missing_column_is_told_what_it_holds():
    tables = copy.deepcopy(GOOD)
    del tables["entities"]["cash"]
    (problem,) = problems_of(**tables)
    assert (problem.table, problem.row, problem.column) == ("entities", None, "cash")
    assert problem.message == "the column is missing"
    assert "opening cash" in problem.remedy


def test_an_unknown_table_is_told_the_nearest():
    (problem,) = problems_of(**GOOD, exposure={"holder": ["bank"]})
    assert (problem.table, problem.message) == ("exposure", "is no table of a system")
    assert "`exposures`" in problem.remedy


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("name", "", "is empty"),
        ("name", 5, "is not text"),
        ("periods", 0, "is out of range"),
        ("periods", 2.5, "is not a whole number"),
        ("periods", 40_000, "is out of range"),
        ("periods", "8", "is not a number"),
        ("periods", True, "is not a number"),
        ("periods_per_year", 0.0, "is out of range"),
        ("periods_per_year", math.nan, "is not a finite number"),
        ("discount_rate", -1.0, "is out of range"),
        ("discount_rate", -1.0 + 1e-16, "overflows"),
        ("discount_rate", 10**400, "is out of range"),
        ("default_costs", (1.0, 1.1), "is not a list of two numbers from 0 to 1"),
        ("default_costs", [1.0], "is not a list of two numbers"),
        ("default_costs", "11", "is not a list of two numbers"),
        ("start", "2026-13-01", "is not a date"),
        ("currency", "\ud800", "is not text"),
    ],
)
def test_a_bad_setting_is_named(key, value, says):
    if key == "discount_rate" and value == -1.0 + 1e-16:
        settings = SETTINGS | {"periods": 100, "periods_per_year": 1, key: value}
    else:
        settings = SETTINGS | {key: value}
    (problem,) = problems_of(settings, **GOOD)
    assert (problem.table, problem.row, problem.column) == ("System", None, key)
    assert says in problem.message
    assert problem.remedy.startswith("Write ")


def test_correlations_that_fit_no_matrix_are_told_how_far_off_they_are():
    tables = spoiled({"correlations": {"value": {0: 0.9, 1: 0.9, 2: -0.9}}})
    (problem,) = problems_of(**tables)
    assert (problem.table, problem.row, problem.column) == ("correlations", None, "value")
    # The eigenvalues are 1 - 2 * 0.9 and, twice, 1 + 0.9; by symmetry the nearest has entries of 1/2.
    assert "the smallest eigenvalue is -0.8" in problem.message
    assert f"{math.sqrt(6) * 0.4:.3g} away" in problem.message
    assert "from 0.9 to 0.5" in problem.remedy
    assert "from -0.9 to -0.5" in problem.remedy


def test_a_singular_correlation_matrix_is_one():
    tables = spoiled({"correlations": {"value": {0: 1.0, 1: -1.0, 2: -1.0}}})
    assert problems_of(**tables) == []


def test_the_nearest_correlation_matrix_is_that_of_higham():
    # The first example of Higham (2002), with its solution and distance to four digits.
    given = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    nearest = nearest_correlation(given)
    expected = np.array([[1.0, 0.7607, 0.1573], [0.7607, 1.0, 0.7607], [0.1573, 0.7607, 1.0]])
    np.testing.assert_allclose(nearest, expected, atol=5e-5)
    assert np.linalg.norm(nearest - given) == pytest.approx(0.5278, abs=5e-5)
    assert np.linalg.eigvalsh(nearest)[0] > -1e-8


def test_long_circles_of_drivers_are_found_and_cut_short():
    names = [f"f{i}" for i in range(100)]
    drivers: list[str | None] = [
        *names[1:50],
        names[0],
        *names[51:],
        None,
    ]  # a circle of 50, and a chain of 50
    flows = {"name": names, "kind": ["fee"] * 100, "amount": [1.0] * 100, "driver": drivers}
    (problem,) = problems_of(entities=GOOD["entities"], flows=flows)
    assert (problem.row, problem.column) == (0, "driver")
    assert problem.message.endswith("f0 -> f1 -> f2 -> f3 -> f4 -> f5 -> f6 -> f7 -> ...")


def test_a_chain_that_leads_into_a_circle_is_not_blamed():
    drivers = ["b", "c", "b", None]
    flows = {"name": list("abcd"), "kind": ["fee"] * 4, "amount": [1.0] * 4, "driver": drivers}
    (problem,) = problems_of(entities=GOOD["entities"], flows=flows)
    assert (problem.row, problem.message) == (1, "the drivers form a circle: b -> c -> b")


def test_names_of_loan_flows_do_not_clash_with_one_another():
    loans = {"name": ["a", "a.interest"], "borrower": ["lab"] * 2, "principal": [1.0] * 2, "rate": [0.1] * 2,
             "years": [1.0] * 2}  # fmt: skip
    (problem,) = problems_of(entities=GOOD["entities"], flows=GOOD["flows"], loans=loans)
    assert (problem.table, problem.row, problem.column) == ("loans", 0, "name")
    assert "gives a flow `a.interest`, a name taken by row 2 of `loans`" in problem.message


def test_a_loan_named_twice_is_told_once():
    rows = LISTED_ROWS + 5
    columns = {"borrower": "lab", "principal": 1.0, "rate": 0.1, "years": 1.0, "draw": 1}
    loans = {"name": ["a"] * rows, **{name: [value] * rows for name, value in columns.items()}}
    problems = problems_of(entities=GOOD["entities"], flows=GOOD["flows"], loans=loans)
    assert [problem.row for problem in problems] == [*range(1, LISTED_ROWS + 1), None]
    assert {problem.message for problem in problems[:-1]} == {"is taken by row 1 of `loans`"}


def test_a_term_shorter_than_half_a_period_is_no_error():
    assert problems_of(**spoiled({"loans": {"years": {1: 0.01}}})) == []


def test_what_has_no_effect_is_a_note():
    tables = spoiled(
        {
            "factors": {"drift": {1: 0.1}, "mean": {0: 1.0}, "jump_mean": {0: 0.1}},
            "flows": {"spread": {0: 0.1}, "relet_lag": {1: 2}, "life": {3: None}, "opening_book": {3: 0.0}},
            "loans": {"spread": {0: 0.1}},
        }
    )
    notes = System(**SETTINGS, **tables).notes
    assert {(note.table, note.row, note.column) for note in notes} == {
        ("factors", 1, "drift"),
        ("factors", 0, "mean"),
        ("factors", 0, "jump_mean"),
        ("flows", 0, "spread"),
        ("flows", 1, "relet_lag"),
        ("flows", 3, "opening_life"),
        ("flows", 3, "tenant"),
        ("loans", 0, "spread"),
        ("measures", 2, "flow"),
    }
    assert System(**SETTINGS, **GOOD).notes == ()


def test_positions_and_scenarios_can_be_checked_alone():
    problems: list[Problem] = []
    positions = conform("positions", {"name": ["a", "a"], "entity": ["x", "y"], "exposure": [1, 2]}, problems)
    check_positions(positions, pa.chunked_array([["x"]]), problems)
    scenarios = conform("scenarios", {"scenario": ["a"], "parameter": ["factor.x.shift"]}, problems)
    check_scenarios(scenarios, problems)
    assert [(found.table, found.row, found.column) for found in problems] == [
        ("positions", 1, "entity"),
        ("positions", 1, "name"),
        ("scenarios", 0, "op"),
        ("scenarios", 0, "value"),
    ]


JUNK = (
    None, "", 0, 1, -1, 1.5, -0.5, 8, 10**30, math.nan, math.inf, True, "x", b"x", [1], {"a": 1},
    "\ud800", "1e5", Decimal("1.5"), datetime.date(2020, 1, 1), 5e-324, "lab", "outside", "sales",
    "compute", "term", "term.interest", "demand", "rate", "gbm", "ou", "log_ou", "logit_ou", "constant",
    "capex", "opex", "kind:opex", "kind:", ":", "build:impairment", "factor.demand.value",
    "entity.lab.cash", "entity.lab.fail_at", "flow.kind:capex.scale", "flow.term.interest.scale",
    "correlation.stress", "set", "add", "annuity", "linear", "full", "loan",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_no_cell_makes_anything_but_problems(seed):
    random = Random(seed)
    for _ in range(50):
        cells: dict[str, dict[str, dict[int, Any]]] = {}
        for _ in range(random.choice((1, 1, 2, 5))):
            table = random.choice(list(GOOD))
            row = random.randrange(len(next(iter(GOOD[table].values()))))
            column = random.choice(list(SCHEMAS[table].by_name))
            cells.setdefault(table, {}).setdefault(column, {})[row] = random.choice(JUNK)
        for problem in problems_of(**spoiled(cells)):
            assert problem.table in SCHEMAS
            assert "\n" not in str(problem)
            assert problem.remedy


class Steps:
    """Counts the bytecode instructions that Python executes within a block."""

    def __enter__(self) -> Steps:
        self.count = 0
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def _trace(self, frame: Any, event: str, _: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.count += event == "opcode"
        return self._trace

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)


def test_the_work_that_python_does_does_not_grow_with_the_rows(monkeypatch):
    monkeypatch.setattr(check_module, "evaluate", lambda *_: None)
    settings = Settings(**SETTINGS | {"periods": 32_767})

    def steps(rows: int) -> int:
        names = pa.array(np.arange(rows // 10)).cast(pa.string())
        number = np.arange(rows)
        given = {
            "entities": {"name": names, "cash": names},
            "flows": {"name": ["f", "g"], "kind": ["fee", "fee"], "amount": [1.0, 1.0]},
            "schedules": {  # half of the flows are unknown, half of the amounts negative, and rows come again
                "flow": pa.array(np.array(["f", "h"])[number % 2]),
                "period": pa.array(number // 2 % 10_000),
                "amount": pa.array(number - rows // 2),
            },
            "positions": {"name": names, "entity": names, "exposure": names},
        }
        problems: list[Problem] = []
        with Steps() as counted:
            tables = {name: conform(name, given.get(name), problems) for name in SCHEMAS}
            check(settings, tables, problems)
        assert len(problems) == 3 * (LISTED_ROWS + 1)
        return counted.count

    few = steps(40_000)
    assert few > 10_000  # instructions are counted at all
    assert steps(2_000_000) < 1.01 * few
