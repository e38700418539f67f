"""Three firms: the numbers that the example's README works out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gpustress as gs

if TYPE_CHECKING:
    import numpy as np

EXAMPLE = Path(__file__).parent.parent / "examples" / "three_firms"
RECORD = ["cash:lab", "cash:cloud", "cash:bank", "flow:rent", "flow:machines", "flow:mortgage.principal",
          "measure:cloud_net", "measure:cloud_loss", "estate"]  # fmt: skip
SURVIVED = 5


@pytest.fixture(scope="module")
def run() -> gs.Result:
    return gs.simulate(
        gs.read_system(EXAMPLE), paths=1, effects=["first_round", "full"], record=RECORD, backend="numpy"
    )


def series(run: gs.Result, name: str, scenario: str) -> np.ndarray:
    values: np.ndarray = run.series[name][run.scenarios.index(scenario), 0]
    return values


def fate(run: gs.Result, scenario: str) -> dict[str, tuple[int, str]]:
    s = run.scenarios.index(scenario)
    causes = [gs.schema.CAUSES[cause] for cause in run.cause[s, 0]]
    return dict(zip(run.entities, zip(map(int, run.failed_at[s, 0]), causes, strict=True), strict=True))


def test_the_labs_failure_takes_the_cloud_and_its_bank_along(run: gs.Result) -> None:
    assert fate(run, "base/full") == {
        "lab": (2, "liquidity"), "cloud": (3, "liquidity"), "bank": (3, "solvency")
    }  # fmt: skip
    assert series(run, "cash:lab", "base/full") == pytest.approx([30, 10, 0, 0, 0])
    assert series(run, "cash:cloud", "base/full") == pytest.approx([60, 95, 109, 0, 0])
    assert series(run, "cash:bank", "base/full") == pytest.approx([40, 50, 60, 0, 0])
    assert series(run, "flow:rent", "base/full") == pytest.approx([120, 120, 99, 0, 60])
    repaid = series(run, "flow:mortgage.principal", "base/full")
    assert repaid == pytest.approx([0, 0, 0, 150 * 58.1 / 165, 0])
    assert series(run, "estate", "base/full") == pytest.approx([0, 0, 11, 10.9 + 113.1, 0])


def test_the_measures_of_the_base_case(run: gs.Result) -> None:
    assert series(run, "measure:cloud_net", "base/full") == pytest.approx([50, 50, 29, -40, 60])
    assert series(run, "measure:cloud_loss", "base/full") == pytest.approx([0, 10, 50, 15, 10])
    s = run.scenarios.index("base/full")
    net = run.measures["cloud_net"]
    assert net.total[s, 0] == pytest.approx(149)
    assert net.npv[s, 0] == pytest.approx(118.49968)
    assert net.trough[s, 0] == pytest.approx(50)
    assert net.payback[s, 0] == 0


def test_alone_only_the_lab_fails(run: gs.Result) -> None:
    assert fate(run, "base/first_round") == {
        "lab": (2, "liquidity"), "cloud": (SURVIVED, "none"), "bank": (SURVIVED, "none")
    }  # fmt: skip
    assert series(run, "cash:cloud", "base/first_round") == pytest.approx([60, 95, 130, 20, 70])
    assert series(run, "cash:bank", "base/first_round") == pytest.approx([40, 50, 60, 220, 215])
    assert series(run, "flow:machines", "base/first_round") == pytest.approx([30, 30, 30, 25, 30])


def test_with_better_sales_nobody_fails(run: gs.Result) -> None:
    assert all(when == SURVIVED for when, _ in fate(run, "better_sales/full").values())
    assert series(run, "cash:lab", "better_sales/full") == pytest.approx([50, 50, 50, 50, 50])
    assert series(run, "cash:cloud", "better_sales/full") == pytest.approx([60, 95, 130, 20, 70])
    assert series(run, "estate", "better_sales/full") == pytest.approx([0, 0, 0, 0, 0])


def test_a_lab_that_closes_early_still_brings_both_down(run: gs.Result) -> None:
    assert fate(run, "lab_closes/full") == {
        "lab": (1, "imposed"), "cloud": (3, "liquidity"), "bank": (3, "solvency")
    }  # fmt: skip
    assert series(run, "cash:cloud", "lab_closes/full") == pytest.approx([60, 5, 10, 0, 0])
    assert series(run, "cash:bank", "lab_closes/full") == pytest.approx([40, 50, 60, 0, 0])
    assert series(run, "flow:rent", "lab_closes/full") == pytest.approx([120, 0, 60, 60, 60])
    assert series(run, "measure:cloud_loss", "lab_closes/full") == pytest.approx([0, 10 + 10, 5, 5, 0])
    repaid = series(run, "flow:mortgage.principal", "lab_closes/full")
    assert repaid == pytest.approx([0, 0, 0, 150 * 23 / 165, 0])
    assert series(run, "estate", "lab_closes/full") == pytest.approx([0, 30, 0, 7 + 78, 0])


def test_the_readers_book(run: gs.Result) -> None:
    loss = gs.losses(run, run.system.tables["positions"])
    assert loss[run.scenarios.index("base/full"), 0] == pytest.approx((10 * 0.6 + 5) / 1.1**4)
    assert loss[run.scenarios.index("base/first_round"), 0] == 0.0
    assert loss[run.scenarios.index("better_sales/full"), 0] == 0.0
