"""The example's script of reverse stress: it runs, and its answers are those of the README but for fewer paths."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import gpustress as gs

EXAMPLE = Path(__file__).parents[1] / "examples" / "ai_buildout"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(EXAMPLE), *sys.path])
    import what_it_takes

    return what_it_takes


def test_the_readmes_multiple_of_revenue_lies_in_the_interval_of_fewer_paths(script) -> None:
    readme = " ".join((EXAMPLE / "README.md").read_text(encoding="utf-8").split())
    told = re.search(r"`ai_net`, .*? breaks even only at ([\d.]+) times", readme)
    assert told
    found = script.revenue_needed(gs.read_system(EXAMPLE), "ai_net", "total", 300, 1)
    assert 1 + found.low < float(told[1]) < 1 + found.high


def test_without_shocks_the_first_failure_is_where_the_readme_has_it(script) -> None:
    system = gs.read_system(EXAMPLE)
    readme = " ".join((EXAMPLE / "README.md").read_text(encoding="utf-8").split())
    told = re.search(r"below ([\d.]+) % of its planned path", readme)
    assert told
    found = script.price_of_first_failure(system)
    assert float(told[1]) == pytest.approx(100 * found.root, abs=0.05)
    assert found.unstressed_value == 0.0


def test_the_likeliest_failure_of_oracle_is_as_far_off_as_the_readme_has_it(script) -> None:
    readme = " ".join((EXAMPLE / "README.md").read_text(encoding="utf-8").split())
    told = re.search(r"on which Oracle fails is ([\d.]+) standard deviations", readme)
    assert told
    found = script.likeliest_failure(gs.read_system(EXAMPLE), "oracle")
    assert float(told[1]) == pytest.approx(found.distance, abs=0.005)
    assert "in 2031Q3" in found.answer


def test_the_planned_world_is_what_the_factors_do_without_shocks(script) -> None:
    """Against the model itself, its volatilities set to 0; demand, which jumps, by its drift alone."""
    system = gs.read_system(EXAMPLE)
    still = [{"scenario": "still", "parameter": f"factor.{name}.volatility", "op": "set", "value": 0.0}
             for name in system.factor_names]  # fmt: skip
    scenarios = pa.table({name: [row[name] for row in still] for name in still[0]})
    record = [f"factor:{name}" for name in ("compute_price", "power_price", "borrowing_cost")]
    run = gs.simulate(system, scenarios, paths=1, effects="none", record=record)
    planned = script.planned_world(system)
    for name in record:
        values = planned[name.removeprefix("factor:")].to_numpy()[: run.periods]
        assert run.series[name][0, 0] == pytest.approx(values, rel=1e-12)
