"""The hyperscalers' flows: what they build, what runs, what they sell, whom they fund; and memo lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from formulas import Builder

PERIODS = 40
FIVE = ("microsoft", "google", "amazon", "meta", "oracle")
# The labs' share of each landlord's capacity; Meta lets none, Oracle's part in the builds is all OpenAI's.
TENANTS = {
    "microsoft": {"openai": "lab_share"},
    "google": {
        "openai": "lab_share * openai_share_google",
        "anthropic": "lab_share * (1 - openai_share_google)",
    },
    "amazon": {
        "openai": "lab_share * openai_share_amazon",
        "anthropic": "lab_share * (1 - openai_share_amazon)",
    },
    "meta": {},
    "oracle": {"openai": "lab_share"},
}
PAIRS = tuple((landlord, tenant) for landlord, tenants in TENANTS.items() for tenant in tenants)
SITES = (*FIVE, "oracle_capacity", "coreweave")  # Oracle's new capacity is kept apart
RUNNING = {"power": "power", "maintenance": "opex", "insurance": "opex", "tax": "tax"}
RELET = "relet_lag = relet_lag; relet_price = relet_price"
SUCCESSOR = "relet_price = successor_share"


def add_flows(build: Builder) -> None:
    """The flows of the five, and what stands beside the cash."""
    for part in (_capacity, _capital_expenditure, _rents, _services, _business, _funding, _oracle, _memos):
        part(build)


def _capacity(build: Builder) -> None:
    """Gigawatts in use, which are no money, and what their use costs."""
    build.memo(
        "capacity_in_use",
        "amount = (capex_last_3_years + capex_2026 + capex_2027) / capex_per_gw * utilisation"
        " -- gigawatts; what has been built is replaced, so it stays",
    )
    for period in range(10 + int(build.figures["capacity_lag"])):
        first = f"capex_2026 * min(1, max(0, ({period} - capacity_lag) / 4))"
        second = f"capex_2027 * min(1, max(0, ({period} - capacity_lag - 4) / 4))"
        build.schedule(
            "capacity_in_use",
            period,
            f"(capex_last_3_years + {first} + {second}) / capex_per_gw * utilisation * quarter",
        )
    for name in FIVE[:4]:
        build.memo(f"usage_{name}", f"amount = share_{name} -- gigawatts", driver="capacity_in_use")
    build.memo(
        "usage_oracle",
        "amount = share_oracle * opening_capacity -- gigawatts in use before the 7.1 GW; what "
        "Oracle spends from 2026 on goes into those",
    )
    build.memo("usage_coreweave", "amount = coreweave_gw; growth = coreweave_growth -- gigawatts")
    for name in (*FIVE, "coreweave"):
        build.sensitivity(f"usage_{name}", ai_demand="usage_demand")
    build.memo(
        "usage_oracle_capacity", "amount = oracle_capacity -- gigawatts, under contract whatever demand is"
    )
    for period in range(int(build.figures["oracle_lag"] + build.figures["oracle_ramp"])):
        build.schedule(
            "usage_oracle_capacity",
            period,
            f"oracle_capacity * max(0, ({period} - oracle_lag + 1) / oracle_ramp) * quarter",
        )
    for site in SITES:
        owner = site.removesuffix("_capacity")
        for what, kind in RUNNING.items():
            build.flow(
                f"{what}_{site}: {owner} > outside",
                kind,
                f"amount = {what}_per_gw; {SUCCESSOR}",
                driver=f"usage_{site}",
            )
        build.sensitivity(f"power_{site}", power_price="1")
    for landlord, tenant in PAIRS:
        build.memo(
            f"usage_{landlord}_{tenant}",
            f"amount = {TENANTS[landlord][tenant]} -- gigawatts",
            driver=f"usage_{landlord}",
        )
    build.memo(
        "usage_oracle_capacity_openai", "amount = lab_share -- gigawatts", driver="usage_oracle_capacity"
    )


def _capital_expenditure(build: Builder) -> None:
    """The plan of the five, and their parts of it: chips and sites, by tenant; Oracle's are in `_oracle`."""
    build.memo("capex_plan", "amount = replacement -- the five's spending once the build-out has ended")
    for period in range(8):
        build.schedule("capex_plan", period, f"{'capex_2026' if period < 4 else 'capex_2027'} * quarter")
    for name in FIVE[:4]:
        own = "(1 - lab_share)" if TENANTS[name] else "1"
        for tenant, part in {**TENANTS[name], "own": own}.items():
            cells = (
                {"driver": "capex_plan"} if tenant == "own" else {"driver": "capex_plan", "tenant": tenant}
            )
            for what, receiver, life in (
                ("chip", "nvidia", f"server_life_{name}"),
                ("site", "outside", "site_life"),
            ):
                share = f"share_{name} * {part} * {what}_share"
                build.flow(
                    f"{what}s_{name}_{tenant}: {name} > {receiver}",
                    "capex",
                    f"amount = {share}; life = {life}; opening_book = capex_last_3_years * {share}; "
                    "relet_price = relet_price",
                    **cells,
                )


def _rents(build: Builder) -> None:
    """What the labs pay for capacity."""
    for landlord, tenant in PAIRS:
        if landlord != "microsoft":
            build.flow(
                f"rent_{landlord}_{tenant}: {tenant} > {landlord}",
                "rent",
                f"amount = rent_per_gw; {RELET}",
                driver=f"usage_{landlord}_{tenant}",
            )
            build.sensitivity(f"rent_{landlord}_{tenant}", compute_price="rent_price")
    build.memo("usage_microsoft_inference", "amount = inference_share -- gigawatts", driver="usage_microsoft")
    build.flow(
        "inference_microsoft_openai: openai > microsoft",
        "rent",
        f"amount = rent_per_gw; {RELET} -- OpenAI's inference",
        driver="usage_microsoft_inference",
    )
    build.flow(
        "training_microsoft_openai: openai > microsoft",
        "rent",
        f"amount = rent_per_gw * (lab_share - inference_share); {RELET} -- the rest of its capacity there",
        driver="usage_microsoft",
    )
    for use in ("inference", "training"):
        build.sensitivity(f"{use}_microsoft_openai", compute_price="rent_price")


def _services(build: Builder) -> None:
    """What end customers pay the five for AI."""
    for name in FIVE:
        if name == "meta":
            build.flow(
                "services_meta: outside > meta",
                "revenue",
                "amount = rent_per_gw * own_use_value -- advertising by its own models",
                driver="usage_meta",
            )
        else:
            build.flow(
                f"services_{name}: outside > {name}",
                "revenue",
                "amount = rent_per_gw * (1 - lab_share) -- all customers but the labs",
                driver=f"usage_{name}",
            )
            build.sensitivity(f"services_{name}", compute_price="spot_price")
    build.memo("copilot_seats", "amount = copilot_subscribers; growth = copilot_growth -- seats")
    for period in range(4):
        build.schedule(
            "copilot_seats", period, "copilot_subscribers * quarter -- seats are renewed once a year"
        )
    build.sensitivity("copilot_seats", ai_demand="1")
    build.flow(
        "copilot: outside > microsoft",
        "revenue",
        "amount = copilot_price * (1 - copilot_discount) * months_per_year",
        driver="copilot_seats",
    )


def _business(build: Builder) -> None:
    """What the five earn beside AI, and what their owners get of it."""
    for name in FIVE:
        revenue = "revenue_oracle" if name == "oracle" else f"business_{name}"
        cash_flow = "operating_cash_flow_2026_amazon" if name == "amazon" else f"cash_flow_{name}"
        growth = "revenue_growth_oracle" if name == "oracle" else "revenue_growth_core"
        build.flow(f"business_{name}: outside > {name}", "revenue", f"amount = {revenue}; growth = {growth}")
        build.flow(
            f"costs_{name}: {name} > outside",
            "opex",
            f"amount = 1 - {cash_flow} / {revenue}",
            driver=f"business_{name}",
        )
        if name != "oracle":
            build.flow(
                f"buyback_{name}: {name} > outside",
                "dividend",
                f"amount = buyback_share * {cash_flow}; growth = {growth}; start = buyback_start",
            )
        if name != "amazon":
            build.flow(f"dividend_{name}: {name} > outside", "dividend", f"amount = dividend_{name}")


def _funding(build: Builder) -> None:
    """What the labs get from those whom they pay."""
    for name, lab in (("microsoft", "openai"), ("google", "anthropic"), ("amazon", "anthropic")):
        yearly = f"lab_funding_year * funding_{name}"
        build.flow(f"funding_{name}_{lab}: {name} > {lab}", "funding", f"amount = {yearly}")
        build.schedule(
            f"funding_{name}_{lab}",
            0,
            f"{yearly} * quarter + lab_funding_last_month * funding_{name}"
            " -- the money of the last month comes once more",
        )
    for name, part in (("google", "google_share_anthropic"), ("amazon", "(1 - google_share_anthropic)")):
        build.flow(
            f"commitment_{name}_anthropic: {name} > anthropic",
            "funding",
            f"amount = anthropic_commitment_year * {part}; end = anthropic_commitment_years / quarter - 1",
        )


def _oracle(build: Builder) -> None:
    """Oracle's 7.1 GW: chips bought, sites leased, let under contract, mostly to OpenAI."""
    stages = (
        (
            "chips",
            "operating",
            "; end = oracle_committed_end; opening_book = capex_last_3_years * {share}",
            " -- ordered and owed, so operating",
        ),
        (
            "completion",
            "",
            "; start = oracle_committed_end + 1; end = oracle_build_end",
            " -- the rest of the build",
        ),
        ("replacement", "", "; start = oracle_build_end + 1", ""),
    )
    for tenant, part in (("openai", "lab_share"), ("own", "(1 - lab_share)")):
        share = f"share_oracle * {part}"
        cells = {"driver": "capex_plan"} if tenant == "own" else {"driver": "capex_plan", "tenant": tenant}
        for stage, rank, more, remark in stages:
            build.flow(
                f"{stage}_oracle_{tenant}: oracle > nvidia",
                "capex",
                f"amount = {share}; life = server_life_oracle; relet_price = relet_price"
                f"{more.format(share=share)}{remark}",
                rank=rank,
                **cells,
            )
    build.memo(
        "sites_oracle_leased", "amount = oracle_capacity -- gigawatts of sites, ahead of the chips in them"
    )
    for period in range(int(build.figures["oracle_lag"] + build.figures["oracle_ramp"])):
        ramp = f"({period} - oracle_lag + oracle_lease_lead + 1) / oracle_ramp"
        build.schedule("sites_oracle_leased", period, f"oracle_capacity * min(1, max(0, {ramp})) * quarter")
    build.flow(
        "lease_oracle: oracle > outside",
        "rent",
        f"amount = lease_per_gw; {SUCCESSOR}",
        driver="sites_oracle_leased",
    )
    build.flow(
        "contract_oracle_openai: openai > oracle",
        "rent",
        f"amount = rent_per_gw; {RELET} -- OpenAI's commitment over the contract's years",
        driver="usage_oracle_capacity_openai",
    )
    build.flow(
        "services_oracle_capacity: outside > oracle",
        "revenue",
        "amount = rent_per_gw * (1 - lab_share)",
        driver="usage_oracle_capacity",
    )
    build.sensitivity("services_oracle_capacity", compute_price="spot_price")


def _memos(build: Builder) -> None:
    """Lines beside the cash: stated run rates, the sector's hurdles, Microsoft's last reported year."""
    for name in ("microsoft", "amazon"):
        build.memo(
            f"run_rate_{name}",
            f"amount = {name}_ai_run_rate / opening_capacity -- stated sales for each "
            "gigawatt, as if price and use stayed",
            driver="capacity_in_use",
        )
    for name, figure in (("break_even", "break_even_revenue"), ("profit", "profitable_revenue")):
        build.memo(
            f"hurdle_{name}",
            f"amount = {figure} / quarter; end = 0 -- all in the first quarter: no cost, a mark",
        )
    build.memo("stabilising_stream", "amount = aws_revenue -- another AWS")
    build.memo("fy2025_inference", "amount = microsoft_openai_inference_revenue; end = 3")
    build.memo("fy2025_openai_revenue", "amount = openai_revenue_2024; end = 3")
    build.memo("fy2025_revenue_share", "amount = revenue_share", driver="fy2025_openai_revenue")
    build.memo(
        "fy2025_other",
        "amount = microsoft_ai_revenue_fy2025 - microsoft_openai_inference_revenue - "
        "microsoft_openai_revenue_share; end = 3",
    )
    build.memo("fy2025_capex", "amount = microsoft_capex_fy2025; end = 3")
