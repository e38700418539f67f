"""Systems, results and answers as a notebook shows them: small tables, whatever stands in a name."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from .amounts import percent, plus_minus, unit_of, with_interval
from .schema import OUTSIDE
from .summary import summarise
from .who_pays_whom import payment_lines, who_pays_whom

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from .result import Result
    from .system import System

PAIRS: Final = 12  # of who pays whom
ROWS: Final = 12  # scenarios
TOLD: Final = 24  # rows of an answer's table


def system_html(system: System) -> str:
    """How large a system is, and who pays whom: as a drawing, and the lines of payments by pair.

    Parameters
    ----------
    system : System

    Returns
    -------
    str
        HTML that holds no script and no style.
    """
    settings = system.settings
    sizes = [(name, f"{table.num_rows:,}") for name, table in system.tables.items() if table.num_rows]
    lines = payment_lines(system)
    # What runs among the entities comes first: it is what a failure travels along.
    order = sorted(lines, key=lambda pair: (OUTSIDE in pair, -len(lines[pair]), pair))
    pairs = [(payer, receiver, _listed(lines[payer, receiver])) for payer, receiver in order[:PAIRS]]
    parts = [
        f"<p><strong>System {escape(settings.name)}</strong>: {settings.periods:,} periods of "
        f"{settings.period_years:g} year{'' if settings.period_years == 1.0 else 's'}</p>",
        _table(("table", "rows"), sizes),
        who_pays_whom(lines),
        _table(("pays", "receives", "flows and loans"), pairs),
    ]
    if len(order) > PAIRS:
        parts.append(f"<p>... and {len(order) - PAIRS} more pairs.</p>")
    return "<div>" + "".join(parts) + "</div>"


def result_html(run: Result) -> str:
    """Who is most likely to fail in each scenario, and what the book loses.

    Parameters
    ----------
    run : Result

    Returns
    -------
    str
        HTML that holds no script and no style.
    """
    summary = summarise(run)
    shown = summary["runs"][:ROWS]
    books = [one["book"] for one in shown if one["book"]]
    unit = unit_of([book["expected_shortfall"]["value"] for book in books], run.system.settings.currency)
    heads = ["run", "expected failures", "most likely to fail", "in % of paths"]
    heads += [f"expected loss{unit.name}", f"expected shortfall{unit.name}"] if books else []
    rows = []
    for one in shown:
        worst = max(one["entities"], key=lambda entity: entity["probability"]["value"])
        fails = worst["probability"]["value"] > 0.0
        row = [one["run"], plus_minus(one["expected_failures"]), worst["entity"] if fails else "nobody",
               percent(worst["probability"])]  # fmt: skip
        if one["book"]:
            row += [
                plus_minus(one["book"]["expected_loss"], unit),
                with_interval(one["book"]["expected_shortfall"], unit),
            ]
        rows.append(row)
    more = len(summary["runs"]) - len(shown)
    return (
        f"<div><p><strong>Result of {escape(run.system.settings.name)}</strong>: {run.paths:,} paths, seed "
        f"{run.seed}, {len(run.runs)} runs, {len(run.entities)} entities, {run.periods} periods</p>"
        + _table(heads, rows)
        + (f"<p>... and {more} more runs.</p>" if more else "")
        + "</div>"
    )


def answer_html(title: str, sentences: Iterable[str] = (), table: pa.Table | None = None) -> str:
    """What an answer is, its words, and the first rows of its table.

    Parameters
    ----------
    title : str
    sentences : iterable of str
    table : pyarrow.Table, optional

    Returns
    -------
    str
        HTML that holds no script and no style.
    """
    parts = [f"<p><strong>{escape(title)}</strong></p>", *(f"<p>{escape(text)}</p>" for text in sentences)]
    if table is not None:
        shown = table.slice(0, TOLD)
        rows = zip(*(map(_cell, column.to_pylist()) for column in shown.columns), strict=True)
        parts.append(_table(shown.column_names, rows))
        more = table.num_rows - shown.num_rows
        parts += [f"<p>... and {more} more rows.</p>"] if more else []
    return "<div>" + "".join(parts) + "</div>"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _listed(names: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
