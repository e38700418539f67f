"""Who stands across from the hyperscalers: labs, CoreWeave, the chip maker, lenders and their loans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows import PERIODS, RELET, SUCCESSOR

if TYPE_CHECKING:
    from formulas import Builder


def add_counterparties(build: Builder) -> None:
    """Their flows and loans."""
    for part in (_labs, _coreweave, _chip_maker, _lenders, _coreweave_loans, _oracle_loans):
        part(build)


def _labs(build: Builder) -> None:
    """The labs' own sales and costs, and outside investors' money."""
    spending = {
        "openai": "(openai_revenue_2025 + openai_burn_2025)",
        "anthropic": "anthropic_run_rate_2026_04",
    }
    start = {"openai": "openai_level", "anthropic": "anthropic_run_rate_2026_04"}
    for lab in ("openai", "anthropic"):
        build.flow(f"revenue_{lab}: outside > {lab}", "revenue", f"amount = {lab}_saturation")
        build.sensitivity(f"revenue_{lab}", ai_demand="1", compute_price="lab_revenue_price")
        for period in range(PERIODS):
            quarters = period if lab == "openai" else period - 1
            curve = (
                f"{lab}_saturation / (1 + ({lab}_saturation / {start[lab]} - 1) * {lab}_pace ** {quarters})"
            )
            if quarters < 0:
                curve = "(anthropic_run_rate_2025_12 + anthropic_run_rate_2026_04) / 2"
            build.schedule(f"revenue_{lab}", period, f"{curve} * quarter")
        build.flow(
            f"overheads_{lab}: {lab} > outside",
            "opex",
            f"amount = overhead_share_{lab} * {spending[lab]}; growth = overhead_growth",
        )
        build.sensitivity(f"overheads_{lab}", ai_demand="overhead_demand")
        build.flow(
            f"selling_{lab}: {lab} > outside", "opex", "amount = selling_share", driver=f"revenue_{lab}"
        )
    build.flow(
        "share_openai_microsoft: openai > microsoft",
        "revenue",
        "amount = revenue_share",
        driver="revenue_openai",
    )
    build.memo("investor_money", "amount = investor_money; end = investor_years / quarter - 1")
    build.sensitivity("investor_money", investor_appetite="1")
    for lab, part in (("openai", "investor_share_openai"), ("anthropic", "1 - investor_share_openai")):
        build.flow(
            f"investors_{lab}: outside > {lab}", "funding", f"amount = {part}", driver="investor_money"
        )


def _coreweave(build: Builder) -> None:
    for customer in ("openai", "microsoft"):
        build.flow(
            f"rent_coreweave_{customer}: {customer} > coreweave",
            "rent",
            f"amount = coreweave_rent * coreweave_{customer}; {RELET}",
            driver="usage_coreweave",
        )
        build.sensitivity(f"rent_coreweave_{customer}", compute_price="coreweave_price")
    build.flow(
        "services_coreweave: outside > coreweave",
        "revenue",
        "amount = coreweave_rent * (1 - coreweave_openai - coreweave_microsoft)",
        driver="usage_coreweave",
    )
    build.sensitivity("services_coreweave", compute_price="spot_price")
    build.flow(
        "lease_coreweave: coreweave > outside",
        "rent",
        f"amount = lease_per_gw; {SUCCESSOR}",
        driver="usage_coreweave",
    )
    build.flow(
        "overheads_coreweave: coreweave > outside",
        "opex",
        "amount = coreweave_overheads; growth = coreweave_growth",
    )
    for tenant, part in (("openai", "coreweave_openai"), ("own", "(1 - coreweave_openai)")):
        build.flow(
            f"chips_coreweave_{tenant}: coreweave > nvidia",
            "capex",
            f"amount = coreweave_chips * (coreweave_growth + 1 / server_life_mean) * {part}; "
            f"growth = coreweave_growth; life = server_life_mean; opening_book = coreweave_chips * {part}; "
            "relet_price = relet_price -- growth, and what wears out",
            tenant="" if tenant == "own" else tenant,
        )


def _chip_maker(build: Builder) -> None:
    build.flow(
        "business_nvidia: outside > nvidia",
        "revenue",
        "amount = nvidia_other_revenue; growth = revenue_growth_core",
    )
    build.flow(
        "costs_nvidia: nvidia > outside",
        "opex",
        "amount = nvidia_cost_share * chip_share -- wafers are ordered by the plan, whatever is cut later",
        driver="capex_plan",
    )
    build.flow(
        "costs_nvidia_other: nvidia > outside", "opex", "amount = nvidia_cost_share", driver="business_nvidia"
    )
    build.flow("dividend_nvidia: nvidia > outside", "dividend", "amount = nvidia_dividend")


def _lenders(build: Builder) -> None:
    build.flow(
        "deposits_banks: banks > outside",
        "interest",
        "amount = banks_debt; spread = banks_funding_spread",
        index="borrowing_cost",
    )
    build.flow(
        "notes_private_credit: private_credit > outside",
        "interest",
        "amount = private_credit_other_debt; spread = private_credit_spread",
        index="borrowing_cost",
    )
    build.flow(
        "subscriptions_private_credit: outside > private_credit", "funding", "amount = private_credit_inflow"
    )
    build.sensitivity("subscriptions_private_credit", investor_appetite="1")
    build.flow(
        "payout_private_credit: private_credit > outside", "dividend", "amount = private_credit_payout"
    )
    build.add(
        "loans",
        "principal = private_credit_line; spread = private_credit_spread; "
        "years = private_credit_line_years; recovery = loan_recovery",
        name="private_credit_line",
        borrower="private_credit",
        lender="banks",
        index="borrowing_cost",
        amortisation="bullet",
    )


def _coreweave_loans(build: Builder) -> None:
    """Term loans that are paid off, notes that fall due at once, and what replaces both."""

    def loan(name: str, lender: str, amortisation: str, source: str) -> None:
        build.add(
            "loans",
            f"{source}; recovery = loan_recovery",
            name=f"coreweave_{name}",
            borrower="coreweave",
            lender=lender,
            index="borrowing_cost",
            amortisation=amortisation,
        )

    loan(
        "ddtl2",
        "private_credit",
        "linear",
        "principal = coreweave_ddtl2; spread = gpu_loan_spread_2024; years = coreweave_ddtl2_years",
    )
    loan(
        "ddtl4",
        "banks",
        "linear",
        "principal = coreweave_ddtl4; spread = gpu_loan_spread_ig; years = coreweave_ddtl4_years",
    )
    loan(
        "ddtl5",
        "private_credit",
        "linear",
        "principal = coreweave_ddtl5; spread = gpu_loan_spread_hy; years = coreweave_ddtl5_years",
    )
    loan(
        "notes",
        "banks",
        "bullet",
        "principal = coreweave_notes; spread = gpu_loan_spread_hy; years = coreweave_notes_years",
    )
    loan(
        "refinancing",
        "private_credit",
        "bullet",
        "principal = coreweave_notes; spread = gpu_loan_spread_hy; "
        "draw = coreweave_notes_years / quarter - 1; years = credit_life",
    )
    for year in range(2026, 2035, 2):
        loan(
            f"loan_{year}",
            "private_credit",
            "linear",
            "principal = coreweave_new_loan; spread = gpu_loan_spread_hy; "
            f"draw = ({year} - 2026) / quarter + coreweave_loan_quarter; years = credit_life",
        )


def _oracle_loans(build: Builder) -> None:
    """Bonds that fall due and are refinanced in the same quarter, and loans for the build."""

    def loan(name: str, lender: str, amortisation: str, source: str, index: str = "borrowing_cost") -> None:
        build.add(
            "loans",
            f"{source}; recovery = bond_recovery",
            name=f"oracle_{name}",
            borrower="oracle",
            lender=lender,
            index=index,
            amortisation=amortisation,
        )

    for year, lender in ((2028, "banks"), (2031, "")):
        bonds = f"oracle_bonds_{year}"
        loan(
            f"bonds_{year}",
            lender,
            "bullet",
            f"principal = {bonds}; rate = oracle_bond_rate; years = {bonds}_years",
            index="",
        )
        loan(
            f"refinancing_{year}",
            lender,
            "bullet",
            f"principal = {bonds}; spread = oracle_spread; draw = {bonds}_years / quarter - 1; "
            "years = oracle_refinancing_years",
        )
    for year, lender in ((2026, "banks"), (2027, ""), (2029, "banks")):
        loan(
            f"loan_{year}",
            lender,
            "linear",
            f"principal = oracle_loan_{year}; spread = oracle_spread; draw = ({year} - 2026) / quarter; "
            "years = oracle_loan_years",
        )
