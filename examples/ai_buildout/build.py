"""Make the tables of the AI build-out from its figures.

    python examples/ai_buildout/build.py [FOLDER]

Every number in a table is a formula over the keys of the files in `figures/`: facts.csv and assumptions.csv
(what was reported), choices.csv (what we chose, and why) and derived.csv (formulas over the others). The
formulas of a row stand in its `source`, as `column = formula; column = formula -- remark`: the cells are
computed from that text and from nothing else. The flows are in flows.py and counterparties.py, the
arithmetic is in formulas.py.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from counterparties import add_counterparties
from flows import FIVE, PERIODS, RUNNING, add_flows
from formulas import Builder, read_given, with_derived

from gpustress.schema import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formulas import Tables

HERE = Path(__file__).parent
NOT_AI = ("business_", "costs_", "dividend_", "buyback_")


def tables(figures: Mapping[str, float]) -> Tables:
    """Every table of the example, by name.

    Parameters
    ----------
    figures : mapping of str to float
        Given and derived figures by key.
    """
    build = Builder(figures)
    flows = (add_flows, add_counterparties)
    for part in (_entities, _factors, *flows, _stakes, _measures, _scenarios, _positions):
        part(build)
    return build.tables


def _entities(build: Builder) -> None:
    def entity(name: str, role: str, source: str, solvency_trigger: str = "false") -> None:
        build.add(
            "entities",
            f"cash = cash_{name}; cash_rate = cash_rate; {source}",
            name=name,
            role=role,
            solvency_trigger=solvency_trigger,
        )

    for name in FIVE[:4]:
        debt = "other_debt = long_term_debt_google; " if name == "google" else ""
        entity(
            name,
            "hyperscaler",
            f"credit_line = line_{name}; reserve = reserve_hyperscaler; {debt}"
            "line_rate = line_rate_strong; other_assets = other_assets_hyperscaler",
        )
    entity(
        "oracle",
        "hyperscaler",
        "credit_line = line_oracle; reserve = reserve_oracle; "
        "line_rate = line_rate_weak; hazard = hazard_oracle",
    )
    for name in ("openai", "anthropic"):
        entity(name, "lab", "hazard = hazard_lab")
    entity(
        "coreweave",
        "gpu cloud",
        "credit_line = line_coreweave; reserve = reserve_coreweave; "
        "line_rate = line_rate_weak; other_assets = coreweave_other_assets; hazard = hazard_coreweave "
        "-- assets below debts stands for the covenants of its term loans",
        "true",
    )
    entity("nvidia", "chip maker", "other_assets = other_assets_nvidia")
    entity(
        "banks",
        "lender",
        "reserve = reserve_banks; other_debt = banks_debt -- a group of banks, as far as it "
        "lends to the build-out",
        "true",
    )
    entity(
        "private_credit",
        "lender",
        "reserve = reserve_private_credit; hazard = hazard_private_credit; "
        "other_assets = private_credit_other_assets; other_debt = private_credit_other_debt "
        "-- funds that lend to the build-out",
        "true",
    )
    for name in ("oracle", "coreweave", "private_credit"):
        build.sensitivity(name, borrowing_cost="hazard_borrowing", investor_appetite="hazard_appetite")
    for name in ("openai", "anthropic"):
        build.sensitivity(name, investor_appetite="hazard_appetite")


def _factors(build: Builder) -> None:
    def factor(name: str, process: str, source: str) -> None:
        build.add("factors", source, name=name, process=process)

    factor(
        "ai_demand",
        "gbm",
        "initial = 1; drift = demand_drift; volatility = demand_volatility; "
        "jump_rate = demand_jump_rate; jump_mean = demand_jump; jump_volatility = demand_jump_volatility -- "
        "end customers' demand over what the flows' own growth expects",
    )
    factor(
        "compute_price",
        "log_ou",
        "initial = h100_rental_2026_03; mean = h100_rental_break_even; "
        "reversion = price_reversion; volatility = price_volatility -- an H100's rent for an hour; "
        "it tends to the price at which the hardware just pays",
    )
    factor(
        "power_price",
        "log_ou",
        "initial = power_price; reversion = power_reversion; volatility = power_volatility",
    )
    factor(
        "borrowing_cost",
        "ou",
        "initial = borrowing_initial; reversion = borrowing_reversion; "
        "volatility = borrowing_volatility; floor = borrowing_floor "
        "-- short rate and the market's spread in one",
    )
    factor(
        "investor_appetite",
        "log_ou",
        "initial = 1; reversion = appetite_reversion; "
        "volatility = appetite_volatility; jump_rate = appetite_jump_rate; jump_mean = appetite_jump; "
        "jump_volatility = appetite_jump_volatility -- outside investors' money over its ordinary flow",
    )
    short = {
        "demand": "ai_demand",
        "price": "compute_price",
        "power": "power_price",
        "borrowing": "borrowing_cost",
        "appetite": "investor_appetite",
    }
    for key in build.figures:
        if key.startswith("corr_"):
            _, a, b = key.split("_")
            build.add("correlations", f"value = {key}", factor_a=short[a], factor_b=short[b])


def _stakes(build: Builder) -> None:
    def shares(holder: str, issuer: str, amount: str) -> None:
        build.add(
            "exposures",
            f"amount = {amount} -- shares: worth nothing after a failure",
            holder=holder,
            issuer=issuer,
            kind="shares",
        )

    shares("microsoft", "openai", "microsoft_openai_investment")
    for name in ("google", "amazon"):
        shares(name, "anthropic", f"lab_funding_last_3_years * funding_{name}")
    shares("nvidia", "coreweave", "stake_nvidia_coreweave")


def _measures(build: Builder) -> None:
    rows = build.tables["flows"]
    ai = [row for row in rows if not row["name"].startswith(NOT_AI)]
    received = {name: [row["name"] for row in ai if row["receiver"] == name] for name in FIVE}
    paid = {name: [row["name"] for row in ai if row["payer"] == name] for name in FIVE}
    earned = [flow for flows in received.values() for flow in flows]
    spent = [flow for flows in paid.values() for flow in flows]
    kind = {row["name"]: row["kind"] for row in rows}
    sales = [row["name"] for row in ai if not row["payer"] and row["kind"] == "revenue"]

    build.measure("ai_net", earned, spent)
    for name in FIVE:
        build.measure(f"{name}_net", received[name], paid[name])
    build.measure("ai_net_stabilised", [*earned, "stabilising_stream"], spent)
    running = [flow for flow in spent if kind[flow] not in ("capex", "funding")]
    written_off = [
        f"{flow}:{what}" for flow in spent if kind[flow] == "capex" for what in ("depreciation", "impairment")
    ]
    build.measure("ai_profit", earned, [*running, *written_off])

    build.measure("break_even", sales, ["hurdle_break_even"])
    build.measure("profitable", sales, ["hurdle_profit"])

    stated = ["run_rate_microsoft", "run_rate_amazon"]
    realised = [*received["microsoft"], *received["amazon"]]
    build.measure("run_rate", stated)
    build.measure("realised_revenue", realised)
    build.measure("run_rate_gap", stated, realised)

    site = [f"{what}_oracle_capacity" for what in RUNNING]
    chips = [f"{stage}_oracle_{part}" for stage in ("chips", "completion") for part in ("openai", "own")]
    build.measure(
        "oracle_capacity",
        ["contract_oracle_openai", "services_oracle_capacity"],
        [*site, "lease_oracle", *chips],
    )


def _scenarios(build: Builder) -> None:
    def change(scenario: str, parameter: str, op: str, source: str) -> None:
        build.add("scenarios", source, scenario=scenario, parameter=parameter, op=op)

    build.add("scenarios", "the system as it is", scenario="base")
    change("demand_slump", "factor.ai_demand.shift", "set", "start = slump_start; value = slump_shift")
    freeze = "start = freeze_start; end = freeze_end"
    change("funding_freeze", "flow.kind:funding.scale", "scale", f"{freeze}; value = freeze_scale")
    change("funding_freeze", "factor.borrowing_cost.shift", "set", f"{freeze}; value = freeze_spread")
    change(
        "price_war", "factor.compute_price.shift", "set", "start = price_war_start; value = price_war_shift"
    )
    squeeze = "start = squeeze_start; end = squeeze_end"
    change("power_squeeze", "factor.power_price.shift", "set", f"{squeeze}; value = squeeze_shift")
    change("power_squeeze", "flow.capacity_in_use.scale", "scale", f"{squeeze}; value = squeeze_capacity")
    for lab in ("openai", "anthropic"):
        change("power_squeeze", f"flow.revenue_{lab}.scale", "scale", f"{squeeze}; value = squeeze_revenue")
    on = "start = build_on_start"
    change("build_on", "flow.capex_plan.scale", "scale", f"{on}; value = capex_2027 / replacement")
    for name in FIVE[:4]:
        change(
            "build_on", f"flow.buyback_{name}.scale", "set", f"{on}; value = 0 -- the money is spent on chips"
        )
    change("openai_fails", "entity.openai.fail_at", "set", "value = lab_failure")


def _positions(build: Builder) -> None:
    """A lender's book."""

    def position(name: str, entity: str, amortisation: str, source: str) -> None:
        build.add("positions", source, name=name, entity=entity, amortisation=amortisation)

    position(
        "coreweave_term_loan",
        "coreweave",
        "linear",
        "exposure = book_loan; maturity = coreweave_ddtl4_years; recovery = loan_recovery",
    )
    position(
        "coreweave_refinancing",
        "coreweave",
        "bullet",
        "exposure = book_bond; maturity = coreweave_notes_years + credit_life; recovery = loan_recovery",
    )
    position(
        "oracle_project_loan",
        "oracle",
        "linear",
        "exposure = book_loan; maturity = oracle_loan_years; recovery = bond_recovery",
    )
    position(
        "oracle_bond_2031",
        "oracle",
        "bullet",
        "exposure = book_bond; maturity = oracle_bonds_2031_years; recovery = bond_recovery",
    )
    position(
        "oracle_protection",
        "oracle",
        "bullet",
        "exposure = book_protection; maturity = book_protection_years; recovery = bond_recovery",
    )
    position(
        "openai_venture_loan",
        "openai",
        "bullet",
        "exposure = book_bond; maturity = book_venture_years; recovery = 0",
    )
    position("private_credit_stake", "private_credit", "bullet", "exposure = book_fund; recovery = 0")


def settings_text(figures: Mapping[str, float]) -> str:
    """The content of system.toml."""
    costs = ", ".join(repr(figures[key]) for key in ("default_cost_cash", "default_cost_receipts"))
    return (
        "# Written by build.py from discount_rate, default_cost_* and quarter in figures/choices.csv.\n"
        'name = "ai_buildout"\n'
        'currency = "USD"\n'
        'start = "2026-01-01"\n'
        f"periods = {PERIODS}\n"
        f"periods_per_year = {1 / figures['quarter']!r}\n"
        f"discount_rate = {figures['discount_rate']!r}\n"
        f"default_costs = [{costs}]\n"
    )


def write(folder: Path, figures: Mapping[str, float]) -> None:
    """Write system.toml and the tables into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "system.toml").write_text(settings_text(figures), encoding="utf-8")
    for name, rows in tables(figures).items():
        used = {column for row in rows for column, cell in row.items() if cell}
        columns = [column.name for column in SCHEMAS[name].columns if column.name in used]
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE, with_derived(read_given()))
