"""Shocks to a network as a table: who loses what, or fails, in which shock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from scipy import sparse

from ..errors import InputError, Problem, report_rows
from ..names import check_key
from ..references import check_named
from ..schema import Column, Schema
from ..tables import booleans, floats, integers, places
from .schema import LARGEST, NODES

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .network import Network

SHOCKS: Final = Schema(
    "shocks",
    "What nodes lose in each shock; who is not named loses nothing.",
    (
        Column("shock", "integer", "its number: 0, 1, 2, ... without gaps", minimum=0),
        Column("node", "string", "a node", refers="node"),
        Column("loss", "float", "what it loses, currency", 0.0, minimum=0.0, maximum=LARGEST),
        Column("fails", "boolean", "whether it fails, whatever its equity, and loses all of that", False),
        NODES.by_name["source"],
    ),
    key=("shock", "node"),
)


@dataclass(frozen=True)
class Shocks:
    """S shocks to N nodes, by what they hit.

    Attributes
    ----------
    count : int
        S.
    row, shock, node : ndarray (R,) of int64
        Row of the table, and its shock and node; sorted by shock.
    loss : ndarray (R,)
        Currency.
    fails : ndarray (R,) of bool
    """

    count: int
    row: NDArray[np.int64]
    shock: NDArray[np.int64]
    node: NDArray[np.int64]
    loss: NDArray[np.float64]
    fails: NDArray[np.bool_]

    def of_equity(self, nodes: int) -> sparse.csr_array:
        """What `cascade` and `debtrank` take for these shocks: losses, or who fails, (S, N)."""
        values = self.fails if self.fails.any() else self.loss
        return sparse.csr_array((values, (self.shock, self.node)), shape=(self.count, nodes))


@dataclass(frozen=True)
class ShockedAssets:
    """What external assets are under S shocks, (S, N): an array that `clear_blocks` cuts, of which no more is made.

    Attributes
    ----------
    own : ndarray (N,)
        Before the shocks.
    shocks : Shocks
    """

    own: NDArray[np.float64]
    shocks: Shocks

    ndim: ClassVar[int] = 2

    def __len__(self) -> int:
        """S."""
        return self.shocks.count

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        """Under the shocks of a range."""
        first, end, _ = rows.indices(len(self))
        hit = slice(*np.searchsorted(self.shocks.shock, [first, end]).tolist())
        left = np.tile(self.own, (end - first, 1))
        left[self.shocks.shock[hit] - first, self.shocks.node[hit]] -= self.shocks.loss[hit]
        return left

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of it."""
        return np.array(self[:], dtype=dtype, copy=copy)


def check_shocks(table: pa.Table, names: pa.ChunkedArray | None, problems: list[Problem]) -> None:
    """Check a conformed table of shocks: each pair once, numbers without gaps, and `names` of nodes if known."""
    check_key(SHOCKS.name, table, SHOCKS.key, problems)
    if names is not None:
        check_named(SHOCKS.name, table, "node", names, "node", problems)
    shock = table["shock"]
    if shock.null_count == 0 and len(shock):
        numbers, first = np.unique(integers(table, "shock"), return_index=True)
        gap = np.flatnonzero(numbers != np.arange(len(numbers)))[:1]
        report_rows(
            problems,
            SHOCKS.name,
            "shock",
            first[gap],
            lambda row: shock[row].as_py(),
            message=lambda row: f"there is no shock {int(gap[0])}",
            remedy="Number the shocks from 0 without gaps.",
        )
    elif len(shock) == 0:
        problems.append(Problem(SHOCKS.name, None, None, "", "has no rows", "Give a row for each node hit."))


def shocks_of(table: pa.Table, net: Network) -> Shocks:
    """The shocks in a table that has been checked."""
    shock = integers(table, "shock")
    order = np.argsort(shock, kind="stable")
    fails = booleans(table, "fails")
    return Shocks(
        count=int(shock.max()) + 1,
        row=order,
        shock=shock[order],
        node=places(table, "node", net.names)[order],
        loss=floats(table, "loss")[order],
        fails=fails[order],
    )


def check_assets(shocks: Shocks, net: Network) -> None:
    """Check that shocks can be to external assets.

    Raises
    ------
    InputError
        A node loses more than it holds, or fails: clearing finds out who does.
    """
    problems: list[Problem] = []
    place = np.argsort(shocks.row)  # of each row of the table, in its order
    loss, own = shocks.loss[place], net.external_assets[shocks.node][place]
    report_rows(
        problems,
        SHOCKS.name,
        "loss",
        np.flatnonzero(loss > own),
        lambda row: float(loss[row]),
        message=lambda row: f"is more than its external assets, {own[row]:g}",
        remedy="Write at most these.",
    )
    report_rows(
        problems,
        SHOCKS.name,
        "fails",
        np.flatnonzero(shocks.fails[place]),
        None,
        message="has no meaning for `clear`, which finds out who fails",
        remedy="Write what it loses as `loss`.",
    )
    if problems:
        raise InputError(problems)


def check_equity(shocks: Shocks) -> None:
    """Check that shocks can be to equity.

    Raises
    ------
    InputError
        Some are losses and others failures.
    """
    if shocks.fails.any() and shocks.loss.any():
        rows = np.sort(shocks.row[shocks.fails])
        message, remedy = "stands beside losses of other rows", "Write losses, or who fails, in all shocks."
        problems: list[Problem] = []
        report_rows(problems, SHOCKS.name, "fails", rows, None, message=message, remedy=remedy)
        raise InputError(problems)
