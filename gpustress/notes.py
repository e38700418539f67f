"""Cells that are right but have no effect, which most often means that something else was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from .cells import Blame, is_one_of
from .factor_ranges import REVERTING
from .schema import DEPRECIATION, IMPAIRMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from .errors import Problem


def notes_on(tables: Mapping[str, pa.Table]) -> list[Problem]:
    """Every cell of a system, which has been checked, that has no effect."""
    notes: list[Problem] = []
    _note_factors(tables["factors"], notes)
    _note_flows(tables["flows"], notes)
    _note_lines(tables["measures"], tables["flows"], notes)
    loans = tables["loans"]
    spread = pc.and_(pc.not_equal(loans["spread"], 0.0), pc.is_null(loans["index"]))
    note = Blame(notes, "loans", loans)
    note("spread", spread, "has no effect without an index", "Add it to `rate`, or name an index.")
    return notes


def _note_factors(rows: pa.Table, notes: list[Problem]) -> None:
    note = Blame(notes, "factors", rows)
    drift = pc.and_(pc.not_equal(rows["drift"], 0.0), pc.not_equal(rows["process"], "gbm"))
    note("drift", drift, "has an effect on gbm alone", "Choose gbm, or leave it empty.")
    other = pc.invert(is_one_of(rows["process"], REVERTING))
    for column in ("mean", "reversion"):
        given = pc.and_(other, pc.is_valid(rows[column]))
        note(
            column,
            given,
            f"has an effect on {', '.join(REVERTING)} alone",
            "Choose one of them, or leave it empty.",
        )
    jumpless = pc.equal(rows["jump_rate"], 0.0)
    for column in ("jump_mean", "jump_volatility"):
        idle = pc.and_(jumpless, pc.not_equal(rows[column], 0.0))
        note(column, idle, "has no effect with a jump_rate of 0", "Write a jump_rate, or leave it empty.")


def _note_flows(rows: pa.Table, notes: list[Problem]) -> None:
    note = Blame(notes, "flows", rows)
    spread = pc.and_(pc.not_equal(rows["spread"], 0.0), pc.is_null(rows["index"]))
    note("spread", spread, "has no effect without an index", "Name an index, or leave it empty.")
    lag = pc.and_(pc.greater(rows["relet_lag"], 0), pc.equal(rows["relet_price"], 0.0))
    note("relet_lag", lag, "has no effect with a relet_price of 0", "Write a relet_price, or leave it empty.")
    bookless = pc.equal(rows["opening_book"], 0.0)
    idle = pc.and_(bookless, pc.is_valid(rows["opening_life"]))
    remedy = "Write the opening_book, or leave it empty."
    note("opening_life", idle, "has no effect without an opening_book", remedy)
    lifeless = pc.and_(pc.is_null(rows["life"]), pc.is_valid(rows["tenant"]))
    note("tenant", lifeless, "has no effect without a life: there is no book to impair",
         "Write a life, or leave it empty.")  # fmt: skip


def _note_lines(measures: pa.Table, flows: pa.Table, notes: list[Problem]) -> None:
    lifeless = flows["name"].filter(pc.is_null(flows["life"])).combine_chunks()
    for line in (DEPRECIATION, IMPAIRMENT):
        empty = is_one_of(measures["flow"], pc.binary_join_element_wise(lifeless, line, ":"))
        Blame(notes, "measures", measures)("flow", empty, "is always 0: the flow has no life, and so no book",
              "Write a life, or take the row out.")  # fmt: skip
