"""The pictures of a report, each with what to see in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .. import pictures
from ..amounts import percent, plus_minus, sure, unit_of
from ..book import path_losses, read_book
from ..dates import period_label
from ..estimates import run_place
from ..failure_order import failure_links
from ..schema import OUTSIDE
from .drawings import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..result import Result
    from .drawings import Drawing
    from .fans import Series
    from .findings import Findings

DETAILED: Final = 8  # scenarios with tables of their own, and to choose from
CASH_FANS: Final = 3
MEASURE_FANS: Final = 4
EXPLORED: Final = 30  # entities whose cash, and measures that the reader can choose


def drawn_series(run: Result, main: dict[str, Any]) -> list[str]:
    """The series that are drawn: the cash of who is most likely to fail, and the first measures."""
    return _cash(main)[:CASH_FANS] + _totals(run)[:MEASURE_FANS]


def explored_series(run: Result, main: dict[str, Any]) -> list[str]:
    """The series that the reader can choose: of many measures the first, of many entities the most likely to fail."""
    return _cash(main)[:EXPLORED] + _totals(run)[:EXPLORED]


def _cash(main: dict[str, Any]) -> list[str]:
    likely = sorted(main["entities"], key=lambda entity: -entity["probability"]["value"])
    return [f"cash:{entity['entity']}" for entity in likely]


def _totals(run: Result) -> list[str]:
    return [f"measure:{name}" for name in run.measures]


def gallery(
    run: Result, main: int, series: Series, summary: dict[str, Any], findings: Findings
) -> list[Drawing]:
    """Every picture that the run has the numbers for.

    Parameters
    ----------
    run : Result
    main : int
        Place of the run that the page is about.
    series : Series
    summary : dict
        As `summarise` gives it.
    findings : Findings
    """
    return [*_failures(run, main, summary), *_book(run, main, summary), *_found(run, findings),
            *_sure(run, main, summary), *_fans(run, main, series, summary), *_payments(run, main)]  # fmt: skip


def _failures(run: Result, main: int, summary: dict[str, Any]) -> Iterator[Drawing]:
    name, scenario = run.scenarios[main], run.runs[main].scenario
    entities = sorted(summary["runs"][main]["entities"], key=lambda entity: -entity["probability"]["value"])
    likely = [f"{entity['entity']} {percent(entity['probability'])} %" for entity in entities
              if entity["probability"]["value"]]  # fmt: skip
    last = summary["system"]["last_period"]
    yield draw(
        "curves",
        lambda ax: pictures.failure_curves(run, ax, scenario=name),
        "How likely each is to have failed by the end of each period; the bands are 95 % intervals.",
        f"Failed by {last} in scenario {scenario}: {', '.join(likely[:10]) or 'nobody'}.",
    )
    scenarios = list(dict.fromkeys(one.scenario for one in run.runs))
    if len(scenarios) > 1:
        cells = [f"{one} {_most_likely(summary['runs'][run_place(run, one)])}" for one in scenarios]
        yield draw(
            "heat",
            lambda ax: pictures.heat_map(run, ax),
            "Who fails in which scenario; a dot stands for no path.",
            f"Probability of failing by scenario and entity. Most likely to fail: {', '.join(cells[:40])}. "
            "The tables below hold all figures.",
            height=float(np.clip(1.8 + 0.28 * len(scenarios), 2.6, 12.0)),
        )
    if any(full == main for _, full in run.contagion_pairs()):
        links = [row for row in failure_links(run).to_pylist() if row["scenario"] == name]
        links.sort(key=lambda row: -row["probability"])
        told = [
            f"{row['source']} and then {row['target']} on {percent(row | {'value': row['probability']}, False)} %"
            for row in links[:10]
        ]
        yield draw(
            "cascade",
            lambda ax: pictures.cascade_graph(run, ax, scenario=name),
            "Failures that come only with the failures of others. Where several counterparties have failed before, "
            "the path counts for each arrow.",
            f"Who takes whom along, as shares of the paths: {'; '.join(told) or 'nobody anybody'}.",
            height=4.6,
        )


def _most_likely(one: dict[str, Any]) -> str:
    """Who is the most likely to fail in a run of the summary."""
    worst = max(one["entities"], key=lambda entity: entity["probability"]["value"])
    return str(worst["entity"]) if worst["probability"]["value"] else "nobody"


def _book(run: Result, main: int, summary: dict[str, Any]) -> Iterator[Drawing]:
    book = summary["runs"][main]["book"]
    if book is None:
        return
    unit = unit_of([book["expected_shortfall"]["value"]], run.system.settings.currency)
    yield draw(
        "loss",
        lambda ax: pictures.loss_distribution(run, ax, scenario=run.scenarios[main]),
        "How often the book loses how much, discounted; the shaded spans are 95 % intervals.",
        f"Distribution of the book's loss{unit.name}: mean {plus_minus(book['expected_loss'], unit)}, value at risk "
        f"{sure(book['value_at_risk'], unit)}, expected shortfall {sure(book['expected_shortfall'], unit)}.",
    )


def _found(run: Result, findings: Findings) -> Iterator[Drawing]:
    averted, moved = findings.averting, findings.movers
    if averted is not None:
        whose = f"revenue of {averted.entity}" if averted.own else "all revenue"
        most, multiple = averted.at_most, averted.multiple
        met = "" if multiple["value"] is None else f", {percent(averted.reached)} % at {sure(multiple)} times"
        yield draw(
            "averting",
            lambda ax: pictures.reverse_curve(
                averted.found, ax, what=f"How often {averted.entity} fails", shift=1.0, share=True,
                parameter=f"{whose}, as a multiple of what is assumed",
            ),
            f"The same {averted.found.paths:,} paths with more and more revenue; the band is a 95 % interval.",
            f"How often {averted.entity} fails as {'the ' if averted.own else ''}{whose} rises: on "
            f"{percent(averted.before)} % of the paths as assumed{met}, {percent(most)} % at "
            f"{most['multiple']:g} times.",
        )  # fmt: skip
    if moved is not None:
        currency = run.system.settings.currency if moved.is_amount else ""
        reach = moved.table.to_pylist()
        reach.sort(key=lambda row: -max(abs(row["low"] - moved.base), abs(row["high"] - moved.base)))
        yield draw(
            "movers",
            lambda ax: pictures.tornado(moved.table, ax, base=moved.base, what=moved.what, currency=currency,
                                        ends=("a tenth lower", "a tenth higher"), most=12),
            f"Each factor (its value in every period) and each kind of payment a tenth lower and higher, over the "
            f"same {moved.paths:,} paths; the whiskers are 95 % intervals of the change.",
            f"What moves the {moved.what}, the largest first: "
            + ", ".join(row["parameter"] for row in reach[:12]) + ".",
            height=float(np.clip(1.4 + 0.27 * min(moved.table.num_rows, 12), 2.4, 5.0)),
        )  # fmt: skip


def _sure(run: Result, main: int, summary: dict[str, Any]) -> Iterator[Drawing]:
    one = summary["runs"][main]
    if run.paths < 2 or not one["first_failures"]:
        return
    entity = one["first_failures"][0]["entity"]
    fails = run.failed_at[main, :, run.entities.index(entity)] < run.periods
    yield draw(
        "sure",
        lambda ax: pictures.convergence(fails, ax, what=f"{entity} fails"),
        "The same figure from the first paths alone; it is sure when the band is narrow and level.",
        f"How often {entity} fails, over the first paths of {run.paths:,}: it settles at "
        f"{percent(next(row['probability'] for row in one['entities'] if row['entity'] == entity))} %.",
    )
    if one["book"] is not None:
        loss = path_losses(
            read_book(run.system).loss_by_entity(run.system.settings, len(run.entities), None),
            run.failed_at[main],
        )
        level = one["book"]["expected_shortfall"]["level"]
        name = f"expected shortfall {100 * level:g} %"
        yield draw(
            "sure-loss",
            lambda ax: pictures.convergence(loss, ax, statistic="expected_shortfall", level=level, what=name,
                                            currency=run.system.settings.currency),
            "The same of the book's expected shortfall, which rests on a few paths and so is less sure.",
            f"Expected shortfall of the book over the first paths of {run.paths:,}.",
        )  # fmt: skip


def _fans(run: Result, main: int, series: Series, summary: dict[str, Any]) -> Iterator[Drawing]:
    scenario = run.runs[main].scenario
    over = f" Over the first {series.run.paths:,} paths." if series.partial else ""
    likely = sorted(summary["runs"][main]["entities"], key=lambda entity: -entity["probability"]["value"])
    held = [entity["entity"] for entity in likely if f"cash:{entity['entity']}" in series.run.series]
    for number, entity in enumerate(held[:CASH_FANS]):
        yield draw(
            f"cash{number}",
            lambda ax, entity=entity: pictures.cash_fan(
                series.run, ax, entity, scenario=scenario, with_note=not series.partial
            ),  # type: ignore[misc]
            f"Cash of {entity}: the median, half and nine tenths of the paths.{over}",
            f"Cash of {entity} over time in scenario {scenario}, quantiles over the paths.",
        )
    measures = [name for name in run.measures if f"measure:{name}" in series.run.series]
    told = {measure["measure"]: measure for measure in summary["runs"][main]["measures"]}
    for number, measure in enumerate(measures[:MEASURE_FANS]):
        median = told[measure]["payback"]["q50"]["label"]
        paid = (
            "half of the paths never pay back"
            if median == "never"
            else f"half of the paths have paid back by {median}"
        )
        yield draw(
            f"measure{number}",
            lambda ax, measure=measure: pictures.measure_fan(
                series.run, ax, measure, scenario=scenario, with_note=not series.partial
            ),  # type: ignore[misc]
            f"What {measure} has come to since the start.{over}",
            f"Running total of {measure} in scenario {scenario}, quantiles over the paths; {paid}.",
        )


def _payments(run: Result, main: int) -> Iterator[Drawing]:
    if run.factors_digest:  # the paths were the user's own and are not stored
        return
    failures = (run.failed_at[main] < run.periods).sum(axis=1)
    path = int(np.argsort(failures, kind="stable")[run.paths // 2])  # a path with a median number of failures
    again = run.replay(path, run.scenarios[main])
    settings = run.system.settings
    first = int(run.failed_at[main, path].min())
    period = max(0, first - 1)
    when = period_label(settings, period)
    inside = any(OUTSIDE not in pair for pair in zip(again.flows["payer"].to_pylist(),
                                                     again.flows["receiver"].to_pylist(), strict=True))  # fmt: skip
    if not inside:
        return
    yield draw(
        "payments",
        lambda ax: pictures.payment_flows(again, ax, period, settings=settings, outside=False),
        f"Payments among the entities in {when}, {_before_failures(first, run.periods)}; what is paid to and by "
        "everybody else is left out.",
        f"Flow diagram of who pays whom in {when}.",
        height=4.6,
    )


def _before_failures(first: int, periods: int) -> str:
    """What the period drawn of a path is to its first failure, which comes in the period `first`."""
    if first == 0:
        return "the first period, in which somebody fails on this path"
    if first == periods:
        return "the last period, on a path on which nobody fails"
    return "before anybody has failed on this path"
