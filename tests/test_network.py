"""Networks: what they take, what they refuse, and what they become."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

import gpustress as gs
from build import Row, entity, flow, small

NODES = {"name": ["a", "b", "c"], "external_assets": [1.0, 2.0, 3.0], "external_liabilities": [0.5, 0.0, 4.0]}
EDGES = {"debtor": ["c", "a", "b"], "creditor": ["a", "b", "c"], "amount": [3.0, 1.0, 2.0]}


def problems(edges: Any, nodes: Any = NODES) -> list[tuple[str, int | None, str | None, str]]:
    with pytest.raises(gs.InputError) as refused:
        gs.Network(edges, nodes)
    return [(p.table, p.row, p.column, p.message) for p in refused.value.problems]


def test_a_network_is_sparse_both_ways() -> None:
    net = gs.Network(EDGES, NODES)
    assert net.names == ("a", "b", "c")
    assert net.to_dense().tolist() == [[0, 1, 0], [0, 0, 2], [3, 0, 0]]
    assert (net.claims.toarray() == net.to_dense().T).all()
    assert net.debtor.tolist() == [0, 1, 2]
    assert net.creditor.tolist() == [1, 2, 0]
    assert net.equity.tolist() == [1 + 3 - 0.5 - 1, 2 + 1 - 2, 3 + 2 - 4 - 3]


@pytest.mark.parametrize("make", [pa.table, pl.DataFrame, lambda columns: pa.table(columns).to_pandas()])
def test_whatever_speaks_arrow_makes_the_same_network(make: Any) -> None:
    assert gs.Network(make(EDGES), make(NODES)) == gs.Network(EDGES, NODES)


def test_a_given_equity_stands_and_a_missing_one_is_assets_less_liabilities() -> None:
    net = gs.Network(EDGES, NODES | {"equity": [7.0, None, -2.0]})
    assert net.equity.tolist() == [7.0, 1.0, -2.0]


def test_repeated_edges_are_added_up_with_a_warning() -> None:
    edges = {name: values + values[:1] for name, values in EDGES.items()}
    with pytest.warns(gs.InputWarning, match=r"`edges`, row 4.*same debtor, creditor and rank as in row 1"):
        net = gs.Network(edges, NODES)
    assert net.to_dense()[2, 0] == 6.0
    assert len(net.amount) == 3


def test_debts_of_several_ranks_are_no_repetition() -> None:
    net = gs.Network({"debtor": ["a", "a"], "creditor": ["b", "b"], "amount": [1, 2], "rank": [5, 1]}, NODES)
    assert net.rank.tolist() == [1, 5]
    assert net.amount.tolist() == [2.0, 1.0]
    assert net.to_dense()[0, 1] == 3.0


def test_an_edge_of_nothing_is_left_out() -> None:
    net = gs.Network({"debtor": ["a", "b"], "creditor": ["b", "c"], "amount": [0.0, 1.0]}, NODES)
    assert net.to_scipy().nnz == len(net.amount) == 1


def test_a_network_without_edges() -> None:
    net = gs.Network(None, NODES)
    assert net.to_dense().sum() == 0.0
    assert net.equity.tolist() == [0.5, 2.0, -1.0]


def test_all_faults_are_reported_together() -> None:
    edges = {
        "debtor": ["a", "x", "b", "c", None],
        "creditor": ["a", "b", "c", "a", "b"],
        "amount": [1.0, -1.0, float("nan"), None, float("inf")],
        "rank": [0, -1, 0, 0.5, 0],
    }
    nodes = {
        "name": ["a", "b", "b", "c"],
        "external_assets": [-1.0, 0.0, 0.0, 0.0],
        "equity": [1e101, 0, 0, 0],
    }
    found = problems(edges, nodes)
    assert {
        ("nodes", 0, "external_assets", "is too small"),
        ("nodes", 0, "equity", "is too large"),
        ("nodes", 2, "name", "the same name as in row 2"),
        ("edges", 0, "creditor", "is the debtor itself"),
        ("edges", 1, "debtor", "names no node"),
        ("edges", 1, "amount", "is too small"),
        ("edges", 2, "amount", "is not a finite number"),
        ("edges", 3, "amount", "is empty"),
        ("edges", 4, "amount", "is not a finite number"),
        ("edges", 4, "debtor", "is empty"),
        ("edges", 1, "rank", "is too small"),
        ("edges", 3, "rank", "is not a whole number"),
    } == set(found)


@pytest.mark.parametrize(
    ("edges", "nodes", "fault"),
    [
        (5, NODES, ("edges", None, None, "is no table but a `int`")),
        (EDGES, {"name": []}, ("nodes", None, None, "has no rows")),
        (EDGES, None, ("nodes", None, None, "has no rows")),
        ({"debtor": ["a"], "creditor": ["b"]}, NODES, ("edges", None, "amount", "the column is missing")),
        (EDGES | {"lender": ["a"] * 3}, NODES, ("edges", None, "lender", "there is no such column")),
        (EDGES, {"name": ["a", "b", None]}, ("nodes", 2, "name", "is empty")),
        (EDGES | {"debtor": [1, 2, 3]}, NODES, ("edges", None, "debtor", "is not text")),
    ],
)
def test_a_table_at_fault_is_named(
    edges: Any, nodes: Any, fault: tuple[str, int | None, str | None, str]
) -> None:
    assert fault in problems(edges, nodes)


def test_an_unknown_name_gets_the_nearest_as_remedy() -> None:
    with pytest.raises(gs.InputError, match="Did you mean `bank_one`"):
        gs.Network({"debtor": ["bank_on"], "creditor": ["b"], "amount": [1]}, {"name": ["bank_one", "b"]})


def test_a_network_does_not_change() -> None:
    net = gs.Network(EDGES, NODES)
    with pytest.raises(AttributeError):
        net.names = ("x",)  # type: ignore[misc]
    for array in (net.amount, net.equity, net.external_assets, net.liabilities.data, net.claims.data):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9.0
    own = net.to_scipy()
    own.data[:] = 0.0
    assert net.to_dense().sum() == 6.0


def test_copies_are_equal_and_read_only_too() -> None:
    net = gs.Network(EDGES, NODES)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other == net
        assert hash(other) == hash(net)
        assert not other.amount.flags.writeable


def test_the_digest_stands_for_every_name_and_number_and_not_for_the_order_of_edges() -> None:
    digest = gs.Network(EDGES, NODES).digest
    assert gs.Network({name: values[::-1] for name, values in EDGES.items()}, NODES).digest == digest
    others = [(EDGES | {"amount": [3.0, 1.0, 2.5]}, NODES), (EDGES | {"rank": [0, 0, 1]}, NODES),
              (EDGES, NODES | {"external_rank": [1, 0, 0]}), (EDGES, NODES | {"equity": [0, 0, 0]}),
              (EDGES, NODES | {"external_assets": [1.0, 2.0, 3.5]})]  # fmt: skip
    digests = {gs.Network(*other).digest for other in others}
    assert len(digests | {digest}) == 6


# ------------------------------------------------------------------------------ conversions


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.coo_array, sparse.csc_matrix, np.array])
def test_a_matrix_and_its_network_are_the_same(form: Any) -> None:
    matrix = [[0, 1, 0], [0, 0, 2], [3, 0, 0]]
    columns = {name: NODES[name] for name in ("external_assets", "external_liabilities")}
    net = gs.Network.from_scipy(form(matrix), ["a", "b", "c"], **columns)
    assert net == gs.Network(EDGES, NODES)
    back = net.to_scipy()
    assert back.format == "csr"
    assert back.toarray().tolist() == matrix


def test_entries_that_scipy_holds_twice_are_their_sum_without_a_warning() -> None:
    net = gs.Network.from_scipy(sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 2)))
    assert net.names == ("0", "1")
    assert net.amount.tolist() == [3.0]


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        ([[0, 1]], None, "`matrix`: is not square"),
        ("text", None, "`matrix`: is no array of numbers"),
        ([[0, -1], [0, 0]], ["a", "b"], r"`matrix`, row 1, column `b`: is negative \(value -1.0\)"),
        ([[0, np.inf], [0, 0]], None, "`matrix`, row 1, column `1`: is not a finite number"),
        ([[0, 1e101], [0, 0]], None, "is too large"),
        ([[0, 0], [0, 4]], None, "`matrix`, row 2, column `1`: stands on the diagonal"),
        ([[0, 1], [0, 0]], ["a"], "`names`: are 1 names"),
        ([[0, 1], [0, 0]], ["a", "a"], "the same name as in row 1"),
        (-np.ones((9, 9)), None, "71 more: is negative"),
        (np.array([[0, 1j], [0, 0]]), None, "`matrix`: is no array of numbers"),
        (sparse.csr_array([[0, 1j], [0, 0]]), None, "`matrix`: is no matrix of numbers"),
        (np.ma.masked_equal([[0, 1], [2, 0]], 2), None, "`matrix`: is no array of numbers"),
        (np.array([[0, 5], [3, 0]], "m8[D]"), None, "`matrix`: is no array of numbers"),
        (np.zeros((2, 2), [("amount", float)]), None, "`matrix`: is no array of numbers"),
        ([[0, 10**400], [0, 0]], None, "`matrix`: is no array of numbers"),
        (np.array([[0, None], [0, 0]], object), None, "`matrix`, row 1, column `1`: is not a finite number"),
        ([[0, 1], [0, 0]], [1, 2], "`names`: are no list of text"),
        ([[0, 1], [0, 0]], 7, "`names`: are no list of text"),
        ([[0, 1], [0, 0]], {"a", "b"}, "`names`: are no list of text"),
        ([[0, 1], [0, 0]], ["a", "\ud800"], "`names`: are no list of text"),
        (pd.DataFrame([[0, 1], [0, 0]], ["a", "b"], ["b", "a"]), None, "has other names for its columns"),
    ],
)
def test_a_matrix_at_fault_is_refused(matrix: Any, names: Any, message: str) -> None:
    with pytest.raises(gs.InputError, match=message):
        gs.Network.from_scipy(matrix, names)


def test_a_graph_and_its_network_are_the_same() -> None:
    networkx = pytest.importorskip("networkx")
    net = gs.Network(EDGES, NODES | {"equity": [1.0, 2.0, 3.0], "external_rank": [0, 0, 1]})
    graph = net.to_networkx()
    assert isinstance(graph, networkx.DiGraph)
    assert not graph.is_multigraph()
    assert graph["c"]["a"]["weight"] == 3.0
    assert gs.Network.from_networkx(graph) == net
    ranked = gs.Network(
        {"debtor": ["a", "a"], "creditor": ["b", "b"], "amount": [1, 2], "rank": [0, 1]}, {"name": ["a", "b"]}
    )
    assert ranked.to_networkx().is_multigraph()
    assert gs.Network.from_networkx(ranked.to_networkx("owes"), "owes") == ranked


def test_a_graph_at_fault_is_refused() -> None:
    networkx = pytest.importorskip("networkx")
    with pytest.raises(gs.InputError, match="no directed graph"):
        gs.Network.from_networkx(networkx.path_graph(3))
    with pytest.raises(gs.InputError, match="no directed graph"):
        gs.Network.from_networkx([[0, 1], [0, 0]])
    with pytest.raises(gs.InputError, match=r"`edges`, row 1, column `amount`: is empty"):
        gs.Network.from_networkx(networkx.DiGraph([(0, 1)]))
    with pytest.raises(gs.InputError, match="`weight`: is no name of an attribute"):
        gs.Network.from_networkx(networkx.DiGraph([(0, 1)]), ["owes"])  # type: ignore[arg-type]
    for call in (
        lambda: gs.Network.from_networkx(networkx.DiGraph(), "rank"),
        lambda: gs.Network(EDGES, NODES).to_networkx("rank"),
    ):
        with pytest.raises(gs.InputError, match="`weight`: holds an edge's rank"):
            call()


def test_without_networkx_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="pip install networkx"):
        gs.Network(EDGES, NODES).to_networkx()


# ------------------------------------------------------------------------------- from a system


def lending() -> gs.System:
    """A borrows from B twice and from outside, fails in period 1; C holds shares of A and a claim on B."""
    loan: Row = {"borrower": "A", "lender": "B", "rate": 0.0, "years": 2.0, "amortisation": "linear"}
    return small(
        periods=3,
        entities=[
            entity("A", 60.0, other_debt=2.0),
            entity("B", 5.0, other_assets=11.0),
            entity("C", -3.0, credit_line=10.0),
        ],
        flows=[flow("plant", "B", None, 4.0, kind="capex", life=4.0, end=0)],
        loans=[loan | {"name": "one", "principal": 40.0}, loan | {"name": "two", "principal": 80.0},
               {"name": "bond", "borrower": "A", "principal": 30.0, "rate": 0.0, "years": 3.0}],
        exposures=[{"holder": "C", "issuer": "A", "amount": 10.0, "recovery": 0.2},
                   {"holder": "C", "issuer": "B", "amount": 7.0, "kind": "loan"}],
    )  # fmt: skip


def test_a_systems_network_is_its_balance_sheet_at_the_end_of_the_period() -> None:
    system = lending()
    run = gs.simulate(system, paths=2, seed=3)
    first = gs.Network.from_system(system, run, path=1, period=0)
    assert first.names == ("A", "B", "C")
    # A has repaid 60 of 120 to B, out of all of its cash; B has it, less the 4 of its plant, which it still holds.
    assert first.to_dense().tolist() == [[0, 60, 0], [0, 0, 7], [0, 0, 0]]
    assert first.external_assets.tolist() == [0.0, 5.0 + 60.0 - 4.0 + 11.0 + 4.0, 10.0]
    assert first.external_liabilities.tolist() == [2.0 + 30.0, 0.0, 3.0]
    later = gs.Network.from_system(system, run, path=1, period=1)
    assert run.failed_at[0, 1].tolist() == [1, 3, 3]
    assert later.to_dense().tolist() == first.to_dense().tolist()  # frozen, at face value
    assert later.external_assets.tolist() == [0.0, 61.0 + 11.0 + 3.0, 2.0]  # written off to the recovery


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run": None}, "`run`: is no result of a run"),
        ({"path": 2}, "`path`: is no path of the run"),
        ({"period": 3}, "`period`: is no period of the run"),
        ({"period": True}, "`period`: is no period of the run"),
        ({"scenario": "bad"}, "`scenario`: is no scenario of this run"),
        ({"system": "other"}, "`system`: is not the one that was run"),
    ],
)
def test_a_question_about_another_run_is_refused(change: dict[str, Any], message: str) -> None:
    system = lending()
    question = {"system": system, "run": gs.simulate(system, paths=2, seed=3), "path": 0, "period": 0}
    with pytest.raises(gs.InputError, match=message):
        gs.Network.from_system(**question | change)


def test_the_scenario_and_the_effects_are_those_of_the_run() -> None:
    system = lending()
    scenarios = {
        "scenario": ["rich", "poor"],
        "parameter": ["entity.A.cash"] * 2,
        "op": ["set"] * 2,
        "value": [500, 1],
    }
    run = gs.simulate(system, scenarios, paths=1, effects=["full", "none"])
    with pytest.raises(gs.InputError, match="does not say which of 4"):
        gs.Network.from_system(system, run, path=0, period=0)
    rich = gs.Network.from_system(system, run, scenario="rich/full", path=0, period=2)
    poor = gs.Network.from_system(system, run, scenario="poor/full", path=0, period=2)
    anyway = gs.Network.from_system(system, run, scenario="poor/none", path=0, period=2)
    assert rich.to_dense()[0, 1] == anyway.to_dense()[0, 1] == 0.0
    assert poor.to_dense()[0, 1] == pytest.approx(119.0, rel=1e-12)  # all that A had is paid


def test_factor_paths_of_ones_own_have_to_be_those_of_the_run() -> None:
    system = small(
        factors=[{"name": "x", "process": "constant"}],
        entities=[entity("A", 9.0), entity("B", 1.0)],
        flows=[flow("sale", None, "A", 10.0)],
        sensitivities=[{"target": "sale", "factor": "x", "elasticity": 1.0}],
        loans=[{"name": "l", "borrower": "A", "lender": "B", "principal": 5.0, "rate": 0.0, "years": 2.0}],
    )
    factors = {"path": [0], "period": [0], "x": [3.0]}
    run = gs.simulate(system, factors=factors)
    net = gs.Network.from_system(system, run, path=0, period=0, factors=factors)
    assert net.external_assets.tolist() == [9.0 + 30.0, 1.0]
    with pytest.raises(gs.InputError, match="`factors`: are not the factor paths of the run"):
        gs.Network.from_system(system, run, path=0, period=0)
