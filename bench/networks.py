"""`python -m bench.networks [--json | --markdown] [--turns N] [--seconds S]`: clearing a batch of shocks, by size.

Every backend that clears networks, against the same algorithm written with scipy.sparse one shock at a time
(`scipy`: rounds of defaults, payments and a bound of their error); against its updates alone, without rounds and bound
(`updates`) and, for small networks, with a dense matrix for all shocks (`dense`); and one shock on 200 banks beside the
package neva. Below that cascades and DebtRank (`spreading`). All take turns in one run, medians count. The peers and
NumPy do fewer of the shocks where a turn would take too long; times are a shock's. All have to give the same, or there
is no table.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gpustress as gs
from gpustress.backends import get_backend
from gpustress.backends.base import ClearsNetworks

from .ceiling import Ceiling
from .machine import machine_name, versions
from .network_peers import Dense, Neva, Scipy, Updates
from .spreading import Spreading, spreading, table_of
from .timing import in_turns, medians, seconds_of

SIZES = {100: 1000, 1_000: 1000, 10_000: 1000, 100_000: 100}  # shocks, by nodes
DEGREE = 10  # debts of a node, in the mean
DENSE_MOST = 1000  # nodes
PEERS = ("scipy", "updates", "dense")
SLOW = ("scipy", "updates", "numpy")  # clear fewer shocks in a turn
OVER = ("scipy", "updates")  # that backends are compared with in the table
AGREE = 1e-11  # of the largest that a node owes
PEER_SHOCKS = 8  # that scipy lets spread in a turn
BANKS = 200  # that neva is timed on
NEVA_QUOTED = 1.7e-3  # seconds that its users tell of, for 200 banks, stopping at 1e-4
SEED = 7

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """Networks of one size.

    Attributes
    ----------
    nodes, edges, shocks : int
    defaults : float
        Share of the nodes that default, in the mean over the shocks.
    updates : float
        That a shock takes by plain updates until no payment moves, in the mean.
    seconds : dict of str to float
        A shock, by contender; the median of the turns.
    bandwidth_share : dict of str to float
        By backend: bytes that these updates have to read and write, over the time, over the machine's bandwidth.
    timed_shocks : dict of str to int
        In a turn, by contender.
    """

    nodes: int
    edges: int
    shocks: int
    defaults: float
    updates: float
    seconds: dict[str, float]
    bandwidth_share: dict[str, float]
    timed_shocks: dict[str, int]


@dataclass(frozen=True)
class OneShock:
    """One shock on 200 banks: seconds by contender; neva's are quoted where it is not installed."""

    seconds: dict[str, float]
    neva_installed: bool
    neva_error: float | None


@dataclass(frozen=True)
class Networks:
    """All that was measured."""

    machine: str
    versions: dict[str, str]
    bandwidth: float
    sizes: list[Size]
    spreading: list[Spreading]
    one_shock: OneShock
    run: dict[str, Any] = field(default_factory=dict)

    def table(self) -> str:
        """In Markdown."""
        names = list(dict.fromkeys(name for size in self.sizes for name in size.seconds))
        backends = [name for name in names if name not in PEERS]
        heads = ["nodes", "edges", "shocks", "default", "updates", *(f"{name}, µs a shock" for name in names)]
        heads += [f"{name} over {peer}" for name in backends for peer in OVER]
        heads += [f"{name}, share of bandwidth" for name in backends]
        lines = [f"| {' | '.join(heads)} |", f"|{'---:|' * len(heads)}"]
        for size in self.sizes:
            cells = [
                f"{size.nodes:,}", f"{size.edges:,}", f"{size.shocks:,}", f"{size.defaults:.0%}",
                f"{size.updates:.1f}",
            ]  # fmt: skip
            cells += [f"{size.seconds[name] * 1e6:,.1f}" if name in size.seconds else "" for name in names]
            cells += [f"{size.seconds[peer] / size.seconds[name]:.1f}" for name in backends for peer in OVER]
            cells += [f"{size.bandwidth_share[name]:.0%}" for name in backends]
            lines.append(f"| {' | '.join(cells)} |")
        quoted = "" if self.one_shock.neva_installed else " (quoted: it is not installed)"
        times = ", ".join(f"{name} {took * 1e3:.2f} ms" for name, took in self.one_shock.seconds.items())
        error = self.one_shock.neva_error
        off = "" if error is None else f", which is off by {error:.1g} of the largest liability"
        return "\n".join(
            [
                *lines,
                "",
                f"{self.machine}. Bandwidth (triad, all threads): {self.bandwidth / 1e9:.1f} GB/s.",
                *table_of(self.spreading),
                "",
                f"One shock on {BANKS} banks: {times}{quoted}; neva stops at 1e-4{off}, ours at 1e-12 with a bound.",
            ]
        )


def random_network(nodes: int, seed: int = SEED) -> gs.Network:
    """A network with few large nodes, who owe and are owed most, and many small ones."""
    draws = np.random.Generator(np.random.Philox(key=seed))
    size = draws.lognormal(0.0, 1.2, nodes)
    ends = draws.choice(nodes, (2, DEGREE * nodes), p=size / size.sum())
    debtor, creditor = np.unique(ends[:, ends[0] != ends[1]], axis=1)
    amount = np.sqrt(size[debtor] * size[creditor]) * draws.lognormal(0.0, 0.5, len(debtor))
    owed, due = (np.bincount(end, amount, nodes) for end in (debtor, creditor))
    deposits = 0.5 * owed + 0.1
    names = [f"n{i}" for i in range(nodes)]
    assets = np.maximum(owed + deposits - due, 0.0) + 0.06 * (owed + deposits)
    return gs.Network(
        {"debtor": np.array(names)[debtor], "creditor": np.array(names)[creditor], "amount": amount},
        {"name": names, "external_assets": assets, "external_liabilities": deposits},
    )


def random_shocks(net: gs.Network, count: int, seed: int = SEED) -> Floats:
    """External assets that are left, (S, N): some shocks hit few, others half of all."""
    draws = np.random.Generator(np.random.Philox(key=seed + 1))
    loss = draws.random((count, 1)) * draws.exponential(0.15, (count, len(net.names)))
    return np.asarray(net.external_assets * np.maximum(0.0, 1.0 - loss))


def clearing_backends() -> dict[str, Callable[[gs.Network, Floats], Floats]]:
    """What clears a batch, by the name of the backend: all that work here and have the kernel."""

    def clear(name: str) -> Callable[[gs.Network, Floats], Floats]:
        return lambda net, shocks: gs.clear(net, shocks, backend=name).payments

    working = [info.name for info in gs.backends() if info.works]
    return {name: clear(name) for name in working if isinstance(get_backend(name), ClearsNetworks)}


def measure(nodes: int, shocks: int, ceiling: Ceiling, turns: int, seconds: float) -> tuple[Size, float]:
    """Time everybody on one size; and the bandwidth between the turns, bytes a second.

    Raises
    ------
    RuntimeError
        They do not agree.
    """
    net = random_network(nodes)
    batch = random_shocks(net, shocks)
    contenders: dict[str, Callable[[Floats], Floats]] = {
        name: partial(clear, net) for name, clear in clearing_backends().items()
    }
    scipy, plain = Scipy(net), Updates(net)
    contenders["scipy"] = lambda rows: scipy.clear(rows).payments
    contenders["updates"] = lambda rows: plain.clear(rows).payments
    if nodes <= DENSE_MOST:
        dense = Dense(net)
        contenders["dense"] = lambda rows: dense.clear(rows).payments
    few = batch[np.linspace(0, shocks - 1, min(shocks, 8)).astype(int)]
    check_agreement(net, {name: clear(few) for name, clear in contenders.items()})
    rows = {
        name: rows_in(clear, batch, seconds) if name in SLOW else batch for name, clear in contenders.items()
    }
    timed = {name: partial(seconds_a_shock, clear, rows[name]) for name, clear in contenders.items()}
    threads = len(os.sched_getaffinity(0))
    measured = medians(in_turns({**timed, "bandwidth": lambda: ceiling.bandwidth(threads)}, turns))
    bandwidth = measured.pop("bandwidth")
    counted = plain.clear(rows["updates"])
    cleared = gs.clear(net, rows["updates"])
    updates, edges = float(counted.updates.mean()), len(net.amount)
    traffic = updates * 8.0 * (edges + 2.0 * nodes)
    found = Size(
        nodes=nodes,
        edges=edges,
        shocks=shocks,
        defaults=float(cleared.defaulted.mean()),
        updates=updates,
        seconds=measured,
        bandwidth_share={name: traffic / measured[name] / bandwidth for name in clearing_backends()},
        timed_shocks={name: len(batch) for name, batch in rows.items()},
    )
    return found, bandwidth


def seconds_a_shock(clear: Callable[[Floats], Floats], batch: Floats) -> float:
    """Seconds that clearing a batch takes, over its shocks."""
    return seconds_of(partial(clear, batch)) / len(batch)


def check_agreement(net: gs.Network, payments: dict[str, Floats]) -> None:
    """Check that all give the same payments.

    Raises
    ------
    RuntimeError
        They do not.
    """
    largest = float((net.liabilities.sum(axis=1) + net.external_liabilities).max())
    first = next(iter(payments))
    for name, found in payments.items():
        apart = float(np.abs(found - payments[first]).max()) / largest
        if not apart <= AGREE:
            raise RuntimeError(f"{name} and {first} differ by {apart:g} of the largest liability")


def rows_in(clear: Callable[[Floats], Floats], batch: Floats, seconds: float) -> Floats:
    """As many shocks, evenly from all of them, as take about so long."""
    a_shock = seconds_of(lambda: clear(batch[:: max(1, len(batch) // 4)][:4])) / min(4, len(batch))
    count = int(np.clip(seconds / a_shock, min(4, len(batch)), len(batch)))
    rows: Floats = batch[np.linspace(0, len(batch) - 1, count).astype(int)]
    return rows


def one_shock(turns: int) -> OneShock:
    """One shock on 200 banks, ours and neva's."""
    net = random_network(BANKS)
    shock = random_shocks(net, 8)[5]
    timed: dict[str, Callable[[], float]] = {
        name: partial(seconds_of, partial(clear, net, shock)) for name, clear in clearing_backends().items()
    }
    error = None
    try:
        neva = Neva(net)
    except ImportError:
        neva = None
    if neva is not None:
        exact = gs.clear(net, shock).payments[0]
        largest = float((net.liabilities.sum(axis=1) + net.external_liabilities).max())
        error = float(np.abs(neva.payments(neva.system(shock)) - exact).max()) / largest

        def with_neva() -> float:
            system = neva.system(shock)
            return seconds_of(system.fixedpoint_equity)

        timed["neva"] = with_neva
    for work in timed.values():
        work()
    seconds = medians(in_turns(timed, max(turns, 9)))
    return OneShock(seconds | ({} if neva is not None else {"neva": NEVA_QUOTED}), neva is not None, error)


def networks(sizes: dict[int, int], turns: int, seconds: float) -> Networks:
    """Measure all sizes."""
    load = os.getloadavg()[0]
    ceiling = Ceiling()
    measured = [measure(nodes, shocks, ceiling, turns, seconds) for nodes, shocks in sizes.items()]
    return Networks(
        machine=machine_name(),
        versions=versions(),
        bandwidth=float(np.median([bandwidth for _, bandwidth in measured])),
        sizes=[size for size, _ in measured],
        spreading=[
            row
            for nodes, shocks in sizes.items()
            for row in spreading(random_network(nodes), min(shocks, nodes), turns, PEER_SHOCKS)
        ],
        one_shock=one_shock(turns),
        run={"turns": turns, "seconds": seconds, "load_before": load},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.networks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--json", action="store_true", help="print one line of JSON alone")
    only.add_argument("--markdown", action="store_true", help="print the table alone")
    parser.add_argument("--turns", type=int, default=5, help="of each contender")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="that a turn of each peer takes at most, about"
    )
    parser.add_argument("--nodes", type=int, nargs="*", default=list(SIZES), help="sizes of networks")
    parser.add_argument("--shocks", type=int, help="in a batch, whatever the size")
    given = parser.parse_args(arguments)
    sizes = {nodes: given.shocks or SIZES.get(nodes, 100) for nodes in given.nodes}
    found = networks(sizes, given.turns, given.seconds)
    if not given.json:
        print(found.table())
    if not given.markdown:
        print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
