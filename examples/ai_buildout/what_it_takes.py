"""What would it take? The questions of the README's section of that name, answered.

python examples/ai_buildout/what_it_takes.py [PATHS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

import gpustress as gs
from gpustress.dates import period_label
from gpustress.sampling import mean_with_error

HERE = Path(__file__).parent
TRILLION = 1e12
FROM_CUSTOMERS = ("services_microsoft", "services_google", "services_amazon", "services_meta", "services_oracle",
                  "services_oracle_capacity", "services_coreweave", "copilot", "revenue_openai",
                  "revenue_anthropic")  # fmt: skip
PLANNED_PAYBACK = 27  # the fourth quarter of 2032


def revenue_needed(system: gs.System, measure: str, figure: str, paths: int, seed: int) -> gs.ReverseStress:
    """The share by which all that end customers pay has to rise until a measure breaks even."""
    direction = {f"flow.{name}.scale": 1.0 for name in FROM_CUSTOMERS}
    return gs.reverse_stress(system, direction, bounds=(-0.5, 6.0), measure=measure, figure=figure, target=0.0,
                             op="scale", paths=paths, seed=seed)  # fmt: skip


def another_aws(system: gs.System, paths: int, seed: int) -> str:
    """What 128e9 a year more changes, on the same paths."""
    run = gs.simulate(system, gs.Scenarios(pa.table({"scenario": ["base"]})), paths=paths, seed=seed)
    before, after = run.measures["ai_net"], run.measures["ai_net_stabilised"]
    added, error = mean_with_error((after.npv - before.npv)[0] / TRILLION)
    paid = [100 * float(np.mean(measure.payback < run.periods)) for measure in (before, after)]
    return (f"128e9 a year adds {added:.3f} ± {error:.4f} trillion of net present value; ai_net pays back by 2035 in "
            f"{paid[0]:.1f} % of the paths without it and {paid[1]:.1f} % with it")  # fmt: skip


def payback_of_oracle(system: gs.System, paths: int, seed: int) -> str:
    """When Oracle's capacity has paid back, by share of paths."""
    run = gs.simulate(system, gs.Scenarios(pa.table({"scenario": ["base"]})), paths=paths, seed=seed)
    payback = run.measures["oracle_capacity"].payback[0]
    shares = []
    for year in range(2031, 2036):
        last = 4 * (year - 2026) + 3
        share = float(np.mean(payback <= last))
        shares.append(f"by {year} {100 * share:.1f} ± {100 * np.sqrt(share * (1 - share) / paths):.1f} %")
    return "Oracle's capacity has paid back " + ", ".join(shares)


def planned_world(system: gs.System) -> pa.Table:
    """Factor paths without shocks: demand along its drift, prices and rates from today to their means."""
    years = (np.arange(system.settings.periods) + 1) * system.settings.period_years
    columns: dict[str, np.ndarray] = {}
    for row in system.tables["factors"].to_pylist():
        start, mean = row["initial"], row["initial"] if row["mean"] is None else row["mean"]
        if row["process"] == "gbm":
            values = start * np.exp(row["drift"] * years)
        elif row["process"] == "log_ou":
            values = mean * (start / mean) ** np.exp(-row["reversion"] * years)
        else:
            values = mean + (start - mean) * np.exp(-row["reversion"] * years)
        columns[row["name"]] = np.tile(values, 2)
    periods = np.arange(system.settings.periods)
    return pa.table({"path": np.repeat([0, 1], len(periods)), "period": np.tile(periods, 2), **columns})


def without_hazards(system: gs.System) -> list[dict[str, object]]:
    """Rows of a scenario in which nobody fails but by liquidity or solvency."""
    return [{"scenario": "planned", "parameter": f"entity.{name}.hazard", "op": "set", "value": 0.0}
            for name in system.entity_names]  # fmt: skip


def price_of_first_failure(system: gs.System) -> gs.ReverseStress:
    """The share of its planned path to which the price of compute may fall, in a world without shocks."""
    rows = without_hazards(system)
    scenarios = pa.table({name: [row[name] for row in rows] for name in rows[0]})
    return gs.reverse_stress(system, "factor.compute_price.value", op="scale", bounds=(0.01, 2.0), points=21,
                             statistic="failure_probability", entity="any", target=0.5, scenarios=scenarios,
                             scenario="planned", factors=planned_world(system), paths=2)  # fmt: skip


def price_of_probable_failure(system: gs.System, paths: int, seed: int) -> gs.ReverseStress:
    """The same with all shocks: where it is as likely as not that somebody fails within five years."""
    given = {"entity": "any", "statistic": "failure_probability", "target": 0.5, "horizon": 5.0}
    return gs.reverse_stress(system, "factor.compute_price.value", op="scale", bounds=(0.05, 2.0), paths=paths,
                             seed=seed, **given)  # fmt: skip


def likeliest_failure(system: gs.System, entity: str, horizon: float | None = None) -> gs.LikeliestPoint:
    """The likeliest shocks of all factors on which somebody fails, without credit events."""
    return gs.likeliest_point(system, entity=entity, horizon=horizon)


def likeliest_break_even(system: gs.System) -> gs.LikeliestPoint:
    """The likeliest shocks with which the five's own cash breaks even by 2035."""
    return gs.likeliest_point(system, measure="ai_net", figure="total", target=0.0)


def answers(paths: int, seed: int = 1) -> list[str]:
    """Every answer as a line."""
    system = gs.read_system(HERE)
    lines = []
    for measure, figure in (("break_even", "total"), ("profitable", "total"), ("ai_net", "total"), ("ai_net", "npv"),
                            ("ai_net_stabilised", "total")):  # fmt: skip
        found = revenue_needed(system, measure, figure, paths, seed)
        lines.append(f"{measure} {figure}: {multiple(found)}")
    lines.append(another_aws(system, paths, seed))
    lines.append(payback_of_oracle(system, paths, seed))
    found = gs.reverse_stress(system, "flow.contract_oracle_openai.scale", bounds=(0.5, 3.0), points=21,
                              measure="oracle_capacity", figure="payback", statistic="quantile", level=0.5,
                              target=PLANNED_PAYBACK, paths=paths, seed=seed)  # fmt: skip
    label = period_label(system.settings, PLANNED_PAYBACK)
    lines.append(f"price of the contract at which the median payback is {label}: {found.answer}")
    lines.append(f"price of compute, no shocks: {price_of_first_failure(system).answer}")
    lines.append(f"price of compute, with shocks: {price_of_probable_failure(system, paths, seed).answer}")
    ways = [
        likeliest_failure(system, "any", 5.0),
        likeliest_failure(system, "oracle"),
        likeliest_break_even(system),
    ]
    lines += [f"likeliest way: {way.answer}" for way in ways]
    return lines


def multiple(found: gs.ReverseStress) -> str:
    """The multiple of what end customers pay, or what the answer is where there is none."""
    if found.root is None:
        return found.answer
    return f"{1 + found.root:.3f} [{1 + found.low:.3f}, {1 + found.high:.3f}] times what end customers pay"


if __name__ == "__main__":
    print("\n".join(answers(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)))
