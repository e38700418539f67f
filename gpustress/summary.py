"""A result as plain data: what `gpustress run --json` prints, and what the printed page is made from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .book import path_losses, read_book
from .dates import period_label
from .dependent_estimates import curve_shares
from .estimates import ANY_CAUSE
from .failure_order import first_to_fail, followers
from .risk import sample_expected_shortfall, sample_value_at_risk
from .sampling import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .result import Result
    from .risk import RiskEstimate

SUMMARY_VERSION: Final = 1
FIRST: Final = 3  # likeliest first failures whose followers are told
LEVEL: Final = 0.99  # of the book's value at risk and expected shortfall


def summarise(run: Result) -> dict[str, Any]:
    """The main figures of a result as plain data, ready for JSON.

    Every estimate is ``{"value": ..., "standard_error": ...}`` unrounded, null where there is none; intervals
    have 95 % confidence. The losses are those of the system's own positions, discounted.

    Parameters
    ----------
    run : Result

    Returns
    -------
    dict
        ``system``, ``paths``, ``seed``, ``variance_reduction`` (where there is some), ``backend``, ``digest``,
        ``confidence``, and ``runs``: for each scenario and effects its ``entities`` (probability of failing, median
        period, causes, contagion where first_round and full both ran), ``expected_failures``, ``first_failures``
        (who is the first to fail, and who then follows), ``measures``, ``book`` (None without positions) and
        ``exact_finishes``.
    """
    settings, reduction = run.system.settings, run.variance_reduction
    contagion = _contagion(run)
    failures = _grouped(run.failures().to_pylist(), "scenario", "entity")
    measures = _grouped(run.measure_summary().to_pylist(), "scenario", "measure")
    coordinates = (
        {} if run.coordinates is None else {row["scenario"]: row for row in run.coordinates.to_pylist()}
    )
    medians = _median_periods(run)
    books = _books(run)
    runs = []
    for place, one in enumerate(run.runs):
        where = coordinates.get(one.scenario, {})
        runs.append(
            {
                "run": one.name,
                "scenario": one.scenario,
                "effects": one.effects,
                "coordinates": {address: value for address, value in where.items() if address != "scenario"},
                "entities": [
                    _entity(
                        run, failures[one.name][entity], medians[place][i], contagion.get((place, entity))
                    )
                    for i, entity in enumerate(run.entities)
                ],
                "expected_failures": _estimate(
                    *run.sample(place).mean((run.failed_at[place] < run.periods).sum(axis=1))
                ),
                "first_failures": _first_failures(run, place),
                "measures": [
                    {"measure": name, **_figures(run, rows)}
                    for name, rows in measures.get(one.name, {}).items()
                ],
                "book": books[place],
                "exact_finishes": int(run.exact_finishes[place]),
            }
        )
    return {
        "summary_version": SUMMARY_VERSION,
        "system": {
            "name": settings.name,
            "currency": settings.currency,
            "periods": settings.periods,
            "periods_per_year": settings.periods_per_year,
            "first_period": period_label(settings, 0),
            "last_period": period_label(settings, settings.periods - 1),
        },
        "paths": run.paths,
        "seed": run.seed,
        **({} if reduction is None else {"variance_reduction": reduction.as_data()}),
        "backend": run.backend,
        "digest": run.digest,
        "confidence": CONFIDENCE,
        "runs": runs,
    }


def _estimate(value: float | None, error: float | None) -> dict[str, float | None]:
    return {"value": _number(value), "standard_error": _number(error)}


def _number(value: float | None) -> float | None:
    """A number that JSON has, or None."""
    return float(value) if value is not None and math.isfinite(value) else None


def _grouped(
    rows: Iterable[dict[str, Any]], outer: str, inner: str
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        groups.setdefault(row[outer], {}).setdefault(row[inner], []).append(row)
    return groups


def _median_periods(run: Result) -> list[list[int | None]]:
    """Period by which half of an entity's failures have come, by run and entity; None for no failure."""
    failed: NDArray[Any]
    if run.weights is None:
        failed = run.failure_counts.sum(axis=2).cumsum(axis=2)
    else:
        failed = np.stack([curve_shares(run, place)[0] for place in range(len(run.runs))])
    half = (2 * failed >= failed[:, :, -1:]).argmax(axis=2)
    return [
        [int(period) if total else None for period, total in zip(periods, totals, strict=True)]
        for periods, totals in zip(half, failed[:, :, -1], strict=True)
    ]


def _contagion(run: Result) -> dict[tuple[int, str], dict[str, Any]]:
    """The row of `Result.contagion` for each full run and entity, where first_round ran too."""
    pairs = run.contagion_pairs()
    if not pairs:
        return {}
    rows = iter(run.contagion().to_pylist())
    return {(full, entity): next(rows) for _, full in pairs for entity in run.entities}


def _entity(
    run: Result, rows: list[dict[str, Any]], median: int | None, contagion: dict[str, Any] | None
) -> dict[str, Any]:
    causes = {row["cause"]: _estimate(row["probability"], row["standard_error"]) for row in rows}
    probability = causes.pop(ANY_CAUSE)
    added = None
    if contagion is not None:
        share = contagion["difference"] / contagion["full"] if contagion["full"] else None
        added = {
            "first_round": contagion["first_round"],
            "difference": _estimate(contagion["difference"], contagion["standard_error"]),
            "added": contagion["added"],
            "spared": contagion["spared"],
            "share": share,
        }
    return {
        "entity": rows[0]["entity"],
        "probability": probability,
        "median_period": median,
        "median_label": None if median is None else period_label(run.system.settings, median),
        "causes": causes,
        "contagion": added,
    }


def _first_failures(run: Result, place: int) -> list[dict[str, Any]]:
    """The likeliest to be the first to fail, each with its followers."""
    share, error = run.sample(place).share(first_to_fail(run, place))
    order = [int(i) for i in np.argsort(-share, kind="stable")[:FIRST] if share[i]]
    return [
        {
            "entity": run.entities[i],
            "probability": _estimate(float(share[i]), float(error[i])),
            "followers": followers(run, place, i),
        }
        for i in order
    ]


def _figures(run: Result, rows: list[dict[str, Any]]) -> dict[str, Any]:
    figures: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = _estimate(row["value"], row["standard_error"])
        is_period = row["figure"] == "payback" and row["statistic"].startswith("q")
        if is_period and row["value"] is not None:
            period = int(row["value"])
            label = "never" if period == run.periods else period_label(run.system.settings, period)
            figures.setdefault(row["figure"], {})[row["statistic"]] = {**entry, "label": label}
        else:
            figures.setdefault(row["figure"], {})[row["statistic"]] = entry
    return figures


def _books(run: Result) -> list[dict[str, Any] | None]:
    """Losses of the system's own positions, by run; one run's losses are held at a time."""
    book = read_book(run.system)
    if not book.names:
        return [None] * len(run.runs)
    by_entity = book.loss_by_entity(run.system.settings, len(run.entities), None)
    figures: list[dict[str, Any] | None] = []
    for place, failed_at in enumerate(run.failed_at):
        loss, sample = path_losses(by_entity, failed_at), run.sample(place)
        figures.append(
            {
                "positions": len(book.names),
                "expected_loss": _estimate(*sample.mean(loss)),
                "value_at_risk": _interval(sample_value_at_risk(sample, loss, LEVEL)),
                "expected_shortfall": _interval(sample_expected_shortfall(sample, loss, LEVEL)),
            }
        )
    return figures


def _interval(estimate: RiskEstimate) -> dict[str, float | None]:
    return {
        "level": estimate.level,
        **_estimate(float(estimate), float(np.asarray(estimate.standard_error))),
        "low": _number(float(np.asarray(estimate.low))),
        "high": _number(float(np.asarray(estimate.high))),
    }
