"""A summary as tables that a risk officer can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from .amounts import counted, never_seen, percent, plus_minus, sure, unit_of, with_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

DETAILED: Final = 8  # runs that are printed in full; of more, an overview
OVERVIEW: Final = 40  # runs of which a line is printed
LISTED: Final = 25  # entities of a run that are printed
FOLDED: Final = 10  # characters to which names and words fold at most
FOLDING: Final = ("causes, %", "most likely to fail", "payback")  # columns of words


def render(summary: Mapping[str, Any], console: Console) -> None:
    """Print what `summarise` gives, in 80 to 100 columns.

    Parameters
    ----------
    summary : mapping
    console : rich.console.Console
    """
    system, runs = summary["system"], summary["runs"]
    way = summary.get("variance_reduction")
    drawn = (
        ""
        if way is None
        else f", drawn by {way['scheme']}" + (f" of {way['failure']}" if "failure" in way else "")
    )
    _line(
        console,
        f"{system['name']}: {counted(summary['paths'], 'path')}, {counted(system['periods'], 'period')} from "
        f"{system['first_period']} to {system['last_period']}, seed {summary['seed']}{drawn}, "
        f"backend {summary['backend']}.",
    )
    for text in _legend(runs):
        _line(console, text)
    shown = _shown(runs)
    if len(shown) > 1:
        _print_overview(console, shown)
    if len(shown) <= DETAILED:
        for run in shown:
            _print_run(console, summary, run, _title(run, shown))
    if any(run["book"] for run in runs):
        _print_books(console, summary, runs if len(shown) <= DETAILED else shown)
    if len(shown) > DETAILED:
        _line(
            console, f"{len(shown)} runs: all their figures are in --json and in the stored result (--out)."
        )
    exact = sum(run["exact_finishes"] for run in runs)
    if exact:
        total = summary["paths"] * system["periods"] * len(runs)
        _line(console, f"Settlements that had to be finished exactly: {exact:,} of {total:,} path-periods.")


def _legend(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the signs and columns mean."""
    yield "± is one standard error, [low, high] a 95 % interval; what has neither is rounded to what is sure."
    if any(run["expected_failures"]["value"] > 0.0 for run in runs):
        yield "half by: the period by which half of an entity's failures have come."
    if any(entity["contagion"] for run in runs for entity in run["entities"]):
        yield "contagion: what the failures of others add (full less first_round, same paths), and its share."
    if any(run["measures"] for run in runs):
        yield "NPV: net present value; trough: lowest running total. Means, unless a percentage is given."
    shown = _shown(runs)
    alone = sum(run["effects"] == "first_round" for run in shown)
    if alone:
        where = "" if alone == len(shown) else f" in {alone} of the scenarios"
        yield f"first_round: everybody is judged alone{where}, as if all others paid in full."
    if any(run["book"] for run in runs):
        yield "VaR, ES: value at risk and expected shortfall of the discounted losses."


def _shown(runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The runs that are printed one by one: first_round shows as the contagion of full, where both ran."""
    full = {run["scenario"] for run in runs if run["effects"] == "full"}
    return [run for run in runs if run["effects"] != "first_round" or run["scenario"] not in full]


def _print_overview(console: Console, runs: Sequence[Mapping[str, Any]]) -> None:
    rows = []
    for run in runs[:OVERVIEW]:
        worst = max(run["entities"], key=lambda entity: entity["probability"]["value"])
        fails = worst["probability"]["value"] > 0
        rows.append(
            [
                _title(run, runs),
                plus_minus(run["expected_failures"]),
                worst["entity"] if fails else "nobody",
                percent(worst["probability"]),
            ]
        )
    heads = ("scenario", "expected failures", "most likely to fail", "in % of paths")
    print_table(console, "Scenarios", heads, rows, more=len(runs) - len(rows))


def _print_run(console: Console, summary: Mapping[str, Any], run: Mapping[str, Any], title: str) -> None:
    paths = summary["paths"]
    failing = sorted(
        (entity for entity in run["entities"] if entity["probability"]["value"] > 0),
        key=lambda entity: -entity["probability"]["value"],
    )
    if run["effects"] == "none":
        _line(console, f"\n{title}: a projection; nobody can fail.")
    elif not failing:
        _line(console, f"\n{title}: nobody fails in {counted(paths, 'path')}{_still_possible(summary)}.")
    else:
        _print_failures(console, summary, run, failing, title)
    if run["measures"]:
        _print_measures(console, summary, run, title)


def _still_possible(summary: Mapping[str, Any]) -> str:
    """What a failure that was never seen can still have as probability, which only independent paths tell."""
    return "" if "variance_reduction" in summary else f" ({never_seen(summary['paths'])})"


def _print_failures(
    console: Console, summary: Mapping[str, Any], run: Mapping[str, Any], failing: list[Any], title: str
) -> None:
    with_contagion = any(entity["contagion"] for entity in failing)
    heads = ["entity", "fails, %", "half by"]
    heads += ["contagion, %", "share"] if with_contagion else []
    rows = []
    for entity in failing[:LISTED]:
        cells = [entity["entity"], percent(entity["probability"]), entity["median_label"]]
        if with_contagion:
            cells += _contagion_cells(entity["contagion"])
        causes = sorted(
            ((name, cause) for name, cause in entity["causes"].items() if cause["value"]),
            key=lambda item: -item[1]["value"],
        )
        cells.append(", ".join(f"{name} {percent(cause, with_error=False)}" for name, cause in causes))
        rows.append(cells)
    title = f"{title}: who fails by {summary['system']['last_period']}"
    print_table(console, title, (*heads, "causes, %"), rows, more=len(failing) - len(rows))
    safe = [entity["entity"] for entity in run["entities"] if not entity["probability"]["value"]]
    if safe:
        listed = ", ".join(safe[:LISTED]) + (f" and {len(safe) - LISTED} more" if len(safe) > LISTED else "")
        _line(console, f"In no path{_still_possible(summary)}: {listed}.")


def _contagion_cells(contagion: Mapping[str, Any] | None) -> list[str]:
    if contagion is None:
        return ["", ""]
    share = contagion["share"]
    return [
        percent(contagion["difference"], sign="+"),
        "" if share is None else f"{share:.0%}".replace("%", " %"),
    ]


def _print_measures(console: Console, summary: Mapping[str, Any], run: Mapping[str, Any], title: str) -> None:
    money = ("total", "npv", "trough")
    values = [entry["value"] for m in run["measures"] for figure in money for entry in m[figure].values()]
    unit = unit_of(values, summary["system"]["currency"])
    heads = ("measure", "total", "NPV", "NPV 5 %", "NPV 95 %", "trough", "payback")
    rows = [
        [
            m["measure"],
            plus_minus(m["total"]["mean"], unit),
            plus_minus(m["npv"]["mean"], unit),
            sure(m["npv"]["q05"], unit),
            sure(m["npv"]["q95"], unit),
            sure(m["trough"]["mean"], unit),
            _payback(m["payback"]),
        ]
        for m in run["measures"]
    ]
    print_table(console, f"{title}: measures{unit.name}", heads, rows)


def _payback(payback: Mapping[str, Any]) -> str:
    """The median, and how many paths never pay back where some do."""
    median, never = payback["q50"]["label"], payback["share_never"]
    some = never["value"] > 0.0 and median != "never"
    return f"{median}; never {percent(never, with_error=False)} %" if some else median


def _print_books(console: Console, summary: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> None:
    books = [run["book"] for run in runs]
    figures = ("expected_loss", "value_at_risk", "expected_shortfall")
    unit = unit_of(
        [book[figure]["value"] for book in books for figure in figures], summary["system"]["currency"]
    )
    level = f"{100 * books[0]['value_at_risk']['level']:g} %"
    count = books[0]["positions"]
    heads = ("scenario", "expected loss", f"VaR {level}", f"ES {level}")
    rows = []
    for run, book in zip(runs[:OVERVIEW], books, strict=False):
        cells = [_title(run, runs), plus_minus(book["expected_loss"], unit)]
        cells += [with_interval(book[figure], unit) for figure in figures[1:]]
        rows.append(cells)
    title = f"Loss of the book ({count} position{'s' if count > 1 else ''}){unit.name}"
    print_table(console, title, heads, rows, more=len(runs) - len(rows))


def _title(run: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> str:
    """The run's name; the scenario's alone where it is the only one of its runs among these."""
    several = sum(other["scenario"] == run["scenario"] for other in runs) > 1
    return str(run["run"] if several else run["scenario"])


def print_table(
    console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], more: int = 0
) -> None:
    """Print a table whose first column and columns of words fold where space is short; figures never do.

    Parameters
    ----------
    console : rich.console.Console
    title : str
    heads : sequence of str
    rows : sequence of sequence of str
    more : int
        Rows that are not shown.
    """
    table = Table(
        title=_text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    widest = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    least = [
        min(width, FOLDED) if place == 0 or head in FOLDING else width
        for place, (head, width) in enumerate(zip(heads, widest, strict=True))
    ]
    for place, head in enumerate(heads):
        folds = place == 0 or head in FOLDING
        table.add_column(
            _text(head),
            justify="left" if folds else "right",
            no_wrap=not folds,
            overflow="fold",
            min_width=least[place],
        )
    for row in rows:
        table.add_row(*map(_text, row))
    needed = sum(least) + 2 * len(least)
    if (
        needed > console.width
    ):  # a line that is too long for the terminal is less harm than a figure that is cut
        table.width = needed
    console.print(table, crop=False)
    if more:
        _line(console, f"... and {more} more.")


def _text(content: object) -> Text:
    """Text that rich prints as it is: no markup, no control characters."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(content)))


def _line(console: Console, text: str) -> None:
    for part in text.split("\n"):
        console.print(_text(part))
