"""A network: who owes whom, and what each node holds and owes beside that; checked, and from then on unchanged."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from ..cells import Blame
from ..errors import InputError, InputWarning, Problem, bad_argument, report_rows, row_number
from ..names import check_key, joint_codes, repeated_rows
from ..references import nearest_known
from ..tables import conform, floats, integers, places
from .schema import EDGES, NODES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..obligations import Obligations
    from ..result import Result
    from ..system import System


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Network:
    """Who owes whom: N nodes and E edges; immutable.

    Parameters
    ----------
    edges, nodes : anything that speaks Arrow
        Rows of the input tables ``edges`` (debtor, creditor, amount, rank) and ``nodes`` (name, external_assets,
        external_liabilities, equity, external_rank); a pandas DataFrame or a mapping of columns to values does as
        well. ``edges`` may be None.

    Attributes
    ----------
    names : tuple of str, length N
        In the order given: the last axis of every array of a result.
    external_assets, external_liabilities : ndarray (N,)
        Currency.
    equity : ndarray (N,)
        Book equity, currency: as given, else assets less liabilities, the claims on other nodes at face value.
    external_rank : ndarray (N,) of int64
        Seniority of the external liabilities; a node pays its lower ranks first.
    debtor, creditor : ndarray (E,) of int64
        Places in `names`; sorted by debtor, then creditor, then rank.
    amount : ndarray (E,)
        Currency, above 0.
    rank : ndarray (E,) of int64

    Raises
    ------
    InputError
        With every problem of both tables.

    Warns
    -----
    InputWarning
        Edges of the same debtor, creditor and rank were added up.
    """

    names: tuple[str, ...]
    external_assets: NDArray[np.float64]
    external_liabilities: NDArray[np.float64]
    equity: NDArray[np.float64]
    external_rank: NDArray[np.int64]
    debtor: NDArray[np.int64]
    creditor: NDArray[np.int64]
    amount: NDArray[np.float64]
    rank: NDArray[np.int64]

    def __init__(self, edges: Any, nodes: Any):
        problems: list[Problem] = []
        node_rows, edge_rows = conform(NODES, nodes, problems), conform(EDGES, edges, problems)
        if node_rows is not None:
            _check_nodes(node_rows, problems)
        if edge_rows is not None:
            _check_edges(edge_rows, None if node_rows is None else node_rows["name"], problems)
        if problems or node_rows is None or edge_rows is None:
            raise InputError(problems)
        arrays = _edges(edge_rows, node_rows["name"].to_pylist())
        arrays |= {name: floats(node_rows, name) for name in ("external_assets", "external_liabilities")}
        arrays["external_rank"] = integers(node_rows, "external_rank")
        object.__setattr__(self, "names", tuple(node_rows["name"].to_pylist()))
        for name, values in arrays.items():
            object.__setattr__(self, name, _frozen(values))
        given = floats(node_rows, "equity")
        object.__setattr__(self, "equity", _frozen(np.where(np.isnan(given), self._book_equity(), given)))

    def _book_equity(self) -> NDArray[np.float64]:
        claims, debts = self.claims.sum(axis=1), self.liabilities.sum(axis=1)
        equity: NDArray[np.float64] = self.external_assets + claims - self.external_liabilities - debts
        return equity

    @cached_property
    def liabilities(self) -> sparse.csr_array:
        """What the node of the row owes the node of the column, over all ranks: CSR (N, N), read-only."""
        entries = (self.amount, (self.debtor, self.creditor))
        return _frozen_matrix(sparse.csr_array(entries, shape=(len(self.names), len(self.names))))

    @cached_property
    def claims(self) -> sparse.csr_array:
        """What the node of the row is owed by the node of the column, over all ranks: CSR (N, N), read-only."""
        return _frozen_matrix(self.liabilities.T.tocsr())

    @cached_property
    def obligations(self) -> Obligations:
        """What each node owes in each rank, as clearing sees it: one may clear a shock at a time."""
        from ..obligations import Obligations

        edges = self.debtor, self.creditor, self.amount, self.rank
        return Obligations.of(*edges, self.external_liabilities, self.external_rank)

    @cached_property
    def digest(self) -> str:
        """32 hex digits that stand for every name and number of the network."""
        hasher = hashlib.blake2b(repr(self.names).encode(), digest_size=16)
        for name in ("external_assets", "external_liabilities", "equity", "external_rank", "debtor", "creditor",
                     "amount", "rank"):  # fmt: skip
            array: NDArray[Any] = getattr(self, name)
            hasher.update(f"{name}:{array.shape};".encode())
            hasher.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return hasher.hexdigest()

    @classmethod
    def from_scipy(
        cls,
        matrix: Any,
        names: Any = None,
        *,
        external_assets: Any = None,
        external_liabilities: Any = None,
        equity: Any = None,
    ) -> Network:
        """Make a network of a matrix: the debtor in the row, the creditor in the column.

        Parameters
        ----------
        matrix : sparse array or matrix of scipy's, or array_like, shape (N, N)
            Currency. Entries that scipy holds several times are their sum, as scipy reads them.
        names : sequence of str, optional
            By default "0" to "N - 1".
        external_assets, external_liabilities : array_like (N,), optional
            Currency; by default 0.
        equity : array_like (N,), optional
            Currency; by default assets less liabilities.

        Raises
        ------
        InputError
            With every problem of the matrix; where it has none, with every problem of the nodes.
        """
        from .conversions import edges_of_matrix

        edges, labels = edges_of_matrix(matrix, names)
        columns = {
            "external_assets": external_assets,
            "external_liabilities": external_liabilities,
            "equity": equity,
        }
        return cls(
            edges, {"name": labels} | {name: given for name, given in columns.items() if given is not None}
        )

    def to_scipy(self) -> sparse.csr_array:
        """The debts as a matrix of one's own, over all ranks: CSR (N, N), debtor in the row, creditor in the column."""
        return self.liabilities.copy()

    def to_dense(self) -> NDArray[np.float64]:
        """The debts as an array of one's own, over all ranks: (N, N), debtor in the row, creditor in the column."""
        dense: NDArray[np.float64] = self.liabilities.toarray()
        return dense

    @classmethod
    def from_networkx(cls, graph: Any, weight: str = "weight") -> Network:
        """Make a network of a directed graph of networkx's, whose edges lead from debtor to creditor.

        Parameters
        ----------
        graph : networkx.DiGraph or networkx.MultiDiGraph
            The text of a node is its name. An edge may have a ``rank``, a node ``external_assets``,
            ``external_liabilities``, ``equity`` and ``external_rank``; other attributes are not looked at.
        weight : str
            The edges' attribute that holds the amount, which every edge has to have.

        Raises
        ------
        InputError
            The graph is not directed, or has no amount somewhere; or as of the class.
        """
        from .conversions import tables_of_graph

        return cls(*tables_of_graph(graph, weight))

    def to_networkx(self, weight: str = "weight") -> Any:
        """The network as a directed graph of networkx's; `from_networkx` makes an equal network of it.

        Parameters
        ----------
        weight : str
            The edges' attribute for the amount.

        Returns
        -------
        networkx.DiGraph or networkx.MultiDiGraph
            The latter where a node owes another one in several ranks.

        Raises
        ------
        InputError
            `weight` names no attribute for amounts.
        ImportError
            networkx is not installed.
        """
        from .conversions import graph_of

        return graph_of(self, weight)

    @classmethod
    def from_system(
        cls,
        system: System,
        run: Result,
        *,
        scenario: str | None = None,
        path: int,
        period: int,
        factors: Any = None,
    ) -> Network:
        """The entities' loans and exposures at the end of one period of one path, by replay.

        Parameters
        ----------
        system : System
            The one that was run.
        run : Result
        scenario : str, optional
            Name of a run, as `Result.scenarios` lists it; may be left out where there is only one.
        path, period : int
            From 0.
        factors : anything that speaks Arrow, optional
            The factor paths of one's own, where the run had some.

        Returns
        -------
        Network
            A node for each entity. Debts are the balances of loans between entities and the exposures of kind
            ``loan``, at face value, whoever has failed. What is left of the model's balance sheet (docs/model.md,
            step 5) is external: cash, other assets, books and the remaining exposures (times their recovery once
            the issuer has failed); drawn credit lines, other debt and loans from `outside`.

        Raises
        ------
        InputError
            The run is of another system or had other factor paths, or the scenario, path or period is unknown.
        """
        from .system_network import system_network

        return cls(*system_network(system, run, scenario, path, period, factors))

    def __eq__(self, other: object) -> bool:
        """Whether all names and numbers are the same, in the same order of the nodes."""
        return self.digest == other.digest if isinstance(other, Network) else NotImplemented

    def __hash__(self) -> int:
        """Hash the digest."""
        return hash(self.digest)

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle what was given; what follows from it is made anew."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take it back; copies are read-only too."""
        for name, value in state.items():
            object.__setattr__(self, name, _frozen(value) if isinstance(value, np.ndarray) else value)

    def __repr__(self) -> str:
        """Count in a line what there is."""
        return f"<Network: {len(self.names)} nodes, {len(self.amount)} edges, {self.amount.sum():g} owed>"


def check_network(net: Any) -> None:
    """Refuse what is no network.

    Raises
    ------
    InputError
    """
    if not isinstance(net, Network):
        raise bad_argument("net", net, "is no Network", "Make one with Network(edges, nodes).")


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _frozen_matrix(matrix: sparse.csr_array) -> sparse.csr_array:
    matrix.sort_indices()
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    return matrix


def _check_nodes(rows: pa.Table, problems: list[Problem]) -> None:
    if rows.num_rows == 0:
        problems.append(Problem(NODES.name, None, None, "", "has no rows", "Give a row for each node."))
    check_key(NODES.name, rows, NODES.key, problems)


def _check_edges(rows: pa.Table, nodes: pa.ChunkedArray | None, problems: list[Problem]) -> None:
    blame = Blame(problems, EDGES.name, rows)
    loops = pc.equal(rows["debtor"], rows["creditor"])
    blame("creditor", loops, "is the debtor itself", "Name another node: nobody owes itself.")
    if nodes is None or nodes.null_count == len(nodes):
        return  # the nodes' own problems come first
    known = nodes.combine_chunks().drop_null()
    for column in ("debtor", "creditor"):
        unknown = pc.and_(pc.is_valid(rows[column]), pc.invert(pc.is_in(rows[column], value_set=known)))

        def remedy(row: int, column: str = column) -> str:
            return nearest_known(str(rows[column][row].as_py()), known)

        blame(column, unknown, "names no node", remedy)


def _edges(rows: pa.Table, names: list[str]) -> dict[str, NDArray[Any]]:
    """The edges as arrays, in order, each (debtor, creditor, rank) once and none of them 0."""
    debtor, creditor = places(rows, "debtor", names), places(rows, "creditor", names)
    rank, amount = integers(rows, "rank"), floats(rows, "amount")
    _, codes = np.unique(rank, return_inverse=True)
    repeated, first = repeated_rows(joint_codes([debtor, creditor, codes]))
    if len(repeated):
        _warn(rows, repeated, first)
    order = np.lexsort((rank, creditor, debtor))
    starts = np.flatnonzero(first[order] == order) if len(repeated) else np.arange(len(order))
    total = np.add.reduceat(amount[order], starts) if len(starts) else amount
    kept = order[starts][total > 0.0]
    return {
        "debtor": debtor[kept],
        "creditor": creditor[kept],
        "rank": rank[kept],
        "amount": total[total > 0.0],
    }


def _warn(rows: pa.Table, repeated: NDArray[np.intp], first: NDArray[np.intp]) -> None:
    found: list[Problem] = []
    report_rows(
        found,
        EDGES.name,
        "creditor",
        repeated,
        lambda row: ", ".join(str(rows[column][row].as_py()) for column in ("debtor", "creditor")),
        message=lambda row: f"the same debtor, creditor and rank as in row {row_number(int(first[row]))}",
        remedy="The amounts are added up.",
    )
    warnings.warn(InputWarning("\n".join(map(str, found))), stacklevel=4)
