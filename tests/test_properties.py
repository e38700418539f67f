"""What holds in every system: properties of the model over random ones."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import build
import gpustress as gs
import strategies
from bits import BY_ENTITY, arrays, differing, run, same_bits
from build import Row, Tables, examples
from gpustress import Replay, System
from gpustress.schema import CAUSES, RANKS

Drawn = tuple[dict[str, Any], Tables]
ROUNDING = 1e-9  # relative; what the tolerance of a shortfall lets pass lies below it, too


# ---------------------------------------------------------------------------------- tools


def replays(made: System, backend: str, effects: str, path: int = 3) -> Iterator[Replay]:
    """One path of every scenario under the same effects."""
    other = next(name for name in strategies.EFFECTS if name != effects)
    for name in made.scenarios["scenario"].unique().to_pylist() or ["base"]:
        # With several effects, what a scenario says of its own does not count.
        yield gs.replay(
            made, scenario=f"{name}/{effects}", path=path, seed=5, effects=[effects, other], backend=backend
        )


def stops(replay: Replay) -> dict[str, int]:
    """The period from which each entity that failed neither pays nor receives."""
    events = replay.events.to_pylist()
    return {e["entity"]: e["period"] + (e["cause"] in ("liquidity", "solvency")) for e in events}


def by_period(table: Any, item: str, periods: int) -> list[dict[str, Row]]:
    """A replay's table as rows by period and item."""
    rows: list[dict[str, Row]] = [{} for _ in range(periods)]
    for row in table.to_pylist():
        rows[row["period"]][row[item]] = row
    return rows


def shuffled(rows: list[Row], seed: int) -> list[Row]:
    return Random(seed).sample(rows, len(rows))


def without_own_effects(tables: Tables) -> Tables:
    rows = [{k: v for k, v in row.items() if k != "effects"} for row in tables["scenarios"]]
    return tables | {"scenarios": rows}


# ------------------------------------------------------------------------------- payments


@examples(50)
@given(system=strategies.systems(max_scenarios=1), path=st.integers(0, 1000))
def test_money_is_conserved_in_every_period(backend: str, system: Drawn, path: int) -> None:
    """What is paid is received; what leaves with the failed is the estate's."""
    made = build.system(*system)
    periods = made.settings.periods
    for replay in replays(made, backend, "full", path):
        stopped, estate = stops(replay), replay.estate["estate"].to_pylist()
        entities, flows = (
            by_period(replay.entities, "entity", periods),
            by_period(replay.flows, "flow", periods),
        )
        for t in range(periods):
            going = {name for name in made.entity_names if t < stopped.get(name, periods)}
            received, spent = dict.fromkeys(made.entity_names, 0.0), dict.fromkeys(made.entity_names, 0.0)
            from_outside, at_stake = 0.0, 0.0
            for flow in flows[t].values():
                assert 0.0 <= flow["paid"] <= flow["billed"]
                inside = flow["payer"] in going, flow["receiver"] in going
                if inside[0]:
                    spent[flow["payer"]] += flow["paid"]
                if inside[1]:
                    received[flow["receiver"]] += flow["paid"]
                from_outside += flow["paid"] * (inside[1] - inside[0])
                at_stake += flow["billed"]
            for name, row in entities[t].items():
                interest = row["line_interest"] * row["ratio_debt"]
                spent[name] += interest
                from_outside += row["deposit_interest"] - interest
                at_stake += abs(row["opening_cash"])
                assert row["receipts"] == pytest.approx(received[name], rel=ROUNDING, abs=0.0)
                assert row["payments"] == pytest.approx(spent[name], rel=ROUNDING, abs=0.0)
            opening = sum(row["opening_cash"] for row in entities[t].values())
            closing = sum(row["closing_cash"] for row in entities[t].values())
            assert closing == pytest.approx(
                opening + from_outside - estate[t], rel=0.0, abs=ROUNDING * at_stake
            )


@examples(40)
@given(system=strategies.systems(max_scenarios=1), effects=st.sampled_from(strategies.EFFECTS))
def test_ratios_lie_between_0_and_1(backend: str, system: Drawn, effects: str) -> None:
    for replay in replays(build.system(*system), backend, effects):
        for rank in RANKS:
            ratio = replay.entities[f"ratio_{rank}"].to_numpy()
            assert ((ratio >= 0.0) & (ratio <= 1.0)).all()


@examples(50)
@given(system=strategies.systems(max_scenarios=1), effects=st.sampled_from(["first_round", "full"]))
def test_who_has_stopped_pays_nothing(backend: str, system: Drawn, effects: str) -> None:
    """Nor does it receive, or earn or owe interest; only others may take its capacity over, at a price."""
    made = build.system(*system)
    relet_price = dict(
        zip(made.flows["name"].to_pylist(), made.flows["relet_price"].to_pylist(), strict=True)
    )
    for replay in replays(made, backend, effects):
        stopped = stops(replay)
        for row in replay.entities.to_pylist():
            if row["period"] >= stopped.get(row["entity"], made.settings.periods):
                for amount in ("receipts", "payments", "deposit_interest", "line_interest", "closing_cash"):
                    assert row[amount] == 0.0, (amount, row)
        for row in replay.flows.to_pylist():
            if row["period"] >= stopped.get(row["payer"], made.settings.periods):
                relet = effects == "full" and row["rank"] != "discretionary" and relet_price.get(row["flow"])
                assert relet or row["paid"] == 0.0, row
            if effects == "full" and row["rank"] == "discretionary":
                assert (
                    row["period"] < stopped.get(row["receiver"], made.settings.periods) or row["paid"] == 0.0
                )


@examples(40)
@given(system=strategies.systems(max_scenarios=1), effects=st.sampled_from(strategies.EFFECTS))
def test_what_is_capitalised_is_depreciated_impaired_or_still_in_the_book(
    backend: str, system: Drawn, effects: str
) -> None:
    """And the balance of a loan is what was paid out under it less the principal repaid."""
    made = build.system(*system)
    rows = made.flows.to_pylist()
    opening = {row["name"]: row["opening_book"] for row in rows}
    draws = {row["name"]: row["draw"] is not None for row in made.loans.to_pylist()}
    for replay in replays(made, backend, effects):
        paid = build.paid(replay)
        columns = [build.by_item(replay.books, column) for column in ("book", "depreciation", "impairment")]
        for name, book in columns[0].items():
            depreciation, impairment = (np.array(column[name]) for column in columns[1:])
            expected = opening[name] + np.cumsum(np.array(paid[name]) - depreciation - impairment)
            size = ROUNDING * (opening[name] + sum(paid[name]))
            np.testing.assert_allclose(book, expected, rtol=0.0, atol=size)
            for amounts in (book, depreciation, impairment):
                assert np.min(amounts) >= -size
        for row in made.loans.to_pylist() if effects != "first_round" else ():
            name, principal = row["name"], row["principal"]
            drawn = np.cumsum(paid[f"{name}.draw"]) if draws[name] else principal
            expected = drawn - np.cumsum(paid[f"{name}.principal"])
            balance = build.by_item(replay.loans, "balance")[name]
            np.testing.assert_allclose(
                balance, expected, rtol=0.0, atol=ROUNDING * max(principal, 1e-300) * 10
            )


# ------------------------------------------------------------------------------- failures


@examples(40)
@given(system=strategies.systems())
def test_none_never_fails_anyone(backend: str, system: Drawn) -> None:
    settings, tables = system
    made = build.system(settings, without_own_effects(tables))
    result = run(made, backend, effects="none")
    assert (result.failed_at == settings["periods"]).all()
    assert (result.cause == CAUSES.index("none")).all()
    assert not result.series["estate"].any()


@examples(60)
@given(data=st.data(), system=strategies.systems(max_scenarios=0))
def test_more_cash_never_makes_anyone_fail_earlier_in_first_round(
    backend: str, data: st.DataObject, system: Drawn
) -> None:
    settings, tables = system
    entities = tables["entities"]
    more = data.draw(st.lists(st.floats(0.0, 100.0), min_size=len(entities), max_size=len(entities)))
    richer = [row | {"cash": row["cash"] + extra} for row, extra in zip(entities, more, strict=True)]
    poor = run(build.system(settings, tables), backend, effects="first_round", paths=8)
    rich = run(build.system(settings, tables | {"entities": richer}), backend, effects="first_round", paths=8)
    assert (rich.failed_at >= poor.failed_at).all()


# ------------------------------------------------------------------------- order and company


@examples(30)
@given(
    system=strategies.systems(),
    seed=st.integers(0, 99),
    table=st.sampled_from(["entities", "flows", "loans"]),
)
def test_permuting_entities_flows_or_loans_permutes_the_result(
    backend: str, system: Drawn, seed: int, table: str
) -> None:
    settings, tables = system
    made = build.system(settings, tables)
    other = build.system(settings, tables | {table: shuffled(tables[table], seed)})
    ours, theirs = run(made, backend), run(other, backend)
    place = [theirs.entities.index(name) for name in ours.entities]
    assert (ours.failed_at == theirs.failed_at[:, :, place]).all()
    assert (ours.cause == theirs.cause[:, :, place]).all()
    # Sums run in the order of the tables, so they may round differently.
    money = [series for name, series in ours.series.items() if name.startswith(("cash:", "flow:"))]
    largest = np.max([np.abs(series).max(axis=(0, 2), keepdims=True) for series in money], axis=0)
    for name, series in ours.series.items():
        scale = 1.0 if name.startswith("factor:") else np.maximum(largest, np.abs(series).max(initial=0.0))
        assert (np.abs(series - theirs.series[name]) <= ROUNDING * scale).all(), name
    for name, measure in ours.measures.items():
        assert (measure.payback == theirs.measures[name].payback).all()


@examples(30)
@given(system=strategies.systems(max_scenarios=4), seed=st.integers(0, 99))
def test_permuting_scenarios_permutes_the_result(backend: str, system: Drawn, seed: int) -> None:
    settings, tables = system
    names = list(dict.fromkeys(row["scenario"] for row in tables["scenarios"]))
    assume(len(names) > 1)
    order = {name: place for place, name in enumerate(Random(seed).sample(names, len(names)))}
    rows = sorted(
        tables["scenarios"], key=lambda row: order[row["scenario"]]
    )  # stable: rows apply in their order
    ours = run(build.system(settings, tables), backend)
    theirs = run(build.system(settings, tables | {"scenarios": rows}), backend)
    place = [theirs.scenarios.index(name) for name in ours.scenarios]
    other = arrays(theirs)
    for name, array in arrays(ours).items():
        assert same_bits(array, other[name][place]), name


@examples(30)
@given(system=strategies.systems(), seed=st.integers(0, 99))
def test_the_order_of_uncorrelated_factors_does_not_matter(backend: str, system: Drawn, seed: int) -> None:
    settings, tables = system
    rows = [row for row in tables["scenarios"] if row["parameter"] != "correlation.stress"]
    tables = tables | {"correlations": [], "scenarios": rows}
    other = tables | {"factors": shuffled(tables["factors"], seed)}
    ours = arrays(run(build.system(settings, tables), backend))
    theirs = arrays(run(build.system(settings, other), backend))
    assert [name for name in ours if not same_bits(ours[name], theirs[name])] == []


@examples(30)
@given(system=strategies.systems())
def test_an_unconnected_entity_or_factor_at_the_end_changes_nothing(backend: str, system: Drawn) -> None:
    settings, tables = system
    entity = build.entity("company", 5.0, hazard=0.3, cash_rate=0.1)
    factor = {
        "name": "company",
        "process": "ou",
        "initial": 2.0,
        "volatility": 0.5,
        "reversion": 1.0,
        "jump_rate": 1.0,
    }
    more = tables | {"entities": [*tables["entities"], entity], "factors": [*tables["factors"], factor]}
    ours, theirs = run(build.system(settings, tables), backend), run(build.system(settings, more), backend)
    other = arrays(theirs)
    for name, array in arrays(ours).items():
        if name != "estate":  # which holds the newcomer's cash
            assert same_bits(array, other[name][..., :-1] if name in BY_ENTITY else other[name]), name


def test_correlated_factors_keep_their_bits_when_more_come_after_them(backend: str) -> None:
    loadings = np.linspace(0.95, 0.3, 12)
    factors = [
        {"name": f"f{i}", "process": "gbm", "volatility": 0.3, "initial": 1.0} for i in range(len(loadings))
    ]
    correlations = [
        {"factor_a": f"f{i}", "factor_b": f"f{j}", "value": float(loadings[i] * loadings[j])}
        for j in range(len(loadings))
        for i in range(j)
    ]
    whole = run(build.small(factors=factors, correlations=correlations), backend)
    for count in range(2, len(loadings)):
        names = {f"f{i}" for i in range(count)}
        among = [row for row in correlations if {row["factor_a"], row["factor_b"]} <= names]
        some = run(build.small(factors=factors[:count], correlations=among), backend)
        for name in names:
            series = f"factor:{name}"
            assert same_bits(some.series[series], whole.series[series]), (name, count)


@examples(30)
@given(system=strategies.systems(), more=st.integers(1, 9))
def test_a_longer_horizon_changes_nothing_of_what_was_there(backend: str, system: Drawn, more: int) -> None:
    settings, tables = system
    periods = settings["periods"]
    ours = run(build.system(settings, tables), backend)
    theirs = run(build.system(settings | {"periods": periods + more}, tables), backend)
    for name, series in ours.series.items():
        assert same_bits(series, theirs.series[name][:, :, :periods]), name
    before = theirs.failed_at < periods
    assert (np.where(before, theirs.failed_at, periods) == ours.failed_at).all()
    assert (np.where(before, theirs.cause, 0) == ours.cause).all()


# ------------------------------------------------------------------------ scale, scenarios


def scaled(tables: Tables, factor: float) -> Tables:
    """All money times `factor`."""
    money = {
        "entities": ("cash", "credit_line", "reserve", "other_assets", "other_debt"),
        "flows": ("amount", "opening_book"),
        "schedules": ("amount",),
        "loans": ("principal",),
        "exposures": ("amount",),
        "positions": ("exposure",),
    }
    driven = {row["name"] for row in tables["flows"] if row.get("driver") is not None}
    new = dict(tables)
    for table, names in money.items():
        new[table] = []
        for row in tables[table]:
            is_ratio = table in ("flows", "schedules") and row.get("flow", row.get("name")) in driven
            chosen = [name for name in names if name in row and not (is_ratio and name == "amount")]
            new[table].append(row | {name: row[name] * factor for name in chosen})
    new["scenarios"] = []
    for row in tables["scenarios"]:
        parameter = row["parameter"] or ""
        is_money = parameter.startswith("entity.") and parameter.endswith((".cash", ".credit_line"))
        change = {"value": row["value"] * factor} if is_money and row["op"] in ("set", "add") else {}
        new["scenarios"].append(row | change)
    return new


@examples(40)
@given(system=strategies.systems(), power=st.integers(-30, 40))
def test_scaling_all_money_by_a_power_of_two_scales_all_amounts(
    backend: str, system: Drawn, power: int
) -> None:
    settings, tables = system
    factor = 2.0**power
    ours = arrays(run(build.system(settings, tables), backend))
    theirs = arrays(run(build.system(settings, scaled(tables, factor)), backend))
    for name, array in ours.items():
        is_number = name in ("failed_at", "cause", "exact_finishes") or name.startswith(
            ("factor:", "payback of")
        )
        assert same_bits(array if is_number else array * factor, theirs[name]), name


@examples(20)
@given(system=strategies.systems(max_scenarios=0), op=st.sampled_from([None, "set", "scale", "add"]))
def test_a_scenario_that_names_no_parameter_changes_nothing(
    backend: str, system: Drawn, op: str | None
) -> None:
    settings, tables = system
    rows = [{"scenario": "as it is", "parameter": None, "op": op, "value": op and 3.0}]
    ours = run(build.system(settings, tables), backend)
    assert differing(ours, run(build.system(settings, tables | {"scenarios": rows}), backend)) == []


@examples(40)
@given(data=st.data(), system=strategies.systems(max_loans=0, max_scenarios=0))
def test_a_row_for_a_kind_scales_each_flow_of_the_kind_once(
    backend: str, data: st.DataObject, system: Drawn
) -> None:
    """Also where one is driven, at any remove, by another of the kind; others move only with their driver."""
    settings, tables = system
    assume(tables["flows"])
    kind = data.draw(st.sampled_from(sorted({row["kind"] for row in tables["flows"]})))
    rows = build.scenario("kind", (f"flow.kind:{kind}.scale", "set", 0.25))
    flows = {row["name"]: row for row in tables["flows"]}

    def moves(name: str | None) -> bool:
        return name is not None and (flows[name]["kind"] == kind or moves(flows[name].get("driver")))

    ours = run(build.system(settings, tables), backend, effects="none")
    theirs = run(build.system(settings, tables | {"scenarios": rows}), backend, effects="none")
    for name in flows:
        expected = ours.series[f"flow:{name}"] * (0.25 if moves(name) else 1.0)
        assert same_bits(expected, theirs.series[f"flow:{name}"]), name


@examples(30)
@given(
    system=strategies.systems(max_scenarios=2),
    several=st.permutations(strategies.EFFECTS).flatmap(
        lambda all_: st.integers(2, 3).map(lambda n: all_[:n])
    ),
)
def test_effects_side_by_side_see_the_same_draws(backend: str, system: Drawn, several: list[str]) -> None:
    settings, tables = system
    made = build.system(settings, without_own_effects(tables))
    together = run(made, backend, effects=several)
    names = list(dict.fromkeys(row["scenario"] for row in tables["scenarios"])) or ["base"]
    assert list(together.scenarios) == [f"{name}/{effects}" for name in names for effects in several]
    for place, effects in enumerate(several):
        alone, runs = arrays(run(made, backend, effects=effects)), slice(place, None, len(several))
        for name, array in arrays(together).items():
            assert same_bits(array[runs], alone[name]), (effects, name)
            if name.startswith("factor:"):
                assert same_bits(array[runs], array[0 :: len(several)]), name
