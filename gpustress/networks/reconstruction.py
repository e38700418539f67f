"""Networks that agree with what is known of them: each node's totals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import numpy as np
import pyarrow as pa
from scipy import sparse

from ..arguments import is_number, one_of, whole_number
from ..errors import InputError, Problem, bad_argument, nearest, shown
from ..names import check_key
from ..references import check_named
from ..tables import conform, floats, places
from .fitness import Ensemble
from .minimum_density import load
from .network import Network
from .proportional_fitting import TOLERANCE, InfeasibleError, UnfittedError, fit
from .reconstruction_schema import FORBIDDEN, TOTALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Method = Literal["max_entropy", "min_density", "fitness"]

METHODS: Final = ("max_entropy", "min_density", "fitness")
_NAMED: Final = 5  # nodes that a message names before it counts the others


@overload
def reconstruct(
    totals: Any,
    method: Method = ...,
    seed: int = ...,
    samples: Literal[1] = ...,
    forbidden: Any = ...,
    density: float | None = ...,
) -> Network: ...


@overload
def reconstruct(
    totals: Any,
    method: Method = ...,
    seed: int = ...,
    samples: int = ...,
    forbidden: Any = ...,
    density: float | None = ...,
) -> Network | list[Network]: ...


def reconstruct(
    totals: Any,
    method: Method = "max_entropy",
    seed: int = 0,
    samples: int = 1,
    forbidden: Any = None,
    density: float | None = None,
) -> Network | list[Network]:
    """Make plausible networks of which only each node's totals are known.

    Parameters
    ----------
    totals : anything that speaks Arrow
        Rows of the table ``totals``: name, owed (to the other nodes), due (from them), and, as the network is to have
        them, external_assets, external_liabilities and equity. Owed and due have the same sum.
    method : {"max_entropy", "min_density", "fitness"}
        The one network in which everybody deals with everybody (RAS); one of few links (Anand, Craig and von Peter
        2015); one of an ensemble with links drawn by the nodes' sizes (Cimini et al. 2015).
    seed : int
        Of the draws of ``min_density`` and ``fitness``; 0 to 2^64 - 1.
    samples : int
        How many networks are drawn; ``max_entropy`` has one alone.
    forbidden : anything that speaks Arrow, optional
        Rows of the table ``forbidden`` (debtor, creditor): pairs without a link.
    density : float, optional
        Of ``fitness`` alone, which needs it: expected number of links over N (N - 1).

    Returns
    -------
    Network, or list of Network where samples > 1
        Each node's totals hold to 1e-12 of all that is owed. Nobody owes itself.

    Raises
    ------
    InputError
        With every problem of the tables; sums that do not agree; totals that no network has, with the nodes for which
        they are impossible; a method, seed, number of samples or density out of range.

    Notes
    -----
    Formulas and readings are in docs/networks.md. Every draw belongs to a pair of names and a sample: another node, or
    another order, changes nobody else's.
    """
    _check_arguments(method, seed, samples, density)
    table, allowed = _read(totals, forbidden)
    names, owed, due = table["name"].to_pylist(), floats(table, "owed"), floats(table, "due")
    allowed &= (owed > 0.0)[:, None] & (due > 0.0)
    try:
        if owed.sum() == 0.0:
            drawn = [sparse.csr_array(allowed.shape)] * samples
        elif method == "min_density":
            drawn = [
                sparse.csr_array(load(names, owed, due, allowed, seed, sample)) for sample in range(samples)
            ]
        else:
            drawn = [fit(sparse.csr_array(allowed.astype(np.float64)), owed, due)]
            if density is not None:
                debtor, creditor = np.nonzero(allowed)
                links = _expected_links(density, len(names), len(debtor))
                ensemble = Ensemble(names, owed, due, debtor, creditor, links)
                drawn = [ensemble.draw(seed, sample) for sample in range(samples)]
    except InfeasibleError as fault:
        raise _infeasible(names, owed, due, fault) from fault
    except UnfittedError as fault:
        message = "leave so little room that no network was found that meets them"
        remedy = (
            f"One of them was off by {fault.deviation:g} of itself at the end: check them, or `forbidden`."
        )
        raise InputError([Problem(TOTALS.name, None, None, "", message, remedy)]) from fault
    networks = [_network(table, matrix) for matrix in drawn]
    return networks if samples > 1 else networks[0]


def _check_arguments(method: Any, seed: Any, samples: Any, density: Any) -> None:
    problems = []

    def blame(argument: str, value: object, message: str, remedy: str) -> None:
        problems.append(Problem(argument, None, None, shown(value), message, remedy))

    if not one_of(method, METHODS):
        blame("method", method, "is not known", nearest(str(method), METHODS))
    number = whole_number(seed)
    if number is None or not 0 <= number < 2**64:
        blame("seed", seed, "is out of range", "Write a whole number from 0 to 2^64 - 1.")
    number = whole_number(samples)
    if number is None or number < 1:
        blame("samples", samples, "is out of range", "Write a whole number of at least 1.")
    elif number > 1 and one_of(method, ("max_entropy",)):
        blame(
            "samples",
            samples,
            "has more networks than there are",
            "There is one network of greatest entropy.",
        )
    if one_of(method, ("fitness",)):
        if not is_number(density) or not 0.0 < density < 1.0:
            remedy = "Write the expected number of links over N (N - 1), strictly between 0 and 1."
            blame(
                "density", density, "is needed by `fitness`" if density is None else "is out of range", remedy
            )
    elif density is not None and one_of(method, METHODS):
        blame("density", density, f"has no meaning for `{method}`", "Leave it out, or take `fitness`.")
    if problems:
        raise InputError(problems)


def _read(totals: Any, forbidden: Any) -> tuple[pa.Table, NDArray[np.bool_]]:
    """The totals, and which pairs (N, N) may have a link."""
    problems: list[Problem] = []
    table, pairs = conform(TOTALS, totals, problems), conform(FORBIDDEN, forbidden, problems)
    if table is not None:
        if table.num_rows == 0:
            problems.append(Problem(TOTALS.name, None, None, "", "has no rows", "Give a row for each node."))
        check_key(TOTALS.name, table, TOTALS.key, problems)
    if table is not None and pairs is not None:
        for column in ("debtor", "creditor"):
            check_named(FORBIDDEN.name, pairs, column, table["name"], "node", problems)
    if not problems and table is not None:
        _check_sums(floats(table, "owed"), floats(table, "due"), problems)
    if problems or table is None or pairs is None:
        raise InputError(problems)
    names = table["name"].to_pylist()
    allowed = ~np.eye(len(names), dtype=bool)
    allowed[places(pairs, "debtor", names), places(pairs, "creditor", names)] = False
    return table, allowed


def _check_sums(owed: NDArray[np.float64], due: NDArray[np.float64], problems: list[Problem]) -> None:
    total_owed, total_due = math.fsum(owed), math.fsum(due)
    difference = math.fsum([*owed, *-due])
    if abs(difference) > TOLERANCE * max(total_owed, total_due):
        more, less = ("owed", "due") if difference > 0.0 else ("due", "owed")
        message = (
            f"all that is owed is {total_owed:.15g}, all that is due {total_due:.15g}: "
            f"`{more}` exceeds `{less}` by {abs(difference):.15g}"
        )
        remedy = "Every debt is somebody's claim: add a node for the rest of the world, or scale one column."
        problems.append(Problem(TOTALS.name, None, None, "", message, remedy))


def _expected_links(density: float, nodes: int, pairs: int) -> float:
    links = density * nodes * (nodes - 1)
    if links >= pairs:
        most = pairs / (nodes * (nodes - 1))
        message = "asks for as many links as there can be"
        remedy = f"Write less than {most:.4g}: {pairs} pairs can have a link."
        raise bad_argument("density", density, message, remedy)
    return links


def _infeasible(
    names: Sequence[str], owed: NDArray[np.float64], due: NDArray[np.float64], fault: InfeasibleError
) -> InputError:
    """Say for which nodes the totals are impossible: by their debts or, where those are fewer, their claims."""
    others = np.setdiff1d(np.flatnonzero(due), fault.columns)
    rest = np.setdiff1d(np.flatnonzero(owed), fault.rows)
    debts = "{} owe {:g}, and may owe it only to {}, who are due {:g}"
    claims = "{} are due {:g}, and may get it only from {}, who owe {:g}"
    if len(fault.rows) + len(fault.columns) <= len(others) + len(rest):
        text, of, them = debts, (owed, fault.rows), (due, fault.columns)
    else:
        text, of, them = claims, (due, others), (owed, rest)
    values = [part for totals, nodes in (of, them) for part in (_listed(names, nodes), totals[nodes].sum())]
    message = f"no network has these totals: {text.format(*values)}"
    remedy = f"Together they differ by {fault.excess:g}: check these nodes, or allow them more links."
    return InputError([Problem(TOTALS.name, None, None, "", message, remedy)])


def _listed(names: Sequence[str], nodes: NDArray[np.intp]) -> str:
    listed = [f"`{names[node]}`" for node in nodes[:_NAMED]]
    if len(nodes) > _NAMED:
        listed.append(f"{len(nodes) - _NAMED} more")
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed) or "nobody"


def _network(table: pa.Table, matrix: sparse.csr_array) -> Network:
    cells = matrix.tocoo()
    names = table["name"].combine_chunks()
    edges = {"debtor": names.take(cells.row), "creditor": names.take(cells.col), "amount": cells.data}
    return Network(edges, table.drop_columns(["owed", "due"]))
