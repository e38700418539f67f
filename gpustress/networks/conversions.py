"""Networks as others hold them: matrices and graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from scipy import sparse

from ..errors import LISTED_ROWS, InputError, Problem, bad_argument, shown
from .schema import LARGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .network import Network

MATRIX: Final = "matrix"
GRAPH: Final = "graph"
RANK: Final = "rank"  # the edges' attribute
_OF_NODES: Final = ("external_assets", "external_liabilities", "equity", "external_rank")


def edges_of_matrix(matrix: Any, names: Any) -> tuple[pa.Table, list[str]]:
    """The table ``edges`` of a matrix with the debtor in the row, and the nodes' names.

    Raises
    ------
    InputError
        It is no square matrix of amounts, or there is another number of names.
    """
    from .contagion_arguments import numbers  # which needs Network

    remedy = "Give a sparse matrix of scipy's or a two-dimensional array of numbers."
    if hasattr(matrix, "columns") and list(matrix.columns) != list(getattr(matrix, "index", [])):
        message = "has other names for its columns, or in another order, than for its rows"
        raise bad_argument(
            MATRIX, type(matrix).__name__, message, "Reindex it, with the debtors in the rows."
        )
    entries_given = matrix if sparse.issparse(matrix) else numbers(MATRIX, matrix)
    try:
        given = sparse.coo_array(entries_given)
        if given.dtype.kind not in "biuf":
            raise TypeError(f"its entries are of the type {given.dtype}")
        given = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise bad_argument(
            MATRIX, type(matrix).__name__, f"is no matrix of numbers: {error}", remedy
        ) from error
    if given.ndim != 2 or given.shape[0] != given.shape[1]:
        remedy = "Give it a row and a column for each node."
        raise bad_argument(MATRIX, given.shape, "is not square", remedy)
    labels = _labels(names, given.shape[0])
    if len(labels) != given.shape[0]:
        remedy = f"Give one for each of the {given.shape[0]} rows of the matrix."
        raise bad_argument("names", labels, f"are {len(labels)} names", remedy)
    entries = given.tocsr().tocoo()  # which adds up what is there several times
    _check_entries(entries, labels)
    owed = entries.data != 0.0
    nodes = pa.array(labels, pa.string())
    debtor, creditor = (nodes.take(pa.array(places[owed])) for places in entries.coords)
    return pa.table({"debtor": debtor, "creditor": creditor, "amount": entries.data[owed]}), labels


def _labels(names: Any, count: int) -> list[str]:
    if names is None:
        return [str(i) for i in range(count)]
    try:
        if isinstance(names, str | set | frozenset):
            raise TypeError("they are in no order")
        labels = list(names)
        pa.array(labels, pa.string())
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise bad_argument("names", names, "are no list of text", "Give a text for each node.") from error
    return labels


def _check_entries(entries: sparse.coo_array, labels: list[str]) -> None:
    row, column = entries.coords
    amount = entries.data
    faults = (
        (~np.isfinite(amount), "is not a finite number", "Write a number of at least 0."),
        (amount < 0.0, "is negative", "Write what is owed the other way round at its mirror image."),
        ((amount > LARGEST) & np.isfinite(amount), "is too large", f"Write at most {LARGEST:g}."),
        ((row == column) & (amount > 0.0), "stands on the diagonal", "Write 0: nobody owes itself."),
    )
    problems = []
    for at_fault, message, remedy in faults:
        places = np.flatnonzero(at_fault)
        for place in places[:LISTED_ROWS].tolist():
            creditor = str(labels[column[place]])
            problems.append(
                Problem(MATRIX, int(row[place]), creditor, shown(float(amount[place])), message, remedy)
            )
        if (more := len(places) - LISTED_ROWS) > 0:
            problems.append(Problem(MATRIX, None, None, "", f"{more} more: {message}", remedy))
    if problems:
        raise InputError(problems)


def tables_of_graph(graph: Any, weight: str) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """The tables ``edges`` and ``nodes`` of a directed graph of networkx's.

    Raises
    ------
    InputError
        It is no directed graph, or `weight` names no attribute for amounts.
    """
    if not hasattr(graph, "is_directed") or not graph.is_directed():
        remedy = "Give a DiGraph or MultiDiGraph, whose edges lead from debtor to creditor."
        raise bad_argument(GRAPH, graph, "is no directed graph of networkx's", remedy)
    _check_weight(weight)
    ends = list(graph.edges(data=True))
    edges = {
        "debtor": [str(debtor) for debtor, _, _ in ends],
        "creditor": [str(creditor) for _, creditor, _ in ends],
        "amount": [attributes.get(weight) for _, _, attributes in ends],
        "rank": [attributes.get(RANK) for _, _, attributes in ends],
    }
    nodes = list(graph.nodes(data=True))
    columns = {name: [attributes.get(name) for _, attributes in nodes] for name in _OF_NODES}
    return edges, {"name": [str(node) for node, _ in nodes]} | columns


def _check_weight(weight: Any) -> None:
    remedy = 'Write text, such as "weight".'
    if not isinstance(weight, str):
        raise bad_argument("weight", weight, "is no name of an attribute", remedy)
    if weight == RANK:
        raise bad_argument("weight", weight, "holds an edge's rank, and no amount", remedy)


def graph_of(network: Network, weight: str) -> Any:
    """The network as a DiGraph, or as a MultiDiGraph where a node owes another one in several ranks.

    Raises
    ------
    InputError
        `weight` names no attribute for amounts.
    ImportError
        networkx is not installed.
    """
    _check_weight(weight)
    try:
        import networkx
    except ImportError as error:
        raise ImportError(
            "networkx is not installed, which holds the graph: `pip install networkx`"
        ) from error
    pairs = network.liabilities.nnz
    graph = networkx.DiGraph() if pairs == len(network.amount) else networkx.MultiDiGraph()
    columns = zip(*(getattr(network, name).tolist() for name in _OF_NODES), strict=True)
    for name, values in zip(network.names, columns, strict=True):
        graph.add_node(name, **dict(zip(_OF_NODES, values, strict=True)))
    ends: Mapping[str, list[Any]] = {
        name: getattr(network, name).tolist() for name in ("debtor", "creditor", "amount", "rank")
    }
    for debtor, creditor, amount, rank in zip(*ends.values(), strict=True):
        graph.add_edge(network.names[debtor], network.names[creditor], **{weight: amount, RANK: rank})
    return graph
