"""The AI build-out: its tables follow from its figures, and what was reported follows from a run."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import gpustress as gs
from gpustress.schema import SCHEMAS

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLE = Path(__file__).parent.parent / "examples" / "ai_buildout"
GOLDEN = Path(__file__).parent / "golden" / "ai_buildout.json"
FIVE = ("microsoft", "google", "amazon", "meta", "oracle")

# Facts that no cell is made from, and the test that holds the run against them instead.
CHECKED_AGAINST_THE_RUN = {
    "copilot_revenue_ceiling": "test_billed_seats_of_one_year_without_discount_give_the_ceiling",
    "oracle_profit_year": "test_oracles_payback_lies_within_two_years_of_the_analysts_year",
    "opex_excluded": "test_every_running_cost_that_revenue_leaves_out_has_a_flow",
}


def load(name: str) -> ModuleType:
    """A module of the example, found by its path: an example is no package."""
    if str(EXAMPLE) not in sys.path:
        sys.path.append(str(EXAMPLE))
    spec = importlib.util.spec_from_file_location(f"ai_buildout_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load("build")
formulas = load("formulas")


def read(name: str) -> list[dict[str, str]]:
    with (EXAMPLE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def given() -> dict[str, float]:
    figures: dict[str, float] = formulas.read_given()
    return figures


@pytest.fixture(scope="module")
def system() -> gs.System:
    return gs.read_system(EXAMPLE)


def still(
    system: gs.System, record: list[str], changes: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The series in `record` on a path on which factors keep their initial values and nobody fails."""
    rows = [
        {
            "scenario": "still",
            "parameter": f"factor.{row['name']}.value",
            "op": "set",
            "value": row["initial"],
        }
        for row in system.tables["factors"].to_pylist()
    ]
    rows += [{"scenario": "still", **change} for change in changes or []]
    columns = {key: [row.get(key) for row in rows] for key in ("scenario", "parameter", "op", "value")}
    run = gs.simulate(system, gs.Scenarios(columns), paths=1, effects="none", record=record)
    return {name: run.series[name][0, 0] for name in record}


# ---------------------------------------------------------------------------------- tables from figures


def test_every_number_cell_follows_from_the_formula_in_its_source(given: dict[str, float]) -> None:
    figures = formulas.with_derived(given)
    cells = 0
    for name, schema in SCHEMAS.items():
        for number, row in enumerate(read(f"{name}.csv")):
            found = formulas.formulas(row["source"])
            for column, cell in row.items():
                if cell == "" or schema.by_name[column].type not in ("float", "integer"):
                    continue
                assert column in found, f"{name}, row {number}: `{column}` has no formula in `source`"
                expected = formulas.evaluate(found[column], figures)
                assert float(cell) == pytest.approx(expected, rel=1e-12), f"{name}, row {number}, `{column}`"
                cells += 1
    assert cells > 1000


def test_the_script_writes_the_committed_tables(tmp_path: Path, given: dict[str, float]) -> None:
    build.write(tmp_path, formulas.with_derived(given))
    assert gs.read_system(tmp_path) == gs.read_system(EXAMPLE)


def number_cells(figures: dict[str, float]) -> list[str]:
    return [
        cell
        for rows in build.tables(figures).values()
        for row in rows
        for column, cell in row.items()
        if column != "source"
    ]


def test_moving_any_fact_by_one_percent_moves_a_cell(given: dict[str, float]) -> None:
    before = number_cells(formulas.with_derived(given))
    facts = [row["key"] for row in read("figures/facts.csv")]
    unmoved = {
        key
        for key in facts
        if key not in given or number_cells(formulas.with_derived(given | {key: given[key] * 1.01})) == before
    }
    assert unmoved == set(CHECKED_AGAINST_THE_RUN)
    assert all(test in globals() for test in CHECKED_AGAINST_THE_RUN.values())


def test_every_choice_has_a_reason_and_a_use(given: dict[str, float]) -> None:
    derived = read("figures/derived.csv")
    sources = " ".join(row["source"] for name in SCHEMAS for row in read(f"{name}.csv"))
    text = " ".join([sources, *(row["formula"] for row in derived)])
    words = set("".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split())
    settings = {"discount_rate", "default_cost_cash", "default_cost_receipts"}
    for row in read("figures/choices.csv"):
        assert len(row["why"]) > 3, row["key"]
        assert row["key"] in words | settings, f"{row['key']} is used nowhere"
    assert {row["key"] for row in derived} <= words


def test_the_copied_figures_have_their_keys_once() -> None:
    keys = [
        row["key"]
        for name in ("facts", "assumptions", "choices", "derived")
        for row in read(f"figures/{name}.csv")
    ]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os')",
        "a.b",
        "a if a else a",
        "[a]",
        "a < a",
        "True",
        "'a'",
        "f(a)",
        "lambda: a",
        "min(a, key=a)",
    ],
)
def test_a_formula_is_arithmetic_and_nothing_else(formula: str) -> None:
    with pytest.raises(ValueError, match=r"neither arithmetic|is no key"):
        formulas.evaluate(formula, {"a": 1.0})


# -------------------------------------------------------------------- reported figures follow from a run


def test_billed_seats_of_one_year_without_discount_give_the_ceiling(
    tmp_path: Path, given: dict[str, float]
) -> None:
    build.write(tmp_path, formulas.with_derived(given | {"copilot_discount": 0.0}))
    billed = still(gs.read_system(tmp_path), ["flow:copilot"])["flow:copilot"]
    assert billed[:4].sum() == pytest.approx(given["copilot_revenue_ceiling"], rel=1e-12) == 7.2e9


def test_microsofts_ai_revenue_of_fy2025_is_a_fifth_of_its_spending(system: gs.System) -> None:
    parts = [f"flow:fy2025_{part}" for part in ("inference", "revenue_share", "other")]
    series = still(system, [*parts, "flow:fy2025_capex"])
    spending = series.pop("flow:fy2025_capex").sum()
    revenue = sum(line.sum() for line in series.values())
    assert revenue == pytest.approx(17.9e9)
    assert 0.19 < revenue / spending < 0.21


def test_the_two_labs_rent_seventy_percent_of_the_hyperscalers_capacity(system: gs.System) -> None:
    flows = [name for name in system.flow_names if name.startswith("usage_")]
    used = still(system, [f"flow:{name}" for name in flows])
    total = sum(used[f"flow:usage_{name}"] for name in FIVE)
    let = sum(
        used[f"flow:{name}"]
        for name in flows
        if name.endswith(("_openai", "_anthropic")) and "capacity" not in name
    )
    assert let[:4] / total[:4] == pytest.approx(np.full(4, 0.70), rel=2e-2)
    assert let[0] / total[0] == pytest.approx(0.70, rel=1e-9)


def test_the_five_spend_what_they_announced(system: gs.System) -> None:
    table = system.tables["flows"].to_pylist()
    own = [row["name"] for row in table if row["kind"] == "capex" and row["payer"] in FIVE]
    spent = sum(still(system, [f"flow:{name}" for name in own]).values())
    assert spent[:4].sum() == pytest.approx(700e9)
    assert spent[4:8].sum() == pytest.approx(1000e9)
    changes = [
        row
        for row in system.tables["scenarios"].to_pylist()
        if row["scenario"] == "build_on" and row["parameter"] == "flow.capex_plan.scale"
    ]
    on = gs.simulate(
        system,
        gs.Scenarios(
            {key: [row[key] for row in changes] for key in ("scenario", "parameter", "start", "op", "value")}
        ),
        paths=1,
        effects="none",
        record=[f"flow:{name}" for name in own],
    )
    built_on = sum(line[0, 0] for line in on.series.values())
    assert built_on[4:].reshape(-1, 4).sum(axis=1) == pytest.approx(1000e9)


def test_the_labs_books_are_seventy_percent_of_what_was_spent(system: gs.System) -> None:
    table = [
        row for row in system.tables["flows"].to_pylist() if row["kind"] == "capex" and row["payer"] in FIVE
    ]
    books = sum(row["opening_book"] for row in table)
    assert books == pytest.approx(800e9)
    assert sum(row["opening_book"] for row in table if row["tenant"]) == pytest.approx(0.70 * books)


def test_every_running_cost_that_revenue_leaves_out_has_a_flow(system: gs.System) -> None:
    listed = next(row["value"] for row in read("figures/facts.csv") if row["key"] == "opex_excluded")
    names = {"power": "power", "maintenance": "maintenance", "insurance": "insurance", "taxes": "tax"}
    for item in listed.split("; "):
        for site in (*FIVE, "oracle_capacity", "coreweave"):
            assert f"{names[item]}_{site}" in system.flow_names


def test_oracles_payback_lies_within_two_years_of_the_analysts_year(
    system: gs.System, given: dict[str, float]
) -> None:
    total = np.cumsum(still(system, ["measure:oracle_capacity"])["measure:oracle_capacity"])
    year = 2026 + (np.flatnonzero(total < 0.0)[-1] + 1) // 4
    assert abs(year - given["oracle_profit_year"]) <= 2


def test_a_price_war_saves_no_electricity(system: gs.System) -> None:
    names = ["flow:power_microsoft", "flow:inference_microsoft_openai"]
    before = still(system, names)
    after = still(system, names, [{"parameter": "factor.compute_price.value", "op": "scale", "value": 0.5}])
    assert np.array_equal(before[names[0]], after[names[0]])
    assert (after[names[1]] < before[names[1]]).all()


def test_the_spending_runs_far_ahead_of_what_it_earns(system: gs.System) -> None:
    net = still(system, ["measure:ai_net"])["measure:ai_net"].reshape(-1, 4).sum(axis=1)
    assert net[0] < -500e9
    assert net[1] < -500e9


# --------------------------------------------------------------------------------------------- golden file


def main_figures(paths: int = 2000, seed: int = 1) -> dict[str, Any]:
    """What the golden file holds: who fails, alone and with others, the measures' means, the book's loss."""
    system = gs.read_system(EXAMPLE)
    run = gs.simulate(system, paths=paths, seed=seed, effects=["first_round", "full"], backend="numpy")
    loss = gs.losses(run, system.tables["positions"])
    failed = np.count_nonzero(run.failed_at < run.periods, axis=1)
    return {
        "paths": paths,
        "seed": seed,
        "failures": {
            name: dict(zip(run.entities, map(int, counts), strict=True))
            for name, counts in zip(run.scenarios, failed, strict=True)
        },
        "npv_mean": {
            name: {measure: float(figures.npv[s].mean()) for measure, figures in run.measures.items()}
            for s, name in enumerate(run.scenarios)
        },
        "oracle_payback_median": {
            name: float(np.median(run.measures["oracle_capacity"].payback[s]))
            for s, name in enumerate(run.scenarios)
        },
        "book_loss_mean": {name: float(np.mean(loss[s])) for s, name in enumerate(run.scenarios)},
    }


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return main_figures()


def test_the_main_figures_are_those_of_the_golden_file(figures: dict[str, Any]) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert figures["failures"] == golden["failures"]
    for name in ("npv_mean", "oracle_payback_median", "book_loss_mean"):
        for scenario, expected in golden[name].items():
            assert figures[name][scenario] == pytest.approx(expected, rel=1e-9), f"{name} of {scenario}"


def test_the_base_case_neither_saves_nor_dooms_openai(figures: dict[str, Any]) -> None:
    share = figures["failures"]["base/full"]["openai"] / figures["paths"]
    assert 0.4 < share < 0.6


def test_contagion_reaches_the_landlords_and_their_lenders(figures: dict[str, Any]) -> None:
    alone, together = (
        figures["failures"]["openai_fails/first_round"],
        figures["failures"]["openai_fails/full"],
    )
    for name in ("oracle", "coreweave", "private_credit", "banks"):
        assert together[name] > 1.5 * alone[name], name
    for name in ("microsoft", "google", "amazon", "meta"):
        assert together[name] == 0, name


if __name__ == "__main__":
    # `python tests/test_example_ai_buildout.py` renews the golden file; the reason goes into CHANGELOG.
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(main_figures(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
