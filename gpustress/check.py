"""What has to hold between the cells, rows and tables of a system; conform() checks each cell alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .cells import Blame, is_one_of
from .correlation import check_correlations
from .errors import Problem, report_rows, row_number, shown
from .evaluation import evaluate
from .factor_ranges import POSITIVE, REVERTING
from .names import check_key, check_names, repeated_rows, value_codes
from .parameters import ENTITY_FIELDS, FACTOR_FIELDS, parse_address
from .references import Known, check_drivers, check_references, known_names, nearest_known
from .schema import KIND_PREFIX, MAX_TERM, RANK_OF_KIND, SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import Settings


def check(settings: Settings | None, given: Mapping[str, pa.Table | None], problems: list[Problem]) -> None:
    """Check a system whose tables have been conformed.

    Parameters
    ----------
    settings : Settings or None
        None where they are at fault: what depends on them is not checked then.
    given : mapping of str to (pyarrow.Table or None)
        Every table of SCHEMAS; None for one that can't be read: what refers to it is not checked then.
    problems : list of Problem
        What has been found so far. Grows by what is found here; each cell keeps its first problem, and all
        are put into the order of the tables.
    """
    tables = {name: table for name, table in given.items() if table is not None}
    known = known_names(tables)
    check_names(tables, problems)
    for name, rows in tables.items():
        check_references(name, rows, known, problems)
        if settings is not None:
            check_periods(name, rows, settings, problems)
        if name in _CHECKS:
            _CHECKS[name](rows, problems)
    if "correlations" in tables:
        check_correlations(tables["correlations"], problems)
    if "factors" in tables and "sensitivities" in tables:
        _check_positive(tables["sensitivities"], tables["factors"], problems)
    if not problems and settings is not None and len(tables) == len(SCHEMAS):
        evaluate(settings, tables, tables["scenarios"], problems)
    else:  # evaluate() needs a system that is right; some of what it says can be said of any
        if "entities" in tables:
            _check_cash(tables["entities"], problems)
        if "scenarios" in tables:
            _check_addresses(tables["scenarios"], known, problems)
    problems[:] = _one_a_cell(problems)


def _one_a_cell(problems: list[Problem]) -> list[Problem]:
    """In the order of the tables, without a cell's second problem, which mostly follows from the first."""
    order = {name: place for place, name in enumerate(SCHEMAS)}
    kept: dict[object, Problem] = {}
    for problem in problems:
        cell = (problem.table, problem.row, problem.column)
        kept.setdefault(problem if problem.row is None else cell, problem)
    return sorted(kept.values(), key=lambda problem: order.get(problem.table, -1))


def check_periods(table: str, rows: pa.Table, settings: Settings, problems: list[Problem]) -> None:
    """Add a problem for each period after the last, and for each term of more periods than can be counted."""
    fault = Blame(problems, table, rows)
    last, longest = settings.periods - 1, MAX_TERM * settings.period_years
    for column in SCHEMAS[table].columns:
        values = rows[column.name]
        if column.in_horizon:
            remedy = f"Write a period from 0 to {last}."
            fault(column.name, pc.greater(values, last), "lies after the last period", remedy)
        if column.term:
            message, remedy = f"is more than {MAX_TERM} periods", f"Write at most {longest:g} years."
            fault(column.name, pc.greater(values, longest), message, remedy)


def _check_entities(rows: pa.Table, problems: list[Problem]) -> None:
    if rows.num_rows == 0:
        remedy = "Add a row for each legal person that can fail."
        problems.append(Problem("entities", None, None, "", "has no rows", remedy))


def _check_factors(rows: pa.Table, problems: list[Problem]) -> None:
    fault = Blame(problems, "factors", rows)
    process = rows["process"]
    for column, processes in (("initial", ("gbm", "log_ou")), ("mean", ("log_ou",))):
        logarithmic, logistic = is_one_of(process, processes), pc.equal(process, "logit_ou")
        value = rows[column]
        wrong = pc.and_(logarithmic, pc.less_equal(value, 0.0))
        fault(column, wrong, "has to be positive: the process takes its logarithm", "Write a number above 0.")
        outside = pc.or_(pc.less_equal(value, 0.0), pc.greater_equal(value, 1.0))
        message = "has to lie strictly between 0 and 1, as logit_ou does"
        fault(column, pc.and_(logistic, outside), message, "Write a number such as 0.5.")
    missing = pc.and_(is_one_of(process, REVERTING), pc.is_null(rows["reversion"]))
    message = f"is missing, and {', '.join(REVERTING)} need it"
    fault("reversion", missing, message, "Write a number above 0, a year.")
    for column in ("volatility", "jump_rate"):
        moves = pc.and_(pc.equal(process, "constant"), pc.not_equal(rows[column], 0.0))
        fault(column, moves, "of a constant factor has to be 0", "Take it out, or choose another process.")
    crossed = pc.greater(rows["floor"], rows["cap"])
    fault("cap", crossed, "lies below the floor", "Write a cap of at least the floor, or leave one empty.")


def _check_flows(rows: pa.Table, problems: list[Problem]) -> None:
    fault = Blame(problems, "flows", rows)
    same = pc.equal(rows["payer"], rows["receiver"])
    remedy = "Name two entities; leave one empty for `outside`, both for a memo line."
    fault("receiver", same, "is the payer as well", remedy)
    capex, other = pc.equal(rows["kind"], "capex"), pc.not_equal(rows["kind"], "capex")
    booked = pc.greater(rows["opening_book"], 0.0)
    for column in ("life", "opening_life", "tenant", "opening_book"):
        used = booked if column == "opening_book" else pc.is_valid(rows[column])
        remedy = "Leave it empty, or make the flow's kind `capex`."
        fault(column, pc.and_(other, used), "is for capex alone", remedy)
    lifeless = pc.and_(pc.and_(capex, booked), pc.is_null(rows["life"]))
    remedy = "Write the years over which payments are written down, or take `opening_book` out."
    fault("life", lifeless, "is missing, and `opening_book` needs it", remedy)
    early = pc.less(rows["end"], rows["start"])
    fault("end", early, "lies before the start", "Write a period from `start` on.")
    check_drivers(rows, problems)


def _check_loans(rows: pa.Table, problems: list[Problem]) -> None:
    fault = Blame(problems, "loans", rows)
    same = pc.equal(rows["borrower"], rows["lender"])
    fault("lender", same, "is the borrower as well", "Name two entities; empty is `outside`.")
    fixed, floating = pc.is_valid(rows["rate"]), pc.is_valid(rows["index"])
    both = "excludes `rate`: interest is either fixed or floating"
    fault("index", pc.and_(fixed, floating), both, "Leave one of the two empty.")
    neither = pc.invert(pc.or_(fixed, floating))
    fault("rate", neither, "is missing, and so is `index`", "Write a rate a year, or name an index.")
    annuity = pc.and_(pc.equal(rows["amortisation"], "annuity"), pc.and_(floating, pc.invert(fixed)))
    message = "needs a `rate`: its instalment is fixed once"
    fault("amortisation", annuity, message, "Write a rate, or choose `linear`.")


def _check_exposures(rows: pa.Table, problems: list[Problem]) -> None:
    same = pc.equal(rows["holder"], rows["issuer"])
    Blame(problems, "exposures", rows)("issuer", same, "is the holder as well", "Name two entities.")


def _check_positions(rows: pa.Table, problems: list[Problem]) -> None:
    endless = pc.and_(pc.equal(rows["amortisation"], "linear"), pc.is_null(rows["maturity"]))
    remedy = "Write the years until it has fallen to 0, or choose `bullet`."
    Blame(problems, "positions", rows)("maturity", endless, "is missing, and `linear` needs it", remedy)


def check_scenarios(rows: pa.Table, problems: list[Problem]) -> None:
    """Add a problem for each row of a conformed scenarios table that says too little, or contradicts one."""
    fault = Blame(problems, "scenarios", rows)
    changes = pc.is_valid(rows["parameter"])  # where nothing is changed, op and value have no effect
    for column in ("op", "value"):
        missing = pc.and_(changes, pc.is_null(rows[column]))
        allowed = SCHEMAS["scenarios"].by_name[column].allowed
        fault(column, missing, "is missing, though a parameter is named", f"Write {allowed}.")
    early = pc.less(rows["end"], rows["start"])
    fault("end", early, "lies before the start", "Write a period from `start` on.")

    said = np.flatnonzero(pc.and_(pc.is_valid(rows["effects"]), pc.is_valid(rows["scenario"])).to_numpy())
    effects = value_codes(rows["effects"])[said]
    _, first = repeated_rows(value_codes(rows["scenario"])[said])
    torn = np.flatnonzero(effects != effects[first])
    earlier = np.empty(rows.num_rows, np.intp)
    earlier[said] = said[first]
    report_rows(
        problems,
        "scenarios",
        "effects",
        said[torn],
        lambda row: rows["effects"][row].as_py(),
        message=lambda row: f"differs from row {row_number(int(earlier[row]))} of the same scenario",
        remedy="Give a scenario one kind of effects.",
    )


_CHECKS: Final = {
    "entities": _check_entities,
    "factors": _check_factors,
    "flows": _check_flows,
    "loans": _check_loans,
    "exposures": _check_exposures,
    "positions": _check_positions,
    "scenarios": check_scenarios,
}


def check_positions(rows: pa.Table, entities: pa.ChunkedArray, problems: list[Problem]) -> None:
    """Check a conformed positions table against the names of a system's entities."""
    check_references("positions", rows, {"entity": entities.combine_chunks()}, problems)
    check_key("positions", rows, SCHEMAS["positions"].key, problems)
    _check_positions(rows, problems)


def _check_positive(rows: pa.Table, factors: pa.Table, problems: list[Problem]) -> None:
    """Add a problem for each sensitivity to a factor that can be zero or negative."""
    floored = pc.fill_null(pc.greater(factors["floor"], 0.0), False)
    constant = pc.equal(factors["process"], "constant")
    kept = pc.and_(pc.or_(floored, constant), pc.greater(factors["initial"], 0.0))
    capped = pc.fill_null(pc.less_equal(factors["cap"], 0.0), False)
    positive = pc.and_(pc.or_(kept, is_one_of(factors["process"], POSITIVE)), pc.invert(capped))
    place = pc.index_in(rows["factor"], value_set=factors["name"].combine_chunks())
    doubtful = pc.and_(pc.is_valid(rows["factor"]), pc.invert(positive.combine_chunks().take(place)))
    message = "names a factor that is not always positive, or starts at 0 or below"
    remedy = "Make it gbm, log_ou or logit_ou, or give it a floor and an `initial` above 0, and no cap of 0."
    Blame(problems, "sensitivities", rows)("factor", doubtful, message, remedy)


def _check_cash(rows: pa.Table, problems: list[Problem]) -> None:
    short = pc.less(rows["cash"], pc.negate(rows["credit_line"]))
    message = "cash lies below what the credit line allows"
    Blame(problems, "entities", rows)("cash", short, message, "Cash has to be at least -credit_line.")


def _check_addresses(rows: pa.Table, known: Known, problems: list[Problem]) -> None:
    """Add a problem for each row whose parameter names nothing."""
    faults = {}
    for text in rows["parameter"].unique().drop_null().to_pylist():
        fault = _address_fault(text, known)
        if fault is not None:
            faults[text] = fault
    cells = rows["parameter"]

    def message(row: int) -> str:
        return faults[cells[row].as_py()][0]

    def remedy(row: int) -> str:
        return faults[cells[row].as_py()][1]

    Blame(problems, "scenarios", rows)("parameter", is_one_of(cells, tuple(faults)), message, remedy)


def _address_fault(text: str, known: Known) -> tuple[str, str] | None:
    address = parse_address(text)
    if address is None:
        forms = f"factor.NAME.{'|'.join(FACTOR_FIELDS)}, flow.NAME.scale, flow.{KIND_PREFIX}KIND.scale, "
        forms += f"entity.NAME.{'|'.join(ENTITY_FIELDS)}, correlation.stress"
        return "is not an address", f"The forms are {forms}."
    if address.subject == "flow" and address.name.startswith(KIND_PREFIX):
        names = pa.array([f"{KIND_PREFIX}{kind}" for kind in RANK_OF_KIND])
    elif address.subject in known:
        names = known[address.subject]
    else:
        return None
    if pc.is_in(pa.scalar(address.name), value_set=names).as_py():
        return None
    return f"names no {address.subject}: {shown(address.name)}", nearest_known(address.name, names)
