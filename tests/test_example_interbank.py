"""The interbank example: its figures are those of slow computations, and its page quotes what it prints."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import csv

import gpustress as gs

EXAMPLE = Path(__file__).parent.parent / "examples" / "interbank"


@pytest.fixture(scope="module")
def systemic() -> Any:
    """The example's module, found by its path: an example is no package."""
    spec = importlib.util.spec_from_file_location("systemic", EXAMPLE / "systemic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["systemic"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(systemic: Any) -> Any:
    return systemic.find()


def test_totals_say_that_they_are_made_up_and_agree() -> None:
    totals = csv.read_csv(EXAMPLE / "totals.csv").to_pandas()
    assert set(totals["source"]) == {"made for this example: see README"}
    assert totals["owed"].sum() == pytest.approx(totals["due"].sum(), rel=1e-14)
    assets = totals["external_assets"] + totals["due"]
    rank = np.arange(1, len(totals) + 1)
    assert assets.to_numpy() == pytest.approx(1200 / rank**0.95, abs=0.51)
    assert totals["equity"].to_numpy() == pytest.approx(
        (assets - totals["owed"] - totals["external_liabilities"]).to_numpy(), abs=1e-9
    )
    for column, low, high in (("due", 0.02, 0.08), ("owed", 0.02, 0.08), ("equity", 0.055, 0.085)):
        share = (totals[column] / assets).to_numpy()
        assert share.min() >= low - 1e-3
        assert share.max() <= high + 1e-3


def test_each_network_has_the_totals(found: Any) -> None:
    totals = csv.read_csv(EXAMPLE / "totals.csv").to_pandas()
    assert len({net.digest for net in found.networks}) == 100
    for net in found.networks:
        debts = net.to_dense()
        assert debts.sum(axis=1) == pytest.approx(totals["owed"].to_numpy(), rel=1e-9)
        assert debts.sum(axis=0) == pytest.approx(totals["due"].to_numpy(), rel=1e-9)
    links = np.mean([len(net.amount) for net in found.networks])
    assert links == pytest.approx(0.15 * 24 * 23, rel=0.1)


def test_impact_is_the_papers_equation_run_to_rest(found: Any) -> None:
    """Bardoscia et al. (2015): h(t+1) = min(1, h(t) + L (h(t) - h(t-1)))."""
    for place in (0, 57):
        net = found.networks[place]
        debts = net.to_dense()
        relative, value = debts.T / net.equity[:, None], debts.sum(axis=0) / debts.sum()
        for bank in range(len(net.names)):
            h = difference = np.eye(len(net.names))[bank]
            while difference.max() > 1e-15:
                difference = np.minimum(1.0 - h, relative @ difference)
                h = h + difference
            assert found.impact[place, bank] == pytest.approx(value @ h - value[bank], abs=1e-11)


def test_defaults_are_those_of_plain_updates_from_above(found: Any, systemic: Any) -> None:
    """Rogers and Veraart (2013), one shock at a time on the dense matrix."""
    net, banks = found.networks[31], len(found.networks[31].names)
    debts = net.to_dense()
    owed = debts.sum(axis=1) + net.external_liabilities
    assert len(found.shocks) == 500
    defaults, by_contagion = np.zeros(banks), np.zeros(banks)
    for left in found.shocks:
        paid = owed.copy()
        first = None
        while True:
            has = left + (paid / owed) @ debts
            short = has < owed
            first = short if first is None else first
            after = np.where(short, systemic.COSTS * has, owed)
            if abs(after - paid).max() < 1e-12:
                break
            paid = after
        defaults += short
        by_contagion += short & ~first
    assert found.defaults[31] == pytest.approx(defaults / 500)
    assert found.by_contagion[31] == pytest.approx(by_contagion / 500)
    assert by_contagion.any()


def test_losses_have_the_mean_and_the_correlation_that_the_page_says(systemic: Any) -> None:
    lost = systemic.losses(20_000, 24, 1)
    assert lost.mean() == pytest.approx(0.03, rel=0.02)
    assert np.corrcoef(np.log(lost), rowvar=False)[0, 1:].mean() == pytest.approx(0.6, abs=0.02)


def test_the_page_quotes_what_the_example_prints(found: Any, systemic: Any) -> None:
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    table = page.partition("<!-- systemic.py -->\n\n")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) == 5
    assert set(table) <= set(systemic.report(found).splitlines())
    impact, names = np.median(found.impact, axis=0), found.networks[0].names
    order = [names[bank] for bank in np.argsort(-impact)]
    assert order[:2] == ["Aldergate", "Calderon"]
    assert order.index("Thornbury") >= 12
    assert np.argmax(found.defaults.mean(axis=0)) == names.index("Thornbury")


def test_the_picture_is_drawn(found: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    from picture import draw  # type: ignore[import-not-found]

    draw(found, str(tmp_path / "systemic.png"))
    assert (tmp_path / "systemic.png").read_bytes().startswith(b"\x89PNG")
    assert (EXAMPLE / "systemic.png").stat().st_size < 150_000


def test_its_folder_is_one_for_the_command_line(call: Any, tmp_path: Path, systemic: Any, found: Any) -> None:
    options = ("--method", "fitness", "--density", systemic.DENSITY, "--seed", systemic.SEED)
    code, _, err = call("network", "reconstruct", EXAMPLE, *options, "--out", tmp_path / "net")
    assert (code, err) == (0, f"Written to {tmp_path / 'net'}\n")
    assert gs.read_network(tmp_path / "net") == found.networks[0]
