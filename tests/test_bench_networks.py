"""The bench of networks compares what does the same. Nothing here times anything."""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import gpustress as gs
from bench import networks, spreading
from bench.compiled import compiler
from bench.network_peers import Dense, Neva, Scipy, Updates
from needs import require


@pytest.fixture
def net() -> gs.Network:
    return networks.random_network(60)


def test_peers_and_backends_clear_alike(net: gs.Network) -> None:
    shocks = networks.random_shocks(net, 20)
    ours = gs.clear(net, shocks)
    assert 0.05 < ours.defaulted.mean() < 0.6, "a job in which nobody defaults, or everybody, shows little"
    found = {name: clear(net, shocks) for name, clear in networks.clearing_backends().items()}
    assert "numpy" in found
    peers = {"scipy": Scipy(net), "updates": Updates(net), "dense": Dense(net)}
    found |= {name: peer.clear(shocks).payments for name, peer in peers.items()}
    networks.check_agreement(net, {"ours": ours.payments} | found)
    with pytest.raises(RuntimeError, match="scipy and ours differ by"):
        networks.check_agreement(net, {"ours": ours.payments, "scipy": found["scipy"] * (1.0 + 1e-9)})


def test_the_peer_does_and_reaches_what_ours_does(net: gs.Network) -> None:
    shocks = networks.random_shocks(net, 20)
    ours, theirs = gs.clear(net, shocks), Scipy(net).clear(shocks)
    assert ours.rounds.max() > 1
    assert (theirs.round == ours.round).all()
    largest = float((net.liabilities.sum(axis=1) + net.external_liabilities).max())
    assert (
        np.abs(theirs.payments - ours.payments).max(axis=1) <= theirs.error_bound + ours.error_bound
    ).all()
    assert (theirs.error_bound <= 1e-12 * largest).all()


def test_updates_are_counted_until_no_payment_moves(net: gs.Network) -> None:
    """A chain of four, all short: the last payment moves in update 3, and update 4 finds that."""
    chain = gs.Network(
        {"debtor": ["a", "b", "c"], "creditor": ["b", "c", "d"], "amount": [2.0, 2.0, 2.0]},
        {"name": ["a", "b", "c", "d"], "external_assets": [1.0, 0.0, 0.0, 0.0]},
    )
    found = Updates(chain).clear(np.array([[1.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]]))
    assert found.updates.tolist() == [4, 1]
    assert found.payments.tolist() == [[1.0, 1.0, 1.0, 0.0], [2.0, 2.0, 2.0, 0.0]]


def test_peers_and_backends_let_losses_spread_alike(net: gs.Network, monkeypatch: pytest.MonkeyPatch) -> None:
    each = sparse.eye_array(60, format="csr", dtype=bool)
    for kind in spreading.KINDS:
        spreading.check(net, kind, each)
        reached = len(spreading.ask(kind, net, each).outcome.node)
        assert 120 < reached <= 3600, "a job in which nothing spreads shows little"
    plain = spreading.ScipySpreading.debtrank
    monkeypatch.setattr(spreading.ScipySpreading, "debtrank", lambda *asked: plain(*asked) * (1.0 + 1e-8))
    with pytest.raises(RuntimeError, match="debtrank on numpy and scipy differ by"):
        spreading.check(net, "debtrank", each)


def test_neva_is_handed_the_same_network(net: gs.Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with the names that the package has: banks, debts and valuation function as we give them."""

    class Bank:
        def __init__(self, extasset: float, extliab: float, ibliabtot: float, name: str):
            self.extasset, self.extliab, self.ibliabtot, self.name = extasset, extliab, ibliabtot, name
            self.ibasset: list[tuple[Bank, float]] = []
            self.equity = 0.0
            self.ibeval: Any = None

        def get_naiveequity(self) -> float:
            return self.extasset - self.extliab - self.ibliabtot + sum(amount for _, amount in self.ibasset)

    class BankingSystem:
        def __init__(self, banks: list[Bank], tol: float, maxiter: int):
            self.banks, self.updates = banks, maxiter // 1000

        def fixedpoint_equity(self) -> None:
            for _ in range(self.updates):
                worth = {id(bank): bank.ibeval(bank.equity) for bank in self.banks}
                for bank in self.banks:
                    claims = sum(amount * worth[id(debtor)] for debtor, amount in bank.ibasset)
                    bank.equity = bank.extasset - bank.extliab - bank.ibliabtot + claims

        def get_equity(self) -> list[float]:
            return [bank.equity for bank in self.banks]

    def eisenberg_noe(equity: float, total: float) -> float:
        return 1.0 if equity > 0.0 else max((equity + total) / total, 0.0)

    package = ModuleType("neva")
    package.BankingSystem = BankingSystem  # type: ignore[attr-defined]
    for name, module in (
        ("neva", package),
        ("neva.bank", SimpleNamespace(Bank=Bank)),
        ("neva.ibeval", SimpleNamespace(eisenberg_noe=eisenberg_noe)),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    shock = networks.random_shocks(net, 3)[2]
    neva = Neva(net)
    exact = gs.clear(net, shock).payments[0]
    assert neva.payments(neva.system(shock)) == pytest.approx(exact, abs=1e-12 * exact.max())
    found = networks.one_shock(1)
    assert (found.neva_installed, set(found.seconds)) == (True, {*networks.clearing_backends(), "neva"})


def test_the_bench_prints_a_table_and_a_line_of_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    require("compiler", compiler())
    monkeypatch.setitem(sys.modules, "neva", None)
    networks.main(["--nodes", "30", "40", "--shocks", "6", "--turns", "1", "--seconds", "0.01"])
    *table, line = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    backends = list(networks.clearing_backends())
    assert [size["nodes"] for size in told["sizes"]] == [30, 40]
    for size in told["sizes"]:
        assert set(size["seconds"]) == {*backends, *networks.PEERS}
        assert set(size["bandwidth_share"]) == set(backends)
    kinds = [(row["kind"], row["nodes"], row["shocks"]) for row in told["spreading"]]
    assert kinds == [(kind, nodes, 6) for nodes in (30, 40) for kind in ("cascade", "debtrank")]
    assert all(set(row["seconds"]) == {*spreading.spreading_backends(), "scipy"} for row in told["spreading"])
    assert table[2].startswith("| 30 | ")
    assert "neva 1.70 ms (quoted: it is not installed)" in table[-1]
