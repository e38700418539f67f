"""The rules that have to hold in every scenario: domains, signs, and exponentials that do not overflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from .factor_ranges import DEVIATIONS, LOG_LIMIT, REVERTING, FactorRanges
from .schema import SCHEMAS
from .tables import floats, integers, places, strings

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .parameters import Faults, Flows, Parameters, Touched
    from .settings import Settings

LARGEST: Final = 1e150  # of any number in a table: its square is still a double


def check_bounds(
    settings: Settings,
    tables: Mapping[str, pa.Table],
    parameters: Parameters,
    flows: Flows,
    touched: Touched,
    faults: Faults,
) -> None:
    """Add a problem for every parameter of a scenario that breaks a rule of the model (design of the model, Tables)."""
    with np.errstate(all="ignore"):  # what overflows here is what is looked for
        _check_magnitudes(tables, faults)
        _check_entities(parameters, touched, faults)
        _check_scales(parameters, touched, faults)
        if _check_factors(tables, parameters, touched, faults):
            _check_exponentials(settings, tables, parameters, flows, touched, faults)


def _check_magnitudes(tables: Mapping[str, pa.Table], faults: Faults) -> None:
    """Numbers so large that sums and products of a few of them overflow are mistakes."""
    for name, schema in SCHEMAS.items():
        for column in schema.columns:
            if column.type == "float":
                values = floats(tables[name], column.name)
                for row in np.flatnonzero(np.abs(values) > LARGEST):
                    message, remedy = (
                        "is too large to compute with",
                        f"Stay within -{LARGEST:g} and {LARGEST:g}.",
                    )
                    faults.add(name, int(row), column.name, float(values[row]), message, remedy)


def _check_entities(parameters: Parameters, touched: Touched, faults: Faults) -> None:
    _blame(
        ~np.isfinite(parameters.cash),
        parameters.cash,
        ("cash",),
        "entities",
        touched,
        faults,
        "is not a finite amount",
        "Write a finite number.",
    )
    for name, values in (("credit_line", parameters.credit_line), ("hazard", parameters.hazard)):
        _blame(
            ~(np.isfinite(values) & (values >= 0.0)),
            values,
            (name,),
            "entities",
            touched,
            faults,
            f"`{name}` has to be finite and not negative",
            "Write a number of at least 0.",
        )
    _blame(
        parameters.cash < -parameters.credit_line,
        parameters.cash,
        ("cash", "credit_line"),
        "entities",
        touched,
        faults,
        "cash lies below what the credit line allows",
        "Cash has to be at least -credit_line.",
    )


def _check_scales(parameters: Parameters, touched: Touched, faults: Faults) -> None:
    low, high = parameters.curves.min(axis=1), parameters.curves.max(axis=1)
    scale = low[parameters.scale]
    _blame(
        ~((scale >= 0.0) & np.isfinite(high[parameters.scale])),
        scale,
        ("scale",),
        "flows",
        touched,
        faults,
        "a scale has to be finite and not negative",
        "Write a number of at least 0.",
    )
    for rows, field in (
        (parameters.shift, "shift"),
        (parameters.value_scale, "value"),
        (parameters.value_add, "value"),
    ):
        finite = np.isfinite(low[rows]) & np.isfinite(high[rows])
        _blame(
            ~finite,
            low[rows],
            (field,),
            "factors",
            touched,
            faults,
            f"`{field}` is not finite",
            "Write numbers that stay finite.",
        )


def _check_factors(
    tables: Mapping[str, pa.Table], parameters: Parameters, touched: Touched, faults: Faults
) -> bool:
    """Whether every factor's parameters lie in their domains in every scenario."""
    before = faults.count
    process = np.array(strings(tables["factors"], "process"), dtype=object)
    volatility, mean, reversion = parameters.volatility, parameters.mean, parameters.reversion
    _blame(
        ~np.isfinite(parameters.drift),
        parameters.drift,
        ("drift",),
        "factors",
        touched,
        faults,
        "drift is not finite",
        "Write a finite number.",
    )
    _blame(
        ~(np.isfinite(volatility) & (volatility >= 0.0)),
        volatility,
        ("volatility",),
        "factors",
        touched,
        faults,
        "volatility has to be finite and not negative",
        "Write a number of at least 0.",
    )
    _blame(
        (process == "constant") & (volatility > 0.0),
        volatility,
        ("volatility",),
        "factors",
        touched,
        faults,
        "a constant factor takes no volatility",
        "Take it out, or choose another process.",
    )
    reverting = np.isin(process, REVERTING)
    _blame(
        reverting & ~(np.isfinite(reversion) & (reversion > 0.0)),
        reversion,
        ("reversion",),
        "factors",
        touched,
        faults,
        "reversion has to be finite and positive",
        "Write a number above 0, a year.",
    )
    _blame(
        reverting & ~np.isfinite(mean),
        mean,
        ("mean",),
        "factors",
        touched,
        faults,
        "mean is not finite",
        "Write a finite number.",
    )
    _blame(
        (process == "log_ou") & ~(mean > 0.0),
        mean,
        ("mean",),
        "factors",
        touched,
        faults,
        "the mean of a log_ou factor has to be positive",
        "Write a number above 0.",
    )
    _blame(
        (process == "logit_ou") & ~((mean > 0.0) & (mean < 1.0)),
        mean,
        ("mean",),
        "factors",
        touched,
        faults,
        "the mean of a logit_ou factor has to lie strictly between 0 and 1",
        "Write a number such as 0.5.",
    )
    return faults.count == before


def _blame(
    wrong: NDArray[np.bool_],
    values: NDArray[np.float64],
    fields: tuple[str, ...],
    table: str,
    touched: Touched,
    faults: Faults,
    message: str,
    remedy: str,
    column: str | None = None,
) -> None:
    """Add a problem for each place where `wrong` (S, items), at the row that gave the value."""
    for scenario, item in np.argwhere(wrong):
        place = touched.place(int(scenario), fields, int(item), table, column or fields[0])
        faults.add(*place, float(values[scenario, item]), message, remedy)


def _check_exponentials(
    settings: Settings,
    tables: Mapping[str, pa.Table],
    parameters: Parameters,
    flows: Flows,
    touched: Touched,
    faults: Faults,
) -> None:
    ranges = FactorRanges(settings, tables["factors"], parameters)
    fields = ("shift", "drift", "volatility", "mean", "reversion", "value")
    _blame(
        ranges.overflows,
        ranges.high,
        fields,
        "factors",
        touched,
        faults,
        f"the factor's exponential overflows within {DEVIATIONS:.0f} standard deviations",
        "Lower drift, volatility, jumps or shift, or set a cap.",
        "volatility",
    )
    if ranges.overflows.any():
        return

    sensitivities = tables["sensitivities"]
    targets = strings(sensitivities, "target")
    factor_index = {name: i for i, name in enumerate(strings(tables["factors"], "name"))}
    factor = np.array([factor_index[name] for name in strings(sensitivities, "factor")], dtype=np.intp)
    elasticity = floats(sensitivities, "elasticity")
    used = np.zeros(tables["factors"].num_rows, dtype=bool)
    used[factor] = True
    doubtful = used & ~ranges.positive
    _blame(
        doubtful,
        ranges.low,
        fields,
        "factors",
        touched,
        faults,
        "a factor that a sensitivity names can become zero or negative",
        "Take the sensitivity out, or keep the factor above 0 (gbm, log_ou, logit_ou, a floor above 0).",
        "process",
    )
    if doubtful.any():
        return

    # ln of each power product, at its greatest.
    low, high = ranges.log_low[:, factor], ranges.log_high[:, factor]
    log_initial = np.log(
        floats(tables["factors"], "initial")[factor], where=used[factor], out=np.zeros(len(factor))
    )
    with np.errstate(invalid="ignore"):  # 0 * inf: an elasticity of 0 has no effect
        power = np.maximum(elasticity * (low - log_initial), elasticity * (high - log_initial))
    power = np.where(elasticity == 0.0, 0.0, power)
    entity_index = {name: i for i, name in enumerate(strings(tables["entities"], "name"))}
    scenarios = len(parameters.names)
    on_flows = np.zeros((scenarios, len(flows.names)))
    on_hazards = np.zeros((scenarios, len(entity_index)))
    for row, target in enumerate(targets):
        if target in flows.index:
            on_flows[:, flows.index[target]] += power[:, row]
        else:
            on_hazards[:, entity_index[str(target)]] += power[:, row]

    with np.errstate(divide="ignore"):
        log_hazard = np.log(parameters.hazard * settings.period_years) + np.maximum(on_hazards, 0.0)
    _blame(
        log_hazard > LOG_LIMIT,
        parameters.hazard,
        ("hazard",),
        "entities",
        touched,
        faults,
        "the hazard with its sensitivities overflows",
        "Lower the elasticities or the factors' volatilities.",
    )

    log_billed = _log_largest_amounts(settings, tables, parameters, flows, ranges) + np.maximum(on_flows, 0.0)
    for flow in flows.driver_first():
        if flows.driver[flow] >= 0:
            log_billed[:, flow] += np.maximum(log_billed[:, flows.driver[flow]], 0.0)
    own, of_loans = log_billed[:, : flows.own], log_billed[:, flows.own :]
    _blame(
        own > LOG_LIMIT,
        own,
        ("scale",),
        "flows",
        touched,
        faults,
        "the amount with its growth, sensitivities and drivers overflows (logarithm of the largest)",
        "Lower the amount, its growth, the elasticities or the factors' volatilities.",
        "amount",
    )
    loan_of = [
        loan for loan, later in enumerate(integers(tables["loans"], "draw") >= 0) for _ in range(2 + later)
    ]
    for scenario, place in np.argwhere(of_loans > LOG_LIMIT):
        row = touched.rows[scenario].get(("scale", flows.own + int(place)), -1)
        where = ("scenarios", row, "value") if row >= 0 else ("loans", loan_of[place], "principal")
        message = "the loan's payments overflow (logarithm of the largest)"
        faults.add(
            *where, float(of_loans[scenario, place]), message, "Lower principal, rate, spread or scale."
        )


def _log_largest_amounts(
    settings: Settings,
    tables: Mapping[str, pa.Table],
    parameters: Parameters,
    flows: Flows,
    ranges: FactorRanges,
) -> NDArray[np.float64]:
    """Logarithm of the largest scheduled amount of each flow times scale and index, shape (S, F)."""
    table = tables["flows"]
    years = settings.periods * settings.period_years
    largest = np.full(len(flows.names), -np.inf)
    with np.errstate(divide="ignore"):
        per_period = np.where(flows.driver[: flows.own] < 0, np.log(settings.period_years), 0.0)
        largest[: flows.own] = (
            np.log(floats(table, "amount"))
            + np.maximum(per_period, 0.0)
            + np.maximum(years * np.log1p(floats(table, "growth")), 0.0)
        )
        schedules = tables["schedules"]
        np.maximum.at(largest, places(schedules, "flow", flows.names), np.log(floats(schedules, "amount")))
        scale = np.log(parameters.curves.max(axis=1)[parameters.scale])
        factor_index = {name: i for i, name in enumerate(strings(tables["factors"], "name"))}
        spread = floats(table, "spread")
        for flow, name in enumerate(strings(table, "index")):
            if name is not None:
                rate = spread[flow] + ranges.high[:, factor_index[name]]
                scale[:, flow] += np.log(np.maximum(rate, 0.0))
        _add_loans(settings, tables["loans"], flows, ranges, factor_index, largest, scale)
    together: NDArray[np.float64] = scale + largest
    return together


def _add_loans(
    settings: Settings,
    loans: pa.Table,
    flows: Flows,
    ranges: FactorRanges,
    factor_index: Mapping[str | None, int],
    largest: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> None:
    """Put the loans' flows into `largest` (F,) and `scale` (S, F), both logarithms."""
    flow = flows.own
    columns = (floats(loans, name) for name in ("principal", "rate", "spread"))
    drawn = integers(loans, "draw") >= 0
    for principal, rate, spread, index, later in zip(*columns, strings(loans, "index"), drawn, strict=True):
        highest = (
            spread + ranges.high[:, factor_index[index]] if index is not None else np.full(len(scale), rate)
        )
        largest[flow : flow + 2 + later] = np.log(principal)
        scale[:, flow] += np.log(np.maximum(highest, 0.0) * settings.period_years)
        if later:  # what is drawn comes back, and bears interest
            scale[:, flow : flow + 2] += np.maximum(scale[:, flow + 2], 0.0)[:, None]
        flow += 2 + later
